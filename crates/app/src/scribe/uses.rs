//! Last uses, and who uses which credential from where.

use symbolon_core::Id;
use symbolon_core::names::Source;
use symbolon_live::{Sort, Subject};
use symbolon_store::{Tx, sessions, tokens, users, uses};

use crate::context::Ctx;
use crate::error::AppError;
use crate::live::commit;
use crate::notebook::{Place, Seen};

/// Notes in one transaction: some tens of milliseconds in which no log-in commits.
const MOST_IN_BATCH: usize = 256;
/// Pairs of client and network that are kept of each credential.
const MOST_PAIRS: i64 = 100;

type Noted = ((Subject, Place), Seen);

/// Writes down every use that is noted.
///
/// # Errors
/// The database's; what was not written is noted again.
pub(super) async fn write(ctx: &Ctx) -> Result<(), AppError> {
    let mut noted: Vec<Noted> = ctx.notebook.take_uses().into_iter().collect();
    noted.sort_unstable_by_key(|((subject, _), _)| (subject.user, subject.credential));
    while !noted.is_empty() {
        let batch = noted.split_off(noted.len().saturating_sub(MOST_IN_BATCH));
        if let Err(failure) = write_batch(ctx, &batch).await {
            ctx.notebook.put_back_uses(noted.into_iter().chain(batch).collect());
            return Err(failure);
        }
    }
    Ok(())
}

async fn write_batch(ctx: &Ctx, batch: &[Noted]) -> Result<(), AppError> {
    let mut tx = ctx.store.begin().await?;
    let mut user = None;
    // Owners first and in one order, as everybody does who changes their tokens and sessions: else a reset
    // and this would wait for each other's rows.
    for ((subject, _), _) in batch {
        if user != Some(subject.user) {
            user = Some(subject.user);
            users::hold(&mut tx, subject.user).await?;
        }
    }
    for ((subject, place), seen) in batch {
        write_use(&mut tx, *subject, place, *seen).await?;
    }
    commit(ctx, tx).await
}

async fn write_use(
    tx: &mut Tx,
    subject: Subject,
    place: &Place,
    seen: Seen,
) -> Result<(), AppError> {
    let source = Source::new(place.source);
    let noted = uses::Use {
        network: source.counted_as(),
        client: place.client.as_str().to_owned(),
        source: source.to_string(),
        head: place.head.word().to_owned(),
        first_at: seen.first_at,
        last_at: seen.last_at,
        times: seen.times,
    };
    if uses::note(tx, subject.credential, &noted).await? {
        uses::trim(tx, subject.credential, MOST_PAIRS).await?;
    }
    match subject.sort {
        Sort::Session => {
            sessions::touch(tx, Id::from_raw(subject.credential), seen.last_at).await?;
        }
        Sort::Token => {
            tokens::note_last_use(tx, subject.credential, seen.last_at).await?;
        }
    }
    Ok(())
}
