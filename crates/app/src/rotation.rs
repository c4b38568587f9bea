//! Rotation: a new token beside the old one, which lives on until the new one is first used or a deadline.
//!
//! Where the device type allows no overlap there is the reset alone. The order of the writes is in
//! docs/order-of-writes.md; how a rotation ends is in [`completion`]. A new token that cannot be mailed ends
//! nothing: the overlap goes on, and whoever sees that the letter was refused cancels, or resets.

pub(crate) mod completion;

use std::time::Duration;

use symbolon_core::Timestamp;
use symbolon_core::device_type::USUAL_OVERLAP;
use symbolon_core::id::{Id, Token, User};
use symbolon_core::issue::{Issue, IssueCause};
use symbolon_core::judge::RetirementCause;
use symbolon_core::letter::{LetterKind, Volume};
use symbolon_core::names::{DeviceType, Source, Username};
use symbolon_core::policy::SessionsOnReset;
use symbolon_core::reset::{ResetRefusal, Scope};
use symbolon_core::rotation::{
    CancelOrder, CancelPlan, CancelRefusal, RotationOrder, RotationPlan, RotationRefusal,
    plan_cancel, plan_rotation,
};
use symbolon_core::secret::Password;
use symbolon_store::changes::{self, Change};
use symbolon_store::tokens::NewToken;
use symbolon_store::users::UserRecord;
use symbolon_store::{Tx, profiles, tokens, users};

use crate::actor::{Actor, Origin};
use crate::context::Ctx;
use crate::error::{AppError, Rule};
use crate::facts::Facts;
use crate::live::{commit, settled_revision};
use crate::login::Head;
use crate::outbox::{self, TokenLetter};
use crate::passwords::{self, Proof};
use crate::requests::Request;
use crate::reset::{self, PASSWORD_CHANGED, ResetError};
use crate::users::{take, take_by_name};
use crate::{account, device_types, openpgp, retirement, scribe, trail};
pub use completion::end_overdue;

const NO_OVERLAP: &str = "Tokens of this device type do not overlap: a reset ends the old one at once. An \
                          administrator can allow rotation in the device type.";
const UNDER_WAY: &str = "A rotation of this device type is under way. It ends when the new token is first \
                         used, or at its deadline; until then it can be cancelled.";
const NO_LIVE_TOKEN: &str = "There is no live token of this device type that could live on. Reset the \
                             security token instead.";
const OUT_OF_BOUNDS: &str = "an overlap takes one minute to seven days";
const OVER: &str = "The overlap is over: the old token has ended, and the new one stays.";
const OLD_UNUSED: &str = "The old token has died of disuse. The new one stays.";
const USED: &str = "The new token is in use: the rotation is completed, and the old one has ended.";
const NEW_TOKEN_ENDED: &str = "The new token was ended by itself. The old one works until its deadline; reset \
                               the security token to get another.";
const WRONG_KEY: &str = "a request key has 1 to 64 letters, digits, dots, dashes and underscores";

/// What an owner asks for.
#[derive(Debug)]
pub struct OwnRotation {
    /// Who.
    pub user: Id<User>,
    /// Proved anew, as for a reset.
    pub current_password: Password,
    /// Which of his tokens.
    pub device_type: DeviceType,
    /// How long the old one lives on at most.
    pub overlap: Duration,
    /// From the form: the same key again is the same rotation.
    pub request_key: String,
    /// By which head.
    pub head: Head,
    /// From where.
    pub origin: Origin,
}

/// What an administrator asks for.
#[derive(Debug)]
pub struct RotationFor<'a> {
    /// Which of the user's tokens.
    pub device_type: DeviceType,
    /// How long the old one lives on at most; 24 hours unless it is said.
    pub overlap: Option<Duration>,
    /// The same key again for the same user is the same rotation.
    pub request_key: Option<&'a str>,
    /// Why; for the audit trail.
    pub reason: Option<&'a str>,
}

/// What a rotation has done.
#[derive(Debug, Clone)]
pub struct RotationReceipt {
    /// The new token.
    pub token: Id<Token>,
    /// The old one and until when it lives on, if it does still.
    pub outgoing: Option<(Id<Token>, Timestamp)>,
    /// Whether this request did it; not so where the same request came before.
    pub fresh: bool,
    /// The revision from which on the new token is known everywhere; where the request came before, a later one.
    pub revision: i64,
}

/// Rotates the asking user's own token.
///
/// # Errors
/// [`ResetError`]; nothing was changed then.
///
/// # Security
/// As for a reset: the password is proved before the transaction and compared with the row's again within
/// it (I6).
pub async fn rotate_own(ctx: &Ctx, request: OwnRotation) -> Result<RotationReceipt, ResetError> {
    let key = request.request_key.as_str();
    let asked = Request::rotation(key, &request.device_type, request.overlap);
    let mut reader = ctx.store.read().await?;
    let known = asked.find(&mut reader, request.user).await?;
    drop(reader);
    if let Some(token) = known {
        return repetition(ctx, token).await;
    }
    let OwnRotation { head, user, current_password: password, origin, .. } = &request;
    let proved = match passwords::prove_at(ctx, *head, *user, password, origin).await? {
        Proof::Given(user) => user,
        Proof::Refused(refused) => return Err(ResetError::WrongPassword(refused)),
    };
    let now = ctx.clock.now();
    let mut tx = ctx.store.begin().await?;
    let user = take(&mut tx, request.user).await?;
    // A second click may have come first while this one was hashing.
    if let Some(token) = asked.find(&mut tx, request.user).await? {
        drop(tx);
        return repetition(ctx, token).await;
    }
    if user.password != proved.password {
        return Err(ResetError::Forbidden(PASSWORD_CHANGED.into()));
    }
    let order = Order {
        actor: Actor::User(request.user),
        device_type: &request.device_type,
        overlap: request.overlap,
        source: Some(request.origin.source),
        reason: None,
    };
    let receipt = write_rotation(ctx, &mut tx, &user, &order, Some(&asked), now).await?;
    commit(ctx, tx).await?;
    ctx.letters_waiting.notify_one();
    Ok(receipt)
}

/// Rotates a user's token for an administrator, who never sees it: it is mailed to the user.
///
/// # Errors
/// [`ResetError`]; nothing was changed then.
pub async fn rotate_for(
    ctx: &Ctx,
    actor: Actor,
    username: &str,
    asked: RotationFor<'_>,
) -> Result<RotationReceipt, ResetError> {
    let key = asked.request_key.map(key_of_administrators).transpose()?;
    let overlap = asked.overlap.unwrap_or(USUAL_OVERLAP);
    let request = key.as_deref().map(|key| Request::rotation(key, &asked.device_type, overlap));
    let now = ctx.clock.now();
    let mut tx = ctx.store.begin().await?;
    let user = take_by_name(&mut tx, username).await?;
    if let Some(request) = &request
        && let Some(token) = request.find(&mut tx, user.standing.user).await?
    {
        drop(tx);
        return repetition(ctx, token).await;
    }
    let order = Order {
        actor,
        device_type: &asked.device_type,
        overlap,
        source: None,
        reason: asked.reason,
    };
    let receipt = write_rotation(ctx, &mut tx, &user, &order, request.as_ref(), now).await?;
    commit(ctx, tx).await?;
    ctx.letters_waiting.notify_one();
    Ok(receipt)
}

/// What a cancellation has done.
#[derive(Debug, Clone, Copy)]
pub struct Cancelled {
    /// The token that was to come in the other's place; it has ended.
    pub retired: Id<Token>,
    /// The one that goes on, with its own expiry again.
    pub kept: Id<Token>,
    /// The revision from which on this is so everywhere.
    pub revision: i64,
}

/// Which rotation of a user is to be cancelled.
#[derive(Debug, Clone, Copy)]
pub enum Which<'a> {
    /// Whichever of this device type is under way.
    OfDeviceType(&'a DeviceType),
    /// The one that this token has a part in. Where that was cancelled before, the answer is the same again.
    Of(Id<Token>),
}

/// Cancels the rotation of a user's token before the new one was used: the new one ends, the old one gets its
/// expiry back.
///
/// # Errors
/// [`ResetError`]; nothing was changed then.
pub async fn cancel(
    ctx: &Ctx,
    actor: Actor,
    user: Id<User>,
    which: Which<'_>,
) -> Result<Cancelled, ResetError> {
    // A use that is noted and not written down yet was before this.
    scribe::write_uses(ctx).await?;
    let mut tx = ctx.store.begin().await?;
    let user = take(&mut tx, user).await?;
    cancel_taken(ctx, tx, &user, actor, which).await
}

/// [`cancel`] for an owner who proves the current password anew, as a program must that has nothing else to
/// show but a session.
///
/// # Errors
/// [`ResetError`]; nothing was changed then.
pub async fn cancel_own(
    ctx: &Ctx,
    user: Id<User>,
    current: &Password,
    token: Id<Token>,
    origin: &Origin,
) -> Result<Cancelled, ResetError> {
    let proved = match passwords::prove_at(ctx, Head::Rest, user, current, origin).await? {
        Proof::Given(user) => user,
        Proof::Refused(refused) => return Err(ResetError::WrongPassword(refused)),
    };
    scribe::write_uses(ctx).await?;
    let mut tx = ctx.store.begin().await?;
    let fresh = account::take_unchanged(&mut tx, &proved).await?;
    cancel_taken(ctx, tx, &fresh, Actor::User(user), Which::Of(token)).await
}

/// [`cancel`] for the user of this name.
///
/// # Errors
/// [`ResetError`]; nothing was changed then.
pub async fn cancel_for(
    ctx: &Ctx,
    actor: Actor,
    username: &str,
    device_type: &DeviceType,
) -> Result<Cancelled, ResetError> {
    let username = Username::parse(username).map_err(|_| AppError::NotFound("user"))?;
    let mut reader = ctx.store.read().await?;
    let found = users::find_by_name(&mut reader, &username).await?;
    let user = found.ok_or(AppError::NotFound("user"))?.standing.user;
    drop(reader);
    cancel(ctx, actor, user, Which::OfDeviceType(device_type)).await
}

/// What keeps a user's token of this device type from being rotated right now, and who can lift it; `None` if
/// nothing does.
///
/// # Errors
/// The database's; [`AppError::NotFound`].
pub async fn obstacle(
    ctx: &Ctx,
    user: Id<User>,
    device_type: &DeviceType,
) -> Result<Option<Rule>, AppError> {
    let now = ctx.clock.now();
    let mut reader = ctx.store.read().await?;
    let user = users::find(&mut reader, user).await?.ok_or(AppError::NotFound("user"))?;
    let policy = profiles::in_force(&mut reader, user.profile).await?;
    let live = tokens::live_of_user(&mut reader, user.standing.user).await?;
    let known = device_types::demand(&mut reader, device_type).await?;
    let order = RotationOrder { device_type, rules: &known.rules, overlap: USUAL_OVERLAP };
    let plan = plan_rotation(&user.standing, user.profile, &live, &order, &policy, now);
    if let Err(refusal) = plan {
        return Ok(Some(rule_of(refusal).into()));
    }
    openpgp::obstacle(&mut reader, user.standing.user, &policy, now).await
}

/// Who orders which rotation, and why.
struct Order<'a> {
    actor: Actor,
    device_type: &'a DeviceType,
    overlap: Duration,
    source: Option<Source>,
    reason: Option<&'a str>,
}

/// Writes a rotation into a transaction that has taken the user's row; the change row comes last.
async fn write_rotation(
    ctx: &Ctx,
    tx: &mut Tx,
    user: &UserRecord,
    order: &Order<'_>,
    request: Option<&Request<'_>>,
    now: Timestamp,
) -> Result<RotationReceipt, ResetError> {
    let id = user.standing.user;
    let policy = profiles::in_force(tx, user.profile).await?;
    let live = tokens::live_of_user(tx, id).await?;
    let Order { actor, device_type, overlap, .. } = *order;
    let known = device_types::demand(tx, device_type).await?;
    let asked = RotationOrder { device_type, rules: &known.rules, overlap };
    let plan = plan_rotation(&user.standing, user.profile, &live, &asked, &policy, now)
        .map_err(refused)?;
    if let Some(rule) = openpgp::obstacle(tx, id, &policy, now).await? {
        return Err(ResetError::Forbidden(rule));
    }

    if let Some(overdue) = plan.overdue {
        completion::end_one(ctx, tx, user, overdue, now).await?;
    }
    let token = ctx.chance.with(|mut rng| Id::mint(&mut rng));
    // The old one first: at no moment are there two that have no successor.
    tokens::begin_succession(tx, plan.outgoing, token, plan.until).await?;
    issue(ctx, tx, user, order, (token, &plan), now).await?;
    if let Some(request) = request {
        request.remember(tx, id, token, now).await?;
    }
    let details = format!(
        "token={token}\ndevice_type={device_type}\noutgoing={}\nuntil={}\nreason={}",
        plan.outgoing,
        plan.until,
        order.reason.unwrap_or_default().replace(char::is_control, " "),
    );
    trail::append(tx, actor, "token.rotated", format!("user:{id}"), details, now).await?;
    let revision = changes::record(tx, Change::TokenReset, id, Some(token.raw()), now).await?;
    let outgoing = Some((plan.outgoing, plan.until));
    Ok(RotationReceipt { token, outgoing, fresh: true, revision })
}

/// Issues the new token: its digest, the letter that carries it, the notice that does not.
async fn issue(
    ctx: &Ctx,
    tx: &mut Tx,
    user: &UserRecord,
    order: &Order<'_>,
    (token, plan): (Id<Token>, &RotationPlan),
    now: Timestamp,
) -> Result<(), AppError> {
    let letter = TokenLetter::draw(ctx, Volume::Single)?;
    let owner = user.standing.user;
    let new = NewToken {
        id: token,
        user: owner,
        device_type: order.device_type,
        digest: &letter.digest,
        expires_at: plan.expires_at,
        issue: Issue {
            cause: IssueCause::Rotation,
            scope: Scope::DeviceType,
            issuer: order.actor.user(),
            source: order.source,
        },
    };
    tokens::insert(tx, &new, now).await?;
    let facts = || {
        let cause = RetirementCause::Rotation;
        facts_of(order.device_type, cause, by(order.actor, owner), now)
            .with("rotation", "begun")
            .with("retired", 0)
            .with_some("source", order.source)
            .at("expires_at", plan.expires_at)
            .at("outgoing_until", plan.until)
    };
    letter.write(ctx, tx, user, token, facts(), now).await?;
    outbox::write_notice(ctx, tx, user, LetterKind::TokenChanged, facts(), now).await
}

/// Cancels in a transaction that has taken the user's row, and ends it.
async fn cancel_taken(
    ctx: &Ctx,
    mut tx: Tx,
    user: &UserRecord,
    actor: Actor,
    which: Which<'_>,
) -> Result<Cancelled, ResetError> {
    let (id, now) = (user.standing.user, ctx.clock.now());
    let (device_type, named, before) = match which {
        Which::OfDeviceType(device_type) => (device_type.clone(), None, None),
        Which::Of(token) => {
            let row = tokens::find(&mut tx, token).await?.filter(|row| row.record.user == id);
            let row = row.ok_or(AppError::NotFound("token"))?;
            let before = tokens::cancellation_of(&mut tx, id, token).await?;
            (row.device_type, Some(token), before)
        }
    };
    let live = tokens::live_of_user(&mut tx, id).await?;
    let known = device_types::demand(&mut tx, &device_type).await?;
    let order = CancelOrder { device_type: &device_type, rules: &known.rules, named };
    let plan = plan_cancel(&user.standing, &live, &order, now);
    if let (Err(CancelRefusal::NoneUnderWay), Some((retired, kept))) = (&plan, before) {
        drop(tx);
        // The request that came first may still be waiting for what it has committed.
        let revision = settled_revision(ctx).await?;
        return Ok(Cancelled { retired, kept, revision });
    }
    let plan = plan.map_err(not_cancelled)?;
    let done = write_cancellation(ctx, &mut tx, user, actor, (&device_type, plan), now).await?;
    commit(ctx, tx).await?;
    ctx.letters_waiting.notify_one();
    Ok(done)
}

/// Writes a cancellation into a transaction that has taken the user's row; the change row comes last.
async fn write_cancellation(
    ctx: &Ctx,
    tx: &mut Tx,
    user: &UserRecord,
    actor: Actor,
    (device_type, plan): (&DeviceType, CancelPlan),
    now: Timestamp,
) -> Result<Cancelled, AppError> {
    let id = user.standing.user;
    let cause = RetirementCause::RotationCancelled;
    // The new one first, as above.
    retirement::retire(tx, &[plan.incoming], cause, actor, SessionsOnReset::End, now).await?;
    tokens::cancel_succession(tx, plan.outgoing, plan.incoming).await?;
    let facts = facts_of(device_type, cause, by(actor, id), now)
        .with("rotation", "cancelled")
        .with("retired", 1);
    outbox::write_notice(ctx, tx, user, LetterKind::TokenChanged, facts, now).await?;
    let details =
        format!("token={}\ndevice_type={device_type}\nkept={}", plan.incoming, plan.outgoing);
    let subject = format!("user:{id}");
    trail::append(tx, actor, "token.rotation-cancelled", subject, details, now).await?;
    let subject = Some(plan.incoming.raw());
    let revision = changes::record(tx, Change::TokenRevoked, id, subject, now).await?;
    Ok(Cancelled { retired: plan.incoming, kept: plan.outgoing, revision })
}

/// What every letter about a rotation says.
fn facts_of(
    device_type: &DeviceType,
    cause: RetirementCause,
    by: &'static str,
    now: Timestamp,
) -> Facts {
    Facts::default()
        .with("device_type", device_type)
        .with("cause", cause.word())
        .with("by", by)
        .at("asked_at", now)
        .with("scope", Scope::DeviceType.word())
}

fn by(actor: Actor, owner: Id<User>) -> &'static str {
    if actor == Actor::User(owner) { "owner" } else { "administrator" }
}

/// The answer to a request that came before: what it has led to, as it stands now.
async fn repetition(ctx: &Ctx, token: Id<Token>) -> Result<RotationReceipt, ResetError> {
    // The request that came first may still be waiting for what it has committed.
    let revision = settled_revision(ctx).await?;
    let mut reader = ctx.store.read().await?;
    let outgoing = tokens::outgoing_before(&mut reader, token).await?;
    let outgoing = outgoing.map(|row| (row.record.token, row.record.expires_at));
    Ok(RotationReceipt { token, outgoing, fresh: false, revision })
}

/// The request key of an administrator, which no key of a form can be: what users ask for themselves does not
/// stand in the way of what is asked for them.
fn key_of_administrators(key: &str) -> Result<String, AppError> {
    let sound = |c: u8| c.is_ascii_alphanumeric() || b".-_".contains(&c);
    if (1..=64).contains(&key.len()) && key.bytes().all(sound) {
        Ok(format!("administrator:{key}"))
    } else {
        Err(AppError::Invalid(WRONG_KEY))
    }
}

fn refused(refusal: RotationRefusal) -> ResetError {
    match refusal {
        RotationRefusal::OverlapOutOfBounds => AppError::Invalid(OUT_OF_BOUNDS).into(),
        RotationRefusal::Frozen(_)
        | RotationRefusal::TokensFrozen(_)
        | RotationRefusal::NotActivated
        | RotationRefusal::NotAHolder
        | RotationRefusal::OverlapForbidden
        | RotationRefusal::UnderWay(_)
        | RotationRefusal::NoLiveToken => ResetError::Forbidden(rule_of(refusal).into()),
    }
}

fn not_cancelled(refusal: CancelRefusal) -> ResetError {
    match refusal {
        CancelRefusal::Standing(refusal) => refused(refusal),
        CancelRefusal::NoneUnderWay => AppError::NotFound("rotation under way").into(),
        CancelRefusal::Over(_) => ResetError::Forbidden(OVER.into()),
        CancelRefusal::Unused(_) => ResetError::Forbidden(OLD_UNUSED.into()),
        CancelRefusal::Used(_) => ResetError::Forbidden(USED.into()),
        CancelRefusal::NewTokenEnded(_) => ResetError::Forbidden(NEW_TOKEN_ENDED.into()),
    }
}

const fn rule_of(refusal: RotationRefusal) -> &'static str {
    match refusal {
        RotationRefusal::Frozen(at) => reset::rule_of(ResetRefusal::Frozen(at)),
        RotationRefusal::TokensFrozen(at) => reset::rule_of(ResetRefusal::TokensFrozen(at)),
        RotationRefusal::NotActivated => reset::rule_of(ResetRefusal::NotActivated),
        RotationRefusal::NotAHolder => reset::rule_of(ResetRefusal::NotAHolder),
        RotationRefusal::OverlapForbidden => NO_OVERLAP,
        RotationRefusal::OverlapOutOfBounds => OUT_OF_BOUNDS,
        RotationRefusal::UnderWay(_) => UNDER_WAY,
        RotationRefusal::NoLiveToken => NO_LIVE_TOKEN,
    }
}
