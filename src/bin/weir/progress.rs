//! The progress bar, on standard error and only if that is a terminal; and messages that do not run into it.

use std::io::{IsTerminal, Write};
use std::sync::Mutex;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

static SHOWN: Mutex<Option<ProgressBar>> = Mutex::new(None);

pub struct Progress(ProgressBar);

impl Progress {
    /// A bar over `total` bytes, or a counter if that is not known.
    pub fn bytes(total: Option<u64>) -> Self {
        const UNITS: &str = "{bytes}/{total_bytes}  {bytes_per_sec}  {eta}  {msg}";
        Self::new(total, UNITS, "{spinner} {bytes}  {bytes_per_sec}  {msg}")
    }

    /// A bar over `total` things.
    pub fn count(total: u64) -> Self {
        Self::new(Some(total), "{pos}/{len}  {per_sec}  {eta}  {msg}", "{pos}")
    }

    fn new(total: Option<u64>, units: &str, unknown: &str) -> Self {
        let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
        if !std::io::stderr().is_terminal() || dumb {
            return Self(ProgressBar::hidden());
        }
        let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::stderr());
        let template = if total.is_some() { format!("[{{bar:32}}] {units}") } else { unknown.to_owned() };
        if let Ok(style) = ProgressStyle::with_template(&template) {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.enable_steady_tick(Duration::from_millis(200));
        *lock() = Some(bar.clone());
        Self(bar)
    }

    pub fn set(&self, position: u64) {
        self.0.set_position(position);
    }

    pub fn note(&self, text: String) {
        if !self.0.is_hidden() {
            self.0.set_message(text);
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        lock().take();
        self.0.finish_and_clear();
    }
}

fn lock() -> std::sync::MutexGuard<'static, Option<ProgressBar>> {
    SHOWN.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Writes a line to standard error. That it cannot be written is nothing that one could tell anybody.
pub fn message(text: &str) {
    let write = || {
        let _ = writeln!(std::io::stderr(), "{text}");
    };
    match lock().as_ref() {
        Some(bar) => bar.suspend(write),
        None => write(),
    }
}
