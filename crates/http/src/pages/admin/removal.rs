//! The question before something is removed for good: what that means, the button, the way back.

use symbolon_app::sessions::LiveSession;

use crate::pages::view::faults::{Faults, sentence};
use crate::pages::view::form::{FormView, Tone};
use crate::pages::view::form_page::form_page;
use crate::pages::view::frame::{Frame, nonce_of};
use crate::pages::web::answer::Answer;
use crate::pages::web::visit::Visit;

/// What is to be removed.
pub(super) struct Removal<'a> {
    /// The page's heading.
    pub(super) title: &'static str,
    /// Where the thing is; the form goes to `remove` below it.
    pub(super) thing: String,
    /// What it means that it is gone.
    pub(super) meaning: &'a str,
    /// The rule that forbids it, if one does.
    pub(super) rule: Option<&'static str>,
    /// The page that it is removed from.
    pub(super) back: &'a str,
}

/// Asks.
pub(super) async fn ask(visit: &Visit, session: &LiveSession, removal: Removal<'_>) -> Answer {
    let Removal { title, thing, meaning, rule, back } = removal;
    let frame = Frame::for_session(visit, session, title).await?;
    let nonce = nonce_of(&visit.ctx.keys, session);
    let form = FormView::new(format!("{thing}/remove"), &nonce, "Remove")
        .tone(Tone::Grave)
        .obstacle(rule.map(sentence))
        .cancel(back);
    Ok(form_page(frame, &[meaning], form, Faults::none()))
}
