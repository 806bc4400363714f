//! Figures, as a table for people and a JSON line each for machines.

use std::io::Write;
use std::path::Path;

use serde_json::json;

/// How a figure is held against its target.
#[derive(Clone, Copy)]
pub enum Target {
    AtMost(f64),
    AtLeast(f64),
    /// Shown for information.
    None,
}

struct Figure {
    name: String,
    value: f64,
    unit: &'static str,
    limit: Option<f64>,
    /// What is held against the target: the ratio to the limit, or the value itself.
    ratio: f64,
    target: Target,
}

pub struct Report(Vec<Figure>);

impl Report {
    pub fn new() -> Self {
        Self(Vec::new())
    }

    /// A figure whose ratio to `limit` is what counts.
    pub fn ratio(&mut self, name: &str, value: f64, unit: &'static str, limit: f64, target: Target) {
        self.0.push(Figure { name: name.into(), value, unit, limit: Some(limit), ratio: value / limit, target });
    }

    /// A figure that counts by itself; `beside` is shown with it.
    pub fn value(&mut self, name: &str, value: f64, unit: &'static str, beside: Option<f64>, target: Target) {
        self.0.push(Figure { name: name.into(), value, unit, limit: beside, ratio: value, target });
    }

    pub fn print(&self) {
        println!("{:<28} {:>12} {:<7} {:>12} {:>9}  {:<10} ", "figure", "value", "unit", "limit", "ratio", "target");
        for figure in &self.0 {
            let limit = figure.limit.map_or_else(|| "-".into(), short);
            let (target, verdict) = match figure.target {
                Target::AtMost(bound) => (format!("<= {}", short(bound)), if figure.ok() { "ok" } else { "MISSED" }),
                Target::AtLeast(bound) => (format!(">= {}", short(bound)), if figure.ok() { "ok" } else { "MISSED" }),
                Target::None => ("-".into(), ""),
            };
            println!(
                "{:<28} {:>12} {:<7} {limit:>12} {:>9}  {target:<10} {verdict}",
                figure.name,
                short(figure.value),
                figure.unit,
                short(figure.ratio)
            );
        }
    }

    pub fn write(&self, path: &Path) -> std::io::Result<()> {
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        let mut file = std::fs::File::create(path)?;
        for figure in &self.0 {
            let target = match figure.target {
                Target::AtMost(bound) | Target::AtLeast(bound) => Some(bound),
                Target::None => None,
            };
            let line = json!({
                "name": figure.name, "value": figure.value, "unit": figure.unit, "limit": figure.limit,
                "ratio": figure.ratio, "target": target, "ok": figure.ok(),
            });
            writeln!(file, "{line}")?;
        }
        Ok(())
    }
}

impl Figure {
    fn ok(&self) -> bool {
        match self.target {
            Target::AtMost(bound) => self.ratio <= bound,
            Target::AtLeast(bound) => self.ratio >= bound,
            Target::None => true,
        }
    }
}

fn short(value: f64) -> String {
    match value.abs() {
        v if v >= 1000.0 => format!("{value:.0}"),
        v if v >= 10.0 => format!("{value:.1}"),
        v if v == 0.0 || v >= 0.01 => format!("{value:.2}"),
        _ => format!("{value:.4}"),
    }
}

/// The median of `values`.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
