//! `weir verify`: reads every object of a shard and says what is wrong with it, finding by finding.
//!
//! A *problem* is something that a correct writer never leaves behind. A *note* is worth knowing and harmless. What cannot be
//! read is neither: the check is then incomplete. The shard may be in use meanwhile: what a writer or a trim does during the
//! check is no finding.

mod generations;
mod log;
mod manifests;

use std::fmt;

use serde_json::{Value, json};
use weir::error::Error;
use weir::shard::ShardPath;

use crate::args::Verify;
use crate::exit::{self, Done, Stop};
use crate::output::Output;
use crate::place::{Place, block_on};
use crate::text::{self, plural};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Level {
    Problem,
    Note,
    Unreadable,
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Problem => "problem",
            Self::Note => "note",
            Self::Unreadable => "unreadable",
        })
    }
}

/// One thing found. The kinds are part of the documented output.
struct Finding {
    level: Level,
    kind: &'static str,
    object: Option<String>,
    /// The position of an entry, or
    position: Option<u64>,
    /// the version of a manifest.
    version: Option<u64>,
    message: String,
}

impl Finding {
    fn new(level: Level, kind: &'static str, message: impl Into<String>) -> Self {
        Self { level, kind, object: None, position: None, version: None, message: message.into() }
    }

    fn problem(kind: &'static str, message: impl Into<String>) -> Self {
        Self::new(Level::Problem, kind, message)
    }

    fn note(kind: &'static str, message: impl Into<String>) -> Self {
        Self::new(Level::Note, kind, message)
    }

    fn unreadable(error: &Error) -> Self {
        Self::new(Level::Unreadable, "unreadable", error.message())
    }

    fn object(self, url: String) -> Self {
        Self { object: Some(url), ..self }
    }

    fn position(self, position: u64) -> Self {
        Self { position: Some(position), ..self }
    }

    fn version(self, version: u64) -> Self {
        Self { version: Some(version), ..self }
    }

    fn json(&self) -> Value {
        json!({
            "kind": self.kind,
            "object": self.object,
            "position": self.position,
            "version": self.version,
            "message": self.message,
        })
    }
}

/// What was found so far. As text, each finding is printed at once.
struct Report {
    output: Output,
    json: bool,
    /// Nobody reads the output any more; the exit code still counts.
    silent: bool,
    findings: Vec<Finding>,
    /// What the log holds.
    log: log::Totals,
    manifest_versions: u64,
    epoch: Option<u64>,
    generations: generations::Totals,
}

impl Report {
    fn add(&mut self, finding: Finding) -> Done {
        let line = format!("{}: {}", finding.level, exit::one_line(&finding.message));
        self.findings.push(finding);
        if self.json { Ok(()) } else { self.print(line) }
    }

    fn print(&mut self, line: impl fmt::Display) -> Done {
        if self.silent {
            return Ok(());
        }
        match self.output.line(line).and_then(|()| self.output.flush()) {
            Err(Stop::PipeClosed) => {
                self.silent = true;
                Ok(())
            }
            done => done,
        }
    }

    fn count(&self, level: Level) -> u64 {
        self.findings.iter().filter(|finding| finding.level == level).count() as u64
    }

    fn end(mut self, place: &Place, shard: &ShardPath) -> Done {
        let (problems, unreadable) = (self.count(Level::Problem), self.count(Level::Unreadable));
        if self.json {
            let document = self.document(place, shard);
            self.print(document)?;
        } else {
            let summary = self.summary(problems, unreadable);
            self.print(summary)?;
        }
        match (problems, unreadable) {
            (0, 0) => Ok(()),
            (0, _) => Err(Stop::Code(exit::STORE)),
            _ => Err(Stop::Code(exit::FAILED)),
        }
    }

    fn document(&self, place: &Place, shard: &ShardPath) -> Value {
        let of = |level| self.findings.iter().filter(|finding| finding.level == level).map(Finding::json).collect::<Vec<_>>();
        json!({
            "root": place.store.url(),
            "shard": shard.id().to_string(),
            "ok": self.count(Level::Problem) == 0 && self.count(Level::Unreadable) == 0,
            "entries": self.log.entries,
            "sentinels": self.log.sentinels,
            "batches": self.log.batches,
            "rows": self.log.rows,
            "bytes": self.log.bytes,
            "unchecked_entries": self.log.unchecked,
            "first_position": self.log.first,
            "last_position": self.log.last,
            "manifest_versions": self.manifest_versions,
            "epoch": self.epoch,
            "generations": self.generations.generations,
            "generation_rows": self.generations.rows,
            "generation_bytes": self.generations.bytes,
            "problems": of(Level::Problem),
            "unreadable": of(Level::Unreadable),
            "notes": of(Level::Note),
        })
    }

    fn summary(&self, problems: u64, unreadable: u64) -> String {
        let verdict = match (problems, unreadable) {
            (0, 0) => "clean".to_owned(),
            (0, _) => format!("incomplete: {} could not be read", plural(unreadable, "object")),
            (_, 0) => plural(problems, "problem"),
            _ => format!("{}, and {} could not be read", plural(problems, "problem"), plural(unreadable, "object")),
        };
        let tables = &self.generations;
        let generations = match tables.generations {
            0 => String::new(),
            some => format!(", {} with {} ({})", plural(some, "generation"), plural(tables.rows, "row"), text::bytes(tables.bytes)),
        };
        format!(
            "{verdict}: read {} with {} ({}) and {}{generations}",
            plural(self.log.entries, "entry"),
            plural(self.log.rows, "row"),
            text::bytes(self.log.bytes),
            plural(self.manifest_versions, "manifest version")
        )
    }
}

pub fn run(args: &Verify, settings: &[(String, String)]) -> Done {
    let place = Place::existing(&args.root, settings)?;
    let shard = ShardPath::new(&args.shard)?;
    block_on(place.require(&shard))?;
    let mut report = Report {
        output: Output::new(),
        json: args.json,
        silent: false,
        findings: Vec::new(),
        log: log::Totals::default(),
        manifest_versions: 0,
        epoch: None,
        generations: generations::Totals::default(),
    };
    // Entries first: a claim is in the manifest before its entries are in the log.
    log::check(&place, &shard, &mut report)?;
    // The listing before the manifests: what is published later is not foreign.
    let dirs = block_on(place.store.list_dirs(shard.dir()))?;
    if let Some(manifest) = manifests::check(&place, &shard, &dirs, &mut report)? {
        generations::check(&place, &shard, &manifest, &dirs, &mut report)?;
    }
    report.end(&place, &shard)
}
