//! The bytes of one connection, between the socket and the protocol.
//!
//! Keeps time: a header has to come soon, a peer has to take its answer, an idle connection ends.
//! And it gives what the protocol's parser refuses by itself, which has no body, a problem.

use std::{
    future::Future as _,
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU8, AtomicU32, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf},
    time::{Instant, Sleep, sleep_until},
};

use super::{Pace, Stream, refusal};
use crate::Limits;

/// Whose turn it is on a connection: requests come one by one.
#[derive(Debug, Default)]
pub(crate) struct Turn {
    phase: AtomicU8,
    requests: AtomicU32,
}

/// We wait for a request's header.
const LISTENING: u8 = 0;
/// A request is being answered.
const ANSWERING: u8 = 1;
/// The answer is said, but perhaps not sent.
const SAID: u8 = 2;

impl Turn {
    /// A request is here; says the how many-th it is.
    pub(crate) fn begin(&self) -> u32 {
        self.phase.store(ANSWERING, Ordering::Release);
        self.requests.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// The answer's last byte has been handed over.
    pub(crate) fn end(&self) {
        self.phase.store(SAID, Ordering::Release);
    }

    fn is_listening(&self) -> bool {
        self.phase.load(Ordering::Acquire) == LISTENING
    }

    /// Everything handed over is sent; says whether an answer ended with it.
    fn sent(&self) -> bool {
        let said =
            self.phase.compare_exchange(SAID, LISTENING, Ordering::AcqRel, Ordering::Acquire);
        said.is_ok()
    }
}

/// One connection's stream.
pub(crate) struct Wire {
    stream: Box<dyn Stream>,
    turn: Arc<Turn>,
    head: Head,
    writing: Pace,
    /// Sent instead of what the protocol wanted to say.
    instead: Vec<u8>,
    /// The peer has said its last byte, or is gone.
    peer_ended: bool,
}

/// The header we wait for.
struct Head {
    head_timeout: Duration,
    idle_timeout: Duration,
    /// Whether its time runs; else the connection's idle time does.
    has_begun: bool,
    bytes: usize,
    /// Whether its first line has come to an end.
    line_ended: bool,
    is_overdue: bool,
    /// Set when we wait.
    alarm: Option<Pin<Box<Sleep>>>,
    is_alarm_set: bool,
}

impl Head {
    fn first(limits: &Limits) -> Self {
        Self {
            head_timeout: limits.head_timeout(),
            idle_timeout: limits.idle_timeout(),
            // Whoever connects has something to say.
            has_begun: true,
            bytes: 0,
            line_ended: false,
            is_overdue: false,
            alarm: None,
            is_alarm_set: false,
        }
    }

    fn next(&mut self) {
        (self.has_begun, self.bytes, self.line_ended) = (false, 0, false);
        self.is_alarm_set = false;
    }

    fn heard(&mut self, bytes: &[u8]) {
        if !std::mem::replace(&mut self.has_begun, true) {
            self.is_alarm_set = false;
        }
        self.bytes += bytes.len();
        self.line_ended |= bytes.contains(&b'\n');
    }

    fn poll_overdue(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let time = if self.has_begun { self.head_timeout } else { self.idle_timeout };
        let is_set = std::mem::replace(&mut self.is_alarm_set, true);
        let deadline = Instant::now() + time;
        let alarm = self.alarm.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if !is_set {
            alarm.as_mut().reset(deadline);
        }
        ready!(alarm.as_mut().poll(cx));
        self.is_overdue = true;
        Poll::Ready(())
    }
}

impl Wire {
    pub(crate) fn new(stream: Box<dyn Stream>, turn: Arc<Turn>, limits: &Limits) -> Self {
        let (head, writing) = (Head::first(limits), Pace::new(limits));
        Self { stream, turn, head, writing, instead: Vec::new(), peer_ended: false }
    }

    /// Says what is left to say, and ends the connection so that the peer can read it: bytes that
    /// it goes on sending would otherwise reset the connection under our last words.
    pub(crate) async fn close(mut self) {
        if self.head.is_overdue && self.head.bytes > 0 {
            self.instead = refusal::response(&refusal::slow_head());
        }
        self.linger().await;
    }

    /// The same, with `last_words`.
    pub(crate) async fn close_with(mut self, last_words: Vec<u8>) {
        self.instead = last_words;
        self.linger().await;
    }

    async fn linger(mut self) {
        /// As long as our last words may take to be read.
        const LINGER: Duration = Duration::from_secs(2);
        /// As much as we throw away meanwhile.
        const MOST: u64 = 1 << 20;
        let linger = async {
            self.shutdown().await?;
            if !self.peer_ended {
                tokio::io::copy(&mut (&mut self.stream).take(MOST), &mut tokio::io::sink()).await?;
            }
            io::Result::Ok(())
        };
        // Whether the peer reads it is the peer's affair.
        let _ = tokio::time::timeout(LINGER, linger).await;
    }

    /// Whether `bytes` are the protocol's own refusal; then a problem is sent in their place.
    fn replaces(&mut self, bytes: &[u8]) -> bool {
        if !self.turn.is_listening() {
            return false;
        }
        let status = bytes.get(9..12).filter(|_| bytes.starts_with(b"HTTP/1."));
        let status = status.and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
        let Some(status @ 400..=499) = status else { return false };
        self.instead = refusal::response(&refusal::unparsable(status, self.head.line_ended));
        true
    }

    fn poll_paced(
        &mut self,
        cx: &mut Context<'_>,
        write: impl FnOnce(Pin<&mut Box<dyn Stream>>, &mut Context<'_>) -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        match write(Pin::new(&mut self.stream), cx) {
            Poll::Ready(Ok(count)) => {
                self.writing.moved(count);
                Poll::Ready(Ok(count))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => {
                ready!(self.writing.poll_too_slow(cx));
                tracing::info!("a peer takes its answer too slowly: it is cut");
                Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
            }
        }
    }

    fn poll_instead(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.instead.is_empty() {
            let instead = std::mem::take(&mut self.instead);
            let written = self.poll_paced(cx, |stream, cx| stream.poll_write(cx, &instead));
            self.instead = instead;
            match ready!(written)? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                count => drop(self.instead.drain(..count)),
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let me = self.get_mut();
        let before = buffer.filled().len();
        let listening = me.turn.is_listening();
        match Pin::new(&mut me.stream).poll_read(cx, buffer) {
            Poll::Ready(Ok(())) => {
                let heard = &buffer.filled()[before..];
                me.peer_ended |= heard.is_empty();
                if listening {
                    me.head.heard(heard);
                }
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(error)) => {
                me.peer_ended = true;
                Poll::Ready(Err(error))
            }
            Poll::Pending if listening => {
                ready!(me.head.poll_overdue(cx));
                Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
            }
            Poll::Pending => Poll::Pending,
        }
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let me = self.get_mut();
        if me.replaces(bytes) {
            return Poll::Ready(Ok(bytes.len()));
        }
        me.poll_paced(cx, |stream, cx| stream.poll_write(cx, bytes))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let me = self.get_mut();
        if parts.first().is_some_and(|first| me.replaces(first)) {
            return Poll::Ready(Ok(parts.iter().map(|part| part.len()).sum()));
        }
        me.poll_paced(cx, |stream, cx| stream.poll_write_vectored(cx, parts))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let me = self.get_mut();
        ready!(me.poll_instead(cx))?;
        ready!(Pin::new(&mut me.stream).poll_flush(cx))?;
        if me.turn.sent() {
            me.head.next();
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let me = self.get_mut();
        ready!(me.poll_instead(cx))?;
        Pin::new(&mut me.stream).poll_shutdown(cx)
    }
}
