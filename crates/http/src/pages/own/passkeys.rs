//! Passkeys, a part of Second Factors: the list, a new one, another name, the end.

use std::str::FromStr;

use askama::Template;
use askama::filters::HtmlSafe;
use symbolon_app::passkeys::registration::{self, Registered};
use symbolon_app::passkeys::{self, PasskeyFault, PasskeyView};
use symbolon_app::second_factors;
use symbolon_app::second_factors::enrolment::Owner;
use symbolon_app::sessions::LiveSession;
use symbolon_core::id::{Id, Passkey};
use symbolon_core::names::DisplayName;
use symbolon_core::policy::Duty;

use crate::pages::own::second_factors::{PATH, recovery_codes};
use crate::pages::view::done::Done;
use crate::pages::view::faults::{Faults, of_app};
use crate::pages::view::form::{Control, Field, FormView, Tone};
use crate::pages::view::form_page::form_page;
use crate::pages::view::frame::{Frame, nonce_of};
use crate::pages::view::moment::moment;
use crate::pages::view::passkey_form::{ANSWER, Asked, PasskeyForm, QUESTION, passkey_page};
use crate::pages::web::access::LoggedIn;
use crate::pages::web::answer::{Answer, see_other};
use crate::pages::web::failure::Failure;
use crate::pages::web::in_path::InPath;
use crate::pages::web::posted::Posted;
use crate::pages::web::visit::Visit;

const ADD: &str = "/setup/second-factors/passkeys";
const FINISH: &str = "/setup/second-factors/passkeys/finish";
const LEAD: &str = "Your browser asks where the passkey is to be kept: on this device, on a phone nearby or on a security key.";

/// The section of the page Second Factors.
#[derive(Template)]
#[template(path = "parts/passkeys.html")]
pub(super) struct Section {
    rows: Vec<Row>,
    add: FormView,
}

impl HtmlSafe for Section {}

/// A passkey, with what can be done to it.
struct Row {
    passkey: PasskeyView,
    rename: FormView,
    remove: FormView,
}

/// The section for the holder of `session`, who has `apps` authenticator apps beside his passkeys.
pub(super) async fn section(
    visit: &Visit,
    session: &LiveSession,
    apps: usize,
    duty: Duty,
) -> Result<Section, Failure> {
    let all = passkeys::list(&visit.ctx, session.user).await?;
    let removal = passkeys::removal_obstacle(apps + all.len(), duty);
    let add = add_form(visit, session, all.len(), "");
    let rows = all.into_iter().map(|passkey| {
        let (here, name) = (path_of(passkey.id), &passkey.name);
        Row {
            rename: FormView::leading_to(format!("{here}/rename"), "Rename")
                .about(name.to_string())
                .tone(Tone::Quiet),
            remove: FormView::leading_to(format!("{here}/remove"), "Remove")
                .about(name.to_string())
                .tone(Tone::Quiet)
                .obstacle(removal),
            passkey,
        }
    });
    Ok(Section { rows: rows.collect(), add })
}

/// `POST /setup/second-factors/passkeys`: answers with the question itself.
pub(crate) async fn begin(visit: Visit, LoggedIn(session): LoggedIn, posted: Posted) -> Answer {
    let form = posted.by_session(&visit, &session, &["name"])?;
    let mut faults = Faults::none();
    let Some(label) = faults.read(&form, "name", "Name", DisplayName::parse) else {
        return add_page(&visit, &session, form.text("name").unwrap_or_default(), faults).await;
    };
    let asked = match registration::begin(&visit.ctx, owner_of(&session)).await {
        Ok(asked) => asked,
        Err(error) => {
            return add_page(&visit, &session, label.as_str(), of_app(error, "")?).await;
        }
    };
    let frame = Frame::for_session(&visit, &session, "Add Passkey").await?;
    let nonce = nonce_of(&visit.ctx.keys, &session);
    let form = PasskeyForm::new(&visit.ctx, Asked::New, FINISH, &nonce, asked.options)
        .hidden(QUESTION, asked.name)
        .hidden("name", label.as_str())
        .cancel(PATH);
    Ok(passkey_page(frame, LEAD, form))
}

/// `POST /setup/second-factors/passkeys/finish`: with the first factor it answers with the recovery codes
/// themselves, which a redirect could not carry.
pub(crate) async fn finish(visit: Visit, LoggedIn(session): LoggedIn, posted: Posted) -> Answer {
    let form = posted.by_session(&visit, &session, &["name", QUESTION, ANSWER])?;
    let mut faults = Faults::none();
    let typed = form.text("name").unwrap_or_default();
    let Some(label) = faults.read(&form, "name", "Name", DisplayName::parse) else {
        return add_page(&visit, &session, typed, faults).await;
    };
    let question = form.text(QUESTION).unwrap_or_default();
    let answer = form.text(ANSWER).unwrap_or_default();
    let (ctx, owner) = (&visit.ctx, owner_of(&session));
    let made = registration::finish(ctx, owner, question, label, answer, &visit.origin).await;
    let faults = match made {
        Ok(Registered::Done(gains)) => {
            let done = ("Your passkey was added.", Done::PasskeyAdded);
            return recovery_codes::answer_to_gains(&visit, &session, done, gains).await;
        }
        Ok(Registered::Refused(fault)) => Faults::one("", told(fault)),
        Err(error) => of_app(error, "")?,
    };
    add_page(&visit, &session, typed, faults).await
}

/// `GET /setup/second-factors/passkeys/{passkey}/rename`
pub(crate) async fn show_rename(
    visit: Visit,
    LoggedIn(session): LoggedIn,
    InPath(id): InPath<String>,
) -> Answer {
    let passkey = own(&visit, &session, &id).await?;
    let name = passkey.name.as_str().to_owned();
    rename_page(&visit, &session, &passkey, &name, Faults::none()).await
}

/// `POST /setup/second-factors/passkeys/{passkey}/rename`
pub(crate) async fn rename(
    visit: Visit,
    LoggedIn(session): LoggedIn,
    InPath(id): InPath<String>,
    posted: Posted,
) -> Answer {
    let form = posted.by_session(&visit, &session, &["name"])?;
    let passkey = own(&visit, &session, &id).await?;
    let mut faults = Faults::none();
    let Some(name) = faults.read(&form, "name", "Name", DisplayName::parse) else {
        let typed = form.text("name").unwrap_or_default();
        return rename_page(&visit, &session, &passkey, typed, faults).await;
    };
    passkeys::rename(&visit.ctx, session.user, passkey.id, name).await?;
    Ok(see_other(&Done::SecondFactorRenamed.at(PATH)))
}

/// `GET /setup/second-factors/passkeys/{passkey}/remove`
pub(crate) async fn show_remove(
    visit: Visit,
    LoggedIn(session): LoggedIn,
    InPath(id): InPath<String>,
) -> Answer {
    let passkey = own(&visit, &session, &id).await?;
    let all = second_factors::list(&visit.ctx, session.user).await?;
    let count = all.authenticators.len() + passkeys::list(&visit.ctx, session.user).await?.len();
    let frame = Frame::for_session(&visit, &session, "Remove Passkey").await?;
    let action = format!("{}/remove", path_of(passkey.id));
    let form = FormView::new(action, &nonce_of(&visit.ctx.keys, &session), "Remove")
        .tone(Tone::Grave)
        .obstacle(passkeys::removal_obstacle(count, all.duty))
        .cancel(PATH);
    let what = format!(
        "“{}” opens nothing any more, and your device will go on offering it until you delete it there too. We \
         tell you by mail.",
        passkey.name
    );
    let consequence = if count > 1 {
        "Your other second factors and your recovery codes stay as they are."
    } else {
        "It is your last second factor: your recovery codes end with it, and your password alone is asked for."
    };
    Ok(form_page(frame, &[&what, consequence], form, Faults::none()))
}

/// `POST /setup/second-factors/passkeys/{passkey}/remove`
pub(crate) async fn remove(
    visit: Visit,
    LoggedIn(session): LoggedIn,
    InPath(id): InPath<String>,
    posted: Posted,
) -> Answer {
    posted.by_session(&visit, &session, &[])?;
    let passkey = own(&visit, &session, &id).await?;
    passkeys::remove(&visit.ctx, session.user, passkey.id, &visit.origin).await?;
    Ok(see_other(&Done::SecondFactorRemoved.at(PATH)))
}

/// What is wrong with an answer, for whoever sent it.
pub(crate) fn told(fault: PasskeyFault) -> &'static str {
    match fault {
        PasskeyFault::NotAsked => "Five minutes were up, or this was answered already. Begin anew.",
        PasskeyFault::Registered => "This passkey is registered already. Use another device.",
        PasskeyFault::Unknown => {
            "This passkey is not registered here, or was removed. Delete it on your device and add a new one."
        }
        PasskeyFault::NotVerified => {
            "Your device did not verify that it is you. Set up a PIN, a fingerprint or a face on it first."
        }
        PasskeyFault::Overtaken => {
            "The account was changed in the same moment, so you were not logged in. Begin anew."
        }
        PasskeyFault::OtherSite => "This passkey was made for another site.",
        PasskeyFault::Counter => {
            "This passkey was used elsewhere with a later counter: there may be a copy of it. It was not taken. If \
             you know of none, remove it."
        }
        PasskeyFault::Unreadable
        | PasskeyFault::OtherChallenge
        | PasskeyFault::Signature
        | PasskeyFault::Unfit => {
            "Your browser's answer could not be taken. Passkeys need JavaScript and a browser that knows them. \
             Begin anew."
        }
    }
}

fn add_form(visit: &Visit, session: &LiveSession, count: usize, name: &str) -> FormView {
    let rule = passkeys::obstacle(&visit.ctx);
    let rule = rule.or_else(|| registration::obstacle(count).map(str::to_owned));
    FormView::new(ADD, &nonce_of(&visit.ctx.keys, session), "Add Passkey")
        .field(
            Field::new("name", "Name of the Passkey", Control::Text)
                .hint("For you to know it by, such as the device that it is on.")
                .value(name),
        )
        .obstacle(rule)
}

/// The form to add one, on a page of its own with what is wrong.
async fn add_page(visit: &Visit, session: &LiveSession, name: &str, faults: Faults) -> Answer {
    let frame = Frame::for_session(visit, session, "Add Passkey").await?;
    let count = passkeys::list(&visit.ctx, session.user).await?.len();
    let form = add_form(visit, session, count, name).cancel(PATH);
    Ok(form_page(frame, &[], form, faults))
}

async fn rename_page(
    visit: &Visit,
    session: &LiveSession,
    passkey: &PasskeyView,
    name: &str,
    faults: Faults,
) -> Answer {
    let frame = Frame::for_session(visit, session, "Rename Passkey").await?;
    let action = format!("{}/rename", path_of(passkey.id));
    let form = FormView::new(action, &nonce_of(&visit.ctx.keys, session), "Save")
        .field(Field::new("name", "Name", Control::Text).value(name))
        .cancel(PATH);
    let intro = format!("Its name is “{}” here. Your device may call it otherwise.", passkey.name);
    Ok(form_page(frame, &[&intro], form, faults))
}

fn path_of(passkey: Id<Passkey>) -> String {
    format!("{ADD}/{passkey}")
}

/// The passkey of this id, if it is the session holder's own: others' are as if they were not.
async fn own(visit: &Visit, session: &LiveSession, id: &str) -> Result<PasskeyView, Failure> {
    let id = Id::<Passkey>::from_str(id).map_err(|_| Failure::NoSuchPage)?;
    Ok(passkeys::find(&visit.ctx, session.user, id).await?)
}

const fn owner_of(session: &LiveSession) -> Owner {
    Owner { user: session.user, session: session.session }
}
