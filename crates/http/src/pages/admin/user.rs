//! One user, as administrators see and change them. What cannot be done now stays in sight, with
//! the rule.

use askama::Template;
use http::StatusCode;
use symbolon_app::openpgp::{self, KeyView};
use symbolon_app::sessions::LiveSession;
use symbolon_app::tokens::{self, TokenState, TokenView};
use symbolon_app::users::{self, UserView};
use symbolon_app::{Rule, reset, second_factors};
use symbolon_core::factor::FactorKinds;
use symbolon_core::judge::FrozenBy;
use symbolon_core::policy::MailEncryption;
use symbolon_core::reset::Scope;

use crate::pages::admin::user_sessions::sessions_of;
use crate::pages::admin::users::{Badges, PATH, badges};
use crate::pages::own::openpgp::described;
use crate::pages::view::faults::sentence;
use crate::pages::view::form::{FormView, Tone};
use crate::pages::view::frame::{Frame, nonce_of};
use crate::pages::view::moment::moment;
use crate::pages::web::access::Administrator;
use crate::pages::web::answer::{Answer, Page};
use crate::pages::web::failure::Failure;
use crate::pages::web::in_path::InPath;
use crate::pages::web::pressed::Pressed;
use crate::pages::web::visit::Visit;

/// Tokens shown on a user's page.
const TOKENS: i64 = 50;

/// Why administrators do not reset their own second factors: that would be a way around their duty.
pub(super) const OWN_FACTORS: &str =
    "These are your own: remove them under Second Factors, or ask another administrator.";

/// Refuses by `rule` what an administrator does to himself.
pub(super) async fn refuse_on_oneself(
    pressed: &Pressed,
    rule: &'static str,
) -> Result<(), Failure> {
    let user = users::show(&pressed.visit.ctx, &pressed.named).await?;
    if user.id == pressed.session.user { Err(Failure::Forbidden(rule)) } else { Ok(()) }
}

/// Why administrators do not reset their own token here: it would go without their current password.
pub(super) const OWN_TOKEN: &str =
    "This is your own: use Reset My Security Token, which asks for your current password.";
/// Why administrators do not freeze themselves.
pub(super) const OWN_FREEZE: &str = "You cannot freeze yourself: another administrator can.";
/// Why administrators do not remove themselves.
pub(super) const OWN_REMOVAL: &str = "You cannot remove yourself: another administrator can.";

/// What can be done to a user: a form, and what it means.
struct Action {
    title: &'static str,
    meaning: &'static str,
    form: FormView,
}

#[derive(Template)]
#[template(path = "user.html")]
struct UserPage {
    frame: Frame,
    user: UserView,
    badges: Badges,
    openpgp_key: Option<String>,
    sessions: String,
    history: String,
    tokens: Vec<TokenView>,
    actions: Vec<Action>,
}

impl Page for UserPage {
    fn frame(&self) -> &Frame {
        &self.frame
    }
}

/// `GET /setup/users/{username}`
pub(crate) async fn show(
    visit: Visit,
    Administrator(session): Administrator,
    InPath(username): InPath<String>,
) -> Answer {
    let user = users::show(&visit.ctx, &username).await?;
    let factors = second_factors::list(&visit.ctx, user.id).await?.kinds;
    let spared = users::why_spared(&visit.ctx, &user).await?.map(sentence);
    let key = openpgp::of_user(&visit.ctx, user.id).await?;
    let page = UserPage {
        frame: Frame::for_session(&visit, &session, user.username.as_str()).await?,
        tokens: tokens::list(&visit.ctx, Some(user.username.as_str()), TOKENS, None).await?,
        actions: actions(
            &user,
            factors,
            (&key, reset::obstacle(&visit.ctx, user.id, Scope::Account).await?),
            spared,
            &session,
            &nonce_of(&visit.ctx.keys, &session),
        ),
        badges: badges(&user),
        openpgp_key: key.key.as_ref().map(described),
        sessions: sessions_of(user.username.as_str()),
        history: history_of(user.username.as_str()),
        user,
    };
    Ok(page.answer(StatusCode::OK))
}

fn history_of(username: &str) -> String {
    let username: String = form_urlencoded::byte_serialize(username.as_bytes()).collect();
    format!("/setup/all-login-history?username={username}")
}

/// Where a user's page is.
pub(crate) fn path_of(username: &str) -> String {
    format!("{PATH}/{username}")
}

fn actions(
    user: &UserView,
    factors: FactorKinds,
    (key, reset_rule): (&KeyView, Option<Rule>),
    spared: Option<String>,
    session: &LiveSession,
    csrf: &str,
) -> Vec<Action> {
    let here = path_of(user.username.as_str());
    let post = |verb: &str, button| FormView::new(format!("{here}/{verb}"), csrf, button);
    let lead = |verb: &str, button| FormView::leading_to(format!("{here}/{verb}"), button);
    let frozen = user.frozen_at.is_some();
    let himself = user.id == session.user;
    vec![
        Action {
            title: "Reset security token",
            meaning: "Retires the user’s tokens and mails a new one to the user. You never see it.",
            form: lead("reset-security-token", "Reset Security Token")
                .tone(Tone::Quiet)
                .obstacle(rule(&[
                    (himself, OWN_TOKEN),
                    (frozen, "The user is frozen: unfreeze first."),
                    (!user.activated, "The invitation is not accepted yet: there is no password that a token could complement."),
                ]).map(Rule::from).or(reset_rule)),
        },
        Action {
            title: "Reset second factors",
            meaning: "Removes the authenticator apps, passkeys and recovery codes of a user who has lost them. The user is told by mail.",
            form: lead("reset-second-factors", "Reset Second Factors").tone(Tone::Grave).obstacle(
                rule(&[
                    (himself, OWN_FACTORS),
                    (factors == FactorKinds::NONE, "The user has no second factor."),
                ]),
            ),
        },
        Action {
            title: "Remove OpenPGP key",
            meaning: match key.encryption {
                MailEncryption::Optional => "Mail with a token goes to the user unencrypted from then on. The user is told by mail.",
                MailEncryption::Required => "The profile demands a key: without one no token of the user can be reset. The user is told by mail.",
            },
            form: post("remove-openpgp-key", "Remove OpenPGP Key")
                .tone(Tone::Grave)
                .obstacle(rule(&[(key.key.is_none(), "The user has no OpenPGP key.")])),
        },
        Action {
            title: "Change profile",
            meaning: "Puts the user under another policy, at once.",
            form: lead("profile", "Change Profile").tone(Tone::Quiet),
        },
        Action {
            title: "Freeze",
            meaning: "Ends every session at once and refuses every login until you unfreeze. Nothing is lost.",
            form: post("freeze", "Freeze").tone(Tone::Quiet).obstacle(spared.clone().or_else(|| {
                let rules = [
                    (himself, OWN_FREEZE),
                    (frozen, "The user is frozen already."),
                ];
                rule(&rules).map(str::to_owned)
            })),
        },
        Action {
            title: "Unfreeze",
            meaning: "Lets the user log in again.",
            form: post("unfreeze", "Unfreeze")
                .tone(Tone::Quiet)
                .obstacle(rule(&[(!frozen, "The user is not frozen.")])),
        },
        Action {
            title: "Unfreeze tokens",
            meaning: "Lets the user’s tokens be accepted again, as the user may under My Personal Information. The user is told by mail.",
            form: post("unfreeze-tokens", "Unfreeze Tokens")
                .tone(Tone::Quiet)
                .obstacle(rule(&[(user.tokens_frozen.is_none(), "The tokens are not frozen.")])),
        },
        Action {
            title: "Unlock",
            // Known places are locked apart, so that a user may be locked out of one and of nothing else.
            meaning: "Ends every lockout of the user before its time: of strangers, of known places and of codes.",
            form: post("unlock", "Unlock").tone(Tone::Quiet),
        },
        Action {
            title: "Remove",
            meaning: "Ends every token, session and link for good. The username becomes free.",
            form: lead("remove", "Remove").tone(Tone::Grave).obstacle(spared.or_else(|| {
                let rules = [(himself, OWN_REMOVAL)];
                rule(&rules).map(str::to_owned)
            })),
        },
    ]
}

/// The first rule that holds.
fn rule(rules: &[(bool, &'static str)]) -> Option<&'static str> {
    rules.iter().find(|(holds, _)| *holds).map(|(_, rule)| *rule)
}
