//! `audit verify` and `audit export`.

use serde_json::Value;

use super::link::Link;
use super::progress::Progress;
use crate::exit::{Exit, Failure};
use crate::out::{Form, Out, say};

pub(super) async fn verify(link: Link, out: Out) -> Result<(), Failure> {
    let verdict = walk(&link, &Progress::of(out)).await?;
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

/// Has the server walk along the whole trail, portion by portion; the verdict.
async fn walk(link: &Link, progress: &Progress) -> Result<Value, Failure> {
    let mut path = "/audit/walk".to_owned();
    loop {
        let stands = link.get(&path).await;
        let stands = stands.inspect_err(|_| progress.clear())?;
        if !stands["verdict"].is_null() {
            progress.clear();
            return Ok(stands["verdict"].clone());
        }
        let number = |name: &str| stands[name].as_u64().unwrap_or(0);
        progress.draw(number("walked"), number("rows"), "rows");
        let place = |name: &str| stands[name].as_str().unwrap_or_default().to_owned();
        path = format!("/audit/walk?reached={}&head={}", place("reached"), place("head"));
    }
}

/// Prints page by page, so that a long trail is never held whole; as JSON it is one array.
pub(super) async fn export(link: Link, out: Out) -> Result<(), Failure> {
    let progress = Progress::of(out);
    let exported = export_all(&link, out, &progress).await;
    progress.clear();
    exported
}

async fn export_all(link: &Link, out: Out, progress: &Progress) -> Result<(), Failure> {
    let head = link.get("/audit/head").await?["number"].as_u64().unwrap_or(0);
    let array = out.form == Form::Json;
    if array {
        say("[")?;
    }
    let mut after = 0;
    let mut separator = "";
    loop {
        let page = link.get(&format!("/audit?after={after}")).await?;
        let rows = page.as_array().map(Vec::as_slice).unwrap_or_default();
        let Some(last) = rows.last().and_then(|row| row["number"].as_u64()) else { break };
        let lines: Vec<String> = rows.iter().map(Value::to_string).collect();
        progress.beside(|| {
            if array {
                say(&format!("{separator}{}", lines.join(",\n")))
            } else {
                say(&lines.join("\n"))
            }
        })?;
        separator = ",";
        after = last;
        progress.draw(after, head.max(after), "rows");
    }
    if array { progress.beside(|| say("]")) } else { Ok(()) }
}
