//! The header as the sources give it, and the shared library under test.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The sections of the header in the order in which one reads them. What is not named here comes last.
const SECTIONS: [&str; 33] = [
    "runtime",
    "log",
    "error",
    "buffer",
    "completion",
    "queue",
    "session",
    "manifest",
    "shard",
    "open",
    "writer_open",
    "writer",
    "writer_stats",
    "memtable",
    "memtable_stats",
    "scan",
    "get",
    "snapshot",
    "appender",
    "tailer",
    "subscription",
    "entry",
    "spill_store",
    "spill_writer",
    "spill",
    "spill_reader",
    "batch",
    "cache",
    "cache_value",
    "cache_backend",
    "cache_stats",
    "ipc",
    "handle",
];

/// The header as it is committed; with `WEIR_BLESS=1`, as it is to be.
pub fn committed() -> &'static str {
    static HEADER: OnceLock<String> = OnceLock::new();
    HEADER.get_or_init(|| {
        let path = root().join("include/weir.h");
        if std::env::var_os("WEIR_BLESS").is_some() {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, generate()).unwrap();
        }
        std::fs::read_to_string(&path).unwrap_or_default()
    })
}

/// What cbindgen makes of `src/ffi`, without the sections that address Rust callers.
pub fn generate() -> String {
    let mut sources: Vec<_> = walk(&root().join("src/ffi"));
    let rank = |path: &PathBuf| {
        let stem = path.file_stem().unwrap().to_string_lossy().into_owned();
        (SECTIONS.iter().position(|section| *section == stem).unwrap_or(SECTIONS.len()), path.clone())
    };
    sources.sort_by_key(rank);
    let config = cbindgen::Config::from_file(root().join("cbindgen.toml")).unwrap();
    let builder = sources.iter().fold(cbindgen::Builder::new().with_config(config), |builder, path| builder.with_src(path));
    let mut text = Vec::new();
    builder.generate().unwrap().write(&mut text);
    without_safety(&String::from_utf8(text).unwrap())
}

fn walk(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let files = entries.flat_map(|path| if path.is_dir() { walk(&path) } else { vec![path] });
    // cbindgen follows the modules of a `mod.rs`, which exports nothing itself.
    let exporting = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy();
        name.ends_with(".rs") && !name.ends_with("tests.rs") && name != "mod.rs"
    };
    files.filter(exporting).collect()
}

/// Comments end where `# Safety` begins: it comes last, and says in Rust's terms what the text before says in C's.
fn without_safety(header: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut skipping = false;
    for line in header.lines() {
        if line.trim() == "* # Safety" {
            skipping = true;
            while kept.last().is_some_and(|line| line.trim() == "*") {
                kept.pop();
            }
        }
        skipping = skipping && line.trim() != "*/";
        if !skipping {
            kept.push(line.trim_end());
        }
    }
    kept.join("\n") + "\n"
}

/// The functions that a header declares.
pub fn functions(header: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut comment = false;
    for line in header.lines() {
        comment = (comment || line.trim_start().starts_with("/*")) && !line.contains("*/");
        if comment || line.trim_start().starts_with(['*', '/', '#']) || line.starts_with(' ') {
            continue;
        }
        if let Some((before, _)) = line.split_once('(') {
            let name = before.rsplit([' ', '*']).next().unwrap();
            if name.starts_with("weir_") {
                found.push(name.to_owned());
            }
        }
    }
    found
}

/// The shared library that was built with this test.
pub fn library() -> PathBuf {
    let exe = std::env::current_exe().unwrap();
    let deps = exe.parent().unwrap();
    let file = if cfg!(target_os = "macos") { "libweir.dylib" } else { "libweir.so" };
    let path = deps.join(file);
    assert!(path.exists(), "{} was not built with the tests", path.display());
    path
}

/// Runs a command that must succeed; returns what it printed.
pub fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{command:?}\n{text}{}", String::from_utf8_lossy(&output.stderr));
    text
}
