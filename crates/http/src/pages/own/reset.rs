//! Reset My Security Token: what a reset does and what it will break, before it is asked for.

use askama::Template;
use http::StatusCode;
use symbolon_app::breakage::{self, Outlook};
use symbolon_app::{Rule, delivery, reset};
use symbolon_core::names::DeviceType;
use symbolon_core::reset::Scope;

use crate::pages::own::token_card::UsesTable;
use crate::pages::view::frame::Frame;
use crate::pages::view::moment::{counted, moment};
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
    live: Vec<(Outlook, UsesTable)>,
    obstacle: Option<Rule>,
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
    let (scope, any) = (Scope::Account, DeviceType::any());
    let breakage = breakage::of_own(&visit.ctx, session.user, scope, &any).await?;
    let live: Vec<_> = breakage
        .tokens
        .into_iter()
        .map(|outlook| (outlook.clone(), UsesTable::of(outlook)))
        .collect();
    let page = ResetPage {
        frame,
        masked_address: delivery::address(&visit.ctx, session.user).await?.masked(),
        live,
        obstacle: reset::obstacle(&visit.ctx, session.user, Scope::Account).await?,
        remark: reset::remark(&visit.ctx, session.user).await?,
    };
    Ok(page.answer(StatusCode::OK))
}

/// How many sessions end with a token.
fn sessions(outlook: &Outlook) -> String {
    counted(outlook.open_sessions, "session")
}
