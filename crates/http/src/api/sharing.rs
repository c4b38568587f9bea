//! `/api/v1/sharing-signals`: why one's own tokens look shared, and that it was a false alarm.

use axum::extract::State;
use axum::response::Response;
use axum::routing::{get, post};
use http::{Method, StatusCode};
use serde::Serialize;
use symbolon_app::{own_signals, sharing};
use symbolon_core::id::{Id, SharingSignal};
use symbolon_core::secret::Password;

use crate::api::caller::{Caller, Proved};
use crate::api::paging::PageFields;
use crate::api::route;
use crate::control::ask::{Body, Fields, Named, id_of};
use crate::control::problem::Failed;
use crate::control::sharing::SignalShape;
use crate::routes::Route;
use crate::state::HttpState;

const SIGNALS: &str = "/api/v1/sharing-signals";
const FALSE_ALARM: &str = "/api/v1/sharing-signals/{signal}/false-alarm";

/// The routes about signals.
pub(super) fn routes() -> Vec<Route> {
    vec![
        route(Method::GET, SIGNALS, get(list)),
        route(Method::POST, FALSE_ALARM, post(false_alarm)),
    ]
}

#[derive(Serialize)]
struct ListShape {
    sharing_signals: Vec<SignalShape>,
}

async fn list(
    caller: Caller,
    State(state): State<HttpState>,
    Fields(page): Fields<PageFields>,
) -> Result<Response, Failed> {
    let ctx = &state.ctx;
    let after: Option<Id<SharingSignal>> =
        page.after.as_deref().map(|text| id_of(&state, "sharing signal", text)).transpose()?;
    // A user has few of them: more say no more, so that more are not kept.
    let all = sharing::list(ctx, Some(caller.session.user)).await;
    let all = all.map_err(|error| Failed::app(ctx, &error))?;
    let start = match after {
        Some(after) => match all.iter().position(|signal| signal.id == after) {
            Some(at) => at + 1,
            None => return Err(Failed::not_found(ctx, "sharing signal")),
        },
        None => 0,
    };
    let more = all.len() > start + page.count();
    let rows = all.into_iter().skip(start).take(page.count());
    let sharing_signals: Vec<SignalShape> = rows.map(SignalShape::from).collect();
    let last = sharing_signals.last().filter(|_| more).map(|last| last.id.clone());
    Ok(page.answer(ctx, SIGNALS, ListShape { sharing_signals }, last.as_deref()))
}

async fn false_alarm(
    caller: Caller,
    State(state): State<HttpState>,
    Named(signal): Named,
    Body(asked): Body<Proved>,
) -> Result<StatusCode, Failed> {
    let ctx = &state.ctx;
    let signal = id_of(&state, "sharing signal", &signal)?;
    let (user, current) = (caller.session.user, Password::new(asked.current_password));
    let marked = own_signals::mark_false_alarm(ctx, user, &current, signal, &caller.origin).await;
    marked.map(|()| StatusCode::NO_CONTENT).map_err(|error| Failed::reset(ctx, &error.into()))
}
