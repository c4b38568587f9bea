//! Opens the session of a login that was let in.

use symbolon_core::Timestamp;
use symbolon_core::id::{Id, Token};
use symbolon_core::judge::Admission;
use symbolon_core::keys::Purpose;
use symbolon_core::secret::SessionSecret;
use symbolon_core::session::SessionKind;
use symbolon_store::changes::{self, Change};
use symbolon_store::sessions::NewSession as NewRow;
use symbolon_store::users::PasswordRecord;
use symbolon_store::{sessions, tokens, users};
use zeroize::Zeroizing;

use crate::context::Ctx;
use crate::error::AppError;
use crate::live::commit;
use crate::login::attempt::{Attempt, CorrelationId, NewSession};
use crate::login::evidence::Evidence;
use crate::login::record::{self, Entry};

/// Opens the session of a login that was let in; `None` if the user or the token has changed since the
/// decision, which must then be taken anew (I6).
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
    let secret = draw_secret(ctx);
    let digest = ctx.keys.digest(Purpose::Session, secret.reveal().as_bytes());
    let id = ctx.chance.with(|mut rng| Id::mint(&mut rng));
    let source = attempt.origin.source.to_string();
    let row = NewRow {
        id,
        digest: &digest,
        kind: attempt.kind,
        user: admission.user,
        token: admission.token,
        client_id: attempt.client,
        head: attempt.head.word(),
        client: attempt.origin.client.as_str(),
        source: &source,
    };

    let mut tx = ctx.store.begin().await?;
    if !users::hold_at_epoch(&mut tx, admission.user, user.epoch).await? {
        return Ok(None);
    }
    if let Some(token) = admission.token
        && !tokens::note_use(&mut tx, token, now).await?
    {
        return Ok(None);
    }
    if let (Some(old), Some(new)) = (&user.password, &rehash) {
        users::rehash(&mut tx, admission.user, old, new).await?;
    }
    users::note_login(&mut tx, admission.user, now).await?;
    sessions::insert(&mut tx, &row, now).await?;
    let correlation_id = CorrelationId::draw(ctx);
    let entry = Entry {
        head: attempt.head,
        evidence,
        origin: &attempt.origin,
        correlation_id: &correlation_id,
        now,
    };
    let reason = reason_of(attempt.kind, admission.token);
    record::write_history(ctx, &mut tx, entry, "admitted", reason, admission.token).await?;
    changes::record(&mut tx, Change::SessionStarted, admission.user, Some(id.raw()), now).await?;
    commit(ctx, tx).await?;

    let password_expired = user.password_expired_at.is_some();
    let user = admission.user;
    Ok(Some(NewSession { session: id, user, secret, started_at: now, password_expired }))
}

const fn reason_of(kind: SessionKind, token: Option<Id<Token>>) -> &'static str {
    match (kind, token) {
        (SessionKind::Web, _) => "password",
        (SessionKind::Api, Some(_)) => "password and security token",
        (SessionKind::Api, None) => "password from a trusted network",
    }
}

/// 72 random bytes in the 64 characters that Salesforce's session ids have.
fn draw_secret(ctx: &Ctx) -> SessionSecret {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._";
    let bytes = Zeroizing::new(ctx.chance.bytes::<96>());
    let digits = bytes.iter().map(|byte| char::from(ALPHABET[usize::from(byte % 64)]));
    SessionSecret::new(digits.collect())
}
