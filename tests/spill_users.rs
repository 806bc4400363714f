//! Whose directories stores use: the default one, which users share, and what a user does not trust; and whose they sweep.
//!
//! What needs several users is tested as root alone, and says so where it is not.

mod support;

use std::fs::{self, Permissions};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};

use rustix::fs::Mode;
use support::child::{Talker, command, listen, say, task};
use support::now;
use support::spill::{begin, bytes, directories, files, local, read, session, spill, sum};
use weir::error::ErrorKind;
use weir::spill::{SpillConfig, SpillStore};

/// Users that are not root.
const NOBODY: u32 = 65_534;
const OTHER: u32 = 65_533;

fn this_user() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// Whether this process may become other users; says so if not.
fn is_root() -> bool {
    let root = this_user() == 0;
    if !root {
        eprintln!("not tested: only root may become another user");
    }
    root
}

/// Not a test of its own: what children run, as the user that the task names.
#[test]
fn child() {
    let Some(task) = task() else { return };
    let words: Vec<_> = task.splitn(3, ' ').collect();
    become_user(words[1].parse().unwrap());
    match words[0] {
        "default" => spills_by_default(words[2]),
        "refused" => is_refused(Path::new(words[2])),
        "hold" => holds(Path::new(words[2])),
        "beside" => spills_beside_others(Path::new(words[2])),
        _ => is_denied(Path::new(words[2])),
    }
    say("done");
}

/// Makes the whole process that user's, for good.
fn become_user(user: u32) {
    if user != this_user() {
        // SAFETY: numbers alone; nothing in this process relies on who it was.
        let done = unsafe { libc::setgroups(0, std::ptr::null()) == 0 && libc::setgid(user) == 0 && libc::setuid(user) == 0 };
        assert!(done, "{}", std::io::Error::last_os_error());
    }
    assert_eq!(this_user(), user);
}

fn start(what: &str, user: u32, about: &str, temp: &Path) -> Talker {
    let mut command = command(&[], "child", &format!("{what} {user} {about}"));
    command.env("TMPDIR", temp);
    Talker::start(command)
}

/// Has a child do it, which must succeed.
fn run(what: &str, user: u32, about: &str, temp: &Path) {
    let mut child = start(what, user, about, temp);
    assert_eq!(child.hear(), "done", "{what} {user} {about}");
}

fn by_default() -> SpillStore {
    SpillStore::new(&session(), &SpillConfig { min_free_bytes: Some(0), ..SpillConfig::default() }).unwrap()
}

/// Spills to the directory `name` below the system's, whatever the umask.
fn spills_by_default(name: &str) {
    rustix::process::umask(Mode::from_raw_mode(0o077));
    let store = by_default();
    let whole = spill(&store, &[1; 100_000]).unwrap();
    let base = std::env::temp_dir().join(name);
    assert_eq!(sum(&files(&base)), 100_000, "{name}");
    let own = fs::metadata(&directories(&base)[0]).unwrap();
    assert_eq!((own.mode() & 0o7777, own.uid()), (0o700, this_user()));
    assert_eq!(read(&whole).unwrap(), [1; 100_000]);
}

fn is_refused(base: &Path) {
    let store = by_default();
    let error = spill(&store, b"x").unwrap_err();
    assert_eq!((error.kind(), error.detail_u64("spill_lost")), (ErrorKind::PermissionDenied, Some(0)), "{error}");
    assert!(error.message().contains(base.to_str().unwrap()), "{error}");
    assert_eq!(store.used_bytes(), 0);
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().mode() & 0o7777
}

/// A directory for temporary files as systems have it.
fn temp() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), Permissions::from_mode(0o1777)).unwrap();
    dir
}

/// The default directory below `temp`, as `user` made it.
fn made(temp: &Path, user: u32, mode: u32) -> PathBuf {
    let base = temp.join("weir-spill");
    fs::create_dir(&base).unwrap();
    fs::set_permissions(&base, Permissions::from_mode(mode)).unwrap();
    chown(&base, Some(user), None).unwrap();
    base
}

/// By default all users share one directory, as they share the one for temporary files.
#[test]
fn the_default_directory_is_shared() {
    let temp = temp();
    for _ in 0..2 {
        run("default", this_user(), "weir-spill", temp.path());
        let base = temp.path().join("weir-spill");
        assert_eq!(mode(&base), 0o1777);
        assert!(directories(&base).is_empty());
    }
    assert_eq!(directories(temp.path()).len(), 1);
}

/// Who made it may have been killed before it was shared.
#[test]
fn a_default_directory_that_was_never_shared_is_shared() {
    let temp = temp();
    let base = made(temp.path(), this_user(), 0o700);
    run("default", this_user(), "weir-spill", temp.path());
    assert_eq!(mode(&base), 0o1777);
}

/// Where everybody may write, somebody may have put a link, or a file: then a user spills to a directory of its own.
#[test]
fn what_is_in_place_of_the_default_directory_is_not_used() {
    let own = format!("weir-spill-{}", this_user());
    for is_link in [true, false] {
        let temp = temp();
        let (base, elsewhere) = (temp.path().join("weir-spill"), temp.path().join("elsewhere"));
        fs::create_dir(&elsewhere).unwrap();
        if is_link {
            symlink(&elsewhere, &base).unwrap()
        } else {
            fs::write(&base, "a file").unwrap()
        }
        run("default", this_user(), &own, temp.path());
        assert_eq!(mode(&temp.path().join(&own)), 0o700);
        // It stays the user's own, whatever happened to it.
        fs::set_permissions(temp.path().join(&own), Permissions::from_mode(0o777)).unwrap();
        run("default", this_user(), &own, temp.path());
        assert_eq!(mode(&temp.path().join(&own)), 0o700);
        assert!(directories(&elsewhere).is_empty());
        fs::remove_dir(temp.path().join(&own)).unwrap();
        symlink(&elsewhere, temp.path().join(&own)).unwrap();
        run("refused", this_user(), temp.path().join(&own).to_str().unwrap(), temp.path());
        assert!(directories(&elsewhere).is_empty());
    }
}

/// No more is trusted than what root or the user itself made: whoever else owns a directory can take away what others have in it.
#[test]
fn a_default_directory_of_another_user_is_not_used() {
    if !is_root() {
        return;
    }
    for (owner, mode, user, name) in [
        (0, 0o1777, NOBODY, "weir-spill"),
        (0, 0o777, NOBODY, "weir-spill-65534"),
        (0, 0o755, NOBODY, "weir-spill-65534"),
        (0, 0o700, NOBODY, "weir-spill-65534"),
        (OTHER, 0o1777, NOBODY, "weir-spill-65534"),
        (OTHER, 0o777, NOBODY, "weir-spill-65534"),
        (OTHER, 0o700, NOBODY, "weir-spill-65534"),
        (OTHER, 0o1777, 0, "weir-spill-0"),
        (NOBODY, 0o700, NOBODY, "weir-spill"),
    ] {
        let temp = temp();
        let base = made(temp.path(), owner, mode);
        run("default", user, name, temp.path());
        assert!(directories(&base).is_empty(), "{owner} {mode:o} {user}");
    }
    let temp = temp();
    made(temp.path(), OTHER, 0o777);
    let own = temp.path().join("weir-spill-65534");
    fs::DirBuilder::new().mode(0o777).create(&own).unwrap();
    chown(&own, Some(OTHER), None).unwrap();
    run("refused", NOBODY, own.to_str().unwrap(), temp.path());
    assert!(directories(&own).is_empty());
}

/// Spills, says so, and shows on demand that all of it is still there, until the test ends it.
fn holds(base: &Path) {
    let store = SpillStore::new(&session(), &local(base)).unwrap();
    let whole = spill(&store, &bytes(1, 100_000)).unwrap();
    say("holds");
    while listen().is_some() {
        assert_eq!(read(&whole).unwrap(), bytes(1, 100_000));
        let _more = spill(&store, &bytes(2, 1000)).unwrap();
        say("holds");
    }
}

/// Spills where there are directories of other users, and leaves them alone.
fn spills_beside_others(base: &Path) {
    let store = SpillStore::new(&session(), &local(base)).unwrap();
    let whole = spill(&store, &bytes(1, 100_000)).unwrap();
    assert_eq!(read(&whole).unwrap(), bytes(1, 100_000));
    assert_eq!((store.stats().swept_directories, directories(base).len()), (0, 3));
}

/// PITFALLS S6: the dead of another user are swept by root alone, and the living by nobody.
#[test]
fn root_sweeps_after_all_users_and_others_after_themselves() {
    if !is_root() {
        return;
    }
    let temp = temp();
    let base = temp.path();
    let mut living = start("hold", NOBODY, base.to_str().unwrap(), base);
    let mut killed = start("hold", NOBODY, base.to_str().unwrap(), base);
    assert_eq!((living.hear(), killed.hear()), ("holds".into(), "holds".into()));
    killed.kill();
    run("beside", OTHER, base.to_str().unwrap(), base);
    assert_eq!((directories(base).len(), sum(&files(base))), (2, 200_000));

    let store = SpillStore::new(&session(), &local(base)).unwrap();
    let _x = spill(&store, b"x").unwrap();
    assert_eq!((store.stats().swept_directories, store.stats().swept_bytes), (1, 100_000));
    assert_eq!((directories(base).len(), sum(&files(base))), (2, 100_001));
    living.tell("again");
    assert_eq!(living.hear(), "holds");
    // The same user's next process sweeps, too.
    living.kill();
    let mut next = start("hold", NOBODY, base.to_str().unwrap(), base);
    assert_eq!(next.hear(), "holds");
    assert_eq!((directories(base).len(), sum(&files(base))), (2, 100_001));
}

/// Spills to a directory that it may not make, and then may.
fn is_denied(base: &Path) {
    let store = SpillStore::new(&session(), &local(base)).unwrap();
    let mut writer = begin(&store);
    let error = now(writer.write(&[1; 100_000])).unwrap_err();
    assert_eq!((error.kind(), error.detail_u64("spill_lost")), (ErrorKind::PermissionDenied, Some(0)), "{error}");
    assert!(error.message().contains(base.to_str().unwrap()), "{error}");
    assert_eq!((store.used_bytes(), writer.len()), (0, 0));
    say("denied");
    assert_eq!(listen().as_deref(), Some("again"));
    now(writer.write(&[1; 100_000])).unwrap();
    assert_eq!(sum(&files(base)), 100_000);
    writer.abort();
    assert_eq!((store.used_bytes(), sum(&files(base))), (0, 0));
}

/// An error, and not the writer's last: it goes on when the directory may be made.
#[test]
fn a_directory_that_may_not_be_made_is_denied() {
    let temp = temp();
    // Root may write everywhere.
    let user = if this_user() == 0 { NOBODY } else { this_user() };
    let above = temp.path().join("above");
    fs::DirBuilder::new().mode(0o555).create(&above).unwrap();
    let mut child = start("denied", user, above.join("below").to_str().unwrap(), temp.path());
    assert_eq!(child.hear(), "denied");
    fs::set_permissions(&above, Permissions::from_mode(0o777)).unwrap();
    child.tell("again");
    assert_eq!(child.hear(), "done");
}
