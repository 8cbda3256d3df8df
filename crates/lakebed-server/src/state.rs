//! What every handler is given.

use std::sync::Arc;

use lakebed_core::Identity;
use lakebed_service::{JobTimes, Jobs, Lake, engine::QueryLimits};
use lakebed_web::Fetcher;

use crate::{
    Auth, Limits, Metrics,
    client_address::TrustedProxies,
    jobs,
    problem::{Failure, Result},
    rates::Rates,
    readiness::Readiness,
};

/// From where the router is reached, and so what its callers may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// From this process, by whoever runs it: local paths are taken as sources, and files are named
    /// by `file://` addresses.
    Local,
    /// Through a socket: no local path comes in or goes out, and only pages of this very server may
    /// ask from a browser.
    Remote,
}

/// A lake and how it is reached. Cheap to clone.
#[derive(Debug, Clone)]
pub struct AppState {
    /// The lake.
    pub(crate) lake: Lake,
    /// From where callers come.
    pub(crate) access: Access,
    /// Who callers are that are not asked.
    pub(crate) identity: Arc<Identity>,
    /// How callers of a socket prove who they are.
    pub(crate) auth: Auth,
    /// What a statement may use when it says nothing; the most that it may, through a socket.
    pub(crate) limits: QueryLimits,
    /// What a request through a socket may cost.
    pub(crate) door: Arc<Limits>,
    /// Fetches sources from URLs; none where nothing may be fetched.
    pub(crate) fetcher: Option<Fetcher>,
    /// How often who asked lately.
    pub(crate) rates: Arc<Rates>,
    /// Whether requests can be answered.
    pub(crate) readiness: Readiness,
    /// Who may say on whose behalf they ask.
    pub(crate) trusted_proxies: Arc<TrustedProxies>,
    /// Who counts, if anybody does.
    pub(crate) metrics: Option<Arc<Metrics>>,
    /// The jobs of this server; none in the state that they themselves run with.
    pub(crate) jobs: Option<Jobs>,
}

impl AppState {
    /// A lake behind the door. Callers are `local` or `anonymous@loopback`, who own the lake;
    /// statements have the engine's default limits.
    ///
    /// # Panics
    /// Never: both names are principals.
    #[must_use]
    pub fn new(lake: Lake, access: Access) -> Self {
        let actor = match access {
            Access::Local => "local",
            Access::Remote => "anonymous@loopback",
        };
        let identity = Identity::owner(actor.parse().expect("a principal: it is a plain word"));
        let door = Limits::default();
        let state = Self {
            lake,
            access,
            identity: identity.into(),
            auth: Auth::default(),
            limits: QueryLimits::default(),
            fetcher: None,
            rates: Arc::new(Rates::new(&door)),
            door: Arc::new(door),
            readiness: Readiness::default(),
            trusted_proxies: Arc::default(),
            metrics: None,
            jobs: None,
        };
        state.with_job_times(JobTimes::default())
    }

    /// The same with jobs of its own, which notice dead servers this fast.
    #[must_use]
    pub fn with_job_times(mut self, times: JobTimes) -> Self {
        let runners = jobs::runners(&Self { jobs: None, ..self.clone() });
        // Without randomness there are no jobs, and whoever asks for one is told so.
        self.jobs = Jobs::new(self.lake.clone(), runners, times).ok();
        self
    }

    /// The same with jobs that work as the state is now.
    fn with_jobs_as_now(self) -> Self {
        let times = self.jobs.as_ref().map_or_else(JobTimes::default, Jobs::times);
        self.with_job_times(times)
    }

    /// The jobs of this server: whoever serves it keeps them going, and closes them.
    #[must_use]
    pub const fn jobs_of_server(&self) -> Option<&Jobs> {
        self.jobs.as_ref()
    }

    pub(crate) fn jobs(&self) -> Result<&Jobs> {
        let none = || Failure::internal("this server has no jobs");
        self.jobs.as_ref().ok_or_else(none)
    }

    /// The same with everything being counted: here, in the service and in the store.
    #[must_use]
    pub fn with_metrics(mut self, metrics: Arc<Metrics>) -> Self {
        self.lake.observe(Arc::clone(&metrics) as Arc<dyn lakebed_service::Observer>);
        self.metrics = Some(metrics);
        self.with_jobs_as_now()
    }

    /// Says that the server is about to stop: from now on `/health/ready` answers 503.
    pub fn stop(&self) {
        self.readiness.stop();
    }

    /// The same with these proxies being believed when they say who their client is.
    #[must_use]
    pub fn with_trusted_proxies(mut self, proxies: TrustedProxies) -> Self {
        self.trusted_proxies = Arc::new(proxies);
        self
    }

    /// The same with all callers being `identity`.
    #[must_use]
    pub fn with_identity(mut self, identity: Identity) -> Self {
        self.identity = identity.into();
        self
    }

    /// The same with callers who prove who they are like this.
    #[must_use]
    pub fn with_auth(mut self, auth: Auth) -> Self {
        self.auth = auth;
        self
    }

    /// The same with other limits for requests through a socket; [`Access::Local`] has none.
    #[must_use]
    pub fn with_door(mut self, door: Limits) -> Self {
        self.rates = Arc::new(Rates::new(&door));
        self.door = Arc::new(door);
        self
    }

    /// The same fetching sources from URLs, which a lake by itself does not.
    #[must_use]
    pub fn with_fetcher(mut self, fetcher: Fetcher) -> Self {
        self.fetcher = Some(fetcher);
        self.with_jobs_as_now()
    }

    /// The same with other limits for statements.
    #[must_use]
    pub fn with_limits(mut self, limits: QueryLimits) -> Self {
        self.limits = limits;
        self.with_jobs_as_now()
    }
}
