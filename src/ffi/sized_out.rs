//! Structs as outputs that grow: the caller says how long his is.

use crate::error::{Result, bail};

/// A struct of results. Its first field is `struct_size: u32`.
///
/// # Safety
///
/// `#[repr(C)]`, of integers only, without padding.
pub(crate) unsafe trait SizedOut: Copy {
    /// What to call it in messages: its name in C.
    const NAME: &'static str;
}

/// Writes `value` to the caller's struct, as far as his goes; what his has beyond becomes zero. `struct_size` stays.
///
/// # Safety
///
/// `pointer` is NULL or points to as many writable bytes as its first four say.
pub(crate) unsafe fn sized<T: SizedOut>(pointer: *mut T, value: T) -> Result<()> {
    /// No version of any struct will be as long: a size beyond is garbage.
    const LIMIT: usize = 4096;
    const HEAD: usize = size_of::<u32>();
    if pointer.is_null() {
        bail!(InvalidArgument, "the output {} is NULL", T::NAME);
    }
    // SAFETY: the caller's promise.
    let size = unsafe { pointer.cast::<u32>().read_unaligned() } as usize;
    if !(HEAD..=LIMIT).contains(&size) {
        bail!(InvalidArgument, "{}.struct_size is {size}; set it to sizeof({0}), which is {} here", T::NAME, size_of::<T>());
    }
    let both = size.min(size_of::<T>());
    // SAFETY: within both structs.
    unsafe {
        pointer.cast::<u8>().add(HEAD).write_bytes(0, size - HEAD);
        std::ptr::copy_nonoverlapping((&raw const value).cast::<u8>().add(HEAD), pointer.cast::<u8>().add(HEAD), both - HEAD);
    }
    Ok(())
}
