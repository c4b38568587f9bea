//! The entrance, the log-in and the log-out.
//!
//! A log-in that fails says the same whatever failed; the owner's login history says what it was.

use askama::Template;
use axum::response::Response;
use http::{HeaderValue, StatusCode};
use symbolon_app::login::{Entrance, Head, LoginError, WebLogin, log_in_to_web};
use symbolon_app::sessions;

use crate::pages::door::{Tie, challenge, passkey};
use crate::pages::view::faults::Faults;
use crate::pages::view::form::{Control, Field, FormView};
use crate::pages::view::frame::Frame;
use crate::pages::web::access::{LoggedInEvenExpired, session_of};
use crate::pages::web::answer::{Answer, Page, see_other};
use crate::pages::web::cookies;
use crate::pages::web::local_path::{LocalPath, page_then};
use crate::pages::web::posted::{Posted, take_password};
use crate::pages::web::visit::Visit;

#[derive(Template)]
#[template(path = "login.html")]
struct LoginPage {
    frame: Frame,
    form: FormView,
    passkey: FormView,
}

impl Page for LoginPage {
    fn frame(&self) -> &Frame {
        &self.frame
    }
}

/// `GET /`: to Setup, or to the log-in.
pub(crate) async fn entrance(visit: Visit) -> Answer {
    let session = session_of(&visit).await?;
    Ok(see_other(if session.is_some() { "/setup" } else { "/login" }))
}

/// `GET /login`
pub(crate) async fn show(visit: Visit) -> Answer {
    // Whoever was sent here with news reads it first, even if somebody is logged in.
    if visit.query("done").is_none() && session_of(&visit).await?.is_some() {
        return Ok(see_other("/setup"));
    }
    let next = visit.query("next").and_then(LocalPath::parse);
    Ok(page(&visit, "", next.as_ref(), Faults::none(), StatusCode::OK))
}

/// `POST /login`
pub(crate) async fn log_in(visit: Visit, posted: Posted) -> Answer {
    let mut form = posted.by_visitor(&visit, &["username", "password", "next"])?;
    let username = form.text("username").unwrap_or_default().to_owned();
    let next = form.text("next").and_then(LocalPath::parse);
    let password = take_password(&mut form, "password");
    let login = WebLogin {
        username: username.clone(),
        password,
        places: visit.held_places(),
        origin: visit.origin.clone(),
    };
    let outcome = log_in_to_web(&visit.ctx, login).await;
    visit.front.metrics.count_login(Head::Web, &outcome);
    match outcome {
        Ok(Entrance::Challenged(secret)) => {
            let mut response = see_other(&page_then(challenge::PATH, next.as_ref()));
            cookies::set_challenge(response.headers_mut(), &secret, visit.transport);
            Ok(response)
        }
        Ok(Entrance::Opened(opened)) => {
            // The browser holds one session; what it held before must not live on unseen.
            if let Some(before) = session_of(&visit).await? {
                sessions::end(&visit.ctx, before.session).await?;
            }
            let mut response = see_other(next.as_ref().map_or("/setup", LocalPath::as_str));
            cookies::set_session(response.headers_mut(), &opened.secret, visit.transport);
            Ok(response)
        }
        Err(LoginError::Refused(refused)) => {
            let text = format!(
                "That did not work. Check username and password; if you keep failing, you may be \
                 locked out for a while. Reference: ({})",
                refused.correlation_id
            );
            let faults = Faults::one("", text);
            Ok(page(&visit, &username, next.as_ref(), faults, StatusCode::UNAUTHORIZED))
        }
        Err(LoginError::App(error)) => Err(error.into()),
    }
}

/// `POST /logout`
pub(crate) async fn log_out(
    visit: Visit,
    LoggedInEvenExpired(session): LoggedInEvenExpired,
    posted: Posted,
) -> Answer {
    posted.by_session(&visit, &session, &[])?;
    sessions::end(&visit.ctx, session.session).await?;
    let mut response = see_other("/login");
    cookies::clear_session(response.headers_mut(), visit.transport);
    // Not "cookies": by one of them this browser stays known to its user.
    response.headers_mut().insert("clear-site-data", HeaderValue::from_static("\"cache\""));
    Ok(response)
}

fn page(
    visit: &Visit,
    username: &str,
    next: Option<&LocalPath>,
    faults: Faults,
    status: StatusCode,
) -> Response {
    let tie = Tie::of(visit);
    let mut form = FormView::new("/login", &tie.nonce(visit), "Log In")
        .field(
            Field::new("username", "Username", Control::Text)
                .value(username)
                .autocomplete("username"),
        )
        .field(Field::password("password", "Password", "current-password"));
    if let Some(next) = next {
        form = form.hidden("next", next.as_str());
    }
    let passkey = passkey::button(visit, &tie.nonce(visit), next);
    let frame = Frame::for_visitor(visit, "Log In").with_faults(faults);
    tie.bind(visit, LoginPage { frame, form, passkey }.answer(status))
}
