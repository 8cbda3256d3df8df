//! TLS for the door: a certificate and its key, read again when they change.
//!
//! TLS 1.2 and 1.3, with *ring*'s algorithms. Connections that stand go on with the certificate they
//! began with; a pair that cannot be used never replaces one that can.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::{Duration, SystemTime},
};

use futures::future::BoxFuture;
use rustls::{
    ServerConfig,
    crypto::ring,
    pki_types::{
        CertificateDer, PrivateKeyDer,
        pem::{self, PemObject as _},
    },
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use tokio::{net::TcpStream, sync::Notify};
use tokio_rustls::TlsAcceptor;

use crate::Stream;

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("cannot read `{}`", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A file does not hold what it should.
    #[error("`{}` {what}", path.display())]
    Useless {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: &'static str,
    },
    /// The key belongs to another certificate.
    #[error("the key `{}` does not belong to the certificate `{}`", key.display(), cert.display())]
    Mismatch {
        /// The certificate's file.
        cert: PathBuf,
        /// The key's file.
        key: PathBuf,
    },
    /// The library does not take them.
    #[error("certificate `{}` and its key cannot be used", cert.display())]
    Unusable {
        /// The certificate's file.
        cert: PathBuf,
        /// Why not.
        #[source]
        source: rustls::Error,
    },
}

/// A certificate in use. Shared by all connections.
#[derive(Debug)]
pub struct Tls {
    cert: PathBuf,
    key: PathBuf,
    current: Arc<Current>,
    /// The files as they were when they were last read, usable or not.
    seen: Mutex<Stamps>,
    acceptor: Acceptor,
}

/// What new connections are shown.
#[derive(Debug)]
struct Current(RwLock<Arc<CertifiedKey>>);

/// When the files were changed, and how long they are.
type Stamps = [Option<(SystemTime, u64)>; 2];

#[derive(Clone)]
struct Acceptor(TlsAcceptor);

impl std::fmt::Debug for Acceptor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Acceptor")
    }
}

impl Tls {
    /// Reads a chain and its key, both PEM.
    ///
    /// # Errors
    /// [`TlsError`], which names the file and what is wrong with it.
    pub fn load(cert: &Path, key: &Path) -> Result<Self, TlsError> {
        // Taken before the files are read: a change in between is seen the next time.
        let seen = Mutex::new(stamps_of(cert, key));
        let current = Arc::new(Current(RwLock::new(load(cert, key)?)));
        let provider = Arc::new(ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|source| TlsError::Unusable { cert: cert.to_owned(), source })?;
        let mut config = config
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(&current) as Arc<dyn ResolvesServerCert>);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let acceptor = Acceptor(TlsAcceptor::from(Arc::new(config)));
        Ok(Self { cert: cert.to_owned(), key: key.to_owned(), current, seen, acceptor })
    }

    /// Reads both files again; new connections are shown the new certificate.
    ///
    /// # Errors
    /// As [`Tls::load`]; the certificate in use stays in use.
    fn reload(&self) -> Result<(), TlsError> {
        let stamps = stamps_of(&self.cert, &self.key);
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = stamps;
        let certified = load(&self.cert, &self.key)?;
        *self.current.0.write().unwrap_or_else(PoisonError::into_inner) = certified;
        Ok(())
    }

    /// Reads both files again when one of them changed, looked at every `interval`, and when told.
    /// Never ends. What cannot be used is said in the log, once, and the certificate in use stays.
    pub async fn follow(&self, interval: Duration, told: &Notify) {
        loop {
            let is_told = tokio::select! {
                () = told.notified() => true,
                () = tokio::time::sleep(interval) => false,
            };
            if !is_told && !self.has_changed() {
                continue;
            }
            match self.reload() {
                Ok(()) => tracing::info!("new connections are shown the certificate as it is now"),
                Err(error) => {
                    tracing::error!(%error, "the certificate in use stays: the new one is not usable");
                }
            }
        }
    }

    /// Whether one of the files changed since they were last read.
    fn has_changed(&self) -> bool {
        let seen = *self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        stamps_of(&self.cert, &self.key) != seen
    }
}

impl crate::Acceptor for Tls {
    fn accept(&self, socket: TcpStream) -> BoxFuture<'static, io::Result<Box<dyn Stream>>> {
        let agreed = self.acceptor.0.accept(socket);
        Box::pin(async move { Ok(Box::new(agreed.await?) as Box<dyn Stream>) })
    }
}

impl ResolvesServerCert for Current {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let certified = self.0.read().unwrap_or_else(PoisonError::into_inner);
        Some(Arc::clone(&certified))
    }
}

fn load(cert: &Path, key: &Path) -> Result<Arc<CertifiedKey>, TlsError> {
    let chain = read_chain(cert)?;
    let private = read_key(key)?;
    match CertifiedKey::from_der(chain, private, &ring::default_provider()) {
        Ok(certified) => Ok(Arc::new(certified)),
        Err(rustls::Error::InconsistentKeys(_)) => {
            Err(TlsError::Mismatch { cert: cert.to_owned(), key: key.to_owned() })
        }
        Err(source) => Err(TlsError::Unusable { cert: cert.to_owned(), source }),
    }
}

fn read_chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let text = read(path)?;
    let useless = |what| TlsError::Useless { path: path.to_owned(), what };
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    match chain {
        Ok(chain) if chain.is_empty() => Err(useless("holds no certificate (PEM)")),
        Ok(chain) => Ok(chain),
        Err(_) => Err(useless("holds a broken certificate (PEM)")),
    }
}

fn read_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let text = read(path)?;
    let useless = |what| TlsError::Useless { path: path.to_owned(), what };
    if text.windows(9).any(|word| word == b"ENCRYPTED") {
        return Err(useless("holds an encrypted key: decrypt it, and let only the server read it"));
    }
    match PrivateKeyDer::from_pem_slice(&text) {
        Ok(key) => Ok(key),
        Err(pem::Error::NoItemsFound) => Err(useless("holds no private key (PEM)")),
        Err(_) => Err(useless("holds a broken private key (PEM)")),
    }
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    std::fs::read(path).map_err(|source| TlsError::Unreadable { path: path.to_owned(), source })
}

fn stamps_of(cert: &Path, key: &Path) -> Stamps {
    [cert, key].map(|path| {
        let metadata = std::fs::metadata(path).ok()?;
        Some((metadata.modified().ok()?, metadata.len()))
    })
}
