//! Standard output: buffered, and closed pipes end the command quietly.

use std::fmt::Display;
use std::io::{self, BufWriter, IsTerminal, Stdout, Write};

use crate::exit::{Done, Stop};

pub struct Output(BufWriter<Stdout>);

impl Output {
    pub fn new() -> Self {
        Self(BufWriter::with_capacity(64 << 10, io::stdout()))
    }

    /// Writes `text` and a line break.
    pub fn line(&mut self, text: impl Display) -> Done {
        writeln!(self.0, "{text}").map_err(stop)
    }

    /// Everything written so far is out.
    pub fn flush(&mut self) -> Done {
        self.0.flush().map_err(stop)
    }

    /// For writers of formats; their errors go through [`stop`].
    pub fn writer(&mut self) -> &mut impl Write {
        &mut self.0
    }

    pub fn into_writer(self) -> impl Write {
        self.0
    }
}

pub fn is_terminal() -> bool {
    io::stdout().is_terminal()
}

/// Why a write to standard output failed.
pub fn stop(error: io::Error) -> Stop {
    if error.kind() == io::ErrorKind::BrokenPipe { Stop::PipeClosed } else { Stop::Output(error) }
}

/// Calls `closed` on another thread when whoever reads standard output has gone: a command that waits for something to print
/// would not notice.
pub fn watch(closed: impl FnOnce() + Send + 'static) {
    use rustix::event::{PollFd, PollFlags, poll};
    let wait = || {
        let stdout = io::stdout();
        // Nothing asked for: only an error or a hang-up ends it.
        let mut fds = [PollFd::new(&stdout, PollFlags::empty())];
        let ended = rustix::io::retry_on_intr(|| poll(&mut fds, None)).is_ok();
        // A terminal that hangs up sends a signal; an invalid descriptor is nobody's departure.
        ended && fds[0].revents().contains(PollFlags::ERR)
    };
    let watcher = move || {
        if wait() {
            closed();
        }
    };
    // Without the thread the next write notices.
    let _ = std::thread::Builder::new().name("weir-stdout".into()).spawn(watcher);
}
