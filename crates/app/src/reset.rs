//! The reset: retire every earlier token in scope and issue a new one, in one transaction.
//!
//! The order of the writes, and what a crash between any two of them leaves, is in
//! docs/order-of-writes.md. After the answer no earlier token in scope is accepted anywhere.

use symbolon_core::Timestamp;
use symbolon_core::device_type::DeviceRules;
use symbolon_core::id::{Id, Token, User};
use symbolon_core::issue::{Issue, IssueCause};
use symbolon_core::judge::RetirementCause;
use symbolon_core::letter::{LetterKind, LetterState, Volume};
use symbolon_core::names::{DeviceType, Source};
use symbolon_core::policy::Policy;
use symbolon_core::reset::{ResetOrder, ResetPlan, ResetRefusal, Scope, plan_reset};
use symbolon_core::secret::Password;
use symbolon_store::changes::{self, Change};
use symbolon_store::error::StoreError;
use symbolon_store::tokens::NewToken;
use symbolon_store::users::UserRecord;
use symbolon_store::{Conn, Tx, letters, links, profiles, tokens};

use crate::account::ChangeError;
use crate::actor::{Actor, Origin};
use crate::context::Ctx;
use crate::error::{AppError, Rule};
use crate::facts::Facts;
use crate::links::LinkKind;
use crate::live::{commit, settled_revision};
use crate::login::{Head, Refused};
use crate::outbox::{self, Text, TokenLetter};
use crate::passwords::{self, Proof};
use crate::requests::Request;
use crate::users::{take, take_by_name};
use crate::{device_types, openpgp, owner_freeze, retirement, trail};

const FROZEN: &str = "This user is frozen. An administrator can unfreeze it; then the security token \
                      can be reset.";
/// The rule that keeps tokens from being accepted, and who can lift it.
pub(crate) const TOKENS_FROZEN: &str = "The tokens of this account are frozen. The owner lifts that by a reset of \
                             every earlier token of the account, or under My Personal Information; an \
                             administrator does on the user's page.";
const NO_API: &str = "Your profile opens no API: a token serves to prove yourself on these pages alone. An \
                      administrator can open the APIs in the profile.";
const NOT_ACTIVATED: &str = "The invitation has not been accepted yet. Once a password is chosen, the \
                             security token can be reset.";

/// The password was proved, and is another one by now.
pub(crate) const PASSWORD_CHANGED: &str = "The password was changed meanwhile. Log in anew.";

/// Which rule it is that keeps a user from a token of a device type, and who can lift it.
pub(crate) const NOT_A_HOLDER: &str = "Users of this profile may not hold a token of this device type. An administrator \
                                       can allow it in the device type.";

/// What an owner asks for on the confirm page.
#[derive(Debug)]
pub struct OwnReset {
    /// Who.
    pub user: Id<User>,
    /// Proved anew for every reset.
    pub current_password: Password,
    /// Which earlier tokens end.
    pub scope: Scope,
    /// What kind of thing is to hold the new token.
    pub device_type: DeviceType,
    /// From the form: the same key again is the same reset, whatever clicked twice.
    pub request_key: String,
    /// By which head.
    pub head: Head,
    /// From where.
    pub origin: Origin,
}

/// What a reset has done.
#[derive(Debug, Clone)]
pub struct Receipt {
    /// The new token.
    pub token: Id<Token>,
    /// Whether this request did it; not so where the same request came before.
    pub fresh: bool,
    /// The revision from which on the earlier tokens are dead; where the request came before, a later one.
    pub revision: i64,
    /// How many earlier tokens have ended.
    pub retired: usize,
}

/// Why there was no reset. Nothing was changed.
#[derive(Debug)]
pub enum ResetError {
    /// The current password was wrong, or the user is locked out: counted.
    WrongPassword(Refused),
    /// A rule forbids it; the text says which, and who can lift it.
    Forbidden(Rule),
    /// Something else.
    App(AppError),
}

impl From<AppError> for ResetError {
    fn from(error: AppError) -> Self {
        Self::App(error)
    }
}

impl From<ChangeError> for ResetError {
    fn from(error: ChangeError) -> Self {
        match error {
            ChangeError::WrongPassword(refused) => Self::WrongPassword(refused),
            ChangeError::App(error) => Self::App(error),
        }
    }
}

impl From<StoreError> for ResetError {
    fn from(error: StoreError) -> Self {
        Self::App(error.into())
    }
}

/// Resets the asking user's own token.
///
/// # Errors
/// [`ResetError`]; nothing was changed then.
///
/// # Security
/// The password is proved before the transaction and compared with the row's again within it: a
/// password that was changed in between proves nothing (I6).
pub async fn reset_own(ctx: &Ctx, request: OwnReset) -> Result<Receipt, ResetError> {
    let asked = Request::reset(&request.request_key, request.scope, &request.device_type);
    let mut reader = ctx.store.read().await?;
    let before = asked.find(&mut reader, request.user).await?;
    drop(reader);
    if let Some(token) = before {
        return Ok(repetition_of(ctx, token).await?);
    }
    let OwnReset { head, user, current_password: password, origin, .. } = &request;
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
        return Ok(repetition_of(ctx, token).await?);
    }
    if user.password != proved.password {
        return Err(ResetError::Forbidden(PASSWORD_CHANGED.into()));
    }
    let order = Order {
        actor: Actor::User(request.user),
        cause: RetirementCause::Reset,
        issue: IssueCause::Reset,
        scope: request.scope,
        device_type: request.device_type.clone(),
        source: Some(request.origin.source),
        reason: None,
        volume: Volume::Single,
    };
    let receipt = write_reset(ctx, &mut tx, &user, order, Some(&asked), now).await?;
    commit(ctx, tx).await?;
    ctx.letters_waiting.notify_one();
    Ok(receipt)
}

/// Resets a user's token for an administrator, who never sees it: it is mailed to the user.
///
/// # Errors
/// [`ResetError`]; nothing was changed then.
pub async fn reset_for(
    ctx: &Ctx,
    actor: Actor,
    username: &str,
    device_type: DeviceType,
    scope: Scope,
    reason: Option<&str>,
) -> Result<Receipt, ResetError> {
    let now = ctx.clock.now();
    let mut tx = ctx.store.begin().await?;
    let user = take_by_name(&mut tx, username).await?;
    let cause = RetirementCause::AdminReset;
    let volume = Volume::Single;
    let issue = IssueCause::Reset;
    let order = Order { actor, cause, issue, scope, device_type, source: None, reason, volume };
    let receipt = write_reset(ctx, &mut tx, &user, order, None, now).await?;
    commit(ctx, tx).await?;
    ctx.letters_waiting.notify_one();
    Ok(receipt)
}

/// Who orders which reset, and why.
pub(crate) struct Order<'a> {
    pub(crate) actor: Actor,
    pub(crate) cause: RetirementCause,
    pub(crate) issue: IssueCause,
    pub(crate) scope: Scope,
    pub(crate) device_type: DeviceType,
    pub(crate) source: Option<Source>,
    pub(crate) reason: Option<&'a str>,
    pub(crate) volume: Volume,
}

impl Order<'_> {
    /// Whether it lifts a freeze of the tokens of `user`: only if he has proved himself for it, and has ended
    /// whatever was frozen. Where an administrator resets, "it wasn't me" stands until somebody lifts it.
    fn lifts_freeze_of(&self, user: Id<User>) -> bool {
        let proved = matches!(self.cause, RetirementCause::Reset | RetirementCause::PasswordChange);
        self.scope == Scope::Account && proved && self.actor == Actor::User(user)
    }
}

/// Writes a reset into a transaction that has taken the user's row; the change row comes last.
pub(crate) async fn write_reset(
    ctx: &Ctx,
    tx: &mut Tx,
    user: &UserRecord,
    order: Order<'_>,
    request: Option<&Request<'_>>,
    now: Timestamp,
) -> Result<Receipt, ResetError> {
    let id = user.standing.user;
    let Order { cause, scope, .. } = order;
    let (plan, policy) = planned(tx, user, scope, &order.device_type, cause, now)
        .await?
        .map_err(ResetError::Forbidden)?;

    retirement::retire(tx, &plan.retire, cause, order.actor, policy.on_reset, now).await?;
    if scope == Scope::Account {
        // The mails of the tokens that end here lose the power to freeze what comes after them.
        links::end_of_user(tx, id, LinkKind::FreezeTokens.word(), now).await?;
    }
    let token = issue(ctx, tx, user, &order, &plan, now).await?;
    if let Some(request) = request {
        request.remember(tx, id, token, now).await?;
    }
    if let Some(freeze) = user.standing.tokens_frozen
        && order.lifts_freeze_of(id)
    {
        let by = (order.actor, order.source);
        owner_freeze::write_lift(ctx, tx, user, freeze, by, now).await?;
    }
    let details = format!(
        "token={token}\ndevice_type={}\ncause={}\nretired={}\nreason={}",
        plan.device_type,
        cause.word(),
        plan.retire.len(),
        order.reason.unwrap_or_default().replace(char::is_control, " "),
    );
    trail::append(tx, order.actor, "token.reset", format!("user:{id}"), details, now).await?;
    let revision = changes::record(tx, Change::TokenReset, id, Some(token.raw()), now).await?;
    Ok(Receipt { token, fresh: true, revision, retired: plan.retire.len() })
}

/// Plans a reset, or tells which rule forbids it and who can lift it; for one that is made and one that is only
/// asked about.
async fn planned(
    conn: &mut Conn,
    user: &UserRecord,
    scope: Scope,
    device_type: &DeviceType,
    cause: RetirementCause,
    now: Timestamp,
) -> Result<Result<(ResetPlan, Policy), Rule>, AppError> {
    let id = user.standing.user;
    let policy = profiles::in_force(conn, user.profile).await?;
    let live = tokens::live_of_user(conn, id).await?;
    let known = device_types::demand(conn, device_type).await?;
    let asked = ResetOrder { scope, device_type, rules: &known.rules, cause };
    let plan = match plan_reset(&user.standing, user.profile, &live, &asked, &policy, now) {
        Ok(plan) => plan,
        Err(refusal) => return Ok(Err(rule_of(refusal).into())),
    };

    // A changed password ends its tokens whether or not the new one can be sent.
    if cause != RetirementCause::PasswordChange
        && let Some(rule) = openpgp::obstacle(conn, id, &policy, now).await?
    {
        return Ok(Err(rule));
    }
    Ok(Ok((plan, policy)))
}

/// What would forbid this very reset right now, and who can lift it; `None` if nothing does.
pub(crate) async fn obstacle_to(
    conn: &mut Conn,
    user: &UserRecord,
    scope: Scope,
    device_type: &DeviceType,
    now: Timestamp,
) -> Result<Option<Rule>, AppError> {
    let cause = RetirementCause::Reset;
    Ok(planned(conn, user, scope, device_type, cause, now).await?.err())
}

/// Issues the new token: its digest, the letter that carries it, the notice that does not.
async fn issue(
    ctx: &Ctx,
    tx: &mut Tx,
    user: &UserRecord,
    order: &Order<'_>,
    plan: &ResetPlan,
    now: Timestamp,
) -> Result<Id<Token>, AppError> {
    let letter = TokenLetter::draw(ctx, order.volume)?;
    let token = ctx.chance.with(|mut rng| Id::mint(&mut rng));
    let new = NewToken {
        id: token,
        user: user.standing.user,
        device_type: &plan.device_type,
        digest: &letter.digest,
        expires_at: plan.expires_at,
        issue: Issue {
            cause: order.issue,
            scope: order.scope,
            issuer: order.actor.user(),
            source: order.source,
        },
    };
    tokens::insert(tx, &new, now).await?;
    let facts = || {
        Facts::default()
            .with("device_type", &plan.device_type)
            .with("cause", plan.cause.word())
            .with_some("source", order.source)
            .at("asked_at", now)
            .at("expires_at", plan.expires_at)
            .with("retired", plan.retire.len())
            .with("scope", order.scope.word())
    };
    let frozen = user.standing.tokens_frozen.filter(|_| !order.lifts_freeze_of(user.standing.user));
    let own = match frozen {
        Some(freeze) => facts().at("frozen_at", freeze.at),
        None => facts(),
    };
    letter.write(ctx, tx, user, token, own, now).await?;
    let notice = Text { kind: LetterKind::TokenChanged, facts: facts(), volume: order.volume };
    outbox::write_text(ctx, tx, user, &user.email, notice, now).await?;
    Ok(token)
}

/// The answer to a request that came before.
async fn repetition_of(ctx: &Ctx, token: Id<Token>) -> Result<Receipt, AppError> {
    // The request that came first may still be waiting for what it has committed.
    let revision = settled_revision(ctx).await?;
    Ok(Receipt { token, fresh: false, revision, retired: 0 })
}

/// The rule in words, with who can lift it.
pub(crate) const fn rule_of(refusal: ResetRefusal) -> &'static str {
    match refusal {
        ResetRefusal::Frozen(_) => FROZEN,
        ResetRefusal::TokensFrozen(_) => TOKENS_FROZEN,
        ResetRefusal::NotActivated => NOT_ACTIVATED,
        ResetRefusal::NotAHolder => NOT_A_HOLDER,
    }
}

/// What keeps a user from a reset of that scope right now, whatever device type the new token is for, and who can
/// lift it; `None` if nothing does.
///
/// # Errors
/// The database's.
pub async fn obstacle(ctx: &Ctx, user: Id<User>, scope: Scope) -> Result<Option<Rule>, AppError> {
    let user = passwords::find(ctx, user).await?;
    let now = ctx.clock.now();
    let mut reader = ctx.store.read().await?;
    let policy = profiles::in_force(&mut reader, user.profile).await?;
    let rules = DeviceRules::default();
    let (device_type, cause) = (&DeviceType::any(), RetirementCause::Reset);
    let order = ResetOrder { scope, device_type, rules: &rules, cause };
    let plan = plan_reset(&user.standing, user.profile, &[], &order, &policy, now);
    if let Err(refusal) = plan {
        return Ok(Some(rule_of(refusal).into()));
    }
    openpgp::obstacle(&mut reader, user.standing.user, &policy, now).await
}

/// What a user should know before he asks for a token, though nothing forbids it.
///
/// # Errors
/// The database's.
pub async fn remark(ctx: &Ctx, user: Id<User>) -> Result<Option<&'static str>, AppError> {
    let user = passwords::find(ctx, user).await?;
    let mut reader = ctx.store.read().await?;
    let policy = profiles::in_force(&mut reader, user.profile).await?;
    Ok((!policy.access.api()).then_some(NO_API))
}

/// What the receipt page shows.
#[derive(Debug, Clone)]
pub struct ReceiptView {
    /// The new token.
    pub token: Id<Token>,
    /// What kind of thing is to hold it.
    pub device_type: DeviceType,
    /// When it was issued.
    pub issued_at: Timestamp,
    /// The first instant at which it is no longer accepted.
    pub expires_at: Timestamp,
    /// When and why it was retired in its turn.
    pub retired: Option<(Timestamp, RetirementCause)>,
    /// The letter that carried it, while it is remembered: a month from its end.
    pub mail: Option<MailView>,
}

/// How the letter of a token fares.
#[derive(Debug, Clone)]
pub struct MailView {
    /// Where it goes, masked.
    pub masked_address: String,
    /// Where it stands.
    pub state: LetterState,
    /// When it reached its end.
    pub ended_at: Option<Timestamp>,
    /// How often it was tried.
    pub attempts: u32,
    /// When it is tried next.
    pub next_try_at: Option<Timestamp>,
    /// The mail server's last words.
    pub reply: Option<String>,
}

/// The receipt of a user's token, whoever has reset it.
///
/// # Errors
/// [`AppError::NotFound`] where the token is somebody else's or nobody's.
pub async fn receipt(ctx: &Ctx, user: Id<User>, token: Id<Token>) -> Result<ReceiptView, AppError> {
    let mut reader = ctx.store.read().await?;
    let row = tokens::find(&mut reader, token).await?.filter(|row| row.record.user == user);
    let row = row.ok_or(AppError::NotFound("token"))?;
    let letter = letters::of_token(&mut reader, token).await?;
    let mail = letter.map(|letter| MailView {
        masked_address: letter.to.masked(),
        state: letter.state,
        ended_at: letter.ended_at,
        attempts: letter.attempts,
        next_try_at: letter.ended_at.is_none().then_some(letter.next_try_at),
        reply: letter.last_reply,
    });
    Ok(ReceiptView {
        token,
        device_type: row.device_type,
        issued_at: row.issued_at,
        expires_at: row.record.expires_at,
        retired: row.record.retired,
        mail,
    })
}
