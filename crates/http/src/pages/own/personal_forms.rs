//! Changes of one's name, password and e-mail address.

use symbolon_app::AppError;
use symbolon_app::account::{self, ChangeError, personal_information};
use symbolon_app::login::Refused;
use symbolon_app::passwords::{self, Expiry};
use symbolon_app::sessions::LiveSession;
use symbolon_core::judge::Refusal;
use symbolon_core::names::{DisplayName, EmailAddress};

use crate::pages::door::activate_forms::{again, new_password};
use crate::pages::own::delivery::stays_encrypted;
use crate::pages::own::personal::PATH;
use crate::pages::view::done::Done;
use crate::pages::view::faults::{Faults, of_app};
use crate::pages::view::form::{Control, Field, FormView};
use crate::pages::view::form_page::form_page;
use crate::pages::view::frame::{Frame, nonce_of};
use crate::pages::view::moment::plain;
use crate::pages::web::access::{LoggedIn, LoggedInEvenExpired, PASSWORD_PAGE};
use crate::pages::web::answer::{Answer, see_other};
use crate::pages::web::failure::Failure;
use crate::pages::web::posted::{Posted, take_password};
use crate::pages::web::visit::Visit;

const NAME_PAGE: &str = "/setup/personal-information/name";
const EMAIL_PAGE: &str = "/setup/personal-information/email";

/// `GET /setup/personal-information/name`
pub(crate) async fn show_name(visit: Visit, LoggedIn(session): LoggedIn) -> Answer {
    name_page(&visit, &session, session.name.as_str(), Faults::none()).await
}

/// `POST /setup/personal-information/name`
pub(crate) async fn change_name(
    visit: Visit,
    LoggedIn(session): LoggedIn,
    posted: Posted,
) -> Answer {
    let form = posted.by_session(&visit, &session, &["name"])?;
    let mut faults = Faults::none();
    let Some(name) = faults.read(&form, "name", "Name", DisplayName::parse) else {
        return name_page(&visit, &session, form.text("name").unwrap_or_default(), faults).await;
    };
    account::change_name(&visit.ctx, session.user, name).await?;
    Ok(see_other(&Done::NameChanged.at(PATH)))
}

/// `GET /setup/personal-information/password`
pub(crate) async fn show_password(
    visit: Visit,
    LoggedInEvenExpired(session): LoggedInEvenExpired,
) -> Answer {
    password_page(&visit, &session, Faults::none()).await
}

/// `POST /setup/personal-information/password`
pub(crate) async fn change_password(
    visit: Visit,
    LoggedInEvenExpired(session): LoggedInEvenExpired,
    posted: Posted,
) -> Answer {
    let fields = ["current_password", "new_password", "confirm_password"];
    let mut form = posted.by_session(&visit, &session, &fields)?;
    let current = take_password(&mut form, "current_password");
    let new = take_password(&mut form, "new_password");
    let mut faults = Faults::none();
    faults.compare(&new, "confirm_password", &take_password(&mut form, "confirm_password"));
    if !faults.0.is_empty() {
        return password_page(&visit, &session, faults).await;
    }
    let keep = Some(session.session);
    match account::change_password(
        &visit.ctx,
        session.user,
        keep,
        current,
        new,
        &visit.origin_of(&session),
    )
    .await
    {
        Ok(()) => Ok(see_other(&Done::PasswordChanged.at(PATH))),
        Err(error) => password_page(&visit, &session, faults_of(error)?).await,
    }
}

/// `GET /setup/personal-information/email`
pub(crate) async fn show_email(visit: Visit, LoggedIn(session): LoggedIn) -> Answer {
    email_page(&visit, &session, "", Faults::none()).await
}

/// `POST /setup/personal-information/email`
pub(crate) async fn ask_email(visit: Visit, LoggedIn(session): LoggedIn, posted: Posted) -> Answer {
    let mut form = posted.by_session(&visit, &session, &["email", "current_password"])?;
    let typed = form.text("email").unwrap_or_default().to_owned();
    let current = take_password(&mut form, "current_password");
    let mut faults = Faults::none();
    let Some(new) = faults.read(&form, "email", "New Email Address", EmailAddress::parse) else {
        return email_page(&visit, &session, &typed, faults).await;
    };
    match account::ask_address_change(
        &visit.ctx,
        session.user,
        current,
        new,
        &visit.origin_of(&session),
    )
    .await
    {
        Ok(()) => Ok(see_other(&Done::AddressAsked.at(PATH))),
        Err(error) => email_page(&visit, &session, &typed, faults_of(error)?).await,
    }
}

/// What to show at the form where a change was refused.
pub(crate) fn faults_of(error: ChangeError) -> Result<Faults, Failure> {
    match error {
        ChangeError::WrongPassword(refused) => {
            Ok(Faults::one("current_password", wrong_password(&refused)))
        }
        // A name that is taken would tell whose address is known here: said of the form as a whole.
        ChangeError::App(AppError::NotFound(_)) => Err(Failure::NoSuchPage),
        ChangeError::App(error) => of_app(error, "new_password"),
    }
}

/// What is said at *Current Password*: the owner is told exactly why.
pub(crate) fn wrong_password(refused: &Refused) -> String {
    match refused.refusal {
        Refusal::LockedOut(until) => {
            format!("Too many failures: locked out until {}. Nothing was changed.", plain(until))
        }
        Refusal::SourceLockedOut => {
            "Too many failures from your address: wait a quarter of an hour. Nothing was changed."
                .to_owned()
        }
        Refusal::NoAccess | Refusal::OutsideLoginHours | Refusal::OutsideLoginRanges => {
            format!("{}: nothing was changed. {}", refused.refusal, refused.refusal.remedy())
        }
        Refusal::UnknownUser
        | Refusal::NotActivated
        | Refusal::Frozen(_)
        | Refusal::WrongPassword
        | Refusal::TokensFrozen(_)
        | Refusal::TokenMissing
        | Refusal::TokenMistyped
        | Refusal::TokenUnknown
        | Refusal::TokenOfAnotherUser
        | Refusal::TokenRetired(..)
        | Refusal::TokenExpired(_)
        | Refusal::TokenUnused(_)
        | Refusal::TokenNotForProfile
        | Refusal::TokenOutsideAddresses
        | Refusal::TokenOfAnotherKind
        | Refusal::SecondFactorNotEnrolled(_)
        | Refusal::CodeMissing
        | Refusal::TokenInPlaceOfCode
        | Refusal::CodeWrong
        | Refusal::CodesLockedOut(_)
        | Refusal::PasskeyRefused
        | Refusal::SwitchedOff
        | Refusal::Malformed => {
            "The current password is not right. Nothing was changed.".to_owned()
        }
    }
}

async fn name_page(visit: &Visit, session: &LiveSession, name: &str, faults: Faults) -> Answer {
    let frame = Frame::for_session(visit, session, "Change Name").await?;
    let form = FormView::new(NAME_PAGE, &nonce_of(&visit.ctx.keys, session), "Save")
        .field(Field::new("name", "Name", Control::Text).value(name).autocomplete("name"))
        .cancel(PATH);
    let intro = ["Your name as pages and mails show it. Your username stays as it is."];
    Ok(form_page(frame, &intro, form, faults))
}

async fn password_page(visit: &Visit, session: &LiveSession, faults: Faults) -> Answer {
    let frame = Frame::for_session(visit, session, "Change Password").await?;
    let rules = passwords::rules(&visit.ctx, session.user).await?;
    let form = FormView::new(PASSWORD_PAGE, &nonce_of(&visit.ctx.keys, session), "Save")
        .field(current_password())
        .field(new_password("new_password", "New Password", rules))
        .field(again("Confirm New Password"));
    if session.password_expired {
        let why = match passwords::expiry(&visit.ctx, session.user).await? {
            Some(Expiry::TooOld) => "Your password is older than your profile allows.",
            Some(Expiry::Temporary) | None => {
                "Your password has expired: an administrator has given you a temporary one."
            }
        };
        let intro = [why, "Choose a new one; then everything else is open to you again."];
        return Ok(form_page(frame, &intro, form, faults));
    }
    let intro = [
        "Every other session of yours ends. Your security tokens live on, unless your profile ties them to the password.",
    ];
    Ok(form_page(frame, &intro, form.cancel(PATH), faults))
}

async fn email_page(visit: &Visit, session: &LiveSession, typed: &str, faults: Faults) -> Answer {
    let frame = Frame::for_session(visit, session, "Change Email Address").await?;
    let form = FormView::new(EMAIL_PAGE, &nonce_of(&visit.ctx.keys, session), "Save")
        .field(
            Field::new("email", "New Email Address", Control::Email)
                .value(typed)
                .autocomplete("email"),
        )
        .field(current_password())
        .cancel(PATH);
    let intro = format!(
        "Mail goes to {} until both addresses have confirmed the change, by the links that we mail to them.",
        session.email
    );
    let mut intro = vec![intro];
    if personal_information(&visit.ctx, session.user).await?.delivery.is_none() {
        intro.extend(stays_encrypted(visit, session).await?);
    }
    let intro: Vec<&str> = intro.iter().map(String::as_str).collect();
    Ok(form_page(frame, &intro, form, faults))
}

/// The field in which one proves oneself again.
pub(crate) fn current_password() -> Field {
    Field::password("current_password", "Current Password", "current-password")
}
