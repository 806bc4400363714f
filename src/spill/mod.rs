//! Scratch storage for what an engine cannot hold in memory: sort runs, shuffle partitions, hash tables.
//!
//! A spill is written once, then read by as many as like, then gone: [`SpillStore::begin`] gives a [`SpillWriter`],
//! [`SpillWriter::finish`] turns it into a [`Spill`], and dropping the last clone and reader of that deletes it. An unfinished
//! writer that is aborted or dropped leaves nothing either.
//!
//! What the module guarantees:
//!
//! * **One budget, exact.** Bytes are reserved when a writer accepts them, before they are written, at every level (process →
//!   tenant → query, see [`SpillStore::child`]) or at none. Two writers cannot pass a cap together. Every path gives back what it
//!   took: finish and drop, abort, errors, cancellation. Accounting is in memory, never by asking the file system.
//! * **The cap is an error, not a full disk**: [`DiskCapExceeded`](crate::error::ErrorKind::DiskCapExceeded) with the cap, what is
//!   used and what was asked for. A refused write takes nothing, and its writer goes on, finishes or aborts as it likes. The
//!   free-space floor ([`SpillConfig::min_free_bytes`]) guards a disk that others fill, too.
//! * **An I/O error is final for its writer alone**: the partial file is deleted, its bytes return at once, and every later call
//!   gives the same error.
//! * **A killed process leaves nothing for ever**: its directory carries a lock that dies with it, and the next store of the same user
//!   (or of root) at the same place sweeps it. Nothing of a living process is touched: where locks of other machines may not be seen,
//!   nothing is swept, and objects are swept by an age within which a living process shows itself.
//! * **Nothing happens before first use**: no directory, file or request before a writer accepts its first byte.

mod backend;
mod batches;
mod budget;
mod closing;
mod config;
mod crypt;
pub mod local;
mod memory;
mod object;
mod object_sweep;
mod reader;
mod shared;
#[expect(clippy::module_inception, reason = "the file of the type")]
mod spill;
mod stats;
mod store;
mod tiered;
mod turns;
mod writer;

pub use batches::{BatchSpill, BatchSpillWriter, BatchStream, MapOptions};
pub use budget::{Budget, Reservation};
pub use config::{SpillBackend, SpillConfig, SpillOptions};
pub use reader::SpillReader;
pub use shared::{Finished, Lease, SharedWriter, Turn};
pub use spill::{MappedBytes, Spill};
pub use stats::SpillStats;
pub use store::SpillStore;
pub(crate) use turns::Queued;
pub use writer::SpillWriter;
