//! Single-use links from mails and from the first start.
//!
//! Opening one changes nothing, for mail scanners open links before people do (ASVS 3.5.3); the
//! button on its page does. Whatever is wrong with a link, the page that says so says what to do.

use axum::response::Response;
use symbolon_app::account::{AddressConfirmation, confirm_address};
use symbolon_app::links::{self, LinkKind, LinkView};
use symbolon_app::{AppError, invitation, owner_freeze, recovery, setup};
use symbolon_core::names::{DisplayName, EmailAddress, Username};
use symbolon_core::secret::{LinkSecret, PlaceSecret};
use symbolon_wire::form::Form;

use crate::pages::door::Tie;
use crate::pages::door::activate_forms::{advice, fields, form, heading, intro, kind_of_word};
use crate::pages::view::done::Done;
use crate::pages::view::faults::{Faults, of_app};
use crate::pages::view::form_page::form_page;
use crate::pages::view::frame::Frame;
use crate::pages::view::message::message;
use crate::pages::web::answer::{Answer, see_other};
use crate::pages::web::cookies;
use crate::pages::web::failure::Failure;
use crate::pages::web::in_path::InPath;
use crate::pages::web::posted::{Posted, take_password};
use crate::pages::web::visit::Visit;

/// Characters in a link's secret.
const SECRET_LENGTH: usize = 22;

/// A link that is live, so far as a look tells.
struct LiveLink {
    kind: LinkKind,
    secret: LinkSecret,
    view: LinkView,
}

/// `GET /activate/{kind}/{secret}`
pub(crate) async fn show(visit: Visit, InPath((kind, secret)): InPath<(String, String)>) -> Answer {
    let link = live_link(&visit, &kind, secret).await?;
    Ok(page(&visit, &link, |_| String::new(), Faults::none()))
}

/// `POST /activate/{kind}/{secret}`
pub(crate) async fn act(
    visit: Visit,
    InPath((kind, secret)): InPath<(String, String)>,
    posted: Posted,
) -> Answer {
    let link = live_link(&visit, &kind, secret).await?;
    let mut form = posted.by_visitor(&visit, fields(link.kind))?;
    match use_link(&visit, &link, &mut form).await? {
        Ok(response) => Ok(response),
        Err(faults) => {
            let typed = |name: &str| form.text(name).unwrap_or_default().to_owned();
            Ok(page(&visit, &link, typed, faults))
        }
    }
}

async fn live_link(visit: &Visit, kind: &str, secret: String) -> Result<LiveLink, Failure> {
    let kind = kind_of_word(kind).ok_or(Failure::NoSuchPage)?;
    let shaped =
        secret.len() == SECRET_LENGTH && secret.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let secret = LinkSecret::new(secret);
    if !shaped {
        return Err(Failure::DeadLink(advice(kind)));
    }
    let view = links::look(&visit.ctx, kind, &secret).await?;
    let view = view.ok_or(Failure::DeadLink(advice(kind)))?;
    Ok(LiveLink { kind, secret, view })
}

/// Does what the link is for, or tells what is wrong with the form.
async fn use_link(
    visit: &Visit,
    link: &LiveLink,
    form: &mut Form,
) -> Result<Result<Response, Faults>, Failure> {
    match link.kind {
        LinkKind::Setup => accept_setup(visit, link, form).await,
        LinkKind::Invitation => {
            let password = take_password(form, "password");
            let mut faults = Faults::none();
            faults.compare(&password, "confirm_password", &take_password(form, "confirm_password"));
            if !faults.0.is_empty() {
                return Ok(Err(faults));
            }
            let outcome =
                invitation::accept(&visit.ctx, &link.secret, password, &visit.origin).await;
            let answer = outcome.map(|place| activated(visit, Done::Activated, Some(&place)));
            outcome_of(link, answer, "password")
        }
        LinkKind::PasswordRecovery => {
            let password = take_password(form, "new_password");
            let mut faults = Faults::none();
            faults.compare(&password, "confirm_password", &take_password(form, "confirm_password"));
            if !faults.0.is_empty() {
                return Ok(Err(faults));
            }
            let outcome =
                recovery::recover(&visit.ctx, &link.secret, password, &visit.origin).await;
            let answer = outcome.map(|place| activated(visit, Done::Recovered, place.as_ref()));
            outcome_of(link, answer, "new_password")
        }
        LinkKind::AddressChangeOld | LinkKind::AddressChangeNew => {
            let outcome = confirm_address(&visit.ctx, &link.secret).await;
            outcome_of(link, outcome.map(|outcome| address_page(visit, outcome)), "")
        }
        LinkKind::FreezeTokens => {
            let outcome = owner_freeze::freeze(&visit.ctx, &link.secret, &visit.origin).await;
            outcome_of(link, outcome.map(|()| frozen_page(visit)), "")
        }
    }
}

async fn accept_setup(
    visit: &Visit,
    link: &LiveLink,
    form: &mut Form,
) -> Result<Result<Response, Faults>, Failure> {
    let mut faults = Faults::none();
    let username = faults.read(form, "username", "Username", Username::parse);
    let name = faults.read(form, "name", "Name", DisplayName::parse);
    let email = faults.read(form, "email", "Email Address", EmailAddress::parse);
    let password = take_password(form, "password");
    faults.compare(&password, "confirm_password", &take_password(form, "confirm_password"));
    let (Some(username), Some(name), Some(email), true) =
        (username, name, email, faults.0.is_empty())
    else {
        return Ok(Err(faults));
    };
    let (ctx, origin) = (&visit.ctx, &visit.origin);
    let outcome = setup::accept(ctx, &link.secret, username, name, email, password, origin).await;
    let answer = outcome.map(|place| activated(visit, Done::Activated, Some(&place)));
    outcome_of(link, answer, "password")
}

/// On to the log-in, from a browser that the link has made known.
fn activated(visit: &Visit, done: Done, place: Option<&PlaceSecret>) -> Response {
    let mut response = see_other(&done.at("/login"));
    if let Some(place) = place {
        cookies::add_place(response.headers_mut(), place, &visit.places, visit.transport);
    }
    response
}

/// A link that was used in between is as dead as any; other refusals are shown at the form.
fn outcome_of(
    link: &LiveLink,
    outcome: Result<Response, AppError>,
    password_field: &'static str,
) -> Result<Result<Response, Faults>, Failure> {
    match outcome {
        Ok(response) => Ok(Ok(response)),
        Err(AppError::NotFound(_)) => Err(Failure::DeadLink(advice(link.kind))),
        Err(error) => of_app(error, password_field).map(Err),
    }
}

fn page(
    visit: &Visit,
    link: &LiveLink,
    typed: impl Fn(&str) -> String,
    faults: Faults,
) -> Response {
    let tie = Tie::of(visit);
    let form = form(link.kind, link.view.password, &visit.path, &tie.nonce(visit), typed);
    let frame = Frame::for_visitor(visit, heading(link.kind));
    tie.bind(visit, form_page(frame, &[&intro(link.kind, &link.view)], form, faults))
}

fn address_page(visit: &Visit, outcome: AddressConfirmation) -> Response {
    let (title, text) = match outcome {
        AddressConfirmation::Changed => (
            "Your email address was changed",
            "Both addresses have confirmed. From now on mail goes to the new one.",
        ),
        AddressConfirmation::OtherSideMissing => (
            "Confirmed",
            "This address has confirmed. The change takes effect when the other one has confirmed too: it was sent a \
             link as well.",
        ),
    };
    message(Frame::for_visitor(visit, title), &[text], Some(("/setup", "Open Setup")))
}

fn frozen_page(visit: &Visit) -> Response {
    let text = [
        "No security token of yours is accepted any more and every session was ended.",
        "Now log in and change your password. Then reset every token of the account, which also ends the \
         freeze; or lift the freeze in My Personal Information, if all was well.",
    ];
    let frame = Frame::for_visitor(visit, "Your security tokens are frozen");
    message(frame, &text, Some(("/login", "Log In")))
}
