//! `weir tail`: a shard's entries in order, as lines, rows or Arrow.

mod arrow_out;
mod print;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use weir::error::ErrorKind;
use weir::shard::ShardPath;
use weir::wal::entry::Entry;
use weir::wal::{TailerOptions, WalTailer};

use self::arrow_out::ArrowRows;
use self::print::{Entries, EntryRows};
use crate::args::Tail;
use crate::exit::{Done, Stop};
use crate::place::{Place, block_on};
use crate::{interrupt, output, progress, rows};

/// Where entries go.
trait Sink {
    /// Takes the next entry.
    fn entry(&mut self, entry: &Entry) -> Done;
    /// There are no more. Not called after an error.
    fn finish(&mut self) -> Done;
}

pub fn run(args: &Tail, settings: &[(String, String)]) -> Done {
    let place = Place::existing(&args.root, settings)?;
    let shard = ShardPath::new(&args.shard)?;
    if !block_on(place.has(&shard))? {
        if !args.follow {
            return Err(place.no_shard(&shard).into());
        }
        progress::message(&format!("weir: there is no shard {} at {} yet: waiting for it", shard.id(), place.store.url()));
    }
    let options = TailerOptions { follow: args.follow, from: args.from.unwrap_or(0), ..TailerOptions::default() };
    let tailer = Arc::new(WalTailer::open(place.store, shard, options, place.env)?);
    let pipe_closed = end_waiting(args, &tailer);
    // From here on Ctrl-C ends the command in good order: a file may be under way.
    copy(args, &tailer, sink(args)?, &pipe_closed)
}

fn sink(args: &Tail) -> Result<Box<dyn Sink>, Stop> {
    Ok(match &args.out {
        Some(path) => Box::new(ArrowRows::new(rows::arrow(path)?)),
        None if args.rows => Box::new(EntryRows::new(args.json)),
        None => Box::new(Entries::new(args.json)?),
    })
}

/// Sees to it that Ctrl-C ends the command after the entry in hand, and that waiting ends when nobody reads any more. The flag
/// says that the latter happened.
fn end_waiting(args: &Tail, tailer: &Arc<WalTailer>) -> Arc<AtomicBool> {
    let waiting = Arc::clone(tailer);
    interrupt::end_gracefully(move || waiting.interrupt());
    let pipe_closed = Arc::new(AtomicBool::new(false));
    let to_stdout = args.out.as_deref().is_none_or(rows::is_stdout);
    if args.follow && to_stdout {
        let (tailer, closed) = (Arc::clone(tailer), Arc::clone(&pipe_closed));
        output::watch(move || {
            closed.store(true, Ordering::SeqCst);
            tailer.interrupt();
        });
    }
    pipe_closed
}

fn copy(args: &Tail, tailer: &WalTailer, mut sink: Box<dyn Sink>, pipe_closed: &AtomicBool) -> Done {
    let mut left = args.limit.unwrap_or(u64::MAX);
    while left > 0 && !interrupt::seen() {
        match block_on(tailer.next()) {
            Ok(Some(entry)) => sink.entry(&entry)?,
            Ok(None) => break,
            Err(error) if error.kind() == ErrorKind::Cancelled => {
                if pipe_closed.load(Ordering::SeqCst) {
                    return Err(Stop::PipeClosed);
                }
                break;
            }
            Err(error) => return Err(error.into()),
        }
        left -= 1;
    }
    sink.finish()?;
    if interrupt::seen() { Err(Stop::Interrupted) } else { Ok(()) }
}
