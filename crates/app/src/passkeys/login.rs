//! A login by passkey alone: nobody is named, the device says whose passkey it has.
//!
//! The device has verified its user, so password and second factor are proved in one. What else the log-in
//! demands (the user not frozen, the profile's hours and ranges) is decided where every log-in is decided; who
//! was locked out by other people's guesses gets in here.

use symbolon_core::Timestamp;
use symbolon_core::id::{Id, Passkey, User};
use symbolon_core::keys::Purpose;
use symbolon_core::names::Username;
use symbolon_store::challenges::{self, ChallengePurpose, NewChallenge};
use symbolon_store::passkeys::{self, PasskeyRecord};
use symbolon_store::{Tx, users};
use webauthn_rp::bin::{Decode as _, Encode as _};
use webauthn_rp::{
    DiscoverableAuthentication, DiscoverableAuthenticationServerState,
    DiscoverableCredentialRequestOptions,
};

use super::ceremony::{HANDLE, MOST_BYTES, Party, json_of, verify_stored};
use super::registration::VALID;
use super::{PasskeyFault, Question};
use crate::actor::Origin;
use crate::context::Ctx;
use crate::error::AppError;
use crate::live::commit;
use crate::login::Head;
use crate::login::record::{RefusedCredential, record_refused_credential};

/// Who has proved himself by a passkey. That he may log in is another question.
#[derive(Debug, Clone)]
pub struct Proved {
    /// Who.
    pub user: Id<User>,
    /// His login name.
    pub username: Username,
    /// By which passkey.
    pub passkey: Id<Passkey>,
    /// When.
    pub at: Timestamp,
}

/// Asks for any passkey of this site. `browser` is what this browser holds: the answer must come from it.
///
/// # Errors
/// [`AppError::Forbidden`] where passkeys cannot be used here.
pub async fn begin_login(ctx: &Ctx, browser: &str) -> Result<Question, AppError> {
    let party = Party::of(ctx)?;
    let now = ctx.clock.now();
    let asked = DiscoverableCredentialRequestOptions::passkey(&party.id);
    let (kept, sent) =
        asked.start_ceremony().map_err(|_| AppError::Corrupt("options of a passkey"))?;
    let state = kept.encode().map_err(|_| AppError::Corrupt("challenge.state"))?;
    let name = ctx.chance.text(22);
    let challenge = NewChallenge {
        id: ctx.chance.with(|mut rng| Id::mint(&mut rng)),
        purpose: ChallengePurpose::PasskeyLogin,
        digest: &ctx.keys.digest(Purpose::Challenge, bound(&name, browser).as_bytes()),
        user: None,
        session: None,
        epoch: None,
        state: Some(&state),
        expires_at: now + VALID,
    };
    let mut tx = ctx.store.begin().await?;
    challenges::insert(&mut tx, &challenge, now).await?;
    commit(ctx, tx).await?;
    Ok(Question { name, options: json_of(&sent)? })
}

/// Verifies a browser's answer and tells who has proved himself by it.
///
/// What is refused stands in the history of the passkey's owner, if it is anybody's.
///
/// # Errors
/// The database's.
///
/// # Security
/// A wrong *yes* opens the account.
pub async fn finish_login(
    ctx: &Ctx,
    browser: &str,
    name: &str,
    answer: &str,
    origin: &Origin,
) -> Result<Result<Proved, PasskeyFault>, AppError> {
    let party = Party::of(ctx)?;
    let now = ctx.clock.now();
    let mut tx = ctx.store.begin().await?;
    let digests = ctx.keys.digests(Purpose::Challenge, bound(name, browser).as_bytes());
    let found = challenges::find(&mut tx, ChallengePurpose::PasskeyLogin, &digests, now).await?;
    let Some(challenge) = found else {
        return Ok(Err(PasskeyFault::NotAsked));
    };
    if !challenges::end(&mut tx, challenge.id, now).await? {
        return Ok(Err(PasskeyFault::NotAsked));
    }
    let state = challenge.state.unwrap_or_default();
    let verified = match verify(&party, &mut tx, &state, answer).await? {
        Ok((record, Ok(next))) => {
            note(&mut tx, &record, &next, now).await?.map_err(|fault| (Some(record), fault))
        }
        Ok((record, Err(fault))) => Err((Some(record), fault)),
        Err(fault) => Err((None, fault)),
    };
    let outcome = match verified {
        Ok(proved) => Ok(proved),
        Err((record, fault)) => {
            if let Some(record) = record {
                write_refusal(ctx, &mut tx, &record, fault, origin, now).await?;
            }
            Err(fault)
        }
    };
    commit(ctx, tx).await?;
    Ok(outcome)
}

/// The passkey that an answer names with what verifying it yields, or why it names none.
type Verified = Result<(PasskeyRecord, Result<Vec<u8>, PasskeyFault>), PasskeyFault>;

async fn verify(
    party: &Party,
    tx: &mut Tx,
    state: &[u8],
    answer: &str,
) -> Result<Verified, AppError> {
    if answer.len() > MOST_BYTES {
        return Ok(Err(PasskeyFault::Unreadable));
    }
    let Ok(asked) = DiscoverableAuthenticationServerState::decode(state) else {
        return Ok(Err(PasskeyFault::NotAsked));
    };
    let Ok(answer) = DiscoverableAuthentication::<HANDLE>::from_json_relaxed(answer.as_bytes())
    else {
        return Ok(Err(PasskeyFault::Unreadable));
    };
    let credential = answer.raw_id();
    let Some(record) = passkeys::find_by_credential(tx, credential.as_ref()).await? else {
        return Ok(Err(PasskeyFault::Unknown));
    };
    let verified = verify_stored(&record, |stored| {
        asked.verify(&party.id, &answer, stored, &party.of_proof())
    })?;
    Ok(Ok((record, verified)))
}

async fn note(
    tx: &mut Tx,
    record: &PasskeyRecord,
    next: &[u8],
    now: Timestamp,
) -> Result<Result<Proved, PasskeyFault>, AppError> {
    if !passkeys::note_use(tx, record.id, &record.state, next, now).await? {
        return Ok(Err(PasskeyFault::Counter));
    }
    let Some(user) = users::find(tx, record.user).await? else {
        return Ok(Err(PasskeyFault::Unknown));
    };
    let (username, passkey) = (user.username, record.id);
    Ok(Ok(Proved { user: record.user, username, passkey, at: now }))
}

async fn write_refusal(
    ctx: &Ctx,
    tx: &mut Tx,
    record: &PasskeyRecord,
    fault: PasskeyFault,
    origin: &Origin,
    now: Timestamp,
) -> Result<(), AppError> {
    let Some(user) = users::find(tx, record.user).await? else {
        return Ok(());
    };
    let reason = format!("passkey: {fault}");
    let (head, reason) = (Head::Web, reason.as_str());
    let refused = RefusedCredential { head, token: None, reason, retired: None, origin };
    record_refused_credential(ctx, tx, &user, refused, now).await
}

/// What the digest of a challenge is made of: another browser's is another.
fn bound(name: &str, browser: &str) -> String {
    format!("{name} {browser}")
}
