//! The confirm page of a reset: the current password, the scope, *Save*.
//!
//! The form carries a key of its own request, so that a double click, a reload or the back button
//! yields the reset that was already made and not another.

use symbolon_app::breakage;
use symbolon_app::delivery;
use symbolon_app::login::Head;
use symbolon_app::reset::{self, OwnReset, ResetError};
use symbolon_app::sessions::LiveSession;
use symbolon_app::tokens::{self, Offer};
use symbolon_core::names::DeviceType;
use symbolon_core::reset::Scope;
use symbolon_wire::form::Form;

use crate::answer::tell_revision;
use crate::pages::own::personal_forms::{current_password, wrong_password};
use crate::pages::own::reset::PATH;
use crate::pages::view::faults::{Faults, of_app, sentence};
use crate::pages::view::form::{Choice, Control, Field, FormView};
use crate::pages::view::form_page::reset_form_page;
use crate::pages::view::frame::{Frame, nonce_of};
use crate::pages::view::scopes::ScopesTable;
use crate::pages::web::access::LoggedIn;
use crate::pages::web::answer::{Answer, see_other};
use crate::pages::web::posted::{Posted, take_password};
use crate::pages::web::visit::Visit;

/// Characters in the key of a request.
pub(crate) const KEY_LENGTH: usize = 32;

/// What the first device types are, for people; those that administrators add go by their names alone.
const KNOWN: [(&str, &str); 5] = [
    ("any", "any: wherever you need it"),
    ("desktop", "desktop: a program on your computer"),
    ("mobile", "mobile: a phone or tablet"),
    ("server", "server: an integration that runs by itself"),
    ("command-line", "command-line: scripts and tools"),
];

/// What was chosen so far.
struct Chosen {
    scope: String,
    device_type: String,
    request_key: String,
}

/// `GET /setup/reset-security-token/confirm`
pub(crate) async fn show(visit: Visit, LoggedIn(session): LoggedIn) -> Answer {
    let chosen = Chosen {
        scope: visit.query("scope").unwrap_or(word_of(Scope::Account)).to_owned(),
        device_type: visit.query("device_type").unwrap_or(DeviceType::any().as_str()).to_owned(),
        request_key: visit.ctx.chance.text(KEY_LENGTH),
    };
    page(&visit, &session, &chosen, Faults::none()).await
}

/// `POST /setup/reset-security-token/confirm`
pub(crate) async fn save(visit: Visit, LoggedIn(session): LoggedIn, posted: Posted) -> Answer {
    let fields = ["current_password", "scope", "device_type", "request_key"];
    let mut form = posted.by_session(&visit, &session, &fields)?;
    let current_password = take_password(&mut form, "current_password");
    let chosen = Chosen {
        scope: text(&form, "scope"),
        device_type: text(&form, "device_type"),
        request_key: text(&form, "request_key"),
    };
    let mut faults = Faults::none();
    let scope = scope_of(&chosen.scope);
    if scope.is_none() {
        faults.add("scope", "Choose which earlier tokens end.");
    }
    let offers = tokens::offers(&visit.ctx, session.user).await?;
    let device_type = device_type_of(&offers, &chosen.device_type);
    if device_type.is_none() {
        faults.add("device_type", "Choose one of the device types.");
    }
    if !sound_key(&chosen.request_key) {
        faults.add("", "The form was incomplete. Send it once more.");
    }
    let (Some(scope), Some(device_type), true) = (scope, device_type, faults.0.is_empty()) else {
        let request_key = visit.ctx.chance.text(KEY_LENGTH);
        return page(&visit, &session, &Chosen { request_key, ..chosen }, faults).await;
    };
    let request = OwnReset {
        user: session.user,
        current_password,
        scope,
        device_type,
        request_key: chosen.request_key.clone(),
        head: Head::Web,
        origin: visit.origin_of(&session),
    };
    match reset::reset_own(&visit.ctx, request).await {
        Ok(receipt) => {
            let answer = see_other(&format!("{PATH}/receipt/{}", receipt.token));
            if receipt.fresh {
                visit.front.metrics.count_reset();
            }
            Ok(tell_revision(answer, receipt.revision))
        }
        Err(error) => refused(&visit, &session, &chosen, error).await,
    }
}

async fn refused(
    visit: &Visit,
    session: &LiveSession,
    chosen: &Chosen,
    error: ResetError,
) -> Answer {
    let faults = match error {
        ResetError::WrongPassword(refused) => {
            Faults::one("current_password", wrong_password(&refused))
        }
        ResetError::Forbidden(rule) => Faults::one("", sentence(rule)),
        ResetError::App(error) => of_app(error, "")?,
    };
    page(visit, session, chosen, faults).await
}

async fn page(visit: &Visit, session: &LiveSession, chosen: &Chosen, faults: Faults) -> Answer {
    let frame = Frame::for_session(visit, session, "Reset Security Token").await?;
    let obstacle = reset::obstacle(&visit.ctx, session.user, Scope::Account).await?;
    let of_one_type = reset::obstacle(&visit.ctx, session.user, Scope::DeviceType).await?;
    let form =
        FormView::new(format!("{PATH}/confirm"), &nonce_of(&visit.ctx.keys, session), "Save")
            .hidden("request_key", &*chosen.request_key)
            .field(current_password());
    let offers = tokens::offers(&visit.ctx, session.user).await?;
    let form =
        with_scope(form, &offers, &chosen.scope, &chosen.device_type, of_one_type.as_deref())
            .obstacle(obstacle.map(sentence))
            .cancel(PATH);
    let intro = format!(
        "The new token is mailed to {}. The earlier tokens that you choose here stop working at the moment you press Save.",
        delivery::address(&visit.ctx, session.user).await?.masked()
    );
    let (scope, any) = (Scope::Account, DeviceType::any());
    let breakage = breakage::of_own(&visit.ctx, session.user, scope, &any).await?;
    Ok(reset_form_page(frame, &intro, form, faults, ScopesTable::new(breakage)))
}

fn scopes(of_one_type: Option<&str>) -> Vec<Choice> {
    vec![
        Choice::new(word_of(Scope::Account), "Every earlier token of the account")
            .note("Right if you do not know where a token has got to."),
        Choice::new(word_of(Scope::DeviceType), "Only the token of the chosen device type")
            .note("Your other tokens go on working.")
            .forbidden(of_one_type.map(sentence)),
    ]
}

/// The word that stands for a scope in forms.
pub(crate) fn word_of(scope: Scope) -> &'static str {
    match scope {
        Scope::Account => "account",
        Scope::DeviceType => "device-type",
    }
}

/// The scope that a form names.
pub(crate) fn scope_of(word: &str) -> Option<Scope> {
    [Scope::Account, Scope::DeviceType].into_iter().find(|scope| word_of(*scope) == word)
}

/// The device type that a form names, if it is one that the user may hold a token of.
pub(crate) fn device_type_of(offers: &[Offer], word: &str) -> Option<DeviceType> {
    let allowed = offers.iter().filter(|offer| offer.obstacle.is_none());
    allowed.map(|offer| &offer.device_type).find(|name| name.as_str() == word).cloned()
}

/// Adds the fields for scope and device type: for administrators' resets as well. `of_one_type` is what
/// forbids a reset of one device type alone.
pub(crate) fn with_scope(
    form: FormView,
    offers: &[Offer],
    scope: &str,
    device_type: &str,
    of_one_type: Option<&str>,
) -> FormView {
    let choice = |offer: &Offer| {
        let name = offer.device_type.as_str();
        let label = KNOWN.iter().find(|(known, _)| *known == name).map_or(name, |(_, label)| label);
        let label = match offer.obstacle {
            Some(_) => format!("{label} (not allowed)"),
            None => label.to_owned(),
        };
        Choice::new(name, &label).forbidden(offer.obstacle)
    };
    let device_types = Control::Select(offers.iter().map(choice).collect());
    let rules = offers.iter().filter_map(|offer| {
        offer.obstacle.map(|rule| format!("{}: {}", offer.device_type, sentence(rule)))
    });
    let device_type = Field::new("device_type", "Device Type", device_types)
        .hint("What will hold the new token.")
        .value(device_type);
    form.field(
        Field::new("scope", "Which earlier tokens end", Control::Radio(scopes(of_one_type)))
            .value(scope),
    )
    .field(rules.fold(device_type, |field, rule| field.more_hint(&rule)))
}

/// Whether the key of a request is one of ours.
pub(crate) fn sound_key(key: &str) -> bool {
    (16..=64).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

fn text(form: &Form, name: &str) -> String {
    form.text(name).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use symbolon_core::device_type::DeviceRules;

    use super::*;

    #[test]
    fn only_offered_scopes_and_device_types_are_taken() {
        let offer = |name, obstacle| Offer {
            device_type: DeviceType::parse(name).unwrap(),
            rules: DeviceRules::default(),
            obstacle,
        };
        let offers = [offer("kiosk", None), offer("server", Some("forbidden"))];

        assert_eq!(scope_of("account"), Some(Scope::Account));
        assert_eq!(scope_of("everything"), None);
        assert_eq!(device_type_of(&offers, "kiosk").unwrap().as_str(), "kiosk");
        assert!(device_type_of(&offers, "server").is_none());
        assert!(device_type_of(&offers, "toaster").is_none());
    }
}
