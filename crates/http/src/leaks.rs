//! `POST /api/v1/leaked-tokens`: whoever finds a token where others can read it may say so, without a
//! log-in. And the same for GitHub's secret scanning, in its own form and at its own path.
//!
//! # Security
//! A stranger learns nothing: neither whether a token is known nor whether it lived. The answer counts what
//! he sent, and it is given on a beat, so that its time does not tell how much there was to end. GitHub
//! proves itself by a signature and is told which of its findings were ever tokens of ours: that is what
//! its answer is for, and by then none of them lives.

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State;
use axum::response::Response;
use axum::routing::post;
use http::{HeaderMap, HeaderName, Method, StatusCode, header};
use symbolon_app::AppError;
use symbolon_app::leaks::{self, Issued, SeenToken};
use symbolon_core::leak::{Reporter, Sighting};
use symbolon_core::token::PresentedToken;
use symbolon_core::token_search;
use symbolon_wire::leaks::github::{self, Finding, Label};
use symbolon_wire::leaks::{LeakReport, LeakReportError};
use tokio::time::{Instant, sleep_until};

use crate::answer::{JSON, Kind, answer, refuse, with_retry_after};
use crate::body::{BodyFault, Single, check_media_type, check_no_encoding, header_text};
use crate::heads::Failure;
use crate::origin::RequestOrigin;
use crate::routes::{Admits, Proof, Route};
use crate::state::HttpState;

/// Where anybody reports.
pub(crate) const REPORTS: &str = "/api/v1/leaked-tokens";
/// Where GitHub reports.
pub(crate) const GITHUB: &str = "/api/v1/leaked-tokens/github";

const KEY: HeaderName = HeaderName::from_static(github::KEY_HEADER);
const SIGNATURE: HeaderName = HeaderName::from_static(github::SIGNATURE_HEADER);

/// Answers to strangers are given at whole beats after their request was there. To end a token takes a few
/// milliseconds; reports that take longer wait for the next beat.
const BEAT: Duration = Duration::from_millis(250);

/// What a request is refused with.
type Refusal = (StatusCode, &'static str);

/// The routes of this head.
pub(crate) fn routes() -> Vec<Route> {
    let route = |path, handler| Route {
        method: Method::POST,
        path,
        admits: Admits::Anyone,
        proof: Proof::Any,
        handler,
    };
    vec![route(REPORTS, post(from_anyone)), route(GITHUB, post(from_github))]
}

async fn from_anyone(
    State(state): State<HttpState>,
    RequestOrigin { origin, .. }: RequestOrigin,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let came_at = Instant::now();
    let ctx = &state.ctx;
    if let Err(error) = ctx.leak_reports.admit(origin.source, ctx.clock.now()) {
        return too_many(&error);
    }
    let report = match readable(&headers).and_then(|()| parsed(LeakReport::parse(&body))) {
        Ok(report) => report,
        Err((status, text)) => return refuse(Kind::Problem, status, text),
    };
    let received = report.tokens.len();
    let seen = report
        .tokens
        .iter()
        .flat_map(|seen| tokens_in(seen.token.reveal(), seen.url.as_deref().unwrap_or_default()));
    let outcome = leaks::report(ctx, seen.collect(), Reporter::Anyone, &origin).await;
    sleep_until(next_beat(came_at)).await;
    match outcome {
        Ok(_) => answer(StatusCode::ACCEPTED, JSON, format!(r#"{{"received":{received}}}"#)),
        Err(error) => Failure::noted(&error).refuse(Kind::Problem),
    }
}

async fn from_github(
    State(state): State<HttpState>,
    RequestOrigin { origin, .. }: RequestOrigin,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let ctx = &state.ctx;
    let Some(keys) = &state.front.secret_scanning_keys else {
        tracing::warn!("an alert of GitHub came, but no file of its keys is configured");
        return refuse(Kind::Problem, StatusCode::NOT_FOUND, "There is nothing here.");
    };
    let (Single::Text(key), Single::Text(signature)) =
        (header_text(&headers, &KEY), header_text(&headers, &SIGNATURE))
    else {
        let text =
            "The headers Github-Public-Key-Identifier and Github-Public-Key-Signature are missing.";
        return refuse(Kind::Problem, StatusCode::BAD_REQUEST, text);
    };
    if let Err(fault) = keys.verify(key, signature, &body) {
        // Only who cannot prove himself is counted: GitHub may send as much as it finds.
        if let Err(error) = ctx.leak_reports.admit(origin.source, ctx.clock.now()) {
            return too_many(&error);
        }
        tracing::warn!("an alert of GitHub is not believed: {fault}");
        let text = "The signature is not of this body by a known key of GitHub.";
        return refuse(Kind::Problem, StatusCode::FORBIDDEN, text);
    }
    let findings = match readable(&headers).and_then(|()| parsed(github::parse(&body))) {
        Ok(findings) => findings,
        Err((status, text)) => return refuse(Kind::Problem, status, text),
    };
    let mut seen = Vec::new();
    let mut counts = Vec::with_capacity(findings.len());
    for finding in &findings {
        let tokens: Vec<SeenToken> = tokens_in(finding.token.reveal(), place_of(finding)).collect();
        counts.push(tokens.len());
        seen.extend(tokens);
    }
    match leaks::report(ctx, seen, Reporter::GitHub, &origin).await {
        Ok(issued) => {
            let labelled = findings.iter().zip(labels(&counts, &issued));
            answer(StatusCode::OK, JSON, github::feedback(labelled))
        }
        Err(error) => Failure::noted(&error).refuse(Kind::Problem),
    }
}

/// The tokens in what was reported as one: there may be a password before it, or quotes around it.
fn tokens_in(text: &str, place: &str) -> impl Iterator<Item = SeenToken> {
    let seen = Sighting::sanitised(place);
    let tokens: Vec<PresentedToken> = token_search::tokens_in(text).collect();
    tokens.into_iter().map(move |token| SeenToken { token, seen: seen.clone() })
}

/// Where GitHub found it; without an address, the kind of place.
fn place_of(finding: &Finding) -> &str {
    if finding.url.is_empty() { &finding.source } else { &finding.url }
}

/// One label for each finding, of which each was taken for so many tokens.
fn labels(counts: &[usize], issued: &[Issued]) -> Vec<Label> {
    let mut rest = issued;
    let label = |count: &usize| {
        let (own, others) = rest.split_at(*count);
        rest = others;
        if own.contains(&Issued::Ever) { Label::TruePositive } else { Label::FalsePositive }
    };
    counts.iter().map(label).collect()
}

/// The first beat that is still to come.
fn next_beat(came_at: Instant) -> Instant {
    let took = came_at.elapsed().as_millis() / BEAT.as_millis();
    came_at + BEAT * (u32::try_from(took).unwrap_or(u32::MAX - 1) + 1)
}

fn readable(headers: &HeaderMap) -> Result<(), Refusal> {
    let checked = match header_text(headers, &header::CONTENT_TYPE) {
        Single::Text(_) => check_media_type(headers, &["application/json"]),
        // A form of a foreign page must not pass for JSON (ASVS 3.5.2).
        Single::Absent | Single::Unreadable => Err(BodyFault::WrongType),
    };
    checked.and_then(|()| check_no_encoding(headers)).map_err(BodyFault::told)
}

fn parsed<T>(parsed: Result<T, LeakReportError>) -> Result<T, Refusal> {
    parsed.map_err(|fault| {
        let text = match fault {
            LeakReportError::Malformed => "The body is not JSON of the form that is described.",
            LeakReportError::NoTokens => "The report names no token.",
            LeakReportError::TooManyTokens => "The report names more than 1000 tokens.",
            LeakReportError::TooLong(_) => "A member of the report is too long.",
        };
        (StatusCode::UNPROCESSABLE_ENTITY, text)
    })
}

fn too_many(error: &AppError) -> Response {
    let text = "Too many reports from this address; Retry-After tells when to try again.";
    let response = refuse(Kind::Problem, StatusCode::TOO_MANY_REQUESTS, text);
    if let AppError::TooMany { retry_after } = error {
        return with_retry_after(response, *retry_after);
    }
    response
}
