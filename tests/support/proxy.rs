//! A TCP proxy that loses requests and answers: what a network does between a client and an honest server.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

/// How an answer gets lost, after the server acted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// The connection is closed.
    Fin,
    /// The connection is reset.
    Reset,
    /// Nothing comes any more, and the connection stays open.
    Hang,
}

/// What happens to one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// The connection is closed after this many bytes of the request; the server never sees the whole of it.
    CutRequest(usize),
    /// The server gets the request and its answer is lost.
    LoseAnswer(Loss),
}

#[derive(Debug)]
struct Rule {
    /// What the first line of the request must contain, such as `PUT /bucket/prefix`.
    matching: String,
    times: u64,
    trouble: Trouble,
}

#[derive(Default)]
struct Shared {
    rules: Mutex<Vec<Rule>>,
    latency_us: AtomicU64,
    requests: AtomicU64,
    met: (Mutex<u64>, Condvar),
    stop: AtomicBool,
}

/// A running proxy; dropping it stops it.
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl Proxy {
    /// A proxy before the server at `upstream`, on a free port of 127.0.0.1.
    pub fn start(upstream: SocketAddr) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared::default());
        let accepting = shared.clone();
        thread::spawn(move || {
            for client in listener.incoming() {
                if accepting.stop.load(Ordering::Relaxed) {
                    break;
                }
                let shared = accepting.clone();
                if let Ok(client) = client {
                    thread::spawn(move || drop(serve(&client, upstream, &shared)));
                }
            }
        });
        Self { address, shared }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The next `times` requests whose first line contains `matching` meet `trouble`.
    pub fn on_next(&self, matching: &str, times: u64, trouble: Trouble) {
        self.shared.rules.lock().unwrap().push(Rule { matching: matching.to_owned(), times, trouble });
    }

    /// No more trouble.
    pub fn heal(&self) {
        self.shared.rules.lock().unwrap().clear();
    }

    /// Adds this much to every request.
    pub fn set_latency(&self, latency: Duration) {
        self.shared.latency_us.store(latency.as_micros() as u64, Ordering::Relaxed);
    }

    /// How many requests came.
    pub fn requests(&self) -> u64 {
        self.shared.requests.load(Ordering::Relaxed)
    }

    /// How many requests met trouble.
    pub fn troubles(&self) -> u64 {
        *self.shared.met.0.lock().unwrap()
    }

    /// Waits until `count` requests have met trouble; false if they do not within `limit`.
    pub fn wait_for_troubles(&self, count: u64, limit: Duration) -> bool {
        let met = self.shared.met.0.lock().unwrap();
        let (met, _) = self.shared.met.1.wait_timeout_while(met, limit, |met| *met < count).unwrap();
        *met >= count
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        // Wakes the thread that accepts.
        let _ = TcpStream::connect(self.address);
    }
}

impl Shared {
    fn trouble(&self, first_line: &str) -> Option<Trouble> {
        let mut rules = self.rules.lock().unwrap();
        let index = rules.iter().position(|rule| first_line.contains(&rule.matching))?;
        let trouble = rules[index].trouble;
        rules[index].times -= 1;
        if rules[index].times == 0 {
            rules.remove(index);
        }
        Some(trouble)
    }

    fn note_trouble(&self) {
        *self.met.0.lock().unwrap() += 1;
        self.met.1.notify_all();
    }
}

/// One connection of a client: requests one after another, each forwarded whole on a connection of its own.
fn serve(client: &TcpStream, upstream: SocketAddr, shared: &Shared) -> io::Result<()> {
    client.set_nodelay(true)?;
    let mut reader = io::BufReader::new(client);
    while let Some(request) = read_message(&mut reader, true)? {
        shared.requests.fetch_add(1, Ordering::Relaxed);
        let latency = shared.latency_us.load(Ordering::Relaxed);
        if latency > 0 {
            thread::sleep(Duration::from_micros(latency));
        }
        let first_line = String::from_utf8_lossy(request.split(|b| *b == b'\r').next().unwrap_or_default()).into_owned();
        let trouble = shared.trouble(&first_line);
        let server = TcpStream::connect(upstream)?;
        server.set_nodelay(true)?;
        if let Some(Trouble::CutRequest(bytes)) = trouble {
            (&server).write_all(&request[..bytes.min(request.len() - 1)])?;
            server.shutdown(Shutdown::Both)?;
            shared.note_trouble();
            return client.shutdown(Shutdown::Both);
        }
        (&server).write_all(&request)?;
        let is_head = request.starts_with(b"HEAD ");
        let answer = read_message(&mut io::BufReader::new(&server), !is_head)?.unwrap_or_default();
        match trouble {
            Some(Trouble::LoseAnswer(loss)) => {
                shared.note_trouble();
                return lose(client, loss, shared);
            }
            _ => (&mut &*client).write_all(&answer)?,
        }
    }
    Ok(())
}

fn lose(client: &TcpStream, loss: Loss, shared: &Shared) -> io::Result<()> {
    match loss {
        Loss::Fin => client.shutdown(Shutdown::Both),
        Loss::Reset => {
            // Closing with a linger time of zero sends RST.
            let linger = libc::linger { l_onoff: 1, l_linger: 0 };
            let size = size_of::<libc::linger>() as libc::socklen_t;
            let fd = std::os::fd::AsRawFd::as_raw_fd(client);
            // SAFETY: the descriptor is open, and the option's value is a `linger` of that size.
            let failed = unsafe { libc::setsockopt(fd, libc::SOL_SOCKET, libc::SO_LINGER, (&raw const linger).cast(), size) };
            if failed == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
        }
        Loss::Hang => {
            // Until the client gives up, or the test ends.
            client.set_read_timeout(Some(Duration::from_millis(20)))?;
            let mut byte = [0];
            while !shared.stop.load(Ordering::Relaxed) {
                match (&mut &*client).read(&mut byte) {
                    Ok(0) => break,
                    Err(e) if !matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => break,
                    _ => {}
                }
            }
            Ok(())
        }
    }
}

/// Reads one HTTP/1.1 message as it stands; `None` if the peer closed before it began.
fn read_message(reader: &mut impl io::BufRead, has_body: bool) -> io::Result<Option<Vec<u8>>> {
    let mut message = Vec::new();
    loop {
        let start = message.len();
        if reader.read_until(b'\n', &mut message)? == 0 {
            return if message.is_empty() { Ok(None) } else { Err(io::ErrorKind::UnexpectedEof.into()) };
        }
        if message[start..] == *b"\r\n" {
            break;
        }
    }
    let head = String::from_utf8_lossy(&message).to_ascii_lowercase();
    let header = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)).map(|value| value.trim().to_owned());
    if !has_body || head.starts_with("http/1.1 204") || head.starts_with("http/1.1 304") {
        return Ok(Some(message));
    }
    if let Some(length) = header("content-length:").and_then(|length| length.parse::<u64>().ok()) {
        reader.take(length).read_to_end(&mut message)?;
    } else if header("transfer-encoding:").is_some_and(|coding| coding.contains("chunked")) {
        read_chunks(reader, &mut message)?;
    } else if head.starts_with("http/") {
        reader.read_to_end(&mut message)?;
    }
    Ok(Some(message))
}

fn read_chunks(reader: &mut impl io::BufRead, message: &mut Vec<u8>) -> io::Result<()> {
    loop {
        let start = message.len();
        reader.read_until(b'\n', message)?;
        let line = String::from_utf8_lossy(&message[start..]).trim().to_owned();
        let size = u64::from_str_radix(line.split(';').next().unwrap_or_default(), 16)
            .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "a bad chunk"))?;
        reader.take(size + 2).read_to_end(message)?;
        if size == 0 {
            return Ok(());
        }
    }
}
