//! What administrators do to one user.

use symbolon_app::delivery;
use symbolon_app::openpgp;
use symbolon_app::owner_freeze;
use symbolon_app::reset::{self, ResetError};
use symbolon_app::second_factors;
use symbolon_app::sessions::LiveSession;
use symbolon_app::users::{self, UserView};
use symbolon_app::{Actor, AppError, breakage, tokens};
use symbolon_core::factor::FactorKinds;
use symbolon_core::names::DeviceType;
use symbolon_core::reset::Scope;

use crate::pages::admin::removal::{self, Removal};
use crate::pages::admin::user::{
    OWN_FACTORS, OWN_FREEZE, OWN_REMOVAL, OWN_TOKEN, path_of, refuse_on_oneself,
};
use crate::pages::admin::users::PATH as USERS;
use crate::pages::own::reset_confirm::{device_type_of, scope_of, with_scope, word_of};
use crate::pages::view::done::Done;
use crate::pages::view::faults::{Faults, of_app, sentence};
use crate::pages::view::form::{Control, Field, FormView, Tone};
use crate::pages::view::form_page::{form_page, reset_form_page};
use crate::pages::view::frame::{Frame, nonce_of};
use crate::pages::view::scopes::ScopesTable;
use crate::pages::web::access::Administrator;
use crate::pages::web::answer::{Answer, see_other};
use crate::pages::web::failure::Failure;
use crate::pages::web::in_path::InPath;
use crate::pages::web::posted::Posted;
use crate::pages::web::pressed::Pressed;
use crate::pages::web::visit::Visit;

/// Longest reason that is noted for an administrator's reset.
const REASON_LENGTH: usize = 200;

/// `POST /setup/users/{username}/freeze`
pub(crate) async fn freeze(pressed: Pressed) -> Answer {
    refuse_on_oneself(&pressed, OWN_FREEZE).await?;
    let outcome = users::freeze(&pressed.visit.ctx, pressed.actor(), &pressed.named).await;
    back_to(&pressed.named, Done::UserFrozen, outcome)
}

/// `POST /setup/users/{username}/unfreeze`
pub(crate) async fn unfreeze(pressed: Pressed) -> Answer {
    let outcome = users::unfreeze(&pressed.visit.ctx, pressed.actor(), &pressed.named).await;
    back_to(&pressed.named, Done::UserUnfrozen, outcome)
}

/// `POST /setup/users/{username}/unfreeze-tokens`
pub(crate) async fn unfreeze_tokens(pressed: Pressed) -> Answer {
    let outcome = owner_freeze::lift_for(&pressed.visit.ctx, pressed.actor(), &pressed.named).await;
    back_to(&pressed.named, Done::UserTokensUnfrozen, outcome)
}

/// `POST /setup/users/{username}/unlock`
pub(crate) async fn unlock(pressed: Pressed) -> Answer {
    let outcome = users::unlock(&pressed.visit.ctx, pressed.actor(), &pressed.named).await;
    back_to(&pressed.named, Done::UserUnlocked, outcome)
}

/// `POST /setup/users/{username}/remove-openpgp-key`
pub(crate) async fn remove_openpgp_key(pressed: Pressed) -> Answer {
    let ctx = &pressed.visit.ctx;
    let outcome = openpgp::set_for(ctx, pressed.actor(), &pressed.named, None).await;
    back_to(&pressed.named, Done::UserKeyRemoved, outcome)
}

/// `GET /setup/users/{username}/remove`
pub(crate) async fn show_remove(
    visit: Visit,
    Administrator(session): Administrator,
    InPath(username): InPath<String>,
) -> Answer {
    let user = users::show(&visit.ctx, &username).await?;
    let here = path_of(user.username.as_str());
    let meaning = format!(
        "{} ({}) will be gone: every security token stops working at once, every session ends, and mail that waits for \
         them is not sent. This cannot be undone.",
        user.name, user.username
    );
    let removal = Removal {
        title: "Remove User",
        thing: here.clone(),
        meaning: &meaning,
        rule: (user.id == session.user).then_some(OWN_REMOVAL),
        back: &here,
    };
    removal::ask(&visit, &session, removal).await
}

/// `POST /setup/users/{username}/remove`
pub(crate) async fn remove(pressed: Pressed) -> Answer {
    refuse_on_oneself(&pressed, OWN_REMOVAL).await?;
    users::remove(&pressed.visit.ctx, pressed.actor(), &pressed.named).await?;
    Ok(see_other(&Done::UserRemoved.at(USERS)))
}

/// `GET /setup/users/{username}/reset-second-factors`
pub(crate) async fn show_reset_factors(
    visit: Visit,
    Administrator(session): Administrator,
    InPath(username): InPath<String>,
) -> Answer {
    let user = users::show(&visit.ctx, &username).await?;
    let kinds = second_factors::list(&visit.ctx, user.id).await?.kinds;
    let frame = Frame::for_session(&visit, &session, "Reset a User’s Second Factors").await?;
    let here = path_of(user.username.as_str());
    let rule = if user.id == session.user {
        Some(OWN_FACTORS)
    } else {
        (kinds == FactorKinds::NONE).then_some("The user has no second factor.")
    };
    let action = format!("{here}/reset-second-factors");
    let form = FormView::new(action, &nonce_of(&visit.ctx.keys, &session), "Reset Second Factors")
        .tone(Tone::Grave)
        .obstacle(rule)
        .cancel(here);
    let intro = format!(
        "Every authenticator app, passkey and recovery code of {} ({}) ends. Do this only for somebody whom you have \
         recognised: whoever knows the password is let in more easily afterwards. The user is told by mail.",
        user.name, user.username
    );
    Ok(form_page(frame, &[&intro], form, Faults::none()))
}

/// `POST /setup/users/{username}/reset-second-factors`
pub(crate) async fn reset_factors(pressed: Pressed) -> Answer {
    refuse_on_oneself(&pressed, OWN_FACTORS).await?;
    let (ctx, actor) = (&pressed.visit.ctx, pressed.actor());
    let outcome = second_factors::removal::remove_all_of(ctx, actor, &pressed.named).await;
    back_to(&pressed.named, Done::SecondFactorsReset, outcome)
}

/// `GET /setup/users/{username}/reset-security-token`
pub(crate) async fn show_reset(
    visit: Visit,
    Administrator(session): Administrator,
    InPath(username): InPath<String>,
) -> Answer {
    let user = users::show(&visit.ctx, &username).await?;
    let typed = [word_of(Scope::Account), "any", ""];
    reset_page(&visit, &session, &user, typed, Faults::none()).await
}

/// `POST /setup/users/{username}/reset-security-token`
pub(crate) async fn reset_token(
    visit: Visit,
    Administrator(session): Administrator,
    InPath(username): InPath<String>,
    posted: Posted,
) -> Answer {
    let form = posted.by_session(&visit, &session, &["scope", "device_type", "reason"])?;
    let user = users::show(&visit.ctx, &username).await?;
    if user.id == session.user {
        return Err(Failure::Forbidden(OWN_TOKEN));
    }
    let text = |name| form.text(name).unwrap_or_default();
    let reason = text("reason").trim();
    let mut faults = Faults::none();
    let scope = scope_of(text("scope"));
    if scope.is_none() {
        faults.add("scope", "Choose which earlier tokens end.");
    }
    let offers = tokens::offers(&visit.ctx, user.id).await?;
    let device_type = device_type_of(&offers, text("device_type"));
    if device_type.is_none() {
        faults.add("device_type", "Choose one of the device types.");
    }
    if reason.chars().count() > REASON_LENGTH || reason.chars().any(char::is_control) {
        faults.add("reason", format!("Use at most {REASON_LENGTH} characters on one line."));
    }
    if let (Some(scope), Some(device_type), true) = (scope, device_type, faults.0.is_empty()) {
        let reason = Some(reason).filter(|reason| !reason.is_empty());
        let actor = Actor::User(session.user);
        match reset::reset_for(&visit.ctx, actor, &username, device_type, scope, reason).await {
            Ok(_) => {
                visit.front.metrics.count_reset();
                return Ok(see_other(&Done::TokenReset.at(&path_of(&username))));
            }
            Err(error) => faults = faults_of(error)?,
        }
    }
    let typed = [text("scope"), text("device_type"), reason];
    reset_page(&visit, &session, &user, typed, faults).await
}

async fn reset_page(
    visit: &Visit,
    session: &LiveSession,
    user: &UserView,
    [scope, device_type, reason]: [&str; 3],
    faults: Faults,
) -> Answer {
    let frame = Frame::for_session(visit, session, "Reset a User’s Security Token").await?;
    let obstacle = if user.id == session.user {
        Some(OWN_TOKEN.to_owned())
    } else {
        reset::obstacle(&visit.ctx, user.id, Scope::Account).await?.map(sentence)
    };
    let of_one_type = reset::obstacle(&visit.ctx, user.id, Scope::DeviceType).await?;
    let here = path_of(user.username.as_str());
    let csrf = nonce_of(&visit.ctx.keys, session);
    let form = FormView::new(format!("{here}/reset-security-token"), &csrf, "Reset Security Token");
    let offers = tokens::offers(&visit.ctx, user.id).await?;
    let form = with_scope(form, &offers, scope, device_type, of_one_type.as_deref())
        .obstacle(obstacle)
        .field(
            Field::new("reason", "Reason", Control::Text)
                .hint("Noted in the audit trail.")
                .value(reason)
                .optional(),
        )
        .cancel(here);
    let intro = format!(
        "For {} ({}). The new token is mailed to {}; neither you nor anybody else sees it. The earlier tokens that \
         you choose here stop working at once.",
        user.name,
        user.username,
        delivery::address(&visit.ctx, user.id).await?.masked()
    );
    let (scope, any) = (Scope::Account, DeviceType::any());
    let breakage = breakage::of_own(&visit.ctx, user.id, scope, &any).await?;
    Ok(reset_form_page(frame, &intro, form, faults, ScopesTable::new(breakage)))
}

fn faults_of(error: ResetError) -> Result<Faults, Failure> {
    match error {
        ResetError::Forbidden(rule) => Ok(Faults::one("", sentence(rule))),
        ResetError::App(error) => of_app(error, ""),
        // An administrator's reset asks for no password of the user.
        ResetError::WrongPassword(_) => Err(Failure::AdministratorsOnly),
    }
}

fn back_to(username: &str, done: Done, outcome: Result<(), AppError>) -> Answer {
    outcome?;
    Ok(see_other(&done.at(&path_of(username))))
}
