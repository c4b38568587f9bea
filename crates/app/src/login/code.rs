//! The code of an authenticator app behind the password of an API login, in the security token's place.

use symbolon_core::Timestamp;
use symbolon_core::id::{Authenticator, Id};
use symbolon_core::judge::CodeEvidence;
use symbolon_core::policy::Duty;
use symbolon_core::secret::{Password, TypedCode};
use symbolon_core::session::SessionKind;
use symbolon_core::token::{TokenPart, split_code};

use crate::context::Ctx;
use crate::error::AppError;
use crate::login::attempt::Attempt;
use crate::login::evidence::Evidence;
use crate::second_factors;

/// What is known of a code. Looking at it takes nothing: the session that it opens does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Code {
    /// None was given, or none was asked for.
    Absent,
    /// It is wrong, or was taken before.
    Wrong,
    /// Nobody can tell: no secret that it could be of can be opened.
    Unreadable,
    /// It is of this app and step.
    Right(Id<Authenticator>, i64),
}

impl Code {
    /// As the chain judges it.
    pub(crate) const fn evidence(self) -> CodeEvidence {
        match self {
            Self::Absent | Self::Unreadable => CodeEvidence::Absent,
            Self::Wrong => CodeEvidence::Wrong,
            Self::Right(..) => CodeEvidence::Right,
        }
    }
}

/// Password and code, where the user's profile demands a code at APIs and he can have one. From anybody
/// else it is the password alone: it may end in digits.
pub(crate) fn split(attempt: &Attempt, evidence: &Evidence) -> Option<(Password, TypedCode)> {
    let demanded = attempt.kind == SessionKind::Api
        && evidence.policy.duty == Duty::WebAndApi
        && evidence.factors.authenticator;
    match attempt.token {
        TokenPart::Absent if demanded => split_code(&attempt.password),
        TokenPart::Absent | TokenPart::Mistyped | TokenPart::Given(_) => None,
    }
}

/// Looks at the code, whether the password was right or not. While codes are locked none is looked at.
///
/// Of any API login that ends in six digits and brings no token as much work is done: else the time would tell a
/// stranger who exists, is under the duty and has an app.
pub(crate) async fn look(
    ctx: &Ctx,
    attempt: &Attempt,
    evidence: &Evidence,
    typed: Option<&TypedCode>,
    now: Timestamp,
) -> Result<Code, AppError> {
    let locked = evidence.wrong_codes().locked_at(now).is_some();
    let (typed, user) = match (typed, &evidence.user) {
        (Some(typed), Some(user)) if !locked => (typed, user.standing.user),
        _ => return look_in_vain(ctx, attempt, now).await,
    };
    let mut reader = ctx.store.read().await?;
    match second_factors::find_step(ctx, &mut reader, user, typed, now).await {
        Ok(found) => Ok(found.map_or(Code::Wrong, |(app, step)| Code::Right(app, step))),
        // Told once it is known whether the password was right: not to a stranger.
        Err(AppError::KeyMissing) => Ok(Code::Unreadable),
        Err(error) => Err(error),
    }
}

async fn look_in_vain(ctx: &Ctx, attempt: &Attempt, now: Timestamp) -> Result<Code, AppError> {
    let may_be_one = match (attempt.kind, &attempt.token) {
        (SessionKind::Api, TokenPart::Absent) => split_code(&attempt.password),
        (SessionKind::Api, TokenPart::Mistyped | TokenPart::Given(_)) | (SessionKind::Web, _) => {
            None
        }
    };
    if let Some((_, typed)) = may_be_one {
        let mut reader = ctx.store.read().await?;
        second_factors::find_step(ctx, &mut reader, Id::from_raw(0), &typed, now).await?;
    }
    Ok(Code::Absent)
}
