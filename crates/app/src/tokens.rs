//! Tokens as their owner and administrators see them. How one is ended without a successor is in
//! [`revocation`], who uses it in [`uses`], and how it came to be in [`provenance`].

mod provenance;
mod revocation;
mod uses;

use symbolon_core::Timestamp;
pub use symbolon_core::device_type::AnotherKind;
use symbolon_core::device_type::{DeviceRules, Overlap};
use symbolon_core::id::{Id, Token, User};
use symbolon_core::judge::RetirementCause;
use symbolon_core::names::{DeviceType, Username};
use symbolon_store::device_types::{self, DeviceTypeRow};
use symbolon_store::inventory;
pub use symbolon_store::inventory::{TokenFilter, TokenState};
use symbolon_store::tokens::{self, TokenRow};
use symbolon_store::{Conn, users};

use crate::context::Ctx;
use crate::error::AppError;
use crate::passwords;
use crate::reset::NOT_A_HOLDER;
pub use provenance::{Freeze, Issuer, Provenance};
pub use revocation::{revoke, revoke_own, revoke_presented};
use uses::uses_of;
pub use uses::{LOOK_BACK, MOST_USES, TokenUse, UsedBy};
pub(crate) use uses::{admitted_uses, network_of, tries_of_ended};

/// Tokens on a page, unless more of them live.
const MOST_TOKENS: i64 = 200;

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
    /// Whether it lives.
    pub state: TokenState,
    /// The rule by which nobody is let in with it although it lives, and who can lift that.
    pub obstacle: Option<&'static str>,
    /// When it was issued.
    pub issued_at: Timestamp,
    /// The first instant at which it is no longer accepted.
    pub expires_at: Timestamp,
    /// When it was last let in.
    pub last_used_at: Option<Timestamp>,
    /// When it dies if nobody uses it until then, where its device type sets a limit.
    pub idle_end: Option<Timestamp>,
    /// When and why it was retired.
    pub retired: Option<(Timestamp, RetirementCause)>,
    /// What keeps it from being accepted, though it lives.
    pub freeze: Option<Freeze>,
    /// How it came to be.
    pub provenance: Provenance,
    /// Its part in a rotation that is under way.
    pub rotation: Option<Rotation>,
    /// Whether its device type lets an old token live on beside a new one.
    pub overlap: Overlap,
    /// Who used it in the last 90 days; of a token that has ended, who still tries to.
    pub uses: Vec<TokenUse>,
}

/// A token among everybody's, as administrators see it.
#[derive(Debug, Clone)]
pub struct InventoryEntry {
    /// The token. Who uses it is not told here.
    pub token: TokenView,
    /// The name of its owner's profile.
    pub profile: String,
    /// When its owner was removed; the name may be somebody else's since.
    pub owner_removed_at: Option<Timestamp>,
}

/// A token's part in a rotation that is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rotation {
    /// It lives on until the token that comes in its place is first used, or until it expires.
    Outgoing(Id<Token>),
    /// It comes in the place of this one.
    Incoming(Id<Token>),
}

/// A device type that a reset may name.
#[derive(Debug, Clone)]
pub struct Offer {
    /// Its name.
    pub device_type: DeviceType,
    /// What holds for its tokens.
    pub rules: DeviceRules,
    /// The rule that keeps the user from a token of it, and who can lift that.
    pub obstacle: Option<&'static str>,
}

/// The tokens of one user, with who uses them: all that were not retired, and of the others as many as a page
/// takes; each newest first.
///
/// # Errors
/// The database's.
pub async fn of_user(ctx: &Ctx, user: Id<User>) -> Result<Vec<TokenView>, AppError> {
    let now = ctx.clock.now();
    let mut reader = ctx.store.read().await?;
    let mut rows = tokens::unretired_of_user(&mut reader, user).await?;
    let left = MOST_TOKENS.saturating_sub(i64::try_from(rows.len()).unwrap_or(MOST_TOKENS));
    rows.extend(tokens::retired_of_user(&mut reader, user, left.max(1)).await?);
    views_of(&mut reader, user, &rows, now).await
}

/// One page of a user's tokens, newest first, with who uses them; `after` is the last one of the page before.
///
/// # Errors
/// [`AppError::NotFound`] where that is somebody else's or nobody's.
pub async fn page_of_user(
    ctx: &Ctx,
    user: Id<User>,
    limit: i64,
    after: Option<Id<Token>>,
) -> Result<Vec<TokenView>, AppError> {
    let now = ctx.clock.now();
    let mut reader = ctx.store.read().await?;
    let before = match after {
        Some(after) => {
            let row = own(&mut reader, user, after).await?;
            (row.issued_at, after)
        }
        None => newest(),
    };
    let rows = tokens::list(&mut reader, Some(user), before, limit).await?;
    views_of(&mut reader, user, &rows, now).await
}

/// The live tokens of one user by device type, with who uses them; frozen ones live too.
///
/// # Errors
/// The database's.
pub(crate) async fn live_of_user(ctx: &Ctx, user: Id<User>) -> Result<Vec<TokenView>, AppError> {
    let now = ctx.clock.now();
    let mut reader = ctx.store.read().await?;
    let rules = device_types::list(&mut reader).await?;
    let mut rows = tokens::unretired_of_user(&mut reader, user).await?;
    rows.sort_by_key(|row| (row.device_type.to_string(), row.issued_at));
    let mut views = Vec::new();
    for row in &rows {
        let older = predecessor(&rows, row.record.token);
        let state = state_of(row, &rules, now);
        if !state.has_ended() {
            let uses = uses_of(&mut reader, row, state, now - LOOK_BACK).await?;
            views.push(view(row, uses, older, &rules, now));
        }
    }
    Ok(views)
}

/// One token of a user, with who uses it.
///
/// # Errors
/// [`AppError::NotFound`] where it is somebody else's or nobody's.
pub async fn one_of_user(
    ctx: &Ctx,
    user: Id<User>,
    token: Id<Token>,
) -> Result<TokenView, AppError> {
    let now = ctx.clock.now();
    let mut reader = ctx.store.read().await?;
    let row = own(&mut reader, user, token).await?;
    let mut views = views_of(&mut reader, user, &[row], now).await?;
    views.pop().ok_or(AppError::NotFound("token"))
}

/// Whose token it is.
///
/// # Errors
/// [`AppError::NotFound`] where it is nobody's.
pub(crate) async fn owner_of(ctx: &Ctx, token: Id<Token>) -> Result<Id<User>, AppError> {
    let mut reader = ctx.store.read().await?;
    let row = tokens::find(&mut reader, token).await?;
    Ok(row.ok_or(AppError::NotFound("token"))?.record.user)
}

/// The row of one of the user's own tokens.
async fn own(conn: &mut Conn, user: Id<User>, token: Id<Token>) -> Result<TokenRow, AppError> {
    let row = tokens::find(conn, token).await?.filter(|row| row.record.user == user);
    row.ok_or(AppError::NotFound("token"))
}

/// The views of some rows of one user, in their order.
async fn views_of(
    conn: &mut Conn,
    user: Id<User>,
    rows: &[TokenRow],
    now: Timestamp,
) -> Result<Vec<TokenView>, AppError> {
    let rules = device_types::list(conn).await?;
    let unretired = tokens::unretired_of_user(conn, user).await?;
    let mut views = Vec::new();
    for row in rows {
        let uses = uses_of(conn, row, state_of(row, &rules, now), now - LOOK_BACK).await?;
        views.push(view(row, uses, predecessor(&unretired, row.record.token), &rules, now));
    }
    Ok(views)
}

/// Every device type, with the rule that keeps `user` from a token of it, if one does.
///
/// # Errors
/// The database's.
pub async fn offers(ctx: &Ctx, user: Id<User>) -> Result<Vec<Offer>, AppError> {
    let profile = passwords::find(ctx, user).await?.profile;
    let mut reader = ctx.store.read().await?;
    let all = device_types::list(&mut reader).await?;
    let offer = |row: DeviceTypeRow| Offer {
        obstacle: (!row.rules.holders.include(profile)).then_some(NOT_A_HOLDER),
        device_type: row.name,
        rules: row.rules,
    };
    Ok(all.into_iter().map(offer).collect())
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
    let before = position(&mut reader, after).await?;
    let rules = device_types::list(&mut reader).await?;
    let rows = tokens::list(&mut reader, user, before, limit).await?;
    let view_of = |row: &TokenRow| {
        let predecessor = predecessor(&rows, row.record.token);
        view(row, Vec::new(), predecessor, &rules, now)
    };
    Ok(rows.iter().map(view_of).collect())
}

/// For administrators: the tokens of everybody that `filter` leaves in, newest first; `after` is the last one
/// of the page before.
///
/// # Errors
/// [`AppError::NotFound`] where there is no such token.
pub async fn inventory(
    ctx: &Ctx,
    filter: &TokenFilter,
    limit: i64,
    after: Option<Id<Token>>,
) -> Result<Vec<InventoryEntry>, AppError> {
    let now = ctx.clock.now();
    let mut reader = ctx.store.read().await?;
    let before = position(&mut reader, after).await?;
    let rules = device_types::list(&mut reader).await?;
    let rows = inventory::list(&mut reader, filter, now, before, limit).await?;
    let entry = |row: inventory::InventoryRow| InventoryEntry {
        token: view(&row.token, Vec::new(), row.predecessor, &rules, now),
        profile: row.profile,
        owner_removed_at: row.owner_removed_at,
    };
    Ok(rows.into_iter().map(entry).collect())
}

/// The position of a token among all, or before every one there is.
async fn position(
    conn: &mut Conn,
    after: Option<Id<Token>>,
) -> Result<(Timestamp, Id<Token>), AppError> {
    let Some(token) = after else {
        return Ok(newest());
    };
    let row = tokens::find(conn, token).await?;
    Ok((row.ok_or(AppError::NotFound("token"))?.issued_at, token))
}

/// The position before every token there is.
const fn newest() -> (Timestamp, Id<Token>) {
    (Timestamp::from_unix_ms(i64::MAX), Id::from_raw(i64::MAX))
}

/// The live token among `rows` in whose place `token` comes.
fn predecessor(rows: &[TokenRow], token: Id<Token>) -> Option<Id<Token>> {
    let before = |row: &&TokenRow| row.succeeded_by == Some(token) && row.record.retired.is_none();
    rows.iter().find(before).map(|row| row.record.token)
}

/// The rules of a token's device type.
fn rules_of<'a>(row: &TokenRow, device_types: &'a [DeviceTypeRow]) -> Option<&'a DeviceRules> {
    let known = device_types.iter().find(|known| known.name == row.device_type);
    known.map(|known| &known.rules)
}

/// When a token dies if nobody uses it until then.
fn idle_end_of(row: &TokenRow, rules: Option<&DeviceRules>) -> Option<Timestamp> {
    rules.and_then(|rules| rules.idle_end).map(|idle| row.record.active_at + idle)
}

/// Whether a token lives.
fn state_of(row: &TokenRow, device_types: &[DeviceTypeRow], now: Timestamp) -> TokenState {
    let record = row.record;
    let idle_end = idle_end_of(row, rules_of(row, device_types));
    match record.retired {
        Some(_) => TokenState::Retired,
        None if record.expires_at <= now || idle_end.is_some_and(|end| end <= now) => {
            TokenState::Expired
        }
        None if Freeze::of(row).is_some() => TokenState::Frozen,
        None => TokenState::Live,
    }
}

/// The view of one row; `predecessor` is the token in whose place it comes, while that lives on.
fn view(
    row: &TokenRow,
    uses: Vec<TokenUse>,
    predecessor: Option<Id<Token>>,
    device_types: &[DeviceTypeRow],
    now: Timestamp,
) -> TokenView {
    let record = row.record;
    let rules = rules_of(row, device_types);
    let state = state_of(row, device_types, now);
    let holds = rules.is_none_or(|rules| rules.holders.include(row.profile));
    let rotation = match (state, row.succeeded_by, predecessor) {
        (TokenState::Live | TokenState::Frozen, Some(successor), _) => {
            Some(Rotation::Outgoing(successor))
        }
        (TokenState::Live | TokenState::Frozen, None, Some(older)) => {
            Some(Rotation::Incoming(older))
        }
        (TokenState::Live | TokenState::Frozen, None, None)
        | (TokenState::Expired | TokenState::Retired, _, _) => None,
    };
    TokenView {
        token: record.token,
        user: record.user,
        username: row.username.clone(),
        device_type: row.device_type.clone(),
        state,
        obstacle: (state == TokenState::Live && !holds).then_some(NOT_A_HOLDER),
        issued_at: row.issued_at,
        expires_at: record.expires_at,
        last_used_at: row.last_used_at,
        idle_end: idle_end_of(row, rules),
        retired: record.retired,
        freeze: Freeze::of(row).filter(|_| state == TokenState::Frozen),
        provenance: Provenance::of(row),
        rotation,
        overlap: rules.map_or(Overlap::Forbidden, |rules| rules.overlap),
        uses: uses.into_iter().map(|used| used.under(rules)).collect(),
    }
}
