//! One verification with what its route demands, whichever proxy asks.

use std::time::Duration;

use symbolon_app::Ctx;
use symbolon_app::verify::{
    self, Admission, Bound, NoAdmission, Presenter, Question, Waiter, Waiting,
};
use symbolon_core::verification::CredentialRefusal;
use symbolon_wire::demands::{DemandError, Demands};
use symbolon_wire::freshness::Freshness;
use symbolon_wire::identity_headers::Identity;
use tokio::time::Instant;

use crate::metrics::Outcome;

/// What a proxy is told.
#[derive(Debug)]
pub(super) enum Verdict<'a> {
    /// It may pass.
    Allowed(Admission<'a>),
    /// The credential is not accepted.
    Refused,
    /// The credential is good, and not for this route.
    Forbidden,
    /// This node cannot know now.
    CannotKnow,
}

impl Verdict<'_> {
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

/// Decides at once, as nearly always is possible; `None` where [`decide`] would wait for a newer state or
/// for the database.
pub(super) fn decide_at_once<'a>(
    ctx: &'a Ctx,
    question: &Question<'_>,
    demands: Demanded<'_>,
    presenter: Presenter<'_>,
) -> Option<Verdict<'a>> {
    let asked = demands.map(|demands| demands.freshness).unwrap_or_default();
    if question.presented.is_some() && !is_fresh_enough(ctx, asked) {
        return None;
    }
    let admits = |bound: Bound<'_>| is_met(demands, bound);
    verify::verify_at_once(ctx, question, presenter, &admits).map(verdict_of)
}

/// Decides. Demands that could not be read forbid: who is let in must meet them.
pub(super) async fn decide<'a>(
    ctx: &'a Ctx,
    question: &Question<'_>,
    demands: Demanded<'_>,
    deadline: Option<Duration>,
    presenter: Presenter<'_>,
) -> Verdict<'a> {
    let asked = demands.map(|demands| demands.freshness).unwrap_or_default();
    let waiter = Waiter::Stranger(presenter.source.any());
    let began = Instant::now();
    // What cannot be a credential is none in any state: there is nothing to wait for.
    if question.presented.is_some() && fresh_enough(ctx, asked, deadline, waiter).await.is_err() {
        return Verdict::CannotKnow;
    }
    let admits = |bound: Bound<'_>| is_met(demands, bound);
    let waiting = Waiting::of(waiter, earlier(asked.deadline, deadline)).after(began.elapsed());
    verdict_of(verify::verify_on_route(ctx, question, presenter, waiting, &admits).await)
}

/// What a route demands, if it could be read.
pub(super) type Demanded<'a> = Result<&'a Demands<'a>, &'a DemandError>;

fn verdict_of(verified: Result<Admission<'_>, NoAdmission>) -> Verdict<'_> {
    match verified {
        Ok(admission) => Verdict::Allowed(admission),
        Err(NoAdmission::Refused(CredentialRefusal::NotHere)) => Verdict::Forbidden,
        Err(NoAdmission::Refused(_)) => Verdict::Refused,
        Err(NoAdmission::CannotKnow) => Verdict::CannotKnow,
    }
}

fn is_met(demands: Demanded<'_>, bound: Bound<'_>) -> bool {
    demands.is_ok_and(|demands| {
        demands.device_types.all_contain(bound.device_type)
            && demands.profiles.all_contain(bound.profile)
    })
}

/// Whether the state that is asked for is there already.
pub(super) fn is_fresh_enough(ctx: &Ctx, asked: Freshness) -> bool {
    asked.min_revision.is_none_or(|revision| verify::is_as_new_as(ctx, revision))
}

/// Waits for the state that is asked for, no longer than the verifier or its proxy waits.
pub(super) async fn fresh_enough(
    ctx: &Ctx,
    asked: Freshness,
    deadline: Option<Duration>,
    waiter: Waiter,
) -> Result<(), NoAdmission> {
    let Some(revision) = asked.min_revision else {
        return Ok(());
    };
    let deadline = earlier(asked.deadline, deadline).unwrap_or(verify::DEFAULT_DEADLINE);
    verify::wait_for(ctx, revision, deadline, waiter).await
}

fn earlier(verifiers: Option<Duration>, proxys: Option<Duration>) -> Option<Duration> {
    match (verifiers, proxys) {
        (Some(verifiers), Some(proxys)) => Some(verifiers.min(proxys)),
        (either, or) => either.or(or),
    }
}

/// What the service behind a proxy is told of who calls.
pub(super) fn identity<'a>(admission: &'a Admission<'_>) -> Identity<'a> {
    let holder = admission.holder();
    Identity {
        username: holder.username(),
        email: Some(holder.email()),
        name: Some(holder.name()),
        profile: Some(admission.profile()),
        device_type: Some(admission.device_type()),
        expires_at_ms: Some(admission.ends_at.unix_ms()),
        revision: admission.revision,
    }
}
