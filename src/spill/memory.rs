//! Spills in the process's memory.

use std::io::IoSlice;
use std::sync::Arc;

use bytes::Bytes;

use super::backend::{Backend, Sink, Stored};
use super::budget::Budget;
use super::spill::Mapping;
use crate::env::BoxFuture;
use crate::error::{Error, Result, err};

/// The process's memory as a place for spilled data.
#[derive(Debug)]
pub(super) struct MemoryBackend;

impl Backend for MemoryBackend {
    fn begin(&self, _memory: Option<&Arc<Budget>>) -> Box<dyn Sink> {
        Box::new(MemorySink::default())
    }

    fn is_blocking(&self) -> bool {
        true
    }
}

/// The bytes of one spill while it grows.
#[derive(Debug, Default)]
pub(super) struct MemorySink(Vec<u8>);

impl MemorySink {
    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The spill that it has become.
    pub(super) fn end(&mut self) -> Box<dyn Stored> {
        Box::new(MemoryStored(Bytes::from(std::mem::take(&mut self.0))))
    }
}

impl Sink for MemorySink {
    fn admit_now(&mut self, _bytes: u64) -> bool {
        true
    }

    fn is_memory(&self) -> bool {
        true
    }

    fn write(&mut self, parts: &mut [IoSlice<'_>], bytes: u64) -> Result<()> {
        usize::try_from(bytes).ok().and_then(|bytes| self.0.try_reserve(bytes).ok()).ok_or_else(|| no_memory(bytes))?;
        parts.iter().for_each(|part| self.0.extend_from_slice(part));
        Ok(())
    }

    fn finish(&mut self) -> BoxFuture<'_, Result<Box<dyn Stored>>> {
        Box::pin(std::future::ready(Ok(self.end())))
    }

    fn discard(&mut self) -> Option<BoxFuture<'static, Result<()>>> {
        self.0 = Vec::new();
        None
    }
}

/// The error of an allocation that failed.
#[cold]
pub(super) fn no_memory(bytes: u64) -> Error {
    err!(StorageFull, "no memory for {bytes} more bytes of spilled data").with_u64("requested_bytes", bytes)
}

#[derive(Debug)]
struct MemoryStored(Bytes);

impl Stored for MemoryStored {
    fn read_exact_at<'a>(&'a self, offset: u64, out: &'a mut [u8]) -> BoxFuture<'a, Result<()>> {
        let from = usize::try_from(offset).ok().and_then(|start| self.0.get(start..start.checked_add(out.len())?));
        Box::pin(std::future::ready(match from {
            Some(from) => {
                out.copy_from_slice(from);
                Ok(())
            }
            None => Err(err!(Internal, "{} bytes from {offset} of a spill of {} bytes in memory", out.len(), self.0.len())),
        }))
    }

    fn map(&self) -> Result<Mapping> {
        Ok(Mapping::Memory(self.0.clone()))
    }

    fn delete(&mut self) -> Option<BoxFuture<'static, Result<()>>> {
        self.0 = Bytes::new();
        None
    }
}
