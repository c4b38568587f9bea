//! Step-up: who is about to change what matters verifies his identity again.
//!
//! Looking at the page writes nothing and mails nothing: a code is mailed when its button is pressed.

use askama::Template;
use http::StatusCode;
use symbolon_app::passkeys;
use symbolon_app::sessions::LiveSession;
use symbolon_app::step_up::{self, Outcome, StepUpView};

use crate::pages::view::faults::Faults;
use crate::pages::view::form::{FormView, Tone};
use crate::pages::view::frame::{Frame, nonce_of};
use crate::pages::view::passkey_form::{self, PasskeyForm, passkey_page};
use crate::pages::view::proof_form::{
    Asked, FIELDS, NOT_MAILED, mail_words, passkey_button, proof_form, take_entered, with_then,
};
use crate::pages::web::access::LoggedInEvenExpired;
use crate::pages::web::answer::{Answer, Page, see_other};
use crate::pages::web::cookies;
use crate::pages::web::local_path::{LocalPath, page_then};
use crate::pages::web::posted::Posted;
use crate::pages::web::visit::Visit;

/// Where the page is.
pub(crate) const PATH: &str = "/setup/verify";
const CODE_PATH: &str = "/setup/verify/code";
const ASK_PATH: &str = "/setup/verify/passkey";
const PASSKEY_PATH: &str = "/setup/verify/passkey/finish";

#[derive(Template)]
#[template(path = "verify.html")]
struct VerifyPage {
    frame: Frame,
    lead: Vec<String>,
    form: FormView,
    passkey: Option<FormView>,
    again: Option<FormView>,
}

impl Page for VerifyPage {
    fn frame(&self) -> &Frame {
        &self.frame
    }
}

/// `GET /setup/verify`
pub(crate) async fn show(
    visit: Visit,
    LoggedInEvenExpired(session): LoggedInEvenExpired,
) -> Answer {
    let then = visit.query("then").and_then(LocalPath::parse);
    page(&visit, &session, then.as_ref(), Faults::none(), StatusCode::OK).await
}

/// `POST /setup/verify`
pub(crate) async fn answer(
    visit: Visit,
    LoggedInEvenExpired(session): LoggedInEvenExpired,
    posted: Posted,
) -> Answer {
    let mut form = posted.by_session(&visit, &session, &FIELDS)?;
    let (entered, then) = take_entered(&mut form);
    if entered.is_empty() {
        let faults = Faults::one("", "Fill in one of the fields.");
        let status = StatusCode::UNPROCESSABLE_ENTITY;
        return page(&visit, &session, then.as_ref(), faults, status).await;
    }
    let secret = visit.challenge.as_ref();
    let outcome = step_up::answer(&visit.ctx, &session, secret, entered, &visit.origin).await?;
    lead_on(&visit, &session, outcome, then.as_ref()).await
}

/// Where an answer leads.
async fn lead_on(
    visit: &Visit,
    session: &LiveSession,
    outcome: Outcome,
    then: Option<&LocalPath>,
) -> Answer {
    match outcome {
        Outcome::Proved(secret) => {
            let mut response = see_other(then.map_or("/setup", LocalPath::as_str));
            cookies::set_session(response.headers_mut(), &secret, visit.transport);
            cookies::clear_challenge(response.headers_mut(), visit.transport);
            Ok(response)
        }
        Outcome::Wrong(refused) => {
            let text = format!("That did not work. Reference: ({})", refused.correlation_id);
            let faults = Faults::one("", text);
            page(visit, session, then, faults, StatusCode::UNAUTHORIZED).await
        }
        Outcome::Over => Ok(see_other("/login")),
    }
}

/// `POST /setup/verify/code`
pub(crate) async fn send_code(
    visit: Visit,
    LoggedInEvenExpired(session): LoggedInEvenExpired,
    posted: Posted,
) -> Answer {
    let form = posted.by_session(&visit, &session, &["then"])?;
    let then = form.text("then").and_then(LocalPath::parse);
    let secret = visit.challenge.as_ref();
    match step_up::send_code(&visit.ctx, &session, secret, &visit.origin).await? {
        Some(secret) => {
            let mut response = see_other(&page_then(PATH, then.as_ref()));
            cookies::set_challenge(response.headers_mut(), &secret, visit.transport);
            Ok(response)
        }
        None => {
            let faults = Faults::one("", NOT_MAILED);
            let status = StatusCode::TOO_MANY_REQUESTS;
            page(&visit, &session, then.as_ref(), faults, status).await
        }
    }
}

/// `POST /setup/verify/passkey`
pub(crate) async fn ask_for_passkey(
    visit: Visit,
    LoggedInEvenExpired(session): LoggedInEvenExpired,
    posted: Posted,
) -> Answer {
    let form = posted.by_session(&visit, &session, &["then"])?;
    let then = form.text("then").and_then(LocalPath::parse);
    let Some(question) = passkeys::step_up::begin(&visit.ctx, &session).await? else {
        return Ok(see_other(&page_then(PATH, then.as_ref())));
    };
    let (asked, nonce) = (passkey_form::Asked::Held, nonce_of(&visit.ctx.keys, &session));
    let form = PasskeyForm::new(&visit.ctx, asked, PASSKEY_PATH, &nonce, question.options)
        .hidden(passkey_form::QUESTION, question.name)
        .cancel(PATH);
    let form = match &then {
        Some(then) => form.hidden("then", then.as_str()),
        None => form,
    };
    let frame = Frame::for_session(&visit, &session, "Verify Your Identity").await?;
    Ok(passkey_page(frame, "Use one of your passkeys.", form))
}

/// `POST /setup/verify/passkey/finish`
pub(crate) async fn answer_by_passkey(
    visit: Visit,
    LoggedInEvenExpired(session): LoggedInEvenExpired,
    posted: Posted,
) -> Answer {
    let form = posted.by_session(
        &visit,
        &session,
        &[passkey_form::QUESTION, passkey_form::ANSWER, "then"],
    )?;
    let then = form.text("then").and_then(LocalPath::parse);
    let answer = form.text(passkey_form::ANSWER).unwrap_or_default();
    let question = form.text(passkey_form::QUESTION).unwrap_or_default();
    let (ctx, origin) = (&visit.ctx, &visit.origin);
    let outcome = passkeys::step_up::answer(ctx, &session, question, answer, origin).await?;
    lead_on(&visit, &session, outcome, then.as_ref()).await
}

async fn page(
    visit: &Visit,
    session: &LiveSession,
    then: Option<&LocalPath>,
    faults: Faults,
    status: StatusCode,
) -> Answer {
    let view: StepUpView = step_up::look(&visit.ctx, session, visit.challenge.as_ref()).await?;
    let nonce = nonce_of(&visit.ctx.keys, session);
    let mut lead = vec![
        "What you are about to do matters. Prove that it is you: that holds for ten minutes."
            .to_owned(),
    ];
    let asked = match &view.mailed {
        Some((address, state)) => {
            lead.push(mail_words(address, *state));
            Asked::Mailed
        }
        None => Asked::NotYet,
    };
    let form = proof_form(PATH, &nonce, view.ways, asked, then);
    let passkey = passkey_button(&visit.ctx, ASK_PATH, &nonce, view.ways, then);
    let again = view.ways.mail.then(|| {
        let button = if asked == Asked::Mailed { "Send a New Code" } else { "Mail Me a Code" };
        let none = "Three codes were mailed. Use the last one.";
        let form = FormView::new(CODE_PATH, &nonce, button)
            .tone(Tone::Quiet)
            .obstacle((view.letters_left == 0).then_some(none));
        with_then(form, then)
    });
    let frame = Frame::for_session(visit, session, "Verify Your Identity").await?;
    let page = VerifyPage { frame: frame.with_faults(faults), lead, form, passkey, again };
    Ok(page.answer(status))
}
