//! Link settings of the shared library: its SONAME, what it exports, and that it is never unloaded.

fn main() {
    println!("cargo:rerun-if-changed=abi/version.map");
    println!("cargo:rerun-if-changed=build.rs");
    let target = std::env::var("CARGO_CFG_TARGET_OS").unwrap_or_default();
    if target != "linux" {
        return;
    }
    let root = std::env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
    // The number grows with every change of the ABI that breaks programs built before.
    println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,libweir.so.0");
    // Crates underneath export C symbols of their own; they stay inside.
    println!("cargo:rustc-cdylib-link-arg=-Wl,--version-script={root}/abi/version.map");
    println!("cargo:rustc-cdylib-link-arg=-Wl,--exclude-libs,ALL");
    // Threads and thread-local destructors would outlive a dlclose.
    println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");
}
