//! Appends of large entries: bandwidth and copies.

use std::time::Instant;

use crate::abi::{Appender, SHARD, Session, export};
use crate::report::{Report, Target, median};
use crate::{Options, alloc, data, raw};

pub fn run(options: &Options, report: &mut Report) {
    let count = options.count(200);
    let session = Session::new(&[]);
    let batch = data::large();
    let (mut ours, mut limits, mut copies) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..options.rounds {
        let name = format!("append-{round}");
        let root = options.dir.join(&name);
        let appender = Appender::open(&session, &root.to_string_lossy(), &data::schema(), false);
        appender.append(export(&batch));
        let bytes = std::fs::read(&raw::entries(&root, SHARD)[0]).expect("the entry");
        let volume = (count * bytes.len()) as f64;
        let times = raw::creates(&options.dir.join(format!("{name}-raw")), &bytes, count, false);
        limits.push(volume / times.iter().sum::<std::time::Duration>().as_secs_f64() / 1e6);
        let arrays: Vec<_> = (0..count).map(|_| export(&batch)).collect();
        let mut elapsed = 0.0;
        let allocated = alloc::bytes_during(|| {
            let began = Instant::now();
            for array in arrays {
                appender.append(array);
            }
            elapsed = began.elapsed().as_secs_f64();
        });
        ours.push(volume / elapsed / 1e6);
        copies.push(allocated as f64 / volume);
        appender.close();
    }
    report.ratio("append.large", median(ours), "MB/s", median(limits), Target::AtLeast(0.8));
    report.value("append.copies", median(copies), "B/B", None, Target::AtMost(0.05));
}
