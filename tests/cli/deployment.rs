//! The container files: no engine runs here, so what they name is checked against the binary, and
//! the binary is run as they run it: not root, nothing to write to but two folders.

use std::{
    collections::BTreeSet,
    fs,
    os::unix::{fs::PermissionsExt as _, process::CommandExt as _},
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    served::Served,
    world::{LAKEBED, World, repository},
};

fn page(name: &str) -> String {
    fs::read_to_string(repository().join(name)).unwrap()
}

/// The instructions of the Containerfile, each on one line, without comments.
fn instructions() -> Vec<String> {
    let text: String = page("Containerfile")
        .lines()
        .filter(|line| !line.trim_start().starts_with('#'))
        .map(|line| format!("{line}\n"))
        .collect();
    let text = text.replace("\\\n", " ");
    text.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

fn instruction(name: &str) -> String {
    let all = instructions();
    let found = all.iter().rev().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    found.unwrap_or_else(|| panic!("no {name} in {all:#?}")).to_owned()
}

/// The variables the binary knows, from its own reference.
fn known_variables() -> BTreeSet<String> {
    let reference = World::new().json(&["config", "--reference"]);
    let settings = reference.as_array().unwrap().iter();
    let variables = settings.flat_map(|setting| setting["variables"].as_array().unwrap());
    variables.map(|variable| variable.as_str().unwrap().to_owned()).collect()
}

#[test]
fn every_variable_of_the_container_files_means_something() {
    let known = known_variables();
    let text = page("Containerfile");
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let named: BTreeSet<String> =
        words.filter(|word| word.starts_with("LAKEBED_")).map(str::to_owned).collect();
    assert!(named.len() >= 3, "{named:?}");
    let unknown: Vec<_> = named.difference(&known).collect();
    assert!(unknown.is_empty(), "the binary knows no {unknown:?}");
}

/// Arguments that the binary does not take would only be noticed when a container starts.
#[test]
fn every_argument_of_the_container_files_is_taken() {
    let world = World::new();
    let list = |json: &str| -> Vec<String> { serde_json::from_str(json).unwrap() };
    let health = instruction("HEALTHCHECK");
    let health = list(health.split_once("CMD ").unwrap().1);
    assert_eq!(list(&instruction("ENTRYPOINT")), ["/usr/bin/lakebed"]);
    assert_eq!(health[0], "/usr/bin/lakebed");
    let lines = [list(&instruction("CMD")), health[1..].to_vec()];
    for line in lines {
        let arguments: Vec<&str> = line.iter().map(String::as_str).chain(["--help"]).collect();
        world.ok(&arguments);
    }
}

#[test]
fn the_image_runs_as_nobody() {
    let user = instruction("USER");
    let (user, group) = user.split_once(':').unwrap();
    assert!(user.parse::<u32>().unwrap() > 0 && group.parse::<u32>().unwrap() > 0);
    assert!(instruction("ENV").contains("TMPDIR=/scratch"));
    assert_eq!(instruction("VOLUME"), "[\"/lake\", \"/scratch\"]");
}

/// Sets the mode of a folder.
fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// A place as a container with a read-only root is: only `lake` and `scratch` can be written to.
struct Container {
    world: World,
    binary: PathBuf,
}

/// The image's user, or our own where we are nobody special.
const NOBODY: u32 = 65532;

impl Container {
    fn new() -> Self {
        let world = World::new();
        let binary = world.path("bin/lakebed");
        fs::create_dir(world.path("bin")).unwrap();
        fs::copy(LAKEBED, &binary).unwrap();
        mode(&binary, 0o555);
        for folder in ["lake", "scratch"] {
            fs::create_dir(world.path(folder)).unwrap();
            mode(&world.path(folder), 0o777);
        }
        mode(&world.path("bin"), 0o555);
        mode(&world.path(""), 0o555);
        Self { world, binary }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.world.command_of(&self.binary);
        command.args(arguments).env("HOME", self.world.path(""));
        command.env("TMPDIR", self.world.path("scratch"));
        command.env("LAKEBED_LAKE", self.world.path("lake"));
        if rustix::process::geteuid().is_root() {
            command.uid(NOBODY).gid(NOBODY);
        }
        command
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        // So that the folder can be removed.
        mode(&self.world.path(""), 0o755);
        mode(&self.world.path("bin"), 0o755);
    }
}

#[test]
fn the_server_needs_no_root_and_writes_to_its_volumes_alone() {
    let container = Container::new();
    let server = Served::from(container.command(&["serve", "--create", "--listen", "127.0.0.1:0"]));
    let input = container.world.path("scratch/input.csv");
    fs::write(&input, "id,text\n1,a\n2,b\n").unwrap();
    let run = |arguments: &[&str]| {
        let mut command = container.command(arguments);
        command.env("LAKEBED_LAKE", &server.url);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    run(&["ready"]);
    run(&["ingest", input.to_str().unwrap(), "--to", "a.new"]);
    let counted = run(&["sql", "SELECT count(*) AS n FROM a.new", "--format", "csv"]);
    assert_eq!(counted, "n\n2\n");
    let (code, log) = server.stop();
    assert_eq!(code, Some(0), "{log}");
    let found: BTreeSet<_> = fs::read_dir(container.world.path(""))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let expected: BTreeSet<_> = ["bin", "lake", "scratch"].map(str::to_owned).into();
    assert_eq!(found, expected);
}

/// What the image must bring: the C library and the unwinder, which `distroless/cc` has.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[test]
fn the_binary_needs_the_c_library_alone() {
    let world = World::with_airlines();
    let server = Served::start(&world, &[]);
    world.ok(&["--lake", &server.url, "sql", "SELECT count(*) FROM nyc.airlines"]);
    let maps = fs::read_to_string(format!("/proc/{}/maps", server.pid())).unwrap();
    let libraries: BTreeSet<&str> = maps
        .lines()
        .filter_map(|line| line.split_whitespace().nth(5))
        .filter_map(|path| path.rsplit('/').next())
        .filter(|name| name.contains(".so"))
        .collect();
    let allowed = [
        "ld-linux",
        "libc.so.",
        "libm.so.",
        "libgcc_s.so.",
        "libdl.so.",
        "librt.so.",
        "libpthread.so.",
    ];
    let others: Vec<_> = libraries
        .iter()
        .filter(|name| !allowed.iter().any(|allowed| name.starts_with(allowed)))
        .collect();
    assert!(libraries.iter().any(|name| name.starts_with("libc.so.")), "{libraries:?}");
    assert!(others.is_empty(), "the image has no {others:?}");
}
