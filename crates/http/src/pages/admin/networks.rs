//! Trusted networks: address ranges from which an API login needs no security token.

use std::str::FromStr;

use askama::Template;
use http::StatusCode;
use symbolon_app::Actor;
use symbolon_app::networks::{self, NetworkView};
use symbolon_app::sessions::LiveSession;
use symbolon_core::id::{Id, Network as NetworkKind};
use symbolon_core::names::DisplayName;
use symbolon_core::network::Network;
use symbolon_wire::form::Form;

use crate::pages::admin::removal::{self, Removal};
use crate::pages::view::done::Done;
use crate::pages::view::faults::{Faults, of_app};
use crate::pages::view::form::{Control, Field, FormView};
use crate::pages::view::frame::{Frame, nonce_of};
use crate::pages::view::moment::moment;
use crate::pages::web::access::Administrator;
use crate::pages::web::answer::{Answer, Page, see_other};
use crate::pages::web::failure::Failure;
use crate::pages::web::in_path::InPath;
use crate::pages::web::posted::Posted;
use crate::pages::web::pressed::Pressed;
use crate::pages::web::visit::Visit;

const PATH: &str = "/setup/networks";

#[derive(Template)]
#[template(path = "networks.html")]
struct NetworksPage {
    frame: Frame,
    networks: Vec<NetworkView>,
    form: FormView,
}

impl Page for NetworksPage {
    fn frame(&self) -> &Frame {
        &self.frame
    }
}

/// `GET /setup/networks`
pub(crate) async fn show(visit: Visit, Administrator(session): Administrator) -> Answer {
    page(&visit, &session, None, Faults::none(), StatusCode::OK).await
}

/// `POST /setup/networks`
pub(crate) async fn add(
    visit: Visit,
    Administrator(session): Administrator,
    posted: Posted,
) -> Answer {
    let form = posted.by_session(&visit, &session, &["range", "label"])?;
    let mut faults = Faults::none();
    let range = Network::parse(form.text("range").unwrap_or_default().trim());
    if let Err(fault) = &range {
        faults.add("range", format!("Address range {fault}."));
    }
    let label = match form.text("label").unwrap_or_default().trim() {
        "" => None,
        _ => faults.read(&form, "label", "Label", DisplayName::parse),
    };
    if let (Ok(range), true) = (range, faults.0.is_empty()) {
        match networks::add(&visit.ctx, Actor::User(session.user), range, label).await {
            Ok(_) => return Ok(see_other(&Done::NetworkAdded.at(PATH))),
            Err(error) => faults = of_app(error, "")?,
        }
    }
    page(&visit, &session, Some(&form), faults, StatusCode::UNPROCESSABLE_ENTITY).await
}

/// `GET /setup/networks/{network}/remove`
pub(crate) async fn show_remove(
    visit: Visit,
    Administrator(session): Administrator,
    InPath(network): InPath<String>,
) -> Answer {
    let network = network_of(&visit, &network).await?;
    let meaning = format!(
        "Clients in {} that log in without a security token will be refused from then on.",
        network.range
    );
    let removal = Removal {
        title: "Remove Trusted Network",
        thing: format!("{PATH}/{}", network.id),
        meaning: &meaning,
        rule: None,
        back: PATH,
    };
    removal::ask(&visit, &session, removal).await
}

/// `POST /setup/networks/{network}/remove`
pub(crate) async fn remove(pressed: Pressed) -> Answer {
    let network = network_of(&pressed.visit, &pressed.named).await?;
    networks::remove(&pressed.visit.ctx, pressed.actor(), network.range).await?;
    Ok(see_other(&Done::NetworkRemoved.at(PATH)))
}

async fn network_of(visit: &Visit, id: &str) -> Result<NetworkView, Failure> {
    let id = Id::<NetworkKind>::from_str(id).map_err(|_| Failure::NoSuchPage)?;
    let all = networks::list(&visit.ctx).await?;
    all.into_iter().find(|network| network.id == id).ok_or(Failure::NoSuchPage)
}

async fn page(
    visit: &Visit,
    session: &LiveSession,
    typed: Option<&Form>,
    faults: Faults,
    status: StatusCode,
) -> Answer {
    let frame = Frame::for_session(visit, session, "Trusted Networks").await?;
    let typed = |name: &str| typed.and_then(|form| form.text(name)).unwrap_or_default();
    let form = FormView::new(PATH, &nonce_of(&visit.ctx.keys, session), "Add Network")
        .field(
            Field::new("range", "Address Range", Control::Text)
                .hint("For example 10.1.0.0/16, 2001:db8::/32, or a single address.")
                .value(typed("range")),
        )
        .field(Field::new("label", "Label", Control::Text).value(typed("label")).optional())
        .with(&faults);
    let networks = networks::list(&visit.ctx).await?;
    Ok(NetworksPage { frame: frame.with_faults(faults), networks, form }.answer(status))
}
