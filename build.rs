//! How the shared library is linked: its SONAME, that it is never unloaded, and that it exports `weir_*` alone.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Names in the list that this build does not have are no error, though rustc asks for them to be.
const LENIENT: &str = "--undefined-version";

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=abi/version.map");
    if env::var("CARGO_CFG_TARGET_OS").as_deref() != Ok("linux") {
        return;
    }
    // Bindings load the library by this name; it changes with the ABI.
    link("-soname,libweir.so.0");
    // Its threads, and its handler of forks, would outlive a dlclose.
    link("-z,nodelete");
    // Crates underneath export C functions of their own. Where they are linked as libraries, this keeps them in; where
    // link-time optimisation has made one object of all, only a list of names does, if the linker takes a second one.
    link("--exclude-libs,ALL");
    let map = Path::new(&var("CARGO_MANIFEST_DIR")).join("abi/version.map");
    let map = format!("--version-script={}", map.display());
    if takes_two_lists(&map) {
        link(LENIENT);
        link(&map);
    }
}

fn link(argument: &str) {
    println!("cargo:rustc-cdylib-link-arg=-Wl,{argument}");
}

fn var(name: &str) -> String {
    env::var(name).unwrap_or_default()
}

/// Whether the linker merges a version script with the one of rustc's: links a trivial library with both.
fn takes_two_lists(map: &str) -> bool {
    let dir = PathBuf::from(var("OUT_DIR"));
    let source = dir.join("probe.rs");
    if std::fs::write(&source, "#[unsafe(no_mangle)]\npub extern \"C\" fn weir_probe() {}\n").is_err() {
        return false;
    }
    let mut rustc = Command::new(var("RUSTC"));
    rustc.args(["--edition=2024", "--crate-type=cdylib", "--crate-name=probe"]).arg("--target").arg(var("TARGET"));
    let flags = var("CARGO_ENCODED_RUSTFLAGS");
    rustc.args(flags.split('\u{1f}').filter(|flag| !flag.is_empty()));
    let linker = var("RUSTC_LINKER");
    if !linker.is_empty() {
        rustc.arg(format!("-Clinker={linker}"));
    }
    rustc.args([LENIENT, map].map(|argument| format!("-Clink-arg=-Wl,{argument}"))).arg(&source).arg("--out-dir").arg(&dir);
    rustc.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
}
