//! Clients that ask again when a server is away, and that believe no answer they cannot check.
//!
//! Version *n* of each dataset is known before it is made: it has *n* rows. What one server has
//! acknowledged, every server must answer from then on.

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures::TryStreamExt as _;
use lakebed_api::{
    IngestRequest, IngestSource, ResolveRequest, ResolveResponse, SqlRequest, media::SqlFormat,
};
use lakebed_client::{Client, ClientError};

const DATASETS: usize = 3;
/// How long one request is asked again before it counts as an error.
const PATIENCE: Duration = Duration::from_secs(60);

/// See the module.
pub(crate) struct Load {
    clients: Vec<Client>,
    /// The codes of problems that may pass here, besides those that may pass everywhere.
    passing: &'static [&'static str],
    /// The newest version of each dataset that a server has acknowledged.
    acknowledged: [AtomicU64; DATASETS],
    is_over: AtomicBool,
    next_client: AtomicUsize,
    answered: AtomicUsize,
    asked_again: AtomicUsize,
}

impl Load {
    pub(crate) fn new(urls: [String; 3], passing: &'static [&'static str]) -> Self {
        let client = |url: String| Client::remote(url.parse().unwrap()).unwrap();
        Self {
            clients: urls.into_iter().map(client).collect(),
            passing,
            acknowledged: Default::default(),
            is_over: AtomicBool::new(false),
            next_client: AtomicUsize::new(0),
            answered: AtomicUsize::new(0),
            asked_again: AtomicUsize::new(0),
        }
    }

    /// Every dataset has its first version, so that whoever reads finds something.
    pub(crate) async fn begin(&self) {
        for dataset in 0..DATASETS {
            self.ingest(dataset).await;
        }
    }

    /// A writer for each dataset, and two readers of each kind, each on a thread of its own.
    pub(crate) fn spawn(self: &Arc<Self>) -> Vec<JoinHandle<()>> {
        let spawn = |index: usize| {
            let load = Arc::clone(self);
            std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                runtime.expect("a runtime").block_on(load.work(index));
            })
        };
        (0..DATASETS + 4).map(spawn).collect()
    }

    async fn work(&self, index: usize) {
        let mut dataset = index;
        while !self.is_over.load(Ordering::Relaxed) {
            dataset = (dataset + 1) % DATASETS;
            match index {
                0..DATASETS => self.ingest(index).await,
                _ if index.is_multiple_of(2) => self.resolve(dataset).await,
                _ => self.count(dataset).await,
            }
        }
    }

    pub(crate) fn stop(&self) {
        self.is_over.store(true, Ordering::Relaxed);
    }

    pub(crate) fn summary(&self) -> String {
        let versions: u64 = self.acknowledged.iter().map(|n| n.load(Ordering::SeqCst)).sum();
        format!(
            "{versions} versions acknowledged, {} answers checked, {} requests asked again",
            self.answered.load(Ordering::Relaxed),
            self.asked_again.load(Ordering::Relaxed),
        )
    }

    /// One more row than the newest version has.
    async fn ingest(&self, dataset: usize) {
        let number = self.acknowledged[dataset].load(Ordering::SeqCst) + 1;
        let rows: String = (1..=number).map(|row| format!("{row},name {row}\n")).collect();
        let (bytes, name) = (Bytes::from(format!("id,name\n{rows}")), name_of(dataset));
        let key = format!("{name} {number}");
        let made = self.ask(&key, |client| {
            let (bytes, name, key) = (bytes.clone(), name.clone(), key.as_str());
            async move {
                let body = futures::stream::iter([Ok::<_, std::io::Error>(bytes)]);
                let uploaded = client.upload("x.csv", body, None).await?;
                let request = IngestRequest {
                    dataset: name,
                    sources: vec![IngestSource::upload("x.csv", uploaded.upload)],
                    ..IngestRequest::default()
                };
                let ingested = client.ingest(&request, Some(key), |_| {}).await;
                ingested.map_err(forgotten)
            }
        });
        let made = made.await.version;
        assert_eq!((made.version, made.row_count), (number, Some(number)), "{name}");
        self.acknowledged[dataset].store(number, Ordering::SeqCst);
    }

    async fn resolve(&self, dataset: usize) {
        let least = self.acknowledged[dataset].load(Ordering::SeqCst);
        let request =
            ResolveRequest { refs: vec![name_of(dataset)], files: false, ..Default::default() };
        let what = format!("resolve {}", name_of(dataset));
        let answer = self.ask(&what, |client| resolve(client, &request)).await;
        let version = &answer.versions[0].version;
        assert_eq!(Some(version.version), version.row_count, "{what}");
        assert!(version.version >= least, "{what}: v{}, after v{least}", version.version);
    }

    async fn count(&self, dataset: usize) {
        let least = self.acknowledged[dataset].load(Ordering::SeqCst);
        let sql = format!("SELECT count(*) AS n, max(id) AS top FROM {}", name_of(dataset));
        let request = SqlRequest { sql: sql.clone(), ..SqlRequest::default() };
        let answer = self.ask(&sql, |client| {
            let request = &request;
            async move {
                let answer = client.sql(request, SqlFormat::Csv).await?;
                let version = answer.resolved[0].version;
                let bytes: Vec<Bytes> = answer.bytes.try_collect().await?;
                Ok((version, bytes.concat()))
            }
        });
        let (version, bytes) = answer.await;
        let expected = format!("n,top\r\n{version},{version}\r\n");
        assert_eq!(String::from_utf8_lossy(&bytes), expected, "{sql} of v{version}");
        assert!(version >= least, "{sql}: v{version}, after v{least}");
    }

    /// Every version that was acknowledged, and no other, is there, whoever is asked.
    pub(crate) async fn check_everything(&self) {
        for (dataset, acknowledged) in self.acknowledged.iter().enumerate() {
            let newest = acknowledged.load(Ordering::SeqCst);
            let name = name_of(dataset);
            for number in 1..=newest {
                let request = ResolveRequest {
                    refs: vec![format!("{name}@v{number}")],
                    files: false,
                    ..Default::default()
                };
                let answer = self.ask(&name, |client| resolve(client, &request)).await;
                let version = &answer.versions[0];
                assert_eq!(
                    (version.version.row_count, version.newest),
                    (Some(number), newest),
                    "{name}"
                );
            }
        }
    }

    /// Asks one server after the other until one answers.
    async fn ask<T, F>(&self, what: &str, ask: impl Fn(Client) -> F) -> T
    where
        F: Future<Output = Result<T, ClientError>>,
    {
        let started = Instant::now();
        loop {
            let turn = self.next_client.fetch_add(1, Ordering::Relaxed);
            match ask(self.clients[turn % self.clients.len()].clone()).await {
                Ok(answer) => {
                    self.answered.fetch_add(1, Ordering::Relaxed);
                    return answer;
                }
                Err(error) if self.may_pass(&error) && started.elapsed() < PATIENCE => {
                    self.asked_again.fetch_add(1, Ordering::Relaxed);
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                Err(error) => panic!("{what}: {}", told(&error)),
            }
        }
    }

    /// What a client asks again after: nobody answered, the answer broke off, or the server says
    /// that it cannot answer now.
    fn may_pass(&self, error: &ClientError) -> bool {
        match error {
            ClientError::Problem(problem) => {
                let code = problem.code.as_str();
                matches!(problem.status, 409 | 423 | 429 | 502..=504)
                    || self.passing.contains(&code)
            }
            ClientError::Unreachable { .. } | ClientError::Broken { .. } => true,
            ClientError::Protocol { .. }
            | ClientError::Insecure { .. }
            | ClientError::Source { .. } => false,
        }
    }
}

/// An ingest whose answer was lost has made an object of its upload, which then waits no longer
/// (D-08): its client sends it again.
fn forgotten(error: ClientError) -> ClientError {
    match &error {
        ClientError::Problem(problem) if problem.detail.starts_with("no upload `") => {
            ClientError::Broken { what: "the upload is an object already", source: None }
        }
        _ => error,
    }
}

async fn resolve(client: Client, request: &ResolveRequest) -> Result<ResolveResponse, ClientError> {
    client.resolve(request).await
}

fn name_of(dataset: usize) -> String {
    format!("chaos.d{dataset}")
}

fn told(error: &ClientError) -> String {
    format!("{error}: {error:?}")
}
