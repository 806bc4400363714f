//! The generations: each is whole, they are in order, and they have just those rows of the log that the manifest says they have.

use weir::error::ErrorKind;
use weir::generation::{DATA, Generation, INDEX, parse_directory};
use weir::shard::ShardPath;
use weir::shard::manifest::{Manifest, SsTable};

use super::{Finding, Report};
use crate::exit::Done;
use crate::generations::{Orphan, directory, is_outdated};
use crate::place::{Place, block_on};
use crate::progress::Progress;
use crate::text;

/// What was read of them.
#[derive(Default)]
pub struct Totals {
    pub generations: u64,
    pub rows: u64,
    pub bytes: u64,
}

/// Checks what `manifest`, the newest, says of them. `dirs` are the shard's directories, listed before it was read.
pub fn check(place: &Place, shard: &ShardPath, manifest: &Manifest, dirs: &[String], report: &mut Report) -> Done {
    let mut check = Check { place, shard, manifest, report };
    check.order()?;
    check.cursor()?;
    let progress = Progress::count(manifest.sstables.len() as u64);
    for (done, table) in manifest.sstables.iter().enumerate() {
        check.generation(table)?;
        progress.set(done as u64 + 1);
    }
    drop(progress);
    check.orphans(dirs)
}

struct Check<'a> {
    place: &'a Place,
    shard: &'a ShardPath,
    manifest: &'a Manifest,
    report: &'a mut Report,
}

impl Check<'_> {
    fn manifest_url(&self) -> String {
        self.place.store.url_of(&self.shard.manifest(self.manifest.version))
    }

    fn problem_of_manifest(&mut self, kind: &'static str, what: &str) -> Done {
        let url = self.manifest_url();
        self.report.add(Finding::problem(kind, format!("{url}: {what}")).object(url).version(self.manifest.version))
    }

    /// They are listed oldest first, each once, in directories of their own, and below the one that is published next.
    fn order(&mut self) -> Done {
        let tables = &self.manifest.sstables;
        for pair in tables.windows(2).filter(|pair| pair[0].generation >= pair[1].generation) {
            let what = format!("generation {} is listed behind generation {}", pair[1].generation, pair[0].generation);
            self.problem_of_manifest("generation_list", &what)?;
        }
        for table in tables.iter().filter(|table| table.generation >= self.manifest.current_generation) {
            let what = format!(
                "generation {} is published, but generation {} is the one to be published next",
                table.generation, self.manifest.current_generation
            );
            self.problem_of_manifest("generation_list", &what)?;
        }
        for (at, table) in tables.iter().enumerate() {
            let name = directory(&table.path);
            if tables[..at].iter().any(|other| directory(&other.path) == name) {
                self.problem_of_manifest("generation_list", &format!("two generations lie in {name}"))?;
            }
            if let Some(number) = parse_directory(name).filter(|number| *number != table.generation) {
                let what = format!("generation {} lies in {name}, which is of generation {number}", table.generation);
                self.problem_of_manifest("generation_list", &what)?;
            }
        }
        Ok(())
    }

    /// What the log records agrees with how far the manifest says that it is covered: a writer that opens the shard reads on from there.
    fn cursor(&mut self) -> Done {
        let (after, current) = (self.manifest.replay_after_wal_entry_position, self.manifest.current_generation);
        if after > 0 && current <= 1 {
            let what = format!("the log is covered up to position {after}, but no generation was ever published");
            self.problem_of_manifest("cursor", &what)?;
        }
        let recorded = &self.report.log.recorded;
        let lost = recorded.iter().find(|one| one.generation >= current && one.first <= after).map(|one| (one.generation, one.first));
        // Another implementation's cursors may trail; what it wrote is told apart by its lack of an id.
        let hidden = recorded.iter().find(|one| one.generation < current && one.last_own > after).map(|one| (one.generation, one.last_own));
        if let Some((generation, position)) = lost {
            let what = format!(
                "the entry records generation {generation}, which is not published, but the manifest says that the log is covered up to \
                 position {after}: its rows are not found any more"
            );
            self.entry("cursor", position, &what)?;
        }
        if let Some((generation, position)) = hidden {
            let what = format!(
                "the entry records generation {generation}, which is published, but the manifest says that the log is covered only up to \
                 position {after}: its rows are in no generation, or are passed over"
            );
            self.entry("cursor", position, &what)?;
        }
        self.replay()
    }

    /// What a writer in MemTable mode, or a scan, reads first is there.
    fn replay(&mut self) -> Done {
        let (after, log) = (self.manifest.replay_after_wal_entry_position, &self.report.log);
        let in_tables = self.manifest.current_generation > 1 || !log.recorded.is_empty();
        let Some(first) = log.first.filter(|first| in_tables && *first > after.saturating_add(1)) else { return Ok(()) };
        let what = format!("generations cover the log up to position {after}, and it begins at position {first}: what is between is lost");
        self.problem_of_manifest("cursor", &what)
    }

    fn entry(&mut self, kind: &'static str, position: u64, what: &str) -> Done {
        let url = self.place.store.url_of(&self.shard.entry(position));
        self.report.add(Finding::problem(kind, format!("{url}: {what}")).object(url).position(position))
    }

    fn dir_url(&self, table: &SsTable) -> String {
        self.place.store.url_of(&format!("{}/{}", self.shard.dir(), directory(&table.path)))
    }

    /// Reads every byte of it.
    fn generation(&mut self, table: &SsTable) -> Done {
        let Place { store, .. } = self.place;
        let read = block_on(async {
            let generation = Generation::open(store, self.shard, table).await?;
            generation.verify().await?;
            Ok(generation)
        });
        let error = match read {
            Ok(generation) => {
                let totals = &mut self.report.generations;
                totals.generations += 1;
                totals.rows += generation.rows();
                totals.bytes += generation.stored_bytes();
                return self.foreign(table, &generation);
            }
            Err(error) => error,
        };
        let (url, number) = (self.dir_url(table), table.generation);
        let said = format!("generation {number}: {}", error.message());
        match error.kind() {
            ErrorKind::Corruption => self.report.add(Finding::problem("generation_corrupt", said).object(url)),
            ErrorKind::NotFound if block_on(is_outdated(self.place, self.shard, table, &error))? => Ok(()),
            ErrorKind::NotFound => self.missing(table, said),
            ErrorKind::Unsupported => {
                if self.is_there(table)? {
                    return self.report.add(Finding::note("generation_foreign", format!("{said}; it is not checked")).object(url));
                }
                self.missing(table, said)
            }
            _ => self.report.add(Finding::unreadable(&error.context(format_args!("generation {number}"))).object(url)),
        }
    }

    fn is_there(&self, table: &SsTable) -> Result<bool, crate::exit::Stop> {
        let name = directory(&table.path);
        Ok(block_on(self.place.store.list_dirs(self.shard.dir()))?.iter().any(|dir| dir == name))
    }

    /// An object of it is not there, or all of it.
    fn missing(&mut self, table: &SsTable, said: String) -> Done {
        let url = self.dir_url(table);
        let message = match self.is_there(table)? {
            true => said,
            false => format!("generation {} lies in {}, which is not there", table.generation, table.path),
        };
        self.report.add(Finding::problem("generation_missing", message).object(url))
    }

    /// Objects that are not a generation's.
    fn foreign(&mut self, table: &SsTable, generation: &Generation) -> Done {
        let dir = format!("{}/{}", self.shard.dir(), directory(&table.path));
        let secondary: Vec<_> = (0..generation.secondary().len()).map(|at| format!("index.{at}.weir")).collect();
        for object in block_on(self.place.store.list(&dir))? {
            if object.name == DATA || object.name == INDEX || secondary.contains(&object.name) {
                continue;
            }
            let url = self.place.store.url_of(&format!("{dir}/{}", object.name));
            self.report.add(Finding::note("foreign_file", format!("{url}: is not part of a generation; it is ignored")).object(url))?;
        }
        Ok(())
    }

    /// Directories of generations that are not in the manifest: attempts, under way or failed, and what was compacted away.
    fn orphans(&mut self, dirs: &[String]) -> Done {
        for orphan in block_on(Orphan::among(self.place, self.shard, dirs, self.manifest))? {
            let url = self.place.store.url_of(&format!("{}/{}", self.shard.dir(), orphan.path));
            let age = orphan.age(self.place).map_or_else(|| "it is empty".to_owned(), |age| format!("it is {} old", text::age(age)));
            let message = format!("{url}: is not in the manifest; {age}, and is removed in time by a writer or `weir compact`");
            self.report.add(Finding::note("orphan", message).object(url))?;
        }
        Ok(())
    }
}
