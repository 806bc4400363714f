//! How the answers of a cloud's server are understood: a scripted server answers what the test says.

#![cfg(feature = "s3")]

mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use support::s3::open;
use weir::error::ErrorKind;
use weir::store::{Created, Store};

/// A server that gives one answer to everything, and remembers the heads of the requests.
struct Scripted {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Scripted {
    fn new(status: &str, headers: &str, body: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let head = format!("HTTP/1.1 {status}\r\n{headers}Connection: close\r\nContent-Length: {}\r\n\r\n", body.len());
        let (log, body) = (requests.clone(), body.to_owned());
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let mut reader = BufReader::new(&client);
                let mut request = String::new();
                while reader.read_line(&mut request).is_ok_and(|read| read > 2) {}
                let length = request.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
                let _ = std::io::copy(&mut reader.take(length.unwrap_or(0)), &mut std::io::sink());
                let is_head = request.starts_with("HEAD ");
                log.lock().unwrap().push(request);
                let _ = (&client).write_all(head.as_bytes());
                if !is_head {
                    let _ = (&client).write_all(body.as_bytes());
                }
            }
        });
        Self { address, requests }
    }

    fn store(&self) -> Store {
        open("s3://bucket/some root", self.address, &[("weir_store_max_retries", "0")])
    }
}

async fn create(server: &Scripted) -> weir::error::Result<Created> {
    server.store().create("wal/1", &[Bytes::from_static(b"a"), Bytes::from_static(b"b")]).await
}

#[tokio::test]
async fn answers_to_a_create_are_understood() {
    for (status, outcome) in [
        ("200 OK", Ok(Created::Done)),
        ("412 Precondition Failed", Ok(Created::Exists)),
        // PITFALLS A8: also sent for concurrent writes, when there may be no such object afterwards: read before concluding.
        ("409 Conflict", Ok(Created::Exists)),
        ("304 Not Modified", Ok(Created::Exists)),
        ("507 Insufficient Storage", Err(ErrorKind::StorageFull)),
        ("401 Unauthorized", Err(ErrorKind::PermissionDenied)),
        ("403 Forbidden", Err(ErrorKind::PermissionDenied)),
        ("404 Not Found", Err(ErrorKind::NotFound)),
        ("400 Bad Request", Err(ErrorKind::Storage)),
        ("500 Internal Server Error", Err(ErrorKind::Storage)),
        ("501 Not Implemented", Err(ErrorKind::Unsupported)),
        ("503 Slow Down", Err(ErrorKind::Storage)),
        ("301 Moved Permanently", Err(ErrorKind::Storage)),
    ] {
        let server = Scripted::new(status, "ETag: \"1\"\r\n", "");
        let got = create(&server).await;
        match (&got, outcome) {
            (Ok(created), Ok(expected)) => assert_eq!(*created, expected, "{status}"),
            (Err(error), Err(kind)) => {
                assert_eq!(error.kind(), kind, "{status}: {error}");
                assert!(error.message().contains("s3://bucket/some%20root/wal/1"), "{error}");
            }
            _ => panic!("{status}: {got:?}"),
        }
        let requests = server.requests.lock().unwrap();
        assert!(requests[0].to_ascii_lowercase().contains("if-none-match: *"), "{}", requests[0]);
        assert!(requests[0].starts_with("PUT /bucket/some%20root/wal/1 "), "{}", requests[0]);
    }
}

#[tokio::test]
async fn a_quota_under_another_status_is_a_full_store() {
    let server = Scripted::new("403 Forbidden", "", "<Error><Code>QuotaExceeded</Code></Error>");
    assert_eq!(create(&server).await.unwrap_err().kind(), ErrorKind::StorageFull);
}

// PITFALLS B7, D7
#[tokio::test]
async fn only_not_found_is_not_there() {
    let missing = Scripted::new("404 Not Found", "", "<Error><Code>NoSuchKey</Code></Error>").store();
    assert_eq!(missing.head("x").await.unwrap(), None);
    assert_eq!(missing.read("x").await.unwrap(), None);
    missing.delete("x").await.unwrap();
    for (status, kind) in [
        ("503 Slow Down", ErrorKind::Storage),
        ("500 Internal Server Error", ErrorKind::Storage),
        ("403 Forbidden", ErrorKind::PermissionDenied),
        ("401 Unauthorized", ErrorKind::PermissionDenied),
        ("400 Bad Request", ErrorKind::Storage),
    ] {
        let store = Scripted::new(status, "", "").store();
        assert_eq!(store.head("x").await.unwrap_err().kind(), kind, "head, {status}");
        assert_eq!(store.read("x").await.unwrap_err().kind(), kind, "get, {status}");
        assert_eq!(store.list("x").await.unwrap_err().kind(), kind, "list, {status}");
        assert_eq!(store.list_dirs("x").await.unwrap_err().kind(), kind, "list, {status}");
        assert_eq!(store.delete("x").await.unwrap_err().kind(), kind, "delete, {status}");
        assert_eq!(store.put("x", Bytes::new()).await.unwrap_err().kind(), kind, "put, {status}");
    }
}

#[tokio::test]
async fn long_pages_of_errors_are_cut() {
    let server = Scripted::new("400 Bad Request", "", &"ä".repeat(100_000));
    let error = create(&server).await.unwrap_err();
    assert!(error.message().len() < 3000, "{}", error.message().len());
}

#[tokio::test]
async fn the_size_is_known_before_the_body() {
    let headers = "ETag: \"1\"\r\nLast-Modified: Thu, 01 Jan 2026 00:00:00 GMT\r\n";
    let server = Scripted::new("200 OK", headers, "0123456789");
    let object = server.store().get("x").await.unwrap().unwrap();
    assert_eq!(object.size, 10);
    assert_eq!(object.body.await.unwrap(), "0123456789");
    let info = server.store().head("dir/x").await.unwrap().unwrap();
    assert_eq!((info.name.as_str(), info.size, info.modified.as_secs()), ("x", 10, 1_767_225_600));
}

#[tokio::test]
async fn retries_are_bounded_by_the_setting() {
    let server = Scripted::new("503 Slow Down", "", "");
    let store = open("s3://bucket/r", server.address, &[("weir_store_max_retries", "2")]);
    assert_eq!(store.head("x").await.unwrap_err().kind(), ErrorKind::Storage);
    assert_eq!(server.requests.lock().unwrap().len(), 3);
    assert_eq!(store.requests().head, 1, "what is counted is what was asked for");
}
