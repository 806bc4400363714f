//! What the machine can do without weir: the limits.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Creates `count` files of `bytes` in a fresh directory the way a durable create-if-absent must: create, write, (fsync,) link
/// to the final name, (fsync the directory). Returns the time of each.
pub fn creates(dir: &Path, bytes: &[u8], count: usize, fsync: bool) -> Vec<Duration> {
    fs::create_dir_all(dir).expect("a directory for the raw files");
    let parent = File::open(dir).expect("the directory opens");
    (0..count)
        .map(|i| {
            let began = Instant::now();
            let staging = dir.join(format!("{i:064}.arrow#1"));
            let mut file = OpenOptions::new().write(true).create_new(true).open(&staging).expect("a raw file");
            file.write_all(bytes).expect("a raw write");
            if fsync {
                file.sync_all().expect("a raw fsync");
            }
            drop(file);
            fs::hard_link(&staging, path(dir, i)).expect("a raw link");
            if fsync {
                parent.sync_all().expect("a raw fsync of the directory");
            }
            began.elapsed()
        })
        .collect()
}

/// The name of the `i`-th raw file.
pub fn path(dir: &Path, i: usize) -> PathBuf {
    dir.join(format!("{i:064}.arrow"))
}

/// Reads `files` whole, one after the other, into one buffer; returns the bytes.
pub fn reads(files: &[PathBuf]) -> u64 {
    let mut buffer = Vec::new();
    let mut total = 0;
    for path in files {
        let mut file = File::open(path).expect("a raw file opens");
        buffer.clear();
        buffer.reserve(file.metadata().expect("its size").len() as usize);
        file.read_to_end(&mut buffer).expect("a raw read");
        total += buffer.len() as u64;
        std::hint::black_box(&buffer);
    }
    total
}

/// The WAL entries below `root`, in the order of their positions.
pub fn entries(root: &Path, shard: &str) -> Vec<PathBuf> {
    let dir = root.join("_mem_wal").join(shard).join("wal");
    let mut files: Vec<_> = fs::read_dir(dir).expect("a shard").map(|entry| entry.expect("an entry").path()).collect();
    files.sort_by_key(|path| {
        path.file_name().map(|name| name.to_string_lossy().chars().take(64).collect::<Vec<_>>().into_iter().rev().collect::<String>())
    });
    files
}
