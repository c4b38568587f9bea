//! My Personal Information: the facts, and the way to each change.

use askama::Template;
use http::StatusCode;
use symbolon_app::account::{PersonalInformation, personal_information};
use symbolon_app::sessions::LiveSession;
use symbolon_app::{owner_freeze, reset};
use symbolon_core::judge::FrozenBy;
use symbolon_core::reset::Scope;

use crate::pages::own::personal_forms::faults_of;
use crate::pages::view::done::Done;
use crate::pages::view::faults::Faults;
use crate::pages::view::form::{Field, FormView, Tone};
use crate::pages::view::frame::{Frame, nonce_of};
use crate::pages::view::link::LinkView;
use crate::pages::view::moment::moment;
use crate::pages::web::access::LoggedIn;
use crate::pages::web::answer::{Answer, Page, see_other};
use crate::pages::web::posted::{Posted, take_password};
use crate::pages::web::visit::Visit;

/// Where the page is.
pub(crate) const PATH: &str = "/setup/personal-information";

#[derive(Template)]
#[template(path = "personal.html")]
struct PersonalPage {
    frame: Frame,
    facts: PersonalInformation,
    reset: LinkView,
    unfreeze: FormView,
}

impl Page for PersonalPage {
    fn frame(&self) -> &Frame {
        &self.frame
    }
}

/// `GET /setup/personal-information`
pub(crate) async fn show(visit: Visit, LoggedIn(session): LoggedIn) -> Answer {
    page(&visit, &session, Faults::none(), StatusCode::OK).await
}

/// `POST /setup/personal-information/unfreeze`
pub(crate) async fn unfreeze(visit: Visit, LoggedIn(session): LoggedIn, posted: Posted) -> Answer {
    let mut form = posted.by_session(&visit, &session, &["current_password"])?;
    let current = take_password(&mut form, "current_password");
    match owner_freeze::lift(&visit.ctx, session.user, current, &visit.origin_of(&session)).await {
        Ok(()) => Ok(see_other(&Done::TokensUnfrozen.at(PATH))),
        Err(error) => {
            let faults = faults_of(error)?;
            page(&visit, &session, faults, StatusCode::UNPROCESSABLE_ENTITY).await
        }
    }
}

async fn page(visit: &Visit, session: &LiveSession, faults: Faults, status: StatusCode) -> Answer {
    let frame = Frame::for_session(visit, session, "Personal Information").await?;
    let facts = personal_information(&visit.ctx, session.user).await?;
    let nonce = nonce_of(&visit.ctx.keys, session);
    let unfreeze = FormView::new(format!("{PATH}/unfreeze"), &nonce, "Lift the Freeze")
        .field(Field::password("current_password", "Current Password", "current-password"))
        .tone(Tone::Quiet)
        .with(&faults);
    let obstacle = reset::obstacle(&visit.ctx, session.user, Scope::Account).await?;
    let reset = LinkView::new("/setup/reset-security-token/confirm", "Reset Security Token")
        .obstacle(obstacle);
    let frame = frame.with_faults(faults);
    Ok(PersonalPage { frame, facts, reset, unfreeze }.answer(status))
}
