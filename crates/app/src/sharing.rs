//! Tokens that look shared: once a minute the uses of those that were used are looked at, outside of any
//! request. What is found is noted, told to the owner and to administrators, and marked as a false alarm by
//! either.
//!
//! Every node looks at what all nodes have written, so a signal does not depend on which of them was asked.
//! They raise the same signals, and the first one to hold the owner's row tells of them.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use symbolon_core::Timestamp;
use symbolon_core::country::Countries;
use symbolon_core::device_type::{DeviceRules, OnSharing};
use symbolon_core::id::{Id, SharingSignal as SignalKind, Token, User};
use symbolon_core::judge::{FrozenBy, TokenFreeze};
use symbolon_core::letter::LetterKind;
use symbolon_core::names::{DeviceType, Username};
use symbolon_core::policy::DAY;
use symbolon_core::sharing::{self, SharingSignal, Sighting, WINDOW};
use symbolon_store::changes::{self, Change};
use symbolon_store::sharing_signals::{self as signals, SignalRow, UsedToken};
use symbolon_store::users::UserRecord;
use symbolon_store::{Tx, device_types, sessions, tokens, users};
use tokio::time::{MissedTickBehavior, interval};
use tracing::error;

use crate::actor::Actor;
use crate::context::Ctx;
use crate::error::AppError;
use crate::facts::Facts;
use crate::live::commit;
use crate::{outbox, trail};

const ROUND: Duration = Duration::from_mins(1);
/// Nodes write uses down some seconds after them: so far back is looked again.
const LATE: Duration = Duration::from_secs(30);
/// Tokens whose uses are read at a time.
const AT_ONCE: i64 = 256;
/// Uses that are read of each of them.
const MOST_USES: i64 = 512;
/// Uses of one token that are kept and looked at, the latest.
const MOST_OF_TOKEN: usize = 256;
/// Tokens whose earlier uses are kept: only those that several clients or networks use.
const MOST_WATCHED: usize = 4096;
/// Signals of one user, the latest: whoever makes them could fill the database.
const MOST_OF_USER: i64 = 100;
const MOST_LISTED: i64 = 500;
/// The owner of a token is told once in this time, whatever is found.
const TELL_AGAIN: Duration = DAY;
/// A signal that lasts is noted again after this time.
const NOTE_AGAIN: Duration = Duration::from_mins(10);
/// Administrators that are told of a token.
const MOST_ADMINISTRATORS: i64 = 100;

/// A signal, as lists show it.
pub type SignalView = SignalRow;

/// What one node remembers between its rounds. The database has only the last use of each client from each
/// network; whether two of them take turns shows in how these move on.
#[derive(Debug, Default)]
pub struct Watch {
    countries: Arc<Countries>,
    looked_at: Option<Timestamp>,
    earlier: HashMap<Id<Token>, Vec<Sighting>>,
}

/// A round every minute, for ever.
pub async fn run(ctx: Ctx, countries: Arc<Countries>) {
    let mut watch = Watch::knowing(countries);
    let mut rounds = interval(ROUND);
    rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        rounds.tick().await;
        if let Err(failure) = watch.look(&ctx).await {
            error!(error = &failure as &dyn std::error::Error, "could not look for shared tokens");
        }
    }
}

impl Watch {
    /// One that knows in which country an address is used.
    pub fn knowing(countries: Arc<Countries>) -> Self {
        Self { countries, ..Self::default() }
    }

    /// Looks at the tokens that were used since the last time.
    ///
    /// # Errors
    /// The database's. What was not looked at is looked at the next time.
    pub async fn look(&mut self, ctx: &Ctx) -> Result<(), AppError> {
        let now = ctx.clock.now();
        let since = self.looked_at.map_or(now - WINDOW, |at| at - LATE);
        self.earlier.retain(|_, uses| {
            uses.retain(|seen| now.since(seen.at) < WINDOW);
            !uses.is_empty()
        });
        let mut reader = ctx.store.read().await?;
        let types = device_types::list(&mut reader).await?;
        drop(reader);
        let rules: HashMap<DeviceType, DeviceRules> =
            types.into_iter().map(|row| (row.name, row.rules)).collect();
        let mut after = Id::from_raw(0);
        loop {
            let mut reader = ctx.store.read().await?;
            let used = signals::used_lately(&mut reader, since, after, AT_ONCE).await?;
            let uses = signals::uses(&mut reader, &used, now - WINDOW, MOST_USES).await?;
            drop(reader);
            let Some(last) = used.last() else {
                break;
            };
            after = last.token;
            let mut by_token: HashMap<Id<Token>, Vec<Sighting>> = HashMap::new();
            for (token, seen) in uses {
                by_token.entry(token).or_default().push(seen);
            }
            for token in &used {
                let lately = by_token.remove(&token.token).unwrap_or_default();
                let mut lately = self.with_earlier(token.token, lately);
                // What led to a freeze that was lifted is no reason for another.
                lately.retain(|seen| token.unfrozen_at.is_none_or(|at| seen.at > at));
                let Some(rules) = rules.get(&token.device_type) else {
                    continue;
                };
                let found = sharing::signals(&lately, rules, &self.countries, now);
                if !found.is_empty() {
                    raise(ctx, token, rules.on_sharing, &found, now).await?;
                }
            }
        }
        self.looked_at = Some(now);
        Ok(())
    }

    /// These uses with those that are remembered; remembers them if they are not all of one kind.
    ///
    /// Of one kind of client in one network the last of each minute is enough for every rule, and by more
    /// whoever calls himself something else each time would push those of all others out.
    fn with_earlier(&mut self, token: Id<Token>, lately: Vec<Sighting>) -> Vec<Sighting> {
        let mut all = self.earlier.remove(&token).unwrap_or_default();
        all.extend(lately);
        all.sort_by(|one, next| {
            next.at.cmp(&one.at).then_with(|| one.client.as_str().cmp(next.client.as_str()))
        });
        let mut known = HashSet::new();
        all.retain(|seen| {
            let minute = seen.at.unix_ms().div_euclid(60_000);
            known.insert((seen.kind(), seen.source.counted_as(), minute))
        });
        all.truncate(MOST_OF_TOKEN);
        let differ = all.iter().any(|seen| {
            seen.client != all[0].client || seen.source.counted_as() != all[0].source.counted_as()
        });
        if differ && self.earlier.len() < MOST_WATCHED {
            self.earlier.insert(token, all.clone());
        }
        all
    }
}

/// Notes what was found, and tells of what is new.
async fn raise(
    ctx: &Ctx,
    used: &UsedToken,
    on_sharing: OnSharing,
    found: &[SharingSignal],
    now: Timestamp,
) -> Result<(), AppError> {
    let mut reader = ctx.store.read().await?;
    let known = signals::list(&mut reader, Some(used.user), MOST_OF_USER).await?;
    drop(reader);
    let telling = Telling { on_sharing, unfrozen_at: used.unfrozen_at };
    if found.iter().all(|signal| telling.is_old_news(&known, signal, now)) {
        return Ok(());
    }
    let mut tx = ctx.store.begin().await?;
    let is_there = match on_sharing {
        OnSharing::Tell => users::hold(&mut tx, used.user).await?,
        // A log-in that was judged before the freeze must not open a session after it.
        OnSharing::Freeze => users::take(&mut tx, used.user).await?,
    };
    if !is_there {
        return Ok(());
    }
    let live = tokens::live_of_user(&mut tx, used.user).await?;
    let live: Vec<Id<Token>> = live.into_iter().map(|live| live.token).collect();
    if !live.contains(&used.token) {
        return Ok(());
    }
    let known = signals::list(&mut tx, Some(used.user), MOST_OF_USER).await?;
    for signal in found {
        note(ctx, &mut tx, (used, &live), signal, &known, now).await?;
    }
    signals::keep(&mut tx, used.user, MOST_OF_USER, now).await?;
    let all = signals::list(&mut tx, Some(used.user), MOST_OF_USER).await?;
    let own = || all.iter().filter(|row| row.token == used.token);
    let untold: Vec<&SignalRow> =
        own().filter(|row| row.false_alarm.is_none() && telling.of(row).is_none()).collect();
    let told = own().filter_map(|row| telling.of(row)).max();
    let may_tell = told.is_none_or(|told| now.since(told) >= TELL_AGAIN);
    let user = users::find(&mut tx, used.user).await?;
    if let Some(user) = user.filter(|_| may_tell && !untold.is_empty()) {
        tell(ctx, &mut tx, &user, used, on_sharing, &untold, now).await?;
    }
    commit(ctx, tx).await?;
    ctx.letters_waiting.notify_one();
    Ok(())
}

fn known_as<'a>(known: &'a [SignalRow], signal: &SharingSignal) -> Option<&'a SignalRow> {
    let covers = |row: &&SignalRow| row.rule == signal.rule && row.subject.covers(&signal.subject);
    // A false alarm silences also what an earlier signal was about.
    let silent = known.iter().filter(covers).find(|row| row.false_alarm.is_some());
    silent.or_else(|| known.iter().find(covers))
}

/// Which tellings count: not those from before a freeze was lifted, nor, where the device type says now that
/// tokens are frozen, those that froze nothing.
#[derive(Debug, Clone, Copy)]
struct Telling {
    on_sharing: OnSharing,
    unfrozen_at: Option<Timestamp>,
}

impl Telling {
    /// When the owner was told of a signal, if that counts.
    fn of(self, row: &SignalRow) -> Option<Timestamp> {
        let (at, under) = row.told?;
        let counts = self.unfrozen_at.is_none_or(|unfrozen_at| at > unfrozen_at)
            && (self.on_sharing == OnSharing::Tell || under == OnSharing::Freeze);
        counts.then_some(at)
    }

    /// Whether nothing need be written of a signal: it is a false alarm, or was noted only just and is no
    /// other news by now.
    fn is_old_news(self, known: &[SignalRow], signal: &SharingSignal, now: Timestamp) -> bool {
        known_as(known, signal).is_some_and(|row| {
            let is_told = row.told.is_none() || self.of(row).is_some();
            row.false_alarm.is_some() || (is_told && now.since(row.last_at) < NOTE_AGAIN)
        })
    }
}

async fn note(
    ctx: &Ctx,
    tx: &mut Tx,
    (used, live): (&UsedToken, &[Id<Token>]),
    signal: &SharingSignal,
    known: &[SignalRow],
    now: Timestamp,
) -> Result<(), AppError> {
    let evidence = signal.evidence.as_str();
    match known_as(known, signal) {
        Some(row) if row.false_alarm.is_some() => Ok(()),
        // Another live token of the same owner: he knows, and would be told of either in turn.
        Some(row) if live.contains(&row.token) => {
            Ok(signals::note_again(tx, row.id, evidence, now).await?)
        }
        Some(row) => Ok(signals::move_to(tx, row.id, used.token, evidence, now).await?),
        None => {
            let id = ctx.chance.with(|mut rng| Id::mint(&mut rng));
            signals::insert(tx, id, used, signal, now).await?;
            Ok(())
        }
    }
}

/// Tells owner and administrators, freezes where the device type says so, and writes it into the trail.
async fn tell(
    ctx: &Ctx,
    tx: &mut Tx,
    user: &UserRecord,
    used: &UsedToken,
    on_sharing: OnSharing,
    untold: &[&SignalRow],
    now: Timestamp,
) -> Result<(), AppError> {
    const NAMES: [&str; 4] = ["evidence_1", "evidence_2", "evidence_3", "evidence_4"];
    let frozen = on_sharing == OnSharing::Freeze && user.standing.tokens_frozen.is_none();
    let facts = || {
        let facts = Facts::default().with("device_type", &used.device_type).at("at", now);
        let facts = if frozen { facts.at("frozen_at", now) } else { facts };
        let evidence = NAMES.into_iter().zip(untold);
        evidence.fold(facts, |facts, (name, row)| facts.with(name, &row.evidence))
    };
    let id = used.user;
    outbox::write_notice(ctx, tx, user, LetterKind::TokenShared, facts(), now).await?;
    let report = LetterKind::SharingReport;
    for administrator in users::administrators(tx, MOST_ADMINISTRATORS).await? {
        let facts = facts().with("owner", &user.username);
        outbox::write_notice(ctx, tx, &administrator, report, facts, now).await?;
    }
    for row in untold {
        signals::note_told(tx, row.id, on_sharing, now).await?;
    }
    let rules: Vec<&str> = untold.iter().map(|row| row.rule.word()).collect();
    let subject = format!("user:{id}");
    let details = format!("token={}\nrules={}", used.token, rules.join(","));
    trail::append(tx, Actor::Rule, "token.looks-shared", subject.clone(), details, now).await?;
    if frozen {
        users::freeze_tokens(tx, id, TokenFreeze { at: now, by: FrozenBy::Sharing }).await?;
        sessions::end_of_token(tx, used.token, "token looks shared", now).await?;
        let details = format!("token={}\ncause=sharing", used.token);
        trail::append(tx, Actor::Rule, "tokens.frozen", subject, details, now).await?;
        changes::record(tx, Change::UserChanged, id, None, now).await?;
    }
    Ok(())
}

/// The signals of a user's tokens, or of everybody's, the latest first; false alarms too.
///
/// # Errors
/// The database's.
pub async fn list(ctx: &Ctx, user: Option<Id<User>>) -> Result<Vec<SignalView>, AppError> {
    let mut reader = ctx.store.read().await?;
    Ok(signals::list(&mut reader, user, MOST_LISTED).await?)
}

/// The same by the user's name, for administrators.
///
/// # Errors
/// [`AppError::NotFound`] where there is no such user.
pub async fn list_of(ctx: &Ctx, username: Option<&str>) -> Result<Vec<SignalView>, AppError> {
    let Some(username) = username else {
        return list(ctx, None).await;
    };
    let username = Username::parse(username).map_err(|_| AppError::NotFound("user"))?;
    let mut reader = ctx.store.read().await?;
    let user = users::find_by_name(&mut reader, &username).await?;
    drop(reader);
    list(ctx, Some(user.ok_or(AppError::NotFound("user"))?.standing.user)).await
}

/// Marks a signal as a false alarm: the same, or less, is not raised again of this user. `of` confines it
/// to the signals of one user, as an owner's request must.
///
/// Tokens that were frozen stay so: their owner lifts that by proving himself, or an administrator does.
///
/// # Errors
/// [`AppError::NotFound`] where there is no such signal, or it is somebody else's.
pub async fn mark_false_alarm(
    ctx: &Ctx,
    actor: Actor,
    of: Option<Id<User>>,
    signal: Id<SignalKind>,
) -> Result<(), AppError> {
    const UNKNOWN: AppError = AppError::NotFound("sharing signal");
    let now = ctx.clock.now();
    let mut tx = ctx.store.begin().await?;
    let row = signals::find(&mut tx, signal).await?.ok_or(UNKNOWN)?;
    if of.is_some_and(|of| of != row.user) || !users::hold(&mut tx, row.user).await? {
        return Err(UNKNOWN);
    }
    if signals::mark_false_alarm(&mut tx, signal, &actor.to_string(), now).await? {
        let subject = format!("user:{}", row.user);
        let details = format!("signal={signal}\nrule={}\nabout={}", row.rule.word(), row.subject);
        trail::append(&mut tx, actor, "sharing.false-alarm", subject, details, now).await?;
    }
    commit(ctx, tx).await
}
