//! A proxy that cuts connections at random points, the same ones every time.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};
use url::Url;

/// Listens on a port of its own, and passes on what comes until it has had enough.
pub(crate) struct Proxy {
    address: SocketAddr,
    cuts: Arc<AtomicU64>,
}

impl Proxy {
    /// Before `server`. Each connection is cut after a random number of bytes in either direction,
    /// `mean` on average.
    pub(crate) async fn before(server: SocketAddr, mean: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let cuts = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&cuts);
        tokio::spawn(async move {
            let mut state = 0x2545_f491_4f6c_dd1d_u64;
            loop {
                let (client, _) = listener.accept().await.unwrap();
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                let budget = Arc::new(AtomicU64::new(1 + state % (2 * mean)));
                let counted = Arc::clone(&counted);
                tokio::spawn(async move {
                    let server = TcpStream::connect(server).await.unwrap();
                    let (from_client, to_client) = client.into_split();
                    let (from_server, to_server) = server.into_split();
                    // Whichever direction ends first takes the other along.
                    let cut = tokio::select! {
                        cut = pass(from_client, to_server, &budget) => cut,
                        cut = pass(from_server, to_client, &budget) => cut,
                    };
                    if cut {
                        counted.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
        });
        Self { address, cuts }
    }

    pub(crate) fn url(&self) -> Url {
        format!("http://{}/", self.address).parse().unwrap()
    }

    pub(crate) fn cuts(&self) -> u64 {
        self.cuts.load(Ordering::Relaxed)
    }
}

/// Passes bytes on until the budget is spent (then true) or one side has ended.
async fn pass(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    budget: &AtomicU64,
) -> bool {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let Ok(read @ 1..) = from.read(&mut buffer).await else { return false };
        let left = budget.load(Ordering::Relaxed);
        let passed = (read as u64).min(left);
        budget.fetch_sub(passed, Ordering::Relaxed);
        if to.write_all(&buffer[..passed as usize]).await.is_err() {
            return false;
        }
        if passed == left {
            return true;
        }
    }
}
