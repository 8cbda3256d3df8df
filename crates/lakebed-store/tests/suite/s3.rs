//! What only a real object store can be asked: its refusals, its clock, its signed URLs, and what
//! becomes of a request when the network fails at the worst moment.
//!
//! Left out without `LAKEBED_TEST_S3`, and one line says so.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use lakebed_core::{ObjectId, Outcome};
use lakebed_store::{
    Backend as _, Created, Error, ONE_PUT_BYTES, ObjectStoreBackend, Root, Scratch, Store, Trust,
};
use lakebed_testkit::{
    proxy::{FaultProxy, NetFault, ask_plainly},
    s3::{self, BUCKET, Keys, READER, STRANGER, WRITER},
};
use object_store::{
    ObjectStore as _, PutMode, PutOptions, PutPayload, aws::AmazonS3Builder, path::Path,
};
use url::Url;

use crate::lake::{GROUP, bytes};

const KEY: &str = "journal/000000000007.json";

/// A store behind a proxy, and the same store without one.
struct Behind {
    proxy: FaultProxy,
    store: Store,
    direct: Store,
    url: Url,
}

impl Behind {
    async fn new() -> Option<Self> {
        Self::with_timeout(None).await
    }

    async fn with_timeout(timeout: Option<Duration>) -> Option<Self> {
        let endpoint = s3::endpoint()?;
        let url = s3::fresh_url(&endpoint).await;
        let proxy = FaultProxy::start(&endpoint);
        let mut options = s3::options(&proxy.endpoint(), WRITER);
        options.timeout = timeout;
        let root = Root::Url(url.clone());
        let store = Store::open_with(&root, &options).await.unwrap();
        let direct = Store::open_with(&root, &s3::options(&endpoint, WRITER)).await.unwrap();
        Some(Self { proxy, store, direct, url })
    }
}

async fn open_as(keys: Keys, url: &str) -> Option<Store> {
    let endpoint = s3::endpoint()?;
    s3::fresh_url(&endpoint).await;
    let root = Root::Url(url.parse().unwrap());
    Some(Store::open_with(&root, &s3::options(&endpoint, keys)).await.unwrap())
}

#[track_caller]
fn fault<T: std::fmt::Debug>(result: Result<T, Error>) -> (&'static str, String) {
    match result {
        Err(Error::Bucket { fault, .. }) => (fault.code(), format!("{fault}; {}", fault.hint())),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn each_thing_that_can_be_wrong_with_a_bucket_is_told_apart() {
    let ours = format!("s3://{BUCKET}/refusals");
    let Some(store) = open_as(WRITER, "s3://no-such-bucket/x").await else { return };
    assert_eq!(fault(store.read("lakebed.json").await).0, "bucket-absent");
    assert_eq!(fault(store.create("x", "y".into()).await).0, "bucket-absent");
    assert_eq!(fault(store.list("journal").await).0, "bucket-absent");

    let nobody = Keys { id: "nobody", secret: "x" };
    let store = open_as(nobody, &ours).await.unwrap();
    assert_eq!(fault(store.read("lakebed.json").await).0, "bucket-unknown-key");

    let forger = Keys { secret: "guessed", ..WRITER };
    let store = open_as(forger, &ours).await.unwrap();
    assert_eq!(fault(store.read("lakebed.json").await).0, "bucket-wrong-signature");

    let store = open_as(STRANGER, &ours).await.unwrap();
    assert_eq!(fault(store.read("lakebed.json").await).0, "bucket-forbidden");

    let store = open_as(READER, &ours).await.unwrap();
    assert_eq!(store.read("lakebed.json").await.unwrap(), None, "reading is permitted");
    assert_eq!(fault(store.create("x", "y".into()).await).0, "bucket-forbidden");
}

#[tokio::test]
async fn a_wrong_clock_and_a_wrong_region_are_told_with_numbers_and_names() {
    let Some(behind) = Behind::new().await else { return };
    let body = "<Error><Code>RequestTimeTooSkewed</Code></Error>";
    let answer = format!(
        "HTTP/1.1 403 Forbidden\r\ndate: Wed, 21 Oct 2015 07:28:00 GMT\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    behind.proxy.strike("GET", "lakebed.json", NetFault::Answer(answer), 1);
    let (code, told) = fault(behind.store.read("lakebed.json").await);
    assert_eq!(code, "bucket-clock-skew");
    assert!(told.contains(" s ahead of ") && told.contains("NTP"), "{told}");

    let answer =
        "HTTP/1.1 301 Moved\r\nx-amz-bucket-region: eu-north-1\r\ncontent-length: 0\r\n\r\n";
    behind.proxy.strike("GET", "lakebed.json", NetFault::Answer(answer.to_owned()), 1);
    let (code, told) = fault(behind.store.read("lakebed.json").await);
    assert_eq!(code, "bucket-wrong-region");
    assert!(told.contains("AWS_REGION=eu-north-1"), "{told}");
}

/// The dangerous one: the store has it, the answer is lost, and a client that simply asks again is
/// told that somebody else was first.
#[tokio::test]
async fn the_creator_whose_answer_was_lost_is_still_the_creator() {
    let Some(behind) = Behind::new().await else { return };
    for (index, fault) in [NetFault::BreakAfter, NetFault::BusyAfter].into_iter().enumerate() {
        let key = format!("journal/{index}.json");
        behind.proxy.strike("PUT", &key, fault.clone(), 1);
        let created = behind.store.create(&key, "ours".into()).await.unwrap();
        assert_eq!(created, Created::New, "{fault:?}");
        assert_eq!(behind.direct.read(&key).await.unwrap().unwrap(), "ours");

        // What a client does that trusts the second answer.
        let naive = AmazonS3Builder::new()
            .with_bucket_name(BUCKET)
            .with_region(s3::REGION)
            .with_endpoint(behind.proxy.endpoint())
            .with_allow_http(true)
            .with_access_key_id(WRITER.id)
            .with_secret_access_key(WRITER.secret)
            .build()
            .unwrap();
        let path = format!("{}/naive/{index}", behind.url.path().trim_start_matches('/'));
        behind.proxy.strike("PUT", "/naive/", fault.clone(), 1);
        let options = PutOptions { mode: PutMode::Create, ..PutOptions::default() };
        let (path, payload) = (Path::from(path), PutPayload::from_static(b"ours"));
        let told = naive.put_opts(&path, payload, options).await;
        assert!(matches!(told, Err(object_store::Error::AlreadyExists { .. })), "{told:?}");
    }
    assert_eq!(behind.proxy.struck(), 4);
}

#[tokio::test]
async fn a_later_creator_whose_answer_was_lost_is_told_that_others_were_first() {
    let Some(behind) = Behind::new().await else { return };
    assert_eq!(behind.direct.create(KEY, "theirs".into()).await.unwrap(), Created::New);
    for fault in [NetFault::BreakAfter, NetFault::BusyAfter, NetFault::BreakBefore, NetFault::Busy]
    {
        behind.proxy.strike("PUT", KEY, fault, 1);
        assert_eq!(behind.store.create(KEY, "ours!!".into()).await.unwrap(), Created::Existed);
    }
    assert_eq!(behind.direct.read(KEY).await.unwrap().unwrap(), "theirs");
    assert_eq!(behind.proxy.struck(), 4);
}

/// Two writers of the journal's next segment, each losing its answer: one is first, nobody lies.
#[tokio::test]
async fn of_two_creators_who_lose_their_answers_one_is_first() {
    let Some(behind) = Behind::new().await else { return };
    for round in 0..8 {
        let key = format!("journal/{round}.json");
        behind.proxy.strike("PUT", &key, NetFault::BreakAfter, 2);
        let one = behind.store.create(&key, "one".into());
        let two = behind.store.create(&key, "two".into());
        let (one, two) = tokio::join!(one, two);
        let first = match (one.unwrap(), two.unwrap()) {
            (Created::New, Created::Existed) => "one",
            (Created::Existed, Created::New) => "two",
            both => panic!("{both:?}"),
        };
        assert_eq!(behind.direct.read(&key).await.unwrap().unwrap(), first);
    }
}

#[tokio::test]
async fn a_conflict_is_no_proof_that_something_is_there() {
    let Some(behind) = Behind::new().await else { return };
    let body = "<Error><Code>ConditionalRequestConflict</Code></Error>";
    let answer = format!("HTTP/1.1 409 Conflict\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    behind.proxy.strike("PUT", KEY, NetFault::Answer(answer), 2);
    assert_eq!(behind.store.create(KEY, "ours".into()).await.unwrap(), Created::New);
    assert_eq!(behind.direct.read(KEY).await.unwrap().unwrap(), "ours");
}

#[tokio::test]
async fn a_store_that_is_busy_or_breaks_off_is_asked_again() {
    let Some(behind) = Behind::new().await else { return };
    let contents = bytes(3 * GROUP + 5);
    behind.proxy.strike("PUT", "/objects/", NetFault::Busy, 2);
    behind.proxy.strike("PUT", "/objects/", NetFault::BreakBefore, 1);
    let object = behind.store.put(contents.clone(), Trust::Unnamed).await.unwrap();
    for fault in [NetFault::Busy, NetFault::BreakBody, NetFault::BreakAfter] {
        behind.proxy.strike("GET", "/objects/", fault, 1);
        assert!(behind.store.get(&object).await.unwrap() == contents);
    }
    behind.proxy.strike("GET", "list-type=2", NetFault::Busy, 1);
    behind.proxy.strike("GET", "list-type=2", NetFault::BreakBody, 2);
    assert_eq!(behind.store.list("objects").await.unwrap().len(), 2);
    behind.proxy.strike("PUT", "/objects/", NetFault::BreakAfter, 2);
    let object = behind.store.put(bytes(2 * GROUP + 1), Trust::Unnamed).await.unwrap();
    behind.direct.verify(&object).await.unwrap();
    assert!(behind.proxy.struck() >= 10);
}

#[tokio::test]
async fn an_upload_in_parts_survives_what_breaks() {
    let Some(behind) = Behind::new().await else { return };
    let contents = bytes(ONE_PUT_BYTES as usize + 12345);
    behind.proxy.strike("PUT", "partNumber=2", NetFault::BreakAfter, 1);
    behind.proxy.strike("PUT", "partNumber=3", NetFault::Busy, 1);
    behind.proxy.strike("POST", "uploadId=", NetFault::BreakAfter, 1);
    let object = behind.store.put(contents.clone(), Trust::Unnamed).await.unwrap();
    assert_eq!(behind.proxy.struck(), 3);
    behind.direct.verify(&object).await.unwrap();
}

/// P3: an answer that was cut or changed on its way is an error, however well it looks; and it is
/// asked for once, for asking again until it fits would hide a store that lies now and then.
#[tokio::test]
async fn an_answer_that_was_changed_on_its_way_is_never_data() {
    let Some(behind) = Behind::new().await else { return };
    let (small, large) = (bytes(1000), bytes(4 * GROUP + 5));
    for contents in [small, large] {
        let object = behind.store.put(contents.clone(), Trust::Unnamed).await.unwrap();
        let key = object.id.key();
        for fault in [NetFault::FlipBody, NetFault::HalfBody] {
            behind.proxy.strike("GET", &key, fault.clone(), 1);
            let before = behind.proxy.requests().len();
            let read = behind.store.get(&object).await;
            let asked = behind.proxy.requests()[before..]
                .iter()
                .filter(|request| request.starts_with("GET") && request.contains(&key))
                .count();
            assert!(read.is_err(), "{fault:?}");
            if fault == NetFault::FlipBody {
                assert!(matches!(read, Err(Error::Corrupt { .. })), "{read:?}");
                assert_eq!(asked, 1);
            }
            assert!(behind.store.get(&object).await.unwrap() == contents, "{fault:?}");
        }
    }
}

/// A segment that was cut off on its way to us looks torn; healing it would overwrite a good one.
#[tokio::test]
async fn a_file_that_only_looks_torn_is_not_replaced() {
    let Some(behind) = Behind::new().await else { return };
    behind.direct.create(KEY, "a whole segment".into()).await.unwrap();
    behind.proxy.strike("GET", KEY, NetFault::HalfBody, 1);
    let torn = behind.store.read(KEY).await.unwrap().unwrap();
    assert!(torn.len() < "a whole segment".len(), "the proxy cut it");
    let refused = behind.store.replace_torn(KEY, &torn, "another".into()).await;
    assert!(matches!(refused, Err(Error::Unavailable { .. })), "{refused:?}");
    assert_eq!(behind.direct.read(KEY).await.unwrap().unwrap(), "a whole segment");
}

#[tokio::test]
async fn a_store_that_does_not_answer_in_time_is_unavailable() {
    let timeout = Some(Duration::from_millis(300));
    let Some(behind) = Behind::with_timeout(timeout).await else { return };
    behind.proxy.strike("GET", KEY, NetFault::Delay(Duration::from_millis(50)), 1);
    assert_eq!(behind.store.read(KEY).await.unwrap(), None, "slow is not broken");
    behind.proxy.strike("GET", KEY, NetFault::Delay(Duration::from_secs(2)), 100);
    let started = std::time::Instant::now();
    let read = behind.store.read(KEY).await;
    assert!(matches!(read, Err(Error::Unavailable { .. })), "{read:?}");
    assert!(started.elapsed() < Duration::from_secs(60));
}

/// A flipped byte in the bucket itself, not in anything of ours.
#[tokio::test]
async fn damage_in_the_bucket_is_found() {
    let Some(endpoint) = s3::endpoint() else { return };
    let url = s3::fresh_url(&endpoint).await;
    let options = s3::options(&endpoint, WRITER);
    let store = Store::open_with(&Root::Url(url.clone()), &options).await.unwrap();
    let backend = ObjectStoreBackend::open(&url, &options).unwrap();
    for length in [1000, 5 * GROUP] {
        let mut contents = bytes(length).to_vec();
        let object = store.put(contents.clone().into(), Trust::Unnamed).await.unwrap();
        store.verify(&object).await.unwrap();
        contents[length / 2] ^= 1;
        backend.replace(&object.id.key(), &Bytes::from(contents).into()).await.unwrap();
        let read = store.get(&object).await;
        assert!(matches!(read, Err(Error::Corrupt { object: id, .. }) if id == object.id));
        let verified = store.verify(&object).await;
        assert!(matches!(verified, Err(Error::Corrupt { object: id, .. }) if id == object.id));
    }
}

#[tokio::test]
async fn a_signed_url_reads_one_object_for_a_while_and_does_nothing_else() {
    let Some(endpoint) = s3::endpoint() else { return };
    let root = s3::fresh_root(&endpoint).await;
    let store = Store::open_with(&root, &s3::options(&endpoint, WRITER)).await.unwrap();
    let object = store.put("for a friend".into(), Trust::Unnamed).await.unwrap();
    let other = store.put("not for a friend".into(), Trust::Unnamed).await.unwrap();

    let minute = Duration::from_secs(60);
    let url = store.presign(object.id, minute).await.unwrap().unwrap();
    assert_eq!(ask_plainly("GET", url.as_str(), b""), (200, b"for a friend".to_vec()));
    assert_eq!(ask_plainly("PUT", url.as_str(), b"mine now").0, 403);
    assert_eq!(ask_plainly("DELETE", url.as_str(), b"").0, 403);
    let elsewhere = url.as_str().replace(&object.id.key(), &other.id.key());
    assert_eq!(ask_plainly("GET", &elsewhere, b"").0, 403);
    assert_eq!(store.get(&object).await.unwrap(), "for a friend");

    let short = store.presign(object.id, Duration::from_secs(1)).await.unwrap().unwrap();
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(ask_plainly("GET", short.as_str(), b"").0, 403);
}

#[tokio::test]
async fn folders_and_memories_sign_nothing() {
    for lake in [crate::lake::Lake::folder(), crate::lake::Lake::memory()] {
        let id = ObjectId::of(b"x");
        assert_eq!(lake.store.presign(id, Duration::from_secs(1)).await.unwrap(), None);
    }
}

#[tokio::test]
async fn an_examination_finds_a_good_store_good_and_leaves_nothing() {
    let Some(endpoint) = s3::endpoint() else { return };
    let root = s3::fresh_root(&endpoint).await;
    let store = Store::open_with(&root, &s3::options(&endpoint, WRITER)).await.unwrap();
    let checks = store.examine().await;
    let names: Vec<_> = checks.iter().map(|check| check.name).collect();
    let expected =
        ["write", "create-only", "ranges", "list", "checksums", "delete", "clock", "scratch"];
    assert_eq!(names, expected);
    let bad = checks.iter().filter(|check| check.outcome == Outcome::Failed);
    assert_eq!(bad.collect::<Vec<_>>(), Vec::<&lakebed_core::Check>::new());
    assert!(store.list("").await.unwrap().is_empty());
}

#[tokio::test]
async fn an_examination_says_who_may_not_write() {
    let Some(store) = open_as(READER, &format!("s3://{BUCKET}/examined")).await else { return };
    let checks = store.examine().await;
    assert_eq!((checks[0].name, checks[0].outcome), ("write", Outcome::Failed));
    assert!(checks[0].hint.as_deref().is_some_and(|hint| hint.contains("s3:PutObject")));
}

/// What examinations are for: a store that ignores the condition is found out.
#[tokio::test]
async fn an_examination_finds_a_store_that_overwrites() {
    let below = Arc::new(Overwrites(crate::lake::Lake::memory()));
    let store = Store::new(below, Scratch::in_system().unwrap());
    let checks = store.examine().await;
    let check = checks.iter().find(|check| check.name == "create-only").unwrap();
    assert_eq!(check.outcome, Outcome::Failed, "{check:?}");
}

/// Creates what is there already, as stores do that do not know the condition.
struct Overwrites(crate::lake::Lake);

impl std::fmt::Debug for Overwrites {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Overwrites")
    }
}

#[async_trait::async_trait]
impl lakebed_store::Backend for Overwrites {
    async fn create(
        &self,
        key: &str,
        content: &lakebed_store::Content,
    ) -> lakebed_store::Result<Created> {
        self.0.below.replace(key, content).await.map(|()| Created::New)
    }

    async fn replace(
        &self,
        key: &str,
        content: &lakebed_store::Content,
    ) -> lakebed_store::Result<()> {
        self.0.below.replace(key, content).await
    }

    async fn read(&self, key: &str) -> lakebed_store::Result<Option<Bytes>> {
        self.0.below.read(key).await
    }

    async fn read_range(
        &self,
        key: &str,
        range: std::ops::Range<u64>,
    ) -> lakebed_store::Result<Option<Bytes>> {
        self.0.below.read_range(key, range).await
    }

    async fn size(&self, key: &str) -> lakebed_store::Result<Option<u64>> {
        self.0.below.size(key).await
    }

    async fn list(&self, folder: &str) -> lakebed_store::Result<Vec<lakebed_store::Listed>> {
        self.0.below.list(folder).await
    }

    fn local_path(&self, _key: &str) -> Option<std::path::PathBuf> {
        None
    }

    fn worthwhile_gap(&self) -> u64 {
        0
    }

    async fn remove_probe(&self, key: &str) -> lakebed_store::Result<()> {
        self.0.below.remove_probe(key).await
    }

    async fn create_waiting(
        &self,
        key: &str,
        content: &lakebed_store::Content,
    ) -> lakebed_store::Result<Created> {
        self.0.below.create_waiting(key, content).await
    }

    async fn read_waiting(
        &self,
        key: &str,
        range: std::ops::Range<u64>,
    ) -> lakebed_store::Result<Option<Bytes>> {
        self.0.below.read_waiting(key, range).await
    }

    async fn list_waiting(
        &self,
        folder: &str,
    ) -> lakebed_store::Result<Vec<lakebed_store::Listed>> {
        self.0.below.list_waiting(folder).await
    }

    async fn remove_waiting(&self, key: &str) -> lakebed_store::Result<()> {
        self.0.below.remove_waiting(key).await
    }
}
