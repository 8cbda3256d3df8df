//! A lake behind the door, an engine that answers from a script, and one way to call it.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, Ordering},
};

use arrow::{
    array::{
        Array as _, ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array,
        Decimal256Array, DictionaryArray, DurationMicrosecondArray, Float32Array, Float64Array,
        Int64Array, Int64Builder, ListArray, MapBuilder, NullArray, StringArray, StringBuilder,
        StructArray, Time64MicrosecondArray, TimestampMicrosecondArray, TimestampNanosecondArray,
        TimestampSecondArray, UInt64Array,
    },
    buffer::OffsetBuffer,
    datatypes::{DataType, Field, FieldRef, Int32Type, Int64Type, SchemaRef, i256},
    record_batch::RecordBatch,
};
use async_trait::async_trait;
use axum::{Router, body::Body};
use bytes::Bytes;
use futures::{StreamExt as _, stream, stream::BoxStream};
use http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt as _;
use lakebed_api::Problem;
use lakebed_client::Client;
use lakebed_core::Identity;
use lakebed_server::{Access, AppState, Asks, Auth, Limits, OidcConfig, router};
use lakebed_service::{
    Lake,
    engine::{
        Described, Engine, EngineError, Prepared, QueryJob, QueryLimits, QueryStream, StatementKind,
    },
};
use lakebed_store::Store;
use lakebed_testkit::{NoEngine, TestBackend, TestLake, TestPlace};
use tower::ServiceExt as _;

/// Answers by the first word of a statement; every word with a dot in it is a reference.
#[derive(Debug, Default)]
pub(crate) struct Script {
    /// The limits of the last statement that ran.
    pub(crate) limits: Mutex<Option<QueryLimits>>,
    /// Whether the last stream was dropped.
    pub(crate) dropped: Arc<AtomicBool>,
}

#[async_trait]
impl Engine for Script {
    fn prepare(&self, sql: &str) -> Result<Prepared, EngineError> {
        match sql.split(' ').next().unwrap_or_default() {
            "PANIC" => panic!("scripted"),
            "INVALID" => Err(EngineError::Invalid {
                message: "no such column `x`".to_owned(),
                hint: Some("there is `y`".to_owned()),
            }),
            _ => Ok(Prepared {
                kind: StatementKind::Query,
                references: sql
                    .split(' ')
                    .filter(|word| word.contains('.'))
                    .map(|word| word.parse().unwrap())
                    .collect(),
                system: Vec::new(),
                placeholders: Vec::new(),
            }),
        }
    }

    async fn run(&self, job: QueryJob, _store: &Store) -> Result<QueryStream, EngineError> {
        *self.limits.lock().unwrap() = Some(job.limits);
        let mut words = job.sql.split(' ');
        let word = words.next().unwrap_or_default().to_owned();
        let count = words.next().and_then(|count| count.parse().ok()).unwrap_or(0);
        let batches: BoxStream<'static, _> = match word.as_str() {
            "FAIL" => stream::iter([Err(failed())]).boxed(),
            "BREAK" => {
                stream::iter(numbers(count)).map(Ok).chain(stream::iter([Err(failed())])).boxed()
            }
            "ENDLESS" => stream::repeat_with(|| Ok(batch_of(0..1000))).boxed(),
            "PAUSED" => stream::iter(numbers(count)).map(Ok).chain(stream::pending()).boxed(),
            "STUCK" => stream::pending().boxed(),
            "TYPES" => stream::iter([Ok(types())]).boxed(),
            "TWICE" => stream::iter([Ok(twice())]).boxed(),
            "RARE" => stream::iter([Ok(rare())]).boxed(),
            "TWINS" => stream::iter([Ok(twins())]).boxed(),
            "MAP" => stream::iter([Ok(numbered_map())]).boxed(),
            _ => stream::iter(numbers(count)).map(Ok).boxed(),
        };
        let schema: SchemaRef = match word.as_str() {
            "TYPES" => types().schema(),
            "TWICE" => twice().schema(),
            "RARE" => rare().schema(),
            "TWINS" => twins().schema(),
            "MAP" => numbered_map().schema(),
            _ => batch_of(0..0).schema(),
        };
        let guard = Dropped(Arc::clone(&self.dropped));
        // Like many streams, this one must not be asked once more after its end.
        let batches = stream::unfold((batches, guard), |(mut batches, guard)| async move {
            Some((batches.next().await?, (batches, guard)))
        });
        let batches = batches.boxed();
        Ok(QueryStream { schema, batches, columns: Vec::new(), unstable: Vec::new() })
    }

    async fn lineage(&self, job: QueryJob) -> Result<Described, EngineError> {
        NoEngine.lineage(job).await
    }
}

struct Dropped(Arc<AtomicBool>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

fn failed() -> EngineError {
    EngineError::Failed { message: "division by zero".to_owned() }
}

/// `count` rows in batches of 5,000: `n` counts from 0, `name` is its text.
fn numbers(count: i64) -> Vec<RecordBatch> {
    let starts = (0..count).step_by(5000);
    starts.map(|start| batch_of(start..(start + 5000).min(count))).collect()
}

pub(crate) fn batch_of(numbers: std::ops::Range<i64>) -> RecordBatch {
    let names =
        StringArray::from_iter_values(numbers.clone().map(|number| format!("row {number}")));
    let numbers = Int64Array::from_iter_values(numbers);
    let columns: [(&str, ArrayRef); 2] = [("n", Arc::new(numbers)), ("name", Arc::new(names))];
    RecordBatch::try_from_iter(columns).unwrap()
}

fn twice() -> RecordBatch {
    let number: ArrayRef = Arc::new(Int64Array::from(vec![1]));
    RecordBatch::try_from_iter([("a", Arc::clone(&number)), ("a", number)]).unwrap()
}

/// One value of each type that could be lost on the way, and a row of nulls.
fn types() -> RecordBatch {
    let decimal = Decimal128Array::from(vec![Some(123_450), None]);
    let list = ListArray::from_iter_primitive::<Int32Type, _, _>([Some(vec![Some(1), None]), None]);
    let dictionary: DictionaryArray<Int32Type> = [Some("a\"b"), None].into_iter().collect();
    let micros = || TimestampMicrosecondArray::from(vec![Some(1_767_225_600_000_001), None]);
    let columns: [(&str, ArrayRef); 12] = [
        ("long", Arc::new(Int64Array::from(vec![Some(9_007_199_254_740_993), None]))),
        ("decimal", Arc::new(decimal.with_precision_and_scale(9, 2).unwrap())),
        ("double", Arc::new(Float64Array::from(vec![Some(1e300), None]))),
        ("nan", Arc::new(Float64Array::from(vec![Some(f64::NAN), Some(f64::NEG_INFINITY)]))),
        ("boolean", Arc::new(BooleanArray::from(vec![Some(true), None]))),
        ("text, quoted", Arc::new(StringArray::from(vec![Some("a \"b\",\nc"), None]))),
        ("empty", Arc::new(StringArray::from(vec![Some(""), None]))),
        ("date", Arc::new(Date32Array::from(vec![Some(20_454), None]))),
        ("time", Arc::new(micros())),
        ("point", Arc::new(micros().with_timezone("Europe/Berlin"))),
        ("list", Arc::new(list)),
        ("dictionary", Arc::new(dictionary)),
    ];
    let bytes: ArrayRef = Arc::new(BinaryArray::from(vec![Some(b"\x00\xff".as_slice()), None]));
    RecordBatch::try_from_iter(columns.into_iter().chain([("bytes", bytes)])).unwrap()
}

/// The extremes of rarer types, and what lies within others.
fn rare() -> RecordBatch {
    let seconds = i64::MAX / 1_000_000_000;
    let decimal = Decimal256Array::from(vec![i256::MIN + i256::ONE, i256::ONE]);
    let small = Decimal128Array::from(vec![5, -5]).with_precision_and_scale(4, 3).unwrap();
    let longs = ListArray::from_iter_primitive::<Int64Type, _, _>([
        Some(vec![Some(i64::MAX), None]),
        Some(vec![]),
    ]);
    let within = StructArray::from(vec![
        (field("price", DataType::Decimal128(4, 3)), Arc::new(small) as ArrayRef),
        (field("longs", longs.data_type().clone()), Arc::new(longs) as ArrayRef),
        (field("nan", DataType::Float32), Arc::new(Float32Array::from(vec![f32::NAN, -0.0])) as _),
        (field("raw", DataType::Binary), Arc::new(BinaryArray::from(vec![&b"\x01"[..], b""])) as _),
    ]);
    let mut map = MapBuilder::new(None, StringBuilder::new(), Int64Builder::new());
    for value in [i64::MIN, 0] {
        map.keys().append_value("a\"b");
        map.values().append_value(value);
        map.append(true).unwrap();
    }
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("ulong", Arc::new(UInt64Array::from(vec![u64::MAX, 0]))),
        ("float", Arc::new(Float32Array::from(vec![0.1, f32::MAX]))),
        ("digits", Arc::new(decimal.with_precision_and_scale(76, 10).unwrap())),
        ("day", Arc::new(Date32Array::from(vec![i32::MAX, -719_529]))),
        ("time", Arc::new(Time64MicrosecondArray::from(vec![86_399_999_999, i64::MAX]))),
        ("stamp", Arc::new(TimestampNanosecondArray::from(vec![1, i64::MAX]))),
        ("second", Arc::new(TimestampSecondArray::from(vec![i64::MAX, seconds]))),
        ("point", Arc::new(TimestampSecondArray::from(vec![i64::MIN, 0]).with_timezone("UTC"))),
        ("span", Arc::new(DurationMicrosecondArray::from(vec![1_500_000, i64::MAX]))),
        ("text", Arc::new(StringArray::from(vec!["\u{0}\u{1f}\u{2028}\u{1f600}", "a\tb"]))),
        ("nothing", Arc::new(NullArray::new(2))),
        ("within", Arc::new(within)),
        ("map", Arc::new(map.finish())),
    ];
    RecordBatch::try_from_iter(columns).unwrap()
}

fn field(name: &str, data_type: DataType) -> FieldRef {
    Arc::new(Field::new(name, data_type, true))
}

/// A list of structs with two fields of one name.
fn twins() -> RecordBatch {
    let number: ArrayRef = Arc::new(Int64Array::from(vec![1]));
    let twin = || (field("a", DataType::Int64), Arc::clone(&number));
    let pair: ArrayRef = Arc::new(StructArray::from(vec![twin(), twin()]));
    let offsets = OffsetBuffer::from_lengths([1]);
    let list = ListArray::new(field("item", pair.data_type().clone()), offsets, pair, None);
    RecordBatch::try_from_iter([("pairs", Arc::new(list) as ArrayRef)]).unwrap()
}

/// JSON has no objects whose keys are numbers.
fn numbered_map() -> RecordBatch {
    let mut map = MapBuilder::new(None, Int64Builder::new(), Int64Builder::new());
    map.keys().append_value(1);
    map.values().append_value(2);
    map.append(true).unwrap();
    RecordBatch::try_from_iter([("map", Arc::new(map.finish()) as ArrayRef)]).unwrap()
}

/// A lake, its engine, and the door before it.
pub(crate) struct Door {
    pub(crate) test: Arc<TestLake>,
    /// The lake, or another process's view of it.
    pub(crate) lake: Lake,
    pub(crate) engine: Arc<Script>,
    pub(crate) router: Router,
}

impl Door {
    pub(crate) async fn local() -> Self {
        Self::with(Access::Local, QueryLimits::default()).await
    }

    pub(crate) async fn remote() -> Self {
        Self::with(Access::Remote, QueryLimits::default()).await
    }

    /// On a lake whose files a test can damage, wherever the run has its lakes.
    pub(crate) async fn remote_in_folder() -> Self {
        let place = TestPlace::on(TestBackend::SqliteFolder);
        Self::in_place(place, Access::Remote, QueryLimits::default()).await
    }

    /// The same, in process.
    pub(crate) async fn local_in_folder() -> Self {
        let place = TestPlace::on(TestBackend::SqliteFolder);
        Self::in_place(place, Access::Local, QueryLimits::default()).await
    }

    pub(crate) async fn with(access: Access, limits: QueryLimits) -> Self {
        Self::in_place(TestPlace::new(), access, limits).await
    }

    async fn in_place(place: TestPlace, access: Access, limits: QueryLimits) -> Self {
        let engine = Arc::new(Script::default());
        let test = TestLake::in_place(place, Arc::clone(&engine) as Arc<dyn Engine>).await;
        let lake = test.lake.clone();
        let state = AppState::new(lake.clone(), access).with_limits(limits);
        Self { test: Arc::new(test), lake, engine, router: router(state) }
    }

    /// The same lake behind a door in another state.
    pub(crate) fn with_state(&self, state: AppState) -> Self {
        let (test, engine) = (Arc::clone(&self.test), Arc::clone(&self.engine));
        Self { test, lake: self.lake.clone(), engine, router: router(state) }
    }

    /// The same door, for somebody else.
    pub(crate) fn of(&self, principal: &str) -> Self {
        let identity = Identity::owner(principal.parse().unwrap());
        self.with_state(AppState::new(self.lake.clone(), Access::Remote).with_identity(identity))
    }

    /// Another server of the same lake, which answers no SQL.
    pub(crate) async fn another(&self) -> Self {
        self.another_on(self.test.reopen().await.unwrap())
    }

    /// Another server of the same lake, with the same script.
    pub(crate) async fn another_with_its_engine(&self) -> Self {
        let engine = Arc::clone(&self.engine) as Arc<dyn Engine>;
        self.another_on(self.test.reopen_with(engine).await.unwrap())
    }

    fn another_on(&self, lake: Lake) -> Self {
        let state = AppState::new(lake.clone(), Access::Remote);
        Self { lake, ..self.with_state(state) }
    }

    /// Reached through a socket with these limits.
    pub(crate) async fn remote_with(limits: Limits) -> Self {
        let engine = Arc::new(Script::default());
        let test = TestLake::with_engine(Arc::clone(&engine) as Arc<dyn Engine>).await;
        let lake = test.lake.clone();
        let state = AppState::new(lake.clone(), Access::Remote).with_door(limits);
        Self { test: Arc::new(test), lake, engine, router: router(state) }
    }

    /// The lake is damaged on purpose: dropping it proves nothing.
    pub(crate) fn damaged(&mut self) {
        Arc::get_mut(&mut self.test).expect("the lake has one door").damaged();
    }

    /// The same lake behind a door that asks who asks.
    pub(crate) fn asking(&self, asks: Asks, issuers: Vec<OidcConfig>) -> Self {
        let auth = Auth::new(asks, issuers).unwrap();
        let state = AppState::new(self.test.lake.clone(), Access::Remote)
            .with_auth(auth)
            .with_door(Limits {
                // One peer makes all mistakes of a test.
                failures_per_minute: 0,
                ..Limits::default()
            });
        self.with_state(state)
    }

    /// Another server of the same lake, which trusts no issuer.
    pub(crate) fn twin(&self, asks: Asks) -> Self {
        self.asking(asks, Vec::new())
    }

    pub(crate) fn client(&self) -> Client {
        Client::in_process(self.router.clone())
    }

    /// Sends one request; `headers` are `name: value`.
    pub(crate) async fn call(
        &self,
        method: &str,
        path: &str,
        headers: &[&str],
        body: impl Into<Body>,
    ) -> Answer {
        call(&self.router, method, path, headers, body).await
    }

    pub(crate) async fn send_request(&self, request: Request<Body>) -> Answer {
        send(&self.router, request).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.call("GET", path, &[], Body::empty()).await
    }

    pub(crate) async fn post(&self, path: &str, json: serde_json::Value) -> Answer {
        self.call("POST", path, &["content-type: application/json"], json.to_string()).await
    }

    pub(crate) async fn sql(&self, sql: &str, accept: &str) -> Answer {
        let headers = ["content-type: text/plain", &format!("accept: {accept}")];
        self.call("POST", "/v1/sql", &headers, sql.to_owned()).await
    }
}

/// Sends one request to a router; `headers` are `name: value`.
pub(crate) async fn call(
    router: &Router,
    method: &str,
    path: &str,
    headers: &[&str],
    body: impl Into<Body>,
) -> Answer {
    let mut request = Request::builder().method(method).uri(path);
    if !headers.iter().any(|header| header.starts_with("host:")) {
        request = request.header("host", "localhost");
    }
    for header in headers {
        let (name, value) = header.split_once(':').unwrap();
        request = request.header(name, value.trim());
    }
    send(router, request.body(body.into()).unwrap()).await
}

async fn send(router: &Router, request: Request<Body>) -> Answer {
    let response = router.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Answer { status: parts.status, headers: parts.headers, body }
}

#[derive(Clone)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        assert_eq!(self.status, 200, "{}", self.text());
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The problem, which every error is: with its media type, its status, its request id.
    pub(crate) fn problem(&self) -> Problem {
        assert_eq!(self.header("content-type"), "application/problem+json", "{}", self.text());
        let problem: Problem = serde_json::from_slice(&self.body).unwrap();
        assert_eq!(problem.status, self.status.as_u16());
        assert_eq!(problem.kind, format!("urn:lakebed:problem:{}", problem.code));
        assert_eq!(problem.instance, self.header("x-request-id"));
        problem
    }

    pub(crate) fn code(&self) -> (u16, String) {
        (self.status.as_u16(), self.problem().code)
    }
}

pub(crate) fn is(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}
