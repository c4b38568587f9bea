//! The scribe writes down what verifications left in the notebook: last uses, who uses what from where,
//! and refusals that an owner should read of. A batch every ten seconds, so that a crash loses no more.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use symbolon_core::id::{Id, Token};
use symbolon_core::judge::Refusal;
use symbolon_core::names::Source;
use symbolon_core::secret::Digest;
use symbolon_core::Timestamp;
use symbolon_live::{Sort, Subject};
use symbolon_store::{Tx, sessions, tokens, users, uses};
use tokio::time::interval;
use tracing::error;

use crate::actor::Origin;
use crate::context::Ctx;
use crate::error::AppError;
use crate::live::commit;
use crate::login::record::{RefusedCredential, record_refused_credential};
use crate::notebook::{Offence, Place, Seen};

const ROUND: Duration = Duration::from_secs(10);
/// Notes in one transaction: some tens of milliseconds in which no log-in commits.
const MOST_IN_BATCH: usize = 256;
/// Refusals that are looked up and written in one round. Whoever presents one made-up token after the other
/// costs no more than these look-ups; what is beyond them is counted.
const MOST_REFUSALS: usize = 500;
/// Pairs of client and network that are kept of each credential.
const MOST_PAIRS: i64 = 100;
/// A refusal of the same credential from the same address is told again after this time.
const TELL_AGAIN: Duration = Duration::from_hours(1);
/// Refusals that are remembered for that; with more, some are told twice.
const MOST_TOLD: usize = 8192;

/// Writes notes down.
#[derive(Debug, Default)]
pub struct Scribe {
    told: HashMap<(Offence, IpAddr), Timestamp>,
}

/// Writes for ever; when `stop` resolves, what is noted is written down first.
pub async fn run(ctx: Ctx, stop: impl Future<Output = ()> + Send) {
    let mut scribe = Scribe::default();
    let mut rounds = interval(ROUND);
    tokio::pin!(stop);
    loop {
        let stopped = tokio::select! {
            biased;
            () = &mut stop => true,
            _ = rounds.tick() => false,
        };
        if let Err(failure) = scribe.write_down(&ctx).await {
            error!(error = &failure as &dyn std::error::Error, "could not write down uses");
        }
        if stopped {
            return;
        }
    }
}

impl Scribe {
    /// Writes everything down that is noted.
    ///
    /// # Errors
    /// The database's. What was not written is noted again, as far as there is room.
    pub async fn write_down(&mut self, ctx: &Ctx) -> Result<(), AppError> {
        write_uses(ctx).await?;
        let mut left = MOST_REFUSALS;
        for ((offence, place), seen) in ctx.notebook.take_refusals() {
            if !self.is_news(&offence, place.source, seen.last_at) {
                continue;
            }
            if left == 0 {
                ctx.notebook.count_dropped(1);
                continue;
            }
            left -= 1;
            if write_refusal(ctx, &offence, &place, seen).await? {
                self.remember(offence, place.source, seen.last_at);
            }
        }
        Ok(())
    }

    fn is_news(&self, offence: &Offence, source: IpAddr, at: Timestamp) -> bool {
        let told = self.told.get(&(offence.clone(), source));
        told.is_none_or(|told_at| at.since(*told_at) >= TELL_AGAIN)
    }

    fn remember(&mut self, offence: Offence, source: IpAddr, at: Timestamp) {
        if self.told.len() >= MOST_TOLD {
            self.told.retain(|_, told_at| at.since(*told_at) < TELL_AGAIN);
        }
        if self.told.len() >= MOST_TOLD {
            self.told.clear();
        }
        self.told.insert((offence, source), at);
    }
}

type Noted = ((Subject, Place), Seen);

async fn write_uses(ctx: &Ctx) -> Result<(), AppError> {
    let mut noted: Vec<Noted> = ctx.notebook.take_uses().into_iter().collect();
    // In one order on every node, so that no two wait for each other's rows.
    noted.sort_unstable_by_key(|((subject, _), _)| subject.credential);
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

/// Writes one refusal into the owner's history; `false` if it is nobody's.
async fn write_refusal(
    ctx: &Ctx,
    offence: &Offence,
    place: &Place,
    seen: Seen,
) -> Result<bool, AppError> {
    let origin = Origin { source: Source::new(place.source), client: place.client.clone() };
    let mut reader = ctx.store.read().await?;
    let (owner, token, reason, retired) = match offence {
        Offence::Known(subject, refusal) => {
            let token = (subject.sort == Sort::Token).then(|| Id::from_raw(subject.credential));
            (subject.user, token, refusal.to_string(), None)
        }
        Offence::NotLive(digest) => {
            let digest = [Digest::from_bytes(*digest)];
            let Some(record) = tokens::find_by_digest(&mut reader, &digest).await? else {
                return Ok(false);
            };
            let Some((at, cause)) = record.retired else {
                return Ok(false);
            };
            let reason = Refusal::TokenRetired(at, cause).to_string();
            (record.user, Some::<Id<Token>>(record.token), reason, Some((at, cause)))
        }
    };
    let Some(user) = users::find(&mut reader, owner).await? else {
        return Ok(false);
    };
    drop(reader);
    let mut tx = ctx.store.begin().await?;
    let reason = reason.as_str();
    let refused = RefusedCredential { head: place.head, token, reason, retired, origin: &origin };
    record_refused_credential(ctx, &mut tx, &user, refused, seen.last_at).await?;
    commit(ctx, tx).await?;
    ctx.letters_waiting.notify_one();
    Ok(true)
}
