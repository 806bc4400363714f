//! What users of Unix tools expect of any.

use std::process::{Command, Stdio};

use crate::support::*;

#[test]
fn help_and_version() {
    assert_eq!(weir(["--version"]).ok(), format!("weir {}\n", env!("CARGO_PKG_VERSION")));
    let help = weir(["--help"]).ok();
    for word in ["Examples:", "ingest", "tail", "scan", "get", "compact", "inspect", "verify", "trim", "seal", "unseal", "Exit codes:"] {
        assert!(help.contains(word), "{word}");
    }
    for command in ["ingest", "tail", "scan", "get", "compact", "inspect", "verify", "trim", "seal", "unseal"] {
        let help = weir([command, "--help"]).ok();
        assert!(help.contains("Usage: weir ") && !help.contains('\x1b'), "{help}");
    }
}

#[test]
fn wrong_usage_is_2() {
    let dir = Dir::two_epochs();
    let root = dir.root();
    for args in [
        &["tial"] as &[&str],
        &["tail"],
        &["tail", &root, SHARD, "--rows", "--out", "x"],
        &["tail", &root, "not-a-uuid"],
        &["tail", &root, SHARD, "--store", "novalue"],
        &["tail", &root, SHARD, "--store", "no_such_setting=1"],
        &["tail", "s3:/bucket", SHARD],
        &["tail", "ftp://host/path", SHARD],
        &["ingest", &root, SHARD],
        &["ingest", &root, SHARD, "x", "--batch-rows", "0"],
        &["trim", &root, SHARD],
        &["get", &root, SHARD],
        &["scan", &root, SHARD, "--where", "id"],
        &["scan", &root, SHARD, "--memory", "x"],
        &["compact", &root],
    ] {
        let ran = weir(args);
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{args:?}: {}", ran.stderr);
        assert!(!ran.stderr.is_empty() && !ran.stderr.contains('\x1b'), "{}", ran.stderr);
    }
}

#[test]
fn what_is_not_there_is_4_and_is_not_made() {
    let dir = Dir::new();
    let missing = dir.root();
    let empty = dir.path("empty");
    std::fs::create_dir(&empty).unwrap();
    let before = tree(&dir.path(""));
    for command in [
        &["inspect"] as &[&str],
        &["tail"],
        &["tail", "--follow"],
        &["scan"],
        &["get", "--columns=x"],
        &["compact", "--yes"],
        &["verify"],
        &["seal"],
        &["unseal"],
        &["trim", "--up-to", "1"],
    ] {
        let shard: &[&str] = match command[0] {
            "inspect" => &[],
            "get" => &[SHARD, "5"],
            _ => &[SHARD],
        };
        let said = weir([command, &[&missing], shard].concat()).fails(4);
        assert_eq!(said, format!("weir: the root {} does not exist", dir.url()));
        if !command.contains(&"--follow") {
            let said = weir([command, &[empty.to_str().unwrap()], shard].concat()).fails(4);
            assert!(said.contains(empty.to_str().unwrap()), "{said}");
        }
    }
    assert_eq!(tree(&dir.path("")), before);
    let file = dir.file("file", &[batch(0, 1)]);
    assert!(weir(["inspect", &file]).fails(2).contains("is not a directory"));
}

#[test]
fn settings_reach_the_store() {
    let dir = Dir::two_epochs();
    weir(["inspect", &dir.root(), "--store", "weir_simulated_latency_ms=1"]).ok();
    weir(["--store", "weir_fsync=false", "inspect", &dir.root()]).ok();
    assert!(weir(["inspect", &dir.root(), "--store", "weir_fsync=maybe"]).fails(2).contains("weir_fsync"));
}

#[test]
fn a_closed_pipe_ends_it_quietly() {
    let dir = Dir::new();
    // Far more than a pipe holds.
    let file = dir.file("data.arrow", &[batch(0, 20_000)]);
    weir(["ingest", &dir.root(), SHARD, &file, "--durable", "--batch-rows", "2000"]).ok();
    for args in [
        &["tail", "--rows", "--json"] as &[&str],
        &["tail", "--rows"],
        &["tail", "--out", "-"],
        &["scan", "--json"],
        &["scan", "--out", "-"],
    ] {
        let ran = Running::start([args, &[&dir.root(), SHARD]].concat()).end_unread();
        assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{args:?}");
    }
    let mut tool = Running::start(["tail", &dir.root(), SHARD, "--rows", "--json"]);
    assert!(tool.line().contains("\"id\":0"));
    let ran = tool.end_unread();
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
}

/// It need not have anything to write to notice.
#[test]
fn a_closed_pipe_ends_waiting() {
    let dir = Dir::two_epochs();
    let mut tool = Running::start(["tail", &dir.root(), SHARD, "--follow", "--from", "5"]);
    tool.line();
    tool.line();
    let ran = tool.end_unread();
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
}

#[cfg(target_os = "linux")]
#[test]
fn output_that_cannot_be_written_is_an_error() {
    let dir = Dir::two_epochs();
    for args in [
        &["tail", &dir.root(), SHARD] as &[&str],
        &["inspect", &dir.root()],
        &["verify", &dir.root(), SHARD],
        &["tail", &dir.root(), SHARD, "--out", "-"],
        &["scan", &dir.root(), SHARD],
        &["scan", &dir.root(), SHARD, "--json"],
        &["scan", &dir.root(), SHARD, "--out", "-"],
        &["get", &dir.root(), SHARD, "5", "--key", "id"],
        &["compact", &dir.root(), SHARD],
    ] {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let mut command = command(args);
        let output = command.stdout(Stdio::from(full)).stderr(Stdio::piped()).spawn().unwrap().wait_with_output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{args:?}: {said}");
        assert!(said.starts_with("weir: standard output cannot be written: ") && said.lines().count() == 1, "{said}");
    }
}

/// On a terminal there is a bar, and no more than that: no colours, and the result still goes to standard output.
#[test]
fn a_progress_bar_on_a_terminal_only() {
    let dir = Dir::new();
    let file = dir.file("data.arrow", &[batch(0, 1000)]);
    let plain = weir(["ingest", &dir.root(), SHARD, &file]);
    assert_eq!(plain.stderr, "");
    let tool = env!("CARGO_BIN_EXE_weir");
    let shell = format!("'{tool}' ingest '{}' {SHARD} '{file}' > '{}'", dir.root(), dir.path("out").display());
    let on_terminal = |vars: &[(&str, &str)]| {
        let mut script = Command::new("script");
        script.args(["-qec", &shell, "/dev/null"]).env("TERM", "xterm").env_remove("NO_COLOR").stdin(Stdio::null());
        script.envs(vars.iter().copied()).output().ok().filter(|output| output.status.success())
    };
    // Not every system has `script`.
    let Some(output) = on_terminal(&[]) else { return };
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(shown.contains("durable") || shown.contains('['), "{shown:?}");
    assert!(!shown.contains("\x1b[3") && !shown.contains("\x1b[1m"), "{shown:?}");
    assert!(std::fs::read_to_string(dir.path("out")).unwrap().starts_with("1000 rows in 1 batch "));
    let dumb = on_terminal(&[("TERM", "dumb")]).unwrap();
    assert!(dumb.stdout.is_empty(), "{:?}", String::from_utf8_lossy(&dumb.stdout));
}

/// docs/cli.md names every field of every command's JSON.
#[test]
fn every_field_is_documented() {
    fn fields(value: &serde_json::Value, found: &mut Vec<String>) {
        match value {
            serde_json::Value::Object(map) => map.iter().for_each(|(name, value)| {
                found.push(name.clone());
                fields(value, found);
            }),
            serde_json::Value::Array(values) => values.iter().for_each(|value| fields(value, found)),
            _ => {}
        }
    }
    let docs = std::fs::read_to_string(format!("{}/docs/cli.md", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let dir = Dir::two_epochs();
    flip(&dir.entry(1));
    let file = dir.path("first.arrow").display().to_string();
    let root = dir.root();
    // Damaged entries cannot be trimmed: what they hold is not known.
    let whole = Dir::two_epochs();
    let whole = whole.root();
    let tables = Dir::generations();
    weir(["compact", &tables.root(), SHARD, "--yes"]).ok();
    let tables = tables.root();
    for args in [
        &["ingest", &root, SHARD, &file] as &[&str],
        &["tail", &root, SHARD, "--from", "2"],
        &["inspect", &root],
        &["inspect", &root, SHARD],
        &["inspect", &tables, SHARD],
        &["verify", &root, SHARD],
        &["verify", &tables, SHARD],
        &["get", &tables, SHARD, "99"],
        &["compact", &tables, SHARD],
        &["trim", &whole, SHARD, "--up-to", "2"],
        &["seal", &root, SHARD],
        &["unseal", &root, SHARD],
    ] {
        let mut found = Vec::new();
        weir([args, &["--json"]].concat()).json().iter().for_each(|value| fields(value, &mut found));
        assert!(!found.is_empty(), "{args:?}");
        let section = docs.split("\n### ").find(|section| section.contains(&format!("`weir {} ", args[0])) && section.starts_with('`'));
        let section = section.unwrap_or_else(|| panic!("no section on {}", args[0]));
        for name in found {
            assert!(section.contains(&format!("`{name}`")), "{}: {name}", args[0]);
        }
    }
}
