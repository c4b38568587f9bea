//! `symbolon token reset --dry-run`: what a reset would break.

use serde_json::{Value, json};

use super::link::{Link, segment};
use crate::exit::Failure;
use crate::out::{Column, Out, table};

const CLIENTS: &[Column] = &[
    ("DEVICE TYPE", "device_type"),
    ("TOKEN", "fate"),
    ("CLIENT", "client"),
    ("ANOTHER KIND", "another_kind"),
    ("FROM", "source"),
    ("TIMES", "times"),
    ("LAST", "last_at"),
    ("OUTCOME", "outcome"),
];

/// Asks what the reset would break and tells it; changes nothing.
pub(super) async fn token_reset(
    link: &Link,
    out: Out,
    username: &str,
    scope: &str,
    device_type: Option<&str>,
) -> Result<(), Failure> {
    let of_type = device_type.map(|name| format!("&device_type={}", segment(name)));
    let path = format!(
        "/users/{}/breakage?scope={scope}{}",
        segment(username),
        of_type.unwrap_or_default()
    );
    let breakage = link.get(&path).await?;
    out.data(&breakage, told)
}

fn told(breakage: &Value) -> String {
    let consequences = consequences(breakage);
    match breakage["obstacle"].as_str() {
        Some(rule) => format!("The reset would be refused. {rule}\n\n{consequences}"),
        None => consequences,
    }
}

fn consequences(breakage: &Value) -> String {
    let tokens = breakage["tokens"].as_array().map(Vec::as_slice).unwrap_or_default();
    if tokens.is_empty() {
        return "There is no live token: the reset would break nothing.".to_owned();
    }
    let rows: Vec<Value> = tokens.iter().flat_map(rows_of).collect();
    let stopping = rows
        .iter()
        .filter(|row| row["outcome"].as_str().is_some_and(|outcome| outcome.starts_with("stops")));
    let summary = match stopping.count() {
        0 => "No client would stop.".to_owned(),
        1 => "1 client would stop.".to_owned(),
        more => format!("{more} clients would stop."),
    };
    let since = breakage["since"].as_str().unwrap_or_default();
    format!(
        "{}\n\n{summary} Uses since {since}. Nothing was changed.",
        table(&json!(rows), CLIENTS)
    )
}

/// One row for each client of a token; one without a client where there is none.
fn rows_of(token: &Value) -> Vec<Value> {
    let fate = if token["ends"] == true { "ends" } else { "lives on" };
    let row = |client: &Value| {
        json!({
            "device_type": token["device_type"],
            "fate": fate,
            "client": client["client"],
            "another_kind": client["another_kind"],
            "source": client["source"],
            "times": client["times"],
            "last_at": client["last_at"],
            "outcome": client["outcome"],
        })
    };
    let clients = token["clients"].as_array().map(Vec::as_slice).unwrap_or_default();
    if clients.is_empty() { vec![row(&Value::Null)] } else { clients.iter().map(row).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_client_is_told_with_what_becomes_of_it() {
        let client = json!({
            "client": "jsforce", "another_kind": "server", "source": "10.1.2.3", "times": 3,
            "last_at": "2026-11-23T07:00:00Z", "outcome": "stops",
        });
        let breakage = json!({
            "since": "2026-08-25T07:00:00Z",
            "tokens": [
                { "device_type": "any", "ends": true, "clients": [client] },
                { "device_type": "server", "ends": false, "clients": [] },
            ],
        });

        let told = told(&breakage);

        assert!(
            told.contains("any          ends      jsforce  server        10.1.2.3  3"),
            "{told}"
        );
        assert!(told.contains("server       lives on  -"), "{told}");
        assert!(told.contains("1 client would stop. Uses since 2026-08-25T07:00:00Z."), "{told}");
    }

    #[test]
    fn without_a_live_token_nothing_breaks() {
        let told = told(&json!({ "tokens": [] }));

        assert_eq!(told, "There is no live token: the reset would break nothing.");
    }

    #[test]
    fn a_rule_that_would_refuse_the_reset_is_told_first() {
        let told = told(&json!({ "obstacle": "This user is frozen.", "tokens": [] }));

        assert!(told.starts_with("The reset would be refused. This user is frozen.\n"), "{told}");
    }
}
