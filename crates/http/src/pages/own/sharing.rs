//! Sharing signals: what looks as if one's own tokens were shared, and everybody's to administrators; and
//! the way to say that it was a false alarm.

use std::str::FromStr;

use askama::Template;
use http::StatusCode;
use symbolon_app::Actor;
use symbolon_app::sharing::{self, SignalView};
use symbolon_core::id::{Id, SharingSignal};

use crate::pages::view::done::Done;
use crate::pages::view::form::{FormView, Tone};
use crate::pages::view::frame::{Frame, nonce_of};
use crate::pages::view::moment::moment;
use crate::pages::web::access::LoggedIn;
use crate::pages::web::answer::{Answer, Page, see_other};
use crate::pages::web::failure::Failure;
use crate::pages::web::posted::Posted;
use crate::pages::web::visit::Visit;

const PATH: &str = "/setup/sharing-signals";
const SILENCES_ALL: &str = "It is about more areas than can be named. Called a false alarm, this rule says nothing \
                            more of any token of this user.";

struct Row {
    signal: SignalView,
    mark: FormView,
}

#[derive(Template)]
#[template(path = "sharing.html")]
struct SharingPage {
    frame: Frame,
    of_everybody: bool,
    rows: Vec<Row>,
}

impl Page for SharingPage {
    fn frame(&self) -> &Frame {
        &self.frame
    }
}

/// `GET /setup/sharing-signals`
pub(crate) async fn show(visit: Visit, LoggedIn(session): LoggedIn) -> Answer {
    let frame = Frame::for_session(&visit, &session, "Sharing Signals").await?;
    let csrf = nonce_of(&visit.ctx.keys, &session);
    let of_everybody = session.administrator;
    let signals = sharing::list(&visit.ctx, (!of_everybody).then_some(session.user)).await?;
    let rows = signals.into_iter().map(|signal| {
        let mark = mark_form(&signal, &csrf);
        Row { signal, mark }
    });
    let rows = rows.collect();
    Ok(SharingPage { frame, of_everybody, rows }.answer(StatusCode::OK))
}

/// The button that calls `signal` a false alarm.
pub(crate) fn mark_form(signal: &SignalView, csrf: &str) -> FormView {
    let rule = signal.false_alarm.is_some().then_some("It is marked as a false alarm already.");
    // There is no way back, so it is said beside the button.
    let lead = if signal.subject.is_about_many() && rule.is_none() { SILENCES_ALL } else { "" };
    FormView::new(PATH, csrf, "Mark as False Alarm")
        .lead(lead)
        .tone(Tone::Quiet)
        .hidden("signal", signal.id.to_string())
        .about(format!("signal {}", signal.id))
        .obstacle(rule)
}

/// `POST /setup/sharing-signals`
pub(crate) async fn mark(visit: Visit, LoggedIn(session): LoggedIn, posted: Posted) -> Answer {
    let form = posted.by_session(&visit, &session, &["signal"])?;
    let signal = form.text("signal").unwrap_or_default();
    let signal = Id::<SharingSignal>::from_str(signal).map_err(|_| Failure::NoSuchPage)?;
    let of = (!session.administrator).then_some(session.user);
    sharing::mark_false_alarm(&visit.ctx, Actor::User(session.user), of, signal).await?;
    Ok(see_other(&Done::FalseAlarmMarked.at(PATH)))
}
