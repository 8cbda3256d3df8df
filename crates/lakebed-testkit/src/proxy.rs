//! A loopback HTTP proxy in front of a server, that fails on demand as networks do.
//!
//! It speaks just enough HTTP/1.1 for an S3 client and an S3 server, passes requests on as they are
//! (signatures cover the `Host` field) and knows no S3. A rule strikes requests by method and a part
//! of their target, as often as it says; a storm strikes by chance; the others pass.

use std::{
    io::{self, BufRead as _, BufReader, Read, Write as _},
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

/// What happens to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NetFault {
    /// The connection breaks before the server hears of it.
    BreakBefore,
    /// The server does it, and the connection breaks before its answer.
    BreakAfter,
    /// The server hears nothing, and the client is told that it is busy: 503.
    Busy,
    /// The server does it, and the client is told that it is busy: 503.
    BusyAfter,
    /// The answer breaks off in the middle of its body.
    BreakBody,
    /// The answer is half as long, and says so: nothing shows that it was cut.
    HalfBody,
    /// The first byte of the answer's body is another one.
    FlipBody,
    /// The request waits that long on its way.
    Delay(Duration),
    /// The server hears nothing, and the client gets this answer: a status line, headers, a body.
    Answer(String),
}

/// Which requests a fault strikes.
#[derive(Debug, Clone)]
struct Rule {
    method: &'static str,
    part: String,
    fault: NetFault,
    left: u32,
}

/// What may happen to a request, by its method and a part of its target.
pub type Chance = (&'static str, &'static str, NetFault);

/// Faults that strike by chance.
#[derive(Debug)]
struct Storm {
    random: u64,
    one_in: u64,
    chances: Vec<Chance>,
}

impl Storm {
    fn next(&mut self, method: &str, target: &str) -> Option<NetFault> {
        // The same numbers every time: what differs is which request meets which.
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        let matches = |(of, part, _): &&Chance| *of == method && target.contains(part);
        let possible: Vec<_> = self.chances.iter().filter(matches).collect();
        if possible.is_empty() || !self.random.is_multiple_of(self.one_in) {
            return None;
        }
        let index = (self.random / self.one_in) % possible.len() as u64;
        Some(possible[index as usize].2.clone())
    }
}

#[derive(Debug, Default)]
struct State {
    rules: Vec<Rule>,
    storm: Option<Storm>,
    requests: Vec<String>,
    struck: Vec<NetFault>,
}

/// A running proxy, stopped on drop.
#[derive(Debug)]
pub struct FaultProxy {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    stopped: Arc<AtomicBool>,
}

impl FaultProxy {
    /// Starts one in front of `upstream`, as in `http://127.0.0.1:8333`.
    ///
    /// # Panics
    /// When `upstream` is no such address, or there is no free port.
    #[must_use]
    pub fn start(upstream: &str) -> Self {
        let upstream = upstream.strip_prefix("http://").expect("an endpoint without TLS");
        let upstream: SocketAddr = upstream.trim_end_matches('/').parse().expect("an address");
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = listener.local_addr().expect("an address");
        let (state, stopped) = (Arc::<Mutex<State>>::default(), Arc::<AtomicBool>::default());
        let (rules, stop) = (Arc::clone(&state), Arc::clone(&stopped));
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if stop.load(Ordering::SeqCst) {
                    return;
                }
                let rules = Arc::clone(&rules);
                // A client that goes away ends its connection, and nothing else.
                thread::spawn(move || serve(client, upstream, &rules).ok());
            }
        });
        Self { address, state, stopped }
    }

    /// Where it listens.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Strikes the next `times` requests of `method` whose target has `part` in it.
    pub fn strike(&self, method: &'static str, part: &str, fault: NetFault, times: u32) {
        let rule = Rule { method, part: part.to_owned(), fault, left: times };
        lock(&self.state).rules.push(rule);
    }

    /// From now on strikes one in so many requests with one of what may happen to it, by chance.
    pub fn storm(&self, one_in: u64, chances: &[Chance]) {
        let storm = Storm { random: 0x9e37_79b9_7f4a_7c15, one_in, chances: chances.to_vec() };
        lock(&self.state).storm = Some(storm);
    }

    /// Everything passes again.
    pub fn calm(&self) {
        let mut state = lock(&self.state);
        state.rules.clear();
        state.storm = None;
    }

    /// How many requests were struck.
    #[must_use]
    pub fn struck(&self) -> u32 {
        lock(&self.state).struck.len().try_into().unwrap_or(u32::MAX)
    }

    /// How many requests were struck like this.
    #[must_use]
    pub fn struck_by(&self, fault: &NetFault) -> usize {
        lock(&self.state).struck.iter().filter(|struck| *struck == fault).count()
    }

    /// The requests so far, struck or not, such as `GET /bucket/key`.
    #[must_use]
    pub fn requests(&self) -> Vec<String> {
        lock(&self.state).requests.clone()
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::SeqCst);
        // Wakes the one that waits for connections.
        TcpStream::connect(self.address).ok();
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A request or an answer.
struct Message {
    first: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

fn serve(client: TcpStream, upstream: SocketAddr, state: &Mutex<State>) -> io::Result<()> {
    client.set_nodelay(true)?;
    let mut reader = BufReader::new(client.try_clone()?);
    let mut client = client;
    while let Some(request) = Message::read(&mut reader, true)? {
        let struck = strike(&request, state);
        match struck {
            None => client.write_all(&ask(upstream, &request)?.to_bytes())?,
            Some(NetFault::Delay(duration)) => {
                thread::sleep(duration);
                client.write_all(&ask(upstream, &request)?.to_bytes())?;
            }
            Some(NetFault::BreakBefore) => return Ok(()),
            Some(NetFault::BreakAfter) => return ask(upstream, &request).map(drop),
            Some(NetFault::Busy) => client.write_all(&busy())?,
            Some(NetFault::BusyAfter) => {
                ask(upstream, &request)?;
                client.write_all(&busy())?;
            }
            Some(NetFault::BreakBody) => {
                let answer = ask(upstream, &request)?;
                let mut bytes = answer.to_bytes();
                bytes.truncate(bytes.len() - answer.body.len().div_ceil(2));
                return client.write_all(&bytes);
            }
            Some(NetFault::HalfBody) => {
                let mut answer = ask(upstream, &request)?;
                answer.body.truncate(answer.body.len() / 2);
                answer.set_length();
                client.write_all(&answer.to_bytes())?;
            }
            Some(NetFault::FlipBody) => {
                let mut answer = ask(upstream, &request)?;
                if let Some(byte) = answer.body.first_mut() {
                    *byte ^= 1;
                }
                client.write_all(&answer.to_bytes())?;
            }
            Some(NetFault::Answer(answer)) => return client.write_all(answer.as_bytes()),
        }
    }
    Ok(())
}

/// Counts the request, and says what is to become of it.
fn strike(request: &Message, state: &Mutex<State>) -> Option<NetFault> {
    let mut words = request.first.split(' ');
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let mut state = lock(state);
    state.requests.push(format!("{method} {target}"));
    let matches =
        |rule: &&mut Rule| rule.left > 0 && rule.method == method && target.contains(&rule.part);
    let fault = match state.rules.iter_mut().find(matches) {
        Some(rule) => {
            rule.left -= 1;
            rule.fault.clone()
        }
        None => state.storm.as_mut()?.next(method, target)?,
    };
    state.struck.push(fault.clone());
    Some(fault)
}

fn busy() -> Vec<u8> {
    let body = "<Error><Code>SlowDown</Code><Message>struck</Message></Error>";
    let length = body.len();
    format!("HTTP/1.1 503 Slow Down\r\ncontent-length: {length}\r\n\r\n{body}").into_bytes()
}

fn ask(upstream: SocketAddr, request: &Message) -> io::Result<Message> {
    let mut server = TcpStream::connect(upstream)?;
    server.set_nodelay(true)?;
    server.write_all(&request.to_bytes())?;
    let is_head = request.first.starts_with("HEAD ");
    let answer = Message::read(&mut BufReader::new(server), !is_head)?;
    answer.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
}

impl Message {
    /// The next message; nothing when the other side is done.
    fn read(reader: &mut BufReader<TcpStream>, has_body: bool) -> io::Result<Option<Self>> {
        let mut first = String::new();
        if reader.read_line(&mut first)? == 0 {
            return Ok(None);
        }
        let mut headers = Vec::new();
        loop {
            let mut line = String::new();
            reader.read_line(&mut line)?;
            match line.trim_end().split_once(':') {
                Some((name, value)) => headers.push((name.to_owned(), value.trim().to_owned())),
                None => break,
            }
        }
        let mut message = Self { first: first.trim_end().to_owned(), headers, body: Vec::new() };
        if !has_body {
            return Ok(Some(message));
        }
        if message.header("transfer-encoding").is_some_and(|value| value.contains("chunked")) {
            message.body = read_chunks(reader)?;
            message.headers.retain(|(name, _)| !name.eq_ignore_ascii_case("transfer-encoding"));
            message.headers.push(("content-length".to_owned(), String::new()));
            message.set_length();
        } else if let Some(length) = message.header("content-length").and_then(|l| l.parse().ok()) {
            reader.take(length).read_to_end(&mut message.body)?;
        }
        Ok(Some(message))
    }

    fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(found, _)| found.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    fn set_length(&mut self) {
        let length = self.body.len().to_string();
        for (name, value) in &mut self.headers {
            if name.eq_ignore_ascii_case("content-length") {
                value.clone_from(&length);
            }
        }
    }

    fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = format!("{}\r\n", self.first).into_bytes();
        for (name, value) in &self.headers {
            bytes.extend(format!("{name}: {value}\r\n").into_bytes());
        }
        bytes.extend(b"\r\n");
        bytes.extend(&self.body);
        bytes
    }
}

fn read_chunks(reader: &mut BufReader<TcpStream>) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let length = u64::from_str_radix(line.trim().split(';').next().unwrap_or_default(), 16);
        let length = length.map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
        reader.by_ref().take(length).read_to_end(&mut body)?;
        let mut end = String::new();
        reader.read_line(&mut end)?;
        if length == 0 {
            return Ok(body);
        }
    }
}

/// Sends one request without any credentials; the status and the body of the answer.
///
/// # Panics
/// When nobody answers, or `url` is not one of a server on this machine without TLS.
#[must_use]
pub fn ask_plainly(method: &str, url: &str, body: &[u8]) -> (u16, Vec<u8>) {
    let rest = url.strip_prefix("http://").expect("a URL without TLS");
    let (host, target) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let message = Message {
        first: format!("{method} {target} HTTP/1.1"),
        headers: vec![
            ("host".to_owned(), host.to_owned()),
            ("content-length".to_owned(), body.len().to_string()),
        ],
        body: body.to_vec(),
    };
    let answer = ask(host.parse().expect("an address"), &message).expect("an answer");
    let status = answer.first.split(' ').nth(1).and_then(|status| status.parse().ok());
    (status.expect("a status"), answer.body)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Answers every request with its target.
    fn echo() -> String {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = listener.local_addr().expect("an address");
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let mut reader = BufReader::new(client.try_clone().expect("a socket"));
                while let Ok(Some(request)) = Message::read(&mut reader, true) {
                    let target = request.first.split(' ').nth(1).unwrap_or_default();
                    let chunks = format!("{:x}\r\n{target}\r\n0\r\n\r\n", target.len());
                    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
                    (&client).write_all(format!("{head}{chunks}").as_bytes()).ok();
                }
            }
        });
        format!("http://{address}")
    }

    #[test]
    fn what_is_not_struck_passes() {
        let proxy = FaultProxy::start(&echo());
        proxy.strike("GET", "/b", NetFault::Busy, 1);
        let get = |target: &str| ask_plainly("GET", &format!("{}{target}", proxy.endpoint()), b"");
        assert_eq!(get("/a"), (200, b"/a".to_vec()));
        assert_eq!(get("/b").0, 503);
        assert_eq!(get("/b"), (200, b"/b".to_vec()));
        proxy.strike("GET", "/1234", NetFault::HalfBody, 1);
        assert_eq!(get("/1234567"), (200, b"/123".to_vec()));
        assert_eq!(proxy.struck(), 2);
        assert_eq!(proxy.requests().len(), 4);
    }

    #[test]
    fn a_storm_strikes_some_requests_and_ends() {
        let proxy = FaultProxy::start(&echo());
        proxy.storm(4, &[("GET", "/b", NetFault::Busy), ("GET", "/b", NetFault::HalfBody)]);
        let get = |target: &str| ask_plainly("GET", &format!("{}{target}", proxy.endpoint()), b"");
        let passed = |target: &str| (0..80).filter(|_| get(target).1 == target.as_bytes()).count();
        assert_eq!(passed("/a"), 80, "nothing may happen to it");
        let passed_in_the_storm = passed("/b");
        assert!((40..76).contains(&passed_in_the_storm), "{passed_in_the_storm}");
        let (busy, half) = (proxy.struck_by(&NetFault::Busy), proxy.struck_by(&NetFault::HalfBody));
        assert!(busy > 0 && half > 0 && busy + half + passed_in_the_storm == 80, "{busy} {half}");
        proxy.calm();
        assert_eq!(passed("/b"), 80);
    }
}
