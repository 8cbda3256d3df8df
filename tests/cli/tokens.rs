//! Who asks: tokens from the first one on, logins, and a server that asks.

use std::{
    io::{BufRead as _, BufReader, Read as _},
    os::unix::fs::PermissionsExt as _,
    process::{Child, Stdio},
};

use insta::assert_snapshot;

use crate::world::{Ran, World};

/// `lakebed serve` on a port of its own, with what it said on stderr before it listened.
struct Asking {
    child: Child,
    url: String,
    stderr: std::sync::mpsc::Receiver<String>,
}

impl Asking {
    fn start(world: &World, more: &[&str]) -> Self {
        let arguments = [&["serve", "--listen", "127.0.0.1:0"], more].concat();
        let mut command = world.command(&arguments);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let url = line.trim().strip_prefix("listening on ").unwrap_or_default().to_owned();
        let mut pipe = child.stderr.take().unwrap();
        let (told, stderr) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let mut text = String::new();
            let _ = pipe.read_to_string(&mut text);
            told.send(text)
        });
        assert!(!url.is_empty(), "no address: {line:?}");
        Self { child, url, stderr }
    }

    /// Everything on stderr, once it has ended. It listens for signals once it answers.
    fn end(mut self, world: &World) -> String {
        world.asks(&self.url, None, &["ls"]);
        let pid = self.child.id().to_string();
        assert!(
            std::process::Command::new("kill").args(["-TERM", &pid]).status().unwrap().success()
        );
        assert_eq!(self.child.wait().unwrap().code(), Some(0));
        self.stderr.recv().unwrap()
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn tokens_in(text: &str) -> Vec<&str> {
    text.lines().filter(|line| line.starts_with("lkb_")).collect()
}

impl World {
    /// Runs against `url`, showing `token`; the user's own configuration is `./home`.
    fn asks(&self, url: &str, token: Option<&str>, arguments: &[&str]) -> Ran {
        let mut command = self.command(&[&["--lake", url], arguments].concat());
        command.env("HOME", self.path("home"));
        if let Some(token) = token {
            command.env("LAKEBED_TOKEN", token);
        }
        self.finish(command, b"")
    }

    fn login(&self, url: &str, input: &str) -> Ran {
        let mut command = self.command(&["--lake", url, "login"]);
        command.env("HOME", self.path("home"));
        self.finish(command, input.as_bytes())
    }
}

/// The first start that asks prints one admin token, once, on stderr; with it others are made.
#[test]
fn the_first_start_that_asks_prints_one_admin_token() {
    let world = World::with_airlines();
    let server = Asking::start(&world, &["--auth", "required"]);
    world.asks(&server.url, None, &["ls"]).assert_clear(7);
    let again = Asking::start(&world, &["--auth", "required"]);
    let second = again.end(&world);
    let url = server.url.clone();
    // The server has to go on while its first words are read: they are kept by the thread.
    let made = world.ok(&["token", "create", "--for", "alice", "--name", "laptop"]);
    let alice = made.text().trim().to_owned();
    let who = world.asks(&url, Some(&alice), &["whoami"]);
    let told = who.text();
    for line in ["principal  alice\n", "proved by  token ", "until      20"] {
        assert!(told.contains(line), "{line}: {who}");
    }
    let first = server.end(&world);
    assert_eq!(tokens_in(&first).len(), 1, "{first}");
    assert!(tokens_in(&second).is_empty(), "{second}");
    let admin = tokens_in(&first)[0].to_owned();
    let before: Vec<&str> = first.lines().take_while(|line| !line.starts_with("lkb_")).collect();
    assert!(before.last().unwrap().contains("first admin token"), "{first}");
    let rest = first.replacen(&admin, "", 1);
    assert!(!rest.contains(&admin[21..85]), "not in the log: {rest}");

    let third = Asking::start(&world, &["--auth", "required"]);
    let ask = |token: &str, arguments: &[&str]| world.asks(&third.url, Some(token), arguments);
    let who = ask(&admin, &["whoami", "--json"]);
    let who: serde_json::Value = serde_json::from_slice(&who.stdout).unwrap();
    assert_eq!((&who["principal"], &who["standing"]), (&"admin".into(), &"first_admin".into()));
    let bob = ask(&admin, &["token", "create", "--for", "bob", "--may", "read", "--on", "nyc.*"]);
    assert_eq!(bob.code, Some(0), "{bob}");
    let list = ask(&admin, &["token", "ls", "--all", "--json"]);
    let list: serde_json::Value = serde_json::from_slice(&list.stdout).unwrap();
    let token_of = |principal: &str| {
        let tokens = list["tokens"].as_array().unwrap().iter();
        tokens.filter(|token| token["principal"] == principal).cloned().collect::<Vec<_>>()
    };
    assert_eq!(token_of("alice")[0]["label"], "laptop");
    assert_eq!(token_of("bob")[0]["scope"][0]["on"]["namespace"], "nyc");
    ask(&alice, &["token", "create", "--for", "bob"]).assert_clear(7);
    ask(&alice, &["token", "ls", "--all"]).assert_clear(7);

    let id = token_of("alice")[0]["id"].as_str().unwrap().to_owned();
    assert_eq!(ask(&admin, &["token", "revoke", &id]).code, Some(0));
    ask(&alice, &["whoami"]).assert_clear(7);
    let log = world.ok(&["log"]).text();
    assert!(log.contains("an admin token for admin was made"), "{log}");
    assert!(log.contains(&format!("token {id} was revoked")), "{log}");
}

/// A server that nobody has to ask is closed by the lake's first token, without a restart.
#[test]
fn the_first_token_closes_an_open_server() {
    let world = World::with_airlines();
    let server = Asking::start(&world, &[]);
    assert_eq!(world.asks(&server.url, None, &["ls"]).code, Some(0));
    let alice = world.ok(&["token", "create", "--for", "alice"]).text().trim().to_owned();
    world.asks(&server.url, None, &["ls"]).assert_clear(7);
    let who = world.asks(&server.url, Some(&alice), &["whoami"]);
    assert_eq!(who.code, Some(0), "{who}");
    let stderr = server.end(&world);
    assert!(tokens_in(&stderr).is_empty(), "an open server prints no token: {stderr}");
    // Who works on the lake itself is not asked.
    world.ok(&["ls"]);
}

#[test]
fn a_login_is_kept_for_one_server_and_for_nobody_else() {
    let world = World::with_airlines();
    let alice = world.ok(&["token", "create", "--for", "alice"]).text();
    let bob = world.ok(&["token", "create", "--for", "bob"]).text();
    let server = Asking::start(&world, &[]);
    let other = Asking::start(&world, &[]);
    world.asks(&server.url, None, &["whoami"]).assert_clear(7);
    world.login(&server.url, "").assert_clear(2);
    world.login(&server.url, "lkb_short\n").assert_clear(2);
    let wrong = alice.trim().replace("lkb_", "x");
    world.login(&server.url, &wrong).assert_clear(7);
    assert!(!world.path("home/.config/lakebed").exists(), "nothing that proves nothing is kept");

    let login = world.login(&server.url, &alice);
    assert_eq!(login.code, Some(0), "{login}");
    assert!(login.text().starts_with("you are alice, until "), "{login}");
    assert!(!login.to_string().contains("lkb_"), "{login}");
    let file = world.path("home/.config/lakebed/credentials.toml");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let who = |url: &str, token: Option<&str>| {
        let ran = world.asks(url, token, &["whoami", "--json"]);
        let who = serde_json::from_slice::<serde_json::Value>(&ran.stdout).unwrap_or_default();
        who["principal"].as_str().map(str::to_owned)
    };
    assert_eq!(who(&server.url, None).as_deref(), Some("alice"));
    assert_eq!(who(&other.url, None), None, "kept for one server");
    assert_eq!(who(&server.url, Some(bob.trim())).as_deref(), Some("bob"), "a variable is louder");
    world.write("token.txt", &bob);
    let by_file = world.asks(&other.url, None, &["whoami", "--token-file", "token.txt"]);
    assert!(by_file.text().contains("bob"), "{by_file}");
    // Never in the clear to another machine, and not from the command line.
    world.asks("http://192.0.2.1:8080", Some(bob.trim()), &["ls"]).assert_clear(4);
    world.asks(&server.url, None, &["login", alice.trim()]).assert_clear(2);

    let config = world.asks(&server.url, Some(alice.trim()), &["config", "--json"]);
    assert!(!config.to_string().contains(&alice[21..85]), "{config}");
    assert_eq!(world.asks(&server.url, None, &["logout"]).code, Some(0));
    assert_eq!(who(&server.url, None), None);
    assert!(!std::fs::read_to_string(&file).unwrap().contains("lkb_"));
}

#[test]
fn mistakes_about_people_say_what_to_do() {
    let world = World::with_airlines();
    world.tell(2, &["login"]).assert_clear(2);
    world.tell(4, &["token", "create"]).assert_clear(4);
    world.tell(2, &["token", "create", "--for", "two words"]).assert_clear(2);
    world.tell(2, &["token", "create", "--for", "alice", "--on", "nyc.airlines"]).assert_clear(2);
    world.tell(4, &["token", "create", "--for", "alice", "--days", "400"]).assert_clear(4);
    world.tell(2, &["token", "revoke", "9f2c"]).assert_clear(2);
    world.tell(3, &["token", "revoke", "9f2c61d07a5b4c3e"]).assert_clear(3);
    world.tell(4, &["serve", "--auth", "none", "--listen", "0.0.0.0:0"]).assert_clear(4);
    world.write("lakebed.toml", "[[oidc]]\nissuer = \"https://id.example\"\naudience = \"lakebed\"\nkeys = \"http://id.example/keys\"\n");
    world.tell(2, &["serve", "--listen", "127.0.0.1:0"]).assert_clear(2);
    world.write("lakebed.toml", "[[oidc]]\nissuer = \"https://id.example\"\naudience = \"lakebed\"\nkeys = \"k.json\"\nalgorithms = [\"none\"]\n");
    world.tell(2, &["serve", "--listen", "127.0.0.1:0"]).assert_clear(2);
    assert_snapshot!(world.told());
}

/// Off loopback a server asks everybody, whatever else is configured: no open lake on the network.
#[test]
fn other_machines_are_asked() {
    let world = World::with_airlines();
    let mut command = world.command(&["serve", "--listen", "0.0.0.0:0", "--json"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    let told: serde_json::Value = serde_json::from_str(&line).unwrap();
    let port = told["url"].as_str().unwrap().rsplit(':').next().unwrap().to_owned();
    let refused = world.asks(&format!("http://127.0.0.1:{port}"), None, &["ls"]);
    let _ = child.kill();
    let _ = child.wait();
    refused.assert_clear(7);
}
