//! Traces: spans of requests, sent to an OpenTelemetry collector over HTTP (D-58).
//!
//! Off unless an endpoint is set; then nothing of it is in the way of a request. Spans wait in a
//! bounded queue and a thread of their own sends them in batches: a collector that is slow or gone
//! costs spans, never requests. Only our own spans are sent, with the fields that the log has too.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use opentelemetry::{KeyValue, trace::TracerProvider as _};
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::{
    Resource,
    trace::{BatchConfigBuilder, BatchSpanProcessor, SdkTracerProvider},
};
use tokio::runtime::Handle;
use tracing::Subscriber;
use tracing_subscriber::{Layer, filter::filter_fn, registry::LookupSpan};
use url::Url;

use crate::{
    config::Setting,
    problem::{Problem, Result},
};

/// Spans that may wait to be sent; more are dropped.
const MOST_WAITING: usize = 4096;

/// How long spans are collected before they are sent.
const EVERY: Duration = Duration::from_secs(2);

/// How long a collector may take to answer, and how long the end of the process waits for it.
const PATIENCE: Duration = Duration::from_secs(3);

/// Where spans go.
#[derive(Debug)]
pub(crate) struct Traces {
    provider: SdkTracerProvider,
}

impl Traces {
    /// Spans go to the collector at `endpoint`, below `/v1/traces`. Nothing is sent yet.
    ///
    /// # Errors
    /// Exit code 2 when the address cannot be one of a collector.
    pub(crate) fn start(endpoint: &Setting<String>, runtime: Handle) -> Result<Self> {
        let unusable = |why: String| {
            let origin = &endpoint.origin;
            Problem::usage(format!("the trace endpoint set by {origin} is not usable: {why}"))
                .hint("name a collector that takes OTLP over HTTP, as in `http://127.0.0.1:4318`")
        };
        let url = traces_url(&endpoint.value).map_err(unusable)?;
        let client = reqwest::Client::builder()
            .timeout(PATIENCE)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| unusable(error.to_string()))?;
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(Collector { client, runtime, is_gone: Arc::default() })
            .with_endpoint(url)
            .with_timeout(PATIENCE)
            .build()
            .map_err(|error| unusable(error.to_string()))?;
        let batches = BatchConfigBuilder::default()
            .with_max_queue_size(MOST_WAITING)
            .with_scheduled_delay(EVERY)
            .build();
        let processor = BatchSpanProcessor::builder(exporter).with_batch_config(batches).build();
        let resource = Resource::builder()
            .with_service_name("lakebed")
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
            .build();
        let provider = SdkTracerProvider::builder()
            .with_span_processor(processor)
            .with_resource(resource)
            .build();
        Ok(Self { provider })
    }

    /// Takes our spans; lines of the log are not sent.
    pub(crate) fn layer<S>(&self) -> impl Layer<S> + use<S>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        let tracer = self.provider.tracer("lakebed");
        tracing_opentelemetry::layer()
            .with_tracer(tracer)
            .with_location(false)
            .with_threads(false)
            .with_tracked_inactivity(false)
            .with_filter(filter_fn(|metadata| {
                let is_ours = metadata.target().starts_with("lakebed");
                metadata.is_span() && is_ours && *metadata.level() <= tracing::Level::DEBUG
            }))
    }

    /// Sends what waits, if the collector is there.
    pub(crate) fn stop(self) {
        if let Err(error) = self.provider.shutdown_with_timeout(PATIENCE) {
            tracing::warn!(%error, "the last traces were not sent");
        }
    }
}

/// The address for traces below a collector's address.
fn traces_url(endpoint: &str) -> Result<String, String> {
    let mut url = Url::parse(endpoint).map_err(|error| error.to_string())?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(format!("it begins with `{}`, not with http or https", url.scheme()));
    }
    let path = format!("{}/v1/traces", url.path().trim_end_matches('/'));
    url.set_path(&path);
    Ok(url.into())
}

/// Sends from the exporter's thread by way of our own runtime.
#[derive(Debug)]
struct Collector {
    client: reqwest::Client,
    runtime: Handle,
    /// Whether the last batch was not taken: said once, not for every batch.
    is_gone: Arc<AtomicBool>,
}

impl Collector {
    fn note(is_gone: &AtomicBool, sent: &reqwest::Result<Response<Bytes>>) {
        let was_gone = is_gone.swap(sent.is_err(), Ordering::Relaxed);
        match sent {
            Ok(_) if was_gone => tracing::info!("the collector takes traces again"),
            // Its address may hold a password.
            Err(error) if !was_gone => tracing::warn!(
                is_timeout = error.is_timeout(),
                is_connect = error.is_connect(),
                "the collector takes no traces; they are lost until it does"
            ),
            _ => {}
        }
    }
}

#[async_trait::async_trait]
impl HttpClient for Collector {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let client = self.client.clone();
        let is_gone = Arc::clone(&self.is_gone);
        let sent = self.runtime.spawn(async move {
            let sent = send(&client, request).await;
            Self::note(&is_gone, &sent);
            sent
        });
        Ok(sent.await??)
    }
}

async fn send(
    client: &reqwest::Client,
    request: Request<Bytes>,
) -> reqwest::Result<Response<Bytes>> {
    let answer = client.execute(request.try_into()?).await?;
    let status = answer.status();
    let mut response = Response::new(answer.bytes().await?);
    *response.status_mut() = status;
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traces_go_below_the_collectors_address() {
        for (endpoint, url) in [
            ("http://127.0.0.1:4318", "http://127.0.0.1:4318/v1/traces"),
            ("https://collector.example/otlp/", "https://collector.example/otlp/v1/traces"),
        ] {
            assert_eq!(traces_url(endpoint).as_deref(), Ok(url));
        }
        assert!(traces_url("127.0.0.1:4318").is_err());
        assert!(traces_url("grpc://collector.example").is_err());
    }
}
