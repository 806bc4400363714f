//! `weir verify`: each kind of damage is found, named and reflected in the exit code.

use serde_json::{Value, json};

use crate::support::*;

/// Runs it as JSON.
fn verify(dir: &Dir) -> (i32, Value) {
    let ran = weir(["verify", &dir.root(), SHARD, "--json"]);
    assert_eq!(ran.stderr, "");
    (ran.code, ran.json().remove(0))
}

fn kinds(report: &Value, level: &str) -> Vec<(String, Value)> {
    let findings = report[level].as_array().unwrap();
    findings.iter().map(|finding| (finding["kind"].as_str().unwrap().to_owned(), finding["position"].clone())).collect()
}

/// That one problem is found, of this kind and at this place.
#[track_caller]
fn problem(dir: &Dir, kind: &str, position: Option<u64>) -> String {
    let (code, report) = verify(dir);
    assert_eq!(kinds(&report, "problems"), [(kind.to_owned(), json!(position))], "{report}");
    assert_eq!((code, &report["ok"]), (1, &json!(false)));
    report["problems"][0]["message"].as_str().unwrap().to_owned()
}

#[test]
fn a_clean_shard() {
    let dir = Dir::two_epochs();
    let (code, mut report) = verify(&dir);
    assert_eq!(code, 0);
    let size: u64 = (1..=5).map(|position| std::fs::metadata(dir.entry(position)).unwrap().len()).sum();
    assert_eq!(report["bytes"].take(), size);
    let expected = json!({
        "root": dir.url(), "shard": SHARD, "ok": true, "entries": 5, "sentinels": 1, "batches": 4, "rows": 10, "bytes": null,
        "unchecked_entries": 0, "first_position": 1, "last_position": 5, "manifest_versions": 2, "epoch": 2,
        "generations": 0, "generation_rows": 0, "generation_bytes": 0,
        "problems": [], "unreadable": [], "notes": [],
    });
    assert_eq!(report, expected);
    let text = weir(["verify", &dir.root(), SHARD]).ok();
    assert_eq!(text, format!("clean: read 5 entries with 10 rows ({size} bytes) and 2 manifest versions\n"));
}

#[test]
fn shards_of_lance_are_clean_and_unchecked() {
    for (name, number, rows) in [("wal-only", 1, 20), ("fenced", 2, 28), ("memtable", 3, 20)] {
        let ran = weir(["verify", &lance(name), &format!("00000000-0000-4000-8000-00000000000{number}"), "--json"]);
        let report = ran.json().remove(0);
        assert_eq!((ran.code, &report["rows"], &report["unchecked_entries"]), (0, &json!(rows), &json!(5)), "{name}");
        assert_eq!(kinds(&report, "notes"), [("no_checksum".to_owned(), json!(null))], "{name}");
    }
}

#[test]
fn a_flipped_bit() {
    let dir = Dir::two_epochs();
    flip(&dir.entry(3));
    assert!(problem(&dir, "entry_corrupt", Some(3)).contains("checksum"));
    // The rest was read nevertheless.
    let (_, report) = verify(&dir);
    assert_eq!((&report["entries"], &report["rows"]), (&json!(5), &json!(8)));
    assert_eq!(report["problems"][0]["object"], format!("file://{}", dir.entry(3).display()));
}

#[test]
fn a_truncated_entry() {
    let dir = Dir::two_epochs();
    let bytes = std::fs::read(dir.entry(4)).unwrap();
    for len in [0, 1, 100, bytes.len() - 60] {
        std::fs::write(dir.entry(4), &bytes[..len]).unwrap();
        problem(&dir, "entry_corrupt", Some(4));
    }
}

#[test]
fn a_hole() {
    let dir = Dir::two_epochs();
    std::fs::remove_file(dir.entry(3)).unwrap();
    std::fs::remove_file(dir.entry(4)).unwrap();
    assert!(problem(&dir, "entry_missing", Some(3)).contains("positions 3 to 4 are missing"));
    let ran = weir(["verify", &dir.root(), SHARD]);
    assert_eq!(ran.code, 1);
    assert!(ran.stdout.starts_with("problem: ") && ran.stdout.contains("\n1 problem: read 3 entries"), "{}", ran.stdout);
}

/// The successor knew of an entry that is gone.
#[test]
fn a_missing_end() {
    let dir = Dir::two_epochs();
    let file = dir.path("first.arrow").display().to_string();
    weir(["ingest", &dir.root(), SHARD, &file]).ok();
    for position in 5..=7 {
        std::fs::remove_file(dir.entry(position)).unwrap();
    }
    assert!(problem(&dir, "tail_missing", Some(5)).contains("the log ends at 4"));
}

// What PITFALLS A1, A3 and B1 would leave behind.
#[test]
fn an_entry_of_a_fenced_writer_and_an_entry_written_twice() {
    let dir = Dir::two_epochs();
    std::fs::copy(dir.entry(1), dir.entry(6)).unwrap();
    let (code, report) = verify(&dir);
    let expected = [("epoch_order".to_owned(), json!(6)), ("entry_duplicate".to_owned(), json!(6))];
    assert_eq!((code, kinds(&report, "problems")), (1, expected.to_vec()));
    assert!(report["problems"][0]["message"].as_str().unwrap().contains("an entry of epoch 1 after epoch 2 began at position 2"));
}

#[test]
fn an_entry_of_an_epoch_that_nobody_claimed() {
    let dir = Dir::two_epochs();
    std::fs::remove_file(dir.manifest(2)).unwrap();
    std::fs::write(dir.hint(), r#"{"version":1}"#).unwrap();
    problem(&dir, "epoch_unknown", Some(2));
}

#[test]
fn swapped_manifests() {
    let dir = Dir::two_epochs();
    let (first, second) = (std::fs::read(dir.manifest(1)).unwrap(), std::fs::read(dir.manifest(2)).unwrap());
    std::fs::write(dir.manifest(1), second).unwrap();
    std::fs::write(dir.manifest(2), first).unwrap();
    let (code, report) = verify(&dir);
    assert_eq!(code, 1);
    let versions: Vec<_> =
        report["problems"].as_array().unwrap().iter().map(|p| (p["kind"].as_str().unwrap(), p["version"].as_u64())).collect();
    assert_eq!(versions, [("manifest_corrupt", Some(1)), ("manifest_corrupt", Some(2))]);
}

#[test]
fn a_manifest_of_another_shard_or_of_nothing() {
    let dir = Dir::two_epochs();
    let foreign = format!("{}/_mem_wal/00000000-0000-4000-8000-000000000002/manifest/01{}.binpb", lance("fenced"), "0".repeat(62));
    for bytes in [std::fs::read(foreign).unwrap(), b"no manifest".to_vec(), Vec::new()] {
        std::fs::write(dir.manifest(2), bytes).unwrap();
        problem(&dir, "manifest_corrupt", None);
    }
}

#[test]
fn a_gap_between_manifests_and_no_manifest() {
    let dir = Dir::two_epochs();
    let file = dir.path("first.arrow").display().to_string();
    weir(["ingest", &dir.root(), SHARD, &file]).ok();
    std::fs::remove_file(dir.manifest(2)).unwrap();
    assert!(problem(&dir, "manifest_missing", None).contains("version 2 is missing"));
    std::fs::remove_file(dir.manifest(1)).unwrap();
    // The oldest versions may be pruned.
    let (code, report) = verify(&dir);
    assert_eq!((code, kinds(&report, "notes")), (0, vec![("pruned".to_owned(), json!(null))]));
    std::fs::remove_file(dir.manifest(3)).unwrap();
    std::fs::remove_file(dir.hint()).unwrap();
    problem(&dir, "manifest_missing", None);
}

// PITFALLS C11: what is not ours is a note and no entry.
#[test]
fn foreign_files_a_lying_hint_and_a_trimmed_front_are_notes() {
    let dir = Dir::two_epochs();
    std::fs::write(dir.shard_dir().join("wal/junk.arrow"), "x").unwrap();
    std::fs::write(dir.shard_dir().join(format!("wal/{}.arrow", "0".repeat(64))), "x").unwrap();
    std::fs::write(dir.shard_dir().join("manifest/backup.binpb"), "x").unwrap();
    std::fs::write(dir.shard_dir().join("readme.txt"), "x").unwrap();
    std::fs::create_dir(dir.shard_dir().join("abcdef01_gen_7")).unwrap();
    std::fs::write(dir.hint(), r#"{"version":77}"#).unwrap();
    weir(["trim", &dir.root(), SHARD, "--up-to", "1", "--age", "0"]).ok();
    let (code, report) = verify(&dir);
    let mut notes: Vec<_> = kinds(&report, "notes").into_iter().map(|(kind, _)| kind).collect();
    notes.sort();
    let expected = ["foreign_file", "foreign_file", "foreign_file", "foreign_file", "hint_wrong", "orphan", "trimmed"];
    assert_eq!((code, &report["ok"], notes), (0, &json!(true), expected.map(String::from).to_vec()));
    std::fs::write(dir.hint(), "rubbish").unwrap();
    assert_eq!(verify(&dir).0, 0);
}

/// Nothing is wrong with what could not be read; but that is not to be called clean.
#[cfg(feature = "s3")]
#[test]
fn a_store_that_does_not_answer_is_not_clean() {
    // A port on which nobody listens.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let endpoint = format!("aws_endpoint=http://127.0.0.1:{port}");
    let settings = [
        endpoint.as_str(),
        "aws_allow_http=true",
        "aws_region=x",
        "aws_access_key_id=x",
        "aws_secret_access_key=x",
        "weir_store_max_retries=0",
    ];
    let mut args = vec!["verify", "s3://bucket/prefix", SHARD];
    args.extend(settings.iter().flat_map(|setting| ["--store", *setting]));
    let said = weir(args).fails(3);
    assert!(said.contains("s3://bucket/prefix/_mem_wal/") && said.ends_with("; try again"), "{said}");
}

/// A check whose reader has gone goes on: its exit code counts.
#[test]
fn a_closed_pipe_does_not_hide_a_problem() {
    let dir = Dir::two_epochs();
    flip(&dir.entry(1));
    let ran = Running::start(["verify", &dir.root(), SHARD]).end_unread();
    assert_eq!((ran.code, ran.stderr.as_str()), (1, ""));
}
