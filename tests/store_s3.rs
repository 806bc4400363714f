//! The S3 store against a real server, with requests cut and answers lost in between.

#![cfg(feature = "s3")]

mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use support::proxy::{Loss, Proxy, Trouble};
use support::s3::{S3Server, open};
use weir::error::ErrorKind;
use weir::store::{Created, Store};

const BUCKET: &str = "weir-test";

/// One server for all tests of this file: it takes seconds to start. It ends with this process.
fn server() -> Option<SocketAddr> {
    static SERVER: OnceLock<Option<S3Server>> = OnceLock::new();
    let server = SERVER.get_or_init(|| {
        let server = S3Server::start()?;
        server.create_bucket(BUCKET);
        Some(server)
    });
    server.as_ref().map(S3Server::address)
}

/// A root of one's own.
fn root() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!("s3://{BUCKET}/root-{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

fn body(text: &'static str) -> Vec<Bytes> {
    vec![Bytes::from_static(&text.as_bytes()[..1]), Bytes::from_static(&text.as_bytes()[1..])]
}

async fn read(store: &Store, path: &str) -> Option<Bytes> {
    store.read(path).await.unwrap()
}

/// A part beyond the end is no error of the store's (416): the object's size is told, and that there are no bytes.
#[tokio::test]
async fn reads_parts_of_objects() {
    let Some(address) = server() else { return };
    let store = open(&root(), address, &[]);
    let whole: Bytes = (0..=255).cycle().take(100_000).collect::<Vec<u8>>().into();
    store.create("a/x", std::slice::from_ref(&whole)).await.unwrap();
    for range in [0..1, 0..100_000, 5000..70_000, 99_999..200_000, 100_000..100_001, 200_000..300_000, 5..5, 200_000..200_000] {
        let part = store.get_range("a/x", range.clone()).await.unwrap().unwrap();
        let clip = |at: u64| (at as usize).min(whole.len());
        assert_eq!(part.size, 100_000);
        assert!(part.bytes == whole[clip(range.start)..clip(range.end)], "{range:?}: {} bytes", part.bytes.len());
    }
    assert_eq!(store.get_range("a/y", 0..10).await.unwrap(), None);
    assert_eq!(store.get_range("a/y", 0..0).await.unwrap(), None);
}

#[tokio::test]
async fn creates_reads_lists_and_deletes() {
    let Some(address) = server() else { return };
    for root in [root(), format!("{}/with%20space/ünï~code/a+b/", root())] {
        let store = open(&root, address, &[]);
        assert!(!store.is_blocking());
        store.make_dirs(&["a/wal"]).await.unwrap();
        assert_eq!(store.create("a/wal/1.arrow", &body("one")).await.unwrap(), Created::Done);
        assert_eq!(store.create("a/wal/1.arrow", &body("two")).await.unwrap(), Created::Exists);
        assert_eq!(read(&store, "a/wal/1.arrow").await.unwrap(), "one");
        assert_eq!(read(&store, "a/wal/2.arrow").await, None);
        let object = store.get("a/wal/1.arrow").await.unwrap().unwrap();
        assert_eq!((object.size, object.body.await.unwrap()), (3, Bytes::from_static(b"one")));

        let info = store.head("a/wal/1.arrow").await.unwrap().unwrap();
        assert_eq!((info.name.as_str(), info.size), ("1.arrow", 3));
        assert_eq!(store.head("a/wal/2.arrow").await.unwrap(), None);
        store.put("a/hint.json", Bytes::from_static(b"1")).await.unwrap();
        store.put("a/hint.json", Bytes::from_static(b"22")).await.unwrap();
        assert_eq!(read(&store, "a/hint.json").await.unwrap(), "22");

        let names = |objects: Vec<weir::store::ObjectInfo>| objects.into_iter().map(|o| o.name).collect::<Vec<_>>();
        assert_eq!(names(store.list("a/wal").await.unwrap()), ["1.arrow"]);
        assert_eq!(names(store.list("a").await.unwrap()), ["hint.json"]);
        assert_eq!(store.list_dirs("a").await.unwrap(), ["wal"]);
        assert_eq!(store.list_dirs("").await.unwrap(), ["a"]);
        assert_eq!(store.list("nowhere").await.unwrap(), vec![]);

        store.delete("a/wal/1.arrow").await.unwrap();
        store.delete("a/wal/1.arrow").await.unwrap();
        assert_eq!(store.list("a/wal").await.unwrap(), vec![]);
    }
}

#[tokio::test]
async fn more_objects_than_one_page_are_listed() {
    let Some(address) = server() else { return };
    let store = open(&root(), address, &[]);
    for batch in 0..11 {
        let puts = (0..100).map(|i| {
            let store = store.clone();
            async move { store.put(&format!("d/{}", batch * 100 + i), Bytes::from_static(b"x")).await.unwrap() }
        });
        futures_util::future::join_all(puts).await;
    }
    assert_eq!(store.list("d").await.unwrap().len(), 1100);
}

// PITFALLS A1
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_sixteen_creators_one_wins() {
    let Some(address) = server() else { return };
    let store = open(&root(), address, &[]);
    for round in 0..10 {
        let path = format!("wal/{round}");
        let creators: Vec<_> = (0..16_u8)
            .map(|i| {
                let (store, path) = (store.clone(), path.clone());
                tokio::spawn(async move { store.create(&path, &[Bytes::from(vec![i; 100])]).await.unwrap() })
            })
            .collect();
        let mut winners = vec![];
        for (i, creator) in creators.into_iter().enumerate() {
            if creator.await.unwrap() == Created::Done {
                winners.push(i as u8);
            }
        }
        assert_eq!(winners.len(), 1, "{winners:?}");
        assert_eq!(read(&store, &path).await.unwrap(), vec![winners[0]; 100]);
    }
}

// PITFALLS A3, A8; STORES.md, "The client", 1 and 2
#[tokio::test]
async fn a_lost_answer_is_exists_or_an_error_and_the_object_is_there() {
    let Some(address) = server() else { return };
    let proxy = Proxy::start(address);
    for (retries, loss) in
        [("3", Loss::Fin), ("0", Loss::Fin), ("3", Loss::Reset), ("0", Loss::Reset), ("3", Loss::Hang), ("0", Loss::Hang)]
    {
        let extra = [("weir_store_max_retries", retries), ("weir_request_timeout_ms", "1500")];
        let root = root();
        let store = open(&root, proxy.address(), &extra);
        let troubles = proxy.troubles();
        proxy.on_next("PUT", 1, Trouble::LoseAnswer(loss));
        match store.create("wal/1", &body("mine")).await {
            // The client tried again by itself and met its own object.
            Ok(created) => {
                assert_eq!((retries, created), ("3", Created::Exists), "{loss:?}");
            }
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Storage, "{error}");
                assert!(error.message().contains(&format!("{root}/wal/1")), "{error}");
            }
        }
        assert_eq!(proxy.troubles(), troubles + 1);
        assert_eq!(read(&store, "wal/1").await.unwrap(), "mine", "{retries} retries, {loss:?}");
    }
}

#[tokio::test]
async fn a_cut_request_leaves_nothing_or_is_made_again() {
    let Some(address) = server() else { return };
    let proxy = Proxy::start(address);
    let store = open(&root(), proxy.address(), &[("weir_store_max_retries", "0")]);
    proxy.on_next("PUT", 1, Trouble::CutRequest(200));
    assert_eq!(store.create("wal/1", &body("mine")).await.unwrap_err().kind(), ErrorKind::Storage);
    assert_eq!(read(&store, "wal/1").await, None);

    let store = open(&root(), proxy.address(), &[]);
    proxy.on_next("PUT", 1, Trouble::CutRequest(200));
    if store.create("wal/1", &body("mine")).await.is_err() {
        assert_eq!(store.create("wal/1", &body("mine")).await.unwrap(), Created::Done);
    }
    assert_eq!(read(&store, "wal/1").await.unwrap(), "mine");

    // PITFALLS B7: no answer is not "no such object".
    let store = open(&root(), proxy.address(), &[("weir_store_max_retries", "0")]);
    proxy.on_next("HEAD", 1, Trouble::LoseAnswer(Loss::Fin));
    assert_eq!(store.head("wal/1").await.unwrap_err().kind(), ErrorKind::Storage);
    proxy.on_next("GET", 1, Trouble::LoseAnswer(Loss::Fin));
    assert_eq!(store.read("wal/1").await.unwrap_err().kind(), ErrorKind::Storage);
    // PITFALLS D7: a failed listing is not an empty one.
    proxy.on_next("GET", 1, Trouble::LoseAnswer(Loss::Fin));
    assert_eq!(store.list("wal").await.unwrap_err().kind(), ErrorKind::Storage);
}

#[tokio::test]
async fn a_bucket_that_does_not_exist_is_an_error() {
    let Some(address) = server() else { return };
    let store = open("s3://no-such-bucket/root", address, &[]);
    for error in
        [store.read("wal/1").await.unwrap_err(), store.list("wal").await.unwrap_err(), store.create("wal/1", &body("x")).await.unwrap_err()]
    {
        assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
        assert!(error.message().contains("s3://no-such-bucket/root/wal"), "{error}");
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_an_error_within_the_limits() {
    let unused = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let store = open("s3://bucket/root", unused, &[("weir_store_max_retries", "1")]);
    let error = tokio::time::timeout(Duration::from_secs(20), store.head("x")).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Storage, "{error}");
}

#[tokio::test]
async fn a_good_store_passes_the_probe_once_and_is_left_clean() {
    let Some(address) = server() else { return };
    let store = open(&root(), address, &[]);
    store.ensure_create_if_absent().await.unwrap();
    let requests = store.requests();
    assert_eq!((requests.create, requests.delete, requests.total()), (2, 1, 3));
    store.clone().ensure_create_if_absent().await.unwrap();
    assert_eq!(store.requests(), requests);
    assert_eq!(store.list("_mem_wal").await.unwrap(), vec![]);
    // With its first answer lost, and the client's own retry met with "exists".
    let proxy = Proxy::start(address);
    let store = open(&root(), proxy.address(), &[]);
    proxy.on_next("PUT", 1, Trouble::LoseAnswer(Loss::Fin));
    store.ensure_create_if_absent().await.unwrap();
}

/// A server that answers every request with success, whatever its conditions: as some S3 look-alikes do.
fn careless_server() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(move || {
                let mut reader = BufReader::new(&client);
                loop {
                    let mut length = 0;
                    let mut line = String::new();
                    while reader.read_line(&mut line).is_ok_and(|read| read > 2) {
                        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                            length = value.trim().parse().unwrap();
                        }
                        line.clear();
                    }
                    if line.is_empty() || std::io::copy(&mut (&mut reader).take(length), &mut std::io::sink()).is_err() {
                        return;
                    }
                    let answer = b"HTTP/1.1 200 OK\r\nETag: \"1\"\r\nContent-Length: 0\r\n\r\n";
                    if (&client).write_all(answer).is_err() {
                        return;
                    }
                }
            });
        }
    });
    address
}

// STORES.md, "The client", 7
#[tokio::test]
async fn a_store_that_ignores_the_condition_is_refused() {
    let store = open("s3://bucket/root", careless_server(), &[]);
    let error = store.ensure_create_if_absent().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    assert!(error.message().contains("s3://bucket/root"), "{error}");
    assert_eq!(store.requests().delete, 1);
    // It is not taken on trust the second time either.
    assert_eq!(store.ensure_create_if_absent().await.unwrap_err().kind(), ErrorKind::Unsupported);
}

// STORES.md, "The client", 7
#[tokio::test]
async fn conditions_switched_off_by_a_setting_are_refused() {
    let store = open("s3://bucket/root", careless_server(), &[("aws_conditional_put", "disabled")]);
    let error = store.ensure_create_if_absent().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
}
