//! Who uses a token: the log-ins, and the verifications of it and of the sessions that it opened, as one use for
//! each client and network.

use std::net::IpAddr;
use std::time::Duration;

use symbolon_core::Timestamp;
use symbolon_core::device_type::{AnotherKind, DeviceRules};
use symbolon_core::id::{Id, Token, User};
use symbolon_core::names::Source;
use symbolon_core::policy::DAY;
use symbolon_store::inventory::TokenState;
use symbolon_store::retired_uses::{self, UseRow};
use symbolon_store::tokens::TokenRow;
use symbolon_store::{Conn, history, uses};

use crate::error::AppError;
use crate::login::Head;

/// How far back it is asked who used a token.
pub const LOOK_BACK: Duration = DAY.saturating_mul(90);
/// Clients that are told of one token: those that used it last.
pub const MOST_USES: usize = 100;
/// The same for the database.
const MOST_ROWS: i64 = 100;

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
    pub(super) fn under(mut self, rules: Option<&DeviceRules>) -> Self {
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

/// Who used a token since `since`; of one that has ended, who still tries to.
pub(super) async fn uses_of(
    conn: &mut Conn,
    row: &TokenRow,
    state: TokenState,
    since: Timestamp,
) -> Result<Vec<TokenUse>, AppError> {
    if state.has_ended() {
        tries_of_ended(conn, row.record.token).await
    } else {
        admitted_uses(conn, row.record.user, row.record.token, since).await
    }
}

/// Who has tried a token since it ended, the latest first.
pub(crate) async fn tries_of_ended(
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
fn merged(rows: Vec<UseRow>) -> Vec<TokenUse> {
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
