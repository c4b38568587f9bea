//! Last uses, and who uses which credential from where.

use symbolon_core::names::Source;
use symbolon_core::{Id, Timestamp};
use symbolon_live::{Sort, Subject};
use symbolon_store::{sessions, tokens, users, uses};

use crate::context::Ctx;
use crate::error::AppError;
use crate::live::commit;
use crate::notebook::{Place, Seen};
use crate::rotation::completion;

/// Notes in one transaction: some tens of milliseconds in which no log-in commits. With few, most pages are
/// written anew in every one of them.
const MOST_IN_BATCH: usize = 1024;
/// Pairs of client and network that are kept of each credential.
const MOST_PAIRS: i64 = 100;
/// Clients of a credential that are told apart in one network. Clients call themselves what they like.
const MOST_CLIENTS: usize = 16;

type Noted = ((Subject, Place), Seen);

/// Writes down every use that is noted.
///
/// # Errors
/// The database's; what was not written is noted again.
pub(super) async fn write(ctx: &Ctx) -> Result<(), AppError> {
    let mut noted: Vec<Noted> = ctx.notebook.take_uses().into_iter().collect();
    noted.sort_unstable_by_key(|((subject, _), _)| (subject.user, subject.credential));
    let used: Vec<_> = last_uses(&noted, Sort::Token).into_iter().map(|(token, _)| token).collect();
    while !noted.is_empty() {
        let batch = noted.split_off(noted.len().saturating_sub(MOST_IN_BATCH));
        if let Err(failure) = write_batch(ctx, &batch).await {
            ctx.notebook.put_back_uses(noted.into_iter().chain(batch).collect());
            return Err(failure);
        }
    }
    // A token may come in another's place, which ends now. What fails here the janitor makes up for.
    completion::complete_used(ctx, &used).await
}

/// All in a few statements, for what each of them costs is mostly its own.
async fn write_batch(ctx: &Ctx, batch: &[Noted]) -> Result<(), AppError> {
    let mut owners: Vec<_> = batch.iter().map(|((subject, _), _)| subject.user).collect();
    owners.dedup();
    let uses: Vec<_> = batch.iter().map(use_of).collect();

    let mut tx = ctx.store.begin().await?;
    // Owners first and in one order, as everybody does who changes their tokens and sessions: else a reset
    // and this would wait for each other's rows.
    users::hold_all(&mut tx, &owners).await?;
    let new = uses::note(&mut tx, &uses).await?;
    if !new.is_empty() {
        uses::fold(&mut tx, &new, MOST_CLIENTS).await?;
        uses::trim(&mut tx, &new, MOST_PAIRS).await?;
    }
    sessions::touch_all(&mut tx, &last_uses(batch, Sort::Session)).await?;
    tokens::note_last_uses(&mut tx, &last_uses(batch, Sort::Token)).await?;
    commit(ctx, tx).await
}

fn use_of(((subject, place), seen): &Noted) -> (i64, uses::Use) {
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
    (subject.credential, noted)
}

/// The last use of each credential of a sort, from wherever it was. The batch is sorted by them.
fn last_uses<K>(batch: &[Noted], sort: Sort) -> Vec<(Id<K>, Timestamp)> {
    let of_one = batch.chunk_by(|((one, _), _), ((next, _), _)| one == next);
    of_one
        .filter(|uses| uses[0].0.0.sort == sort)
        .filter_map(|uses| {
            let last_at = uses.iter().map(|(_, seen)| seen.last_at).max()?;
            Some((Id::from_raw(uses[0].0.0.credential), last_at))
        })
        .collect()
}
