//! Every page, with whom it admits.

use axum::handler::Handler;
use axum::routing::{self, MethodRouter};
use http::Method;

use crate::pages::web::in_path::InPath;
use crate::pages::web::visit::Visit;
use crate::pages::{admin, assets, door, mailbox, own};
use crate::routes::{Admits, Route};
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
        get("/forgot-password", Anyone, door::forgotten::show),
        post("/forgot-password", Anyone, door::forgotten::ask),
        get("/activate/{kind}/{secret}", LinkBearer, door::activate::show),
        post("/activate/{kind}/{secret}", LinkBearer, door::activate::act),
        get("/assets/{file}", Anyone, assets::serve),
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
        post("/setup/personal-information/unfreeze", LoggedIn, own::personal::unfreeze),
        get("/setup/personal-information/name", LoggedIn, own::personal_forms::show_name),
        post("/setup/personal-information/name", LoggedIn, own::personal_forms::change_name),
        get("/setup/personal-information/password", LoggedIn, own::personal_forms::show_password),
        post(
            "/setup/personal-information/password",
            LoggedIn,
            own::personal_forms::change_password,
        ),
        get("/setup/personal-information/email", LoggedIn, own::personal_forms::show_email),
        post("/setup/personal-information/email", LoggedIn, own::personal_forms::ask_email),
        get("/setup/reset-security-token", LoggedIn, own::reset::show),
        get("/setup/reset-security-token/confirm", LoggedIn, own::reset_confirm::show),
        post("/setup/reset-security-token/confirm", LoggedIn, own::reset_confirm::save),
        get("/setup/reset-security-token/receipt/{token}", LoggedIn, own::receipt::show),
        get("/setup/tokens", LoggedIn, own::tokens::show),
        get("/setup/tokens/{token}/revoke", LoggedIn, own::tokens::show_revoke),
        post("/setup/tokens/{token}/revoke", LoggedIn, own::tokens::revoke),
        get("/setup/sessions", LoggedIn, own::sessions::show),
        post("/setup/sessions/end-others", LoggedIn, own::sessions::end_others),
        post("/setup/sessions/{session}/end", LoggedIn, own::sessions::end),
        get("/setup/login-history", LoggedIn, own::history::show_own),
        get("/setup/login-history.csv", LoggedIn, own::history::download_own),
    ]
}

fn second_factors() -> Vec<Route> {
    use Admits::LoggedIn;
    use own::second_factors::{self, authenticators as apps, recovery_codes as codes};
    vec![
        get("/setup/second-factors", LoggedIn, second_factors::show),
        post("/setup/second-factors/authenticators", LoggedIn, apps::begin),
        get("/setup/second-factors/enrol/{enrolment}", LoggedIn, apps::show_enrol),
        post("/setup/second-factors/enrol/{enrolment}", LoggedIn, apps::enrol),
        get(
            "/setup/second-factors/authenticators/{authenticator}/rename",
            LoggedIn,
            apps::show_rename,
        ),
        post("/setup/second-factors/authenticators/{authenticator}/rename", LoggedIn, apps::rename),
        get(
            "/setup/second-factors/authenticators/{authenticator}/remove",
            LoggedIn,
            apps::show_remove,
        ),
        post("/setup/second-factors/authenticators/{authenticator}/remove", LoggedIn, apps::remove),
        get("/setup/second-factors/recovery-codes", LoggedIn, codes::show),
        post("/setup/second-factors/recovery-codes", LoggedIn, codes::renew),
    ]
}

fn administrators() -> Vec<Route> {
    use Admits::Administrator;
    vec![
        get("/setup/all-login-history", Administrator, own::history::show_all),
        get("/setup/all-login-history.csv", Administrator, own::history::download_all),
        get("/setup/mail", Administrator, admin::mail::show),
        post("/setup/mail/retry", Administrator, admin::mail::retry),
        get("/setup/networks", Administrator, admin::networks::show),
        post("/setup/networks", Administrator, admin::networks::add),
        get("/setup/networks/{network}/remove", Administrator, admin::networks::show_remove),
        post("/setup/networks/{network}/remove", Administrator, admin::networks::remove),
        get("/setup/clients", Administrator, admin::clients::show),
        post("/setup/clients", Administrator, admin::clients::add),
        get("/setup/clients/{client}/remove", Administrator, admin::clients::show_remove),
        post("/setup/clients/{client}/remove", Administrator, admin::clients::remove),
        post("/setup/clients/{client}/secrets", Administrator, admin::clients::add_secret),
        get(
            "/setup/clients/{client}/secrets/{secret}/remove",
            Administrator,
            admin::clients::show_remove_secret,
        ),
        post(
            "/setup/clients/{client}/secrets/{secret}/remove",
            Administrator,
            admin::clients::remove_secret,
        ),
        get("/setup/device-types", Administrator, admin::device_types::show),
        post("/setup/device-types/{name}/bearer", Administrator, admin::device_types::set_bearer),
        get("/setup/profiles", Administrator, admin::profiles::show),
        get("/setup/profiles/{profile}", Administrator, admin::profiles::show_one),
        post("/setup/profiles/{profile}", Administrator, admin::profiles::save),
        get("/setup/audit", Administrator, admin::audit::show),
    ]
}

fn user_administration() -> Vec<Route> {
    use Admits::Administrator;
    use admin::user_actions as act;
    vec![
        get("/setup/users", Administrator, admin::users::show),
        get("/setup/add-user", Administrator, admin::add_user::show),
        post("/setup/add-user", Administrator, admin::add_user::add),
        get("/setup/users/{username}", Administrator, admin::user::show),
        post("/setup/users/{username}/freeze", Administrator, act::freeze),
        post("/setup/users/{username}/unfreeze", Administrator, act::unfreeze),
        post("/setup/users/{username}/unlock", Administrator, act::unlock),
        get("/setup/users/{username}/reset-security-token", Administrator, act::show_reset),
        post("/setup/users/{username}/reset-security-token", Administrator, act::reset_token),
        get("/setup/users/{username}/reset-second-factors", Administrator, act::show_reset_factors),
        post("/setup/users/{username}/reset-second-factors", Administrator, act::reset_factors),
        get("/setup/users/{username}/remove", Administrator, act::show_remove),
        post("/setup/users/{username}/remove", Administrator, act::remove),
    ]
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
    Route { method, path, admits, handler }
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
    fn the_table_makes_a_router() {
        let _ = crate::routes::assemble(routes());
    }
}
