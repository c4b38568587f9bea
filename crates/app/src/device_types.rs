//! Device types: what kinds of thing may hold a token, and what holds for the tokens of each.

use symbolon_core::Timestamp;
use symbolon_core::client_kind::ClientKind;
use symbolon_core::device_type::{DeviceRules, Mismatch, OnSharing, Overlap};
use symbolon_core::id::{DeviceType as DeviceTypeKind, Id};
use symbolon_core::names::DeviceType;
use symbolon_core::verification::BearerUse;
use symbolon_core::words::word_of;
use symbolon_store::changes::{self, Change};
use symbolon_store::device_types::{self, DeviceTypeRow};
use symbolon_store::{Conn, Tx};

use crate::actor::Actor;
use crate::context::Ctx;
use crate::error::AppError;
use crate::live::{commit, settle_what_is_there};
use crate::{disuse, trail};

/// What every organization begins with; none of them allows bearer use.
const FIRST: [&str; 5] = ["any", "desktop", "mobile", "server", "command-line"];

const UNKNOWN: AppError = AppError::NotFound("device type");

/// A device type, as lists show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceTypeView {
    /// Its identifier.
    pub id: Id<DeviceTypeKind>,
    /// Its name, unique.
    pub name: DeviceType,
    /// What holds for its tokens.
    pub rules: DeviceRules,
    /// When it was added.
    pub created_at: Timestamp,
}

/// All device types by name.
///
/// # Errors
/// The database's.
pub async fn list(ctx: &Ctx) -> Result<Vec<DeviceTypeView>, AppError> {
    let mut reader = ctx.store.read().await?;
    Ok(device_types::list(&mut reader).await?.into_iter().map(view).collect())
}

/// Adds a device type.
///
/// # Errors
/// [`AppError::Invalid`] where a figure is out of bounds, [`AppError::Taken`] where the name is.
pub async fn add(
    ctx: &Ctx,
    actor: Actor,
    name: DeviceType,
    rules: DeviceRules,
) -> Result<DeviceTypeView, AppError> {
    rules.check().map_err(AppError::Invalid)?;
    let now = ctx.clock.now();
    let row = new_row(ctx, name, rules, now);
    let mut tx = ctx.store.begin().await?;
    if !device_types::insert(&mut tx, &row).await? {
        return Err(AppError::Taken("device type"));
    }
    record(&mut tx, actor, "device-type.added", &row, now).await?;
    commit(ctx, tx).await?;
    Ok(view(row))
}

/// Changes what holds for the tokens of a device type. It holds at once, also for the tokens that are
/// out; but for their greatest age, which is decided when each is issued. Tokens that have been unused for too
/// long by it end before this returns.
///
/// # Errors
/// [`AppError::Invalid`] where a figure is out of bounds, [`AppError::NotFound`]. The database's may come after
/// the change: then the same change once more ends what is left to be ended.
pub async fn set(
    ctx: &Ctx,
    actor: Actor,
    name: &DeviceType,
    change: impl FnOnce(&mut DeviceRules),
) -> Result<DeviceTypeView, AppError> {
    let (tx, known) = hold(ctx, name).await?;
    let mut rules = known.rules.clone();
    change(&mut rules);
    write(ctx, actor, tx, known, rules).await
}

/// Why the rules of a device type were not replaced.
#[derive(Debug)]
pub enum ReplaceError {
    /// They are others by now than those that whoever replaces them has seen.
    ChangedMeanwhile,
    /// Something else.
    App(AppError),
}

impl<E> From<E> for ReplaceError
where
    AppError: From<E>,
{
    fn from(error: E) -> Self {
        Self::App(error.into())
    }
}

/// [`set`] of all rules at once, for somebody who has seen them as `seen`: where they are others by now,
/// somebody else's change would be undone.
///
/// # Errors
/// [`ReplaceError`]; otherwise as [`set`].
pub async fn replace(
    ctx: &Ctx,
    actor: Actor,
    name: &DeviceType,
    seen: &DeviceRules,
    rules: DeviceRules,
) -> Result<DeviceTypeView, ReplaceError> {
    let (tx, known) = hold(ctx, name).await?;
    if known.rules != *seen {
        return Err(ReplaceError::ChangedMeanwhile);
    }
    Ok(write(ctx, actor, tx, known, rules).await?)
}

/// A device type in a transaction that holds its row: on PostgreSQL two changes would else read the same rules,
/// and the second undo the first.
async fn hold(ctx: &Ctx, name: &DeviceType) -> Result<(Tx, DeviceTypeRow), AppError> {
    let mut tx = ctx.store.begin().await?;
    if !device_types::hold(&mut tx, name).await? {
        return Err(UNKNOWN);
    }
    let known = device_types::find(&mut tx, name).await?.ok_or(UNKNOWN)?;
    Ok((tx, known))
}

/// Writes the rules of a device type whose row is held, and ends what is dead of disuse by them.
async fn write(
    ctx: &Ctx,
    actor: Actor,
    mut tx: Tx,
    known: DeviceTypeRow,
    rules: DeviceRules,
) -> Result<DeviceTypeView, AppError> {
    let now = ctx.clock.now();
    rules.check().map_err(AppError::Invalid)?;
    let name = &known.name.clone();
    if rules == known.rules {
        drop(tx);
        settle_what_is_there(ctx).await?;
        disuse::end_all_unused(ctx, name).await?;
        return Ok(view(known));
    }
    let bearer_since = bearer_since(&rules, known.bearer_since, now);
    let row = DeviceTypeRow { bearer_since, rules, ..known };
    if !device_types::update(&mut tx, &row).await? {
        return Err(UNKNOWN);
    }
    record(&mut tx, actor, "device-type.changed", &row, now).await?;
    commit(ctx, tx).await?;
    disuse::end_all_unused(ctx, name).await?;
    Ok(view(row))
}

/// The device type of this name: no token is issued for one that there is not.
///
/// # Errors
/// [`AppError::NotFound`].
pub(crate) async fn demand(conn: &mut Conn, name: &DeviceType) -> Result<DeviceTypeRow, AppError> {
    device_types::find(conn, name).await?.ok_or(UNKNOWN)
}

/// Adds those of the first device types that are not there, and leaves the others as they are.
///
/// # Errors
/// The database's.
pub(crate) async fn found(ctx: &Ctx, tx: &mut Tx, now: Timestamp) -> Result<(), AppError> {
    for word in FIRST {
        let name = DeviceType::parse(word).expect("the names of the first device types are sound");
        device_types::insert(
            tx,
            &new_row(
                ctx,
                name,
                DeviceRules { kind: ClientKind::from_word(word), ..DeviceRules::default() },
                now,
            ),
        )
        .await?;
    }
    Ok(())
}

fn new_row(ctx: &Ctx, name: DeviceType, rules: DeviceRules, now: Timestamp) -> DeviceTypeRow {
    let id = ctx.chance.with(|mut rng| Id::mint(&mut rng));
    DeviceTypeRow {
        id,
        name,
        created_at: now,
        bearer_since: bearer_since(&rules, None, now),
        rules,
    }
}

/// Since when bearer use is allowed under these rules.
fn bearer_since(
    rules: &DeviceRules,
    before: Option<Timestamp>,
    now: Timestamp,
) -> Option<Timestamp> {
    match rules.bearer {
        BearerUse::Allowed => before.or(Some(now)),
        BearerUse::OneHalf => None,
    }
}

/// Writes down what was done to a device type: the last statements of the transaction.
async fn record(
    tx: &mut Tx,
    actor: Actor,
    action: &'static str,
    row: &DeviceTypeRow,
    now: Timestamp,
) -> Result<(), AppError> {
    let DeviceTypeRow { name, rules, .. } = row;
    let bearer = if rules.bearer == BearerUse::Allowed { "on" } else { "off" };
    let details = format!(
        "name={name}\nbearer={bearer}\nmax_age_s={}\nreminders={}\naddresses={}\nidle_end_s={}\n\
         overlap={}\nholders={}\nclient_kind={}\nmismatch={}\nmost_places={}\non_sharing={}",
        rules.max_age.as_secs(),
        rules.reminders,
        rules.addresses.as_ref().map(ToString::to_string).unwrap_or_default(),
        rules.idle_end.map(|idle| idle.as_secs().to_string()).unwrap_or_default(),
        word_of(&Overlap::ALL, rules.overlap),
        rules.holders,
        rules.kind.map(ClientKind::word).unwrap_or_default(),
        word_of(&Mismatch::ALL, rules.mismatch),
        rules.most_places,
        word_of(&OnSharing::ALL, rules.on_sharing),
    );
    trail::append(tx, actor, action, format!("device-type:{}", row.id), details, now).await?;
    changes::record(tx, Change::DeviceTypeChanged, None, Some(row.id.raw()), now).await?;
    Ok(())
}

fn view(row: DeviceTypeRow) -> DeviceTypeView {
    let DeviceTypeRow { id, name, created_at, rules, .. } = row;
    DeviceTypeView { id, name, rules, created_at }
}
