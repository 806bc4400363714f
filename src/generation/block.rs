//! Blocks of sorted keys, each with the row that it leads to.
//!
//! ```text
//! entry      shared varint · rest_len varint · row * 2 + tombstone varint · the key's rest_len last bytes
//! block      entries · offset of each restart u32 … · count of restarts u32
//! ```
//!
//! An entry's key begins with the `shared` first bytes of the one before it; at every 16th entry, a *restart*, it shares none, so
//! that a search halves its way to a restart and then reads on. Blocks are independent. All is little endian.

use bytes::Bytes;

use super::Hit;
use super::container::crc;

/// A block is closed when it has grown to this size.
const BLOCK_BYTES: usize = 4096;
/// How many entries lie between restarts.
const RESTART: usize = 16;

/// What a block that cannot be read is.
pub(super) type Check<T> = Result<T, String>;

/// Appends `value`, seven bits at a time.
pub(super) fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Takes a number off the front of `bytes`.
pub(super) fn varint(bytes: &mut &[u8]) -> Check<u64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first().ok_or("a number is cut off")?;
        *bytes = rest;
        let bits = u64::from(byte & 0x7f);
        if bits << shift >> shift != bits {
            break;
        }
        value |= bits << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err("a number is too large".into())
}

/// Takes `len` bytes off the front of `bytes`.
pub(super) fn take<'b>(bytes: &mut &'b [u8], len: u64) -> Check<&'b [u8]> {
    let split = usize::try_from(len).ok().and_then(|len| bytes.split_at_checked(len));
    let (taken, rest) = split.ok_or_else(|| format!("{len} bytes of {}", bytes.len()))?;
    *bytes = rest;
    Ok(taken)
}

/// Writes sorted entries as blocks, and the table that finds them.
#[derive(Debug, Default)]
pub(super) struct Builder {
    blocks: Vec<Bytes>,
    /// One entry per closed block.
    sparse: Vec<u8>,
    block: Vec<u8>,
    restarts: Vec<u32>,
    in_block: usize,
    first: Vec<u8>,
    last: Vec<u8>,
    entries: u64,
    first_of_all: Vec<u8>,
}

/// What a [`Builder`] made.
#[derive(Debug)]
pub(super) struct Built {
    pub blocks: Vec<Bytes>,
    pub sparse: Bytes,
    pub entries: u64,
    pub first_key: Bytes,
    pub last_key: Bytes,
}

impl Builder {
    /// Appends a key that is not before the last one.
    pub(super) fn push(&mut self, key: &[u8], hit: Hit) {
        debug_assert!(self.entries == 0 || *self.last <= *key, "keys must be sorted");
        let shared = if self.in_block.is_multiple_of(RESTART) {
            self.restarts.push(self.block.len() as u32);
            0
        } else {
            self.last.iter().zip(key).take_while(|(a, b)| a == b).count()
        };
        if self.in_block == 0 {
            self.first.clear();
            self.first.extend_from_slice(key);
        }
        if self.entries == 0 {
            self.first_of_all = key.to_vec();
        }
        put_varint(&mut self.block, shared as u64);
        put_varint(&mut self.block, (key.len() - shared) as u64);
        put_varint(&mut self.block, hit.row << 1 | u64::from(hit.tombstone));
        self.block.extend_from_slice(&key[shared..]);
        self.last.truncate(shared);
        self.last.extend_from_slice(&key[shared..]);
        self.in_block += 1;
        self.entries += 1;
        if self.block.len() >= BLOCK_BYTES {
            self.close();
        }
    }

    fn close(&mut self) {
        if self.in_block == 0 {
            return;
        }
        let restarts = std::mem::take(&mut self.restarts);
        for restart in &restarts {
            self.block.extend_from_slice(&restart.to_le_bytes());
        }
        self.block.extend_from_slice(&(restarts.len() as u32).to_le_bytes());
        put_varint(&mut self.sparse, self.first.len() as u64);
        self.sparse.extend_from_slice(&self.first);
        put_varint(&mut self.sparse, self.block.len() as u64);
        self.sparse.extend_from_slice(&crc(&self.block).to_le_bytes());
        self.blocks.push(std::mem::take(&mut self.block).into());
        self.in_block = 0;
    }

    pub(super) fn finish(mut self) -> Built {
        self.close();
        Built {
            blocks: self.blocks,
            sparse: self.sparse.into(),
            entries: self.entries,
            first_key: self.first_of_all.into(),
            last_key: self.last.into(),
        }
    }
}

/// Where the blocks are, and what each begins with.
#[derive(Debug)]
pub(super) struct Sparse {
    bytes: Bytes,
    blocks: Vec<Place>,
}

#[derive(Debug, Clone, Copy)]
struct Place {
    /// The first key, in `bytes`.
    key_at: usize,
    key_len: usize,
    /// The block, from the first one's beginning.
    at: u64,
    len: u64,
    crc: u32,
}

impl Sparse {
    /// Reads the table of blocks that have `total` bytes together.
    pub(super) fn read(bytes: Bytes, total: u64) -> Check<Self> {
        let mut rest: &[u8] = &bytes;
        let (mut blocks, mut at) = (Vec::new(), 0_u64);
        while !rest.is_empty() {
            let key_len = varint(&mut rest)?;
            let key_at = bytes.len() - rest.len();
            let key = take(&mut rest, key_len)?;
            let len = varint(&mut rest)?;
            let crc = take(&mut rest, 4)?;
            let crc = u32::from_le_bytes([crc[0], crc[1], crc[2], crc[3]]);
            blocks.push(Place { key_at, key_len: key.len(), at, len, crc });
            at = at.checked_add(len).filter(|at| *at <= total).ok_or("the blocks are longer than the file")?;
        }
        if at != total {
            return Err(format!("the blocks have {total} bytes, the table speaks of {at}"));
        }
        Ok(Self { bytes, blocks })
    }

    pub(super) fn len(&self) -> usize {
        self.blocks.len()
    }

    /// The memory that the table takes beside its bytes.
    pub(super) fn table_bytes(&self) -> usize {
        self.blocks.capacity() * size_of::<Place>()
    }

    fn first_key(&self, place: &Place) -> &[u8] {
        &self.bytes[place.key_at..][..place.key_len]
    }

    /// The first block that can hold `key` or one after it: equal keys may go over several blocks.
    pub(super) fn seek(&self, key: &[u8]) -> usize {
        self.blocks.partition_point(|place| self.first_key(place) < key).saturating_sub(1)
    }

    /// The only block that can hold `key`, where keys are unique.
    pub(super) fn find(&self, key: &[u8]) -> Option<usize> {
        self.blocks.partition_point(|place| self.first_key(place) <= key).checked_sub(1)
    }

    /// Whether the first key of block `index` is after `key`.
    pub(super) fn begins_after(&self, index: usize, key: &[u8]) -> bool {
        self.blocks.get(index).is_none_or(|place| self.first_key(place) > key)
    }

    /// Where the block lies, from the first one's beginning.
    pub(super) fn range(&self, index: usize) -> std::ops::Range<u64> {
        let place = &self.blocks[index];
        place.at..place.at + place.len
    }

    /// About how many of `total` entries are in blocks that may hold keys of `from` to `to`: at least 1 where there are any blocks.
    pub(super) fn estimate(&self, from: Option<&[u8]>, to: Option<&[u8]>, total: u64) -> u64 {
        let begin = from.map_or(0, |key| self.seek(key));
        let end = to.map_or(self.blocks.len(), |key| self.blocks.partition_point(|place| self.first_key(place) <= key));
        let (touched, all) = (end.saturating_sub(begin) as u64, self.blocks.len() as u64);
        total.saturating_mul(touched).checked_div(all).map_or(0, |entries| entries.max(1))
    }

    /// The block that `bytes` are, once found right.
    pub(super) fn check(&self, index: usize, bytes: Bytes) -> Check<Block> {
        let (place, crc) = (&self.blocks[index], crc(&bytes));
        if bytes.len() as u64 != place.len || crc != place.crc {
            return Err(format!("the checksum of block {index} is wrong"));
        }
        Block::read(bytes, crc)
    }

    /// The checksum of the block, by which a cache knows it.
    pub(super) fn crc(&self, index: usize) -> u32 {
        self.blocks[index].crc
    }
}

/// A block that was read.
#[derive(Debug, Clone)]
pub(super) struct Block {
    bytes: Bytes,
    /// Where the entries end and the restarts begin.
    end: usize,
    restarts: usize,
    crc: u32,
}

impl Block {
    pub(super) fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The checksum of its bytes.
    pub(super) fn crc(&self) -> u32 {
        self.crc
    }

    /// Of `bytes` with the checksum `crc`.
    pub(super) fn read(bytes: Bytes, crc: u32) -> Check<Self> {
        let (rest, count) = bytes.split_last_chunk::<4>().ok_or("a block is cut off")?;
        let restarts = u32::from_le_bytes(*count) as usize;
        let end = restarts.checked_mul(4).and_then(|len| rest.len().checked_sub(len)).filter(|_| restarts > 0);
        let end = end.ok_or_else(|| format!("a block with {restarts} restarts"))?;
        Ok(Self { bytes, end, restarts, crc })
    }

    fn restart(&self, index: usize) -> Check<usize> {
        let at = self.end + index * 4;
        let bytes = self.bytes.get(at..at + 4).ok_or("a restart is missing")?;
        let restart = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]) as usize;
        if restart < self.end { Ok(restart) } else { Err("a restart leads nowhere".into()) }
    }

    /// The key of restart `index`, which shares nothing.
    fn restart_key(&self, index: usize) -> Check<&[u8]> {
        let mut rest = &self.bytes[self.restart(index)?..self.end];
        let (shared, len, _) = (varint(&mut rest)?, varint(&mut rest)?, varint(&mut rest)?);
        if shared != 0 {
            return Err("a restart shares bytes".into());
        }
        take(&mut rest, len)
    }

    /// A walk from the first entry whose key is not before `key`.
    pub(super) fn from(&self, key: &[u8]) -> Check<Walk> {
        // The last restart before `key`: all entries before it are before `key` too.
        let (mut low, mut high) = (0, self.restarts);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.restart_key(middle)? < key {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        let mut walk = Walk { block: self.clone(), at: self.restart(low.saturating_sub(1))?, key: Vec::new(), ahead: None };
        while let Some(hit) = walk.next()? {
            if *walk.key >= *key {
                walk.ahead = Some(hit);
                break;
            }
        }
        Ok(walk)
    }

    /// A walk over all entries.
    pub(super) fn walk(&self) -> Walk {
        Walk { block: self.clone(), at: 0, key: Vec::new(), ahead: None }
    }

    /// What `key` leads to.
    pub(super) fn get(&self, key: &[u8]) -> Check<Option<Hit>> {
        let mut walk = self.from(key)?;
        let hit = walk.next()?;
        Ok(hit.filter(|_| *walk.key == *key))
    }
}

/// Goes through a block's entries in order.
#[derive(Debug, Clone)]
pub(super) struct Walk {
    block: Block,
    at: usize,
    /// The key of the entry that came last, or comes next if one was read ahead.
    pub(super) key: Vec<u8>,
    /// An entry that was read and not given out yet.
    ahead: Option<Hit>,
}

impl Walk {
    /// The next entry, whose key is then in `key`.
    pub(super) fn next(&mut self) -> Check<Option<Hit>> {
        if let Some(hit) = self.ahead.take() {
            return Ok(Some(hit));
        }
        if self.at >= self.block.end {
            return Ok(None);
        }
        let mut rest = &self.block.bytes[self.at..self.block.end];
        let (shared, len, value) = (varint(&mut rest)?, varint(&mut rest)?, varint(&mut rest)?);
        let tail = take(&mut rest, len)?;
        let shared = usize::try_from(shared).ok().filter(|shared| *shared <= self.key.len());
        self.key.truncate(shared.ok_or("a key shares more than there is")?);
        self.key.extend_from_slice(tail);
        self.at = self.block.end - rest.len();
        Ok(Some(Hit { row: value >> 1, tombstone: value & 1 == 1 }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hit(row: u64) -> Hit {
        Hit { row, tombstone: row.is_multiple_of(7) }
    }

    fn key(i: u64) -> Vec<u8> {
        format!("some/long/prefix/{:06}/{}", i * 3, "x".repeat(i as usize % 40)).into_bytes()
    }

    fn read(built: &Built) -> (Sparse, Vec<Block>) {
        let total = built.blocks.iter().map(|block| block.len() as u64).sum();
        let sparse = Sparse::read(built.sparse.clone(), total).unwrap();
        let blocks = built.blocks.iter().enumerate().map(|(i, block)| sparse.check(i, block.clone()).unwrap()).collect();
        (sparse, blocks)
    }

    #[test]
    fn every_key_is_found_and_no_other() {
        for count in [0, 1, 16, 17, 5000] {
            let mut builder = Builder::default();
            (0..count).for_each(|i| builder.push(&key(i), hit(i * 11)));
            let built = builder.finish();
            assert_eq!(built.entries, count);
            let (sparse, blocks) = read(&built);
            assert!(count < 5000 || blocks.len() > 20, "{}", blocks.len());
            let get = |key: &[u8]| sparse.find(key).and_then(|block| blocks[block].get(key).unwrap());
            for i in 0..count {
                assert_eq!(get(&key(i)), Some(hit(i * 11)), "{i}");
                assert_eq!(get(format!("some/long/prefix/{:06}/", i * 3 + 1).as_bytes()), None);
            }
            assert_eq!((get(b""), get(b"a"), get(b"z")), (None, None, None));
            let mut all = Vec::new();
            for block in &blocks {
                let mut walk = block.walk();
                while let Some(hit) = walk.next().unwrap() {
                    all.push((walk.key.clone(), hit));
                }
            }
            assert_eq!(all, (0..count).map(|i| (key(i), hit(i * 11))).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_walk_begins_at_the_first_of_equal_keys() {
        let mut builder = Builder::default();
        let keys: Vec<Vec<u8>> = (0..4000_u64).map(|i| format!("{:04}{}", i / 900 * 2, "y".repeat(20)).into_bytes()).collect();
        keys.iter().enumerate().for_each(|(row, key)| builder.push(key, Hit { row: row as u64, tombstone: false }));
        let (sparse, blocks) = read(&builder.finish());
        for wanted in [&b"0000"[..], b"0001", b"0002", b"0004yyyyyyyyyyyyyyyyyyyy", b"0008z", b"9"] {
            let mut found = Vec::new();
            for (index, block) in blocks.iter().enumerate().skip(sparse.seek(wanted)) {
                let mut walk = if index == sparse.seek(wanted) { block.from(wanted).unwrap() } else { block.walk() };
                while let Some(hit) = walk.next().unwrap() {
                    found.push(hit.row as usize);
                }
            }
            let expected: Vec<usize> = (0..4000).filter(|i| &*keys[*i] >= wanted).collect();
            assert_eq!(found, expected, "{}", String::from_utf8_lossy(wanted));
        }
    }

    // PITFALLS C10: a block is read only if its checksum is right, and even without that nothing panics.
    #[test]
    fn noise_is_an_error_and_no_panic() {
        let mut builder = Builder::default();
        (0..100).for_each(|i| builder.push(&key(i), hit(i)));
        let built = builder.finish();
        let (sparse, _) = read(&built);
        let block = &built.blocks[0];
        for at in 0..block.len() {
            for bit in 0..8 {
                let mut bad = block.to_vec();
                bad[at] ^= 1 << bit;
                assert!(sparse.check(0, bad.clone().into()).is_err(), "byte {at}, bit {bit}");
                if let Ok(unchecked) = Block::read(bad.into(), 0) {
                    let _ = unchecked.get(&key(50));
                    let mut walk = unchecked.walk();
                    while let Ok(Some(_)) = walk.next() {}
                }
            }
            assert!(sparse.check(0, block.slice(..at)).is_err(), "cut to {at}");
        }
        let total = built.blocks.iter().map(|block| block.len() as u64).sum::<u64>();
        for at in 0..built.sparse.len() {
            assert!(Sparse::read(built.sparse.slice(..at), total).is_err() || at == 0 && total == 0);
        }
    }

    #[test]
    fn numbers_of_every_size() {
        for value in [0, 1, 127, 128, 16_383, 16_384, u64::from(u32::MAX), u64::MAX >> 1, u64::MAX] {
            let mut bytes = Vec::new();
            put_varint(&mut bytes, value);
            assert_eq!(varint(&mut &bytes[..]), Ok(value));
            assert!(varint(&mut &bytes[..bytes.len() - 1]).is_err());
        }
        assert!(varint(&mut &[0xff; 11][..]).is_err());
        assert!(varint(&mut &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2][..]).is_err());
    }
}
