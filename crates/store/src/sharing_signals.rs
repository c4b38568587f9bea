//! What looks as if a token were shared, and the uses that say so.

use symbolon_core::Timestamp;
use symbolon_core::device_type::OnSharing;
use symbolon_core::id::{Id, SharingSignal, Token, User};
use symbolon_core::names::{DeviceType, Username};
use symbolon_core::sharing::{SharingRule, SharingSignal as Evidence, Sighting, SignalSubject};
use symbolon_core::words::{of_word, word_of};

use crate::columns::{Columns, args};
use crate::error::StoreError;
use crate::rows::rows;
use crate::sql::{Conn, Row, Tx};

/// Live tokens that were used lately, by themselves, by a log-in or by a session that they opened.
const USED_LATELY: &str = "
    SELECT token.id, user_id, device_type, tokens_unfrozen_at
    FROM token JOIN user_account ON user_account.id = user_id
    WHERE retired_at IS NULL AND token.id > $2
      AND token.id IN (SELECT COALESCE(session.token_id, credential_use.credential)
                 FROM credential_use LEFT JOIN session ON session.id = credential_use.credential
                 WHERE credential_use.last_at > $1
                 UNION SELECT token_id FROM login
                       WHERE at > $1 AND outcome = 'admitted' AND token_id IS NOT NULL)
    ORDER BY token.id LIMIT $3";
/// Of the log-ins of one client from one source, the last of each minute: more says no more. Of each token no more
/// than $3, so that none is left out for another's; and of these from each network the latest before the second
/// latest of any, so that whoever calls himself something else each time from one leaves no other out.
const USES: &str = "
    SELECT token, client, network, at FROM (
        SELECT token, client, network, at,
               ROW_NUMBER() OVER (PARTITION BY token ORDER BY turn, at DESC, network, client) AS place
        FROM (
            SELECT token, client, network, at,
                   ROW_NUMBER() OVER (PARTITION BY token, network ORDER BY at DESC, client) AS turn
            FROM (
                SELECT credential_use.credential AS token, client, network, last_at AS at
                FROM credential_use
                WHERE credential IN (SELECT CAST(value ->> 0 AS BIGINT) FROM json_each(json($1)))
                  AND last_at > $2
                UNION ALL
                SELECT session.token_id, credential_use.client, network, last_at
                FROM session JOIN credential_use ON credential_use.credential = session.id
                WHERE session.token_id IN
                      (SELECT CAST(value ->> 0 AS BIGINT) FROM json_each(json($1)))
                  AND last_at > $2 AND (session.ended_at IS NULL OR session.ended_at > $2)
                UNION ALL
                SELECT token_id, client, source, MAX(at) FROM login
                WHERE user_id IN (SELECT CAST(value ->> 1 AS BIGINT) FROM json_each(json($1)))
                  AND token_id IN (SELECT CAST(value ->> 0 AS BIGINT) FROM json_each(json($1)))
                  AND outcome = 'admitted' AND at > $2
                GROUP BY token_id, client, source, at / 60000
            ) AS used
        ) AS turns
    ) AS listed
    WHERE place <= $3";
const INSERT: &str = "
    INSERT INTO sharing_signal (id, token_id, user_id, rule, subject, evidence, first_at, last_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $7)
    ON CONFLICT (user_id, rule, subject) DO NOTHING";
const SEEN_AGAIN: &str = "
    UPDATE sharing_signal SET evidence = $2, last_at = $3 WHERE id = $1";
/// What was told of the earlier token was told of that one.
const MOVE_TO: &str = "
    UPDATE sharing_signal
    SET token_id = $2, evidence = $3, first_at = $4, last_at = $4, told_at = NULL,
        told_under = NULL
    WHERE id = $1";
const NOTE_TOLD: &str = "
    UPDATE sharing_signal SET told_at = $2, told_under = $3 WHERE id = $1";
const MARK_FALSE_ALARM: &str = "
    UPDATE sharing_signal SET false_alarm_at = $2, false_alarm_by = $3
    WHERE id = $1 AND false_alarm_at IS NULL";
/// What was seen just now stays, whatever else there is; then false alarms, which are remembered.
const KEEP: &str = "
    DELETE FROM sharing_signal WHERE user_id = $1 AND id NOT IN (
        SELECT id FROM sharing_signal WHERE user_id = $1
        ORDER BY CASE WHEN last_at >= $2 THEN 0 WHEN false_alarm_at IS NOT NULL THEN 1 ELSE 2 END,
                 last_at DESC, id DESC
        LIMIT $3)";
const FORGET: &str = "
    DELETE FROM sharing_signal WHERE last_at < $1 AND false_alarm_at IS NULL";

macro_rules! select_signal {
    ($rest:literal) => {
        concat!(
            "SELECT sharing_signal.id, token_id, user_id, username, rule, subject, evidence, first_at,
                    last_at, told_at, false_alarm_at, false_alarm_by, told_under
             FROM sharing_signal JOIN user_account ON user_account.id = user_id ",
            $rest
        )
    };
}

const FIND: &str = select_signal!("WHERE sharing_signal.id = $1");
const OF_USER: &str =
    select_signal!("WHERE user_id = $1 ORDER BY last_at DESC, sharing_signal.id LIMIT $2");
const LIST: &str = select_signal!("ORDER BY last_at DESC, sharing_signal.id LIMIT $1");

/// A signal's row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignalRow {
    /// Identifier.
    pub id: Id<SharingSignal>,
    /// Which token.
    pub token: Id<Token>,
    /// Whose.
    pub user: Id<User>,
    /// His name.
    pub username: Username,
    /// By which rule.
    pub rule: SharingRule,
    /// What it is about.
    pub subject: SignalSubject,
    /// What was seen last, in a sentence.
    pub evidence: String,
    /// When it was raised.
    pub first_at: Timestamp,
    /// When it was seen last.
    pub last_at: Timestamp,
    /// When the owner was told, and what the device type said then of such tokens.
    pub told: Option<(Timestamp, OnSharing)>,
    /// When and by whom it was marked as a false alarm.
    pub false_alarm: Option<(Timestamp, String)>,
}

/// A live token that was used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsedToken {
    /// Which.
    pub token: Id<Token>,
    /// Whose.
    pub user: Id<User>,
    /// What kind of thing holds it.
    pub device_type: DeviceType,
    /// When a freeze of its owner's tokens was last lifted: he knows of what was before.
    pub unfrozen_at: Option<Timestamp>,
}

/// Live tokens that were used after `since`, in the order of their numbers, after the token `after`.
pub async fn used_lately(
    conn: &mut Conn,
    since: Timestamp,
    after: Id<Token>,
    limit: i64,
) -> Result<Vec<UsedToken>, StoreError> {
    let rows = conn.fetch_all(USED_LATELY, args![since, after, limit]).await?;
    let read = |row: &Row| {
        Ok(UsedToken {
            token: row.id(0)?,
            user: row.id(1)?,
            device_type: row.parsed(2, "device_type", |text| DeviceType::parse(text).ok())?,
            unfrozen_at: row.optional_at(3)?,
        })
    };
    rows.iter().map(read).collect()
}

/// The uses of these tokens after `since`, as far as they are stored; of each token `limit` at most.
pub async fn uses(
    conn: &mut Conn,
    tokens: &[UsedToken],
    since: Timestamp,
    limit: i64,
) -> Result<Vec<(Id<Token>, Sighting)>, StoreError> {
    let tokens = rows(tokens.iter().map(|used| [used.token.into(), used.user.into()]));
    let rows = conn.fetch_all(USES, &[tokens, since.into(), limit.into()]).await?;
    let read = |row: &Row| -> Result<Option<_>, StoreError> {
        let sighting = Sighting::parse(&row.text(1)?, &row.text(2)?, row.at(3)?);
        Ok(sighting.map(|sighting| (row.id(0), sighting)))
    };
    let mut uses = Vec::with_capacity(rows.len());
    for row in &rows {
        if let Some((token, sighting)) = read(row)? {
            uses.push((token?, sighting));
        }
    }
    Ok(uses)
}

/// Notes a signal; `false` if it is known of this user.
pub async fn insert(
    tx: &mut Tx,
    id: Id<SharingSignal>,
    used: &UsedToken,
    signal: &Evidence,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let (rule, subject) = (signal.rule.word(), signal.subject.to_string());
    let args = args![id, used.token, used.user, rule, subject, signal.evidence.as_str(), now];
    tx.execute_at_most_one(INSERT, args).await
}

/// Notes that a known signal was seen again.
pub async fn note_again(
    tx: &mut Tx,
    signal: Id<SharingSignal>,
    evidence: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    tx.execute_one(SEEN_AGAIN, args![signal, evidence, now]).await
}

/// Notes that a known signal is now one of another token of the same user, which nobody has been told of.
pub async fn move_to(
    tx: &mut Tx,
    signal: Id<SharingSignal>,
    token: Id<Token>,
    evidence: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    tx.execute_one(MOVE_TO, args![signal, token, evidence, now]).await
}

/// Notes that the owner of a token was told of a signal, under this rule of its device type.
pub async fn note_told(
    tx: &mut Tx,
    signal: Id<SharingSignal>,
    under: OnSharing,
    now: Timestamp,
) -> Result<(), StoreError> {
    tx.execute_one(NOTE_TOLD, args![signal, now, word_of(&OnSharing::ALL, under)]).await
}

/// Lets the oldest signals of a user go, so that no more than `most` are left; what was seen at `now` stays
/// longest, and false alarms stay longer than others.
pub async fn keep(
    tx: &mut Tx,
    user: Id<User>,
    most: i64,
    now: Timestamp,
) -> Result<u64, StoreError> {
    tx.execute(KEEP, args![user, now, most]).await
}

/// Marks a signal as a false alarm; `false` if it is one already.
pub async fn mark_false_alarm(
    tx: &mut Tx,
    signal: Id<SharingSignal>,
    by: &str,
    now: Timestamp,
) -> Result<bool, StoreError> {
    tx.execute_at_most_one(MARK_FALSE_ALARM, args![signal, now, by]).await
}

/// Forgets signals that were last seen before `limit`; false alarms are remembered.
pub async fn forget(tx: &mut Tx, limit: Timestamp) -> Result<u64, StoreError> {
    tx.execute(FORGET, args![limit]).await
}

/// One signal.
pub async fn find(
    conn: &mut Conn,
    signal: Id<SharingSignal>,
) -> Result<Option<SignalRow>, StoreError> {
    conn.fetch_optional(FIND, args![signal]).await?.as_ref().map(read).transpose()
}

/// The signals of a user's tokens, or of everybody's, the latest first.
pub async fn list(
    conn: &mut Conn,
    user: Option<Id<User>>,
    limit: i64,
) -> Result<Vec<SignalRow>, StoreError> {
    let rows = match user {
        Some(user) => conn.fetch_all(OF_USER, args![user, limit]).await?,
        None => conn.fetch_all(LIST, args![limit]).await?,
    };
    rows.iter().map(read).collect()
}

fn read_told(row: &Row) -> Result<Option<(Timestamp, OnSharing)>, StoreError> {
    let Some(at) = row.optional_at(9)? else { return Ok(None) };
    Ok(Some((at, row.parsed(12, "told_under", |text| of_word(&OnSharing::ALL, text))?)))
}

fn read(row: &Row) -> Result<SignalRow, StoreError> {
    let false_alarm_at = row.optional_at(10)?;
    let by = row.optional_text(11)?.unwrap_or_default();
    Ok(SignalRow {
        id: row.id(0)?,
        token: row.id(1)?,
        user: row.id(2)?,
        username: row.parsed(3, "username", |text| Username::parse(text).ok())?,
        rule: row.parsed(4, "rule", SharingRule::from_word)?,
        subject: SignalSubject::parse(&row.text(5)?),
        evidence: row.text(6)?,
        first_at: row.at(7)?,
        last_at: row.at(8)?,
        told: read_told(row)?,
        false_alarm: false_alarm_at.map(|at| (at, by)),
    })
}
