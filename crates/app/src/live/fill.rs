//! Fills the view from the database: users, tokens and sessions, page by page, several readers at a
//! time, while changes go on. A page that a change overtakes puts nothing in that the change has ended:
//! the view sees to that (`symbolon_live`, `fill`).

use std::panic::resume_unwind;
use std::time::Duration;

use symbolon_core::Timestamp;
use symbolon_core::api_rules::ApiRules;
use symbolon_core::policy::{DAY, Policy};
use symbolon_core::verification::OwnerState;
use symbolon_live::{
    ClientRule, Credential, CredentialSort, DeviceTypeRule, ProfileRule, UserFacts,
};
use symbolon_store::error::StoreError;
use symbolon_store::live::{self as stored, LiveSession, LiveToken, LiveUser, Page};
use symbolon_store::{Conn, changes, clients, device_types, profiles};
use tokio::task::JoinSet;

use crate::context::Ctx;
use crate::live::feed::FeedError;
use crate::live::{Live, log};

/// Rows of a page: some megabytes.
const PAGE: i64 = 10_000;
/// No session lives longer without use, whatever its profile says ([`symbolon_core::policy`]).
const LONGEST_IDLE: Duration = DAY;

/// Reads everything that lives into the view and ends its filling. The gate stays closed: what was
/// committed meanwhile is to be applied first.
///
/// # Errors
/// The database's; the view is still to be filled then.
pub async fn fill(ctx: &Ctx) -> Result<(), FeedError> {
    let live = &ctx.live;
    let mut reader = ctx.store.read().await?;
    let from = changes::current(&mut reader).await?;
    if live.view.begin_filling(from) {
        log::begin_at(live, &mut reader, from).await?;
    }
    read_rules(live, &mut reader).await?;
    drop(reader);
    fill_ranges(ctx, &[(Kind::Users, LOWER), (Kind::Users, UPPER)]).await?;
    // With room for all of them there is no growing little by little, which would leave gaps in memory.
    let mut reader = ctx.store.read().await?;
    let tokens = stored::count_tokens(&mut reader).await?;
    drop(reader);
    make_room_for(live, tokens);
    fill_ranges(ctx, &[(Kind::Tokens, LOWER), (Kind::Tokens, UPPER)]).await?;
    let mut reader = ctx.store.read().await?;
    let sessions = stored::count_sessions_about(&mut reader, oldest_use(ctx)).await?;
    drop(reader);
    make_room_for(live, tokens + sessions);
    fill_ranges(ctx, &[(Kind::Sessions, LOWER), (Kind::Sessions, UPPER)]).await?;
    live.view.finish_filling();
    Ok(())
}

fn make_room_for(live: &Live, credentials: i64) {
    live.view.make_room_for(usize::try_from(credentials).unwrap_or(0));
}

/// Identifiers are random, so that half of the numbers hold half of the rows.
const LOWER: (i64, i64) = (-1, i64::MAX / 2);
const UPPER: (i64, i64) = (i64::MAX / 2, i64::MAX);

#[derive(Clone, Copy)]
enum Kind {
    Users,
    Tokens,
    Sessions,
}

/// Several ranges at a time, each in a task of its own: what a row costs is mostly its decoding.
async fn fill_ranges(ctx: &Ctx, ranges: &[(Kind, (i64, i64))]) -> Result<(), FeedError> {
    let mut tasks = JoinSet::new();
    for (kind, range) in ranges.iter().copied() {
        let ctx = ctx.clone();
        tasks.spawn(async move { fill_range(&ctx, kind, range).await });
    }
    while let Some(filled) = tasks.join_next().await {
        // Nobody cancels them, so it panicked; it is ours then, as if there were one task.
        filled.unwrap_or_else(|broken| resume_unwind(broken.into_panic()))?;
    }
    Ok(())
}

async fn fill_range(ctx: &Ctx, kind: Kind, (after, through): (i64, i64)) -> Result<(), StoreError> {
    let mut reader = ctx.store.read().await?;
    let mut page = Page { after, through, limit: PAGE };
    while let Some(last) = fill_page(ctx, &mut reader, kind, page).await? {
        page.after = last;
    }
    Ok(())
}

/// Sessions that were last used before this have ended, whatever their profile says.
fn oldest_use(ctx: &Ctx) -> Timestamp {
    ctx.clock.now() - LONGEST_IDLE
}

/// Puts one page in; tells its last identifier unless it was the last page.
async fn fill_page(
    ctx: &Ctx,
    conn: &mut Conn,
    kind: Kind,
    page: Page,
) -> Result<Option<i64>, StoreError> {
    let view = &ctx.live.view;
    let read_at = changes::current(conn).await?;
    let (rows, last) = match kind {
        Kind::Users => {
            let users = stored::users(conn, page).await?;
            let last = users.last().map(|user| user.id.raw());
            let users: Vec<_> = users.into_iter().map(of_user).collect();
            view.fill_users(&users, read_at);
            (users.len(), last)
        }
        Kind::Tokens => {
            let tokens = stored::tokens(conn, page).await?;
            let last = tokens.last().map(|token| token.id);
            let tokens: Vec<_> = tokens.into_iter().map(of_token).collect();
            view.fill_credentials(&tokens, read_at);
            (tokens.len(), last)
        }
        Kind::Sessions => {
            let sessions = stored::sessions(conn, page, oldest_use(ctx)).await?;
            let last = sessions.last().map(|session| session.id);
            let sessions: Vec<_> = sessions.into_iter().map(of_session).collect();
            view.fill_credentials(&sessions, read_at);
            (sessions.len(), last)
        }
    };
    let full = i64::try_from(rows).is_ok_and(|rows| rows == page.limit);
    Ok(last.filter(|_| full))
}

/// Reads the small tables anew.
pub(super) async fn read_rules(live: &Live, conn: &mut Conn) -> Result<(), StoreError> {
    let profiles = profiles::list(conn).await?;
    let everybodys = profiles.iter().filter(|row| row.everybody_since.is_some());
    let everybodys: Vec<Policy> = everybodys.map(|row| row.policy.clone()).collect();
    let profiles = profiles.into_iter().map(|row| {
        // As `symbolon_store::profiles::in_force` does for log-ins.
        let in_force = everybodys.iter().cloned().fold(row.policy, Policy::strictest);
        ProfileRule {
            id: row.id,
            name: row.name,
            session_idle: in_force.session_idle.min(LONGEST_IDLE),
            api: ApiRules::of(&in_force),
        }
    });
    let device_types = device_types::list(conn)
        .await?
        .into_iter()
        .map(|row| DeviceTypeRule { name: row.name.to_string(), rules: row.rules });
    let mut known: Vec<ClientRule> = Vec::new();
    for row in clients::list(conn).await? {
        known.push(ClientRule {
            id: row.id,
            name: row.name,
            password_grant: row.password_grant_since.is_some(),
            secrets: Vec::new(),
        });
    }
    let mut secrets = clients::secrets(conn).await?;
    for client in &mut known {
        let of_client = secrets.extract_if(.., |secret| secret.client == client.id);
        client.secrets = of_client.map(|secret| secret.digest).collect();
    }
    let rules = live.view.rules().renewed(profiles.collect(), device_types.collect(), known);
    live.view.set_rules(rules);
    Ok(())
}

pub(super) fn of_user(user: LiveUser) -> UserFacts {
    UserFacts {
        id: user.id,
        username: user.username,
        email: user.email,
        name: user.name,
        administrator: user.administrator,
        profile: user.profile,
        owner: OwnerState {
            active: !user.inactive,
            tokens_frozen: user.tokens_frozen,
            password_expired: user.password_expired,
        },
    }
}

pub(super) fn of_token(token: LiveToken) -> Credential {
    Credential {
        id: token.id,
        digest: token.digest,
        user: token.user,
        sort: CredentialSort::Token { expires_at: token.expires_at, active_at: token.active_at },
        started_at: token.issued_at,
        device_type: Some(token.device_type),
    }
}

pub(super) fn of_session(session: LiveSession) -> Credential {
    let LiveSession { id, digest, user, device_type, started_at, last_used_at, client } = session;
    let sort = CredentialSort::Session { last_used_at, client };
    Credential { id, digest, user, sort, started_at, device_type }
}
