//! Forgotten passwords: the same answer for every name, known or not.

use symbolon_app::recovery;

use crate::pages::door::Tie;
use crate::pages::view::faults::Faults;
use crate::pages::view::form::{Control, Field, FormView};
use crate::pages::view::form_page::form_page;
use crate::pages::view::frame::Frame;
use crate::pages::view::message::message;
use crate::pages::web::answer::{Answer, see_other};
use crate::pages::web::posted::Posted;
use crate::pages::web::visit::Visit;

/// `GET /forgot-password`
pub(crate) async fn show(visit: Visit) -> Answer {
    if visit.query("asked").is_some() {
        let frame = Frame::for_visitor(&visit, "Look into your mail");
        let text = [
            "If there is an active user of that name, a link is on its way to the user’s email address. It works \
             once, for 15 minutes.",
            "No mail after a few minutes? Look in the spam folder, check the username and ask again, or tell an \
             administrator.",
        ];
        return Ok(message(frame, &text, Some(("/login", "Back to the login"))));
    }
    let tie = Tie::of(&visit);
    let form = FormView::new("/forgot-password", &tie.nonce(&visit), "Send Me a Link")
        .field(Field::new("username", "Username", Control::Text).autocomplete("username"))
        .cancel("/login");
    let intro = [
        "We mail you a link by which you choose a new password. With it every security token of yours is retired \
         and every session ended.",
    ];
    let frame = Frame::for_visitor(&visit, "Forgot Your Password?");
    Ok(tie.bind(&visit, form_page(frame, &intro, form, Faults::none())))
}

/// `POST /forgot-password`
pub(crate) async fn ask(visit: Visit, posted: Posted) -> Answer {
    let form = posted.by_visitor(&visit, &["username"])?;
    let username = form.text("username").unwrap_or_default();
    recovery::ask(&visit.ctx, username, &visit.origin).await?;
    Ok(see_other("/forgot-password?asked=yes"))
}
