//! The whole lake in a bucket: the same commands, what only a bucket can do wrong, and a network that
//! breaks at the worst moment.
//!
//! Left out without `LAKEBED_TEST_S3`, and one line says so.

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
};

use lakebed_store::{Backend as _, ObjectStoreBackend};
use lakebed_testkit::{
    proxy::{FaultProxy, NetFault, ask_plainly},
    s3::{self, Keys, READER, WRITER},
};
use serde_json::Value;
use url::Url;

use crate::world::{LAKEBED, Ran, World, example};

/// A folder to work in, and a lake in a bucket.
struct Bucket {
    world: World,
    url: Url,
    endpoint: String,
    keys: Keys,
    catalog: &'static str,
}

impl Bucket {
    /// A place for a lake; nothing when there is no server.
    fn new() -> Option<Self> {
        let endpoint = s3::endpoint()?;
        let url = wait(s3::fresh_url(&endpoint));
        Some(Self { world: World::in_folder(), url, endpoint, keys: WRITER, catalog: "catalog.db" })
    }

    /// With `nyc.airlines` in two versions: 16 airlines, and 17.
    fn with_airlines() -> Option<Self> {
        let bucket = Self::new()?;
        let airlines = std::fs::read_to_string(example("airlines.csv")).unwrap();
        for text in [airlines.clone(), format!("{airlines}ZZ,Zeppelin Ltd.\n")] {
            bucket.world.write("airlines.csv", text);
            bucket.ok(&["ingest", "airlines.csv", "--to", "nyc.airlines"]);
        }
        Some(bucket)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.world.command_of(LAKEBED);
        let database = format!("sqlite://{}", self.world.path(self.catalog).display());
        command
            .env("LAKEBED_LAKE", self.url.as_str())
            .env("LAKEBED_CATALOG", database)
            .env("LAKEBED_SCRATCH", self.world.path("scratch"))
            .env("AWS_ENDPOINT_URL_S3", &self.endpoint)
            .env("AWS_REGION", s3::REGION)
            .env("AWS_ACCESS_KEY_ID", self.keys.id)
            .env("AWS_SECRET_ACCESS_KEY", self.keys.secret)
            .args(arguments);
        command
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        self.world.finish(self.command(arguments), b"")
    }

    #[track_caller]
    fn ok(&self, arguments: &[&str]) -> Ran {
        let ran = self.run(arguments);
        assert_eq!(ran.code, Some(0), "lakebed {arguments:?}\n{ran}");
        ran
    }

    #[track_caller]
    fn json(&self, arguments: &[&str]) -> Value {
        read(&self.ok(&[arguments, &["--json"]].concat()))
    }

    /// Flips a bit in the middle of what is at `key` in the bucket.
    fn flip(&self, key: &str) {
        let options = s3::options(&self.endpoint, WRITER);
        let backend = ObjectStoreBackend::open(&self.url, &options).unwrap();
        wait(async {
            let mut bytes = backend.read(key).await.unwrap().expect("it is there").to_vec();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            backend.replace(key, &bytes::Bytes::from(bytes).into()).await.unwrap();
        });
    }
}

fn read(ran: &Ran) -> Value {
    serde_json::from_slice(&ran.stdout).unwrap_or_else(|error| panic!("{error}\n{ran}"))
}

fn wait<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.unwrap().block_on(future)
}

fn key_of(digest: &str) -> String {
    format!("objects/{}/{digest}", &digest[..2])
}

const COUNT: &str = "SELECT count(*) AS n FROM nyc.airlines";

#[test]
fn p9_p10_a_lake_in_a_bucket_answers_as_one_in_a_folder() {
    let Some(bucket) = Bucket::with_airlines() else { return };
    let folder = World::in_folder_with_airlines();
    for question in [
        &["sql", "SELECT * FROM nyc.airlines ORDER BY carrier", "--format", "csv"][..],
        &["sql", "SELECT count(*) FROM nyc.\"airlines@v1\"", "--format", "csv"],
        &["resolve", "nyc.airlines", "nyc.airlines@v1"],
    ] {
        assert_eq!(bucket.ok(question).text(), folder.ok(question).text(), "{question:?}");
    }
    bucket.ok(&["verify"]);
    bucket.ok(&["fetch", "nyc.airlines", "--sources", "--into", "originals"]);
    let fetched = bucket.world.read("originals/nyc/airlines/airlines.csv");
    assert!(fetched.ends_with("ZZ,Zeppelin Ltd.\n"));
    bucket.ok(&["lock", "nyc.airlines"]);
    bucket.ok(&["lock", "--check"]);

    let rebuilt = Bucket { catalog: "rebuilt.db", ..bucket };
    let stale = rebuilt.run(&["ls"]);
    assert_eq!(stale.code, Some(5), "an empty database is not the lake's\n{stale}");
    std::fs::remove_file(rebuilt.world.path("rebuilt.db")).unwrap();
    rebuilt.ok(&["rebuild"]);
    let first = Bucket { catalog: "catalog.db", ..rebuilt };
    let before = first.ok(&["log", "--json"]).text();
    let rebuilt = Bucket { catalog: "rebuilt.db", ..first };
    assert_eq!(rebuilt.ok(&["log", "--json"]).text(), before);
    assert_eq!(std::fs::read_dir(rebuilt.world.path("scratch")).unwrap().count(), 0);
}

/// The journal arbitrates: what one database wrote, another does not overwrite.
#[test]
fn a_second_database_on_the_same_bucket_is_refused() {
    let Some(bucket) = Bucket::with_airlines() else { return };
    std::fs::copy(bucket.world.path("catalog.db"), bucket.world.path("copy.db")).unwrap();
    bucket.world.write("more.csv", "carrier,name\nXX,Xenon\n");
    bucket.ok(&["ingest", "more.csv", "--to", "nyc.airlines"]);
    let stale = Bucket { catalog: "copy.db", ..bucket };
    stale.world.write("other.csv", "carrier,name\nYY,Ypsilon\n");
    let ran = stale.run(&["ingest", "other.csv", "--to", "nyc.airlines"]);
    ran.assert_clear(5);
    let current = Bucket { catalog: "catalog.db", ..stale };
    assert_eq!(current.json(&["history", "nyc.airlines"])["versions"][0]["version"], 3);
    current.ok(&["verify"]);
}

#[test]
fn a_prefix_that_holds_somebodys_files_becomes_no_lake() {
    let Some(bucket) = Bucket::with_airlines() else { return };
    // Below the root of a lake lie its objects, but no lake's file.
    let inside: Url = format!("{}/objects", bucket.url).parse().unwrap();
    let inside = Bucket { url: inside, catalog: "other.db", ..bucket };
    inside.world.write("x.csv", "a\n1\n");
    let ran = inside.run(&["ingest", "x.csv", "--to", "a.b"]);
    ran.assert_clear(5);
    assert!(ran.stderr.contains("holds files but no lake"), "{ran}");
    let ran = inside.run(&["ls"]);
    ran.assert_clear(3);
    assert!(ran.stderr.contains("there is no lake at"), "{ran}");
}

#[test]
fn another_lakes_database_is_refused() {
    let Some(one) = Bucket::with_airlines() else { return };
    let Some(two) = Bucket::with_airlines() else { return };
    std::fs::copy(two.world.path("catalog.db"), one.world.path("theirs.db")).unwrap();
    let mixed = Bucket { catalog: "theirs.db", ..one };
    let ran = mixed.run(&["ls"]);
    ran.assert_clear(5);
    assert!(ran.stderr.contains("--catalog"), "{ran}");
}

#[test]
fn each_fault_of_a_bucket_has_its_own_error_and_hint() {
    let Some(bucket) = Bucket::new() else { return };
    let told = |name, value: Option<&str>, code| {
        let mut command = bucket.command(&["ls"]);
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
        let ran = bucket.world.finish(command, b"");
        ran.assert_clear(code);
        ran.stderr
    };
    let absent = told("LAKEBED_LAKE", Some("s3://no-such-bucket/x"), 3);
    assert!(absent.contains("there is no bucket `s3://no-such-bucket`"), "{absent}");
    let unknown = told("AWS_ACCESS_KEY_ID", Some("nobody"), 7);
    assert!(unknown.contains("does not know the access key"), "{unknown}");
    let forged = told("AWS_SECRET_ACCESS_KEY", Some("guessed"), 7);
    assert!(forged.contains("does not accept the signature"), "{forged}");
    let clear = told("AWS_ENDPOINT_URL_S3", Some("http://192.0.2.1:8333"), 4);
    assert!(clear.contains("not encrypted"), "{clear}");
    let half = told("AWS_SECRET_ACCESS_KEY", None, 2);
    assert!(half.contains("AWS_SECRET_ACCESS_KEY is not"), "{half}");
    let nobody = told("AWS_ENDPOINT_URL_S3", Some("http://127.0.0.1:1"), 7);
    assert!(nobody.contains("127.0.0.1:1"), "{nobody}");
    let catalog = told("LAKEBED_CATALOG", None, 3);
    assert!(catalog.contains("there is no lake"), "{catalog}");
    for secret in [WRITER.secret, "guessed"] {
        assert!(![&absent, &unknown, &forged, &half].iter().any(|t| t.contains(secret)));
    }
}

#[test]
fn who_may_only_read_reads_and_is_told_so_when_writing() {
    let Some(bucket) = Bucket::with_airlines() else { return };
    let reader = Bucket { keys: READER, ..bucket };
    assert!(reader.ok(&["sql", COUNT, "--format", "csv"]).text().contains("17"));
    reader.world.write("more.csv", "carrier,name\nXX,Xenon\n");
    let ran = reader.run(&["ingest", "more.csv", "--to", "nyc.airlines"]);
    ran.assert_clear(7);
    assert!(ran.stderr.contains("s3:PutObject"), "{ran}");
}

/// P3: a byte that changed in the bucket is found by verify and by a query, and never answered.
#[test]
fn p3_a_flipped_byte_in_the_bucket_is_found() {
    let Some(bucket) = Bucket::with_airlines() else { return };
    let resolved = bucket.json(&["resolve", "nyc.airlines", "--files"]);
    let table = resolved["versions"][0]["files"][0]["object"].as_str().unwrap().to_owned();
    bucket.flip(&key_of(&table));
    let report = bucket.run(&["verify", "--json"]);
    assert_eq!(report.code, Some(1), "{report}");
    let report = read(&report);
    assert_eq!(report["findings"][0]["object"], table.as_str(), "{report}");
    let query = bucket.run(&["sql", "SELECT * FROM nyc.airlines", "--format", "csv"]);
    assert_eq!(query.code, Some(6), "{query}");
    assert!(query.stderr.contains(&table), "{}", query.stderr);
    bucket.ok(&["sql", "SELECT * FROM nyc.\"airlines@v1\"", "--format", "csv"]);
}

#[test]
fn signed_urls_read_one_file_for_a_while_and_are_in_no_log() {
    let Some(bucket) = Bucket::with_airlines() else { return };
    let url_of = |arguments: &[&str]| {
        let answer = bucket.json(arguments);
        answer["versions"][0]["sources"][0]["url"].as_str().unwrap().to_owned()
    };
    let url = url_of(&["resolve", "nyc.airlines", "--files", "--url-seconds", "60"]);
    assert!(url.contains("X-Amz-Expires=60&"), "{url}");
    let (status, bytes) = ask_plainly("GET", &url, b"");
    assert_eq!(status, 200);
    assert!(bytes.ends_with(b"ZZ,Zeppelin Ltd.\n"));
    assert_eq!(ask_plainly("PUT", &url, b"x").0, 403);
    assert!(url_of(&["resolve", "nyc.airlines", "--files"]).contains("X-Amz-Expires=900&"));
    let unsigned = url_of(&["resolve", "nyc.airlines", "--files", "--url-seconds", "0"]);
    assert!(unsigned.starts_with("/v1/objects/"), "{unsigned}");

    let ran = bucket.ok(&["resolve", "nyc.airlines", "--files", "--json", "-vvv"]);
    assert!(ran.text().contains("X-Amz-Signature"), "{ran}");
    assert!(ran.stderr.contains("/v1/resolve"), "it logs: {}", ran.stderr);
    assert!(!ran.stderr.contains("X-Amz-Signature"), "{}", ran.stderr);
    assert!(!ran.stderr.contains(WRITER.secret), "{}", ran.stderr);
}

/// `lakebed serve`, ended when dropped.
struct Server {
    child: Child,
    url: String,
}

impl Server {
    fn start(bucket: &Bucket) -> Self {
        let mut command = bucket.command(&["serve", "--listen", "127.0.0.1:0"]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let url = line.trim().strip_prefix("listening on ").expect("an address").to_owned();
        Self { child, url }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// The bytes come straight from the bucket where it can be reached, else through the server.
#[test]
fn a_client_of_a_server_fetches_from_the_bucket_or_through_the_server() {
    let Some(mut bucket) = Bucket::with_airlines() else { return };
    let proxy = FaultProxy::start(&bucket.endpoint);
    bucket.endpoint = proxy.endpoint();
    let server = Server::start(&bucket);
    let fetch = |into: &str| {
        let mut command = bucket.world.command_of(LAKEBED);
        command.args(["--lake", &server.url, "fetch", "nyc.airlines", "--into", into]);
        let ran = bucket.world.finish(command, b"");
        assert_eq!(ran.code, Some(0), "{ran}");
        let signed = |request: &String| request.contains("X-Amz-Signature");
        proxy.requests().iter().filter(|request| signed(request)).count()
    };
    assert_eq!(fetch("straight"), 1);
    proxy.strike("GET", "X-Amz-Signature", NetFault::BreakBefore, 100);
    assert!(fetch("through") > 1);
    assert!(proxy.struck() > 0);
    let file = "nyc/airlines/part-00000.parquet";
    let bytes = |into: &str| std::fs::read(bucket.world.path(format!("{into}/{file}"))).unwrap();
    assert_eq!(bytes("straight"), bytes("through"));
}

/// P4: whatever the network does to one request, nothing that was acknowledged is lost, nothing is
/// wrong, and most of it nobody notices.
#[test]
fn p4_an_ingest_survives_a_network_that_breaks_at_any_request() {
    let Some(mut bucket) = Bucket::with_airlines() else { return };
    let direct = bucket.endpoint.clone();
    let mut expected = 17;
    let worst = [
        ("PUT", "/journal/", NetFault::BreakAfter),
        ("PUT", "/journal/", NetFault::BusyAfter),
        ("PUT", "/journal/", NetFault::BreakBefore),
        ("PUT", "/objects/", NetFault::BreakAfter),
        ("PUT", "/objects/", NetFault::Busy),
        ("GET", "/objects/", NetFault::BreakBody),
        ("GET", "/journal/", NetFault::Busy),
    ];
    let mut text = std::fs::read_to_string(bucket.world.path("airlines.csv")).unwrap();
    for (method, part, fault) in worst {
        let proxy = FaultProxy::start(&direct);
        proxy.strike(method, part, fault.clone(), 1);
        bucket.endpoint = proxy.endpoint();
        expected += 1;
        text.push_str(&format!("Z{expected},Airline {expected}\n"));
        bucket.world.write("airlines.csv", &text);
        bucket.ok(&["ingest", "airlines.csv", "--to", "nyc.airlines"]);
        assert_eq!(proxy.struck(), 1, "{method} {part} {fault:?}");
        bucket.endpoint.clone_from(&direct);
        let count = bucket.ok(&["sql", COUNT, "--format", "csv"]).text();
        assert_eq!(count.trim().lines().last(), Some(expected.to_string().as_str()), "{fault:?}");
    }
    bucket.ok(&["verify"]);
    let before = bucket.ok(&["log", "--json"]).text();
    let rebuilt = Bucket { catalog: "rebuilt.db", ..bucket };
    rebuilt.ok(&["rebuild"]);
    assert_eq!(rebuilt.ok(&["log", "--json"]).text(), before);
}

/// How to reach the bucket may stand in a file that the demo's own file hides.
#[test]
fn the_demo_finds_a_bucket_that_the_users_own_file_describes() {
    let Some(bucket) = Bucket::new() else { return };
    let text = format!("[s3]\nendpoint = \"{}\"\nregion = \"{}\"\n", bucket.endpoint, s3::REGION);
    bucket.world.write("lakebed.toml", text);
    let database = format!("sqlite://{}", bucket.world.path(bucket.catalog).display());
    let arguments = ["demo", "--lake", bucket.url.as_str(), "--catalog", &database];
    let mut command = bucket.command(&arguments);
    command.env_remove("AWS_ENDPOINT_URL_S3").env_remove("AWS_REGION");
    let ran = bucket.world.finish(command, b"");
    assert_eq!(ran.code, Some(0), "{ran}");
    assert!(ran.text().contains("the same answers, on both versions"), "{ran}");
    assert!(!bucket.world.path("lakebed-demo/lake").exists());
}

#[test]
fn doctor_looks_at_store_and_database_and_cleans_up() {
    let Some(bucket) = Bucket::new() else { return };
    let early = bucket.json(&["doctor"]);
    let last = early["checks"].as_array().unwrap().last().unwrap().clone();
    assert_eq!((&last["name"], &last["outcome"]), (&"lake".into(), &"warning".into()), "{early}");
    bucket.world.write("x.csv", "a\n1\n");
    bucket.ok(&["ingest", "x.csv", "--to", "a.b"]);
    let report = bucket.json(&["doctor"]);
    let names: Vec<&str> = report["checks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|check| check["name"].as_str().unwrap())
        .collect();
    for name in ["write", "create-only", "ranges", "list", "checksums", "delete", "clock", "lake"] {
        assert!(names.contains(&name), "{name}: {report}");
    }
    assert!(names.contains(&"journal") && report["failed"] == 0, "{report}");

    let reader = Bucket { keys: READER, ..bucket };
    let ran = reader.run(&["doctor"]);
    assert_eq!(ran.code, Some(1), "{ran}");
    assert!(ran.text().contains("failed   write"), "{ran}");
    assert!(ran.text().contains("s3:PutObject"), "{ran}");
}

#[test]
fn settings_of_the_bucket_say_where_they_come_from_and_hide_secrets() {
    let Some(bucket) = Bucket::new() else { return };
    let settings = bucket.json(&["config"]);
    assert_eq!(settings["s3.endpoint"]["origin"], "AWS_ENDPOINT_URL_S3");
    assert_eq!(settings["s3.credentials"]["value"], format!("access key {}", WRITER.id));
    assert!(!settings.to_string().contains(WRITER.secret));
}
