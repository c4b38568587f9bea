//! Recovery codes: the question before new ones are made, and the one page that shows them, fit for printing.

use askama::Template;
use http::StatusCode;
use symbolon_app::second_factors::recovery::{self, RecoveryCodes};
use symbolon_app::second_factors::{self, Gains};
use symbolon_app::sessions::LiveSession;
use symbolon_core::Timestamp;
use symbolon_core::recovery_code::RecoveryCode;
use zeroize::Zeroizing;

use super::PATH;
use crate::pages::view::done::Done;
use crate::pages::view::faults::Faults;
use crate::pages::view::form::FormView;
use crate::pages::view::form_page::form_page;
use crate::pages::view::frame::{Frame, nonce_of};
use crate::pages::view::moment::moment;
use crate::pages::web::access::LoggedIn;
use crate::pages::web::answer::{Answer, Page, see_other};
use crate::pages::web::cookies;
use crate::pages::web::posted::Posted;
use crate::pages::web::visit::Visit;

#[derive(Template)]
#[template(path = "recovery_codes.html")]
struct CodesPage {
    frame: Frame,
    done: &'static str,
    username: String,
    made_at: Timestamp,
    codes: Vec<Zeroizing<String>>,
}

impl Page for CodesPage {
    fn frame(&self) -> &Frame {
        &self.frame
    }
}

/// `GET /setup/second-factors/recovery-codes`
pub(crate) async fn show(visit: Visit, LoggedIn(session): LoggedIn) -> Answer {
    let frame = Frame::for_session(&visit, &session, "Make New Recovery Codes").await?;
    let all = second_factors::list(&visit.ctx, session.user).await?;
    let nonce = nonce_of(&visit.ctx.keys, &session);
    let form = FormView::new(format!("{PATH}/recovery-codes"), &nonce, "Make New Recovery Codes")
        .obstacle(recovery::obstacle(all.kinds.any_real()))
        .cancel(PATH);
    let intro = [
        "Ten codes are made and shown once. Each of them stands in for your authenticator app or passkey one time, \
         when you do not have it at hand.",
        "The codes that you have now stop working, also those that were never used.",
    ];
    Ok(form_page(frame, &intro, form, Faults::none()))
}

/// `POST /setup/second-factors/recovery-codes`: answers with the codes themselves, which a redirect could not
/// carry.
pub(crate) async fn renew(visit: Visit, LoggedIn(session): LoggedIn, posted: Posted) -> Answer {
    posted.by_session(&visit, &session, &[])?;
    let codes = recovery::renew(&visit.ctx, session.user, &visit.origin).await?;
    answer_with(&visit, &session, "Your earlier recovery codes no longer work.", codes).await
}

/// Answers the addition of a second factor: with recovery codes if some have come with it. The browser is to
/// hold the new secret of the session.
pub(crate) async fn answer_to_gains(
    visit: &Visit,
    session: &LiveSession,
    (told, done): (&'static str, Done),
    gains: Gains,
) -> Answer {
    let mut response = match gains.codes {
        Some(codes) => answer_with(visit, session, told, codes).await?,
        None => see_other(&done.at(PATH)),
    };
    cookies::set_session(response.headers_mut(), &gains.session, visit.transport);
    Ok(response)
}

/// Shows codes that were just made; `done` tells what they have come with.
pub(crate) async fn answer_with(
    visit: &Visit,
    session: &LiveSession,
    done: &'static str,
    codes: RecoveryCodes,
) -> Answer {
    let page = CodesPage {
        frame: Frame::for_session(visit, session, "Your Recovery Codes").await?,
        done,
        username: session.username.to_string(),
        made_at: visit.ctx.clock.now(),
        codes: codes.0.iter().map(RecoveryCode::reveal).collect(),
    };
    Ok(page.answer(StatusCode::CREATED))
}
