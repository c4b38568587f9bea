//! Device types, over the control socket.

use std::collections::HashMap;

use axum::Json;
use axum::extract::State;
use axum::routing::MethodFilter;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use symbolon_app::Actor;
use symbolon_app::device_types::{self, DeviceTypeView};
use symbolon_app::profiles;
use symbolon_core::client_kind::ClientKind;
use symbolon_core::device_type::{
    DeviceRules, Holders, Mismatch, OnSharing, Overlap, ReminderDays,
};
use symbolon_core::id::{Id, Profile};
use symbolon_core::names::DeviceType;
use symbolon_core::network::LoginRanges;
use symbolon_core::verification::BearerUse;
use symbolon_core::words::word_of;

use super::ask::{Body, Named, Operator, route};
use super::problem::Failed;
use super::profiles::{chosen, span};
use super::spans;
use crate::routes::Route;
use crate::state::HttpState;

/// What stands for tokens that do not die of disuse.
const NEVER: &str = "never";
/// What stands for a device type that is for clients of any kind.
const ANY: &str = "any";

type Names = HashMap<Id<Profile>, String>;

pub(super) fn routes() -> Vec<Route> {
    vec![
        route(MethodFilter::GET, "/device-types", list),
        route(MethodFilter::POST, "/device-types", add),
        route(MethodFilter::PATCH, "/device-types/{name}", set),
    ]
}

#[derive(Serialize)]
struct DeviceTypeShape {
    name: String,
    bearer: bool,
    max_age: String,
    reminders: String,
    addresses: String,
    idle_end: String,
    overlap: &'static str,
    /// Names of profiles; none where everybody may hold one.
    holders: Vec<String>,
    client_kind: &'static str,
    on_mismatch: &'static str,
    most_places: u32,
    on_sharing: &'static str,
    created_at: String,
}

fn shape(device_type: DeviceTypeView, names: &Names) -> DeviceTypeShape {
    let rules = device_type.rules;
    let name_of = |id: &Id<Profile>| names.get(id).cloned().unwrap_or_else(|| id.to_string());
    DeviceTypeShape {
        name: device_type.name.to_string(),
        bearer: rules.bearer == BearerUse::Allowed,
        max_age: spans::written(rules.max_age),
        reminders: rules.reminders.to_string(),
        addresses: rules.addresses.as_ref().map(ToString::to_string).unwrap_or_default(),
        idle_end: rules.idle_end.map_or(NEVER.to_owned(), spans::written),
        overlap: word_of(&Overlap::ALL, rules.overlap),
        holders: match &rules.holders {
            Holders::Everybody => Vec::new(),
            Holders::Profiles(profiles) => profiles.iter().map(name_of).collect(),
        },
        client_kind: rules.kind.map_or(ANY, ClientKind::word),
        on_mismatch: word_of(&Mismatch::ALL, rules.mismatch),
        most_places: rules.most_places,
        on_sharing: word_of(&OnSharing::ALL, rules.on_sharing),
        created_at: device_type.created_at.rfc3339(),
    }
}

async fn names(state: &HttpState) -> Result<Names, Failed> {
    let all = profiles::list(&state.ctx).await;
    let all = all.map_err(|error| Failed::app(&state.ctx, &error))?;
    Ok(all.into_iter().map(|profile| (profile.id, profile.name)).collect())
}

async fn list(
    _: Operator,
    State(state): State<HttpState>,
) -> Result<Json<Vec<DeviceTypeShape>>, Failed> {
    let names = names(&state).await?;
    let device_types = device_types::list(&state.ctx).await;
    let device_types = device_types.map_err(|error| Failed::app(&state.ctx, &error))?;
    Ok(Json(device_types.into_iter().map(|device_type| shape(device_type, &names)).collect()))
}

/// The values of a device type that a request changes.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Changes {
    bearer: Option<bool>,
    max_age: Option<String>,
    reminders: Option<String>,
    addresses: Option<String>,
    idle_end: Option<String>,
    overlap: Option<String>,
    holders: Option<Vec<String>>,
    client_kind: Option<String>,
    on_mismatch: Option<String>,
    most_places: Option<u32>,
    on_sharing: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Add {
    name: String,
    bearer: bool,
    #[serde(default)]
    rules: Changes,
}

async fn add(
    _: Operator,
    State(state): State<HttpState>,
    Body(mut asked): Body<Add>,
) -> Result<(StatusCode, Json<DeviceTypeShape>), Failed> {
    let ctx = &state.ctx;
    let name = DeviceType::parse(&asked.name)
        .map_err(|fault| Failed::name(ctx, "the device type's name", fault))?;
    asked.rules.bearer = Some(asked.bearer);
    let names = names(&state).await?;
    let rules = changed(DeviceRules::default(), &asked.rules, &names);
    let rules = rules.map_err(|fault| Failed::unreadable(ctx, &fault))?;
    let added = device_types::add(ctx, Actor::Operator, name, rules).await;
    let added = added.map_err(|error| Failed::app(ctx, &error))?;
    Ok((StatusCode::CREATED, Json(shape(added, &names))))
}

async fn set(
    _: Operator,
    State(state): State<HttpState>,
    Named(name): Named,
    Body(asked): Body<Changes>,
) -> Result<Json<DeviceTypeShape>, Failed> {
    let ctx = &state.ctx;
    // A name that cannot be one is that of no device type.
    let name = DeviceType::parse(&name).map_err(|_| Failed::not_found(ctx, "device type"))?;
    let names = names(&state).await?;
    // What is named is right or wrong whatever the other values are.
    let readable = changed(DeviceRules::default(), &asked, &names);
    readable.map_err(|fault| Failed::unreadable(ctx, &fault))?;
    let set = device_types::set(ctx, Actor::Operator, &name, |rules| {
        if let Ok(changed) = changed(rules.clone(), &asked, &names) {
            *rules = changed;
        }
    });
    let set = set.await.map_err(|error| Failed::app(ctx, &error))?;
    Ok(Json(shape(set, &names)))
}

/// The rules with what is named changed; the fault says which value it is.
fn changed(rules: DeviceRules, changes: &Changes, names: &Names) -> Result<DeviceRules, String> {
    let Changes { overlap, on_mismatch, on_sharing, .. } = changes;
    Ok(DeviceRules {
        max_age: span("max_age", changes.max_age.as_deref(), rules.max_age)?,
        reminders: match &changes.reminders {
            None => rules.reminders,
            Some(days) => ReminderDays::parse(days)?,
        },
        bearer: match changes.bearer {
            None => rules.bearer,
            Some(true) => BearerUse::Allowed,
            Some(false) => BearerUse::OneHalf,
        },
        addresses: match &changes.addresses {
            None => rules.addresses,
            Some(text) => LoginRanges::parse(text).map_err(|fault| format!("addresses {fault}"))?,
        },
        idle_end: match changes.idle_end.as_deref() {
            None => rules.idle_end,
            Some(NEVER) => None,
            Some(text) => {
                let span = spans::parse(text);
                Some(span.map_err(|fault| format!("idle_end {fault}, or {NEVER}"))?)
            }
        },
        overlap: chosen("overlap", &Overlap::ALL, overlap.as_deref(), rules.overlap)?,
        holders: match &changes.holders {
            None => rules.holders,
            Some(holders) => holders_of(holders, names)?,
        },
        kind: match changes.client_kind.as_deref() {
            None => rules.kind,
            Some(ANY) => None,
            Some(word) => Some(ClientKind::from_word(word).ok_or_else(|| {
                let words = ClientKind::ALL.map(|(_, word)| word).join(", ");
                format!("client_kind must be one of: {ANY}, {words}")
            })?),
        },
        mismatch: chosen("on_mismatch", &Mismatch::ALL, on_mismatch.as_deref(), rules.mismatch)?,
        most_places: changes.most_places.unwrap_or(rules.most_places),
        on_sharing: chosen("on_sharing", &OnSharing::ALL, on_sharing.as_deref(), rules.on_sharing)?,
    })
}

/// The profiles with these names; none at all is everybody.
fn holders_of(holders: &[String], names: &Names) -> Result<Holders, String> {
    let mut profiles = Vec::new();
    for holder in holders.iter().map(|holder| holder.trim()).filter(|holder| !holder.is_empty()) {
        let found = names.iter().find(|(_, name)| name.as_str() == holder);
        let (id, _) = found.ok_or_else(|| format!("holders: there is no profile {holder}"))?;
        if !profiles.contains(id) {
            profiles.push(*id);
        }
    }
    let none = profiles.is_empty();
    Ok(if none { Holders::Everybody } else { Holders::Profiles(profiles) })
}

#[cfg(test)]
mod tests {
    use symbolon_core::policy::DAY;

    use super::*;

    #[test]
    fn only_what_is_named_changes() {
        let changes = Changes { max_age: Some("90d".to_owned()), ..Changes::default() };

        let rules = changed(DeviceRules::default(), &changes, &Names::new()).unwrap();

        assert_eq!(rules, DeviceRules { max_age: 90 * DAY, ..DeviceRules::default() });
    }

    #[test]
    fn what_cannot_be_read_is_told_by_its_name() {
        let text = |text: &str| Some(text.to_owned());
        let wrong = [
            ("max_age", Changes { max_age: text("old"), ..Changes::default() }),
            ("reminders", Changes { reminders: text("soon"), ..Changes::default() }),
            ("addresses", Changes { addresses: text("here"), ..Changes::default() }),
            ("idle_end", Changes { idle_end: text("none"), ..Changes::default() }),
            ("overlap", Changes { overlap: text("some"), ..Changes::default() }),
            ("holders", Changes { holders: Some(vec!["Nobody".to_owned()]), ..Changes::default() }),
            ("client_kind", Changes { client_kind: text("toaster"), ..Changes::default() }),
            ("on_mismatch", Changes { on_mismatch: text("burn"), ..Changes::default() }),
            ("on_sharing", Changes { on_sharing: text("burn"), ..Changes::default() }),
        ];
        for (field, changes) in wrong {
            let fault = changed(DeviceRules::default(), &changes, &Names::new()).unwrap_err();
            assert!(fault.starts_with(field), "{fault}");
        }
    }

    #[test]
    fn holders_are_named_and_nobody_named_is_everybody() {
        let names = Names::from([(Id::from_raw(7), "Operations".to_owned())]);
        let holders = |names_of: &[&str]| {
            let named: Vec<String> = names_of.iter().map(|name| (*name).to_owned()).collect();
            holders_of(&named, &names)
        };

        assert_eq!(
            holders(&["Operations", "Operations"]),
            Ok(Holders::Profiles(vec![Id::from_raw(7)]))
        );
        assert_eq!(holders(&[""]), Ok(Holders::Everybody));
        assert_eq!(holders(&[]), Ok(Holders::Everybody));
    }
}
