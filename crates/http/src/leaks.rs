//! `POST /api/v1/leaked-tokens`: whoever finds a token where others can read it may say so, without a
//! log-in. And the same for GitHub's secret scanning, in its own form and at its own path.
//!
//! # Security
//! A stranger learns nothing: neither whether a token is known nor whether it lived. The answer counts what
//! he sent, and its time hangs on that alone: it is given on a beat, and what is not written by then is
//! written behind it. GitHub
//! proves itself by a signature and is told which of its findings were ever tokens of ours: that is what
//! its answer is for, and by then none of them lives.

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State;
use axum::response::Response;
use axum::routing::post;
use http::{HeaderMap, HeaderName, Method, StatusCode, header};
use symbolon_app::leaks::{self, Issued, REPORT_QUOTA, SeenToken};
use symbolon_app::{AppError, Ctx, Origin};
use symbolon_core::leak::{Reporter, Sighting};
use symbolon_core::token_search;
use symbolon_wire::leaks::github::{self, Finding, Label};
use symbolon_wire::leaks::{LeakReport, LeakReportError, MAX_TOKENS};
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::answer::{JSON, Kind, answer, refuse, with_policy, with_retry_after};
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

/// Answers to strangers are given this long after their request was there. To end a token takes a few
/// milliseconds, so that all that is reported is usually dead by then.
const BEAT: Duration = Duration::from_millis(250);
/// And so much later for each token in it, ours or not, that there is time to end them all.
const FOR_EACH: Duration = Duration::from_millis(2);

const TOO_MANY_TOKENS: &str = "The report names more than 1000 tokens.";

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
    let texts = report.tokens.iter().map(|seen| {
        let place = seen.url.as_deref().unwrap_or_default();
        (seen.token.reveal(), place)
    });
    let (seen, _) = match tokens_in(texts) {
        Ok(seen) => seen,
        Err((status, text)) => return refuse(Kind::Problem, status, text),
    };
    let place = match ctx.leak_reports.place() {
        Ok(place) => place,
        Err(error) => return Failure::noted(&error).refuse(Kind::Problem),
    };
    let due = BEAT + FOR_EACH * u32::try_from(seen.len()).unwrap_or(u32::MAX);
    // The place is kept until the answer, so that it does not tell either how much there was to write.
    let outcome = leaks::report(ctx, seen, Reporter::Anyone, &origin, place.clone()).await;
    let answer_at = next_beat(came_at + due, Instant::now());
    let outcome = match outcome {
        Ok(received) => timeout_at(answer_at, received.ended()).await.unwrap_or(Ok(())),
        Err(error) => Err(error),
    };
    sleep_until(answer_at).await;
    drop(place);
    match outcome {
        Ok(()) => answer(StatusCode::ACCEPTED, JSON, format!(r#"{{"received":{received}}}"#)),
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
    let texts = findings.iter().map(|finding| (finding.token.reveal(), place_of(finding)));
    let (seen, counts) = match tokens_in(texts) {
        Ok(seen) => seen,
        Err((status, text)) => return refuse(Kind::Problem, status, text),
    };
    match taken_from_github(ctx, seen, &origin).await {
        Ok(issued) => {
            let labelled = findings.iter().zip(labels(&counts, &issued));
            answer(StatusCode::OK, JSON, github::feedback(labelled))
        }
        Err(error) => Failure::noted(&error).refuse(Kind::Problem),
    }
}

/// Takes an alert in whole: what is told of a finding is told when it is dead.
async fn taken_from_github(
    ctx: &Ctx,
    seen: Vec<SeenToken>,
    origin: &Origin,
) -> Result<Vec<Issued>, AppError> {
    let place = ctx.leak_reports.next_place().await?;
    let received = leaks::report(ctx, seen, Reporter::GitHub, origin, place).await?;
    let issued = received.issued.clone();
    received.ended().await?;
    Ok(issued)
}

/// The tokens in what was reported, each text with its place, and how many each text holds: there may be a
/// password before one, or quotes around it.
fn tokens_in<'a>(
    texts: impl Iterator<Item = (&'a str, &'a str)>,
) -> Result<(Vec<SeenToken>, Vec<usize>), Refusal> {
    let (mut found, mut counts) = (Vec::new(), Vec::new());
    for (text, place) in texts {
        let seen = Sighting::sanitised(place);
        let before = found.len();
        for token in token_search::tokens_in(text) {
            found.push(SeenToken { token, seen: seen.clone() });
        }
        counts.push(found.len() - before);
        // A text may hold many, and each is work.
        if found.len() > MAX_TOKENS {
            return Err((StatusCode::UNPROCESSABLE_ENTITY, TOO_MANY_TOKENS));
        }
    }
    Ok((found, counts))
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

/// When to answer: when it is due, or at the first beat after that where the look-up took longer.
fn next_beat(due: Instant, now: Instant) -> Instant {
    let late = now.saturating_duration_since(due).as_millis().div_ceil(BEAT.as_millis());
    due + BEAT * u32::try_from(late).unwrap_or(u32::MAX)
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
            LeakReportError::TooManyTokens => TOO_MANY_TOKENS,
            LeakReportError::TooLong(_) => "A member of the report is too long.",
        };
        (StatusCode::UNPROCESSABLE_ENTITY, text)
    })
}

/// The answer to whoever sends more reports at a time than are read from one address.
pub(crate) fn too_many_at_once(retry_after: Duration) -> Response {
    too_many(&AppError::TooMany { retry_after })
}

fn too_many(error: &AppError) -> Response {
    let text = "Too many reports from this address; Retry-After tells when to try again.";
    let response = refuse(Kind::Problem, StatusCode::TOO_MANY_REQUESTS, text);
    if let AppError::TooMany { retry_after } = error {
        return with_policy(with_retry_after(response, *retry_after), REPORT_QUOTA);
    }
    response
}
