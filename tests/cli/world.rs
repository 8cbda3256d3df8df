//! A temporary folder, the binary run in it, and its output as text that is the same every time.

use std::{
    ffi::OsStr,
    fmt,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::LazyLock,
};

use regex::Regex;

/// The binary under test.
pub const LAKEBED: &str = env!("CARGO_BIN_EXE_lakebed");

/// The repository's `examples/data/`.
pub fn example(name: &str) -> PathBuf {
    repository().join("examples/data").join(name)
}

/// The top of the repository.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// A folder of its own, gone when dropped.
pub struct World {
    folder: tempfile::TempDir,
}

impl World {
    /// An empty folder; the lake is to be `./lake`.
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { folder }
    }

    /// A lake with `nyc.airlines` in two versions: 16 airlines, and 17.
    pub fn with_airlines() -> Self {
        let world = Self::new();
        let airlines = std::fs::read_to_string(example("airlines.csv")).unwrap();
        world.write("airlines.csv", &airlines);
        world.ok(&["ingest", "airlines.csv", "--to", "nyc.airlines"]);
        world.write("airlines.csv", &format!("{airlines}ZZ,Zeppelin Ltd.\n"));
        world.ok(&["ingest", "airlines.csv", "--to", "nyc.airlines"]);
        world
    }

    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: impl AsRef<Path>, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, bytes).unwrap();
        path
    }

    pub fn read(&self, name: impl AsRef<Path>) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    /// `program` in this folder, with an environment that is the same everywhere.
    pub fn command_of(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.folder.path()).env_clear().stdin(Stdio::null());
        for name in ["PATH", "HOME", "TMPDIR", "LLVM_PROFILE_FILE"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        command.env("USER", "tester").env("LAKEBED_LAKE", "./lake");
        command
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.command_of(LAKEBED);
        command.args(arguments);
        command
    }

    /// Runs the binary to its end.
    pub fn run(&self, arguments: &[&str]) -> Ran {
        self.finish(self.command(arguments), b"")
    }

    /// Runs the binary with `input` on its standard input.
    pub fn run_with(&self, arguments: &[&str], input: &[u8]) -> Ran {
        self.finish(self.command(arguments), input)
    }

    pub fn finish(&self, mut command: Command, input: &[u8]) -> Ran {
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
            folder: self.folder.path().to_owned(),
        }
    }

    /// Runs the binary, which must succeed.
    #[track_caller]
    pub fn ok(&self, arguments: &[&str]) -> Ran {
        let ran = self.run(arguments);
        assert_eq!(ran.code, Some(0), "lakebed {arguments:?}\n{ran}");
        ran
    }

    /// Runs the binary with `--json`, which must succeed, and reads its document.
    #[track_caller]
    pub fn json(&self, arguments: &[&str]) -> serde_json::Value {
        let ran = self.ok(&[arguments, &["--json"]].concat());
        serde_json::from_slice(&ran.stdout).unwrap_or_else(|error| panic!("{error}\n{ran}"))
    }

    /// Runs the binary, which must refuse with `code`, in one clear line and at most one hint.
    #[track_caller]
    pub fn refused(&self, code: i32, arguments: &[&str]) -> Ran {
        let ran = self.run(arguments);
        ran.assert_clear(code);
        ran
    }

    /// How many versions all datasets have together; 0 when there is no lake.
    pub fn version_count(&self) -> u64 {
        if !self.path("lake/lakebed.json").exists() {
            return 0;
        }
        let list = self.json(&["ls"]);
        let newest = |dataset: &serde_json::Value| dataset["newest"]["version"].as_u64();
        list["datasets"].as_array().unwrap().iter().filter_map(newest).sum()
    }
}

/// What a run left behind. Prints as it is snapshotted: what changes from run to run is replaced.
pub struct Ran {
    pub stdout: Vec<u8>,
    pub stderr: String,
    /// None: ended by a signal.
    pub code: Option<i32>,
    folder: PathBuf,
}

impl Ran {
    pub fn text(&self) -> String {
        String::from_utf8(self.stdout.clone()).expect("stdout is text")
    }

    /// An error is one line, perhaps with indented details, and at most one hint; nothing that
    /// could move a cursor, no backtrace, no panic.
    #[track_caller]
    pub fn assert_clear(&self, code: i32) {
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

static RULES: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
    let rules = [
        (r"\b[0-9a-f]{64}\b", "<digest>"),
        (r"\b[0-9a-f]{32}\b", "<id>"),
        (r"\bb3:[0-9a-f]{8}\b", "b3:<prefix>"),
        (r"\b\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\b", "<a point in time>"),
        (r"\d+\.\d\d s\b", "<time>"),
        (r"\b\d+(\.\d+)? (B|kB|MB)", "<size>"),
        (r" +(<size>)", " $1"),
        (r"127\.0\.0\.1:\d+", "127.0.0.1:<port>"),
    ];
    rules.into_iter().map(|(pattern, with)| (Regex::new(pattern).unwrap(), with)).collect()
});

/// `text` with everything replaced that is another in every run.
pub fn steady(text: &str, folder: &Path) -> String {
    let mut text = text.to_owned();
    let canonical = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    for folder in [canonical.as_path(), folder] {
        text = text.replace(&folder.display().to_string(), "<folder>");
    }
    for (pattern, with) in RULES.iter() {
        text = pattern.replace_all(&text, *with).into_owned();
    }
    text
}
