//! The login history: one's own, and for administrators everybody's.

use std::str::FromStr;

use askama::Template;
use axum::response::Response;
use http::StatusCode;
use symbolon_app::AppError;
use symbolon_app::history::{self, LoginEntry};
use symbolon_core::Timestamp;
use symbolon_core::id::{Id, Login, User};

use crate::pages::view::frame::Frame;
use crate::pages::view::moment::moment;
use crate::pages::web::access::{Administrator, LoggedIn};
use crate::pages::web::answer::{Answer, Page};
use crate::pages::web::csv;
use crate::pages::web::visit::Visit;

/// Entries on one page.
const PAGE: usize = 50;
/// Entries of one download; older ones are had by `symbolon login history`.
const DOWNLOAD: i64 = 10_000;

/// Where one’s own is; each entry’s explanation is below it.
pub(crate) const OWN: &str = "/setup/login-history";
/// Where everybody’s is.
pub(crate) const ALL: &str = "/setup/all-login-history";

#[derive(Template)]
#[template(path = "history.html")]
struct HistoryPage {
    frame: Frame,
    lead: &'static str,
    everybody: bool,
    username: String,
    entries: Vec<LoginEntry>,
    older: Option<String>,
    csv: String,
}

impl Page for HistoryPage {
    fn frame(&self) -> &Frame {
        &self.frame
    }
}

/// `GET /setup/login-history`
pub(crate) async fn show_own(visit: Visit, LoggedIn(session): LoggedIn) -> Answer {
    let mut entries = one_page(&visit, Some(session.user)).await?;
    let page = HistoryPage {
        frame: Frame::for_session(&visit, &session, "Login History").await?,
        lead: "Who tried to log in as you, from where and with which client, and why it was refused. Strangers are \
               told none of this. You do not know an attempt? Reset your security token and change your password.",
        everybody: false,
        username: String::new(),
        older: older(OWN, &mut entries),
        entries,
        csv: format!("{OWN}.csv"),
    };
    Ok(page.answer(StatusCode::OK))
}

/// `GET /setup/all-login-history`
pub(crate) async fn show_all(visit: Visit, Administrator(session): Administrator) -> Answer {
    let username = visit.query("username").unwrap_or_default().trim().to_owned();
    let frame = Frame::for_session(&visit, &session, "All Logins").await?;
    let (entries, older) = if username.is_empty() {
        let mut entries = one_page(&visit, None).await?;
        let older = older(ALL, &mut entries);
        (entries, older)
    } else {
        (history::list_of(&visit.ctx, &username, limit(PAGE) * 4).await?, None)
    };
    let page = HistoryPage {
        frame,
        lead: "Every attempt to log in, newest first, with its true reason.",
        everybody: true,
        csv: format!("{ALL}.csv"),
        username,
        older,
        entries,
    };
    Ok(page.answer(StatusCode::OK))
}

/// `GET /setup/login-history.csv`
pub(crate) async fn download_own(visit: Visit, LoggedIn(session): LoggedIn) -> Answer {
    download(&visit, Some(session.user)).await
}

/// `GET /setup/all-login-history.csv`
pub(crate) async fn download_all(visit: Visit, _: Administrator) -> Answer {
    download(&visit, None).await
}

async fn download(visit: &Visit, user: Option<Id<User>>) -> Answer {
    let entries = history::list(&visit.ctx, user, DOWNLOAD, None).await?;
    Ok(table(&entries, visit))
}

fn table(entries: &[LoginEntry], visit: &Visit) -> Response {
    let mut table = String::new();
    let head = ["time", "user", "outcome", "reason", "head", "client", "source", "correlation_id"];
    csv::push_row(&mut table, head);
    for entry in entries {
        let time = entry.at.rfc3339();
        let cells = [
            &time,
            &entry.username,
            &entry.outcome,
            &entry.reason,
            &entry.head,
            &entry.client,
            &entry.source,
            &entry.correlation_id,
        ];
        csv::push_row(&mut table, cells.map(String::as_str));
    }
    csv::download(table, "login-history.csv", visit.transport)
}

/// A page of entries and one more, which tells whether there are older ones.
async fn one_page(visit: &Visit, user: Option<Id<User>>) -> Result<Vec<LoginEntry>, AppError> {
    let before = visit.query("before").and_then(place_of_text);
    history::list(&visit.ctx, user, limit(PAGE) + 1, before).await
}

fn older(path: &str, entries: &mut Vec<LoginEntry>) -> Option<String> {
    if entries.len() <= PAGE {
        return None;
    }
    entries.truncate(PAGE);
    let last = entries.last()?;
    Some(format!("{path}?before={}-{}", last.at.unix_ms(), last.id))
}

fn place_of_text(text: &str) -> Option<(Timestamp, Id<Login>)> {
    let (ms, id) = text.split_once('-')?;
    Some((Timestamp::from_unix_ms(ms.parse().ok()?), Id::from_str(id).ok()?))
}

/// The head in words for people; downloads carry the word that the command line knows.
pub(crate) fn head_words(head: &str) -> &str {
    match head {
        "soap-partner" => "SOAP (partner)",
        "soap-enterprise" => "SOAP (enterprise)",
        "oauth-password" => "OAuth password",
        other => other,
    }
}

fn limit(entries: usize) -> i64 {
    i64::try_from(entries).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(raw: i64) -> LoginEntry {
        LoginEntry {
            id: Id::from_raw(raw),
            at: Timestamp::from_unix_ms(1_000 + raw),
            user: None,
            username: "jane".to_owned(),
            head: "web".to_owned(),
            client: String::new(),
            source: "10.0.0.1".to_owned(),
            outcome: "refused".to_owned(),
            reason: "wrong password".to_owned(),
            correlation_id: "c".to_owned(),
        }
    }

    #[test]
    fn the_link_to_older_entries_leads_behind_the_last_one_shown() {
        let mut entries: Vec<LoginEntry> = (0..51).rev().map(entry).collect();

        let link = older(OWN, &mut entries).unwrap();

        let place = place_of_text(link.split_once("before=").unwrap().1);
        assert_eq!(place, Some((Timestamp::from_unix_ms(1_001), Id::from_raw(1))));
        assert_eq!(entries.len(), PAGE);
    }

    #[test]
    fn a_page_that_is_the_last_has_no_link() {
        assert_eq!(older(OWN, &mut (0..50).map(entry).collect()), None);
        assert_eq!(place_of_text("x-y"), None);
    }

    #[test]
    fn every_head_is_told_in_words() {
        use symbolon_app::login::Head;

        let words = [Head::Web, Head::SoapPartner, Head::SoapEnterprise, Head::OAuthPassword]
            .map(Head::word);

        assert_eq!(
            words.map(head_words),
            ["web", "SOAP (partner)", "SOAP (enterprise)", "OAuth password"]
        );
    }
}
