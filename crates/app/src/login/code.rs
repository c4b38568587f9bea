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
    /// It is of this app and step.
    Right(Id<Authenticator>, i64),
}

impl Code {
    /// As the chain judges it.
    pub(crate) const fn evidence(self) -> CodeEvidence {
        match self {
            Self::Absent => CodeEvidence::Absent,
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
pub(crate) async fn look(
    ctx: &Ctx,
    evidence: &Evidence,
    typed: Option<&TypedCode>,
    now: Timestamp,
) -> Result<Code, AppError> {
    let (Some(typed), Some(user)) = (typed, &evidence.user) else { return Ok(Code::Absent) };
    if evidence.wrong_codes().locked_at(now).is_some() {
        return Ok(Code::Absent);
    }
    let mut reader = ctx.store.read().await?;
    let found = second_factors::find_step(ctx, &mut reader, user.standing.user, typed, now).await?;
    Ok(found.map_or(Code::Wrong, |(app, step)| Code::Right(app, step)))
}
