//! All Tokens: everybody's, and never themselves; by state, device type, profile and owner.
//!
//! A form by GET: what was filtered can be linked to. A word that names nothing is told, for a filter that
//! is passed over would show what nobody asked for.

use std::str::FromStr;

use askama::Template;
use http::StatusCode;
use symbolon_app::tokens::{self, Freeze, InventoryEntry, Rotation, TokenFilter, TokenState};
use symbolon_app::{AppError, device_types, profiles};
use symbolon_core::Timestamp;
use symbolon_core::id::{Id, Profile, Token};
use symbolon_core::words::of_word;

use crate::pages::admin::user::path_of;
use crate::pages::own::token_card::badge_of;
use crate::pages::view::age::Age;
use crate::pages::view::form::Choice;
use crate::pages::view::frame::Frame;
use crate::pages::view::moment::{moment, plain};
use crate::pages::web::access::Administrator;
use crate::pages::web::answer::{Answer, Page};
use crate::pages::web::visit::Visit;

/// Where they are.
pub(crate) const PATH: &str = "/setup/all-tokens";

/// Tokens on one page.
const PAGE: usize = 50;

#[derive(Template)]
#[template(path = "all_tokens.html")]
struct AllTokensPage {
    frame: Frame,
    username: String,
    lists: Vec<FilterList>,
    rows: Vec<Row>,
    newest: Option<String>,
    older: Option<String>,
}

impl Page for AllTokensPage {
    fn frame(&self) -> &Frame {
        &self.frame
    }
}

/// What may be chosen of one kind, and what is chosen.
struct FilterList {
    name: &'static str,
    label: &'static str,
    choices: Vec<Choice>,
    chosen: String,
}

/// One token.
struct Row {
    entry: InventoryEntry,
    /// The page of its owner, where he is still there.
    owner: Option<String>,
    /// How much of its life is over, while it lives.
    age: Option<Age>,
}

impl Row {
    fn of(entry: InventoryEntry, now: Timestamp) -> Self {
        let token = &entry.token;
        let owner = entry.owner_removed_at.is_none().then(|| path_of(token.username.as_str()));
        let age = (!token.state.has_ended()).then(|| Age::of(token, now));
        Self { entry, owner, age }
    }

    fn badge(&self) -> &'static str {
        badge_of(self.entry.token.state)
    }

    /// What keeps it from being accepted, and who can lift that.
    fn freeze(&self) -> Option<&'static str> {
        self.entry.token.freeze.map(Freeze::rule)
    }

    /// Its part in a rotation that is under way.
    fn rotation(&self) -> Option<String> {
        self.entry.token.rotation.map(|rotation| match rotation {
            Rotation::Outgoing(new) => format!("until {new} is first used"),
            Rotation::Incoming(old) => format!("comes in the place of {old}"),
        })
    }

    /// When it dies of disuse, where that is before its time.
    fn ends_unused(&self) -> Option<String> {
        let token = &self.entry.token;
        let end =
            token.idle_end.filter(|end| token.retired.is_none() && *end < token.expires_at)?;
        Some(format!("unused, it ends {}", plain(end)))
    }
}

/// `GET /setup/all-tokens`
pub(crate) async fn show(visit: Visit, Administrator(session): Administrator) -> Answer {
    let frame = Frame::for_session(&visit, &session, "All Tokens").await?;
    let (filter, lists) = filter(&visit).await?;
    let after = match visit.query("after") {
        Some(after) => Some(Id::<Token>::from_str(after).map_err(|_| AppError::NotFound("token"))?),
        None => None,
    };
    let limit = i64::try_from(PAGE + 1).unwrap_or(i64::MAX);
    let mut entries = tokens::inventory(&visit.ctx, &filter, limit, after).await?;
    let more = entries.len() > PAGE;
    entries.truncate(PAGE);
    let last = entries.last().filter(|_| more).map(|last| last.token.token);
    let now = visit.ctx.clock.now();
    let page = AllTokensPage {
        newest: after.map(|_| address(&filter.username, &lists, None)),
        older: last.map(|last| address(&filter.username, &lists, Some(last))),
        rows: entries.into_iter().map(|entry| Row::of(entry, now)).collect(),
        username: filter.username,
        lists,
        frame,
    };
    Ok(page.answer(StatusCode::OK))
}

/// What the address asks for, and what else may be chosen.
async fn filter(visit: &Visit) -> Result<(TokenFilter, Vec<FilterList>), AppError> {
    let asked = |name| visit.query(name).unwrap_or_default().trim().to_owned();
    let states = TokenState::ALL.map(|(_, word)| Choice::new(word, word)).to_vec();
    let state = one_of("state", &asked("state"), |word| of_word(&TokenState::ALL, word))?;
    let known = device_types::list(&visit.ctx).await?;
    let device_types = known.iter().map(|row| Choice::new(row.name.as_str(), row.name.as_str()));
    let device_type = one_of("device type", &asked("device_type"), |word| {
        known.iter().find(|row| row.name.as_str() == word).map(|row| row.name.clone())
    })?;
    let policies = profiles::list(&visit.ctx).await?;
    let own = policies.iter().filter(|profile| profile.everybody_since.is_none());
    let names = own.clone().map(|profile| Choice::new(&profile.name, &profile.name)).collect();
    let profile: Option<Id<Profile>> = one_of("profile", &asked("profile"), |word| {
        own.clone().find(|profile| profile.name == word).map(|profile| profile.id)
    })?;
    let list = |name, label, choices: Vec<Choice>| FilterList {
        name,
        label,
        choices: [vec![Choice::new("", "all")], choices].concat(),
        chosen: asked(name),
    };
    let lists = vec![
        list("state", "State", states),
        list("device_type", "Device Type", device_types.collect()),
        list("profile", "Profile", names),
    ];
    Ok((TokenFilter { state, device_type, profile, username: asked("username") }, lists))
}

/// What a word stands for; nothing where it is empty.
fn one_of<T>(
    what: &'static str,
    word: &str,
    find: impl FnOnce(&str) -> Option<T>,
) -> Result<Option<T>, AppError> {
    if word.is_empty() {
        return Ok(None);
    }
    find(word).map(Some).ok_or(AppError::NotFound(what))
}

/// The address of the page with the same filter that begins after a token.
fn address(username: &str, lists: &[FilterList], after: Option<Id<Token>>) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    let chosen = lists.iter().map(|list| (list.name, list.chosen.as_str()));
    let asked = [("username", username)].into_iter().chain(chosen);
    query.extend_pairs(asked.filter(|(_, value)| !value.is_empty()));
    if let Some(after) = after {
        query.append_pair("after", &after.to_string());
    }
    match query.finish() {
        query if query.is_empty() => PATH.to_owned(),
        query => format!("{PATH}?{query}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_of_the_next_page_keeps_the_filter() {
        let list = |name, chosen: &str| FilterList {
            name,
            label: "",
            choices: Vec::new(),
            chosen: chosen.to_owned(),
        };
        let lists = [list("state", "live"), list("device_type", ""), list("profile", "A & B")];
        let last = Id::from_raw(7);

        let next = address("jane+1", &lists, Some(last));

        let expected = format!("{PATH}?username=jane%2B1&state=live&profile=A+%26+B&after={last}");
        assert_eq!(next, expected);
        assert_eq!(address("", &[], None), PATH);
    }
}
