//! Registering a passkey: what the device is asked to make, and what is kept of it.
//!
//! The question lies in a challenge that is bound to user and session and lives for five minutes, the time that
//! browsers give their users; a new one ends the one before. Devices are not asked what they are: an attestation
//! says whose factory they come from, and everybody's own choice is welcome here.

use std::time::Duration;

use symbolon_core::factor::Factor;
use symbolon_core::id::Id;
use symbolon_core::keys::Purpose;
use symbolon_core::names::DisplayName;
use symbolon_store::challenges::{self, ChallengePurpose, NewChallenge};
use symbolon_store::passkeys::{self, NewPasskey};
use symbolon_store::{Tx, users};
use webauthn_rp::bin::{Decode as _, Encode as _};
use webauthn_rp::request::ExtensionInfo;
use webauthn_rp::request::register::{
    CredProtect, Nickname, PublicKeyCredentialUserEntity, Username,
};
use webauthn_rp::{PublicKeyCredentialCreationOptions, Registration, RegistrationServerState};

use super::ceremony::{HANDLE, MOST_BYTES, Party, descriptor_of, handle_of, json_of};
use super::{MOST_PASSKEYS, PasskeyFault, Question};
use crate::actor::Origin;
use crate::context::Ctx;
use crate::error::AppError;
use crate::live::commit;
use crate::second_factors::enrolment::Owner;
use crate::second_factors::{Added, Gains, kinds_of, note_added};
use crate::users::take_unfrozen;

/// How long there is to answer; the library holds to the same.
pub const VALID: Duration = Duration::from_mins(5);

const ENOUGH: &str =
    "You have twenty passkeys, and there is no room for more: remove one that you no longer use.";

/// What has become of a registration.
#[derive(Debug)]
pub enum Registered {
    /// The passkey is registered.
    Done(Gains),
    /// The answer is not taken.
    Refused(PasskeyFault),
}

/// What keeps a user who has `count` passkeys from registering one more.
pub fn obstacle(count: usize) -> Option<&'static str> {
    let full = i64::try_from(count).is_ok_and(|count| count >= MOST_PASSKEYS);
    full.then_some(ENOUGH)
}

/// Asks for a new passkey.
///
/// # Errors
/// [`AppError::Forbidden`] where there is no room for one more, or passkeys cannot be used here.
pub async fn begin(ctx: &Ctx, owner: Owner) -> Result<Question, AppError> {
    let party = Party::of(ctx)?;
    let now = ctx.clock.now();
    let mut tx = ctx.store.begin().await?;
    if !users::hold(&mut tx, owner.user).await? {
        return Err(AppError::NotFound("user"));
    }
    let user = users::find(&mut tx, owner.user).await?.ok_or(AppError::NotFound("user"))?;
    let registered = passkeys::of_user(&mut tx, owner.user).await?;
    if let Some(rule) = obstacle(registered.len()) {
        return Err(AppError::Forbidden(rule));
    }
    // Devices that hold one of the user's passkeys say so instead of making a second.
    let known = registered.iter().map(descriptor_of).collect::<Result<Vec<_>, _>>()?;
    let handle = handle_of(owner.user);
    let entity = PublicKeyCredentialUserEntity {
        name: Username::try_from(user.username.as_str())
            .map_err(|_| AppError::Corrupt("user_account.username"))?,
        id: &handle,
        // Not every name is one in the sense of RFC 8266; devices show the username then.
        display_name: Nickname::try_from(user.name.as_str()).ok(),
    };
    let mut asked = PublicKeyCredentialCreationOptions::passkey(&party.id, entity, known);
    // Asked for, but no condition: not every device knows it, and the verification is checked here anyway.
    asked.extensions.cred_protect =
        CredProtect::UserVerificationRequired(ExtensionInfo::AllowDontEnforceValue);
    let unsound = |_| AppError::Corrupt("options of a passkey");
    let (kept, sent) = asked.start_ceremony().map_err(unsound)?;
    let options = json_of(&sent)?;
    let state = kept.encode().map_err(|_| AppError::Corrupt("challenge.state"))?;

    let name = ctx.chance.text(22);
    challenges::end_of_user(&mut tx, owner.user, ChallengePurpose::Passkey, now).await?;
    let challenge = NewChallenge {
        id: ctx.chance.with(|mut rng| Id::mint(&mut rng)),
        purpose: ChallengePurpose::Passkey,
        digest: &ctx.keys.digest(Purpose::Challenge, name.as_bytes()),
        user: Some(owner.user),
        session: Some(owner.session),
        epoch: None,
        state: Some(&state),
        expires_at: now + VALID,
    };
    challenges::insert(&mut tx, &challenge, now).await?;
    commit(ctx, tx).await?;
    Ok(Question { name, options })
}

/// Registers the passkey that a browser answers with, under the name `label`.
///
/// # Errors
/// The database's; [`AppError::Forbidden`] where there is no room for one more.
pub async fn finish(
    ctx: &Ctx,
    owner: Owner,
    name: &str,
    label: DisplayName,
    answer: &str,
    origin: &Origin,
) -> Result<Registered, AppError> {
    let party = Party::of(ctx)?;
    let now = ctx.clock.now();
    let mut tx = ctx.store.begin().await?;
    let record = take_unfrozen(&mut tx, owner.user).await?;
    let Some(state) = take_question(ctx, &mut tx, owner, name).await? else {
        return Ok(Registered::Refused(PasskeyFault::NotAsked));
    };
    let made = match verify(&party, &state, answer) {
        Ok(made) => made,
        Err(fault) => {
            commit(ctx, tx).await?;
            return Ok(Registered::Refused(fault));
        }
    };
    if passkeys::find_by_credential(&mut tx, &made.credential).await?.is_some() {
        commit(ctx, tx).await?;
        return Ok(Registered::Refused(PasskeyFault::Registered));
    }
    if passkeys::count(&mut tx, owner.user).await? >= MOST_PASSKEYS {
        return Err(AppError::Forbidden(ENOUGH));
    }
    let before = kinds_of(&mut tx, owner.user).await?;
    let new = NewPasskey {
        id: ctx.chance.with(|mut rng| Id::mint(&mut rng)),
        user: owner.user,
        name: &label,
        credential: &made.credential,
        transports: made.transports,
        record: &made.record,
        state: &made.state,
    };
    passkeys::insert(&mut tx, &new, now).await?;
    let added = Added { factor: Factor::Passkey, name: &label, before, session: owner.session };
    let gains = note_added(ctx, &mut tx, &record, added, origin, now).await?;
    commit(ctx, tx).await?;
    ctx.letters_waiting.notify_one();
    Ok(Registered::Done(gains))
}

/// Ends the challenge and yields what it kept; `None` if it is not open to this owner.
async fn take_question(
    ctx: &Ctx,
    tx: &mut Tx,
    owner: Owner,
    name: &str,
) -> Result<Option<Vec<u8>>, AppError> {
    let now = ctx.clock.now();
    let digests = ctx.keys.digests(Purpose::Challenge, name.as_bytes());
    let found = challenges::find(tx, ChallengePurpose::Passkey, &digests, now).await?;
    let Some(found) = found else { return Ok(None) };
    let own = found.user == Some(owner.user) && found.session == Some(owner.session);
    if !own || !challenges::end(tx, found.id, now).await? {
        return Ok(None);
    }
    Ok(found.state)
}

/// What is kept of a new passkey.
struct Made {
    credential: Vec<u8>,
    transports: u32,
    record: Vec<u8>,
    state: Vec<u8>,
}

fn verify(party: &Party, state: &[u8], answer: &str) -> Result<Made, PasskeyFault> {
    if answer.len() > MOST_BYTES {
        return Err(PasskeyFault::Unreadable);
    }
    let asked = RegistrationServerState::<HANDLE>::decode(state);
    let asked = asked.map_err(|_| PasskeyFault::NotAsked)?;
    let answer = Registration::from_json_relaxed(answer.as_bytes());
    let answer = answer.map_err(|_| PasskeyFault::Unreadable)?;
    let made = asked.verify(&party.id, &answer, &party.of_registration())?;
    let Ok(transports) = made.transports().encode();
    let (Ok(record), Ok(state)) = (made.static_state().encode(), made.dynamic_state().encode());
    Ok(Made {
        credential: made.id().as_ref().to_vec(),
        transports: u32::from(transports),
        record,
        state: state.to_vec(),
    })
}
