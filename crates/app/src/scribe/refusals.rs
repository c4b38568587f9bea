//! Refusals that an owner should read of: a token that is only one half, one that is expired or retired, a
//! credential under another name. Made-up tokens look like retired ones until they are looked up; that is
//! done here, many at a time, and they leave nothing.

use std::collections::HashMap;

use symbolon_core::Timestamp;
use symbolon_core::id::{Id, Token, User};
use symbolon_core::judge::{Refusal, RetirementCause, TokenRecord};
use symbolon_core::names::Source;
use symbolon_core::secret::Digest;
use symbolon_core::verification::CredentialRefusal;
use symbolon_live::{Sort, Subject};
use symbolon_store::{tokens, users};

use crate::actor::Origin;
use crate::context::Ctx;
use crate::error::AppError;
use crate::live::commit;
use crate::login::record::{RefusedCredential, record_refused_credential};
use crate::notebook::{Offence, Place, Seen};
use crate::scribe::Told;

/// Refusals that are written into histories in one round; what is beyond them is counted.
const MOST_WRITTEN: usize = 500;

type Noted = ((Offence, Place), Seen);

/// Writes down every refusal that is noted and somebody's.
///
/// # Errors
/// The database's; what was not written is noted again.
pub(super) async fn write(ctx: &Ctx, told: &mut Told) -> Result<(), AppError> {
    let mut noted: Vec<Noted> = ctx.notebook.take_refusals().into_iter().collect();
    let outcome = write_noted(ctx, told, &mut noted).await;
    if outcome.is_err() {
        ctx.notebook.put_back_refusals(noted);
    }
    outcome
}

/// Takes out of `noted` what is done with.
async fn write_noted(ctx: &Ctx, told: &mut Told, noted: &mut Vec<Noted>) -> Result<(), AppError> {
    let known = look_up(ctx, noted).await?;
    let mut written = 0;
    while let Some(((offence, place), seen)) = noted.last() {
        let cases = case_of(offence, &known, seen.last_at);
        let source = Source::new(place.source);
        if let Some(case) = cases.filter(|case| told.is_news(case.credential, source, seen.last_at))
        {
            if written == MOST_WRITTEN {
                ctx.notebook.count_dropped(noted.len() as u64);
                noted.clear();
                return Ok(());
            }
            written += 1;
            write_one(ctx, &case, place, *seen).await?;
            told.remember(case.credential, source, seen.last_at);
        }
        noted.pop();
    }
    Ok(())
}

/// The tokens among those that were not live.
async fn look_up(ctx: &Ctx, noted: &[Noted]) -> Result<HashMap<[u8; 32], TokenRecord>, AppError> {
    let digests: Vec<Digest> = noted
        .iter()
        .filter_map(|((offence, _), _)| match offence {
            Offence::NotLive(digest) => Some(Digest::from_bytes(*digest)),
            Offence::Known(..) => None,
        })
        .collect();
    if digests.is_empty() {
        return Ok(HashMap::new());
    }
    let mut reader = ctx.store.read().await?;
    let found = tokens::find_all(&mut reader, &digests).await?;
    Ok(found.into_iter().map(|(digest, record)| (*digest.as_bytes(), record)).collect())
}

/// A refusal that is somebody's.
struct Case {
    owner: Id<User>,
    credential: i64,
    token: Option<Id<Token>>,
    reason: String,
    retired: Option<(Timestamp, RetirementCause)>,
}

fn case_of(
    offence: &Offence,
    known: &HashMap<[u8; 32], TokenRecord>,
    at: Timestamp,
) -> Option<Case> {
    match offence {
        Offence::Known(subject, refusal) => Some(case_of_known(*subject, *refusal)),
        Offence::NotLive(digest) => case_of_token(known.get(digest)?, at),
    }
}

fn case_of_known(subject: Subject, refusal: CredentialRefusal) -> Case {
    Case {
        owner: subject.user,
        credential: subject.credential,
        token: (subject.sort == Sort::Token).then(|| Id::from_raw(subject.credential)),
        reason: refusal.to_string(),
        retired: None,
    }
}

fn case_of_token(record: &TokenRecord, at: Timestamp) -> Option<Case> {
    let reason = match record.retired {
        Some((at, cause)) => Refusal::TokenRetired(at, cause),
        None if record.expires_at <= at => Refusal::TokenExpired(record.expires_at),
        // It has been issued since.
        None => return None,
    };
    Some(Case {
        owner: record.user,
        credential: record.token.raw(),
        token: Some(record.token),
        reason: reason.to_string(),
        retired: record.retired,
    })
}

async fn write_one(ctx: &Ctx, case: &Case, place: &Place, seen: Seen) -> Result<(), AppError> {
    let mut reader = ctx.store.read().await?;
    let Some(user) = users::find(&mut reader, case.owner).await? else {
        return Ok(());
    };
    drop(reader);
    let origin = Origin { source: Source::new(place.source), client: place.client.clone() };
    let refused = RefusedCredential {
        head: place.head,
        token: case.token,
        reason: &case.reason,
        retired: case.retired,
        origin: &origin,
    };
    let mut tx = ctx.store.begin().await?;
    record_refused_credential(ctx, &mut tx, &user, refused, seen.last_at).await?;
    commit(ctx, tx).await?;
    ctx.letters_waiting.notify_one();
    Ok(())
}
