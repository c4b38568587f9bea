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
    let (revision, applied) = (tx.revision(), ctx.live.view.applied());
    tx.commit().await?;
    if let Some(revision) = revision {
        if revision <= applied {
            // Nobody can have applied what was not committed: the log has been rewound, by a failover.
            ctx.live.gate.close();
        }
        settle(ctx, revision).await;
    }
    Ok(())
}
