//! Long work: waited for, or told line by line (`application/x-ndjson`).
//!
//! The work runs in a task of its own that ends with the response: a client that goes away cancels
//! it, whichever of the two it had asked for.

use std::{convert::Infallible, future::Future, sync::Arc, time::Duration};

use axum::{
    Json,
    body::Body,
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures::stream;
use http::{HeaderMap, header};
use lakebed_api::{Line, media};
use lakebed_service::{Progress, ProgressSink};
use serde::Serialize;
use tokio::{
    sync::watch,
    task::{JoinError, JoinSet},
    time::Instant,
};
use tracing::Instrument as _;

use crate::{
    Access,
    accept::negotiate,
    convert,
    problem::{Failure, Result},
};

/// The least time between two lines of progress.
const PAUSE: Duration = Duration::from_millis(100);

/// How the client wants to hear of long work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Telling {
    /// Once, when it is done.
    AtTheEnd,
    /// Line by line.
    Lines,
}

impl Telling {
    /// # Errors
    /// 406 when the client wants neither.
    pub(crate) fn of(headers: &HeaderMap) -> Result<Self> {
        match negotiate(headers, &[media::JSON, media::NDJSON])? {
            0 => Ok(Self::AtTheEnd),
            _ => Ok(Self::Lines),
        }
    }
}

/// Who the lines are for.
#[derive(Debug, Clone)]
pub(crate) struct Reader {
    pub(crate) access: Access,
    pub(crate) request_id: String,
}

/// Work under way; dropping it ends it.
struct Work<T> {
    task: JoinSet<Result<T>>,
    progress: watch::Receiver<Progress>,
    /// No line before this time.
    next_line_at: Instant,
}

struct Sink(watch::Sender<Progress>);

impl ProgressSink for Sink {
    fn report(&self, progress: Progress) {
        self.0.send_replace(progress);
    }
}

/// Starts `work` and answers as the client wants to hear of it.
///
/// What fails before there is anything to tell is a problem with its own status.
pub(crate) async fn answer<T, F>(
    telling: Telling,
    reader: Reader,
    work: impl FnOnce(Arc<dyn ProgressSink>) -> F,
) -> Result<Response>
where
    T: Serialize + Send + 'static,
    F: Future<Output = Result<T>> + Send + 'static,
{
    let (sender, progress) = watch::channel(Progress::default());
    let mut task = JoinSet::new();
    task.spawn(work(Arc::new(Sink(sender))).in_current_span());
    let mut work = Work { task, progress, next_line_at: Instant::now() };
    match telling {
        Telling::AtTheEnd => work.finish().await.map(|done| Json(done).into_response()),
        Telling::Lines => {
            let first = work.next().await?;
            Ok(lines(first, work, reader))
        }
    }
}

/// A line, and whether it is the last.
struct Told {
    line: Bytes,
    is_last: bool,
}

impl<T: Serialize + Send + 'static> Work<T> {
    async fn finish(&mut self) -> Result<T> {
        flatten(self.task.join_next().await)
    }

    /// The next line of progress, or the last line; an error is the caller's to tell.
    async fn next(&mut self) -> Result<Told> {
        let news = async {
            tokio::time::sleep_until(self.next_line_at).await;
            self.progress.changed().await
        };
        tokio::select! {
            biased;
            done = self.task.join_next() => flatten(done).map(|done| last(&Line::Done(done))),
            news = news => match news {
                Ok(()) => Ok(self.tell_progress()),
                // The sink is gone, so the work is about to end.
                Err(_) => self.finish().await.map(|done| last(&Line::Done(done))),
            },
        }
    }

    fn tell_progress(&mut self) -> Told {
        self.next_line_at = Instant::now() + PAUSE;
        let progress = convert::progress(self.progress.borrow_and_update().clone());
        Told { line: line(&Line::<T>::Progress(progress)), is_last: false }
    }
}

fn lines<T: Serialize + Send + 'static>(first: Told, work: Work<T>, reader: Reader) -> Response {
    let state = Some((Some(first), work));
    let body = stream::unfold((state, reader), |(state, reader)| async move {
        let (ready, mut work) = state?;
        let told = match ready {
            Some(told) => told,
            None => match work.next().await {
                Ok(told) => told,
                Err(failure) => broken(&failure, &reader),
            },
        };
        let rest = (!told.is_last).then_some((None, work));
        Some((Ok::<_, Infallible>(told.line), (rest, reader)))
    });
    let content_type = [(header::CONTENT_TYPE, media::NDJSON), (header::CACHE_CONTROL, "no-store")];
    (content_type, Body::from_stream(body)).into_response()
}

/// The last line of work that failed after its status was sent.
fn broken(failure: &Failure, reader: &Reader) -> Told {
    tracing::warn!(
        request_id = reader.request_id,
        code = failure.code(),
        cause = failure.cause(),
        "the work failed after its answer had begun"
    );
    let problem = failure.problem(reader.access, &reader.request_id);
    last::<()>(&Line::Problem(problem))
}

fn last<T: Serialize>(value: &Line<T>) -> Told {
    Told { line: line(value), is_last: true }
}

fn line<T: Serialize>(value: &Line<T>) -> Bytes {
    let mut line = serde_json::to_vec(value).expect("wire types always serialise");
    line.push(b'\n');
    line.into()
}

fn flatten<T>(joined: Option<Result<Result<T>, JoinError>>) -> Result<T> {
    match joined {
        Some(Ok(result)) => result,
        Some(Err(error)) => Err(Failure::internal(error.to_string())),
        None => Err(Failure::internal("the work was waited for twice")),
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    fn reader() -> Reader {
        Reader { access: Access::Remote, request_id: "r1".to_owned() }
    }

    fn at(bytes_done: u64) -> Progress {
        Progress { phase: "reading".to_owned(), bytes_done, ..Progress::default() }
    }

    async fn text(response: Response) -> String {
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    /// A thousand reports in a second are ten lines and not a thousand; the last line is the result.
    #[tokio::test(start_paused = true)]
    async fn progress_is_told_about_ten_times_a_second() {
        let response = answer(Telling::Lines, reader(), |sink| async move {
            for done in 0..1000 {
                sink.report(at(done));
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            Ok(7)
        });
        let text = text(response.await.unwrap()).await;
        let lines: Vec<Line<u64>> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert!((5..=15).contains(&lines.len()), "{} lines", lines.len());
        assert_eq!(lines.last(), Some(&Line::Done(7)));
        assert!(lines[..lines.len() - 1].iter().all(|line| matches!(line, Line::Progress(_))));
    }

    /// What fails at once has the status of its problem, whichever way it would have been told.
    #[tokio::test]
    async fn early_failures_have_their_own_status() {
        for telling in [Telling::Lines, Telling::AtTheEnd] {
            let failed = answer::<u64, _>(telling, reader(), |_| async {
                Err(Failure::invalid("bad-name", "bad"))
            });
            assert_eq!(failed.await.unwrap_err().code(), "bad-name");
        }
    }

    #[tokio::test]
    async fn late_failures_are_the_last_line() {
        let response = answer::<u64, _>(Telling::Lines, reader(), |sink| async move {
            sink.report(at(1));
            tokio::time::sleep(Duration::from_millis(1)).await;
            Err(Failure::invalid("bad-name", "bad"))
        });
        let text = text(response.await.unwrap()).await;
        let last: Line<u64> = serde_json::from_str(text.lines().last().unwrap()).unwrap();
        let Line::Problem(problem) = last else { panic!("{text}") };
        assert_eq!((problem.code.as_str(), problem.instance.as_str()), ("bad-name", "r1"));
    }

    /// A panic in the work is a failure that is told, not an answer that never ends.
    #[tokio::test]
    async fn work_that_panics_has_failed() {
        let failed = answer::<u64, _>(Telling::AtTheEnd, reader(), |_| async { panic!("oops") });
        assert_eq!(failed.await.unwrap_err().code(), "internal");
    }

    struct OnDrop(Option<tokio::sync::oneshot::Sender<()>>);

    impl Drop for OnDrop {
        fn drop(&mut self) {
            let _ = self.0.take().map(|sender| sender.send(()));
        }
    }

    /// A client that goes away takes its work along.
    #[tokio::test]
    async fn dropping_the_body_ends_the_work() {
        let (sender, ended) = tokio::sync::oneshot::channel();
        let response = answer::<u64, _>(Telling::Lines, reader(), |sink| async move {
            let _guard = OnDrop(Some(sender));
            sink.report(at(1));
            std::future::pending().await
        });
        drop(response.await.unwrap());
        ended.await.expect("the work was dropped");
    }

    #[tokio::test]
    async fn dropping_the_wait_ends_the_work() {
        let (sender, ended) = tokio::sync::oneshot::channel();
        let waiting = answer::<u64, _>(Telling::AtTheEnd, reader(), |_| async move {
            let _guard = OnDrop(Some(sender));
            std::future::pending().await
        });
        let waited = tokio::time::timeout(Duration::from_millis(20), waiting).await;
        assert!(waited.is_err(), "it never ends by itself");
        ended.await.expect("the work was dropped");
    }
}
