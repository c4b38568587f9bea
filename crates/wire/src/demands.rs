//! What a route demands of a credential beyond being good: device types, profiles, freshness.
//!
//! Demands come from the query of the URL that a proxy is configured with
//! (`?device_type=server&device_type=mobile&profile=Standard`), from `X-Symbolon-Require-*` headers, and
//! from Envoy's context extensions. All of them must hold: a value that fits is in *every* list. So it does no harm that a
//! client can send such headers too: it can only make its own request harder to admit. Where a proxy
//! passes the client's own query on (Envoy over HTTP), the query must not be read.
//!
//! Lists of headers and extensions are parted by commas; a profile whose name has a comma can be
//! demanded in a query alone, where a value is repeated instead. Whether a credential meets the
//! demands is decided elsewhere.

use std::borrow::Cow;
use std::mem;

use thiserror::Error;

use crate::form::{self, FormError};
use crate::freshness::{self, Freshness};
use crate::{HeaderLines, RequestHeader};

/// Lists that may be demanded of one kind.
pub const MAX_LISTS: usize = 16;
/// Values that one list may have.
pub const MAX_VALUES: usize = 32;

/// Everything that is demanded. The default is nothing, and takes no memory.
#[derive(Debug, Default)]
pub struct Demands<'a> {
    /// The device types that the credential may be bound to.
    pub device_types: Lists<'a>,
    /// The profiles that its user may have.
    pub profiles: Lists<'a>,
    /// How new the answer must be.
    pub freshness: Freshness,
}

/// Lists of names, of which each must contain the value that they are compared with.
#[derive(Debug, Default)]
pub struct Lists<'a> {
    /// All lists, one behind the other.
    names: Vec<Cow<'a, str>>,
    ends: [usize; MAX_LISTS],
    count: usize,
}

/// Why demands were refused. A request whose demands cannot be read must not be admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum DemandError {
    /// A query, list or number that cannot be read, an empty list, or a number given twice.
    #[error("the demand in {0} cannot be read")]
    Malformed(&'static str),
    /// More than [`MAX_LISTS`] or [`MAX_VALUES`].
    #[error("{0} demands too much")]
    TooMany(&'static str),
}

const QUERY: &str = "query";
const DEVICE_TYPE: &str = "device_type";
const PROFILE: &str = "profile";
const MIN_REVISION: &str = "min_revision";
const DEADLINE_MS: &str = "deadline_ms";

impl<'a> Demands<'a> {
    /// Adds what the query of a configured URL demands. Unknown members are ignored.
    ///
    /// # Errors
    ///
    /// The [`DemandError`] met first.
    pub fn and_query(mut self, query: &'a str) -> Result<Self, DemandError> {
        let mut asked = Freshness::default();
        for pair in form::pairs(query.as_bytes()) {
            let (name, value) = pair.map_err(|error| match error {
                FormError::TooManyFields => DemandError::TooMany(QUERY),
                FormError::BadEscape
                | FormError::NotUtf8
                | FormError::Nul
                | FormError::DuplicateField => DemandError::Malformed(QUERY),
            })?;
            match name.reveal() {
                DEVICE_TYPE => self.device_types.add_name(value.into_cow(), QUERY)?,
                PROFILE => self.profiles.add_name(value.into_cow(), QUERY)?,
                MIN_REVISION => {
                    once(&mut asked.min_revision, freshness::revision(value.reveal()))?;
                }
                DEADLINE_MS => once(&mut asked.deadline, freshness::deadline(value.reveal()))?,
                _ => {}
            }
        }
        self.device_types.end_list();
        self.profiles.end_list();
        self.freshness = self.freshness.and(asked);
        Ok(self)
    }

    /// Adds what the headers demand: each line is one more list.
    ///
    /// Where lines may have been joined on the way, two lists of one name cannot be told from one of
    /// two; then each name is taken as a list of its own, which is the narrower reading.
    ///
    /// # Errors
    ///
    /// The [`DemandError`] met first.
    pub fn and_headers(mut self, headers: &'a impl HeaderLines) -> Result<Self, DemandError> {
        let reading = if headers.lines_may_be_joined() { Reading::AllOf } else { Reading::AnyOf };
        for (header, lists) in [
            (RequestHeader::RequireDeviceType, &mut self.device_types),
            (RequestHeader::RequireProfile, &mut self.profiles),
        ] {
            for line in headers.lines(header) {
                lists.add_list(text(line, header)?, header.name(), reading)?;
            }
        }
        for line in headers.lines(RequestHeader::MinRevision) {
            let list = text(line, RequestHeader::MinRevision)?;
            self.add_min_revision(list, RequestHeader::MinRevision.name())?;
        }
        for line in headers.lines(RequestHeader::DeadlineMs) {
            let list = text(line, RequestHeader::DeadlineMs)?;
            self.add_deadline(list, RequestHeader::DeadlineMs.name())?;
        }
        Ok(self)
    }

    /// Adds what Envoy's context extensions demand, under the names of the query's members. Unknown
    /// names are ignored.
    ///
    /// # Errors
    ///
    /// The [`DemandError`] met first.
    pub fn and_extensions(
        mut self,
        extensions: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, DemandError> {
        for (name, list) in extensions {
            match name {
                DEVICE_TYPE => self.device_types.add_list(list, DEVICE_TYPE, Reading::AnyOf)?,
                PROFILE => self.profiles.add_list(list, PROFILE, Reading::AnyOf)?,
                MIN_REVISION => self.add_min_revision(list, MIN_REVISION)?,
                DEADLINE_MS => self.add_deadline(list, DEADLINE_MS)?,
                _ => {}
            }
        }
        Ok(self)
    }

    fn add_min_revision(&mut self, list: &str, place: &'static str) -> Result<(), DemandError> {
        for number in numbers(list, place, freshness::revision) {
            let demanded = Freshness { min_revision: Some(number?), deadline: None };
            self.freshness = self.freshness.and(demanded);
        }
        Ok(())
    }

    fn add_deadline(&mut self, list: &str, place: &'static str) -> Result<(), DemandError> {
        for number in numbers(list, place, freshness::deadline) {
            let demanded = Freshness { min_revision: None, deadline: Some(number?) };
            self.freshness = self.freshness.and(demanded);
        }
        Ok(())
    }
}

impl<'a> Lists<'a> {
    /// Says whether nothing is demanded.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The lists, in the order in which they were added; none is empty.
    pub fn iter(&self) -> impl Iterator<Item = &[Cow<'a, str>]> {
        let mut begin = 0;
        self.ends[..self.count]
            .iter()
            .map(move |&end| &self.names[mem::replace(&mut begin, end)..end])
    }

    /// Says whether every list contains `name`, to the letter. Without a list that is so.
    pub fn all_contain(&self, name: &str) -> bool {
        self.iter().all(|list| list.iter().any(|known| known == name))
    }

    fn add_list(
        &mut self,
        list: &'a str,
        place: &'static str,
        reading: Reading,
    ) -> Result<(), DemandError> {
        // RFC 9110 §5.6.1.2: empty elements do not count.
        let mut names = elements(list).filter(|name| !name.is_empty()).peekable();
        if names.peek().is_none() {
            return Err(DemandError::Malformed(place));
        }
        for name in names {
            self.add_name(Cow::Borrowed(name), place)?;
            match reading {
                Reading::AnyOf => {}
                Reading::AllOf => self.end_list(),
            }
        }
        self.end_list();
        Ok(())
    }

    /// Adds `name` to the list that is being read.
    fn add_name(&mut self, name: Cow<'a, str>, place: &'static str) -> Result<(), DemandError> {
        if name.is_empty() {
            return Err(DemandError::Malformed(place));
        }
        if self.count == MAX_LISTS || self.names.len() - self.begin_of_list() == MAX_VALUES {
            return Err(DemandError::TooMany(place));
        }
        self.names.push(name);
        Ok(())
    }

    fn end_list(&mut self) {
        if self.names.len() > self.begin_of_list() {
            self.ends[self.count] = self.names.len();
            self.count += 1;
        }
    }

    fn begin_of_list(&self) -> usize {
        self.count.checked_sub(1).map_or(0, |last| self.ends[last])
    }
}

/// What a comma in a list means.
#[derive(Clone, Copy)]
enum Reading {
    /// One of these.
    AnyOf,
    /// Each of these.
    AllOf,
}

/// Numbers have one reading: all of them hold. So a list of them is as good as several lines.
fn numbers<T>(
    list: &str,
    place: &'static str,
    read: fn(&str) -> Option<T>,
) -> impl Iterator<Item = Result<T, DemandError>> {
    elements(list).map(move |number| read(number).ok_or(DemandError::Malformed(place)))
}

fn elements(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').map(|element| element.trim_matches([' ', '\t']))
}

fn once<T>(place: &mut Option<T>, number: Option<T>) -> Result<(), DemandError> {
    let malformed = number.is_none() || place.is_some();
    *place = number;
    if malformed { Err(DemandError::Malformed(QUERY)) } else { Ok(()) }
}

fn text(line: &[u8], header: RequestHeader) -> Result<&str, DemandError> {
    str::from_utf8(line).map_err(|_| DemandError::Malformed(header.name()))
}

#[cfg(test)]
mod tests;
