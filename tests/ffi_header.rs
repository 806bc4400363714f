#[test]
fn t() { let _ = cbindgen::Language::C; }
