//! A shard: where its objects lie and which epoch owns it.
//!
//! [`layout`] names the objects, [`manifest`] keeps the immutable, contiguous versions that carry the epoch, [`routing`]
//! hashes rows to shards.

mod cached;
mod checksum;
pub mod layout;
pub mod manifest;
pub mod routing;

pub use layout::ShardPath;
pub use manifest::{Manifest, ManifestStore};
