//! What kind of thing a client is, by what it says of itself.
//!
//! A client's name is a claim. It can make a token be refused where it is plainly not meant for, or be
//! remarked upon; it never lets anybody in. Only marks that are plain count: what is not in the tables
//! is not recognised, and then nothing is said of it. The tables are shown in docs/device-types.md.

use crate::words::{of_word, word_of};

/// A kind of client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ClientKind {
    /// A program with windows, or a browser, on a personal computer.
    Desktop,
    /// An app or a browser on a telephone or tablet.
    Mobile,
    /// A program that serves, without anybody before it.
    Server,
    /// A program that somebody calls from a terminal.
    CommandLine,
}

impl ClientKind {
    /// All kinds, with the words that scripts and the database know them by.
    pub const ALL: [(Self, &'static str); 4] = [
        (Self::Desktop, "desktop"),
        (Self::Mobile, "mobile"),
        (Self::Server, "server"),
        (Self::CommandLine, "command-line"),
    ];

    /// The word for it.
    pub fn word(self) -> &'static str {
        word_of(&Self::ALL, self)
    }

    /// The kind with this word.
    pub fn from_word(word: &str) -> Option<Self> {
        of_word(&Self::ALL, word)
    }
}

/// Marks anywhere in a client's name, in lower case, the more particular first: a browser on a telephone
/// carries the marks of one on a computer too.
pub const MARKS: [(&str, ClientKind); 34] = [
    ("android", ClientKind::Mobile),
    ("iphone", ClientKind::Mobile),
    ("ipad", ClientKind::Mobile),
    (" on ios", ClientKind::Mobile),
    ("okhttp/", ClientKind::Mobile),
    ("salesforcemobilesdk", ClientKind::Mobile),
    ("cfnetwork/", ClientKind::Mobile),
    ("dataloader", ClientKind::Desktop),
    ("excel", ClientKind::Desktop),
    ("outlook", ClientKind::Desktop),
    ("tableau desktop", ClientKind::Desktop),
    ("windows nt", ClientKind::Desktop),
    (" on windows", ClientKind::Desktop),
    ("macintosh", ClientKind::Desktop),
    (" on macos", ClientKind::Desktop),
    (" on linux", ClientKind::Desktop),
    ("curl/", ClientKind::CommandLine),
    ("wget/", ClientKind::CommandLine),
    ("httpie/", ClientKind::CommandLine),
    ("xh/", ClientKind::CommandLine),
    ("sfdx", ClientKind::CommandLine),
    ("sf-cli", ClientKind::CommandLine),
    ("powershell", ClientKind::CommandLine),
    ("jsforce", ClientKind::Server),
    ("node-fetch/", ClientKind::Server),
    ("simple-salesforce", ClientKind::Server),
    ("python-requests/", ClientKind::Server),
    ("python-httpx/", ClientKind::Server),
    ("aiohttp/", ClientKind::Server),
    ("go-http-client/", ClientKind::Server),
    ("java/", ClientKind::Server),
    ("apache-httpclient/", ClientKind::Server),
    ("mulesoft", ClientKind::Server),
    ("informatica", ClientKind::Server),
];

/// The kind of the client with this name, if it is plain: the client's `User-Agent` or the name that it
/// gives, or what [`crate::user_agent::client_of`] made of it.
pub fn kind_of(client: &str) -> Option<ClientKind> {
    let client = client.to_ascii_lowercase();
    MARKS.iter().find(|(mark, _)| client.contains(mark)).map(|(_, kind)| *kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_plain_is_recognised_and_what_is_not_is_left_open() {
        let cases = [
            ("Chrome 156 on Linux", Some(ClientKind::Desktop)),
            ("Firefox 130 on Android", Some(ClientKind::Mobile)),
            ("Safari 17 on iOS", Some(ClientKind::Mobile)),
            ("DataLoaderPartnerUI/60.0", Some(ClientKind::Desktop)),
            ("curl/8.14.1", Some(ClientKind::CommandLine)),
            ("jsforce", Some(ClientKind::Server)),
            ("simple-salesforce/1.12.6", Some(ClientKind::Server)),
            ("nightly-export", None),
            ("", None),
        ];
        for (client, kind) in cases {
            assert_eq!(kind_of(client), kind, "{client:?}");
        }
    }

    #[test]
    fn every_mark_is_written_as_it_is_compared() {
        for (mark, kind) in MARKS {
            assert_eq!(mark, mark.to_ascii_lowercase());
            assert_eq!(kind_of(mark), Some(kind), "{mark:?} is hidden by an earlier mark");
        }
    }
}
