//! The audit trail, over the control socket.

use std::fmt::Write as _;

use axum::Json;
use axum::extract::State;
use axum::routing::MethodFilter;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use symbolon_app::trail::{self, Walk};
use symbolon_core::audit::{AuditRow, Break, ChainEnd};

use super::ask::{Fields, Operator, route};
use super::problem::Failed;
use crate::routes::Route;
use crate::state::HttpState;

/// Most rows of one answer.
const MOST_ROWS: i64 = 1000;

pub(super) fn routes() -> Vec<Route> {
    vec![
        route(MethodFilter::GET, "/audit", export),
        route(MethodFilter::GET, "/audit/head", head),
        route(MethodFilter::GET, "/audit/walk", walk),
    ]
}

/// A place in the chain: the number of a row, a hyphen, its hash in hexadecimal.
struct Place(ChainEnd);

impl Serialize for Place {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{}-{}", self.0.number, hexadecimal(&self.0.hash)))
    }
}

impl<'de> Deserialize<'de> for Place {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        place_of(&text).map(Self).ok_or_else(|| D::Error::custom("not a place in the chain"))
    }
}

fn place_of(text: &str) -> Option<ChainEnd> {
    let (number, hash) = text.split_once('-')?;
    let mut bytes = [0; 32];
    if hash.len() != 2 * bytes.len() || !hash.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&hash[2 * at..2 * at + 2], 16).ok()?;
    }
    let number = number.parse().ok().filter(|number| *number >= 0)?;
    Some(ChainEnd { number, hash: bytes })
}

/// How far a walk along the chain came before, and where it ends. Nothing of both begins one.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WalkFields {
    reached: Option<Place>,
    head: Option<Place>,
}

/// How a walk along the chain stands.
#[derive(Serialize)]
struct WalkShape {
    /// How many rows were walked.
    walked: i64,
    /// How many there are to walk.
    rows: i64,
    /// With what to ask for the next portion.
    reached: Place,
    head: Place,
    /// `None` while there is more to walk.
    verdict: Option<VerdictShape>,
}

/// What a whole walk along the chain found.
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

impl From<Result<i64, Break>> for VerdictShape {
    fn from(verdict: Result<i64, Break>) -> Self {
        let broken =
            |how, row| Self { whole: false, rows: None, broken: Some(how), row: Some(row) };
        match verdict {
            Ok(rows) => Self { whole: true, rows: Some(rows), broken: None, row: None },
            Err(Break::Missing(row)) => broken("missing", row),
            Err(Break::Altered(row)) => broken("altered", row),
        }
    }
}

/// Walks one portion, so that whoever asks can tell how far it is.
async fn walk(
    _: Operator,
    State(state): State<HttpState>,
    Fields(asked): Fields<WalkFields>,
) -> Result<Json<WalkShape>, Failed> {
    let failed = |error| Failed::app(&state.ctx, &error);
    let mut walk = match (asked.reached, asked.head) {
        (Some(Place(reached)), Some(Place(head))) => Walk::from(reached, head),
        (None, None) => Walk::begin(&state.ctx).await.map_err(failed)?,
        _ => return Err(Failed::unreadable(&state.ctx, "reached and head go together")),
    };
    let verdict = walk.go_on(&state.ctx).await.map_err(failed)?;
    Ok(Json(WalkShape {
        walked: walk.reached().number,
        rows: walk.head().number,
        reached: Place(walk.reached()),
        head: Place(walk.head()),
        verdict: verdict.map(VerdictShape::from),
    }))
}

/// The last row of the trail.
#[derive(Serialize)]
struct HeadShape {
    number: i64,
    hash: String,
}

async fn head(_: Operator, State(state): State<HttpState>) -> Result<Json<HeadShape>, Failed> {
    let head = trail::head(&state.ctx).await.map_err(|error| Failed::app(&state.ctx, &error))?;
    Ok(Json(HeadShape { number: head.number, hash: hexadecimal(&head.hash) }))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_in_the_chain_reads_back_and_nothing_else_is_one() {
        let place = ChainEnd { number: 12, hash: [0xa5; 32] };
        let text = serde_json::to_value(Place(place)).unwrap();

        assert_eq!(text, format!("12-{}", "a5".repeat(32)));
        assert_eq!(serde_json::from_value::<Place>(text).unwrap().0, place);
        for other in ["", "12", "12-", "-1-00", "12-a5", &format!("12-{}", "é".repeat(32))] {
            assert_eq!(place_of(other), None, "{other}");
        }
        assert_eq!(place_of(&format!("-1-{}", "a5".repeat(32))), None);
        assert_eq!(place_of(&format!("1-+5{}", "a5".repeat(31))), None);
    }
}
