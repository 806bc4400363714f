//! Figures: what has some, how they are summed, and the text in which they are shown.

use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Duration;

use parking_lot::Mutex;

/// Something that has figures to show: a writer, a tailer.
pub trait MetricSource: Send + Sync {
    /// Adds its figures, from now. The session that asks must not be asked for anything meanwhile.
    fn collect(&self, metrics: &mut Metrics);
}

/// The kind of a figure that only grows.
const COUNTER: &str = "counter";

/// Figures, summed over all sources by name.
#[derive(Debug, Default)]
pub struct Metrics {
    /// In the order of their first appearance.
    figures: Vec<Figure>,
}

#[derive(Debug)]
struct Figure {
    name: &'static str,
    help: &'static str,
    kind: &'static str,
    /// By their labels, as they are printed.
    samples: Vec<(String, f64)>,
}

impl Metrics {
    /// Adds to a figure that only grows. Labels are name and value; all sources give a figure the same names.
    pub fn counter(&mut self, name: &'static str, help: &'static str, labels: &[(&str, &str)], value: u64) {
        self.add(name, help, COUNTER, labels, value as f64);
    }

    /// Adds to a figure of time that only grows, in seconds.
    pub fn seconds(&mut self, name: &'static str, help: &'static str, labels: &[(&str, &str)], value: Duration) {
        self.add(name, help, COUNTER, labels, value.as_secs_f64());
    }

    /// Adds to a figure that goes up and down.
    pub fn gauge(&mut self, name: &'static str, help: &'static str, labels: &[(&str, &str)], value: u64) {
        self.add(name, help, "gauge", labels, value as f64);
    }

    fn add(&mut self, name: &'static str, help: &'static str, kind: &'static str, labels: &[(&str, &str)], value: f64) {
        let labels = labels.iter().map(|(name, value)| format!("{name}=\"{}\"", escape(value))).collect::<Vec<_>>().join(",");
        self.add_sample(name, help, kind, labels, value);
    }

    fn add_sample(&mut self, name: &'static str, help: &'static str, kind: &'static str, labels: String, value: f64) {
        let at = self.figures.iter().position(|figure| figure.name == name).unwrap_or_else(|| {
            self.figures.push(Figure { name, help, kind, samples: Vec::new() });
            self.figures.len() - 1
        });
        let samples = &mut self.figures[at].samples;
        match samples.iter_mut().find(|(known, _)| *known == labels) {
            Some((_, sum)) => *sum += value,
            None => samples.push((labels, value)),
        }
    }

    /// Adds what the counters of `other` say.
    fn add_counters(&mut self, other: &Self) {
        for Figure { name, help, kind, samples } in other.figures.iter().filter(|figure| figure.kind == COUNTER) {
            for (labels, value) in samples {
                self.add_sample(name, help, kind, labels.clone(), *value);
            }
        }
    }

    /// In the text format of Prometheus, version 0.0.4.
    #[must_use]
    pub fn prometheus(&self) -> String {
        self.to_string()
    }
}

impl fmt::Display for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Figure { name, help, kind, samples } in &self.figures {
            writeln!(f, "# HELP {name} {help}\n# TYPE {name} {kind}")?;
            for (labels, value) in samples {
                match labels.as_str() {
                    "" => writeln!(f, "{name} {value}")?,
                    labels => writeln!(f, "{name}{{{labels}}} {value}")?,
                }
            }
        }
        Ok(())
    }
}

/// A label's value as Prometheus wants it.
fn escape(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

/// All that has figures, for as long as it lives, and what the counters of those reached that have ended. Several sessions may have one.
#[derive(Default)]
pub struct Registry(Mutex<Sources>);

#[derive(Default)]
struct Sources {
    living: Vec<Weak<dyn MetricSource>>,
    ended: Metrics,
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry").finish_non_exhaustive()
    }
}

impl Registry {
    /// Has `source` collected, once, for as long as it lives.
    pub fn register(&self, source: Weak<dyn MetricSource>) {
        let mut sources = self.0.lock();
        sources.living.retain(|living| living.strong_count() > 0 && !std::ptr::addr_eq(living.as_ptr(), source.as_ptr()));
        sources.living.push(source);
    }

    /// Collects `source` for the last time and keeps what its counters reached: one that goes down is taken for one that
    /// began anew, and its value for what came since.
    pub fn retire(&self, source: &Arc<dyn MetricSource>) {
        let mut sources = self.0.lock();
        let before = sources.living.len();
        sources.living.retain(|living| !std::ptr::addr_eq(living.as_ptr(), Arc::as_ptr(source)));
        if sources.living.len() < before {
            let mut last = Metrics::default();
            source.collect(&mut last);
            sources.ended.add_counters(&last);
        }
    }

    /// Adds the figures of all to `metrics`.
    pub fn collect(&self, metrics: &mut Metrics) {
        // Under the lock, so that one that ends now is counted once, as living or as ended.
        let sources = self.0.lock();
        metrics.add_counters(&sources.ended);
        // What they hold may end with our hold on them: not before the lock does, which their end takes.
        let living: Vec<_> = sources.living.iter().filter_map(Weak::upgrade).collect();
        living.iter().for_each(|source| source.collect(metrics));
        drop(sources);
    }
}
