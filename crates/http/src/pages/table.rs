//! Every page, with whom it admits.

use std::sync::LazyLock;

use axum::Extension;
use axum::handler::Handler;
use axum::routing::{self, MethodRouter};
use http::Method;

use crate::pages::web::access::WantsProof;
use crate::pages::web::in_path::InPath;
use crate::pages::web::visit::Visit;
use crate::pages::{admin, api_docs, assets, door, mailbox, own};
use crate::routes::{Admits, Proof, Route};
use crate::state::HttpState;

/// All routes of the pages.
pub fn routes() -> Vec<Route> {
    [visitors(), owners(), second_factors(), administrators(), user_administration()]
        .into_iter()
        .flatten()
        .collect()
}

fn visitors() -> Vec<Route> {
    use Admits::{Anyone, LinkBearer};
    vec![
        get("/", Anyone, door::login::entrance),
        get("/login", Anyone, door::login::show),
        post("/login", Anyone, door::login::log_in),
        get(door::challenge::PATH, Anyone, door::challenge::show),
        post(door::challenge::PATH, Anyone, door::challenge::answer),
        post("/login/challenge/code", Anyone, door::challenge::send_again),
        post("/login/challenge/passkey", Anyone, door::challenge::ask_for_passkey),
        post("/login/challenge/passkey/finish", Anyone, door::challenge::answer_by_passkey),
        post("/login/passkey", Anyone, door::passkey::begin),
        post("/login/passkey/finish", Anyone, door::passkey::finish),
        get("/forgot-password", Anyone, door::forgotten::show),
        post("/forgot-password", Anyone, door::forgotten::ask),
        get("/activate/{kind}/{secret}", LinkBearer, door::activate::show),
        post("/activate/{kind}/{secret}", LinkBearer, door::activate::act),
        get("/assets/{file}", Anyone, assets::serve),
        get(api_docs::PATH, Anyone, |visit: Visit| async move { api_docs::show(&visit) }),
        get("/dev/mailbox", Anyone, |visit: Visit| async move { mailbox::list(&visit) }),
        get("/dev/mailbox/{number}", Anyone, |visit: Visit, number: InPath<String>| async move {
            mailbox::show(&visit, number)
        }),
        get(
            "/dev/mailbox/{number}/html",
            Anyone,
            |visit: Visit, number: InPath<String>| async move { mailbox::show_html(&visit, number) },
        ),
        get(
            "/dev/mailbox/{number}/raw",
            Anyone,
            |visit: Visit, number: InPath<String>| async move { mailbox::show_raw(&visit, number) },
        ),
    ]
}

fn owners() -> Vec<Route> {
    use Admits::LoggedIn;
    vec![
        post("/logout", LoggedIn, door::login::log_out),
        get("/setup", LoggedIn, own::home::show),
        get("/setup/personal-information", LoggedIn, own::personal::show),
        proved(post("/setup/personal-information/unfreeze", LoggedIn, own::personal::unfreeze)),
        get("/setup/personal-information/name", LoggedIn, own::personal_forms::show_name),
        post("/setup/personal-information/name", LoggedIn, own::personal_forms::change_name),
        proved(get(
            "/setup/personal-information/password",
            LoggedIn,
            own::personal_forms::show_password,
        )),
        proved(post(
            "/setup/personal-information/password",
            LoggedIn,
            own::personal_forms::change_password,
        )),
        proved(get("/setup/personal-information/email", LoggedIn, own::personal_forms::show_email)),
        proved(post("/setup/personal-information/email", LoggedIn, own::personal_forms::ask_email)),
        proved(get("/setup/personal-information/delivery", LoggedIn, own::delivery::show)),
        proved(post("/setup/personal-information/delivery", LoggedIn, own::delivery::set)),
        proved(get("/setup/personal-information/openpgp-key", LoggedIn, own::openpgp::show)),
        proved(post("/setup/personal-information/openpgp-key", LoggedIn, own::openpgp::set)),
        proved(post(
            "/setup/personal-information/openpgp-key/look-up",
            LoggedIn,
            own::openpgp::look_up,
        )),
        get("/setup/reset-security-token", LoggedIn, own::reset::show),
        proved(get("/setup/reset-security-token/confirm", LoggedIn, own::reset_confirm::show)),
        proved(post("/setup/reset-security-token/confirm", LoggedIn, own::reset_confirm::save)),
        get("/setup/reset-security-token/receipt/{token}", LoggedIn, own::receipt::show),
        get("/setup/tokens", LoggedIn, own::tokens::show),
        get("/setup/sharing-signals", LoggedIn, own::sharing::show),
        proved(post("/setup/sharing-signals", LoggedIn, own::sharing::mark)),
        proved(get("/setup/tokens/{token}/revoke", LoggedIn, own::tokens::show_revoke)),
        proved(post("/setup/tokens/{token}/revoke", LoggedIn, own::tokens::revoke)),
        proved(get("/setup/tokens/{token}/rotate", LoggedIn, own::rotation::show)),
        proved(post("/setup/tokens/{token}/rotate", LoggedIn, own::rotation::rotate)),
        proved(get("/setup/tokens/{token}/cancel-rotation", LoggedIn, own::rotation::show_cancel)),
        proved(post("/setup/tokens/{token}/cancel-rotation", LoggedIn, own::rotation::cancel)),
        get(own::verify::PATH, LoggedIn, own::verify::show),
        post(own::verify::PATH, LoggedIn, own::verify::answer),
        post("/setup/verify/code", LoggedIn, own::verify::send_code),
        post("/setup/verify/passkey", LoggedIn, own::verify::ask_for_passkey),
        post("/setup/verify/passkey/finish", LoggedIn, own::verify::answer_by_passkey),
        get("/setup/known-places", LoggedIn, own::places::show),
        post("/setup/known-places/end-others", LoggedIn, own::places::end_others),
        post("/setup/known-places/{place}/end", LoggedIn, own::places::end),
        get("/setup/sessions", LoggedIn, own::sessions::show),
        post("/setup/sessions/end-others", LoggedIn, own::sessions::end_others),
        post("/setup/sessions/{session}/end", LoggedIn, own::sessions::end),
        get("/setup/login-history", LoggedIn, own::history::show_own),
        get("/setup/login-history.csv", LoggedIn, own::history::download_own),
        get("/setup/login-history/{correlation}", LoggedIn, own::explanation::show),
    ]
}

fn second_factors() -> Vec<Route> {
    use Admits::LoggedIn;
    use own::passkeys;
    use own::second_factors::{self, authenticators as apps, change, recovery_codes as codes};
    use symbolon_app::passkeys::PasskeyView;
    use symbolon_app::second_factors::AuthenticatorView;
    vec![
        get("/setup/second-factors", LoggedIn, second_factors::show),
        proved(post("/setup/second-factors/authenticators", LoggedIn, apps::begin)),
        proved(get("/setup/second-factors/enrol/{enrolment}", LoggedIn, apps::show_enrol)),
        proved(post("/setup/second-factors/enrol/{enrolment}", LoggedIn, apps::enrol)),
        get(
            "/setup/second-factors/authenticators/{authenticator}/rename",
            LoggedIn,
            change::show_rename::<AuthenticatorView>,
        ),
        post(
            "/setup/second-factors/authenticators/{authenticator}/rename",
            LoggedIn,
            change::rename::<AuthenticatorView>,
        ),
        proved(get(
            "/setup/second-factors/authenticators/{authenticator}/remove",
            LoggedIn,
            change::show_remove::<AuthenticatorView>,
        )),
        proved(post(
            "/setup/second-factors/authenticators/{authenticator}/remove",
            LoggedIn,
            change::remove::<AuthenticatorView>,
        )),
        proved(post("/setup/second-factors/passkeys", LoggedIn, passkeys::begin)),
        proved(post("/setup/second-factors/passkeys/finish", LoggedIn, passkeys::finish)),
        get(
            "/setup/second-factors/passkeys/{passkey}/rename",
            LoggedIn,
            change::show_rename::<PasskeyView>,
        ),
        post(
            "/setup/second-factors/passkeys/{passkey}/rename",
            LoggedIn,
            change::rename::<PasskeyView>,
        ),
        proved(get(
            "/setup/second-factors/passkeys/{passkey}/remove",
            LoggedIn,
            change::show_remove::<PasskeyView>,
        )),
        proved(post(
            "/setup/second-factors/passkeys/{passkey}/remove",
            LoggedIn,
            change::remove::<PasskeyView>,
        )),
        get("/setup/second-factors/recovery-codes", LoggedIn, codes::show),
        proved(post("/setup/second-factors/recovery-codes", LoggedIn, codes::renew)),
    ]
}

fn administrators() -> Vec<Route> {
    use Admits::Administrator;
    vec![
        get("/setup/all-login-history", Administrator, own::history::show_all),
        get("/setup/all-login-history.csv", Administrator, own::history::download_all),
        get(admin::all_tokens::PATH, Administrator, admin::all_tokens::show),
        get("/setup/explain-login", Administrator, admin::explain_login::show),
        get("/setup/mail", Administrator, admin::mail::show),
        post("/setup/mail/retry", Administrator, admin::mail::retry),
        get("/setup/networks", Administrator, admin::networks::show),
        proved(post("/setup/networks", Administrator, admin::networks::add)),
        proved(get(
            "/setup/networks/{network}/remove",
            Administrator,
            admin::networks::show_remove,
        )),
        proved(post("/setup/networks/{network}/remove", Administrator, admin::networks::remove)),
        get("/setup/clients", Administrator, admin::clients::show),
        proved(post("/setup/clients", Administrator, admin::clients::add)),
        proved(get("/setup/clients/{client}/remove", Administrator, admin::clients::show_remove)),
        proved(post("/setup/clients/{client}/remove", Administrator, admin::clients::remove)),
        proved(post("/setup/clients/{client}/secrets", Administrator, admin::clients::add_secret)),
        proved(get(
            "/setup/clients/{client}/secrets/{secret}/remove",
            Administrator,
            admin::clients::show_remove_secret,
        )),
        proved(post(
            "/setup/clients/{client}/secrets/{secret}/remove",
            Administrator,
            admin::clients::remove_secret,
        )),
        get("/setup/device-types", Administrator, admin::device_types::show),
        proved(get("/setup/add-device-type", Administrator, admin::device_types::show_add)),
        proved(post("/setup/add-device-type", Administrator, admin::device_types::add)),
        get("/setup/device-types/{name}", Administrator, admin::device_types::show_one),
        proved(post("/setup/device-types/{name}", Administrator, admin::device_types::save)),
        proved(post(
            "/setup/device-types/{name}/bearer",
            Administrator,
            admin::device_types::set_bearer,
        )),
        get("/setup/profiles", Administrator, admin::profiles::show),
        proved(get("/setup/add-profile", Administrator, admin::profiles::show_add)),
        proved(post("/setup/add-profile", Administrator, admin::profiles::add)),
        get("/setup/profiles/{profile}", Administrator, admin::profiles::show_one),
        proved(post("/setup/profiles/{profile}", Administrator, admin::profiles::save)),
        get("/setup/audit", Administrator, admin::audit::show),
    ]
}

fn user_administration() -> Vec<Route> {
    use Admits::Administrator;
    use admin::user_actions as act;
    use admin::{user_profile, user_sessions};
    vec![
        get("/setup/users", Administrator, admin::users::show),
        proved(get("/setup/add-user", Administrator, admin::add_user::show)),
        proved(post("/setup/add-user", Administrator, admin::add_user::add)),
        get("/setup/users/{username}", Administrator, admin::user::show),
        proved(post("/setup/users/{username}/freeze", Administrator, act::freeze)),
        proved(post("/setup/users/{username}/unfreeze", Administrator, act::unfreeze)),
        proved(post(
            "/setup/users/{username}/unfreeze-tokens",
            Administrator,
            act::unfreeze_tokens,
        )),
        proved(post("/setup/users/{username}/unlock", Administrator, act::unlock)),
        proved(post(
            "/setup/users/{username}/remove-openpgp-key",
            Administrator,
            act::remove_openpgp_key,
        )),
        get("/setup/users/{username}/sessions", Administrator, user_sessions::show),
        proved(post(
            "/setup/users/{username}/sessions/end-all",
            Administrator,
            user_sessions::end_all,
        )),
        proved(post(
            "/setup/users/{username}/sessions/{session}/end",
            Administrator,
            user_sessions::end,
        )),
        proved(get("/setup/users/{username}/reset-security-token", Administrator, act::show_reset)),
        proved(post(
            "/setup/users/{username}/reset-security-token",
            Administrator,
            act::reset_token,
        )),
        proved(get(
            "/setup/users/{username}/reset-second-factors",
            Administrator,
            act::show_reset_factors,
        )),
        proved(post(
            "/setup/users/{username}/reset-second-factors",
            Administrator,
            act::reset_factors,
        )),
        proved(get("/setup/users/{username}/profile", Administrator, user_profile::show)),
        proved(post("/setup/users/{username}/profile", Administrator, user_profile::save)),
        proved(get("/setup/users/{username}/remove", Administrator, act::show_remove)),
        proved(post("/setup/users/{username}/remove", Administrator, act::remove)),
    ]
}

/// The page whose form posts to `path`: the page at that path or, where there is none, the nearest above it.
pub(crate) fn form_of(path: &str) -> &str {
    static PAGES: LazyLock<Vec<&'static str>> = LazyLock::new(|| {
        let pages = routes().into_iter().filter(|route| route.method == Method::GET);
        pages.map(|page| page.path).collect()
    });
    let mut page = path;
    while !PAGES.iter().any(|template| fits(template, page)) {
        match page.rsplit_once('/') {
            Some((above, _)) if !above.is_empty() => page = above,
            Some(_) | None => return "/setup",
        }
    }
    page
}

/// Whether a path is one of a route's, parameter by parameter.
fn fits(template: &str, path: &str) -> bool {
    let (mut parts, mut given) = (template.split('/'), path.split('/'));
    loop {
        match (parts.next(), given.next()) {
            (None, None) => return true,
            (Some(part), Some(given)) if part.starts_with('{') || part == given => {}
            (Some(_) | None, Some(_) | None) => return false,
        }
    }
}

fn get<H, T>(path: &'static str, admits: Admits, handler: H) -> Route
where
    H: Handler<T, HttpState>,
    T: 'static,
{
    route(Method::GET, path, admits, routing::get(handler))
}

fn post<H, T>(path: &'static str, admits: Admits, handler: H) -> Route
where
    H: Handler<T, HttpState>,
    T: 'static,
{
    route(Method::POST, path, admits, routing::post(handler))
}

fn route(
    method: Method,
    path: &'static str,
    admits: Admits,
    handler: MethodRouter<HttpState>,
) -> Route {
    Route { method, path, admits, proof: Proof::Any, handler }
}

/// A route that wants its user to have proved himself lately: what it changes matters.
///
/// The mark travels with the request to the extractors that say whom a page admits, so that no handler can
/// forget it.
fn proved(route: Route) -> Route {
    let handler = route.handler.layer(Extension(WantsProof));
    Route { proof: Proof::Recent, handler, ..route }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_lies_below_setup_admits_no_stranger() {
        for route in routes() {
            let open = matches!(route.admits, Admits::Anyone | Admits::LinkBearer);
            assert_eq!(
                open,
                !route.path.starts_with("/setup") && route.path != "/logout",
                "{}",
                route.path
            );
        }
    }

    #[test]
    fn whoever_must_prove_himself_before_a_form_comes_back_to_its_page() {
        for (path, page) in [
            ("/setup/users/jane/freeze", "/setup/users/jane"),
            ("/setup/networks", "/setup/networks"),
            ("/setup/clients/0AC1/secrets", "/setup/clients"),
            ("/setup/reset-security-token/confirm", "/setup/reset-security-token/confirm"),
            ("/setup/second-factors/authenticators", "/setup/second-factors"),
            ("/elsewhere", "/setup"),
        ] {
            assert_eq!(form_of(path), page);
        }
    }

    #[test]
    fn every_administrative_change_but_the_retry_of_mail_wants_a_recent_proof() {
        for route in routes().iter().filter(|route| route.method == Method::POST) {
            let changes =
                route.admits == Admits::Administrator && route.path != "/setup/mail/retry";
            assert!(!changes || route.proof == Proof::Recent, "{}", route.path);
        }
    }

    #[test]
    fn the_table_makes_a_router() {
        let _ = crate::routes::assemble(routes());
    }
}
