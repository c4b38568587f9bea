//! Users: the list.

use askama::Template;
use http::StatusCode;
use symbolon_app::users::{self, UserView};

use crate::pages::view::frame::Frame;
use crate::pages::view::moment::moment;
use crate::pages::web::access::Administrator;
use crate::pages::web::answer::{Answer, Page};
use crate::pages::web::visit::Visit;

/// Where the list is; each user's page is below it.
pub(crate) const PATH: &str = "/setup/users";

const PAGE: usize = 100;

#[derive(Template)]
#[template(path = "users.html")]
struct UsersPage {
    frame: Frame,
    rows: Vec<(UserView, Badges)>,
    more: Option<String>,
}

impl Page for UsersPage {
    fn frame(&self) -> &Frame {
        &self.frame
    }
}

/// `GET /setup/users`
pub(crate) async fn show(visit: Visit, Administrator(session): Administrator) -> Answer {
    let frame = Frame::for_session(&visit, &session, "Users").await?;
    let limit = i64::try_from(PAGE + 1).unwrap_or(i64::MAX);
    let mut users = users::list(&visit.ctx, limit, visit.query("after")).await?;
    let more = users.len() > PAGE;
    users.truncate(PAGE);
    let last = users.last().filter(|_| more);
    let more = last.map(|last| {
        let last: String =
            form_urlencoded::byte_serialize(last.username.as_str().as_bytes()).collect();
        format!("{PATH}?after={last}")
    });
    let rows = users
        .into_iter()
        .map(|user| {
            let badges = badges(&user);
            (user, badges)
        })
        .collect();
    Ok(UsersPage { frame, rows, more }.answer(StatusCode::OK))
}

/// States as badges of the style sheet and words.
pub(crate) type Badges = Vec<(&'static str, &'static str)>;

/// A user's states.
pub(crate) fn badges(user: &UserView) -> Badges {
    let states = [
        (user.frozen_at.is_some(), "badge bad", "frozen"),
        (user.locked_until.is_some(), "badge bad", "locked out"),
        (user.tokens_frozen.is_some(), "badge bad", "tokens frozen"),
        (!user.activated, "badge going", "invited"),
        (user.administrator, "badge", "administrator"),
    ];
    states.into_iter().filter(|(holds, ..)| *holds).map(|(_, badge, word)| (badge, word)).collect()
}
