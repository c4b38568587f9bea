//! Known places: where a user has proved himself before, as his logins see them and as he sees them.
//!
//! A browser is known by a secret in a cookie, drawn anew whenever somebody proves himself in it: what a
//! browser held before, perhaps planted there, never becomes known. A client of an API is known by its
//! name and network, which anybody can claim: that decides only where failures are counted.

use std::time::Duration;

use symbolon_core::Timestamp;
use symbolon_core::id::{Id, Place, User};
use symbolon_core::keys::Purpose;
use symbolon_core::policy::DAY;
use symbolon_core::secret::PlaceSecret;
use symbolon_store::changes::{self, Change};
use symbolon_store::places::{self, Visitor};
pub use symbolon_store::places::{PlaceKind, PlaceRow};
use symbolon_store::{Conn, Tx, sessions};

use crate::actor::{Actor, Origin};
use crate::context::Ctx;
use crate::error::AppError;
use crate::live::commit;
use crate::trail;

/// How long a place stays known without a login from it.
pub const KNOWN_FOR: Duration = Duration::from_hours(90 * 24);
/// Characters of the secret that a known browser holds: 190 bits.
pub const SECRET_LENGTH: usize = 32;
/// Users that one browser can be known to at once.
pub const MOST_HELD: usize = 5;

/// Places that are shown; the last used come first.
const MOST_SHOWN: i64 = 100;
/// What ends the sessions that were opened from a place.
const CAUSE: &str = "its place was ended by its owner";

/// The known browser of `user` that holds one of these secrets. The same look-ups whether there is a user.
pub(crate) async fn find_browser(
    ctx: &Ctx,
    conn: &mut Conn,
    user: Option<Id<User>>,
    held: &[PlaceSecret],
    now: Timestamp,
) -> Result<Option<PlaceRow>, AppError> {
    let nobody = Id::from_raw(0);
    for secret in held.iter().take(MOST_HELD) {
        let digests = ctx.keys.digests(Purpose::Place, secret.reveal().as_bytes());
        let (user, since) = (user.unwrap_or(nobody), now - KNOWN_FOR);
        if let Some(place) = places::find_browser(conn, user, &digests, since).await? {
            return Ok(Some(place));
        }
    }
    Ok(None)
}

/// The place of an API client, if it was let in lately. The same look-up whether there is a user.
pub(crate) async fn find_api(
    conn: &mut Conn,
    user: Option<Id<User>>,
    origin: &Origin,
    now: Timestamp,
) -> Result<Option<PlaceRow>, AppError> {
    let user = user.unwrap_or(Id::from_raw(0));
    let network = origin.source.counted_as();
    let client = origin.client.as_str();
    Ok(places::find_api(conn, user, client, &network, now - KNOWN_FOR).await?)
}

/// The known browser of a web session of `user`: the one that it was opened from. Of a session that has none, the
/// browser that was used last in its network, and never a client of an API, which anybody there can claim to be.
pub(crate) async fn of_session(
    conn: &mut Conn,
    user: Id<User>,
    origin: &Origin,
    now: Timestamp,
) -> Result<Option<PlaceRow>, AppError> {
    if let Some(place) = find(conn, user, origin.place).await? {
        return Ok(Some(place));
    }
    let network = origin.source.counted_as();
    let all = places::of_user(conn, user, now - KNOWN_FOR, MOST_SHOWN).await?;
    let here = |place: &PlaceRow| place.kind == PlaceKind::Browser && place.network == network;
    Ok(all.into_iter().find(here))
}

/// Makes the browser of `origin` known to `user`, who has just proved himself there; it is to hold the secret.
pub(crate) async fn make_known(
    ctx: &Ctx,
    tx: &mut Tx,
    user: Id<User>,
    origin: &Origin,
    now: Timestamp,
) -> Result<(Id<Place>, PlaceSecret), AppError> {
    let secret = PlaceSecret::new(ctx.chance.text(SECRET_LENGTH));
    let digest = ctx.keys.digest(Purpose::Place, secret.reveal().as_bytes());
    let place = ctx.chance.with(|mut rng| Id::mint(&mut rng));
    let (source, network) = (origin.source.to_string(), origin.source.counted_as());
    let visitor = Visitor { client: origin.client.as_str(), network: &network, source: &source };
    places::insert_browser(tx, place, user, &digest, visitor, now).await?;
    Ok((place, secret))
}

/// The place of a login that was let in: the one that is known there, used once more, or else a new one, of which
/// the browser is to hold the secret.
pub(crate) async fn known_or_new(
    ctx: &Ctx,
    tx: &mut Tx,
    user: Id<User>,
    known: Option<&PlaceRow>,
    origin: &Origin,
    now: Timestamp,
) -> Result<(Id<Place>, Option<PlaceSecret>), AppError> {
    if let Some(known) = known.filter(|known| known.user == user)
        && note_use(tx, known.id, origin, now).await?
    {
        return Ok((known.id, None));
    }
    let (place, secret) = make_known(ctx, tx, user, origin, now).await?;
    Ok((place, Some(secret)))
}

/// Makes the browser known in which `user` has opened a link from his mail: the first login from it needs no
/// further proof.
pub(crate) async fn make_known_by_link(
    ctx: &Ctx,
    tx: &mut Tx,
    user: Id<User>,
    origin: &Origin,
    now: Timestamp,
) -> Result<PlaceSecret, AppError> {
    let (place, secret) = make_known(ctx, tx, user, origin, now).await?;
    places::set_link_opened(tx, place, now).await?;
    Ok(secret)
}

/// A place of `user` as it is in this transaction; `None` if it has ended.
pub(crate) async fn find(
    conn: &mut Conn,
    user: Id<User>,
    place: Option<Id<Place>>,
) -> Result<Option<PlaceRow>, AppError> {
    let Some(place) = place else {
        return Ok(None);
    };
    Ok(places::find(conn, place).await?.filter(|place| place.user == user))
}

/// Notes a login from a known place; `false` if it was ended meanwhile.
pub(crate) async fn note_use(
    tx: &mut Tx,
    place: Id<Place>,
    origin: &Origin,
    now: Timestamp,
) -> Result<bool, AppError> {
    let (source, network) = (origin.source.to_string(), origin.source.counted_as());
    let visitor = Visitor { client: origin.client.as_str(), network: &network, source: &source };
    Ok(places::note_use(tx, place, visitor, now).await?)
}

/// Notes that an API let a client in that was not known: from now on its failures are counted apart.
pub(crate) async fn note_api(
    ctx: &Ctx,
    tx: &mut Tx,
    user: Id<User>,
    origin: &Origin,
    now: Timestamp,
) -> Result<Id<Place>, AppError> {
    let place = ctx.chance.with(|mut rng| Id::mint(&mut rng));
    let (source, network) = (origin.source.to_string(), origin.source.counted_as());
    let visitor = Visitor { client: origin.client.as_str(), network: &network, source: &source };
    Ok(places::note_api(tx, place, user, visitor, now).await?)
}

/// The known places of a user, the last used first.
///
/// # Errors
/// The database's.
pub async fn list(ctx: &Ctx, user: Id<User>) -> Result<Vec<PlaceRow>, AppError> {
    let since = ctx.clock.now() - KNOWN_FOR;
    let mut reader = ctx.store.read().await?;
    Ok(places::of_user(&mut reader, user, since, MOST_SHOWN).await?)
}

/// How many known places of a user [`list`] leaves out, which were used longest ago.
///
/// # Errors
/// The database's.
pub async fn not_shown(ctx: &Ctx, user: Id<User>) -> Result<u64, AppError> {
    let since = ctx.clock.now() - KNOWN_FOR;
    let mut reader = ctx.store.read().await?;
    let all = places::count_of_user(&mut reader, user, since).await?;
    Ok(u64::try_from(all - MOST_SHOWN).unwrap_or(0))
}

/// Ends one of a user's own places, and the sessions that were opened from it.
///
/// # Errors
/// [`AppError::NotFound`] where it is somebody else's, or has ended.
pub async fn end(ctx: &Ctx, user: Id<User>, place: Id<Place>) -> Result<(), AppError> {
    let now = ctx.clock.now();
    let mut tx = ctx.store.begin().await?;
    if !places::end(&mut tx, user, place, now).await? {
        return Err(AppError::NotFound("place"));
    }
    for session in sessions::end_of_place(&mut tx, place, CAUSE, now).await? {
        changes::record(&mut tx, Change::SessionEnded, user, Some(session.raw()), now).await?;
    }
    let (subject, details) = (format!("user:{user}"), format!("place={place}"));
    trail::append(&mut tx, Actor::User(user), "place.ended", subject, details, now).await?;
    commit(ctx, tx).await
}

/// Ends every place of a user but `keep`, and the sessions that were opened from them; tells how many.
///
/// # Errors
/// The database's.
pub async fn end_others(
    ctx: &Ctx,
    user: Id<User>,
    keep: Option<Id<Place>>,
) -> Result<u64, AppError> {
    let now = ctx.clock.now();
    let mut tx = ctx.store.begin().await?;
    let others = places::of_user(&mut tx, user, now - 10 * 365 * DAY, i64::from(u32::MAX)).await?;
    for place in others.iter().filter(|place| Some(place.id) != keep) {
        sessions::end_of_place(&mut tx, place.id, CAUSE, now).await?;
    }
    let ended = places::end_of_user(&mut tx, user, keep, now).await?;
    changes::record(&mut tx, Change::UserChanged, user, None, now).await?;
    let (subject, details) = (format!("user:{user}"), format!("ended={ended}"));
    trail::append(&mut tx, Actor::User(user), "places.ended", subject, details, now).await?;
    commit(ctx, tx).await?;
    Ok(ended)
}
