//! Reminders: whoever holds a token that dies soon is told by mail, on the days that its device type names.
//!
//! A sweep pages through the tokens in the order in which they die, a page at a time in memory. What is due
//! of a page is written in one transaction, letter and note of the reminder together: whatever crashes,
//! nothing is sent twice. Who uses the tokens is read before that: it may be long, and nobody else writes
//! meanwhile. It goes by what has passed, so nothing is skipped either when no server ran on the
//! day. Among several nodes the key of the note decides who writes.

use std::collections::HashMap;
use std::time::Duration;

use symbolon_core::Timestamp;
use symbolon_core::device_type::ReminderDays;
use symbolon_core::id::{Id, Token};
use symbolon_core::letter::LetterKind;
use symbolon_core::names::{ClientName, DeviceType, Source, Username};
use symbolon_core::policy::DAY;
use symbolon_core::reminder::{self, DueReminder, EXPIRED};
use symbolon_mail::{Contents, TimeLeft, TokenUse};
use symbolon_store::reminders::{self, AgingToken, Position};
use symbolon_store::{Conn, Tx, device_types, users};
use tracing::{error, info};

use crate::context::Ctx;
use crate::error::AppError;
use crate::facts::{Facts, ReadFacts};
use crate::live::commit;
use crate::outbox;
use crate::tokens::{self, LOOK_BACK, TokenUse as UseOfToken};

const ROUND: Duration = Duration::from_hours(1);
/// Tokens that are looked at, and at most written of, at a time: some tenths of a second of the one
/// writer that an embedded database has.
const PAGE: i64 = 500;
/// So long after its death a token whose reminder was owed is still told of.
const LATEST: Duration = DAY.saturating_mul(30);
/// Clients that a letter names at most, each under one of these names of its facts.
const USES: [&str; 10] =
    ["use_0", "use_1", "use_2", "use_3", "use_4", "use_5", "use_6", "use_7", "use_8", "use_9"];

/// A reminder that is due.
struct Owed {
    aging: AgingToken,
    reminder: DueReminder,
    uses: Vec<String>,
}

/// Writes every reminder that is due; tells of how many tokens.
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
        let due = page.into_iter().filter_map(|aging| {
            let sent = sent.get(&aging.token).map_or(&[][..], Vec::as_slice);
            let reminder = reminder::due(days.get(&aging.device_type)?, aging.lifetime, sent, now)?;
            Some((aging, reminder))
        });
        let mut owed = Vec::new();
        for (aging, reminder) in due {
            let uses = uses_of(&mut reader, &aging, USES.len(), now).await?;
            owed.push(Owed { aging, reminder, uses });
        }
        drop(reader);
        written += write_page(ctx, owed, now).await?;
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

async fn write_page(ctx: &Ctx, page: Vec<Owed>, now: Timestamp) -> Result<u64, AppError> {
    if page.is_empty() {
        return Ok(0);
    }
    let mut tx = ctx.store.begin().await?;
    let mut written = 0;
    let mut covered = Vec::new();
    for owed in page {
        let (token, reminder) = (owed.aging.token, &owed.reminder);
        if !reminders::insert(&mut tx, token, reminder.days, now).await? {
            continue;
        }
        covered.extend(reminder.covers.iter().map(|days| (token, *days)));
        if write_one(ctx, &mut tx, &owed, now).await? {
            written += 1;
        }
    }
    reminders::cover(&mut tx, &covered, now).await?;
    commit(ctx, tx).await?;
    ctx.letters_waiting.notify_one();
    Ok(written)
}

/// Writes of one token; `false` if its owner was removed since the page was read. A token that was retired
/// since then is seen by the courier, who ends the letter.
async fn write_one(ctx: &Ctx, tx: &mut Tx, owed: &Owed, now: Timestamp) -> Result<bool, AppError> {
    let Owed { aging, reminder, uses } = owed;
    let Some(user) = users::find(tx, aging.user).await? else {
        return Ok(false);
    };
    let mut facts = Facts::default()
        .with("device_type", &aging.device_type)
        .with("token", aging.token.raw())
        .at("expires_at", aging.lifetime.expires_at)
        .with("days", reminder.days);
    for (name, each) in USES.into_iter().zip(uses) {
        facts = facts.with(name, each);
    }
    let kind = LetterKind::TokenReminder;
    outbox::write_about_token(ctx, tx, &user, kind, facts, aging.token, now).await?;
    Ok(true)
}

/// Who uses a token, by logging in or by itself: the latest first, `most` of them, each as one line that says
/// when last, from where, who.
pub(crate) async fn uses_of(
    conn: &mut Conn,
    aging: &AgingToken,
    most: usize,
    now: Timestamp,
) -> Result<Vec<String>, AppError> {
    let uses = tokens::admitted_uses(conn, aging.user, aging.token, now - LOOK_BACK).await?;
    let line =
        |each: &UseOfToken| format!("{} {} {}", each.last_at.unix_ms(), each.source, each.client);
    Ok(uses.iter().take(most).map(line).collect())
}

/// Reads one of these lines.
pub(crate) fn read_use(line: &str) -> Option<TokenUse> {
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
