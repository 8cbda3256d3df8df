//! From "where the lake is" to a client of it: over HTTP, or the same router in this process.

use std::{path::PathBuf, sync::Arc};

use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _, stream::BoxStream};
use lakebed_api::FileLink;
use lakebed_client::{Client, is_signed, read_signed};
use lakebed_core::{Identity, PrincipalName};
use lakebed_server::{Access, AppState, router};
use lakebed_service::{Lake, LakeConfig, OpenMode, SystemClock};
use lakebed_store::Root;
use lakebed_web::{Fetcher, HostRule, Hosts, Policy};
use url::Url;

use crate::{
    app::App,
    config::Target,
    credentials::token_for,
    engine::LazyEngine,
    fetch::transfer::Origin,
    problem::{Problem, Result},
};

/// A lake to speak to.
pub(crate) struct Session {
    pub(crate) client: Client,
    /// The lake itself, when it is in this process.
    lake: Option<Lake>,
}

impl Session {
    /// The lake of the settings, which must exist.
    pub(crate) async fn open(app: &App) -> Result<Self> {
        Self::open_with(app, OpenMode::Existing).await
    }

    /// The lake of the settings; an absent or empty folder becomes one.
    pub(crate) async fn open_or_create(app: &App) -> Result<Self> {
        Self::open_with(app, OpenMode::CreateIfMissing).await
    }

    /// The same, asked by the caller, whatever `--as` says: for what is about somebody else.
    pub(crate) async fn open_as_caller(app: &App) -> Result<Self> {
        Self::open_for(app, OpenMode::Existing, None).await
    }

    async fn open_with(app: &App, mode: OpenMode) -> Result<Self> {
        Self::open_for(app, mode, app.principal.as_ref()).await
    }

    async fn open_for(
        app: &App,
        mode: OpenMode,
        principal: Option<&PrincipalName>,
    ) -> Result<Self> {
        if let (Target::Server(url), Some(_)) = (app.settings.lake()?, principal) {
            return Err(Problem::usage(format!("`--as` does not work on a server (`{url}`)"))
                .hint("`lakebed access explain --as` does, for whoever may admin the lake"));
        }
        if let Target::Server(url) = app.settings.lake()? {
            if let Some(catalog) = &app.settings.catalog {
                tracing::info!(origin = %catalog.origin, "a server has its own catalog");
            }
            return Ok(Self { client: remote(app, url)?, lake: None });
        }
        let lake = open_lake(app, mode).await?;
        let identity = match principal {
            Some(principal) => Identity::of(principal.clone()),
            None => Identity::owner(app.settings.actor.value.clone()),
        };
        let state = AppState::new(lake.clone(), Access::Local)
            .with_identity(identity)
            .with_fetcher(Fetcher::new(Policy::new(Hosts::Public(host_rules(app)))));
        Ok(Self { client: Client::in_process(router(state)), lake: Some(lake) })
    }

    /// Whether the lake is in this process, and can be given paths of this machine.
    pub(crate) const fn is_local(&self) -> bool {
        self.lake.is_some()
    }

    /// Lets the database be closed in order.
    pub(crate) async fn close(self) {
        if let Some(lake) = self.lake {
            lake.close().await;
        }
    }
}

/// A client of the server at `url`, showing the token that there is for it.
fn remote(app: &App, url: &Url) -> Result<Client> {
    let client = nobody(app, url)?;
    match token_for(&app.settings, url)? {
        Some(token) => Ok(client.with_token(&token)?),
        None => Ok(client),
    }
}

/// A client that shows no token. It trusts the authorities of the settings, too.
pub(crate) fn nobody(app: &App, url: &Url) -> Result<Client> {
    let Some(ca_file) = &app.settings.ca_file else { return Ok(Client::remote(url.clone())?) };
    let path = &ca_file.value;
    let authorities = std::fs::read(path)
        .map_err(|error| Problem::io("read the authorities in", path, &error))?;
    Ok(Client::remote_trusting(url.clone(), &authorities)?)
}

/// Opens the lake of the settings in this process.
pub(crate) async fn open_lake(app: &App, mode: OpenMode) -> Result<Lake> {
    let config = lake_config(app, mode)?;
    Ok(Lake::open(config, Arc::new(LazyEngine::default()), Arc::new(SystemClock)).await?)
}

/// The lake of the settings as the service takes it.
///
/// # Errors
/// Exit code 2 for a server, which has no lake in this process.
pub(crate) fn lake_config(app: &App, open: OpenMode) -> Result<LakeConfig> {
    let root = match app.settings.lake()? {
        Target::Folder(path) => Root::Folder(path.clone()),
        Target::ObjectStore(url) => Root::Url(url.clone()),
        Target::Server(url) => {
            return Err(Problem::usage(format!(
                "`{url}` is a server: this works on the lake itself"
            ))
            .hint("run it where the lake is, with `--lake <folder>`"));
        }
    };
    let catalog_url = app.settings.catalog.as_ref().map(|catalog| catalog.value.clone());
    let store = app.settings.store.options.clone();
    Ok(LakeConfig { root, store, catalog_url, open })
}

/// The hosts that the settings list, to fetch sources from.
pub(crate) fn host_rules(app: &App) -> Vec<HostRule> {
    let (public, private) = (&app.settings.url_hosts, &app.settings.url_private_hosts);
    public.value.iter().chain(&private.value).cloned().collect()
}

impl Origin for Session {
    /// Only a lake in this process may name files of this machine.
    fn local(&self, link: &FileLink) -> Option<PathBuf> {
        let url = self.is_local().then(|| Url::parse(&link.url).ok()).flatten()?;
        if url.scheme() == "file" { url.to_file_path().ok() } else { None }
    }

    async fn read_from(
        &self,
        link: &FileLink,
        offset: u64,
    ) -> Result<BoxStream<'static, Result<Bytes>>> {
        // A remote lake may be in a bucket that can be reached from here, too.
        if !self.is_local() && is_signed(&link.url) {
            match read_signed(&link.url, offset..link.size_bytes).await {
                Ok(bytes) => return Ok(bytes.map_err(Problem::from).boxed()),
                Err(error) => {
                    tracing::info!(object = %link.object, %error, "asking the server instead");
                }
            }
        }
        let answer = self.client.object(link.object, Some(offset..link.size_bytes)).await?;
        Ok(answer.bytes.map_err(Problem::from).boxed())
    }
}
