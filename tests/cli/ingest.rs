//! `weir ingest`.

use std::path::Path;
use std::sync::Arc;

use arrow_array::{Int32Array, RecordBatch};
use serde_json::json;

use crate::shard::*;
use crate::support::*;

#[test]
fn a_file_becomes_durable_rows() {
    let dir = Dir::new();
    let file = dir.file("data.arrow", &[batch(0, 4), batch(4, 3)]);
    let said = weir(["ingest", &dir.root(), SHARD, &file]).ok();
    assert_eq!(said.lines().count(), 1);
    assert!(said.starts_with(&format!("7 rows in 2 batches from 1 file are durable in shard {SHARD}: 1 entry, ")), "{said}");
    assert!(said.ends_with(", up to position 1, epoch 1\n"), "{said}");
    let rows = weir(["tail", &dir.root(), SHARD, "--rows", "--json"]).json();
    assert_eq!(rows.iter().map(|row| row["id"].as_i64().unwrap()).collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5, 6]);
}

#[test]
fn the_result_as_json() {
    let dir = Dir::new();
    let files = [dir.file("a.arrow", &[batch(0, 5)]), dir.file("b.arrow", &[batch(5, 2)])];
    let ran = weir(["ingest", &dir.root(), SHARD, &files[0], &files[1], "--durable", "--batch-rows", "2", "--json"]);
    let mut result = ran.json().remove(0);
    assert!(result["bytes"].take().as_u64().unwrap() > 0);
    let expected = json!({
        "shard": SHARD, "complete": true, "files": 2, "rows": 7, "batches": 4, "durable_rows": 7, "entries": 4, "bytes": null,
        "flushed_generations": null, "epoch": 1, "last_position": 4,
    });
    assert_eq!(result, expected);
}

#[test]
fn a_new_shard_gets_an_id() {
    let dir = Dir::new();
    let file = dir.file("data.arrow", &[batch(0, 1)]);
    let ran = weir(["ingest", &dir.url(), "new", &file, "--json"]);
    let shard = ran.json()[0]["shard"].as_str().unwrap().to_owned();
    assert_eq!(weir(["tail", &dir.url(), &shard, "--json"]).json().len(), 1);
}

#[test]
fn batches_without_rows_are_left_out() {
    let dir = Dir::new();
    let file = dir.file("data.arrow", &[batch(0, 0), batch(0, 2), batch(2, 0)]);
    assert!(weir(["ingest", &dir.root(), SHARD, &file]).ok().starts_with("2 rows in 1 batch "));
    let empty = dir.file("empty.arrow", &[batch(0, 0)]);
    let said = weir(["ingest", &dir.root(), SHARD, &empty]).ok();
    assert_eq!(said, "nothing to ingest: 1 file without rows\n");
    // Nor was the shard claimed for it.
    assert!(!dir.manifest(2).exists());
}

// PITFALLS B4: what cannot succeed claims nothing.
#[test]
fn bad_files_are_refused_before_anything_is_claimed() {
    let dir = Dir::new();
    let good = dir.file("good.arrow", &[batch(0, 2)]);
    let other = RecordBatch::try_from_iter([("id", Arc::new(Int32Array::from(vec![1])) as _)]).unwrap();
    let other = dir.file("other.arrow", &[other]);
    let cut = dir.path("cut.arrow").display().to_string();
    std::fs::write(&cut, &file_bytes(&[batch(0, 2)])[..300]).unwrap();
    let text = dir.path("text.csv").display().to_string();
    std::fs::write(&text, "a,b\n1,2\n").unwrap();
    let missing = dir.path("missing.arrow").display().to_string();
    for (file, code, what) in [
        (&other, 1, "has another schema than"),
        (&cut, 1, "no footer"),
        (&text, 1, "neither an Arrow IPC file nor an Arrow IPC stream"),
        (&missing, 4, "there is no such file"),
    ] {
        let said = weir(["ingest", &dir.root(), SHARD, &good, file]).fails(code);
        assert!(said.contains(what) && said.contains(file.as_str()), "{said}");
    }
    assert!(!Path::new(&dir.root()).exists());
}

#[test]
fn a_file_damaged_further_on_leaves_the_first_rows_durable() {
    let dir = Dir::new();
    let good = dir.file("good.arrow", &[batch(0, 3)]);
    let bytes = file_bytes(&[batch(3, 2), batch(5, 2)]);
    // The second batch's message begins with the last continuation marker but one (the end of the stream has one, too).
    let markers: Vec<_> = bytes.windows(4).enumerate().filter(|(_, four)| *four == [0xff; 4]).map(|(at, _)| at).collect();
    let second = markers[markers.len() - 2];
    let mut damaged = bytes;
    damaged[second + 8..second + 24].fill(0xee);
    let bad = dir.path("bad.arrow").display().to_string();
    std::fs::write(&bad, damaged).unwrap();
    let said = weir(["ingest", &dir.root(), SHARD, &good, &bad]).fails(1);
    assert!(said.contains("the first 5 rows are durable, the rest was not ingested") && said.contains(&bad), "{said}");
    assert_eq!(weir(["tail", &dir.root(), SHARD, "--rows", "--json"]).json().len(), 5);
}

#[test]
fn a_pipe_is_read_as_a_stream() {
    let dir = Dir::new();
    let mut tool = Running::start(["ingest", &dir.root(), SHARD, "-", "--json"]);
    let mut writer = stream_into(tool.stdin(), &batch(0, 3));
    put(&mut writer, &batch(3, 3));
    writer.finish().unwrap();
    drop(writer);
    assert_eq!(tool.end().json()[0]["durable_rows"], 6);
    let twice = weir(["ingest", &dir.root(), SHARD, "-", "-"]);
    assert_ne!(twice.code, 0);
}

/// Also while it waits for a pipe that has nothing to say.
#[test]
fn ctrl_c_says_how_many_rows_are_durable() {
    let dir = Dir::new();
    let mut tool = Running::start(["ingest", &dir.root(), SHARD, "-", "--durable", "--json"]);
    let mut writer = stream_into(tool.stdin(), &batch(0, 3));
    put(&mut writer, &batch(3, 2));
    // When both entries are there, it waits for the third batch.
    until("the shard is there", || dir.shard_dir().exists());
    let mut follower = Running::start(["tail", &dir.root(), SHARD, "--json", "--follow"]);
    follower.line();
    follower.line();
    tool.interrupt();
    let ran = tool.end();
    let result = ran.json().remove(0);
    assert_eq!((&result["complete"], &result["durable_rows"], &result["last_position"]), (&json!(false), &json!(5), &json!(2)));
    assert_eq!(ran.fails(130), "weir: interrupted: the first 5 rows are durable, the rest was not ingested");
    drop(writer);
}

#[test]
fn a_fenced_ingest_says_so() {
    let dir = Dir::new();
    let mut tool = Running::start(["ingest", &dir.root(), SHARD, "-", "--durable"]);
    let mut writer = stream_into(tool.stdin(), &batch(0, 3));
    until("the first entry is there", || dir.entry(1).exists());
    let file = dir.file("other.arrow", &[batch(10, 1)]);
    weir(["ingest", &dir.root(), SHARD, &file]).ok();
    put(&mut writer, &batch(3, 2));
    let said = tool.end().fails(5);
    assert!(said.contains("the first 3 rows are durable") && said.contains("fenced by epoch 2"), "{said}");
    drop(writer);
}

#[test]
fn rows_with_a_key_replace_earlier_ones() {
    let dir = Dir::new();
    let first = dir.file("first.arrow", &[batch(0, 4)]);
    let said = weir(["ingest", &dir.root(), SHARD, &first, "--key", "id"]).ok();
    assert!(said.ends_with(", epoch 1, flushed to 1 generation\n"), "{said}");
    let second = dir.file("second.arrow", &[saying(2, 3, "newer")]);
    let result = weir(["ingest", &dir.root(), SHARD, &second, "--key", "id", "--json"]).json().remove(0);
    assert_eq!((&result["durable_rows"], &result["flushed_generations"]), (&json!(3), &json!(1)));
    assert_eq!(scanned_ids(&dir, &[]), [0, 1, 2, 3, 4]);
    assert_eq!(scanned_ids(&dir, &["--where", "text = newer"]), [2, 3, 4]);
    // Another key is refused before anything is claimed.
    let before = dir.manifest_now();
    let said = weir(["ingest", &dir.root(), SHARD, &second, "--key", "text"]).fails(1);
    assert!(said.contains("the primary key was (id)") && said.contains("generation 1"), "{said}");
    assert!(weir(["ingest", &dir.root(), SHARD, &second, "--key", "nothing"]).fails(2).contains("nothing"));
    assert_eq!(dir.manifest_now(), before);
}

#[test]
fn rows_without_a_key_are_all_kept() {
    let dir = Dir::new();
    let file = dir.file("data.arrow", &[batch(0, 3), batch(1, 2)]);
    let result = weir(["ingest", &dir.root(), SHARD, &file, "--memtable", "--json"]).json().remove(0);
    assert_eq!(result["flushed_generations"], 1);
    assert_eq!(scanned_ids(&dir, &["--no-wal"]), [0, 1, 2, 1, 2]);
}

#[cfg(feature = "zstd")]
#[test]
fn entries_can_be_compressed() {
    let dir = Dir::new();
    let file = dir.file("data.arrow", &[batch(0, 5000)]);
    let size = |shard: &str, compression: &str| {
        let ran = weir(["ingest", &dir.root(), shard, &file, "--compression", compression, "--json"]);
        ran.json()[0]["bytes"].as_u64().unwrap()
    };
    assert!(size(SHARD, "zstd") < size("new", "none") / 2);
    assert_eq!(weir(["tail", &dir.root(), SHARD, "--rows", "--json"]).json().len(), 5000);
}

#[test]
fn the_data_of_the_examples() {
    let file = format!("{}/examples/data/flights.arrow", env!("CARGO_MANIFEST_DIR"));
    // Packages leave the data out.
    if !Path::new(&file).exists() {
        return;
    }
    let dir = Dir::new();
    assert!(weir(["ingest", &dir.root(), SHARD, &file]).ok().starts_with("4000 rows in 16 batches from 1 file are durable"));
    let rows = weir(["tail", &dir.root(), SHARD, "--rows", "--json"]).json();
    assert_eq!(rows.len(), 4000);
    assert_eq!(rows.iter().filter(|row| row["cancelled"] == true).count(), 964);
    assert_eq!(rows.iter().filter(|row| row["tail_number"].is_null()).count(), 364);
}
