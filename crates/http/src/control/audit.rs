//! The audit trail, over the control socket.

use std::fmt::Write as _;

use axum::Json;
use axum::extract::State;
use axum::routing::MethodFilter;
use serde::{Deserialize, Serialize};
use symbolon_app::trail;
use symbolon_core::audit::{AuditRow, Break};

use super::ask::{Fields, Operator, route};
use super::problem::Failed;
use crate::routes::Route;
use crate::state::HttpState;

/// Most rows of one answer.
const MOST_ROWS: i64 = 1000;

pub(super) fn routes() -> Vec<Route> {
    vec![
        route(MethodFilter::GET, "/audit", export),
        route(MethodFilter::GET, "/audit/verdict", verify),
    ]
}

/// What the walk along the chain found.
#[derive(Serialize)]
struct VerdictShape {
    whole: bool,
    /// How many rows there are; unknown where the chain breaks.
    rows: Option<i64>,
    /// `missing` or `altered`.
    #[serde(rename = "break")]
    broken: Option<&'static str>,
    /// The number of the row where it breaks.
    row: Option<i64>,
}

async fn verify(_: Operator, State(state): State<HttpState>) -> Result<Json<VerdictShape>, Failed> {
    let verdict = trail::verify(&state.ctx, &mut |_| {}).await;
    let verdict = verdict.map_err(|error| Failed::app(&state.ctx, &error))?;
    let broken =
        |how, row| VerdictShape { whole: false, rows: None, broken: Some(how), row: Some(row) };
    Ok(Json(match verdict {
        Ok(rows) => VerdictShape { whole: true, rows: Some(rows), broken: None, row: None },
        Err(Break::Missing(row)) => broken("missing", row),
        Err(Break::Altered(row)) => broken("altered", row),
    }))
}

#[derive(Serialize)]
struct RowShape {
    number: i64,
    time: String,
    actor: String,
    action: String,
    subject: String,
    details: String,
    hash: String,
}

impl From<(AuditRow, [u8; 32])> for RowShape {
    fn from((row, hash): (AuditRow, [u8; 32])) -> Self {
        Self {
            number: row.number,
            time: row.at.rfc3339(),
            actor: row.actor,
            action: row.action,
            subject: row.subject,
            details: row.details,
            hash: hexadecimal(&hash),
        }
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a string cannot fail");
        text
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Range {
    after: Option<i64>,
    limit: Option<i64>,
}

async fn export(
    _: Operator,
    State(state): State<HttpState>,
    Fields(asked): Fields<Range>,
) -> Result<Json<Vec<RowShape>>, Failed> {
    let limit = asked.limit.unwrap_or(MOST_ROWS).clamp(1, MOST_ROWS);
    let rows = trail::export(&state.ctx, asked.after.unwrap_or(0), limit).await;
    let rows = rows.map_err(|error| Failed::app(&state.ctx, &error))?;
    Ok(Json(rows.into_iter().map(RowShape::from).collect()))
}
