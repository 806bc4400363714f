//! `weir inspect`: the shards of a root, or one shard's manifest, log and generations. Reads manifests, listings and what generations
//! say of themselves; no entries and no rows.

use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use serde_json::{Value, json};
use weir::error::{Error, ErrorKind, Result};
use weir::generation::{Generation, TOMBSTONE};
use weir::shard::manifest::Manifest;
use weir::shard::{ShardPath, layout};

use crate::args::Inspect;
use crate::exit::{self, Done, Stop};
use crate::generations::{Orphan, Published, directory, is_outdated, key_range, key_text, schema_changes};
use crate::output::Output;
use crate::place::{Place, block_on};
use crate::text;

/// How many shards, or manifest versions, are asked for at once.
const AT_ONCE: usize = 16;

pub fn run(args: &Inspect, settings: &[(String, String)]) -> Done {
    let place = Place::existing(&args.root, settings)?;
    match &args.shard {
        Some(shard) => one(&place, &ShardPath::new(shard)?, args.json),
        None => all(&place, args.json),
    }
}

/// What a shard's listings and its newest manifest say.
struct Summary {
    shard: ShardPath,
    /// The newest manifest, if there is one; or why it cannot be read.
    manifest: Result<Option<Manifest>>,
    /// The positions, in order, with the sizes of their objects.
    entries: Vec<(u64, u64)>,
    /// When the first and the last entry by position were written.
    written: Option<(Duration, Duration)>,
    /// The manifest versions that are there, in order, and when they were written.
    versions: Vec<(u64, Duration)>,
}

impl Summary {
    async fn read(place: &Place, shard: ShardPath) -> Result<Self> {
        let manifests = place.manifests(&shard);
        let mut versions = manifests.listed().await?;
        versions.sort_unstable();
        let mut entries: Vec<_> = place.store.list(&shard.wal_dir()).await?;
        entries.retain(|object| layout::parse_entry(&object.name).is_some());
        entries.sort_unstable_by_key(|object| layout::parse_entry(&object.name));
        let written = entries.first().zip(entries.last()).map(|(first, last)| (first.modified, last.modified));
        let entries = entries.iter().filter_map(|object| Some((layout::parse_entry(&object.name)?, object.size))).collect();
        Ok(Self { manifest: manifests.latest().await, shard, entries, written, versions })
    }

    fn newest(&self) -> Option<&Manifest> {
        self.manifest.as_ref().ok()?.as_ref()
    }

    fn is_there(&self) -> bool {
        !self.versions.is_empty() || !self.entries.is_empty()
    }

    fn status(&self) -> &'static str {
        match &self.manifest {
            Ok(Some(manifest)) if manifest.is_sealed() => "sealed",
            Ok(Some(_)) => "active",
            Ok(None) => "unclaimed",
            Err(_) => "unreadable",
        }
    }

    fn first(&self) -> Option<u64> {
        self.entries.first().map(|(position, _)| *position)
    }

    fn last(&self) -> Option<u64> {
        self.entries.last().map(|(position, _)| *position)
    }

    fn next(&self) -> u64 {
        let hint = self.newest().map_or(0, Manifest::tip_hint);
        self.last().unwrap_or(0).max(hint).saturating_add(1)
    }

    /// Positions between the first and the last that are not there.
    fn missing(&self) -> u64 {
        match (self.first(), self.last()) {
            (Some(first), Some(last)) => last - first + 1 - self.entries.len() as u64,
            _ => 0,
        }
    }

    fn bytes(&self) -> u64 {
        self.entries.iter().map(|(_, bytes)| bytes).sum()
    }

    /// How many of the entries generations cover, and their bytes.
    fn covered(&self) -> (u64, u64) {
        let up_to = self.newest().map_or(0, |manifest| manifest.replay_after_wal_entry_position);
        let covered = &self.entries[..self.entries.partition_point(|(position, _)| *position <= up_to)];
        (covered.len() as u64, covered.iter().map(|(_, bytes)| bytes).sum())
    }

    fn json(&self) -> Value {
        let manifest = self.newest();
        json!({
            "shard": self.shard.id().to_string(),
            "status": self.status(),
            "epoch": manifest.map(|m| m.writer_epoch),
            "manifest_version": manifest.map(|m| m.version),
            "first_position": self.first(),
            "next_position": self.next(),
            "entries": self.entries.len(),
            "missing_entries": self.missing(),
            "bytes": self.bytes(),
            "generation_count": manifest.map(|m| m.sstables.len()),
            "error": self.manifest.as_ref().err().map(Error::message),
        })
    }

    fn row(&self) -> Vec<String> {
        let or_dash = |number: Option<u64>| number.map_or_else(|| "-".into(), |number| number.to_string());
        vec![
            self.shard.id().to_string(),
            self.status().into(),
            or_dash(self.newest().map(|m| m.writer_epoch)),
            or_dash(self.newest().map(|m| m.version)),
            or_dash(self.first()),
            self.next().to_string(),
            self.entries.len().to_string(),
            self.bytes().to_string(),
            or_dash(self.newest().map(|m| m.sstables.len() as u64)),
        ]
    }
}

fn all(place: &Place, json: bool) -> Done {
    let mut shards: Vec<ShardPath> =
        block_on(place.store.list_dirs(layout::MEM_WAL))?.iter().filter_map(|name| ShardPath::new(name).ok()).collect();
    if shards.is_empty() {
        let message = format!("there are no shards at {} (no directory {}/UUID)", place.store.url(), layout::MEM_WAL);
        return Err(Error::new(ErrorKind::NotFound, message).with_str("root", place.store.url()).into());
    }
    shards.sort_unstable_by_key(ShardPath::id);
    let read = stream::iter(shards).map(|shard| Summary::read(place, shard)).buffered(AT_ONCE).collect::<Vec<_>>();
    let summaries = block_on(async { read.await.into_iter().collect::<Result<Vec<_>>>() })?;
    let mut output = Output::new();
    if json {
        let shards: Vec<_> = summaries.iter().map(Summary::json).collect();
        output.line(json!({ "root": place.store.url(), "shards": shards }))?;
    } else {
        let mut rows =
            vec![["shard", "status", "epoch", "version", "first", "next", "entries", "bytes", "generations"].map(String::from).to_vec()];
        rows.extend(summaries.iter().map(Summary::row));
        text::table(&rows).iter().try_for_each(|line| output.line(line))?;
    }
    output.flush()?;
    // Every shard is shown; the damaged ones make for a failure at the end.
    let mut code = None;
    for error in summaries.into_iter().filter_map(|summary| summary.manifest.err()) {
        exit::complain(&error);
        code.get_or_insert(exit::code(error.kind()));
    }
    code.map_or(Ok(()), |code| Err(Stop::Code(code)))
}

/// When an epoch was claimed: the first version that carries it.
struct Claim {
    epoch: u64,
    version: u64,
    at: Duration,
}

/// What is read beside, of one shard.
struct Detail {
    /// The claims of which the manifest versions are still there.
    claims: Vec<Claim>,
    /// Oldest first.
    published: Vec<Published>,
    /// Each with the newest of the manifest versions that name it, if one does that is still there.
    orphans: Vec<(Orphan, Option<u64>)>,
}

impl Detail {
    /// `dirs` were listed before the summary was made.
    async fn read(place: &Place, summary: &Summary, dirs: &[String]) -> Result<Self> {
        let (mut published, mut orphans) = (Vec::new(), Vec::new());
        if let Some(manifest) = summary.newest() {
            for one in Published::all(place, &summary.shard, manifest).await {
                match &one.opened {
                    Err(error) if is_outdated(place, &summary.shard, &one.table, error).await? => {}
                    _ => published.push(one),
                }
            }
            orphans.extend(Orphan::among(place, &summary.shard, dirs, manifest).await?.into_iter().map(|orphan| (orphan, None)));
        }
        let mut detail = Self { claims: Vec::new(), published, orphans };
        detail.read_versions(place, summary).await?;
        Ok(detail)
    }

    async fn read_versions(&mut self, place: &Place, summary: &Summary) -> Result<()> {
        let manifests = &place.manifests(&summary.shard);
        let read = |(version, at): (u64, Duration)| async move { (version, at, manifests.read(version).await) };
        let mut versions = stream::iter(summary.versions.clone()).map(read).buffered(AT_ONCE);
        while let Some((version, at, manifest)) = versions.next().await {
            let manifest = match manifest {
                Ok(Some(manifest)) => manifest,
                // Pruned meanwhile; or an old one is damaged, which is for `verify` to say.
                Ok(None) => continue,
                Err(error) if error.kind() == ErrorKind::Corruption => continue,
                Err(error) => return Err(error),
            };
            let epoch = manifest.writer_epoch;
            if epoch > 0 && self.claims.last().is_none_or(|last| last.epoch != epoch) {
                self.claims.push(Claim { epoch, version, at });
            }
            for (orphan, named) in &mut self.orphans {
                if manifest.sstables.iter().any(|table| directory(&table.path) == orphan.path) {
                    *named = Some(version);
                }
            }
        }
        Ok(())
    }

    /// The generations, each with how its schema differs from the one before it that could be opened.
    fn with_changes(&self) -> Vec<(&Published, Vec<String>)> {
        let mut before = None;
        let mut all = Vec::with_capacity(self.published.len());
        for one in &self.published {
            let changes = match (before, one.generation()) {
                (Some(old), Some(new)) => schema_changes(old, new),
                _ => Vec::new(),
            };
            before = one.generation().or(before);
            all.push((one, changes));
        }
        all
    }
}

fn one(place: &Place, shard: &ShardPath, json: bool) -> Done {
    let (summary, detail) = block_on(async {
        // Before the manifest is read: what is published later is no orphan.
        let dirs = place.store.list_dirs(shard.dir()).await?;
        let summary = Summary::read(place, shard.clone()).await?;
        if !summary.is_there() {
            return Err(place.no_shard(shard));
        }
        let detail = Detail::read(place, &summary, &dirs).await?;
        Ok((summary, detail))
    })?;
    let mut output = Output::new();
    if json {
        output.line(detail_json(place, &summary, &detail))?;
    } else {
        for (name, value) in detail_text(place, &summary, &detail) {
            output.line(format_args!("{name:<14}{value}"))?;
        }
    }
    output.flush()?;
    summary.manifest?;
    // Another implementation's generations are not ours to read.
    let damaged = detail.published.into_iter().filter_map(|one| one.opened.err());
    match damaged.into_iter().find(|error| error.kind() != ErrorKind::Unsupported) {
        Some(error) => Err(error.into()),
        None => Ok(()),
    }
}

/// Milliseconds since the Unix epoch.
fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn detail_json(place: &Place, summary: &Summary, detail: &Detail) -> Value {
    let mut value = summary.json();
    let manifest = summary.newest();
    let (covered_entries, covered_bytes) = summary.covered();
    let more = json!({
        "root": place.store.url(),
        "replay_after": manifest.map(|m| m.replay_after_wal_entry_position),
        "last_seen": manifest.map(|m| m.wal_entry_position_last_seen),
        "covered_entries": covered_entries,
        "covered_bytes": covered_bytes,
        "current_generation": manifest.map(|m| m.current_generation),
        "shard_spec_id": manifest.map(|m| m.shard_spec_id),
        "manifest_versions": summary.versions.len(),
        "oldest_manifest_version": summary.versions.first().map(|(version, _)| version),
        "first_written_ms": summary.written.map(|(first, _)| millis(first)),
        "last_written_ms": summary.written.map(|(_, last)| millis(last)),
        "epochs": detail.claims.iter().map(|claim| json!({
            "epoch": claim.epoch,
            "manifest_version": claim.version,
            "written_ms": millis(claim.at),
        })).collect::<Vec<_>>(),
        "generations": detail.with_changes().iter().map(|(one, changes)| published_json(one, changes)).collect::<Vec<_>>(),
        "orphans": detail.orphans.iter().map(|(orphan, named)| json!({
            "path": orphan.path,
            "generation": orphan.generation,
            "objects": orphan.objects,
            "bytes": orphan.bytes,
            "written_ms": orphan.written.map(millis),
            "age_ms": orphan.age(place).map(millis),
            "manifest_version": named,
        })).collect::<Vec<_>>(),
        "fields": manifest.map_or(&[][..], |m| &m.shard_field_entries).iter().map(|field| json!({
            "field_id": field.field_id,
            "value_hex": field.value.iter().map(|byte| format!("{byte:02x}")).collect::<String>(),
        })).collect::<Vec<_>>(),
    });
    if let (Value::Object(value), Value::Object(more)) = (&mut value, more) {
        value.extend(more);
    }
    value
}

fn published_json(one: &Published, changes: &[String]) -> Value {
    let (table, generation) = (&one.table, one.generation());
    let keyed = generation.filter(|generation| generation.key().is_some());
    let range = generation.and_then(|generation| key_range(generation).ok().flatten());
    json!({
        "generation": table.generation,
        "path": table.path,
        "rows": table.physical_rows,
        "in_memory_bytes": table.in_memory_bytes,
        "primary_key_bytes": table.primary_key_bytes,
        "bytes": generation.map(Generation::stored_bytes),
        "columns": generation.map(columns),
        "key": keyed.and_then(Generation::key).map(|key| key.columns().iter().map(|column| column.name()).collect::<Vec<_>>()),
        "keys": keyed.map(Generation::key_count),
        "tombstones": keyed.map(Generation::tombstones),
        "first_key": range.as_ref().map(|(first, _)| first),
        "last_key": range.as_ref().map(|(_, last)| last),
        "indexes": generation.map(|generation| generation.secondary().into_iter().map(|index| index.name).collect::<Vec<_>>()),
        "schema_changes": changes,
        "error": one.opened.as_ref().err().map(Error::message),
    })
}

/// How many columns its rows have.
fn columns(generation: &Generation) -> usize {
    generation.schema().fields().iter().filter(|field| field.name() != TOMBSTONE).count()
}

fn detail_text(place: &Place, summary: &Summary, detail: &Detail) -> Vec<(&'static str, String)> {
    let mut lines =
        vec![("root", place.store.url().to_owned()), ("shard", summary.shard.id().to_string()), ("status", summary.status().to_owned())];
    if let Some(manifest) = summary.newest() {
        let kept = summary.versions.first().map_or(0, |(version, _)| *version);
        lines.extend([
            ("epoch", manifest.writer_epoch.to_string()),
            ("manifest", format!("version {} (versions from {kept} on are kept)", manifest.version)),
            ("replay after", manifest.replay_after_wal_entry_position.to_string()),
            ("last seen", manifest.wal_entry_position_last_seen.to_string()),
            ("generation", manifest.current_generation.to_string()),
        ]);
    }
    let missing = match summary.missing() {
        0 => String::new(),
        missing => format!(" ({missing} missing)"),
    };
    lines.extend([
        ("first", summary.first().map_or_else(|| "-".into(), |first| first.to_string())),
        ("next", summary.next().to_string()),
        ("entries", format!("{}{missing}", summary.entries.len())),
        ("size", text::bytes(summary.bytes())),
    ]);
    if let (entries @ 1.., bytes) = summary.covered() {
        lines.push(("covered", format!("{} by generations ({})", text::plural(entries, "entry"), text::bytes(bytes))));
    }
    if let Some((first, last)) = summary.written {
        lines.push(("written", format!("{} to {}", text::time(first), text::time(last))));
    }
    for claim in &detail.claims {
        lines.push(("claimed", format!("epoch {} at {} (manifest version {})", claim.epoch, text::time(claim.at), claim.version)));
    }
    for (one, changes) in detail.with_changes() {
        lines.push(("flushed", published_text(one)));
        lines.extend(changes.into_iter().map(|change| ("", change)));
    }
    lines.extend(detail.orphans.iter().map(|(orphan, named)| ("orphan", orphan_text(place, orphan, *named))));
    lines
}

fn published_text(one: &Published) -> String {
    let table = &one.table;
    let mut line = format!("generation {} in {}", table.generation, table.path);
    if let Some(rows) = table.physical_rows {
        line += &format!(", {}", text::plural(rows, "row"));
    }
    let generation = match &one.opened {
        Ok(generation) => generation,
        Err(error) => return format!("{line}: {}", exit::one_line(error.message())),
    };
    if generation.key().is_some() {
        let deleted = match generation.tombstones() {
            0 => String::new(),
            deleted => format!(" ({deleted} deleted)"),
        };
        // `key` ends in a y that does not become ies.
        line += &format!(" of {} {}{deleted}", generation.key_count(), if generation.key_count() == 1 { "key" } else { "keys" });
    }
    line += &format!(", {}", text::bytes(generation.stored_bytes()));
    match key_range(generation) {
        Ok(Some((first, last))) => line + &format!(", keys {} to {}", exit::one_line(&key_text(&first)), exit::one_line(&key_text(&last))),
        Ok(None) => line,
        Err(error) => line + &format!(", {}", exit::one_line(error.message())),
    }
}

fn orphan_text(place: &Place, orphan: &Orphan, named: Option<u64>) -> String {
    let age = orphan.age(place).map_or_else(|| "empty".into(), |age| format!("{} old", text::age(age)));
    let why = match named {
        Some(version) => format!("replaced since manifest version {version}"),
        None => "never published, as far as manifests are kept".into(),
    };
    format!("{}: {} ({}), {age}, {why}", orphan.path, text::plural(orphan.objects, "object"), text::bytes(orphan.bytes))
}
