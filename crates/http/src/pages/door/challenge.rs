//! The second step of a log-in: *Verify Your Identity*.
//!
//! What is wrong is never told apart, and how many tries are left only when they are few. When the
//! challenge is over, whatever ended it, the log-in begins anew.

use askama::Template;
use axum::response::Response;
use http::StatusCode;
use symbolon_app::login::challenge::{self, ChallengeView, Outcome};
use symbolon_app::{passkeys, sessions};
use symbolon_core::secret::ChallengeSecret;

use crate::pages::door::Tie;
use crate::pages::view::done::Done;
use crate::pages::view::faults::Faults;
use crate::pages::view::form::{FormView, Tone};
use crate::pages::view::frame::Frame;
use crate::pages::view::passkey_form::{self, PasskeyForm, passkey_page};
use crate::pages::view::proof_form::{
    Asked, FIELDS, NOT_MAILED_AT_LOGIN, mail_words, passkey_button, proof_form, take_entered,
    with_then,
};
use crate::pages::web::access::session_of;
use crate::pages::web::answer::{Answer, Page, see_other};
use crate::pages::web::cookies;
use crate::pages::web::failure::Failure;
use crate::pages::web::local_path::{LocalPath, page_then};
use crate::pages::web::posted::Posted;
use crate::pages::web::visit::Visit;

/// Where the page is.
pub(crate) const PATH: &str = "/login/challenge";
const CODE_PATH: &str = "/login/challenge/code";
const ASK_PATH: &str = "/login/challenge/passkey";
const PASSKEY_PATH: &str = "/login/challenge/passkey/finish";
/// So many tries left, or fewer, are told.
const FEW: u32 = 2;

#[derive(Template)]
#[template(path = "challenge.html")]
struct ChallengePage {
    frame: Frame,
    lead: Vec<String>,
    form: FormView,
    passkey: Option<FormView>,
    again: Option<FormView>,
}

impl Page for ChallengePage {
    fn frame(&self) -> &Frame {
        &self.frame
    }
}

/// `GET /login/challenge`
pub(crate) async fn show(visit: Visit) -> Answer {
    let then = visit.query("then").and_then(LocalPath::parse);
    let Some(view) = view_of(&visit).await? else {
        return Ok(over(&visit));
    };
    Ok(page(&visit, &view, then.as_ref(), Faults::none(), StatusCode::OK))
}

/// `POST /login/challenge`
pub(crate) async fn answer(visit: Visit, posted: Posted) -> Answer {
    let mut form = posted.by_visitor(&visit, &FIELDS)?;
    let (entered, then) = take_entered(&mut form);
    let Some(secret) = &visit.challenge else {
        return Ok(over(&visit));
    };
    if entered.is_empty() {
        let faults = Faults::one("", "Enter a code or a security token.");
        return again(&visit, then.as_ref(), faults, StatusCode::UNPROCESSABLE_ENTITY).await;
    }
    let outcome = challenge::answer(&visit.ctx, secret, entered, &visit.origin).await?;
    lead_on(&visit, outcome, then.as_ref()).await
}

/// Where an answer leads.
async fn lead_on(visit: &Visit, outcome: Outcome, then: Option<&LocalPath>) -> Answer {
    match outcome {
        Outcome::Opened(opened) => {
            // The browser holds one session; what it held before must not live on unseen.
            if let Some(before) = session_of(visit).await? {
                sessions::end(&visit.ctx, before.session).await?;
            }
            let mut response = see_other(then.map_or("/setup", LocalPath::as_str));
            let headers = response.headers_mut();
            cookies::set_session(headers, &opened.secret, visit.transport);
            cookies::clear_challenge(headers, visit.transport);
            if let Some(place) = &opened.place {
                cookies::add_place(headers, place, &visit.places, visit.transport);
            }
            Ok(response)
        }
        Outcome::Wrong { refused, left: 0 } => {
            tracing::info!(correlation.id = %refused.correlation_id, "a challenge was tried too often");
            Ok(over(visit))
        }
        Outcome::Wrong { refused, left } => {
            let few = match left {
                1 => " One more try is left.".to_owned(),
                left if left <= FEW => format!(" {left} more tries are left."),
                _ => String::new(),
            };
            let text = format!("That did not work.{few} Reference: ({})", refused.correlation_id);
            again(visit, then, Faults::one("", text), StatusCode::UNAUTHORIZED).await
        }
        Outcome::Over => Ok(over(visit)),
    }
}

/// `POST /login/challenge/code`
pub(crate) async fn send_again(visit: Visit, posted: Posted) -> Answer {
    let form = posted.by_visitor(&visit, &["then"])?;
    let then = form.text("then").and_then(LocalPath::parse);
    let Some(secret) = &visit.challenge else {
        return Ok(over(&visit));
    };
    if challenge::send_again(&visit.ctx, secret, &visit.origin).await? {
        return Ok(see_other(&page_then(PATH, then.as_ref())));
    }
    let faults = Faults::one("", NOT_MAILED_AT_LOGIN);
    again(&visit, then.as_ref(), faults, StatusCode::TOO_MANY_REQUESTS).await
}

/// `POST /login/challenge/passkey`
pub(crate) async fn ask_for_passkey(visit: Visit, posted: Posted) -> Answer {
    let form = posted.by_visitor(&visit, &["then"])?;
    let then = form.text("then").and_then(LocalPath::parse);
    let Some(secret) = &visit.challenge else {
        return Ok(over(&visit));
    };
    let Some(options) = passkeys::challenge::begin(&visit.ctx, secret, &visit.origin).await? else {
        return Ok(over(&visit));
    };
    let tie = Tie::of(&visit);
    let (asked, nonce) = (passkey_form::Asked::Held, tie.nonce(&visit));
    let form = PasskeyForm::new(&visit.ctx, asked, PASSKEY_PATH, &nonce, options).cancel(PATH);
    let form = match &then {
        Some(then) => form.hidden("then", then.as_str()),
        None => form,
    };
    let frame = Frame::for_visitor(&visit, "Verify Your Identity");
    Ok(tie.bind(&visit, passkey_page(frame, "Use one of your passkeys.", form)))
}

/// `POST /login/challenge/passkey/finish`
pub(crate) async fn answer_by_passkey(visit: Visit, posted: Posted) -> Answer {
    let form = posted.by_visitor(&visit, &[passkey_form::ANSWER, "then"])?;
    let then = form.text("then").and_then(LocalPath::parse);
    let answer = form.text(passkey_form::ANSWER).unwrap_or_default();
    let Some(secret) = &visit.challenge else {
        return Ok(over(&visit));
    };
    let (ctx, origin) = (&visit.ctx, &visit.origin);
    let outcome = passkeys::challenge::answer(ctx, secret, answer, origin).await?;
    lead_on(&visit, outcome, then.as_ref()).await
}

async fn view_of(visit: &Visit) -> Result<Option<ChallengeView>, Failure> {
    match &visit.challenge {
        Some(secret) => look(visit, secret).await,
        None => Ok(None),
    }
}

async fn look(visit: &Visit, secret: &ChallengeSecret) -> Result<Option<ChallengeView>, Failure> {
    Ok(challenge::look(&visit.ctx, secret, &visit.origin).await?)
}

async fn again(
    visit: &Visit,
    then: Option<&LocalPath>,
    faults: Faults,
    status: StatusCode,
) -> Answer {
    match view_of(visit).await? {
        Some(view) => Ok(page(visit, &view, then, faults, status)),
        None => Ok(over(visit)),
    }
}

/// Back to the log-in.
fn over(visit: &Visit) -> Response {
    let mut response = see_other(&Done::ChallengeOver.at("/login"));
    cookies::clear_challenge(response.headers_mut(), visit.transport);
    response
}

fn page(
    visit: &Visit,
    view: &ChallengeView,
    then: Option<&LocalPath>,
    faults: Faults,
    status: StatusCode,
) -> Response {
    let tie = Tie::of(visit);
    let nonce = tie.nonce(visit);
    let mut lead = vec![if view.ways.token {
        format!(
            "You are logging in as {} from a browser that you have not used here before.",
            view.username
        )
    } else {
        format!("You are logging in as {}. Your profile demands a second factor.", view.username)
    }];
    match &view.mailed {
        Some((address, state)) => lead.push(mail_words(address, *state)),
        None if view.ways.mail => lead.push(NOT_MAILED_AT_LOGIN.to_owned()),
        None => {}
    }
    let asked = if view.mailed.is_some() { Asked::Mailed } else { Asked::NotYet };
    let form = proof_form(PATH, &nonce, view.ways, asked, then);
    let passkey = passkey_button(&visit.ctx, ASK_PATH, &nonce, view.ways, then);
    let again = view.ways.mail.then(|| {
        let none = "Three codes were mailed; there are no more for this log-in.";
        let form = FormView::new(CODE_PATH, &nonce, "Send a New Code")
            .tone(Tone::Quiet)
            .obstacle((view.letters_left == 0).then_some(none));
        with_then(form, then)
    });
    let frame = Frame::for_visitor(visit, "Verify Your Identity").with_faults(faults);
    tie.bind(visit, ChallengePage { frame, lead, form, passkey, again }.answer(status))
}
