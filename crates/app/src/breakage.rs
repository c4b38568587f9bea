//! What a reset will break, told before it is asked for: which clients used the tokens in scope during the
//! last 90 days, how often, when last, and which of them will stop.

use symbolon_core::Timestamp;
use symbolon_core::id::{Id, Token, User};
use symbolon_core::names::{DeviceType, Username};
use symbolon_core::policy::SessionsOnReset;
use symbolon_core::reset::Scope;
use symbolon_store::users::UserRecord;
use symbolon_store::{profiles, sessions, users};

use crate::context::Ctx;
use crate::error::{AppError, Rule};
use crate::tokens::{self, LOOK_BACK, TokenUse, UsedBy};
use crate::{passwords, reset};

/// What a reset would do to the live tokens of a user, and to whoever uses them.
#[derive(Debug, Clone)]
pub struct Breakage {
    /// Whose tokens.
    pub user: Id<User>,
    /// His name.
    pub username: Username,
    /// Which earlier tokens the reset would end.
    pub scope: Scope,
    /// The device type of the new token.
    pub device_type: DeviceType,
    /// From when on uses are told.
    pub since: Timestamp,
    /// What becomes of the sessions that a token opened when it ends.
    pub sessions: SessionsOnReset,
    /// The rule that would refuse the reset as things are, and who can lift it.
    pub obstacle: Option<Rule>,
    /// Every live token, also those that would live on.
    pub tokens: Vec<Outlook>,
}

/// What becomes of a token, and of those who use it.
#[derive(Debug, Clone)]
pub struct Outlook {
    /// Which token.
    pub token: Id<Token>,
    /// What kind of thing holds it.
    pub device_type: DeviceType,
    /// When it was issued.
    pub issued_at: Timestamp,
    /// The first instant at which it is no longer accepted.
    pub expires_at: Timestamp,
    /// When it was last let in.
    pub last_used_at: Option<Timestamp>,
    /// Whether the reset ends it.
    pub fate: Fate,
    /// How many of the sessions that it opened are open.
    pub open_sessions: u64,
    /// Who used it, the latest first.
    pub clients: Vec<ClientOutlook>,
}

impl Outlook {
    /// How many clients will stop, at once or later.
    pub fn stopping(&self) -> usize {
        self.clients.iter().filter(|client| client.outcome != Outcome::GoesOn).count()
    }
}

/// Whether a reset ends a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It does.
    Ends,
    /// The token is not in scope.
    LivesOn,
}

/// Who used a token, and what becomes of him.
#[derive(Debug, Clone)]
pub struct ClientOutlook {
    /// Who, from where, how often, when.
    pub used: TokenUse,
    /// What becomes of him.
    pub outcome: Outcome,
}

/// What becomes of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It is refused from the reset on; the sessions that the token opened end.
    Stops,
    /// Sessions that it has open go on, by policy; it is refused when it next presents the token.
    StopsAtNextUse,
    /// It does not notice.
    GoesOn,
}

impl Outcome {
    /// The word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Stops => "stops",
            Self::StopsAtNextUse => "stops-at-next-use",
            Self::GoesOn => "goes-on",
        }
    }

    /// What becomes of a client that used a token.
    ///
    /// A browser presented it once, to prove its user: it is known from then on and needs the token no more.
    fn of(used: &TokenUse, fate: Fate, sessions: SessionsOnReset) -> Self {
        match (fate, used.by, sessions) {
            (Fate::LivesOn, _, _) | (Fate::Ends, UsedBy::Browser, _) => Self::GoesOn,
            (Fate::Ends, UsedBy::Program, SessionsOnReset::End) => Self::Stops,
            (Fate::Ends, UsedBy::Program, SessionsOnReset::Keep) => Self::StopsAtNextUse,
        }
    }
}

/// What a reset by its owner would break.
///
/// # Errors
/// [`AppError::NotFound`] where there is no such device type.
pub async fn of_own(
    ctx: &Ctx,
    user: Id<User>,
    scope: Scope,
    device_type: &DeviceType,
) -> Result<Breakage, AppError> {
    let user = passwords::find(ctx, user).await?;
    breakage(ctx, &user, scope, device_type).await
}

/// What an administrator's reset would break.
///
/// # Errors
/// [`AppError::NotFound`] where there is no such user or device type.
pub async fn of_user(
    ctx: &Ctx,
    username: &str,
    scope: Scope,
    device_type: &DeviceType,
) -> Result<Breakage, AppError> {
    let username = Username::parse(username).map_err(|_| AppError::NotFound("user"))?;
    let mut reader = ctx.store.read().await?;
    let user = users::find_by_name(&mut reader, &username).await?;
    drop(reader);
    breakage(ctx, &user.ok_or(AppError::NotFound("user"))?, scope, device_type).await
}

/// What the end of each live token by itself would break.
///
/// # Errors
/// The database's.
pub async fn of_each_token(ctx: &Ctx, user: Id<User>) -> Result<Vec<Outlook>, AppError> {
    let user = passwords::find(ctx, user).await?;
    let mut reader = ctx.store.read().await?;
    let sessions = profiles::in_force(&mut reader, user.profile).await?.on_reset;
    drop(reader);
    outlooks(ctx, &user, sessions, |_| Fate::Ends).await
}

async fn breakage(
    ctx: &Ctx,
    user: &UserRecord,
    scope: Scope,
    device_type: &DeviceType,
) -> Result<Breakage, AppError> {
    let mut reader = ctx.store.read().await?;
    let now = ctx.clock.now();
    let obstacle = reset::obstacle_to(&mut reader, user, scope, device_type, now).await?;
    let sessions = profiles::in_force(&mut reader, user.profile).await?.on_reset;
    drop(reader);
    let fate_of = |held: &DeviceType| {
        if scope.covers(device_type, held) { Fate::Ends } else { Fate::LivesOn }
    };
    Ok(Breakage {
        user: user.standing.user,
        username: user.username.clone(),
        scope,
        device_type: device_type.clone(),
        since: now - LOOK_BACK,
        sessions,
        obstacle,
        tokens: outlooks(ctx, user, sessions, fate_of).await?,
    })
}

async fn outlooks(
    ctx: &Ctx,
    user: &UserRecord,
    on_reset: SessionsOnReset,
    fate_of: impl Fn(&DeviceType) -> Fate,
) -> Result<Vec<Outlook>, AppError> {
    let live = tokens::live_of_user(ctx, user.standing.user).await?;
    let mut reader = ctx.store.read().await?;
    let mut outlooks = Vec::new();
    for view in live {
        let fate = fate_of(&view.device_type);
        let client = |used| ClientOutlook { outcome: Outcome::of(&used, fate, on_reset), used };
        outlooks.push(Outlook {
            token: view.token,
            device_type: view.device_type,
            issued_at: view.issued_at,
            expires_at: view.expires_at,
            last_used_at: view.last_used_at,
            fate,
            open_sessions: sessions::count_of_token(&mut reader, view.token).await?,
            clients: view.uses.into_iter().map(client).collect(),
        });
    }
    Ok(outlooks)
}
