//! Loads under way: one per key, which all who want it wait for (PITFALLS K1).
//!
//! Registering and looking for another's load is one step under one lock. Whoever registers leads: looks into the backend again, runs
//! its loader, stores the value, hands it to those who wait. Whatever else ends the lead (an error, a panic, the caller going away)
//! has one of those who wait lead in its place, with its own loader.
//!
//! An invalidation takes the loads that it concerns off the list: who comes after it loads anew, and what a load brings that began
//! before is not stored (PITFALLS K4). A value that is just being stored is waited for, and removed with the rest (PITFALLS K3); its
//! load stays on the list until that is done, so that every invalidation meanwhile waits for it.
//!
//! Loaders may use the cache, and wait for others' loads. One that would thereby wait for itself, also by way of others, is refused:
//! who waits for whom is noted, over all caches.

use std::cell::RefCell;
use std::future::Future;
use std::hash::BuildHasher;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use hashbrown::HashMap;
use parking_lot::Mutex;
use quick_cache::DefaultHashBuilder;
use tokio::sync::Notify;

use super::key::{Key, OwnedKey};
use super::value::Value;
use crate::error::{Result, bail};

const SHARDS: usize = 16;

#[derive(Default)]
pub(super) struct Flights {
    shards: [Mutex<HashMap<OwnedKey, Arc<Flight>, DefaultHashBuilder>>; SHARDS],
    hasher: DefaultHashBuilder,
}

/// One load.
pub(super) struct Flight {
    /// No other load of this process has it.
    id: u64,
    state: Mutex<State>,
    changed: Notify,
}

enum State {
    /// Its loader runs.
    Loading,
    /// Its loader runs, and what it brings is not to be stored.
    Overtaken,
    /// The backend is taking its value.
    Storing,
    /// It brought this value.
    Landed(Value),
    /// It brought nothing, or leaves those who wait to themselves.
    Lost,
}

/// What became of asking for a key.
pub(super) enum Joined {
    /// Nobody loads it: the caller does.
    Lead(Lead),
    /// Somebody does.
    Wait(Waiting),
}

impl Flights {
    /// # Errors
    /// `WouldDeadlock` if it is the load of this key that asks for it, or one that this one waits for.
    pub fn join(self: &Arc<Self>, key: Key<'_>) -> Result<Joined> {
        let mut shard = self.shard(key).lock();
        if let Some(flight) = shard.get(&key) {
            return match Waiting::on(flight) {
                Some(waiting) => Ok(Joined::Wait(waiting)),
                None => bail!(WouldDeadlock, "a loader asks the cache for the key {key}, whose loader is itself or waits for it"),
            };
        }
        static IDS: AtomicU64 = AtomicU64::new(0);
        let id = IDS.fetch_add(1, Ordering::Relaxed);
        let flight = Arc::new(Flight { id, state: Mutex::new(State::Loading), changed: Notify::new() });
        let key = OwnedKey::from(key);
        shard.insert(key.clone(), Arc::clone(&flight));
        Ok(Joined::Lead(Lead { flights: Arc::clone(self), key, flight }))
    }

    fn shard(&self, key: Key<'_>) -> &Mutex<HashMap<OwnedKey, Arc<Flight>, DefaultHashBuilder>> {
        &self.shards[self.hasher.hash_one(key) as usize % SHARDS]
    }

    /// Takes the loads that `concerned` says off the list and has their values not stored; waits for those being stored.
    pub async fn overtake(&self, concerned: impl Fn(Key<'_>) -> bool) {
        let mut storing = Vec::new();
        for shard in &self.shards {
            shard.lock().retain(|key, flight| {
                if !concerned(key.as_key()) {
                    return true;
                }
                let mut state = flight.state.lock();
                match *state {
                    State::Storing => {
                        storing.push(Arc::clone(flight));
                        return true;
                    }
                    State::Loading => *state = State::Overtaken,
                    State::Overtaken | State::Landed(_) | State::Lost => {}
                }
                false
            });
        }
        for flight in storing {
            flight.wait_while(|state| matches!(state, State::Storing)).await;
        }
    }
}

/// Which loads wait for which, because their loaders do: who, and for whom. Only loaders that wait are in it, so it is short.
static WAITS: Mutex<Vec<(u64, u64)>> = Mutex::new(Vec::new());

/// A wait for another's load.
pub(super) struct Waiting {
    flight: Arc<Flight>,
    /// The loads whose loaders wait with it.
    loads: Vec<u64>,
}

impl Waiting {
    /// `None` if one of the loads that this thread is in would wait for itself. Looking and noting are one step: of those who would
    /// close a ring at the same time, one does not.
    fn on(flight: &Arc<Flight>) -> Option<Self> {
        let loads = LEADING.try_with(|leading| leading.borrow().clone()).unwrap_or_default();
        if !loads.is_empty() {
            let mut waits = WAITS.lock();
            let (mut reached, mut next) = (vec![flight.id], 0);
            while let Some(id) = reached.get(next).copied() {
                if loads.contains(&id) {
                    return None;
                }
                let further = waits.iter().filter(|(who, whom)| *who == id && !reached.contains(whom));
                let further: Vec<u64> = further.map(|(_, whom)| *whom).collect();
                reached.extend(further);
                next += 1;
            }
            waits.extend(loads.iter().map(|load| (*load, flight.id)));
        }
        Some(Self { flight: Arc::clone(flight), loads })
    }

    /// The value that the load brings; `None` if it brings none.
    pub async fn landing(&self) -> Option<Value> {
        self.flight.wait_while(|state| matches!(state, State::Loading | State::Overtaken | State::Storing)).await;
        match &*self.flight.state.lock() {
            State::Landed(value) => Some(value.clone()),
            _ => None,
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if self.loads.is_empty() {
            return;
        }
        let mut waits = WAITS.lock();
        for load in &self.loads {
            if let Some(at) = waits.iter().position(|wait| *wait == (*load, self.flight.id)) {
                waits.swap_remove(at);
            }
        }
    }
}

impl Flight {
    async fn wait_while(&self, pending: impl Fn(&State) -> bool) {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if !pending(&self.state.lock()) {
                return;
            }
            changed.await;
        }
    }

    fn end(&self, state: State) {
        *self.state.lock() = state;
        self.changed.notify_waiters();
    }
}

/// The duty to load a key, given up when dropped.
pub(super) struct Lead {
    flights: Arc<Flights>,
    key: OwnedKey,
    flight: Arc<Flight>,
}

impl Lead {
    /// Whether the value may be stored: from a `true` on, an invalidation waits for [`Self::land`].
    pub fn may_store(&self) -> bool {
        let mut state = self.flight.state.lock();
        let may = matches!(*state, State::Loading);
        if may {
            *state = State::Storing;
        }
        may
    }

    /// Hands the value to those who wait. Nobody joins them any more: who comes now asks the backend.
    pub fn land(self, value: Value) {
        remove(&self.flights, &self.key, &self.flight);
        self.flight.end(State::Landed(value));
    }

    /// Polls `loader` as this load's, so that its asking for the same key is noticed.
    pub async fn run<F: Future>(&self, loader: F) -> F::Output {
        let mut loader = std::pin::pin!(loader);
        std::future::poll_fn(|context| {
            let _leading = Leading::enter(&self.flight);
            loader.as_mut().poll(context)
        })
        .await
    }

    /// A hold on the lead for the loader.
    pub fn loading(&self) -> Loading {
        Loading(Some((Arc::clone(&self.flights), self.key.clone(), Arc::clone(&self.flight))))
    }
}

impl Drop for Lead {
    fn drop(&mut self) {
        remove(&self.flights, &self.key, &self.flight);
        let landed = matches!(*self.flight.state.lock(), State::Landed(_));
        if !landed {
            self.flight.end(State::Lost);
        }
    }
}

fn remove(flights: &Flights, key: &OwnedKey, flight: &Arc<Flight>) {
    let mut shard = flights.shard(key.as_key()).lock();
    if shard.get(&key.as_key()).is_some_and(|listed| Arc::ptr_eq(listed, flight)) {
        shard.remove(&key.as_key());
    }
}

/// A loader's hold on its load.
pub struct Loading(Option<(Arc<Flights>, OwnedKey, Arc<Flight>)>);

impl Loading {
    /// Of a load that nobody waits for.
    pub(super) fn alone() -> Self {
        Self(None)
    }

    /// Has nobody wait for this load any longer, because it is about to wait for something that does not concern others. Those who
    /// wait load by themselves; its own value is not stored.
    pub fn release(&self) {
        if let Some((flights, key, flight)) = &self.0 {
            remove(flights, key, flight);
            flight.end(State::Lost);
        }
    }
}

thread_local! {
    /// The loads whose loaders this thread is in.
    static LEADING: RefCell<Vec<u64>> = const { RefCell::new(Vec::new()) };
}

/// Being in the loader of a load.
struct Leading;

impl Leading {
    fn enter(flight: &Flight) -> Self {
        let _ = LEADING.try_with(|leading| leading.borrow_mut().push(flight.id));
        Self
    }
}

impl Drop for Leading {
    fn drop(&mut self) {
        let _ = LEADING.try_with(|leading| leading.borrow_mut().pop());
    }
}
