//! Running the tool, and files for it to read.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow_ipc::writer::{FileWriter, StreamWriter};
use serde_json::Value;
use tempfile::TempDir;

pub const SHARD: &str = "7b1c3c1e-0a35-4c53-a2c5-7c4f7f6f3f2e";

/// What a run of the tool left behind.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    /// The output of a run that succeeded and complained of nothing.
    #[track_caller]
    pub fn ok(self) -> String {
        assert_eq!((self.code, self.stderr.as_str()), (0, ""), "{}", self.stdout);
        self.stdout
    }

    /// The one line that a failed run with this code wrote to standard error.
    #[track_caller]
    pub fn fails(self, code: i32) -> String {
        assert_eq!(self.code, code, "{}{}", self.stderr, self.stdout);
        assert_eq!(self.stderr.lines().count(), 1, "{}", self.stderr);
        assert!(self.stderr.starts_with("weir: "), "{}", self.stderr);
        self.stderr.trim_end().to_owned()
    }

    /// Standard output as one JSON value per line.
    #[track_caller]
    pub fn json(&self) -> Vec<Value> {
        self.stdout.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"))).collect()
    }
}

pub fn command<A: AsRef<OsStr>>(args: impl IntoIterator<Item = A>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_weir"));
    command.args(args).stdin(Stdio::null()).env_remove("NO_COLOR");
    command
}

pub fn weir<A: AsRef<OsStr>>(args: impl IntoIterator<Item = A>) -> Ran {
    ran(command(args))
}

pub fn ran(mut command: Command) -> Ran {
    let output = command.output().unwrap();
    Ran {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// A running tool.
pub struct Running {
    child: KilledOnDrop,
    pub stdout: BufReader<std::process::ChildStdout>,
}

/// A test that fails leaves no process behind.
struct KilledOnDrop(Child);

impl Drop for KilledOnDrop {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Running {
    pub fn start<A: AsRef<OsStr>>(args: impl IntoIterator<Item = A>) -> Self {
        let child = command(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut child = KilledOnDrop(child);
        let stdout = BufReader::new(child.0.stdout.take().unwrap());
        Self { child, stdout }
    }

    pub fn stdin(&mut self) -> ChildStdin {
        self.child.0.stdin.take().unwrap()
    }

    /// The next line, as soon as it is there.
    pub fn line(&mut self) -> String {
        let mut line = String::new();
        assert!(self.stdout.read_line(&mut line).unwrap() > 0, "the output ended");
        line.trim_end().to_owned()
    }

    pub fn interrupt(&self) {
        let killed = Command::new("kill").arg("-INT").arg(self.child.0.id().to_string()).status().unwrap();
        assert!(killed.success());
    }

    /// Closes standard output, as `head` does when it has enough, and waits for the end.
    pub fn end_unread(self) -> Ran {
        let Self { child, stdout } = self;
        drop(stdout);
        end(child, String::new())
    }

    /// Waits for its end, and gives what it wrote since.
    pub fn end(self) -> Ran {
        let Self { child, mut stdout } = self;
        let mut text = String::new();
        stdout.read_to_string(&mut text).unwrap();
        end(child, text)
    }
}

fn end(mut child: KilledOnDrop, stdout: String) -> Ran {
    let mut status = None;
    until("the tool ends", || {
        status = child.0.try_wait().unwrap();
        status.is_some()
    });
    let mut stderr = String::new();
    child.0.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    Ran { code: status.and_then(|status| status.code()).unwrap_or(-1), stdout, stderr }
}

/// Waits for something that must come: not at a certain time, but some time.
pub fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < Duration::from_secs(60), "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// A directory with a root, not made yet, and room for files.
pub struct Dir(TempDir);

impl Dir {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub fn root(&self) -> String {
        self.path("root").display().to_string()
    }

    pub fn url(&self) -> String {
        format!("file://{}", self.root())
    }

    /// An Arrow IPC file of these batches.
    pub fn file(&self, name: &str, batches: &[RecordBatch]) -> String {
        let path = self.path(name);
        std::fs::write(&path, file_bytes(batches)).unwrap();
        path.display().to_string()
    }

    /// The object of the entry at `position`.
    pub fn entry(&self, position: u64) -> PathBuf {
        self.object("wal", position, "arrow")
    }

    pub fn manifest(&self, version: u64) -> PathBuf {
        self.object("manifest", version, "binpb")
    }

    pub fn hint(&self) -> PathBuf {
        self.shard_dir().join("manifest/version_hint.json")
    }

    pub fn shard_dir(&self) -> PathBuf {
        Path::new(&self.root()).join("_mem_wal").join(SHARD)
    }

    fn object(&self, dir: &str, number: u64, extension: &str) -> PathBuf {
        self.shard_dir().join(dir).join(format!("{:064b}.{extension}", number.reverse_bits()))
    }

    /// A shard of two epochs: entry 1 with rows 0 to 3, a sentinel, entries 3 to 5 with two rows each from 4 on.
    pub fn two_epochs() -> Self {
        let dir = Self::new();
        let first = dir.file("first.arrow", &[batch(0, 4)]);
        weir(["ingest", &dir.root(), SHARD, &first]).ok();
        let second = dir.file("second.arrow", &[batch(4, 6)]);
        weir(["ingest", &dir.root(), SHARD, &second, "--durable", "--batch-rows", "2"]).ok();
        dir
    }
}

/// Rows `start` to `start + rows - 1`: a number, a text that is null for every third, a moment.
pub fn batch(start: i64, rows: i64) -> RecordBatch {
    let ids = start..start + rows;
    let columns: [(&str, ArrayRef, bool); 3] = [
        ("id", Arc::new(Int64Array::from_iter_values(ids.clone())), false),
        ("text", Arc::new(ids.clone().map(|i| (i % 3 != 2).then(|| format!("row {i}"))).collect::<StringArray>()), true),
        ("at", Arc::new(TimestampMicrosecondArray::from_iter_values(ids.map(|i| i * 1_000_000)).with_timezone("UTC")), true),
    ];
    RecordBatch::try_from_iter_with_nullable(columns).unwrap()
}

pub fn file_bytes(batches: &[RecordBatch]) -> Vec<u8> {
    let mut writer = FileWriter::try_new(Vec::new(), batches[0].schema_ref()).unwrap();
    batches.iter().for_each(|batch| writer.write(batch).unwrap());
    writer.into_inner().unwrap()
}

/// A stream into a pipe, batch by batch.
pub fn stream_into(pipe: ChildStdin, first: &RecordBatch) -> StreamWriter<ChildStdin> {
    let mut writer = StreamWriter::try_new(pipe, first.schema_ref()).unwrap();
    put(&mut writer, first);
    writer
}

pub fn put(writer: &mut StreamWriter<ChildStdin>, batch: &RecordBatch) {
    writer.write(batch).unwrap();
    writer.get_mut().flush().unwrap();
}

/// Flips one bit in the middle of a file.
pub fn flip(path: &Path) {
    let mut bytes = std::fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(path, bytes).unwrap();
}

/// All files and directories below `path`, to see that nothing was made.
pub fn tree(path: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(path).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(tree(&path));
        }
        found.push(path);
    }
    found.sort();
    found
}

/// A shard that Lance wrote.
pub fn lance(name: &str) -> String {
    format!("{}/tests/fixtures/lance-14.0.2/{name}", env!("CARGO_MANIFEST_DIR"))
}
