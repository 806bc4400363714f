//! A store that fails on demand, by a script or by chance.
//!
//! Every operation is logged. Unless [`FaultStore::blocking`] was asked for, each yields before and after it takes effect, so
//! that a simulated executor interleaves the operations of several tasks at every point that matters.

use std::collections::VecDeque;
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Notify;
use weir::env::{BoxFuture, Clock};
use weir::error::{Error, ErrorKind, Result};
use weir::store::{Backend, Created, Object, ObjectInfo, Part};

use super::sim::{SeededRandom, yield_now};

/// A kind of operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Op {
    Create,
    Put,
    Get,
    /// The fetching of a body that a get opened.
    Body,
    /// A read of a part of an object.
    GetRange,
    Head,
    List,
    ListDirs,
    Delete,
    MakeDirs,
}

type Hook = Arc<dyn Fn() -> BoxFuture<'static, ()> + Send + Sync>;

/// What goes wrong.
#[derive(Clone)]
pub enum Fault {
    /// An error, and nothing was done: 500, a cut request.
    ErrorBefore,
    /// It was done, and an error is reported: a lost answer.
    ErrorAfter,
    /// A create was done and is reported as `Exists`: the client retried after a lost answer.
    ExistsAfter,
    /// A create was not done and is reported as `Exists`: 409 for concurrent conditional writes.
    ExistsBefore,
    /// An error now; a create or put takes effect after this many further operations.
    Late(u64),
    /// An error now; a create or put takes effect after this time.
    LateAfter(Duration),
    /// Takes this long before it takes effect.
    Delay(Duration),
    /// Takes effect at once and is answered this much later.
    DelayAnswer(Duration),
    /// 503, nothing was done.
    Throttle,
    /// No room, nothing was done.
    NoSpace,
    /// No access, nothing was done.
    Denied,
    /// Never answers, nothing was done.
    Hang,
    /// Never answers, although it was done.
    HangAfter,
    /// A listing shows only its first objects, without an error.
    Partial(usize),
    /// The body or the part that is fetched has only this many bytes, without an error.
    ShortBody(usize),
    /// Something else happens before it takes effect.
    Before(Hook),
    /// Something else happens after it took effect and before it is answered.
    After(Hook),
}

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ErrorBefore => write!(f, "ErrorBefore"),
            Self::ErrorAfter => write!(f, "ErrorAfter"),
            Self::ExistsAfter => write!(f, "ExistsAfter"),
            Self::ExistsBefore => write!(f, "ExistsBefore"),
            Self::Late(operations) => write!(f, "Late({operations})"),
            Self::LateAfter(time) => write!(f, "LateAfter({time:?})"),
            Self::Delay(time) => write!(f, "Delay({time:?})"),
            Self::DelayAnswer(time) => write!(f, "DelayAnswer({time:?})"),
            Self::Throttle => write!(f, "Throttle"),
            Self::NoSpace => write!(f, "NoSpace"),
            Self::Denied => write!(f, "Denied"),
            Self::Hang => write!(f, "Hang"),
            Self::HangAfter => write!(f, "HangAfter"),
            Self::Partial(count) => write!(f, "Partial({count})"),
            Self::ShortBody(bytes) => write!(f, "ShortBody({bytes})"),
            Self::Before(_) => write!(f, "Before(…)"),
            Self::After(_) => write!(f, "After(…)"),
        }
    }
}

impl Fault {
    /// Something else that happens before the operation takes effect.
    pub fn before<F: Future<Output = ()> + Send + 'static>(hook: impl Fn() -> F + Send + Sync + 'static) -> Self {
        Self::Before(Arc::new(move || Box::pin(hook())))
    }

    /// Something else that happens after the operation took effect and before it is answered.
    pub fn after<F: Future<Output = ()> + Send + 'static>(hook: impl Fn() -> F + Send + Sync + 'static) -> Self {
        Self::After(Arc::new(move || Box::pin(hook())))
    }
}

/// A place where an operation stops until the test lets it on: `Fault::Before(gate.hook())`.
#[derive(Debug, Clone, Default)]
pub struct Gate(Arc<(Notify, Notify)>);

impl Gate {
    /// For [`Fault::Before`] or [`Fault::After`].
    pub fn hook(&self) -> Hook {
        let gate = self.clone();
        Arc::new(move || {
            let gate = gate.clone();
            Box::pin(async move {
                gate.0.0.notify_one();
                gate.0.1.notified().await;
            })
        })
    }

    /// Waits until an operation stands at the gate.
    pub async fn arrived(&self) {
        self.0.0.notified().await;
    }

    /// Lets one operation on.
    pub fn open(&self) {
        self.0.1.notify_one();
    }
}

/// Faults by chance: how many of 1,000 operations meet each.
#[derive(Debug, Clone, Default)]
pub struct Chaos {
    pub error_before: u64,
    pub error_after: u64,
    pub exists_after: u64,
    pub exists_before: u64,
    pub late: u64,
    pub delay: u64,
    pub delay_answer: u64,
    pub throttle: u64,
    /// Delays last up to this long.
    pub longest_delay: Duration,
    /// Late writes take effect within this many operations.
    pub latest: u64,
}

impl Chaos {
    /// A bad day: about one operation of eight goes wrong.
    pub fn stormy() -> Self {
        Self {
            error_before: 20,
            error_after: 20,
            exists_after: 15,
            exists_before: 10,
            late: 10,
            delay: 30,
            delay_answer: 20,
            throttle: 10,
            longest_delay: Duration::from_secs(2),
            latest: 30,
        }
    }

    /// The fault that `op` meets, if any.
    fn pick(&self, op: Op, random: &SeededRandom) -> Option<Fault> {
        let creates = op == Op::Create;
        let writes = creates || op == Op::Put;
        let mut roll = random.below(1000);
        let mut hit = |per_mille: u64, applies: bool| {
            let hit = roll < per_mille;
            roll = roll.saturating_sub(per_mille);
            if hit {
                roll = u64::MAX;
            }
            hit && applies
        };
        let delay = || Duration::from_nanos(random.below(self.longest_delay.as_nanos() as u64));
        if hit(self.error_before, true) {
            Some(Fault::ErrorBefore)
        } else if hit(self.throttle, true) {
            Some(Fault::Throttle)
        } else if hit(self.delay, true) {
            Some(Fault::Delay(delay()))
        } else if hit(self.delay_answer, true) {
            Some(Fault::DelayAnswer(delay()))
        } else if hit(self.error_after, true) {
            Some(Fault::ErrorAfter)
        } else if hit(self.exists_after, creates) {
            Some(Fault::ExistsAfter)
        } else if hit(self.exists_before, creates) {
            Some(Fault::ExistsBefore)
        } else if hit(self.late, writes) {
            Some(Fault::Late(random.below(self.latest)))
        } else {
            None
        }
    }
}

/// One operation that was asked for.
#[derive(Debug, Clone)]
pub struct Record {
    pub op: Op,
    pub path: String,
    pub fault: Option<Fault>,
}

struct Rule {
    op: Op,
    path: String,
    /// How many matching operations pass before it takes effect.
    skip: u64,
    /// How many it then takes effect on.
    times: u64,
    fault: Fault,
}

enum Due {
    Operation(u64),
    Time(Duration),
}

struct LateWrite {
    due: Due,
    replace: bool,
    path: String,
    body: Vec<Bytes>,
}

#[derive(Default)]
struct State {
    rules: Vec<Rule>,
    chaos: Option<(Chaos, SeededRandom)>,
    late: VecDeque<LateWrite>,
    log: Vec<Record>,
    operations: u64,
}

/// See the module's documentation. Clones share everything.
#[derive(Clone)]
pub struct FaultStore {
    inner: Arc<dyn Backend>,
    clock: Arc<dyn Clock>,
    state: Arc<Mutex<State>>,
    blocking: bool,
}

impl fmt::Debug for FaultStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FaultStore({:?})", self.inner)
    }
}

fn unknown(what: &str) -> Error {
    Error::new(ErrorKind::Storage, format!("injected: {what}"))
}

impl FaultStore {
    pub fn new(inner: Arc<dyn Backend>, clock: Arc<dyn Clock>) -> Self {
        Self { inner, clock, state: Arc::default(), blocking: false }
    }

    /// Says of itself that it is blocking, and yields nowhere: for stores whose waiting callers do the work. Faults that wait
    /// are out of place here.
    #[must_use]
    pub fn blocking(self) -> Self {
        Self { blocking: true, ..self }
    }

    /// The store without faults.
    pub fn inner(&self) -> Arc<dyn Backend> {
        self.inner.clone()
    }

    /// The `nth` (from 1) of those operations from now on whose path contains `path` meets `fault`.
    pub fn on(&self, op: Op, path: &str, nth: u64, fault: Fault) {
        self.rule(op, path, nth - 1, 1, fault);
    }

    /// The next `times` operations whose path contains `path` meet `fault`.
    pub fn on_next(&self, op: Op, path: &str, times: u64, fault: Fault) {
        self.rule(op, path, 0, times, fault);
    }

    /// Each operation whose path contains `path` meets `fault`, until [`FaultStore::heal`].
    pub fn on_every(&self, op: Op, path: &str, fault: Fault) {
        self.rule(op, path, 0, u64::MAX, fault);
    }

    fn rule(&self, op: Op, path: &str, skip: u64, times: u64, fault: Fault) {
        self.state.lock().unwrap().rules.push(Rule { op, path: path.to_owned(), skip, times, fault });
    }

    /// Faults by chance, where no rule applies.
    pub fn chaos(&self, chaos: Chaos, random: SeededRandom) {
        self.state.lock().unwrap().chaos = Some((chaos, random));
    }

    /// No faults any more. Late writes still take effect when they are due.
    pub fn heal(&self) {
        let mut state = self.state.lock().unwrap();
        state.rules.clear();
        state.chaos = None;
    }

    /// Whether a rule waits for its operation: at the end of a test, one that never met it.
    pub fn unmet(&self) -> usize {
        self.state.lock().unwrap().rules.iter().filter(|rule| rule.times != u64::MAX).count()
    }

    /// Everything asked for since the last [`FaultStore::clear_log`].
    pub fn log(&self) -> Vec<Record> {
        self.state.lock().unwrap().log.clone()
    }

    pub fn clear_log(&self) {
        self.state.lock().unwrap().log.clear();
    }

    /// How often `op` was asked for on paths that contain `path`.
    pub fn count(&self, op: Op, path: &str) -> usize {
        self.state.lock().unwrap().log.iter().filter(|record| record.op == op && record.path.contains(path)).count()
    }

    /// Lets all late writes take effect now.
    pub async fn land_late_writes(&self) {
        let late: Vec<LateWrite> = self.state.lock().unwrap().late.drain(..).collect();
        for write in late {
            self.land(write).await;
        }
    }

    async fn land(&self, write: LateWrite) {
        if write.replace {
            for body in write.body {
                let _ = self.inner.put(&write.path, body).await;
            }
        } else {
            let _ = self.inner.create(&write.path, &write.body).await;
        }
    }

    async fn land_due(&self) {
        loop {
            let now = self.clock.now();
            let due = {
                let mut state = self.state.lock().unwrap();
                let operations = state.operations;
                let is_due = |write: &LateWrite| match write.due {
                    Due::Operation(operation) => operations >= operation,
                    Due::Time(time) => now >= time,
                };
                let index = state.late.iter().position(is_due);
                index.and_then(|index| state.late.remove(index))
            };
            match due {
                Some(write) => self.land(write).await,
                None => return,
            }
        }
    }

    /// Logs the operation and finds its fault.
    async fn begin(&self, op: Op, path: &str) -> Option<Fault> {
        self.pause().await;
        let fault = {
            let mut state = self.state.lock().unwrap();
            state.operations += 1;
            let fault = state.matching(op, path);
            state.log.push(Record { op, path: path.to_owned(), fault: fault.clone() });
            fault
        };
        self.land_due().await;
        fault
    }

    async fn pause(&self) {
        if !self.blocking {
            yield_now().await;
        }
    }

    /// What happens before the operation takes effect; an error ends it there.
    async fn before(&self, fault: &Option<Fault>) -> Result<()> {
        match fault {
            Some(Fault::ErrorBefore) => return Err(unknown("a request cut")),
            Some(Fault::Throttle) => return Err(unknown("503 Slow Down")),
            Some(Fault::NoSpace) => return Err(Error::new(ErrorKind::StorageFull, "injected: no space left")),
            Some(Fault::Denied) => return Err(Error::new(ErrorKind::PermissionDenied, "injected: access denied")),
            Some(Fault::Late(_) | Fault::LateAfter(_)) => return Err(unknown("a time-out")),
            Some(Fault::Hang) => std::future::pending().await,
            Some(Fault::Delay(time)) => self.clock.sleep(*time).await,
            Some(Fault::Before(hook)) => hook().await,
            _ => {}
        }
        self.land_due().await;
        Ok(())
    }

    /// What happens after the operation took effect.
    async fn after(&self, fault: &Option<Fault>) -> Result<()> {
        self.pause().await;
        match fault {
            Some(Fault::ErrorAfter) => return Err(unknown("an answer lost")),
            Some(Fault::HangAfter) => std::future::pending().await,
            Some(Fault::DelayAnswer(time)) => self.clock.sleep(*time).await,
            Some(Fault::After(hook)) => hook().await,
            _ => {}
        }
        Ok(())
    }

    async fn run<T>(&self, op: Op, path: &str, operation: BoxFuture<'_, Result<T>>) -> Result<(T, Option<Fault>)> {
        let fault = self.begin(op, path).await;
        self.before(&fault).await?;
        let value = operation.await;
        self.after(&fault).await?;
        Ok((value?, fault))
    }

    /// Remembers a write that takes effect later.
    fn postpone(&self, fault: &Option<Fault>, replace: bool, path: &str, body: Vec<Bytes>) {
        let mut state = self.state.lock().unwrap();
        let due = match fault {
            Some(Fault::Late(operations)) => Due::Operation(state.operations + 1 + operations),
            Some(Fault::LateAfter(time)) => Due::Time(self.clock.now() + *time),
            _ => return,
        };
        state.late.push_back(LateWrite { due, replace, path: path.to_owned(), body });
    }
}

impl State {
    fn matching(&mut self, op: Op, path: &str) -> Option<Fault> {
        let mut met = None;
        for (index, rule) in self.rules.iter_mut().enumerate().filter(|(_, rule)| rule.op == op && path.contains(&rule.path)) {
            // Every matching rule counts the operation; the first that is due decides.
            if rule.skip > 0 {
                rule.skip -= 1;
            } else if met.is_none() {
                met = Some(index);
            }
        }
        if let Some(index) = met {
            let fault = self.rules[index].fault.clone();
            if self.rules[index].times != u64::MAX {
                self.rules[index].times -= 1;
            }
            if self.rules[index].times == 0 {
                self.rules.remove(index);
            }
            return Some(fault);
        }
        self.chaos.as_ref().and_then(|(chaos, random)| chaos.pick(op, random))
    }
}

impl Backend for FaultStore {
    fn create<'a>(&'a self, path: &'a str, body: &'a [Bytes]) -> BoxFuture<'a, Result<Created>> {
        Box::pin(async move {
            let fault = self.begin(Op::Create, path).await;
            if matches!(fault, Some(Fault::ExistsBefore)) {
                return Ok(Created::Exists);
            }
            self.postpone(&fault, false, path, body.to_vec());
            self.before(&fault).await?;
            let created = self.inner.create(path, body).await;
            self.after(&fault).await?;
            if matches!(fault, Some(Fault::ExistsAfter)) { created.map(|_| Created::Exists) } else { created }
        })
    }

    fn put<'a>(&'a self, path: &'a str, body: Bytes) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let fault = self.begin(Op::Put, path).await;
            self.postpone(&fault, true, path, vec![body.clone()]);
            self.before(&fault).await?;
            let done = self.inner.put(path, body).await;
            self.after(&fault).await?;
            done
        })
    }

    fn get<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<Option<Object>>> {
        Box::pin(async move {
            let (object, _) = self.run(Op::Get, path, self.inner.get(path)).await?;
            let Some(object) = object else { return Ok(None) };
            let (store, path) = (self.clone(), path.to_owned());
            let body = Box::pin(async move {
                let (bytes, fault) = store.run(Op::Body, &path, object.body).await?;
                match fault {
                    Some(Fault::ShortBody(len)) => Ok(bytes.slice(..len.min(bytes.len()))),
                    _ => Ok(bytes),
                }
            });
            Ok(Some(Object { size: object.size, tag: object.tag, body }))
        })
    }

    fn get_range<'a>(&'a self, path: &'a str, range: Range<u64>) -> BoxFuture<'a, Result<Option<Part>>> {
        Box::pin(async move {
            let (part, fault) = self.run(Op::GetRange, path, self.inner.get_range(path, range)).await?;
            Ok(part.map(|part| match fault {
                Some(Fault::ShortBody(len)) => Part { bytes: part.bytes.slice(..len.min(part.bytes.len())), ..part },
                _ => part,
            }))
        })
    }

    fn head<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<Option<ObjectInfo>>> {
        Box::pin(async move { Ok(self.run(Op::Head, path, self.inner.head(path)).await?.0) })
    }

    fn list<'a>(&'a self, dir: &'a str) -> BoxFuture<'a, Result<Vec<ObjectInfo>>> {
        Box::pin(async move {
            let (mut objects, fault) = self.run(Op::List, dir, self.inner.list(dir)).await?;
            if let Some(Fault::Partial(count)) = fault {
                objects.truncate(count);
            }
            Ok(objects)
        })
    }

    fn list_dirs<'a>(&'a self, dir: &'a str) -> BoxFuture<'a, Result<Vec<String>>> {
        Box::pin(async move {
            let (mut dirs, fault) = self.run(Op::ListDirs, dir, self.inner.list_dirs(dir)).await?;
            if let Some(Fault::Partial(count)) = fault {
                dirs.truncate(count);
            }
            Ok(dirs)
        })
    }

    fn delete<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move { self.run(Op::Delete, path, self.inner.delete(path)).await.map(|_| ()) })
    }

    fn make_dirs<'a>(&'a self, dirs: &'a [&'a str]) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move { self.run(Op::MakeDirs, dirs.first().unwrap_or(&""), self.inner.make_dirs(dirs)).await.map(|_| ()) })
    }

    fn is_blocking(&self) -> bool {
        self.blocking
    }

    fn sweep<'a>(&'a self, dir: &'a str, older_than: Duration) -> BoxFuture<'a, Result<u64>> {
        self.inner.sweep(dir, older_than)
    }

    fn remove_dir<'a>(&'a self, dir: &'a str) -> BoxFuture<'a, Result<()>> {
        self.inner.remove_dir(dir)
    }

    fn keeps_create_if_absent(&self) -> bool {
        self.inner.keeps_create_if_absent()
    }

    fn identity(&self) -> Option<String> {
        self.inner.identity()
    }
}
