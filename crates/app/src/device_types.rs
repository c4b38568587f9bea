//! Device types: what kinds of thing may hold a token, and whether a token of each is a whole
//! credential by itself.

use symbolon_core::Timestamp;
use symbolon_core::id::{DeviceType as DeviceTypeKind, Id};
use symbolon_core::names::DeviceType;
use symbolon_store::Tx;
use symbolon_store::changes::{self, Change};
use symbolon_store::device_types::{self, DeviceTypeRow};

use crate::actor::Actor;
use crate::context::{Ctx, Switch};
use crate::error::AppError;
use crate::live::{commit, settle_what_is_there};
use crate::trail;

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
    /// Whether a token of it is a whole credential by itself. Off, it is one half: the password is the
    /// other.
    pub bearer: Switch,
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
/// [`AppError::Taken`] where the name is.
pub async fn add(
    ctx: &Ctx,
    actor: Actor,
    name: DeviceType,
    bearer: Switch,
) -> Result<DeviceTypeView, AppError> {
    let now = ctx.clock.now();
    let row = new_row(ctx, name, bearer, now);
    let mut tx = ctx.store.begin().await?;
    if !device_types::insert(&mut tx, &row).await? {
        return Err(AppError::Taken("device type"));
    }
    record(&mut tx, actor, "device-type.added", &row, now).await?;
    commit(ctx, tx).await?;
    Ok(view(row))
}

/// Says whether a token of this device type is a whole credential by itself. It holds at once, also for
/// the tokens that are out.
///
/// # Errors
/// [`AppError::NotFound`].
pub async fn set_bearer(
    ctx: &Ctx,
    actor: Actor,
    name: &DeviceType,
    bearer: Switch,
) -> Result<DeviceTypeView, AppError> {
    let now = ctx.clock.now();
    let mut tx = ctx.store.begin().await?;
    let known = device_types::find(&mut tx, name).await?.ok_or(UNKNOWN)?;
    if known.bearer_since.is_some() == bearer.is_on() {
        drop(tx);
        settle_what_is_there(ctx).await?;
        return Ok(view(known));
    }
    let row = DeviceTypeRow { bearer_since: bearer.is_on().then_some(now), ..known };
    if !device_types::set_bearer(&mut tx, name, row.bearer_since).await? {
        return Err(UNKNOWN);
    }
    record(&mut tx, actor, "device-type.changed", &row, now).await?;
    commit(ctx, tx).await?;
    Ok(view(row))
}

/// Refuses a device type that there is not: no token is issued for it.
///
/// # Errors
/// [`AppError::NotFound`].
pub(crate) async fn demand(tx: &mut Tx, name: &DeviceType) -> Result<(), AppError> {
    device_types::find(tx, name).await?.map(|_| ()).ok_or(UNKNOWN)
}

/// Adds those of the first device types that are not there, and leaves the others as they are.
///
/// # Errors
/// The database's.
pub(crate) async fn found(ctx: &Ctx, tx: &mut Tx, now: Timestamp) -> Result<(), AppError> {
    for name in FIRST {
        let name = DeviceType::parse(name).expect("the names of the first device types are sound");
        device_types::insert(tx, &new_row(ctx, name, Switch::Off, now)).await?;
    }
    Ok(())
}

fn new_row(ctx: &Ctx, name: DeviceType, bearer: Switch, now: Timestamp) -> DeviceTypeRow {
    let id = ctx.chance.with(|mut rng| Id::mint(&mut rng));
    DeviceTypeRow { id, name, bearer_since: bearer.is_on().then_some(now), created_at: now }
}

/// Writes down what was done to a device type: the last statements of the transaction.
async fn record(
    tx: &mut Tx,
    actor: Actor,
    action: &'static str,
    row: &DeviceTypeRow,
    now: Timestamp,
) -> Result<(), AppError> {
    let bearer = if row.bearer_since.is_some() { "on" } else { "off" };
    let details = format!("name={}\nbearer={bearer}", row.name);
    trail::append(tx, actor, action, format!("device-type:{}", row.id), details, now).await?;
    changes::record(tx, Change::DeviceTypeChanged, None, Some(row.id.raw()), now).await?;
    Ok(())
}

fn view(row: DeviceTypeRow) -> DeviceTypeView {
    let bearer = if row.bearer_since.is_some() { Switch::On } else { Switch::Off };
    DeviceTypeView { id: row.id, name: row.name, bearer, created_at: row.created_at }
}
