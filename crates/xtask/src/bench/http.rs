//! A client of HTTP/1.1 that costs little beside the server it measures: one connection that stays open.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};

/// Bytes taken from the socket at once.
const BUFFER: usize = 1 << 20;

/// A `POST`, head and body.
pub(crate) fn post(address: &str, path: &str, fields: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let fields: String =
        fields.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let length = body.len();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: {address}\r\n{fields}content-length: {length}\r\n\r\n"
    );
    [head.as_bytes(), body].concat()
}

/// A connection that stays open.
pub(crate) struct Connection(BufReader<TcpStream>);

/// An answer that was read to its end and thrown away.
pub(crate) struct Drained {
    /// From the request to the first byte of the body.
    pub(crate) first_byte: Duration,
    /// From the request to the last byte.
    pub(crate) elapsed: Duration,
    pub(crate) bytes: u64,
}

impl Connection {
    pub(crate) fn open(address: &str) -> Result<Self> {
        let stream = TcpStream::connect(address).context("the server does not answer")?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        Ok(Self(BufReader::with_capacity(BUFFER, stream)))
    }

    /// The body of a good answer.
    pub(crate) fn ask(&mut self, request: &[u8]) -> Result<Vec<u8>> {
        let mut body = Vec::new();
        self.read(request, &mut |part| body.extend_from_slice(part))?;
        Ok(body)
    }

    /// Reads a good answer to its end.
    pub(crate) fn drain(&mut self, request: &[u8]) -> Result<Drained> {
        let start = Instant::now();
        let (mut first_byte, mut bytes) = (None, 0);
        self.read(request, &mut |part| {
            first_byte.get_or_insert_with(|| start.elapsed());
            bytes += part.len() as u64;
        })?;
        let elapsed = start.elapsed();
        Ok(Drained { first_byte: first_byte.unwrap_or(elapsed), elapsed, bytes })
    }

    fn read(&mut self, request: &[u8], take: &mut dyn FnMut(&[u8])) -> Result<()> {
        self.0.get_mut().write_all(request)?;
        let status = self.line()?;
        let (mut length, mut is_chunked) = (None, false);
        loop {
            let line = self.line()?;
            let Some((name, value)) = line.split_once(':') else { break };
            if name.eq_ignore_ascii_case("content-length") {
                length = Some(value.trim().parse::<u64>()?);
            }
            is_chunked |= name.eq_ignore_ascii_case("transfer-encoding");
        }
        if !status.contains(" 200 ") {
            let mut body = vec![0; length.unwrap_or_default().min(4096) as usize];
            self.0.read_exact(&mut body)?;
            bail!("{status}: {}", String::from_utf8_lossy(&body));
        }
        match length {
            Some(length) => self.part(length, take),
            None if is_chunked => self.chunks(take),
            None => bail!("an answer without a length"),
        }
    }

    fn chunks(&mut self, take: &mut dyn FnMut(&[u8])) -> Result<()> {
        loop {
            let size = u64::from_str_radix(&self.line()?, 16).context("no size of a chunk")?;
            self.part(size, take)?;
            ensure!(self.line()?.is_empty(), "a chunk goes on after its end");
            if size == 0 {
                return Ok(());
            }
        }
    }

    fn part(&mut self, mut left: u64, take: &mut dyn FnMut(&[u8])) -> Result<()> {
        while left > 0 {
            let found = self.0.fill_buf()?;
            ensure!(!found.is_empty(), "the answer broke off");
            let count = found.len().min(usize::try_from(left).unwrap_or(usize::MAX));
            take(&found[..count]);
            self.0.consume(count);
            left -= count as u64;
        }
        Ok(())
    }

    /// A line without its end.
    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        ensure!(self.0.read_line(&mut line)? > 0, "the server hung up");
        Ok(line.trim_end().to_owned())
    }
}

#[cfg(test)]
mod tests {
    use std::{net::TcpListener, thread};

    use super::*;

    fn answered(answers: &'static [&'static str]) -> (Connection, thread::JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a client");
            for answer in answers {
                let asked = stream.read(&mut [0; 1024]).expect("a request");
                assert!(asked > 0);
                stream.write_all(answer.as_bytes()).expect("it is read");
            }
        });
        (Connection::open(&address).expect("a connection"), server)
    }

    #[test]
    fn bodies_end_where_they_say() {
        let (mut connection, server) = answered(&[
            "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nde\r\na\r\n0123456789\r\n0\r\n\r\n",
            "HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno",
        ]);
        let request = post("here", "/", &[], b"");
        assert_eq!(connection.ask(&request).expect("a body"), b"abc");
        let drained = connection.drain(&request).expect("an end");
        assert_eq!(drained.bytes, 12);
        assert!(drained.first_byte <= drained.elapsed);
        let refused = connection.ask(&request).expect_err("it is refused").to_string();
        assert_eq!(refused, "HTTP/1.1 403 Forbidden: no");
        server.join().expect("it ends");
    }
}
