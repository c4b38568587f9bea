//! Forgotten passwords: a mailed link of fifteen minutes, and what it ends.

use std::time::Duration;

use symbolon_core::Timestamp;
use symbolon_core::judge::RetirementCause;
use symbolon_core::letter::LetterKind;
use symbolon_core::names::Username;
use symbolon_core::secret::{LinkSecret, Password, PlaceSecret};
use symbolon_store::changes::{self, Change};
use symbolon_store::users::UserRecord;
use symbolon_store::{Tx, letters, links as stored_links, places as stored_places};
use symbolon_store::{source_failures, users};

use tokio::time::{Instant, sleep_until};

use crate::actor::{Actor, Origin};
use crate::context::Ctx;
use crate::error::AppError;
use crate::facts::Facts;
use crate::links::{self, LinkKind, RECOVERY_VALID};
use crate::live::commit;
use crate::outbox::{self, Carried, Text};
use crate::{passwords, places, retirement, second_factors, trail};

/// How long an answer takes: longer than the work for a user who is there, so that nobody can tell by the
/// clock whether there is one.
const ANSWER_AFTER: Duration = Duration::from_millis(100);
/// A user is mailed no more links than this within the time that one is valid.
const MOST_LETTERS: i64 = 5;

/// Mails a link if there is such a user. Whether there is, nobody is told: the answer is the same, and
/// a transaction is written either way. One address cannot ask for many names, and nobody can fill a
/// mailbox. The answer comes after [`ANSWER_AFTER`], whatever was or was not to be done.
///
/// # Errors
/// The database's.
pub async fn ask(ctx: &Ctx, username: &str, origin: &Origin) -> Result<(), AppError> {
    let answer_at = Instant::now() + ANSWER_AFTER;
    let now = ctx.clock.now();
    let policy = ctx.settings.source_policy;
    let (source, since) = (origin.source.counted_as(), now - policy.period);
    let mut tx = ctx.store.begin().await?;
    let asked = source_failures::since(&mut tx, &source, since).await?;
    let username = Username::parse(username).ok();
    let user = match &username {
        Some(username) => users::find_by_name(&mut tx, username).await?,
        None => None,
    };
    let key = username.map(|username| username.key()).unwrap_or_default();
    if !asked.locked(&policy) {
        source_failures::note(&mut tx, &source, &key, now).await?;
    }
    let entitled = |user: &UserRecord| user.standing.activated && user.standing.frozen_at.is_none();
    if let Some(user) = user.filter(entitled)
        && !asked.locked(&policy)
    {
        let (id, kind) = (user.standing.user, LetterKind::PasswordRecovery);
        if letters::count_since(&mut tx, id, kind, now - RECOVERY_VALID).await? < MOST_LETTERS {
            write_letter(ctx, &mut tx, &user, origin, now).await?;
        }
    }
    commit(ctx, tx).await?;
    ctx.letters_waiting.notify_one();
    sleep_until(answer_at).await;
    Ok(())
}

async fn write_letter(
    ctx: &Ctx,
    tx: &mut Tx,
    user: &UserRecord,
    origin: &Origin,
    now: Timestamp,
) -> Result<(), AppError> {
    let id = user.standing.user;
    let kind = LinkKind::PasswordRecovery;
    // An earlier link dies: of any number of mails only the last one works.
    stored_links::end_of_user(tx, id, kind.word(), now).await?;
    letters::supersede_of_user(tx, id, LetterKind::PasswordRecovery, now).await?;
    let facts = Facts::default().with("source", origin.source).at("asked_at", now);
    let link = Carried { kind, valid_for: RECOVERY_VALID, subject: None };
    let letter = LetterKind::PasswordRecovery;
    outbox::write_with_link(ctx, tx, user, &user.email, Text::single(letter, facts), link, now)
        .await?;
    let (subject, details) = (format!("user:{id}"), format!("source={}", origin.source));
    trail::append(tx, Actor::Rule, "recovery.asked", subject, details, now).await
}

/// Sets a new password. Whoever had the old one may have had the tokens: they are retired, and every
/// session ends. This browser becomes known, for the link came by mail: but not of a user who has a second
/// factor, which mail does not stand in for (ASVS 6.4.3).
///
/// # Errors
/// [`AppError::NotFound`] where the link is unknown, used or expired; [`AppError::Password`].
pub async fn recover(
    ctx: &Ctx,
    link: &LinkSecret,
    password: Password,
    origin: &Origin,
) -> Result<Option<PlaceSecret>, AppError> {
    let id = links::bearer_of(ctx, LinkKind::PasswordRecovery, link).await?;
    let user = passwords::find(ctx, id).await?;
    let hashed = passwords::hash_new(ctx, origin.into(), &user, &password).await?;

    let now = ctx.clock.now();
    let actor = Actor::LinkOf(id);
    let mut tx = ctx.store.begin().await?;
    if !users::take(&mut tx, id).await? {
        return Err(AppError::NotFound("link"));
    }
    links::use_up(ctx, &mut tx, LinkKind::PasswordRecovery, link, now).await?;
    let user = users::find(&mut tx, id).await?.ok_or(AppError::NotFound("link"))?;
    if user.standing.frozen_at.is_some() {
        return Err(AppError::NotFound("link"));
    }
    passwords::replace(&mut tx, &user, &hashed, None, now).await?;
    links::end_ways_in(&mut tx, id, now).await?;
    let cause = RetirementCause::Recovery;
    let retired = retirement::retire_all(&mut tx, id, cause, actor, now).await?;
    let facts = Facts::default().with("by", "recovery").with("source", origin.source).at("at", now);
    outbox::write_notice(ctx, &mut tx, &user, LetterKind::PasswordChanged, facts, now).await?;
    if retired > 0 {
        let facts = Facts::default()
            .with("device_type", "any")
            .with("cause", cause.word())
            .with("source", origin.source)
            .at("asked_at", now)
            .with("retired", retired)
            .with("scope", "account");
        outbox::write_notice(ctx, &mut tx, &user, LetterKind::TokenChanged, facts, now).await?;
    }
    // Whoever had the old password may have proved a browser of his own.
    stored_places::end_of_user(&mut tx, id, None, now).await?;
    let place = if second_factors::kinds_of(&mut tx, id).await?.any_real() {
        None
    } else {
        Some(places::make_known_by_link(ctx, &mut tx, id, origin, now).await?)
    };
    let details = format!("source={}\nretired={retired}", origin.source);
    trail::append(&mut tx, actor, "password.recovered", format!("user:{id}"), details, now).await?;
    changes::record(&mut tx, Change::UserChanged, id, None, now).await?;
    commit(ctx, tx).await?;
    ctx.letters_waiting.notify_one();
    Ok(place)
}
