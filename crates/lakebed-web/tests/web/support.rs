//! Servers that answer what a test says, and resolvers that answer what a test says.

use std::{
    collections::HashMap,
    io,
    net::{IpAddr, SocketAddr},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use async_trait::async_trait;
use futures::TryStreamExt as _;
use lakebed_web::{Error, Fetcher, HostRule, Hosts, Policy, Resolver};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

/// A server on loopback. It reads one request's header and lets `answer` do the rest.
pub(crate) struct Site {
    pub(crate) address: SocketAddr,
    pub(crate) requests: Arc<Mutex<Vec<String>>>,
}

impl Site {
    pub(crate) async fn new<F>(answer: impl Fn(TcpStream) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        Self::on(TcpListener::bind("127.0.0.1:0").await.unwrap(), answer)
    }

    fn on<F>(listener: TcpListener, answer: impl Fn(TcpStream) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&requests);
        tokio::spawn(async move {
            loop {
                let (mut socket, _) = listener.accept().await.unwrap();
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    let Ok(byte) = socket.read_u8().await else { break };
                    head.push(byte);
                }
                heard.lock().unwrap().push(String::from_utf8(head).unwrap());
                tokio::spawn(answer(socket));
            }
        });
        Self { address, requests }
    }

    /// A server that always says the same.
    pub(crate) async fn saying(text: impl Into<String>) -> Self {
        Self::at(("127.0.0.1", 0), text).await
    }

    /// The same, at this address.
    pub(crate) async fn at(address: (&str, u16), text: impl Into<String>) -> Self {
        let text: Arc<str> = text.into().into();
        Self::on(TcpListener::bind(address).await.unwrap(), move |mut socket| {
            let text = Arc::clone(&text);
            async move {
                let _ = socket.write_all(text.as_bytes()).await;
            }
        })
    }

    pub(crate) fn url(&self, host: &str) -> String {
        format!("http://{host}:{}/data.csv?key=secret", self.address.port())
    }

    pub(crate) fn count(&self) -> usize {
        self.requests.lock().unwrap().len()
    }
}

pub(crate) fn ok(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
}

pub(crate) fn redirect(target: &str) -> String {
    format!(
        "HTTP/1.1 302 Found\r\nLocation: {target}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    )
}

/// Each name's addresses, one list for each time it is asked; the last one stays.
#[derive(Debug, Default)]
pub(crate) struct Names {
    answers: HashMap<String, Vec<Vec<IpAddr>>>,
    asked: AtomicUsize,
}

impl Names {
    pub(crate) fn of(names: &[(&str, &[&[&str]])]) -> Arc<Self> {
        let parse = |addresses: &&[&str]| -> Vec<IpAddr> {
            addresses.iter().map(|address| address.parse().unwrap()).collect()
        };
        let answers = names
            .iter()
            .map(|(name, answers)| ((*name).to_owned(), answers.iter().map(parse).collect()))
            .collect();
        Arc::new(Self { answers, asked: AtomicUsize::new(0) })
    }

    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl Resolver for Names {
    async fn resolve(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        let time = self.asked.fetch_add(1, Ordering::SeqCst);
        let answers = self.answers.get(host).ok_or(io::ErrorKind::NotFound)?;
        Ok(answers[time.min(answers.len() - 1)].clone())
    }
}

/// The rule for a host of a test, wherever it is.
pub(crate) fn anywhere(host: &str, site: &Site) -> HostRule {
    let rule = format!("http://{host}:{}", site.address.port());
    rule.parse::<HostRule>().unwrap().anywhere()
}

/// The rule as a configuration could hold it.
pub(crate) fn configured(host: &str, site: &Site) -> HostRule {
    format!("http://{host}:{}", site.address.port()).parse().unwrap()
}

pub(crate) fn policy(rules: impl IntoIterator<Item = HostRule>) -> Policy {
    Policy::new(Hosts::Listed(rules.into_iter().collect()))
}

/// All bytes at `url`, as a caller gets them.
pub(crate) async fn fetch(fetcher: &Fetcher, url: &str) -> Result<String, Error> {
    let fetched = fetcher.fetch(&fetcher.check(url)?).await?;
    let parts: Vec<_> = fetched.bytes.try_collect().await?;
    Ok(String::from_utf8(parts.concat()).unwrap())
}

/// That an error says nothing of addresses, of what the other side said, or of secrets.
#[track_caller]
pub(crate) fn says_nothing(error: &Error) {
    let text = error.to_string();
    for secret in ["127.", "10.", "169.", "secret", "refused", "found", "Internal", "404"] {
        assert!(!text.contains(secret), "{text}");
    }
}
