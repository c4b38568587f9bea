//! The delivery contact: where mail with a token goes.

use symbolon_app::account::personal_information;
use symbolon_app::sessions::LiveSession;
use symbolon_app::{delivery, openpgp};
use symbolon_core::names::{EmailAddress, NameError};

use crate::pages::own::personal::PATH;
use crate::pages::own::personal_forms::{current_password, faults_of};
use crate::pages::view::done::Done;
use crate::pages::view::faults::Faults;
use crate::pages::view::form::{Control, Field, FormView};
use crate::pages::view::form_page::form_page;
use crate::pages::view::frame::{Frame, nonce_of};
use crate::pages::web::access::LoggedIn;
use crate::pages::web::answer::{Answer, see_other};
use crate::pages::web::failure::Failure;
use crate::pages::web::posted::{Posted, take_password};
use crate::pages::web::visit::Visit;

const PAGE: &str = "/setup/personal-information/delivery";
const INTRO: [&str; 2] = [
    "Where the mail with a new security token goes, if not to your email address: the group that looks after an integration, for example.",
    "Whoever reads that mail holds the token. Reminders that a token expires go to both addresses, and every other mail to your email address. Leave the field empty for no delivery contact.",
];

/// `GET /setup/personal-information/delivery`
pub(crate) async fn show(visit: Visit, LoggedIn(session): LoggedIn) -> Answer {
    let known = personal_information(&visit.ctx, session.user).await?.delivery;
    let known = known.map(|known| known.to_string()).unwrap_or_default();
    page(&visit, &session, &known, Faults::none()).await
}

/// `POST /setup/personal-information/delivery`
pub(crate) async fn set(visit: Visit, LoggedIn(session): LoggedIn, posted: Posted) -> Answer {
    let mut form = posted.by_session(&visit, &session, &["delivery", "current_password"])?;
    let typed = form.text("delivery").unwrap_or_default().trim().to_owned();
    let current = take_password(&mut form, "current_password");
    let mut faults = Faults::none();
    let read = faults.read(&form, "delivery", "Delivery Contact", address);
    let Some(to) = read else {
        return page(&visit, &session, &typed, faults).await;
    };
    match delivery::set_own(&visit.ctx, session.user, current, to, &visit.origin_of(&session)).await
    {
        Ok(()) => Ok(see_other(&Done::DeliveryChanged.at(PATH))),
        Err(error) => page(&visit, &session, &typed, faults_of(error)?).await,
    }
}

/// An address, or nothing for none.
fn address(typed: &str) -> Result<Option<EmailAddress>, NameError> {
    let typed = typed.trim();
    if typed.is_empty() { Ok(None) } else { EmailAddress::parse(typed).map(Some) }
}

async fn page(visit: &Visit, session: &LiveSession, typed: &str, faults: Faults) -> Answer {
    let frame = Frame::for_session(visit, session, "Change Delivery Contact").await?;
    let form = FormView::new(PAGE, &nonce_of(&visit.ctx.keys, session), "Save")
        .field(
            Field::new("delivery", "Delivery Contact", Control::Email)
                .value(typed)
                .autocomplete("off")
                .optional(),
        )
        .field(current_password())
        .cancel(PATH);
    let stays = stays_encrypted(visit, session).await?;
    let intro: Vec<&str> = INTRO.into_iter().chain(stays.as_deref()).collect();
    Ok(form_page(frame, &intro, form, faults))
}

/// What whoever changes the reader of mail with a token should know: that the key does not change with him.
pub(in crate::pages) async fn stays_encrypted(
    visit: &Visit,
    session: &LiveSession,
) -> Result<Option<String>, Failure> {
    let key = openpgp::of_user(&visit.ctx, session.user).await?.key;
    Ok(key.map(|key| {
        format!(
            "Mail with a token stays encrypted to the OpenPGP key {}, whoever reads it then: replace or remove the \
             key as well if the new reader has another one.",
            key.fingerprint
        )
    }))
}
