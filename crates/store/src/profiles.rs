//! Profiles: named policies.

use symbolon_core::Timestamp;
use symbolon_core::id::{Id, Profile};
use symbolon_core::login_hours::LoginHours;
use symbolon_core::network::LoginRanges;
use symbolon_core::policy::{
    Access, Duty, MailEncryption, PasswordPolicy, Policy, SessionsOnReset, TokensOnPasswordChange,
};
use symbolon_core::words::{of_word, word_of};

use crate::columns::{Columns, args};
use crate::error::StoreError;
use crate::sql::{Conn, Row, Tx, Value};

const INSERT: &str = "
    INSERT INTO profile (id, name, created_at, everybody_since,
                         token_max_age, lockout_failures, lockout_period, session_idle, on_reset,
                         on_password_change, web_lifetime, access, duty, duty_since, api_duty_since, enrol_grace,
                         login_hours, time_zone, login_ranges, password_length, password_kinds,
                         password_history, password_max_age, mail_encryption)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20,
            $21, $22, $23, $24)
    ON CONFLICT (name) DO NOTHING";
const UPDATE: &str = "
    UPDATE profile
    SET token_max_age = $2, lockout_failures = $3, lockout_period = $4, session_idle = $5,
        on_reset = $6, on_password_change = $7, web_lifetime = $8, access = $9, duty = $10,
        duty_since = $11, api_duty_since = $12, enrol_grace = $13, login_hours = $14,
        time_zone = $15, login_ranges = $16, password_length = $17, password_kinds = $18,
        password_history = $19, password_max_age = $20, mail_encryption = $21
    WHERE name = $1";

const HOLD: &str = "UPDATE profile SET name = name WHERE name = $1";

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, name, everybody_since,
                    token_max_age, lockout_failures, lockout_period, session_idle, on_reset,
                    on_password_change, web_lifetime, access, duty, duty_since, api_duty_since, enrol_grace,
                    login_hours, time_zone, login_ranges, password_length, password_kinds,
                    password_history, password_max_age, mail_encryption
             FROM profile ",
            $rest
        )
    };
}

const LIST: &str = select!("ORDER BY name");
const FIND_BY_NAME: &str = select!("WHERE name = $1");
const FIND: &str = select!("WHERE id = $1");
const IN_FORCE: &str = select!("WHERE id = $1 OR everybody_since IS NOT NULL");

/// A profile's row.
#[derive(Debug, Clone)]
pub struct ProfileRecord {
    /// Its identifier.
    pub id: Id<Profile>,
    /// Its name, unique.
    pub name: String,
    /// Its policy.
    pub policy: Policy,
    /// Since when it holds for everybody beside his own; one alone does, and it is nobody's own.
    pub everybody_since: Option<Timestamp>,
}

/// Adds a profile; `false` if its name is taken.
pub async fn insert(
    tx: &mut Tx,
    profile: &ProfileRecord,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let own = args![profile.id, &profile.name, now, profile.everybody_since];
    let args = [own.as_slice(), &args_of(&profile.policy)].concat();
    tx.execute_at_most_one(INSERT, &args).await
}

/// Replaces the policy of the profile with this name; `false` if there is none.
pub async fn update(tx: &mut Tx, name: &str, policy: &Policy) -> Result<bool, StoreError> {
    let args = [args![name].as_slice(), &args_of(policy)].concat();
    tx.execute_at_most_one(UPDATE, &args).await
}

/// Holds the row of the profile with this name for the rest of the transaction, so that what is read of it next is
/// still so when it is written; `false` if there is none.
pub async fn hold(tx: &mut Tx, name: &str) -> Result<bool, StoreError> {
    tx.execute_at_most_one(HOLD, args![name]).await
}

/// A stored policy has one set of hours and one of ranges at most; several come of several policies.
fn args_of(policy: &Policy) -> Vec<Value> {
    let hours = policy.login_hours.first();
    args![
        policy.token_max_age,
        policy.lockout_failures,
        policy.lockout_period,
        policy.session_idle,
        word_of(&SessionsOnReset::ALL, policy.on_reset),
        word_of(&TokensOnPasswordChange::ALL, policy.on_password_change),
        policy.web_lifetime,
        word_of(&Access::ALL, policy.access),
        word_of(&Duty::ALL, policy.duty),
        policy.duty_since,
        policy.api_duty_since,
        policy.enrol_grace,
        hours.map(ToString::to_string).unwrap_or_default(),
        hours.map_or("UTC", LoginHours::zone_name),
        policy.login_ranges.first().map(ToString::to_string).unwrap_or_default(),
        policy.password.min_length,
        policy.password.kinds,
        policy.password.history,
        policy.password.max_age,
        word_of(&MailEncryption::ALL, policy.mail_encryption),
    ]
    .to_vec()
}

/// All profiles by name.
pub async fn list(conn: &mut Conn) -> Result<Vec<ProfileRecord>, StoreError> {
    conn.fetch_all(LIST, args![]).await?.iter().map(read).collect()
}

/// The profile with this name.
pub async fn find_by_name(
    conn: &mut Conn,
    name: &str,
) -> Result<Option<ProfileRecord>, StoreError> {
    conn.fetch_optional(FIND_BY_NAME, args![name]).await?.as_ref().map(read).transpose()
}

/// The profile with this identifier.
pub async fn find(conn: &mut Conn, id: Id<Profile>) -> Result<ProfileRecord, StoreError> {
    read(&conn.fetch_one(FIND, args![id]).await?)
}

/// What holds for those who are under this profile: the strictest of its own policy and of everybody's.
pub async fn in_force(conn: &mut Conn, id: Id<Profile>) -> Result<Policy, StoreError> {
    let rows = conn.fetch_all(IN_FORCE, args![id]).await?;
    let profiles: Vec<ProfileRecord> = rows.iter().map(read).collect::<Result<_, _>>()?;
    if profiles.iter().all(|profile| profile.id != id) {
        return Err(StoreError::corrupt("user_account", "profile_id", id));
    }
    let policies = profiles.into_iter().map(|profile| match profile.everybody_since {
        Some(_) => profile.policy.upon_everybody(),
        None => profile.policy,
    });
    Ok(policies.reduce(Policy::strictest).unwrap_or_default())
}

fn read(row: &Row) -> Result<ProfileRecord, StoreError> {
    Ok(ProfileRecord {
        id: row.id(0)?,
        name: row.text(1)?,
        everybody_since: row.optional_at(2)?,
        policy: read_policy(row, 3)?,
    })
}

fn read_policy(row: &Row, first: usize) -> Result<Policy, StoreError> {
    Ok(Policy {
        token_max_age: row.duration(first)?,
        lockout_failures: row.count(first + 1)?,
        lockout_period: row.duration(first + 2)?,
        session_idle: row.duration(first + 3)?,
        on_reset: row.parsed(first + 4, "on_reset", |text| of_word(&SessionsOnReset::ALL, text))?,
        on_password_change: row.parsed(first + 5, "on_password_change", |text| {
            of_word(&TokensOnPasswordChange::ALL, text)
        })?,
        web_lifetime: row.duration(first + 6)?,
        access: row.parsed(first + 7, "access", |text| of_word(&Access::ALL, text))?,
        duty: row.parsed(first + 8, "duty", |text| of_word(&Duty::ALL, text))?,
        duty_since: row.optional_at(first + 9)?,
        api_duty_since: row.optional_at(first + 10)?,
        duties: Vec::new(),
        enrol_grace: row.duration(first + 11)?,
        login_hours: read_hours(&row.text(first + 12)?, &row.text(first + 13)?)?,
        login_ranges: row
            .parsed(first + 14, "login_ranges", |text| LoginRanges::parse(text).ok())?
            .into_iter()
            .collect(),
        password: PasswordPolicy {
            min_length: row.count(first + 15)?,
            kinds: row.count(first + 16)?,
            history: row.count(first + 17)?,
            max_age: row.optional_duration(first + 18)?,
        },
        mail_encryption: row
            .parsed(first + 19, "mail_encryption", |text| of_word(&MailEncryption::ALL, text))?,
    })
}

/// No hours are stored as an empty text: any time.
fn read_hours(hours: &str, zone: &str) -> Result<Vec<LoginHours>, StoreError> {
    if hours.is_empty() {
        return Ok(Vec::new());
    }
    let read = LoginHours::parse(hours, zone);
    Ok(vec![read.map_err(|_| StoreError::corrupt("profile", "login_hours", hours))?])
}
