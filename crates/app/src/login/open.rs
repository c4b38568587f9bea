//! Opens the session of a login that was let in.

use symbolon_core::Timestamp;
use symbolon_core::id::{Client, Id, Place, Session, Token};
use symbolon_core::judge::{Admission, Next, TokenEvidence};
use symbolon_core::keys::Purpose;
use symbolon_core::lockout::Failures;
use symbolon_core::secret::SessionSecret;
use symbolon_core::session::SessionKind;
use symbolon_store::changes::{self, Change};
use symbolon_store::sessions::{NewSession as NewRow, Restriction};
use symbolon_store::users::{PasswordRecord, UserRecord};
use symbolon_store::{Tx, places as stored_places, sessions, tokens, users};
use zeroize::Zeroizing;

use crate::actor::Origin;
use crate::context::Ctx;
use crate::error::AppError;
use crate::live::commit;
use crate::login::attempt::{Attempt, CorrelationId, Head, NewSession};
use crate::login::code::Code;
use crate::login::evidence::Evidence;
use crate::login::record::{self, Entry};
use crate::places::PlaceRow;
use crate::rotation::completion;
use crate::{passwords, places, second_factors};

/// A session to be opened, of a user who is let in.
pub(crate) struct Opening<'a> {
    pub(crate) head: Head,
    pub(crate) kind: SessionKind,
    pub(crate) user: &'a UserRecord,
    /// The token that opens it, and whose end ends it.
    pub(crate) token: Option<Id<Token>>,
    /// The token that was shown, for the history.
    pub(crate) shown: Option<Id<Token>>,
    pub(crate) client: Option<Id<Client>>,
    pub(crate) origin: &'a Origin,
    /// How the user proved himself, as his history and his list of sessions say it.
    pub(crate) proof: &'a str,
    /// When he proved himself by more than the password.
    pub(crate) proved_at: Option<Timestamp>,
    /// The known place.
    pub(crate) place: Option<Id<Place>>,
    pub(crate) restriction: Option<Restriction>,
}

/// What a login was decided on, as it is in the transaction that acts on the decision.
pub(crate) struct Held {
    pub(crate) user: UserRecord,
    /// The known place, unless it was ended since.
    pub(crate) place: Option<PlaceRow>,
}

/// Holds the user's row; `None` if he has changed since the decision, or if a lock was set since, where this
/// login is counted: on another node somebody may have guessed meanwhile, and of what comes during a lockout
/// nothing is told right or wrong (I14).
pub(crate) async fn hold(
    tx: &mut Tx,
    user: &UserRecord,
    evidence: &Evidence,
    now: Timestamp,
) -> Result<Option<Held>, AppError> {
    let id = user.standing.user;
    if !users::hold_at_epoch(tx, id, user.epoch).await? {
        return Ok(None);
    }
    let Some(user) = users::find(tx, id).await? else { return Ok(None) };
    let known = evidence.place.as_ref().map(|place| place.id);
    let place = places::find(tx, id, known).await?;
    let (failures, codes) = match &place {
        Some(place) => (place.failures, place.code_failures),
        None => (user.standing.failures, user.code_failures),
    };
    let by_code = matches!(evidence.code, Code::Right(..));
    let locked = failures.locked_at(now).or(codes.locked_at(now).filter(|_| by_code));
    Ok(locked.is_none().then_some(Held { user, place }))
}

/// Opens the session of a login that was let in; `None` if the user, the token or the place has changed
/// since the decision, which must then be taken anew (I6).
pub(crate) async fn open(
    ctx: &Ctx,
    attempt: &Attempt,
    evidence: &Evidence,
    admission: Admission,
    rehash: Option<PasswordRecord>,
    now: Timestamp,
) -> Result<Option<NewSession>, AppError> {
    let Some(user) = &evidence.user else {
        return Ok(None);
    };
    let mut tx = ctx.store.begin().await?;
    let Some(held) = hold(&mut tx, user, evidence, now).await? else {
        return Ok(None);
    };
    if let Some(token) = admission.token
        && !tokens::note_use(&mut tx, token, now).await?
    {
        return Ok(None);
    }
    let completed = completion::complete(ctx, &mut tx, user, admission.token, now).await?;
    if let Code::Right(app, step) = evidence.code
        && !second_factors::take_step(&mut tx, admission.user, (app, step), now).await?
    {
        return Ok(None);
    }
    if let (Some(old), Some(new)) = (&user.password, &rehash) {
        users::rehash(&mut tx, admission.user, old, new).await?;
    }
    let noted = note_place(ctx, &mut tx, attempt, (evidence, &held), now).await?;
    let Some((place, link_opened_at)) = noted else {
        return Ok(None);
    };
    forget_failures(&mut tx, evidence, &held).await?;
    let opening = Opening {
        head: attempt.head,
        kind: attempt.kind,
        user,
        token: admission.token,
        shown: admission.token,
        client: attempt.client,
        origin: &attempt.origin,
        proof: reason_of(attempt.kind, evidence, &admission),
        // Whoever has just opened a link from his mail in this browser need not prove himself again.
        proved_at: link_opened_at,
        place,
        restriction: restriction_of(admission.next),
    };
    let session = write_session(ctx, &mut tx, &opening, now).await?;
    let news = completed.is_some();
    completion::record(&mut tx, completed, now).await?;
    commit(ctx, tx).await?;
    if news {
        ctx.letters_waiting.notify_one();
    }
    Ok(Some(NewSession { token_expires_at: expiry_of(evidence, admission.token), ..session }))
}

/// Whoever is in does not guess: what failed where he comes from is forgotten, but for wrong codes, of which a right
/// one takes one back. Nothing else is touched: what failed elsewhere is somebody else's guesses. A use of a
/// known place forgets by itself.
async fn forget_failures(tx: &mut Tx, evidence: &Evidence, held: &Held) -> Result<(), AppError> {
    let user = held.user.standing.user;
    if evidence.place.is_none() {
        users::set_failures(tx, user, Failures::default()).await?;
    }
    let Code::Right(..) = evidence.code else { return Ok(()) };
    match &held.place {
        Some(place) => {
            let after = place.code_failures.after_right_code_at_api();
            stored_places::set_code_failures(tx, place.id, after).await?;
        }
        None => {
            let after = held.user.code_failures.after_right_code_at_api();
            users::set_code_failures(tx, user, after).await?;
        }
    }
    Ok(())
}

/// When the token that opens a session expires.
fn expiry_of(evidence: &Evidence, token: Option<Id<Token>>) -> Option<Timestamp> {
    match evidence.token {
        TokenEvidence::Known(record) if Some(record.token) == token => Some(record.expires_at),
        TokenEvidence::Known(_)
        | TokenEvidence::Absent
        | TokenEvidence::Mistyped
        | TokenEvidence::Unknown => None,
    }
}

/// Notes the login on the place that it comes from: which that is, and when the link was opened that made it
/// known, if this is the first login from it. `None` if the place was ended since the decision.
async fn note_place(
    ctx: &Ctx,
    tx: &mut Tx,
    attempt: &Attempt,
    (evidence, held): (&Evidence, &Held),
    now: Timestamp,
) -> Result<Option<(Option<Id<Place>>, Option<Timestamp>)>, AppError> {
    let origin = &attempt.origin;
    match (&evidence.place, &evidence.user, attempt.kind) {
        (Some(known), _, _) => {
            let noted = places::note_use(tx, known.id, origin, now).await?;
            // As it was held: of two logins at once one is the first.
            let current = held.place.as_ref().filter(|_| noted);
            Ok(current.map(|place| (Some(place.id), place.link_opened_at)))
        }
        (None, Some(user), SessionKind::Api) => {
            let user = user.standing.user;
            let place = places::note_api(ctx, tx, user, origin, now).await?;
            Ok(Some((Some(place), None)))
        }
        (None, _, SessionKind::Api | SessionKind::Web) => Ok(Some((None, None))),
    }
}

/// Writes a session, its entry in the history and what the view must know, within the caller's
/// transaction, in which the user's row is held.
pub(crate) async fn write_session(
    ctx: &Ctx,
    tx: &mut Tx,
    opening: &Opening<'_>,
    now: Timestamp,
) -> Result<NewSession, AppError> {
    let secret = draw_secret(ctx);
    let digest = ctx.keys.digest(Purpose::Session, secret.reveal().as_bytes());
    let id: Id<Session> = ctx.chance.with(|mut rng| Id::mint(&mut rng));
    let (user, origin) = (opening.user.standing.user, opening.origin);
    let source = origin.source.to_string();
    let row = NewRow {
        id,
        digest: &digest,
        kind: opening.kind,
        user,
        token: opening.token,
        client_id: opening.client,
        head: opening.head.word(),
        client: origin.client.as_str(),
        source: &source,
        proof: opening.proof,
        proved_at: opening.proved_at,
        place: opening.place,
        restriction: opening.restriction,
    };
    users::note_login(tx, user, now).await?;
    sessions::insert(tx, &row, now).await?;
    let correlation_id = CorrelationId::draw(ctx);
    let entry = Entry {
        head: opening.head,
        user: Some(user),
        username: opening.user.username.as_str(),
        origin,
        correlation_id: &correlation_id,
        now,
    };
    record::write_history(ctx, tx, entry, "admitted", opening.proof, opening.shown).await?;
    let password_expired = passwords::expire_if_old(tx, opening.user, now).await?;
    changes::record(tx, Change::SessionStarted, user, Some(id.raw()), now).await?;
    Ok(NewSession {
        session: id,
        user,
        secret,
        started_at: now,
        password_expired,
        place: None,
        token_expires_at: None,
    })
}

/// What a session is confined to that is opened where this comes next.
pub(crate) const fn restriction_of(next: Next) -> Option<Restriction> {
    match next {
        Next::EnterToEnrol => Some(Restriction::Enrol),
        Next::Enter | Next::Prove(_) => None,
    }
}

/// 72 random bytes in the 64 characters that Salesforce's session ids have.
pub(crate) fn draw_secret(ctx: &Ctx) -> SessionSecret {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._";
    let bytes = Zeroizing::new(ctx.chance.bytes::<96>());
    let digits = bytes.iter().map(|byte| char::from(ALPHABET[usize::from(byte % 64)]));
    SessionSecret::new(digits.collect())
}

fn reason_of(kind: SessionKind, evidence: &Evidence, admission: &Admission) -> &'static str {
    match (kind, admission.token) {
        (SessionKind::Web, _) if evidence.place.is_none() => {
            "password; place not proved: no mail server"
        }
        (SessionKind::Web, _) => "password",
        (SessionKind::Api, _) if matches!(evidence.code, Code::Right(..)) => {
            "password and authenticator code"
        }
        (SessionKind::Api, Some(_)) if evidence.of_another_kind() => {
            "password and security token; another kind of client than its device type is for"
        }
        (SessionKind::Api, Some(_)) => "password and security token",
        (SessionKind::Api, None) if evidence.from_trusted_network => {
            "password from a trusted network"
        }
        (SessionKind::Api, None) => "password from within the login IP ranges",
    }
}
