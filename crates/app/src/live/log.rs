//! What the change log has beyond what is applied, and whether it is still the log that was applied.
//!
//! After a failover that lost commits the log ends before what this node has applied, or goes on from
//! there with other changes under the same revisions. Then nothing in memory can be trusted.

use std::sync::PoisonError;

use symbolon_store::live::{self as stored, LoggedChange};
use symbolon_store::{Conn, changes};

use crate::live::Live;
use crate::live::feed::FeedError;

/// Changes in one reading.
const MOST_CHANGES: i64 = 1000;

/// The next changes, in order; none if all are applied.
///
/// # Errors
/// [`FeedError::Rewound`] if the log is another than the one that was applied, [`FeedError::Gap`] if what
/// follows has been forgotten.
pub(super) async fn next(live: &Live, conn: &mut Conn) -> Result<Vec<LoggedChange>, FeedError> {
    let applied = live.view.applied();
    let known = last(live);
    // The last change that was applied is read again: it must still be there, and be the same.
    let from = known.map_or(applied, |known| known.revision - 1);
    let mut found = stored::changes(conn, from, MOST_CHANGES).await?;
    if found.is_empty() {
        // Not even the last one is there: it was long ago and has been forgotten, or the log has shrunk.
        let current = changes::current(conn).await?;
        if current == applied {
            return Ok(found);
        }
        if current < applied {
            return Err(FeedError::Rewound(applied));
        }
        // What has been committed since the first look is in the log now, or was forgotten unread.
        found = stored::changes(conn, from, MOST_CHANGES).await?;
    }
    let Some(first) = found.first().copied() else {
        return Err(FeedError::Gap(applied + 1));
    };
    if let Some(known) = known
        && first.revision <= known.revision
    {
        if first != known {
            return Err(FeedError::Rewound(applied));
        }
        found.remove(0);
    }
    match found.first() {
        Some(first) if first.revision != applied + 1 => Err(FeedError::Gap(first.revision)),
        Some(_) | None => Ok(found),
    }
}

/// Remembers the change at `revision`, which everything in memory is at least as new as.
pub(super) async fn begin_at(live: &Live, conn: &mut Conn, revision: i64) -> Result<(), FeedError> {
    let found = stored::changes(conn, revision - 1, 1).await?;
    remember(live, found.first().copied().filter(|change| change.revision == revision));
    Ok(())
}

/// Remembers the last change that was applied.
pub(super) fn remember(live: &Live, change: Option<LoggedChange>) {
    *live.last.lock().unwrap_or_else(PoisonError::into_inner) = change;
}

fn last(live: &Live) -> Option<LoggedChange> {
    *live.last.lock().unwrap_or_else(PoisonError::into_inner)
}
