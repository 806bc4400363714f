//! Opening a store by its URL.

use std::sync::Arc;

use super::delayed::Delayed;
use super::local::{LocalBackend, LocalOptions};
use super::location::{Cloud, Location};
use super::memory::MemoryBackend;
use super::{Backend, Settings, Store};
use crate::env::Env;
use crate::error::Result;
#[cfg(not(all(feature = "s3", feature = "gcs", feature = "azure")))]
use crate::error::bail;

/// Opens the store at `url`: `file:///path`, a plain path, `memory://name`, `s3://bucket/prefix` (or `s3a`),
/// `gs://bucket/prefix`, `az://container/prefix` (or `abfs`, `abfss`). Makes no request: a root that does not exist, or a
/// server that does not answer, is found out by the first one.
pub fn open(url: &str, settings: &Settings, env: &Env) -> Result<Store> {
    let location = Location::parse(url)?;
    let mut backend: Arc<dyn Backend> = match &location {
        Location::Local(path) => {
            let options = LocalOptions { fsync: settings.fsync.unwrap_or(true), ..LocalOptions::default() };
            Arc::new(LocalBackend::new(path, options))
        }
        Location::Memory { name, prefix } => Arc::new(MemoryBackend::named(name, prefix, env.clock.clone())),
        Location::Cloud { cloud, scheme, authority, prefix } => {
            open_cloud(*cloud, &format!("{scheme}://{authority}"), prefix, settings).map_err(|e| e.context(format_args!("open {url}")))?
        }
    };
    if !settings.simulated_latency.is_zero() {
        backend = Arc::new(Delayed::new(backend, env.clock.clone(), settings.simulated_latency));
    }
    Ok(Store::new(location.url(), backend))
}

/// Opens a cloud that is compiled in.
#[cfg_attr(not(feature = "cloud"), expect(unused_variables))]
fn open_cloud(cloud: Cloud, bucket: &str, prefix: &str, settings: &Settings) -> Result<Arc<dyn Backend>> {
    match cloud {
        #[cfg(feature = "s3")]
        Cloud::S3 => super::object::s3(bucket, prefix, settings),
        #[cfg(feature = "gcs")]
        Cloud::Gcs => super::object::gcs(bucket, prefix, settings),
        #[cfg(feature = "azure")]
        Cloud::Azure => super::object::azure(bucket, prefix, settings),
        #[cfg(not(feature = "s3"))]
        Cloud::S3 => bail!(Unsupported, "this build of weir has no S3 (feature `s3`)"),
        #[cfg(not(feature = "gcs"))]
        Cloud::Gcs => bail!(Unsupported, "this build of weir has no Google Cloud Storage (feature `gcs`)"),
        #[cfg(not(feature = "azure"))]
        Cloud::Azure => bail!(Unsupported, "this build of weir has no Azure Blob Storage (feature `azure`)"),
    }
}
