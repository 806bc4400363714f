//! Processes that spill and are killed: the next one at the same place removes what they left, and nothing of those that live.
//!
//! `WEIR_KILLS=n` changes the number of random kills, `WEIR_SEED=k` their moments.

mod support;

use std::path::Path;
use std::time::Duration;

use support::child::{Talker, command, listen, say, task};
use support::spill::{begin, bytes, directories, files, local, read, session, spill, sum, tiered};
use support::{SeededRandom, now};
use weir::spill::SpillStore;

/// Not a test of its own: what children run.
#[test]
fn child() {
    let Some(task) = task() else { return };
    let (what, base) = task.split_once(' ').unwrap();
    match what {
        "hold" => hold(Path::new(base)),
        _ => churn(what.parse().unwrap(), Path::new(base)),
    }
}

/// Spills, says so, and shows on demand that all of it is still there, until the test ends it.
fn hold(base: &Path) {
    let store = SpillStore::new(&session(), &local(base)).unwrap();
    let whole = spill(&store, &bytes(1, 100_000)).unwrap();
    let opened = spill(&store, &bytes(2, 1000)).unwrap();
    assert_eq!(read(&opened).unwrap(), bytes(2, 1000));
    let mut writer = begin(&store);
    let mut written = 0;
    while listen_or_start(written) {
        now(writer.write(&bytes(3, 100_000))).unwrap();
        written += 1;
        assert_eq!((read(&whole).unwrap(), read(&opened).unwrap()), (bytes(1, 100_000), bytes(2, 1000)));
        say(&format!("holds {}", store.used_bytes()));
    }
    let last = now(writer.finish()).unwrap();
    assert_eq!(last.len(), written * 100_000);
}

/// The first turn needs no word.
fn listen_or_start(turns: u64) -> bool {
    turns == 0 || listen().is_some()
}

/// Makes stores, spills and ends them, until it is killed.
fn churn(seed: u64, base: &Path) {
    let chance = SeededRandom::new(seed);
    say("churns");
    loop {
        let config = if chance.chance(500) { local(base) } else { tiered(base, 50_000) };
        let store = SpillStore::new(&session(), &config).unwrap();
        let mut spills = Vec::new();
        for _ in 0..chance.below(20) {
            let data = bytes(chance.next_u64(), chance.below(200_000) as usize);
            let whole = spill(&store, &data).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(read(&whole).unwrap_or_else(|error| panic!("{error}")), data);
            if chance.chance(700) {
                spills.push(whole);
            }
        }
    }
}

/// PITFALLS S6.
#[test]
fn the_next_process_sweeps_what_a_killed_one_left() {
    let dir = tempfile::tempdir().unwrap();
    let base = dir.path();
    let mut killed = Talker::start(command(&[], "child", &format!("hold {}", base.display())));
    let mut living = Talker::start(command(&[], "child", &format!("hold {}", base.display())));
    assert_eq!((killed.hear(), living.hear()), ("holds 201000".into(), "holds 201000".into()));
    assert_eq!((directories(base).len(), sum(&files(base))), (2, 2 * 201_000));

    let early = SpillStore::new(&session(), &local(base)).unwrap();
    let _x = spill(&early, b"x").unwrap();
    assert_eq!((early.stats().swept_directories, directories(base).len()), (0, 3), "both live");

    killed.kill();
    assert_eq!(sum(&files(base)), 2 * 201_000 + 1, "nobody cleans up after a killed process but the next");
    let store = SpillStore::new(&session(), &local(base)).unwrap();
    let _y = spill(&store, b"y").unwrap();
    let stats = store.stats();
    assert_eq!((stats.swept_directories, stats.swept_bytes), (1, 201_000));
    assert_eq!((directories(base).len(), sum(&files(base))), (3, 201_002));
    // The living one has lost nothing, and goes on.
    living.tell("again");
    assert_eq!(living.hear(), "holds 301000");
    drop(living.child.stdin.take());
    assert!(living.child.wait().unwrap().success());
    assert_eq!(directories(base).len(), 2, "who ends by itself cleans up");
}

/// PITFALLS S6: locks, not process numbers: an owner in another namespace of processes is alive all the same.
#[test]
fn an_owner_in_another_pid_namespace_is_left_alone() {
    const APART: [&str; 4] = ["unshare", "-Urpf", "--kill-child", "--"];
    let allowed = std::process::Command::new(APART[0]).args(&APART[1..]).arg("true").output();
    if !allowed.is_ok_and(|output| output.status.success()) {
        eprintln!("not tested: no namespaces of processes here");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let base = dir.path();
    let mut apart = Talker::start(command(&APART, "child", &format!("hold {}", base.display())));
    assert_eq!(apart.hear(), "holds 201000");
    let store = SpillStore::new(&session(), &local(base)).unwrap();
    let _x = spill(&store, b"x").unwrap();
    assert_eq!((store.stats().swept_directories, directories(base).len()), (0, 2));
    apart.tell("again");
    assert_eq!(apart.hear(), "holds 301000");
}

/// PITFALLS S6: processes killed at random moments, also while they make directories, sweep or end, never cost a living one
/// anything, and in the end nothing of theirs is left.
#[test]
fn random_kills() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let chance = SeededRandom::new(number("WEIR_SEED").unwrap_or(1));
    let dir = tempfile::tempdir().unwrap();
    let base = dir.path();
    let mut living = Talker::start(command(&[], "child", &format!("hold {}", base.display())));
    living.hear();
    let start = || Talker::start(command(&[], "child", &format!("{} {}", chance.next_u64(), base.display())));
    let mut churning: Vec<_> = (0..3).map(|_| start()).collect();
    for _ in 0..number("WEIR_KILLS").unwrap_or(20) {
        let at = chance.below(3) as usize;
        assert_eq!(churning[at].hear(), "churns", "a child has failed");
        std::thread::sleep(Duration::from_micros(chance.below(30_000)));
        assert!(churning[at].child.try_wait().unwrap().is_none(), "a child has failed");
        churning[at].kill();
        churning[at] = start();
    }
    churning.iter_mut().for_each(Talker::kill);
    living.tell("again");
    assert_eq!(living.hear(), "holds 301000");
    let store = SpillStore::new(&session(), &local(base)).unwrap();
    let _x = spill(&store, b"x").unwrap();
    assert_eq!(directories(base).len(), 2, "the living one's and this one's");
}
