//! Tables for spreadsheets (RFC 4180), with nothing in them that a spreadsheet would run.

use axum::body::Body;
use axum::response::Response;
use http::HeaderValue;
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};

use crate::pages::web::answer::{Transport, dress};

/// Appends one row.
pub(crate) fn push_row<'a>(table: &mut String, cells: impl IntoIterator<Item = &'a str>) {
    for (at, cell) in cells.into_iter().enumerate() {
        if at > 0 {
            table.push(',');
        }
        push_cell(table, cell);
    }
    table.push_str("\r\n");
}

/// Answers with the table as a download.
pub(crate) fn download(table: String, file: &'static str, transport: Transport) -> Response {
    let mut response = Response::new(Body::from(table));
    dress(&mut response, transport);
    let headers = response.headers_mut();
    headers
        .insert(CONTENT_TYPE, HeaderValue::from_static("text/csv; charset=utf-8; header=present"));
    let disposition = format!("attachment; filename=\"{file}\"");
    if let Ok(disposition) = HeaderValue::from_str(&disposition) {
        headers.insert(CONTENT_DISPOSITION, disposition);
    }
    response
}

/// A cell that begins with one of these is a formula to spreadsheets: an apostrophe before it makes
/// it text (ASVS 1.2.10). Every cell is quoted.
fn push_cell(table: &mut String, cell: &str) {
    table.push('"');
    if cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\0', '＝', '＋', '－', '＠']) {
        table.push('\'');
    }
    table.push_str(&cell.replace('"', "\"\""));
    table.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_begins_like_a_formula() {
        for first in ["=", "+", "-", "@", "\t"] {
            let mut table = String::new();

            push_row(&mut table, [format!("{first}cmd|' /C calc'!A0").as_str()]);

            assert_eq!(table, format!("\"'{first}cmd|' /C calc'!A0\"\r\n"));
        }
    }

    #[test]
    fn quotes_commas_and_line_breaks_stay_within_their_cell() {
        let mut table = String::new();

        push_row(&mut table, ["a\"b", "c,d", "e\r\nf", "minus - inside"]);

        assert_eq!(table, "\"a\"\"b\",\"c,d\",\"e\r\nf\",\"minus - inside\"\r\n");
    }
}
