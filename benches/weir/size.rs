//! The size of the stripped shared library, where the caller has built it: `WEIR_SIZE_FULL` and `WEIR_SIZE_LOCAL` name the files.

use crate::Options;
use crate::report::{Report, Target};

/// What a trivial shared library over the same crates weighs, in MB.
const TRIVIAL_FULL: f64 = 11.4;
const TRIVIAL_LOCAL: f64 = 4.1;

pub fn run(_: &Options, report: &mut Report) {
    for (name, variable, trivial, target) in
        [("size.full", "WEIR_SIZE_FULL", TRIVIAL_FULL, 15.0), ("size.local", "WEIR_SIZE_LOCAL", TRIVIAL_LOCAL, 6.5)]
    {
        let Some(path) = std::env::var_os(variable) else {
            eprintln!("{name}: {variable} is not set, left out");
            continue;
        };
        match std::fs::metadata(&path) {
            Ok(metadata) => report.value(name, metadata.len() as f64 / 1e6, "MB", Some(trivial), Target::AtMost(target)),
            Err(error) => eprintln!("{name}: {}: {error}", path.display()),
        }
    }
}
