//! The steps of a decision as a table: every rule, what it looked at, what it said, what would have to
//! change.

use askama::Template;
use askama::filters::HtmlSafe;
use symbolon_app::explain::{ExplainedStep, Said};

/// The table.
#[derive(Debug, Template)]
#[template(path = "parts/steps.html")]
pub(crate) struct StepsTable {
    steps: Vec<ExplainedStep>,
}

impl HtmlSafe for StepsTable {}

impl StepsTable {
    /// The table of these steps; none without any.
    pub(crate) fn of(steps: Vec<ExplainedStep>) -> Option<Self> {
        (!steps.is_empty()).then_some(Self { steps })
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "templates hand over references")]
const fn badge(said: &Said) -> &'static str {
    match said {
        Said::Passed => "badge good",
        Said::Refused => "badge bad",
        Said::Demanded | Said::EnrolOnly => "badge going",
        Said::NotAsked => "badge",
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "templates hand over references")]
const fn words(said: &Said) -> &'static str {
    match said {
        Said::Passed => "lets in",
        Said::Refused => "refuses",
        Said::Demanded => "demands more",
        Said::EnrolOnly => "lets in to enrol alone",
        Said::NotAsked => "does not apply",
    }
}
