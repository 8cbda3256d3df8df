//! The container files: no engine runs here, so what they name is checked against the binary, and
//! the binary is run as they run it: not root, nothing to write to but two folders.

use std::{
    collections::BTreeSet,
    fs,
    os::unix::{fs::PermissionsExt as _, process::CommandExt as _},
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

use crate::{
    served::Served,
    world::{LAKEBED, World, repository},
};

fn page(name: &str) -> String {
    fs::read_to_string(repository().join(name)).unwrap()
}

fn compose() -> Value {
    serde_saphyr::from_str(&page("compose.yaml")).unwrap()
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

/// Settings as a container gives them are read, and none of them means nothing.
#[track_caller]
fn assert_taken(variables: &[(String, String)]) {
    assert!(variables.iter().any(|(name, _)| name.starts_with("LAKEBED_")), "{variables:?}");
    let world = World::new();
    let mut command = world.command(&["config"]);
    command.envs(variables.iter().cloned());
    let ran = world.finish(command, b"");
    assert_eq!(ran.code, Some(0), "{ran}");
    assert!(!ran.stderr.contains("means nothing"), "{ran}");
}

fn servers(compose: &Value) -> Vec<(&String, &Value)> {
    let services = compose["services"].as_object().unwrap().iter();
    services.filter(|(name, _)| name.starts_with("lakebed")).collect()
}

#[test]
fn every_variable_of_the_container_files_means_something() {
    let pairs = instruction("ENV");
    let pairs = pairs.split_whitespace().map(|pair| pair.split_once('=').unwrap());
    assert_taken(
        &pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect::<Vec<_>>(),
    );
    let compose = compose();
    for (_, server) in servers(&compose) {
        let environment = server["environment"].as_object().unwrap().iter();
        let given = |value: &Value| match value.as_str().unwrap().split_once("${") {
            Some((before, rest)) => format!("{before}given{}", rest.split_once('}').unwrap().1),
            None => value.as_str().unwrap().to_owned(),
        };
        let variables = environment.map(|(name, value)| (name.clone(), given(value)));
        assert_taken(&variables.collect::<Vec<_>>());
    }
}

/// Arguments that the binary does not take would only be noticed when a container starts.
#[test]
fn every_argument_of_the_container_files_is_taken() {
    let world = World::new();
    let list = |json: &str| -> Vec<String> { serde_json::from_str(json).unwrap() };
    let texts = |value: &Value| -> Vec<String> {
        value.as_array().unwrap().iter().map(|word| word.as_str().unwrap().to_owned()).collect()
    };
    let health = instruction("HEALTHCHECK");
    let health = list(health.split_once("CMD ").unwrap().1);
    assert_eq!(list(&instruction("ENTRYPOINT")), ["/usr/bin/lakebed"]);
    assert_eq!(health[0], "/usr/bin/lakebed");
    let mut lines = vec![list(&instruction("CMD")), health[1..].to_vec()];
    let compose = compose();
    for (_, server) in servers(&compose) {
        lines.push(texts(&server["command"]));
        let health = texts(&server["healthcheck"]["test"]);
        assert_eq!(health[..2], ["CMD", "/usr/bin/lakebed"]);
        lines.push(health[2..].to_vec());
    }
    for line in lines {
        let arguments: Vec<&str> = line.iter().map(String::as_str).chain(["--help"]).collect();
        world.ok(&arguments);
    }
}

#[test]
fn two_servers_wait_for_what_they_need_and_write_nowhere() {
    let compose = compose();
    let servers = servers(&compose);
    assert_eq!(servers.len(), 2);
    for (name, server) in servers {
        assert_eq!(server["read_only"], true, "{name}");
        assert_eq!(server["cap_drop"][0], "ALL", "{name}");
        let scratch = server["tmpfs"][0].as_str().unwrap();
        assert!(scratch.starts_with("/scratch"), "{name}: {scratch}");
        for (needed, how) in server["depends_on"].as_object().unwrap() {
            let needed = &compose["services"][needed];
            assert!(needed.is_object(), "{name} waits for {needed}");
            if how["condition"] == "service_healthy" {
                assert!(needed["healthcheck"].is_object(), "{name} waits for {needed}");
            }
        }
        for port in server["ports"].as_array().unwrap() {
            assert!(port.as_str().unwrap().starts_with("127.0.0.1:"), "{name}: {port}");
        }
        let drain = server["environment"]["LAKEBED_DRAIN_SECONDS"].as_str().unwrap();
        let grace = server["stop_grace_period"].as_str().unwrap().trim_end_matches('s');
        assert!(grace.parse::<u64>().unwrap() > drain.parse::<u64>().unwrap(), "{name}");
    }
}

/// A password that is written down is one that everybody has.
#[test]
fn no_password_has_a_default() {
    let text = page("compose.yaml");
    assert!(!text.contains(":-"), "a variable has a default");
    let compose = compose();
    let mut secrets = 0;
    for (name, service) in compose["services"].as_object().unwrap() {
        for (variable, value) in service["environment"].as_object().into_iter().flatten() {
            let value = value.as_str().unwrap();
            let opens = ["PASSWORD", "SECRET"].iter().any(|word| variable.contains(word));
            if opens || value.contains('@') {
                secrets += 1;
                assert!(value.contains(":?"), "{name}: {variable} = {value}");
            }
        }
    }
    assert!(secrets >= 5, "{secrets}");
    let images = compose["services"].as_object().unwrap().values();
    for image in images.filter_map(|service| service["image"].as_str()).filter(|i| i.contains('/'))
    {
        assert!(image.contains(':') && !image.ends_with(":latest"), "{image}");
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
    /// Its volume is a folder: the image's user cannot reach a database that is private to ours.
    fn new() -> Self {
        let world = World::in_folder();
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
