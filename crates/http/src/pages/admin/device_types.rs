//! Device types: what may hold a token, and the switch that makes a token of each a whole credential.
//!
//! They are added on the command line.

use askama::Template;
use http::StatusCode;
use symbolon_app::Actor;
use symbolon_app::device_types::{self, DeviceTypeView};
use symbolon_core::names::DeviceType;
use symbolon_core::verification::BearerUse;

use crate::pages::view::done::Done;
use crate::pages::view::form::{FormView, Tone};
use crate::pages::view::frame::{Frame, nonce_of};
use crate::pages::view::moment::moment;
use crate::pages::web::access::Administrator;
use crate::pages::web::answer::{Answer, Page, see_other};
use crate::pages::web::failure::Failure;
use crate::pages::web::in_path::InPath;
use crate::pages::web::posted::Posted;
use crate::pages::web::visit::Visit;

const PATH: &str = "/setup/device-types";

#[derive(Template)]
#[template(path = "device_types.html")]
struct DeviceTypesPage {
    frame: Frame,
    rows: Vec<Row>,
}

struct Row {
    device_type: DeviceTypeView,
    switch: FormView,
}

impl Row {
    /// Whether a token is a whole credential.
    fn alone(&self) -> bool {
        self.device_type.rules.bearer == BearerUse::Allowed
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
    let all = device_types::list(&visit.ctx).await?;
    let rows = all.into_iter().map(|device_type| row(device_type, &csrf)).collect();
    Ok(DeviceTypesPage { frame, rows }.answer(StatusCode::OK))
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

fn row(device_type: DeviceTypeView, csrf: &str) -> Row {
    let (button, to) = match device_type.rules.bearer {
        BearerUse::Allowed => ("Switch Off", "off"),
        BearerUse::OneHalf => ("Switch On", "on"),
    };
    let switch = FormView::new(format!("{PATH}/{}/bearer", device_type.name), csrf, button)
        .hidden("bearer", to)
        .about(format!("bearer use of {}", device_type.name))
        .tone(Tone::Quiet);
    Row { device_type, switch }
}
