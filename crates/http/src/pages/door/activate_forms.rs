//! What the page of each kind of single-use link says and asks for.

use symbolon_app::links::{LinkKind, LinkView};
use symbolon_core::password::MIN_LENGTH;
use symbolon_core::policy::PasswordPolicy;

use crate::pages::view::form::{Control, Field, FormView, Tone};

/// The kind that a link's path names.
pub(crate) fn kind_of_word(word: &str) -> Option<LinkKind> {
    match word {
        "setup" => Some(LinkKind::Setup),
        "invitation" => Some(LinkKind::Invitation),
        "recovery" => Some(LinkKind::PasswordRecovery),
        "address-old" => Some(LinkKind::AddressChangeOld),
        "address-new" => Some(LinkKind::AddressChangeNew),
        "freeze" => Some(LinkKind::FreezeTokens),
        _ => None,
    }
}

/// The heading of the page.
pub(crate) fn heading(kind: LinkKind) -> &'static str {
    match kind {
        LinkKind::Setup => "Set Up This Server",
        LinkKind::Invitation => "Choose Your Password",
        LinkKind::PasswordRecovery => "Choose a New Password",
        LinkKind::AddressChangeOld => "Agree to a New Email Address",
        LinkKind::AddressChangeNew => "Confirm Your New Email Address",
        LinkKind::FreezeTokens => "Freeze My Security Tokens",
    }
}

/// What the page says before its form.
pub(crate) fn intro(kind: LinkKind, link: &LinkView) -> String {
    let whose = link.username.as_ref().map_or("your account", |name| name.as_str());
    match kind {
        LinkKind::Setup => {
            "This link makes one new administrator: choose a username and a password.".to_owned()
        }
        LinkKind::Invitation => {
            format!("You were invited as {whose}. Choose a password to log in with.")
        }
        LinkKind::PasswordRecovery => format!(
            "For {whose}. With the new password every security token of the account is retired and every \
             session ended."
        ),
        LinkKind::AddressChangeOld => format!(
            "Somebody who is logged in as {whose} asked for mail to go to another address. If that was you, \
             confirm. If not, do nothing here, change your password and tell an administrator."
        ),
        LinkKind::AddressChangeNew => {
            format!("Confirm that mail for {whose} may come to this address.")
        }
        LinkKind::FreezeTokens => format!(
            "This stops every security token of {whose} at once and ends every session. Nothing is lost: after \
             logging in you lift the freeze, or reset the token."
        ),
    }
}

/// What to do where a link of this kind no longer works.
pub(crate) fn advice(kind: LinkKind) -> &'static str {
    match kind {
        LinkKind::Setup => {
            "Setup links work once, for 30 minutes. Whoever runs this server gets a new one with the command \
             “symbolon recover-admin”."
        }
        LinkKind::Invitation => {
            "It was used already, is too old, or was not copied whole. If you have a password, log in; if not, ask \
             an administrator to invite you again."
        }
        LinkKind::PasswordRecovery => {
            "It was used already, is older than 15 minutes, or was not copied whole. Ask for a new one under “Forgot \
             your password?” on the login page."
        }
        LinkKind::AddressChangeOld | LinkKind::AddressChangeNew => {
            "It was used already, is too old, or was not copied whole. My Personal Information in Setup says where \
             the change stands; there you can also ask for it again."
        }
        LinkKind::FreezeTokens => {
            "It was used already, is too old, or was not copied whole. If you fear for your security token, log in and \
             reset it: that retires every earlier one at once."
        }
    }
}

/// The fields that a form of this kind may send.
pub(crate) fn fields(kind: LinkKind) -> &'static [&'static str] {
    match kind {
        LinkKind::Setup => &["username", "name", "email", "password", "confirm_password"],
        LinkKind::Invitation => &["password", "confirm_password"],
        LinkKind::PasswordRecovery => &["new_password", "confirm_password"],
        LinkKind::AddressChangeOld | LinkKind::AddressChangeNew | LinkKind::FreezeTokens => &[],
    }
}

/// The form of the page, with the `rules` of a password that is chosen there; `typed` yields what was typed before, never a password.
pub(crate) fn form(
    kind: LinkKind,
    rules: PasswordPolicy,
    action: &str,
    nonce: &str,
    typed: impl Fn(&str) -> String,
) -> FormView {
    match kind {
        LinkKind::Setup => {
            let text = |name, label, control, autocomplete| {
                Field::new(name, label, control).value(typed(name)).autocomplete(autocomplete)
            };
            FormView::new(action, nonce, "Create Administrator")
                .field(text("username", "Username", Control::Text, "username"))
                .field(text("name", "Name", Control::Text, "name"))
                .field(text("email", "Email Address", Control::Email, "email"))
                .field(new_password("password", "Password", rules))
                .field(again("Confirm Password"))
        }
        LinkKind::Invitation => FormView::new(action, nonce, "Save")
            .field(new_password("password", "Password", rules))
            .field(again("Confirm Password")),
        LinkKind::PasswordRecovery => FormView::new(action, nonce, "Save")
            .field(new_password("new_password", "New Password", rules))
            .field(again("Confirm New Password")),
        LinkKind::AddressChangeOld | LinkKind::AddressChangeNew => {
            FormView::new(action, nonce, "Confirm")
        }
        LinkKind::FreezeTokens => {
            FormView::new(action, nonce, "Freeze my tokens").tone(Tone::Grave)
        }
    }
}

/// The field of a new password, with the rules of its user's profile.
pub(crate) fn new_password(
    name: &'static str,
    label: &'static str,
    rules: PasswordPolicy,
) -> Field {
    let kinds = match rules.kinds {
        0 | 1 => String::new(),
        kinds => format!(
            " Characters of at least {kinds} of these kinds: lower-case letters, upper-case letters, digits, \
             others."
        ),
    };
    Field::password(name, label, "new-password").hint(format!(
        "At least {} characters, not easy to guess: a few uncommon words do well. Every character counts, \
         spaces too.{kinds}",
        rules.min_length.max(MIN_LENGTH)
    ))
}

/// The field of the second typing.
pub(crate) fn again(label: &'static str) -> Field {
    Field::password("confirm_password", label, "new-password")
}
