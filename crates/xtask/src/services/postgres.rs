//! A private PostgreSQL cluster in a temporary folder, for tests.
//!
//! It answers on a socket in that folder, where everyone who can reach it is trusted, and on a free
//! port of 127.0.0.1, where a password is asked for. It does not sync unless asked to, and it ends
//! with the process that started it, however that ends. Only the standard library is used: `lakebed-testkit`
//! includes this file for tests that stop a cluster of their own.

use std::{
    ffi::OsStr,
    fs, io,
    net::TcpListener,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// The role that owns everything; it needs no password on the socket.
const OWNER: &str = "lakebed";
/// How long a cluster may take to answer or to end.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs its arguments as a program, and interrupts it when standard input ends: a parent that dies
/// in whatever way closes it.
const GUARD: &str = "trap '' INT; \"$@\" & read -r _; kill -INT $!; wait $!";

/// See the module.
#[derive(Debug)]
pub struct Cluster {
    folder: PathBuf,
    programs: PathBuf,
    port: u16,
    /// Who runs it when we are root, which PostgreSQL refuses: user and group.
    user: Option<(u32, u32)>,
    server: Option<Child>,
    /// Whether what is committed survives a power cut.
    is_durable: bool,
}

impl Cluster {
    /// Makes a cluster, starts it and waits until it answers.
    ///
    /// # Errors
    /// When PostgreSQL's programs are missing or do not do what they should; says which.
    pub fn start() -> io::Result<Self> {
        Self::start_as(false)
    }

    /// One that syncs what it commits, as those do that keep data: for measuring.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_durable() -> io::Result<Self> {
        Self::start_as(true)
    }

    fn start_as(is_durable: bool) -> io::Result<Self> {
        let programs = programs()?;
        let folder = fresh_folder()?;
        let (port, user) = (free_port()?, user()?);
        let mut cluster = Self { folder, programs, port, user, server: None, is_durable };
        if let Some((user, group)) = cluster.user {
            std::os::unix::fs::chown(&cluster.folder, Some(user), Some(group))?;
        }
        cluster.make()?;
        cluster.run()?;
        Ok(cluster)
    }

    /// The address of the maintenance database.
    #[must_use]
    pub fn url(&self) -> String {
        let socket = self.folder.display().to_string().replace('/', "%2F");
        format!("postgres://{OWNER}@{socket}:{}/postgres", self.port)
    }

    /// The address of one of its databases, as libpq's keywords.
    #[must_use]
    pub fn keywords(&self, database: &str) -> String {
        let (folder, port) = (self.folder.display(), self.port);
        format!("host={folder} port={port} user={OWNER} dbname={database}")
    }

    /// Starts it again after [`Cluster::crash`], on the same port.
    ///
    /// # Errors
    /// When it does not come back.
    pub fn run(&mut self) -> io::Result<()> {
        let mut server = self.command("sh");
        server.args(["-c", GUARD, "sh"]).arg(self.programs.join("postgres"));
        server.arg("-D").arg(self.data()).arg("-k").arg(&self.folder);
        server.args(["-p", &self.port.to_string(), "-c", "listen_addresses=127.0.0.1"]);
        server.args(["-c", "max_connections=400"]);
        if !self.is_durable {
            server.args(["-c", "fsync=off", "-c", "full_page_writes=off"]);
        }
        let log = fs::OpenOptions::new().create(true).append(true).open(self.log())?;
        server.stdin(Stdio::piped()).stdout(log.try_clone()?).stderr(log);
        self.server = Some(server.spawn()?);
        let started = Instant::now();
        while !self.answers() {
            let child = self.server.as_mut().and_then(|server| server.try_wait().ok().flatten());
            if child.is_some() || started.elapsed() > PATIENCE {
                let log = fs::read_to_string(self.log()).unwrap_or_default();
                return Err(io::Error::other(format!("PostgreSQL did not start:\n{log}")));
            }
            thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    /// Ends it as the death of its processes would, in the middle of whatever it does.
    ///
    /// # Errors
    /// When it cannot be told.
    pub fn crash(&mut self) -> io::Result<()> {
        let text = fs::read_to_string(self.data().join("postmaster.pid"))?;
        let process = text.lines().next().unwrap_or_default().to_owned();
        run(Command::new("kill").args(["-QUIT", &process]))?;
        self.wait()
    }

    fn make(&self) -> io::Result<()> {
        let mut initdb = self.command(self.programs.join("initdb"));
        initdb.arg("-D").arg(self.data()).args(["-U", OWNER, "--encoding=UTF8", "--no-sync"]);
        // A collation that is not the order of bytes shows where somebody relies on it.
        initdb.args(["--locale-provider=icu", "--icu-locale=en", "--locale=C.UTF-8"]);
        initdb.args(["--auth-local=trust", "--auth-host=scram-sha-256"]);
        initdb.stdout(Stdio::null());
        run(&mut initdb)
    }

    fn answers(&self) -> bool {
        let mut ready = Command::new(self.programs.join("pg_isready"));
        ready.arg("-h").arg(&self.folder).args(["-p", &self.port.to_string(), "-q"]);
        ready.status().is_ok_and(|status| status.success())
    }

    /// A program as the cluster's user.
    fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.folder).stdin(Stdio::null());
        if let Some((user, group)) = self.user {
            command.uid(user).gid(group);
        }
        command
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    fn log(&self) -> PathBuf {
        self.folder.join("log")
    }

    fn wait(&mut self) -> io::Result<()> {
        match self.server.take() {
            // Its standard input is closed on the way.
            Some(mut server) => server.wait().map(|_| ()),
            None => Ok(()),
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // It is gone in the end, and the folder is a temporary one.
        let _ = self.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

fn run(command: &mut Command) -> io::Result<()> {
    match command.status()? {
        status if status.success() => Ok(()),
        status => Err(io::Error::other(format!("{:?}: {status}", command.get_program()))),
    }
}

/// The folder with PostgreSQL's programs: Debian keeps the server's out of `PATH`; the newest.
fn programs() -> io::Result<PathBuf> {
    let number = |path: &Path| path.file_name()?.to_str()?.parse::<u32>().ok();
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let newest = versions.map(|version| version.path()).max_by_key(|path| number(path));
    let folders = newest.map(|path| path.join("bin")).into_iter();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders = folders.chain(std::env::split_paths(&path));
    folders
        .find(|folder| folder.join("initdb").exists() && folder.join("postgres").exists())
        .ok_or_else(|| io::Error::other("PostgreSQL's `initdb` and `postgres` are not installed"))
}

/// Short, because the path of a socket is: below 100 bytes.
fn fresh_folder() -> io::Result<PathBuf> {
    let temporary = std::env::temp_dir();
    for number in 0..1_000 {
        let folder = temporary.join(format!("lakebed-pg-{}-{number}", std::process::id()));
        match fs::DirBuilder::new().create(&folder) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
            Ok(()) => {
                fs::set_permissions(&folder, std::os::unix::fs::PermissionsExt::from_mode(0o700))?;
                return Ok(folder);
            }
        }
    }
    Err(io::Error::other("no name is free for the cluster's folder"))
}

fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// The user `postgres`, or `nobody`, when we are root.
fn user() -> io::Result<Option<(u32, u32)>> {
    let ask = |arguments: &[&str]| -> io::Result<Option<u32>> {
        let output = Command::new("id").args(arguments).stderr(Stdio::null()).output()?;
        Ok(String::from_utf8_lossy(&output.stdout).trim().parse().ok())
    };
    if ask(&["-u"])? != Some(0) {
        return Ok(None);
    }
    for name in ["postgres", "nobody"] {
        if let (Some(user), Some(group)) = (ask(&["-u", name])?, ask(&["-g", name])?) {
            return Ok(Some((user, group)));
        }
    }
    Err(io::Error::other("there is no user `postgres` or `nobody` to run PostgreSQL as"))
}
