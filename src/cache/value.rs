//! Values: opaque bytes, Arrow batches, or any object with its size and, if it can be stored, its codec.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use arrow_array::RecordBatch;
use bytes::Bytes;

use super::footprint::Footprint;
use crate::error::{Error, Result, err};

/// Any object.
pub type Object = Arc<dyn Any + Send + Sync>;

/// A cached value. Cheap to clone; a clone is a lease: it stays valid whatever becomes of the entry.
#[derive(Clone)]
pub struct Value(Repr);

#[derive(Clone)]
enum Repr {
    Bytes(Arc<[u8]>),
    Batch(Arc<RecordBatch>),
    Object(Arc<Typed>),
}

struct Typed {
    object: Object,
    footprint: Footprint,
    /// Makes bytes of the object for backends that store bytes.
    encode: Option<fn(&(dyn Any + Send + Sync)) -> Option<Bytes>>,
}

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i32)]
pub enum Kind {
    /// Opaque bytes.
    Bytes = 1,
    /// An Arrow batch.
    Batch = 2,
    /// An object of the program's.
    Object = 3,
}

/// A type whose values a cache can hold as objects. See [`super::CacheKey`] for the way to them.
pub trait Cached: Send + Sync + Sized + 'static {
    /// Names the type in keys. Two types must not have the same; a change of the encoding makes it another.
    const TYPE_NAME: &'static str;

    /// Says what the value holds.
    fn footprint(&self, footprint: &mut Footprint);

    /// The value as bytes, for backends that store bytes; `None` if it cannot be stored.
    fn encode(&self) -> Option<Bytes> {
        None
    }

    /// A value of bytes that [`Self::encode`] made, if only they came back whole.
    ///
    /// # Errors
    /// Any: bytes that cannot be decoded are a miss.
    fn decode(bytes: Bytes) -> Result<Self> {
        let _ = bytes;
        Err(err!(Unsupported, "{} has no codec", Self::TYPE_NAME))
    }
}

impl Value {
    /// A value of opaque bytes.
    pub fn bytes(bytes: impl Into<Arc<[u8]>>) -> Self {
        Self(Repr::Bytes(bytes.into()))
    }

    /// A value of a batch, whose buffers it shares.
    #[must_use]
    pub fn batch(batch: RecordBatch) -> Self {
        Self(Repr::Batch(Arc::new(batch)))
    }

    /// A value of an object, which it shares.
    #[must_use]
    pub fn object<T: Cached>(object: Arc<T>) -> Self {
        let mut footprint = Footprint::default();
        object.footprint(&mut footprint);
        let encode = |object: &(dyn Any + Send + Sync)| object.downcast_ref::<T>().and_then(T::encode);
        Self(Repr::Object(Arc::new(Typed { object, footprint, encode: Some(encode) })))
    }

    /// A value of an object of a type that has no codec, with what it holds.
    #[must_use]
    pub fn opaque(object: Object, footprint: Footprint) -> Self {
        Self(Repr::Object(Arc::new(Typed { object, footprint, encode: None })))
    }

    /// What it is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match &self.0 {
            Repr::Bytes(_) => Kind::Bytes,
            Repr::Batch(_) => Kind::Batch,
            Repr::Object(_) => Kind::Object,
        }
    }

    /// The bytes, if that is what it is.
    #[must_use]
    pub fn as_bytes(&self) -> Option<&Arc<[u8]>> {
        match &self.0 {
            Repr::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// The batch, if that is what it is.
    #[must_use]
    pub fn as_batch(&self) -> Option<&RecordBatch> {
        match &self.0 {
            Repr::Batch(batch) => Some(batch),
            _ => None,
        }
    }

    /// The object, if that is what it is and it is a `T`.
    #[must_use]
    pub fn as_object<T: Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        match &self.0 {
            Repr::Object(typed) => Arc::clone(&typed.object).downcast().ok(),
            _ => None,
        }
    }

    /// The `T` that it is or, as a backend that stores bytes gives it back, encodes; `None` for bytes that cannot be decoded.
    ///
    /// # Errors
    /// `InvalidArgument` if it is something else (PITFALLS K2).
    pub fn decode<T: Cached>(&self) -> Result<Option<Arc<T>>> {
        if let Some(object) = self.as_object() {
            return Ok(Some(object));
        }
        match &self.0 {
            Repr::Bytes(bytes) => Ok(T::decode(Bytes::from_owner(Arc::clone(bytes))).ok().map(Arc::new)),
            _ => Err(self.mismatch(T::TYPE_NAME)),
        }
    }

    /// The error of who wanted something else than it is.
    pub(crate) fn mismatch(&self, wanted: &str) -> Error {
        err!(InvalidArgument, "the cache holds a value of another type under the key: {:?}, and not {wanted}", self.kind())
    }

    /// The value as bytes, for backends that store bytes: those that it is, or what the object's codec makes of it.
    #[must_use]
    pub fn encoded(&self) -> Option<Bytes> {
        match &self.0 {
            Repr::Bytes(bytes) => Some(Bytes::from_owner(Arc::clone(bytes))),
            Repr::Batch(_) => None,
            Repr::Object(typed) => typed.encode.and_then(|encode| encode(&*typed.object)),
        }
    }

    /// What it holds.
    #[must_use]
    pub fn footprint(&self) -> Footprint {
        match &self.0 {
            Repr::Bytes(bytes) => {
                let mut footprint = Footprint::default();
                footprint.add(bytes.len());
                footprint
            }
            Repr::Batch(batch) => {
                let mut footprint = Footprint::default();
                footprint.add_batch(batch);
                footprint
            }
            Repr::Object(typed) => typed.footprint.clone(),
        }
    }

    /// The memory that it holds by itself, in bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        match &self.0 {
            Repr::Bytes(bytes) => bytes.len() as u64,
            _ => self.footprint().total(),
        }
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Value({:?}, {} bytes)", self.kind(), self.size())
    }
}
