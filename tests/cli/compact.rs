//! `weir compact`.

use serde_json::{Value, json};

use crate::shard::*;
use crate::support::*;

fn compact(dir: &Dir, args: &[&str]) -> Value {
    let ran = weir([&["compact", &dir.root(), SHARD, "--json"], args].concat());
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{args:?}");
    ran.json().remove(0)
}

/// A shard with `count` generations of two rows each.
fn generations(count: i64) -> Dir {
    let dir = Dir::new();
    let writer = dir.writer(batch(0, 1).schema_ref(), &["id"]);
    for n in 0..count {
        writer.put(&saying(n, 2, &format!("put {n}")), None).unwrap();
        flush(&writer);
    }
    writer.close(None).unwrap();
    dir
}

#[test]
fn generations_become_one() {
    let dir = Dir::generations();
    let rows = |args: &[&str]| weir([&["scan", &dir.root(), SHARD, "--json"], args].concat()).ok();
    let (before, manifest) = (rows(&[]), dir.manifest_now());
    // Nothing is done before it is allowed.
    let said = weir(["compact", &dir.root(), SHARD]).fails(2);
    assert!(said.contains("fences the writer of epoch 1") && said.contains("--yes") && said.contains("--dry-run"), "{said}");
    let mut planned = compact(&dir, &["--dry-run"]);
    let bytes = planned["bytes_before"].take().as_u64().unwrap();
    let expected = json!({
        "shard": SHARD, "dry_run": true, "merges": 1, "merged_generations": 2, "generations_before": 2, "generations": 1,
        "bytes_before": null, "bytes": null, "epoch": null, "manifest_version": manifest.version,
        "swept_directories": 0, "swept_objects": 0, "swept_bytes": 0,
    });
    assert_eq!(planned, expected);
    assert_eq!(dir.manifest_now(), manifest);
    let mut done = compact(&dir, &["--yes"]);
    assert!(done["bytes"].take().as_u64().unwrap() < bytes);
    assert_eq!(done["bytes_before"].take(), bytes);
    let expected = json!({
        "shard": SHARD, "dry_run": false, "merges": 1, "merged_generations": 2, "generations_before": 2, "generations": 1,
        "bytes_before": null, "bytes": null, "epoch": 2, "manifest_version": dir.manifest_now().version,
        "swept_directories": 0, "swept_objects": 0, "swept_bytes": 0,
    });
    assert_eq!(done, expected);
    assert_eq!(rows(&[]), before);
    // Nothing is older than what was deleted, so the deletions are gone.
    let shard = weir(["inspect", &dir.root(), SHARD, "--json"]).json().remove(0);
    assert_eq!((&shard["generations"][0]["rows"], &shard["generations"][0]["tombstones"]), (&json!(8), &json!(0)));
    assert_eq!(weir(["verify", &dir.root(), SHARD]).code, 0);
}

#[test]
fn what_was_replaced_stays_until_it_is_old() {
    let dir = generations(3);
    let old = dir.published();
    assert_eq!(compact(&dir, &["--yes"])["swept_directories"], 0);
    assert!(old.iter().all(|path| path.exists()));
    // A claim is a manifest behind all that was written before.
    let file = dir.file("more.arrow", &[batch(50, 1)]);
    weir(["ingest", &dir.root(), SHARD, &file]).ok();
    let claimed = dir.manifest_now();
    let planned = compact(&dir, &["--age", "0", "--dry-run"]);
    assert_eq!((&planned["merges"], &planned["swept_directories"], &planned["swept_objects"]), (&json!(0), &json!(3), &json!(6)));
    assert!(old.iter().all(|path| path.exists()));
    // To remove them needs no claim.
    let said = weir(["compact", &dir.root(), SHARD, "--age", "0"]).ok();
    assert!(said.starts_with(&format!("nothing is worth merging: shard {SHARD} has 1 generation (")), "{said}");
    assert!(said.contains("; 3 old directories removed ("), "{said}");
    assert!(old.iter().all(|path| !path.exists()));
    assert_eq!(dir.manifest_now(), claimed);
    assert_eq!(scanned_ids(&dir, &[]).len(), 5);
}

#[test]
fn options() {
    let dir = generations(5);
    for args in [&["--min-generations", "6"] as &[&str], &["--max-bytes", "1kB"]] {
        let nothing = compact(&dir, args);
        assert_eq!((&nothing["merges"], &nothing["epoch"], &nothing["generations"]), (&json!(0), &json!(null), &json!(5)), "{args:?}");
    }
    let said = weir(["compact", &dir.root(), SHARD, "--dry-run"]).ok();
    assert!(said.starts_with("5 of 5 generations (") && said.ends_with(" would be merged in 1 step, which leaves 1\n"), "{said}");
    let dir = Dir::generations();
    assert_eq!(compact(&dir, &["--yes", "--keep-tombstones"])["merges"], 1);
    let shard = weir(["inspect", &dir.root(), SHARD, "--json"]).json().remove(0);
    assert_eq!((&shard["generations"][0]["rows"], &shard["generations"][0]["tombstones"]), (&json!(10), &json!(2)));
    for args in [&["--min-generations", "1"] as &[&str], &["--max-bytes", "lots"], &["--age", "1"]] {
        assert_eq!(weir([&["compact", &dir.root(), SHARD], args].concat()).code, 2, "{args:?}");
    }
}

// PITFALLS B1: it is as good a claim as a writer's.
#[test]
fn a_running_writer_is_fenced() {
    let dir = generations(2);
    let mut writer = Running::start(["ingest", &dir.root(), SHARD, "-", "--key", "id", "--durable"]);
    let mut stream = stream_into(writer.stdin(), &batch(20, 3));
    until("its entry is there", || weir(["get", &dir.root(), SHARD, "22"]).code == 0);
    assert_eq!(compact(&dir, &["--yes"])["epoch"], 3);
    put(&mut stream, &batch(23, 2));
    let said = writer.end().fails(5);
    assert!(said.contains("the first 3 rows are durable") && said.contains("fenced by epoch 3"), "{said}");
    assert_eq!(scanned_ids(&dir, &[]), [0, 1, 2, 20, 21, 22]);
    drop(stream);
}

#[test]
fn a_sealed_shard_is_not_merged() {
    let dir = generations(2);
    weir(["seal", &dir.root(), SHARD]).ok();
    let sealed = dir.manifest_now();
    assert!(weir(["compact", &dir.root(), SHARD, "--yes"]).fails(6).contains("is sealed"));
    assert_eq!(dir.manifest_now(), sealed);
}

#[test]
fn a_shard_without_generations_has_nothing_to_merge() {
    let dir = Dir::two_epochs();
    let said = weir(["compact", &dir.root(), SHARD]).ok();
    assert_eq!(said, format!("nothing is worth merging: shard {SHARD} has 0 generations (0 bytes)\n"));
}

/// It is not merged with others, and nothing is claimed.
#[test]
fn a_damaged_generation_is_an_error() {
    let dir = generations(2);
    let before = dir.manifest_now();
    flip(&dir.published()[1].join("index.weir"));
    let said = weir(["compact", &dir.root(), SHARD, "--yes"]).fails(1);
    assert!(said.contains("index.weir"), "{said}");
    assert_eq!(dir.manifest_now().sstables, before.sstables);
}
