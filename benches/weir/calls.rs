//! What a call costs by itself: empty calls, the error path, and a round trip through a callback and through a queue.

use std::ffi::c_void;
use std::ptr::{null, null_mut};
use std::sync::mpsc;
use std::time::Instant;

use weir::ffi::completion::{WeirCompletion, WeirEvent, weir_event_clear};
use weir::ffi::error::{WeirError, weir_error_free};
use weir::ffi::queue::{WeirQueue, weir_queue_completion, weir_queue_free, weir_queue_new, weir_queue_next};
use weir::ffi::runtime::weir_version;
use weir::ffi::writer::{weir_writer_durable_position, weir_writer_flush_async, weir_writer_put};

use crate::abi::{Session, Writer, call};
use crate::report::{Report, Target};
use crate::{Options, data};

pub fn run(options: &Options, report: &mut Report) {
    let count = options.count(200_000);
    memcpy(report);
    let empty = each(count, || {
        std::hint::black_box(weir_version());
    });
    report.value("call.empty", empty, "ns", None, Target::None);

    let session = Session::new(&[]);
    let root = options.dir.join("calls").to_string_lossy().into_owned();
    let writer = Writer::open(&session, &root, &data::schema(), |o| o.fsync = 0);
    let getter = each(count, || {
        // SAFETY: the writer lives.
        std::hint::black_box(unsafe { weir_writer_durable_position(writer.0) });
    });
    report.value("call.getter", getter, "ns", Some(empty), Target::None);

    let failing = each(count, || {
        let mut error: *mut WeirError = null_mut();
        // SAFETY: a NULL array is refused; the error is freed once.
        unsafe {
            let status = weir_writer_put(writer.0, null_mut(), -1, null_mut(), &raw mut error);
            std::hint::black_box(status);
            weir_error_free(error);
        }
    });
    report.value("call.error", failing, "ns", Some(empty), Target::None);

    callback(options.count(20_000), &writer, report);
    queue(options.count(20_000), &writer, report);
    writer.close();
}

/// The speed of copying, beside which all bandwidths may be seen.
fn memcpy(report: &mut Report) {
    let from = vec![1_u8; 1_300_000];
    let mut to = vec![0_u8; from.len()];
    let nanos = each(500, || {
        to.copy_from_slice(std::hint::black_box(&from));
        std::hint::black_box(&mut to);
    });
    report.value("limit.memcpy", from.len() as f64 / nanos * 1000.0, "MB/s", None, Target::None);
}

fn each(count: usize, mut work: impl FnMut()) -> f64 {
    let began = Instant::now();
    for _ in 0..count {
        work();
    }
    began.elapsed().as_nanos() as f64 / count as f64
}

unsafe extern "C" fn notify(ctx: *mut c_void, _: *const WeirEvent) {
    // SAFETY: the sender is never dropped, see below.
    let sender = unsafe { &*ctx.cast::<mpsc::Sender<()>>() };
    let _ = sender.send(());
}

fn callback(count: usize, writer: &Writer, report: &mut Report) {
    let (sender, receiver) = mpsc::channel::<()>();
    // Never dropped: the last callback may still be inside `send` when its message is here.
    let ctx = Box::into_raw(Box::new(sender)).cast();
    let micros = each(count, || {
        let completion = WeirCompletion { r#fn: Some(notify), ctx, token: 0 };
        call!(weir_writer_flush_async(writer.0, completion));
        receiver.recv().expect("the callback");
    }) / 1000.0;
    report.value("async.callback", micros, "us", None, Target::None);
}

fn queue(count: usize, writer: &Writer, report: &mut Report) {
    let mut queue: *mut WeirQueue = null_mut();
    call!(weir_queue_new(null(), &raw mut queue));
    let micros = each(count, || {
        // SAFETY: integers and pointers, of which zero is one; the queue lives.
        let (mut event, completion): (WeirEvent, _) = unsafe { (std::mem::zeroed(), weir_queue_completion(queue, 1)) };
        call!(weir_writer_flush_async(writer.0, completion));
        let mut n = 0;
        call!(weir_queue_next(queue, &raw mut event, 1, -1, &raw mut n));
        // SAFETY: filled by weir.
        unsafe { weir_event_clear(&raw mut event) };
    }) / 1000.0;
    // SAFETY: freed once.
    unsafe { weir_queue_free(queue) };
    report.value("async.queue", micros, "us", None, Target::None);
}
