//! Second Factors: what one proves oneself with beside the password, and how each is added, renamed and
//! removed. What a rule forbids stays in sight, disabled, with the rule.

pub(crate) mod authenticators;
pub(crate) mod change;
pub(crate) mod recovery_codes;

use askama::Template;
use http::StatusCode;
use symbolon_app::second_factors::{self, enrolment, recovery, removal};
use symbolon_core::Timestamp;
use symbolon_core::policy::Duty;
use symbolon_core::recovery_code::FEW;

use self::change::FactorTable;
use crate::pages::own::passkeys;
use crate::pages::view::form::{FormView, Tone};
use crate::pages::view::frame::{Frame, nonce_of};
use crate::pages::view::moment::{counted, moment};
use crate::pages::web::access::LoggedIn;
use crate::pages::web::answer::{Answer, Page};
use crate::pages::web::visit::Visit;

/// Where the page is.
pub(crate) const PATH: &str = "/setup/second-factors";

#[derive(Template)]
#[template(path = "second_factors.html")]
struct SecondFactorsPage {
    frame: Frame,
    duty: Option<&'static str>,
    few_codes: Option<String>,
    authenticators: FactorTable,
    add_authenticator: FormView,
    passkeys: passkeys::Section,
    codes: String,
    codes_made_at: Option<Timestamp>,
    renew_codes: FormView,
}

impl Page for SecondFactorsPage {
    fn frame(&self) -> &Frame {
        &self.frame
    }
}

/// `GET /setup/second-factors`
pub(crate) async fn show(visit: Visit, LoggedIn(session): LoggedIn) -> Answer {
    let frame = Frame::for_session(&visit, &session, "Second Factors").await?;
    let nonce = nonce_of(&visit.ctx.keys, &session);
    let all = second_factors::list(&visit.ctx, session.user).await?;
    let left = all.recovery_codes.left;
    let add = FormView::new(format!("{PATH}/authenticators"), &nonce, "Add Authenticator App")
        .obstacle(enrolment::obstacle(all.authenticators.len()));
    let renew = FormView::leading_to(format!("{PATH}/recovery-codes"), "Make New Recovery Codes")
        .tone(Tone::Quiet)
        .obstacle(recovery::obstacle(all.kinds.any_real()));
    let passkeys = passkeys::section(&visit, &session, &all).await?;
    let rule = removal::app_obstacle(all.authenticators.len(), all.kinds, all.duty);
    let page = SecondFactorsPage {
        frame,
        passkeys,
        duty: duty_words(all.duty),
        few_codes: (all.kinds.any_real() && left <= FEW).then(|| few_codes(left)),
        codes: format!("{} left", counted(u64::from(left), "recovery code")),
        codes_made_at: all.recovery_codes.made_at,
        authenticators: FactorTable::of(&all.authenticators, rule),
        add_authenticator: add,
        renew_codes: renew,
    };
    Ok(page.answer(StatusCode::OK))
}

fn few_codes(left: u32) -> String {
    match left {
        0 => "You have no recovery code left. Make new ones, or a lost device keeps you out."
            .to_owned(),
        left => format!(
            "Only {} left. Make new ones before you run out, or a lost device keeps you out.",
            counted(u64::from(left), "recovery code")
        ),
    }
}

const fn duty_words(duty: Duty) -> Option<&'static str> {
    match duty {
        Duty::None => None,
        Duty::Web => Some("Your profile demands a second factor at every login on the web."),
        Duty::WebAndApi => Some(
            "Your profile demands a second factor at every login, on the web and at APIs. At APIs the code of \
             your authenticator app follows the password directly.",
        ),
    }
}
