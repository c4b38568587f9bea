//! API clients: programs that may ask this authority. A secret is shown once, when it is made, and only
//! its digest is kept; a client may have several, so that a new one is rolled out before the old one ends.

use std::str::FromStr;

use askama::Template;
use http::StatusCode;
use symbolon_app::Actor;
use symbolon_app::clients::{
    self, ClientView, LAST_SECRET, MOST_SECRETS, SecretView, TOO_MANY_SECRETS,
};
use symbolon_app::context::Switch;
use symbolon_app::sessions::LiveSession;
use symbolon_core::id::{Client, Id};
use symbolon_core::names::DisplayName;
use symbolon_core::secret::ClientSecret;
use symbolon_wire::form::Form;

use crate::pages::admin::removal::{self, Removal};
use crate::pages::view::done::Done;
use crate::pages::view::faults::{Faults, of_app, sentence};
use crate::pages::view::form::{Control, Field, FormView, Tone};
use crate::pages::view::frame::{Frame, nonce_of};
use crate::pages::view::moment::moment;
use crate::pages::web::access::Administrator;
use crate::pages::web::answer::{Answer, Page, see_other};
use crate::pages::web::failure::Failure;
use crate::pages::web::in_path::InPath;
use crate::pages::web::posted::Posted;
use crate::pages::web::pressed::Pressed;
use crate::pages::web::visit::Visit;

const PATH: &str = "/setup/clients";

#[derive(Template)]
#[template(path = "clients.html")]
struct ClientsPage {
    frame: Frame,
    clients: Vec<Row>,
    form: FormView,
}

/// A client, with what can be done to it.
struct Row {
    client: ClientView,
    secrets: Vec<SecretRow>,
    add_secret: FormView,
    remove: FormView,
}

/// One of a client's secrets.
struct SecretRow {
    secret: SecretView,
    remove: FormView,
}

/// A secret that was just made.
#[derive(Template)]
#[template(path = "new_secret.html")]
struct NewSecretPage {
    frame: Frame,
    lead: String,
    client: Id<Client>,
    secret: ClientSecret,
}

impl Page for ClientsPage {
    fn frame(&self) -> &Frame {
        &self.frame
    }
}

impl Page for NewSecretPage {
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
                let page = NewSecretPage {
                    frame: Frame::for_session(&visit, &session, "API Client Added").await?,
                    lead: format!("{name} may now ask this authority."),
                    client: new.id,
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
    let meaning = format!(
        "{} ({}) can ask this authority nothing any more. This cannot be undone; a new client gets a new secret.",
        client.name, client.id
    );
    let removal = Removal {
        title: "Remove API Client",
        thing: path_of(client.id),
        meaning: &meaning,
        rule: None,
        back: PATH,
    };
    removal::ask(&visit, &session, removal).await
}

/// `POST /setup/clients/{client}/remove`
pub(crate) async fn remove(pressed: Pressed) -> Answer {
    let client = client_of(&pressed.visit, &pressed.named).await?;
    clients::remove(&pressed.visit.ctx, pressed.actor(), client.id).await?;
    Ok(see_other(&Done::ClientRemoved.at(PATH)))
}

/// `POST /setup/clients/{client}/secrets`: answers with the secret itself, as `add` does.
pub(crate) async fn add_secret(pressed: Pressed) -> Answer {
    let client = client_of(&pressed.visit, &pressed.named).await?;
    match clients::add_secret(&pressed.visit.ctx, pressed.actor(), client.id).await {
        Ok(new) => {
            let page = NewSecretPage {
                frame: Frame::for_session(&pressed.visit, &pressed.session, "Secret Added").await?,
                lead: format!(
                    "{} has a further secret. The others are accepted as before: remove the old one once the client \
                     uses this one.",
                    client.name
                ),
                client: client.id,
                secret: new.secret,
            };
            Ok(page.answer(StatusCode::CREATED))
        }
        Err(error) => {
            let faults = of_app(error, "")?;
            page(&pressed.visit, &pressed.session, None, faults, StatusCode::UNPROCESSABLE_ENTITY)
                .await
        }
    }
}

/// `GET /setup/clients/{client}/secrets/{secret}/remove`
pub(crate) async fn show_remove_secret(
    visit: Visit,
    Administrator(session): Administrator,
    InPath((client, secret)): InPath<(String, String)>,
) -> Answer {
    let client = client_of(&visit, &client).await?;
    let secret = secret_of(&client, &secret)?;
    let meaning = format!(
        "{} is refused from then on wherever it still uses the secret {}. This cannot be undone.",
        client.name, secret.id
    );
    let removal = Removal {
        title: "Remove Secret",
        thing: path_of_secret(&client, secret),
        meaning: &meaning,
        rule: rule_of_removal(&client),
        back: PATH,
    };
    removal::ask(&visit, &session, removal).await
}

/// `POST /setup/clients/{client}/secrets/{secret}/remove`
pub(crate) async fn remove_secret(pressed: Pressed<(String, String)>) -> Answer {
    let (client, secret) = &pressed.named;
    let client = client_of(&pressed.visit, client).await?;
    let secret = secret_of(&client, secret)?.id;
    clients::remove_secret(&pressed.visit.ctx, pressed.actor(), client.id, secret).await?;
    Ok(see_other(&Done::ClientSecretRemoved.at(PATH)))
}

fn path_of(client: Id<Client>) -> String {
    format!("{PATH}/{client}")
}

fn path_of_secret(client: &ClientView, secret: &SecretView) -> String {
    format!("{}/secrets/{}", path_of(client.id), secret.id)
}

/// Why none of a client's secrets can be removed now.
fn rule_of_removal(client: &ClientView) -> Option<&'static str> {
    (client.secrets.len() == 1).then_some(LAST_SECRET)
}

fn row(client: ClientView, csrf: &str) -> Row {
    let here = path_of(client.id);
    let full = client.secrets.len() >= MOST_SECRETS;
    let rule = rule_of_removal(&client).map(sentence);
    let secrets = client.secrets.iter().map(|secret| SecretRow {
        secret: secret.clone(),
        remove: FormView::leading_to(
            format!("{}/remove", path_of_secret(&client, secret)),
            "Remove",
        )
        .about(format!("secret {} of {}", secret.id, client.name))
        .tone(Tone::Quiet)
        .obstacle(rule.clone()),
    });
    Row {
        secrets: secrets.collect(),
        add_secret: FormView::new(format!("{here}/secrets"), csrf, "Add a Secret")
            .about(format!("to {}", client.name))
            .tone(Tone::Quiet)
            .obstacle(full.then(|| sentence(TOO_MANY_SECRETS))),
        remove: FormView::leading_to(format!("{here}/remove"), "Remove Client")
            .about(client.name.as_str())
            .tone(Tone::Quiet),
        client,
    }
}

fn secret_of<'a>(client: &'a ClientView, id: &str) -> Result<&'a SecretView, Failure> {
    let found = client.secrets.iter().find(|secret| secret.id.to_string() == id);
    found.ok_or(Failure::NoSuchPage)
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
    let csrf = nonce_of(&visit.ctx.keys, session);
    let form = FormView::new(PATH, &csrf, "Add Client")
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
    let clients = clients.into_iter().map(|client| row(client, &csrf)).collect();
    Ok(ClientsPage { frame: frame.with_faults(faults), clients, form }.answer(status))
}
