//! Spill stores in the surroundings of a session.

use std::sync::Arc;

use super::Session;
use crate::error::Result;
use crate::spill::local::{FileOps, SystemOps};
use crate::spill::{SpillConfig, SpillStore};
use crate::store::Store;

impl SpillStore {
    /// A store with the surroundings, the object stores and the metrics of `session`. Does no I/O: an error is one of `config`.
    pub fn new(session: &Arc<Session>, config: &SpillConfig) -> Result<Self> {
        Self::with_file_ops(session, config, Arc::new(SystemOps))
    }

    /// The same with other file operations than the system's, for tests of what disks do.
    pub fn with_file_ops(session: &Arc<Session>, config: &SpillConfig, ops: Arc<dyn FileOps>) -> Result<Self> {
        Self::build(config, &session.env, &session.sources, ops, |url| session.store(url, false))
    }

    /// The same with objects in `objects`, whatever URL `config` names.
    pub fn with_objects(session: &Arc<Session>, config: &SpillConfig, objects: Store) -> Result<Self> {
        Self::build(config, &session.env, &session.sources, Arc::new(SystemOps), |_| Ok(objects))
    }
}
