//! The one error type of the crate: a kind that says what happened, an action that says what to do about it, a
//! message that names the object concerned, and typed details. Cloning is cheap, so that one terminal error can be
//! handed to every waiter.

use std::fmt;
use std::sync::Arc;

/// Shorthand for results of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What happened. The numbers are the `WEIR_STATUS_*` codes of the C ABI and are never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(i32)]
#[non_exhaustive]
pub enum ErrorKind {
    /// An argument, option or URL is not valid.
    InvalidArgument = 1,
    /// A batch does not have the writer's schema, or a schema cannot be stored.
    SchemaMismatch = 2,
    /// Arrow data handed in breaks the format's rules (counts, offsets, UTF-8, nulls).
    InvalidData = 3,
    /// The root, shard, entry or object does not exist.
    NotFound = 4,
    /// What was to be created exists.
    AlreadyExists = 5,
    /// The store, scheme, format or feature is not supported by this build or that server.
    Unsupported = 6,
    /// The store failed; for a write, the outcome may be unknown (see the message).
    Storage = 7,
    /// The store has no room left.
    StorageFull = 8,
    /// The store refused access.
    PermissionDenied = 9,
    /// Bytes on storage are not what was written.
    Corruption = 10,
    /// Another writer claimed the shard with a higher epoch.
    Fenced = 11,
    /// An append failed for good; memory may be ahead of the log.
    Poisoned = 12,
    /// The shard is sealed against writers.
    Sealed = 13,
    /// The position was trimmed from the log.
    Trimmed = 14,
    /// The limit on pending bytes is reached.
    Backpressure = 15,
    /// The deadline passed. Nothing was accepted unless the message says so.
    TimedOut = 16,
    /// The call was cancelled or interrupted.
    Cancelled = 17,
    /// The operation was accepted, and whether it took effect is not known.
    OutcomeUnknown = 18,
    /// The handle is closed.
    Closed = 19,
    /// The process forked after the library was used.
    Forked = 20,
    /// A panic was caught: a bug in weir.
    Panic = 21,
    /// A blocking call was made from one of weir's own runtime threads.
    WouldDeadlock = 22,
    /// Lost a race for the shard to another claimer.
    Conflict = 23,
    /// A spill store's cap is reached.
    DiskCapExceeded = 24,
    /// An invariant of weir's does not hold: a bug.
    Internal = 25,
}

impl ErrorKind {
    /// Every kind, in the order of its code.
    pub const ALL: [Self; 25] = [
        Self::InvalidArgument,
        Self::SchemaMismatch,
        Self::InvalidData,
        Self::NotFound,
        Self::AlreadyExists,
        Self::Unsupported,
        Self::Storage,
        Self::StorageFull,
        Self::PermissionDenied,
        Self::Corruption,
        Self::Fenced,
        Self::Poisoned,
        Self::Sealed,
        Self::Trimmed,
        Self::Backpressure,
        Self::TimedOut,
        Self::Cancelled,
        Self::OutcomeUnknown,
        Self::Closed,
        Self::Forked,
        Self::Panic,
        Self::WouldDeadlock,
        Self::Conflict,
        Self::DiskCapExceeded,
        Self::Internal,
    ];

    /// The code of the C ABI.
    #[must_use]
    pub const fn code(self) -> i32 {
        self as i32
    }

    /// The name without its prefix, as in `WEIR_STATUS_<name>`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::InvalidArgument => "INVALID_ARGUMENT",
            Self::SchemaMismatch => "SCHEMA_MISMATCH",
            Self::InvalidData => "INVALID_DATA",
            Self::NotFound => "NOT_FOUND",
            Self::AlreadyExists => "ALREADY_EXISTS",
            Self::Unsupported => "UNSUPPORTED",
            Self::Storage => "STORAGE",
            Self::StorageFull => "STORAGE_FULL",
            Self::PermissionDenied => "PERMISSION_DENIED",
            Self::Corruption => "CORRUPTION",
            Self::Fenced => "FENCED",
            Self::Poisoned => "POISONED",
            Self::Sealed => "SEALED",
            Self::Trimmed => "TRIMMED",
            Self::Backpressure => "BACKPRESSURE",
            Self::TimedOut => "TIMED_OUT",
            Self::Cancelled => "CANCELLED",
            Self::OutcomeUnknown => "OUTCOME_UNKNOWN",
            Self::Closed => "CLOSED",
            Self::Forked => "FORKED",
            Self::Panic => "PANIC",
            Self::WouldDeadlock => "WOULD_DEADLOCK",
            Self::Conflict => "CONFLICT",
            Self::DiskCapExceeded => "DISK_CAP_EXCEEDED",
            Self::Internal => "INTERNAL",
        }
    }

    /// What the caller should do about an error of this kind.
    #[must_use]
    pub const fn action(self) -> Action {
        match self {
            Self::Storage | Self::StorageFull | Self::Backpressure | Self::TimedOut | Self::Conflict => Action::Retry,
            Self::Poisoned | Self::OutcomeUnknown | Self::Closed | Self::Cancelled => Action::Reopen,
            Self::Fenced | Self::Sealed | Self::Forked | Self::Corruption => Action::Stop,
            Self::Panic | Self::Internal => Action::Report,
            _ => Action::Fix,
        }
    }
}

/// What the caller should do about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i32)]
pub enum Action {
    /// The same call may succeed later.
    Retry = 1,
    /// Open the handle again; what was acknowledged is safe.
    Reopen = 2,
    /// Correct the argument, the data or the environment.
    Fix = 3,
    /// Stop: someone else owns the shard, or its data is damaged.
    Stop = 4,
    /// Report a bug.
    Report = 5,
}

/// A typed detail of an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Detail {
    /// A number: a position, an epoch, a count of bytes.
    U64(u64),
    /// A text: a path, a shard id, an option's name.
    Str(String),
}

#[derive(Debug)]
struct Inner {
    kind: ErrorKind,
    message: String,
    details: Vec<(&'static str, Detail)>,
}

/// An error: see the module's documentation.
#[derive(Debug, Clone)]
pub struct Error(Arc<Inner>);

impl Error {
    /// An error of `kind` with a message that names what is concerned.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Arc::new(Inner { kind, message: message.into(), details: Vec::new() }))
    }

    /// The same error with the number `value` under `name`.
    #[must_use]
    pub fn with_u64(self, name: &'static str, value: u64) -> Self {
        self.with(name, Detail::U64(value))
    }

    /// The same error with the text `value` under `name`.
    #[must_use]
    pub fn with_str(self, name: &'static str, value: impl Into<String>) -> Self {
        self.with(name, Detail::Str(value.into()))
    }

    fn with(self, name: &'static str, detail: Detail) -> Self {
        let mut details = self.0.details.clone();
        details.push((name, detail));
        Self(Arc::new(Inner { kind: self.0.kind, message: self.0.message.clone(), details }))
    }

    /// The same kind and details with `context` before the message.
    #[must_use]
    pub fn context(self, context: impl fmt::Display) -> Self {
        let message = format!("{context}: {}", self.0.message);
        Self(Arc::new(Inner { kind: self.0.kind, message, details: self.0.details.clone() }))
    }

    /// What happened.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// What to do about it.
    #[must_use]
    pub fn action(&self) -> Action {
        self.0.kind.action()
    }

    /// The message.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The detail called `name`, if there is one.
    #[must_use]
    pub fn detail(&self, name: &str) -> Option<&Detail> {
        self.0.details.iter().find(|(n, _)| *n == name).map(|(_, d)| d)
    }

    /// The numeric detail called `name`, if there is one.
    #[must_use]
    pub fn detail_u64(&self, name: &str) -> Option<u64> {
        match self.detail(name) {
            Some(Detail::U64(value)) => Some(*value),
            _ => None,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl std::error::Error for Error {}

/// Returns early with an error of the kind and the formatted message.
macro_rules! bail {
    ($kind:ident, $($arg:tt)+) => {
        return Err($crate::error::Error::new($crate::error::ErrorKind::$kind, format!($($arg)+)))
    };
}

/// Makes an error of the kind and the formatted message.
macro_rules! err {
    ($kind:ident, $($arg:tt)+) => {
        $crate::error::Error::new($crate::error::ErrorKind::$kind, format!($($arg)+))
    };
}

pub(crate) use {bail, err};
