//! Arrow structs as outputs: zeroed on entry, filled only on success.

use crate::error::{Result, err};

/// An output parameter for a struct of Arrow's C interfaces.
pub(crate) struct ArrowOut<T> {
    name: &'static str,
    pointer: *mut T,
}

impl<T> ArrowOut<T> {
    /// Zeroes the output, first of all: a struct whose `release` is NULL holds nothing.
    ///
    /// # Safety
    ///
    /// `pointer` is NULL or may be written until the result is dropped.
    pub(crate) unsafe fn clear(name: &'static str, pointer: *mut T) -> Self {
        let pointer = if pointer.is_aligned() { pointer } else { std::ptr::null_mut() };
        if !pointer.is_null() {
            // SAFETY: the caller's promise; pointers and integers, of which zero is one.
            unsafe { pointer.write_bytes(0, 1) };
        }
        Self { name, pointer }
    }

    /// Refuses NULL, before anything is done whose result would be lost.
    pub(crate) fn check(&self) -> Result<()> {
        if self.pointer.is_null() {
            return Err(err!(InvalidArgument, "the output {} is NULL (or not aligned)", self.name));
        }
        Ok(())
    }

    /// Fills the output, which was checked.
    pub(crate) fn set(self, value: T) {
        if self.pointer.is_null() {
            drop(value);
        } else {
            // SAFETY: promised to `clear`; what is there holds nothing.
            unsafe { self.pointer.write(value) };
        }
    }
}
