//! `weir scan` and `weir get`: a shard's rows as they are now, read without a claim.

use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::{ArrowError, Field, Schema};
use serde_json::{Value, json};
use weir::error::{Error, ErrorKind, Result};
use weir::memtable::key::{KeyColumn, KeySpec};
use weir::scan::snapshot::{Snapshot, SnapshotOptions};
use weir::scan::{KeyState, ScanRequest};
use weir::shard::ShardPath;

use crate::args::{Get, Reading, Scan};
use crate::exit::{self, Done, Stop};
use crate::generations::key_text;
use crate::output::Output;
use crate::place::{Place, block_on};
use crate::rows::{self, Rows, print};
use crate::{condition, interrupt, progress};

/// The shard as it is now.
fn open(root: &str, shard: &str, reading: &Reading, settings: &[(String, String)]) -> Result<Arc<Snapshot>> {
    let place = Place::existing(root, settings)?;
    let shard = ShardPath::new(shard)?;
    let options = SnapshotOptions {
        primary_key: (!reading.key.is_empty()).then(|| reading.key.clone()),
        max_bytes: reading.memory,
        wal: !reading.no_wal,
        ..SnapshotOptions::default()
    };
    block_on(async {
        place.require(&shard).await?;
        Snapshot::open(place.store, shard, place.env, None, options).await
    })
}

pub fn scan(args: &Scan, settings: &[(String, String)]) -> Done {
    let snapshot = open(&args.root, &args.shard, &args.reading, settings)?;
    let request = ScanRequest {
        columns: (!args.columns.is_empty()).then(|| args.columns.clone()),
        filter: args.conditions.iter().map(|condition| condition.comparison(snapshot.schema())).collect::<Result<_>>()?,
        limit: args.limit,
        with_position: args.position,
        with_generation: args.generation,
        tombstones: args.tombstones,
        ..ScanRequest::default()
    };
    let mut stream = snapshot.view().scan(request)?;
    let schema = Arc::clone(stream.schema());
    let mut rows: Box<dyn Rows> = match &args.out {
        Some(path) => rows::arrow(path)?,
        None => Box::new(print::Printed::new(&schema, args.json)),
    };
    // A file may be under way: half of it must not stay.
    interrupt::end_gracefully(|| {});
    rows.rows(&schema, &[])?;
    while let Some(batch) = block_on(stream.next())? {
        rows.rows(&schema, &[batch])?;
        if interrupt::seen() {
            return Err(Stop::Interrupted);
        }
    }
    rows.finish()?;
    if args.out.as_deref().is_some_and(|path| !rows::is_stdout(path)) {
        let cut = snapshot.cut();
        progress::message(&format!("weir: they are of the log up to position {cut}: `weir tail --from {}` goes on", cut.saturating_add(1)));
    }
    Ok(())
}

pub fn get(args: &Get, settings: &[(String, String)]) -> Done {
    let snapshot = open(&args.root, &args.shard, &args.reading, settings)?;
    let Some(key) = snapshot.view().spec().key() else {
        let text = format!("shard {} has no primary key: --key names its columns", args.shard);
        return Err(Error::new(ErrorKind::InvalidArgument, text).into());
    };
    let keys = keys(key.spec(), &args.keys)?;
    let columns = (!args.columns.is_empty()).then_some(&args.columns[..]);
    let got = block_on(snapshot.view().get(&keys, columns))?;
    let unprintable = |error| print::unprintable("the rows", error);
    let written = keys_as_json(&keys).map_err(unprintable)?;
    let mut output = Output::new();
    if args.json {
        let mut rows = print::json_values(&got.rows).map_err(unprintable)?.into_iter();
        for (key, state) in written.iter().zip(&got.states) {
            let row = if *state == KeyState::Found { rows.next() } else { None };
            output.line(json!({ "key": key, "state": name(*state), "row": row }))?;
        }
    } else if got.rows.num_rows() > 0 {
        output.line(print::table(&[got.rows]).map_err(unprintable)?)?;
    }
    output.flush()?;
    let mut all = true;
    for (key, state) in written.iter().zip(&got.states).filter(|(_, state)| **state != KeyState::Found) {
        all = false;
        let what = if *state == KeyState::Deleted { "was deleted" } else { "was never written" };
        progress::message(&format!("weir: key {} {what}", exit::one_line(&key_text(key))));
    }
    if all { Ok(()) } else { Err(Stop::Code(exit::NOT_FOUND)) }
}

fn name(state: KeyState) -> &'static str {
    match state {
        KeyState::Found => "found",
        KeyState::Deleted => "deleted",
        KeyState::Missing => "never_written",
    }
}

/// Each key as the values of its columns.
fn keys_as_json(keys: &RecordBatch) -> std::result::Result<Vec<Vec<Value>>, ArrowError> {
    let columns = keys.schema();
    let values = |key: Value| columns.fields().iter().map(|field| key[field.name()].clone()).collect();
    Ok(print::json_values(keys)?.into_iter().map(values).collect())
}

/// The keys that `texts` say, as a batch of the key's columns.
fn keys(spec: &KeySpec, texts: &[String]) -> Result<RecordBatch> {
    let columns = spec.columns();
    let parts = texts.iter().map(|text| parts(text, columns)).collect::<Result<Vec<_>>>()?;
    let mut arrays = Vec::with_capacity(columns.len());
    for (at, column) in columns.iter().enumerate() {
        arrays.push(condition::values(column.name(), parts.iter().map(|parts| &parts[at]), column.data_type())?);
    }
    let fields: Vec<_> = columns.iter().map(|column| Field::new(column.name(), column.data_type().clone(), false)).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)
        .map_err(|e| Error::new(ErrorKind::InvalidArgument, format!("the keys cannot be read: {e}")))
}

/// The values of a key's columns.
fn parts(text: &str, columns: &[KeyColumn]) -> Result<Vec<String>> {
    if columns.len() == 1 {
        return Ok(vec![text.to_owned()]);
    }
    let names: Vec<_> = columns.iter().map(KeyColumn::name).collect();
    let wrong = || {
        let text = format!("{text:?} is not a key: write a JSON array of the values of {}", names.join(", "));
        Error::new(ErrorKind::InvalidArgument, text)
    };
    let Ok(Value::Array(values)) = serde_json::from_str(text) else { return Err(wrong()) };
    if values.len() != columns.len() {
        return Err(wrong());
    }
    let part = |value: Value| match value {
        Value::String(text) => Some(text),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    };
    values.into_iter().map(part).collect::<Option<_>>().ok_or_else(wrong)
}
