//! The header is what the sources say, compiles everywhere, and promises what the library has.
#![cfg(target_os = "linux")]

mod header;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use header::{committed, functions, generate, library, root, run};

/// Compares, and never rewrites, but for `WEIR_BLESS=1`.
#[test]
fn the_header_is_what_the_sources_say() {
    let generated = generate();
    let differs = committed().lines().zip(generated.lines()).position(|(a, b)| a != b);
    assert!(
        committed() == generated,
        "include/weir.h is not what src/ffi says, first at line {}; run: WEIR_BLESS=1 cargo test --test ffi_header",
        differs.unwrap_or(committed().lines().count().min(generated.lines().count())) + 1
    );
}

/// Every function is documented.
#[test]
fn every_function_has_a_comment() {
    let header = generate();
    let lines: Vec<_> = header.lines().collect();
    for (at, line) in lines.iter().enumerate() {
        if functions(line).is_empty() {
            continue;
        }
        assert_eq!(lines[at - 1].trim(), "*/", "no comment on: {line}");
    }
}

/// What the library exports, the header declares and `abi/symbols.txt` lists are the same functions.
#[test]
fn library_header_and_list_agree() {
    let exported = run(Command::new("nm").args(["-D", "--defined-only", "--format=posix"]).arg(library()));
    let exported: BTreeSet<_> = exported.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect();
    let all = functions(&generate());
    let declared: BTreeSet<_> = all.iter().cloned().collect();
    assert_eq!(declared.len(), all.len(), "a function is declared twice");
    assert_eq!(exported, declared, "exported (left), declared in the header (right)");

    let path = root().join("abi/symbols.txt");
    let list = std::fs::read_to_string(&path).unwrap_or_default();
    let mut listed: Vec<(&str, &str)> =
        list.lines().filter(|line| !line.starts_with('#')).map(|line| line.split_once(' ').unwrap()).collect();
    if std::env::var_os("WEIR_BLESS").is_some() {
        let known: BTreeSet<_> = listed.iter().map(|(name, _)| *name).collect();
        listed.extend(declared.iter().filter(|name| !known.contains(name.as_str())).map(|name| (name.as_str(), env!("CARGO_PKG_VERSION"))));
        listed.sort_unstable();
        let lines: String = listed.iter().map(|(name, version)| format!("{name} {version}\n")).collect();
        let text = format!(
            "# Every function of the C ABI with the version that brought it. None is ever removed within a major version.\n{lines}"
        );
        std::fs::write(&path, text).unwrap();
    }
    let names: BTreeSet<_> = listed.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(names, declared, "listed in abi/symbols.txt (left), declared in the header (right)");
    for (name, version) in listed {
        assert!(version.split('.').count() == 3 && version.split('.').all(|part| part.parse::<u32>().is_ok()), "{name}: {version}");
    }
}

/// SONAME, `-z nodelete`, and nothing but libc and its kin needed.
#[test]
fn the_library_is_linked_as_it_should_be() {
    let dynamic = run(Command::new("readelf").args(["-d", "-W"]).arg(library()));
    assert!(dynamic.contains("soname: [libweir.so.0]"), "{dynamic}");
    assert!(dynamic.contains("NODELETE"), "{dynamic}");
}

fn compile(standard: &str, source: &Path, out: &Path) {
    let compiler = if standard.starts_with("c++") { "c++" } else { "cc" };
    let language = if compiler == "c++" { "c++" } else { "c" };
    let flags = ["-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wundef", "-Werror"];
    run(Command::new(compiler)
        .args([&format!("-std={standard}"), "-x", language])
        .args(flags)
        .arg("-I")
        .arg(root().join("include"))
        .arg("-c")
        .arg(source)
        .arg("-o")
        .arg(out));
}

const STANDARDS: [&str; 6] = ["c99", "c11", "c17", "gnu2x", "c++17", "c++20"];

/// Alone, twice, and with the frozen layouts asserted.
#[test]
fn the_header_compiles_as_every_c_and_cpp() {
    assert!(!committed().is_empty());
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out.o");
    for standard in STANDARDS {
        compile(standard, &root().join("include/weir.h"), &out);
        compile(standard, &root().join("tests/header/layout.c"), &out);
    }
}

/// The `WEIR_…_INIT` macros say what the library's defaults are, and a C program runs against the library.
#[test]
fn the_init_macros_are_the_defaults() {
    assert!(!committed().is_empty());
    let dir = tempfile::tempdir().unwrap();
    let (object, program) = (dir.path().join("init.o"), dir.path().join("init"));
    for standard in STANDARDS {
        compile(standard, &root().join("tests/header/init.c"), &object);
        run(Command::new("c++").arg(&object).arg(library()).arg("-o").arg(&program));
        std::os::unix::fs::symlink(library(), dir.path().join("libweir.so.0")).ok();
        run(Command::new(&program).env("LD_LIBRARY_PATH", dir.path()));
    }
}
