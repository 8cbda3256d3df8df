//! Every setting, in one table: what it is called in `lakebed.toml`, in the environment and on the
//! command line, and what it means.
//!
//! `lakebed config --reference` prints the table, the README shows it, and tests hold both, the
//! file's keys and the flags to it. Reading the values is left to [`super::load`].

use lakebed_server::Limits;

/// One setting, described.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Described {
    /// Its key in `lakebed.toml`.
    pub(crate) key: &'static str,
    /// The variables that set it; the first one that is set counts.
    pub(crate) variables: &'static [&'static str],
    /// The flag that sets it, if there is one.
    pub(crate) flag: Option<&'static str>,
    /// The command the flag belongs to; none for all.
    pub(crate) command: Option<&'static str>,
    /// What kind of value it takes.
    pub(crate) kind: Kind,
    /// What holds when nobody sets it, in words or as TOML.
    pub(crate) default: &'static str,
    /// A value, as TOML.
    pub(crate) example: &'static str,
    /// What it means, in a sentence.
    pub(crate) meaning: &'static str,
}

/// What kind of value a setting takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Any text.
    Text,
    /// A path; in the file, relative to the file's folder.
    Path,
    /// A whole number.
    Number,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// Texts: an array in the file, with commas between them in a variable.
    List,
    /// The limits: a table in the file, an inline table in a variable.
    Limits,
    /// Tables, `[[key]]`.
    Tables,
}

impl Described {
    /// The variable that is named first.
    #[cfg(test)]
    pub(crate) const fn variable(&self) -> &'static str {
        self.variables[0]
    }

    /// The kind of value, in words.
    pub(crate) fn kind_in_words(&self) -> String {
        match self.kind {
            Kind::Text => "text".to_owned(),
            Kind::Path => "path".to_owned(),
            Kind::Number => "number".to_owned(),
            Kind::Choice(words) => words.join(", "),
            Kind::List => "list of texts".to_owned(),
            Kind::Limits => "table of numbers".to_owned(),
            Kind::Tables => "list of tables".to_owned(),
        }
    }

    /// `--listen` (`serve`).
    #[cfg(test)]
    pub(crate) fn flag_in_words(&self) -> String {
        match (self.flag, self.command) {
            (Some(flag), Some(command)) => format!("`{flag}` (`{command}`)"),
            (Some(flag), None) => format!("`{flag}`"),
            (None, _) => String::new(),
        }
    }
}

/// A setting without a flag that takes text; the others differ from it in few fields.
const PLAIN: Described = Described {
    key: "",
    variables: &[],
    flag: None,
    command: None,
    kind: Kind::Text,
    default: "",
    example: "",
    meaning: "",
};

pub(crate) const LAKE: Described = Described {
    key: "lake",
    variables: &["LAKEBED_LAKE"],
    flag: Some("--lake"),
    default: "none: say it",
    example: "\"./lake\"",
    meaning: "The lake: a folder (relative to this file), an object-store URL, or a server.",
    ..PLAIN
};

pub(crate) const CATALOG: Described = Described {
    key: "catalog",
    variables: &["LAKEBED_CATALOG"],
    flag: Some("--catalog"),
    default: "a database in the lake's folder",
    example: "\"sqlite:///var/lib/lakebed/lakebed.db\"",
    meaning: "The catalog database, when it is not in the lake's folder.",
    ..PLAIN
};

pub(crate) const CA_FILE: Described = Described {
    key: "ca_file",
    variables: &["LAKEBED_CA_FILE"],
    flag: Some("--ca-file"),
    kind: Kind::Path,
    default: "the usual authorities",
    example: "\"ca.pem\"",
    meaning: "Certificates (PEM) of authorities to trust besides the usual ones, when the lake is a server behind `https://`.",
    ..PLAIN
};

pub(crate) const COLOR: Described = Described {
    key: "color",
    variables: &["LAKEBED_COLOR"],
    flag: Some("--color"),
    kind: Kind::Choice(&["auto", "always", "never"]),
    default: "\"auto\"",
    example: "\"auto\"",
    meaning: "When to use colours; `auto` is on a terminal, unless `NO_COLOR` is set.",
    ..PLAIN
};

pub(crate) const LOG: Described = Described {
    key: "log",
    variables: &["LAKEBED_LOG"],
    flag: Some("-v"),
    default: "\"off\"; `serve` logs at \"info\"",
    example: "\"info\"",
    meaning: "What is logged to stderr: `off`, `error`, `warn`, `info`, `debug`, `trace`; by module as in `lakebed_service=debug`.",
    ..PLAIN
};

pub(crate) const LOG_FORMAT: Described = Described {
    key: "log_format",
    variables: &["LAKEBED_LOG_FORMAT"],
    kind: Kind::Choice(&["text", "json"]),
    default: "\"text\"",
    example: "\"json\"",
    meaning: "How log lines are written: for people, or one JSON object a line for programs.",
    ..PLAIN
};

pub(crate) const LISTEN: Described = Described {
    key: "listen",
    variables: &["LAKEBED_LISTEN"],
    flag: Some("--listen"),
    command: Some("serve"),
    default: "\"127.0.0.1:8080\"",
    example: "\"127.0.0.1:8080\"",
    meaning: "Address and port of the API.",
    ..PLAIN
};

pub(crate) const AUTH: Described = Described {
    key: "auth",
    variables: &["LAKEBED_AUTH"],
    flag: Some("--auth"),
    command: Some("serve"),
    kind: Kind::Choice(&["auto", "required", "none"]),
    default: "\"auto\"",
    example: "\"auto\"",
    meaning: "Whether callers are asked who they are; `auto` is where other machines can reach the server, with an issuer, and once the lake has a token or a declared catalog. `none` is for loopback alone.",
};

pub(crate) const OIDC: Described = Described {
    key: "oidc",
    variables: &[
        "LAKEBED_OIDC_ISSUER",
        "LAKEBED_OIDC_AUDIENCE",
        "LAKEBED_OIDC_KEYS",
        "LAKEBED_OIDC_PRINCIPAL",
        "LAKEBED_OIDC_GROUPS",
    ],
    kind: Kind::Tables,
    default: "none",
    example: "[{ issuer = \"https://id.example\", audience = \"lakebed\", keys = \"https://id.example/jwks\" }]",
    meaning: "OpenID Connect issuers whose tokens prove who asks. Each has `issuer`, `audience` (or a list; each audience of a token must be in it) and `keys` (an `https://` address, or a file), and may have `principal` (the claim that names who asks, or a JSON pointer; `sub`), `prefix` (before that name; needed with several issuers), `groups` (a claim or a JSON pointer; none are taken unless said), `attributes` (names to claims), `algorithms` and `skew_seconds` (30, at most 60). The variables name one issuer, in place of those in the file.",
    ..PLAIN
};

pub(crate) const METRICS_LISTEN: Described = Described {
    key: "metrics_listen",
    variables: &["LAKEBED_METRICS_LISTEN"],
    flag: Some("--metrics-listen"),
    command: Some("serve"),
    default: "none: nobody can ask",
    example: "\"127.0.0.1:9464\"",
    meaning: "Address and port of `/metrics` (Prometheus) and `/health/…`, for those who run the server; nobody is asked who they are there, so let only them reach it.",
    ..PLAIN
};

pub(crate) const TLS_CERT: Described = Described {
    key: "tls_cert",
    variables: &["LAKEBED_TLS_CERT"],
    flag: Some("--tls-cert"),
    command: Some("serve"),
    kind: Kind::Path,
    default: "none: plain HTTP",
    example: "\"server.pem\"",
    meaning: "The server's certificate chain (PEM), its own first. Read again when it changes, and on SIGHUP.",
};

pub(crate) const TLS_KEY: Described = Described {
    key: "tls_key",
    variables: &["LAKEBED_TLS_KEY"],
    flag: Some("--tls-key"),
    command: Some("serve"),
    kind: Kind::Path,
    default: "none: plain HTTP",
    example: "\"server.key\"",
    meaning: "The private key (PEM, not encrypted) of that certificate.",
};

pub(crate) const TRUSTED_PROXIES: Described = Described {
    key: "trusted_proxies",
    variables: &["LAKEBED_TRUSTED_PROXIES"],
    kind: Kind::List,
    default: "[]",
    example: "[\"10.0.0.0/8\"]",
    meaning: "Addresses and networks of proxies whose `X-Forwarded-For` says who the client is; anybody else's is ignored.",
    ..PLAIN
};

pub(crate) const DRAIN_SECONDS: Described = Described {
    key: "drain_seconds",
    variables: &["LAKEBED_DRAIN_SECONDS"],
    kind: Kind::Number,
    default: "30",
    example: "30",
    meaning: "How long requests under way may go on once the server is told to stop; then they are cut.",
    ..PLAIN
};

pub(crate) const INGESTS_AT_ONCE: Described = Described {
    key: "ingests_at_once",
    variables: &["LAKEBED_INGESTS_AT_ONCE"],
    kind: Kind::Number,
    default: "4",
    example: "4",
    meaning: "How many ingests a server does at once; others wait, and principals take turns.",
    ..PLAIN
};

pub(crate) const STATEMENTS_AT_ONCE: Described = Described {
    key: "statements_at_once",
    variables: &["LAKEBED_STATEMENTS_AT_ONCE"],
    kind: Kind::Number,
    default: "32",
    example: "32",
    meaning: "How many statements a server answers at once; others wait, and principals take turns.",
    ..PLAIN
};

pub(crate) const UPLOADS_BYTES: Described = Described {
    key: "uploads_bytes",
    variables: &["LAKEBED_UPLOADS_BYTES"],
    kind: Kind::Number,
    default: "274877906944",
    example: "274877906944",
    meaning: "How many bytes of uploads may wait for an ingest, of all principals together.",
    ..PLAIN
};

pub(crate) const UPLOADS_PRINCIPAL_BYTES: Described = Described {
    key: "uploads_principal_bytes",
    variables: &["LAKEBED_UPLOADS_PRINCIPAL_BYTES"],
    kind: Kind::Number,
    default: "137438953472",
    example: "137438953472",
    meaning: "How many bytes of uploads may wait for an ingest, of one principal.",
    ..PLAIN
};

pub(crate) const RESULT_BYTES: Described = Described {
    key: "result_bytes",
    variables: &["LAKEBED_RESULT_BYTES"],
    kind: Kind::Number,
    default: "4294967296",
    example: "4294967296",
    meaning: "How many bytes the result of one statement of `/v1/statements` may have, as it is stored.",
    ..PLAIN
};

pub(crate) const RESULTS_TOTAL_BYTES: Described = Described {
    key: "results_total_bytes",
    variables: &["LAKEBED_RESULTS_TOTAL_BYTES"],
    kind: Kind::Number,
    default: "68719476736",
    example: "68719476736",
    meaning: "How many bytes of such results may wait to be fetched, of all principals together; half of them may be one principal's. Each waits for an hour.",
    ..PLAIN
};

pub(crate) const OTLP_ENDPOINT: Described = Described {
    key: "otlp_endpoint",
    variables: &["LAKEBED_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"],
    default: "none: no traces",
    example: "\"http://127.0.0.1:4318\"",
    meaning: "Where `serve` sends traces: an OpenTelemetry collector that takes OTLP over HTTP.",
    ..PLAIN
};

pub(crate) const OPENLINEAGE_URL: Described = Described {
    key: "openlineage_url",
    variables: &["LAKEBED_OPENLINEAGE_URL"],
    default: "none: nothing is sent",
    example: "\"https://marquez.example.org/api/v1/lineage\"",
    meaning: "Where `serve` sends an OpenLineage event for every ingest, build, promotion and program: https, or http on this machine. They show the token in the variable LAKEBED_OPENLINEAGE_TOKEN, if there is one.",
    ..PLAIN
};

pub(crate) const OPENLINEAGE_FILE: Described = Described {
    key: "openlineage_file",
    variables: &["LAKEBED_OPENLINEAGE_FILE"],
    default: "none: nothing is written",
    example: "\"lineage.jsonl\"",
    meaning: "The file to which `serve` appends the same events, a line of JSON each.",
    ..PLAIN
};

pub(crate) const URL_HOSTS: Described = Described {
    key: "url_hosts",
    variables: &["LAKEBED_URL_HOSTS"],
    kind: Kind::List,
    default: "[]",
    example: "[\"data.example.org\", \".example.com\", \"http://old.example.net:8080\"]",
    meaning: "Hosts that sources may be fetched from by URL: a host, or everything below a domain; by https on its usual port unless it says otherwise. A server fetches from nowhere else; your own lake also from all that is public.",
    ..PLAIN
};

pub(crate) const URL_PRIVATE_HOSTS: Described = Described {
    key: "url_private_hosts",
    variables: &["LAKEBED_URL_PRIVATE_HOSTS"],
    kind: Kind::List,
    default: "[]",
    example: "[\"files.lan\"]",
    meaning: "The same for hosts (no domains) whose addresses are of a private network. This machine, its link and metadata services are never fetched from.",
    ..PLAIN
};

pub(crate) const LIMITS: Described = Described {
    key: "limits",
    variables: &["LAKEBED_LIMITS"],
    command: Some("serve"),
    kind: Kind::Limits,
    default: "each limit its own",
    example: "{connections=1024, upload_bytes=1099511627776}",
    meaning: "What clients may cost the server: the limits listed here, each of which can be left out.",
    ..PLAIN
};

pub(crate) const SCRATCH: Described = Described {
    key: "scratch",
    variables: &["LAKEBED_SCRATCH"],
    kind: Kind::Path,
    default: "`lakebed-<uid>` where the system keeps temporary files",
    example: "\"/var/tmp/lakebed\"",
    meaning: "For lakes in an object store: the folder of this machine where files are made before they are stored.",
    ..PLAIN
};

pub(crate) const SCRATCH_LIMIT_BYTES: Described = Described {
    key: "scratch_limit_bytes",
    variables: &["LAKEBED_SCRATCH_LIMIT_BYTES"],
    kind: Kind::Number,
    default: "none",
    example: "50000000000",
    meaning: "How many bytes may lie in scratch at a time.",
    ..PLAIN
};

pub(crate) const S3_REGION: Described = Described {
    key: "s3.region",
    variables: &["LAKEBED_S3_REGION"],
    default: "AWS_REGION, the profile's, or `us-east-1`",
    example: "\"eu-west-1\"",
    meaning: "The region of an `s3://` lake's bucket.",
    ..PLAIN
};

pub(crate) const S3_ENDPOINT: Described = Described {
    key: "s3.endpoint",
    variables: &["LAKEBED_S3_ENDPOINT"],
    default: "AWS_ENDPOINT_URL_S3, the profile's, or Amazon's",
    example: "\"https://s3.example\"",
    meaning: "Another server than Amazon's.",
    ..PLAIN
};

pub(crate) const S3_VIRTUAL_HOSTED: Described = Described {
    key: "s3.virtual_hosted",
    variables: &["LAKEBED_S3_VIRTUAL_HOSTED"],
    kind: Kind::Choice(&["true", "false"]),
    default: "false",
    example: "false",
    meaning: "Whether the endpoint's host name holds the bucket, instead of the path.",
    ..PLAIN
};

pub(crate) const S3_ALLOW_HTTP: Described = Described {
    key: "s3.allow_http",
    variables: &["LAKEBED_S3_ALLOW_HTTP"],
    kind: Kind::Choice(&["true", "false"]),
    default: "false",
    example: "false",
    meaning: "Whether `http://` is accepted for other machines than this one.",
    ..PLAIN
};

pub(crate) const S3_PROFILE: Described = Described {
    key: "s3.profile",
    variables: &["LAKEBED_S3_PROFILE"],
    default: "AWS_PROFILE, or `default`",
    example: "\"work\"",
    meaning: "The profile of `~/.aws` that has the keys. Keys themselves stand in variables or there, never in this file.",
    ..PLAIN
};

pub(crate) const GCS_CREDENTIALS_FILE: Described = Described {
    key: "gcs.credentials_file",
    variables: &["LAKEBED_GCS_CREDENTIALS_FILE"],
    kind: Kind::Path,
    default: "GOOGLE_APPLICATION_CREDENTIALS, or the machine's role",
    example: "\"key.json\"",
    meaning: "The key of the service account for a `gs://` lake.",
    ..PLAIN
};

pub(crate) const AZURE_ACCOUNT: Described = Described {
    key: "azure.account",
    variables: &["LAKEBED_AZURE_ACCOUNT"],
    default: "AZURE_STORAGE_ACCOUNT_NAME",
    example: "\"ours\"",
    meaning: "The storage account of an `az://` lake; its key is AZURE_STORAGE_ACCOUNT_KEY.",
    ..PLAIN
};

pub(crate) const AZURE_ENDPOINT: Described = Described {
    key: "azure.endpoint",
    variables: &["LAKEBED_AZURE_ENDPOINT"],
    default: "Azure's",
    example: "\"https://blobs.example\"",
    meaning: "Another server than Azure's.",
    ..PLAIN
};

/// All of them, in the order of the documentation.
pub(crate) const SETTINGS: [&Described; 36] = [
    &LAKE,
    &CATALOG,
    &CA_FILE,
    &COLOR,
    &LOG,
    &LOG_FORMAT,
    &LISTEN,
    &AUTH,
    &OIDC,
    &METRICS_LISTEN,
    &TLS_CERT,
    &TLS_KEY,
    &TRUSTED_PROXIES,
    &DRAIN_SECONDS,
    &INGESTS_AT_ONCE,
    &STATEMENTS_AT_ONCE,
    &UPLOADS_BYTES,
    &UPLOADS_PRINCIPAL_BYTES,
    &RESULT_BYTES,
    &RESULTS_TOTAL_BYTES,
    &OTLP_ENDPOINT,
    &OPENLINEAGE_URL,
    &OPENLINEAGE_FILE,
    &URL_HOSTS,
    &URL_PRIVATE_HOSTS,
    &LIMITS,
    &SCRATCH,
    &SCRATCH_LIMIT_BYTES,
    &S3_REGION,
    &S3_ENDPOINT,
    &S3_VIRTUAL_HOSTED,
    &S3_ALLOW_HTTP,
    &S3_PROFILE,
    &GCS_CREDENTIALS_FILE,
    &AZURE_ACCOUNT,
    &AZURE_ENDPOINT,
];

/// Says where `lakebed.toml` is, so it cannot stand in it.
pub(crate) const CONFIG_VARIABLE: &str = "LAKEBED_CONFIG";

/// The access key of an `s3://` lake: secrets, which cannot stand in a file either.
pub(crate) const KEY_VARIABLES: [&str; 3] =
    ["LAKEBED_S3_ACCESS_KEY_ID", "LAKEBED_S3_SECRET_ACCESS_KEY", "LAKEBED_S3_SESSION_TOKEN"];

/// The token to show to a server: as secret as a key.
pub(crate) const TOKEN_VARIABLE: &str = "LAKEBED_TOKEN";

/// The token that events of lineage show where they are sent.
pub(crate) const OPENLINEAGE_TOKEN_VARIABLE: &str = "LAKEBED_OPENLINEAGE_TOKEN";

/// Says where a token is; it belongs to who asks, and not to the lake.
pub(crate) const TOKEN_FILE_VARIABLE: &str = "LAKEBED_TOKEN_FILE";

/// Every variable that means something.
pub(crate) fn variables() -> impl Iterator<Item = &'static str> {
    let of_settings = SETTINGS.iter().flat_map(|setting| setting.variables).copied();
    let others = [CONFIG_VARIABLE, TOKEN_VARIABLE, TOKEN_FILE_VARIABLE, OPENLINEAGE_TOKEN_VARIABLE];
    of_settings.chain(others).chain(KEY_VARIABLES)
}

/// The variables that say how to reach an object store; a lake in a folder does not look at them.
pub(crate) fn store_variables() -> impl Iterator<Item = &'static str> {
    let is_of_store = |setting: &&&Described| {
        ["scratch", "s3.", "gcs.", "azure."].iter().any(|start| setting.key.starts_with(start))
    };
    let of_settings = SETTINGS.iter().filter(is_of_store).flat_map(|setting| setting.variables);
    of_settings.copied().chain(KEY_VARIABLES)
}

/// The reference of `lakebed.toml`, itself such a file: every setting, commented out.
pub(crate) fn reference() -> String {
    let mut text = String::from(
        "# Every setting of lakebed. Later ones win: built-in values, this file (the nearest\n\
         # lakebed.toml, from the current folder upwards), LAKEBED_* variables, flags.\n",
    );
    for setting in SETTINGS {
        text.push('\n');
        for line in wrapped(setting.meaning) {
            text.push_str(&format!("# {line}\n"));
        }
        let flag = setting.flag.map(|flag| match setting.command {
            Some(command) => format!("; flag {flag} of `lakebed {command}`"),
            None => format!("; flag {flag}"),
        });
        text.push_str(&format!(
            "# Type: {}. Default: {}.\n",
            setting.kind_in_words(),
            setting.default
        ));
        text.push_str(&format!(
            "# Variable {}{}\n",
            setting.variables.join(", else "),
            flag.unwrap_or_default()
        ));
        if setting.kind == Kind::Limits {
            for limit in Limits::DESCRIBED {
                text.push_str(&format!("#   {} ({})\n", limit.key, limit.default));
                for line in wrapped(limit.meaning) {
                    text.push_str(&format!("#     {line}\n"));
                }
            }
        }
        text.push_str(&format!("#{} = {}\n", setting.key, setting.example));
    }
    text
}

/// The limits as the rows of a Markdown table.
#[cfg(test)]
pub(crate) fn limits_markdown() -> String {
    let mut text = String::from("| limit | default | |\n|---|---|---|\n");
    for limit in Limits::DESCRIBED {
        text.push_str(&format!("| `{}` | {} | {} |\n", limit.key, limit.default, limit.meaning));
    }
    text
}

/// The same as the rows of a Markdown table.
#[cfg(test)]
pub(crate) fn markdown() -> String {
    let mut text = String::from("| key | flag | variable | default | |\n|---|---|---|---|---|\n");
    for setting in SETTINGS {
        let variables: Vec<String> =
            setting.variables.iter().map(|variable| format!("`{variable}`")).collect();
        let default = match setting.default.starts_with(['"', '[']) || setting.kind == Kind::Number
        {
            true if !setting.default.contains(';') => format!("`{}`", setting.default),
            _ => setting.default.to_owned(),
        };
        text.push_str(&format!(
            "| `{}` | {} | {} | {default} | {} |\n",
            setting.key,
            setting.flag_in_words(),
            variables.join(", "),
            setting.meaning,
        ));
    }
    text
}

/// Lines of at most 90 characters.
fn wrapped(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let last = lines.last_mut().expect("there is a first line");
        if !last.is_empty() && last.len() + word.len() > 90 {
            lines.push(word.to_owned());
            continue;
        }
        if !last.is_empty() {
            last.push(' ');
        }
        last.push_str(word);
    }
    lines
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use clap::CommandFactory as _;

    use super::*;
    use crate::{cli::Cli, config::file::File};

    /// The file that the reference is, with every setting in force, is one that is read.
    #[test]
    fn the_reference_is_a_file_that_is_read() {
        let all: String = reference()
            .lines()
            .map(|line| match line.strip_prefix('#') {
                Some(setting) if !setting.starts_with(' ') => format!("{setting}\n"),
                _ => format!("{line}\n"),
            })
            .collect();
        let set = all.lines().filter(|line| line.contains(" = ") && !line.starts_with('#'));
        assert_eq!(set.count(), SETTINGS.len(), "{all}");
        toml::from_str::<File>(&all).unwrap_or_else(|error| panic!("{error}\n{all}"));
    }

    /// The file's keys are those of the table: a new one cannot be left out of the reference.
    #[test]
    fn the_table_has_every_key_of_the_file() {
        let error = toml::from_str::<File>("no_such_key = 1").expect_err("it is refused");
        let message = error.message().to_owned();
        let listed = message.split("expected one of ").nth(1).expect("it lists the keys");
        let keys: BTreeSet<&str> =
            listed.split(", ").map(|key| key.trim_matches(['`', ' ', '\n'])).collect();
        // `s3.region` stands in the table `s3`, which refuses what it does not know by itself.
        let top = |setting: &&Described| setting.key.split('.').next().expect("a first part");
        let described: BTreeSet<&str> = SETTINGS.iter().map(top).collect();
        assert_eq!(keys, described);
    }

    #[test]
    fn the_flags_of_the_table_are_on_the_command_line() {
        let command = Cli::command();
        for setting in SETTINGS {
            let Some(flag) = setting.flag else { continue };
            let owner = match setting.command {
                Some(name) => command.find_subcommand(name).expect("a command"),
                None => &command,
            };
            let is_known = owner.get_arguments().any(|argument| {
                argument.get_long().is_some_and(|long| format!("--{long}") == flag)
                    || argument.get_short().is_some_and(|short| format!("-{short}") == flag)
            });
            assert!(is_known, "{flag} of {}", setting.key);
        }
    }

    #[test]
    fn the_readme_shows_the_table() {
        let readme = include_str!("../../../../README.md");
        for table in [markdown(), limits_markdown()] {
            assert!(readme.contains(&table), "put this into README.md:\n{table}");
        }
    }

    #[test]
    fn variables_are_named_after_keys() {
        for setting in SETTINGS {
            let expected = format!("LAKEBED_{}", setting.key.to_uppercase().replace('.', "_"));
            let is_named = match setting.kind {
                Kind::Tables => setting.variables.iter().all(|name| name.starts_with(&expected)),
                _ => setting.variable() == expected,
            };
            assert!(is_named, "{expected}: {:?}", setting.variables);
        }
        let all: Vec<&str> = variables().collect();
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len(), "{all:?}");
    }
}
