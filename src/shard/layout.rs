//! The names of a shard's objects (FORMAT.md, first section).
//!
//! Object stores list names in order and partition by prefix; writing positions bit-reversed spreads consecutive ones.
//! A name that is not exactly of the form written here is somebody else's and never an entry or a version.

use crate::error::{Result, err};

/// The directory below the root that holds every shard.
pub const MEM_WAL: &str = "_mem_wal";

const BITS: usize = 64;
const ENTRY_SUFFIX: &str = ".arrow";
const MANIFEST_SUFFIX: &str = ".binpb";

/// Where one shard's objects lie below its root.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ShardPath {
    id: uuid::Uuid,
    dir: String,
}

impl ShardPath {
    /// The shard called `id`, a UUID in its lower-case hyphenated form.
    ///
    /// # Errors
    /// `InvalidArgument` if `id` is anything else: two spellings of one shard would be two directories.
    pub fn new(id: &str) -> Result<Self> {
        let bad = || {
            err!(InvalidArgument, "shard id {id:?} is not a lower-case hyphenated UUID such as 00000000-0000-4000-8000-000000000001")
                .with_str("shard", id)
        };
        let uuid = uuid::Uuid::try_parse(id).map_err(|_| bad())?;
        if uuid.hyphenated().to_string() != id {
            return Err(bad());
        }
        Ok(Self { id: uuid, dir: format!("{MEM_WAL}/{id}") })
    }

    /// The shard's id.
    #[must_use]
    pub fn id(&self) -> uuid::Uuid {
        self.id
    }

    /// The shard's directory below the root.
    #[must_use]
    pub fn dir(&self) -> &str {
        &self.dir
    }

    /// The directory of the WAL entries.
    #[must_use]
    pub fn wal_dir(&self) -> String {
        format!("{}/wal", self.dir)
    }

    /// The directory of the manifest versions.
    #[must_use]
    pub fn manifest_dir(&self) -> String {
        format!("{}/manifest", self.dir)
    }

    /// The object of the WAL entry at `position`.
    #[must_use]
    pub fn entry(&self, position: u64) -> String {
        self.object("wal", position, ENTRY_SUFFIX)
    }

    /// The object of manifest version `version`.
    #[must_use]
    pub fn manifest(&self, version: u64) -> String {
        self.object("manifest", version, MANIFEST_SUFFIX)
    }

    /// The object of the manifest's hint.
    #[must_use]
    pub fn hint(&self) -> String {
        format!("{}/manifest/version_hint.json", self.dir)
    }

    fn object(&self, dir: &str, number: u64, suffix: &str) -> String {
        let mut path = String::with_capacity(self.dir.len() + dir.len() + BITS + suffix.len() + 2);
        path.push_str(&self.dir);
        path.push('/');
        path.push_str(dir);
        path.push('/');
        path.extend((0..BITS).map(|bit| if number >> bit & 1 == 1 { '1' } else { '0' }));
        path.push_str(suffix);
        path
    }
}

/// The position that an object's name says, if it is the name of a WAL entry.
#[must_use]
pub fn parse_entry(name: &str) -> Option<u64> {
    parse(name, ENTRY_SUFFIX)
}

/// The version that an object's name says, if it is the name of a manifest version.
#[must_use]
pub fn parse_manifest(name: &str) -> Option<u64> {
    parse(name, MANIFEST_SUFFIX)
}

fn parse(name: &str, suffix: &str) -> Option<u64> {
    let bits = name.strip_suffix(suffix)?.as_bytes();
    if bits.len() != BITS {
        return None;
    }
    let number = bits.iter().enumerate().try_fold(0_u64, |number, (bit, digit)| match digit {
        b'0' => Some(number),
        b'1' => Some(number | 1 << bit),
        _ => None,
    })?;
    (number != 0).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "00000000-0000-4000-8000-000000000001";

    #[test]
    fn names_are_bit_reversed() {
        let shard = ShardPath::new(ID).unwrap();
        let entry = shard.entry(5);
        assert_eq!(entry, format!("_mem_wal/{ID}/wal/101{}.arrow", "0".repeat(61)));
        assert_eq!(shard.manifest(2), format!("_mem_wal/{ID}/manifest/01{}.binpb", "0".repeat(62)));
        for n in [1, 2, 3, 5, 1 << 40, u64::MAX] {
            assert_eq!(parse_entry(shard.entry(n).rsplit('/').next().unwrap()), Some(n));
            assert_eq!(parse_manifest(shard.manifest(n).rsplit('/').next().unwrap()), Some(n));
        }
    }

    // PITFALLS C11: staging files and foreign files are never entries.
    #[test]
    fn foreign_names_are_not_entries() {
        let name = format!("1{}.arrow", "0".repeat(63));
        assert_eq!(parse_entry(&name), Some(1));
        for bad in [
            format!("{name}#1"),
            format!("{name}.tmp.00000000-0000-4000-8000-000000000001"),
            format!("1{}.arrow", "0".repeat(62)),
            format!("2{}.arrow", "0".repeat(63)),
            format!("{}.arrow", "0".repeat(64)),
            format!("1{}.binpb", "0".repeat(63)),
            "é".repeat(32) + ".arrow",
            String::new(),
        ] {
            assert_eq!(parse_entry(&bad), None, "{bad}");
        }
    }

    #[test]
    fn shard_ids_have_one_spelling() {
        for bad in [
            "",
            "x",
            "00000000000040008000000000000001",
            "{00000000-0000-4000-8000-000000000001}",
            "ABCDEF00-0000-4000-8000-000000000001",
            "../x",
        ] {
            assert_eq!(ShardPath::new(bad).unwrap_err().kind(), crate::error::ErrorKind::InvalidArgument, "{bad}");
        }
    }
}
