//! Authenticator apps: the way from the QR code to the first code, another name, and the end.

use std::str::FromStr;

use askama::Template;
use http::StatusCode;
use symbolon_app::AppError;
use symbolon_app::second_factors::enrolment::{self, Enrolled, Owner, Pending};
use symbolon_app::second_factors::{self, AuthenticatorView, SecondFactors, removal};
use symbolon_app::sessions::LiveSession;
use symbolon_core::id::{Authenticator, Id};
use symbolon_core::names::DisplayName;
use symbolon_core::secret::TypedCode;
use zeroize::Zeroizing;

use super::{PATH, real_count, recovery_codes};
use crate::pages::view::done::Done;
use crate::pages::view::faults::{Faults, of_app};
use crate::pages::view::form::{Control, Field, FormView, Tone};
use crate::pages::view::form_page::form_page;
use crate::pages::view::frame::{Frame, nonce_of};
use crate::pages::view::moment::plain;
use crate::pages::view::qr::QrView;
use crate::pages::web::access::LoggedIn;
use crate::pages::web::answer::{Answer, Page, see_other};
use crate::pages::web::failure::Failure;
use crate::pages::web::in_path::InPath;
use crate::pages::web::posted::Posted;
use crate::pages::web::visit::Visit;

const OVER: &str = "A quarter of an hour is up, it was finished already, or another one was begun. Open Second \
                    Factors to see what you have, and begin anew.";
const QR_TITLE: &str =
    "QR code for your authenticator app. It holds the key that stands below as text.";

#[derive(Template)]
#[template(path = "enrol_authenticator.html")]
struct EnrolPage {
    frame: Frame,
    qr: Option<QrView>,
    key: Zeroizing<String>,
    account: String,
    form: FormView,
}

impl Page for EnrolPage {
    fn frame(&self) -> &Frame {
        &self.frame
    }
}

/// Where an authenticator app is.
pub(super) fn path_of(authenticator: Id<Authenticator>) -> String {
    format!("{PATH}/authenticators/{authenticator}")
}

/// `POST /setup/second-factors/authenticators`
pub(crate) async fn begin(visit: Visit, LoggedIn(session): LoggedIn, posted: Posted) -> Answer {
    posted.by_session(&visit, &session, &[])?;
    let name = enrolment::begin(&visit.ctx, owner_of(&session)).await?;
    Ok(see_other(&format!("{PATH}/enrol/{name}")))
}

/// `GET /setup/second-factors/enrol/{enrolment}`
pub(crate) async fn show_enrol(
    visit: Visit,
    LoggedIn(session): LoggedIn,
    InPath(name): InPath<String>,
) -> Answer {
    let pending = pending(&visit, &session, &name).await?;
    enrol_page(&visit, &session, &name, &pending, "Authenticator app", Faults::none()).await
}

/// `POST /setup/second-factors/enrol/{enrolment}`: with the first factor it answers with the recovery codes
/// themselves, which a redirect could not carry.
pub(crate) async fn enrol(
    visit: Visit,
    LoggedIn(session): LoggedIn,
    InPath(name): InPath<String>,
    posted: Posted,
) -> Answer {
    let mut form = posted.by_session(&visit, &session, &["name", "code"])?;
    let typed = form.take("code").map(|code| code.reveal().to_owned());
    let typed = TypedCode::new(typed.unwrap_or_default());
    let mut faults = Faults::none();
    if let Some(label) = faults.read(&form, "name", "Name", DisplayName::parse) {
        let (ctx, owner, origin) = (&visit.ctx, owner_of(&session), &visit.origin);
        match enrolment::confirm(ctx, owner, &name, label, &typed, origin).await {
            Ok(Enrolled::Done(gains)) => {
                let done = ("Your authenticator app is enrolled.", Done::AuthenticatorAdded);
                return recovery_codes::answer_to_gains(&visit, &session, done, gains).await;
            }
            Ok(Enrolled::WrongCode) => faults.add("code", wrong_code(&visit)),
            Err(AppError::NotFound(_)) => return Err(Failure::DeadLink(OVER)),
            Err(error) => faults = of_app(error, "")?,
        }
    }
    let pending = pending(&visit, &session, &name).await?;
    let label = form.text("name").unwrap_or_default();
    enrol_page(&visit, &session, &name, &pending, label, faults).await
}

/// `GET /setup/second-factors/authenticators/{authenticator}/rename`
pub(crate) async fn show_rename(
    visit: Visit,
    LoggedIn(session): LoggedIn,
    InPath(id): InPath<String>,
) -> Answer {
    let authenticator = own(&visit, &session, &id).await?;
    let name = authenticator.name.as_str().to_owned();
    rename_page(&visit, &session, &authenticator, &name, Faults::none()).await
}

/// `POST /setup/second-factors/authenticators/{authenticator}/rename`
pub(crate) async fn rename(
    visit: Visit,
    LoggedIn(session): LoggedIn,
    InPath(id): InPath<String>,
    posted: Posted,
) -> Answer {
    let form = posted.by_session(&visit, &session, &["name"])?;
    let authenticator = own(&visit, &session, &id).await?;
    let mut faults = Faults::none();
    let Some(name) = faults.read(&form, "name", "Name", DisplayName::parse) else {
        let typed = form.text("name").unwrap_or_default();
        return rename_page(&visit, &session, &authenticator, typed, faults).await;
    };
    second_factors::rename(&visit.ctx, session.user, authenticator.id, name).await?;
    Ok(see_other(&Done::SecondFactorRenamed.at(PATH)))
}

/// `GET /setup/second-factors/authenticators/{authenticator}/remove`
pub(crate) async fn show_remove(
    visit: Visit,
    LoggedIn(session): LoggedIn,
    InPath(id): InPath<String>,
) -> Answer {
    let authenticator = own(&visit, &session, &id).await?;
    let all = second_factors::list(&visit.ctx, session.user).await?;
    let frame = Frame::for_session(&visit, &session, "Remove Authenticator App").await?;
    let action = format!("{}/remove", path_of(authenticator.id));
    let form = FormView::new(action, &nonce_of(&visit.ctx.keys, &session), "Remove")
        .tone(Tone::Grave)
        .obstacle(removal::app_obstacle(all.authenticators.len(), all.kinds, all.duty))
        .cancel(PATH);
    let what = format!(
        "“{}” proves nothing any more: no code of it is accepted. We tell you by mail.",
        authenticator.name
    );
    Ok(form_page(frame, &[&what, consequence(&all)], form, Faults::none()))
}

/// `POST /setup/second-factors/authenticators/{authenticator}/remove`
pub(crate) async fn remove(
    visit: Visit,
    LoggedIn(session): LoggedIn,
    InPath(id): InPath<String>,
    posted: Posted,
) -> Answer {
    posted.by_session(&visit, &session, &[])?;
    let authenticator = own(&visit, &session, &id).await?;
    removal::remove(&visit.ctx, session.user, authenticator.id, &visit.origin).await?;
    Ok(see_other(&Done::SecondFactorRemoved.at(PATH)))
}

async fn enrol_page(
    visit: &Visit,
    session: &LiveSession,
    name: &str,
    pending: &Pending,
    label: &str,
    faults: Faults,
) -> Answer {
    let frame = Frame::for_session(visit, session, "Add Authenticator App").await?;
    let nonce = nonce_of(&visit.ctx.keys, session);
    let form = FormView::new(format!("{PATH}/enrol/{name}"), &nonce, "Add")
        .field(
            Field::new("code", "Verification Code", Control::Text)
                .hint("The six digits that your app shows now.")
                .autocomplete("one-time-code"),
        )
        .field(
            Field::new("name", "Name", Control::Text)
                .hint("For you to know it by, such as the device that it is on.")
                .value(label),
        )
        .cancel(PATH);
    let status =
        if faults.0.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let page = EnrolPage {
        qr: QrView::of(&pending.reveal_uri(), QR_TITLE),
        key: pending.reveal_groups(),
        account: session.username.to_string(),
        form: form.with(&faults),
        frame: frame.with_faults(faults),
    };
    Ok(page.answer(status))
}

async fn rename_page(
    visit: &Visit,
    session: &LiveSession,
    authenticator: &AuthenticatorView,
    name: &str,
    faults: Faults,
) -> Answer {
    let frame = Frame::for_session(visit, session, "Rename Authenticator App").await?;
    let action = format!("{}/rename", path_of(authenticator.id));
    let form = FormView::new(action, &nonce_of(&visit.ctx.keys, session), "Save")
        .field(Field::new("name", "Name", Control::Text).value(name))
        .cancel(PATH);
    let intro = format!("Its name is “{}” now. Only you see it.", authenticator.name);
    Ok(form_page(frame, &[&intro], form, faults))
}

/// What goes with it.
fn consequence(all: &SecondFactors) -> &'static str {
    if real_count(all) > 1 {
        "Your other second factors and your recovery codes stay as they are."
    } else {
        "It is your last second factor: your recovery codes end with it, and your password alone is asked for."
    }
}

fn wrong_code(visit: &Visit) -> String {
    format!(
        "This code is not right. Codes change every 30 seconds: take the next one, and see that the clock of your \
         device is right. Ours says {}.",
        plain(visit.ctx.clock.now())
    )
}

async fn pending(visit: &Visit, session: &LiveSession, name: &str) -> Result<Pending, Failure> {
    match enrolment::pending(&visit.ctx, owner_of(session), name).await {
        Ok(pending) => Ok(pending),
        Err(AppError::NotFound(_)) => Err(Failure::DeadLink(OVER)),
        Err(error) => Err(error.into()),
    }
}

/// The app of this id, if it is the session holder's own: others' are as if they were not.
async fn own(visit: &Visit, session: &LiveSession, id: &str) -> Result<AuthenticatorView, Failure> {
    let id = Id::<Authenticator>::from_str(id).map_err(|_| Failure::NoSuchPage)?;
    Ok(second_factors::authenticator(&visit.ctx, session.user, id).await?)
}

const fn owner_of(session: &LiveSession) -> Owner {
    Owner { user: session.user, session: session.session }
}
