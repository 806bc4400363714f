//! Opening a shard: requests and time; and what an idle writer asks for.

use std::time::{Duration, Instant};

use crate::Options;
use crate::abi::{Appender, Session, Writer, export};
use crate::data;
use crate::report::{Report, Target, median};

/// How far the log's end lies behind what the manifest knows.
const BEHIND: usize = 10_000;

pub fn run(options: &Options, report: &mut Report) {
    let root = options.dir.join("open").to_string_lossy().into_owned();
    {
        let session = Session::new(&[]);
        let appender = Appender::open(&session, &root, &data::schema(), false);
        let batch = data::small();
        (0..BEHIND).for_each(|_| appender.append(export(&batch)));
        appender.close();
    }
    let session = Session::new(&[]);
    let before = session.requests();
    let writer = Writer::open(&session, &root, &data::schema(), |o| o.fsync = 0);
    report.value("open.tip.requests", (session.requests() - before) as f64, "", None, Target::AtMost(40.0));

    let before = session.requests();
    std::thread::sleep(Duration::from_secs(10));
    report.value("idle.requests", (session.requests() - before) as f64, "in 10 s", None, Target::AtMost(0.0));
    writer.close();

    let times = (0..options.rounds.max(5)).map(|_| {
        let began = Instant::now();
        let writer = Writer::open(&session, &root, &data::schema(), |o| o.fsync = 0);
        let elapsed = began.elapsed();
        writer.close();
        elapsed.as_secs_f64() * 1e6
    });
    report.value("open.again", median(times.collect()), "us", None, Target::None);
}
