//! Ports of this machine that nobody uses.
//!
//! Between our look and the server's own binding another process may take one: whoever starts a
//! server tries again with others.

use std::{
    io::{Read as _, Write as _},
    net::{Ipv4Addr, TcpListener, TcpStream},
    time::Duration,
};

use anyhow::{Context as _, Result};

/// As many different free ports as are asked for.
pub(crate) fn free<const COUNT: usize>() -> Result<[u16; COUNT]> {
    let mut held = Vec::with_capacity(COUNT);
    let mut ports = [0; COUNT];
    for port in &mut ports {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no free port")?;
        *port = listener.local_addr().context("a port without a number")?.port();
        held.push(listener);
    }
    Ok(ports)
}

/// What a server on loopback answers to `GET path`, headers and all; nothing if it does not.
pub(crate) fn get(port: u16, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn free_ports_differ_and_can_be_had() {
        // Whoever else runs here may take one in between, though hardly ever five times in a row.
        let had = (0..5).any(|_| {
            let ports = free::<16>().expect("this machine has ports");
            assert_eq!(ports.iter().collect::<BTreeSet<_>>().len(), ports.len());
            ports.iter().all(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
        });
        assert!(had, "no five times sixteen free ports could be had");
    }

    #[test]
    fn nobody_answers_on_a_free_port() {
        let [port] = free().expect("this machine has ports");
        assert_eq!(get(port, "/"), None);
    }
}
