//! Two rivals on bad lines, at random moments: what is acknowledged is in the log once and in order.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, mpsc};
use std::thread;

use weir::error::{ErrorKind, Result};
use weir::wal::TailerOptions;
use weir::wal::entry::Entry;
use weir::writer::{Ack, ShardWriter};

use super::support::SeededRandom;
use super::support::proxy::{Loss, Proxy, Trouble};
use super::{LIMIT, Place, batch, check_log, root, server, values, wait};

/// One of two that contend for a shard, with a line of its own to the server.
struct Rival {
    place: Place,
    proxy: Proxy,
    writer: Option<ShardWriter>,
    settled: u64,
    next: i64,
}

/// What became of the puts of a run, by value.
#[derive(Default)]
struct Puts {
    acked: BTreeMap<i64, Ack>,
    unknown: BTreeSet<i64>,
    refused: BTreeSet<i64>,
}

type Outcome = (i64, Result<Ack>);

impl Rival {
    fn new(index: i64, root: &str, server: SocketAddr, client_retries: &str) -> Self {
        let proxy = Proxy::start(server);
        Self { place: Place::behind(&proxy, root, client_retries), proxy, writer: None, settled: 0, next: index * 1_000_000 }
    }

    /// The next request of this kind meets trouble.
    fn trouble(&self, random: &SeededRandom, method: &str, dir: &str) {
        let trouble = match random.below(8) {
            0 => Trouble::CutRequest(random.below(150) as usize),
            1 => Trouble::LoseAnswer(Loss::Hang),
            2..=4 => Trouble::LoseAnswer(Loss::Reset),
            _ => Trouble::LoseAnswer(Loss::Fin),
        };
        self.proxy.on_next(&self.place.requests(method, dir), 1, trouble);
    }

    fn drop_writer(&mut self) {
        self.settled += self.writer.take().map_or(0, |writer| writer.stats().settled);
    }

    /// Claims the shard, as often as it takes on this line.
    fn claim(&mut self, random: &SeededRandom) {
        self.drop_writer();
        if random.chance(500) {
            self.trouble(random, "PUT", "manifest");
        }
        if random.chance(500) {
            self.trouble(random, "PUT", "wal");
        }
        for _ in 0..10 {
            match self.place.open() {
                Ok(writer) => return self.writer = Some(writer),
                Err(error) => assert!(matches!(error.kind(), ErrorKind::Storage | ErrorKind::Poisoned), "{error}"),
            }
        }
        panic!("ten claims failed");
    }

    /// Puts a few values without waiting for them. Says how many outcomes will come.
    fn burst(&mut self, random: &SeededRandom, puts: &mut Puts, outcomes: &mpsc::Sender<Outcome>) -> usize {
        let Some(writer) = &self.writer else { return 0 };
        if random.chance(400) {
            self.trouble(random, "PUT", "wal");
        }
        if random.chance(100) {
            // Of the request that settles it.
            self.trouble(random, "GET", if random.chance(500) { "wal" } else { "manifest" });
        }
        let mut expected = 0;
        for _ in 0..=random.below(4) {
            let (value, outcomes) = (self.next, outcomes.clone());
            self.next += 1;
            match writer.put_async(&batch(&[value]), Box::new(move |outcome| outcomes.send((value, outcome)).unwrap())) {
                Ok(()) => expected += 1,
                Err(_) => assert!(puts.refused.insert(value)),
            }
        }
        expected
    }
}

/// Two rivals claim, put and lose answers by turns and at once, as the seed decides. Returns how many were settled.
fn storm(server: SocketAddr, seed: u64, client_retries: &str) -> u64 {
    const STEPS: usize = 40;
    let context = format!("seed {seed}, {client_retries} retries of the client");
    let random = SeededRandom::new(seed);
    let root = root();
    let direct = Place::at(&root, server, &[]);
    let mut rivals = [Rival::new(0, &root, server, client_retries), Rival::new(1, &root, server, client_retries)];
    let mut puts = Puts::default();

    // Somebody follows from the beginning.
    let follower = Arc::new(direct.tailer(TailerOptions { follow: true, from: 1, ..TailerOptions::default() }));
    let (news, followed) = mpsc::channel();
    let following = thread::spawn({
        let follower = Arc::clone(&follower);
        move || {
            loop {
                match wait(follower.next()) {
                    Ok(Some(entry)) => news.send((entry.position, entry.id)).unwrap(),
                    Ok(None) => unreachable!("a follower waits"),
                    Err(error) => return error,
                }
            }
        }
    });

    for step in 0..STEPS {
        let (outcomes, receive) = mpsc::channel();
        let chosen = random.below(2) as usize;
        let mut expected = rivals[chosen].burst(&random, &mut puts, &outcomes);
        if step == 0 || random.chance(150) {
            // A takeover, while the other's puts are on their way.
            rivals[1 - chosen].claim(&random);
        }
        if random.chance(300) {
            expected += rivals[1 - chosen].burst(&random, &mut puts, &outcomes);
        }
        for _ in 0..expected {
            match receive.recv_timeout(LIMIT).unwrap_or_else(|_| panic!("{context}: a put hangs")) {
                (value, Ok(ack)) => assert!(puts.acked.insert(value, ack).is_none()),
                (value, Err(error)) => {
                    assert!(matches!(error.kind(), ErrorKind::Fenced | ErrorKind::Poisoned), "{context}: {error}");
                    assert!(puts.unknown.insert(value));
                    rivals[(value / 1_000_000) as usize].drop_writer();
                }
            }
        }
        if rivals.iter().all(|rival| rival.writer.is_none()) {
            rivals[chosen].claim(&random);
        }
    }
    for rival in &mut rivals {
        rival.proxy.heal();
        rival.drop_writer();
    }

    let log = direct.read();
    check_log(&log, &context);
    check_puts(&log, &puts, &context);
    for entry in &log {
        let seen = followed.recv_timeout(LIMIT).unwrap_or_else(|_| panic!("{context}: the follower misses {}", entry.position));
        assert_eq!(seen, (entry.position, entry.id), "{context}");
    }
    follower.close();
    assert_eq!(following.join().unwrap().kind(), ErrorKind::Closed, "{context}");
    let troubles: u64 = rivals.iter().map(|rival| rival.proxy.troubles()).sum();
    let settled = rivals.iter().map(|rival| rival.settled).sum();
    println!(
        "{context}: {} entries, epoch {}, {} acknowledged, {} unknown, {} refused, {troubles} troubles, {settled} settled",
        log.len(),
        log.last().map_or(0, |entry| entry.epoch),
        puts.acked.len(),
        puts.unknown.len(),
        puts.refused.len(),
    );
    settled
}

/// Every acknowledged put is in the log once, where its acknowledgement says; each rival's are in order; what was refused is not there.
fn check_puts(log: &[Entry], puts: &Puts, context: &str) {
    let mut found: BTreeMap<i64, (u64, u64)> = BTreeMap::new();
    let mut last = [-1, -1];
    for entry in log {
        for value in values(entry) {
            assert!(found.insert(value, (entry.position, entry.epoch)).is_none(), "{context}: {value} is there twice");
            let last = &mut last[(value / 1_000_000) as usize];
            assert!(value > *last, "{context}: {value} comes after {last}");
            *last = value;
            assert!(puts.acked.contains_key(&value) || puts.unknown.contains(&value), "{context}: {value} comes from nowhere");
        }
    }
    assert!(!puts.acked.is_empty(), "{context}: nothing was acknowledged");
    for (value, ack) in &puts.acked {
        assert_eq!(found.get(value), Some(&(ack.position, ack.epoch)), "{context}: {value} was acknowledged");
    }
}

fn storms(client_retries: &str, seeds: std::ops::Range<u64>) {
    let Some(server) = server() else { return };
    let settled: u64 = thread::scope(|scope| {
        let runs: Vec<_> = seeds.map(|seed| scope.spawn(move || storm(server, seed, client_retries))).collect();
        runs.into_iter().map(|run| run.join().unwrap()).sum()
    });
    assert!(settled > 0, "no lost answer was settled");
}

// PITFALLS A1, A2, A3, B1
#[test]
fn nothing_is_lost_or_doubled_without_the_clients_retries() {
    storms("0", 0..3);
}

// PITFALLS A1, A2, A8, B1
#[test]
fn nothing_is_lost_or_doubled_with_the_clients_retries() {
    storms("3", 100..103);
}
