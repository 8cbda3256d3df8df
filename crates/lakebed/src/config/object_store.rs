//! How to reach the object store that a lake is in: `[s3]`, `[gcs]` and `[azure]` of `lakebed.toml`,
//! `LAKEBED_*`, and the variables and files that the stores' own tools read.
//!
//! Who asks a bucket of S3 is, in this order: an access key in `LAKEBED_S3_*`; the profile that
//! `[s3]` or `LAKEBED_S3_PROFILE` names; an access key in `AWS_*`; the profile that `AWS_PROFILE`
//! names, or `default`; a web identity; the container's or the machine's own role. Keys of a store
//! have no place in `lakebed.toml`, which belongs under version control.

use std::{
    path::{Path, PathBuf},
    str::FromStr,
};

use lakebed_store::{
    AzureOptions, GcsOptions, S3Credentials, S3Options, ScratchOptions, Secret, StoreOptions,
};
use serde::Deserialize;
use toml::Spanned;

use super::{
    Environment, Origin, Setting, Target,
    file::Loaded,
    settings::{self, Described, KEY_VARIABLES, Kind, SETTINGS},
};
use crate::problem::{Exit, Problem, Result};

/// Whether a variable of the process is one that reaching a store may need.
pub(super) fn is_needed(name: &str) -> bool {
    let others = ["HOME", "TMPDIR", "GOOGLE_APPLICATION_CREDENTIALS"];
    name.starts_with("AWS_") || name.starts_with("AZURE_STORAGE_") || others.contains(&name)
}

/// `[s3]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct S3File {
    region: Option<Spanned<String>>,
    endpoint: Option<Spanned<String>>,
    virtual_hosted: Option<Spanned<bool>>,
    allow_http: Option<Spanned<bool>>,
    profile: Option<Spanned<String>>,
}

/// `[gcs]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GcsFile {
    credentials_file: Option<Spanned<String>>,
}

/// `[azure]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AzureFile {
    account: Option<Spanned<String>>,
    endpoint: Option<Spanned<String>>,
}

/// The options, and what `lakebed config` says of them.
#[derive(Debug, Clone, Default)]
pub(crate) struct StoreSettings {
    pub(crate) options: StoreOptions,
    /// Name, value and origin; nothing for a lake that is a folder. Secrets are not among them.
    pub(crate) rows: Vec<(&'static str, String, Origin)>,
}

/// What reaching `target` needs. Files of other tools are read only when it is theirs to say.
///
/// # Errors
/// Exit code 2 for values that mean nothing, and for a profile that is not there.
pub(super) fn load(
    environment: &Environment,
    loaded: &Loaded,
    target: Option<&Target>,
) -> Result<StoreSettings> {
    let Some(Target::ObjectStore(url)) = target else { return Ok(StoreSettings::default()) };
    let layers = Layers { environment, loaded };
    let mut settings = StoreSettings::default();
    settings.scratch(&layers)?;
    match url.scheme() {
        "s3" => settings.s3(&layers)?,
        "gs" => settings.gcs(&layers),
        "az" => settings.azure(&layers),
        _ => {}
    }
    Ok(settings)
}

/// Variables above the file.
struct Layers<'a> {
    environment: &'a Environment,
    loaded: &'a Loaded,
}

impl Layers<'_> {
    fn text(&self, of: &Described, key: Option<&Spanned<String>>) -> Option<Setting<String>> {
        let set = of.variables.iter().find_map(|name| set_by(self.environment, name));
        set.or_else(|| self.loaded.setting(key))
    }

    /// A number, or `true` or `false`.
    fn parsed<T: FromStr + Clone>(
        &self,
        of: &Described,
        key: Option<&Spanned<T>>,
    ) -> Result<Option<Setting<T>>> {
        let set = of.variables.iter().find_map(|name| set_by(self.environment, name));
        let Some(text) = set else { return Ok(self.loaded.setting(key)) };
        match text.value.parse() {
            Ok(value) => Ok(Some(Setting { value, origin: text.origin })),
            Err(_) => Err(wrong(format!("{} cannot be `{}`", text.origin, text.value))
                .hint("switches are `true` or `false`, sizes are whole numbers of bytes")),
        }
    }
}

impl StoreSettings {
    /// What was said in files, as the tables of a `lakebed.toml` in any other folder.
    pub(crate) fn to_tables(&self) -> toml::Table {
        let mut tables = toml::Table::new();
        for (key, value, origin) in &self.rows {
            let described = SETTINGS.iter().find(|setting| setting.key == *key);
            let (Some(described), Origin::File { path, .. }) = (described, origin) else {
                continue;
            };
            let value: toml::Value = match (described.kind, path.parent()) {
                (Kind::Path, Some(folder)) => folder.join(value).display().to_string().into(),
                (Kind::Number, _) => value.parse::<i64>().unwrap_or_default().into(),
                (Kind::Choice(_), _) => (value == "true").into(),
                _ => value.as_str().into(),
            };
            match key.split_once('.') {
                Some((table, key)) => {
                    let table = tables.entry(table).or_insert_with(|| toml::Table::new().into());
                    table.as_table_mut().expect("made above").insert(key.to_owned(), value);
                }
                None => drop(tables.insert((*key).to_owned(), value)),
            }
        }
        tables
    }

    fn note(&mut self, name: &'static str, setting: &Setting<String>) {
        self.rows.push((name, setting.value.clone(), setting.origin.clone()));
    }

    /// A folder of this user's where the system keeps temporary files, unless another is named.
    fn scratch(&mut self, layers: &Layers<'_>) -> Result<()> {
        let file = &layers.loaded.file;
        let named = layers.text(&settings::SCRATCH, file.scratch.as_ref());
        let setting = named.unwrap_or_else(|| {
            let user = rustix::process::geteuid().as_raw();
            let folder = variable(layers.environment, "TMPDIR").unwrap_or("/tmp");
            let folder = Path::new(folder).join(format!("lakebed-{user}"));
            Setting { value: folder.display().to_string(), origin: Origin::Default }
        });
        self.note("scratch", &setting);
        let limit =
            layers.parsed(&settings::SCRATCH_LIMIT_BYTES, file.scratch_limit_bytes.as_ref())?;
        if let Some(limit) = &limit {
            let (value, origin) = (limit.value.to_string(), limit.origin.clone());
            self.rows.push(("scratch_limit_bytes", value, origin));
        }
        let folder = match setting.origin {
            Origin::File { .. } => layers.loaded.folder().join(&setting.value),
            _ => PathBuf::from(&setting.value),
        };
        self.options.scratch =
            ScratchOptions { folder: Some(folder), limit_bytes: limit.map(|limit| limit.value) };
        Ok(())
    }

    fn s3(&mut self, layers: &Layers<'_>) -> Result<()> {
        let environment = layers.environment;
        let nothing = S3File::default();
        let file = layers.loaded.file.s3.as_ref().unwrap_or(&nothing);
        let named = layers.text(&settings::S3_PROFILE, file.profile.as_ref());
        if let Some(named) = &named {
            self.note("s3.profile", named);
        }
        let profile = Profile::load(environment, named.as_ref())?;
        let from = |names: &[&'static str]| names.iter().find_map(|name| set_by(environment, name));

        let region = layers
            .text(&settings::S3_REGION, file.region.as_ref())
            .or_else(|| from(&["AWS_REGION", "AWS_DEFAULT_REGION"]))
            .or_else(|| profile.setting("region"))
            .unwrap_or(Setting { value: "us-east-1".to_owned(), origin: Origin::Default });
        self.note("s3.region", &region);
        let endpoint = layers
            .text(&settings::S3_ENDPOINT, file.endpoint.as_ref())
            .or_else(|| from(&["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"]))
            .or_else(|| profile.setting("endpoint_url"));
        if let Some(endpoint) = &endpoint {
            self.note("s3.endpoint", endpoint);
        }
        let virtual_hosted =
            layers.parsed(&settings::S3_VIRTUAL_HOSTED, file.virtual_hosted.as_ref())?;
        let allow_http = layers.parsed(&settings::S3_ALLOW_HTTP, file.allow_http.as_ref())?;
        for (name, setting) in
            [("s3.virtual_hosted", &virtual_hosted), ("s3.allow_http", &allow_http)]
        {
            if let Some(setting) = setting {
                self.rows.push((name, setting.value.to_string(), setting.origin.clone()));
            }
        }
        let (credentials, told) = credentials(environment, &profile, named.is_some())?;
        self.note("s3.credentials", &told);
        self.options.s3 = S3Options {
            region: Some(region.value),
            endpoint: endpoint.map(|endpoint| endpoint.value),
            virtual_hosted: virtual_hosted.is_some_and(|flag| flag.value),
            allow_http: allow_http.is_some_and(|flag| flag.value),
            credentials,
        };
        Ok(())
    }

    fn gcs(&mut self, layers: &Layers<'_>) {
        let nothing = GcsFile::default();
        let file = layers.loaded.file.gcs.as_ref().unwrap_or(&nothing);
        let found = layers
            .text(&settings::GCS_CREDENTIALS_FILE, file.credentials_file.as_ref())
            .or_else(|| set_by(layers.environment, "GOOGLE_APPLICATION_CREDENTIALS"));
        if let Some(found) = &found {
            self.note("gcs.credentials_file", found);
        }
        let credentials_file = found.map(|found| match found.origin {
            Origin::File { .. } => layers.loaded.folder().join(found.value),
            _ => PathBuf::from(found.value),
        });
        self.options.gcs = GcsOptions { credentials_file };
    }

    fn azure(&mut self, layers: &Layers<'_>) {
        let nothing = AzureFile::default();
        let file = layers.loaded.file.azure.as_ref().unwrap_or(&nothing);
        let account = layers
            .text(&settings::AZURE_ACCOUNT, file.account.as_ref())
            .or_else(|| set_by(layers.environment, "AZURE_STORAGE_ACCOUNT_NAME"));
        let endpoint = layers.text(&settings::AZURE_ENDPOINT, file.endpoint.as_ref());
        for (name, setting) in [("azure.account", &account), ("azure.endpoint", &endpoint)] {
            if let Some(setting) = setting {
                self.note(name, setting);
            }
        }
        self.options.azure = AzureOptions {
            account: account.map(|account| account.value),
            access_key: variable(layers.environment, "AZURE_STORAGE_ACCOUNT_KEY").map(Secret::new),
            endpoint: endpoint.map(|endpoint| endpoint.value),
        };
    }
}

/// Who asks, and what `lakebed config` says of it.
fn credentials(
    environment: &Environment,
    profile: &Profile,
    profile_is_ours: bool,
) -> Result<(S3Credentials, Setting<String>)> {
    if let Some(found) = keys(environment, KEY_VARIABLES)? {
        return Ok(found);
    }
    if profile_is_ours {
        return profile.credentials()?.ok_or_else(|| profile.has_no_keys());
    }
    let aws = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"];
    if let Some(found) = keys(environment, aws)? {
        return Ok(found);
    }
    if let Some(found) = profile.credentials()? {
        return Ok(found);
    }
    let get = |name| variable(environment, name).map(str::to_owned);
    let told = |value: &str, name| {
        let (value, origin) = (value.to_owned(), Origin::Environment(name));
        Setting { value, origin }
    };
    let web = (get("AWS_WEB_IDENTITY_TOKEN_FILE"), get("AWS_ROLE_ARN"));
    if let (Some(token_file), Some(role_arn)) = web {
        let told = told(&format!("web identity, {role_arn}"), "AWS_ROLE_ARN");
        let (token_file, session_name) = (token_file.into(), get("AWS_ROLE_SESSION_NAME"));
        return Ok((S3Credentials::WebIdentity { role_arn, token_file, session_name }, told));
    }
    const RELATIVE: &str = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI";
    if let Some(relative_uri) = get(RELATIVE) {
        let told = told("the container's role", RELATIVE);
        return Ok((S3Credentials::Container { relative_uri }, told));
    }
    const FULL: &str = "AWS_CONTAINER_CREDENTIALS_FULL_URI";
    if let (Some(uri), Some(file)) = (get(FULL), get("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE")) {
        let told = told("the pod's role", FULL);
        return Ok((S3Credentials::Pod { uri, token_file: file.into() }, told));
    }
    let told = Setting { value: "the machine's role".to_owned(), origin: Origin::Default };
    Ok((S3Credentials::Instance, told))
}

/// An access key in three variables: id, secret and, if it is a temporary one, token.
fn keys(
    environment: &Environment,
    names: [&'static str; 3],
) -> Result<Option<(S3Credentials, Setting<String>)>> {
    let [id, secret, token] = names.map(|name| variable(environment, name));
    match (id, secret) {
        (None, None) => Ok(None),
        (Some(id), Some(secret)) => {
            let told = Setting {
                value: format!("access key {id}"),
                origin: Origin::Environment(names[0]),
            };
            let (id, secret, token) = (id.to_owned(), Secret::new(secret), token.map(Secret::new));
            Ok(Some((S3Credentials::Keys { id, secret, token }, told)))
        }
        (id, _) => {
            let (set, unset) =
                if id.is_some() { (names[0], names[1]) } else { (names[1], names[0]) };
            Err(wrong(format!("{set} is set, but {unset} is not")).hint("set both, or neither"))
        }
    }
}

fn wrong(message: String) -> Problem {
    Problem::new(Exit::Usage, "configuration", message)
}

/// An empty variable is an unset one.
fn variable<'a>(environment: &'a Environment, name: &str) -> Option<&'a str> {
    environment.get(name).map(String::as_str).filter(|value| !value.is_empty())
}

fn set_by(environment: &Environment, name: &'static str) -> Option<Setting<String>> {
    let value = variable(environment, name)?.to_owned();
    Some(Setting { value, origin: Origin::Environment(name) })
}

/// What `~/.aws/credentials` and `~/.aws/config` say under one name.
#[derive(Debug, Default)]
struct Profile {
    name: String,
    /// Key, value, file and line.
    entries: Vec<(String, String, PathBuf, usize)>,
}

impl Profile {
    /// The profile that is named, or `default`, which need not be there.
    fn load(environment: &Environment, named: Option<&Setting<String>>) -> Result<Self> {
        let by_aws = set_by(environment, "AWS_PROFILE");
        let named = named.or(by_aws.as_ref());
        let name = named.map_or("default", |named| named.value.as_str());
        let home = variable(environment, "HOME").map(|home| Path::new(home).join(".aws"));
        let file = |variable_name, name| {
            let named = variable(environment, variable_name).map(PathBuf::from);
            named.or_else(|| home.as_ref().map(|home| home.join(name)))
        };
        let mut profile = Self { name: name.to_owned(), entries: Vec::new() };
        let mut is_there = false;
        let in_config = match name {
            "default" => name.to_owned(),
            _ => format!("profile {name}"),
        };
        let files = [
            (file("AWS_SHARED_CREDENTIALS_FILE", "credentials"), name.to_owned()),
            (file("AWS_CONFIG_FILE", "config"), in_config),
        ];
        for (path, section) in files {
            let Some(path) = path else { continue };
            // Most machines have neither; a file that cannot be read says nothing.
            let Ok(text) = std::fs::read_to_string(&path) else { continue };
            is_there |= profile.read(&text, &section, &path);
        }
        match (is_there, named) {
            (false, Some(named)) => {
                Err(wrong(format!("there is no profile `{name}`, which {} names", named.origin))
                    .hint("`aws configure list-profiles` lists those of ~/.aws"))
            }
            _ => Ok(profile),
        }
    }

    /// Takes in a section of a file in the INI format; says whether it was there.
    fn read(&mut self, text: &str, section: &str, path: &Path) -> bool {
        let (mut is_there, mut inside) = (false, false);
        for (line, number) in text.lines().zip(1..) {
            let trimmed = line.trim();
            if let Some(name) = trimmed.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
                inside = name.split_whitespace().eq(section.split_whitespace());
                is_there |= inside;
                continue;
            }
            // Indented lines belong to the key above them, which is none of ours.
            let is_comment = trimmed.starts_with(['#', ';']) || line.starts_with([' ', '\t']);
            if let (true, false, Some((key, value))) = (inside, is_comment, trimmed.split_once('='))
            {
                let (key, value) = (key.trim().to_lowercase(), value.trim().to_owned());
                self.entries.push((key, value, path.to_owned(), number));
            }
        }
        is_there
    }

    fn setting(&self, key: &str) -> Option<Setting<String>> {
        let (_, value, path, line) = self.entries.iter().find(|(found, ..)| found == key)?;
        let origin = Origin::File { path: path.clone(), line: *line };
        Some(Setting { value: value.clone(), origin })
    }

    fn credentials(&self) -> Result<Option<(S3Credentials, Setting<String>)>> {
        let get = |key| self.setting(key);
        if let (Some(id), Some(secret)) = (get("aws_access_key_id"), get("aws_secret_access_key")) {
            let value = format!("profile {}, access key {}", self.name, id.value);
            let told = Setting { value, origin: id.origin };
            let token = get("aws_session_token").map(|token| Secret::new(token.value));
            let (id, secret) = (id.value, Secret::new(secret.value));
            return Ok(Some((S3Credentials::Keys { id, secret, token }, told)));
        }
        if let (Some(role), Some(file)) = (get("role_arn"), get("web_identity_token_file")) {
            let value = format!("profile {}, web identity, {}", self.name, role.value);
            let told = Setting { value, origin: role.origin };
            let session_name = get("role_session_name").map(|name| name.value);
            let (role_arn, token_file) = (role.value, file.value.into());
            return Ok(Some((
                S3Credentials::WebIdentity { role_arn, token_file, session_name },
                told,
            )));
        }
        for key in ["credential_process", "sso_session", "sso_start_url", "source_profile"] {
            if let Some(found) = get(key) {
                let name = &self.name;
                return Err(wrong(format!(
                    "{}: `{key}` of profile `{name}` is not understood here",
                    found.origin
                ))
                .hint(format!(
                    "let the AWS command line do it: `eval \"$(aws configure export-credentials \
                     --profile {name} --format env)\"`"
                )));
            }
        }
        Ok(None)
    }

    fn has_no_keys(&self) -> Problem {
        wrong(format!("the profile `{}` holds no access key and no role", self.name))
            .hint("put `aws_access_key_id` and `aws_secret_access_key` into it, or name another")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{self, Flags};

    fn settings(
        environment: &[(&str, &str)],
        toml: &str,
        aws: &str,
    ) -> (Result<config::Settings>, tempfile::TempDir) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(folder.path().join(config::FILE), toml).expect("writable");
        std::fs::write(folder.path().join("credentials"), aws).expect("writable");
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let mut variables: Environment = environment.iter().map(own).collect();
        let file = folder.path().join("credentials").display().to_string();
        variables.insert("AWS_SHARED_CREDENTIALS_FILE".to_owned(), file);
        let flags = Flags { lake: Some("s3://bucket/lake".to_owned()), ..Flags::default() };
        (config::load(&flags, &variables, folder.path()), folder)
    }

    fn key_of(environment: &[(&str, &str)], toml: &str, aws: &str) -> String {
        let store = settings(environment, toml, aws).0.expect("valid").store;
        match store.options.s3.credentials {
            S3Credentials::Keys { id, .. } => id,
            other => format!("{other:?}"),
        }
    }

    const PROFILES: &str = "[default]\naws_access_key_id = from-default\naws_secret_access_key = s\n\
                            region = eu-west-1\n\n[work]\naws_access_key_id=from-work\n\
                            aws_secret_access_key=s\n[empty]\n[sso]\nsso_session = x\n";

    #[test]
    fn who_asks_is_found_in_the_documented_order() {
        let [id, secret, _] = KEY_VARIABLES;
        let ours = [(id, "ours"), (secret, "s")];
        let aws = [("AWS_ACCESS_KEY_ID", "aws"), ("AWS_SECRET_ACCESS_KEY", "s")];
        let web = [("AWS_ROLE_ARN", "arn:role"), ("AWS_WEB_IDENTITY_TOKEN_FILE", "/token")];
        let all = [&ours[..], &aws[..], &web[..]].concat();
        let toml = "[s3]\nprofile = \"work\"\n";
        assert_eq!(key_of(&all, toml, PROFILES), "ours");
        assert_eq!(key_of(&[&aws[..], &web[..]].concat(), toml, PROFILES), "from-work");
        assert_eq!(key_of(&[&aws[..], &web[..]].concat(), "", PROFILES), "aws");
        assert_eq!(key_of(&web, "", PROFILES), "from-default");
        assert_eq!(key_of(&[("AWS_PROFILE", "work")], "", PROFILES), "from-work");
        assert!(key_of(&web, "", "").contains("arn:role"));
        assert_eq!(key_of(&[], "", ""), "Instance");
    }

    #[test]
    fn every_value_says_where_it_comes_from_and_no_secret_is_among_them() {
        let toml = "[s3]\nendpoint = \"http://127.0.0.1:1\"\n";
        let [id, secret, _] = KEY_VARIABLES;
        let variables = [(id, "id"), (secret, "hush")];
        let (settings, _folder) = settings(&variables, toml, PROFILES);
        let store = settings.expect("valid").store;
        let shown = format!("{store:?}");
        assert!(!shown.contains("hush"), "{shown}");
        let row = |name| store.rows.iter().find(|(found, ..)| *found == name).expect("a row");
        assert!(matches!(row("s3.endpoint").2, Origin::File { line: 2, .. }));
        assert!(matches!(row("s3.region").2, Origin::File { line: 4, .. }));
        assert_eq!(row("s3.region").1, "eu-west-1");
        assert_eq!(row("s3.credentials").1, "access key id");
        assert_eq!(row("scratch").2, Origin::Default);
    }

    #[test]
    fn what_files_say_can_be_said_in_another_folder() {
        let toml = "scratch = \"here\"\nscratch_limit_bytes = 5\n[s3]\nprofile = \"work\"\n\
                    virtual_hosted = true\n";
        let variables = [("LAKEBED_S3_REGION", "eu-west-2")];
        let (settings, folder) = settings(&variables, toml, PROFILES);
        let tables = settings.expect("valid").store.to_tables();
        assert_eq!(tables["scratch"].as_str(), folder.path().join("here").to_str());
        assert_eq!(tables["scratch_limit_bytes"].as_integer(), Some(5));
        let expected: toml::Table =
            "profile = \"work\"\nvirtual_hosted = true".parse().expect("TOML");
        assert_eq!(tables["s3"].as_table(), Some(&expected));
        assert_eq!(tables.len(), 3, "what variables say, they go on saying: {tables}");
        toml::from_str::<super::super::file::File>(&tables.to_string()).expect("a lakebed.toml");
    }

    #[test]
    fn what_cannot_be_meant_is_refused_with_a_hint() {
        let refused = |environment: &[(&str, &str)], toml| {
            let problem = settings(environment, toml, PROFILES).0.expect_err("refused");
            assert_eq!(problem.exit, Exit::Usage);
            (problem.message.clone(), problem.hint.clone().unwrap_or_default())
        };
        let (message, _) = refused(&[("AWS_ACCESS_KEY_ID", "x")], "");
        assert!(message.contains("AWS_SECRET_ACCESS_KEY is not"), "{message}");
        let (message, _) = refused(&[("AWS_PROFILE", "nobody")], "");
        assert!(message.contains("`nobody`") && message.contains("AWS_PROFILE"), "{message}");
        let (message, _) = refused(&[], "[s3]\nprofile = \"empty\"\n");
        assert!(message.contains("no access key"), "{message}");
        let (_, hint) = refused(&[], "[s3]\nprofile = \"sso\"\n");
        assert!(hint.contains("export-credentials --profile sso"), "{hint}");
        let (message, _) = refused(&[("LAKEBED_S3_ALLOW_HTTP", "perhaps")], "");
        assert!(message.contains("LAKEBED_S3_ALLOW_HTTP cannot be"), "{message}");
        let (message, _) = refused(&[], "[s3]\nsecret_access_key = \"x\"\n");
        assert!(message.contains("unknown field"), "{message}");
    }

    #[test]
    fn a_folder_lake_reads_no_file_of_other_tools() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let variables = Environment::from([("AWS_PROFILE".to_owned(), "nobody".to_owned())]);
        let flags = Flags { lake: Some("./lake".to_owned()), ..Flags::default() };
        let settings = config::load(&flags, &variables, folder.path()).expect("valid");
        assert!(settings.store.rows.is_empty());
    }
}
