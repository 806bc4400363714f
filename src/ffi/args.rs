//! Decoding of plain arguments, and outputs.

use std::ffi::{CStr, c_char};

use super::handle::{Opaque, Owned};
use crate::error::{Result, bail, err};

/// The text at `pointer`.
///
/// # Safety
///
/// `pointer` is NULL, or NUL-terminated and valid for as long as the result is used.
pub(crate) unsafe fn text<'a>(name: &str, pointer: *const c_char) -> Result<&'a str> {
    // SAFETY: the caller's promise.
    match unsafe { optional_text(name, pointer) }? {
        Some(text) => Ok(text),
        None => bail!(InvalidArgument, "{name} is NULL"),
    }
}

/// The text at `pointer`; none for NULL.
///
/// # Safety
///
/// As for [`text`].
pub(crate) unsafe fn optional_text<'a>(name: &str, pointer: *const c_char) -> Result<Option<&'a str>> {
    if pointer.is_null() {
        return Ok(None);
    }
    // SAFETY: the caller's promise.
    let text = unsafe { CStr::from_ptr(pointer) };
    match text.to_str() {
        Ok(text) => Ok(Some(text)),
        Err(_) => bail!(InvalidArgument, "{name} is not UTF-8: {:?}", text.to_string_lossy()),
    }
}

/// The `len` texts at `pointer`, which may be NULL if there are none.
///
/// # Safety
///
/// `pointer` is NULL or valid for reads of `len` pointers, each NULL or NUL-terminated.
pub(crate) unsafe fn texts(name: &str, pointer: *const *const c_char, len: usize) -> Result<Vec<String>> {
    // SAFETY: the caller's promise.
    let pointers = unsafe { slice(name, pointer, len) }?;
    let decode = |(at, pointer): (usize, &*const c_char)| {
        // SAFETY: the caller's promise.
        let decoded = unsafe { optional_text(name, *pointer) }.map_err(|error| error.context(format_args!("{name}[{at}]")))?;
        decoded.map(str::to_owned).ok_or_else(|| err!(InvalidArgument, "{name}[{at}] is NULL"))
    };
    pointers.iter().enumerate().map(decode).collect()
}

/// The `len` values at `pointer`, which may be NULL if there are none.
///
/// # Safety
///
/// `pointer` is NULL, or valid for reads of `len` values for as long as the result is used.
pub(crate) unsafe fn slice<'a, T>(name: &str, pointer: *const T, len: usize) -> Result<&'a [T]> {
    if len == 0 {
        return Ok(&[]);
    }
    if pointer.is_null() {
        bail!(InvalidArgument, "{name} is NULL, and {len} are said to be there");
    }
    if !pointer.is_aligned() {
        bail!(InvalidArgument, "{name} is not aligned to {} bytes", align_of::<T>());
    }
    if len.checked_mul(size_of::<T>()).is_none_or(|bytes| isize::try_from(bytes).is_err()) {
        bail!(InvalidArgument, "{len} {name} are more than memory holds");
    }
    // SAFETY: the caller's promise, and what was checked.
    Ok(unsafe { std::slice::from_raw_parts(pointer, len) })
}

/// The `len` bytes at `pointer`, to be written; it may be NULL if there are none.
///
/// # Safety
///
/// `pointer` is NULL, or valid for writes of `len` bytes, which nobody else uses, for as long as the result is used.
pub(crate) unsafe fn slice_mut<'a>(name: &str, pointer: *mut u8, len: usize) -> Result<&'a mut [u8]> {
    // SAFETY: the caller's promise; checks the same.
    unsafe { slice(name, pointer.cast_const(), len) }?;
    if len == 0 {
        return Ok(&mut []);
    }
    // SAFETY: the caller's promise, and what was checked.
    Ok(unsafe { std::slice::from_raw_parts_mut(pointer, len) })
}

/// What a call gives back: how it travels through an output parameter of type `C`.
pub(crate) trait Output {
    /// The type of the output.
    type C: Copy;
    /// What the output holds until there is a result.
    const NOTHING: Self::C;
    /// Gives it away.
    fn into_c(self) -> Self::C;
}

impl Output for () {
    type C = ();
    const NOTHING: () = ();
    fn into_c(self) {}
}

impl Output for u8 {
    type C = Self;
    const NOTHING: Self = 0;
    fn into_c(self) -> Self {
        self
    }
}

impl Output for u64 {
    type C = Self;
    const NOTHING: Self = 0;
    fn into_c(self) -> Self {
        self
    }
}

impl Output for usize {
    type C = Self;
    const NOTHING: Self = 0;
    fn into_c(self) -> Self {
        self
    }
}

impl Output for *const u8 {
    type C = Self;
    const NOTHING: Self = std::ptr::null();
    fn into_c(self) -> Self {
        self
    }
}

impl<O: Opaque> Output for Owned<O> {
    type C = *mut O;
    const NOTHING: *mut O = std::ptr::null_mut();
    fn into_c(self) -> *mut O {
        self.into_raw()
    }
}

/// An optional handle: NULL if there is none.
impl<O: Opaque> Output for Option<Owned<O>> {
    type C = *mut O;
    const NOTHING: *mut O = std::ptr::null_mut();
    fn into_c(self) -> *mut O {
        self.map_or(std::ptr::null_mut(), Owned::into_raw)
    }
}

/// An output parameter for a `T`.
pub(crate) struct Out<T: Output> {
    name: &'static str,
    pointer: *mut T::C,
    optional: bool,
}

impl<T: Output> Out<T> {
    /// Clears the output, first of all.
    ///
    /// # Safety
    ///
    /// `pointer` is NULL or may be written until the result is dropped.
    pub(crate) unsafe fn clear(name: &'static str, pointer: *mut T::C) -> Self {
        if !pointer.is_null() {
            // SAFETY: the caller's promise. C may have packed it into something of his.
            unsafe { pointer.write_unaligned(T::NOTHING) };
        }
        Self { name, pointer, optional: false }
    }

    /// The output may be NULL if the caller does not want it.
    pub(crate) fn or_null(mut self) -> Self {
        self.optional = true;
        self
    }

    /// Refuses NULL, before anything is done whose result would be lost.
    pub(crate) fn check(&self) -> Result<()> {
        if self.pointer.is_null() && !self.optional {
            return Err(err!(InvalidArgument, "the output {} is NULL", self.name));
        }
        Ok(())
    }

    /// Fills the output.
    pub(crate) fn set(self, value: T) {
        if self.pointer.is_null() {
            drop(value);
        } else {
            // SAFETY: promised to `clear`.
            unsafe { self.pointer.write_unaligned(value.into_c()) };
        }
    }
}

impl Out<()> {
    /// For calls that give nothing back.
    pub(crate) fn none() -> Self {
        Self { name: "", pointer: std::ptr::null_mut(), optional: true }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ptr::null;

    #[test]
    fn texts_are_checked() {
        // SAFETY: constants, NUL-terminated.
        unsafe {
            assert_eq!(text("root", c"ä".as_ptr()).unwrap(), "ä");
            assert!(text("root", c"\xff".as_ptr()).unwrap_err().message().contains("root is not UTF-8"));
            assert!(text("root", null()).unwrap_err().message().contains("root is NULL"));
            assert!(optional_text("root", null()).unwrap().is_none());
        }
    }

    #[test]
    fn slices_are_checked() {
        let values = [1u64, 2];
        // SAFETY: what is read is there; the others are refused before they are read.
        unsafe {
            assert_eq!(slice("values", values.as_ptr(), 2).unwrap(), values);
            assert!(slice::<u64>("values", null(), 0).unwrap().is_empty());
            assert!(slice::<u64>("values", null(), 1).is_err());
            assert!(slice("values", values.as_ptr(), usize::MAX).is_err());
            assert!(slice::<u64>("values", values.as_ptr().byte_add(1), 1).is_err());
        }
    }
}
