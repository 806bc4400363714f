//! Sessions: the metrics they show, the stores they share, the settings of these stores; and that who has nothing to do asks for
//! nothing.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{CStr, CString};
use std::ptr::{null, null_mut};
use std::sync::Arc;
use std::time::Duration;

use arrow_array::ffi::FFI_ArrowArray;
use arrow_array::{Array, Int64Array, RecordBatch, StructArray};
use arrow_schema::ffi::FFI_ArrowSchema;
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use support::{FaultStore, Sim, now};
use weir::env::Clock;
use weir::error::{ErrorKind, Result};
use weir::ffi::error::{WeirError, WeirStatus, weir_error_free, weir_error_message};
use weir::ffi::session::{WeirSession, weir_metrics_prometheus, weir_session_free, weir_session_new};
use weir::ffi::writer::{WeirWriter, weir_writer_free, weir_writer_put};
use weir::ffi::writer_open::weir_writer_open;
use weir::ffi::{buffer, writer_stats};
use weir::metrics::{MetricSource, Metrics, Registry};
use weir::runtime;
use weir::session::Session;
use weir::shard::ShardPath;
use weir::store::memory::MemoryBackend;
use weir::store::{Settings, Store};
use weir::wal::{AppenderOptions, TailerOptions, WalAppender, WalTailer};
use weir::writer::{ShardWriter, WriterConfig};

const SHARDS: [&str; 2] = ["00000000-0000-4000-8000-000000000001", "00000000-0000-4000-8000-000000000002"];
const LIMIT_MS: i64 = 60_000;

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new("value", DataType::Int64, false)]))
}

fn batch(rows: i64) -> RecordBatch {
    RecordBatch::try_new(schema(), vec![Arc::new(Int64Array::from_iter_values(0..rows))]).unwrap()
}

fn shard(index: usize) -> ShardPath {
    ShardPath::new(SHARDS[index]).unwrap()
}

fn settings(pairs: &[(&str, &str)]) -> Result<Settings> {
    Settings::new(pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())))
}

/// What Prometheus makes of a text in its format 0.0.4: the values by name and labels as they stand, and the counters' names. As
/// strict as its documentation allows one to be.
#[derive(Debug)]
struct Parsed {
    values: BTreeMap<String, f64>,
    counters: BTreeSet<String>,
}

fn is_name(name: &str, first: fn(char) -> bool) -> bool {
    name.starts_with(first) && name.chars().all(|c| first(c) || c.is_ascii_digit())
}

/// The labels between the braces: names once, values quoted and escaped.
fn parse_labels(text: &str) -> Option<BTreeSet<String>> {
    let (mut names, mut rest) = (BTreeSet::new(), text);
    loop {
        let (name, value) = rest.split_once("=\"")?;
        if !is_name(name, |c| c.is_ascii_alphabetic() || c == '_') || name.starts_with("__") || !names.insert(name.to_owned()) {
            return None;
        }
        let mut escaped = false;
        let end = value.char_indices().find_map(|(at, c)| match (escaped, c) {
            (false, '"') => Some(Some(at)),
            (false, '\\') => {
                escaped = true;
                None
            }
            (true, '\\' | '"' | 'n') => {
                escaped = false;
                None
            }
            (true, _) => Some(None),
            (false, _) => None,
        })??;
        match &value[end + 1..] {
            "" => return Some(names),
            more => rest = more.strip_prefix(',')?,
        }
    }
}

fn parse(text: &str) -> Result<Parsed, String> {
    let mut parsed = Parsed { values: BTreeMap::new(), counters: BTreeSet::new() };
    let mut families: BTreeMap<String, Option<BTreeSet<String>>> = BTreeMap::new();
    let mut family = String::new();
    let mut lines = text.lines().peekable();
    if !text.is_empty() && !text.ends_with('\n') {
        return Err("the last line does not end".into());
    }
    while let Some(line) = lines.next() {
        if let Some(help) = line.strip_prefix("# HELP ") {
            let (name, text) = help.split_once(' ').ok_or("no help")?;
            if text.trim().is_empty() || !is_name(name, |c| c.is_ascii_alphabetic() || matches!(c, '_' | ':')) {
                return Err(format!("bad help: {line}"));
            }
            if families.insert(name.to_owned(), None).is_some() {
                return Err(format!("{name} comes twice"));
            }
            family = name.to_owned();
            let kind = lines.next().and_then(|line| line.strip_prefix(&format!("# TYPE {name} ")));
            match kind {
                Some("counter") if name.ends_with("_total") => drop(parsed.counters.insert(name.to_owned())),
                Some("gauge") if !name.ends_with("_total") => {}
                kind => return Err(format!("{name} has the type {kind:?}")),
            }
            if lines.peek().is_none_or(|next| next.starts_with('#')) {
                return Err(format!("{name} has no values"));
            }
            continue;
        }
        let (series, value) = line.rsplit_once(' ').ok_or(format!("no value: {line}"))?;
        let (name, labels) = match series.split_once('{') {
            Some((name, rest)) => {
                let labels = rest.strip_suffix('}').and_then(parse_labels).ok_or(format!("bad labels: {line}"))?;
                (name, labels)
            }
            None => (series, BTreeSet::new()),
        };
        if name != family {
            return Err(format!("{name} is among the values of {family}"));
        }
        let known = families.get_mut(name).ok_or("no family")?;
        if known.get_or_insert_with(|| labels.clone()) != &labels {
            return Err(format!("the labels of {name} differ"));
        }
        let value: f64 = value.parse().map_err(|_| format!("bad value: {line}"))?;
        if !value.is_finite() || value < 0.0 || parsed.values.insert(series.to_owned(), value).is_some() {
            return Err(format!("bad or doubled: {line}"));
        }
    }
    Ok(parsed)
}

#[test]
fn the_parser_refuses_what_prometheus_would() {
    let head = "# HELP a_total A.\n# TYPE a_total counter\n";
    assert!(parse("").is_ok() && parse(&format!("{head}a_total 1\n")).is_ok());
    assert!(parse(&format!("{head}a_total{{x=\"1\",y=\"a\\\\\\\"\\n}}, \"}} 1\n")).is_ok());
    for bad in ["a_total 1", "b_total 1\n", "a_total x\n", "a_total NaN\n", "a_total -1\n", "a_total 1\na_total 2\n", ""] {
        assert!(parse(&format!("{head}{bad}")).is_err(), "{bad:?}");
    }
    for labels in ["", "x", "x=1", "x=\"1", "x=\"1\" ", "x=\"\\y\"", "1=\"1\"", "x=\"1\",x=\"2\"", "x=\"1\",", "x=\"1\"y=\"2\""] {
        assert!(parse(&format!("{head}a_total{{{labels}}} 1\n")).is_err(), "{labels:?}");
    }
    assert!(parse("a 1\n").is_err() && parse(&format!("{head}a_total 1\n{head}a_total{{x=\"1\"}} 1\n")).is_err());
    assert!(parse("# HELP a A.\n# TYPE a counter\na 1\n").is_err());
}

// PITFALLS F2
#[test]
fn figures_of_any_kind_parse() {
    let mut metrics = Metrics::default();
    for label in ["plain", "a\"b", "a\\b", "a\nb", "{}, =\"", "ü", ""] {
        metrics.counter("a_total", "A.", &[("kind", label), ("other", "x")], 1);
        metrics.gauge("b", "B.", &[("kind", label)], u64::MAX);
    }
    metrics.counter("a_total", "A.", &[("kind", "plain"), ("other", "x")], 41);
    metrics.gauge("zero", "Nothing.", &[], 0);
    let parsed = parse(&metrics.prometheus()).unwrap();
    assert_eq!(parsed.values.len(), 15);
    assert_eq!(parsed.values["a_total{kind=\"plain\",other=\"x\"}"], 42.0);
    assert_eq!(parsed.values["zero"], 0.0);
}

/// A session and writers as C has them: only these show a writer's figures.
struct Abi(*mut WeirSession);

#[track_caller]
fn ok(status: WeirStatus, error: *mut WeirError) {
    // SAFETY: an error of the call's, or NULL, which both take; its text is copied before it is freed.
    let message = unsafe { CStr::from_ptr(weir_error_message(error)).to_string_lossy().into_owned() };
    // SAFETY: the same.
    unsafe { weir_error_free(error) };
    assert_eq!(status, WeirStatus::Ok, "{message}");
}

impl Abi {
    fn new() -> Self {
        let (mut session, mut error) = (null_mut(), null_mut());
        // SAFETY: NULL for the defaults, and two pointers of our own to write to.
        let status = unsafe { weir_session_new(null(), &raw mut session, &raw mut error) };
        ok(status, error);
        Self(session)
    }

    fn open(&self, root: &str, shard: &str) -> *mut WeirWriter {
        let (root, shard) = (CString::new(root).unwrap(), CString::new(shard).unwrap());
        let schema = FFI_ArrowSchema::try_from(schema().as_ref()).unwrap();
        let (mut writer, mut error) = (null_mut(), null_mut());
        // SAFETY: a session that lives, texts and a schema that outlive the call, pointers of our own to write to.
        let status =
            unsafe { weir_writer_open(self.0, root.as_ptr(), shard.as_ptr(), &raw const schema, null(), &raw mut writer, &raw mut error) };
        ok(status, error);
        writer
    }

    fn metrics(&self) -> Parsed {
        let (mut text, mut error) = (null_mut(), null_mut());
        // SAFETY: a session that lives, pointers of our own to write to.
        let status = unsafe { weir_metrics_prometheus(self.0, &raw mut text, &raw mut error) };
        ok(status, error);
        // SAFETY: the text is the buffer's, of that length, and is copied before the buffer is freed.
        let copy =
            unsafe { std::slice::from_raw_parts(buffer::weir_buffer_data(text).cast::<u8>(), buffer::weir_buffer_len(text)) }.to_vec();
        // SAFETY: freed once.
        unsafe { buffer::weir_buffer_free(text) };
        let copy = String::from_utf8(copy).unwrap();
        parse(&copy).unwrap_or_else(|error| panic!("{error}\n{copy}"))
    }
}

impl Drop for Abi {
    fn drop(&mut self) {
        // SAFETY: freed once.
        unsafe { weir_session_free(self.0) };
    }
}

fn put(writer: *mut WeirWriter, rows: i64) {
    let mut array = FFI_ArrowArray::new(&StructArray::from(batch(rows)).to_data());
    let mut error = null_mut();
    // SAFETY: a writer that lives, an array that is given away, a pointer of our own to write to.
    let status = unsafe { weir_writer_put(writer, &raw mut array, LIMIT_MS, null_mut(), &raw mut error) };
    ok(status, error);
}

fn free(writer: *mut WeirWriter) {
    // SAFETY: freed once.
    unsafe { weir_writer_free(writer) };
}

#[test]
fn counters_agree_with_what_was_done_and_never_go_down() {
    let session = Abi::new();
    let root = format!("memory://{}", uuid::Uuid::new_v4().simple());
    let writers = SHARDS.map(|shard| session.open(&root, shard));
    (1..=3).for_each(|rows| put(writers[0], rows));
    put(writers[1], 10);
    let metrics = session.metrics();
    let value = |name: &str| metrics.values[name];
    assert_eq!((value("weir_writer_puts_total"), value("weir_writer_rows_total")), (4.0, 16.0));
    assert_eq!((value("weir_writer_entries_total"), value("weir_writer_open")), (4.0, 2.0));
    for name in ["retries_total", "conflicts_total", "settled_total", "blocked_waits_total", "pending_puts", "pending_bytes", "blocked"] {
        assert_eq!(value(&format!("weir_writer_{name}")), 0.0, "{name}");
    }
    assert!(value("weir_writer_entry_bytes_total") > value("weir_writer_bytes_total"));
    // Both use one store, which is counted once: of each shard one manifest version and its hint, and four entries.
    let requests = |kind: &str| metrics.values[&format!("weir_store_requests_total{{kind=\"{kind}\"}}")];
    assert_eq!((requests("create"), requests("put"), requests("delete")), (6.0, 2.0, 0.0));
    // Asking for figures makes no request, and changes none.
    assert_eq!(session.metrics().values, metrics.values);

    // As the struct says them.
    let mut stats: writer_stats::WeirWriterStats = {
        // SAFETY: a struct of integers, for which zeros are valid.
        unsafe { std::mem::zeroed() }
    };
    stats.struct_size = size_of_val(&stats) as u32;
    let mut error = null_mut();
    // SAFETY: a writer that lives, a struct of the size that it says.
    let status = unsafe { writer_stats::weir_writer_stats(writers[0], &raw mut stats, &raw mut error) };
    ok(status, error);
    assert_eq!((stats.puts, stats.rows, stats.entries, stats.requests_create), (3, 6, 3, 6));
    let series = format!("weir_writer_put_nanoseconds{{shard=\"{}\",epoch=\"1\",quantile=\"1\"}}", SHARDS[0]);
    assert_eq!(value(&series), stats.put_max_ns as f64);

    // A counter that goes down is taken for one that began anew, and its value for what was added since.
    free(writers[0]);
    let later = session.metrics();
    for name in &metrics.counters {
        for (series, before) in metrics.values.iter().filter(|(series, _)| series.split('{').next() == Some(name)) {
            assert!(later.values.get(series).is_some_and(|now| now >= before), "{series} went down from {before}");
        }
    }
    assert_eq!(later.values["weir_writer_open"], 1.0);
    assert!(!later.values.contains_key(&series));
    free(writers[1]);
    let reopened = session.open(&root, SHARDS[0]);
    put(reopened, 4);
    let last = session.metrics();
    assert_eq!((last.values["weir_writer_puts_total"], last.values["weir_writer_rows_total"]), (5.0, 20.0));
    // The sentinel is the protocol's, no put made it.
    assert_eq!((last.values["weir_writer_entries_total"], last.values["weir_writer_open"]), (5.0, 1.0));
    free(reopened);
}

/// However a place is written, a session has one store for it; another session has its own.
#[test]
fn handles_on_one_place_share_a_store() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().to_str().unwrap();
    let session = Session::new(Settings::default()).unwrap();
    let wait = |store: &Store| runtime::block_on(store.clone().head("x"), LIMIT_MS);
    let first = session.store(path, true).unwrap();
    for same in [format!("{path}/"), format!("file://{path}"), format!("file://localhost{path}/./"), format!("{path}/sub/..")] {
        let before = first.requests();
        std::fs::create_dir_all(dir.path().join("sub")).unwrap();
        wait(&session.store(&same, true).unwrap()).unwrap();
        assert_eq!((first.requests() - before).head, 1, "{same}");
    }
    let before = first.requests();
    wait(&session.store(&format!("{path}/sub"), true).unwrap()).unwrap();
    wait(&Session::new(Settings::default()).unwrap().store(path, true).unwrap()).unwrap();
    assert_eq!(first.requests(), before);

    // Writers of two shards; a tailer of one learns at once what its writer did, and asks for it by the same handle.
    let open = |index| {
        let store = session.store(path, true).unwrap();
        runtime::block_on(ShardWriter::open(store, shard(index), &schema(), WriterConfig::default(), session.env().clone()), LIMIT_MS)
    };
    let writers = [open(0).unwrap(), open(1).unwrap()];
    let options = TailerOptions {
        follow: true,
        poll_min: Duration::from_secs(3600),
        poll_max: Duration::from_secs(3600),
        ..TailerOptions::default()
    };
    let tailer = WalTailer::open(session.store(&format!("{path}/"), true).unwrap(), shard(0), options, session.env().clone()).unwrap();
    std::thread::scope(|scope| {
        let following = scope.spawn(|| runtime::block_on(tailer.next(), LIMIT_MS).unwrap().unwrap().position);
        writers[1].put(&batch(1), None).unwrap();
        writers[0].put(&batch(1), None).unwrap();
        assert_eq!(following.join().unwrap(), 1);
    });
    assert_eq!(writers[0].stats().requests, writers[1].stats().requests);
    assert_eq!(first.requests(), writers[0].stats().requests);
}

/// A client is made when a bucket is first opened, and serves every root in it: this one needs a file to be made.
#[cfg(feature = "gcs")]
#[test]
fn roots_in_one_bucket_share_a_client() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let account = r#"{"private_key":"","private_key_id":"","client_email":"","gcs_base_url":"http://127.0.0.1:9","disable_oauth":true}"#;
    std::fs::write(file.path(), account).unwrap();
    let with = |more: &[(&str, &str)]| {
        let path = ("google_service_account", file.path().to_str().unwrap());
        Session::new(settings(&[&[path][..], more].concat()).unwrap()).unwrap()
    };
    let (session, other) = (with(&[]), with(&[("weir_store_max_retries", "7")]));
    let one = session.store("gs://bucket/one", true).unwrap();
    drop(file);
    for (url, fsync) in [("gs://bucket/one", true), ("gs://bucket/one/", false), ("gs://bucket/two", true), ("gs://bucket", false)] {
        let store = session.store(url, fsync).unwrap_or_else(|error| panic!("{url}: {error}"));
        assert_eq!(store.identity() == one.identity(), url.contains("one"), "{url}");
    }
    assert_eq!(session.store("gs://another/one", true).unwrap_err().kind(), ErrorKind::InvalidArgument);
    assert_eq!(other.store("gs://bucket/one", true).unwrap_err().kind(), ErrorKind::InvalidArgument, "other settings, another client");
}

/// What is opened at a URL that a backend was given for is that backend's, at whatever depth.
#[test]
fn stores_may_be_given() {
    let clock = runtime::env().clock;
    let outer = FaultStore::new(Arc::new(MemoryBackend::new(clock.clone())), clock.clone()).blocking();
    let inner = Arc::new(MemoryBackend::new(clock));
    let session = Session::builder()
        .with_store("s3://bucket/tables", Arc::new(outer.clone()))
        .with_store("s3://bucket/tables/inner", inner)
        .with_settings(settings(&[("weir_fsync", "false")]).unwrap())
        .build()
        .unwrap();
    let put = |url: &str, path: &str| now(session.store(url, true).unwrap().put(path, bytes::Bytes::from_static(b"x"))).unwrap();
    put("s3://bucket/tables", "top");
    put("s3://bucket/tables/a%20b/", "wal/1");
    put("s3a://bucket/tables/inner/deep", "x");
    let whole = Store::new("memory://outer", Arc::new(outer.clone()));
    assert!(now(whole.head("top")).unwrap().is_some() && now(whole.head("a b/wal/1")).unwrap().is_some());
    assert_eq!(now(whole.list_dirs("")).unwrap(), ["a b"], "what is below the inner one is the inner one's");
    let below = session.store("s3://bucket/tables/a%20b", false).unwrap();
    assert_eq!((below.requests().put, now(below.list("wal")).unwrap().len()), (1, 1), "one and the same store");
    assert_eq!(now(below.list_dirs("")).unwrap(), ["wal"]);
    assert_eq!(now(below.read("wal/1")).unwrap().unwrap().as_ref(), b"x");
    now(below.delete("wal/1")).unwrap();
    assert!(now(below.head("wal/1")).unwrap().is_none());
    // Whole writers and tailers, and their errors, which say the URL.
    let root = session.store("s3://bucket/tables/events", true).unwrap();
    let writer = runtime::block_on(ShardWriter::open(root.clone(), shard(0), &schema(), WriterConfig::default(), runtime::env()), LIMIT_MS);
    writer.unwrap().put(&batch(3), None).unwrap();
    let options = TailerOptions { from: 1, ..TailerOptions::default() };
    let tailer = WalTailer::open(root.clone(), shard(0), options, runtime::env()).unwrap();
    assert_eq!(runtime::block_on(tailer.next(), LIMIT_MS).unwrap().unwrap().position, 1);
    outer.on_every(support::Op::Get, "events/x", support::Fault::Throttle);
    let error = now(root.read("x")).unwrap_err();
    assert!(error.message().contains("s3://bucket/tables/events/x"), "{error}");
    // `tables2` is not below `tables`.
    assert!(session.store("s3://bucket/tables2", true).map_or(true, |store| !store.is_blocking()));
    let bad = Session::builder().with_store("nowhere://x", Arc::new(outer)).build();
    assert_eq!(bad.unwrap_err().kind(), ErrorKind::Unsupported);
}

/// Sessions that were given one registry show each other's sources, and what those counted that have ended.
#[test]
fn metrics_may_be_given() {
    struct Source;
    impl MetricSource for Source {
        fn collect(&self, metrics: &mut Metrics) {
            metrics.counter("app_things_total", "Things.", &[], 3);
        }
    }
    let registry = Arc::new(Registry::default());
    let build = || Session::builder().with_metrics(Arc::clone(&registry)).build().unwrap();
    let (one, two) = (build(), build());
    let things = |session: &Session| parse(&session.metrics().prometheus()).unwrap().values.get("app_things_total").copied();
    let source: Arc<dyn MetricSource> = Arc::new(Source);
    one.register(Arc::downgrade(&source));
    registry.register(Arc::downgrade(&source));
    assert_eq!((things(&one), things(&two)), (Some(3.0), Some(3.0)), "it is counted once");
    assert_eq!(things(&Session::new(Settings::default()).unwrap()), None);
    two.retire(&source);
    drop((source, one));
    assert_eq!(things(&two), Some(3.0));
    // A spill store is shown by the session that it was given to, though it was made with another one, which is gone.
    let store = Session::new(Settings::default()).unwrap().spill_store().unwrap();
    let given = Session::builder().with_spill_store(store.clone()).build().unwrap();
    let mut writer = store.begin(Default::default()).unwrap();
    runtime::block_on(writer.write(b"spill"), LIMIT_MS).unwrap();
    let parsed = parse(&given.metrics().prometheus()).unwrap();
    assert_eq!(parsed.values["weir_spill_live_bytes"], 5.0, "{parsed:?}");
}

/// A store in memory whose operations are counted, and a simulation around it.
fn counted(sim: &Sim, blocking: bool) -> (Store, FaultStore) {
    let clock = Arc::new(sim.clock());
    let mut faults = FaultStore::new(Arc::new(MemoryBackend::new(clock.clone())), clock);
    if blocking {
        faults = faults.blocking();
    }
    (Store::new("memory://counted", Arc::new(faults.clone())), faults)
}

#[test]
fn who_has_nothing_to_do_asks_for_nothing() {
    for blocking in [true, false] {
        for durable in [true, false] {
            let sim = Sim::new(1);
            let (store, faults) = counted(&sim, blocking);
            let config = WriterConfig { durable, ..WriterConfig::default() };
            let (writer, appender, tailer) = sim.run(async {
                let writer = ShardWriter::open(store.clone(), shard(0), &schema(), config, sim.env()).await.unwrap();
                for _ in 0..20 {
                    writer.put_async(&batch(1), Box::new(|_| {})).unwrap();
                }
                let (send, receive) = tokio::sync::oneshot::channel();
                writer.flush_async(Box::new(move |outcome| send.send(outcome).unwrap()));
                receive.await.unwrap().unwrap();
                let appender = WalAppender::open(store.clone(), shard(1), &schema(), AppenderOptions::default(), sim.env()).await.unwrap();
                appender.append(&[batch(1)]).await.unwrap();
                let tailer = WalTailer::open(store.clone(), shard(0), TailerOptions::default(), sim.env()).unwrap();
                while tailer.next().await.unwrap().is_some() {}
                (writer, appender, tailer)
            });
            sim.run_for(Duration::from_secs(1));
            let (requests, operations) = (store.requests(), faults.log().len());
            sim.run_for(Duration::from_secs(10));
            sim.run_for(Duration::from_secs(100 * 24 * 3600));
            let context = format!("blocking {blocking}, durable {durable}");
            assert_eq!((store.requests(), faults.log().len()), (requests, operations), "{context}");
            assert_eq!((sim.tasks(), sim.clock().sleepers()), (0, 0), "{context}: not even a timer");
            // They are as alive as before.
            sim.run(async {
                assert_eq!(appender.append(&[batch(1)]).await.unwrap(), 2, "{context}");
                assert!(tailer.next().await.unwrap().is_none(), "{context}");
            });
            assert_eq!(writer.stats().pending_puts, 0, "{context}");
        }
    }
}

/// A session in simulated time whose stores are that slow.
fn slow(sim: &Sim, millis: &str) -> (Arc<Session>, Store) {
    let session =
        Session::builder().with_settings(settings(&[("weir_simulated_latency_ms", millis)]).unwrap()).with_env(sim.env()).build().unwrap();
    let store = session.store(&format!("memory://{}", uuid::Uuid::new_v4().simple()), true).unwrap();
    (session, store)
}

#[test]
fn a_simulated_latency_is_that_of_every_request() {
    const LATENCY: Duration = Duration::from_millis(20);
    let sim = Sim::new(1);
    let (session, store) = slow(&sim, "20");
    assert!(!store.is_blocking(), "nobody's thread is to be slept on");
    let timed = |what: &str, expected: Duration, took: Duration| assert_eq!(took, expected, "{what}");
    let clock = sim.clock();
    sim.run(async {
        for (what, latencies) in [("head", 1), ("list", 1), ("read", 1), ("delete", 1), ("put", 1), ("create", 1)] {
            let began = clock.now();
            match what {
                "head" => drop(store.head("x").await.unwrap()),
                "list" => drop(store.list("x").await.unwrap()),
                "read" => drop(store.read("x").await.unwrap()),
                "delete" => store.delete("x").await.unwrap(),
                "put" => store.put("x", bytes::Bytes::new()).await.unwrap(),
                _ => drop(store.create("x", &[]).await.unwrap()),
            }
            timed(what, LATENCY * latencies, clock.now() - began);
        }
        // An append costs a request, and a tailer that reads ahead does not wait for each entry.
        let appender =
            WalAppender::open(store.clone(), shard(0), &schema(), AppenderOptions::default(), session.env().clone()).await.unwrap();
        for _ in 0..200 {
            appender.append(&[batch(1)]).await.unwrap();
        }
        let read = async |prefetch_entries| {
            let options = TailerOptions { prefetch_entries, from: 1, ..TailerOptions::default() };
            let tailer = WalTailer::open(store.clone(), shard(0), options, session.env().clone()).unwrap();
            let began = clock.now();
            for position in 1..=200 {
                assert_eq!(tailer.next().await.unwrap().unwrap().position, position);
            }
            clock.now() - began
        };
        timed("one at a time", LATENCY * 200, read(1).await);
        let ahead = read(32).await;
        assert!(ahead * 8 <= LATENCY * 200, "reading ahead took {ahead:?}");
    });
}

#[test]
fn a_latency_of_nothing_changes_nothing() {
    let sim = Sim::new(1);
    let (_session, store) = slow(&sim, "0");
    assert!(store.is_blocking());
    assert!(now(store.head("x")).unwrap().is_none());
    for bad in ["-1", "x", "", "1.5", "86400001", "99999999999999999999"] {
        let error = settings(&[("weir_simulated_latency_ms", bad)]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        assert!(error.message().contains("weir_simulated_latency_ms") && error.message().contains(&format!("{bad:?}")), "{error}");
    }
}
