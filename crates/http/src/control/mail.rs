//! The outbox, over the control socket.

use axum::Json;
use axum::extract::State;
use axum::routing::MethodFilter;
use serde::{Deserialize, Serialize};
use symbolon_app::mail_status::{self, LetterView};
use symbolon_core::Timestamp;

use super::ask::{Body, Fields, Operator, PageFields, id_of, route};
use super::problem::Failed;
use crate::routes::Route;
use crate::state::HttpState;

pub(super) fn routes() -> Vec<Route> {
    vec![
        route(MethodFilter::GET, "/letters", list),
        route(MethodFilter::POST, "/letters/retry", retry),
    ]
}

/// The shape of contract §1.
#[derive(Serialize)]
struct LetterShape {
    id: String,
    to: String,
    kind: &'static str,
    state: &'static str,
    attempts: u32,
    next_try: Option<String>,
    last_reply: Option<String>,
}

impl From<LetterView> for LetterShape {
    fn from(letter: LetterView) -> Self {
        Self {
            id: letter.id.to_string(),
            to: letter.to.to_string(),
            kind: letter.kind.word(),
            state: letter.state.word(),
            attempts: letter.attempts,
            next_try: letter.next_try_at.map(Timestamp::rfc3339),
            last_reply: letter.last_reply,
        }
    }
}

async fn list(
    _: Operator,
    State(state): State<HttpState>,
    Fields(page): Fields<PageFields>,
) -> Result<Json<Vec<LetterShape>>, Failed> {
    let after = page.after.as_deref().map(|text| id_of(&state, "letter", text)).transpose()?;
    let letters = mail_status::list(&state.ctx, page.limit(), after).await;
    let letters = letters.map_err(|error| Failed::app(&state.ctx, &error))?;
    Ok(Json(letters.into_iter().map(LetterShape::from).collect()))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Retry {
    letter: Option<String>,
}

#[derive(Serialize)]
struct RetriedShape {
    due: u64,
}

async fn retry(
    _: Operator,
    State(state): State<HttpState>,
    Body(asked): Body<Retry>,
) -> Result<Json<RetriedShape>, Failed> {
    let letter = asked.letter.as_deref().map(|text| id_of(&state, "letter", text)).transpose()?;
    let due = mail_status::retry(&state.ctx, letter).await;
    due.map(|due| Json(RetriedShape { due })).map_err(|error| Failed::app(&state.ctx, &error))
}
