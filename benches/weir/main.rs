//! Benchmarks of weir through its C ABI. Every figure is set beside its limit or a peer, measured in the same run.
//!
//! `cargo bench --bench weir -- [--dir DIR] [--rounds N] [--scale PERCENT] [--only SUBSTRING] [--out FILE]`

mod abi;
mod alloc;
mod append;
mod cache;
mod cache_engines;
mod calls;
mod data;
mod mem;
mod memtable;
mod open;
mod put;
mod raw;
mod report;
mod scan;
mod size;
mod spill;
mod tail;

use std::path::PathBuf;

use report::Report;

#[global_allocator]
static ALLOCATOR: alloc::Counting = alloc::Counting;

/// What the command line says.
pub struct Options {
    /// Where the shards go: a directory on the disk to be measured.
    pub dir: PathBuf,
    /// Rounds of each figure; the median counts.
    pub rounds: usize,
    /// Numbers of operations, in percent of the usual.
    pub scale: usize,
    only: Option<String>,
}

impl Options {
    fn wants(&self, suite: &str) -> bool {
        self.only.as_ref().is_none_or(|only| suite.contains(only.as_str()) || only.starts_with(suite))
    }

    /// Whether `figure` of a suite is wanted: all are, unless the command line names one by more than its suite.
    pub fn wants_figure(&self, figure: &str) -> bool {
        self.only.as_ref().is_none_or(|only| !only.contains('.') || figure.starts_with(only.as_str()))
    }

    /// `usual` operations, scaled.
    pub fn count(&self, usual: usize) -> usize {
        (usual * self.scale / 100).max(20)
    }
}

type Suite = fn(&Options, &mut Report);

fn main() {
    let mut options = Options { dir: std::env::temp_dir(), rounds: 5, scale: 100, only: None };
    let mut out = PathBuf::from("target/bench/weir.jsonl");
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().unwrap_or_else(|| usage(&format!("{argument} wants a value")));
        match argument.as_str() {
            "--dir" => options.dir = value().into(),
            "--rounds" => options.rounds = number(&value()),
            "--scale" => options.scale = number(&value()),
            "--only" => options.only = Some(value()),
            "--out" => out = value().into(),
            // What cargo adds by itself.
            "--bench" => {}
            other => usage(&format!("unknown argument {other}")),
        }
    }
    let work = options.dir.join(format!("weir-bench-{}", std::process::id()));
    std::fs::create_dir_all(&work).unwrap_or_else(|error| usage(&format!("{}: {error}", work.display())));
    options.dir = work;
    let mut report = Report::new();
    let suites: [(&str, Suite); 12] = [
        ("calls", calls::run),
        ("put", put::run),
        ("append", append::run),
        ("tail", tail::run),
        ("spill", spill::run),
        ("cache", cache::run),
        ("engines", cache_engines::run),
        ("open", open::run),
        ("memtable", memtable::run),
        ("mem", mem::run),
        ("scan", scan::run),
        ("size", size::run),
    ];
    for (name, run) in suites {
        if options.wants(name) {
            eprintln!("… {name}");
            run(&options, &mut report);
        }
    }
    // Only now: on ext4, creating files right after deleting many is ten times slower.
    let _ = std::fs::remove_dir_all(&options.dir);
    report.print();
    if let Err(error) = report.write(&out) {
        eprintln!("{}: {error}", out.display());
        std::process::exit(1);
    }
}

fn number(text: &str) -> usize {
    text.parse().ok().filter(|n| *n > 0).unwrap_or_else(|| usage(&format!("{text:?} is no number above 0")))
}

fn usage(message: &str) -> ! {
    eprintln!("{message}\nusage: weir [--dir DIR] [--rounds N] [--scale PERCENT] [--only SUITE] [--out FILE]");
    std::process::exit(2);
}
