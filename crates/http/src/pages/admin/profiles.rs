//! Profiles: the policies, and the way to change each.

use std::str::FromStr;

use askama::Template;
use http::StatusCode;
use symbolon_app::Actor;
use symbolon_app::profiles::{self, ProfileView};
use symbolon_app::sessions::LiveSession;
use symbolon_core::id::{Id, Profile};

use crate::pages::admin::profile_form::{
    Figures, fields_of, on_password_change_words, on_reset_words,
};
use crate::pages::view::done::Done;
use crate::pages::view::faults::{Faults, of_app};
use crate::pages::view::form::FormView;
use crate::pages::view::form_page::form_page;
use crate::pages::view::frame::{Frame, nonce_of};
use crate::pages::view::moment::{counted, span};
use crate::pages::web::access::Administrator;
use crate::pages::web::answer::{Answer, Page, see_other};
use crate::pages::web::failure::Failure;
use crate::pages::web::in_path::InPath;
use crate::pages::web::posted::Posted;
use crate::pages::web::visit::Visit;

const PATH: &str = "/setup/profiles";

#[derive(Template)]
#[template(path = "profiles.html")]
struct ProfilesPage {
    frame: Frame,
    rows: Vec<Row>,
}

struct Row {
    name: String,
    path: String,
    facts: [(&'static str, String); 5],
}

impl Page for ProfilesPage {
    fn frame(&self) -> &Frame {
        &self.frame
    }
}

/// `GET /setup/profiles`
pub(crate) async fn show(visit: Visit, Administrator(session): Administrator) -> Answer {
    let frame = Frame::for_session(&visit, &session, "Profiles").await?;
    let profiles = profiles::list(&visit.ctx).await?;
    Ok(ProfilesPage { frame, rows: profiles.iter().map(row).collect() }.answer(StatusCode::OK))
}

/// `GET /setup/profiles/{profile}`
pub(crate) async fn show_one(
    visit: Visit,
    Administrator(session): Administrator,
    InPath(profile): InPath<String>,
) -> Answer {
    let profile = profile_of(&visit, &profile).await?;
    let figures = Figures::of(&profile.policy);
    page(&visit, &session, &profile, &figures, Faults::none()).await
}

/// `POST /setup/profiles/{profile}`
pub(crate) async fn save(
    visit: Visit,
    Administrator(session): Administrator,
    InPath(profile): InPath<String>,
    posted: Posted,
) -> Answer {
    let form = posted.by_session(&visit, &session, &Figures::FIELDS)?;
    let profile = profile_of(&visit, &profile).await?;
    let figures = Figures::typed(&form);
    let faults = match figures.policy(&profile.policy) {
        Err(faults) => faults,
        Ok(policy) => {
            let actor = Actor::User(session.user);
            match profiles::set(&visit.ctx, actor, &profile.name, policy).await {
                Ok(_) => return Ok(see_other(&Done::ProfileSaved.at(PATH))),
                Err(error) => of_app(error, "")?,
            }
        }
    };
    page(&visit, &session, &profile, &figures, faults).await
}

fn row(profile: &ProfileView) -> Row {
    let policy = &profile.policy;
    Row {
        name: profile.name.clone(),
        path: format!("{PATH}/{}", profile.id),
        facts: [
            ("Tokens expire after", span(policy.token_max_age)),
            (
                "Lockout",
                format!(
                    "after {} in a row, for {}",
                    counted(policy.lockout_failures.into(), "failure"),
                    span(policy.lockout_period)
                ),
            ),
            ("Sessions end after", format!("{} of inactivity", span(policy.session_idle))),
            (
                "At a reset",
                format!("API sessions that the token opened {}", on_reset_words(policy.on_reset)),
            ),
            (
                "At a change of the password",
                format!("security tokens {}", on_password_change_words(policy.on_password_change)),
            ),
        ],
    }
}

async fn profile_of(visit: &Visit, id: &str) -> Result<ProfileView, Failure> {
    let id = Id::<Profile>::from_str(id).map_err(|_| Failure::NoSuchPage)?;
    let all = profiles::list(&visit.ctx).await?;
    all.into_iter().find(|profile| profile.id == id).ok_or(Failure::NoSuchPage)
}

async fn page(
    visit: &Visit,
    session: &LiveSession,
    profile: &ProfileView,
    figures: &Figures,
    faults: Faults,
) -> Answer {
    let title = format!("Profile {}", profile.name);
    let frame = Frame::for_session(visit, session, title).await?;
    let action = format!("{PATH}/{}", profile.id);
    let form = FormView::new(action, &nonce_of(&visit.ctx.keys, session), "Save").cancel(PATH);
    let intro = [
        "What holds for every user of this profile, from the moment you save. Tokens that are out already keep the \
                  end they were issued with.",
    ];
    Ok(form_page(frame, &intro, fields_of(form, figures), faults))
}
