//! The outbox, as administrators and owners see it.

use std::time::Duration;

use symbolon_core::Timestamp;
use symbolon_core::id::{Id, Letter, User};
use symbolon_core::letter::{LetterKind, LetterState};
use symbolon_core::names::EmailAddress;
use symbolon_store::letters::{self, LetterRow};

use crate::context::Ctx;
use crate::error::AppError;
use crate::live::commit;

/// How long a letter that did not arrive is shown.
const SHOWN_FOR: Duration = Duration::from_hours(30 * 24);

/// A letter, as lists show it.
#[derive(Debug, Clone)]
pub struct LetterView {
    /// Identifier.
    pub id: Id<Letter>,
    /// Whom it concerns.
    pub user: Id<User>,
    /// Where it goes.
    pub to: EmailAddress,
    /// What it is about.
    pub kind: LetterKind,
    /// Where it stands.
    pub state: LetterState,
    /// How often it was tried.
    pub attempts: u32,
    /// When it is tried next.
    pub next_try_at: Option<Timestamp>,
    /// The mail server's last words.
    pub last_reply: Option<String>,
    /// When it was written.
    pub created_at: Timestamp,
    /// When it reached its end.
    pub ended_at: Option<Timestamp>,
}

/// How the outbox stands.
pub use symbolon_store::letters::Counts as OutboxSummary;

/// Letters, newest first; `after` is the last one of the page before.
///
/// # Errors
/// [`AppError::NotFound`] where there is no such letter.
pub async fn list(
    ctx: &Ctx,
    limit: i64,
    after: Option<Id<Letter>>,
) -> Result<Vec<LetterView>, AppError> {
    let mut reader = ctx.store.read().await?;
    let before = match after {
        Some(letter) => {
            let row = letters::find(&mut reader, letter).await?;
            (row.ok_or(AppError::NotFound("letter"))?.created_at, letter)
        }
        None => (Timestamp::from_unix_ms(i64::MAX), Id::from_raw(i64::MAX)),
    };
    Ok(letters::list(&mut reader, before, limit).await?.into_iter().map(view).collect())
}

/// Letters to a user that did not arrive lately.
///
/// # Errors
/// The database's.
pub async fn troubles_of(ctx: &Ctx, user: Id<User>) -> Result<Vec<LetterView>, AppError> {
    let since = ctx.clock.now() - SHOWN_FOR;
    let mut reader = ctx.store.read().await?;
    Ok(letters::troubles(&mut reader, user, since).await?.into_iter().map(view).collect())
}

/// How the outbox stands, for administrators.
///
/// # Errors
/// The database's.
pub async fn summary(ctx: &Ctx) -> Result<OutboxSummary, AppError> {
    let since = ctx.clock.now() - SHOWN_FOR;
    let mut reader = ctx.store.read().await?;
    Ok(letters::counts(&mut reader, since).await?)
}

/// Makes waiting letters due now, one or all; tells how many.
///
/// # Errors
/// [`AppError::NotFound`] where the one asked for is not waiting.
pub async fn retry(ctx: &Ctx, letter: Option<Id<Letter>>) -> Result<u64, AppError> {
    let now = ctx.clock.now();
    let mut tx = ctx.store.begin().await?;
    let due = match letter {
        Some(letter) if letters::make_due(&mut tx, letter, now).await? => 1,
        Some(_) => return Err(AppError::NotFound("waiting letter")),
        None => letters::make_all_due(&mut tx, now).await?,
    };
    commit(ctx, tx).await?;
    ctx.letters_waiting.notify_one();
    Ok(due)
}

fn view(row: LetterRow) -> LetterView {
    LetterView {
        id: row.id,
        user: row.user,
        to: row.to,
        kind: row.kind,
        state: row.state,
        attempts: row.attempts,
        next_try_at: row.ended_at.is_none().then_some(row.next_try_at),
        last_reply: row.last_reply,
        created_at: row.created_at,
        ended_at: row.ended_at,
    }
}
