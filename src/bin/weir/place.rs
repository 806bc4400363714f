//! Where a command works: the root's store and the shard in it.

use std::future::Future;
use std::path::PathBuf;

use weir::env::Env;
use weir::error::{Error, ErrorKind, Result};
use weir::runtime;
use weir::shard::manifest::ManifestOptions;
use weir::shard::{ManifestStore, ShardPath};
use weir::store::{self, Settings, Store};
use weir::wal::positions;

pub struct Place {
    pub store: Store,
    pub env: Env,
}

impl Place {
    /// The root at `root`, which need not exist.
    pub fn open(root: &str, settings: &[(String, String)]) -> Result<Self> {
        let settings = Settings::new(settings.iter().cloned())?;
        // The clients of clouds want to find it running.
        runtime::handle()?;
        let env = runtime::env();
        Ok(Self { store: store::open(root, &settings, &env)?, env })
    }

    /// The root at `root`, which must exist. Where roots are not things of their own, as in a bucket, that shows later.
    pub fn existing(root: &str, settings: &[(String, String)]) -> Result<Self> {
        let place = Self::open(root, settings)?;
        match local_path(root) {
            Some(path) if !path.exists() => {
                Err(Error::new(ErrorKind::NotFound, format!("the root {} does not exist", place.store.url())).with_str("root", root))
            }
            Some(path) if !path.is_dir() => {
                Err(Error::new(ErrorKind::InvalidArgument, format!("the root {} is not a directory", place.store.url())))
            }
            _ => Ok(place),
        }
    }

    pub fn manifests(&self, shard: &ShardPath) -> ManifestStore {
        ManifestStore::new(self.store.clone(), shard.clone(), self.env.clone(), ManifestOptions::default())
    }

    /// Whether anything of the shard is there.
    pub async fn has(&self, shard: &ShardPath) -> Result<bool> {
        Ok(positions::exists(&self.store, shard, 1).await?
            || !self.manifests(shard).listed().await?.is_empty()
            || !positions::listed(&self.store, shard).await?.is_empty())
    }

    /// That there is no such shard.
    pub fn no_shard(&self, shard: &ShardPath) -> Error {
        Error::new(ErrorKind::NotFound, format!("there is no shard {} at {}", shard.id(), self.store.url()))
    }

    pub async fn require(&self, shard: &ShardPath) -> Result<()> {
        if self.has(shard).await? { Ok(()) } else { Err(self.no_shard(shard)) }
    }
}

/// The path that `root` names, if it is a local one.
fn local_path(root: &str) -> Option<PathBuf> {
    if root.contains("://") { url::Url::parse(root).ok()?.to_file_path().ok() } else { Some(PathBuf::from(root)) }
}

/// Runs `future` on this thread, however long it takes.
pub fn block_on<T>(future: impl Future<Output = Result<T>>) -> Result<T> {
    runtime::block_on(future, -1)
}
