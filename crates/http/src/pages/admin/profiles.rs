//! Profiles: the policies, the way to change each, and to add one.

use std::str::FromStr;

use askama::Template;
use http::StatusCode;
use symbolon_app::Actor;
use symbolon_app::profiles::{self, ProfileView, SetError};
use symbolon_app::sessions::LiveSession;
use symbolon_core::id::{Id, Profile};
use symbolon_core::names::DisplayName;
use symbolon_core::policy::{Duty, Policy};

use crate::pages::admin::profile_form::{
    Figures, access_words, duty_words, encryption_words, fault_of, fields_of, hours_words,
    on_password_change_words, on_reset_words, ranges_words,
};
use crate::pages::view::done::Done;
use crate::pages::view::faults::{Faults, of_app};
use crate::pages::view::form::{Control, Field, FormView};
use crate::pages::view::form_page::form_page;
use crate::pages::view::frame::{Frame, nonce_of};
use crate::pages::view::moment::{counted, span};
use crate::pages::web::access::Administrator;
use crate::pages::web::answer::{Answer, Page, see_other};
use crate::pages::web::failure::Failure;
use crate::pages::web::in_path::InPath;
use crate::pages::web::posted::Posted;
use crate::pages::web::seen::{SEEN, changed_meanwhile, is_as_seen, seen_of};
use crate::pages::web::visit::Visit;

const PATH: &str = "/setup/profiles";
const ADD_PATH: &str = "/setup/add-profile";

#[derive(Template)]
#[template(path = "profiles.html")]
struct ProfilesPage {
    frame: Frame,
    rows: Vec<Row>,
}

struct Row {
    name: String,
    path: String,
    everybodys: bool,
    facts: [(&'static str, String); 9],
}

impl Page for ProfilesPage {
    fn frame(&self) -> &Frame {
        &self.frame
    }
}

/// `GET /setup/profiles`
pub(crate) async fn show(visit: Visit, Administrator(session): Administrator) -> Answer {
    let frame = Frame::for_session(&visit, &session, "Profiles").await?;
    let mut profiles = profiles::list(&visit.ctx).await?;
    profiles.sort_by_key(|profile| profile.everybody_since.is_none());
    Ok(ProfilesPage { frame, rows: profiles.iter().map(row).collect() }.answer(StatusCode::OK))
}

/// `GET /setup/profiles/{profile}`
pub(crate) async fn show_one(
    visit: Visit,
    Administrator(session): Administrator,
    InPath(profile): InPath<String>,
) -> Answer {
    let known = Known::find(&visit, &profile).await?;
    let figures = Figures::of(&known.profile.policy);
    page(&visit, &session, &known, &figures, Faults::none()).await
}

/// `POST /setup/profiles/{profile}`
pub(crate) async fn save(
    visit: Visit,
    Administrator(session): Administrator,
    InPath(profile): InPath<String>,
    posted: Posted,
) -> Answer {
    let fields = [&[SEEN], Figures::FIELDS.as_slice()].concat();
    let form = posted.by_session(&visit, &session, &fields)?;
    let known = Known::find(&visit, &profile).await?;
    if !is_as_seen(&visit.ctx.keys, &known.profile.policy, form.text(SEEN)) {
        return show_anew(&visit, &session, &profile).await;
    }
    let figures = Figures::typed(&form);
    let faults = match figures.policy(&known.profile.policy) {
        Err(faults) => faults,
        Ok(policy) => {
            let (name, policies) = (&known.profile.name, (&known.profile.policy, policy));
            match profiles::set_by(&visit.ctx, session.user, &visit.origin, name, policies).await {
                Ok(_) => return Ok(see_other(&Done::ProfileSaved.at(PATH))),
                Err(SetError::ChangedMeanwhile) => {
                    return show_anew(&visit, &session, &profile).await;
                }
                Err(SetError::LocksOut(barrier)) => fault_of(barrier),
                Err(SetError::App(error)) => of_app(error, "")?,
            }
        }
    };
    page(&visit, &session, &known, &figures, faults).await
}

/// The form with what holds now, for whoever filled it in from what held before.
async fn show_anew(visit: &Visit, session: &LiveSession, profile: &str) -> Answer {
    let known = Known::find(visit, profile).await?;
    let figures = Figures::of(&known.profile.policy);
    page(visit, session, &known, &figures, changed_meanwhile()).await
}

/// `GET /setup/add-profile`
pub(crate) async fn show_add(visit: Visit, Administrator(session): Administrator) -> Answer {
    let figures = Figures::of(&Policy::default());
    add_page(&visit, &session, "", &figures, Faults::none()).await
}

/// `POST /setup/add-profile`
pub(crate) async fn add(
    visit: Visit,
    Administrator(session): Administrator,
    posted: Posted,
) -> Answer {
    let fields = [&["name"], Figures::FIELDS.as_slice()].concat();
    let form = posted.by_session(&visit, &session, &fields)?;
    let mut faults = Faults::none();
    let name = faults.read(&form, "name", "Name", DisplayName::parse);
    let figures = Figures::typed(&form);
    match (name, figures.policy(&Policy::default())) {
        (Some(name), Ok(policy)) => {
            let actor = Actor::User(session.user);
            match profiles::add(&visit.ctx, actor, name, policy).await {
                Ok(_) => return Ok(see_other(&Done::ProfileAdded.at(PATH))),
                Err(symbolon_app::AppError::Taken(_)) => {
                    faults.add("name", "There is a profile of this name. Choose another.");
                }
                Err(error) => faults = of_app(error, "")?,
            }
        }
        (_, Err(more)) => faults.0.extend(more.0),
        (None, Ok(_)) => {}
    }
    let typed = form.text("name").unwrap_or_default().to_owned();
    add_page(&visit, &session, &typed, &figures, faults).await
}

async fn add_page(
    visit: &Visit,
    session: &LiveSession,
    name: &str,
    figures: &Figures,
    faults: Faults,
) -> Answer {
    let frame = Frame::for_session(visit, session, "Add Profile").await?;
    let form = FormView::new(ADD_PATH, &nonce_of(&visit.ctx.keys, session), "Add Profile")
        .cancel(PATH)
        .field(Field::new("name", "Name", Control::Text).value(name).beginning("Profile"));
    let all = profiles::list(&visit.ctx).await?;
    let form = fields_of(form, figures, &Policy::default(), everybodys(&all));
    let intro = ["Nobody is under a new profile: put users under it on their pages."];
    Ok(form_page(frame, &intro, form, faults))
}

fn everybodys(all: &[ProfileView]) -> Option<&Policy> {
    all.iter().find(|profile| profile.everybody_since.is_some()).map(|profile| &profile.policy)
}

fn row(profile: &ProfileView) -> Row {
    let policy = &profile.policy;
    let password = &policy.password;
    let second_factor = match policy.duty {
        Duty::None => duty_words(policy.duty).to_owned(),
        Duty::Web | Duty::WebAndApi => {
            format!("{}, {} to enrol", duty_words(policy.duty), span(policy.enrol_grace))
        }
    };
    let kinds = match password.kinds {
        0 => String::new(),
        kinds => format!(" of {}", counted(kinds.into(), "kind")),
    };
    let again = match password.history {
        0 => String::new(),
        1 => ", not the current one again".to_owned(),
        history => format!(", none of the last {history} again"),
    };
    let age = password.max_age.map(|age| format!(", changed after {}", span(age)));
    Row {
        name: profile.name.clone(),
        path: format!("{PATH}/{}", profile.id),
        everybodys: profile.everybody_since.is_some(),
        facts: [
            (
                "Users may log in",
                format!(
                    "{}, {}, {}",
                    access_words(policy.access),
                    hours_words(policy),
                    ranges_words(policy)
                ),
            ),
            ("A second factor is demanded", second_factor),
            (
                "Sessions end after",
                format!(
                    "{} of inactivity; on the web after {} however busy",
                    span(policy.session_idle),
                    span(policy.web_lifetime)
                ),
            ),
            (
                "Passwords",
                format!(
                    "at least {} characters{kinds}{again}{}",
                    password.min_length,
                    age.unwrap_or_default()
                ),
            ),
            ("Tokens expire after", span(policy.token_max_age)),
            (
                "At a reset",
                format!("API sessions that the token opened {}", on_reset_words(policy.on_reset)),
            ),
            (
                "At a change of the password",
                format!("security tokens {}", on_password_change_words(policy.on_password_change)),
            ),
            ("Mail with a security token", encryption_words(policy.mail_encryption).to_owned()),
            (
                "Lockout",
                format!(
                    "after {} in a row, for {}",
                    counted(policy.lockout_failures.into(), "failure"),
                    span(policy.lockout_period)
                ),
            ),
        ],
    }
}

/// A profile, and what holds for everybody beside it.
struct Known {
    profile: ProfileView,
    /// `None` where the profile is the one of everybody.
    everybodys: Option<Policy>,
}

impl Known {
    async fn find(visit: &Visit, id: &str) -> Result<Self, Failure> {
        let id = Id::<Profile>::from_str(id).map_err(|_| Failure::NoSuchPage)?;
        let all = profiles::list(&visit.ctx).await?;
        let everybodys = everybodys(&all).cloned();
        let profile =
            all.into_iter().find(|profile| profile.id == id).ok_or(Failure::NoSuchPage)?;
        let everybodys = everybodys.filter(|_| profile.everybody_since.is_none());
        Ok(Self { profile, everybodys })
    }
}

async fn page(
    visit: &Visit,
    session: &LiveSession,
    known: &Known,
    figures: &Figures,
    faults: Faults,
) -> Answer {
    let Known { profile, everybodys } = known;
    let title = format!("Profile {}", profile.name);
    let frame = Frame::for_session(visit, session, title).await?;
    let action = format!("{PATH}/{}", profile.id);
    let form = FormView::new(action, &nonce_of(&visit.ctx.keys, session), "Save")
        .hidden(SEEN, seen_of(&visit.ctx.keys, &profile.policy))
        .cancel(PATH);
    let intro = match everybodys {
        Some(_) => [
            "What holds for every user of this profile, from the moment you save. The profile Organization holds beside \
             it: of two values the stricter one is in force.",
        ],
        None => [
            "What holds for everybody, beside each user’s own profile, from the moment you save: of two values the \
             stricter one is in force.",
        ],
    };
    let form = fields_of(form, figures, &profile.policy, everybodys.as_ref());
    Ok(form_page(frame, &intro, form, faults))
}
