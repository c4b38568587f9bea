//! The audit trail: written by every change, verified and read here.

use symbolon_core::Timestamp;
use symbolon_core::audit::{AuditRow, Break, ChainEnd, ChainWalk};
use symbolon_store::audit::{self, AuditEvent};
use symbolon_store::{Tx, users};

use crate::actor::Actor;
use crate::context::Ctx;
use crate::error::AppError;

/// Rows that are read at once.
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

/// A walk along the trail, a portion at a time. Between two of them the database is let go, so that a long
/// trail holds nobody up.
#[derive(Debug)]
pub struct Walk {
    chain: ChainWalk,
    head: ChainEnd,
}

impl Walk {
    /// Before the first row. Rows that are appended from now on are left for the next walk.
    ///
    /// # Errors
    /// The database's.
    pub async fn begin(ctx: &Ctx) -> Result<Self, AppError> {
        Ok(Self { chain: ChainWalk::default(), head: head(ctx).await? })
    }

    /// A walk that was begun before, and came as far as `reached` on its way to `head`.
    pub const fn from(reached: ChainEnd, head: ChainEnd) -> Self {
        Self { chain: ChainWalk::from(reached), head }
    }

    /// How far it has come.
    pub const fn reached(&self) -> ChainEnd {
        self.chain.reached()
    }

    /// Where it ends.
    pub const fn head(&self) -> ChainEnd {
        self.head
    }

    /// Walks a portion; `None` while there is more to walk.
    ///
    /// `Ok(n)`: `n` rows, whole. `Err(_)`: where the chain breaks.
    ///
    /// # Errors
    /// The database's.
    pub async fn go_on(&mut self, ctx: &Ctx) -> Result<Option<Result<i64, Break>>, AppError> {
        let walked = self.reached().number;
        let left = self.head.number.saturating_sub(walked);
        let rows = export(ctx, walked, left.min(PORTION)).await?;
        for (row, hash) in &rows {
            if let Err(fault) = self.chain.step(row, hash) {
                return Ok(Some(Err(fault)));
            }
        }
        let ended = rows.is_empty() || self.reached().number == self.head.number;
        Ok(ended.then(|| self.chain.finish(self.head)))
    }
}

/// Walks the whole chain: how many rows there are, or where it breaks.
///
/// # Errors
/// The database's.
pub async fn verify(ctx: &Ctx) -> Result<Result<i64, Break>, AppError> {
    let mut walk = Walk::begin(ctx).await?;
    loop {
        if let Some(verdict) = walk.go_on(ctx).await? {
            return Ok(verdict);
        }
    }
}

/// The last row.
///
/// # Errors
/// The database's.
pub async fn head(ctx: &Ctx) -> Result<ChainEnd, AppError> {
    let mut reader = ctx.store.read().await?;
    Ok(audit::head(&mut reader).await?)
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
