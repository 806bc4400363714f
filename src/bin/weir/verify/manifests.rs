//! The manifest: each version is whole, none is missing, what may only rise does, and it agrees with the log; the hint; and
//! what else lies in the shard's directories.

use futures_util::stream::{self, StreamExt};
use weir::error::ErrorKind;
use weir::generation::parse_directory;
use weir::shard::manifest::Manifest;
use weir::shard::{ShardPath, layout};

use super::{Finding, Report};
use crate::exit::{Done, Stop};
use crate::generations::directory;
use crate::place::{Place, block_on};

/// How many versions are read at once.
const AT_ONCE: usize = 16;
const HINT: &str = "version_hint.json";

/// Checks them, and returns the newest if it is whole. `dirs` are the shard's directories, listed before.
pub fn check(place: &Place, shard: &ShardPath, dirs: &[String], report: &mut Report) -> Result<Option<Manifest>, Stop> {
    let objects = block_on(place.store.list(&shard.manifest_dir()))?;
    let mut versions = Vec::new();
    let mut has_hint = false;
    for object in objects {
        match layout::parse_manifest(&object.name) {
            Some(version) => versions.push(version),
            None if object.name == HINT => has_hint = true,
            None => {
                let url = place.store.url_of(&format!("{}/{}", shard.manifest_dir(), object.name));
                report.add(
                    Finding::note("foreign_file", format!("{url}: is not the name of a manifest version; it is ignored")).object(url),
                )?;
            }
        }
    }
    versions.sort_unstable();
    let newest = check_versions(place, shard, &versions, report)?;
    hint(place, shard, has_hint, &versions, report)?;
    match &newest {
        Some(manifest) => {
            report.epoch = Some(manifest.writer_epoch);
            against_log(place, shard, manifest, report)?;
        }
        None if versions.is_empty() => {
            report.add(Finding::problem("manifest_missing", format!("{}: there is no manifest", url(place, shard, 1))))?;
        }
        None => {}
    }
    foreign(place, shard, dirs, newest.as_ref(), report)?;
    Ok(newest)
}

fn url(place: &Place, shard: &ShardPath, version: u64) -> String {
    place.store.url_of(&shard.manifest(version))
}

/// Checks the versions, and returns the last if it is whole.
fn check_versions(place: &Place, shard: &ShardPath, versions: &[u64], report: &mut Report) -> Result<Option<Manifest>, Stop> {
    if let Some(first) = versions.first().filter(|first| **first > 1) {
        report.add(Finding::note("pruned", format!("manifest versions before {first} were pruned")))?;
    }
    for pair in versions.windows(2) {
        let (from, to) = (pair[0] + 1, pair[1] - 1);
        if from <= to {
            let what = if from == to { format!("version {from} is") } else { format!("versions {from} to {to} are") };
            let url = url(place, shard, from);
            let message = format!("{url}: manifest {what} missing, but there are later ones");
            report.add(Finding::problem("manifest_missing", message).object(url).version(from))?;
        }
    }
    let manifests = &place.manifests(shard);
    let read = |version: u64| async move { (version, manifests.read(version).await) };
    let read: Vec<_> = block_on(async { Ok(stream::iter(versions.to_vec()).map(read).buffered(AT_ONCE).collect().await) })?;
    let mut before: Option<Manifest> = None;
    for (version, manifest) in read {
        let url = url(place, shard, version);
        match manifest {
            Ok(Some(manifest)) => {
                report.manifest_versions += 1;
                if let Some(before) = &before {
                    rises(before, &manifest, &url, report)?;
                }
                before = Some(manifest);
            }
            // Pruned since it was listed.
            Ok(None) => {}
            Err(error) if error.kind() == ErrorKind::Corruption => {
                report.manifest_versions += 1;
                report.add(Finding::problem("manifest_corrupt", error.message()).object(url).version(version))?;
            }
            Err(error) => report.add(Finding::unreadable(&error).object(url).version(version))?,
        }
    }
    Ok(before.filter(|manifest| versions.last() == Some(&manifest.version)))
}

/// What must not fall from version to version.
fn rises(before: &Manifest, after: &Manifest, url: &str, report: &mut Report) -> Done {
    let pairs = [
        ("the epoch", before.writer_epoch, after.writer_epoch),
        ("the replay position", before.replay_after_wal_entry_position, after.replay_after_wal_entry_position),
        ("the current generation", before.current_generation, after.current_generation),
    ];
    for (what, from, to) in pairs.into_iter().filter(|(_, from, to)| to < from) {
        let message = format!("{url}: {what} falls from {from} (version {}) to {to} (version {})", before.version, after.version);
        report.add(Finding::problem("manifest_order", message).object(url.to_owned()).version(after.version))?;
    }
    Ok(())
}

/// The hint is best effort: whatever is wrong with it, readers find the newest version without it.
fn hint(place: &Place, shard: &ShardPath, there: bool, versions: &[u64], report: &mut Report) -> Done {
    let url = place.store.url_of(&shard.hint());
    if !there {
        return if versions.is_empty() {
            Ok(())
        } else {
            report.add(Finding::note("hint_missing", format!("{url}: there is no hint")).object(url))
        };
    }
    let bytes = match block_on(place.store.read(&shard.hint())) {
        Ok(Some(bytes)) => bytes,
        Ok(None) => return Ok(()),
        Err(error) => return report.add(Finding::unreadable(&error).object(url)),
    };
    let version = serde_json::from_slice::<serde_json::Value>(&bytes).ok().and_then(|hint| hint.get("version")?.as_u64());
    let message = match version {
        None => format!("{url}: is not a hint"),
        // Newer than the listing: written meanwhile.
        Some(version) if versions.contains(&version) || block_on(place.manifests(shard).read(version)).is_ok_and(|m| m.is_some()) => {
            return Ok(());
        }
        Some(version) => format!("{url}: names version {version}, which is not there"),
    };
    report.add(Finding::note("hint_wrong", message).object(url))
}

fn against_log(place: &Place, shard: &ShardPath, manifest: &Manifest, report: &mut Report) -> Done {
    if let Some((epoch, position)) = report.log.epoch
        && epoch > manifest.writer_epoch
    {
        let url = place.store.url_of(&shard.entry(position));
        let message = format!("{url}: an entry of epoch {epoch}, but the manifest knows epochs up to {} only", manifest.writer_epoch);
        report.add(Finding::problem("epoch_unknown", message).object(url).position(position))?;
    }
    let (seen, last) = (manifest.tip_hint(), report.log.last.unwrap_or(0));
    if seen <= last {
        return Ok(());
    }
    let message = format!(
        "{}: position {seen} existed when this version was written, and the log ends at {last}",
        url(place, shard, manifest.version)
    );
    // What generations cover, an owner may remove to the last.
    let finding = if seen <= manifest.replay_after_wal_entry_position {
        Finding::note("trimmed", message)
    } else {
        Finding::problem("tail_missing", message).position(seen)
    };
    report.add(finding.version(manifest.version))
}

/// What is no part of a shard.
fn foreign(place: &Place, shard: &ShardPath, dirs: &[String], newest: Option<&Manifest>, report: &mut Report) -> Done {
    if let Some(manifest) = newest {
        let known = |dir: &str| {
            // Generations that the manifest does not name are looked at for themselves.
            let generation = parse_directory(dir).is_some() || manifest.sstables.iter().any(|table| directory(&table.path) == dir);
            dir == "wal" || dir == "manifest" || generation
        };
        for dir in dirs.iter().filter(|dir| !known(dir)) {
            let url = place.store.url_of(&format!("{}/{dir}", shard.dir()));
            report.add(
                Finding::note("foreign_dir", format!("{url}: belongs to nothing that the manifest knows; it is ignored")).object(url),
            )?;
        }
    }
    for file in block_on(place.store.list(shard.dir()))? {
        let url = place.store.url_of(&format!("{}/{}", shard.dir(), file.name));
        report.add(Finding::note("foreign_file", format!("{url}: is not part of a shard; it is ignored")).object(url))?;
    }
    Ok(())
}
