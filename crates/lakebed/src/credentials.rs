//! Which token goes to which server: shown by hand, or kept by `lakebed login`.
//!
//! Kept tokens lie in one file of the user's own configuration folder, readable by its owner alone.
//! A token is sent to the very server it was kept for and to no other. None is ever taken from the
//! command line, where every other user of the machine could read it.

use std::{
    fs,
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use lakebed_core::SecretToken;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::{
    config::Settings,
    problem::{Exit, Problem, Result},
};

/// The longest token that is read, in bytes.
const MAX_TOKEN: u64 = 16 << 10;
const HEADING: &str =
    "# Written by `lakebed login`. These are secrets: whoever has them is you.\n\n";

/// The tokens that `lakebed login` keeps.
#[derive(Debug)]
pub(crate) struct Credentials {
    path: PathBuf,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    #[serde(default)]
    server: Vec<Entry>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    url: String,
    token: String,
}

impl Credentials {
    /// Those of the user.
    ///
    /// # Errors
    /// Exit code 2 where there is no folder for a user's configuration.
    pub(crate) fn of(settings: &Settings) -> Result<Self> {
        let folder = settings.user_folder.as_ref().ok_or_else(|| {
            Problem::usage("there is no folder for your configuration")
                .hint("set HOME or XDG_CONFIG_HOME, or show a token with `--token-file`")
        })?;
        Ok(Self { path: folder.join("lakebed").join("credentials.toml") })
    }

    /// The token kept for `server`.
    pub(crate) fn find(&self, server: &Url) -> Result<Option<String>> {
        let name = name_of(server);
        let found = self.read()?.server.into_iter().find(|entry| entry.url == name);
        Ok(found.map(|entry| entry.token))
    }

    /// Keeps `token` for `server`, instead of another.
    pub(crate) fn keep(&self, server: &Url, token: &str) -> Result<()> {
        let mut kept = self.read()?;
        let url = name_of(server);
        kept.server.retain(|entry| entry.url != url);
        kept.server.push(Entry { url, token: token.to_owned() });
        kept.server.sort_by(|one, two| one.url.cmp(&two.url));
        self.write(&kept)
    }

    /// Forgets the token of `server`; whether there was one.
    pub(crate) fn forget(&self, server: &Url) -> Result<bool> {
        let mut kept = self.read()?;
        let url = name_of(server);
        let before = kept.server.len();
        kept.server.retain(|entry| entry.url != url);
        if kept.server.len() == before {
            return Ok(false);
        }
        self.write(&kept)?;
        Ok(true)
    }

    fn read(&self) -> Result<Kept> {
        let failed = |error: &io::Error| Problem::io("read", &self.path, error);
        let mut file = match fs::File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Kept::default()),
            Err(error) => return Err(failed(&error)),
        };
        let mode = file.metadata().map_err(|error| failed(&error))?.permissions().mode();
        if mode & 0o077 != 0 {
            let message = format!("others can read `{}`, which holds tokens", self.path.display());
            return Err(Problem::new(Exit::Unavailable, "denied", message).hint(
                "`chmod 600` it; if others did read it, revoke the tokens with `lakebed token revoke`",
            ));
        }
        let mut text = String::new();
        io::Read::read_to_string(&mut file, &mut text).map_err(|error| failed(&error))?;
        toml::from_str(&text).map_err(|error| {
            // Only where: what stands there may be a token.
            let line = error.span().map_or(1, |span| text[..span.start].lines().count().max(1));
            let message = format!("{}:{line}: not a list of servers", self.path.display());
            Problem::new(Exit::Usage, "configuration", message)
                .hint("`lakebed login` writes it anew once it is gone")
        })
    }

    fn write(&self, kept: &Kept) -> Result<()> {
        let failed = |error: &io::Error| Problem::io("write", &self.path, error);
        let folder = self.path.parent().unwrap_or(Path::new("."));
        let mut folders = fs::DirBuilder::new();
        folders.recursive(true).mode(0o700).create(folder).map_err(|error| failed(&error))?;
        let text = toml::to_string(kept)
            .map_err(|error| Problem::internal(format!("no TOML: {error}")))?;
        // Mode 0600 from its first moment on, which is what `tempfile` promises.
        let file = tempfile::Builder::new().prefix(".lakebed-").tempfile_in(folder);
        let mut file = file.map_err(|error| failed(&error))?;
        let written = file.write_all(HEADING.as_bytes()).and_then(|()| {
            file.write_all(text.as_bytes())?;
            file.as_file().sync_all()
        });
        written.map_err(|error| failed(&error))?;
        file.persist(&self.path).map_err(|error| failed(&error.error))?;
        Ok(())
    }
}

/// The token to show to `server`: from `--token-file`, from the environment, else the one kept for
/// it. None: nothing is shown.
pub(crate) fn token_for(settings: &Settings, server: &Url) -> Result<Option<String>> {
    if let Some(file) = &settings.token_file {
        return read_file(&file.value).map(Some);
    }
    if let Some(token) = &settings.token {
        return check(token.reveal(), "LAKEBED_TOKEN").map(Some);
    }
    match settings.user_folder {
        Some(_) => Credentials::of(settings)?.find(server),
        None => Ok(None),
    }
}

/// The one line of a file.
fn read_file(path: &Path) -> Result<String> {
    let failed = |error: &io::Error| Problem::io("read the token in", path, error);
    let file = fs::File::open(path).map_err(|error| failed(&error))?;
    let mut text = String::new();
    let mut some = io::Read::take(file, MAX_TOKEN + 1);
    io::Read::read_to_string(&mut some, &mut text).map_err(|error| failed(&error))?;
    check(&text, &format!("`{}`", path.display()))
}

/// One word; what it is not is never repeated.
pub(crate) fn check(text: &str, origin: &str) -> Result<String> {
    let token = text.trim();
    let is_word = !token.is_empty()
        && token.len() as u64 <= MAX_TOKEN
        && token.bytes().all(|byte| byte.is_ascii_graphic());
    let whole = !SecretToken::is_meant_by(token) || token.parse::<SecretToken>().is_ok();
    match (is_word, whole) {
        (true, true) => Ok(token.to_owned()),
        (false, _) => Err(Problem::usage(format!("{origin} holds no token"))
            .hint("it is one line: `lkb_` and three groups of digits, or a token of your identity provider")),
        (true, false) => Err(Problem::usage(format!("the token in {origin} is not whole"))
            .hint("a part of it is missing or mistyped: copy it again")),
    }
}

/// One spelling a server: without query, with one slash at the end.
fn name_of(server: &Url) -> String {
    let mut url = server.clone();
    url.set_query(None);
    url.set_fragment(None);
    format!("{}/", url.as_str().trim_end_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).expect("a URL")
    }

    fn store() -> (tempfile::TempDir, Credentials) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("config/lakebed/credentials.toml");
        (folder, Credentials { path })
    }

    #[test]
    fn a_token_goes_to_the_server_it_was_kept_for_and_to_no_other() {
        let (_folder, credentials) = store();
        credentials.keep(&url("https://lake.example"), "one").expect("kept");
        credentials.keep(&url("https://lake.example/eu/"), "two").expect("kept");
        let find = |text: &str| credentials.find(&url(text)).expect("readable");
        assert_eq!(find("https://LAKE.example/").as_deref(), Some("one"));
        assert_eq!(find("https://lake.example:443/eu").as_deref(), Some("two"));
        for other in [
            "http://lake.example",
            "https://lake.example:8443",
            "https://lake.example.evil.example",
            "https://lake.example/us",
            "https://evil.example/https://lake.example/",
        ] {
            assert_eq!(find(other), None, "{other}");
        }
        assert!(credentials.forget(&url("https://lake.example/")).expect("forgotten"));
        assert!(!credentials.forget(&url("https://lake.example/")).expect("nothing"));
        assert_eq!(credentials.find(&url("https://lake.example/")).expect("readable"), None);
    }

    #[test]
    fn nobody_else_can_read_what_is_kept() {
        let (_folder, credentials) = store();
        credentials.keep(&url("https://lake.example"), "one").expect("kept");
        let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
        assert_eq!(mode(&credentials.path), 0o600);
        assert_eq!(mode(credentials.path.parent().expect("a folder")), 0o700);
        let open = fs::Permissions::from_mode(0o640);
        fs::set_permissions(&credentials.path, open).expect("it is ours");
        let problem = credentials.find(&url("https://lake.example")).expect_err("others read it");
        assert!(problem.message.contains("others can read"), "{problem:?}");
    }

    #[test]
    fn a_broken_file_is_said_without_its_secrets() {
        let (_folder, credentials) = store();
        credentials.keep(&url("https://lake.example"), "s3cret").expect("kept");
        let text = fs::read_to_string(&credentials.path).expect("readable");
        fs::write(&credentials.path, text.replace("token =", "tokn =")).expect("it is ours");
        let problem = credentials.find(&url("https://lake.example")).expect_err("broken");
        assert!(!problem.to_json().contains("s3cret"), "{problem:?}");
    }

    #[test]
    fn what_is_no_token_is_not_repeated() {
        for bad in ["", "  \n", "two words", "lkb_123", "s3cr\u{e9}t"] {
            let problem = check(bad, "LAKEBED_TOKEN").expect_err(bad);
            assert!(!problem.to_json().contains("s3cr") && problem.exit == Exit::Usage);
        }
        assert_eq!(check(" a.b.c\n", "x").expect("a JWT"), "a.b.c");
    }
}
