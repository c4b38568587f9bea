//! Security tokens: their digests, and what became of them. A retired token's row stays, so that its
//! use can be recognised and explained.

use symbolon_core::Timestamp;
use symbolon_core::id::{Id, Profile, Token, User};
use symbolon_core::issue::{Issue, IssueCause};
use symbolon_core::judge::{RetirementCause, TokenRecord};
use symbolon_core::names::{DeviceType, Username};
use symbolon_core::reset::{LiveToken, Scope};
use symbolon_core::secret::Digest;

use crate::columns::{Columns, args};
use crate::error::StoreError;
use crate::rows::rows;
use crate::sql::{Conn, Row, Tx, Value};

const INSERT: &str = "
    INSERT INTO token (id, user_id, device_type, digest, issued_at, expires_at,
                       issued_as, issued_scope, issuer_id, issued_from)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
const FIND_BY_DIGEST: &str = "
    SELECT id, user_id, expires_at, COALESCE(last_used_at, issued_at), retired_at, retired_cause
    FROM token WHERE digest = $1";
/// As many digests as [`FIND_ALL`] asks about.
const AT_ONCE: usize = 32;
const FIND_ALL: &str = "
    SELECT digest, id, user_id, expires_at, COALESCE(last_used_at, issued_at), retired_at, retired_cause
    FROM token WHERE digest IN ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16,
        $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, $27, $28, $29, $30,
        $31, $32)";
const LIVE_OF_USER: &str = "
    SELECT id, device_type, succeeded_by, expires_at, last_used_at, COALESCE(last_used_at, issued_at)
    FROM token
    WHERE user_id = $1 AND retired_at IS NULL
    ORDER BY device_type, issued_at, id";
const IN_HAND_OF_USER: &str = "
    SELECT id, user_id, expires_at, COALESCE(last_used_at, issued_at), retired_at, retired_cause,
           device_type
    FROM token
    WHERE user_id = $1 AND retired_at IS NULL
      AND (mailed_at IS NOT NULL OR last_used_at IS NOT NULL)
    ORDER BY device_type, issued_at, id";
const NOTE_MAILED: &str = "UPDATE token SET mailed_at = $2 WHERE id = $1 AND mailed_at IS NULL";
const UNUSED_SINCE: &str = "
    SELECT id, user_id FROM token
    WHERE device_type = $1 AND retired_at IS NULL AND COALESCE(last_used_at, issued_at) <= $2
      AND expires_at > $3
    ORDER BY id LIMIT $4";
const RETIRE: &str = "
    UPDATE token SET retired_at = $2, retired_cause = $3, retired_by = $4
    WHERE id = $1 AND retired_at IS NULL";
const NOTE_USE: &str = "
    UPDATE token SET last_used_at = $2 WHERE id = $1 AND retired_at IS NULL";
const NOTE_LAST_USES: &str = "
    UPDATE token SET last_used_at = used.at
    FROM (SELECT CAST(value ->> 0 AS BIGINT) AS id, CAST(value ->> 1 AS BIGINT) AS at
          FROM json_each(json($1))) AS used
    WHERE token.id = used.id AND (token.last_used_at IS NULL OR token.last_used_at < used.at)";
const LAST_USE: &str = "
    SELECT COALESCE(last_used_at, issued_at) FROM token WHERE id = $1 AND retired_at IS NULL";
const LAST_USES: &str = "
    SELECT id, COALESCE(last_used_at, issued_at) FROM token
    WHERE retired_at IS NULL AND id IN (SELECT CAST(value ->> 0 AS BIGINT) FROM json_each(json($1)))";

const BEGIN_SUCCESSION: &str = "
    UPDATE token SET succeeded_by = $2, expiry_before = expires_at, expires_at = $3
    WHERE id = $1 AND retired_at IS NULL AND succeeded_by IS NULL AND expires_at >= $3";
const CANCEL_SUCCESSION: &str = "
    UPDATE token SET succeeded_by = NULL, expires_at = expiry_before, expiry_before = NULL
    WHERE id = $1 AND retired_at IS NULL AND succeeded_by = $2";
const NOTE_CANCELLED: &str = "
    UPDATE token SET cancelled_for = $2
    WHERE id = $1 AND retired_at IS NOT NULL AND cancelled_for IS NULL";
const CANCELLATION_OF: &str = "
    SELECT id, cancelled_for FROM token
    WHERE user_id = $1 AND cancelled_for IS NOT NULL AND (id = $2 OR cancelled_for = $2 AND EXISTS (
        SELECT 1 FROM token AS kept WHERE kept.id = $2 AND kept.retired_at IS NULL))
    ORDER BY retired_at DESC, issued_at DESC, id DESC LIMIT 1";

/// What [`read`] reads, in its order.
macro_rules! token_columns {
    () => {
        "token.id, token.user_id, user_account.username, token.device_type, token.issued_at,
         token.expires_at, token.last_used_at, token.retired_at, token.retired_cause,
         token.succeeded_by, user_account.frozen_at, user_account.tokens_frozen_at,
         token.issued_as, token.issued_scope, token.issuer_id, issuer.username, token.issued_from,
         user_account.profile_id"
    };
}
pub(crate) use token_columns;
/// How many columns that are.
pub(crate) const TOKEN_COLUMNS: usize = 18;

macro_rules! select_token {
    ($rest:literal) => {
        concat!(
            "SELECT ",
            token_columns!(),
            " FROM token JOIN user_account ON user_account.id = token.user_id
              LEFT JOIN user_account AS issuer ON issuer.id = token.issuer_id ",
            $rest
        )
    };
}

const FIND: &str = select_token!("WHERE token.id = $1");
const OUTGOING_BEFORE: &str =
    select_token!("WHERE token.succeeded_by = $1 AND token.retired_at IS NULL");
const USED_SUCCESSORS: &str = "
    SELECT successor.id, successor.user_id FROM token AS older
    JOIN token AS successor ON successor.id = older.succeeded_by
    WHERE older.retired_at IS NULL
      AND older.succeeded_by IN (SELECT CAST(value ->> 0 AS BIGINT) FROM json_each(json($1)))
      AND successor.last_used_at IS NOT NULL";
const DUE_TO_RETIRE: &str = "
    SELECT older.id, older.user_id FROM token AS older
    LEFT JOIN token AS successor ON successor.id = older.succeeded_by
    WHERE older.retired_at IS NULL AND older.succeeded_by IS NOT NULL
      AND (older.expires_at <= $1 OR successor.last_used_at IS NOT NULL)
    ORDER BY older.id LIMIT $2";
/// A rotation names the successor. Else a token takes the place of those that had ended, as it was issued, within
/// its scope, and that no other had taken before: it may have ended at that very instant, by the reset, or days
/// earlier by a leak, a revocation or disuse.
const PREDECESSORS: &str = select_token!(
    "JOIN token AS new ON new.id = $1
     WHERE token.user_id = new.user_id AND token.id <> new.id
       AND (token.succeeded_by = new.id
            OR (token.retired_at <= new.issued_at AND token.retired_at >= $2
                AND (new.issued_scope = 'account' OR new.device_type = token.device_type)
                AND NOT EXISTS (
                    SELECT 1 FROM token AS earlier
                    WHERE earlier.user_id = new.user_id AND earlier.id <> token.id
                      AND earlier.issued_at >= token.retired_at AND earlier.issued_at < new.issued_at
                      AND (earlier.issued_scope = 'account'
                           OR earlier.device_type = token.device_type))))
     ORDER BY token.issued_at DESC, token.id DESC LIMIT $3"
);
const UNRETIRED_OF_USER: &str = select_token!(
    "WHERE token.user_id = $1 AND token.retired_at IS NULL
     ORDER BY token.issued_at DESC, token.id DESC"
);
const RETIRED_OF_USER: &str = select_token!(
    "WHERE token.user_id = $1 AND token.retired_at IS NOT NULL
     ORDER BY token.issued_at DESC, token.id DESC LIMIT $2"
);
const OF_USER: &str = select_token!(
    "WHERE token.user_id = $4
       AND (token.issued_at < $1 OR (token.issued_at = $1 AND token.id < $2))
     ORDER BY token.issued_at DESC, token.id DESC LIMIT $3"
);
const LIST: &str = select_token!(
    "WHERE token.issued_at < $1 OR (token.issued_at = $1 AND token.id < $2)
     ORDER BY token.issued_at DESC, token.id DESC LIMIT $3"
);

/// A token's row, as lists show it.
#[derive(Debug, Clone)]
pub struct TokenRow {
    /// Whose, until when, whether retired.
    pub record: TokenRecord,
    /// Its owner's name.
    pub username: Username,
    /// Its owner's profile.
    pub profile: Id<Profile>,
    /// What kind of thing holds it.
    pub device_type: DeviceType,
    /// When it was issued.
    pub issued_at: Timestamp,
    /// When it was last let in.
    pub last_used_at: Option<Timestamp>,
    /// While a rotation lets it live on: the token that comes in its place.
    pub succeeded_by: Option<Id<Token>>,
    /// Since when its owner is frozen.
    pub owner_frozen_at: Option<Timestamp>,
    /// Since when the tokens of its owner are frozen.
    pub tokens_frozen_at: Option<Timestamp>,
    /// How it came to be.
    pub issue: IssueRow,
}

/// How a token came to be.
#[derive(Debug, Clone)]
pub struct IssueRow {
    /// What it came of.
    pub cause: IssueCause,
    /// Which earlier tokens it came in the place of.
    pub scope: Scope,
    /// The user who wanted it, and his name; `None` is whoever runs the server.
    pub issuer: Option<(Id<User>, Username)>,
    /// From where.
    pub source: Option<String>,
}

/// A token to be issued.
#[derive(Debug)]
pub struct NewToken<'a> {
    /// Identifier.
    pub id: Id<Token>,
    /// Owner.
    pub user: Id<User>,
    /// What kind of thing is to hold it.
    pub device_type: &'a DeviceType,
    /// Its keyed digest.
    pub digest: &'a Digest,
    /// The first instant at which it is no longer accepted.
    pub expires_at: Timestamp,
    /// How it comes to be.
    pub issue: Issue,
}

/// Issues a token. The partial unique index `token_one_live` refuses a second live one.
pub async fn insert(tx: &mut Tx, token: &NewToken<'_>, now: Timestamp) -> Result<(), StoreError> {
    let NewToken { id, user, device_type, digest, expires_at, issue } = *token;
    let Issue { cause, scope, issuer, source } = issue;
    let source = source.map(|source| source.to_string());
    let (cause, scope) = (cause.word(), scope.word());
    let args = args![
        id,
        user,
        device_type,
        digest,
        now,
        expires_at,
        cause,
        scope,
        issuer,
        source.as_deref()
    ];
    tx.execute_one(INSERT, args).await
}

/// The token with one of these digests (one per key of the ring).
pub async fn find_by_digest(
    conn: &mut Conn,
    digests: &[Digest],
) -> Result<Option<TokenRecord>, StoreError> {
    for digest in digests {
        if let Some(row) = conn.fetch_optional(FIND_BY_DIGEST, args![digest]).await? {
            let record = TokenRecord {
                token: row.id(0)?,
                user: row.id(1)?,
                expires_at: row.at(2)?,
                active_at: row.at(3)?,
                retired: read_retired(&row, 4)?,
            };
            return Ok(Some(record));
        }
    }
    Ok(None)
}

/// The tokens with these digests, of any number.
pub async fn find_all(
    conn: &mut Conn,
    digests: &[Digest],
) -> Result<Vec<(Digest, TokenRecord)>, StoreError> {
    let mut found = Vec::new();
    for some in digests.chunks(AT_ONCE) {
        // One text for all: what is missing to the full number is asked about twice.
        let args: Vec<Value> = some.iter().cycle().take(AT_ONCE).map(Value::from).collect();
        for row in conn.fetch_all(FIND_ALL, &args).await? {
            let digest: [u8; 32] = row
                .blob(0)?
                .try_into()
                .map_err(|_| StoreError::corrupt("token", "digest", row.int(1).unwrap_or(-1)))?;
            let record = TokenRecord {
                token: row.id(1)?,
                user: row.id(2)?,
                expires_at: row.at(3)?,
                active_at: row.at(4)?,
                retired: read_retired(&row, 5)?,
            };
            found.push((Digest::from_bytes(digest), record));
        }
    }
    Ok(found)
}

/// The live tokens of a user.
pub async fn live_of_user(conn: &mut Conn, user: Id<User>) -> Result<Vec<LiveToken>, StoreError> {
    let rows = conn.fetch_all(LIVE_OF_USER, args![user]).await?;
    let read = |row: &Row| {
        Ok(LiveToken {
            token: row.id(0)?,
            device_type: read_device_type(row, 1)?,
            succeeded_by: row.optional_id(2)?,
            expires_at: row.at(3)?,
            last_used_at: row.optional_at(4)?,
            active_at: row.at(5)?,
        })
    };
    rows.iter().map(read).collect()
}

/// The tokens of a user that are not retired and that he can have: the mail server took the letter, or the token
/// was used.
pub async fn in_hand_of_user(
    conn: &mut Conn,
    user: Id<User>,
) -> Result<Vec<(TokenRecord, DeviceType)>, StoreError> {
    let rows = conn.fetch_all(IN_HAND_OF_USER, args![user]).await?;
    let read = |row: &Row| {
        let record = TokenRecord {
            token: row.id(0)?,
            user: row.id(1)?,
            expires_at: row.at(2)?,
            active_at: row.at(3)?,
            retired: read_retired(row, 4)?,
        };
        Ok((record, read_device_type(row, 6)?))
    };
    rows.iter().map(read).collect()
}

/// Notes that the mail server took the letter that carries a token, unless it is noted already.
pub async fn note_mailed(
    tx: &mut Tx,
    token: Id<Token>,
    now: Timestamp,
) -> Result<bool, StoreError> {
    tx.execute_at_most_one(NOTE_MAILED, args![token, now]).await
}

/// Live tokens of a device type whose last use, or issue, is not later than `limit`, and that are not too
/// old at `now`: the first `at_most`, with their owners.
pub async fn unused_since(
    conn: &mut Conn,
    device_type: &DeviceType,
    limit: Timestamp,
    now: Timestamp,
    at_most: i64,
) -> Result<Vec<(Id<Token>, Id<User>)>, StoreError> {
    let rows = conn.fetch_all(UNUSED_SINCE, args![device_type, limit, now, at_most]).await?;
    rows.iter().map(|row| Ok((row.id(0)?, row.id(1)?))).collect()
}

/// Retires a token; `false` if it was retired before.
pub async fn retire(
    tx: &mut Tx,
    token: Id<Token>,
    cause: RetirementCause,
    by: &str,
    now: Timestamp,
) -> Result<bool, StoreError> {
    tx.execute_at_most_one(RETIRE, args![token, now, cause.word(), by]).await
}

/// Lets a live token live on until `until` at most, while `successor`, issued next, comes in its place.
///
/// The partial unique index `token_one_outgoing` refuses a second one of its device type.
pub async fn begin_succession(
    tx: &mut Tx,
    token: Id<Token>,
    successor: Id<Token>,
    until: Timestamp,
) -> Result<(), StoreError> {
    tx.execute_one(BEGIN_SUCCESSION, args![token, successor, until]).await
}

/// Gives a token its own expiry back, after its successor was retired, and remembers of that for which it made
/// way.
pub async fn cancel_succession(
    tx: &mut Tx,
    token: Id<Token>,
    successor: Id<Token>,
) -> Result<(), StoreError> {
    tx.execute_one(CANCEL_SUCCESSION, args![token, successor]).await?;
    tx.execute_one(NOTE_CANCELLED, args![successor, token]).await
}

/// The last cancelled rotation of a user that `token` had a part in: the token that has ended by it, and the one
/// that went on.
pub async fn cancellation_of(
    conn: &mut Conn,
    user: Id<User>,
    token: Id<Token>,
) -> Result<Option<(Id<Token>, Id<Token>)>, StoreError> {
    let row = conn.fetch_optional(CANCELLATION_OF, args![user, token]).await?;
    row.map(|row| Ok((row.id(0)?, row.id(1)?))).transpose()
}

/// The token that lives on until this one is first used.
pub async fn outgoing_before(
    conn: &mut Conn,
    successor: Id<Token>,
) -> Result<Option<TokenRow>, StoreError> {
    conn.fetch_optional(OUTGOING_BEFORE, args![successor]).await?.as_ref().map(read).transpose()
}

/// Those of `tokens` that were used while another still lives on for them, and whose they are.
pub async fn used_successors(
    conn: &mut Conn,
    tokens: &[Id<Token>],
) -> Result<Vec<(Id<Token>, Id<User>)>, StoreError> {
    let tokens = rows(tokens.iter().map(|token| [(*token).into()]));
    let found = conn.fetch_all(USED_SUCCESSORS, &[tokens]).await?;
    found.iter().map(|row| Ok((row.id(0)?, row.id(1)?))).collect()
}

/// The first tokens that live on though their time is over: the deadline has passed, or the token that
/// came in their place was used.
pub async fn due_to_retire(
    conn: &mut Conn,
    now: Timestamp,
    limit: i64,
) -> Result<Vec<(Id<Token>, Id<User>)>, StoreError> {
    let found = conn.fetch_all(DUE_TO_RETIRE, args![now, limit]).await?;
    found.iter().map(|row| Ok((row.id(0)?, row.id(1)?))).collect()
}

/// Notes that a token was let in; `false` if it has been retired meanwhile.
pub async fn note_use(tx: &mut Tx, token: Id<Token>, now: Timestamp) -> Result<bool, StoreError> {
    tx.execute_at_most_one(NOTE_USE, args![token, now]).await
}

/// Notes uses of which news comes late, of each token one; tells of how many no later one was noted.
pub async fn note_last_uses(
    tx: &mut Tx,
    used: &[(Id<Token>, Timestamp)],
) -> Result<u64, StoreError> {
    let used = rows(used.iter().map(|(token, at)| [(*token).into(), (*at).into()]));
    tx.execute(NOTE_LAST_USES, &[used]).await
}

/// When a token that lives was last used, or issued, as far as it was written down.
pub async fn last_use(conn: &mut Conn, token: Id<Token>) -> Result<Option<Timestamp>, StoreError> {
    let row = conn.fetch_optional(LAST_USE, args![token]).await?;
    row.map(|row| row.at(0)).transpose()
}

/// The same of those among `tokens` that live.
pub async fn last_uses(
    conn: &mut Conn,
    tokens: &[Id<Token>],
) -> Result<Vec<(Id<Token>, Timestamp)>, StoreError> {
    let ids = rows(tokens.iter().map(|token| [(*token).into()]));
    let found = conn.fetch_all(LAST_USES, &[ids]).await?;
    found.iter().map(|row| Ok((row.id(0)?, row.at(1)?))).collect()
}

/// One token.
pub async fn find(conn: &mut Conn, token: Id<Token>) -> Result<Option<TokenRow>, StoreError> {
    conn.fetch_optional(FIND, args![token]).await?.as_ref().map(read).transpose()
}

/// The tokens in whose place `token` came, of those that were retired since `since`: latest first.
pub async fn predecessors(
    conn: &mut Conn,
    token: Id<Token>,
    since: Timestamp,
    limit: i64,
) -> Result<Vec<TokenRow>, StoreError> {
    let rows = conn.fetch_all(PREDECESSORS, args![token, since, limit]).await?;
    rows.iter().map(read).collect()
}

/// The tokens of a user that were not retired, newest first. There are two of a device type at most.
pub async fn unretired_of_user(
    conn: &mut Conn,
    user: Id<User>,
) -> Result<Vec<TokenRow>, StoreError> {
    conn.fetch_all(UNRETIRED_OF_USER, args![user]).await?.iter().map(read).collect()
}

/// The tokens of a user that were retired, newest first.
pub async fn retired_of_user(
    conn: &mut Conn,
    user: Id<User>,
    limit: i64,
) -> Result<Vec<TokenRow>, StoreError> {
    conn.fetch_all(RETIRED_OF_USER, args![user, limit]).await?.iter().map(read).collect()
}

/// Tokens older than the position `before`, newest first; of one user or of everybody.
pub async fn list(
    conn: &mut Conn,
    user: Option<Id<User>>,
    before: (Timestamp, Id<Token>),
    limit: i64,
) -> Result<Vec<TokenRow>, StoreError> {
    let rows = match user {
        Some(user) => conn.fetch_all(OF_USER, args![before.0, before.1, limit, user]).await?,
        None => conn.fetch_all(LIST, args![before.0, before.1, limit]).await?,
    };
    rows.iter().map(read).collect()
}

/// Reads the columns of [`token_columns`].
pub(crate) fn read(row: &Row) -> Result<TokenRow, StoreError> {
    let (issued_at, last_used_at) = (row.at(4)?, row.optional_at(6)?);
    Ok(TokenRow {
        record: TokenRecord {
            token: row.id(0)?,
            user: row.id(1)?,
            expires_at: row.at(5)?,
            active_at: last_used_at.unwrap_or(issued_at),
            retired: read_retired(row, 7)?,
        },
        username: row.parsed(2, "username", |text| Username::parse(text).ok())?,
        device_type: read_device_type(row, 3)?,
        issued_at,
        last_used_at,
        succeeded_by: row.optional_id(9)?,
        owner_frozen_at: row.optional_at(10)?,
        tokens_frozen_at: row.optional_at(11)?,
        issue: read_issue(row, 12)?,
        profile: row.id(17)?,
    })
}

fn read_issue(row: &Row, column: usize) -> Result<IssueRow, StoreError> {
    let issuer = match row.optional_id(column + 2)? {
        Some(issuer) => {
            let name = row.parsed(column + 3, "username", |text| Username::parse(text).ok())?;
            Some((issuer, name))
        }
        None => None,
    };
    Ok(IssueRow {
        cause: row.parsed(column, "issued_as", IssueCause::from_word)?,
        scope: row.parsed(column + 1, "issued_scope", Scope::from_word)?,
        issuer,
        source: row.optional_text(column + 4)?,
    })
}

fn read_device_type(row: &Row, column: usize) -> Result<DeviceType, StoreError> {
    row.parsed(column, "device_type", |text| DeviceType::parse(text).ok())
}

fn read_retired(
    row: &Row,
    column: usize,
) -> Result<Option<(Timestamp, RetirementCause)>, StoreError> {
    let Some(at) = row.optional_at(column)? else {
        return Ok(None);
    };
    let cause = row.parsed(column + 1, "retired_cause", RetirementCause::from_word)?;
    Ok(Some((at, cause)))
}
