//! Products that this server builds without being asked for: jobs of their owners.

use std::time::Duration;

use lakebed_service::{BUILD, Looked, NewJob};

use crate::{AppState, routes::product::Build};

/// How often products are looked at. Looking costs one statement to the catalog while nothing changes.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Submits builds of products as they become due. Never ends.
pub async fn refresh_products(state: AppState) {
    let mut looked = Looked::default();
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let due = match state.lake.due_builds(&mut looked).await {
            Ok(due) => due,
            Err(error) => {
                tracing::warn!(%error, "could not look at products");
                continue;
            }
        };
        let Some(jobs) = state.jobs_of_server() else { return };
        for (ctx, request) in due {
            let product = request.product.clone();
            let request = serde_json::to_string(&Build::from(request));
            let request = request.expect("wire types always serialise");
            let new = NewJob { kind: BUILD.to_owned(), request };
            match jobs.submit(&ctx, new).await {
                Ok(job) => tracing::info!(%product, job = job.record.id, "refreshing"),
                Err(error) => {
                    tracing::warn!(%product, %error, "cannot be refreshed yet");
                    looked.forget(&product);
                }
            }
        }
    }
}
