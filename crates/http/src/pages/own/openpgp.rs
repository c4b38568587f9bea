//! The OpenPGP key that mail with a token is encrypted to.

use symbolon_app::account::ChangeError;
use symbolon_app::openpgp::{self, GivenKey, LookupError, ShownKey};
use symbolon_app::sessions::LiveSession;
use symbolon_core::policy::MailEncryption;

use crate::pages::own::personal::PATH;
use crate::pages::own::personal_forms::{current_password, faults_of};
use crate::pages::view::done::Done;
use crate::pages::view::faults::Faults;
use crate::pages::view::form::{Control, Field, FormView};
use crate::pages::view::form_page::form_page;
use crate::pages::view::frame::{Frame, nonce_of};
use crate::pages::view::moment::plain;
use crate::pages::web::access::LoggedIn;
use crate::pages::web::answer::{Answer, see_other};
use crate::pages::web::posted::{Posted, take_password};
use crate::pages::web::visit::Visit;

const PAGE: &str = "/setup/personal-information/openpgp-key";
const LOOK_UP: &str = "/setup/personal-information/openpgp-key/look-up";
const INTRO: &str = "Mail with a new security token is encrypted to this key, for whoever gets that mail; other mail is not. If the key cannot be used, because it has expired for example, the mail is not sent at all. Leave the field empty for no key.";
const LOOKING_UP: &str = "Or let it be looked up: the domain of the address that gets the mail may publish its key in a Web Key Directory. The current password is asked for that, too.";
const DEMANDED: &str = "Your profile demands a key: without one no security token can be reset. An administrator can lift the demand in the profile.";

/// `GET /setup/personal-information/openpgp-key`
pub(crate) async fn show(visit: Visit, LoggedIn(session): LoggedIn) -> Answer {
    page(&visit, &session, "", Faults::none()).await
}

/// `POST /setup/personal-information/openpgp-key`
pub(crate) async fn set(visit: Visit, LoggedIn(session): LoggedIn, posted: Posted) -> Answer {
    let mut form = posted.by_session(&visit, &session, &["openpgp_key", "current_password"])?;
    let typed = form.text("openpgp_key").unwrap_or_default().trim().to_owned();
    let current = take_password(&mut form, "current_password");
    let key = match read(&visit, &typed) {
        Ok(key) => key,
        Err(faults) => return page(&visit, &session, &typed, faults).await,
    };
    match openpgp::set_own(&visit.ctx, session.user, current, key, &visit.origin_of(&session)).await
    {
        Ok(()) => Ok(see_other(&Done::OpenpgpKeyChanged.at(PATH))),
        Err(error) => page(&visit, &session, &typed, faults_of(error)?).await,
    }
}

/// `POST /setup/personal-information/openpgp-key/look-up`
pub(crate) async fn look_up(visit: Visit, LoggedIn(session): LoggedIn, posted: Posted) -> Answer {
    let mut form = posted.by_session(&visit, &session, &["openpgp_key", "current_password"])?;
    let current = take_password(&mut form, "current_password");
    let (ctx, user, origin) = (&visit.ctx, session.user, &visit.origin_of(&session));
    let key = match openpgp::look_up_own(ctx, user, &current, origin).await {
        Ok((key, _)) => key,
        Err(LookupError::App(error)) => return Err(error.into()),
        Err(LookupError::Unproved(refused)) => {
            let faults = faults_of(ChangeError::WrongPassword(refused))?;
            return page(&visit, &session, "", faults).await;
        }
        Err(error) => {
            let faults = Faults::one("openpgp_key", error.to_string());
            return page(&visit, &session, "", faults).await;
        }
    };
    match openpgp::set_own(ctx, user, current, Some(key), origin).await {
        Ok(()) => Ok(see_other(&Done::OpenpgpKeyFound.at(PATH))),
        Err(error) => page(&visit, &session, "", faults_of(error)?).await,
    }
}

fn read(visit: &Visit, typed: &str) -> Result<Option<GivenKey>, Faults> {
    if typed.is_empty() {
        return Ok(None);
    }
    let read = openpgp::read(&visit.ctx, typed.as_bytes());
    read.map(Some)
        .map_err(|fault| Faults::one("openpgp_key", format!("The key cannot be taken: {fault}.")))
}

async fn page(visit: &Visit, session: &LiveSession, typed: &str, faults: Faults) -> Answer {
    let frame = Frame::for_session(visit, session, "Change OpenPGP Key").await?;
    let known = openpgp::of_user(&visit.ctx, session.user).await?;
    let now = known.key.as_ref().map_or_else(
        || "There is no key now.".to_owned(),
        |key| format!("The key now: {}", described(key)),
    );
    let intro: &[&str] = match known.encryption {
        MailEncryption::Optional => &[INTRO, LOOKING_UP, &now],
        MailEncryption::Required => &[INTRO, LOOKING_UP, DEMANDED, &now],
    };
    let form = FormView::new(PAGE, &nonce_of(&visit.ctx.keys, session), "Save")
        .field(
            Field::new("openpgp_key", "OpenPGP Public Key", Control::Lines)
                .value(typed)
                .hint("As gpg --armor --export-options export-minimal --export writes it.")
                .optional(),
        )
        .field(current_password())
        .or(LOOK_UP, "Look Up My Key", openpgp::lookup_obstacle(&visit.ctx))
        .cancel(PATH);
    Ok(form_page(frame, intro, form, faults))
}

/// A key in a sentence or two.
pub(in crate::pages) fn described(key: &ShownKey) -> String {
    let fingerprint = &key.fingerprint;
    let expiry = key.expires_at.map(|at| format!(", expires {}", plain(at)));
    let expiry = expiry.unwrap_or_else(|| ", never expires".to_owned());
    match key.fault {
        None => format!("{fingerprint}{expiry}."),
        Some(fault) => {
            format!(
                "{fingerprint}{expiry}. It cannot be used, and no mail with a token is sent: {fault}."
            )
        }
    }
}
