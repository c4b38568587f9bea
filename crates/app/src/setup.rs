//! First start: the organization, the standard profile, the first device types, and the link that makes
//! an administrator.

use symbolon_core::Timestamp;
use symbolon_core::id::{Id, Profile};
use symbolon_core::keys::Purpose;
use symbolon_core::names::{DisplayName, EmailAddress, Username};
use symbolon_core::policy::Policy;
use symbolon_core::secret::{LinkSecret, Password, PlaceSecret};
use symbolon_store::changes::{self, Change};
use symbolon_store::links::NewLink;
use symbolon_store::profiles::ProfileRecord;
use symbolon_store::users::NewUserRecord;
use symbolon_store::{Conn, links as stored_links, organization, profiles, users};

use crate::actor::{Actor, Origin};
use crate::context::Ctx;
use crate::error::AppError;
use crate::links::{self, LinkKind, SETUP_VALID};
use crate::live::commit;
use crate::{device_types, passwords, places, trail};

/// The profile that exists always.
pub const STANDARD_PROFILE: &str = "Standard";
/// The profile whose policy holds for everybody beside his own: of each value the stricter one.
pub const EVERYBODYS_PROFILE: &str = "Organization";

/// Founds the organization, the standard profile and the first device types, where they are not there
/// yet.
///
/// # Errors
/// [`AppError::Forbidden`] if the database belongs to another key ring: with these keys no token of it
/// would ever be recognised.
pub async fn prepare(ctx: &Ctx) -> Result<(), AppError> {
    let now = ctx.clock.now();
    let mut tx = ctx.store.begin().await?;
    let id = ctx.chance.with(|mut rng| Id::mint(&mut rng));
    organization::found(&mut tx, id, &ctx.keys.fingerprint(), now).await?;
    let standard = ProfileRecord {
        id: ctx.chance.with(|mut rng| Id::mint(&mut rng)),
        name: STANDARD_PROFILE.to_owned(),
        policy: Policy::default(),
        everybody_since: None,
    };
    let everybody = ProfileRecord {
        id: ctx.chance.with(|mut rng| Id::mint(&mut rng)),
        name: EVERYBODYS_PROFILE.to_owned(),
        policy: Policy::laxest(),
        everybody_since: Some(now),
    };
    profiles::insert(&mut tx, &standard, now).await?;
    profiles::insert(&mut tx, &everybody, now).await?;
    device_types::found(ctx, &mut tx, now).await?;
    let founded = organization::find(&mut tx).await?.ok_or(AppError::NotFound("organization"))?;
    if founded.key_fingerprint != ctx.keys.fingerprint() {
        return Err(AppError::Forbidden(
            "this database belongs to another key ring: copy keys.toml from the node that made it",
        ));
    }
    commit(ctx, tx).await
}

/// Whether there is an administrator who can log in.
///
/// # Errors
/// The database's.
pub async fn has_administrator(ctx: &Ctx) -> Result<bool, AppError> {
    let mut reader = ctx.store.read().await?;
    Ok(users::count_administrators(&mut reader).await? > 0)
}

/// Makes a setup link, valid for half an hour; earlier ones die. It is shown to whoever may read the
/// data dir, and makes him an administrator.
///
/// # Errors
/// The database's.
pub async fn issue_setup_link(ctx: &Ctx) -> Result<(LinkSecret, Timestamp), AppError> {
    let now = ctx.clock.now();
    let expires_at = now + SETUP_VALID;
    let secret = LinkSecret::new(ctx.chance.text(22));
    let digest = ctx.keys.digest(Purpose::Link, secret.reveal().as_bytes());
    let kind = LinkKind::Setup.word();
    let mut tx = ctx.store.begin().await?;
    stored_links::end_of_kind(&mut tx, kind, now).await?;
    let id = ctx.chance.with(|mut rng| Id::mint(&mut rng));
    let link = NewLink { id, kind, digest: &digest, user: None, subject: None, expires_at };
    stored_links::insert(&mut tx, &link, now).await?;
    trail::append(&mut tx, Actor::Operator, "setup.link-issued", String::new(), String::new(), now)
        .await?;
    commit(ctx, tx).await?;
    Ok((secret, expires_at))
}

/// Uses the setup link: makes an administrator, to whom this browser is known. It is to hold what is returned.
///
/// # Errors
/// [`AppError::NotFound`] where the link is unknown, used or expired; [`AppError::Taken`] where the
/// username is; [`AppError::Password`].
pub async fn accept(
    ctx: &Ctx,
    link: &LinkSecret,
    username: Username,
    name: DisplayName,
    email: EmailAddress,
    password: Password,
    origin: &Origin,
) -> Result<PlaceSecret, AppError> {
    if links::look(ctx, LinkKind::Setup, link).await?.is_none() {
        return Err(AppError::NotFound("link"));
    }
    let mut reader = ctx.store.read().await?;
    let profile = profile_of_the_first(&mut reader).await?;
    drop(reader);
    let words = [username.as_str(), email.as_str(), name.as_str()];
    let hashed = passwords::hash_first(ctx, origin.into(), profile, words, &password).await?;

    let now = ctx.clock.now();
    let mut tx = ctx.store.begin().await?;
    links::use_up(ctx, &mut tx, LinkKind::Setup, link, now).await?;
    let id = ctx.chance.with(|mut rng| Id::mint(&mut rng));
    let user = NewUserRecord {
        id,
        username: &username,
        email: &email,
        name: &name,
        profile,
        admin_since: Some(now),
        password: Some(&hashed),
    };
    if !users::insert(&mut tx, &user, now).await? {
        return Err(AppError::Taken("username"));
    }
    let (subject, details) = (format!("user:{id}"), "administrator=yes".to_owned());
    trail::append(&mut tx, Actor::Operator, "user.added", subject, details, now).await?;
    let place = places::make_known_by_link(ctx, &mut tx, id, origin, now).await?;
    changes::record(&mut tx, Change::UserChanged, id, None, now).await?;
    commit(ctx, tx).await?;
    Ok(place)
}

/// The profile that whoever sets the server up is under.
pub(crate) async fn profile_of_the_first(conn: &mut Conn) -> Result<Id<Profile>, AppError> {
    let profile = profiles::find_by_name(conn, STANDARD_PROFILE).await?;
    Ok(profile.ok_or(AppError::NotFound("profile"))?.id)
}
