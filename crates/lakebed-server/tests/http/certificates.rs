//! A certificate is renewed while the server runs: nobody tells it, and nobody restarts it.

use std::{net::SocketAddr, path::Path, sync::Arc, time::Duration};

use lakebed_server::{Server, Tls};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, ServerName},
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Notify,
    time::timeout,
};
use tokio_rustls::TlsConnector;

use crate::support::Door;

/// How often the files are looked at here.
const OFTEN: Duration = Duration::from_millis(20);

/// Longer than anything here takes; a test that needs it has failed.
const TOO_LONG: Duration = Duration::from_secs(20);

struct Made {
    certificate: CertificateDer<'static>,
    pem: String,
    key: String,
}

fn made() -> Made {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    Made {
        certificate: made.cert.der().clone(),
        pem: made.cert.pem(),
        key: made.signing_key.serialize_pem(),
    }
}

impl Made {
    /// As tools that renew certificates do it: whole files, one after the other.
    fn install(&self, folder: &Path) {
        for (name, text) in [("server.pem", &self.pem), ("server.key", &self.key)] {
            std::fs::write(folder.join("new"), text).unwrap();
            std::fs::rename(folder.join("new"), folder.join(name)).unwrap();
        }
    }

    /// Whether a new connection is shown this certificate.
    async fn is_shown_at(&self, address: SocketAddr) -> bool {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone()).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let socket = TcpStream::connect(address).await.unwrap();
        let name = ServerName::try_from("localhost").unwrap();
        TlsConnector::from(Arc::new(config)).connect(name, socket).await.is_ok()
    }
}

#[tokio::test]
async fn a_renewed_certificate_is_shown_without_a_word_or_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let (first, second) = (made(), made());
    first.install(folder.path());
    let tls = Arc::new(Tls::load(&path("server.pem"), &path("server.key")).unwrap());
    let door = Door::remote().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = Server::new(listener, door.router.clone()).with_acceptor(Arc::clone(&tls) as _);
    let server = tokio::spawn(server.run(std::future::pending()));
    let following = tokio::spawn(async move { tls.follow(OFTEN, &Notify::new()).await });
    assert!(first.is_shown_at(address).await);

    // Half of a pair is no certificate: the one in use stays.
    std::fs::write(path("server.pem"), &second.pem).unwrap();
    tokio::time::sleep(OFTEN * 5).await;
    assert!(first.is_shown_at(address).await && !second.is_shown_at(address).await);

    second.install(folder.path());
    let renewed = async {
        while !second.is_shown_at(address).await {
            tokio::time::sleep(OFTEN).await;
        }
    };
    timeout(TOO_LONG, renewed).await.expect("the new one is shown");
    assert!(!first.is_shown_at(address).await);
    following.abort();
    server.abort();
}
