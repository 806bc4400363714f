//! Ctrl-C: ends the process with 130, at once unless the command has something to finish first; the second one always at once.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::exit;

static SEEN: AtomicBool = AtomicBool::new(false);
static HOOK: Mutex<Option<Box<dyn Fn() + Send>>> = Mutex::new(None);

/// Takes over the signal. Without this the process would end by it, which is nearly as good: a failure is not worth ending for.
pub fn install() {
    let _ = ctrlc::set_handler(|| {
        let first = !SEEN.swap(true, Ordering::SeqCst);
        let hook = HOOK.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        match hook.as_ref() {
            Some(hook) if first => hook(),
            _ => std::process::exit(i32::from(exit::INTERRUPTED)),
        }
    });
}

/// From now on the first Ctrl-C calls `hook` (on another thread) and sets [`seen`]; the command then ends by itself.
pub fn end_gracefully(hook: impl Fn() + Send + 'static) {
    *HOOK.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(Box::new(hook));
}

/// Whether Ctrl-C was pressed.
pub fn seen() -> bool {
    SEEN.load(Ordering::SeqCst)
}
