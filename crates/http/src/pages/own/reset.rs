//! Reset My Security Token: what a reset does and what it will break, before it is asked for.

use askama::Template;
use http::StatusCode;
use symbolon_app::{reset, tokens};
use symbolon_core::reset::Scope;

use crate::pages::own::token_card::TokenCard;
use crate::pages::view::frame::Frame;
use crate::pages::view::moment::moment;
use crate::pages::web::access::LoggedIn;
use crate::pages::web::answer::{Answer, Page};
use crate::pages::web::visit::Visit;

/// Where the page is.
pub(crate) const PATH: &str = "/setup/reset-security-token";

#[derive(Template)]
#[template(path = "reset.html")]
struct ResetPage {
    frame: Frame,
    masked_address: String,
    live: Vec<TokenCard>,
    obstacle: Option<&'static str>,
    remark: Option<&'static str>,
}

impl Page for ResetPage {
    fn frame(&self) -> &Frame {
        &self.frame
    }
}

/// `GET /setup/reset-security-token`
pub(crate) async fn show(visit: Visit, LoggedIn(session): LoggedIn) -> Answer {
    let frame = Frame::for_session(&visit, &session, "Reset My Security Token").await?;
    let all = tokens::of_user(&visit.ctx, session.user).await?;
    let now = visit.ctx.clock.now();
    let page = ResetPage {
        frame,
        masked_address: session.email.masked(),
        live: all
            .into_iter()
            .map(|token| TokenCard::new(token, now))
            .filter(TokenCard::is_live)
            .collect(),
        obstacle: reset::obstacle(&visit.ctx, session.user, Scope::Account).await?,
        remark: reset::remark(&visit.ctx, session.user).await?,
    };
    Ok(page.answer(StatusCode::OK))
}
