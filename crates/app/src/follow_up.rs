//! What became of the clients that used the tokens which a reset replaced: who has come back with the new
//! one, who goes on with the old, and of whom nothing was seen since.

use symbolon_core::Timestamp;
use symbolon_core::id::{Id, Token, User};
use symbolon_core::names::DeviceType;
use symbolon_store::tokens::TokenRow;
use symbolon_store::{Conn, tokens as rows};

use crate::context::Ctx;
use crate::error::AppError;
use crate::tokens::{self, LOOK_BACK, MOST_USES, TokenUse, UsedBy};

const MOST_TOKENS: i64 = 50;

/// What became of the clients since a token was issued.
#[derive(Debug, Clone)]
pub struct FollowUp {
    /// Those that used what it replaced; who has not come back first.
    pub clients: Vec<Followed>,
    /// Clients that use the new token and did not use the old: some may be the same under another name.
    pub newcomers: Vec<TokenUse>,
}

impl FollowUp {
    /// How many have not come back.
    pub fn missing(&self) -> usize {
        let back = |client: &&Followed| matches!(client.whereabouts, Whereabouts::Back { .. });
        self.clients.len() - self.clients.iter().filter(back).count()
    }
}

/// A client that used what the new token replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Followed {
    /// What it says it is.
    pub client: String,
    /// From where, the last time.
    pub source: String,
    /// When it was let in with the old token for the last time, if it was in the 90 days before.
    pub before: Option<Timestamp>,
    /// What became of it.
    pub whereabouts: Whereabouts,
}

/// What became of a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whereabouts {
    /// It presents a token that was retired, and is refused.
    OnRetired {
        /// Its last try.
        last_at: Timestamp,
        /// How often it has tried.
        times: i64,
        /// When it was let in with the new token, if it was: then two programs share a name and a network.
        back_at: Option<Timestamp>,
    },
    /// It uses the old token, which a rotation lets live on, or a session that the old token opened.
    OnOld {
        /// When last.
        last_at: Timestamp,
    },
    /// Nothing was seen of it since.
    NotSeen,
    /// It was let in with a token that was issued since.
    Back {
        /// When first.
        at: Timestamp,
        /// The device type of that token.
        device_type: DeviceType,
    },
}

impl Whereabouts {
    /// The word for it.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::OnRetired { .. } => "on-retired-token",
            Self::OnOld { .. } => "on-old-token",
            Self::NotSeen => "not-seen",
            Self::Back { .. } => "back",
        }
    }

    const fn rank(&self) -> u8 {
        match self {
            Self::OnRetired { .. } => 0,
            Self::OnOld { .. } => 1,
            Self::NotSeen => 2,
            Self::Back { .. } => 3,
        }
    }
}

/// What became of the clients of the tokens in whose place `token` came. Browsers are not followed: they
/// need no token once they are known.
///
/// # Errors
/// [`AppError::NotFound`] where the token is somebody else's or nobody's.
pub async fn of_token(ctx: &Ctx, user: Id<User>, token: Id<Token>) -> Result<FollowUp, AppError> {
    let mut reader = ctx.store.read().await?;
    let row = rows::find(&mut reader, token).await?.filter(|row| row.record.user == user);
    let row = row.ok_or(AppError::NotFound("token"))?;
    let old = Old::gather(&mut reader, &row).await?;
    let new = uses_since(&mut reader, &row).await?;

    let mut clients: Vec<Followed> =
        old.places().into_iter().map(|place| old.followed(place, &new, row.issued_at)).collect();
    clients.sort_by_key(|client| client.whereabouts.rank());
    let newcomers = new
        .into_iter()
        .map(|(_, used)| used)
        .filter(|used| !clients.iter().any(|client| is_of(used, client)))
        .collect();
    Ok(FollowUp { clients, newcomers })
}

/// What is known of the tokens that were replaced.
struct Old {
    admitted: Vec<TokenUse>,
    tried: Vec<TokenUse>,
}

impl Old {
    async fn gather(conn: &mut Conn, new: &TokenRow) -> Result<Self, AppError> {
        let (user, token) = (new.record.user, new.record.token);
        let mut old = Self { admitted: Vec::new(), tried: Vec::new() };
        let since = new.issued_at - LOOK_BACK;
        for row in rows::predecessors(conn, token, since, MOST_TOKENS).await? {
            let token = row.record.token;
            old.admitted.extend(tokens::admitted_uses(conn, user, token, since).await?);
            old.tried.extend(tokens::tries_of_ended(conn, token).await?);
        }
        old.admitted.retain(|used| used.by == UsedBy::Program);
        Ok(old)
    }

    /// One use for each client and network.
    fn places(&self) -> Vec<&TokenUse> {
        let mut places: Vec<&TokenUse> = Vec::new();
        for used in self.admitted.iter().chain(&self.tried) {
            if places.len() < MOST_USES && !places.iter().any(|place| place.is_the_place_of(used)) {
                places.push(used);
            }
        }
        places
    }

    fn followed(
        &self,
        place: &TokenUse,
        new: &[(DeviceType, TokenUse)],
        since: Timestamp,
    ) -> Followed {
        let latest = |uses: &[TokenUse]| {
            let here = uses.iter().filter(|used| used.is_the_place_of(place));
            here.max_by_key(|used| used.last_at).cloned()
        };
        let (admitted, tried) = (latest(&self.admitted), latest(&self.tried));
        let here = new.iter().filter(|(_, used)| used.is_the_place_of(place));
        let first = here.clone().min_by_key(|(_, used)| used.first_at);
        let back_until = here.map(|(_, used)| used.last_at).max();
        let whereabouts = match (&tried, &admitted, first) {
            (Some(tried), _, _) if Some(tried.last_at) > back_until => Whereabouts::OnRetired {
                last_at: tried.last_at,
                times: tried.times,
                back_at: first.map(|(_, used)| used.first_at),
            },
            (_, _, Some((device_type, used))) => {
                Whereabouts::Back { at: used.first_at, device_type: device_type.clone() }
            }
            (_, Some(admitted), None) if admitted.last_at > since => {
                Whereabouts::OnOld { last_at: admitted.last_at }
            }
            (_, _, None) => Whereabouts::NotSeen,
        };
        let before = admitted.as_ref().map(|used| used.last_at);
        let last = [admitted, tried].into_iter().flatten().max_by_key(|used| used.last_at);
        let source = last.map_or_else(|| place.source.clone(), |used| used.source);
        Followed { client: place.client.clone(), source, before, whereabouts }
    }
}

/// Who was let in with `new` or with a token that was issued after it, which may be another device type's.
async fn uses_since(
    conn: &mut Conn,
    new: &TokenRow,
) -> Result<Vec<(DeviceType, TokenUse)>, AppError> {
    let user = new.record.user;
    let mut found = Vec::new();
    let latest = (Timestamp::from_unix_ms(i64::MAX), Id::from_raw(i64::MAX));
    for row in rows::list(conn, Some(user), latest, MOST_TOKENS).await? {
        // What was issued at the very instant of the new one is an old one that it has ended.
        if row.record.token == new.record.token || row.issued_at > new.issued_at {
            let uses = tokens::admitted_uses(conn, user, row.record.token, new.issued_at).await?;
            let programs = uses.into_iter().filter(|used| used.by == UsedBy::Program);
            found.extend(programs.map(|used| (row.device_type.clone(), used)));
        }
    }
    Ok(found)
}

fn is_of(used: &TokenUse, client: &Followed) -> bool {
    used.client == client.client && used.network == tokens::network_of(&client.source)
}
