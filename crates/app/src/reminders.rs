//! Reminders: whoever holds a token that dies soon is told by mail, on the days that its device type names.
//!
//! A sweep pages through the tokens in the order in which they die, a page at a time in memory. What is due
//! of a page is written in one transaction, letter and note of the reminder together: whatever crashes,
//! nothing is sent twice. It goes by what has passed, so nothing is skipped either when no server ran on the
//! day. Among several nodes the key of the note decides who writes.

use std::collections::HashMap;
use std::time::Duration;

use symbolon_core::Timestamp;
use symbolon_core::device_type::ReminderDays;
use symbolon_core::id::{Id, Token, User};
use symbolon_core::letter::LetterKind;
use symbolon_core::names::{ClientName, DeviceType, Source, Username};
use symbolon_core::policy::DAY;
use symbolon_core::reminder::{self, DueReminder, EXPIRED};
use symbolon_mail::{Contents, TimeLeft, TokenUse};
use symbolon_store::reminders::{self, AgingToken, Position};
use symbolon_store::{Tx, device_types, users, uses};
use tracing::{error, info};

use crate::context::Ctx;
use crate::error::AppError;
use crate::facts::{Facts, ReadFacts};
use crate::live::commit;
use crate::outbox;
use crate::tokens::LOOK_BACK;

const ROUND: Duration = Duration::from_hours(1);
/// Tokens that are looked at, and at most written of, at a time: some tenths of a second of the one
/// writer that an embedded database has.
const PAGE: i64 = 500;
/// So long after its death a token whose reminder was owed is still told of.
const LATEST: Duration = DAY.saturating_mul(30);
/// Clients that a letter names at most, each under one of these names of its facts.
const USES: [&str; 10] =
    ["use_0", "use_1", "use_2", "use_3", "use_4", "use_5", "use_6", "use_7", "use_8", "use_9"];

/// Writes every reminder that is due; tells how many.
///
/// # Errors
/// The database's; what was written until then is written.
pub async fn sweep(ctx: &Ctx) -> Result<u64, AppError> {
    let now = ctx.clock.now();
    let mut reader = ctx.store.read().await?;
    let days: HashMap<DeviceType, ReminderDays> = device_types::list(&mut reader)
        .await?
        .into_iter()
        .map(|row| (row.name, row.rules.reminders))
        .collect();
    drop(reader);
    let most = days.values().filter_map(|days| days.days().first()).max();
    let Some(most) = most else { return Ok(0) };
    let until = now + DAY * u32::from(*most);
    let mut position = Position::after(now - LATEST);
    let mut written = 0;
    loop {
        let mut reader = ctx.store.read().await?;
        let page = reminders::aging(&mut reader, position, until, PAGE).await?;
        let Some(last) = page.last() else { break };
        position = Position::behind(last);
        let mut sent: HashMap<Id<Token>, Vec<u16>> = HashMap::new();
        for (token, days) in reminders::sent(&mut reader, &page).await? {
            sent.entry(token).or_default().push(days);
        }
        drop(reader);
        let due = page.into_iter().filter_map(|aging| {
            let sent = sent.get(&aging.token).map_or(&[][..], Vec::as_slice);
            let reminder = reminder::due(days.get(&aging.device_type)?, aging.lifetime, sent, now)?;
            Some((aging, reminder))
        });
        written += write_page(ctx, due.collect(), now).await?;
    }
    if written > 0 {
        info!("wrote {written} reminders of tokens that expire");
    }
    Ok(written)
}

/// A sweep at once and every hour, for ever.
pub async fn run(ctx: Ctx) {
    let mut rounds = tokio::time::interval(ROUND);
    loop {
        rounds.tick().await;
        if let Err(error) = sweep(&ctx).await {
            error!(
                error = &error as &dyn std::error::Error,
                "could not remind of tokens that expire"
            );
        }
    }
}

async fn write_page(
    ctx: &Ctx,
    due: Vec<(AgingToken, DueReminder)>,
    now: Timestamp,
) -> Result<u64, AppError> {
    if due.is_empty() {
        return Ok(0);
    }
    let mut tx = ctx.store.begin().await?;
    let mut written = 0;
    let mut covered = Vec::new();
    for (aging, reminder) in due {
        if !reminders::insert(&mut tx, aging.token, reminder.days, now).await? {
            continue;
        }
        covered.extend(reminder.covers.iter().map(|days| (aging.token, *days)));
        if write_one(ctx, &mut tx, &aging, reminder.days, now).await? {
            written += 1;
        }
    }
    reminders::cover(&mut tx, &covered, now).await?;
    commit(ctx, tx).await?;
    ctx.letters_waiting.notify_one();
    Ok(written)
}

/// Writes one letter; `false` if its owner was removed since the page was read. A token that was retired
/// since then is seen by the courier, who ends the letter.
async fn write_one(
    ctx: &Ctx,
    tx: &mut Tx,
    aging: &AgingToken,
    days: u16,
    now: Timestamp,
) -> Result<bool, AppError> {
    let Some(user) = users::find(tx, aging.user).await? else {
        return Ok(false);
    };
    let mut facts = Facts::default()
        .with("device_type", &aging.device_type)
        .with("token", aging.token.raw())
        .at("expires_at", aging.lifetime.expires_at)
        .with("days", days);
    let used = uses_of(tx, aging.user, aging.token, USES.len(), now).await?;
    for (name, each) in USES.into_iter().zip(&used) {
        facts = facts.with(name, each);
    }
    let kind = LetterKind::TokenReminder;
    outbox::write_about_token(ctx, tx, &user, kind, facts, aging.token, now).await?;
    Ok(true)
}

/// Who uses a token, each as one line: when last, from where, who.
async fn uses_of(
    tx: &mut Tx,
    user: Id<User>,
    token: Id<Token>,
    most: usize,
    now: Timestamp,
) -> Result<Vec<String>, AppError> {
    let limit = i64::try_from(most).unwrap_or(i64::MAX);
    let used = uses::of_token(tx, user, token, now - LOOK_BACK, limit).await?;
    let line = |each: &symbolon_store::retired_uses::UseRow| {
        format!("{} {} {}", each.last_at.unix_ms(), each.source, each.client)
    };
    Ok(used.iter().map(line).collect())
}

fn read_use(line: &str) -> Option<TokenUse> {
    let mut words = line.splitn(3, ' ');
    let last_at = Timestamp::from_unix_ms(words.next()?.parse().ok()?);
    let source = words.next()?.parse().ok().map(Source::new);
    Some(TokenUse { client: ClientName::sanitised(words.next()?), source, last_at })
}

/// What the letter says, from its facts.
pub(crate) fn contents_of(facts: &ReadFacts<'_>, username: Username) -> Result<Contents, AppError> {
    let days = facts.get("days", |text| text.parse().ok())?;
    Ok(Contents::TokenReminder {
        username,
        device_type: facts.get("device_type", |text| DeviceType::parse(text).ok())?,
        token: Id::from_raw(facts.get("token", |text| text.parse().ok())?),
        expires_at: facts.at("expires_at")?,
        left: if days == EXPIRED { TimeLeft::None } else { TimeLeft::Days(days) },
        uses: USES.iter().filter_map(|name| facts.get_some(name, read_use)).collect(),
    })
}
