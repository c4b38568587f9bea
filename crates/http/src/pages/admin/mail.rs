//! Mail: the outbox, with the mail server's own words.

use std::str::FromStr;

use askama::Template;
use http::StatusCode;
use symbolon_app::mail_status::{self, LetterView, OutboxSummary};
use symbolon_core::id::{Id, Letter};
use symbolon_core::letter::LetterState;

use crate::pages::view::done::Done;
use crate::pages::view::form::{FormView, Tone};
use crate::pages::view::frame::{Frame, nonce_of};
use crate::pages::view::letter_words::{kind_words, state_badge, state_words};
use crate::pages::view::moment::moment;
use crate::pages::web::access::Administrator;
use crate::pages::web::answer::{Answer, Page, see_other};
use crate::pages::web::failure::Failure;
use crate::pages::web::posted::Posted;
use crate::pages::web::visit::Visit;

const PATH: &str = "/setup/mail";
const RETRY: &str = "/setup/mail/retry";
/// Letters shown.
const LETTERS: i64 = 200;

struct Row {
    about: &'static str,
    badge: &'static str,
    state: &'static str,
    letter: LetterView,
    retry: FormView,
}

#[derive(Template)]
#[template(path = "mail.html")]
struct MailPage {
    frame: Frame,
    summary: OutboxSummary,
    rows: Vec<Row>,
    retry_all: FormView,
}

impl Page for MailPage {
    fn frame(&self) -> &Frame {
        &self.frame
    }
}

/// `GET /setup/mail`
pub(crate) async fn show(visit: Visit, Administrator(session): Administrator) -> Answer {
    let frame = Frame::for_session(&visit, &session, "Mail").await?;
    let csrf = nonce_of(&visit.ctx.keys, &session);
    let summary = mail_status::summary(&visit.ctx).await?;
    let letters = mail_status::list(&visit.ctx, LETTERS, None).await?;
    let retry_all = FormView::new(RETRY, &csrf, "Try All Again Now")
        .tone(Tone::Quiet)
        .obstacle((summary.waiting == 0).then_some("Nothing waits."));
    let rows = letters.into_iter().map(|letter| row(letter, &csrf)).collect();
    Ok(MailPage { frame, summary, rows, retry_all }.answer(StatusCode::OK))
}

/// `POST /setup/mail/retry`
pub(crate) async fn retry(
    visit: Visit,
    Administrator(session): Administrator,
    posted: Posted,
) -> Answer {
    let form = posted.by_session(&visit, &session, &["letter"])?;
    let letter = match form.text("letter") {
        Some(letter) => Some(Id::<Letter>::from_str(letter).map_err(|_| Failure::NoSuchPage)?),
        None => None,
    };
    mail_status::retry(&visit.ctx, letter).await?;
    Ok(see_other(&Done::MailRetried.at(PATH)))
}

fn row(letter: LetterView, csrf: &str) -> Row {
    let rule = match letter.state {
        LetterState::Waiting => None,
        LetterState::Leased => Some("It is being sent."),
        LetterState::HandedOver => Some("It is handed over."),
        LetterState::Refused | LetterState::TooOld => {
            Some("What it carried is erased: the user asks for a new one.")
        }
        LetterState::Superseded => Some("A later one counts."),
    };
    let retry = FormView::new(RETRY, csrf, "Try Again")
        .hidden("letter", letter.id.to_string())
        .about(format!("letter {}", letter.id))
        .tone(Tone::Quiet)
        .obstacle(rule);
    Row {
        about: kind_words(letter.kind),
        badge: state_badge(letter.state),
        state: state_words(letter.state),
        letter,
        retry,
    }
}
