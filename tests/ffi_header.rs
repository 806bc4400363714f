//! The header, the exported symbols and the list of them agree, and the header is clean C and C++.
//!
//! `WEIR_BLESS=1` rewrites `include/weir.h` and `abi/symbols.txt`; without it they are only compared.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn blessing() -> bool {
    std::env::var_os("WEIR_BLESS").is_some()
}

fn generated() -> String {
    let config = cbindgen::Config::from_file(root().join("cbindgen.toml")).expect("cbindgen.toml");
    let sources = root().join("src/ffi");
    let mut builder = cbindgen::Builder::new().with_config(config);
    let mut files: Vec<_> = std::fs::read_dir(&sources).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort_by_key(|path| {
        let stem = path.file_stem().unwrap().to_string_lossy().into_owned();
        (SECTIONS.iter().position(|section| *section == stem).unwrap_or(usize::MAX), stem)
    });
    for file in files.iter().filter(|path| path.extension().is_some_and(|end| end == "rs")) {
        // cbindgen follows the modules of a `mod.rs`, which exports nothing itself: they would all come twice.
        if !file.ends_with("mod.rs") && !file.to_string_lossy().ends_with("_tests.rs") {
            builder = builder.with_src(file);
        }
    }
    let mut header = Vec::new();
    builder.generate().expect("the header").write(&mut header);
    // The Rust-only section of each doc comment says in Rust's words what the conventions at the top say for all.
    without_safety_sections(&String::from_utf8(header).unwrap())
}

/// The order of the header's sections.
const SECTIONS: &[&str] = &[
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
    "writer",
    "writer_stats",
    "appender",
    "tailer",
    "subscription",
    "entry",
    "ipc",
];

fn without_safety_sections(header: &str) -> String {
    let mut out = String::new();
    let mut skipping = false;
    for line in header.lines() {
        let text = line.trim_start();
        if text == "* # Safety" {
            skipping = true;
            // The empty line before it.
            if out.ends_with(" *\n") {
                out.truncate(out.len() - " *\n".len());
            }
        } else if text.starts_with("*/") {
            skipping = false;
        }
        if !skipping {
            out.push_str(line.trim_end());
            out.push('\n');
        }
    }
    out
}

fn functions(header: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut comment = false;
    for line in header.lines() {
        let text = line.trim_start();
        comment = comment && !text.starts_with("*/");
        if text.starts_with("/*") {
            comment = !text.contains("*/");
        }
        if comment || text.starts_with("/*") || text.starts_with('*') || text.starts_with('#') || text.starts_with("typedef") {
            continue;
        }
        if let Some(at) = line.find("weir_")
            && let Some(end) = line[at..].find('(')
        {
            found.insert(line[at..at + end].to_owned());
        }
    }
    found
}

fn compare(path: &Path, wanted: &str) {
    if blessing() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, wanted).unwrap();
        return;
    }
    let found = std::fs::read_to_string(path).unwrap_or_default();
    if found != wanted {
        let line = found
            .lines()
            .zip(wanted.lines())
            .position(|(a, b)| a != b)
            .unwrap_or_else(|| found.lines().count().min(wanted.lines().count()));
        panic!(
            "{} is out of date from line {}:\n  is:     {:?}\n  should: {:?}\nrun WEIR_BLESS=1 cargo test --test ffi_header",
            path.display(),
            line + 1,
            found.lines().nth(line).unwrap_or("(end)"),
            wanted.lines().nth(line).unwrap_or("(end)")
        );
    }
}

#[test]
fn header_is_what_the_sources_say() {
    compare(&root().join("include/weir.h"), &generated());
}

#[test]
fn everything_begins_with_weir() {
    let header = generated();
    for line in header.lines() {
        if let Some(name) = line.strip_prefix("#define ") {
            let name = name.split([' ', '(']).next().unwrap();
            assert!(name.starts_with("WEIR_") || name.starts_with("ARROW_"), "{line}");
        }
        if line.starts_with("typedef ") && line.ends_with(';') && !line.contains("(*") {
            let name = line.trim_end_matches(';').rsplit([' ', '*']).next().unwrap();
            assert!(name.starts_with("Weir"), "{line}");
        }
    }
    assert!(functions(&header).len() > 100);
}

/// What only comments and numbers refer to is there too, and nothing is there twice.
#[test]
fn constants_are_there_and_functions_once() {
    let header = generated();
    for name in ["WEIR_ABI_VERSION", "WEIR_RESULT_KIND_NONE", "WEIR_LOG_LEVEL_OFF", "WEIR_COMPRESSION_NONE", "WEIR_ACTION_NONE"] {
        assert!(header.contains(&format!("#define {name} ")) || header.contains(&format!("    {name} = ")), "{name} is missing");
    }
    for name in functions(&header) {
        let times = header.lines().filter(|line| !line.trim_start().starts_with(['*', '/']) && line.contains(&format!("{name}("))).count();
        assert_eq!(times, 1, "{name}");
    }
}

/// Which symbols the version that brought them is on record for.
#[test]
fn exported_symbols_are_the_headers_and_on_record() {
    let header = functions(&generated());
    let path = root().join("abi/symbols.txt");
    let recorded = std::fs::read_to_string(&path).unwrap_or_default();
    let known: Vec<(&str, &str)> = recorded.lines().filter_map(|line| line.split_once(' ')).collect();
    let version = env!("CARGO_PKG_VERSION");
    let wanted: String = header
        .iter()
        .map(|name| {
            let since = known.iter().find(|(known, _)| known == name).map_or(version, |(_, since)| *since);
            format!("{name} {since}\n")
        })
        .collect();
    compare(&path, &wanted);
    let library = library();
    let output = Command::new("nm").args(["-D", "--defined-only"]).arg(&library).output().expect("nm, from binutils");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let exported: BTreeSet<String> = String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .filter_map(|line| line.split_whitespace().last())
        .map(|name| name.split('@').next().unwrap().to_owned())
        .collect();
    assert_eq!(exported, header, "exported by {} (left) and declared (right)", library.display());
}

/// The shared library of this profile, built if it is not there.
fn library() -> PathBuf {
    let mut dir = std::env::current_exe().unwrap();
    dir.pop();
    dir.pop();
    let library = dir.join("libweir.so");
    let profile = match dir.file_name().unwrap().to_str().unwrap() {
        "debug" => "dev".to_owned(),
        other => other.to_owned(),
    };
    let status =
        Command::new(env!("CARGO")).args(["build", "--quiet", "--lib", "--profile", &profile]).current_dir(root()).status().unwrap();
    assert!(status.success() && library.exists(), "cargo build --lib");
    library
}

#[test]
#[cfg(target_os = "linux")]
fn soname_says_which_abi_it_is() {
    let output = Command::new("readelf").args(["-d"]).arg(library()).output().expect("readelf, from binutils");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("[libweir.so.0]"), "{text}");
    assert!(text.contains("NODELETE"), "{text}");
}

#[test]
fn header_is_clean_c_and_cpp() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("weir.h"), generated()).unwrap();
    let sources = ["alone", "twice", "after_arrow", "layout"];
    for name in sources {
        let text = std::fs::read_to_string(root().join(format!("tests/header/{name}.c"))).unwrap();
        for (compiler, standard, end) in [("cc", "c99", "c"), ("cc", "c11", "c"), ("cc", "c17", "c"), ("c++", "c++17", "cpp")] {
            let source = dir.path().join(format!("{name}.{end}"));
            std::fs::write(&source, &text).unwrap();
            let output = Command::new(compiler)
                .args([&format!("-std={standard}"), "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fsyntax-only", "-I"])
                .arg(dir.path())
                .arg(&source)
                .output()
                .expect("a compiler");
            assert!(output.status.success(), "{name}.c as {standard}:\n{}", String::from_utf8_lossy(&output.stderr));
        }
    }
}
