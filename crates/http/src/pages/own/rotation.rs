//! Rotation of one's own token: a new one, while the old one lives on for a while; and its cancelling.

use std::time::Duration;

use symbolon_app::Actor;
use symbolon_app::delivery;
use symbolon_app::login::Head;
use symbolon_app::reset::ResetError;
use symbolon_app::rotation::{self, OwnRotation, Which};
use symbolon_app::sessions::LiveSession;
use symbolon_app::tokens::{self, TokenView};
use symbolon_core::device_type::{LONGEST_OVERLAP, USUAL_OVERLAP};
use symbolon_core::id::{Id, Token};

use crate::pages::own::personal_forms::{current_password, wrong_password};
use crate::pages::own::reset_confirm::{KEY_LENGTH, sound_key};
use crate::pages::own::token_card::NO_ROTATION;
use crate::pages::view::done::Done;
use crate::pages::view::faults::{Faults, of_app, sentence};
use crate::pages::view::form::{Control, Field, FormView, Tone};
use crate::pages::view::form_page::form_page;
use crate::pages::view::frame::{Frame, nonce_of};
use crate::pages::view::moment::plain;
use crate::pages::web::access::LoggedIn;
use crate::pages::web::answer::{Answer, see_other};
use crate::pages::web::failure::Failure;
use crate::pages::web::in_path::InPath;
use crate::pages::web::posted::{Posted, take_password};
use crate::pages::web::visit::Visit;

const PATH: &str = "/setup/tokens";
const HOUR: u64 = 3600;
const MOST_HOURS: u64 = LONGEST_OVERLAP.as_secs() / HOUR;

/// `GET /setup/tokens/{token}/rotate`
pub(crate) async fn show(
    visit: Visit,
    LoggedIn(session): LoggedIn,
    InPath(token): InPath<String>,
) -> Answer {
    let token = own_token(&visit, &session, &token).await?;
    let hours = (USUAL_OVERLAP.as_secs() / HOUR).to_string();
    page(&visit, &session, &token, &hours, Faults::none()).await
}

/// `POST /setup/tokens/{token}/rotate`
pub(crate) async fn rotate(
    visit: Visit,
    LoggedIn(session): LoggedIn,
    InPath(token): InPath<String>,
    posted: Posted,
) -> Answer {
    let fields = ["current_password", "overlap", "request_key"];
    let mut form = posted.by_session(&visit, &session, &fields)?;
    let current_password = take_password(&mut form, "current_password");
    let token = own_token(&visit, &session, &token).await?;
    let text = |name| form.text(name).unwrap_or_default().trim().to_owned();
    let (typed, request_key) = (text("overlap"), text("request_key"));
    let hours = typed.parse().ok().filter(|hours| (1..=MOST_HOURS).contains(hours));
    let Some(hours) = hours.filter(|_| sound_key(&request_key)) else {
        let faults = Faults::one("overlap", format!("Use a whole number from 1 to {MOST_HOURS}."));
        return page(&visit, &session, &token, &typed, faults).await;
    };
    let request = OwnRotation {
        user: session.user,
        current_password,
        device_type: token.device_type.clone(),
        overlap: Duration::from_secs(hours * HOUR),
        request_key,
        head: Head::Web,
        origin: visit.origin_of(&session),
    };
    match rotation::rotate_own(&visit.ctx, request).await {
        Ok(receipt) => {
            Ok(see_other(&format!("/setup/reset-security-token/receipt/{}", receipt.token)))
        }
        Err(error) => {
            let faults = faults_of(error)?;
            page(&visit, &session, &token, &typed, faults).await
        }
    }
}

async fn page(
    visit: &Visit,
    session: &LiveSession,
    token: &TokenView,
    hours: &str,
    faults: Faults,
) -> Answer {
    let frame = Frame::for_session(visit, session, "Rotate Security Token").await?;
    let rule = rotation::obstacle(&visit.ctx, session.user, &token.device_type).await?;
    let action = format!("{PATH}/{}/rotate", token.token);
    let form = FormView::new(action, &nonce_of(&visit.ctx.keys, session), "Rotate")
        .hidden("request_key", visit.ctx.chance.text(KEY_LENGTH))
        .field(current_password())
        .field(
            Field::new("overlap", "Hours of Overlap", Control::Number { least: 1, most: MOST_HOURS })
                .hint("How long the old token lives on at most. It ends earlier, when the new one is first used.")
                .value(hours),
        )
        .obstacle(rule.map(sentence))
        .cancel(PATH);
    let intro = format!(
        "A new token of device type {} is mailed to {}. The old one lives on until the new one is first used, or until \
         the overlap is over. If the old token may be in wrong hands, reset it instead: then it ends at once.",
        token.device_type,
        delivery::address(&visit.ctx, session.user).await?.masked()
    );
    Ok(form_page(frame, &[&intro], form, faults))
}

/// `GET /setup/tokens/{token}/cancel-rotation`
pub(crate) async fn show_cancel(
    visit: Visit,
    LoggedIn(session): LoggedIn,
    InPath(token): InPath<String>,
) -> Answer {
    let token = own_token(&visit, &session, &token).await?;
    cancel_page(&visit, &session, &token, Faults::none()).await
}

/// `POST /setup/tokens/{token}/cancel-rotation`
pub(crate) async fn cancel(
    visit: Visit,
    LoggedIn(session): LoggedIn,
    InPath(token): InPath<String>,
    posted: Posted,
) -> Answer {
    posted.by_session(&visit, &session, &[])?;
    let token = own_token(&visit, &session, &token).await?;
    let actor = Actor::User(session.user);
    match rotation::cancel(&visit.ctx, actor, session.user, Which::Of(token.token)).await {
        Ok(_) => Ok(see_other(&Done::RotationCancelled.at(PATH))),
        Err(error) => {
            let faults = faults_of(error)?;
            cancel_page(&visit, &session, &token, faults).await
        }
    }
}

async fn cancel_page(
    visit: &Visit,
    session: &LiveSession,
    token: &TokenView,
    faults: Faults,
) -> Answer {
    let frame = Frame::for_session(visit, session, "Cancel Rotation").await?;
    let action = format!("{PATH}/{}/cancel-rotation", token.token);
    let form = FormView::new(action, &nonce_of(&visit.ctx.keys, session), "Cancel Rotation")
        .tone(Tone::Grave)
        .obstacle(token.rotation.is_none().then_some(NO_ROTATION))
        .cancel(PATH);
    let intro = format!(
        "The new token of device type {} ends at once and for good; the old one goes on, and expires when it would have \
         without the rotation. Of the two you look at the one that was issued {}.",
        token.device_type,
        plain(token.issued_at)
    );
    Ok(form_page(frame, &[&intro], form, faults))
}

fn faults_of(error: ResetError) -> Result<Faults, Failure> {
    match error {
        ResetError::WrongPassword(refused) => {
            Ok(Faults::one("current_password", wrong_password(&refused)))
        }
        ResetError::Forbidden(rule) => Ok(Faults::one("", sentence(rule))),
        ResetError::App(error) => of_app(error, ""),
    }
}

/// The token of this id, if it is the session holder's own: others' are as if they were not.
pub(crate) async fn own_token(
    visit: &Visit,
    session: &LiveSession,
    id: &str,
) -> Result<TokenView, Failure> {
    let id: Id<Token> = id.parse().map_err(|_| Failure::NoSuchPage)?;
    Ok(tokens::one_of_user(&visit.ctx, session.user, id).await?)
}
