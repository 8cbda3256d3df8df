//! What the user set, and where: built-in values, `lakebed.toml`, `LAKEBED_*`, flags, in rising
//! order. Nothing else in the workspace reads the environment.
//!
//! `lakebed.toml` is looked for in the current folder and then in its parents; the nearest counts
//! and paths in it are relative to its folder. Keys it does not know are refused.

mod auth;
mod file;
mod object_store;
mod secret;
mod settings;
mod target;

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
};

use lakebed_core::PrincipalName;
use lakebed_server::{Limits, OidcConfig};
use lakebed_web::{HostRule, RuleError};
use serde::Deserialize;
use toml::Spanned;

use self::{
    auth::OidcTable,
    file::{File, Loaded, find},
    object_store::StoreSettings,
    secret::{without_password, without_password_in},
    settings::Described,
};
pub(crate) use self::{
    auth::{AuthMode, Secret},
    settings::{SETTINGS, reference, store_variables, variables},
    target::Target,
};
use crate::problem::{Exit, Problem, Result};

/// The file's name.
pub(crate) const FILE: &str = "lakebed.toml";

/// A value and who set it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Setting<T> {
    pub(crate) value: T,
    pub(crate) origin: Origin,
}

/// Who set a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    Default,
    File { path: PathBuf, line: usize },
    Environment(&'static str),
    Flag(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
            Self::Environment(name) => f.write_str(name),
            Self::Flag(name) => f.write_str(name),
        }
    }
}

/// Everything that can be set, each with its origin.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// The lake: a folder, an object-store URL or a server. None: nobody said.
    pub(crate) lake: Option<Setting<Target>>,
    /// The catalog database; by the lake's root when unsaid. It may hold a password, and is
    /// shown without.
    pub(crate) catalog: Option<Setting<String>>,
    /// Authorities to trust besides the usual ones, when the lake is a server.
    pub(crate) ca_file: Option<Setting<PathBuf>>,
    pub(crate) color: Setting<ColorWhen>,
    /// A filter in `tracing`'s syntax: `info`, `lakebed_service=debug`.
    pub(crate) log: Setting<String>,
    pub(crate) log_format: Setting<LogFormat>,
    /// Where `serve` listens.
    pub(crate) listen: Setting<String>,
    /// Where `serve` answers those who run it; nowhere when unsaid.
    pub(crate) metrics_listen: Option<Setting<String>>,
    /// The server's certificate chain; plain HTTP when unsaid.
    pub(crate) tls_cert: Option<Setting<PathBuf>>,
    /// The key of that certificate.
    pub(crate) tls_key: Option<Setting<PathBuf>>,
    /// Who may say on whose behalf they ask.
    pub(crate) trusted_proxies: Setting<Vec<String>>,
    /// How long requests under way may go on once the server is told to stop.
    pub(crate) drain_seconds: Setting<u64>,
    /// How many ingests a server does at once; others wait, and principals take turns.
    pub(crate) ingests_at_once: Setting<u64>,
    /// How many statements a server answers at once; others wait, and principals take turns.
    pub(crate) statements_at_once: Setting<u64>,
    /// How many bytes of uploads may wait for an ingest, of all principals together.
    pub(crate) uploads_bytes: Setting<u64>,
    /// How many bytes of uploads may wait for an ingest, of one principal.
    pub(crate) uploads_principal_bytes: Setting<u64>,
    /// How many bytes the result of one long statement may have.
    pub(crate) result_bytes: Setting<u64>,
    /// How many bytes of such results may wait, of all principals together.
    pub(crate) results_total_bytes: Setting<u64>,
    /// Where `serve` sends traces; nowhere when unsaid.
    pub(crate) otlp_endpoint: Option<Setting<String>>,
    /// Where `serve` sends OpenLineage events; nowhere when unsaid.
    pub(crate) openlineage_url: Option<Setting<String>>,
    /// The file to which `serve` appends them; none when unsaid.
    pub(crate) openlineage_file: Option<Setting<PathBuf>>,
    /// The token that events show where they are sent.
    pub(crate) openlineage_token: Option<Secret>,
    /// Where sources may be fetched from by URL.
    pub(crate) url_hosts: Setting<Vec<HostRule>>,
    /// The same in private networks.
    pub(crate) url_private_hosts: Setting<Vec<HostRule>>,
    /// What clients of `serve` may cost.
    pub(crate) limits: Setting<Limits>,
    /// Whether `serve` asks its callers who they are.
    pub(crate) auth: Setting<AuthMode>,
    /// The issuers whose tokens `serve` takes.
    pub(crate) oidc: Vec<OidcConfig>,
    /// The file with the token to show to a server.
    pub(crate) token_file: Option<Setting<PathBuf>>,
    /// The token to show to a server.
    pub(crate) token: Option<Secret>,
    /// The folder of the user's own configuration.
    pub(crate) user_folder: Option<PathBuf>,
    /// Who the events of a lake in this process are by.
    pub(crate) actor: Setting<PrincipalName>,
    /// How to reach the object store, for a lake that is in one.
    pub(crate) store: StoreSettings,
}

/// When to use colours; `auto` is on a terminal, unless `NO_COLOR` is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ColorWhen {
    #[default]
    Auto,
    Always,
    Never,
}

/// How log lines are written: for people, or as one JSON object a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    #[default]
    Text,
    Json,
}

impl fmt::Display for ColorWhen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::Always => "always",
            Self::Never => "never",
        })
    }
}

impl fmt::Display for LogFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text => "text",
            Self::Json => "json",
        })
    }
}

/// What flags set; see [`crate::cli::Global`].
#[derive(Debug, Clone, Default)]
pub(crate) struct Flags {
    pub(crate) lake: Option<String>,
    pub(crate) catalog: Option<String>,
    pub(crate) config: Option<PathBuf>,
    pub(crate) color: Option<ColorWhen>,
    pub(crate) verbose: u8,
    pub(crate) ca_file: Option<String>,
    pub(crate) listen: Option<String>,
    pub(crate) metrics_listen: Option<String>,
    pub(crate) tls_cert: Option<String>,
    pub(crate) tls_key: Option<String>,
    pub(crate) auth: Option<AuthMode>,
    pub(crate) token_file: Option<PathBuf>,
    /// Whether this is a server, whose log is what its operator reads. Other commands report what
    /// went wrong themselves, once.
    pub(crate) serves: bool,
}

/// The variables that were set. Passed in, so that tests need not touch the process'.
pub(crate) type Environment = BTreeMap<String, String>;

/// The process' variables that mean something here, `LAKEBED_*` that do not, the name of the user,
/// and where their own configuration is.
pub(crate) fn environment() -> Environment {
    let known: Vec<&str> = variables().chain(OTHERS).collect();
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .filter(|(name, _)| {
            name.starts_with("LAKEBED_")
                || known.contains(&name.as_str())
                || object_store::is_needed(name)
        })
        .collect()
}

const USER: &str = "USER";
const LOGNAME: &str = "LOGNAME";

/// Not ours, but looked at.
const OTHERS: [&str; 4] = [USER, LOGNAME, "HOME", "XDG_CONFIG_HOME"];

/// Brings the layers together; `current` is the current folder.
///
/// # Errors
/// Exit code 2 for values that mean nothing, with the place where they stand.
pub(crate) fn load(flags: &Flags, environment: &Environment, current: &Path) -> Result<Settings> {
    let explicit = flags
        .config
        .clone()
        .or_else(|| environment.get(settings::CONFIG_VARIABLE).map(PathBuf::from));
    let loaded = match explicit {
        Some(path) => Loaded::read(current.join(path))?,
        None => find(current).map(Loaded::read).transpose()?.unwrap_or_default(),
    };
    let layers = Layers { environment, loaded: &loaded, current };
    let lake = layers.lake(flags)?;
    Ok(Settings {
        store: object_store::load(environment, &loaded, lake.as_ref().map(|lake| &lake.value))?,
        lake,
        catalog: layers.text(&settings::CATALOG, flags.catalog.as_ref(), |f| f.catalog.as_ref()),
        ca_file: layers.path(&settings::CA_FILE, flags.ca_file.as_ref(), |f| f.ca_file.as_ref()),
        color: layers.choice(&settings::COLOR, flags.color, |file| file.color.as_ref())?,
        log: layers.log(flags),
        log_format: layers.choice(&settings::LOG_FORMAT, None, |file| file.log_format.as_ref())?,
        listen: layers
            .text(&settings::LISTEN, flags.listen.as_ref(), |file| file.listen.as_ref())
            .unwrap_or(Setting { value: "127.0.0.1:8080".to_owned(), origin: Origin::Default }),
        metrics_listen: layers.text(
            &settings::METRICS_LISTEN,
            flags.metrics_listen.as_ref(),
            |f| f.metrics_listen.as_ref(),
        ),
        tls_cert: layers
            .path(&settings::TLS_CERT, flags.tls_cert.as_ref(), |f| f.tls_cert.as_ref()),
        tls_key: layers.path(&settings::TLS_KEY, flags.tls_key.as_ref(), |f| f.tls_key.as_ref()),
        trusted_proxies: layers
            .list(&settings::TRUSTED_PROXIES, |file| file.trusted_proxies.as_ref()),
        drain_seconds: layers
            .number(&settings::DRAIN_SECONDS, 30, |file| file.drain_seconds.as_ref())?,
        ingests_at_once: layers
            .number(&settings::INGESTS_AT_ONCE, 4, |file| file.ingests_at_once.as_ref())?,
        statements_at_once: layers
            .number(&settings::STATEMENTS_AT_ONCE, 32, |file| file.statements_at_once.as_ref())?,
        uploads_bytes: layers
            .number(&settings::UPLOADS_BYTES, 256 << 30, |file| file.uploads_bytes.as_ref())?,
        uploads_principal_bytes: layers.number(
            &settings::UPLOADS_PRINCIPAL_BYTES,
            128 << 30,
            |file| file.uploads_principal_bytes.as_ref(),
        )?,
        result_bytes: layers
            .number(&settings::RESULT_BYTES, 4 << 30, |file| file.result_bytes.as_ref())?,
        results_total_bytes: layers.number(&settings::RESULTS_TOTAL_BYTES, 64 << 30, |file| {
            file.results_total_bytes.as_ref()
        })?,
        otlp_endpoint: layers
            .text(&settings::OTLP_ENDPOINT, None, |file| file.otlp_endpoint.as_ref()),
        openlineage_url: layers
            .text(&settings::OPENLINEAGE_URL, None, |file| file.openlineage_url.as_ref()),
        openlineage_file: layers
            .path(&settings::OPENLINEAGE_FILE, None, |file| file.openlineage_file.as_ref()),
        openlineage_token: environment
            .get(settings::OPENLINEAGE_TOKEN_VARIABLE)
            .filter(|token| !token.is_empty())
            .map(|token| Secret::new(token)),
        url_hosts: layers.hosts(&settings::URL_HOSTS, Ok, |file| file.url_hosts.as_ref())?,
        url_private_hosts: layers.hosts(
            &settings::URL_PRIVATE_HOSTS,
            HostRule::private,
            |file| file.url_private_hosts.as_ref(),
        )?,
        limits: layers.limits()?,
        auth: layers.choice(&settings::AUTH, flags.auth, |file| file.auth.as_ref())?,
        oidc: layers.oidc()?,
        token_file: layers.token_file(flags),
        token: environment
            .get(settings::TOKEN_VARIABLE)
            .filter(|token| !token.is_empty())
            .map(|token| Secret::new(token)),
        user_folder: auth::user_folder(environment),
        actor: layers.actor(),
    })
}

struct Layers<'a> {
    environment: &'a Environment,
    loaded: &'a Loaded,
    current: &'a Path,
}

impl Layers<'_> {
    fn text(
        &self,
        setting: &Described,
        flagged: Option<&String>,
        key: impl Fn(&File) -> Option<&Spanned<String>>,
    ) -> Option<Setting<String>> {
        if let (Some(value), Some(flag)) = (flagged, setting.flag) {
            return Some(Setting { value: value.clone(), origin: Origin::Flag(flag) });
        }
        self.variable(setting).or_else(|| self.loaded.setting(key(&self.loaded.file)))
    }

    /// An empty variable is an unset one, as everywhere in Unix.
    fn variable(&self, setting: &Described) -> Option<Setting<String>> {
        setting.variables.iter().copied().find_map(|variable| {
            let value = self.environment.get(variable).filter(|value| !value.is_empty())?;
            Some(Setting { value: value.clone(), origin: Origin::Environment(variable) })
        })
    }

    fn choice<T: clap::ValueEnum + Default>(
        &self,
        setting: &Described,
        flagged: Option<T>,
        key: impl Fn(&File) -> Option<&Spanned<T>>,
    ) -> Result<Setting<T>> {
        if let (Some(value), Some(flag)) = (flagged, setting.flag) {
            return Ok(Setting { value, origin: Origin::Flag(flag) });
        }
        if let Some(Setting { value: text, origin }) = self.variable(setting) {
            let value = T::from_str(&text, true).map_err(|_| not_one_of::<T>(&origin, &text))?;
            return Ok(Setting { value, origin });
        }
        let from_file = self.loaded.setting(key(&self.loaded.file));
        Ok(from_file.unwrap_or(Setting { value: T::default(), origin: Origin::Default }))
    }

    fn number(
        &self,
        setting: &Described,
        default: u64,
        key: impl Fn(&File) -> Option<&Spanned<u64>>,
    ) -> Result<Setting<u64>> {
        if let Some(Setting { value: text, origin }) = self.variable(setting) {
            let value = text.parse().map_err(|_| {
                Problem::new(Exit::Usage, "configuration", format!("{origin} cannot be `{text}`"))
                    .hint("write a whole number, such as 30")
            })?;
            return Ok(Setting { value, origin });
        }
        let from_file = self.loaded.setting(key(&self.loaded.file));
        Ok(from_file.unwrap_or(Setting { value: default, origin: Origin::Default }))
    }

    fn list(
        &self,
        setting: &Described,
        key: impl Fn(&File) -> Option<&Spanned<Vec<String>>>,
    ) -> Setting<Vec<String>> {
        if let Some(Setting { value: text, origin }) = self.variable(setting) {
            let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
            return Setting { value: parts.map(str::to_owned).collect(), origin };
        }
        let from_file = self.loaded.setting(key(&self.loaded.file));
        from_file.unwrap_or(Setting { value: Vec::new(), origin: Origin::Default })
    }

    /// Hosts to fetch from, each made what it is by `refine`.
    fn hosts(
        &self,
        setting: &Described,
        refine: impl Fn(HostRule) -> Result<HostRule, RuleError>,
        key: impl Fn(&File) -> Option<&Spanned<Vec<String>>>,
    ) -> Result<Setting<Vec<HostRule>>> {
        let Setting { value: texts, origin } = self.list(setting, key);
        let parse = |text: &String| {
            text.parse().and_then(&refine).map_err(|error: RuleError| {
                let message = format!("{origin}: `{text}` in `{}`: {error}", setting.key);
                Problem::new(Exit::Usage, "configuration", message)
                    .hint("`lakebed config --reference` shows examples")
            })
        };
        let value = texts.iter().map(parse).collect::<Result<_>>()?;
        Ok(Setting { value, origin })
    }

    fn limits(&self) -> Result<Setting<Limits>> {
        /// The file that a variable would be.
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Alone {
            limits: Limits,
        }
        let wrong = |origin: &Origin, what: &str| {
            let message = format!("{origin}: {what}");
            Problem::new(Exit::Usage, "configuration", message)
                .hint("`lakebed config --reference` lists the limits")
        };
        let setting = match self.variable(&settings::LIMITS) {
            Some(Setting { value: text, origin }) => {
                let alone = toml::from_str::<Alone>(&format!("limits = {text}"));
                let alone = alone.map_err(|error| wrong(&origin, error.message()))?;
                Setting { value: alone.limits, origin }
            }
            None => {
                let from_file = self.loaded.setting(self.loaded.file.limits.as_ref());
                from_file.unwrap_or(Setting { value: Limits::default(), origin: Origin::Default })
            }
        };
        setting.value.check().map_err(|what| wrong(&setting.origin, &what))?;
        Ok(setting)
    }

    fn path(
        &self,
        setting: &Described,
        flagged: Option<&String>,
        key: impl Fn(&File) -> Option<&Spanned<String>>,
    ) -> Option<Setting<PathBuf>> {
        let Setting { value, origin } = self.text(setting, flagged, key)?;
        Some(Setting { value: self.base(&origin).join(value), origin })
    }

    /// What a relative path is below.
    fn base(&self, origin: &Origin) -> &Path {
        match origin {
            Origin::File { .. } => self.loaded.folder(),
            _ => self.current,
        }
    }

    fn lake(&self, flags: &Flags) -> Result<Option<Setting<Target>>> {
        let text = self.text(&settings::LAKE, flags.lake.as_ref(), |file| file.lake.as_ref());
        let Some(text) = text else { return Ok(None) };
        match Target::parse(&text.value, self.base(&text.origin)) {
            Ok(value) => Ok(Some(Setting { value, origin: text.origin })),
            Err(why) => Err(Problem::new(
                Exit::Usage,
                "configuration",
                format!("the lake set by {} is not usable: {why}", text.origin),
            )
            .hint("name a folder, as in `--lake ./lake`, or a server, as in `--lake http://127.0.0.1:8080`")),
        }
    }

    /// The issuer that the environment names, else those of the file.
    fn oidc(&self) -> Result<Vec<OidcConfig>> {
        if let Some(issuer) = auth::issuer_of(self.environment, self.current)? {
            return Ok(vec![issuer]);
        }
        let read = |table: &OidcTable| {
            table.read(self.loaded.folder()).map_err(|why| {
                let place = self.loaded.place(table.issuer.span().start);
                auth::configuration(format!("{place}: the issuer cannot be used: {why}"))
            })
        };
        self.loaded.file.oidc.iter().map(read).collect()
    }

    fn token_file(&self, flags: &Flags) -> Option<Setting<PathBuf>> {
        if let Some(path) = &flags.token_file {
            let value = self.current.join(path);
            return Some(Setting { value, origin: Origin::Flag("--token-file") });
        }
        let path =
            self.environment.get(settings::TOKEN_FILE_VARIABLE).filter(|path| !path.is_empty())?;
        let value = self.current.join(path);
        let origin = Origin::Environment(settings::TOKEN_FILE_VARIABLE);
        Some(Setting { value, origin })
    }

    /// A name is only a remark: nobody checks it on the user's own machine.
    fn actor(&self) -> Setting<PrincipalName> {
        let named = [USER, LOGNAME].into_iter().find_map(|variable| {
            let name = self.environment.get(variable)?;
            let value = format!("local:{name}").parse().ok().filter(|_| !name.is_empty())?;
            Some(Setting { value, origin: Origin::Environment(variable) })
        });
        named.unwrap_or_else(|| Setting {
            value: "local".parse().expect("a principal: it is a plain word"),
            origin: Origin::Default,
        })
    }

    /// `-v` and `-vv` are louder than what is set elsewhere.
    fn log(&self, flags: &Flags) -> Setting<String> {
        let louder = match flags.verbose {
            0 => None,
            1 => Some("info"),
            2 => Some("debug"),
            _ => Some("trace"),
        };
        if let Some(level) = louder {
            return Setting { value: level.to_owned(), origin: Origin::Flag("-v") };
        }
        let set = self.text(&settings::LOG, None, |file| file.log.as_ref());
        let default = if flags.serves { "info" } else { "off" };
        set.unwrap_or(Setting { value: default.to_owned(), origin: Origin::Default })
    }
}

fn not_one_of<T: clap::ValueEnum>(variable: &Origin, given: &str) -> Problem {
    let values: Vec<String> = T::value_variants()
        .iter()
        .filter_map(|value| Some(value.to_possible_value()?.get_name().to_owned()))
        .collect();
    Problem::new(Exit::Usage, "configuration", format!("{variable} cannot be `{given}`"))
        .hint(format!("use one of {}", values.join(", ")))
}

impl Settings {
    /// The lake, or how to name one.
    pub(crate) fn lake(&self) -> Result<&Target> {
        self.lake.as_ref().map(|lake| &lake.value).ok_or_else(|| {
            Problem::usage("no lake was named").hint(
                "add `--lake ./lake`, set LAKEBED_LAKE, or write `lake = \"./lake\"` into lakebed.toml",
            )
        })
    }

    /// The names of the issuers.
    fn issuers(&self) -> Option<String> {
        let names: Vec<&str> = self.oidc.iter().map(|issuer| issuer.issuer.as_str()).collect();
        (!names.is_empty()).then(|| names.join(", "))
    }

    /// Name, value and origin of every setting, in the order of the documentation. Passwords in
    /// addresses are left out.
    pub(crate) fn rows(&self) -> Vec<(&'static str, Option<String>, Option<&Origin>)> {
        fn some<T>(
            setting: &Setting<T>,
            show: impl Fn(&T) -> String,
        ) -> (Option<String>, Option<&Origin>) {
            (Some(show(&setting.value)), Some(&setting.origin))
        }
        fn maybe<T>(
            setting: Option<&Setting<T>>,
            show: impl Fn(&T) -> String,
        ) -> (Option<String>, Option<&Origin>) {
            setting.map_or((None, None), |setting| some(setting, show))
        }
        let path = |path: &PathBuf| path.display().to_string();
        let hosts = |rules: &Vec<HostRule>| {
            rules.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
        };
        let url = |url: &String| without_password(url);
        let rows = [
            (&settings::LAKE, maybe(self.lake.as_ref(), without_password_in)),
            (&settings::CATALOG, maybe(self.catalog.as_ref(), url)),
            (&settings::CA_FILE, maybe(self.ca_file.as_ref(), path)),
            (&settings::COLOR, some(&self.color, ToString::to_string)),
            (&settings::LOG, some(&self.log, Clone::clone)),
            (&settings::LOG_FORMAT, some(&self.log_format, ToString::to_string)),
            (&settings::LISTEN, some(&self.listen, Clone::clone)),
            (&settings::AUTH, some(&self.auth, ToString::to_string)),
            (&settings::OIDC, (self.issuers(), None)),
            (&settings::METRICS_LISTEN, maybe(self.metrics_listen.as_ref(), Clone::clone)),
            (&settings::TLS_CERT, maybe(self.tls_cert.as_ref(), path)),
            (&settings::TLS_KEY, maybe(self.tls_key.as_ref(), path)),
            (&settings::TRUSTED_PROXIES, some(&self.trusted_proxies, |list| list.join(", "))),
            (&settings::DRAIN_SECONDS, some(&self.drain_seconds, ToString::to_string)),
            (&settings::INGESTS_AT_ONCE, some(&self.ingests_at_once, ToString::to_string)),
            (&settings::STATEMENTS_AT_ONCE, some(&self.statements_at_once, ToString::to_string)),
            (&settings::UPLOADS_BYTES, some(&self.uploads_bytes, ToString::to_string)),
            (
                &settings::UPLOADS_PRINCIPAL_BYTES,
                some(&self.uploads_principal_bytes, ToString::to_string),
            ),
            (&settings::RESULT_BYTES, some(&self.result_bytes, ToString::to_string)),
            (&settings::RESULTS_TOTAL_BYTES, some(&self.results_total_bytes, ToString::to_string)),
            (&settings::OTLP_ENDPOINT, maybe(self.otlp_endpoint.as_ref(), url)),
            (&settings::OPENLINEAGE_URL, maybe(self.openlineage_url.as_ref(), url)),
            (&settings::OPENLINEAGE_FILE, maybe(self.openlineage_file.as_ref(), path)),
            (&settings::URL_HOSTS, some(&self.url_hosts, hosts)),
            (&settings::URL_PRIVATE_HOSTS, some(&self.url_private_hosts, hosts)),
            (&settings::LIMITS, some(&self.limits, changed)),
        ];
        let rows = rows.into_iter().map(|(setting, (value, origin))| (setting.key, value, origin));
        let actor = ("actor", Some(self.actor.value.to_string()), Some(&self.actor.origin));
        let of_store = self.store.rows.iter();
        let of_store = of_store.map(|(name, value, from)| (*name, Some(value.clone()), Some(from)));
        rows.chain([actor]).chain(of_store).collect()
    }
}

/// The limits that are not as built in.
fn changed(limits: &Limits) -> String {
    let values = limits.values().into_iter().zip(Limits::default().values());
    let changed = values.filter(|(now, built_in)| now != built_in);
    let texts: Vec<_> = changed.map(|((key, value), _)| format!("{key}={value}")).collect();
    match texts.is_empty() {
        true => "as built in".to_owned(),
        false => texts.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(folder: &Path, text: &str) {
        std::fs::write(folder.join(FILE), text).expect("a temporary folder is writable");
    }

    fn folder() -> tempfile::TempDir {
        tempfile::tempdir().expect("a temporary folder")
    }

    #[test]
    fn limits_and_hosts_are_read_and_checked() {
        let folder = folder();
        write(
            folder.path(),
            "url_hosts = [\".example.org\"]\n[limits]\nconnections = 7\nreads_per_second = 0\n",
        );
        let none = Environment::new();
        let settings = load(&Flags::default(), &none, folder.path()).expect("valid");
        assert_eq!(settings.limits.value.connections, 7);
        assert_eq!(settings.limits.value.head_bytes, Limits::default().head_bytes);
        assert_eq!(changed(&settings.limits.value), "connections=7, reads_per_second=0");
        assert_eq!(settings.url_hosts.value, [".example.org".parse().expect("a domain")]);
        let some = |name: &str, value: &str| {
            let environment = Environment::from([(name.to_owned(), value.to_owned())]);
            load(&Flags::default(), &environment, folder.path())
        };
        let limits = some("LAKEBED_LIMITS", "{uri_bytes = 2000}").expect("valid").limits;
        assert_eq!((limits.value.uri_bytes, limits.value.connections), (2000, 1024));
        assert_eq!(limits.origin, Origin::Environment("LAKEBED_LIMITS"));
        for (name, value) in [
            ("LAKEBED_LIMITS", "{connections = 0}"),
            ("LAKEBED_LIMITS", "{connection = 1}"),
            ("LAKEBED_LIMITS", "{connections = -1}"),
            ("LAKEBED_LIMITS", "7"),
            ("LAKEBED_LIMITS", "{}\nlake = 1"),
            ("LAKEBED_URL_HOSTS", "*.example.org"),
            ("LAKEBED_URL_HOSTS", "https://example.org/path"),
            ("LAKEBED_URL_PRIVATE_HOSTS", ".lan"),
        ] {
            let problem = some(name, value).expect_err(value);
            assert_eq!(problem.exit, Exit::Usage, "{name}={value}");
            assert!(problem.message.contains(name), "{}", problem.message);
        }
    }

    #[test]
    fn flags_beat_the_environment_beats_the_file_beats_the_default() {
        let folder = folder();
        write(folder.path(), "# ours\nlake = \"data/lake\"\ncolor = \"never\"\n");
        let below = folder.path().join("a/b");
        std::fs::create_dir_all(&below).expect("a folder");
        let none = Environment::new();
        let settings = load(&Flags::default(), &none, &below).expect("valid");
        let lake = settings.lake.expect("set by the file");
        assert_eq!(lake.value, Target::Folder(folder.path().join("data/lake")));
        assert_eq!(lake.origin, Origin::File { path: folder.path().join(FILE), line: 2 });
        assert_eq!(settings.log.origin, Origin::Default);

        let some = Environment::from([("LAKEBED_LAKE".to_owned(), "else".to_owned())]);
        let settings = load(&Flags::default(), &some, &below).expect("valid");
        let lake = settings.lake.expect("set by the environment");
        assert_eq!(lake.value, Target::Folder(below.join("else")));
        assert_eq!(lake.origin, Origin::Environment("LAKEBED_LAKE"));

        let flags = Flags { lake: Some("https://lake.example".to_owned()), ..Flags::default() };
        let lake = load(&flags, &some, &below).expect("valid").lake.expect("set by the flag");
        assert!(matches!(lake.value, Target::Server(_)));
        assert_eq!(lake.origin, Origin::Flag("--lake"));
    }

    #[test]
    fn an_unknown_key_is_refused_with_file_and_line() {
        let folder = folder();
        write(folder.path(), "lake = \"x\"\n\nlaek = \"y\"\n");
        let problem = load(&Flags::default(), &Environment::new(), folder.path())
            .expect_err("a misspelt key");
        assert_eq!(problem.exit, Exit::Usage);
        let place = format!("{}:3: unknown field `laek`", folder.path().join(FILE).display());
        assert!(problem.message.starts_with(&place), "{}", problem.message);
    }

    #[test]
    fn values_that_mean_nothing_are_refused() {
        let folder = folder();
        let load = |name: &str, value: &str| {
            let environment = Environment::from([(name.to_owned(), value.to_owned())]);
            load(&Flags::default(), &environment, folder.path()).expect_err("no such value")
        };
        assert_eq!(
            load("LAKEBED_COLOR", "green").hint.as_deref(),
            Some("use one of auto, always, never")
        );
        assert!(load("LAKEBED_LAKE", "http://me:secret@x").message.contains("password"));
        assert!(!load("LAKEBED_LAKE", "http://me:secret@x").message.contains("secret"));
    }

    /// Whoever adds a setting shows it too.
    const STORE_TABLES: [&str; 3] = ["s3.", "gcs.", "azure."];

    #[test]
    fn every_setting_of_the_table_is_printed() {
        let folder = folder();
        let settings = load(&Flags::default(), &Environment::new(), folder.path()).expect("valid");
        let printed: Vec<&str> = settings.rows().iter().map(|(key, ..)| *key).collect();
        // How to reach an object store is printed for lakes that are in one.
        let of_store = |key: &&str| {
            key.starts_with("scratch") || STORE_TABLES.iter().any(|t| key.starts_with(t))
        };
        let described = SETTINGS.iter().map(|setting| setting.key).filter(|key| !of_store(key));
        let described: Vec<&str> = described.chain(["actor"]).collect();
        assert_eq!(printed, described);
    }

    #[test]
    fn passwords_are_not_printed() {
        let folder = folder();
        let variables = [
            ("LAKEBED_CATALOG", "postgres://me:s3cret@db.example/lake?password=s3cret"),
            ("LAKEBED_LAKE", "s3://key:s3cret@bucket/lake"),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://me:s3cret@collector.example"),
        ];
        let environment = variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let settings = load(&Flags::default(), &environment, folder.path()).expect("valid");
        let shown = format!("{:?}", settings.rows());
        assert!(!shown.contains("s3cret"), "{shown}");
        assert!(shown.contains("postgres://me:…@db.example/lake?…"), "{shown}");
        assert_eq!(
            settings.otlp_endpoint.expect("set").origin,
            Origin::Environment("OTEL_EXPORTER_OTLP_ENDPOINT")
        );
    }

    #[test]
    fn lists_and_numbers_come_from_variables_and_files() {
        let folder = folder();
        write(
            folder.path(),
            "trusted_proxies = [\"10.0.0.1\"]\ndrain_seconds = 5\ntls_cert = \"a.pem\"\n",
        );
        let settings = load(&Flags::default(), &Environment::new(), folder.path()).expect("valid");
        assert_eq!(settings.trusted_proxies.value, ["10.0.0.1"]);
        assert_eq!(settings.drain_seconds.value, 5);
        assert_eq!(settings.tls_cert.expect("set").value, folder.path().join("a.pem"));
        let variables =
            [("LAKEBED_TRUSTED_PROXIES", "10.0.0.0/8, ::1"), ("LAKEBED_DRAIN_SECONDS", "60")];
        let environment = variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let settings = load(&Flags::default(), &environment, folder.path()).expect("valid");
        assert_eq!(settings.trusted_proxies.value, ["10.0.0.0/8", "::1"]);
        assert_eq!(settings.drain_seconds.value, 60);
        let environment = [("LAKEBED_DRAIN_SECONDS".to_owned(), "soon".to_owned())].into();
        let problem = load(&Flags::default(), &environment, folder.path()).expect_err("no number");
        assert_eq!(problem.message, "LAKEBED_DRAIN_SECONDS cannot be `soon`");
    }

    #[test]
    fn without_a_lake_the_hint_says_how_to_name_one() {
        let folder = folder();
        let settings =
            load(&Flags::default(), &Environment::new(), folder.path()).expect("defaults");
        assert!(
            settings
                .lake()
                .expect_err("none")
                .hint
                .as_deref()
                .is_some_and(|hint| hint.contains("--lake"))
        );
    }
}
