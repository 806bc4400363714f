//! Structs of options, which grow: a caller built against an older header passes a shorter one, against a newer header a
//! longer one.

use std::mem::MaybeUninit;

use crate::error::{Result, bail};

/// A struct of options. Its first field is `struct_size: u32`.
///
/// # Safety
///
/// `#[repr(C)]`, of integers and pointers only, without padding at its end; `ENDS` names where each field ends.
pub(crate) unsafe trait Options: Copy {
    /// What to call it in messages: its name in C.
    const NAME: &'static str;
    /// The size of its first version, which stays for ever.
    const FROZEN: usize;
    /// Where each field ends, rising; see [`field_ends`].
    const ENDS: &'static [usize];
    /// What a field is that the caller's struct does not have, or the caller's NULL.
    fn defaults() -> Self;
}

/// The offsets at which the fields of a struct end, all of them, in order.
macro_rules! field_ends {
    ($type:ty: $($field:ident),+ $(,)?) => {{
        const fn size<T, F>(_: fn(&T) -> &F) -> usize {
            size_of::<F>()
        }
        const ENDS: &[usize] = &[$(std::mem::offset_of!($type, $field) + size::<$type, _>(|value| &value.$field)),+];
        const LAST: usize = match ENDS {
            [.., last] => *last,
            [] => 0,
        };
        const _: () = assert!(LAST == size_of::<$type>(), "the struct has padding at its end, or a field is missing");
        ENDS
    }};
}
pub(crate) use field_ends;

/// No version of any struct of options will be as long: a size beyond is garbage.
const LIMIT: usize = 4096;

/// The caller's options, with defaults for what he does not have; all defaults for NULL.
///
/// # Safety
///
/// `pointer` is NULL or points to as many bytes as its first four say.
pub(crate) unsafe fn read<T: Options>(pointer: *const T) -> Result<T> {
    let mut options = T::defaults();
    if pointer.is_null() {
        return Ok(options);
    }
    // SAFETY: the caller's promise.
    let size = unsafe { pointer.cast::<u32>().read_unaligned() } as usize;
    if size < T::FROZEN || size > LIMIT {
        bail!(
            InvalidArgument,
            "{}.struct_size is {size}; set it to sizeof({0}), which is {} here and was never less than {}",
            T::NAME,
            size_of::<T>(),
            T::FROZEN
        );
    }
    let known = T::ENDS.iter().copied().take_while(|end| *end <= size).last().unwrap_or(0);
    for at in size_of::<T>()..size {
        // SAFETY: within the caller's struct.
        if unsafe { pointer.cast::<u8>().add(at).read() } != 0 {
            bail!(
                InvalidArgument,
                "byte {at} of {} is set, and this version of weir knows but the first {}: it is older than the program",
                T::NAME,
                size_of::<T>()
            );
        }
    }
    // SAFETY: both are as long, and fields are integers and pointers, of which any bytes are one.
    unsafe { std::ptr::copy_nonoverlapping(pointer.cast::<u8>(), (&raw mut options).cast::<u8>(), known) };
    Ok(options)
}

/// Writes the defaults to a struct of `size` bytes of the caller's, as far as both go. The rest, unknown here, becomes zero.
///
/// # Safety
///
/// `pointer` is NULL or `size` bytes there may be written.
pub(crate) unsafe fn init<T: Options>(pointer: *mut T, size: u32) {
    if pointer.is_null() {
        return;
    }
    let mut defaults = MaybeUninit::<T>::zeroed();
    defaults.write(T::defaults());
    let (len, both) = (size as usize, (size as usize).min(size_of::<T>()));
    // SAFETY: the caller's promise; the first field is the size.
    unsafe {
        std::ptr::write_bytes(pointer.cast::<u8>(), 0, len);
        std::ptr::copy_nonoverlapping(defaults.as_ptr().cast::<u8>(), pointer.cast::<u8>(), both);
        if len >= size_of::<u32>() {
            pointer.cast::<u32>().write_unaligned(size);
        }
    }
}

/// A boolean, which is 0 or 1.
pub(crate) fn flag(name: &str, value: u8) -> Result<bool> {
    match value {
        0 => Ok(false),
        1 => Ok(true),
        _ => bail!(InvalidArgument, "{name} must be 0 or 1, not {value}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    /// The second version of some options: `extra` and `more` came with it.
    #[repr(C)]
    #[derive(Clone, Copy, Debug, PartialEq)]
    struct Some {
        struct_size: u32,
        first: u32,
        extra: u64,
        more: u64,
    }

    // SAFETY: as it must be.
    unsafe impl Options for Some {
        const NAME: &'static str = "WeirSome";
        const FROZEN: usize = 8;
        const ENDS: &'static [usize] = field_ends!(Some: struct_size, first, extra, more);
        fn defaults() -> Self {
            Self { struct_size: size_of::<Self>() as u32, first: 1, extra: 2, more: 3 }
        }
    }

    fn given(size: u32, tail: [u64; 2]) -> Result<Some> {
        let bytes = (Some { struct_size: size, first: 11, extra: 12, more: 13 }, tail);
        // SAFETY: as many bytes as the first four say, or refused.
        unsafe { read(&raw const bytes.0) }
    }

    #[test]
    fn a_field_counts_only_if_the_size_covers_it() {
        for (size, extra, more) in [(8, 2, 3), (12, 2, 3), (16, 12, 3), (23, 12, 3), (24, 12, 13), (32, 12, 13)] {
            let some = given(size, [0; 2]).unwrap();
            assert_eq!((some.first, some.extra, some.more), (11, extra, more), "{size}");
        }
        // SAFETY: NULL is allowed.
        assert_eq!(unsafe { read::<Some>(std::ptr::null()) }.unwrap(), Some::defaults());
    }

    #[test]
    fn sizes_that_cannot_be_are_refused() {
        for size in [0, 1, 7, 4097, u32::MAX] {
            let error = given(size, [0; 2]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidArgument);
            assert!(error.message().contains("sizeof(WeirSome)"), "{error}");
        }
    }

    #[test]
    fn what_is_not_known_must_be_zero() {
        assert!(given(40, [0, 0]).is_ok());
        let error = given(40, [0, 1 << 40]).unwrap_err();
        assert!(error.message().contains("byte 37 of WeirSome"), "{error}");
    }

    #[test]
    fn init_writes_no_more_than_the_caller_has() {
        for size in [0u32, 3, 4, 8, 16, 24, 32] {
            let mut bytes = [0xAAu8; 40];
            // SAFETY: within the array.
            unsafe { init::<Some>(bytes.as_mut_ptr().cast(), size) };
            assert!(bytes[size as usize..].iter().all(|byte| *byte == 0xAA), "{size}");
            if size >= 8 {
                assert_eq!((bytes[0], bytes[4]), (size as u8, 1));
            }
            if size > 24 {
                assert!(bytes[24..size as usize].iter().all(|byte| *byte == 0));
            }
        }
    }

    #[test]
    fn booleans_are_0_or_1() {
        assert!(!flag("x", 0).unwrap() && flag("x", 1).unwrap());
        assert!(flag("durable", 2).unwrap_err().message().contains("durable must be 0 or 1, not 2"));
    }
}
