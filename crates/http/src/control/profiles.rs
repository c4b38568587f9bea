//! Profiles and their policies, over the control socket.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::routing::MethodFilter;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use symbolon_app::Actor;
use symbolon_app::profiles::{self, ProfileView};
use symbolon_core::login_hours::LoginHours;
use symbolon_core::names::DisplayName;
use symbolon_core::network::LoginRanges;
use symbolon_core::policy::{
    Access, Duty, MailEncryption, PasswordPolicy, Policy, SessionsOnReset, TokensOnPasswordChange,
};

use super::ask::{Body, Named, Operator, route};
use super::problem::Failed;
use super::spans;
use crate::routes::Route;
use crate::state::HttpState;

/// What stands for an age without a limit.
const NONE: &str = "none";

pub(super) fn routes() -> Vec<Route> {
    vec![
        route(MethodFilter::GET, "/profiles", list),
        route(MethodFilter::POST, "/profiles", add),
        route(MethodFilter::PATCH, "/profiles/{name}", set),
    ]
}

#[derive(Serialize)]
struct ProfileShape {
    id: String,
    name: String,
    /// Whether it holds for everybody, beside each user's own.
    everybody: bool,
    access: &'static str,
    login_hours: String,
    time_zone: String,
    login_ranges: String,
    duty: &'static str,
    enrol_grace: String,
    session_idle: String,
    web_lifetime: String,
    password_min_length: u32,
    password_kinds: u32,
    password_history: u32,
    password_max_age: String,
    token_max_age: String,
    sessions_on_reset: &'static str,
    tokens_on_password_change: &'static str,
    mail_encryption: &'static str,
    lockout_failures: u32,
    lockout_period: String,
}

impl From<ProfileView> for ProfileShape {
    fn from(profile: ProfileView) -> Self {
        let policy = profile.policy;
        let (login_hours, time_zone) = hours_written(&policy);
        Self {
            id: profile.id.to_string(),
            name: profile.name,
            everybody: profile.everybody_since.is_some(),
            access: word(&Access::ALL, policy.access),
            login_hours,
            time_zone,
            login_ranges: policy.login_ranges.first().map(ToString::to_string).unwrap_or_default(),
            duty: word(&Duty::ALL, policy.duty),
            enrol_grace: spans::written(policy.enrol_grace),
            session_idle: spans::written(policy.session_idle),
            web_lifetime: spans::written(policy.web_lifetime),
            password_min_length: policy.password.min_length,
            password_kinds: policy.password.kinds,
            password_history: policy.password.history,
            password_max_age: policy.password.max_age.map_or(NONE.to_owned(), spans::written),
            token_max_age: spans::written(policy.token_max_age),
            sessions_on_reset: word(&SessionsOnReset::ALL, policy.on_reset),
            tokens_on_password_change: word(
                &TokensOnPasswordChange::ALL,
                policy.on_password_change,
            ),
            mail_encryption: word(&MailEncryption::ALL, policy.mail_encryption),
            lockout_failures: policy.lockout_failures,
            lockout_period: spans::written(policy.lockout_period),
        }
    }
}

async fn list(
    _: Operator,
    State(state): State<HttpState>,
) -> Result<Json<Vec<ProfileShape>>, Failed> {
    let profiles = profiles::list(&state.ctx).await;
    let profiles = profiles.map_err(|error| Failed::app(&state.ctx, &error))?;
    Ok(Json(profiles.into_iter().map(ProfileShape::from).collect()))
}

/// The values of a policy that a request changes.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Changes {
    access: Option<String>,
    login_hours: Option<String>,
    time_zone: Option<String>,
    login_ranges: Option<String>,
    duty: Option<String>,
    enrol_grace: Option<String>,
    session_idle: Option<String>,
    web_lifetime: Option<String>,
    password_min_length: Option<u32>,
    password_kinds: Option<u32>,
    password_history: Option<u32>,
    password_max_age: Option<String>,
    token_max_age: Option<String>,
    sessions_on_reset: Option<String>,
    tokens_on_password_change: Option<String>,
    mail_encryption: Option<String>,
    lockout_failures: Option<u32>,
    lockout_period: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Add {
    name: String,
    policy: Changes,
}

async fn add(
    _: Operator,
    State(state): State<HttpState>,
    Body(asked): Body<Add>,
) -> Result<(StatusCode, Json<ProfileShape>), Failed> {
    let ctx = &state.ctx;
    let name = DisplayName::parse(&asked.name)
        .map_err(|fault| Failed::name(ctx, "the profile's name", fault))?;
    let policy = changed(Policy::default(), &asked.policy);
    let policy = policy.map_err(|fault| Failed::unreadable(ctx, &fault))?;
    let profile = profiles::add(ctx, Actor::Operator, name, policy).await;
    let profile = profile.map_err(|error| Failed::app(ctx, &error))?;
    Ok((StatusCode::CREATED, Json(profile.into())))
}

async fn set(
    _: Operator,
    State(state): State<HttpState>,
    Named(name): Named,
    Body(changes): Body<Changes>,
) -> Result<Json<ProfileShape>, Failed> {
    let ctx = &state.ctx;
    let mut fault = None;
    // What is named is right or wrong by what holds beside it, as hours are by their time zone: so it is read
    // within the transaction. What cannot be read changes nothing.
    let profile = profiles::set(ctx, Actor::Operator, &name, |policy| {
        match changed(policy.clone(), &changes) {
            Ok(changed) => *policy = changed,
            Err(wrong) => fault = Some(wrong),
        }
    });
    let profile = profile.await.map_err(|error| Failed::app(ctx, &error))?;
    match fault {
        Some(fault) => Err(Failed::unreadable(ctx, &fault)),
        None => Ok(Json(profile.into())),
    }
}

/// The policy with what is named changed; the fault says which value it is.
fn changed(policy: Policy, changes: &Changes) -> Result<Policy, String> {
    let password = policy.password;
    let policy = Policy {
        access: chosen("access", &Access::ALL[..3], changes.access.as_deref(), policy.access)?,
        duty: chosen("duty", &Duty::ALL, changes.duty.as_deref(), policy.duty)?,
        enrol_grace: span("enrol_grace", changes.enrol_grace.as_deref(), policy.enrol_grace)?,
        session_idle: span("session_idle", changes.session_idle.as_deref(), policy.session_idle)?,
        web_lifetime: span("web_lifetime", changes.web_lifetime.as_deref(), policy.web_lifetime)?,
        token_max_age: span(
            "token_max_age",
            changes.token_max_age.as_deref(),
            policy.token_max_age,
        )?,
        lockout_period: span(
            "lockout_period",
            changes.lockout_period.as_deref(),
            policy.lockout_period,
        )?,
        lockout_failures: changes.lockout_failures.unwrap_or(policy.lockout_failures),
        on_reset: chosen(
            "sessions_on_reset",
            &SessionsOnReset::ALL,
            changes.sessions_on_reset.as_deref(),
            policy.on_reset,
        )?,
        on_password_change: chosen(
            "tokens_on_password_change",
            &TokensOnPasswordChange::ALL,
            changes.tokens_on_password_change.as_deref(),
            policy.on_password_change,
        )?,
        mail_encryption: chosen(
            "mail_encryption",
            &MailEncryption::ALL,
            changes.mail_encryption.as_deref(),
            policy.mail_encryption,
        )?,
        password: PasswordPolicy {
            min_length: changes.password_min_length.unwrap_or(password.min_length),
            kinds: changes.password_kinds.unwrap_or(password.kinds),
            history: changes.password_history.unwrap_or(password.history),
            max_age: match changes.password_max_age.as_deref() {
                None => password.max_age,
                Some(NONE) => None,
                Some(text) => Some(
                    spans::parse(text)
                        .map_err(|fault| format!("password_max_age {fault}, or none"))?,
                ),
            },
        },
        login_hours: hours(&policy, changes)?,
        login_ranges: match changes.login_ranges.as_deref() {
            None => policy.login_ranges,
            Some(text) => {
                let ranges = LoginRanges::parse(text);
                ranges.map_err(|fault| format!("login_ranges {fault}"))?.into_iter().collect()
            }
        },
        ..policy
    };
    policy.check()?;
    Ok(policy)
}

/// Of hours and time zone either may be named alone; the other stays as it is.
fn hours(policy: &Policy, changes: &Changes) -> Result<Vec<LoginHours>, String> {
    let (known, known_zone) = hours_written(policy);
    let hours = changes.login_hours.as_deref().unwrap_or(&known);
    let zone = changes.time_zone.as_deref().unwrap_or(&known_zone);
    let read = LoginHours::parse(hours, zone).map_err(|fault| format!("login_hours {fault}"))?;
    if hours.trim().is_empty() {
        return Ok(Vec::new());
    }
    Ok(vec![read])
}

fn hours_written(policy: &Policy) -> (String, String) {
    let hours = policy.login_hours.first();
    let zone = hours.map_or("UTC", LoginHours::zone_name).to_owned();
    (hours.map(ToString::to_string).unwrap_or_default(), zone)
}

pub(super) fn span(field: &str, text: Option<&str>, known: Duration) -> Result<Duration, String> {
    text.map_or(Ok(known), |text| spans::parse(text).map_err(|fault| format!("{field} {fault}")))
}

pub(super) fn chosen<T: Copy>(
    field: &str,
    all: &[(T, &'static str)],
    named: Option<&str>,
    known: T,
) -> Result<T, String> {
    let Some(named) = named else { return Ok(known) };
    let found = all.iter().find(|(_, word)| *word == named).map(|(value, _)| *value);
    found.ok_or_else(|| {
        let words: Vec<&str> = all.iter().map(|(_, word)| *word).collect();
        format!("{field} must be one of: {}", words.join(", "))
    })
}

fn word<T: Copy + PartialEq>(all: &[(T, &'static str)], value: T) -> &'static str {
    all.iter().find(|(each, _)| *each == value).map_or("", |(_, word)| word)
}

#[cfg(test)]
mod tests {
    use symbolon_core::policy::DAY;

    use super::*;

    #[test]
    fn only_what_is_named_changes() {
        let changes = Changes { token_max_age: Some("90d".to_owned()), ..Changes::default() };

        let policy = changed(Policy::default(), &changes).unwrap();

        assert_eq!(policy, Policy { token_max_age: 90 * DAY, ..Policy::default() });
    }

    #[test]
    fn every_value_can_be_named_and_is_shown_as_it_was() {
        let changes = Changes {
            access: Some("web".to_owned()),
            login_hours: Some("mon-fri 08:00-18:00; sat 09:00-12:00".to_owned()),
            time_zone: Some("Europe/Berlin".to_owned()),
            login_ranges: Some("10.0.0.0/8, 2001:db8::/32".to_owned()),
            duty: Some("web-and-api".to_owned()),
            enrol_grace: Some("7d".to_owned()),
            session_idle: Some("30m".to_owned()),
            web_lifetime: Some("12h".to_owned()),
            password_min_length: Some(15),
            password_kinds: Some(3),
            password_history: Some(5),
            password_max_age: Some("90d".to_owned()),
            token_max_age: Some("100d".to_owned()),
            sessions_on_reset: Some("keep".to_owned()),
            tokens_on_password_change: Some("reset".to_owned()),
            mail_encryption: Some("required".to_owned()),
            lockout_failures: Some(5),
            lockout_period: Some("1h".to_owned()),
        };

        let policy = changed(Policy::default(), &changes).unwrap();
        let id = symbolon_core::id::Id::from_raw(1);
        let profile = ProfileView { id, name: "Sales".to_owned(), policy, everybody_since: None };
        let shown = serde_json::to_value(ProfileShape::from(profile)).unwrap();

        let expected = serde_json::json!({
            "id": id.to_string(), "name": "Sales", "everybody": false, "access": "web",
            "login_hours": "mon-fri 08:00-18:00; sat 09:00-12:00", "time_zone": "Europe/Berlin",
            "login_ranges": "10.0.0.0/8, 2001:db8::/32", "duty": "web-and-api", "enrol_grace": "7d",
            "session_idle": "30m", "web_lifetime": "12h", "password_min_length": 15,
            "password_kinds": 3, "password_history": 5, "password_max_age": "90d",
            "token_max_age": "100d", "sessions_on_reset": "keep",
            "tokens_on_password_change": "reset", "mail_encryption": "required",
            "lockout_failures": 5, "lockout_period": "1h",
        });
        assert_eq!(shown, expected);
    }

    #[test]
    fn hours_and_ages_can_be_lifted_again_and_a_zone_changed_alone() {
        let berlin = LoginHours::parse("mon 08:00-18:00", "Europe/Berlin").unwrap();
        let password = PasswordPolicy { max_age: Some(90 * DAY), ..Policy::default().password };
        let strict = Policy { login_hours: vec![berlin], password, ..Policy::default() };

        let moved = Changes { time_zone: Some("Asia/Tokyo".to_owned()), ..Changes::default() };
        let lifted = Changes {
            login_hours: Some(String::new()),
            password_max_age: Some("none".to_owned()),
            ..Changes::default()
        };

        let tokyo = LoginHours::parse("mon 08:00-18:00", "Asia/Tokyo").unwrap();
        assert_eq!(changed(strict.clone(), &moved).unwrap().login_hours, [tokyo]);
        assert_eq!(changed(strict, &lifted), Ok(Policy::default()));
    }

    #[test]
    fn values_out_of_bounds_are_refused_with_what_they_must_be() {
        let none = Changes::default;
        for (changes, told) in [
            (Changes { token_max_age: Some("1h".to_owned()), ..none() }, "one day"),
            (Changes { lockout_failures: Some(0), ..none() }, "1 to 100"),
            (Changes { session_idle: Some("0s".to_owned()), ..none() }, "five minutes"),
            (Changes { web_lifetime: Some("25h".to_owned()), ..none() }, "15 minutes"),
            (Changes { enrol_grace: Some("91d".to_owned()), ..none() }, "90 days"),
            (Changes { sessions_on_reset: Some("perhaps".to_owned()), ..none() }, "end, keep"),
            (Changes { access: Some("nowhere".to_owned()), ..none() }, "web-and-api, web, api"),
            (Changes { duty: Some("sometimes".to_owned()), ..none() }, "none, web, web-and-api"),
            (Changes { mail_encryption: Some("yes".to_owned()), ..none() }, "optional, required"),
            (
                Changes { login_hours: Some("8 to 6".to_owned()), ..none() },
                "login_hours must be hours",
            ),
            (Changes { time_zone: Some("Mars/Olympus".to_owned()), ..none() }, "Europe/Berlin"),
            (Changes { login_ranges: Some("here".to_owned()), ..none() }, "login_ranges must be"),
            (Changes { password_min_length: Some(11), ..none() }, "12 characters"),
            (Changes { password_kinds: Some(5), ..none() }, "four kinds"),
            (Changes { password_history: Some(25), ..none() }, "24"),
            (Changes { password_max_age: Some("soon".to_owned()), ..none() }, "or none"),
        ] {
            let fault = changed(Policy::default(), &changes).unwrap_err();
            assert!(fault.contains(told), "{fault}");
        }
    }
}
