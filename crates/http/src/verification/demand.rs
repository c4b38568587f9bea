//! One verification with what its route demands, whichever proxy asks.

use std::time::Duration;

use symbolon_app::Ctx;
use symbolon_app::verify::{self, Admission, NoAdmission, Presenter, Question};
use symbolon_wire::demands::Demands;
use symbolon_wire::freshness::Freshness;
use symbolon_wire::identity_headers::Identity;

use crate::metrics::Outcome;

/// What a proxy is told.
#[derive(Debug)]
pub(super) enum Verdict {
    /// It may pass.
    Allowed(Box<Admission>),
    /// The credential is not accepted.
    Refused,
    /// The credential is good, and not for this route.
    Forbidden,
    /// This node cannot know now.
    CannotKnow,
}

impl Verdict {
    /// The word for it in the metrics.
    pub(super) fn outcome(&self) -> Outcome {
        match self {
            Self::Allowed(_) => Outcome::Allowed,
            Self::Refused => Outcome::Refused,
            Self::Forbidden => Outcome::Forbidden,
            Self::CannotKnow => Outcome::CannotKnow,
        }
    }
}

/// Decides. Demands that could not be read forbid: who is let in must meet them.
pub(super) async fn decide<E>(
    ctx: &Ctx,
    question: &Question<'_>,
    demands: Result<Demands<'_>, E>,
    deadline: Option<Duration>,
    presenter: Presenter<'_>,
) -> Verdict {
    let asked = demands.as_ref().map(|demands| demands.freshness).unwrap_or_default();
    // What cannot be a credential is none in any state: there is nothing to wait for.
    if question.presented.is_some() && fresh_enough(ctx, asked, deadline).await.is_err() {
        return Verdict::CannotKnow;
    }
    let admission = match verify::verify(ctx, question, presenter).await {
        Ok(admission) => admission,
        Err(NoAdmission::Refused(_)) => return Verdict::Refused,
        Err(NoAdmission::CannotKnow) => return Verdict::CannotKnow,
    };
    let allowed = demands.is_ok_and(|demands| {
        demands.device_types.all_contain(admission.device_type())
            && demands.profiles.all_contain(admission.profile())
    });
    if allowed { Verdict::Allowed(Box::new(admission)) } else { Verdict::Forbidden }
}

/// Waits for the state that is asked for, no longer than the verifier or its proxy waits.
pub(super) async fn fresh_enough(
    ctx: &Ctx,
    asked: Freshness,
    deadline: Option<Duration>,
) -> Result<(), NoAdmission> {
    let Some(revision) = asked.min_revision else {
        return Ok(());
    };
    let deadline = match (asked.deadline, deadline) {
        (Some(verifiers), Some(proxys)) => verifiers.min(proxys),
        (either, or) => either.or(or).unwrap_or(verify::DEFAULT_DEADLINE),
    };
    verify::wait_for(ctx, revision, deadline).await
}

/// What the service behind a proxy is told of who calls.
pub(super) fn identity(admission: &Admission) -> Identity<'_> {
    let holder = &admission.holder;
    Identity {
        username: &holder.username,
        email: Some(&holder.email),
        name: Some(&holder.name),
        profile: Some(admission.profile()),
        device_type: Some(admission.device_type()),
        expires_at_ms: Some(admission.ends_at.unix_ms()),
        revision: admission.revision,
    }
}
