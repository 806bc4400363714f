//! Time, chance and concurrency under control: everything runs on the calling thread, in an order that a seed decides, and
//! time passes only when all tasks wait for it.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::fmt;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use weir::env::{BoxFuture, Clock, Env, Random, Spawn};

/// Random numbers that a seed decides.
#[derive(Debug)]
pub struct SeededRandom(AtomicU64);

impl SeededRandom {
    pub fn new(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }

    /// SplitMix64: small, fast, and every seed gives another good sequence.
    pub fn next_u64(&self) -> u64 {
        const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;
        let mut z = self.0.fetch_add(GOLDEN, Ordering::Relaxed).wrapping_add(GOLDEN);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number from 0 to `bound`, exclusive; 0 if `bound` is 0.
    pub fn below(&self, bound: u64) -> u64 {
        ((u128::from(self.next_u64()) * u128::from(bound)) >> 64) as u64
    }

    /// True in `per_mille` of 1,000 cases.
    pub fn chance(&self, per_mille: u64) -> bool {
        self.below(1000) < per_mille
    }

    /// One of `items`.
    pub fn pick<'a, T>(&self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len() as u64) as usize]
    }

    /// Another source, decided by this one.
    pub fn fork(&self) -> Self {
        Self::new(self.next_u64())
    }
}

impl Random for SeededRandom {
    fn next(&self) -> u128 {
        u128::from(self.next_u64()) << 64 | u128::from(self.next_u64())
    }
}

/// A clock that stands still until told otherwise. Clones are the same clock.
#[derive(Clone)]
pub struct SimClock(Arc<Mutex<ClockState>>);

struct ClockState {
    now: Duration,
    /// By deadline and a number that keeps two with one deadline apart.
    timers: BTreeMap<(Duration, u64), Waker>,
    next_timer: u64,
}

impl fmt::Debug for SimClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SimClock({:?})", self.0.lock().unwrap().now)
    }
}

/// 2026-01-01, the beginning of simulated time.
const UNIX_AT_START: Duration = Duration::from_secs(1_767_225_600);

impl SimClock {
    pub fn new() -> Self {
        Self(Arc::new(Mutex::new(ClockState { now: Duration::ZERO, timers: BTreeMap::new(), next_timer: 0 })))
    }

    /// Lets `duration` pass and wakes whoever waited for it.
    pub fn advance(&self, duration: Duration) {
        let now = self.now() + duration;
        self.advance_to(now);
    }

    /// Advances to the earliest deadline; false if nobody waits.
    pub fn advance_to_next(&self) -> bool {
        let next = self.0.lock().unwrap().timers.first_key_value().map(|((deadline, _), _)| *deadline);
        next.is_some_and(|deadline| {
            self.advance_to(deadline);
            true
        })
    }

    /// How many sleeps wait.
    pub fn sleepers(&self) -> usize {
        self.0.lock().unwrap().timers.len()
    }

    fn advance_to(&self, time: Duration) {
        let due = {
            let mut state = self.0.lock().unwrap();
            state.now = state.now.max(time);
            let after = (state.now + Duration::from_nanos(1), 0);
            let later = state.timers.split_off(&after);
            std::mem::replace(&mut state.timers, later)
        };
        due.into_values().for_each(Waker::wake);
    }
}

impl Default for SimClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SimClock {
    fn now(&self) -> Duration {
        self.0.lock().unwrap().now
    }

    fn unix(&self) -> Duration {
        UNIX_AT_START + self.now()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        let deadline = self.now().saturating_add(duration);
        Box::pin(Sleep { clock: self.clone(), deadline, timer: None })
    }
}

struct Sleep {
    clock: SimClock,
    deadline: Duration,
    timer: Option<u64>,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let clock = self.clock.clone();
        let mut state = clock.0.lock().unwrap();
        if state.now >= self.deadline {
            return Poll::Ready(());
        }
        let timer = *self.timer.get_or_insert_with(|| {
            state.next_timer += 1;
            state.next_timer
        });
        state.timers.insert((self.deadline, timer), context.waker().clone());
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(timer) = self.timer {
            // Dropped outside of the lock: a waker may hold a task that holds another sleep.
            let waker = self.clock.0.lock().unwrap().timers.remove(&(self.deadline, timer));
            drop(waker);
        }
    }
}

type TaskId = u64;

/// Who is to be polled.
#[derive(Default)]
struct Ready {
    queue: Vec<TaskId>,
    queued: HashSet<TaskId>,
}

impl Ready {
    fn push(&mut self, id: TaskId) {
        if self.queued.insert(id) {
            self.queue.push(id);
        }
    }
}

struct TaskWaker {
    id: TaskId,
    ready: Arc<Mutex<Ready>>,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.ready.lock().unwrap().push(self.id);
    }
}

struct Task {
    process: u64,
    waker: Waker,
    /// Taken out while it is polled.
    future: Option<BoxFuture<'static, ()>>,
}

#[derive(Default)]
struct Tasks {
    by_id: BTreeMap<TaskId, Task>,
    next: TaskId,
    /// Processes that do not run for now, and what of theirs is ready.
    paused: BTreeMap<u64, Vec<TaskId>>,
    killed: HashSet<u64>,
    next_process: u64,
}

struct Inner {
    clock: SimClock,
    seed: u64,
    random: Arc<SeededRandom>,
    ready: Arc<Mutex<Ready>>,
    tasks: Mutex<Tasks>,
}

/// The task of the future given to [`Sim::run`].
const MAIN: TaskId = 0;

/// A simulated machine: processes, their tasks, a clock.
#[derive(Clone)]
pub struct Sim(Arc<Inner>);

/// A process of a [`Sim`]: what its environment spawns runs, stalls and dies with it.
#[derive(Clone)]
pub struct Process {
    id: u64,
    sim: Sim,
}

impl Sim {
    pub fn new(seed: u64) -> Self {
        Self(Arc::new(Inner {
            clock: SimClock::new(),
            seed,
            random: Arc::new(SeededRandom::new(seed)),
            ready: Arc::default(),
            tasks: Mutex::new(Tasks { next: MAIN + 1, ..Tasks::default() }),
        }))
    }

    pub fn clock(&self) -> SimClock {
        self.0.clock.clone()
    }

    pub fn random(&self) -> Arc<SeededRandom> {
        self.0.random.clone()
    }

    /// A new process.
    pub fn process(&self) -> Process {
        let mut tasks = self.0.tasks.lock().unwrap();
        tasks.next_process += 1;
        Process { id: tasks.next_process, sim: self.clone() }
    }

    /// The environment of a new process that nobody will pause or kill.
    pub fn env(&self) -> Env {
        self.process().env()
    }

    /// Runs `future`, and with it all tasks, to its end. Panics if everything waits for nothing.
    pub fn run<T>(&self, future: impl Future<Output = T>) -> T {
        let mut main = pin!(future);
        let waker = self.waker(MAIN);
        self.0.ready.lock().unwrap().push(MAIN);
        loop {
            match self.next_ready() {
                Some(MAIN) => {
                    if let Poll::Ready(value) = main.as_mut().poll(&mut Context::from_waker(&waker)) {
                        return value;
                    }
                }
                Some(id) => self.poll(id),
                None => assert!(self.0.clock.advance_to_next(), "deadlock at seed {}: every task waits, and none for time", self.0.seed),
            }
        }
    }

    /// Runs all tasks for `duration` of simulated time.
    pub fn run_for(&self, duration: Duration) {
        self.run(self.0.clock.sleep(duration));
    }

    /// Runs tasks until each has ended or waits, without letting time pass.
    pub fn run_ready(&self) {
        while let Some(id) = self.next_ready() {
            if id != MAIN {
                self.poll(id);
            }
        }
    }

    /// Kills every process that there ever was. Tasks hold the simulation that holds them, so this is what frees the memory in the end.
    pub fn kill_all(&self) {
        let last = self.0.tasks.lock().unwrap().next_process;
        (1..=last).for_each(|id| Process { id, sim: self.clone() }.kill());
    }

    /// How many tasks have not ended.
    pub fn tasks(&self) -> usize {
        self.0.tasks.lock().unwrap().by_id.len()
    }

    fn waker(&self, id: TaskId) -> Waker {
        Arc::new(TaskWaker { id, ready: self.0.ready.clone() }).into()
    }

    /// Any of the ready tasks, as the seed decides.
    fn next_ready(&self) -> Option<TaskId> {
        let mut ready = self.0.ready.lock().unwrap();
        let count = ready.queue.len() as u64;
        if count == 0 {
            return None;
        }
        let index = self.0.random.below(count) as usize;
        let id = ready.queue.swap_remove(index);
        ready.queued.remove(&id);
        Some(id)
    }

    fn poll(&self, id: TaskId) {
        let (process, waker, mut future) = {
            let mut tasks = self.0.tasks.lock().unwrap();
            let Some(process) = tasks.by_id.get(&id).map(|task| task.process) else { return };
            if let Some(waiting) = tasks.paused.get_mut(&process) {
                waiting.push(id);
                return;
            }
            let Some(task) = tasks.by_id.get_mut(&id) else { return };
            let Some(future) = task.future.take() else { return };
            (process, task.waker.clone(), future)
        };
        let ended = future.as_mut().poll(&mut Context::from_waker(&waker)).is_ready();
        let mut tasks = self.0.tasks.lock().unwrap();
        if ended || tasks.killed.contains(&process) {
            tasks.by_id.remove(&id);
        } else if let Some(task) = tasks.by_id.get_mut(&id) {
            task.future = Some(future);
            return;
        }
        drop(tasks);
        // Outside of the lock: dropping may wake or spawn.
        drop(future);
    }

    fn spawn(&self, process: u64, future: BoxFuture<'static, ()>) {
        let mut tasks = self.0.tasks.lock().unwrap();
        if tasks.killed.contains(&process) {
            drop(tasks);
            drop(future);
            return;
        }
        let id = tasks.next;
        tasks.next += 1;
        tasks.by_id.insert(id, Task { process, waker: self.waker(id), future: Some(future) });
        drop(tasks);
        self.0.ready.lock().unwrap().push(id);
    }
}

impl Process {
    /// The environment of code in this process.
    pub fn env(&self) -> Env {
        let spawn = SimSpawn { process: self.id, sim: Arc::downgrade(&self.sim.0) };
        Env { clock: Arc::new(self.sim.clock()), random: Arc::new(self.sim.0.random.fork()), spawn: Arc::new(spawn) }
    }

    /// Runs `future` as a task of this process.
    pub fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) {
        self.sim.spawn(self.id, Box::pin(future));
    }

    /// Kills it: its tasks end where they are, none of their code runs any more but destructors.
    pub fn kill(&self) {
        let mut dead = Vec::new();
        let mut tasks = self.sim.0.tasks.lock().unwrap();
        tasks.killed.insert(self.id);
        tasks.paused.remove(&self.id);
        // A task that kills its own process is removed after its poll.
        let ids: Vec<TaskId> =
            tasks.by_id.iter().filter(|(_, task)| task.process == self.id && task.future.is_some()).map(|(id, _)| *id).collect();
        dead.extend(ids.into_iter().filter_map(|id| tasks.by_id.remove(&id)));
        drop(tasks);
        drop(dead);
    }

    /// Stalls it until [`Process::resume`]: a long garbage collection, a suspended machine.
    pub fn pause(&self) {
        self.sim.0.tasks.lock().unwrap().paused.entry(self.id).or_default();
    }

    /// Lets it run again.
    pub fn resume(&self) {
        let waiting = self.sim.0.tasks.lock().unwrap().paused.remove(&self.id).unwrap_or_default();
        let mut ready = self.sim.0.ready.lock().unwrap();
        waiting.into_iter().for_each(|id| ready.push(id));
    }
}

struct SimSpawn {
    process: u64,
    sim: Weak<Inner>,
}

impl fmt::Debug for SimSpawn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SimSpawn(process {})", self.process)
    }
}

impl Spawn for SimSpawn {
    fn spawn(&self, task: BoxFuture<'static, ()>, _blocking: bool) {
        if let Some(inner) = self.sim.upgrade() {
            Sim(inner).spawn(self.process, task);
        }
    }
}

/// Lets other tasks run.
pub async fn yield_now() {
    let mut yielded = false;
    std::future::poll_fn(move |context| {
        if std::mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// A queue between tasks of a [`Sim`] and a test, for results.
#[derive(Debug)]
pub struct Mailbox<T>(Arc<Mutex<VecDeque<T>>>);

impl<T> Clone for Mailbox<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> Default for Mailbox<T> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<T> Mailbox<T> {
    pub fn put(&self, item: T) {
        self.0.lock().unwrap().push_back(item);
    }

    pub fn take(&self) -> Option<T> {
        self.0.lock().unwrap().pop_front()
    }

    pub fn take_all(&self) -> Vec<T> {
        self.0.lock().unwrap().drain(..).collect()
    }
}
