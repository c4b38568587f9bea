//! Add User: an invitation is mailed, so that nobody but the user ever knows the password.

use symbolon_app::Actor;
use symbolon_app::hashing::Asker;
use symbolon_app::profiles;
use symbolon_app::sessions::LiveSession;
use symbolon_app::users::{self, NewUser};
use symbolon_core::names::{DisplayName, EmailAddress, Username};
use symbolon_wire::form::Form;

use crate::pages::admin::users::PATH as USERS;
use crate::pages::view::done::Done;
use crate::pages::view::faults::{Faults, of_app};
use crate::pages::view::form::{Choice, Control, Field, FormView};
use crate::pages::view::form_page::form_page;
use crate::pages::view::frame::{Frame, nonce_of};
use crate::pages::web::access::Administrator;
use crate::pages::web::answer::{Answer, see_other};
use crate::pages::web::posted::Posted;
use crate::pages::web::visit::Visit;

const PATH: &str = "/setup/add-user";
const FIELDS: [&str; 5] = ["username", "name", "email", "profile", "administrator"];

/// `GET /setup/add-user`
pub(crate) async fn show(visit: Visit, Administrator(session): Administrator) -> Answer {
    page(&visit, &session, None, Faults::none()).await
}

/// `POST /setup/add-user`
pub(crate) async fn add(
    visit: Visit,
    Administrator(session): Administrator,
    posted: Posted,
) -> Answer {
    let form = posted.by_session(&visit, &session, &FIELDS)?;
    let mut faults = Faults::none();
    let username = faults.read(&form, "username", "Username", Username::parse);
    let name = match form.text("name").unwrap_or_default().trim() {
        "" => None,
        _ => faults.read(&form, "name", "Name", DisplayName::parse),
    };
    let email = faults.read(&form, "email", "Email Address", EmailAddress::parse);
    let (Some(username), Some(email), true) = (username, email, faults.0.is_empty()) else {
        return page(&visit, &session, Some(&form), faults).await;
    };
    let new = NewUser {
        username,
        email,
        name,
        profile: form.text("profile").filter(|name| !name.is_empty()).map(str::to_owned),
        administrator: form.text("administrator") == Some("yes"),
        password: None,
    };
    let (actor, asker) = (Actor::User(session.user), Asker::from(&visit.origin));
    match users::add(&visit.ctx, actor, asker, new).await {
        Ok(_) => Ok(see_other(&Done::UserAdded.at(USERS))),
        Err(error) => page(&visit, &session, Some(&form), of_app(error, "")?).await,
    }
}

async fn page(
    visit: &Visit,
    session: &LiveSession,
    typed: Option<&Form>,
    faults: Faults,
) -> Answer {
    let frame = Frame::for_session(visit, session, "Add User").await?;
    let profiles = profiles::list(&visit.ctx).await?;
    let own = profiles.iter().filter(|profile| profile.everybody_since.is_none());
    let profiles = own.map(|each| Choice::new(&each.name, &each.name)).collect();
    let typed = |name: &str| typed.and_then(|form| form.text(name)).unwrap_or_default();
    let form = FormView::new(PATH, &nonce_of(&visit.ctx.keys, session), "Add User")
        .field(
            Field::new("username", "Username", Control::Text)
                .hint("What the user logs in with: letters, digits and . _ @ + -")
                .value(typed("username")),
        )
        .field(Field::new("name", "Name", Control::Text).value(typed("name")).optional())
        .field(
            Field::new("email", "Email Address", Control::Email)
                .hint("The invitation and every security token go there.")
                .value(typed("email")),
        )
        .field(Field::new("profile", "Profile", Control::Select(profiles)).value(
            match typed("profile") {
                "" => "Standard",
                chosen => chosen,
            },
        ))
        .field(
            Field::new("administrator", "Administrator", Control::Check)
                .hint("May do everything under Administration.")
                .value(typed("administrator")),
        )
        .cancel(USERS);
    let intro =
        ["The user gets a mail with a link and chooses a password there. You never learn it."];
    Ok(form_page(frame, &intro, form, faults))
}
