//! `symbolon token show`: everything that is known of one token, for people.

use serde_json::{Value, json};

use crate::out::{Column, card, table};

const USES: &[Column] = &[
    ("CLIENT", "client"),
    ("FROM", "source"),
    ("TIMES", "times"),
    ("FIRST", "first_at"),
    ("LAST", "last_at"),
];
const FOLLOWED: &[Column] = &[
    ("CLIENT", "client"),
    ("FROM", "source"),
    ("WHEREABOUTS", "whereabouts"),
    ("AT", "at"),
    ("TRIES", "tries"),
    ("BACK WITH", "back_with"),
];
const SIGNALS: &[Column] = &[
    ("ID", "id"),
    ("RULE", "rule"),
    ("LAST SEEN", "last_at"),
    ("FALSE ALARM", "false_alarm_at"),
    ("EVIDENCE", "evidence"),
];
const LEAKS: &[Column] = &[("SEEN AT", "seen"), ("TOLD BY", "reporter"), ("WHEN", "at")];

/// Tells what is known of a token.
pub(super) fn told(token: &Value) -> String {
    let mut facts = json!({
        "id": token["id"],
        "user": token["user"],
        "device_type": token["device_type"],
        "state": token["state"],
        "issued": token["issued_at"],
        "came_of": provenance(&token["issued"]),
        "expires": token["expires_at"],
        "last_used": token["last_used_at"],
    });
    let more = [
        ("ends_unused", token["idle_end"].clone()),
        ("frozen", frozen(&token["frozen"])),
        ("retired", retired(token)),
        ("rotation", rotation(token)),
        ("mail", mail(&token["mail"])),
    ];
    for (name, value) in more.into_iter().filter(|(_, value)| !value.is_null()) {
        facts[name] = value;
    }
    let uses = if token["state"] == "retired" { "Still tried by" } else { "Used by" };
    let mut parts = vec![card(&facts), section(uses, &token["uses"], USES)];
    let follow_up = &token["follow_up"];
    let lists = [
        ("Clients of the tokens that it replaced", &follow_up["clients"], FOLLOWED),
        ("Others that use a new token", &follow_up["newcomers"], USES),
        ("It looks shared", &token["sharing_signals"], SIGNALS),
        ("It was found", &token["leaks"], LEAKS),
    ];
    let there = |rows: &Value| rows.as_array().is_some_and(|rows| !rows.is_empty());
    let lists = lists.into_iter().filter(|(_, rows, _)| there(rows));
    parts.extend(lists.map(|(title, rows, columns)| section(title, rows, columns)));
    parts.join("\n\n")
}

fn section(title: &str, rows: &Value, columns: &[Column]) -> String {
    format!("{title}:\n{}", table(rows, columns))
}

fn word(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn provenance(issued: &Value) -> Value {
    let by = match issued["administrator"].as_str() {
        Some(name) => format!("administrator {name}"),
        None => word(&issued["by"]).to_owned(),
    };
    let from = issued["source"].as_str().map(|source| format!(", from {source}"));
    let cause = word(&issued["cause"]);
    let scope = word(&issued["scope"]);
    json!(format!("{cause} ({scope}) by {by}{}", from.unwrap_or_default()))
}

fn frozen(freeze: &Value) -> Value {
    if freeze.is_null() {
        return Value::Null;
    }
    json!(format!("since {}. {}", word(&freeze["since"]), word(&freeze["rule"])))
}

fn retired(token: &Value) -> Value {
    if token["retired_at"].is_null() {
        return Value::Null;
    }
    json!(format!("{} by {}", word(&token["retired_at"]), word(&token["retired_cause"])))
}

fn rotation(token: &Value) -> Value {
    let (partner, until) = (word(&token["rotation_partner"]), word(&token["outgoing_until"]));
    match token["rotation"].as_str() {
        Some("outgoing") => {
            json!(format!("lives on until {partner} is first used, {until} at most"))
        }
        Some(_) => {
            json!(format!("its first use ends {partner}, which lives until {until} at most"))
        }
        None => Value::Null,
    }
}

fn mail(mail: &Value) -> Value {
    if mail.is_null() {
        return Value::Null;
    }
    let reply = mail["last_reply"].as_str().map(|reply| format!(" ({reply})"));
    json!(format!("{} to {}{}", word(&mail["state"]), word(&mail["to"]), reply.unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token() -> Value {
        json!({
            "id": "2O0000000000001", "user": "jane@example.com", "device_type": "any",
            "state": "live", "issued_at": "2026-11-23T07:00:00Z",
            "issued": {
                "cause": "reset", "scope": "account", "by": "administrator",
                "administrator": "root@example.com", "source": null,
            },
            "expires_at": "2027-11-23T07:00:00Z", "last_used_at": null, "idle_end": null,
            "frozen": null, "retired_at": null, "retired_cause": null, "rotation": null,
            "rotation_partner": null, "outgoing_until": null, "uses": [],
            "mail": { "to": "j•••@m•••.example", "state": "handed-over", "last_reply": "250 Ok" },
            "follow_up": { "missing": 1, "newcomers": [], "clients": [{
                "client": "jsforce", "source": "10.1.2.3", "whereabouts": "on-retired-token",
                "at": "2026-11-23T08:00:00Z", "tries": 3, "back_with": null,
            }] },
            "sharing_signals": [], "leaks": [],
        })
    }

    #[test]
    fn what_is_known_is_told_and_what_is_not_is_left_out() {
        let told = told(&token());

        assert!(
            told.contains("came of:      reset (account) by administrator root@example.com"),
            "{told}"
        );
        assert!(told.contains("handed-over to j•••@m•••.example (250 Ok)"), "{told}");
        assert!(told.contains("jsforce  10.1.2.3  on-retired-token"), "{told}");
        for absent in ["frozen", "retired:", "rotation", "It looks shared", "It was found"] {
            assert!(!told.contains(absent), "{absent}: {told}");
        }
    }

    #[test]
    fn a_frozen_token_is_told_with_the_rule_and_a_rotation_with_its_deadline() {
        let mut token = token();
        token["state"] = json!("frozen");
        token["frozen"] = json!({ "since": "2026-11-24T07:00:00Z", "rule": "Lift it." });
        token["rotation"] = json!("outgoing");
        token["rotation_partner"] = json!("2O0000000000002");
        token["outgoing_until"] = json!("2026-11-25T07:00:00Z");

        let told = told(&token);

        assert!(told.contains("since 2026-11-24T07:00:00Z. Lift it."), "{told}");
        assert!(
            told.contains("until 2O0000000000002 is first used, 2026-11-25T07:00:00Z at most"),
            "{told}"
        );
    }
}
