//! `weir tail`.

use std::process::Stdio;
use std::sync::Arc;

use arrow_array::types::Int8Type;
use arrow_array::{Array, DictionaryArray, Int32Array, RecordBatch};
use arrow_cast::cast;
use arrow_schema::DataType;
use arrow_select::concat::concat_batches;
use serde_json::json;
use weir::ipc_file::IpcFile;

use crate::support::*;

fn read(path: &std::path::Path) -> Vec<RecordBatch> {
    IpcFile::open(path).unwrap().map(Result::unwrap).collect()
}

#[test]
fn one_line_per_entry() {
    let dir = Dir::two_epochs();
    let text = weir(["tail", &dir.root(), SHARD]).ok();
    let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0], ["position", "epoch", "generation", "sentinel", "batches", "rows", "bytes"]);
    let size = std::fs::metadata(dir.entry(1)).unwrap().len().to_string();
    assert_eq!(lines[1], ["1", "1", "-", "no", "1", "4", &size]);
    assert_eq!(lines[2][..6], ["2", "2", "-", "yes", "0", "0"]);
    assert_eq!(lines.len(), 6);
    assert!(text.lines().all(|line| line.len() == text.lines().next().unwrap().len()), "{text}");
}

#[test]
fn entries_as_json() {
    let dir = Dir::two_epochs();
    let mut entries = weir(["tail", &dir.root(), SHARD, "--json"]).json();
    assert_eq!(entries.len(), 5);
    assert_eq!(entries[0]["id"].take().as_str().unwrap().len(), 36);
    assert!(entries[0]["bytes"].take().is_u64());
    let expected = json!({
        "position": 1, "epoch": 1, "generation": null, "sentinel": false, "batches": 1, "rows": 4, "bytes": null, "id": null,
    });
    assert_eq!(entries[0], expected);
    assert_eq!((&entries[1]["sentinel"], &entries[1]["epoch"], &entries[1]["rows"]), (&json!(true), &json!(2), &json!(0)));
}

#[test]
fn entries_of_lance() {
    let ids = ["00000000-0000-4000-8000-000000000001", "00000000-0000-4000-8000-000000000002", "00000000-0000-4000-8000-000000000003"];
    let rows = |name: &str, id: &str| weir(["tail", &lance(name), id, "--rows", "--json"]).json();
    for (name, id, range) in [("wal-only", ids[0], 100..120), ("fenced", ids[1], 200..228), ("memtable", ids[2], 300..320)] {
        let found: Vec<i64> = rows(name, id).iter().map(|row| row["id"].as_i64().unwrap()).collect();
        assert_eq!(found, range.collect::<Vec<_>>(), "{name}");
    }
    let entries = weir(["tail", &lance("memtable"), ids[2], "--json"]).json();
    let expected = json!({
        "position": 1, "epoch": 1, "generation": 1, "sentinel": false, "batches": 1, "rows": 4, "bytes": 1608, "id": null,
    });
    assert_eq!(entries[0], expected);
}

#[test]
fn rows_as_a_table_and_as_json() {
    let dir = Dir::two_epochs();
    let text = weir(["tail", &dir.root(), SHARD, "--rows", "--from", "2", "--limit", "2"]).ok();
    let expected = "\
position 2, epoch 2: fence sentinel
position 3, epoch 2: 2 rows
+----+-------+----------------------+
| id | text  | at                   |
+----+-------+----------------------+
| 4  | row 4 | 1970-01-01T00:00:04Z |
| 5  | null  | 1970-01-01T00:00:05Z |
+----+-------+----------------------+
";
    assert_eq!(text, expected);
    let rows = weir(["tail", &dir.root(), SHARD, "--rows", "--json", "--from", "2", "--limit", "2"]);
    let expected =
        [json!({"id": 4, "text": "row 4", "at": "1970-01-01T00:00:04Z"}), json!({"id": 5, "text": null, "at": "1970-01-01T00:00:05Z"})];
    assert_eq!(rows.json(), expected);
}

#[test]
fn positions_before_and_behind_the_log() {
    let dir = Dir::two_epochs();
    let from = |from: &str| weir(["tail", &dir.root(), SHARD, "--json", "--from", from]);
    assert_eq!(from("5").json().len(), 1);
    assert_eq!(from("6").ok(), "");
    assert_eq!(from("99").ok(), "");
    assert_eq!(from("0").code, 2);
    weir(["trim", &dir.root(), SHARD, "--up-to", "2", "--age", "0"]).ok();
    let said = from("1").fails(4);
    assert!(said.contains("was trimmed") && said.ends_with("; read on with --from 3"), "{said}");
    assert_eq!(weir(["tail", &dir.root(), SHARD, "--json", "--limit", "1"]).json()[0]["position"], 3);
    assert_eq!(weir(["tail", &dir.root(), SHARD, "--json", "--limit", "0"]).ok(), "");
}

#[test]
fn a_damaged_entry_is_an_error_after_those_before_it() {
    let dir = Dir::two_epochs();
    flip(&dir.entry(3));
    let ran = weir(["tail", &dir.root(), SHARD, "--json"]);
    assert_eq!(ran.json().len(), 2);
    let said = ran.fails(1);
    assert!(said.contains("position 3 is damaged") && said.contains("weir verify"), "{said}");
}

#[test]
fn the_rows_as_an_arrow_file() {
    let dir = Dir::two_epochs();
    let out = dir.path("out.arrow");
    std::fs::write(&out, "what was there before").unwrap();
    let ran = weir(["tail", &dir.root(), SHARD, "--out", &out.display().to_string()]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, ""));
    assert_eq!(ran.stderr, format!("weir: 10 rows written to {}\n", out.display()));
    let batches = read(&out);
    assert_eq!(concat_batches(&batches[0].schema(), &batches).unwrap(), batch(0, 10));
    // And back again.
    weir(["ingest", &dir.root(), "new", &out.display().to_string()]).ok();
}

#[test]
fn the_rows_as_an_arrow_stream() {
    let dir = Dir::two_epochs();
    let out = dir.path("out.arrows");
    let file = std::fs::File::create(&out).unwrap();
    let mut command = command(["tail", &dir.root(), SHARD, "--out", "-"]);
    assert!(command.stdout(Stdio::from(file)).status().unwrap().success());
    let batches = read(&out);
    assert_eq!(concat_batches(&batches[0].schema(), &batches).unwrap(), batch(0, 10));
    assert_eq!(batches.len(), 4);
}

/// Every entry has dictionaries of its own; a file has one for each column.
#[test]
fn dictionaries_are_joined_in_a_file() {
    let dir = Dir::new();
    let column = |values: &[&str]| {
        let keys: DictionaryArray<Int8Type> = values.iter().copied().collect();
        RecordBatch::try_from_iter([("key", Arc::new(keys) as _)]).unwrap()
    };
    for values in [["a", "b"], ["b", "c"]] {
        let file = dir.file("data.arrow", &[column(&values)]);
        weir(["ingest", &dir.root(), SHARD, &file]).ok();
    }
    for (name, batches) in [("out.arrow", 1), ("-", 2)] {
        let out = dir.path("out.arrow");
        let mut command = command(["tail", &dir.root(), SHARD, "--out", if name == "-" { "-" } else { out.to_str().unwrap() }]);
        if name == "-" {
            command.stdout(Stdio::from(std::fs::File::create(&out).unwrap()));
        }
        assert!(command.stderr(Stdio::null()).status().unwrap().success());
        let read = read(&out);
        assert_eq!(read.len(), batches);
        let all = concat_batches(&read[0].schema(), &read).unwrap();
        let texts = cast(all.column(0), &DataType::Utf8).unwrap();
        let expected = cast(column(&["a", "b", "b", "c"]).column(0), &DataType::Utf8).unwrap();
        assert_eq!(texts.to_data(), expected.to_data());
    }
}

#[test]
fn another_schema_among_the_entries_is_an_error_in_arrow_and_fine_elsewhere() {
    let dir = Dir::two_epochs();
    let other = RecordBatch::try_from_iter([("id", Arc::new(Int32Array::from(vec![1])) as _)]).unwrap();
    let other = dir.file("other.arrow", &[other]);
    weir(["ingest", &dir.root(), SHARD, &other]).ok();
    let out = dir.path("out.arrow").display().to_string();
    let before = tree(&dir.path(""));
    let said = weir(["tail", &dir.root(), SHARD, "--out", &out]).fails(1);
    assert!(said.contains("the entry at position 7 has another schema"), "{said}");
    assert!(said.contains("column 'id' is Int32 instead of Int64") && said.contains("--from 7"), "{said}");
    assert_eq!(tree(&dir.path("")), before, "nothing is left of it");
    assert_eq!(weir(["tail", &dir.root(), SHARD, "--rows", "--json"]).json().len(), 11);
    assert_eq!(weir(["tail", &dir.root(), SHARD, "--out", &out, "--from", "7"]).code, 0);
}

#[test]
fn a_file_without_rows_is_a_file() {
    let dir = Dir::two_epochs();
    let out = dir.path("out.arrow");
    let ran = weir(["tail", &dir.root(), SHARD, "--from", "2", "--limit", "1", "--out", &out.display().to_string()]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(read(&out).is_empty());
    let said = weir(["tail", &dir.root(), SHARD, "--out", &dir.path("no/such/dir").display().to_string()]).fails(4);
    assert!(said.contains("no/such/dir"), "{said}");
}

#[test]
fn following_shows_what_is_appended_until_ctrl_c() {
    let dir = Dir::two_epochs();
    let mut tool = Running::start(["tail", &dir.root(), SHARD, "--json", "--follow", "--from", "5"]);
    assert!(tool.line().contains("\"position\":5"));
    let file = dir.file("more.arrow", &[batch(10, 1)]);
    weir(["ingest", &dir.root(), SHARD, &file]).ok();
    assert!(tool.line().contains("\"position\":6"));
    assert!(tool.line().contains("\"position\":7"));
    tool.interrupt();
    let ran = tool.end();
    assert_eq!((ran.code, ran.stdout.as_str(), ran.stderr.as_str()), (130, "", ""));
}

#[test]
fn following_a_shard_that_is_not_there_yet_waits_for_it() {
    let dir = Dir::new();
    std::fs::create_dir(dir.root()).unwrap();
    let mut tool = Running::start(["tail", &dir.root(), SHARD, "--json", "--follow", "--limit", "1"]);
    let file = dir.file("data.arrow", &[batch(0, 1)]);
    weir(["ingest", &dir.root(), SHARD, &file]).ok();
    assert!(tool.line().contains("\"position\":1"));
    assert_eq!(tool.end().code, 0);
}

/// Ctrl-C leaves a whole file of what was read so far.
#[test]
fn following_into_a_file_ends_with_a_whole_file() {
    let dir = Dir::two_epochs();
    let out = dir.path("out.arrow");
    let tool = Running::start(["tail", &dir.root(), SHARD, "--follow", "--out", &out.display().to_string()]);
    let staging = |dir: &Dir| tree(&dir.path("")).into_iter().find(|path| path.extension().is_some_and(|e| e == "part"));
    until("the file is begun", || staging(&dir).is_some());
    tool.interrupt();
    assert_eq!(tool.end().code, 130);
    read(&out);
    assert!(staging(&dir).is_none());
}
