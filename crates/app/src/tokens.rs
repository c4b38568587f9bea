//! Tokens as their owner and administrators see them, and revocation.

use std::net::IpAddr;
use std::time::Duration;

use symbolon_core::Timestamp;
pub use symbolon_core::device_type::AnotherKind;
use symbolon_core::device_type::{DeviceRules, Overlap};
use symbolon_core::id::{Id, Token, User};
use symbolon_core::judge::RetirementCause;
use symbolon_core::keys::Purpose;
use symbolon_core::letter::LetterKind;
use symbolon_core::names::{DeviceType, Source, Username};
use symbolon_core::policy::{DAY, SessionsOnReset};
use symbolon_core::token::PresentedToken;
use symbolon_store::changes::{self, Change};
use symbolon_store::device_types::{self, DeviceTypeRow};
use symbolon_store::inventory;
pub use symbolon_store::inventory::{TokenFilter, TokenState};
use symbolon_store::retired_uses::{self, UseRow};
use symbolon_store::tokens::{self, TokenRow};
use symbolon_store::{Conn, history, users, uses};

use crate::actor::Actor;
use crate::context::Ctx;
use crate::error::AppError;
use crate::facts::Facts;
use crate::live::{commit, settle_what_is_there};
use crate::login::Head;
use crate::reset::NOT_A_HOLDER;
use crate::{outbox, passwords, retirement, trail};

/// How far back it is asked who used a token.
pub const LOOK_BACK: Duration = DAY.saturating_mul(90);
/// Clients that are told of one token: those that used it last.
pub const MOST_USES: usize = 100;
/// The same for the database.
const MOST_ROWS: i64 = 100;

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
    /// Its part in a rotation that is under way.
    pub rotation: Option<Rotation>,
    /// Whether its device type lets an old token live on beside a new one.
    pub overlap: Overlap,
    /// Who used it in the last 90 days; of a retired token, who still tries to.
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

/// A client that uses a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenUse {
    /// What it says it is.
    pub client: String,
    /// From where, the last time.
    pub source: String,
    /// The network that counts as one place: the address, or the /64 of an IPv6 address.
    pub network: String,
    /// How the token was presented.
    pub by: UsedBy,
    /// When first, as far as is known.
    pub first_at: Timestamp,
    /// When last.
    pub last_at: Timestamp,
    /// How often, since the first.
    pub times: i64,
    /// Where a program is plainly of another kind than the token is for, as its device type is now.
    pub another_kind: Option<AnotherKind>,
}

impl TokenUse {
    /// The same, judged by what holds for the token.
    fn under(mut self, rules: Option<&DeviceRules>) -> Self {
        // Its owner pastes it into a browser, whatever kind of client it is for.
        let judged = rules.filter(|_| self.by == UsedBy::Program);
        self.another_kind = judged.and_then(|rules| rules.another_kind(&self.client));
        self
    }

    /// Whether both are the same client in the same network.
    pub(crate) fn is_the_place_of(&self, other: &Self) -> bool {
        self.client == other.client && self.network == other.network
    }
}

/// How a token is presented.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum UsedBy {
    /// By a person who proves himself on the pages; the browser is known from then on and needs it no more.
    Browser,
    /// By a program, which goes on needing it.
    Program,
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

/// The tokens of one user, newest first, with who uses them.
///
/// # Errors
/// The database's.
pub async fn of_user(ctx: &Ctx, user: Id<User>) -> Result<Vec<TokenView>, AppError> {
    let now = ctx.clock.now();
    let mut reader = ctx.store.read().await?;
    let rules = device_types::list(&mut reader).await?;
    let rows = tokens::list(&mut reader, Some(user), newest(), MOST_TOKENS).await?;
    let mut views = Vec::new();
    for row in &rows {
        let uses = uses_of(&mut reader, row, now - LOOK_BACK).await?;
        views.push(view(row, uses, predecessor(&rows, row.record.token), &rules, now));
    }
    Ok(views)
}

/// The live tokens of one user by device type, with who uses them.
///
/// # Errors
/// The database's.
pub(crate) async fn live_of_user(ctx: &Ctx, user: Id<User>) -> Result<Vec<TokenView>, AppError> {
    let now = ctx.clock.now();
    let mut reader = ctx.store.read().await?;
    let rules = device_types::list(&mut reader).await?;
    let mut rows = Vec::new();
    for live in tokens::live_of_user(&mut reader, user).await? {
        rows.extend(tokens::find(&mut reader, live.token).await?);
    }
    let mut views = Vec::new();
    for row in &rows {
        let older = predecessor(&rows, row.record.token);
        if view(row, Vec::new(), older, &rules, now).state == TokenState::Live {
            let uses = uses_of(&mut reader, row, now - LOOK_BACK).await?;
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
    let row = tokens::find(&mut reader, token).await?.filter(|row| row.record.user == user);
    let row = row.ok_or(AppError::NotFound("token"))?;
    let rules = device_types::list(&mut reader).await?;
    let rows = tokens::list(&mut reader, Some(user), newest(), MOST_TOKENS).await?;
    let uses = uses_of(&mut reader, &row, now - LOOK_BACK).await?;
    Ok(view(&row, uses, predecessor(&rows, token), &rules, now))
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

/// Who used a token since `since`; of a retired one, who still tries to.
async fn uses_of(
    conn: &mut Conn,
    row: &TokenRow,
    since: Timestamp,
) -> Result<Vec<TokenUse>, AppError> {
    match row.record.retired {
        Some(_) => tries_of_retired(conn, row.record.token).await,
        None => admitted_uses(conn, row.record.user, row.record.token, since).await,
    }
}

/// Who has tried a token since it was retired, the latest first.
pub(crate) async fn tries_of_retired(
    conn: &mut Conn,
    token: Id<Token>,
) -> Result<Vec<TokenUse>, AppError> {
    Ok(merged(retired_uses::of_token(conn, token, MOST_ROWS).await?))
}

/// Who has been let in with a token of `user` since `since`, by logging in or by itself or through a
/// session that it opened; the latest first.
pub(crate) async fn admitted_uses(
    conn: &mut Conn,
    user: Id<User>,
    token: Id<Token>,
    since: Timestamp,
) -> Result<Vec<TokenUse>, AppError> {
    let mut rows = history::uses_of_token(conn, user, token, since, MOST_ROWS).await?;
    rows.extend(uses::of_token(conn, user, token, since, MOST_ROWS).await?);
    Ok(merged(rows))
}

/// The uses of the same client in the same network together, the latest first.
pub(crate) fn merged(rows: Vec<UseRow>) -> Vec<TokenUse> {
    let mut uses: Vec<TokenUse> = Vec::new();
    for row in rows {
        let new = TokenUse {
            network: network_of(&row.source),
            by: match row.head.as_deref() {
                Some(head) if head == Head::Web.word() => UsedBy::Browser,
                Some(_) | None => UsedBy::Program,
            },
            client: row.client,
            source: row.source,
            first_at: row.first_at,
            last_at: row.last_at,
            times: row.times,
            another_kind: None,
        };
        match uses.iter_mut().find(|known| known.is_the_place_of(&new)) {
            Some(known) => {
                if new.last_at > known.last_at {
                    known.source = new.source;
                    known.last_at = new.last_at;
                }
                known.by = known.by.max(new.by);
                known.first_at = known.first_at.min(new.first_at);
                known.times += new.times;
            }
            None => uses.push(new),
        }
    }
    uses.sort_by_key(|known| std::cmp::Reverse(known.last_at));
    uses.truncate(MOST_USES);
    uses
}

/// The network that an address counts as.
pub(crate) fn network_of(source: &str) -> String {
    let address: Option<IpAddr> = source.parse().ok();
    address.map_or_else(|| source.to_owned(), |address| Source::new(address).counted_as())
}

/// Who ended a token of `owner`, as its mail says.
fn by(actor: Actor, owner: Id<User>) -> &'static str {
    match actor {
        Actor::User(user) if user == owner => "owner",
        Actor::Bearer(_) => "bearer",
        Actor::User(_) | Actor::Operator | Actor::LinkOf(_) | Actor::Rule => "administrator",
    }
}

/// The live token among `rows` in whose place `token` comes.
fn predecessor(rows: &[TokenRow], token: Id<Token>) -> Option<Id<Token>> {
    let before = |row: &&TokenRow| row.succeeded_by == Some(token) && row.record.retired.is_none();
    rows.iter().find(before).map(|row| row.record.token)
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
    let rules = device_types.iter().find(|known| known.name == row.device_type);
    let rules = rules.map(|known| &known.rules);
    let last = row.last_used_at.unwrap_or(row.issued_at);
    let idle_end = rules.and_then(|rules| rules.idle_end).map(|idle| last + idle);
    let state = match record.retired {
        Some(_) => TokenState::Retired,
        None if record.expires_at <= now || idle_end.is_some_and(|end| end <= now) => {
            TokenState::Expired
        }
        None => TokenState::Live,
    };
    let holds = rules.is_none_or(|rules| rules.holders.include(row.profile));
    let rotation = match (state, row.succeeded_by, predecessor) {
        (TokenState::Live, Some(successor), _) => Some(Rotation::Outgoing(successor)),
        (TokenState::Live, None, Some(older)) => Some(Rotation::Incoming(older)),
        (TokenState::Live | TokenState::Expired | TokenState::Retired, _, _) => None,
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
        idle_end,
        retired: record.retired,
        rotation,
        overlap: rules.map_or(Overlap::Forbidden, |rules| rules.overlap),
        uses: uses.into_iter().map(|used| used.under(rules)).collect(),
    }
}
