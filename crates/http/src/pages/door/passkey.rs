//! The log-in by passkey alone: the button on the log-in page, the question, and the session.

use axum::response::Response;
use http::StatusCode;
use symbolon_app::passkeys;
use symbolon_app::passkeys::login::{self, Entrance};
use symbolon_app::sessions;

use crate::pages::door::Tie;
use crate::pages::own::passkeys::told;
use crate::pages::view::faults::Faults;
use crate::pages::view::form::{FormView, Tone};
use crate::pages::view::form_page::form_page_with;
use crate::pages::view::frame::Frame;
use crate::pages::view::passkey_form::{ANSWER, Asked, PasskeyForm, QUESTION, passkey_page};
use crate::pages::web::access::session_of;
use crate::pages::web::answer::{Answer, see_other};
use crate::pages::web::cookies;
use crate::pages::web::failure::Failure;
use crate::pages::web::local_path::LocalPath;
use crate::pages::web::posted::Posted;
use crate::pages::web::visit::Visit;

const BEGIN: &str = "/login/passkey";
const FINISH: &str = "/login/passkey/finish";
const TITLE: &str = "Use a Passkey";

/// The button on the log-in page; where passkeys cannot be used here it says why.
pub(super) fn button(visit: &Visit, nonce: &str, next: Option<&LocalPath>) -> FormView {
    let form = FormView::new(BEGIN, nonce, TITLE)
        .tone(Tone::Quiet)
        .obstacle(passkeys::obstacle(&visit.ctx));
    match next {
        Some(next) => form.hidden("next", next.as_str()),
        None => form,
    }
}

/// `POST /login/passkey`: answers with the question itself.
pub(crate) async fn begin(visit: Visit, posted: Posted) -> Answer {
    let form = posted.by_visitor(&visit, &["next"])?;
    let next = form.text("next").and_then(LocalPath::parse);
    let browser = visit.form_cookie.as_deref().ok_or(Failure::StaleForm)?;
    if passkeys::obstacle(&visit.ctx).is_some() {
        return Ok(again(&visit, next.as_ref(), Faults::none(), StatusCode::OK));
    }
    let asked = login::begin_login(&visit.ctx, browser)?;
    let nonce = Tie::of(&visit).nonce(&visit);
    let mut form = PasskeyForm::new(&visit.ctx, Asked::Held, FINISH, &nonce, asked.options)
        .hidden(QUESTION, asked.name);
    if let Some(next) = &next {
        form = form.hidden("next", next.as_str());
    }
    let lead = "Your browser asks which passkey to use, and has you unlock it.";
    Ok(passkey_page(Frame::for_visitor(&visit, TITLE), lead, form))
}

/// `POST /login/passkey/finish`
pub(crate) async fn finish(visit: Visit, posted: Posted) -> Answer {
    let form = posted.by_visitor(&visit, &["next", QUESTION, ANSWER])?;
    let next = form.text("next").and_then(LocalPath::parse);
    let browser = visit.form_cookie.as_deref().ok_or(Failure::StaleForm)?;
    let question = form.text(QUESTION).unwrap_or_default();
    let answer = form.text(ANSWER).unwrap_or_default();
    let held = visit.held_places();
    let entrance =
        login::log_in(&visit.ctx, browser, question, answer, held, &visit.origin).await?;
    let text = match entrance {
        Entrance::Opened(opened) => {
            // The browser holds one session; what it held before must not live on unseen.
            if let Some(before) = session_of(&visit).await? {
                sessions::end(&visit.ctx, before.session).await?;
            }
            let mut response = see_other(next.as_ref().map_or("/setup", LocalPath::as_str));
            let headers = response.headers_mut();
            cookies::set_session(headers, &opened.secret, visit.transport);
            if let Some(place) = &opened.place {
                cookies::add_place(headers, place, &visit.places, visit.transport);
            }
            return Ok(response);
        }
        Entrance::NotTaken(fault) => told(fault).to_owned(),
        Entrance::Refused(refused) => format!(
            "You cannot log in now. If you do not know why, ask an administrator. Reference: ({})",
            refused.correlation_id
        ),
    };
    let faults = Faults::one("", text);
    Ok(again(&visit, next.as_ref(), faults, StatusCode::UNAUTHORIZED))
}

/// The button on a page of its own, with what is wrong.
fn again(visit: &Visit, next: Option<&LocalPath>, faults: Faults, status: StatusCode) -> Response {
    let tie = Tie::of(visit);
    let form = button(visit, &tie.nonce(visit), next).cancel("/login");
    let frame = Frame::for_visitor(visit, TITLE);
    tie.bind(visit, form_page_with(frame, &[], form, faults, status))
}
