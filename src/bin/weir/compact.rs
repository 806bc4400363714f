//! `weir compact`: merges a shard's generations, and removes directories of generations that nobody needs.
//!
//! Only the holder of a shard's epoch may change its manifest, so merging claims the shard. Whether there is something to merge is found
//! out before: a call that has nothing to do fences nobody.

use std::sync::Arc;

use serde_json::json;
use weir::error::{Error, ErrorKind, Result};
use weir::generation::compact::{self, CompactOptions};
use weir::generation::sweep::{self, Swept};
use weir::generation::{DataOptions, Generation};
use weir::shard::ShardPath;
use weir::shard::manifest::{Manifest, ManifestOptions};
use weir::wal::Appender;

use crate::args::Compact;
use crate::exit::Done;
use crate::generations::{Published, is_outdated};
use crate::output::Output;
use crate::place::{Place, block_on};
use crate::text::{self, plural};

pub fn run(args: &Compact, settings: &[(String, String)]) -> Done {
    let place = Place::existing(&args.root, settings)?;
    let shard = ShardPath::new(&args.shard)?;
    let job = Job { args, place: &place, shard: &shard, options: options(args) };
    let report = block_on(job.run())?;
    let mut output = Output::new();
    output.line(if args.json { report.json(args, &shard).to_string() } else { report.text(args, &shard) })?;
    output.flush()
}

fn options(args: &Compact) -> CompactOptions {
    let defaults = CompactOptions::default();
    let min_inputs = usize::from(args.min_generations);
    CompactOptions {
        max_bytes: args.max_bytes,
        min_inputs,
        max_inputs: defaults.max_inputs.max(min_inputs),
        drop_tombstones: !args.keep_tombstones,
        data: DataOptions { compression: args.compression.of_bodies(), ..defaults.data },
    }
}

struct Job<'a> {
    args: &'a Compact,
    place: &'a Place,
    shard: &'a ShardPath,
    options: CompactOptions,
}

/// What was done, or would be.
struct Report {
    /// How many generations went into each merge.
    merges: Vec<usize>,
    /// Generations, and their bytes on storage: before and after; the latter are not known before they are written.
    before: (usize, u64),
    after: (usize, Option<u64>),
    /// The epoch that was claimed for it.
    epoch: Option<u64>,
    manifest: Manifest,
    swept: Swept,
}

impl Job<'_> {
    async fn run(&self) -> Result<Report> {
        let manifest = self.place.manifests(self.shard).latest().await?.ok_or_else(|| self.place.no_shard(self.shard))?;
        let generations = self.open(&manifest).await?;
        let planned = self.plan(&generations);
        let before = (generations.len(), stored_bytes(&generations));
        if self.args.dry_run || planned.is_empty() {
            let gone: usize = planned.iter().map(|inputs| inputs - 1).sum();
            let after = (before.0 - gone, planned.is_empty().then_some(before.1));
            return Ok(Report { merges: planned, before, after, epoch: None, manifest, swept: self.sweep().await? });
        }
        self.check_allowed(&manifest)?;
        let (merges, epoch) = self.merge().await?;
        let swept =
            self.sweep().await.map_err(|error| error.context("the generations are merged, but what they leave behind is not removed"))?;
        let manifest = self.place.manifests(self.shard).latest().await?.ok_or_else(|| self.place.no_shard(self.shard))?;
        let after = self.open(&manifest).await?;
        Ok(Report { merges, before, after: (after.len(), Some(stored_bytes(&after))), epoch: Some(epoch), manifest, swept })
    }

    /// The generations of `manifest`, oldest first; `None` for one of another implementation.
    async fn open(&self, manifest: &Manifest) -> Result<Vec<Option<Arc<Generation>>>> {
        let mut generations = Vec::with_capacity(manifest.sstables.len());
        for Published { table, opened } in Published::all(self.place, self.shard, manifest).await {
            match opened {
                Ok(generation) => generations.push(Some(generation)),
                Err(error) if error.kind() == ErrorKind::Unsupported => generations.push(None),
                Err(error) if is_outdated(self.place, self.shard, &table, &error).await? => {
                    let text = format!("the generations of shard {} are being merged by its writer", self.shard.id());
                    return Err(Error::new(ErrorKind::Conflict, text));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(generations)
    }

    /// How many generations each merge would take in that there would be, as far as that can be said before the first.
    fn plan(&self, generations: &[Option<Arc<Generation>>]) -> Vec<usize> {
        let (mut left, mut merges) = (generations.to_vec(), Vec::new());
        while let Some(inputs) = compact::plan(&left, &self.options) {
            merges.push(inputs.len());
            // What it becomes is taken for one that is not merged again.
            left.splice(inputs, [None]);
        }
        merges
    }

    fn check_allowed(&self, manifest: &Manifest) -> Result<()> {
        if self.args.yes || manifest.is_sealed() {
            // A sealed shard is for the claim to refuse.
            return Ok(());
        }
        let text = format!(
            "merging claims shard {}, which fences the writer of epoch {} if it runs: --yes does it, --dry-run says what would be done",
            self.shard.id(),
            manifest.writer_epoch
        );
        Err(Error::new(ErrorKind::InvalidArgument, text))
    }

    /// Claims the shard and merges as often as that is worth it.
    async fn merge(&self) -> Result<(Vec<usize>, u64)> {
        let Place { store, env } = self.place;
        let mut manifest = ManifestOptions::default();
        if !self.args.age.is_zero() {
            manifest.trim_age = self.args.age;
        }
        let appender = Appender::open(store.clone(), self.shard.clone(), env.clone(), manifest).await?;
        let mut merges = Vec::new();
        while let Some(done) = compact::compact(store, self.shard, env, appender.manifests(), appender.epoch(), &self.options).await? {
            merges.push(done.inputs.len());
        }
        Ok((merges, appender.epoch()))
    }

    async fn sweep(&self) -> Result<Swept> {
        let Place { store, env } = self.place;
        if self.args.dry_run {
            return sweep::plan(store, self.shard, env, self.args.age).await;
        }
        sweep::sweep(store, self.shard, env, self.args.age).await
    }
}

fn stored_bytes(generations: &[Option<Arc<Generation>>]) -> u64 {
    generations.iter().flatten().map(|generation| generation.stored_bytes()).sum()
}

impl Report {
    fn merged(&self) -> usize {
        self.merges.iter().sum()
    }

    fn json(&self, args: &Compact, shard: &ShardPath) -> serde_json::Value {
        json!({
            "shard": shard.id().to_string(),
            "dry_run": args.dry_run,
            "merges": self.merges.len(),
            "merged_generations": self.merged(),
            "generations_before": self.before.0,
            "generations": self.after.0,
            "bytes_before": self.before.1,
            "bytes": self.after.1,
            "epoch": self.epoch,
            "manifest_version": self.manifest.version,
            "swept_directories": self.swept.directories,
            "swept_objects": self.swept.objects,
            "swept_bytes": self.swept.bytes,
        })
    }

    fn text(&self, args: &Compact, shard: &ShardPath) -> String {
        let would = if args.dry_run { "would be " } else { "" };
        let count = |number: usize| plural(number as u64, "generation");
        let merged = match (self.merges.len(), self.after.1) {
            (0, _) => {
                format!("nothing is worth merging: shard {} has {} ({})", shard.id(), count(self.before.0), text::bytes(self.before.1))
            }
            (merges, None) => format!(
                "{} of {} ({}) {would}merged in {}, which leaves {}",
                self.merged(),
                count(self.before.0),
                text::bytes(self.before.1),
                plural(merges as u64, "step"),
                self.after.0
            ),
            (_, Some(bytes)) => format!(
                "{} ({}) became {} ({}), epoch {}",
                count(self.before.0),
                text::bytes(self.before.1),
                self.after.0,
                text::bytes(bytes),
                self.manifest.writer_epoch
            ),
        };
        let swept = match self.swept.directories {
            0 => String::new(),
            1 => format!("; 1 old directory {would}removed ({})", text::bytes(self.swept.bytes)),
            some => format!("; {some} old directories {would}removed ({})", text::bytes(self.swept.bytes)),
        };
        merged + &swept
    }
}
