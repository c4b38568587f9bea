//! Sessions: one's own, in browsers and at APIs, and the way to end each of them or all others at once.

use std::str::FromStr;

use askama::Template;
use http::StatusCode;
use symbolon_app::own_sessions::{self, SessionView};
use symbolon_core::id::{Id, Session};
use symbolon_core::session::SessionKind;

use crate::pages::view::done::Done;
use crate::pages::view::form::{FormView, Tone};
use crate::pages::view::frame::{Frame, nonce_of};
use crate::pages::view::moment::moment;
use crate::pages::web::access::LoggedIn;
use crate::pages::web::answer::{Answer, Page, see_other};
use crate::pages::web::failure::Failure;
use crate::pages::web::in_path::InPath;
use crate::pages::web::posted::Posted;
use crate::pages::web::visit::Visit;

const PATH: &str = "/setup/sessions";
const THIS_ONE: &str = "This is the session that you are using: Log Out ends it.";

#[derive(Template)]
#[template(path = "sessions.html")]
pub(crate) struct SessionsPage {
    pub(crate) frame: Frame,
    pub(crate) lead: &'static str,
    pub(crate) sessions: Vec<Row>,
    pub(crate) not_shown: Option<String>,
    pub(crate) all: EndMany,
}

/// The button that ends many at once, and what that means.
pub(crate) struct EndMany {
    pub(crate) title: &'static str,
    pub(crate) meaning: &'static str,
    pub(crate) form: FormView,
}

/// A session in the table, with the button that ends it.
pub(crate) struct Row {
    session: SessionView,
    end: FormView,
}

impl Row {
    /// The row of `session`, which is ended beneath `path`; `own` is the session that looks at it.
    pub(crate) fn new(session: SessionView, path: &str, csrf: &str, own: Id<Session>) -> Self {
        let end = FormView::new(format!("{path}/{}/end", session.session), csrf, "End")
            .about(format!("the session of {} at {}", session.client, session.source))
            .tone(Tone::Quiet)
            .obstacle((session.session == own).then_some(THIS_ONE));
        Self { session, end }
    }

    fn kind(&self) -> &'static str {
        match self.session.kind {
            SessionKind::Web => "browser",
            SessionKind::Api => "API",
        }
    }

    /// What it was opened by, and for which device type the token is that did.
    fn credential(&self) -> String {
        let proof = self.session.proof.as_deref().unwrap_or("not written down");
        match &self.session.device_type {
            Some(device_type) => format!("{proof} (device type {device_type})"),
            None => proof.to_owned(),
        }
    }

    /// The network of the known place that it was opened from.
    fn place(&self) -> &str {
        self.session.network.as_deref().unwrap_or("not a known one")
    }
}

/// What is said where a list is cut.
pub(crate) fn not_shown(older: u64) -> Option<String> {
    (older > 0)
        .then(|| format!("{older} older {} not shown.", if older == 1 { "is" } else { "are" }))
}

impl Page for SessionsPage {
    fn frame(&self) -> &Frame {
        &self.frame
    }
}

/// `GET /setup/sessions`
pub(crate) async fn show(visit: Visit, LoggedIn(session): LoggedIn) -> Answer {
    let frame = Frame::for_session(&visit, &session, "Sessions").await?;
    let nonce = nonce_of(&visit.ctx.keys, &session);
    let all = own_sessions::list(&visit.ctx, session.user).await?;
    let others = all.iter().any(|each| each.session != session.session);
    let own = session.session;
    let rows = all.into_iter().map(|each| Row::new(each, PATH, &nonce, own));
    let end_others = FormView::new(format!("{PATH}/end-others"), &nonce, "End All Other Sessions")
        .tone(Tone::Grave)
        .obstacle((!others).then_some("There is no other session."));
    let page = SessionsPage {
        frame,
        lead: "Where you are logged in: browsers, and programs at an API. End what you do not know, and change \
               your password then.",
        sessions: rows.collect(),
        not_shown: not_shown(own_sessions::not_shown(&visit.ctx, session.user).await?),
        all: EndMany {
            title: "All others at once",
            meaning: "This session stays. Programs have to log in again, with your password and security token.",
            form: end_others,
        },
    };
    Ok(page.answer(StatusCode::OK))
}

/// `POST /setup/sessions/{session}/end`
pub(crate) async fn end(
    visit: Visit,
    LoggedIn(session): LoggedIn,
    InPath(ended): InPath<String>,
    posted: Posted,
) -> Answer {
    posted.by_session(&visit, &session, &[])?;
    let ended = Id::<Session>::from_str(&ended).map_err(|_| Failure::NoSuchPage)?;
    own_sessions::end(&visit.ctx, session.user, ended).await?;
    Ok(see_other(&Done::SessionEnded.at(PATH)))
}

/// `POST /setup/sessions/end-others`
pub(crate) async fn end_others(
    visit: Visit,
    LoggedIn(session): LoggedIn,
    posted: Posted,
) -> Answer {
    posted.by_session(&visit, &session, &[])?;
    own_sessions::end_others(&visit.ctx, session.user, session.session).await?;
    Ok(see_other(&Done::SessionsEnded.at(PATH)))
}
