//! Spills in memory up to a limit, then in files. A spill that the memory has no more room for moves to a file as a whole.

use std::io::IoSlice;
use std::sync::Arc;

use super::backend::{Backend, Sink, Stored};
use super::budget::{Budget, Reservation};
use super::local::{LocalBackend, LocalSink};
use super::memory::MemorySink;
use super::spill::Mapping;
use crate::env::BoxFuture;
use crate::error::Result;

/// Memory, and a local directory for what it does not hold.
#[derive(Debug)]
pub(super) struct TieredBackend {
    pub disk: LocalBackend,
    /// What all spills may hold in memory, for stores that have no share of their own.
    pub memory: Arc<Budget>,
}

impl Backend for TieredBackend {
    fn begin(&self, memory: Option<&Arc<Budget>>) -> Box<dyn Sink> {
        let held = memory.unwrap_or(&self.memory).hold();
        Box::new(TieredSink { memory: Some(MemorySink::default()), held, on_disk: false, disk: self.disk.sink() })
    }

    fn is_blocking(&self) -> bool {
        true
    }

    fn retire(&self) -> BoxFuture<'_, ()> {
        self.disk.retire()
    }
}

/// A spill while it is written.
#[derive(Debug)]
struct TieredSink {
    /// Until what is in it has moved to disk.
    memory: Option<MemorySink>,
    /// The memory of all that was accepted while it was to stay there.
    held: Reservation,
    /// Whether what is accepted goes to disk.
    on_disk: bool,
    disk: LocalSink,
}

impl TieredSink {
    /// Moves to disk what lies in memory, and behind it `parts`.
    fn write_to_disk(&mut self, parts: &mut [IoSlice<'_>], bytes: u64) -> Result<()> {
        if let Some(memory) = self.memory.take().filter(|memory| !memory.bytes().is_empty()) {
            self.disk.write(&mut [IoSlice::new(memory.bytes())], memory.bytes().len() as u64)?;
        }
        if bytes == 0 { Ok(()) } else { self.disk.write(parts, bytes) }
    }
}

impl Sink for TieredSink {
    fn admit_now(&mut self, bytes: u64) -> bool {
        if self.on_disk { self.disk.admit_now(bytes) } else { self.held.try_grow(bytes) }
    }

    fn admit(&mut self, bytes: u64) -> Result<()> {
        if self.on_disk {
            return self.disk.admit(bytes);
        }
        let moving = self.held.bytes();
        self.disk.admit_moving(bytes, moving)?;
        self.on_disk = true;
        self.held.shrink(moving);
        Ok(())
    }

    fn is_moving(&self) -> bool {
        // Others may fill the memory that was given back.
        self.on_disk && self.memory.as_ref().is_some_and(|memory| !memory.bytes().is_empty())
    }

    fn write(&mut self, parts: &mut [IoSlice<'_>], bytes: u64) -> Result<()> {
        match &mut self.memory {
            Some(memory) if !self.on_disk => memory.write(parts, bytes),
            _ => self.write_to_disk(parts, bytes),
        }
    }

    fn finish(&mut self) -> BoxFuture<'_, Result<Box<dyn Stored>>> {
        Box::pin(async move {
            if self.on_disk {
                self.write_to_disk(&mut [], 0)?;
                return self.disk.end();
            }
            let stored = self.memory.take().unwrap_or_default().end();
            Ok(Box::new(InMemory { stored, held: self.held.take() }) as Box<dyn Stored>)
        })
    }

    fn discard(&mut self) -> Option<BoxFuture<'static, Result<()>>> {
        self.memory = None;
        self.held.shrink(u64::MAX);
        self.disk.discard()
    }
}

/// A spill that stayed in memory.
#[derive(Debug)]
struct InMemory {
    stored: Box<dyn Stored>,
    held: Reservation,
}

impl Stored for InMemory {
    fn read_exact_at<'a>(&'a self, offset: u64, out: &'a mut [u8]) -> BoxFuture<'a, Result<()>> {
        self.stored.read_exact_at(offset, out)
    }

    fn map(&self) -> Result<Mapping> {
        self.stored.map()
    }

    fn delete(&mut self) -> Option<BoxFuture<'static, Result<()>>> {
        let task = self.stored.delete();
        self.held.shrink(u64::MAX);
        task
    }
}
