//! Random puts, deletes, rotations, flushes and compactions; every read of many random ones is compared with a plain list.
//!
//! `WEIR_SEED` runs one seed, `WEIR_SEEDS` so many.

mod scan_support;
mod support;

use std::sync::Arc;

use arrow_array::types::Int8Type;
use arrow_array::{ArrayRef, DictionaryArray, Float64Array};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use scan_support::*;
use support::now;
use support::seeds::number;
use weir::cache::Cache;
use weir::generation::DataOptions;
use weir::scan::{CompareOp, Comparison, KeyState, Pushdown, ScanRequest, View};
use weir::wal::entry::Compression;

const NAMES: [&str; 6] = ["", "a", "a\0", "ab", "b", "some longer name"];
const SCORES: [f64; 7] = [0.0, -0.0, 1.5, -1.5, f64::NAN, f64::INFINITY, -f64::NAN];
const TAGS: [&str; 4] = ["", "x", "xy", "z"];
const OPS: [CompareOp; 8] = [
    CompareOp::Eq,
    CompareOp::NotEq,
    CompareOp::Lt,
    CompareOp::LtEq,
    CompareOp::Gt,
    CompareOp::GtEq,
    CompareOp::IsNull,
    CompareOp::IsNotNull,
];

struct Random(StdRng);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0.random_range(0..bound)
    }

    fn chance(&mut self, of_ten: usize) -> bool {
        self.below(10) < of_ten
    }

    fn pick<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.below(items.len())]
    }

    fn row(&mut self) -> Row {
        Row {
            name: Some(self.pick(&NAMES).to_owned()),
            number: Some(self.0.random_range(-3..4)),
            value: self.chance(8).then(|| self.0.random_range(-5..5)),
            score: self.chance(8).then(|| self.pick(&SCORES)),
            tag: self.chance(8).then(|| self.pick(&TAGS).to_owned()),
            deleted: false,
        }
    }

    fn comparison(&mut self) -> Comparison {
        let column = self.pick(&COLUMNS);
        let op = self.pick(&OPS);
        let value: ArrayRef = match column {
            "name" => text(self.pick(&NAMES)),
            "number" => int32(self.0.random_range(-3..4)),
            "value" => int(self.0.random_range(-6..6)),
            "score" => Arc::new(Float64Array::from(vec![self.pick(&SCORES)])),
            _ if self.chance(5) => text(self.pick(&TAGS)),
            _ => Arc::new([self.pick(&TAGS)].into_iter().collect::<DictionaryArray<Int8Type>>()),
        };
        compare(column, op, (!matches!(op, CompareOp::IsNull | CompareOp::IsNotNull)).then_some(value))
    }

    fn request(&mut self, key: &[String]) -> ScanRequest {
        let columns = self.chance(5).then(|| {
            let mut columns = strings(&COLUMNS);
            (0..columns.len()).for_each(|at| columns.swap(at, self.below(5)));
            columns.truncate(self.below(6));
            columns
        });
        let mut filter: Vec<_> = (0..self.pick(&[0, 0, 1, 1, 2, 3])).map(|_| self.comparison()).collect();
        if self.chance(2) {
            // One whole key.
            let row = self.row();
            let value = |column: &String| key_value(&row, column);
            filter.extend(key.iter().map(|column| compare(column, CompareOp::Eq, value(column))));
        }
        ScanRequest {
            columns,
            filter,
            limit: self.chance(3).then(|| self.below(12) as u64),
            with_position: self.chance(3),
            with_generation: self.chance(3),
            tombstones: self.chance(3),
            batch_rows: self.pick(&[0, 0, 1, 3, 100]),
            pushdown: Pushdown::Auto,
        }
    }
}

fn key_value(row: &Row, column: &str) -> ArrayRef {
    if column == "name" { text(row.name.as_deref().unwrap()) } else { int32(row.number.unwrap()) }
}

/// Every plan gives what the model says.
fn check_scan(random: &mut Random, view: &View, model: &Model) {
    let request = random.request(&model.key);
    let expected = model.scan(&request);
    for pushdown in [Pushdown::Auto, Pushdown::Never, Pushdown::Always] {
        let request = ScanRequest { pushdown, ..request.clone() };
        assert_eq!(scan(view, &request), expected, "{request:?}");
    }
}

fn check_get(random: &mut Random, view: &View, model: &Model) {
    let count = random.pick(&[0, 1, 1, 1, 2, 5, 40]);
    let rows: Vec<_> = (0..count).map(|_| random.row()).collect();
    let projection = random.chance(3).then(|| {
        let mut columns = strings(&COLUMNS);
        columns.rotate_left(random.below(5));
        columns.truncate(random.below(6));
        columns
    });
    let keys = batch(&rows);
    if model.key.is_empty() {
        assert_eq!(kind(now(view.get(&keys, None))), weir::error::ErrorKind::Unsupported);
        return;
    }
    let in_memory = view.try_get_in_memory(&keys, projection.as_deref()).unwrap();
    let got = now(view.get(&keys, projection.as_deref())).unwrap();
    if let Some(in_memory) = in_memory {
        assert_eq!((&in_memory.states, texts(&in_memory.rows)), (&got.states, texts(&got.rows)));
    }
    let names = projection.clone().unwrap_or_else(|| strings(&COLUMNS));
    let (mut states, mut found) = (Vec::new(), Vec::new());
    for row in &rows {
        let (state, known) = model.state(&model.key_of(row));
        states.push(state);
        found.extend(known.map(|known| names.iter().map(|name| known.cell(name)).collect::<Vec<_>>().join("|")));
    }
    assert_eq!(got.states, states);
    assert_eq!(texts(&got.rows), found);
    let expected: Vec<&str> = names.iter().map(String::as_str).collect();
    assert_eq!(got.rows.schema_ref().fields().iter().map(|field| field.name().as_str()).collect::<Vec<_>>(), expected);
    // What a scan of one key gives is what the get gave, and its tombstone what the get called deleted.
    if let Some(row) = rows.first() {
        let value = |column: &String| key_value(row, column);
        let filter = model.key.iter().map(|column| compare(column, CompareOp::Eq, value(column))).collect();
        let request = ScanRequest { filter, columns: projection, tombstones: true, ..ScanRequest::default() };
        let scanned = scan(view, &request);
        let expected = match states[0] {
            KeyState::Missing => 0,
            KeyState::Found | KeyState::Deleted => 1,
        };
        assert_eq!(scanned.len(), expected);
        if states[0] != KeyState::Missing {
            assert!(scanned[0].ends_with(&(states[0] == KeyState::Deleted).to_string()));
        }
    }
}

fn run(seed: u64) {
    let mut random = Random(StdRng::seed_from_u64(seed));
    let key = random.pick(&[&["name", "number"][..], &["name"], &["number"], &["number", "name"], &[]]);
    let indexed = random.pick(&[&["value", "score", "tag"][..], &["value"], &["name", "tag"], &[]]);
    let mut world = World::new(&spec(key, indexed));
    let capacity = random.pick(&[None, Some(0), Some(20_000), Some(8 << 20)]);
    world.cache = capacity.map(|capacity| Cache::builtin(capacity, Arc::new(world.sim.clock())));
    let compression = random.pick(&[Compression::None, Compression::None, Compression::Lz4]);
    world.data = DataOptions { batch_bytes: random.pick(&[100, 300, 2000, 100_000]), compression };
    // Views of earlier moments, with what was there then.
    let mut views: Vec<(View, Model)> = Vec::new();
    for _ in 0..random.below(60) + 10 {
        match random.below(12) {
            0..6 => {
                let rows: Vec<_> = (0..random.below(12) + 1).map(|_| random.row()).collect();
                world.put(&rows);
            }
            6 if !key.is_empty() => {
                let rows: Vec<_> = (0..random.below(4) + 1).map(|_| random.row()).collect();
                world.delete(&rows);
            }
            7 => world.rotate(),
            8 => _ = world.flush(),
            9 if world.list.len() > 1 && random.chance(5) => {
                let from = random.below(world.list.len() - 1);
                let to = from + 2 + random.below(world.list.len() - from - 1);
                world.compact(from, to);
            }
            10 => views.push((world.view(), world.model.clone())),
            _ => {
                let view = world.view();
                check_scan(&mut random, &view, &world.model);
                check_get(&mut random, &view, &world.model);
            }
        }
    }
    views.push((world.view(), world.model.clone()));
    views.push((world.fresh(), world.model.clone()));
    for (view, model) in &views {
        for _ in 0..3 {
            check_scan(&mut random, view, model);
            check_get(&mut random, view, model);
        }
    }
}

// PITFALLS I1, I2, I3, I4, I7, I8.
#[test]
fn reads_agree_with_a_plain_model() {
    if let Ok(seed) = std::env::var("WEIR_SEED") {
        return run(seed.parse().expect("WEIR_SEED is a number"));
    }
    let seeds = number("WEIR_SEEDS").unwrap_or(100);
    for seed in 0..seeds {
        if let Err(panic) = std::panic::catch_unwind(|| run(seed)) {
            eprintln!("failed with WEIR_SEED={seed}");
            std::panic::resume_unwind(panic);
        }
    }
}
