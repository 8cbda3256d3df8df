//! Configuration, help, completions, logs.

use insta::assert_snapshot;

use crate::world::{LAKEBED, World};

#[test]
fn every_setting_says_where_it_comes_from() {
    let world = World::in_folder();
    world.write("lakebed.toml", "# ours\ncolor = \"never\"\nlisten = \"127.0.0.1:9000\"\n");
    world.tell(0, &["config", "--json", "--catalog", "sqlite:///x.db"]);
    assert_snapshot!(world.told());
}

#[test]
fn a_misspelt_key_is_refused_with_its_line() {
    let world = World::in_folder();
    world.write("lakebed.toml", "\nlaek = \"x\"\n");
    world.tell(2, &["ls"]).assert_clear(2);
    assert_snapshot!(world.told());
}

#[test]
fn without_a_lake_the_hint_says_how_to_name_one() {
    let world = World::in_folder();
    let mut command = world.command(&["ls"]);
    command.env_remove("LAKEBED_LAKE");
    let ran = world.finish(command, b"");
    ran.assert_clear(2);
    world.tell_of("lakebed ls", &ran);
    assert_snapshot!(world.told());
}

#[test]
fn the_help_lists_commands_references_and_exit_codes() {
    let world = World::in_folder();
    world.tell(0, &["--help"]).text();
    for command in ["ingest", "sql", "lock", "fetch", "serve"] {
        let help = world.ok(&[command, "--help"]).text();
        assert!(help.contains("Examples:"), "{help}");
    }
    assert_snapshot!(world.told());
}

#[test]
fn completions_are_made_for_every_shell() {
    let world = World::in_folder();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = world.ok(&["completions", shell]).text();
        assert!(script.contains("ingest") && script.contains("lakebed"), "{shell}");
    }
    world.refused(2, &["completions", "tcsh"]);
}

/// Datasets, and behind `@` their versions; bash replaces only what stands behind the `@`.
#[test]
fn bash_completes_references_of_the_lake() {
    let world = World::in_folder_with_airlines();
    let script = world.ok(&["completions", "bash"]).text();
    world.write("lakebed.bash", script);
    let folder = std::path::Path::new(LAKEBED).parent().unwrap();
    let path = format!("{}:{}", folder.display(), std::env::var("PATH").unwrap());
    let complete = |line: &str| {
        let ask = r#"
            source ./lakebed.bash
            COMP_LINE="$1" COMP_POINT=${#1}
            COMP_WORDS=($1) COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
            _lakebed_with_references lakebed "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}"
            printf '%s ' "${COMPREPLY[@]}"
        "#;
        let mut command = world.command_of("bash");
        command.env("PATH", &path).args(["-c", ask, "bash", line]);
        let ran = world.finish(command, b"");
        assert_eq!(ran.stderr, "", "{line}");
        String::from_utf8(ran.stdout).unwrap().trim().to_owned()
    };
    assert_eq!(complete("lakebed show nyc."), "nyc.airlines");
    assert_eq!(complete("lakebed --quiet diff nyc.airlines@v1 nyc.airlines@v"), "v2 v1");
    assert_eq!(complete("lakebed history sales."), "");
    assert!(complete("lakebed show --prof").contains("--profile"));
    assert!(complete("lakebed sho").contains("show"));
}

#[test]
fn colours_are_for_terminals_unless_asked_for() {
    let world = World::in_folder_with_airlines();
    assert!(!world.ok(&["ls"]).text().contains('\u{1b}'));
    assert!(world.ok(&["ls", "--color", "always"]).text().contains('\u{1b}'));
}

#[test]
fn logs_go_to_stderr_as_text_or_json() {
    let world = World::in_folder_with_airlines();
    let mut command = world.command(&["ls", "-vv"]);
    command.env("LAKEBED_LOG_FORMAT", "json");
    let ran = world.finish(command, b"");
    assert_eq!(ran.code, Some(0), "{ran}");
    let lines: Vec<&str> = ran.stderr.lines().collect();
    assert!(!lines.is_empty());
    for line in lines {
        serde_json::from_str::<serde_json::Value>(line).unwrap_or_else(|e| panic!("{e}: {line}"));
    }
    let mut command = world.command(&["ls"]);
    command.env("LAKEBED_LOG", "lake=bed=?");
    world.finish(command, b"").assert_clear(2);
}
