//! Tokens: one's own, what uses them, and the way to end one without a successor.

use askama::Template;
use http::StatusCode;
use symbolon_app::tokens;
use symbolon_app::{Actor, breakage, leaks, rotation, sharing};

use crate::pages::own::rotation::own_token;
use crate::pages::own::token_card::{HAS_ENDED, TokenCard, finder_words, seen_words};
use crate::pages::view::done::Done;
use crate::pages::view::faults::Faults;
use crate::pages::view::form::{FormView, Tone};
use crate::pages::view::form_page::form_page;
use crate::pages::view::frame::{Frame, nonce_of};
use crate::pages::view::moment::{counted, moment};
use crate::pages::web::access::LoggedIn;
use crate::pages::web::answer::{Answer, Page, see_other};
use crate::pages::web::in_path::InPath;
use crate::pages::web::posted::Posted;
use crate::pages::web::visit::Visit;

const PATH: &str = "/setup/tokens";

#[derive(Template)]
#[template(path = "tokens.html")]
struct TokensPage {
    frame: Frame,
    /// What those that have not ended are: a freeze holds for all of them.
    title: &'static str,
    live: Vec<TokenCard>,
    ended: Vec<TokenCard>,
}

impl Page for TokensPage {
    fn frame(&self) -> &Frame {
        &self.frame
    }
}

/// `GET /setup/tokens`
pub(crate) async fn show(visit: Visit, LoggedIn(session): LoggedIn) -> Answer {
    let frame = Frame::for_session(&visit, &session, "Tokens").await?;
    let mut outlooks = breakage::of_each_token(&visit.ctx, session.user).await?;
    let signals = sharing::list(&visit.ctx, Some(session.user)).await?;
    let leaks = leaks::of_user(&visit.ctx, session.user).await?;
    let csrf = nonce_of(&visit.ctx.keys, &session);
    let now = visit.ctx.clock.now();
    let (mut live, mut ended) = (Vec::new(), Vec::new());
    for token in tokens::of_user(&visit.ctx, session.user).await? {
        let at = outlooks.iter().position(|outlook| outlook.token == token.token);
        let outlook = at.map(|at| outlooks.swap_remove(at));
        let rule = if token.state.has_ended() {
            None
        } else {
            rotation::obstacle(&visit.ctx, session.user, &token.device_type).await?
        };
        let card = TokenCard::new(token, outlook, rule, now).with_dangers(&signals, &leaks, &csrf);
        if card.is_live() { live.push(card) } else { ended.push(card) }
    }
    let title = if live.iter().any(|card| card.token.freeze.is_some()) { "Frozen" } else { "Live" };
    Ok(TokensPage { frame, title, live, ended }.answer(StatusCode::OK))
}

/// `GET /setup/tokens/{token}/revoke`
pub(crate) async fn show_revoke(
    visit: Visit,
    LoggedIn(session): LoggedIn,
    InPath(token): InPath<String>,
) -> Answer {
    let token = own_token(&visit, &session, &token).await?;
    let frame = Frame::for_session(&visit, &session, "Revoke Security Token").await?;
    let rule = token.state.has_ended().then_some(HAS_ENDED);
    let action = format!("{PATH}/{}/revoke", token.token);
    let form = FormView::new(action, &nonce_of(&visit.ctx.keys, &session), "Revoke")
        .tone(Tone::Grave)
        .obstacle(rule)
        .cancel(PATH);
    let what = format!(
        "The token of device type {} ({}) ends at once and for good. No new one is made: for that, reset it instead.",
        token.device_type, token.token
    );
    let breaks = match token.uses.len() {
        0 => "No client has used it in the last 90 days.".to_owned(),
        clients => format!(
            "{} used it in the last 90 days and will be refused: {}.",
            counted(clients as u64, "client"),
            token
                .uses
                .iter()
                .map(|each| format!("{} at {}", each.client, each.source))
                .collect::<Vec<_>>()
                .join(", ")
        ),
    };
    let told = [what.as_str(), &breaks];
    // Of one that has ended there is nothing left to break.
    let told = if token.state.has_ended() { &told[..1] } else { &told[..] };
    Ok(form_page(frame, told, form, Faults::none()))
}

/// `POST /setup/tokens/{token}/revoke`
pub(crate) async fn revoke(
    visit: Visit,
    LoggedIn(session): LoggedIn,
    InPath(token): InPath<String>,
    posted: Posted,
) -> Answer {
    posted.by_session(&visit, &session, &[])?;
    let token = own_token(&visit, &session, &token).await?;
    tokens::revoke(&visit.ctx, Actor::User(session.user), token.token).await?;
    Ok(see_other(&Done::TokenRevoked.at(PATH)))
}
