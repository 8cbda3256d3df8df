//! Jobs: work that goes on by itself, and is followed until it ends.

use futures::TryStreamExt as _;
use http::Method;
use lakebed_api::{
    BuildRequest, IngestRequest, IngestResponse, Job, JobList, JobState, Problem, Progress, media,
};

use lakebed_core::DatasetName;

use crate::{
    ByteStream, Client, ClientError,
    request::Draft,
    retry::{Tries, is_passing},
    transport::bytes_of,
};

/// The longest event that is believed.
const MAX_EVENT: usize = 64 << 20;

impl Client {
    /// Asks for an ingest that goes on by itself. The same `key` is the same job, however often it
    /// is asked for.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn submit_ingest(
        &self,
        request: &IngestRequest,
        key: &str,
    ) -> Result<Job, ClientError> {
        self.post(&["v1", "ingests"])
            .json(request)
            .header(media::PREFER, "respond-async")?
            .header(media::IDEMPOTENCY_KEY, key)?
            .repeatable()
            .fetch()
            .await
    }

    /// Asks for a build that goes on by itself, as [`Client::submit_ingest`] does for an ingest.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn submit_build(
        &self,
        product: &DatasetName,
        request: &BuildRequest,
        key: &str,
    ) -> Result<Job, ClientError> {
        self.post(&["v1", "products", product.namespace(), product.name(), "builds"])
            .json(request)
            .header(media::PREFER, "respond-async")?
            .header(media::IDEMPOTENCY_KEY, key)?
            .repeatable()
            .fetch()
            .await
    }

    /// One of your jobs.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn job(&self, id: &str) -> Result<Job, ClientError> {
        self.get(&["v1", "jobs", id]).fetch().await
    }

    /// Your jobs, the newest first, at most `limit`.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn jobs(&self, limit: Option<u32>) -> Result<JobList, ClientError> {
        self.get(&["v1", "jobs"]).query("limit", limit).fetch().await
    }

    /// Ends a job; says what became of it.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn cancel_job(&self, id: &str) -> Result<Job, ClientError> {
        Draft::new(self, Method::DELETE, &["v1", "jobs", id]).repeatable().fetch().await
    }

    /// Follows a job to its end, over as many connections as it takes. Tells `on_progress` how far
    /// it is.
    ///
    /// # Errors
    /// [`ClientError`]: the job's own problem, or that nobody can be asked about it any more.
    pub async fn follow_ingest(
        &self,
        id: &str,
        mut on_progress: impl FnMut(Progress),
    ) -> Result<IngestResponse, ClientError> {
        let mut tries = Tries::new(self.patience().clone());
        let mut seen: Option<String> = None;
        loop {
            let followed = self.follow_once(id, &mut seen, &mut tries, &mut on_progress).await;
            let error = match followed {
                Ok(Some(job)) => return outcome(job),
                Ok(None) => ClientError::Broken { what: "the events ended early", source: None },
                Err(error) => error,
            };
            if !is_passing(&error) || !tries.again().await {
                return Err(error);
            }
        }
    }

    /// Follows a job over one connection; gives it when it is final.
    async fn follow_once(
        &self,
        id: &str,
        seen: &mut Option<String>,
        tries: &mut Tries,
        on_progress: &mut impl FnMut(Progress),
    ) -> Result<Option<Job>, ClientError> {
        let mut draft = self.get(&["v1", "jobs", id, "events"]).header("accept", media::EVENTS)?;
        if let Some(seen) = seen {
            draft = draft.header(media::LAST_EVENT_ID, seen)?;
        }
        let mut events = Events::new(bytes_of(draft.send().await?.into_body()));
        while let Some(event) = events.next().await? {
            tries.reset();
            let job: Job = serde_json::from_str(&event.data)
                .map_err(|error| ClientError::protocol(error.to_string()))?;
            *seen = event.id.or(seen.take());
            if job.state.is_final() {
                return Ok(Some(job));
            }
            if let Some(progress) = job.progress {
                on_progress(progress);
            }
        }
        Ok(None)
    }
}

fn outcome(job: Job) -> Result<IngestResponse, ClientError> {
    match (job.state, job.result, job.problem) {
        (JobState::Done, Some(result), _) => Ok(result),
        (JobState::Failed, _, Some(problem)) => Err(ClientError::Problem(Box::new(problem))),
        (JobState::Cancelled, ..) => Err(ClientError::Problem(Box::new(Problem {
            kind: Problem::kind_of("cancelled"),
            title: "the job was cancelled".to_owned(),
            status: 409,
            detail: "the job was cancelled, and left nothing".to_owned(),
            instance: job.id,
            code: "cancelled".to_owned(),
            hint: None,
            event: None,
            reasons: Vec::new(),
        }))),
        _ => Err(ClientError::protocol("a final job without its outcome")),
    }
}

/// Server-sent events of a body.
struct Events {
    bytes: ByteStream,
    buffer: Vec<u8>,
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Event {
    id: Option<String>,
    data: String,
}

impl Events {
    const fn new(bytes: ByteStream) -> Self {
        Self { bytes, buffer: Vec::new() }
    }

    /// The next event that has data; none at the end of the body.
    async fn next(&mut self) -> Result<Option<Event>, ClientError> {
        loop {
            while let Some(text) = self.take_block()? {
                let event = parse(&text);
                if !event.data.is_empty() {
                    return Ok(Some(event));
                }
            }
            match self.bytes.try_next().await? {
                Some(bytes) => self.buffer.extend_from_slice(&bytes),
                None => return Ok(None),
            }
        }
    }

    /// What stands before the next empty line.
    fn take_block(&mut self) -> Result<Option<String>, ClientError> {
        let Some(end) = self.buffer.windows(2).position(|pair| pair == b"\n\n") else {
            return match self.buffer.len() {
                0..=MAX_EVENT => Ok(None),
                _ => Err(ClientError::protocol("an event is longer than 64 MiB")),
            };
        };
        let block: Vec<u8> = self.buffer.drain(..end + 2).collect();
        String::from_utf8(block).map(Some).map_err(|_| ClientError::protocol("events are UTF-8"))
    }
}

fn parse(block: &str) -> Event {
    let mut event = Event::default();
    for line in block.lines() {
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "id" => event.id = Some(value.to_owned()),
            "data" => {
                if !event.data.is_empty() {
                    event.data.push('\n');
                }
                event.data.push_str(value);
            }
            _ => {}
        }
    }
    event
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use futures::{StreamExt as _, stream};

    use super::*;

    async fn read(pieces: Vec<&'static [u8]>) -> Vec<Event> {
        let pieces = pieces.into_iter().map(|piece| Ok(Bytes::from_static(piece)));
        let mut events = Events::new(stream::iter(pieces).boxed());
        let mut read = Vec::new();
        while let Some(event) = events.next().await.expect("whole events") {
            read.push(event);
        }
        read
    }

    /// Events are events, wherever the transport cut them; what is no whole event is none.
    #[tokio::test]
    async fn events_may_come_in_pieces() {
        let text =
            b": alive\n\nevent: job\nid: 1\ndata: {\"a\":1}\n\ndata:x\ndata: y\n\nid: 9\ndata: lo";
        let expected = [
            Event { id: Some("1".to_owned()), data: "{\"a\":1}".to_owned() },
            Event { id: None, data: "x\ny".to_owned() },
        ];
        for size in [1, 3, text.len()] {
            assert_eq!(read(text.chunks(size).collect()).await, expected, "{size}");
        }
    }
}
