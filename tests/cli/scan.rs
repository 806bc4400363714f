//! `weir scan`.

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_ipc::reader::{FileReader, StreamReader};
use serde_json::json;

use crate::shard::*;
use crate::support::*;

#[test]
fn the_newest_version_of_each_row() {
    let dir = Dir::generations();
    let rows = weir(["scan", &dir.root(), SHARD, "--json"]).json();
    // In the order in which these versions were put; generations, and the log behind them.
    assert_eq!(scanned_ids(&dir, &[]), [2, 3, 4, 8, 5, 6, 7, 10, 11]);
    assert_eq!(rows[1], json!({"id": 3, "text": "row 3", "at": "1970-01-01T00:00:03Z"}));
    assert_eq!(rows[4], json!({"id": 5, "text": "new", "at": "1970-01-01T00:00:05Z"}));
    assert_eq!(rows[0]["text"], json!(null));
    assert_eq!(scanned_ids(&dir, &["--no-wal"]), [2, 3, 4, 8, 9, 5, 6, 7]);
}

#[test]
fn a_table_with_the_columns_that_are_wanted() {
    let dir = Dir::generations();
    let text = weir(["scan", &dir.root(), SHARD, "--columns", "text,id", "--limit", "2"]).ok();
    let expected = "+-------+----+\n| text  | id |\n+-------+----+\n| null  | 2  |\n| row 3 | 3  |\n+-------+----+\n";
    assert_eq!(text, expected);
    let none = weir(["scan", &dir.root(), SHARD, "--columns", "id", "--where", "id > 99"]).ok();
    assert_eq!(none, "+----+\n| id |\n+----+\n+----+\n");
    assert_eq!(weir(["scan", &dir.root(), SHARD, "--json", "--where", "id > 99"]).ok(), "");
    let said = weir(["scan", &dir.root(), SHARD, "--columns", "id,nothing"]).fails(2);
    assert!(said.contains("nothing"), "{said}");
}

// PITFALLS I2: a condition is one on the newest version, whichever way it is decided.
#[test]
fn conditions() {
    let dir = Dir::generations();
    let cases: [(&[&str], &[i64]); 11] = [
        (&["id >= 5"], &[8, 5, 6, 7, 10, 11]),
        (&["id >= 5", "id < 8", "text != x"], &[5, 6, 7]),
        (&["text = row 5"], &[]),
        (&["text = 'row 3'"], &[3]),
        (&["id = 9"], &[]),
        (&["id=10"], &[10]),
        (&["id != 10", "id > 8"], &[11]),
        (&["text is null"], &[2, 8, 11]),
        (&["text IS NOT NULL", "id <= 4"], &[3, 4]),
        (&["at < 1970-01-01T00:00:04"], &[2, 3]),
        (&["at <= 1970-01-01T01:00:04+01:00"], &[2, 3, 4]),
    ];
    for (conditions, expected) in cases {
        let args: Vec<&str> = conditions.iter().flat_map(|condition| ["--where", *condition]).collect();
        assert_eq!(scanned_ids(&dir, &args), expected, "{conditions:?}");
    }
}

#[test]
fn conditions_that_cannot_be() {
    let dir = Dir::generations();
    for (condition, why) in [
        ("nothing = 5", "there is no column 'nothing'; there are id, text, at"),
        ("id = five", "\"five\" is not a value of column 'id', which is Int64"),
        ("at > yesterday", "\"yesterday\" is not a value of column 'at'"),
        ("id ~ 5", "does not begin with an operator"),
        ("id = null", "is null"),
    ] {
        let ran = weir(["scan", &dir.root(), SHARD, "--where", condition]);
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{condition}");
        assert!(ran.stderr.contains(why), "{condition}: {}", ran.stderr);
    }
}

#[test]
fn positions_generations_and_deletions() {
    let dir = Dir::generations();
    let args = ["scan", &dir.root(), SHARD, "--json", "--columns", "id", "--position", "--generation", "--tombstones"];
    let rows = weir(args).json();
    let row = |id: i64, tombstone: bool, generation: u64, position: u64| json!({"id": id, "_tombstone": tombstone, "_generation": generation, "_position": position});
    assert_eq!(rows[0], row(2, false, 1, 2));
    assert_eq!(rows[4..9], [row(5, false, 2, 0), row(6, false, 2, 1), row(7, false, 2, 2), row(0, true, 2, 3), row(1, true, 2, 4)]);
    assert_eq!(rows[9..], [row(10, false, 3, 0), row(11, false, 3, 1), row(9, true, 3, 2)]);
}

#[test]
fn arrow_files_and_streams() {
    let dir = Dir::generations();
    let file = dir.path("out.arrow");
    let ran = weir(["scan", &dir.root(), SHARD, "--out", file.to_str().unwrap(), "--columns", "id"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, ""));
    // What a tailer goes on from.
    let said: Vec<_> = ran.stderr.lines().collect();
    assert_eq!(said[0], format!("weir: 9 rows written to {}", file.display()));
    assert_eq!(said[1], "weir: they are of the log up to position 5: `weir tail --from 6` goes on");
    assert!(!dir.entry(6).exists() && dir.entry(5).exists());
    let reader = FileReader::try_new(std::fs::File::open(&file).unwrap(), None).unwrap();
    let ids = |batch: &arrow_array::RecordBatch| batch["id"].as_primitive::<Int64Type>().values().to_vec();
    let read: Vec<i64> = reader.flat_map(|batch| ids(&batch.unwrap())).collect();
    assert_eq!(read, [2, 3, 4, 8, 5, 6, 7, 10, 11]);

    let output = command(["scan", &dir.root(), SHARD, "--out", "-", "--limit", "0"]).output().unwrap();
    let reader = StreamReader::try_new(&output.stdout[..], None).unwrap();
    assert_eq!(reader.schema().fields().len(), 3);
    assert_eq!(reader.count(), 0);
    let said = weir(["scan", &dir.root(), SHARD, "--out", "/nonexistent/x.arrow"]).fails(4);
    assert!(said.contains("/nonexistent/x.arrow"), "{said}");
}

/// A shard that only ever had a log, and one that Lance wrote: without a key every row counts.
#[test]
fn every_row_of_a_log() {
    let dir = Dir::two_epochs();
    assert_eq!(scanned_ids(&dir, &[]), (0..10).collect::<Vec<_>>());
    // Read with a key, later rows are newer versions.
    let again = dir.file("again.arrow", &[saying(2, 2, "again")]);
    weir(["ingest", &dir.root(), SHARD, &again]).ok();
    assert_eq!(scanned_ids(&dir, &[]).len(), 12);
    assert_eq!(scanned_ids(&dir, &["--key", "id"]), [0, 1, 4, 5, 6, 7, 8, 9, 2, 3]);
    let rows = weir(["scan", &lance("memtable"), "00000000-0000-4000-8000-000000000003", "--json"]).json();
    assert_eq!(rows.len(), 20);
    for args in [&["--key", "nothing"] as &[&str], &["--key", ""]] {
        let ran = weir([&["scan", &dir.root(), SHARD], args].concat());
        assert_eq!(ran.code, 2, "{}", ran.stderr);
    }
}

#[test]
fn a_writer_goes_on_undisturbed() {
    let dir = Dir::new();
    let mut writer = Running::start(["ingest", &dir.root(), SHARD, "-", "--key", "id", "--durable", "--json"]);
    let mut stream = stream_into(writer.stdin(), &batch(0, 3));
    until("the first entry is there", || dir.entry(1).exists());
    let before = tree(&dir.path(""));
    assert_eq!(scanned_ids(&dir, &[]), [0, 1, 2]);
    assert_eq!(tree(&dir.path("")), before);
    put(&mut stream, &saying(1, 3, "more"));
    until("the second entry is there", || dir.entry(2).exists());
    assert_eq!(scanned_ids(&dir, &[]), [0, 1, 2, 3]);
    stream.finish().unwrap();
    drop(stream);
    let result = writer.end().json().remove(0);
    assert_eq!((&result["durable_rows"], &result["flushed_generations"]), (&json!(6), &json!(1)));
    assert_eq!(scanned_ids(&dir, &["--where", "text = more"]), [1, 2, 3]);
}

#[test]
fn a_tail_that_is_too_large_says_what_helps() {
    let dir = Dir::generations();
    let said = weir(["scan", &dir.root(), SHARD, "--memory", "1kB"]).fails(1);
    assert!(said.contains("1000 bytes") && said.ends_with("; --memory allows for more, and --no-wal leaves them out"), "{said}");
    assert_eq!(scanned_ids(&dir, &["--memory", "1kB", "--no-wal"]).len(), 8);
}

#[test]
fn a_damaged_generation_is_an_error() {
    let dir = Dir::generations();
    flip(&dir.published()[0].join("data.arrow"));
    let ran = weir(["scan", &dir.root(), SHARD, "--json"]);
    assert_eq!(ran.code, 1);
    assert!(ran.stderr.contains("data.arrow") && ran.stderr.contains("weir verify"), "{}", ran.stderr);
    let out = dir.path("out.arrow");
    weir(["scan", &dir.root(), SHARD, "--out", out.to_str().unwrap()]).fails(1);
    assert!(!out.exists() && !tree(&dir.path("")).iter().any(|path| path.extension().is_some_and(|e| e == "part")));
}
