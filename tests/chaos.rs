//! Three servers on one lake while each is killed in turn and their database dies: no acknowledged
//! version is lost, no answer is wrong, clients that ask again see no error (P4, P9, P10). In a folder,
//! and in a bucket behind a network that breaks.

#![allow(clippy::unwrap_used, reason = "tests may")]

#[path = "chaos/clients.rs"]
mod clients;
#[path = "chaos/servers.rs"]
mod servers;

use std::{path::Path, sync::Arc, time::Duration};

use lakebed_core::Identity;
use lakebed_service::{Ctx, Lake, LakeConfig, NoProgress, OpenMode, SystemClock, VerifyFinding};
use lakebed_store::Root;
use lakebed_testkit::{
    Cluster, NoEngine, config_of, exports, is_postgres_there,
    proxy::{Chance, FaultProxy, NetFault},
    s3::{self, WRITER},
};
use tokio::sync::Mutex;

use clients::Load;
use servers::Servers;

/// How long things are left as they are between two blows.
const CALM: Duration = Duration::from_secs(2);

/// One after the other: two at once would only tell how busy the machine is.
static ALONE: Mutex<()> = Mutex::const_new(());

/// What the network does to requests of the servers to their bucket.
const STORM: [Chance; 11] = [
    ("PUT", "", NetFault::BreakBefore),
    ("PUT", "", NetFault::BreakAfter),
    ("PUT", "", NetFault::Busy),
    ("PUT", "", NetFault::BusyAfter),
    ("GET", "", NetFault::BreakBefore),
    ("GET", "", NetFault::BreakBody),
    ("GET", "", NetFault::Busy),
    // Cut so that nothing shows it.
    ("GET", "/objects/", NetFault::HalfBody),
    ("HEAD", "", NetFault::BreakBefore),
    ("HEAD", "", NetFault::BreakAfter),
    ("HEAD", "", NetFault::Busy),
];

/// How many requests there are for one that is struck.
const ONE_IN: u64 = 8;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_servers_lose_nothing_while_each_is_killed_and_postgres_dies() {
    if !is_postgres_there() {
        return;
    }
    let _alone = ALONE.lock().await;
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("lake");
    let environment = vec![("LAKEBED_LAKE", root.display().to_string())];
    strike_everything(folder.path(), environment, config_of(&root, OpenMode::Existing)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_a_bucket_behind_a_network_that_breaks_they_lose_nothing_either() {
    let (true, Some(endpoint)) = (is_postgres_there(), s3::endpoint()) else { return };
    let _alone = ALONE.lock().await;
    let folder = tempfile::tempdir().unwrap();
    let url = s3::fresh_url(&endpoint).await;
    let network = FaultProxy::start(&endpoint);
    network.storm(ONE_IN, &STORM);
    let environment = vec![
        ("LAKEBED_LAKE", url.to_string()),
        ("LAKEBED_SCRATCH", folder.path().join("scratch").display().to_string()),
        ("LAKEBED_S3_ENDPOINT", network.endpoint()),
        ("LAKEBED_S3_REGION", s3::REGION.to_owned()),
        ("LAKEBED_S3_ACCESS_KEY_ID", WRITER.id.to_owned()),
        ("LAKEBED_S3_SECRET_ACCESS_KEY", WRITER.secret.to_owned()),
    ];
    let config = LakeConfig {
        root: Root::Url(url),
        store: s3::options(&endpoint, WRITER),
        catalog_url: None,
        open: OpenMode::Existing,
    };
    strike_everything(folder.path(), environment, config).await;
    println!("{} of {} requests struck", network.struck(), network.requests().len());
    for (method, _, fault) in STORM {
        assert!(network.struck_by(&fault) > 0, "{method} {fault:?}");
    }
}

/// Three servers with this `environment` under load: all that can die dies, and nothing is lost.
/// `config` is how the lake is looked at afterwards.
async fn strike_everything(
    folder: &Path,
    mut environment: Vec<(&'static str, String)>,
    config: LakeConfig,
) {
    let mut cluster = Cluster::start().expect("a cluster of its own");
    environment.push(("LAKEBED_CATALOG", cluster.url()));
    let mut servers = Servers::start(environment);
    let passing: &[&str] = match &config.root {
        Root::Folder(_) => &[],
        // What was cut on its way does not fit its name: never a row, and whole the next time.
        Root::Url(_) => &["corrupt"],
    };
    let load = Arc::new(Load::new(servers.urls(), passing));
    load.begin().await;
    let workers = load.spawn();

    calm(&mut servers).await;
    for index in 0..3 {
        servers.kill(index);
        tokio::time::sleep(CALM / 2).await;
        servers.run(index);
        calm(&mut servers).await;
    }
    cluster.crash().expect("it is told");
    tokio::time::sleep(CALM / 2).await;
    cluster.run().expect("it comes back");
    calm(&mut servers).await;
    // One more death while everyone still finds its feet.
    servers.kill(0);
    servers.run(0);
    calm(&mut servers).await;
    servers.wait_until_up();

    load.stop();
    for worker in workers {
        worker.join().expect("no client saw an error or a wrong answer");
    }
    load.check_everything().await;
    println!("{}", load.summary());
    servers.stop_in_order();

    let config = LakeConfig { catalog_url: Some(cluster.url()), ..config };
    let second = format!("sqlite://{}", folder.join("rebuilt.db").display());
    let (first, rebuilt) = exports(&config, second).await;
    assert_eq!(first, rebuilt, "P9: the rebuilt database differs");
    assert_eq!(damage(config).await, []);
}

/// Time in which nothing is struck on purpose, and servers that could not start are started again.
async fn calm(servers: &mut Servers) {
    tokio::time::sleep(CALM / 2).await;
    servers.supervise();
    tokio::time::sleep(CALM / 2).await;
    servers.supervise();
}

/// What there is to say of every object of the lake, read again.
async fn damage(config: LakeConfig) -> Vec<VerifyFinding> {
    let lake = Lake::open(config, Arc::new(NoEngine), Arc::new(SystemClock)).await.unwrap();
    let owner = Ctx::new(Identity::owner("local:test".parse().unwrap()), "afterwards");
    let report = lake.verify(&owner, &[], Arc::new(NoProgress)).await.unwrap();
    assert!(report.versions > 0 && report.segments > 0, "{report:?}");
    lake.close().await;
    report.findings
}
