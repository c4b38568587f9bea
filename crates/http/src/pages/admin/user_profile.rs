//! Puts a user under another profile.

use symbolon_app::profiles::{self, SetError};
use symbolon_app::sessions::LiveSession;
use symbolon_app::users::{self, UserView};
use symbolon_core::policy::Barrier;

use crate::pages::admin::user::path_of;
use crate::pages::view::done::Done;
use crate::pages::view::faults::{Faults, of_app};
use crate::pages::view::form::{Choice, Control, Field, FormView};
use crate::pages::view::form_page::form_page;
use crate::pages::view::frame::{Frame, nonce_of};
use crate::pages::web::access::Administrator;
use crate::pages::web::answer::{Answer, see_other};
use crate::pages::web::in_path::InPath;
use crate::pages::web::posted::Posted;
use crate::pages::web::seen::changed_meanwhile;
use crate::pages::web::visit::Visit;

/// `GET /setup/users/{username}/profile`
pub(crate) async fn show(
    visit: Visit,
    Administrator(session): Administrator,
    InPath(username): InPath<String>,
) -> Answer {
    let user = users::show(&visit.ctx, &username).await?;
    let chosen = user.profile.clone();
    page(&visit, &session, &user, &chosen, Faults::none()).await
}

/// `POST /setup/users/{username}/profile`
pub(crate) async fn save(
    visit: Visit,
    Administrator(session): Administrator,
    InPath(username): InPath<String>,
    posted: Posted,
) -> Answer {
    let form = posted.by_session(&visit, &session, &["profile"])?;
    let user = users::show(&visit.ctx, &username).await?;
    let chosen = form.text("profile").unwrap_or_default();
    let name = user.username.as_str();
    let faults =
        match profiles::assign_by(&visit.ctx, session.user, &visit.origin, name, chosen).await {
            Ok(()) => return Ok(see_other(&Done::ProfileChanged.at(&path_of(name)))),
            Err(SetError::ChangedMeanwhile) => changed_meanwhile(),
            Err(SetError::LocksOut(barrier)) => Faults::one("profile", own_fault(barrier)),
            Err(SetError::App(symbolon_app::AppError::NotFound("profile"))) => {
                Faults::one("profile", "Choose one of those in the list.")
            }
            Err(SetError::App(error)) => of_app(error, "")?,
        };
    page(&visit, &session, &user, chosen, faults).await
}

const fn own_fault(barrier: Barrier) -> &'static str {
    match barrier {
        Barrier::Access => {
            "You cannot put yourself under this profile: the pages would be closed to you."
        }
        Barrier::Hours => {
            "You cannot put yourself under this profile now: it is not one of its login hours."
        }
        Barrier::Ranges => {
            "You cannot put yourself under this profile from here: your address is in none of its ranges."
        }
    }
}

async fn page(
    visit: &Visit,
    session: &LiveSession,
    user: &UserView,
    chosen: &str,
    faults: Faults,
) -> Answer {
    let frame = Frame::for_session(visit, session, "Change a User’s Profile").await?;
    let all = profiles::list(&visit.ctx).await?;
    let own = all.iter().filter(|profile| profile.everybody_since.is_none());
    let choices = own.map(|profile| Choice::new(&profile.name, &profile.name)).collect();
    let here = path_of(user.username.as_str());
    let csrf = nonce_of(&visit.ctx.keys, session);
    let form = FormView::new(format!("{here}/profile"), &csrf, "Change Profile")
        .field(Field::new("profile", "Profile", Control::Select(choices)).value(chosen))
        .cancel(here);
    let intro = format!(
        "What the profile says holds for {} ({}) at once, also for sessions that are open. Where it demands a second \
         factor, the time to enrol begins now.",
        user.name, user.username
    );
    Ok(form_page(frame, &[&intro], form, faults))
}
