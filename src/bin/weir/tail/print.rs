//! Entries as text or JSON lines, and their rows.

use arrow_schema::ArrowError;
use serde_json::json;
use weir::wal::entry::Entry;

use super::Sink;
use crate::exit::{Done, Stop};
use crate::output::Output;
use crate::rows::print;
use crate::text::plural;

/// One line per entry. Each is out when the next entry is waited for.
pub struct Entries {
    output: Output,
    json: bool,
}

impl Entries {
    pub fn new(json: bool) -> Result<Self, Stop> {
        let mut output = Output::new();
        if !json {
            output.line(columns(["position", "epoch", "generation", "sentinel", "batches", "rows", "bytes"]))?;
            output.flush()?;
        }
        Ok(Self { output, json })
    }
}

fn columns<T: std::fmt::Display>([position, epoch, generation, sentinel, batches, rows, bytes]: [T; 7]) -> String {
    format!("{position:>10} {epoch:>8} {generation:>10} {sentinel:>8} {batches:>8} {rows:>10} {bytes:>12}")
}

impl Sink for Entries {
    fn entry(&mut self, entry: &Entry) -> Done {
        if self.json {
            self.output.line(json!({
                "position": entry.position,
                "epoch": entry.epoch,
                "generation": entry.generation,
                "sentinel": entry.is_sentinel,
                "batches": entry.batches.len(),
                "rows": entry.rows(),
                "bytes": entry.bytes,
                "id": entry.id.map(|id| id.to_string()),
            }))?;
        } else {
            self.output.line(columns([
                entry.position.to_string(),
                entry.epoch.to_string(),
                entry.generation.map_or_else(|| "-".into(), |generation| generation.to_string()),
                if entry.is_sentinel { "yes" } else { "no" }.into(),
                entry.batches.len().to_string(),
                entry.rows().to_string(),
                entry.bytes.to_string(),
            ]))?;
        }
        self.output.flush()
    }

    fn finish(&mut self) -> Done {
        self.output.flush()
    }
}

/// The rows themselves: a table per entry, or one JSON object per row.
pub struct EntryRows {
    output: Output,
    json: bool,
}

impl EntryRows {
    pub fn new(json: bool) -> Self {
        Self { output: Output::new(), json }
    }

    fn table(&mut self, entry: &Entry) -> Done {
        let (position, epoch) = (entry.position, entry.epoch);
        if entry.is_sentinel {
            return self.output.line(format_args!("position {position}, epoch {epoch}: fence sentinel"));
        }
        self.output.line(format_args!("position {position}, epoch {epoch}: {}", plural(entry.rows(), "row")))?;
        self.output.line(print::table(&entry.batches).map_err(|e| unprintable(entry, e))?)
    }
}

impl Sink for EntryRows {
    fn entry(&mut self, entry: &Entry) -> Done {
        if self.json {
            print::json_lines(&mut self.output, &entry.batches).map_err(|e| unprintable(entry, e))?;
        } else {
            self.table(entry)?;
        }
        self.output.flush()
    }

    fn finish(&mut self) -> Done {
        self.output.flush()
    }
}

fn unprintable(entry: &Entry, error: ArrowError) -> Stop {
    print::unprintable(format_args!("the rows at position {}", entry.position), error)
}
