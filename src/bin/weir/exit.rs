//! How a command ends: its exit code, and the one line that says why.

use weir::error::{Action, Error, ErrorKind};

use crate::progress;

/// Anything that has no code of its own; `verify`: problems were found.
pub const FAILED: u8 = 1;
/// The arguments are wrong, or ask for something that this build or store does not support.
pub const USAGE: u8 = 2;
/// A store or a file could not be read or written.
pub const STORE: u8 = 3;
/// A root, shard, position or file is not there.
pub const NOT_FOUND: u8 = 4;
/// Another writer has taken the shard.
pub const FENCED: u8 = 5;
/// The shard is sealed.
pub const SEALED: u8 = 6;
/// Ctrl-C.
pub const INTERRUPTED: u8 = 130;

/// Why a command ends early.
#[derive(Debug)]
pub enum Stop {
    /// An error, to be reported.
    Error(Error),
    /// Standard output cannot be written.
    Output(std::io::Error),
    /// Whoever read standard output has gone: no error.
    PipeClosed,
    /// Ctrl-C; what there was to say was said.
    Interrupted,
    /// Something was found and reported that makes for this exit code.
    Code(u8),
}

pub type Done = Result<(), Stop>;

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

impl Stop {
    /// Says why, where that was not said, and gives the exit code.
    pub fn report(self) -> u8 {
        match self {
            Self::Error(error) => {
                complain(&error);
                code(error.kind())
            }
            Self::Output(error) => {
                progress::message(&format!("weir: standard output cannot be written: {error}"));
                FAILED
            }
            Self::PipeClosed => 0,
            Self::Interrupted => INTERRUPTED,
            Self::Code(code) => code,
        }
    }
}

/// The exit code of an error.
pub fn code(kind: ErrorKind) -> u8 {
    match kind {
        ErrorKind::InvalidArgument | ErrorKind::Unsupported => USAGE,
        ErrorKind::Storage | ErrorKind::StorageFull | ErrorKind::PermissionDenied | ErrorKind::TimedOut => STORE,
        ErrorKind::NotFound | ErrorKind::Trimmed => NOT_FOUND,
        ErrorKind::Fenced | ErrorKind::Conflict => FENCED,
        ErrorKind::Sealed => SEALED,
        _ => FAILED,
    }
}

/// Reports `error` in one line, with what to do about it.
pub fn complain(error: &Error) {
    progress::message(&format!("weir: {}{}", one_line(error.message()), advice(error)));
}

/// `text` without line breaks and other control characters: messages may quote servers.
pub fn one_line(text: &str) -> String {
    let clean: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    clean.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn advice(error: &Error) -> String {
    let advice = match error.kind() {
        ErrorKind::Trimmed => {
            return error.detail_u64("first_position").map_or_else(String::new, |first| format!("; read on with --from {first}"));
        }
        ErrorKind::NotFound if error.detail("file").is_none() && error.detail("root").is_none() => {
            "check the root and the shard: `weir inspect ROOT` lists what is there"
        }
        ErrorKind::StorageFull => "make room and try again",
        ErrorKind::PermissionDenied => "check the permissions or the credentials",
        ErrorKind::Corruption => "`weir verify ROOT SHARD` says what else is wrong",
        ErrorKind::Fenced | ErrorKind::Conflict => "another writer has the shard: make sure that only one is running",
        // Only a scan or a get meets one: puts wait.
        ErrorKind::Backpressure => "--memory allows for more, and --no-wal leaves them out",
        ErrorKind::Sealed => "`weir unseal ROOT SHARD` opens it again",
        kind => match kind.action() {
            Action::Retry => "try again",
            Action::Reopen => "run it again: what was acknowledged is safe",
            Action::Report => "this is a bug in weir, please report it",
            Action::Fix | Action::Stop => return String::new(),
        },
    };
    format!("; {advice}")
}
