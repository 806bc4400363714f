//! `weir verify` and `weir inspect` of a shard with generations: each kind of damage is found and named.

use std::path::Path;

use arrow_schema::{DataType, Field, Schema};
use serde_json::{Value, json};

use crate::shard::*;
use crate::support::*;

fn verify(dir: &Dir) -> (i32, Value) {
    let ran = weir(["verify", &dir.root(), SHARD, "--json"]);
    assert_eq!(ran.stderr, "");
    (ran.code, ran.json().remove(0))
}

fn kinds<'a>(report: &'a Value, level: &str) -> Vec<&'a str> {
    report[level].as_array().unwrap().iter().map(|finding| finding["kind"].as_str().unwrap()).collect()
}

/// That one problem is found, of this kind; gives what is said of it.
#[track_caller]
fn problem(dir: &Dir, kind: &str) -> Value {
    let (code, report) = verify(dir);
    assert_eq!((code, kinds(&report, "problems")), (1, vec![kind]), "{report}");
    report["problems"][0].clone()
}

#[test]
fn a_clean_shard() {
    let dir = Dir::generations();
    let size: u64 = dir.published().iter().flat_map(|path| tree(path)).map(|path| std::fs::metadata(path).unwrap().len()).sum();
    let (code, report) = verify(&dir);
    assert_eq!((code, &report["ok"], &report["notes"]), (0, &json!(true), &json!([])), "{report}");
    assert_eq!((&report["generations"], &report["generation_rows"], &report["generation_bytes"]), (&json!(2), &json!(15), &json!(size)));
    let text = weir(["verify", &dir.root(), SHARD]).ok();
    assert!(text.ends_with(&format!(" manifest versions, 2 generations with 15 rows ({})\n", bytes(size))), "{text}");
    weir(["compact", &dir.root(), SHARD, "--yes"]).ok();
    let (code, report) = verify(&dir);
    assert_eq!((code, kinds(&report, "notes")), (0, vec!["orphan", "orphan"]), "{report}");
}

fn bytes(size: u64) -> String {
    if size < 10_000 { format!("{size} bytes") } else { format!("{:.1} kB ({size} bytes)", size as f64 / 1e3) }
}

/// Any bit of any object.
#[test]
fn a_flipped_bit() {
    let dir = Dir::generations();
    let published = dir.published();
    for object in published.iter().flat_map(|path| tree(path)) {
        let whole = std::fs::read(&object).unwrap();
        for at in (0..whole.len()).step_by(whole.len() / 12) {
            let mut bytes = whole.clone();
            bytes[at] ^= 0x10;
            std::fs::write(&object, bytes).unwrap();
            let finding = problem(&dir, "generation_corrupt");
            assert!(finding["message"].as_str().unwrap().contains(object.file_name().unwrap().to_str().unwrap()), "{at}: {finding}");
            assert_eq!(finding["object"], format!("file://{}", object.parent().unwrap().display()), "{at}");
        }
        for len in [0, 1, whole.len() / 2, whole.len() - 1] {
            std::fs::write(&object, &whole[..len]).unwrap();
            problem(&dir, "generation_corrupt");
        }
        std::fs::write(&object, [&whole[..], b"x"].concat()).unwrap();
        problem(&dir, "generation_corrupt");
        std::fs::write(&object, whole).unwrap();
    }
    assert_eq!(verify(&dir).0, 0);
}

#[test]
fn missing_objects_and_directories() {
    let dir = Dir::generations();
    let first = dir.published().remove(0);
    for name in ["data.arrow", "index.weir"] {
        let bytes = std::fs::read(first.join(name)).unwrap();
        std::fs::remove_file(first.join(name)).unwrap();
        assert!(problem(&dir, "generation_missing")["message"].as_str().unwrap().contains(name));
        std::fs::write(first.join(name), bytes).unwrap();
    }
    let aside = dir.path("aside");
    std::fs::rename(&first, &aside).unwrap();
    assert!(problem(&dir, "generation_missing")["message"].as_str().unwrap().contains("which is not there"));
    let ran = weir(["inspect", &dir.root(), SHARD]);
    assert!(ran.code == 4 && ran.stdout.contains("flushed       generation 2"), "{ran:?}");
    std::fs::rename(&aside, &first).unwrap();
    assert_eq!(verify(&dir).0, 0);
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for file in tree(from) {
        std::fs::copy(&file, to.join(file.file_name().unwrap())).unwrap();
    }
}

/// A generation in the place of another is whole, but not the one.
#[test]
fn a_generation_of_another_number() {
    let dir = Dir::generations();
    let [first, second] = dir.published().try_into().unwrap();
    copy(&first, &second);
    let finding = problem(&dir, "generation_corrupt");
    assert!(finding["message"].as_str().unwrap().contains("it is of generation 1"), "{finding}");
}

#[test]
fn generations_out_of_order() {
    let dir = Dir::generations();
    dir.change_manifest(|manifest| manifest.sstables.reverse());
    assert!(problem(&dir, "generation_list")["message"].as_str().unwrap().contains("generation 1 is listed behind generation 2"));
    dir.change_manifest(|manifest| {
        manifest.sstables.reverse();
        manifest.sstables[1].path = manifest.sstables[0].path.clone();
    });
    let (code, report) = verify(&dir);
    assert_eq!((code, kinds(&report, "notes")), (1, vec!["orphan"]));
    assert_eq!(kinds(&report, "problems"), ["generation_list", "generation_list", "generation_corrupt"]);
}

/// Each lets a writer that opens the shard, and a scan, miss rows or see them twice.
#[test]
fn a_cursor_that_disagrees_with_the_log() {
    let dir = Dir::generations();
    let was = dir.manifest_now();
    assert_eq!((was.replay_after_wal_entry_position, was.current_generation), (3, 3));
    // Rows of generation 3 are called published.
    dir.change_manifest(|manifest| manifest.replay_after_wal_entry_position = 4);
    let finding = problem(&dir, "cursor");
    assert_eq!(finding["position"], 4);
    assert!(finding["message"].as_str().unwrap().contains("records generation 3, which is not published"), "{finding}");
    // Rows of generation 2 would be passed over. A cursor that falls is a finding of its own.
    dir.change_manifest(|manifest| manifest.replay_after_wal_entry_position = 2);
    let (_, report) = verify(&dir);
    assert_eq!(kinds(&report, "problems"), ["manifest_order", "cursor"], "{report}");
    assert_eq!(report["problems"][1]["position"], 3);
    assert!(report["problems"][1]["message"].as_str().unwrap().contains("records generation 2, which is published"));
}

#[test]
fn a_generation_that_is_ahead_of_the_manifest() {
    let dir = Dir::generations();
    dir.change_manifest(|manifest| manifest.current_generation = 2);
    let (code, report) = verify(&dir);
    assert_eq!((code, kinds(&report, "problems")), (1, vec!["manifest_order", "generation_list", "cursor"]), "{report}");
}

#[test]
fn a_log_that_begins_too_late() {
    let dir = Dir::generations();
    for position in 1..=4 {
        std::fs::remove_file(dir.entry(position)).unwrap();
    }
    let finding = problem(&dir, "cursor");
    assert!(finding["message"].as_str().unwrap().contains("up to position 3, and it begins at position 5"), "{finding}");
    assert!(weir(["scan", &dir.root(), SHARD]).code != 0);
}

#[test]
fn what_is_beside_the_generations_is_a_note() {
    let dir = Dir::generations();
    let first = dir.published().remove(0);
    std::fs::write(first.join("junk"), "x").unwrap();
    copy(&first, &dir.shard_dir().join("00000001_gen_3"));
    std::fs::create_dir(dir.shard_dir().join("backup")).unwrap();
    let (code, report) = verify(&dir);
    let mut notes = kinds(&report, "notes");
    notes.sort_unstable();
    assert_eq!((code, notes), (0, vec!["foreign_dir", "foreign_file", "orphan"]), "{report}");
}

/// A generation that Lance wrote is a dataset of its own, which is not ours to read.
#[test]
fn another_implementations_generations_are_left_alone() {
    let dir = Dir::generations();
    std::fs::create_dir_all(dir.shard_dir().join("lance_gen_9/_versions")).unwrap();
    dir.change_manifest(|manifest| {
        let mut table = manifest.sstables[1].clone();
        (table.generation, table.path) = (3, "lance_gen_9".into());
        manifest.sstables.push(table);
        (manifest.current_generation, manifest.replay_after_wal_entry_position) = (4, 5);
    });
    let (code, report) = verify(&dir);
    assert_eq!((code, kinds(&report, "problems"), kinds(&report, "notes")), (0, vec![], vec!["generation_foreign"]), "{report}");
    let ran = weir(["inspect", &dir.root(), SHARD, "--json"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    assert!(ran.json()[0]["generations"][2]["error"].is_string());
}

#[test]
fn generations_as_inspect_shows_them() {
    let dir = Dir::generations();
    let mut shard = weir(["inspect", &dir.root(), SHARD, "--json"]).json().remove(0);
    let published = dir.published();
    let size = |path: &Path| tree(path).iter().map(|path| std::fs::metadata(path).unwrap().len()).sum::<u64>();
    let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
    for generation in shard["generations"].as_array_mut().unwrap() {
        assert!(generation["in_memory_bytes"].take().is_u64() && generation["primary_key_bytes"].take().is_u64());
    }
    let generation = |number: usize, rows: u64, keys: u64, tombstones: u64, first: u64, last: u64| {
        let path = &published[number - 1];
        json!({
            "generation": number, "path": name(path), "rows": rows, "in_memory_bytes": null, "primary_key_bytes": null,
            "bytes": size(path), "columns": 3, "key": ["id"], "keys": keys, "tombstones": tombstones, "first_key": [first],
            "last_key": [last], "indexes": [], "schema_changes": [], "error": null,
        })
    };
    assert_eq!(shard["generations"], json!([generation(1, 10, 10, 0, 0, 9), generation(2, 5, 5, 2, 0, 7)]));
    let covered: u64 = (1..=3).map(|position| std::fs::metadata(dir.entry(position)).unwrap().len()).sum();
    assert_eq!((&shard["covered_entries"], &shard["covered_bytes"]), (&json!(3), &json!(covered)));
    assert_eq!((&shard["generation_count"], &shard["orphans"]), (&json!(2), &json!([])));
    let text = weir(["inspect", &dir.root(), SHARD]).ok();
    let line = format!(
        "flushed       generation 2 in {}, 5 rows of 5 keys (2 deleted), {}, keys 0 to 7\n",
        name(&published[1]),
        bytes(size(&published[1]))
    );
    assert!(text.contains(&line), "{text}");
    assert!(text.contains(&format!("covered       3 entries by generations ({})\n", bytes(covered))), "{text}");
    let list = weir(["inspect", &dir.root()]).ok();
    assert!(list.lines().next().unwrap().ends_with("  generations") && list.trim_end().ends_with("  2"), "{list}");
}

#[test]
fn orphans_and_their_age() {
    let dir = Dir::generations();
    let old = dir.published();
    let version = dir.manifest_now().version;
    weir(["compact", &dir.root(), SHARD, "--yes"]).ok();
    let attempt = dir.shard_dir().join("00000001_gen_7");
    copy(&old[0], &attempt);
    for file in tree(&attempt) {
        let hours = std::time::Duration::from_secs(3 * 3600 + 60);
        let file = std::fs::File::options().write(true).open(file).unwrap();
        file.set_modified(std::time::SystemTime::now() - hours).unwrap();
    }
    let orphans = weir(["inspect", &dir.root(), SHARD, "--json"]).json()[0]["orphans"].clone();
    let seen: Vec<_> =
        orphans.as_array().unwrap().iter().map(|one| (one["generation"].as_u64(), one["manifest_version"].as_u64())).collect();
    // Named by the claim, too, which came before the merge.
    assert_eq!(seen, [(Some(1), Some(version + 1)), (Some(2), Some(version + 1)), (Some(7), None)]);
    assert_eq!((&orphans[2]["path"], &orphans[2]["objects"]), (&json!("00000001_gen_7"), &json!(2)));
    assert!(orphans[2]["age_ms"].as_u64().unwrap() >= 3 * 3_600_000);
    let text = weir(["inspect", &dir.root(), SHARD]).ok();
    assert!(text.contains("3 hours old, never published, as far as manifests are kept"), "{text}");
    assert!(text.contains(&format!("replaced since manifest version {}", version + 1)), "{text}");
}

#[test]
fn schema_changes() {
    let dir = Dir::new();
    let field = |name: &str, data_type: DataType, nullable: bool, id: &str| {
        Field::new(name, data_type, nullable).with_metadata([("lance:field_id".to_owned(), id.to_owned())])
    };
    let key = field("id", DataType::Int64, false, "0");
    let schemas = [
        Schema::new(vec![key.clone(), field("a", DataType::Utf8, true, "1"), field("b", DataType::Utf8, true, "2")]),
        Schema::new(vec![key.clone(), field("c", DataType::Utf8, true, "1"), field("d", DataType::Int32, true, "3")]),
    ];
    for schema in &schemas {
        let columns = schema.fields().iter().map(|field| match field.data_type() {
            DataType::Int64 => ids(&[1]).column(0).clone(),
            other => arrow_array::new_null_array(other, 1),
        });
        let writer = dir.writer(schema, &["id"]);
        writer.put(&arrow_array::RecordBatch::try_new(std::sync::Arc::new(schema.clone()), columns.collect()).unwrap(), None).unwrap();
        writer.close(None).unwrap();
    }
    let shard = weir(["inspect", &dir.root(), SHARD, "--json"]).json().remove(0);
    let changes = json!(["column 'a' renamed to 'c'", "column 'd' (Int32) added", "column 'b' dropped"]);
    assert_eq!((&shard["generations"][0]["schema_changes"], &shard["generations"][1]["schema_changes"]), (&json!([]), &changes));
    let text = weir(["inspect", &dir.root(), SHARD]).ok();
    assert!(text.contains("\n              column 'b' dropped\n"), "{text}");
}
