use std::sync::Arc;
use crate::error::Result;
use crate::memtable::{MemTable, TableSpec, Visibility};
use crate::wal::WalTailer;
pub struct ReplayRange { pub after: u64, pub end: Option<u64>, pub epoch: Option<u64>, pub current_generation: u64 }
pub struct ReplayedTable { pub table: Arc<MemTable>, pub covers: u64 }
pub struct Replayed { pub last: Option<ReplayedTable>, pub next_row: u64, pub next_generation: u64, pub tip: u64, pub entries: u64, pub rows: u64, pub bytes: u64 }
pub async fn replay(_tailer: &WalTailer, _spec: &Arc<TableSpec>, _visibility: Visibility, _range: ReplayRange, mut _rotate: impl AsyncFnMut(ReplayedTable) -> Result<()>) -> Result<Replayed> { todo!() }
