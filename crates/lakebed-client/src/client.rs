//! The client, and the resources that are one question and one answer.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response};
use lakebed_api::{
    AccessExplanation, CatalogAnswer, CatalogApplied, CatalogApplyRequest, CatalogPlan,
    CatalogPlanRequest, ContractCheckRequest, ContractReport, DatasetAnswer, DatasetList,
    DatasetSummary, DeprecationRequest, DiffAnswer, DiffRequest, EventPage, Health, ImpactAnswer,
    IngestPlan, IngestRequest, LakeInfo, LakeReport, LineageAnswer, LockAnswer, LockRequest,
    NoticeAnswer, ProductAnswer, ProductList, ProfileAnswer, PromotionAnswer, PromotionRequest,
    Receipt, Replay, ResolveRequest, ResolveResponse, RetirementRequest, ReviewAnswer, ReviewList,
    ReviewRequest, VersionAnswer, VersionPage, media,
};
use lakebed_core::{DatasetName, PrincipalName};
use serde::{Serialize, de::DeserializeOwned};
use tower::Service;
use url::Url;

use crate::{
    BoxError, ClientError,
    request::Draft,
    retry::Patience,
    transport::{ClientBody, Transport, is_loopback},
};

/// Speaks to one lake. Cheap to clone; clones share connections.
///
/// Dropping a future or a stream ends its request, and with it the work on the other side.
#[derive(Clone)]
pub struct Client {
    transport: Transport,
    base: Url,
    /// `Bearer <token>`, marked so that nothing prints it.
    authorization: Option<HeaderValue>,
    patience: Patience,
    /// Whether answers are asked for in a form that saves bytes on the way.
    takes_compressed: bool,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("base", &self.base.as_str()).finish_non_exhaustive()
    }
}

impl Client {
    /// A client of the server at `url` (`http` or `https`; a path is a prefix). Connects lazily.
    ///
    /// # Errors
    /// [`ClientError::Protocol`] for any other kind of address.
    pub fn remote(url: Url) -> Result<Self, ClientError> {
        if !matches!(url.scheme(), "http" | "https") {
            let what = format!("`{url}` is not an address of a server: expected http or https");
            return Err(ClientError::protocol(what));
        }
        let transport = Transport::socket(&url, &[])?;
        let patience = Patience::default();
        let takes_compressed = !is_loopback(&url);
        Ok(Self { transport, base: url, authorization: None, patience, takes_compressed })
    }

    /// The same, trusting these authorities (PEM) besides the usual ones.
    ///
    /// # Errors
    /// As [`Client::remote`], and when `authorities` holds no certificate.
    pub fn remote_trusting(url: Url, authorities: &[u8]) -> Result<Self, ClientError> {
        let found = reqwest::Certificate::from_pem_bundle(authorities).unwrap_or_default();
        if found.is_empty() {
            return Err(ClientError::protocol(
                "the authorities to trust hold no certificate (PEM)",
            ));
        }
        let client = Self::remote(url)?;
        Ok(Self { transport: Transport::socket(&client.base, &found)?, ..client })
    }

    /// A client of a service in this process, such as the server's router.
    #[must_use]
    pub fn in_process<S, B>(service: S) -> Self
    where
        S: Service<Request<ClientBody>, Response = Response<B>> + Clone + Send + Sync + 'static,
        S::Error: Into<BoxError>,
        S::Future: Send + 'static,
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let base = Url::parse("http://localhost/").expect("a constant address");
        let transport = Transport::in_process(service);
        Self {
            transport,
            base,
            authorization: None,
            patience: Patience::default(),
            takes_compressed: false,
        }
    }

    /// The same, showing `token` with every request. It goes to this server alone: redirects are
    /// not followed.
    ///
    /// # Errors
    /// [`ClientError::Insecure`] where others on the way could read it: over http, except to this
    /// machine. [`ClientError::Protocol`] when it cannot be sent in a header.
    pub fn with_token(mut self, token: &str) -> Result<Self, ClientError> {
        if self.base.scheme() != "https" && !is_loopback(&self.base) {
            return Err(ClientError::Insecure { url: self.base });
        }
        let mut value = HeaderValue::from_str(&format!("Bearer {token}"))
            .map_err(|_| ClientError::protocol("the token cannot be sent in a header"))?;
        value.set_sensitive(true);
        self.authorization = Some(value);
        Ok(self)
    }

    /// The same, going on for `patience` when a server that answered before does not any more.
    #[must_use]
    pub fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = self.patience.lasting(patience);
        self
    }

    /// The same, taking answers compressed, as clients of other machines do by themselves.
    #[must_use]
    pub const fn with_compression(mut self) -> Self {
        self.takes_compressed = true;
        self
    }

    /// Which lake this is.
    ///
    /// # Errors
    /// [`ClientError`], here and below; what the lake refuses is a [`ClientError::Problem`].
    pub async fn lake(&self) -> Result<LakeInfo, ClientError> {
        self.get(&["v1", "lake"]).fetch().await
    }

    /// Whether the lake is ready to answer.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn ready(&self) -> Result<Health, ClientError> {
        self.get(&["health", "ready"]).fetch().await
    }

    /// The datasets, of one namespace or all, sorted by name.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn datasets(&self, namespace: Option<&str>) -> Result<DatasetList, ClientError> {
        self.get(&["v1", "datasets"]).query("namespace", namespace).fetch().await
    }

    /// One dataset.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn dataset(&self, name: &DatasetName) -> Result<DatasetSummary, ClientError> {
        let draft = self.get(&["v1", "datasets", name.namespace(), name.name()]);
        draft.fetch::<DatasetAnswer>().await.map(|answer| answer.dataset)
    }

    /// The products, sorted by name.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn products(&self) -> Result<ProductList, ClientError> {
        self.get(&["v1", "products"]).fetch().await
    }

    /// One product.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn product(&self, name: &DatasetName) -> Result<ProductAnswer, ClientError> {
        self.get(&["v1", "products", name.namespace(), name.name()]).fetch().await
    }

    /// Versions with numbers below `before`, newest first, at most `limit`.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn history(
        &self,
        name: &DatasetName,
        before: Option<u64>,
        limit: Option<u32>,
    ) -> Result<VersionPage, ClientError> {
        self.get(&["v1", "datasets", name.namespace(), name.name(), "versions"])
            .query("before", before)
            .query("limit", limit)
            .fetch()
            .await
    }

    /// Everything about the version that `reference` resolves to.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn version(&self, reference: &str) -> Result<VersionAnswer, ClientError> {
        self.get(&["v1", "versions"]).query("ref", Some(reference)).fetch().await
    }

    /// What the rows of the version that `reference` resolves to look like.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn profile(&self, reference: &str) -> Result<ProfileAnswer, ClientError> {
        self.get(&["v1", "profiles"]).query("ref", Some(reference)).fetch().await
    }

    /// What differs between two versions.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn diff(&self, request: &DiffRequest) -> Result<DiffAnswer, ClientError> {
        self.post(&["v1", "diffs"]).json(request).fetch().await
    }

    /// What references resolve to, all against one snapshot.
    ///
    /// # Errors
    /// [`ClientError`]; one reference that does not resolve refuses them all, and is named.
    pub async fn resolve(&self, request: &ResolveRequest) -> Result<ResolveResponse, ClientError> {
        self.post(&["v1", "resolve"]).json(request).fetch().await
    }

    /// Events after `seq` `after`, oldest first, at most `limit`.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn events(&self, after: u64, limit: Option<u32>) -> Result<EventPage, ClientError> {
        self.get(&["v1", "events"]).query("after", Some(after)).query("limit", limit).fetch().await
    }

    /// What an ingest would do.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn plan_ingest(&self, request: &IngestRequest) -> Result<IngestPlan, ClientError> {
        self.post(&["v1", "ingest-plans"]).json(request).fetch().await
    }

    /// What is declared now.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn catalog(&self) -> Result<CatalogAnswer, ClientError> {
        self.get(&["v1", "catalog"]).fetch().await
    }

    /// What applying a catalog would change.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn plan_catalog(
        &self,
        request: &CatalogPlanRequest,
    ) -> Result<CatalogPlan, ClientError> {
        self.post(&["v1", "catalog", "plan"]).json(request).fetch().await
    }

    /// Declares a catalog in place of the one it was planned against.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn apply_catalog(
        &self,
        request: &CatalogApplyRequest,
        idempotency_key: Option<&str>,
    ) -> Result<CatalogApplied, ClientError> {
        self.change(&["v1", "catalog", "apply"], request, idempotency_key).await
    }

    /// Asks for a change that is done once under its key.
    async fn change<T: DeserializeOwned>(
        &self,
        segments: &[&str],
        request: &(impl Serialize + Sync),
        idempotency_key: Option<&str>,
    ) -> Result<T, ClientError> {
        let mut draft = self.post(segments).json(request);
        if let Some(key) = idempotency_key {
            draft = draft.header(media::IDEMPOTENCY_KEY, key)?;
        }
        draft.fetch().await
    }

    /// The receipt of a statement.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn receipt(&self, statement_id: &str) -> Result<Receipt, ClientError> {
        self.get(&["v1", "receipts", statement_id]).fetch().await
    }

    /// Answers a statement again and compares the answers.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn replay(&self, statement_id: &str) -> Result<Replay, ClientError> {
        self.post(&["v1", "receipts", statement_id, "replay"]).fetch().await
    }

    /// Measures the declared contract on a version.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn check_contract(&self, reference: &str) -> Result<ContractReport, ClientError> {
        let request = ContractCheckRequest { reference: reference.to_owned() };
        self.post(&["v1", "contract-checks"]).json(&request).fetch().await
    }

    /// Moves heads up a stage, or says what that takes.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn promote(
        &self,
        request: &PromotionRequest,
        idempotency_key: Option<&str>,
    ) -> Result<PromotionAnswer, ClientError> {
        self.change(&["v1", "promotions"], request, idempotency_key).await
    }

    /// Says yes or no to promotions, or waives a gate of theirs.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn review(
        &self,
        request: &ReviewRequest,
        idempotency_key: Option<&str>,
    ) -> Result<ReviewAnswer, ClientError> {
        self.change(&["v1", "reviews"], request, idempotency_key).await
    }

    /// What was said of a version, for any stage.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn reviews(&self, reference: &str) -> Result<ReviewList, ClientError> {
        self.get(&["v1", "reviews"]).query("ref", Some(reference)).fetch().await
    }

    /// Says that a dataset will end.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn deprecate(
        &self,
        request: &DeprecationRequest,
        idempotency_key: Option<&str>,
    ) -> Result<NoticeAnswer, ClientError> {
        self.change(&["v1", "deprecations"], request, idempotency_key).await
    }

    /// Ends a dataset.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn retire(
        &self,
        request: &RetirementRequest,
        idempotency_key: Option<&str>,
    ) -> Result<NoticeAnswer, ClientError> {
        self.change(&["v1", "retirements"], request, idempotency_key).await
    }

    /// What a version was computed from, or what from it with `direction` `down`.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn lineage(
        &self,
        name: &DatasetName,
        version: Option<&str>,
        column: Option<&str>,
        direction: Option<&str>,
    ) -> Result<LineageAnswer, ClientError> {
        self.get(&["v1", "datasets", name.namespace(), name.name(), "lineage"])
            .query("version", version)
            .query("column", column)
            .query("direction", direction)
            .fetch()
            .await
    }

    /// How a version came to be, as an event of OpenLineage.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn openlineage(
        &self,
        name: &DatasetName,
        version: Option<&str>,
    ) -> Result<serde_json::Value, ClientError> {
        self.get(&["v1", "datasets", name.namespace(), name.name(), "openlineage"])
            .query("version", version)
            .fetch()
            .await
    }

    /// Who would notice a change of a dataset, or of one of its columns.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn impact(
        &self,
        name: &DatasetName,
        column: Option<&str>,
    ) -> Result<ImpactAnswer, ClientError> {
        self.get(&["v1", "datasets", name.namespace(), name.name(), "impact"])
            .query("column", column)
            .fetch()
            .await
    }

    /// What needs somebody.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn report(&self) -> Result<LakeReport, ClientError> {
        self.get(&["v1", "report"]).fetch().await
    }

    /// Registers that the caller counts on versions, under a name of their own.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn register_lock(
        &self,
        name: &str,
        request: &LockRequest,
    ) -> Result<LockAnswer, ClientError> {
        Draft::new(self, Method::PUT, &["v1", "locks", name])
            .json(request)
            .repeatable()
            .fetch()
            .await
    }

    /// Takes back what the caller registered under a name.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn remove_lock(&self, name: &str) -> Result<LockAnswer, ClientError> {
        self.delete(&["v1", "locks", name]).repeatable().fetch().await
    }

    /// Why the caller, or `principal`, may do what with a target: `lake`, `crm.*`, `crm.customers`.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn explain_access(
        &self,
        target: &str,
        principal: Option<&PrincipalName>,
    ) -> Result<AccessExplanation, ClientError> {
        self.get(&["v1", "access", "explain"])
            .query("target", Some(target))
            .query("principal", principal)
            .fetch()
            .await
    }

    /// The API's own description, OpenAPI 3.1.
    ///
    /// # Errors
    /// [`ClientError`].
    pub async fn openapi(&self) -> Result<serde_json::Value, ClientError> {
        self.get(&["openapi.json"]).fetch().await
    }

    pub(crate) const fn base(&self) -> &Url {
        &self.base
    }

    pub(crate) const fn authorization(&self) -> Option<&HeaderValue> {
        self.authorization.as_ref()
    }

    pub(crate) const fn patience(&self) -> &Patience {
        &self.patience
    }

    pub(crate) const fn takes_compressed(&self) -> bool {
        self.takes_compressed
    }

    pub(crate) const fn transport(&self) -> &Transport {
        &self.transport
    }

    pub(crate) fn get(&self, segments: &[&str]) -> Draft<'_> {
        Draft::new(self, Method::GET, segments)
    }

    pub(crate) fn post(&self, segments: &[&str]) -> Draft<'_> {
        Draft::new(self, Method::POST, segments)
    }

    pub(crate) fn delete(&self, segments: &[&str]) -> Draft<'_> {
        Draft::new(self, Method::DELETE, segments)
    }
}
