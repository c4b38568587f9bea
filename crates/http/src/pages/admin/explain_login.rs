//! Explain a Login: how one would be decided, rule by rule.
//!
//! A form by GET: nothing is changed, and an explanation can be linked to. Passwords and tokens are not
//! asked for, so that none stands in an address.

use std::net::IpAddr;

use askama::Template;
use http::StatusCode;
use symbolon_app::AppError;
use symbolon_app::explain::{self, HEADS, Question};
use symbolon_app::login::Head;
use symbolon_app::sessions::LiveSession;
use symbolon_core::names::{ClientName, Source};

use crate::instant;
use crate::pages::own::history::head_words;
use crate::pages::view::faults::Faults;
use crate::pages::view::form::{Choice, Control, Field, FormView};
use crate::pages::view::frame::Frame;
use crate::pages::view::steps::StepsTable;
use crate::pages::web::access::Administrator;
use crate::pages::web::answer::{Answer, Page};
use crate::pages::web::visit::Visit;

const PATH: &str = "/setup/explain-login";

#[derive(Template)]
#[template(path = "explain_login.html")]
struct ExplainPage {
    frame: Frame,
    form: FormView,
    explained: Option<Explained>,
}

/// What came of the question.
struct Explained {
    premise: String,
    conclusion: &'static str,
    steps: Option<StepsTable>,
}

impl Page for ExplainPage {
    fn frame(&self) -> &Frame {
        &self.frame
    }
}

/// `GET /setup/explain-login`
pub(crate) async fn show(visit: Visit, Administrator(session): Administrator) -> Answer {
    if visit.query("username").is_none() {
        return page(&visit, &session, None, Faults::none()).await;
    }
    let question = match asked(&visit) {
        Ok(question) => question,
        Err(faults) => return page(&visit, &session, None, faults).await,
    };
    match explain::explain(&visit.ctx, question).await {
        Ok(explanation) => {
            let explained = Explained {
                premise: explanation.premise,
                conclusion: explanation.conclusion.words(),
                steps: StepsTable::of(explanation.steps),
            };
            page(&visit, &session, Some(explained), Faults::none()).await
        }
        Err(AppError::NotFound(_)) => {
            let faults = Faults::one("username", "There is no such user.");
            page(&visit, &session, None, faults).await
        }
        Err(error) => Err(error.into()),
    }
}

fn asked(visit: &Visit) -> Result<Question, Faults> {
    let text = |name| visit.query(name).unwrap_or_default().trim();
    let mut faults = Faults::none();
    let source = text("from").parse::<IpAddr>().ok().map(Source::new);
    if source.is_none() {
        faults.add("from", "Give an address such as 192.0.2.7 or 2001:db8::7.");
    }
    let at = match text("at") {
        "" => Some(None),
        at => instant::read(at).map(Some),
    };
    if at.is_none() {
        faults.add("at", "Give a time such as 2026-11-23T08:00:00Z, or leave it empty.");
    }
    let head = match text("head") {
        "" => Some(Head::SoapPartner),
        head => explain::head_of_word(head),
    };
    if head.is_none() {
        faults.add("head", "Choose one of the kinds of login.");
    }
    match (source, at, head) {
        (Some(source), Some(at), Some(head)) => {
            let (username, client) =
                (text("username").to_owned(), ClientName::sanitised(text("client")));
            Ok(Question { username, source, at, head, client })
        }
        _ => Err(faults),
    }
}

async fn page(
    visit: &Visit,
    session: &LiveSession,
    explained: Option<Explained>,
    faults: Faults,
) -> Answer {
    let frame = Frame::for_session(visit, session, "Explain a Login").await?;
    let asked = |name| visit.query(name).unwrap_or_default();
    let kinds = HEADS.map(|head| Choice::new(head.word(), kind_words(head))).to_vec();
    let kind = visit.query("head").unwrap_or(Head::SoapPartner.word());
    let form = FormView::leading_to(PATH, "Explain")
        .field(Field::new("username", "Username", Control::Text).value(asked("username")))
        .field(
            Field::new("from", "Address", Control::Text)
                .hint("From where the login would come, for example 192.0.2.7.")
                .value(asked("from")),
        )
        .field(
            Field::new("at", "Time", Control::Text)
                .hint("For example 2026-11-23T08:00:00Z. Now, if you leave it empty.")
                .value(asked("at"))
                .optional(),
        )
        .field(Field::new("head", "Kind of Login", Control::Select(kinds)).value(kind))
        .field(
            Field::new("client", "Client", Control::Text)
                .hint("What the client says it is, for example jsforce. Nothing, if you leave it empty.")
                .value(asked("client"))
                .optional(),
        )
        .with(&faults);
    let status =
        if faults.0.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    Ok(ExplainPage { frame: frame.with_faults(faults), form, explained }.answer(status))
}

fn kind_words(head: Head) -> &'static str {
    if head == Head::Web { "Web pages" } else { head_words(head.word()) }
}
