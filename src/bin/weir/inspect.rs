//! `weir inspect`: the shards of a root, or one shard's manifest and log. Reads manifests and listings, no entries.

use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use serde_json::{Value, json};
use weir::error::{Error, ErrorKind, Result};
use weir::shard::manifest::Manifest;
use weir::shard::{ShardPath, layout};

use crate::args::Inspect;
use crate::exit::{self, Done, Stop};
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
    /// The positions, in order.
    positions: Vec<u64>,
    bytes: u64,
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
        let positions = entries.iter().filter_map(|object| layout::parse_entry(&object.name)).collect();
        let bytes = entries.iter().map(|object| object.size).sum();
        let written = entries.first().zip(entries.last()).map(|(first, last)| (first.modified, last.modified));
        Ok(Self { manifest: manifests.latest().await, shard, positions, bytes, written, versions })
    }

    fn newest(&self) -> Option<&Manifest> {
        self.manifest.as_ref().ok()?.as_ref()
    }

    fn is_there(&self) -> bool {
        !self.versions.is_empty() || !self.positions.is_empty()
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
        self.positions.first().copied()
    }

    fn next(&self) -> u64 {
        let hint = self.newest().map_or(0, Manifest::tip_hint);
        self.positions.last().copied().unwrap_or(0).max(hint).saturating_add(1)
    }

    /// Positions between the first and the last that are not there.
    fn missing(&self) -> u64 {
        match (self.positions.first(), self.positions.last()) {
            (Some(first), Some(last)) => last - first + 1 - self.positions.len() as u64,
            _ => 0,
        }
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
            "entries": self.positions.len(),
            "missing_entries": self.missing(),
            "bytes": self.bytes,
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
            self.positions.len().to_string(),
            self.bytes.to_string(),
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
        let mut rows = vec![["shard", "status", "epoch", "version", "first", "next", "entries", "bytes"].map(String::from).to_vec()];
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

/// The claims of which the manifest versions are still there.
async fn claims(place: &Place, summary: &Summary) -> Result<Vec<Claim>> {
    let manifests = &place.manifests(&summary.shard);
    let read = |(version, at): (u64, Duration)| async move { (version, at, manifests.read(version).await) };
    let versions: Vec<_> = stream::iter(summary.versions.clone()).map(read).buffered(AT_ONCE).collect().await;
    let mut claims: Vec<Claim> = Vec::new();
    for (version, at, manifest) in versions {
        let epoch = match manifest {
            Ok(Some(manifest)) => manifest.writer_epoch,
            // Pruned meanwhile; or an old one is damaged, which is for `verify` to say.
            Ok(None) => continue,
            Err(error) if error.kind() == ErrorKind::Corruption => continue,
            Err(error) => return Err(error),
        };
        if epoch > 0 && claims.last().is_none_or(|last| last.epoch != epoch) {
            claims.push(Claim { epoch, version, at });
        }
    }
    Ok(claims)
}

fn one(place: &Place, shard: &ShardPath, json: bool) -> Done {
    let summary = block_on(Summary::read(place, shard.clone()))?;
    if !summary.is_there() {
        return Err(place.no_shard(shard).into());
    }
    let claims = block_on(claims(place, &summary))?;
    let mut output = Output::new();
    if json {
        output.line(detail_json(place, &summary, &claims))?;
    } else {
        for (name, value) in detail(place, &summary, &claims) {
            output.line(format_args!("{name:<14}{value}"))?;
        }
    }
    output.flush()?;
    summary.manifest.map_or_else(|error| Err(error.into()), |_| Ok(()))
}

/// Milliseconds since the Unix epoch.
fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

fn detail_json(place: &Place, summary: &Summary, claims: &[Claim]) -> Value {
    let mut value = summary.json();
    let manifest = summary.newest();
    let more = json!({
        "root": place.store.url(),
        "replay_after": manifest.map(|m| m.replay_after_wal_entry_position),
        "last_seen": manifest.map(|m| m.wal_entry_position_last_seen),
        "current_generation": manifest.map(|m| m.current_generation),
        "shard_spec_id": manifest.map(|m| m.shard_spec_id),
        "manifest_versions": summary.versions.len(),
        "oldest_manifest_version": summary.versions.first().map(|(version, _)| version),
        "first_written_ms": summary.written.map(|(first, _)| millis(first)),
        "last_written_ms": summary.written.map(|(_, last)| millis(last)),
        "epochs": claims.iter().map(|claim| json!({
            "epoch": claim.epoch,
            "manifest_version": claim.version,
            "written_ms": millis(claim.at),
        })).collect::<Vec<_>>(),
        "generations": manifest.map_or(&[][..], |m| &m.sstables).iter().map(|table| json!({
            "generation": table.generation,
            "path": table.path,
            "rows": table.physical_rows,
            "in_memory_bytes": table.in_memory_bytes,
            "primary_key_bytes": table.primary_key_bytes,
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

fn detail(place: &Place, summary: &Summary, claims: &[Claim]) -> Vec<(&'static str, String)> {
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
        ("entries", format!("{}{missing}", summary.positions.len())),
        ("size", text::bytes(summary.bytes)),
    ]);
    if let Some((first, last)) = summary.written {
        lines.push(("written", format!("{} to {}", text::time(first), text::time(last))));
    }
    for claim in claims {
        lines.push(("claimed", format!("epoch {} at {} (manifest version {})", claim.epoch, text::time(claim.at), claim.version)));
    }
    for table in summary.newest().map_or(&[][..], |m| &m.sstables) {
        let rows = table.physical_rows.map_or_else(String::new, |rows| format!(", {}", text::plural(rows, "row")));
        lines.push(("flushed", format!("generation {} in {}{rows}", table.generation, table.path)));
    }
    lines
}
