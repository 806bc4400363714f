//! The test binary run again, as another process.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdout, Command, Stdio};

/// Tells a child what it is.
const TASK: &str = "WEIR_CHILD_TASK";

/// What this process is to do, if it is such a child of the test `name`.
pub fn task() -> Option<String> {
    std::env::var(TASK).ok()
}

/// A command that runs the test `name` of this binary, alone, with `task`, behind the words of `wrapper` (`unshare -Urm`, …).
pub fn command(wrapper: &[&str], name: &str, task: &str) -> Command {
    let this = std::env::current_exe().unwrap();
    let mut command = match wrapper {
        [] => Command::new(this),
        [program, words @ ..] => {
            let mut command = Command::new(program);
            command.args(words).arg(this);
            command
        }
    };
    command.args(["--exact", name, "--nocapture", "--test-threads=1"]).env(TASK, task);
    command
}

/// A child that talks to the test in lines.
pub struct Talker {
    pub child: Child,
    out: BufReader<ChildStdout>,
}

impl Talker {
    pub fn start(mut command: Command) -> Self {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        Self { child, out }
    }

    /// The next line that the child said, or that it ended.
    pub fn hear(&mut self) -> String {
        loop {
            let mut line = String::new();
            if self.out.read_line(&mut line).unwrap() == 0 {
                return "(ended)".into();
            }
            // The test harness talks, too.
            if let Some((_, said)) = line.trim_end().split_once("weir-child: ") {
                return said.to_owned();
            }
        }
    }

    /// Says a line to the child.
    pub fn tell(&mut self, line: &str) {
        let stdin = self.child.stdin.as_mut().unwrap();
        stdin.write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Talker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Says a line to the test, in one write, so that lines of threads do not mix.
pub fn say(line: &str) {
    std::io::stdout().write_all(format!("\nweir-child: {line}\n").as_bytes()).unwrap();
    std::io::stdout().flush().unwrap();
}

/// Waits for a line of the test's; `None` if it has ended.
pub fn listen() -> Option<String> {
    let mut line = String::new();
    let read = std::io::stdin().lock().read_line(&mut line).unwrap();
    (read > 0).then(|| line.trim_end().to_owned())
}
