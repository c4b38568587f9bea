//! The audit trail: written by every change, verified and read here.

use symbolon_core::Timestamp;
use symbolon_core::audit::{AuditRow, Break, ChainWalk};
use symbolon_store::audit::{self, AuditEvent};
use symbolon_store::{Tx, users};

use crate::actor::Actor;
use crate::context::Ctx;
use crate::error::AppError;

const PORTION: i64 = 1000;

const NO_LONGER: &str =
    "You may no longer do this: your account was changed meanwhile. Log in anew.";

/// Appends what is being done to the trail, in the same transaction.
///
/// Every change passes here, so here it is asked once more whether its actor may still make it: who was
/// frozen, removed or is no administrator any more since his request began, changes nothing (I6).
pub(crate) async fn append(
    tx: &mut Tx,
    actor: Actor,
    action: &'static str,
    subject: String,
    details: String,
    now: Timestamp,
) -> Result<(), AppError> {
    if let Actor::User(id) = actor {
        let user = users::find(tx, id).await?;
        let own = subject == format!("user:{id}");
        let entitled = user.is_some_and(|user| {
            user.standing.frozen_at.is_none() && (own || user.admin_since.is_some())
        });
        if !entitled {
            return Err(AppError::Forbidden(NO_LONGER));
        }
    }
    let event = AuditEvent { actor: actor.to_string(), action, subject, details };
    audit::append(tx, event, now).await?;
    Ok(())
}

/// Walks the whole chain; `progress` is told how many rows it has walked.
///
/// `Ok(Ok(n))`: `n` rows, whole. `Ok(Err(_))`: where it breaks.
///
/// # Errors
/// The database's.
pub async fn verify(
    ctx: &Ctx,
    progress: &mut (dyn FnMut(i64) + Send),
) -> Result<Result<i64, Break>, AppError> {
    // The head is read first: rows appended while walking are beyond it and are left for the next time.
    let mut reader = ctx.store.read().await?;
    let (head_number, head_hash) = audit::head(&mut reader).await?;
    let mut walk = ChainWalk::default();
    let mut walked = 0;
    while walked < head_number {
        let rows = audit::after(&mut reader, walked, PORTION.min(head_number - walked)).await?;
        if rows.is_empty() {
            break;
        }
        for (row, hash) in &rows {
            if let Err(fault) = walk.step(row, hash) {
                return Ok(Err(fault));
            }
            walked = row.number;
        }
        progress(walked);
    }
    Ok(walk.finish(head_number, &head_hash))
}

/// Rows after number `after`, oldest first, with their hashes.
///
/// # Errors
/// The database's.
pub async fn export(
    ctx: &Ctx,
    after: i64,
    limit: i64,
) -> Result<Vec<(AuditRow, [u8; 32])>, AppError> {
    let mut reader = ctx.store.read().await?;
    Ok(audit::after(&mut reader, after, limit).await?)
}
