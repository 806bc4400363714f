//! Owned bytes for the caller.

use std::ffi::c_char;

use super::handle::{self, Opaque, Owned};

/// Bytes that the library gives away, text as a rule. Owned by whoever received it; free it with weir_buffer_free().
pub struct WeirBuffer {
    _opaque: [u8; 0],
}

impl Opaque for WeirBuffer {
    /// With a NUL behind that does not count.
    type Core = Box<[u8]>;
    const MAGIC: u32 = u32::from_be_bytes(*b"buff");
    const NAME: &'static str = "buffer";
    const RESULT: i32 = super::completion::WeirResult::Buffer as i32;
}

impl WeirBuffer {
    /// A buffer of `bytes`.
    pub(crate) fn of(bytes: impl Into<Vec<u8>>) -> Owned<Self> {
        let mut bytes = bytes.into();
        bytes.push(0);
        Owned::new(bytes.into_boxed_slice())
    }
}

/// The bytes of a buffer, borrowed for its life; NULL if it is empty. One NUL follows them, so text can be printed as it is.
///
/// # Safety
///
/// `buffer` is NULL or a buffer that was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_buffer_data(buffer: *const WeirBuffer) -> *const c_char {
    // SAFETY: the caller's promise.
    match unsafe { handle::peek(buffer) } {
        // PITFALLS X6: empty is (NULL, 0).
        Ok(handle) if handle.core.len() > 1 => handle.core.as_ptr().cast(),
        _ => std::ptr::null(),
    }
}

/// The number of bytes in a buffer; 0 for NULL.
///
/// # Safety
///
/// `buffer` is NULL or a buffer that was not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_buffer_len(buffer: *const WeirBuffer) -> usize {
    // SAFETY: the caller's promise.
    unsafe { handle::peek(buffer) }.map_or(0, |handle| handle.core.len().saturating_sub(1))
}

/// Frees a buffer. NULL is allowed.
///
/// # Safety
///
/// `buffer` is NULL or a buffer that was not freed, and is not used any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn weir_buffer_free(buffer: *mut WeirBuffer) {
    // SAFETY: the caller's promise.
    unsafe { handle::free(buffer) };
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::CStr;

    /// PITFALLS X6.
    #[test]
    fn empty_is_null_and_zero() {
        for (text, empty) in [("", true), ("a", false)] {
            let buffer = WeirBuffer::of(text).into_raw();
            // SAFETY: a live buffer, freed once.
            unsafe {
                assert_eq!(weir_buffer_len(buffer), text.len());
                assert_eq!(weir_buffer_data(buffer).is_null(), empty);
                if !empty {
                    assert_eq!(CStr::from_ptr(weir_buffer_data(buffer)).to_str().unwrap(), text);
                }
                weir_buffer_free(buffer);
            }
        }
        // SAFETY: NULL is allowed.
        unsafe {
            assert!(weir_buffer_data(std::ptr::null()).is_null() && weir_buffer_len(std::ptr::null()) == 0);
            weir_buffer_free(std::ptr::null_mut());
        }
    }
}
