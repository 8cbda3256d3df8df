//! One connection: requests in, answers out, one after the other, until either side has enough.

use std::{
    convert::Infallible,
    error::Error as StdError,
    future::{Future, poll_fn},
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::{Router, body::Body, extract::ConnectInfo};
use bytes::Bytes;
use http::{HeaderValue, Request, Response, header};
use http_body::{Frame, SizeHint};
use hyper::{body::Incoming, server::conn::http1};
use hyper_util::rt::TokioIo;
use tokio::{
    net::TcpStream,
    sync::{Semaphore, watch},
    time::{Instant, Sleep, sleep_until},
};
use tower::ServiceExt as _;

use super::{
    Acceptor, Stream,
    refusal::{self, too_many_connections},
    slots::{Slot, Slots},
    wire::{Turn, Wire},
};
use crate::Limits;

/// What all connections of a server share. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Connections {
    router: Router,
    acceptor: Arc<dyn Acceptor>,
    limits: Arc<Limits>,
    slots: Arc<Slots>,
    /// How many may be told at once that there is no place: the others are dropped.
    refusals: Arc<Semaphore>,
    stopping: watch::Receiver<bool>,
}

impl Connections {
    pub(crate) fn new(
        router: Router,
        acceptor: Arc<dyn Acceptor>,
        limits: Arc<Limits>,
        stopping: watch::Receiver<bool>,
    ) -> Self {
        let slots = Slots::new(&limits);
        let refusals = Arc::new(Semaphore::new(64));
        Self { router, acceptor, limits, slots, refusals, stopping }
    }

    /// The life of one connection.
    pub(crate) async fn serve(self, socket: TcpStream, peer: SocketAddr) {
        match self.slots.take(peer.ip()) {
            Some(slot) => self.admit(socket, peer, slot).await,
            None => self.refuse(socket).await,
        }
    }

    async fn admit(self, socket: TcpStream, peer: SocketAddr, _slot: Slot) {
        if let Some(stream) = self.shake_hands(socket).await {
            self.converse(stream, peer).await;
        }
    }

    async fn shake_hands(&self, socket: TcpStream) -> Option<Box<dyn Stream>> {
        keep_alive(&socket);
        let accepted = self.acceptor.accept(socket);
        match tokio::time::timeout(self.limits.head_timeout(), accepted).await {
            Ok(Ok(stream)) => Some(stream),
            Ok(Err(error)) => {
                tracing::debug!(%error, "a connection ended before its first request");
                None
            }
            Err(_) => None,
        }
    }

    async fn refuse(self, socket: TcpStream) {
        let Ok(_place) = self.refusals.try_acquire() else { return };
        let Some(stream) = self.shake_hands(socket).await else { return };
        let last_words = refusal::response(&too_many_connections());
        Wire::new(stream, Arc::default(), &self.limits).close_with(last_words).await;
    }

    async fn converse(mut self, stream: Box<dyn Stream>, peer: SocketAddr) {
        let turn = Arc::new(Turn::default());
        let wire = Wire::new(stream, Arc::clone(&turn), &self.limits);
        let service =
            Service { router: self.router.clone(), limits: Arc::clone(&self.limits), peer, turn };
        let mut connection = protocol(&self.limits).serve_connection(TokioIo::new(wire), service);
        let mut is_told = false;
        loop {
            tokio::select! {
                ended = poll_fn(|cx| connection.poll_without_shutdown(cx)) => {
                    if let Err(error) = ended {
                        tracing::debug!(error = &error as &dyn StdError, "a connection broke off");
                    }
                    break;
                }
                _ = self.stopping.wait_for(|stopping| *stopping), if !is_told => {
                    is_told = true;
                    Pin::new(&mut connection).graceful_shutdown();
                }
            }
        }
        connection.into_parts().io.into_inner().close().await;
    }
}

fn protocol(limits: &Limits) -> http1::Builder {
    const LEAST_BUFFER: usize = 64 * 1024;
    let head_bytes = limits.head_bytes as usize;
    let mut protocol = http1::Builder::new();
    protocol
        // `Wire` keeps the time, and knows a slow header from an idle connection.
        .header_read_timeout(None)
        .max_header_size(head_bytes)
        .max_buf_size(head_bytes.max(LEAST_BUFFER));
    protocol
}

/// A peer that vanished without a word is found out, even while we have nothing to send.
fn keep_alive(socket: &TcpStream) {
    let probes = socket2::TcpKeepalive::new()
        .with_time(Duration::from_secs(60))
        .with_interval(Duration::from_secs(15));
    // Where the system has none of it, the time limits still hold.
    let _ = socket2::SockRef::from(socket).set_tcp_keepalive(&probes);
    // Only delays small answers when it fails.
    let _ = socket.set_nodelay(true);
}

/// The router, for the requests of one connection.
struct Service {
    router: Router,
    limits: Arc<Limits>,
    peer: SocketAddr,
    turn: Arc<Turn>,
}

impl hyper::service::Service<Request<Incoming>> for Service {
    type Response = Response<Answer>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        let is_last = self.turn.begin() >= self.limits.requests_per_connection;
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(self.peer));
        let answered = self.router.clone().oneshot(request);
        let (turn, idle_timeout) = (Arc::clone(&self.turn), self.limits.answer_idle_timeout());
        Box::pin(async move {
            let mut response = answered.await?;
            if is_last {
                response
                    .headers_mut()
                    .insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            Ok(response.map(|body| Answer { body, turn, idle_timeout, alarm: None, waits: false }))
        })
    }
}

/// The body of an answer. It may take its time, but not for ever between two parts.
struct Answer {
    body: Body,
    turn: Arc<Turn>,
    idle_timeout: Duration,
    alarm: Option<Pin<Box<Sleep>>>,
    waits: bool,
}

impl Answer {
    fn poll_idle(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let deadline = Instant::now() + self.idle_timeout;
        let alarm = self.alarm.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if !std::mem::replace(&mut self.waits, true) {
            alarm.as_mut().reset(deadline);
        }
        alarm.as_mut().poll(cx)
    }
}

impl http_body::Body for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let me = self.get_mut();
        match Pin::new(&mut me.body).poll_frame(cx) {
            Poll::Pending => {
                ready!(me.poll_idle(cx));
                tracing::warn!("an answer was silent for too long: it is cut");
                Poll::Ready(Some(Err(axum::Error::new("the answer was silent for too long"))))
            }
            ready => {
                me.waits = false;
                ready
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        self.turn.end();
    }
}
