//! Three servers on one lake while each is killed in turn and their database dies: no acknowledged
//! version is lost, no answer is wrong, clients that ask again see no error (P4, P9, P10).

#![allow(clippy::unwrap_used, reason = "tests may")]

#[path = "chaos/clients.rs"]
mod clients;
#[path = "chaos/servers.rs"]
mod servers;

use std::{sync::Arc, time::Duration};

use lakebed_service::{LakeConfig, OpenMode};
use lakebed_testkit::{Cluster, config_of, exports, is_postgres_there};

use clients::Load;
use servers::Servers;

/// How long things are left as they are between two blows.
const CALM: Duration = Duration::from_secs(2);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_servers_lose_nothing_while_each_is_killed_and_postgres_dies() {
    if !is_postgres_there() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("lake");
    let mut cluster = Cluster::start().expect("a cluster of its own");
    let mut servers = Servers::start(&root, &cluster.url());
    let load = Arc::new(Load::new(servers.urls()));
    load.begin().await;
    let workers = load.spawn();

    tokio::time::sleep(CALM).await;
    for index in 0..3 {
        servers.kill(index);
        tokio::time::sleep(CALM / 2).await;
        servers.run(index);
        tokio::time::sleep(CALM).await;
    }
    cluster.crash().expect("it is told");
    tokio::time::sleep(CALM / 2).await;
    cluster.run().expect("it comes back");
    tokio::time::sleep(CALM).await;
    // One more death while everyone still finds its feet.
    servers.kill(0);
    servers.run(0);
    tokio::time::sleep(CALM).await;

    load.stop();
    for worker in workers {
        worker.join().expect("no client saw an error or a wrong answer");
    }
    load.check_everything().await;
    println!("{}", load.summary());
    servers.stop_in_order();

    let config =
        LakeConfig { catalog_url: Some(cluster.url()), ..config_of(&root, OpenMode::Existing) };
    let second = format!("sqlite://{}", folder.path().join("rebuilt.db").display());
    let (first, rebuilt) = exports(&config, second).await;
    assert_eq!(first, rebuilt, "P9: the rebuilt database differs");
}
