//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::text;

const EXAMPLES: &str = "\
Examples:
  weir ingest /var/lib/events new flights.arrow        write a file into a new shard
  weir inspect s3://bucket/events                      which shards are there
  weir tail s3://bucket/events SHARD --follow --json   what is written to a shard, as it is written
  weir tail /var/lib/events SHARD --out copy.arrow     a shard's rows as an Arrow file
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
    /// Show the shards of a root, or one shard's manifest and log
    Inspect(Inspect),
    /// Read every object of a shard and say what is wrong
    #[command(after_help = VERIFY)]
    Verify(Verify),
    /// Remove a shard's oldest entries
    #[command(after_help = TRIM)]
    Trim(Trim),
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
  weir tail ROOT SHARD --out - | weir ingest OTHER new -";

const TAIL: &str = "\
Prints one line per entry; with --rows the rows instead.

Examples:
  weir tail /var/lib/events SHARD --from 100 --limit 10
  weir tail s3://bucket/events SHARD --follow --rows --json | jq .id
  weir tail /var/lib/events SHARD --out - | python -c 'import pyarrow.ipc, sys; print(pyarrow.ipc.open_stream(sys.stdin.buffer).read_all())'";

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
