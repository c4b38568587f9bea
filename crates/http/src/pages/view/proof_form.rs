//! The form by which somebody proves himself: at a log-in, and before a sensitive change.
//!
//! It offers what the user has and nothing else, with one button; whichever field is filled in counts.

use symbolon_app::challenges::{Entered, Ways};
use symbolon_app::{Ctx, passkeys};
use symbolon_core::letter::LetterState;
use symbolon_core::secret::{Credential, TypedCode};
use symbolon_wire::Presented;
use symbolon_wire::form::Form;

use crate::pages::view::form::{Control, Field, FormView};
use crate::pages::web::local_path::LocalPath;
use crate::pages::web::posted::take_password;

/// The fields that the form may send.
pub(crate) const FIELDS: [&str; 4] = ["code", "security_token", "password", "then"];

/// Why a token does not do, and who can change that.
const NO_TOKEN: &str = "Your profile demands a second factor, and a security token is none. An administrator can \
                        lift the demand in the profile.";
/// Said of the button where no field can be filled in.
const NOTHING_TO_ENTER: &str =
    "You have no authenticator app and no recovery code: use your passkey.";

/// The form that posts to `action`, for whoever can prove himself in these ways. A field that the profile
/// forbids stays in sight, disabled, with the rule.
pub(crate) fn proof_form(
    action: &str,
    nonce: &str,
    ways: Ways,
    asked: Asked,
    then: Option<&LocalPath>,
) -> FormView {
    let codes = ways.factors.authenticator || ways.factors.recovery_code || asked == Asked::Mailed;
    let code = || {
        Field::new("code", "Verification Code", Control::Code)
            .hint(code_hint(ways))
            .autocomplete("one-time-code")
    };
    let token = Field::password("security_token", "Security Token", "off")
        .hint("A security token of yours, from its mail.");
    let password = || {
        Field::password("password", "Current Password", "current-password")
            .hint("No mail server is configured here, so your password will do.")
    };
    let (token, forbidden) =
        if ways.token { (Some(token), None) } else { (None, Some(token.forbidden(NO_TOKEN))) };
    let fields = [codes.then(code), token, ways.password.then(password)];
    let fields: Vec<Field> = fields.into_iter().flatten().collect();
    let form = FormView::new(action, nonce, "Verify");
    let form = match fields.len() {
        0 => form.obstacle(Some(NOTHING_TO_ENTER)),
        1 => fields.into_iter().fold(form, FormView::field),
        _ => fields
            .into_iter()
            .map(Field::one_of_several)
            .fold(form.lead("Enter one of these."), FormView::field),
    };
    with_then(forbidden.into_iter().fold(form, FormView::field), then)
}

/// The button that leads to the page on which the browser is asked for a passkey, where the user has one.
pub(crate) fn passkey_button(
    ctx: &Ctx,
    action: &str,
    nonce: &str,
    ways: Ways,
    then: Option<&LocalPath>,
) -> Option<FormView> {
    let form = FormView::new(action, nonce, "Use a Passkey").obstacle(passkeys::obstacle(ctx));
    ways.factors.passkey.then(|| with_then(form, then))
}

/// Keeps where the form leads.
pub(crate) fn with_then(form: FormView, then: Option<&LocalPath>) -> FormView {
    match then {
        Some(then) => form.hidden("then", then.as_str()),
        None => form,
    }
}

/// Whether a code was mailed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    /// It was.
    Mailed,
    /// It was not.
    NotYet,
}

/// What was entered, and where it leads.
pub(crate) fn take_entered(form: &mut Form) -> (Entered, Option<LocalPath>) {
    let then = form.text("then").and_then(LocalPath::parse);
    let mut take = |name: &str| {
        let typed: Option<Presented> = form.take(name);
        typed.map(|typed| typed.reveal().to_owned()).unwrap_or_default()
    };
    let code = TypedCode::new(take("code"));
    let token = Credential::new(take("security_token"));
    (Entered { code, token, password: take_password(form, "password") }, then)
}

/// Where the code comes from that is asked for.
fn code_hint(ways: Ways) -> &'static str {
    match (ways.factors.authenticator, ways.factors.recovery_code, ways.mail) {
        (true, true, _) => "Six digits from your authenticator app, or one of your recovery codes.",
        (true, false, _) => "Six digits from your authenticator app.",
        (false, true, true) => "Six digits from the mail, or one of your recovery codes.",
        (false, true, false) => "One of your recovery codes.",
        (false, false, _) => "Six digits from the mail.",
    }
}

/// What is said before a change where no code was mailed, for too many were asked for in this session or network.
pub(crate) const NOT_MAILED: &str = "No further code is mailed now; too many were asked for. Try again in a \
     quarter of an hour, or use a security token.";
/// The same at a log-in, where it may be the day's total that is full. Nothing of who asked for them.
pub(crate) const NOT_MAILED_AT_LOGIN: &str = "No further code is mailed now; too many were asked for. Try again \
     later, log in from a browser in which you have proved yourself before, or use a security token.";

/// Where a mailed code is, in whole sentences.
pub(crate) fn mail_words(address: &str, state: LetterState) -> String {
    match state {
        LetterState::Waiting | LetterState::Leased => {
            format!("A code is on its way to {address}. That takes moments.")
        }
        LetterState::HandedOver => {
            format!("A code was mailed to {address}. If it does not come, look in the spam folder.")
        }
        LetterState::Refused | LetterState::TooOld => format!(
            "The mail to {address} was refused. Paste a security token, or tell your administrator."
        ),
        LetterState::Superseded => {
            format!("The mail to {address} was not sent, for a newer one took its place.")
        }
    }
}
