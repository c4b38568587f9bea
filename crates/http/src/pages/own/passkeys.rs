//! Passkeys, a part of Second Factors: the list, and a new one.

use std::str::FromStr;

use askama::Template;
use askama::filters::HtmlSafe;
use symbolon_app::AppError;
use symbolon_app::passkeys::registration::{self, Registered};
use symbolon_app::passkeys::{self, PasskeyFault, PasskeyView};
use symbolon_app::second_factors::enrolment::Owner;
use symbolon_app::second_factors::{SecondFactors, removal};
use symbolon_app::sessions::LiveSession;
use symbolon_core::Timestamp;
use symbolon_core::id::{Id, Passkey};
use symbolon_core::names::DisplayName;

use crate::pages::own::second_factors::change::{FactorTable, OwnFactor};
use crate::pages::own::second_factors::{PATH, recovery_codes};
use crate::pages::view::done::Done;
use crate::pages::view::faults::{Faults, of_app};
use crate::pages::view::form::{Control, Field, FormView};
use crate::pages::view::form_page::form_page;
use crate::pages::view::frame::{Frame, nonce_of};
use crate::pages::view::passkey_form::{ANSWER, Asked, PasskeyForm, QUESTION, passkey_page};
use crate::pages::web::access::LoggedIn;
use crate::pages::web::answer::Answer;
use crate::pages::web::failure::Failure;
use crate::pages::web::posted::Posted;
use crate::pages::web::visit::Visit;

const ADD: &str = "/setup/second-factors/passkeys";
const FINISH: &str = "/setup/second-factors/passkeys/finish";
const LEAD: &str = "Your browser asks where the passkey is to be kept: on this device, on a phone nearby or on a security key.";

/// The section of the page Second Factors.
#[derive(Template)]
#[template(path = "parts/passkeys.html")]
pub(super) struct Section {
    rows: FactorTable,
    add: FormView,
}

impl HtmlSafe for Section {}

impl OwnFactor for PasskeyView {
    const KIND: &'static str = "Passkey";
    const MANY: &'static str = "passkeys";

    async fn find(visit: &Visit, session: &LiveSession, id: &str) -> Result<Self, Failure> {
        let id = Id::<Passkey>::from_str(id).map_err(|_| Failure::NoSuchPage)?;
        Ok(passkeys::find(&visit.ctx, session.user, id).await?)
    }

    async fn rename(
        &self,
        visit: &Visit,
        session: &LiveSession,
        name: DisplayName,
    ) -> Result<(), AppError> {
        passkeys::rename(&visit.ctx, session.user, self.id, name).await
    }

    async fn remove(&self, visit: &Visit, session: &LiveSession) -> Result<(), AppError> {
        passkeys::remove(&visit.ctx, session.user, self.id, &visit.origin).await
    }

    fn removal_obstacle(all: &SecondFactors, passkeys: usize) -> Option<&'static str> {
        removal::obstacle(all.authenticators.len() + passkeys, all.duty)
    }

    fn path(&self) -> String {
        format!("{ADD}/{}", self.id)
    }

    fn name(&self) -> &DisplayName {
        &self.name
    }

    fn times(&self) -> (Timestamp, Option<Timestamp>) {
        (self.created_at, self.last_used_at)
    }

    fn about_name(&self) -> String {
        format!("Its name is “{}” here. Your device may call it otherwise.", self.name)
    }

    fn about_removal(&self) -> String {
        format!(
            "“{}” opens nothing any more, and your device will go on offering it until you delete it there too. \
             We tell you by mail.",
            self.name
        )
    }
}

/// The section for the holder of `session`, who has `all` that beside his passkeys.
pub(super) async fn section(
    visit: &Visit,
    session: &LiveSession,
    all: &SecondFactors,
) -> Result<Section, Failure> {
    let passkeys = passkeys::list(&visit.ctx, session.user).await?;
    let rule = PasskeyView::removal_obstacle(all, passkeys.len());
    let add = add_form(visit, session, passkeys.len(), "");
    Ok(Section { rows: FactorTable::of(&passkeys, rule), add })
}

/// `POST /setup/second-factors/passkeys`: answers with the question itself.
pub(crate) async fn begin(visit: Visit, LoggedIn(session): LoggedIn, posted: Posted) -> Answer {
    let form = posted.by_session(&visit, &session, &["name"])?;
    let mut faults = Faults::none();
    let Some(label) = faults.read(&form, "name", "Name", DisplayName::parse) else {
        return add_page(&visit, &session, form.text("name").unwrap_or_default(), faults).await;
    };
    let asked = match registration::begin(&visit.ctx, Owner::of(&session)).await {
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
    let (ctx, owner) = (&visit.ctx, Owner::of(&session));
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
