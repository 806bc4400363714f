//! A file descriptor that is readable while it is set.

use std::ffi::c_int;

/// An eventfd on Linux, else a pipe; nothing where there is neither.
pub(super) struct Signal {
    #[cfg(unix)]
    read: std::os::fd::OwnedFd,
    #[cfg(all(unix, not(target_os = "linux")))]
    write: std::os::fd::OwnedFd,
}

#[cfg(target_os = "linux")]
impl Signal {
    pub(super) fn new() -> Option<Self> {
        use std::os::fd::FromRawFd;
        // SAFETY: no pointers; what it returns is ours alone.
        let read = match unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) } {
            -1 => return None,
            // SAFETY: a fresh descriptor.
            fd => unsafe { std::os::fd::OwnedFd::from_raw_fd(fd) },
        };
        Some(Self { read })
    }

    /// Makes it readable, or not.
    pub(super) fn set(&self, on: bool) {
        let mut count = 1u64;
        // It does not block, and its one failure (set already to the utmost, or clear already) leaves it as it should be.
        // SAFETY: eight bytes of a local.
        unsafe {
            if on {
                libc::write(self.fd(), (&raw const count).cast(), size_of::<u64>());
            } else {
                libc::read(self.fd(), (&raw mut count).cast(), size_of::<u64>());
            }
        }
    }
}

#[cfg(all(unix, not(target_os = "linux")))]
impl Signal {
    pub(super) fn new() -> Option<Self> {
        use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
        let mut ends = [0; 2];
        // SAFETY: room for two descriptors, which are ours alone.
        let (read, write) = unsafe {
            if libc::pipe(ends.as_mut_ptr()) != 0 {
                return None;
            }
            let [read, write] = ends;
            (OwnedFd::from_raw_fd(read), OwnedFd::from_raw_fd(write))
        };
        for end in [&read, &write] {
            // SAFETY: a descriptor of ours.
            unsafe {
                libc::fcntl(end.as_raw_fd(), libc::F_SETFD, libc::FD_CLOEXEC);
                libc::fcntl(end.as_raw_fd(), libc::F_SETFL, libc::O_NONBLOCK);
            }
        }
        Some(Self { read, write })
    }

    /// Makes it readable, or not.
    pub(super) fn set(&self, on: bool) {
        use std::os::fd::AsRawFd;
        let mut byte = [1u8; 64];
        // SAFETY: bytes of a local. It does not block, and its one failure (full or empty) leaves it as it should be.
        unsafe {
            if on {
                libc::write(self.write.as_raw_fd(), byte.as_ptr().cast(), 1);
            } else {
                while libc::read(self.read.as_raw_fd(), byte.as_mut_ptr().cast(), byte.len()) == 64 {}
            }
        }
    }
}

#[cfg(unix)]
impl Signal {
    pub(super) fn fd(&self) -> c_int {
        std::os::fd::AsRawFd::as_raw_fd(&self.read)
    }
}

#[cfg(not(unix))]
impl Signal {
    pub(super) fn new() -> Option<Self> {
        None
    }

    pub(super) fn set(&self, _: bool) {}

    pub(super) fn fd(&self) -> c_int {
        -1
    }
}
