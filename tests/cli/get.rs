//! `weir get`.

use std::sync::Arc;

use arrow_array::{ArrayRef, Int32Array, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema};
use serde_json::json;

use crate::shard::*;
use crate::support::*;

// PITFALLS I4: "deleted" is told apart from "never written".
#[test]
fn found_deleted_and_never_written() {
    let dir = Dir::generations();
    let text = weir(["get", &dir.root(), SHARD, "5", "10", "--columns", "id,text"]).ok();
    let expected = "+----+--------+\n| id | text   |\n+----+--------+\n| 5  | new    |\n| 10 | row 10 |\n+----+--------+\n";
    assert_eq!(text, expected);
    let ran = weir(["get", &dir.root(), SHARD, "9", "3", "-7", "1"]);
    assert_eq!(ran.code, 4);
    assert_eq!(ran.stderr, "weir: key 9 was deleted\nweir: key -7 was never written\nweir: key 1 was deleted\n");
    assert_eq!(ran.stdout.lines().count(), 5, "{}", ran.stdout);
    let ran = weir(["get", &dir.root(), SHARD, "99"]);
    assert_eq!((ran.code, ran.stdout.as_str(), ran.stderr.as_str()), (4, "", "weir: key 99 was never written\n"));
    // The log's tail is where it was deleted.
    weir(["get", &dir.root(), SHARD, "9", "--no-wal"]).ok();
}

#[test]
fn as_json() {
    let dir = Dir::generations();
    let ran = weir(["get", &dir.root(), SHARD, "--json", "0", "6", "12", "6"]);
    assert_eq!(ran.code, 4);
    let row = json!({"id": 6, "text": "new", "at": "1970-01-01T00:00:06Z"});
    let expected = [
        json!({"key": [0], "state": "deleted", "row": null}),
        json!({"key": [6], "state": "found", "row": row}),
        json!({"key": [12], "state": "never_written", "row": null}),
        json!({"key": [6], "state": "found", "row": row}),
    ];
    assert_eq!(ran.json(), expected);
}

#[test]
fn keys_of_several_columns() {
    let dir = Dir::new();
    let schema = Schema::new(vec![
        Field::new("n", DataType::Int32, true),
        Field::new("zone", DataType::Utf8, false),
        Field::new("id", DataType::Int32, false),
    ]);
    let rows = |n: [i32; 3]| {
        let columns: Vec<ArrayRef> = vec![
            Arc::new(Int32Array::from(n.to_vec())),
            Arc::new(StringArray::from(vec!["eu", "a,b=\"c\"", "5"])),
            Arc::new(Int32Array::from(vec![1, -2, 3])),
        ];
        RecordBatch::try_new(Arc::new(schema.clone()), columns).unwrap()
    };
    let writer = dir.writer(&schema, &["zone", "id"]);
    writer.put(&rows([1, 2, 3]), None).unwrap();
    flush(&writer);
    writer.put(&rows([4, 5, 6]), None).unwrap();
    writer.close(None).unwrap();
    let get = |keys: &[&str]| weir([&["get", &dir.root(), SHARD, "--json"], keys].concat());
    for (key, n) in [("[\"eu\",1]", 4), (" [ \"eu\" , \"1\" ] ", 4), ("[\"a,b=\\\"c\\\"\",-2]", 5), ("[5, 3]", 6)] {
        let ran = get(&[key]);
        assert_eq!((ran.code, ran.json()[0]["row"]["n"].as_i64()), (0, Some(n)), "{key}: {}", ran.stderr);
    }
    let ran = get(&["[\"eu\",2]"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (4, "weir: key [\"eu\",2] was never written\n"));
    for key in ["eu", "[\"eu\"]", "[\"eu\",1,2]", "{\"zone\":\"eu\",\"id\":1}", "[\"eu\",null]", "[\"eu\",[1]]"] {
        let said = get(&[key]).fails(2);
        assert!(said.contains("write a JSON array of the values of zone, id"), "{said}");
    }
    assert!(get(&["[\"eu\",\"one\"]"]).fails(2).contains("\"one\" is not a value of column 'id', which is Int32"));
}

#[test]
fn what_cannot_be_got() {
    let dir = Dir::generations();
    assert!(weir(["get", &dir.root(), SHARD, "five"]).fails(2).contains("\"five\" is not a value of column 'id', which is Int64"));
    assert!(weir(["get", &dir.root(), SHARD, "5", "--columns", "nothing"]).fails(2).contains("nothing"));
    let log = Dir::two_epochs();
    assert!(weir(["get", &log.root(), SHARD, "5"]).fails(2).contains("has no primary key: --key names its columns"));
    assert!(weir(["get", &log.root(), SHARD, "5", "--key", "id"]).ok().contains("1970-01-01T00:00:05Z"));
    assert!(weir(["get", &log.root(), SHARD, "row 6", "--key", "text"]).fails(1).contains("null"));
}
