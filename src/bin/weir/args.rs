//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use weir::wal::entry;

use crate::condition::Condition;
use crate::text;

const EXAMPLES: &str = "\
Examples:
  weir ingest /var/lib/events new flights.arrow        write a file into a new shard
  weir inspect s3://bucket/events                      which shards are there
  weir tail s3://bucket/events SHARD --follow --json   what is written to a shard, as it is written
  weir tail /var/lib/events SHARD --out copy.arrow     a shard's log as an Arrow file
  weir scan /var/lib/events SHARD --where 'id > 100'   the newest version of each row
  weir get /var/lib/events SHARD 42                    the row of a key
  weir verify /var/lib/events SHARD                    check every object of a shard

ROOT is a path or a URL: file:///path, s3://bucket/prefix, gs://bucket/prefix, az://container/prefix.
SHARD is the shard's UUID.

Exit codes: 0 done, 1 failed or (verify) problems found, 2 usage, 3 store or file not readable or writable,
4 not found, 5 fenced by another writer, 6 shard sealed, 130 interrupted.";

/// Write-ahead shards of Arrow batches on object storage: write, read, inspect, check and trim them.
#[derive(Debug, Parser)]
#[command(name = "weir", version, about, after_help = EXAMPLES, disable_help_subcommand = true)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,

    /// A setting of the store, such as aws_region=eu-west-1 (repeatable). Credentials are better put into the environment
    /// (AWS_ACCESS_KEY_ID, …): arguments can be seen by other users
    #[arg(long = "store", value_name = "KEY=VALUE", global = true, value_parser = setting)]
    pub store: Vec<(String, String)>,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Write Arrow IPC files into a shard, and wait until their rows are durable
    #[command(after_help = INGEST)]
    Ingest(Ingest),
    /// Read a shard's entries in order
    #[command(after_help = TAIL)]
    Tail(Tail),
    /// Read a shard's rows as they are now: the newest version of each key
    #[command(after_help = SCAN)]
    Scan(Scan),
    /// Read the rows of some keys
    #[command(after_help = GET)]
    Get(Get),
    /// Show the shards of a root, or one shard's manifest, log and generations
    Inspect(Inspect),
    /// Read every object of a shard and say what is wrong
    #[command(after_help = VERIFY)]
    Verify(Verify),
    /// Remove a shard's oldest entries
    #[command(after_help = TRIM)]
    Trim(Trim),
    /// Merge a shard's generations, and remove what is left of old ones
    #[command(after_help = COMPACT)]
    Compact(Compact),
    /// Seal a shard against writers
    Seal(Shard),
    /// Open a sealed shard for writers again
    Unseal(Shard),
}

const INGEST: &str = "\
Claims the shard: a writer that holds it is fenced. On Ctrl-C what was accepted is made durable first; a second Ctrl-C ends at once.

Examples:
  weir ingest /var/lib/events new flights.arrow
  weir ingest s3://bucket/events 7b1c3c1e-0a35-4c53-a2c5-7c4f7f6f3f2e day-*.arrow --batch-rows 10000
  weir ingest /var/lib/events new users.arrow --key id
  weir tail ROOT SHARD --out - | weir ingest OTHER new -";

const TAIL: &str = "\
Prints one line per entry; with --rows the rows instead.

Examples:
  weir tail /var/lib/events SHARD --from 100 --limit 10
  weir tail s3://bucket/events SHARD --follow --rows --json | jq .id
  weir tail /var/lib/events SHARD --out - | python -c 'import pyarrow.ipc, sys; print(pyarrow.ipc.open_stream(sys.stdin.buffer).read_all())'";

const SCAN: &str = "\
Reads generations and the log's tail, without claiming the shard; its writer goes on undisturbed. Rows come in the order in which
they were put. A shard without a primary key has every row.

CONDITION is COLUMN OPERATOR VALUE, with one of = != < <= > >=, or COLUMN is null, or COLUMN is not null. Of several, all must
hold. VALUE is read as the column's type: 5, -1.5, true, 2026-01-31, 2026-01-31T12:00:00 (UTC, unless it names a zone), binary data
in hexadecimal. Single quotes around it may be left out: 'it''s'. A column whose name has blanks or operators goes into double
quotes.

Examples:
  weir scan /var/lib/events SHARD --columns id,state --where 'id >= 100' --where 'state != done'
  weir scan s3://bucket/events SHARD --json --limit 10 | jq .id
  weir scan /var/lib/events SHARD --out now.arrow";

const GET: &str = "\
KEY is the value of the key column, written as for `weir scan --where` but without quotes. A key of several columns is a JSON array
of their values, in the order of the key: '[\"eu\", 42]'. What looks like an option goes behind `--`.

Exit codes: 0 all keys found, 4 some were deleted or never written (standard error says which).

Examples:
  weir get /var/lib/events SHARD 42 43
  weir get s3://bucket/events SHARD '[\"eu\", 42]' --json";

const COMPACT: &str = "\
A writer in MemTable mode merges generations itself while it runs; this is for shards that have none. It claims the shard, so a
writer that holds it is fenced and ends: hence --yes. Where nothing is worth merging, nothing is claimed.

Directories that no manifest names any more, and attempts that failed, are removed once they are older than --age, which must be the
trim age that the shard's writers and readers are configured with (24h unless changed).

Examples:
  weir compact /var/lib/events SHARD --dry-run
  weir compact s3://bucket/events SHARD --yes --max-bytes 1GiB";

const VERIFY: &str = "\
Exit codes: 0 clean, 1 problems found, 3 no problem found but not everything could be read, 4 no such shard.";

const TRIM: &str = "\
Removes the oldest entries up to and including position N, as far as they are older than --age, and manifest versions of that
age. The newest entry always stays. The age protects the shard from writers that were stopped for long and come back: it must
be the trim age that the shard's writers are configured with (24h unless changed), and writers must not be stopped for longer.";

#[derive(Debug, Args)]
pub struct Shard {
    /// The root: a path or a URL
    pub root: String,
    /// The shard's UUID
    pub shard: String,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct Ingest {
    /// The root: a path or a URL. A local directory is made if it is missing
    pub root: String,
    /// The shard's UUID, or `new` for a new shard
    pub shard: String,
    /// Arrow IPC files or streams, all of one schema; `-` is standard input
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Split batches of more than N rows
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub batch_rows: Option<u32>,
    /// Make each batch durable before the next one is put: an entry for every batch. Otherwise batches share entries, and
    /// everything is durable at the end
    #[arg(long)]
    pub durable: bool,
    /// Compression of the entries (Lance reads them only if it is built with it)
    #[arg(long, value_enum, default_value_t = Compression::None)]
    pub compression: Compression,
    /// Keep the rows by this primary key, in MemTable mode: later rows replace earlier ones of the same key, and all are flushed to
    /// generations at the end
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',')]
    pub key: Vec<String>,
    /// MemTable mode with the key that the files' schema marks, or without one. Otherwise only the log is written
    #[arg(long)]
    pub memtable: bool,
    /// Print the result as JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Compression {
    None,
    Lz4,
    Zstd,
}

impl Compression {
    /// The same, as the library calls it.
    pub fn of_bodies(self) -> entry::Compression {
        match self {
            Self::None => entry::Compression::None,
            Self::Lz4 => entry::Compression::Lz4,
            Self::Zstd => entry::Compression::Zstd,
        }
    }
}

#[derive(Debug, Args)]
pub struct Tail {
    /// The root: a path or a URL
    pub root: String,
    /// The shard's UUID
    pub shard: String,
    /// The position to start at; without it, the oldest
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub from: Option<u64>,
    /// End after N entries
    #[arg(long, value_name = "N")]
    pub limit: Option<u64>,
    /// Wait for new entries at the end of the log
    #[arg(short, long)]
    pub follow: bool,
    /// Print JSON, one object per line
    #[arg(long)]
    pub json: bool,
    /// Print the rows: a table for each entry or, with --json, one object per row
    #[arg(long)]
    pub rows: bool,
    /// Write the rows to FILE as an Arrow IPC file; `-` is standard output, as an Arrow IPC stream
    #[arg(short, long, value_name = "FILE", conflicts_with_all = ["rows", "json"])]
    pub out: Option<PathBuf>,
}

/// Which rows of a shard are looked at.
#[derive(Debug, Args)]
pub struct Reading {
    /// The columns of the primary key, if the shard does not name them itself
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',')]
    pub key: Vec<String>,
    /// Only what is in generations: leave out the log's tail
    #[arg(long)]
    pub no_wal: bool,
    /// The most memory that the rows of the log's tail may take
    #[arg(long, value_name = "SIZE", default_value = "1GiB", value_parser = text::parse_size)]
    pub memory: u64,
}

#[derive(Debug, Args)]
pub struct Scan {
    /// The root: a path or a URL
    pub root: String,
    /// The shard's UUID
    pub shard: String,
    /// Print these columns, in this order; without it, all
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',')]
    pub columns: Vec<String>,
    /// Only rows for which this holds (repeatable)
    #[arg(long = "where", value_name = "CONDITION", value_parser = Condition::parse)]
    pub conditions: Vec<Condition>,
    /// At most N rows
    #[arg(long, value_name = "N")]
    pub limit: Option<u64>,
    /// Add the column _position: the row's number in its generation
    #[arg(long)]
    pub position: bool,
    /// Add the column _generation: the generation that has the row, or will have it
    #[arg(long)]
    pub generation: bool,
    /// Print keys whose newest version is a deletion, too, told apart by the column _tombstone
    #[arg(long)]
    pub tombstones: bool,
    #[command(flatten)]
    pub reading: Reading,
    /// Print one JSON object per row
    #[arg(long)]
    pub json: bool,
    /// Write the rows to FILE as an Arrow IPC file; `-` is standard output, as an Arrow IPC stream
    #[arg(short, long, value_name = "FILE", conflicts_with = "json")]
    pub out: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct Get {
    /// The root: a path or a URL
    pub root: String,
    /// The shard's UUID
    pub shard: String,
    /// The keys
    #[arg(required = true, value_name = "KEY", allow_negative_numbers = true)]
    pub keys: Vec<String>,
    /// Print these columns, in this order; without it, all
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',')]
    pub columns: Vec<String>,
    #[command(flatten)]
    pub reading: Reading,
    /// Print one JSON object per key
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct Compact {
    /// The root: a path or a URL
    pub root: String,
    /// The shard's UUID
    pub shard: String,
    /// The fewest generations that are worth a merge
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u16).range(2..))]
    pub min_generations: u16,
    /// The most that the generations of one merge may have on storage; a merge takes about that much memory
    #[arg(long, value_name = "SIZE", default_value = "256MiB", value_parser = text::parse_size)]
    pub max_bytes: u64,
    /// Keep deletions that nothing is left for in the shard, for rows of the same keys that live on elsewhere
    #[arg(long)]
    pub keep_tombstones: bool,
    /// Compression of the merged rows
    #[arg(long, value_enum, default_value_t = Compression::None)]
    pub compression: Compression,
    /// Remove what nobody needs and is older than this: a number with the unit s, m, h or d
    #[arg(long, default_value = "24h", value_parser = text::parse_duration)]
    pub age: Duration,
    /// Only say what would be merged and removed
    #[arg(long)]
    pub dry_run: bool,
    /// Merge, although a writer that holds the shard is fenced by it
    #[arg(short, long)]
    pub yes: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct Inspect {
    /// The root: a path or a URL
    pub root: String,
    /// The shard's UUID; without it, all shards are listed
    pub shard: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct Verify {
    /// The root: a path or a URL
    pub root: String,
    /// The shard's UUID
    pub shard: String,
    /// Print one JSON object at the end
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct Trim {
    /// The root: a path or a URL
    pub root: String,
    /// The shard's UUID
    pub shard: String,
    /// The newest position to remove
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub up_to: u64,
    /// Keep what is younger: a number with the unit s, m, h or d
    #[arg(long, default_value = "24h", value_parser = text::parse_duration)]
    pub age: Duration,
    /// Only say what would be removed
    #[arg(long)]
    pub dry_run: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

fn setting(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("a setting is written KEY=VALUE".into()),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use clap::CommandFactory;

    use super::Cli;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    /// `WEIR_BLESS=1` writes them.
    #[test]
    fn the_manual_pages_are_those_of_the_command_line() {
        let committed = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/man");
        let fresh = tempfile::tempdir().unwrap();
        // Without the version, which each release would change.
        clap_mangen::generate_to(Cli::command().version(None), fresh.path()).unwrap();
        if std::env::var_os("WEIR_BLESS").is_some() {
            std::fs::create_dir_all(&committed).unwrap();
            std::fs::read_dir(fresh.path()).unwrap().map(Result::unwrap).for_each(|page| {
                std::fs::copy(page.path(), committed.join(page.file_name())).unwrap();
            });
        }
        let pages = |dir: &Path| {
            let mut names: Vec<_> = std::fs::read_dir(dir).unwrap().map(|page| page.unwrap().file_name()).collect();
            names.sort();
            names
        };
        assert_eq!(pages(&committed), pages(fresh.path()));
        for name in pages(&committed) {
            let (old, new) = (committed.join(&name), fresh.path().join(&name));
            assert!(
                std::fs::read(old).unwrap() == std::fs::read(new).unwrap(),
                "{name:?} is not up to date: run this test with WEIR_BLESS=1"
            );
        }
    }
}
