//! How the types of `core` become columns and come back.

use std::time::Duration;

use symbolon_core::id::Id;
use symbolon_core::names::{DeviceType, DisplayName, EmailAddress, Source, Username};
use symbolon_core::network::Network;
use symbolon_core::secret::{Digest, Nonce};
use symbolon_core::{Timestamp, keys::KeyId};

use crate::error::StoreError;
use crate::sql::{Row, Value};

/// Binds arguments in the order of `$1…`.
macro_rules! args {
    ($($value:expr),* $(,)?) => { &[$($crate::sql::Value::from($value)),*] };
}
pub(crate) use args;

impl<K> From<Id<K>> for Value {
    fn from(id: Id<K>) -> Self {
        Self::Int(Some(id.raw()))
    }
}

impl<K> From<Option<Id<K>>> for Value {
    fn from(id: Option<Id<K>>) -> Self {
        Self::Int(id.map(Id::raw))
    }
}

impl From<Timestamp> for Value {
    fn from(at: Timestamp) -> Self {
        Self::Int(Some(at.unix_ms()))
    }
}

impl From<Option<Timestamp>> for Value {
    fn from(at: Option<Timestamp>) -> Self {
        Self::Int(at.map(Timestamp::unix_ms))
    }
}

impl From<Duration> for Value {
    fn from(duration: Duration) -> Self {
        Self::Int(Some(i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)))
    }
}

impl From<Option<Duration>> for Value {
    fn from(duration: Option<Duration>) -> Self {
        duration.map_or(Self::Int(None), Self::from)
    }
}

impl From<KeyId> for Value {
    fn from(key: KeyId) -> Self {
        Self::Int(Some(i64::from(key.0)))
    }
}

impl From<Option<KeyId>> for Value {
    fn from(key: Option<KeyId>) -> Self {
        Self::Int(key.map(|key| i64::from(key.0)))
    }
}

impl From<&Digest> for Value {
    fn from(digest: &Digest) -> Self {
        Self::from(digest.as_bytes())
    }
}

impl From<Option<&Nonce>> for Value {
    fn from(nonce: Option<&Nonce>) -> Self {
        Self::Blob(nonce.map(|nonce| nonce.reveal().to_vec()))
    }
}

macro_rules! text_columns {
    ($($name:ty),*) => {$(
        impl From<&$name> for Value {
            fn from(name: &$name) -> Self {
                Self::from(name.as_str())
            }
        }
    )*};
}
text_columns!(Username, EmailAddress, DisplayName, DeviceType);

impl From<Source> for Value {
    fn from(source: Source) -> Self {
        Self::from(source.to_string())
    }
}

impl From<Network> for Value {
    fn from(network: Network) -> Self {
        Self::from(network.to_string())
    }
}

/// Reads the types of `core` out of a row.
pub(crate) trait Columns {
    fn id<K>(&self, column: usize) -> Result<Id<K>, StoreError>;
    fn optional_id<K>(&self, column: usize) -> Result<Option<Id<K>>, StoreError>;
    fn at(&self, column: usize) -> Result<Timestamp, StoreError>;
    fn optional_at(&self, column: usize) -> Result<Option<Timestamp>, StoreError>;
    fn duration(&self, column: usize) -> Result<Duration, StoreError>;
    fn optional_duration(&self, column: usize) -> Result<Option<Duration>, StoreError>;
    fn count(&self, column: usize) -> Result<u32, StoreError>;
    /// A text that `parse` must take: it took it when it was written.
    fn parsed<T>(
        &self,
        column: usize,
        name: &'static str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, StoreError>;
}

impl Columns for Row {
    fn id<K>(&self, column: usize) -> Result<Id<K>, StoreError> {
        self.int(column).map(Id::from_raw)
    }

    fn optional_id<K>(&self, column: usize) -> Result<Option<Id<K>>, StoreError> {
        Ok(self.optional_int(column)?.map(Id::from_raw))
    }

    fn at(&self, column: usize) -> Result<Timestamp, StoreError> {
        self.int(column).map(Timestamp::from_unix_ms)
    }

    fn optional_at(&self, column: usize) -> Result<Option<Timestamp>, StoreError> {
        Ok(self.optional_int(column)?.map(Timestamp::from_unix_ms))
    }

    fn duration(&self, column: usize) -> Result<Duration, StoreError> {
        self.optional_duration(column)?.ok_or_else(|| unreadable("duration"))
    }

    fn optional_duration(&self, column: usize) -> Result<Option<Duration>, StoreError> {
        let ms = self.optional_int(column)?.map(u64::try_from).transpose();
        Ok(ms.map_err(|_| unreadable("duration"))?.map(Duration::from_millis))
    }

    fn count(&self, column: usize) -> Result<u32, StoreError> {
        u32::try_from(self.int(column)?).map_err(|_| unreadable("count"))
    }

    fn parsed<T>(
        &self,
        column: usize,
        name: &'static str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, StoreError> {
        parse(&self.text(column)?).ok_or_else(|| unreadable(name))
    }
}

fn unreadable(what: &'static str) -> StoreError {
    StoreError::corrupt("result", what, "?")
}
