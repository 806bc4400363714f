//! Stores in a cloud, through `object_store`.
//!
//! Its own retry stays on, bounded more tightly than by default, so an `Exists` may be our own write and any error of a create
//! leaves the outcome unknown.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use object_store::path::Path;
use object_store::{
    ClientConfigKey, Error as ObjectError, GetOptions, GetRange, ObjectMeta, ObjectStore, ObjectStoreExt, PutMode, PutPayload, RetryConfig,
};

use super::memory::last_part;
use super::{Backend, Created, Object, ObjectInfo, Part, Settings};
use crate::env::BoxFuture;
use crate::error::{Error, ErrorKind, Result, bail, err};

/// Retries within one request, unless `weir_store_max_retries` says otherwise.
const MAX_RETRIES: usize = 3;
/// No retry begins later than this after a request began, unless `weir_store_retry_timeout_ms` says otherwise.
const RETRY_TIMEOUT: Duration = Duration::from_secs(30);
/// Servers answer errors with whole pages: no more of them than this goes into a message.
const MAX_MESSAGE: usize = 1000;

/// A bucket or container, and the client through which it is asked.
#[derive(Debug)]
struct ObjectBackend {
    store: Box<dyn ObjectStore>,
    identity: String,
}

fn parse(path: &str) -> Result<Path> {
    Path::parse(path).map_err(|e| err!(InvalidArgument, "{e}"))
}

impl ObjectBackend {
    /// The objects and directories below `dir`.
    async fn list_below(&self, dir: &str) -> Result<(Path, object_store::ListResult)> {
        let path = parse(dir)?;
        let listed = self.store.list_with_delimiter(Some(&path)).await.map_err(|e| convert(&e))?;
        Ok((path, listed))
    }
}

/// The environment's `AWS_…`, `GOOGLE_…` or `AZURE_…` variables, then the settings that this cloud knows.
macro_rules! build {
    ($builder:ty, $key:ty, $bucket:expr, $settings:expr, $endpoint:expr) => {{
        let mut builder = <$builder>::from_env().with_url($bucket).with_retry(retry($settings));
        for (key, value) in $settings.pairs() {
            if let Ok(key) = key.parse::<$key>() {
                builder = builder.with_config(key, value);
            }
        }
        for (key, timeout) in timeouts($settings) {
            builder = builder.with_config(<$key>::Client(key), format!("{}ms", timeout.as_millis()));
        }
        let endpoint = builder.get_config_value(&$endpoint).unwrap_or_default();
        let store = builder.build().map_err(|e| err!(InvalidArgument, "{}", message(&e)))?;
        Ok(Arc::new(ObjectBackend { store: Box::new(store), identity: format!("{}@{endpoint}", $bucket) }))
    }};
}

#[cfg(feature = "s3")]
pub(crate) fn s3(bucket: &str, settings: &Settings) -> Result<Arc<dyn Backend>> {
    use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey as Key};
    build!(AmazonS3Builder, Key, bucket, settings, Key::Endpoint)
}

#[cfg(feature = "gcs")]
pub(crate) fn gcs(bucket: &str, settings: &Settings) -> Result<Arc<dyn Backend>> {
    use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey as Key};
    build!(GoogleCloudStorageBuilder, Key, bucket, settings, Key::BaseUrl)
}

#[cfg(feature = "azure")]
pub(crate) fn azure(container: &str, settings: &Settings) -> Result<Arc<dyn Backend>> {
    use object_store::azure::{AzureConfigKey as Key, MicrosoftAzureBuilder};
    build!(MicrosoftAzureBuilder, Key, container, settings, Key::AccountName)
}

fn retry(settings: &Settings) -> RetryConfig {
    RetryConfig {
        max_retries: settings.max_retries.unwrap_or(MAX_RETRIES),
        retry_timeout: settings.retry_timeout.unwrap_or(RETRY_TIMEOUT),
        ..RetryConfig::default()
    }
}

/// The time limits that weir's own settings set; `object_store`'s defaults are 30 s for a request and 5 s to connect.
fn timeouts(settings: &Settings) -> impl Iterator<Item = (ClientConfigKey, Duration)> {
    let request = settings.request_timeout.map(|timeout| (ClientConfigKey::Timeout, timeout));
    let connect = settings.connect_timeout.map(|timeout| (ClientConfigKey::ConnectTimeout, timeout));
    request.into_iter().chain(connect)
}

impl Backend for ObjectBackend {
    fn create<'a>(&'a self, path: &'a str, body: &'a [Bytes]) -> BoxFuture<'a, Result<Created>> {
        Box::pin(async move {
            let payload: PutPayload = body.iter().cloned().collect();
            match self.store.put_opts(&parse(path)?, payload, PutMode::Create.into()).await {
                Ok(_) => Ok(Created::Done),
                Err(ObjectError::AlreadyExists { .. } | ObjectError::Precondition { .. } | ObjectError::NotModified { .. }) => {
                    Ok(Created::Exists)
                }
                Err(error) => Err(convert(&error)),
            }
        })
    }

    fn put<'a>(&'a self, path: &'a str, body: Bytes) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let outcome = self.store.put_opts(&parse(path)?, body.into(), PutMode::Overwrite.into()).await;
            outcome.map(|_| ()).map_err(|e| convert(&e))
        })
    }

    fn get<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<Option<Object>>> {
        Box::pin(async move {
            let Some(result) = found(self.store.get(&parse(path)?).await)? else {
                return Ok(None);
            };
            let (size, tag) = (result.meta.size, tag(&result.meta));
            let body = Box::pin(async move {
                let bytes = result.bytes().await.map_err(|e| convert(&e))?;
                if bytes.len() as u64 != size {
                    bail!(Storage, "the store sent {} bytes of an object of {size}", bytes.len());
                }
                Ok(bytes)
            });
            Ok(Some(Object { size, tag, body }))
        })
    }

    fn get_range<'a>(&'a self, path: &'a str, range: Range<u64>) -> BoxFuture<'a, Result<Option<Part>>> {
        Box::pin(async move {
            let location = parse(path)?;
            if range.is_empty() {
                return Ok(self.head(path).await?.map(|info| Part { size: info.size, bytes: Bytes::new() }));
            }
            let options = GetOptions { range: Some(GetRange::Bounded(range.clone())), ..GetOptions::default() };
            let result = match self.store.get_opts(&location, options).await {
                // The object ends before the range begins.
                Err(error) if status(&error.to_string()) == Some(416) => {
                    return Ok(self.head(path).await?.map(|info| Part { size: info.size, bytes: Bytes::new() }));
                }
                result => found(result)?,
            };
            let Some(result) = result else { return Ok(None) };
            let size = result.meta.size;
            let expected = range.end.min(size).saturating_sub(range.start);
            let bytes = result.bytes().await.map_err(|e| convert(&e))?;
            if bytes.len() as u64 != expected {
                bail!(Storage, "the store sent {} bytes of a range of {expected}", bytes.len());
            }
            Ok(Some(Part { size, bytes }))
        })
    }

    fn head<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<Option<ObjectInfo>>> {
        Box::pin(async move { Ok(found(self.store.head(&parse(path)?).await)?.map(|meta| info(last_part(path), &meta))) })
    }

    fn list<'a>(&'a self, dir: &'a str) -> BoxFuture<'a, Result<Vec<ObjectInfo>>> {
        Box::pin(async move {
            let (path, listed) = self.list_below(dir).await?;
            // An object with the name of the directory itself is a marker that some tools leave.
            let objects = listed.objects.iter().filter(|meta| meta.location != path);
            Ok(objects.map(|meta| info(last_part(meta.location.as_ref()), meta)).collect())
        })
    }

    fn list_dirs<'a>(&'a self, dir: &'a str) -> BoxFuture<'a, Result<Vec<String>>> {
        Box::pin(async move {
            let (_, listed) = self.list_below(dir).await?;
            Ok(listed.common_prefixes.iter().map(|dir| last_part(dir.as_ref()).to_owned()).collect())
        })
    }

    fn delete<'a>(&'a self, path: &'a str) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move { found(self.store.delete(&parse(path)?).await).map(|_| ()) })
    }

    fn make_dirs<'a>(&'a self, _dirs: &'a [&'a str]) -> BoxFuture<'a, Result<()>> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn is_blocking(&self) -> bool {
        false
    }

    fn identity(&self) -> Option<String> {
        Some(self.identity.clone())
    }
}

fn info(name: &str, meta: &ObjectMeta) -> ObjectInfo {
    let seconds = u64::try_from(meta.last_modified.timestamp()).unwrap_or(0);
    let modified = Duration::new(seconds, meta.last_modified.timestamp_subsec_nanos().min(999_999_999));
    ObjectInfo { name: name.to_owned(), size: meta.size, modified, tag: tag(meta) }
}

/// A weak tag tells less than is wanted.
fn tag(meta: &ObjectMeta) -> Option<String> {
    meta.e_tag.clone().filter(|tag| !tag.starts_with("W/"))
}

/// `None` where there is no such object. A bucket that does not exist is an error: its objects are not known to be missing.
fn found<T>(result: object_store::Result<T>) -> Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error @ ObjectError::NotFound { .. }) if !names_any(&error.to_string(), NO_BUCKET) => Ok(None),
        Err(error) => Err(convert(&error)),
    }
}

/// Codes by which servers say that the bucket or container does not exist.
const NO_BUCKET: &[&str] = &["NoSuchBucket", "ContainerNotFound"];
/// Codes by which servers say that there is no room, under whatever status.
const FULL: &[&str] = &["QuotaExceeded", "InsufficientStorage"];

fn names_any(text: &str, codes: &[&str]) -> bool {
    codes.iter().any(|code| text.contains(code))
}

/// The error as one of ours.
fn convert(error: &ObjectError) -> Error {
    let text = error.to_string();
    let kind = match (error, status(&text)) {
        (_, Some(507)) => ErrorKind::StorageFull,
        _ if names_any(&text, FULL) => ErrorKind::StorageFull,
        (ObjectError::PermissionDenied { .. } | ObjectError::Unauthenticated { .. }, _) | (_, Some(401 | 403)) => {
            ErrorKind::PermissionDenied
        }
        (ObjectError::NotFound { .. }, _) | (_, Some(404)) => ErrorKind::NotFound,
        (ObjectError::NotImplemented { .. } | ObjectError::NotSupported { .. }, _) | (_, Some(501)) => ErrorKind::Unsupported,
        (ObjectError::InvalidPath { .. } | ObjectError::UnknownConfigurationKey { .. }, _) => ErrorKind::InvalidArgument,
        _ => ErrorKind::Storage,
    };
    Error::new(kind, message(error))
}

/// The HTTP status that an error's text tells of. `object_store` does not export the type that holds it, and turns only some
/// statuses of some requests into variants of its error.
fn status(text: &str) -> Option<u16> {
    let (_, rest) = text.split_once("non-2xx status code: ")?;
    rest.get(..3)?.parse().ok()
}

/// The error's text, cut where it grows long.
fn message(error: &ObjectError) -> String {
    let mut text = error.to_string();
    if let Some((end, _)) = text.char_indices().nth(MAX_MESSAGE) {
        text.truncate(end);
        text.push('…');
    }
    text
}
