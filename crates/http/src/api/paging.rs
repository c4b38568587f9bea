//! Pages of a list: how long, after which row, and the way to the next one.

use axum::Json;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderValue, header};
use serde::{Deserialize, Serialize};
use symbolon_app::Ctx;

/// Most rows of one page.
const MOST_ROWS: i64 = 200;

/// Which page is asked for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PageFields {
    limit: Option<i64>,
    pub(super) after: Option<String>,
}

impl PageFields {
    /// How many rows the page has at most. What is out of bounds is taken for the nearest bound.
    pub(super) fn limit(&self) -> i64 {
        self.limit.unwrap_or(MOST_ROWS).clamp(1, MOST_ROWS)
    }

    /// How many rows the page has at most, as a count.
    pub(super) fn count(&self) -> usize {
        usize::try_from(self.limit()).unwrap_or(1)
    }

    /// Answers with a page, and, where `last` is its last row and others follow, with the way to them.
    pub(super) fn answer<T: Serialize>(
        &self,
        ctx: &Ctx,
        path: &str,
        page: T,
        last: Option<&str>,
    ) -> Response {
        let mut response = Json(page).into_response();
        let next = last.map(|last| {
            let (url, limit) = (&ctx.settings.public_url, self.limit());
            format!("<{url}{path}?limit={limit}&after={last}>; rel=\"next\"")
        });
        if let Some(next) = next.and_then(|next| HeaderValue::try_from(next).ok()) {
            response.headers_mut().insert(header::LINK, next);
        }
        response
    }
}
