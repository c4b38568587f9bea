//! API clients: programs that may ask this authority. A client's secret is shown once, when it is
//! made, and only its digest is kept.

use std::str::FromStr;

use askama::Template;
use http::StatusCode;
use symbolon_app::Actor;
use symbolon_app::clients::{self, ClientView};
use symbolon_app::context::Switch;
use symbolon_app::sessions::LiveSession;
use symbolon_core::id::{Client, Id};
use symbolon_core::names::DisplayName;
use symbolon_core::secret::ClientSecret;
use symbolon_wire::form::Form;

use crate::pages::view::done::Done;
use crate::pages::view::faults::{Faults, of_app};
use crate::pages::view::form::{Control, Field, FormView, Tone};
use crate::pages::view::form_page::form_page;
use crate::pages::view::frame::{Frame, nonce_of};
use crate::pages::view::moment::moment;
use crate::pages::web::access::Administrator;
use crate::pages::web::answer::{Answer, Page, see_other};
use crate::pages::web::failure::Failure;
use crate::pages::web::in_path::InPath;
use crate::pages::web::posted::Posted;
use crate::pages::web::visit::Visit;

const PATH: &str = "/setup/clients";

#[derive(Template)]
#[template(path = "clients.html")]
struct ClientsPage {
    frame: Frame,
    clients: Vec<ClientView>,
    form: FormView,
}

#[derive(Template)]
#[template(path = "new_client.html")]
struct NewClientPage {
    frame: Frame,
    name: String,
    id: Id<Client>,
    secret: ClientSecret,
}

impl Page for ClientsPage {
    fn frame(&self) -> &Frame {
        &self.frame
    }
}

impl Page for NewClientPage {
    fn frame(&self) -> &Frame {
        &self.frame
    }
}

/// `GET /setup/clients`
pub(crate) async fn show(visit: Visit, Administrator(session): Administrator) -> Answer {
    page(&visit, &session, None, Faults::none(), StatusCode::OK).await
}

/// `POST /setup/clients`: answers with the secret itself, which a redirect could not carry.
pub(crate) async fn add(
    visit: Visit,
    Administrator(session): Administrator,
    posted: Posted,
) -> Answer {
    let form = posted.by_session(&visit, &session, &["name", "password_grant"])?;
    let mut faults = Faults::none();
    if let Some(name) = faults.read(&form, "name", "Name", DisplayName::parse) {
        let grant = match form.text("password_grant") {
            Some("yes") => Switch::On,
            Some(_) | None => Switch::Off,
        };
        match clients::add(&visit.ctx, Actor::User(session.user), name.clone(), grant).await {
            Ok(new) => {
                let page = NewClientPage {
                    frame: Frame::for_session(&visit, &session, "API Client Added").await?,
                    name: name.as_str().to_owned(),
                    id: new.id,
                    secret: new.secret,
                };
                return Ok(page.answer(StatusCode::CREATED));
            }
            Err(error) => faults = of_app(error, "")?,
        }
    }
    page(&visit, &session, Some(&form), faults, StatusCode::UNPROCESSABLE_ENTITY).await
}

/// `GET /setup/clients/{client}/remove`
pub(crate) async fn show_remove(
    visit: Visit,
    Administrator(session): Administrator,
    InPath(client): InPath<String>,
) -> Answer {
    let client = client_of(&visit, &client).await?;
    let frame = Frame::for_session(&visit, &session, "Remove API Client").await?;
    let action = format!("{PATH}/{}/remove", client.id);
    let form = FormView::new(action, &nonce_of(&visit.ctx.keys, &session), "Remove")
        .tone(Tone::Grave)
        .cancel(PATH);
    let intro = format!(
        "{} ({}) can ask this authority nothing any more. This cannot be undone; a new client gets a new secret.",
        client.name, client.id
    );
    Ok(form_page(frame, &[&intro], form, Faults::none()))
}

/// `POST /setup/clients/{client}/remove`
pub(crate) async fn remove(
    visit: Visit,
    Administrator(session): Administrator,
    InPath(client): InPath<String>,
    posted: Posted,
) -> Answer {
    posted.by_session(&visit, &session, &[])?;
    let client = client_of(&visit, &client).await?;
    clients::remove(&visit.ctx, Actor::User(session.user), client.id).await?;
    Ok(see_other(&Done::ClientRemoved.at(PATH)))
}

async fn client_of(visit: &Visit, id: &str) -> Result<ClientView, Failure> {
    let id = Id::<Client>::from_str(id).map_err(|_| Failure::NoSuchPage)?;
    let all = clients::list(&visit.ctx).await?;
    all.into_iter().find(|client| client.id == id).ok_or(Failure::NoSuchPage)
}

async fn page(
    visit: &Visit,
    session: &LiveSession,
    typed: Option<&Form>,
    faults: Faults,
    status: StatusCode,
) -> Answer {
    let frame = Frame::for_session(visit, session, "API Clients").await?;
    let name = typed.and_then(|form| form.text("name")).unwrap_or_default();
    // On is the default of the command line too: unmodified Salesforce clients log in by it.
    let grant = typed.map_or("yes", |form| form.text("password_grant").unwrap_or_default());
    let form = FormView::new(PATH, &nonce_of(&visit.ctx.keys, session), "Add Client")
        .field(Field::new("name", "Name", Control::Text).value(name))
        .field(
            Field::new(
                "password_grant",
                "May log users in by password (OAuth password grant)",
                Control::Check,
            )
            .hint("For existing Salesforce clients. New programs do better without.")
            .value(grant),
        )
        .with(&faults);
    let clients = clients::list(&visit.ctx).await?;
    Ok(ClientsPage { frame: frame.with_faults(faults), clients, form }.answer(status))
}
