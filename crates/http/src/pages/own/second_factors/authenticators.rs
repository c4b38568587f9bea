//! Authenticator apps: the way from the QR code to the first code.

use std::str::FromStr;

use askama::Template;
use http::StatusCode;
use symbolon_app::AppError;
use symbolon_app::second_factors::enrolment::{self, Enrolled, Owner, Pending};
use symbolon_app::second_factors::{self, AuthenticatorView, SecondFactors, removal};
use symbolon_app::sessions::LiveSession;
use symbolon_core::Timestamp;
use symbolon_core::id::{Authenticator, Id};
use symbolon_core::names::DisplayName;
use symbolon_core::secret::TypedCode;
use zeroize::Zeroizing;

use super::change::OwnFactor;
use super::{PATH, recovery_codes};
use crate::pages::view::done::Done;
use crate::pages::view::faults::{Faults, of_app};
use crate::pages::view::form::{Control, Field, FormView};
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

impl OwnFactor for AuthenticatorView {
    const KIND: &'static str = "Authenticator App";
    const MANY: &'static str = "authenticator apps";

    async fn find(visit: &Visit, session: &LiveSession, id: &str) -> Result<Self, Failure> {
        let id = Id::<Authenticator>::from_str(id).map_err(|_| Failure::NoSuchPage)?;
        Ok(second_factors::authenticator(&visit.ctx, session.user, id).await?)
    }

    async fn rename(
        &self,
        visit: &Visit,
        session: &LiveSession,
        name: DisplayName,
    ) -> Result<(), AppError> {
        second_factors::rename(&visit.ctx, session.user, self.id, name).await
    }

    async fn remove(&self, visit: &Visit, session: &LiveSession) -> Result<(), AppError> {
        removal::remove(&visit.ctx, session.user, self.id, &visit.origin).await
    }

    fn removal_obstacle(all: &SecondFactors, _passkeys: usize) -> Option<&'static str> {
        removal::app_obstacle(all.authenticators.len(), all.kinds, all.duty)
    }

    fn path(&self) -> String {
        format!("{PATH}/authenticators/{}", self.id)
    }

    fn name(&self) -> &DisplayName {
        &self.name
    }

    fn times(&self) -> (Timestamp, Option<Timestamp>) {
        (self.created_at, self.last_used_at)
    }

    fn about_name(&self) -> String {
        format!("Its name is “{}” now. Only you see it.", self.name)
    }

    fn about_removal(&self) -> String {
        format!(
            "“{}” proves nothing any more: no code of it is accepted. We tell you by mail.",
            self.name
        )
    }
}

/// `POST /setup/second-factors/authenticators`
pub(crate) async fn begin(visit: Visit, LoggedIn(session): LoggedIn, posted: Posted) -> Answer {
    posted.by_session(&visit, &session, &[])?;
    let name = enrolment::begin(&visit.ctx, Owner::of(&session)).await?;
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
        let (ctx, owner, origin) = (&visit.ctx, Owner::of(&session), &visit.origin);
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

fn wrong_code(visit: &Visit) -> String {
    format!(
        "This code is not right. Codes change every 30 seconds: take the next one, and see that the clock of your \
         device is right. Ours says {}.",
        plain(visit.ctx.clock.now())
    )
}

async fn pending(visit: &Visit, session: &LiveSession, name: &str) -> Result<Pending, Failure> {
    match enrolment::pending(&visit.ctx, Owner::of(session), name).await {
        Ok(pending) => Ok(pending),
        Err(AppError::NotFound(_)) => Err(Failure::DeadLink(OVER)),
        Err(error) => Err(error.into()),
    }
}
