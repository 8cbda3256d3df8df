//! A temporary folder, the binary run in it, and its output as text that is the same every time.

use std::{
    cell::RefCell,
    ffi::OsStr,
    fmt,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::LazyLock,
};

use lakebed_testkit::{TestBackend, TestPlace};
use regex::{Captures, Regex};

/// The binary under test.
pub(crate) const LAKEBED: &str = env!("CARGO_BIN_EXE_lakebed");

/// The repository's `examples/data/`.
pub(crate) fn example(name: &str) -> PathBuf {
    repository().join("examples/data").join(name)
}

/// The top of the repository.
pub(crate) fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// A folder of its own, and a place for a lake, wherever the run has its lakes; gone when dropped.
pub(crate) struct World {
    place: TestPlace,
    told: RefCell<String>,
}

impl World {
    /// An empty folder; the lake is to be `./lake`, or where the run has its lakes.
    pub(crate) fn new() -> Self {
        Self { place: TestPlace::new(), told: RefCell::default() }
    }

    /// The lake is to be `./lake`, with its database inside, whatever the run's kind is: for tests
    /// that look at those files, or make several lakes.
    pub(crate) fn in_folder() -> Self {
        Self { place: TestPlace::on(TestBackend::SqliteFolder), told: RefCell::default() }
    }

    /// A lake with `nyc.airlines` in two versions: 16 airlines, and 17.
    pub(crate) fn with_airlines() -> Self {
        Self::new().and_airlines()
    }

    /// The same, in a folder.
    pub(crate) fn in_folder_with_airlines() -> Self {
        Self::in_folder().and_airlines()
    }

    /// Whether the lake is `./lake`.
    pub(crate) fn is_in_folder(&self) -> bool {
        self.place.is_folder()
    }

    /// Where the lake is, as the command line names it.
    pub(crate) fn lake(&self) -> String {
        match self.is_in_folder() {
            true => "./lake".to_owned(),
            false => self.place.root().to_string(),
        }
    }

    fn and_airlines(self) -> Self {
        let world = self;
        let airlines = std::fs::read_to_string(example("airlines.csv")).unwrap();
        world.write("airlines.csv", &airlines);
        world.ok(&["ingest", "airlines.csv", "--to", "nyc.airlines"]);
        world.write("airlines.csv", format!("{airlines}ZZ,Zeppelin Ltd.\n"));
        world.ok(&["ingest", "airlines.csv", "--to", "nyc.airlines"]);
        world
    }

    pub(crate) fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.place.outside().join(name)
    }

    pub(crate) fn write(&self, name: impl AsRef<Path>, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        path
    }

    /// A file as if it was printed.
    pub(crate) fn file(&self, name: impl AsRef<Path>) -> Ran {
        let (stdout, folder) = (self.read(name).into_bytes(), self.place.outside().to_owned());
        Ran { stdout, stderr: String::new(), code: Some(0), folder }
    }

    pub(crate) fn read(&self, name: impl AsRef<Path>) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    /// `program` in this folder, with an environment that is the same everywhere.
    pub(crate) fn command_of(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.place.outside()).env_clear().stdin(Stdio::null());
        for name in ["PATH", "HOME", "TMPDIR", "LLVM_PROFILE_FILE"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        command.env("USER", "tester").env("LAKEBED_LAKE", "./lake");
        command.envs(self.place.environment());
        command
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.command_of(LAKEBED);
        command.args(arguments);
        command
    }

    /// The binary with the place of the run's lakes in flags; none when that is the folder.
    pub(crate) fn command_with_place(&self, arguments: &[&str]) -> Command {
        let mut command = self.command(arguments);
        command.env_remove("LAKEBED_LAKE").env_remove("LAKEBED_CATALOG");
        if let Some(catalog) = self.place.catalog_url() {
            command.args(["--catalog", &catalog]);
        }
        if !self.is_in_folder() {
            command.args(["--lake", &self.lake()]);
        }
        command
    }

    /// Runs the binary to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        self.finish(self.command(arguments), b"")
    }

    /// Runs the binary with `input` on its standard input.
    pub(crate) fn run_with(&self, arguments: &[&str], input: &[u8]) -> Ran {
        self.finish(self.command(arguments), input)
    }

    pub(crate) fn finish(&self, mut command: Command, input: &[u8]) -> Ran {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        if !input.is_empty() {
            command.stdin(Stdio::piped());
        }
        let mut child = command.spawn().unwrap();
        let input = input.to_vec();
        let writer = child.stdin.take().map(|mut stdin| {
            // A refusal may come before all was read.
            std::thread::spawn(move || drop(stdin.write_all(&input)))
        });
        let output = child.wait_with_output().unwrap();
        if let Some(writer) = writer {
            writer.join().unwrap();
        }
        Ran {
            stdout: output.stdout,
            stderr: String::from_utf8(output.stderr).expect("stderr is text"),
            code: output.status.code(),
            folder: self.place.outside().to_owned(),
        }
    }

    /// Runs the binary, which must end with `code`, and adds what is seen to the transcript.
    #[track_caller]
    pub(crate) fn tell(&self, code: i32, arguments: &[&str]) -> Ran {
        let ran = self.run(arguments);
        assert_eq!(ran.code, Some(code), "lakebed {arguments:?}\n{ran}");
        self.tell_of(&format!("lakebed {}", arguments.join(" ")), &ran);
        ran
    }

    /// Adds a run to the transcript.
    pub(crate) fn tell_of(&self, command: &str, ran: &Ran) {
        let command = steady(command, self.place.outside());
        let command = command.replace(&repository().display().to_string(), "<repository>");
        self.told.borrow_mut().push_str(&format!("$ {command}\n{ran}\n"));
    }

    /// Everything that was added to the transcript.
    pub(crate) fn told(&self) -> String {
        self.told.take()
    }

    /// Runs the binary, which must succeed.
    #[track_caller]
    pub(crate) fn ok(&self, arguments: &[&str]) -> Ran {
        let ran = self.run(arguments);
        assert_eq!(ran.code, Some(0), "lakebed {arguments:?}\n{ran}");
        ran
    }

    /// Runs the binary with `--json`, which must succeed, and reads its document.
    #[track_caller]
    pub(crate) fn json(&self, arguments: &[&str]) -> serde_json::Value {
        let ran = self.ok(&[arguments, &["--json"]].concat());
        serde_json::from_slice(&ran.stdout).unwrap_or_else(|error| panic!("{error}\n{ran}"))
    }

    /// Runs the binary, which must refuse with `code`, in one clear line and at most one hint.
    #[track_caller]
    pub(crate) fn refused(&self, code: i32, arguments: &[&str]) -> Ran {
        let ran = self.run(arguments);
        ran.assert_clear(code);
        ran
    }

    /// How many versions all datasets have together; 0 when there is no lake.
    pub(crate) fn version_count(&self) -> u64 {
        let ran = self.run(&["ls", "--json"]);
        if ran.code == Some(3) {
            return 0;
        }
        let list: serde_json::Value =
            serde_json::from_slice(&ran.stdout).unwrap_or_else(|error| panic!("{error}\n{ran}"));
        let newest = |dataset: &serde_json::Value| dataset["newest"]["version"].as_u64();
        list["datasets"].as_array().unwrap().iter().filter_map(newest).sum()
    }
}

/// What a run left behind. Prints as it is snapshotted: what changes from run to run is replaced.
pub(crate) struct Ran {
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
    /// None: ended by a signal.
    pub(crate) code: Option<i32>,
    folder: PathBuf,
}

impl Ran {
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.stdout.clone()).expect("stdout is text")
    }

    /// An error is one line, perhaps with indented details, and at most one hint; nothing that
    /// could move a cursor, no backtrace, no panic.
    #[track_caller]
    pub(crate) fn assert_clear(&self, code: i32) {
        assert_eq!(self.code, Some(code), "{self}");
        let mut lines = self.stderr.lines();
        let first = lines.next().unwrap_or_default();
        assert!(first.starts_with("error: ") && first.len() < 600, "{self}");
        for line in lines {
            assert!(line.starts_with("  ") || line.starts_with("hint: "), "{self}");
        }
        assert!(self.stderr.matches("\nhint: ").count() <= 1, "{self}");
        assert!(
            !self.stderr.contains("panicked") && !self.stderr.contains("stack backtrace"),
            "{self}"
        );
        let unprintable = |character: char| character.is_control() && character != '\n';
        assert!(!self.stderr.contains(unprintable), "{self}");
    }
}

impl fmt::Display for Ran {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stdout = String::from_utf8_lossy(&self.stdout);
        write!(f, "{}", steady(&stdout, &self.folder))?;
        if !self.stderr.is_empty() {
            write!(f, "--- stderr\n{}", steady(&self.stderr, &self.folder))?;
        }
        match self.code {
            Some(0) => Ok(()),
            Some(code) => write!(f, "--- exit code {code}"),
            None => write!(f, "--- ended by a signal"),
        }
    }
}

static RULES: LazyLock<Vec<Regex>> = LazyLock::new(|| {
    let rules = [
        r"\b[0-9a-f]{64}\b",
        r"\b[0-9a-f]{32}\b",
        r"\bb3:[0-9a-f]{8,64}\b",
        r"\b\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\b",
        r"\d+\.\d\d s\b",
        r"\b\d+(\.\d+)? (B|kB|MB)\b",
        r"127\.0\.0\.1:\d+",
    ];
    rules.into_iter().map(|pattern| Regex::new(pattern).unwrap()).collect()
});

/// `text` with everything that is another in every run replaced by as many characters: digits by
/// `#`, so that tables stay aligned.
pub(crate) fn steady(text: &str, folder: &Path) -> String {
    let mut text = text.to_owned();
    let canonical = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    for folder in [canonical.as_path(), folder] {
        text = text.replace(&folder.display().to_string(), "<folder>");
    }
    for pattern in RULES.iter() {
        text = pattern.replace_all(&text, |found: &Captures<'_>| hidden(&found[0])).into_owned();
    }
    text
}

fn hidden(found: &str) -> String {
    let is_digest = found.len() >= 11 && !found.contains([' ', '.']);
    let hide = |character: char| match character {
        character if character.is_ascii_digit() => '#',
        'a'..='f' if is_digest => '#',
        character => character,
    };
    match found.strip_prefix("b3:") {
        Some(digits) => format!("b3:{}", "#".repeat(digits.len())),
        None => found.chars().map(hide).collect(),
    }
}
