//! Why a login was refused: the steps as they were at that moment.
//!
//! Owners see their own, administrators everybody's; whoever asks for another's is told that there is none.

use askama::Template;
use http::StatusCode;
use symbolon_app::history::{self, LoginEntry, Reader};

use crate::pages::own::history::{ALL, OWN, head_words};
use crate::pages::view::frame::Frame;
use crate::pages::view::moment::moment;
use crate::pages::view::steps::StepsTable;
use crate::pages::web::access::LoggedIn;
use crate::pages::web::answer::{Answer, Page};
use crate::pages::web::in_path::InPath;
use crate::pages::web::visit::Visit;

#[derive(Template)]
#[template(path = "explanation.html")]
struct ExplanationPage {
    frame: Frame,
    entry: LoginEntry,
    remedy: Option<&'static str>,
    steps: Option<StepsTable>,
    back: &'static str,
}

impl Page for ExplanationPage {
    fn frame(&self) -> &Frame {
        &self.frame
    }
}

/// `GET /setup/login-history/{correlation}`
pub(crate) async fn show(
    visit: Visit,
    LoggedIn(session): LoggedIn,
    InPath(correlation_id): InPath<String>,
) -> Answer {
    let reader =
        if session.administrator { Reader::Administrator } else { Reader::Owner(session.user) };
    let explained = history::explain_entry(&visit.ctx, reader, &correlation_id).await?;
    let own = explained.entry.user == Some(session.user);
    let title = if explained.entry.outcome == "refused" { "Why It Was Refused" } else { "Login" };
    let page = ExplanationPage {
        frame: Frame::for_session(&visit, &session, title).await?,
        remedy: explained.remedy,
        steps: StepsTable::of(explained.steps),
        back: if own { OWN } else { ALL },
        entry: explained.entry,
    };
    Ok(page.answer(StatusCode::OK))
}
