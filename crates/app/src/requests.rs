//! Requests for a new token that carry a key: the same again is not done again, and a key that was used for
//! something else is refused. Whoever uses one key for two things would else take the first token for the
//! second.

use std::time::Duration;

use symbolon_core::Timestamp;
use symbolon_core::id::{Id, Token, User};
use symbolon_core::names::DeviceType;
use symbolon_core::reset::Scope;
use symbolon_store::{Conn, Tx, reset_requests};

use crate::error::AppError;

/// A request, by its key and by what it asks for.
#[derive(Debug)]
pub(crate) struct Request<'a> {
    key: &'a str,
    asks: String,
}

impl<'a> Request<'a> {
    /// A reset of this scope that makes a token for this device type.
    pub(crate) fn reset(key: &'a str, scope: Scope, device_type: &DeviceType) -> Self {
        Self { key, asks: format!("reset {} {device_type}", scope.word()) }
    }

    /// A rotation of the token of this device type.
    pub(crate) fn rotation(key: &'a str, device_type: &DeviceType, overlap: Duration) -> Self {
        Self { key, asks: format!("rotation {device_type} {}", overlap.as_secs()) }
    }

    /// The token that the same request of this user led to before.
    ///
    /// # Errors
    /// [`AppError::KeyUsed`] where the key was used for something else.
    pub(crate) async fn find(
        &self,
        conn: &mut Conn,
        user: Id<User>,
    ) -> Result<Option<Id<Token>>, AppError> {
        match reset_requests::find(conn, user, self.key).await? {
            Some(row) if row.request == self.asks => Ok(Some(row.token)),
            Some(_) => Err(AppError::KeyUsed),
            None => Ok(None),
        }
    }

    /// Remembers that it led to `token`.
    pub(crate) async fn remember(
        &self,
        tx: &mut Tx,
        user: Id<User>,
        token: Id<Token>,
        now: Timestamp,
    ) -> Result<(), AppError> {
        Ok(reset_requests::remember(tx, user, (self.key, &self.asks), token, now).await?)
    }
}
