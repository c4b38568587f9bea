//! Tokens as their owner and administrators see them, and revocation.

use symbolon_core::Timestamp;
use symbolon_core::id::{Id, Token, User};
use symbolon_core::judge::RetirementCause;
use symbolon_core::keys::Purpose;
use symbolon_core::letter::LetterKind;
use symbolon_core::names::{DeviceType, Username};
use symbolon_core::policy::SessionsOnReset;
use symbolon_core::token::PresentedToken;
use symbolon_store::changes::{self, Change};
use symbolon_store::retired_uses::{self, UseRow};
use symbolon_store::tokens::{self, TokenRow};
use symbolon_store::{Conn, history, users, uses};

use crate::actor::Actor;
use crate::context::Ctx;
use crate::error::AppError;
use crate::facts::Facts;
use crate::live::{commit, settle_what_is_there};
use crate::{outbox, retirement, trail};

const MOST_TOKENS: i64 = 200;
const MOST_USES: i64 = 20;

/// Whether a token is accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenState {
    /// It is.
    Live,
    /// It has become too old.
    Expired,
    /// It was reset or revoked.
    Retired,
}

impl TokenState {
    /// The word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Expired => "expired",
            Self::Retired => "retired",
        }
    }
}

/// A token, as lists show it.
#[derive(Debug, Clone)]
pub struct TokenView {
    /// Identifier.
    pub token: Id<Token>,
    /// Whose.
    pub user: Id<User>,
    /// His name.
    pub username: Username,
    /// What kind of thing holds it.
    pub device_type: DeviceType,
    /// Whether it is accepted.
    pub state: TokenState,
    /// When it was issued.
    pub issued_at: Timestamp,
    /// The first instant at which it is no longer accepted.
    pub expires_at: Timestamp,
    /// When it was last let in.
    pub last_used_at: Option<Timestamp>,
    /// When and why it was retired.
    pub retired: Option<(Timestamp, RetirementCause)>,
    /// Who uses it; of a retired token, who still tries to.
    pub uses: Vec<TokenUse>,
}

/// A client that uses a token.
#[derive(Debug, Clone)]
pub struct TokenUse {
    /// What it says it is.
    pub client: String,
    /// From where.
    pub source: String,
    /// When last.
    pub last_at: Timestamp,
    /// How often.
    pub times: i64,
}

/// The tokens of one user, newest first, with who uses them.
///
/// # Errors
/// The database's.
pub async fn of_user(ctx: &Ctx, user: Id<User>) -> Result<Vec<TokenView>, AppError> {
    let now = ctx.clock.now();
    let mut reader = ctx.store.read().await?;
    let mut views = Vec::new();
    for row in tokens::list(&mut reader, Some(user), newest(), MOST_TOKENS).await? {
        let uses = uses_of(&mut reader, &row).await?;
        views.push(view(row, uses, now));
    }
    Ok(views)
}

/// For administrators: the tokens of one user, or of everybody, newest first; `after` is the last one
/// of the page before.
///
/// # Errors
/// [`AppError::NotFound`] where there is no such user or token.
pub async fn list(
    ctx: &Ctx,
    username: Option<&str>,
    limit: i64,
    after: Option<Id<Token>>,
) -> Result<Vec<TokenView>, AppError> {
    let now = ctx.clock.now();
    let mut reader = ctx.store.read().await?;
    let user = match username {
        Some(username) => {
            let username = Username::parse(username).map_err(|_| AppError::NotFound("user"))?;
            let user = users::find_by_name(&mut reader, &username).await?;
            Some(user.ok_or(AppError::NotFound("user"))?.standing.user)
        }
        None => None,
    };
    let before = match after {
        Some(token) => {
            let row = tokens::find(&mut reader, token).await?;
            (row.ok_or(AppError::NotFound("token"))?.issued_at, token)
        }
        None => newest(),
    };
    let rows = tokens::list(&mut reader, user, before, limit).await?;
    Ok(rows.into_iter().map(|row| view(row, Vec::new(), now)).collect())
}

/// Ends the live token that somebody holds, if it is one; who holds it needs no other right (RFC 7009 §2.1).
/// Its owner is told.
///
/// # Errors
/// The database's.
pub async fn revoke_presented(ctx: &Ctx, token: &PresentedToken) -> Result<(), AppError> {
    let digests = ctx.keys.digests(Purpose::Token, token.reveal().as_bytes());
    let mut reader = ctx.store.read().await?;
    let found = tokens::find_by_digest(&mut reader, &digests).await?;
    drop(reader);
    let Some(record) = found.filter(|record| record.retired.is_none()) else {
        return settle_what_is_there(ctx).await;
    };
    match revoke(ctx, Actor::Bearer(record.token), record.token).await {
        // Somebody else was quicker, or the user is gone.
        Err(AppError::NotFound(_)) => settle_what_is_there(ctx).await,
        ended => ended,
    }
}

/// Ends a live token without a successor.
///
/// # Errors
/// [`AppError::NotFound`] where there is no such live token.
pub async fn revoke(ctx: &Ctx, actor: Actor, token: Id<Token>) -> Result<(), AppError> {
    let now = ctx.clock.now();
    let mut tx = ctx.store.begin().await?;
    let found = tokens::find(&mut tx, token).await?;
    let row = found.ok_or(AppError::NotFound("token"))?;
    let id = row.record.user;
    if !users::take(&mut tx, id).await? {
        return Err(AppError::NotFound("token"));
    }
    let user = users::find(&mut tx, id).await?.ok_or(AppError::NotFound("token"))?;
    let live = tokens::live_of_user(&mut tx, id).await?;
    if !live.iter().any(|live| live.token == token) {
        return Err(AppError::NotFound("live token"));
    }
    let cause = RetirementCause::Revoked;
    retirement::retire(&mut tx, &[token], cause, actor, SessionsOnReset::End, now).await?;
    let facts = Facts::default()
        .with("device_type", &row.device_type)
        .with("cause", cause.word())
        .with("by", by(actor, id))
        .at("asked_at", now)
        .with("retired", 1)
        .with("scope", "device-type");
    outbox::write_notice(ctx, &mut tx, &user, LetterKind::TokenChanged, facts, now).await?;
    let details = format!("token={token}");
    trail::append(&mut tx, actor, "token.revoked", format!("user:{id}"), details, now).await?;
    changes::record(&mut tx, Change::TokenRevoked, id, Some(token.raw()), now).await?;
    commit(ctx, tx).await?;
    ctx.letters_waiting.notify_one();
    Ok(())
}

/// The position before every token there is.
const fn newest() -> (Timestamp, Id<Token>) {
    (Timestamp::from_unix_ms(i64::MAX), Id::from_raw(i64::MAX))
}

async fn uses_of(reader: &mut Conn, row: &TokenRow) -> Result<Vec<TokenUse>, AppError> {
    let token = row.record.token;
    if row.record.retired.is_some() {
        return Ok(merged(retired_uses::of_token(reader, token, MOST_USES).await?, Vec::new()));
    }
    let logins = history::uses_of_token(reader, row.record.user, token, MOST_USES).await?;
    Ok(merged(logins, uses::of_token(reader, token, MOST_USES).await?))
}

/// Log-ins and verifications of the same client from the same address together, the latest first.
fn merged(logins: Vec<UseRow>, verifications: Vec<UseRow>) -> Vec<TokenUse> {
    let mut uses: Vec<TokenUse> = Vec::new();
    for UseRow { client, source, last_at, times } in logins.into_iter().chain(verifications) {
        match uses.iter_mut().find(|known| known.client == client && known.source == source) {
            Some(known) => {
                known.last_at = known.last_at.max(last_at);
                known.times += times;
            }
            None => uses.push(TokenUse { client, source, last_at, times }),
        }
    }
    uses.sort_by_key(|known| std::cmp::Reverse(known.last_at));
    uses
}

/// Who ended a token of `owner`, as its mail says.
fn by(actor: Actor, owner: Id<User>) -> &'static str {
    match actor {
        Actor::User(user) if user == owner => "owner",
        Actor::Bearer(_) => "bearer",
        Actor::User(_) | Actor::Operator | Actor::LinkOf(_) | Actor::Rule => "administrator",
    }
}

fn view(row: TokenRow, uses: Vec<TokenUse>, now: Timestamp) -> TokenView {
    let record = row.record;
    let state = match record.retired {
        Some(_) => TokenState::Retired,
        None if record.expires_at <= now => TokenState::Expired,
        None => TokenState::Live,
    };
    TokenView {
        token: record.token,
        user: record.user,
        username: row.username,
        device_type: row.device_type,
        state,
        issued_at: row.issued_at,
        expires_at: record.expires_at,
        last_used_at: row.last_used_at,
        retired: record.retired,
        uses,
    }
}
