//! What the tool says of a shard's generations: those that are published, and directories of generations that are not.

use std::sync::Arc;
use std::time::Duration;

use arrow_schema::Schema;
use futures_util::stream::{self, StreamExt};
use serde_json::Value;
use weir::error::{Error, Result};
use weir::generation::{Generation, TOMBSTONE, parse_directory};
use weir::memtable::evolve::FIELD_ID;
use weir::memtable::key::KeyEncoder;
use weir::shard::ShardPath;
use weir::shard::manifest::{Manifest, SsTable};

use crate::place::Place;
use crate::rows::print;

/// How many generations, or directories, are asked for at once.
const AT_ONCE: usize = 16;

/// A published generation, opened if that can be.
pub struct Published {
    pub table: SsTable,
    pub opened: Result<Arc<Generation>>,
}

impl Published {
    /// All that `manifest` names, oldest first.
    pub async fn all(place: &Place, shard: &ShardPath, manifest: &Manifest) -> Vec<Self> {
        let open = |table: SsTable| async move { Self { opened: Generation::open(&place.store, shard, &table).await, table } };
        stream::iter(manifest.sstables.clone()).map(open).buffered(AT_ONCE).collect().await
    }

    pub fn generation(&self) -> Option<&Generation> {
        self.opened.as_deref().ok()
    }
}

/// The least and the greatest key of `generation`, each as the values of its columns; `None` if it has no key.
pub fn key_range(generation: &Generation) -> Result<Option<(Vec<Value>, Vec<Value>)>> {
    let (Some((first, last)), Some(key)) = (generation.key_range(), generation.key()) else { return Ok(None) };
    let keys = KeyEncoder::new(key.clone()).decode([first, last])?;
    let columns = keys.schema();
    let values = |row: Option<&Value>| columns.fields().iter().map(|f| row.map_or(Value::Null, |row| row[f.name()].clone())).collect();
    // A key of a type that JSON has no writing for is not shown.
    Ok(print::json_values(&keys).ok().map(|rows| (values(rows.first()), values(rows.get(1)))))
}

/// A key for people: the value of a single column as it is, several as a JSON array.
pub fn key_text(key: &[Value]) -> String {
    match key {
        [Value::String(text)] => text.clone(),
        [value] => value.to_string(),
        values => Value::from(values.to_vec()).to_string(),
    }
}

/// How the schema of `new` differs from that of the older generation `old`.
pub fn schema_changes(old: &Generation, new: &Generation) -> Vec<String> {
    let mut changes = column_changes(old.schema(), new.schema());
    let key = |generation: &Generation| {
        let names = generation.key().map(|key| key.columns().iter().map(|column| column.name().to_owned()).collect::<Vec<_>>());
        names.map_or_else(|| "no key".to_owned(), |names| format!("the key {}", names.join(", ")))
    };
    if key(old) != key(new) {
        changes.push(format!("{} instead of {}", key(new), key(old)));
    }
    changes
}

fn column_changes(old: &Schema, new: &Schema) -> Vec<String> {
    let id = |field: &arrow_schema::Field| field.metadata().get(FIELD_ID).cloned();
    let same = |a: &arrow_schema::Field, b: &arrow_schema::Field| match (id(a), id(b)) {
        (Some(a), Some(b)) => a == b,
        _ => a.name() == b.name(),
    };
    let (mut changes, mut left) = (Vec::new(), old.fields().iter().filter(|f| f.name() != TOMBSTONE).collect::<Vec<_>>());
    for field in new.fields().iter().filter(|f| f.name() != TOMBSTONE) {
        let Some(at) = left.iter().position(|before| same(before, field)) else {
            changes.push(format!("column '{}' ({}) added", field.name(), field.data_type()));
            continue;
        };
        let before = left.remove(at);
        if before.name() != field.name() {
            changes.push(format!("column '{}' renamed to '{}'", before.name(), field.name()));
        }
        if before.data_type() != field.data_type() {
            changes.push(format!("column '{}' is {} instead of {}", field.name(), field.data_type(), before.data_type()));
        }
        match (before.is_nullable(), field.is_nullable()) {
            (false, true) => changes.push(format!("column '{}' may be null", field.name())),
            (true, false) => changes.push(format!("column '{}' may not be null any more", field.name())),
            _ => {}
        }
    }
    changes.extend(left.into_iter().map(|field| format!("column '{}' dropped", field.name())));
    changes
}

/// A directory of a generation that the manifest does not name.
pub struct Orphan {
    pub path: String,
    pub generation: u64,
    pub objects: u64,
    pub bytes: u64,
    /// When the newest of its objects was written; `None` if there is none.
    pub written: Option<Duration>,
}

impl Orphan {
    /// Those among `dirs`, which must have been listed before `manifest` was read: what was published since is not one.
    pub async fn among(place: &Place, shard: &ShardPath, dirs: &[String], manifest: &Manifest) -> Result<Vec<Self>> {
        let is_named = |dir: &str| manifest.sstables.iter().any(|table| directory(&table.path) == dir);
        let mut found: Vec<_> =
            dirs.iter().filter_map(|dir| Some((parse_directory(dir)?, dir))).filter(|(_, dir)| !is_named(dir)).collect();
        found.sort_unstable();
        let look = |(generation, path): (u64, &String)| {
            let path = path.clone();
            async move {
                let objects = place.store.list(&format!("{}/{path}", shard.dir())).await?;
                Ok(Self {
                    path,
                    generation,
                    objects: objects.len() as u64,
                    bytes: objects.iter().map(|object| object.size).sum(),
                    written: objects.iter().map(|object| object.modified).max(),
                })
            }
        };
        stream::iter(found).map(look).buffered(AT_ONCE).collect::<Vec<_>>().await.into_iter().collect()
    }

    /// How old it is.
    pub fn age(&self, place: &Place) -> Option<Duration> {
        self.written.map(|written| place.env.clock.unix().saturating_sub(written))
    }
}

/// The name of the directory that a manifest's path means.
pub fn directory(path: &str) -> &str {
    path.trim_end_matches('/').rsplit('/').next().unwrap_or_default()
}

/// Whether `error`, of a generation that `manifest` named, only says that the generation was compacted away and removed since.
pub async fn is_outdated(place: &Place, shard: &ShardPath, table: &SsTable, error: &Error) -> Result<bool> {
    if error.kind() != weir::error::ErrorKind::NotFound {
        return Ok(false);
    }
    let now = place.manifests(shard).latest().await?;
    Ok(now.is_some_and(|manifest| manifest.sstables.iter().all(|other| other.path != table.path)))
}
