//! Opening stores by their URLs.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

use super::below::Below;
use super::delayed::Delayed;
use super::handle::identity;
use super::local::{LocalBackend, LocalOptions};
use super::location::{Cloud, Location};
use super::memory::MemoryBackend;
use super::{Backend, RequestCounts, Settings, Store};
use crate::env::Env;
use crate::error::Result;
#[cfg(not(all(feature = "s3", feature = "gcs", feature = "azure")))]
use crate::error::bail;

/// Opens the store at `url`: `file:///path`, a plain path, `memory://name`, `s3://bucket/prefix` (or `s3a`),
/// `gs://bucket/prefix`, `az://container/prefix` (or `abfs`, `abfss`). Makes no request: a root that does not exist, or a
/// server that does not answer, is found out by the first one.
pub fn open(url: &str, settings: &Settings, env: &Env) -> Result<Store> {
    Stores::new(settings.clone(), env.clone()).open(url, true)
}

/// Stores with the same settings: every place is opened once, and all places in one bucket or container share its client, and so its
/// connections and credentials.
#[derive(Debug)]
pub(crate) struct Stores {
    settings: Settings,
    env: Env,
    /// What is not opened but was given, and below which URL.
    given: Vec<(Location, Root)>,
    opened: Mutex<Opened>,
}

#[derive(Debug, Default)]
struct Opened {
    /// Of clouds, by the URL of the bucket.
    buckets: HashMap<String, Root>,
    /// By identity, and whether local writes are durable.
    stores: HashMap<(String, bool), Store>,
}

/// A backend of which parts are opened.
#[derive(Debug, Clone)]
struct Root {
    backend: Arc<dyn Backend>,
    identity: String,
}

impl Root {
    fn new(url: &str, backend: Arc<dyn Backend>) -> Self {
        let identity = identity(url, &backend);
        Self { backend, identity }
    }

    fn below(&self, prefix: &str) -> Arc<dyn Backend> {
        Arc::new(Below::new(Arc::clone(&self.backend), &self.identity, prefix))
    }
}

impl Stores {
    pub(crate) fn new(settings: Settings, env: Env) -> Self {
        Self { settings, env, given: Vec::new(), opened: Mutex::default() }
    }

    /// Has `backend` serve `url` and all that is below it.
    pub(crate) fn give(&mut self, url: &str, backend: Arc<dyn Backend>) -> Result<()> {
        let location = Location::parse(url)?;
        let root = Root::new(&location.url(), backend);
        self.given.push((location, root));
        Ok(())
    }

    /// The store at `url`. Only local ones regard `fsync`, unless the settings turn it off.
    pub(crate) fn open(&self, url: &str, fsync: bool) -> Result<Store> {
        let location = Location::parse(url)?;
        let (mut backend, fsync) = match (self.given(&location), &location) {
            (Some(backend), _) => (backend, false),
            (None, Location::Local(path)) => {
                let fsync = fsync && self.settings.fsync.unwrap_or(true);
                (Arc::new(LocalBackend::new(path, LocalOptions { fsync, ..LocalOptions::default() })) as Arc<dyn Backend>, fsync)
            }
            (None, Location::Memory { name, prefix }) => {
                (Arc::new(MemoryBackend::named(name, prefix, self.env.clock.clone())) as Arc<dyn Backend>, false)
            }
            (None, Location::Cloud { cloud, scheme, authority, prefix }) => {
                // Two names of one thing.
                let scheme = if scheme == "s3a" { "s3" } else { scheme };
                let root = self.bucket(*cloud, format!("{scheme}://{authority}")).map_err(|e| e.context(format_args!("open {url}")))?;
                (root.below(prefix), false)
            }
        };
        if !self.settings.simulated_latency.is_zero() {
            backend = Arc::new(Delayed::new(backend, self.env.clock.clone(), self.settings.simulated_latency));
        }
        // Only an open store knows where it really is, and may have to wait for the file system to say so: without the lock.
        let store = Store::new(location.url(), backend);
        Ok(self.opened.lock().stores.entry((store.identity(), fsync)).or_insert(store).clone())
    }

    /// The client of a bucket, made if there is none.
    fn bucket(&self, cloud: Cloud, url: String) -> Result<Root> {
        let mut opened = self.opened.lock();
        if let Some(root) = opened.buckets.get(&url) {
            return Ok(root.clone());
        }
        let root = Root::new(&url, client(cloud, &url, &self.settings)?);
        Ok(opened.buckets.entry(url).or_insert(root).clone())
    }

    /// Of what was given, the part that is at `location`; where several are, of what was given for the fewest.
    fn given(&self, location: &Location) -> Option<Arc<dyn Backend>> {
        let within = self.given.iter().filter_map(|(root, given)| Some((location.within(root)?, given)));
        within.min_by_key(|(prefix, _)| prefix.len()).map(|(prefix, given)| given.below(&prefix))
    }

    /// The requests of each store.
    pub(crate) fn requests(&self) -> Vec<RequestCounts> {
        self.opened.lock().stores.values().map(Store::requests).collect()
    }
}

/// A client of a bucket or container in a cloud that is compiled in.
#[cfg_attr(not(feature = "cloud"), expect(unused_variables))]
fn client(cloud: Cloud, bucket: &str, settings: &Settings) -> Result<Arc<dyn Backend>> {
    match cloud {
        #[cfg(feature = "s3")]
        Cloud::S3 => super::object::s3(bucket, settings),
        #[cfg(feature = "gcs")]
        Cloud::Gcs => super::object::gcs(bucket, settings),
        #[cfg(feature = "azure")]
        Cloud::Azure => super::object::azure(bucket, settings),
        #[cfg(not(feature = "s3"))]
        Cloud::S3 => bail!(Unsupported, "this build of weir has no S3 (feature `s3`)"),
        #[cfg(not(feature = "gcs"))]
        Cloud::Gcs => bail!(Unsupported, "this build of weir has no Google Cloud Storage (feature `gcs`)"),
        #[cfg(not(feature = "azure"))]
        Cloud::Azure => bail!(Unsupported, "this build of weir has no Azure Blob Storage (feature `azure`)"),
    }
}
