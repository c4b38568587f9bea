//! The login history and the explanation of logins, over the control socket.

use std::net::IpAddr;

use axum::Json;
use axum::extract::State;
use axum::routing::MethodFilter;
use serde::{Deserialize, Serialize};
use symbolon_app::explain::{self, ExplainedStep, Question};
use symbolon_app::history::{self, LoginEntry};
use symbolon_app::login::Head;
use symbolon_core::names::{ClientName, Source};

use super::ask::{Fields, Operator, PageFields, route};
use super::problem::Failed;
use crate::instant;
use crate::routes::Route;
use crate::state::HttpState;

pub(super) fn routes() -> Vec<Route> {
    vec![
        route(MethodFilter::GET, "/logins", list),
        route(MethodFilter::GET, "/logins/explanation", explain),
    ]
}

/// The shape of contract §1.
#[derive(Serialize)]
struct LoginShape {
    time: String,
    user: String,
    head: String,
    client: String,
    source: String,
    outcome: String,
    reason: String,
    correlation_id: String,
}

impl From<LoginEntry> for LoginShape {
    fn from(entry: LoginEntry) -> Self {
        Self {
            time: entry.at.rfc3339(),
            user: entry.username,
            head: entry.head,
            client: entry.client,
            source: entry.source,
            outcome: entry.outcome,
            reason: entry.reason,
            correlation_id: entry.correlation_id,
        }
    }
}

async fn list(
    _: Operator,
    State(state): State<HttpState>,
    Fields(page): Fields<PageFields>,
) -> Result<Json<Vec<LoginShape>>, Failed> {
    let ctx = &state.ctx;
    let entries = match &page.user {
        Some(username) => history::list_of(ctx, username, page.limit()).await,
        None => history::list(ctx, None, page.limit(), None).await,
    };
    let entries = entries.map_err(|error| Failed::app(ctx, &error))?;
    Ok(Json(entries.into_iter().map(LoginShape::from).collect()))
}

/// A login that is to be explained.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct QuestionFields {
    username: String,
    from: String,
    at: Option<String>,
    head: Option<String>,
    client: Option<String>,
}

#[derive(Serialize)]
struct ExplanationShape {
    premise: String,
    conclusion: &'static str,
    steps: Vec<StepShape>,
}

/// One rule. `remedy` is null where the rule lets in.
#[derive(Serialize)]
struct StepShape {
    rule: String,
    input: String,
    verdict: &'static str,
    remedy: Option<String>,
}

impl From<ExplainedStep> for StepShape {
    fn from(step: ExplainedStep) -> Self {
        Self {
            rule: step.rule,
            input: step.input,
            verdict: step.said.word(),
            remedy: Some(step.remedy).filter(|remedy| !remedy.is_empty()),
        }
    }
}

async fn explain(
    _: Operator,
    State(state): State<HttpState>,
    Fields(asked): Fields<QuestionFields>,
) -> Result<Json<ExplanationShape>, Failed> {
    let ctx = &state.ctx;
    let unreadable = |what| Failed::unreadable(ctx, what);
    let source: IpAddr = asked.from.parse().map_err(|_| unreadable("--from is no address"))?;
    let at = match &asked.at {
        Some(at) => Some(
            instant::read(at)
                .ok_or_else(|| unreadable("--at is no time such as 2026-11-23T08:00:00Z"))?,
        ),
        None => None,
    };
    let head = match &asked.head {
        Some(head) => explain::head_of_word(head).ok_or_else(|| {
            unreadable("--head is none of web, soap-partner, soap-enterprise, oauth-password")
        })?,
        None => Head::SoapPartner,
    };
    let (username, source) = (asked.username, Source::new(source));
    let client = ClientName::sanitised(asked.client.as_deref().unwrap_or_default());
    let question = Question { username, source, at, head, client };
    let explained =
        explain::explain(ctx, question).await.map_err(|error| Failed::app(ctx, &error))?;
    Ok(Json(ExplanationShape {
        premise: explained.premise,
        conclusion: explained.conclusion.words(),
        steps: explained.steps.into_iter().map(StepShape::from).collect(),
    }))
}
