//! `audit verify` and `audit export`.

use http::Method;
use serde_json::Value;

use super::link::{LONG_PATIENCE, Link};
use crate::exit::{Exit, Failure};
use crate::out::{Form, Out, say};

pub(super) async fn verify(link: Link, out: Out) -> Result<(), Failure> {
    let verdict = link.ask(Method::GET, "/audit/verdict", None, LONG_PATIENCE).await?;
    let whole = verdict["whole"].as_bool() == Some(true);
    out.data(&verdict, |verdict| {
        if whole {
            format!("The audit trail is whole. Rows: {}.", verdict["rows"])
        } else {
            String::new()
        }
    })?;
    if whole {
        return Ok(());
    }
    let how = verdict["break"].as_str().unwrap_or("not what was written");
    let reason = format!("the audit trail is broken: row {} is {how}", verdict["row"]);
    Err(Failure::new(Exit::Verdict, reason))
}

/// Prints page by page, so that a long trail is never held whole; as JSON it is one array.
pub(super) async fn export(link: Link, out: Out) -> Result<(), Failure> {
    let array = out.form == Form::Json;
    if array {
        say("[")?;
    }
    let mut after = 0;
    let mut separator = "";
    loop {
        let page = link.get(&format!("/audit?after={after}")).await?;
        let rows = page.as_array().map(Vec::as_slice).unwrap_or_default();
        let Some(last) = rows.last().and_then(|row| row["number"].as_i64()) else { break };
        let lines: Vec<String> = rows.iter().map(Value::to_string).collect();
        if array {
            say(&format!("{separator}{}", lines.join(",\n")))?;
            separator = ",";
        } else {
            say(&lines.join("\n"))?;
        }
        after = last;
    }
    if array { say("]") } else { Ok(()) }
}
