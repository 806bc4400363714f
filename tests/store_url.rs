//! What the URL of a root may be, and that it names the same place however it is written.

mod support;

use std::path::Path;

use bytes::Bytes;
use support::{now, real_env};
use weir::error::{Error, ErrorKind, Result};
use weir::store::{Created, Settings, Store};

fn open(url: &str) -> Result<Store> {
    weir::store::open(url, &Settings::default(), &real_env())
}

fn settings(pairs: &[(&str, &str)]) -> Result<Settings> {
    Settings::new(pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())))
}

fn fails(url: &str) -> Error {
    match open(url) {
        Ok(store) => panic!("{url:?} was opened as {}", store.url()),
        Err(error) => error,
    }
}

// PITFALLS G9
#[test]
fn local_roots_are_where_their_url_says() {
    let dir = tempfile::tempdir().unwrap();
    let base = dir.path().to_str().unwrap();
    for (url, place) in [
        ("file://{}/plain", "plain"),
        ("FILE://{}/upper", "upper"),
        ("file://localhost{}/host", "host"),
        ("file://{}/trailing/", "trailing"),
        ("file://{}/a//b///c", "a/b/c"),
        ("file://{}/./dot", "dot"),
        ("file://{}/a%20b", "a b"),
        ("file://{}/a b c", "a b c"),
        ("file://{}/what%3F%23%25", "what?#%"),
        ("file://{}/%C3%BCml%C3%A4ut", "ümläut"),
        ("file://{}/日本", "日本"),
        ("file://{}/co:lon@and+plus", "co:lon@and+plus"),
        ("{}/path", "path"),
        ("{}/path with space", "path with space"),
        ("{}/what?#", "what?#"),
        ("{}/a%20b-literal", "a%20b-literal"),
        ("{}//x//y/", "x/y"),
        ("{}/up/../down", "down"),
        ("{}/scheme/s3://bucket", "scheme/s3:/bucket"),
    ] {
        let url = url.replace("{}", base);
        if url.contains("/../") {
            std::fs::create_dir(dir.path().join("up")).unwrap();
        }
        let store = open(&url).unwrap_or_else(|e| panic!("{url}: {e}"));
        now(store.make_dirs(&["d"])).unwrap();
        assert_eq!(now(store.create("d/here", &[Bytes::new()])).unwrap(), Created::Done);
        assert!(dir.path().join(place).join("d/here").is_file(), "{url} is not at {place}");
        // The URL that messages give leads to the same place.
        let again = open(store.url()).unwrap();
        assert_eq!((again.url(), again.identity()), (store.url(), store.identity()), "{url}");
        assert_eq!(now(again.create("d/here", &[Bytes::new()])).unwrap(), Created::Exists, "{url}");
    }
}

#[test]
fn relative_paths_are_relative_to_the_working_directory() {
    let here = std::env::current_dir().unwrap();
    for (path, place) in [("some/root", "some/root"), ("./some//root/", "some/root"), ("root", "root"), ("a:b", "a:b")] {
        assert_eq!(open(path).unwrap().url(), format!("file://{}", here.join(place).display()), "{path}");
    }
    assert_eq!(open(".").unwrap().url(), format!("file://{}", here.display()));
    let above = here.canonicalize().unwrap().parent().unwrap().to_owned();
    assert_eq!(open("..").unwrap().url(), format!("file://{}", above.display()));
    assert_eq!(open("../a/b").unwrap().url(), format!("file://{}", above.join("a/b").display()));
    assert_eq!(open("/").unwrap().url_of("a"), "file:///a");
}

#[test]
fn memory_stores_are_known_by_name() {
    let write = |url: &str, path: &str| now(open(url).unwrap().create(path, &[Bytes::new()])).unwrap();
    assert_eq!(write("memory://url-one", "a/b"), Created::Done);
    assert_eq!(write("memory://url-one/", "a/b"), Created::Exists);
    assert_eq!(write("memory://url-two", "a/b"), Created::Done);
    assert_eq!(write("memory://url-one/a", "b"), Created::Exists);
    assert_eq!(write("memory://url-one//a//", "c"), Created::Done);
    assert_eq!(write("memory://url-one", "a/c"), Created::Exists);
    assert_eq!(now(open("memory://url-one/a").unwrap().list("")).unwrap().len(), 2);
    assert_eq!(now(open("memory://url-one").unwrap().list_dirs("")).unwrap(), ["a"]);
    assert_eq!(open("memory://url-one/a").unwrap().identity(), open("memory://url-one/a/").unwrap().identity());
    assert_ne!(open("memory://url-one").unwrap().identity(), open("memory://url-two").unwrap().identity());
}

#[cfg(feature = "s3")]
#[test]
fn cloud_roots_name_bucket_and_prefix() {
    for (url, shown) in [
        ("s3://bucket", "s3://bucket"),
        ("s3://bucket/", "s3://bucket"),
        ("s3://bucket//a//b/", "s3://bucket/a/b"),
        ("S3A://my.bucket-1/p", "s3a://my.bucket-1/p"),
        ("s3://bucket/a%20b", "s3://bucket/a%20b"),
        ("s3://bucket/a b", "s3://bucket/a%20b"),
        ("s3://bucket/x%3Fy%23z%25", "s3://bucket/x%3Fy%23z%25"),
    ] {
        assert_eq!(open(url).unwrap_or_else(|e| panic!("{url}: {e}")).url(), shown);
    }
    let identity = |url| open(url).unwrap().identity();
    assert_eq!(identity("s3://bucket/a b/"), identity("s3a://bucket//a%20b"));
    assert_ne!(identity("s3://bucket/a"), identity("s3://bucket/b"));
}

#[cfg(all(feature = "gcs", feature = "azure"))]
#[test]
fn the_other_clouds_open_without_a_request() {
    let pairs = [("azure_storage_account_name", "account"), ("azure_storage_account_key", "a2V5"), ("google_skip_signature", "true")];
    // The settings of one cloud do not disturb another, nor local stores.
    let settings = settings(&pairs).unwrap();
    for url in [
        "az://container/prefix",
        "abfs://container/prefix",
        "abfss://container@account.dfs.core.windows.net/prefix",
        "gs://bucket/prefix",
        "s3://bucket/prefix",
        "memory://clouds",
    ] {
        let store = weir::store::open(url, &settings, &real_env()).unwrap_or_else(|e| panic!("{url}: {e}"));
        assert_eq!((store.url(), store.requests().total()), (url, 0));
    }
}

// PITFALLS G9
#[test]
fn what_may_mean_another_place_is_refused_by_name() {
    use ErrorKind::{InvalidArgument, Unsupported};
    for (url, kind, says) in [
        ("", InvalidArgument, "empty"),
        ("/a\0b", InvalidArgument, "NUL"),
        ("file:///a%00b", InvalidArgument, "NUL"),
        ("file://relative/path", InvalidArgument, "three slashes"),
        ("file://", InvalidArgument, "no path"),
        ("file:/one/slash", InvalidArgument, "slashes"),
        ("s3:/bucket/one/slash", InvalidArgument, "slashes"),
        ("file:///a?b", InvalidArgument, "query"),
        ("file:///a#b", InvalidArgument, "fragment"),
        ("file:///a/../b", InvalidArgument, "`..`"),
        ("file:///a/%2e%2E/b", InvalidArgument, "`..`"),
        ("file:///100%", InvalidArgument, "%25"),
        ("file:///100%zz", InvalidArgument, "%25"),
        ("memory://", InvalidArgument, "no name"),
        ("memory:///prefix", InvalidArgument, "no name"),
        ("memory://a b", InvalidArgument, "letters"),
        ("s3://", InvalidArgument, "no bucket"),
        ("s3:///prefix", InvalidArgument, "no bucket"),
        ("s3://..", InvalidArgument, "bucket"),
        ("s3://bucket/a/../b", InvalidArgument, "`..`"),
        ("s3://bucket/a/./b", InvalidArgument, "`.`"),
        ("s3://bucket/a%2F..%2Fb", InvalidArgument, "`..`"),
        ("s3://bucket/a?versionId=1", InvalidArgument, "query"),
        ("s3://bucket/a#1", InvalidArgument, "fragment"),
        ("s3://bucket/%ff", InvalidArgument, "UTF-8"),
        ("s3://bucket/a%0Ab", InvalidArgument, "control"),
        ("s3://bucket:9000/a", InvalidArgument, "bucket"),
        ("az://container@", InvalidArgument, "no host"),
        ("http://example.com/a", Unsupported, "scheme"),
        ("hdfs://name/a", Unsupported, "scheme"),
        ("x://", Unsupported, "scheme"),
        ("/no/such/directory/../here", InvalidArgument, "cannot be resolved"),
    ] {
        let error = fails(url);
        assert_eq!(error.kind(), kind, "{url:?}: {error}");
        assert!(error.message().contains(says), "{url:?}: {error}");
        assert!(url.contains('\0') || error.message().contains(url), "{url:?} is not named by: {error}");
    }
}

#[test]
fn credentials_in_a_url_are_refused_and_not_repeated() {
    for url in ["s3://key:hush@bucket/a", "http://user:hush@host/", "s3://key:hush@bucket/a?b"] {
        let error = fails(url);
        assert!(!error.message().contains("hush"), "{error}");
    }
}

#[test]
fn settings_are_checked() {
    for (key, value, says) in [
        ("weir_fsnyc", "true", "weir_fsnyc"),
        ("aws_acess_key_id", "x", "aws_acess_key_id"),
        ("", "x", "\"\""),
        ("weir_fsync", "maybe", "weir_fsync must be true or false"),
        ("weir_request_timeout_ms", "0", "weir_request_timeout_ms"),
        ("weir_request_timeout_ms", "-1", "weir_request_timeout_ms"),
        ("weir_connect_timeout_ms", "5s", "weir_connect_timeout_ms"),
        ("weir_store_max_retries", "many", "weir_store_max_retries"),
        ("weir_store_retry_timeout_ms", "99999999999999999999", "weir_store_retry_timeout_ms"),
        ("weir_simulated_latency_ms", "86400001", "weir_simulated_latency_ms"),
    ] {
        let error = settings(&[(key, value)]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        assert!(error.message().contains(says), "{error}");
    }
    settings(&[("WEIR_FSYNC", "false"), ("weir_simulated_latency_ms", " 20 "), ("weir_store_max_retries", "0")]).unwrap();
    assert!(Settings::known_keys().contains(&"weir_fsync"));
}

#[cfg(feature = "s3")]
#[test]
fn a_value_that_the_cloud_cannot_read_is_refused_at_open() {
    let settings = settings(&[("aws_virtual_hosted_style_request", "perhaps")]).unwrap();
    let error = weir::store::open("s3://bucket/a", &settings, &real_env()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
    assert!(error.message().contains("s3://bucket/a"), "{error}");
    // Another store does not care.
    assert!(weir::store::open("memory://m", &settings, &real_env()).is_ok());
}

#[test]
fn simulated_latency_is_added_to_each_request() {
    let sim = support::Sim::new(1);
    let clock = sim.clock();
    let settings = settings(&[("weir_simulated_latency_ms", "20")]).unwrap();
    let store = weir::store::open("memory://latency", &settings, &sim.env()).unwrap();
    assert!(!store.is_blocking(), "who waits must not block a thread");
    sim.run(async {
        store.create("a/b", &[Bytes::from_static(b"x")]).await.unwrap();
        store.read("a/b").await.unwrap();
        store.list("a").await.unwrap();
    });
    assert_eq!(weir::env::Clock::now(&clock).as_millis(), 60);
    assert_eq!(store.requests().total(), 3);
}

#[test]
fn fsync_is_a_setting() {
    let dir = tempfile::tempdir().unwrap();
    let settings = settings(&[("weir_fsync", "false")]).unwrap();
    let store = weir::store::open(Path::to_str(dir.path()).unwrap(), &settings, &real_env()).unwrap();
    assert_eq!(now(store.create("a", &[Bytes::new()])).unwrap(), Created::Done);
}
