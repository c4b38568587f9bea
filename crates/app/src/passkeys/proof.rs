//! A passkey as a second factor: of a user who is known already, in a challenge that is somebody else's to keep.
//!
//! Whoever asks keeps [`Offer::state`] in his challenge, bound to the user, and takes it out with the answer:
//! an answer is verified against a state once, whatever comes of it. To ask again is to begin anew.

use symbolon_core::Timestamp;
use symbolon_core::id::{Id, Passkey, User};
use symbolon_store::{Conn, Tx, passkeys};
use webauthn_rp::bin::{Decode as _, Encode as _};
use webauthn_rp::request::auth::AllowedCredentials;
use webauthn_rp::request::{Credentials as _, UserVerificationRequirement};
use webauthn_rp::{
    NonDiscoverableAuthentication, NonDiscoverableAuthenticationServerState,
    NonDiscoverableCredentialRequestOptions,
};

use super::PasskeyFault;
use super::ceremony::{HANDLE, MOST_BYTES, Party, descriptor_of, json_of, obstacle, verify_stored};
use crate::context::Ctx;
use crate::error::AppError;

/// What a browser is to be asked, and what is kept until it answers.
#[derive(Debug)]
pub(super) struct Offer {
    /// For the browser, as the specification writes it in JSON.
    pub(super) options: String,
    /// To be kept on the server, and given to [`finish_proof`] once.
    pub(super) state: Vec<u8>,
}

/// Asks for one of the user's passkeys; `None` if there is none, or passkeys cannot be used here.
///
/// # Errors
/// The database's.
pub(super) async fn begin_proof(
    ctx: &Ctx,
    conn: &mut Conn,
    user: Id<User>,
) -> Result<Option<Offer>, AppError> {
    if obstacle(ctx).is_some() {
        return Ok(None);
    }
    let party = Party::of(ctx)?;
    let registered = passkeys::of_user(conn, user).await?;
    let mut allowed = AllowedCredentials::with_capacity(registered.len());
    for record in &registered {
        allowed.push(descriptor_of(record)?.into());
    }
    let Ok(mut asked) = NonDiscoverableCredentialRequestOptions::second_factor(&party.id, allowed)
    else {
        return Ok(None);
    };
    asked.options().user_verification = UserVerificationRequirement::Required;
    let (kept, sent) =
        asked.start_ceremony().map_err(|_| AppError::Corrupt("options of a passkey"))?;
    let state = kept.encode().map_err(|_| AppError::Corrupt("challenge.state"))?;
    Ok(Some(Offer { options: json_of(&sent)?, state }))
}

/// Verifies a browser's answer to an offer that was made for `user`, and notes the use of the passkey.
///
/// The state must have been taken out of the challenge in this transaction, which is committed whatever comes
/// of it.
///
/// # Errors
/// The database's.
///
/// # Security
/// A wrong *yes* is a second factor for nothing. That the user is who began the challenge is the caller's to
/// know: here it is held that the passkey is his.
pub(super) async fn finish_proof(
    ctx: &Ctx,
    tx: &mut Tx,
    user: Id<User>,
    state: &[u8],
    answer: &str,
    now: Timestamp,
) -> Result<Result<Id<Passkey>, PasskeyFault>, AppError> {
    let party = Party::of(ctx)?;
    if answer.len() > MOST_BYTES {
        return Ok(Err(PasskeyFault::Unreadable));
    }
    let Ok(asked) = NonDiscoverableAuthenticationServerState::decode(state) else {
        return Ok(Err(PasskeyFault::NotAsked));
    };
    let Ok(answer) = NonDiscoverableAuthentication::<HANDLE>::from_json_relaxed(answer.as_bytes())
    else {
        return Ok(Err(PasskeyFault::Unreadable));
    };
    let credential = answer.raw_id();
    let found = passkeys::find_by_credential(tx, credential.as_ref()).await?;
    let Some(record) = found.filter(|record| record.user == user) else {
        return Ok(Err(PasskeyFault::Unknown));
    };
    let verified = verify_stored(&record, |stored| {
        asked.verify(&party.id, &answer, stored, &party.of_proof())
    })?;
    let next = match verified {
        Ok(next) => next,
        Err(fault) => return Ok(Err(fault)),
    };
    if !passkeys::note_use(tx, record.id, &record.state, &next, now).await? {
        return Ok(Err(PasskeyFault::Counter));
    }
    Ok(Ok(record.id))
}
