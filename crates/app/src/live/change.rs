//! How every transaction of a use case ends.

use symbolon_store::Tx;

use crate::context::Ctx;
use crate::error::AppError;
use crate::live::settle;

/// Commits. If the transaction has changed a credential, a user or a policy, returns once no verification
/// sees the state before; that is why no use case commits in another way.
///
/// # Errors
/// The database's. If the answer to the commit was lost the whole may have been done.
pub(crate) async fn commit(ctx: &Ctx, tx: Tx) -> Result<(), AppError> {
    let revision = tx.revision();
    commit_one_of_several(ctx, tx).await?;
    if let Some(revision) = revision {
        settle(ctx, revision).await;
    }
    Ok(())
}

/// Commits and does not wait for verifications: for the one of several transactions after which
/// [`super::settle_what_is_there`] waits for all of them.
///
/// # Errors
/// As [`commit`].
pub(crate) async fn commit_one_of_several(ctx: &Ctx, tx: Tx) -> Result<(), AppError> {
    let (revision, applied) = (tx.revision(), ctx.live.view.applied());
    tx.commit().await?;
    if revision.is_some_and(|revision| revision <= applied) {
        // Nobody can have applied what was not committed: the log has been rewound, by a failover.
        ctx.live.gate.close();
    }
    Ok(())
}
