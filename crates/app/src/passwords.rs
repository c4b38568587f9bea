//! Passwords: proved again before a sensitive change, judged when new.

use symbolon_core::id::{Id, User};
use symbolon_core::judge::{Door, judge};
use symbolon_core::password::judge_new_password;
use symbolon_core::secret::Password;
use symbolon_store::users::{self, UserRecord};

use crate::actor::Origin;
use crate::context::Ctx;
use crate::error::AppError;
use crate::hashing::{self, Asker};
use crate::login::{Head, Refused, evidence, record};

/// Whether the current password was proved.
pub(crate) enum Proof {
    /// It was; the user as he was at that moment.
    Given(Box<UserRecord>),
    /// It was not, or the user may not: counted and written into the history.
    Refused(Refused),
}

/// Asks for the current password again. Counts like a login: this is not a way around the lockout.
pub(crate) async fn prove(
    ctx: &Ctx,
    user: Id<User>,
    password: &Password,
    origin: &Origin,
) -> Result<Proof, AppError> {
    // In a task of its own: who hangs up while his guess is being hashed has guessed all the same.
    let (ctx, origin) = (ctx.clone(), origin.clone());
    let password = Password::new(password.reveal().to_owned());
    let proof = tokio::spawn(async move { decide(&ctx, user, &password, &origin).await });
    proof.await.map_err(|_| AppError::Corrupt("a proof"))?
}

async fn decide(
    ctx: &Ctx,
    user: Id<User>,
    password: &Password,
    origin: &Origin,
) -> Result<Proof, AppError> {
    let place = ctx.hasher.line_up(Asker::from(origin))?;
    let username = find(ctx, user).await?.username;
    let _gate = ctx.turnstile.pass(&username.key()).await;
    let turn = place.turn().await?;
    let now = ctx.clock.now();
    let mut reader = ctx.store.read().await?;
    let evidence = evidence::of_name(&mut reader, username.as_str()).await?;
    drop(reader);
    let verification = hashing::verify(ctx, &turn, password, evidence.password()).await?;
    let decision = judge(&evidence.login(ctx, Door::Web, verification.verdict, origin.source, now));
    match (decision.outcome, evidence.user.as_ref()) {
        (Ok(_), Some(user)) => Ok(Proof::Given(Box::new(user.clone()))),
        (Ok(_), None) => Err(AppError::NotFound("user")),
        (Err(refusal), _) => {
            let refused =
                record::record_refusal(ctx, Head::Web, &evidence, refusal, origin, now).await?;
            Ok(Proof::Refused(refused))
        }
    }
}

/// Judges a new password by the rules and by the words that belong to its user.
pub(crate) fn judge_new(
    ctx: &Ctx,
    password: &Password,
    username: &str,
    email: &str,
    name: &str,
) -> Result<(), AppError> {
    let organization = ctx.settings.organization.as_str();
    judge_new_password(password, &[username, email, name, organization]).map_err(AppError::Password)
}

/// The user, unless removed.
pub(crate) async fn find(ctx: &Ctx, user: Id<User>) -> Result<UserRecord, AppError> {
    let mut reader = ctx.store.read().await?;
    users::find(&mut reader, user).await?.ok_or(AppError::NotFound("user"))
}
