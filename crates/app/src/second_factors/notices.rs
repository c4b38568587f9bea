//! What is written down whenever a second factor comes or goes, of whichever kind: the audit row, the letter
//! to the owner, and the recovery codes that come with the first and go with the last. With the first, other
//! browsers end: they were proved by less.

use symbolon_core::Timestamp;
use symbolon_core::factor::{Factor, FactorKinds};
use symbolon_core::id::{Id, Kind, Session, User};
use symbolon_core::letter::LetterKind;
use symbolon_core::names::DisplayName;
use symbolon_core::secret::SessionSecret;
use symbolon_store::users::UserRecord;
use symbolon_store::{Tx, recovery_codes, sessions};

use super::{kinds_of, recovery};
use crate::actor::{Actor, Origin};
use crate::context::Ctx;
use crate::error::AppError;
use crate::facts::Facts;
use crate::second_factors::recovery::RecoveryCodes;
use crate::{browsers, outbox, step_up, trail};

const SESSION_OVER: &str = "Your session has ended meanwhile, and nothing was added. Log in anew.";

/// A second factor that was just added.
pub(crate) struct Added<'a> {
    /// Which kind.
    pub(crate) factor: Factor,
    /// What its owner calls it.
    pub(crate) name: &'a DisplayName,
    /// What there was before it.
    pub(crate) before: FactorKinds,
    /// The session that it was added in: one that was restricted to this is free now.
    pub(crate) session: Id<Session>,
}

/// What comes with a second factor.
#[derive(Debug)]
pub struct Gains {
    /// Recovery codes, with the first one, to be shown this once.
    pub codes: Option<RecoveryCodes>,
    /// The new secret of the session, which is proved by it.
    pub session: SessionSecret,
}

/// Notes that `user` has just added a second factor. The session may do more now, so it gets a new secret
/// (ASVS 7.2.4). Where it has ended since it was looked at nothing is added: the caller's transaction comes to
/// nothing (I6).
pub(crate) async fn note_added(
    ctx: &Ctx,
    tx: &mut Tx,
    user: &UserRecord,
    added: Added<'_>,
    origin: &Origin,
    now: Timestamp,
) -> Result<Gains, AppError> {
    let id = user.standing.user;
    let Added { factor, name, before, session } = added;
    let Some(secret) = step_up::note_proof(ctx, tx, session, now).await? else {
        return Err(AppError::Forbidden(SESSION_OVER));
    };
    sessions::lift_restriction(tx, session, now).await?;
    let facts = Facts::default()
        .with("factor", factor.word())
        .with("name", name)
        .with("source", origin.source)
        .at("at", now);
    outbox::write_notice(ctx, tx, user, LetterKind::SecondFactorAdded, facts, now).await?;
    let details = format!("factor={}\nname={name}", factor.word());
    let (actor, subject) = (Actor::User(id), format!("user:{id}"));
    if before.any_real() {
        trail::append(tx, actor, "second-factor.added", subject, details, now).await?;
        return Ok(Gains { codes: None, session: secret });
    }
    browsers::end_others(tx, actor, id, Some(session), "first second factor", now).await?;
    trail::append(tx, actor, "second-factor.added", subject, details, now).await?;
    let codes = recovery::draw(ctx, tx, id, now).await?;
    Ok(Gains { codes: Some(codes), session: secret })
}

/// Notes that a second factor of `user` has just been given another name.
pub(crate) async fn note_renamed<K: Kind>(
    tx: &mut Tx,
    user: Id<User>,
    (factor, id): (Factor, Id<K>),
    name: &DisplayName,
    now: Timestamp,
) -> Result<(), AppError> {
    let details = format!("factor={}\nid={id}\nname={name}", factor.word());
    let (actor, subject) = (Actor::User(user), format!("user:{user}"));
    trail::append(tx, actor, "second-factor.renamed", subject, details, now).await
}

/// Notes that a second factor of `user` has just been removed. With the last that is meant for daily use the
/// recovery codes go too.
pub(crate) async fn note_removed(
    ctx: &Ctx,
    tx: &mut Tx,
    user: &UserRecord,
    (factor, name): (Factor, &DisplayName),
    origin: &Origin,
    now: Timestamp,
) -> Result<(), AppError> {
    let id = user.standing.user;
    if !kinds_of(tx, id).await?.any_real() {
        recovery_codes::remove_of_user(tx, id).await?;
    }
    let facts = Facts::default()
        .with("factor", factor.word())
        .with("name", name)
        .with("by", "owner")
        .with("source", origin.source)
        .at("at", now);
    outbox::write_notice(ctx, tx, user, LetterKind::SecondFactorRemoved, facts, now).await?;
    let details = format!("factor={}\nname={name}", factor.word());
    let (actor, subject) = (Actor::User(id), format!("user:{id}"));
    trail::append(tx, actor, "second-factor.removed", subject, details, now).await
}
