//! An S3 server of one's own: moto behind one lock (`tests/s3/moto_serial.py`).

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use weir::store::{Settings, Store};

/// How long a server may take to answer: importing moto on a busy machine takes seconds.
const START_LIMIT: Duration = Duration::from_secs(120);

/// A running server; it ends when this is dropped, and with the test's process at the latest.
pub struct S3Server {
    child: Child,
    address: SocketAddr,
}

impl S3Server {
    /// Starts a server with the Python of `WEIR_TEST_PYTHON`; `None` if `WEIR_SKIP_S3=1`.
    pub fn start() -> Option<Self> {
        if std::env::var_os("WEIR_SKIP_S3").is_some_and(|skip| skip == "1") {
            eprintln!("skipped: WEIR_SKIP_S3=1");
            return None;
        }
        let Some(python) = std::env::var_os("WEIR_TEST_PYTHON") else {
            panic!("set WEIR_TEST_PYTHON to a Python with `moto[s3] flask flask-cors` (`make test` does), or WEIR_SKIP_S3=1");
        };
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/s3/moto_serial.py");
        let mut child = Command::new(&python)
            .arg(script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|e| panic!("cannot start {}: {e}", python.display()));
        let stdout = child.stdout.take().expect("a pipe");
        let (send, receive) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if let Some(port) = line.strip_prefix("listening on ").and_then(|port| port.parse::<u16>().ok()) {
                    let _ = send.send(port);
                }
            }
        });
        let port = receive.recv_timeout(START_LIMIT).unwrap_or_else(|e| {
            let _ = child.kill();
            panic!("{script} did not start: {e} (are moto, flask and flask-cors installed?)")
        });
        Some(Self { child, address: SocketAddr::from(([127, 0, 0, 1], port)) })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Makes a bucket. moto checks no signatures, so a plain request does.
    pub fn create_bucket(&self, name: &str) {
        let answer = http(self.address, &format!("PUT /{name} HTTP/1.1\r\nContent-Length: 0"), b"");
        assert!(answer.starts_with("HTTP/1.1 200"), "cannot create the bucket {name}: {answer}");
    }

    /// Opens the store at `url` by way of `address`: the server's own, or a proxy's before it.
    pub fn open(&self, url: &str, address: SocketAddr, extra: &[(&str, &str)]) -> Store {
        open(url, address, extra)
    }
}

impl Drop for S3Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The settings with which the server at `address` is reached, and `extra` ones.
pub fn settings(address: SocketAddr, extra: &[(&str, &str)]) -> Settings {
    let endpoint = format!("http://{address}");
    let base = [
        ("aws_access_key_id", "test"),
        ("aws_secret_access_key", "testtest"),
        ("aws_region", "us-east-1"),
        ("aws_endpoint", endpoint.as_str()),
        ("aws_allow_http", "true"),
    ];
    let pairs = base.iter().chain(extra).map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    Settings::new(pairs).expect("valid settings")
}

/// Opens the store at `url` on the server at `address`.
pub fn open(url: &str, address: SocketAddr, extra: &[(&str, &str)]) -> Store {
    weir::store::open(url, &settings(address, extra), &super::real_env()).expect("a store")
}

/// One plain HTTP request; `head` is its first line and headers. Returns the answer as text.
pub fn http(address: SocketAddr, head: &str, body: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).expect("a connection");
    write!(stream, "{head}\r\nHost: {address}\r\nConnection: close\r\n\r\n").expect("a request sent");
    stream.write_all(body).expect("a body sent");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("an answer");
    String::from_utf8_lossy(&answer).into_owned()
}
