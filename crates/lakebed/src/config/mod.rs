//! What the user set, and where: built-in values, `lakebed.toml`, `LAKEBED_*`, flags, in rising
//! order. Nothing else in the workspace reads the environment.
//!
//! `lakebed.toml` is looked for in the current folder and then in its parents; the nearest counts
//! and paths in it are relative to its folder. Keys it does not know are refused.

mod file;
mod target;

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
};

use lakebed_core::PrincipalName;
use serde::Deserialize;
use toml::Spanned;

use self::file::{File, Loaded, find};
pub(crate) use self::target::Target;
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
    /// The catalog database; by the lake's root when unsaid.
    pub(crate) catalog: Option<Setting<String>>,
    pub(crate) color: Setting<ColorWhen>,
    /// A filter in `tracing`'s syntax: `info`, `lakebed_service=debug`.
    pub(crate) log: Setting<String>,
    pub(crate) log_format: Setting<LogFormat>,
    /// Where `serve` listens.
    pub(crate) listen: Setting<String>,
    /// Who the events of a lake in this process are by.
    pub(crate) actor: Setting<PrincipalName>,
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
    pub(crate) listen: Option<String>,
    /// Whether this is a server, whose log is what its operator reads. Other commands report what
    /// went wrong themselves, once.
    pub(crate) serves: bool,
}

/// The variables that were set. Passed in, so that tests need not touch the process'.
pub(crate) type Environment = BTreeMap<String, String>;

/// The process' `LAKEBED_*`, and the name of the user.
pub(crate) fn environment() -> Environment {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .filter(|(name, _)| name.starts_with("LAKEBED_") || name == USER || name == LOGNAME)
        .collect()
}

const LAKE: &str = "LAKEBED_LAKE";
const CATALOG: &str = "LAKEBED_CATALOG";
const CONFIG: &str = "LAKEBED_CONFIG";
const COLOR: &str = "LAKEBED_COLOR";
const LOG: &str = "LAKEBED_LOG";
const LOG_FORMAT: &str = "LAKEBED_LOG_FORMAT";
const LISTEN: &str = "LAKEBED_LISTEN";
const USER: &str = "USER";
const LOGNAME: &str = "LOGNAME";

/// The variables that mean something.
pub(crate) const VARIABLES: [&str; 7] = [LAKE, CATALOG, CONFIG, COLOR, LOG, LOG_FORMAT, LISTEN];

/// Brings the layers together; `current` is the current folder.
///
/// # Errors
/// Exit code 2 for values that mean nothing, with the place where they stand.
pub(crate) fn load(flags: &Flags, environment: &Environment, current: &Path) -> Result<Settings> {
    let explicit = flags.config.clone().or_else(|| environment.get(CONFIG).map(PathBuf::from));
    let loaded = match explicit {
        Some(path) => Loaded::read(current.join(path))?,
        None => find(current).map(Loaded::read).transpose()?.unwrap_or_default(),
    };
    let layers = Layers { environment, loaded: &loaded };
    Ok(Settings {
        lake: layers.lake(flags, current)?,
        catalog: layers.text("--catalog", flags.catalog.as_ref(), CATALOG, |f| f.catalog.as_ref()),
        color: layers.choice(flags.color, "--color", COLOR, |file| file.color.as_ref())?,
        log: layers.log(flags),
        log_format: layers.choice(None, "", LOG_FORMAT, |file| file.log_format.as_ref())?,
        listen: layers
            .text("--listen", flags.listen.as_ref(), LISTEN, |file| file.listen.as_ref())
            .unwrap_or(Setting { value: "127.0.0.1:8080".to_owned(), origin: Origin::Default }),
        actor: layers.actor(),
    })
}

struct Layers<'a> {
    environment: &'a Environment,
    loaded: &'a Loaded,
}

impl Layers<'_> {
    fn text(
        &self,
        flag: &'static str,
        flagged: Option<&String>,
        variable: &'static str,
        key: impl Fn(&File) -> Option<&Spanned<String>>,
    ) -> Option<Setting<String>> {
        if let Some(value) = flagged {
            return Some(Setting { value: value.clone(), origin: Origin::Flag(flag) });
        }
        // An empty variable is an unset one, as everywhere in Unix.
        if let Some(value) = self.environment.get(variable).filter(|value| !value.is_empty()) {
            return Some(Setting { value: value.clone(), origin: Origin::Environment(variable) });
        }
        self.loaded.setting(key(&self.loaded.file))
    }

    fn choice<T: clap::ValueEnum + Default>(
        &self,
        flagged: Option<T>,
        flag: &'static str,
        variable: &'static str,
        key: impl Fn(&File) -> Option<&Spanned<T>>,
    ) -> Result<Setting<T>> {
        if let Some(value) = flagged {
            return Ok(Setting { value, origin: Origin::Flag(flag) });
        }
        if let Some(text) = self.environment.get(variable).filter(|text| !text.is_empty()) {
            let value = T::from_str(text, true).map_err(|_| not_one_of::<T>(variable, text))?;
            return Ok(Setting { value, origin: Origin::Environment(variable) });
        }
        let from_file = self.loaded.setting(key(&self.loaded.file));
        Ok(from_file.unwrap_or(Setting { value: T::default(), origin: Origin::Default }))
    }

    fn lake(&self, flags: &Flags, current: &Path) -> Result<Option<Setting<Target>>> {
        let text = self.text("--lake", flags.lake.as_ref(), LAKE, |file| file.lake.as_ref());
        let Some(text) = text else { return Ok(None) };
        let base = match text.origin {
            Origin::File { .. } => self.loaded.folder(),
            _ => current,
        };
        match Target::parse(&text.value, base) {
            Ok(value) => Ok(Some(Setting { value, origin: text.origin })),
            Err(why) => Err(Problem::new(
                Exit::Usage,
                "configuration",
                format!("the lake set by {} is not usable: {why}", text.origin),
            )
            .hint("name a folder, as in `--lake ./lake`, or a server, as in `--lake http://127.0.0.1:8080`")),
        }
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
        let set = self.text("", None, LOG, |file| file.log.as_ref());
        let default = if flags.serves { "info" } else { "off" };
        set.unwrap_or(Setting { value: default.to_owned(), origin: Origin::Default })
    }
}

fn not_one_of<T: clap::ValueEnum>(variable: &str, given: &str) -> Problem {
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

    /// Name, value and origin of every setting, in the order of the documentation.
    pub(crate) fn rows(&self) -> Vec<(&'static str, Option<String>, Option<&Origin>)> {
        let lake = self.lake.as_ref();
        let catalog = self.catalog.as_ref();
        vec![
            ("lake", lake.map(|s| s.value.to_string()), lake.map(|s| &s.origin)),
            ("catalog", catalog.map(|s| s.value.clone()), catalog.map(|s| &s.origin)),
            ("color", Some(self.color.value.to_string()), Some(&self.color.origin)),
            ("log", Some(self.log.value.clone()), Some(&self.log.origin)),
            ("log_format", Some(self.log_format.value.to_string()), Some(&self.log_format.origin)),
            ("listen", Some(self.listen.value.clone()), Some(&self.listen.origin)),
            ("actor", Some(self.actor.value.to_string()), Some(&self.actor.origin)),
        ]
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

        let some = Environment::from([(LAKE.to_owned(), "else".to_owned())]);
        let settings = load(&Flags::default(), &some, &below).expect("valid");
        let lake = settings.lake.expect("set by the environment");
        assert_eq!(lake.value, Target::Folder(below.join("else")));
        assert_eq!(lake.origin, Origin::Environment(LAKE));

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
        assert_eq!(load(COLOR, "green").hint.as_deref(), Some("use one of auto, always, never"));
        assert!(load(LAKE, "http://me:secret@x").message.contains("password"));
        assert!(!load(LAKE, "http://me:secret@x").message.contains("secret"));
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
