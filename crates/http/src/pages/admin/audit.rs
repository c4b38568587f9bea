//! Audit Trail: the last rows, and whether the whole chain still holds.

use askama::Template;
use http::StatusCode;
use symbolon_app::trail;
use symbolon_core::audit::{AuditRow, Break};

use crate::pages::view::frame::Frame;
use crate::pages::view::moment::{counted, moment};
use crate::pages::web::access::Administrator;
use crate::pages::web::answer::{Answer, Page};
use crate::pages::web::visit::Visit;

/// Rows on one page.
const PAGE: i64 = 50;

#[derive(Template)]
#[template(path = "audit.html")]
struct AuditPage {
    frame: Frame,
    whole: bool,
    verdict: String,
    rows: Vec<AuditRow>,
    older: Option<String>,
    newer: Option<String>,
}

impl Page for AuditPage {
    fn frame(&self) -> &Frame {
        &self.frame
    }
}

/// `GET /setup/audit`: verifies the whole chain each time, so that what is shown is never older than
/// what was proved.
pub(crate) async fn show(visit: Visit, Administrator(session): Administrator) -> Answer {
    let frame = Frame::for_session(&visit, &session, "Audit Trail").await?;
    let verdict = trail::verify(&visit.ctx).await?;
    let (whole, last) = match verdict {
        Ok(rows) => (true, rows),
        // The rows around the break are what somebody must look at.
        Err(Break::Missing(at) | Break::Altered(at)) => (false, at.saturating_add(PAGE / 2)),
    };
    let upto =
        visit.query("upto").and_then(|upto| upto.parse().ok()).unwrap_or(last).clamp(0, last);
    let after = (upto - PAGE).max(0);
    let mut rows = trail::export(&visit.ctx, after, upto - after).await?;
    rows.reverse();
    let page = AuditPage {
        frame,
        whole,
        verdict: words(verdict),
        rows: rows.into_iter().map(|(row, _)| row).collect(),
        older: (after > 0).then(|| format!("/setup/audit?upto={after}")),
        newer: (upto < last).then(|| format!("/setup/audit?upto={}", upto.saturating_add(PAGE))),
    };
    Ok(page.answer(StatusCode::OK))
}

/// The details that say something: a fact without a value is left out.
fn stated(details: &str) -> Vec<&str> {
    details.lines().filter(|fact| !fact.is_empty() && !fact.ends_with('=')).collect()
}

fn words(verdict: Result<i64, Break>) -> String {
    match verdict {
        Ok(rows) => format!(
            "The chain is whole: {}, none altered, none missing.",
            counted(u64::try_from(rows).unwrap_or(0), "row")
        ),
        Err(Break::Missing(row)) => format!("The chain is broken: row {row} is missing."),
        Err(Break::Altered(row)) => {
            format!("The chain is broken: row {row} is not what was written.")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fact_without_a_value_is_left_out() {
        assert_eq!(stated("cause=reset\nretired=1\nreason="), ["cause=reset", "retired=1"]);
        assert!(stated("label=").is_empty());
    }
}
