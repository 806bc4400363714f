fn main() {
    println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,libweir.so.0");
    println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");
    println!("cargo:rustc-cdylib-link-arg=-Wl,--version-script={}/abi/version.map", std::env::var("CARGO_MANIFEST_DIR").unwrap());
}
