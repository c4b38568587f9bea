//! The change log: every transaction that opens, ends or alters a credential takes the next revision
//! from one row, as its last statement, so that revisions are dense and in commit order. (A sequence
//! would be neither: it hands out numbers before the commit and keeps them after a rollback.)

use symbolon_core::Timestamp;
use symbolon_core::id::{Id, User};

use crate::columns::args;
use crate::error::StoreError;
use crate::sql::{Conn, Tx};

const TAKE_REVISION: &str = "
    UPDATE revision SET revision = revision + 1 WHERE singleton = 1 RETURNING revision";
const INSERT: &str = "
    INSERT INTO change (revision, at, kind, user_id, subject) VALUES ($1, $2, $3, $4, $5)";
// The newest stays: by it, whoever reads on knows that the log is the one he has applied.
const FORGET: &str = "
    DELETE FROM change
    WHERE at < $1 AND revision < (SELECT revision FROM revision WHERE singleton = 1)";
const CURRENT: &str = "SELECT revision FROM revision WHERE singleton = 1";

/// What has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Tokens were reset; the subject is the new token.
    TokenReset,
    /// A token was revoked.
    TokenRevoked,
    /// A session was opened.
    SessionStarted,
    /// A session was ended.
    SessionEnded,
    /// Anything about the user: frozen, unfrozen, removed, password, address, name.
    UserChanged,
    /// A profile was added or its policy changed; the subject is the profile, there is no user.
    ProfileChanged,
    /// A device type was added or changed; the subject is the device type, there is no user.
    DeviceTypeChanged,
    /// An API client or one of its secrets was added or removed; the subject is the client, there is no
    /// user.
    ClientChanged,
}

impl Change {
    /// All changes, with the word that the database knows them by.
    const ALL: [(Self, &'static str); 8] = [
        (Self::TokenReset, "token-reset"),
        (Self::TokenRevoked, "token-revoked"),
        (Self::SessionStarted, "session-started"),
        (Self::SessionEnded, "session-ended"),
        (Self::UserChanged, "user-changed"),
        (Self::ProfileChanged, "profile-changed"),
        (Self::DeviceTypeChanged, "device-type-changed"),
        (Self::ClientChanged, "client-changed"),
    ];

    fn word(self) -> &'static str {
        Self::ALL.iter().find(|(change, _)| *change == self).map_or("", |(_, word)| word)
    }

    pub(crate) fn from_word(word: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, each)| *each == word).map(|(change, _)| *change)
    }
}

/// Records a change under the next revision and tells it. The last statement of its transaction: from
/// here to the commit everybody else who changes a credential waits.
pub async fn record(
    tx: &mut Tx,
    change: Change,
    user: impl Into<Option<Id<User>>>,
    subject: Option<i64>,
    now: Timestamp,
) -> Result<i64, StoreError> {
    let revision = tx.fetch_one(TAKE_REVISION, args![]).await?.int(0)?;
    tx.execute_one(INSERT, args![revision, now, change.word(), user.into(), subject]).await?;
    tx.note_revision(revision);
    Ok(revision)
}

/// Forgets changes from before `limit`, but for the last; the revision goes on from where it is.
pub async fn forget(tx: &mut Tx, limit: Timestamp) -> Result<u64, StoreError> {
    tx.execute(FORGET, args![limit]).await
}

/// The last revision.
pub async fn current(conn: &mut Conn) -> Result<i64, StoreError> {
    conn.fetch_one(CURRENT, args![]).await?.int(0)
}
