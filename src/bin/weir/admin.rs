//! `weir trim`, `weir seal` and `weir unseal`.

use serde_json::json;
use weir::shard::ShardPath;
use weir::shard::manifest::{Manifest, ManifestOptions};
use weir::wal::{Appender, trim};

use crate::args::{Shard, Trim};
use crate::exit::Done;
use crate::output::Output;
use crate::place::{Place, block_on};
use crate::text::{self, plural};

pub fn trim(args: &Trim, settings: &[(String, String)]) -> Done {
    let place = Place::existing(&args.root, settings)?;
    let shard = ShardPath::new(&args.shard)?;
    let (store, env) = (&place.store, &place.env);
    let done = if args.dry_run {
        block_on(trim::plan(store, &shard, env, args.up_to, args.age))?
    } else {
        block_on(trim::trim(store, &shard, env, args.up_to, args.age))?
    };
    let mut output = Output::new();
    if args.json {
        output.line(json!({
            "shard": shard.id().to_string(),
            "dry_run": args.dry_run,
            "entries": done.entries,
            "bytes": done.bytes,
            "manifests": done.manifests,
            "first_position": (done.first_position > 0).then_some(done.first_position),
        }))?;
        return output.flush();
    }
    let verb = if args.dry_run { "would remove" } else { "removed" };
    let (entries, bytes) = (plural(done.entries, "entry"), text::bytes(done.bytes));
    let manifests = plural(done.manifests, "manifest version");
    let now = match done.first_position {
        0 => "the log is empty".to_owned(),
        first if done.entries == 0 && first <= args.up_to => {
            format!("the oldest position is {first}: too young, or the newest entry, which stays")
        }
        first => format!("the oldest position {} {first}", if args.dry_run { "would be" } else { "is" }),
    };
    output.line(format_args!("{verb} {entries} ({bytes}) and {manifests}; {now}"))?;
    output.flush()
}

pub fn seal(args: &Shard, settings: &[(String, String)]) -> Done {
    change(args, settings, true)
}

pub fn unseal(args: &Shard, settings: &[(String, String)]) -> Done {
    change(args, settings, false)
}

/// Sees to it that the shard is sealed, or is not; that it was so already is no error.
fn change(args: &Shard, settings: &[(String, String)], sealed: bool) -> Done {
    let place = Place::existing(&args.root, settings)?;
    let shard = ShardPath::new(&args.shard)?;
    let (manifest, changed) = block_on(async {
        let manifests = place.manifests(&shard);
        let before = manifests.latest().await?.ok_or_else(|| place.no_shard(&shard))?;
        let change = before.is_sealed() != sealed;
        let manifest = match (sealed, change) {
            // Also of a sealed one: whoever sealed it may not have got to fencing its writer.
            (true, _) => Appender::seal(place.store.clone(), shard.clone(), place.env.clone(), ManifestOptions::default()).await?,
            (false, true) => manifests.unseal().await?,
            (false, false) => before,
        };
        Ok((manifest, change))
    })?;
    report(args, &shard, &manifest, changed)
}

fn report(args: &Shard, shard: &ShardPath, manifest: &Manifest, changed: bool) -> Done {
    let mut output = Output::new();
    let status = if manifest.is_sealed() { "sealed" } else { "active" };
    if args.json {
        output.line(json!({
            "shard": shard.id().to_string(),
            "status": status,
            "changed": changed,
            "epoch": manifest.writer_epoch,
            "manifest_version": manifest.version,
        }))?;
    } else {
        let was = if changed { "is now" } else { "was already" };
        output.line(format_args!(
            "shard {} {was} {status} (manifest version {}, epoch {})",
            shard.id(),
            manifest.version,
            manifest.writer_epoch
        ))?;
    }
    output.flush()
}
