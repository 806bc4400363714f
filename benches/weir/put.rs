//! Puts: durable by one and many callers, buffered, and asynchronous through a queue.

use std::ptr::null_mut;
use std::time::{Duration, Instant};

use arrow_array::StructArray;
use arrow_array::ffi::from_ffi_and_data_type;
use arrow_data::ffi::FFI_ArrowArray;
use arrow_schema::DataType;
use weir::ffi::completion::{WeirEvent, weir_event_clear};
use weir::ffi::queue::{WeirQueue, weir_queue_completion, weir_queue_free, weir_queue_new, weir_queue_next};
use weir::ffi::writer::weir_writer_put_async;

use crate::abi::{Session, Writer, call, export};
use crate::report::{Report, Target, median};
use crate::{Options, data, raw};

pub fn run(options: &Options, report: &mut Report) {
    for fsync in [true, false] {
        one_caller(options, report, fsync);
    }
    callers(options, report);
    buffered(options, report);
}

fn p50(times: Vec<Duration>) -> f64 {
    median(times.into_iter().map(|time| time.as_nanos() as f64 / 1000.0).collect())
}

fn writer(options: &Options, session: &Session, name: &str, fsync: bool, durable: bool) -> Writer {
    let root = options.dir.join(name);
    Writer::open(session, &root.to_string_lossy(), &data::schema(), |o| {
        o.fsync = fsync.into();
        o.durable = durable.into();
    })
}

/// One caller against the bare system calls on the same bytes, in turns.
fn one_caller(options: &Options, report: &mut Report, fsync: bool) {
    let kind = if fsync { "fsync" } else { "nofsync" };
    let count = options.count(if fsync { 300 } else { 2000 });
    let session = Session::new(&[]);
    let batch = data::small();
    let (mut ours, mut limits) = (Vec::new(), Vec::new());
    for round in 0..options.rounds {
        let name = format!("put1-{kind}-{round}");
        let writer = writer(options, &session, &name, fsync, true);
        writer.put(export(&batch));
        let bytes = std::fs::read(&raw::entries(&options.dir.join(&name), crate::abi::SHARD)[0]).expect("the entry");
        limits.push(p50(raw::creates(&options.dir.join(format!("{name}-raw")), &bytes, count, fsync)));
        let times = (0..count).map(|_| {
            let array = export(&batch);
            let began = Instant::now();
            writer.put(array);
            began.elapsed()
        });
        ours.push(p50(times.collect()));
        writer.close();
    }
    let target = if fsync { 1.3 } else { 1.5 };
    report.ratio(&format!("put.durable.1.{kind}"), median(ours), "us", median(limits), Target::AtMost(target));
}

/// Durable puts per second by `threads` callers.
fn rate(writer: &Writer, threads: usize, each: usize) -> f64 {
    let batch = data::small();
    let began = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| (0..each).for_each(|_| writer.put(export(&batch))));
        }
    });
    (threads * each) as f64 / began.elapsed().as_secs_f64()
}

fn callers(options: &Options, report: &mut Report) {
    let session = Session::new(&[]);
    let counts = [1, 2, 4, 16, 64];
    let mut rates = vec![Vec::new(); counts.len()];
    let mut queued = Vec::new();
    for round in 0..options.rounds {
        for (slot, threads) in rates.iter_mut().zip(counts) {
            let writer = writer(options, &session, &format!("callers-{threads}-{round}"), true, true);
            slot.push(rate(&writer, threads, options.count(300)));
            writer.close();
        }
        let writer = writer(options, &session, &format!("queue-{round}"), true, true);
        queued.push(through_queue(&writer, options.count(20_000), 256));
        writer.close();
    }
    let rates: Vec<f64> = rates.into_iter().map(median).collect();
    let sixteen = rates[3];
    for (threads, rate) in counts.iter().zip(&rates) {
        let target = if *threads == 16 { Target::AtLeast(8.0) } else { Target::None };
        let name = if *threads == 16 { "put.durable.16.scaling".into() } else { format!("put.durable.{threads}.rate") };
        report.ratio(&name, *rate, "puts/s", rates[0], target);
    }
    report.ratio("put.async.queue", median(queued), "puts/s", sixteen, Target::AtLeast(1.5));
}

/// Durable puts per second from one thread that keeps `in_flight` under way and drains a queue.
fn through_queue(writer: &Writer, total: usize, in_flight: usize) -> f64 {
    let batch = data::small();
    let mut queue: *mut WeirQueue = null_mut();
    call!(weir_queue_new(std::ptr::null(), &raw mut queue));
    // SAFETY: integers and pointers, of which zero is one.
    let mut events: Vec<WeirEvent> = (0..in_flight).map(|_| unsafe { std::mem::zeroed() }).collect();
    let began = Instant::now();
    let (mut sent, mut done) = (0, 0);
    while done < total {
        while sent < total && sent - done < in_flight {
            let mut array = export(&batch);
            // SAFETY: the queue lives.
            let completion = unsafe { weir_queue_completion(queue, sent as u64) };
            call!(weir_writer_put_async(writer.0, &raw mut array, completion));
            std::mem::forget(array);
            sent += 1;
        }
        let mut count = 0;
        call!(weir_queue_next(queue, events.as_mut_ptr(), events.len(), -1, &raw mut count));
        for event in &mut events[..count] {
            assert_eq!(event.status, 0, "a put failed");
            // SAFETY: filled by weir.
            unsafe { weir_event_clear(event) };
        }
        done += count;
    }
    let elapsed = began.elapsed();
    // SAFETY: freed once.
    unsafe { weir_queue_free(queue) };
    total as f64 / elapsed.as_secs_f64()
}

/// A buffered put against arrow-rs's own import and validation of the same array.
fn buffered(options: &Options, report: &mut Report) {
    let count = options.count(20_000);
    let session = Session::new(&[]);
    let batch = data::small();
    let data_type = DataType::Struct(data::schema().fields().clone());
    let (mut ours, mut imports) = (Vec::new(), Vec::new());
    for round in 0..options.rounds {
        let writer = writer(options, &session, &format!("buffered-{round}"), false, false);
        let arrays: Vec<FFI_ArrowArray> = (0..count).map(|_| export(&batch)).collect();
        imports.push(each(arrays, |array| {
            // SAFETY: exported from a batch of this type.
            let data = unsafe { from_ffi_and_data_type(array, data_type.clone()) }.expect("an import");
            data.validate_full().expect("a valid batch");
            std::hint::black_box(StructArray::from(data));
        }));
        let arrays: Vec<FFI_ArrowArray> = (0..count).map(|_| export(&batch)).collect();
        ours.push(each(arrays, |array| writer.put(array)));
        writer.flush();
        writer.close();
    }
    let import = median(imports);
    report.value("put.buffered.1", median(ours) - import, "ns", Some(import), Target::AtMost(1000.0));
}

/// Nanoseconds of `work` for each of `arrays`.
fn each(arrays: Vec<FFI_ArrowArray>, mut work: impl FnMut(FFI_ArrowArray)) -> f64 {
    let count = arrays.len();
    let began = Instant::now();
    for array in arrays {
        work(array);
    }
    began.elapsed().as_nanos() as f64 / count as f64
}
