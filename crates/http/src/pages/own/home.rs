//! The home of Setup: how one's own account stands.

use askama::Template;
use http::StatusCode;
use symbolon_app::tokens::{self, TokenState, TokenView};

use crate::pages::own::token_card::badge_of;
use crate::pages::view::frame::Frame;
use crate::pages::view::moment::{counted, moment};
use crate::pages::web::access::LoggedIn;
use crate::pages::web::answer::{Answer, Page};
use crate::pages::web::visit::Visit;

#[derive(Template)]
#[template(path = "setup_home.html")]
struct HomePage {
    frame: Frame,
    name: String,
    username: String,
    live: Vec<TokenView>,
    still_used: usize,
    still_used_words: String,
}

impl Page for HomePage {
    fn frame(&self) -> &Frame {
        &self.frame
    }
}

/// `GET /setup`
pub(crate) async fn show(visit: Visit, LoggedIn(session): LoggedIn) -> Answer {
    let frame = Frame::for_session(&visit, &session, "Setup").await?;
    let all = tokens::of_user(&visit.ctx, session.user).await?;
    let still_used = all.iter().filter(|token| still_tried(token)).count();
    let page = HomePage {
        frame,
        name: session.name.as_str().to_owned(),
        username: session.username.as_str().to_owned(),
        live: all.into_iter().filter(|token| !token.state.has_ended()).collect(),
        still_used,
        still_used_words: counted(still_used as u64, "retired token"),
    };
    Ok(page.answer(StatusCode::OK))
}

/// Whether some client has gone on with the token after it was retired: the uses of a retired token
/// are those that came later.
fn still_tried(token: &TokenView) -> bool {
    token.state == TokenState::Retired && !token.uses.is_empty()
}
