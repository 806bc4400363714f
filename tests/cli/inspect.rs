//! `weir inspect`.

use serde_json::json;

use crate::support::*;

#[test]
fn the_shards_of_a_root() {
    let dir = Dir::two_epochs();
    let file = dir.path("first.arrow").display().to_string();
    let other = "00000000-0000-4000-8000-000000000009";
    weir(["ingest", &dir.root(), other, &file]).ok();
    std::fs::create_dir(dir.shard_dir().parent().unwrap().join("not-a-shard")).unwrap();
    let text = weir(["inspect", &dir.root()]).ok();
    let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0], ["shard", "status", "epoch", "version", "first", "next", "entries", "bytes", "generations"]);
    assert_eq!(lines[1][..7], [other, "active", "1", "1", "1", "2", "1"]);
    assert_eq!(lines[2][..7], [SHARD, "active", "2", "2", "1", "6", "5"]);
    assert_eq!(lines.len(), 3);
    let ran = weir(["inspect", &dir.root(), "--json"]).json();
    assert_eq!(ran.len(), 1);
    assert_eq!(ran[0]["root"], dir.url());
    let expected = json!({
        "shard": other, "status": "active", "epoch": 1, "manifest_version": 1, "first_position": 1, "next_position": 2,
        "entries": 1, "missing_entries": 0, "bytes": std::fs::metadata(dir.entry(1)).unwrap().len(), "generation_count": 0, "error": null,
    });
    assert_eq!(ran[0]["shards"][0], expected);
}

#[test]
fn one_shard_as_json() {
    let id = "00000000-0000-4000-8000-000000000002";
    let mut shard = weir(["inspect", &lance("fenced"), id, "--json"]).json().remove(0);
    // Times are those of the checkout.
    for claim in shard["epochs"].as_array_mut().unwrap() {
        assert!(claim["written_ms"].take().is_u64());
    }
    assert!(shard["first_written_ms"].take().is_u64() && shard["last_written_ms"].take().is_u64());
    let expected = json!({
        "root": format!("file://{}", lance("fenced")), "shard": id, "status": "active", "epoch": 2, "manifest_version": 2,
        "first_position": 1, "next_position": 6, "entries": 5, "missing_entries": 0, "bytes": 6696, "generation_count": 0, "error": null,
        "replay_after": 0, "last_seen": 0, "current_generation": 1, "shard_spec_id": 0,
        "manifest_versions": 2, "oldest_manifest_version": 1, "first_written_ms": null, "last_written_ms": null,
        "epochs": [
            {"epoch": 1, "manifest_version": 1, "written_ms": null},
            {"epoch": 2, "manifest_version": 2, "written_ms": null},
        ],
        "covered_entries": 0, "covered_bytes": 0, "generations": [], "orphans": [], "fields": [],
    });
    assert_eq!(shard, expected);
}

#[test]
fn one_shard_as_text() {
    let text = weir(["inspect", &lance("wal-only"), "00000000-0000-4000-8000-000000000001"]).ok();
    let line = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).map(str::trim).map(str::to_owned);
    for (name, value) in [
        ("shard", "00000000-0000-4000-8000-000000000001"),
        ("status", "active"),
        ("epoch", "1"),
        ("manifest", "version 1 (versions from 1 on are kept)"),
        ("first", "1"),
        ("next", "6"),
        ("entries", "5"),
        ("size", "5672 bytes"),
    ] {
        assert_eq!(line(name).as_deref(), Some(value), "{text}");
    }
}

#[test]
fn holes_are_counted() {
    let dir = Dir::two_epochs();
    std::fs::remove_file(dir.entry(3)).unwrap();
    let shard = weir(["inspect", &dir.root(), SHARD, "--json"]).json().remove(0);
    assert_eq!((&shard["entries"], &shard["missing_entries"]), (&json!(4), &json!(1)));
}

#[test]
fn a_damaged_manifest_does_not_hide_the_other_shards() {
    let dir = Dir::two_epochs();
    let file = dir.path("first.arrow").display().to_string();
    weir(["ingest", &dir.root(), "new", &file]).ok();
    std::fs::write(dir.manifest(2), "not a manifest").unwrap();
    let ran = weir(["inspect", &dir.root(), "--json"]);
    let shards = ran.json()[0]["shards"].clone();
    let (bad, good): (Vec<_>, Vec<_>) = shards.as_array().unwrap().iter().partition(|shard| shard["shard"] == SHARD);
    assert_eq!((bad.len(), good.len()), (1, 1));
    assert_eq!((&bad[0]["status"], &bad[0]["epoch"]), (&json!("unreadable"), &json!(null)));
    assert!(bad[0]["error"].as_str().unwrap().contains("not a shard manifest"));
    assert_eq!((&good[0]["status"], &good[0]["error"]), (&json!("active"), &json!(null)));
    assert!(ran.fails(1).contains("not a shard manifest"));
    let one = weir(["inspect", &dir.root(), SHARD]);
    assert!(one.stdout.contains("unreadable"));
    one.fails(1);
}
