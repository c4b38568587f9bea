//! Device types: what may hold a token, and the switch that makes a token of each a whole credential.
//!
//! Each has a form of its own. The marks by which kinds of client are recognised are shown below.

use askama::Template;
use http::StatusCode;
use symbolon_app::device_types::{self, DeviceTypeView, ReplaceError};
use symbolon_app::profiles::{self, ProfileView};
use symbolon_app::sessions::LiveSession;
use symbolon_app::{Actor, AppError};
use symbolon_core::client_kind::{ClientKind, MARKS};
use symbolon_core::device_type::{DeviceRules, Holders, Mismatch, Overlap};
use symbolon_core::names::DeviceType;
use symbolon_core::verification::BearerUse;
use symbolon_core::words::word_of;

use crate::pages::admin::device_type_form::{Typed, fields_of, holder_names};
use crate::pages::view::done::Done;
use crate::pages::view::faults::{Faults, of_app};
use crate::pages::view::form::{Control, Field, FormView, Tone};
use crate::pages::view::form_page::form_page;
use crate::pages::view::frame::{Frame, nonce_of};
use crate::pages::view::moment::{moment, span};
use crate::pages::web::access::Administrator;
use crate::pages::web::answer::{Answer, Page, see_other};
use crate::pages::web::failure::Failure;
use crate::pages::web::in_path::InPath;
use crate::pages::web::posted::Posted;
use crate::pages::web::seen::{SEEN, changed_meanwhile, is_as_seen, seen_of};
use crate::pages::web::visit::Visit;

const PATH: &str = "/setup/device-types";
const ADD_PATH: &str = "/setup/add-device-type";

#[derive(Template)]
#[template(path = "device_types.html")]
struct DeviceTypesPage {
    frame: Frame,
    rows: Vec<Row>,
    marks: Vec<(&'static str, String)>,
}

struct Row {
    device_type: DeviceTypeView,
    /// Whose users may hold a token.
    holders: String,
    path: String,
    switch: FormView,
}

impl Row {
    /// Whether a token is a whole credential.
    fn alone(&self) -> bool {
        self.device_type.rules.bearer == BearerUse::Allowed
    }

    fn age(&self) -> String {
        span(self.device_type.rules.max_age)
    }

    fn idle_end(&self) -> String {
        self.device_type.rules.idle_end.map_or("never".to_owned(), span)
    }

    fn addresses(&self) -> String {
        let addresses = &self.device_type.rules.addresses;
        addresses.as_ref().map_or("from anywhere".to_owned(), ToString::to_string)
    }

    /// What kind of client it is for, and what happens where another comes.
    fn kind(&self) -> String {
        let rules = &self.device_type.rules;
        match (rules.kind, rules.mismatch) {
            (None, _) => "any".to_owned(),
            (Some(kind), Mismatch::Noted) => format!("{}; others are noted", kind.word()),
            (Some(kind), Mismatch::Refused) => format!("{}; others are refused", kind.word()),
        }
    }

    fn rotation(&self) -> &'static str {
        word_of(&Overlap::ALL, self.device_type.rules.overlap)
    }
}

impl Page for DeviceTypesPage {
    fn frame(&self) -> &Frame {
        &self.frame
    }
}

/// `GET /setup/device-types`
pub(crate) async fn show(visit: Visit, Administrator(session): Administrator) -> Answer {
    let frame = Frame::for_session(&visit, &session, "Device Types").await?;
    let csrf = nonce_of(&visit.ctx.keys, &session);
    let profiles = profiles::list(&visit.ctx).await?;
    let all = device_types::list(&visit.ctx).await?;
    let rows = all.into_iter().map(|device_type| row(device_type, &profiles, &csrf)).collect();
    Ok(DeviceTypesPage { frame, rows, marks: marks() }.answer(StatusCode::OK))
}

/// `GET /setup/device-types/{name}`
pub(crate) async fn show_one(
    visit: Visit,
    Administrator(session): Administrator,
    InPath(name): InPath<String>,
) -> Answer {
    let (known, profiles) = find(&visit, &name).await?;
    let typed = Typed::of(&known.rules, &profiles);
    let seen = seen_of(&visit.ctx.keys, &known.rules);
    page(&visit, &session, &known.name, (&typed, &seen), Faults::none()).await
}

/// `POST /setup/device-types/{name}`
pub(crate) async fn save(
    visit: Visit,
    Administrator(session): Administrator,
    InPath(name): InPath<String>,
    posted: Posted,
) -> Answer {
    let fields = [&[SEEN], Typed::FIELDS.as_slice()].concat();
    let form = posted.by_session(&visit, &session, &fields)?;
    let (known, profiles) = find(&visit, &name).await?;
    if !is_as_seen(&visit.ctx.keys, &known.rules, form.text(SEEN)) {
        return show_anew(&visit, &session, &name).await;
    }
    let typed = Typed::read(&form);
    let faults = match typed.rules(&known.rules, &profiles) {
        Err(faults) => faults,
        Ok(new) => {
            let actor = Actor::User(session.user);
            let (name, seen) = (&known.name, &known.rules);
            match device_types::replace(&visit.ctx, actor, name, seen, new).await {
                Ok(_) => return Ok(see_other(&Done::DeviceTypeSaved.at(PATH))),
                Err(ReplaceError::ChangedMeanwhile) => {
                    return show_anew(&visit, &session, name.as_str()).await;
                }
                Err(ReplaceError::App(error)) => of_app(error, "")?,
            }
        }
    };
    let seen = seen_of(&visit.ctx.keys, &known.rules);
    page(&visit, &session, &known.name, (&typed, &seen), faults).await
}

/// The form with what holds now, for whoever filled it in from what held before.
async fn show_anew(visit: &Visit, session: &LiveSession, name: &str) -> Answer {
    let (known, profiles) = find(visit, name).await?;
    let typed = Typed::of(&known.rules, &profiles);
    let seen = seen_of(&visit.ctx.keys, &known.rules);
    page(visit, session, &known.name, (&typed, &seen), changed_meanwhile()).await
}

/// `GET /setup/add-device-type`
pub(crate) async fn show_add(visit: Visit, Administrator(session): Administrator) -> Answer {
    let typed = Typed::of(&DeviceRules::default(), &[]);
    add_page(&visit, &session, "", &typed, Faults::none()).await
}

/// `POST /setup/add-device-type`
pub(crate) async fn add(
    visit: Visit,
    Administrator(session): Administrator,
    posted: Posted,
) -> Answer {
    let fields = [&["name"], Typed::FIELDS.as_slice()].concat();
    let form = posted.by_session(&visit, &session, &fields)?;
    let mut faults = Faults::none();
    let name = faults.read(&form, "name", "Name", DeviceType::parse);
    let typed = Typed::read(&form);
    let profiles = profiles::list(&visit.ctx).await?;
    match (name, typed.rules(&DeviceRules::default(), &profiles)) {
        (Some(name), Ok(rules)) => {
            let actor = Actor::User(session.user);
            match device_types::add(&visit.ctx, actor, name, rules).await {
                Ok(_) => return Ok(see_other(&Done::DeviceTypeAdded.at(PATH))),
                Err(AppError::Taken(_)) => {
                    faults.add("name", "There is a device type of this name. Choose another.");
                }
                Err(error) => faults = of_app(error, "")?,
            }
        }
        (_, Err(more)) => faults.0.extend(more.0),
        (None, Ok(_)) => {}
    }
    let name = form.text("name").unwrap_or_default().to_owned();
    add_page(&visit, &session, &name, &typed, faults).await
}

async fn find(visit: &Visit, name: &str) -> Result<(DeviceTypeView, Vec<ProfileView>), Failure> {
    let all = device_types::list(&visit.ctx).await?;
    let found = all.into_iter().find(|device_type| device_type.name.as_str() == name);
    let profiles = profiles::list(&visit.ctx).await?;
    Ok((found.ok_or(Failure::NoSuchPage)?, profiles))
}

async fn page(
    visit: &Visit,
    session: &LiveSession,
    name: &DeviceType,
    (typed, seen): (&Typed, &str),
    faults: Faults,
) -> Answer {
    let frame = Frame::for_session(visit, session, format!("Device Type {name}")).await?;
    let csrf = nonce_of(&visit.ctx.keys, session);
    let form =
        FormView::new(format!("{PATH}/{name}"), &csrf, "Save").hidden(SEEN, seen).cancel(PATH);
    let intro = [
        "What holds for the tokens of this device type, from the moment you save, also for those that are \
                  out already.",
    ];
    Ok(form_page(frame, &intro, fields_of(form, typed), faults))
}

async fn add_page(
    visit: &Visit,
    session: &LiveSession,
    name: &str,
    typed: &Typed,
    faults: Faults,
) -> Answer {
    let frame = Frame::for_session(visit, session, "Add Device Type").await?;
    let form = FormView::new(ADD_PATH, &nonce_of(&visit.ctx.keys, session), "Add Device Type")
        .cancel(PATH)
        .field(
            Field::new("name", "Name", Control::Text)
                .hint("Lower-case letters, digits and hyphens, such as build-server.")
                .value(name)
                .beginning("Device type"),
        );
    let intro = ["What kind of thing is to hold a token, and what holds for its tokens."];
    Ok(form_page(frame, &intro, fields_of(form, typed), faults))
}

/// The marks of each kind of client, in words.
fn marks() -> Vec<(&'static str, String)> {
    let of_kind = |kind: ClientKind| {
        let marks = MARKS.iter().filter(|(_, each)| *each == kind);
        marks.map(|(mark, _)| mark.trim()).collect::<Vec<_>>().join(", ")
    };
    ClientKind::ALL.map(|(kind, word)| (word, of_kind(kind))).to_vec()
}

/// `POST /setup/device-types/{name}/bearer`
pub(crate) async fn set_bearer(
    visit: Visit,
    Administrator(session): Administrator,
    InPath(name): InPath<String>,
    posted: Posted,
) -> Answer {
    let form = posted.by_session(&visit, &session, &["bearer"])?;
    let (bearer, done) = match form.text("bearer") {
        Some("on") => (BearerUse::Allowed, Done::BearerSwitchedOn),
        Some("off") => (BearerUse::OneHalf, Done::BearerSwitchedOff),
        Some(_) | None => {
            return Err(Failure::Unreadable("It says neither on nor off.".to_owned()));
        }
    };
    let name = DeviceType::parse(&name).map_err(|_| Failure::NoSuchPage)?;
    let actor = Actor::User(session.user);
    device_types::set(&visit.ctx, actor, &name, |rules| rules.bearer = bearer).await?;
    Ok(see_other(&done.at(PATH)))
}

fn row(device_type: DeviceTypeView, profiles: &[ProfileView], csrf: &str) -> Row {
    let (button, to) = match device_type.rules.bearer {
        BearerUse::Allowed => ("Switch Off", "off"),
        BearerUse::OneHalf => ("Switch On", "on"),
    };
    let switch = FormView::new(format!("{PATH}/{}/bearer", device_type.name), csrf, button)
        .hidden("bearer", to)
        .about(format!("bearer use of {}", device_type.name))
        .tone(Tone::Quiet);
    let holders = match &device_type.rules.holders {
        Holders::Everybody => "everybody".to_owned(),
        some @ Holders::Profiles(_) => holder_names(some, profiles).join(", "),
    };
    let path = format!("{PATH}/{}", device_type.name);
    Row { device_type, holders, path, switch }
}
