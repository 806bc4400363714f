//! Reads of a shard: MemTables and generations merged, the newest version of each key.
//!
//! A [`View`] is one consistent moment (PITFALLS I8): a [`Snapshot`](crate::memtable::Snapshot) of each MemTable and the generations that
//! were published then. It is cheap to make and to keep, and what it gives is the same however often it is asked. Guarantees:
//!
//! 1. Of rows with equal keys the newest one counts: active table > frozen tables > newest generation > older ones; within one, the later
//!    row (PITFALLS I1). Keys are compared, not only their hashes (PITFALLS I5).
//! 2. Filters and limits apply to what is left of that (PITFALLS I2); deletions hide whatever is older, wherever it is, and go last
//!    (PITFALLS I3). A get tells "deleted" from "never written" (PITFALLS I4).
//! 3. A [`View::scan`] gives the newest versions in the order in which they were put, in batches, in bounded memory. A [`View::get`] gives
//!    the rows of some keys in the order of the keys.
//! 4. What a read gives does not depend on how it was found: by key range, by an index, or by looking at every row.
//! 5. Generations of an older schema are read as today's (PITFALLS C7).
//!
//! Without a primary key, every row is a row of its own, and nothing can be got by key.

mod coalesce;
mod filter;
mod gather;
mod get;
mod handle;
mod list;
mod merge;
mod output;
mod plan;
pub mod replay;
pub mod snapshot;
mod source;
mod stream;
mod view;

pub use filter::{CompareOp, Comparison};
pub use get::{GetResult, KeyState};
pub use handle::GenerationHandle;
pub use list::GenerationList;
pub use plan::{DEFAULT_BATCH_ROWS, GENERATION, POSITION, Pushdown, ScanRequest};
pub use stream::ScanStream;
pub use view::View;
