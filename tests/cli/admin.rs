//! `weir trim`, `weir seal`, `weir unseal`.

use serde_json::json;

use crate::support::*;

#[test]
fn trimming_removes_the_oldest_entries() {
    let dir = Dir::two_epochs();
    let trim = |more: &[&str]| weir([&["trim", &dir.root(), SHARD, "--json", "--up-to", "3"], more].concat()).json().remove(0);
    let size: u64 = (1..=3).map(|position| std::fs::metadata(dir.entry(position)).unwrap().len()).sum();
    let result = |dry_run: bool, entries: u64, bytes: u64, first: u64| json!({"shard": SHARD, "dry_run": dry_run, "entries": entries, "bytes": bytes, "manifests": 0, "first_position": first});
    // PITFALLS D6: what is young stays, unless told otherwise.
    assert_eq!(trim(&[]), result(false, 0, 0, 1));
    assert_eq!(trim(&["--age", "0s", "--dry-run"]), result(true, 3, size, 4));
    assert!(dir.entry(1).exists());
    assert_eq!(trim(&["--age", "0s"]), result(false, 3, size, 4));
    assert_eq!((dir.entry(3).exists(), dir.entry(4).exists()), (false, true));
    // The newest stays, whatever one asks for.
    let said = weir(["trim", &dir.root(), SHARD, "--up-to", "99", "--age", "0"]).ok();
    assert!(said.starts_with("removed 1 entry (") && said.ends_with("; the oldest position is 5\n"), "{said}");
}

#[test]
fn an_age_has_a_unit() {
    let dir = Dir::two_epochs();
    let ran = weir(["trim", &dir.root(), SHARD, "--up-to", "1", "--age", "24"]);
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("24h"), "{}", ran.stderr);
}

#[test]
fn a_sealed_shard_refuses_writers_until_it_is_unsealed() {
    let dir = Dir::two_epochs();
    let file = dir.path("first.arrow").display().to_string();
    let result = |status: &str, changed: bool, version: u64| json!({"shard": SHARD, "status": status, "changed": changed, "epoch": 3, "manifest_version": version});
    let run = |command: &str| weir([command, &dir.root(), SHARD, "--json"]).json().remove(0);
    assert_eq!(run("seal"), result("sealed", true, 3));
    assert_eq!(run("seal"), result("sealed", false, 3));
    let said = weir(["ingest", &dir.root(), SHARD, &file]).fails(6);
    assert!(said.contains("is sealed") && said.contains("weir unseal"), "{said}");
    assert_eq!(weir(["inspect", &dir.root(), SHARD, "--json"]).json()[0]["status"], "sealed");
    assert_eq!(run("unseal"), result("active", true, 4));
    assert_eq!(run("unseal"), result("active", false, 4));
    weir(["ingest", &dir.root(), SHARD, &file]).ok();
    assert_eq!(weir(["verify", &dir.root(), SHARD]).code, 0);
}

// PITFALLS B1: the writer that holds the shard learns of it with its next append, which would otherwise be acknowledged.
#[test]
fn sealing_fences_the_writer_that_holds_the_shard() {
    let dir = Dir::new();
    let mut writer = Running::start(["ingest", &dir.root(), SHARD, "-", "--durable"]);
    let mut stream = stream_into(writer.stdin(), &batch(0, 3));
    until("the first entry is there", || dir.entry(1).exists());
    weir(["seal", &dir.root(), SHARD]).ok();
    put(&mut stream, &batch(3, 2));
    let said = writer.end().fails(5);
    assert!(said.contains("the first 3 rows are durable") && said.contains("fenced by epoch 2"), "{said}");
    // A seal that got no further than the manifest is completed by the next.
    std::fs::remove_file(dir.entry(2)).unwrap();
    for _ in 0..2 {
        assert_eq!(weir(["seal", &dir.root(), SHARD, "--json"]).json()[0]["changed"], false);
        let entries = weir(["tail", &dir.root(), SHARD, "--json"]).json();
        assert_eq!(entries.len(), 2);
        assert_eq!((&entries[1]["sentinel"], &entries[1]["epoch"]), (&json!(true), &json!(2)));
    }
}
