//! The sessions of one user, as administrators see and end them: one, or all. The user may log in again.

use std::str::FromStr;

use http::StatusCode;
use symbolon_app::{own_sessions, users};
use symbolon_core::id::{Id, Session};

use crate::pages::admin::user::{path_of, refuse_on_oneself};
use crate::pages::own::sessions::{EndMany, Row, SessionsPage, not_shown};
use crate::pages::view::done::Done;
use crate::pages::view::form::{FormView, Tone};
use crate::pages::view::frame::{Frame, nonce_of};
use crate::pages::web::access::Administrator;
use crate::pages::web::answer::{Answer, Page, see_other};
use crate::pages::web::failure::Failure;
use crate::pages::web::in_path::InPath;
use crate::pages::web::pressed::Pressed;
use crate::pages::web::visit::Visit;

const HIMSELF: &str =
    "These are your own: end the others under Sessions, or ask another administrator.";

/// Where the sessions of a user are.
pub(super) fn sessions_of(username: &str) -> String {
    format!("{}/sessions", path_of(username))
}

/// `GET /setup/users/{username}/sessions`
pub(crate) async fn show(
    visit: Visit,
    Administrator(session): Administrator,
    InPath(username): InPath<String>,
) -> Answer {
    let user = users::show(&visit.ctx, &username).await?;
    let all = own_sessions::list(&visit.ctx, user.id).await?;
    let (path, nonce) = (sessions_of(user.username.as_str()), nonce_of(&visit.ctx.keys, &session));
    let rule = if user.id == session.user {
        Some(HIMSELF)
    } else {
        all.is_empty().then_some("The user has no session.")
    };
    let form = FormView::new(format!("{path}/end-all"), &nonce, "End All Sessions")
        .tone(Tone::Grave)
        .obstacle(rule);
    let title = format!("Sessions of {}", user.username);
    let rows = all.into_iter().map(|each| Row::new(each, &path, &nonce, session.session));
    let page = SessionsPage {
        frame: Frame::for_session(&visit, &session, &title).await?,
        lead: "Where the user is logged in: browsers, and programs at an API.",
        sessions: rows.collect(),
        not_shown: not_shown(own_sessions::not_shown(&visit.ctx, user.id).await?),
        all: EndMany {
            title: "All at once",
            meaning: "The user is not frozen: browsers and programs may log in again. To keep them out, freeze.",
            form,
        },
    };
    Ok(page.answer(StatusCode::OK))
}

/// `POST /setup/users/{username}/sessions/{session}/end`
pub(crate) async fn end(pressed: Pressed<(String, String)>) -> Answer {
    let (username, ended) = &pressed.named;
    let ended = Id::<Session>::from_str(ended).map_err(|_| Failure::NoSuchPage)?;
    own_sessions::end_for(&pressed.visit.ctx, pressed.actor(), username, ended).await?;
    Ok(see_other(&Done::SessionEnded.at(&sessions_of(username))))
}

/// `POST /setup/users/{username}/sessions/end-all`
pub(crate) async fn end_all(pressed: Pressed) -> Answer {
    refuse_on_oneself(&pressed, HIMSELF).await?;
    own_sessions::end_all_for(&pressed.visit.ctx, pressed.actor(), &pressed.named).await?;
    Ok(see_other(&Done::UserSessionsEnded.at(&sessions_of(&pressed.named))))
}
