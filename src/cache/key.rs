//! Keys: a prefix that says whose the entry is, a key within it, and the name of the value's type.

use std::hash::{Hash, Hasher};

use quick_cache::Equivalent;

use crate::error::{Result, bail};

/// The most bytes that a key may have, all parts together: it names a value and is none.
const MAX_LEN: usize = 64 << 10;

/// A key, borrowed. Two keys are equal if all their parts are: bytes may be any, and do not run over from one part into the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key<'a> {
    /// What [`super::Cache::invalidate_prefix`] goes by: a tenant, a table, a shard.
    pub prefix: &'a [u8],
    /// The key within the prefix.
    pub key: &'a [u8],
    /// The name of the value's type, so that two types under one key are two entries (PITFALLS K2).
    pub type_name: &'a str,
}

impl<'a> Key<'a> {
    /// A key of these parts.
    #[must_use]
    pub fn new(prefix: &'a [u8], key: &'a [u8], type_name: &'a str) -> Self {
        Self { prefix, key, type_name }
    }

    /// How many bytes its parts have together.
    #[must_use]
    pub fn len(&self) -> usize {
        self.prefix.len() + self.key.len() + self.type_name.len()
    }

    /// Whether all its parts are empty, which is a key like any other.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// # Errors
    /// `InvalidArgument` if it is too long.
    pub fn check(&self) -> Result<()> {
        if self.len() > MAX_LEN {
            bail!(InvalidArgument, "a cache key of {} bytes is longer than {MAX_LEN}", self.len());
        }
        Ok(())
    }

    /// Whether invalidating `prefix` concerns it.
    #[must_use]
    pub fn is_under(&self, prefix: &[u8]) -> bool {
        self.prefix.starts_with(prefix)
    }
}

impl Hash for Key<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64((self.prefix.len() as u64) << 32 | self.key.len() as u64);
        state.write(self.prefix);
        state.write(self.key);
        state.write(self.type_name.as_bytes());
    }
}

impl std::fmt::Display for Key<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{} ({})", self.prefix.escape_ascii(), self.key.escape_ascii(), self.type_name)
    }
}

/// A key of its own: one allocation of the lengths of prefix and key and the parts one after the other.
#[derive(Clone)]
pub struct OwnedKey(Box<[u8]>);

const HEAD: usize = size_of::<u64>();

impl OwnedKey {
    /// The key, borrowed.
    #[must_use]
    pub fn as_key(&self) -> Key<'_> {
        let split = || {
            let (head, parts) = self.0.split_first_chunk::<HEAD>()?;
            let lens = u64::from_ne_bytes(*head);
            let (prefix, rest) = parts.split_at_checked((lens >> 32) as usize)?;
            let (key, type_name) = rest.split_at_checked((lens & u64::from(u32::MAX)) as usize)?;
            Some(Key { prefix, key, type_name: std::str::from_utf8(type_name).ok()? })
        };
        // Made from a key alone, so it always is one.
        split().unwrap_or(Key { prefix: &[], key: &[], type_name: "" })
    }

    /// How many bytes it has beyond those of its parts.
    pub(super) const OVERHEAD: usize = HEAD;
}

impl From<Key<'_>> for OwnedKey {
    fn from(key: Key<'_>) -> Self {
        let mut bytes = Vec::with_capacity(HEAD + key.len());
        bytes.extend_from_slice(&lens(key));
        bytes.extend_from_slice(key.prefix);
        bytes.extend_from_slice(key.key);
        bytes.extend_from_slice(key.type_name.as_bytes());
        Self(bytes.into_boxed_slice())
    }
}

impl PartialEq for OwnedKey {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl Eq for OwnedKey {}

impl Hash for OwnedKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_key().hash(state);
    }
}

impl Equivalent<OwnedKey> for Key<'_> {
    fn equivalent(&self, other: &OwnedKey) -> bool {
        let Some((head, parts)) = other.0.split_first_chunk::<HEAD>() else { return false };
        let (prefix, key) = (self.prefix.len(), self.key.len());
        u64::from_ne_bytes(*head) == u64::from_ne_bytes(lens(*self))
            && parts.len() == self.len()
            && same(&parts[..prefix], self.prefix)
            && same(&parts[prefix..prefix + key], self.key)
            && same(&parts[prefix + key..], self.type_name.as_bytes())
    }
}

/// The lengths of prefix and key, as an owned key begins with them.
fn lens(key: Key<'_>) -> [u8; HEAD] {
    ((key.prefix.len() as u64) << 32 | key.key.len() as u64).to_ne_bytes()
}

/// Whether both, of one length, are equal. Keys are short: the system's comparison costs more than it saves, most of all where one is
/// empty and its pointer dangles.
fn same(a: &[u8], b: &[u8]) -> bool {
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<8>(), b.as_chunks::<8>());
    a.iter().zip(b).all(|(a, b)| u64::from_ne_bytes(*a) == u64::from_ne_bytes(*b)) && a_rest.iter().zip(b_rest).all(|(a, b)| a == b)
}

impl std::fmt::Debug for OwnedKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.as_key().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::hash::{BuildHasher, RandomState};

    #[test]
    fn parts_do_not_run_into_each_other() {
        let keys = [
            Key::new(b"a", b"bc", "t"),
            Key::new(b"ab", b"c", "t"),
            Key::new(b"abc", b"", "t"),
            Key::new(b"", b"abc", "t"),
            Key::new(b"", b"abct", ""),
            Key::new(b"a", b"b", "ct"),
            Key::new(b"a\0", b"bc", "t"),
            Key::new(b"", b"", ""),
        ];
        let hasher = RandomState::new();
        for one in keys {
            let owned = OwnedKey::from(one);
            assert_eq!(owned.as_key(), one);
            assert_eq!(hasher.hash_one(&owned), hasher.hash_one(one));
            for other in keys {
                assert_eq!(other.equivalent(&owned), one == other, "{one} {other}");
            }
        }
    }

    #[test]
    fn a_key_too_long_is_refused() {
        assert!(Key::new(&[0; MAX_LEN], b"", "").check().is_ok());
        assert!(Key::new(&[0; MAX_LEN], b"x", "").check().is_err());
    }
}
