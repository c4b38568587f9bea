//! Profiles and their policies, over the control socket.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::routing::MethodFilter;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use symbolon_app::Actor;
use symbolon_app::profiles::{self, ProfileView};
use symbolon_core::names::DisplayName;
use symbolon_core::policy::{DAY, Policy, SessionsOnReset, TokensOnPasswordChange};

use super::ask::{Body, Named, Operator, route};
use super::problem::Failed;
use super::spans;
use crate::routes::Route;
use crate::state::HttpState;

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
    token_max_age: String,
    lockout_failures: u32,
    lockout_period: String,
    session_idle: String,
    sessions_on_reset: &'static str,
    tokens_on_password_change: &'static str,
}

impl From<ProfileView> for ProfileShape {
    fn from(profile: ProfileView) -> Self {
        let policy = profile.policy;
        Self {
            id: profile.id.to_string(),
            name: profile.name,
            token_max_age: spans::written(policy.token_max_age),
            lockout_failures: policy.lockout_failures,
            lockout_period: spans::written(policy.lockout_period),
            session_idle: spans::written(policy.session_idle),
            sessions_on_reset: match policy.on_reset {
                SessionsOnReset::End => "end",
                SessionsOnReset::Keep => "keep",
            },
            tokens_on_password_change: match policy.on_password_change {
                TokensOnPasswordChange::Keep => "keep",
                TokensOnPasswordChange::Reset => "reset",
            },
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

/// The figures of a policy that a request changes.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Changes {
    token_max_age: Option<String>,
    lockout_failures: Option<u32>,
    lockout_period: Option<String>,
    session_idle: Option<String>,
    sessions_on_reset: Option<String>,
    tokens_on_password_change: Option<String>,
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
    let policy = changed(&Policy::default(), &asked.policy);
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
    let profiles = profiles::list(ctx).await.map_err(|error| Failed::app(ctx, &error))?;
    let known = profiles.into_iter().find(|profile| profile.name == name);
    let known = known.ok_or_else(|| Failed::not_found(ctx, "profile"))?;
    let policy = changed(&known.policy, &changes);
    let policy = policy.map_err(|fault| Failed::unreadable(ctx, &fault))?;
    let profile = profiles::set(ctx, Actor::Operator, &name, policy).await;
    profile.map(|profile| Json(profile.into())).map_err(|error| Failed::app(ctx, &error))
}

fn changed(policy: &Policy, changes: &Changes) -> Result<Policy, String> {
    let minute = Duration::from_mins(1);
    let on_reset = match changes.sessions_on_reset.as_deref() {
        None => policy.on_reset,
        Some("end") => SessionsOnReset::End,
        Some("keep") => SessionsOnReset::Keep,
        Some(_) => return Err("sessions_on_reset must be end or keep".to_owned()),
    };
    let on_password_change = match changes.tokens_on_password_change.as_deref() {
        None => policy.on_password_change,
        Some("keep") => TokensOnPasswordChange::Keep,
        Some("reset") => TokensOnPasswordChange::Reset,
        Some(_) => return Err("tokens_on_password_change must be keep or reset".to_owned()),
    };
    let failures = changes.lockout_failures.unwrap_or(policy.lockout_failures);
    if failures == 0 {
        return Err("lockout_failures must be at least 1".to_owned());
    }
    let period = |field, given: &Option<String>, default, least| match given {
        None => Ok(default),
        Some(text) => span(field, text, least),
    };
    Ok(Policy {
        token_max_age: period("token_max_age", &changes.token_max_age, policy.token_max_age, DAY)?,
        lockout_failures: failures,
        lockout_period: period(
            "lockout_period",
            &changes.lockout_period,
            policy.lockout_period,
            minute,
        )?,
        session_idle: period("session_idle", &changes.session_idle, policy.session_idle, minute)?,
        on_reset,
        on_password_change,
        ..policy.clone()
    })
}

fn span(field: &str, text: &str, least: Duration) -> Result<Duration, String> {
    let span = spans::parse(text).map_err(|fault| format!("{field} {fault}"))?;
    if span < least {
        return Err(format!("{field} must be at least {}", spans::written(least)));
    }
    Ok(span)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTHING: Changes = Changes {
        token_max_age: None,
        lockout_failures: None,
        lockout_period: None,
        session_idle: None,
        sessions_on_reset: None,
        tokens_on_password_change: None,
    };

    #[test]
    fn only_what_is_named_changes() {
        let changes = Changes { token_max_age: Some("90d".to_owned()), ..NOTHING };

        let policy = changed(&Policy::default(), &changes).unwrap();

        assert_eq!(policy, Policy { token_max_age: 90 * DAY, ..Policy::default() });
    }

    #[test]
    fn figures_that_would_lock_everybody_out_are_refused() {
        for changes in [
            Changes { token_max_age: Some("1h".to_owned()), ..NOTHING },
            Changes { lockout_failures: Some(0), ..NOTHING },
            Changes { session_idle: Some("0s".to_owned()), ..NOTHING },
            Changes { sessions_on_reset: Some("perhaps".to_owned()), ..NOTHING },
        ] {
            assert!(changed(&Policy::default(), &changes).is_err());
        }
    }
}
