//! The weekly digest: on Monday at 08:00 in the organization's time zone each administrator gets a letter
//! about the age and use of all tokens.
//!
//! A week's row and its letters are one transaction, so that a crash neither loses nor doubles it, and the
//! row's key decides among several nodes. Where no server runs at that hour it comes with the next start;
//! of the week in which the organization was founded there is none.

use std::time::Duration;

use symbolon_core::Timestamp;
use symbolon_core::id::Id;
use symbolon_core::letter::LetterKind;
use symbolon_core::names::{DeviceType, Username};
use symbolon_core::policy::DAY;
use symbolon_mail::{Contents, ExpiringToken, Tally};
use symbolon_store::reminders::{self, AgingToken, Position};
use symbolon_store::{Conn, organization, users};
use tracing::error;

use crate::context::Ctx;
use crate::error::AppError;
use crate::facts::{Facts, ReadFacts};
use crate::live::commit;
use crate::outbox;
use crate::reminders::{read_use, uses_of};

/// How often the calendar is looked at.
const ROUND: Duration = Duration::from_mins(1);
/// How far the digest looks ahead and back.
const HORIZON: Duration = DAY.saturating_mul(30);
/// Tokens that it names at most, each under one of these names of its facts.
const NEXT: [&str; 10] = [
    "next_0", "next_1", "next_2", "next_3", "next_4", "next_5", "next_6", "next_7", "next_8",
    "next_9",
];
/// Clients that it names of each.
const USES: usize = 3;
/// Parts what is told of a token: no name holds a control character.
const PART: char = '\t';

/// Writes the digest of this week, unless it was written; tells to how many administrators.
///
/// # Errors
/// The database's; nothing was written then.
pub async fn write_if_due(ctx: &Ctx) -> Result<usize, AppError> {
    let now = ctx.clock.now();
    let Some(week) = ctx.settings.time_zone.week_of(now) else { return Ok(0) };
    let mut reader = ctx.store.read().await?;
    if reminders::has_week(&mut reader, week.number).await? {
        return Ok(0);
    }
    let founded = organization::find(&mut reader).await?;
    if founded.is_none_or(|organization| week.began_at <= organization.created_at) {
        return Ok(0);
    }
    let facts = facts_of(&mut reader, now).await?;
    drop(reader);
    let mut tx = ctx.store.begin().await?;
    if !reminders::take_week(&mut tx, week.number, now).await? {
        return Ok(0);
    }
    let readers = reminders::digest_readers(&mut tx).await?;
    for reader in &readers {
        let Some(user) = users::find(&mut tx, *reader).await? else { continue };
        let kind = LetterKind::WeeklyDigest;
        outbox::write_notice(ctx, &mut tx, &user, kind, facts.clone(), now).await?;
    }
    commit(ctx, tx).await?;
    ctx.letters_waiting.notify_one();
    Ok(readers.len())
}

/// Looks at the calendar every minute, for ever.
pub async fn run(ctx: Ctx) {
    let mut rounds = tokio::time::interval(ROUND);
    loop {
        rounds.tick().await;
        if let Err(error) = write_if_due(&ctx).await {
            error!(error = &error as &dyn std::error::Error, "could not write the weekly digest");
        }
    }
}

async fn facts_of(conn: &mut Conn, now: Timestamp) -> Result<Facts, AppError> {
    let mut facts = Facts::default()
        .with("expiring", reminders::count_expiring(conn, now, now + HORIZON).await?)
        .with("expired", reminders::count_expiring(conn, now - HORIZON, now).await?)
        .with("never_used", reminders::count_never_used(conn, now - HORIZON, now).await?)
        .with("without_second_factor", reminders::count_without_second_factor(conn).await?);
    let most = i64::try_from(NEXT.len()).unwrap_or(i64::MAX);
    let next = reminders::aging(conn, Position::after(now), now + HORIZON, most).await?;
    for (name, token) in NEXT.into_iter().zip(&next) {
        facts = facts.with(name, line_of(conn, token, now).await?);
    }
    Ok(facts)
}

async fn line_of(conn: &mut Conn, aging: &AgingToken, now: Timestamp) -> Result<String, AppError> {
    let AgingToken { token, username, device_type, lifetime, .. } = aging;
    let expires_at = lifetime.expires_at.unix_ms();
    let mut line = format!("{}{PART}{expires_at}{PART}{device_type}{PART}{username}", token.raw());
    for each in uses_of(conn, aging, USES, now).await? {
        line.push(PART);
        line.push_str(&each);
    }
    Ok(line)
}

fn read_line(line: &str) -> Option<ExpiringToken> {
    let mut parts = line.split(PART);
    Some(ExpiringToken {
        token: Id::from_raw(parts.next()?.parse().ok()?),
        expires_at: Timestamp::from_unix_ms(parts.next()?.parse().ok()?),
        device_type: DeviceType::parse(parts.next()?).ok()?,
        username: Username::parse(parts.next()?).ok()?,
        uses: parts.filter_map(read_use).collect(),
    })
}

/// What the letter says, from its facts.
pub(crate) fn contents_of(facts: &ReadFacts<'_>) -> Result<Contents, AppError> {
    let count = |name| facts.get(name, |text| text.parse().ok());
    Ok(Contents::WeeklyDigest {
        tally: Tally {
            expiring: count("expiring")?,
            expired: count("expired")?,
            never_used: count("never_used")?,
            without_second_factor: count("without_second_factor")?,
        },
        next: NEXT.iter().filter_map(|name| facts.get_some(name, read_line)).collect(),
    })
}
