//! The request headers that verification reads, and how it reads them from any protocol.
//!
//! HTTP requests and the requests inside Envoy's gRPC calls are read by the same rules. Who has
//! headers implements [`HeaderLines`]; which lines count is decided by those who ask.

/// A header that verification reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestHeader {
    /// `Authorization`
    Authorization,
    /// `X-Api-Key`
    ApiKey,
    /// `X-Symbolon-Require-Device-Type`
    RequireDeviceType,
    /// `X-Symbolon-Require-Profile`
    RequireProfile,
    /// `X-Symbolon-Min-Revision`
    MinRevision,
    /// `X-Symbolon-Deadline-Ms`
    DeadlineMs,
}

impl RequestHeader {
    /// Every header that verification reads.
    pub const ALL: [Self; 6] = [
        Self::Authorization,
        Self::ApiKey,
        Self::RequireDeviceType,
        Self::RequireProfile,
        Self::MinRevision,
        Self::DeadlineMs,
    ];

    /// The name in lower case, as HTTP/2 spells it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Authorization => "authorization",
            Self::ApiKey => "x-api-key",
            Self::RequireDeviceType => "x-symbolon-require-device-type",
            Self::RequireProfile => "x-symbolon-require-profile",
            Self::MinRevision => "x-symbolon-min-revision",
            Self::DeadlineMs => "x-symbolon-deadline-ms",
        }
    }
}

/// The headers of a request.
pub trait HeaderLines {
    /// The values of `header`, one for each line that the request has of it, in their order.
    fn lines(&self, header: RequestHeader) -> impl Iterator<Item = &[u8]>;

    /// Says whether lines of one name may have been joined with commas on the way here, so that two
    /// of them cannot be told from one that holds a comma.
    fn lines_may_be_joined(&self) -> bool {
        false
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::{HeaderLines, RequestHeader};

    /// Headers as a test writes them.
    pub(crate) struct Lines(pub(crate) Vec<(String, Vec<u8>)>);

    impl Lines {
        pub(crate) fn of(lines: &[(&str, &str)]) -> Self {
            let owned = |&(name, value): &(&str, &str)| (name.to_owned(), value.into());
            Self(lines.iter().map(owned).collect())
        }
    }

    impl HeaderLines for Lines {
        fn lines(&self, header: RequestHeader) -> impl Iterator<Item = &[u8]> {
            let same = move |(name, _): &&(String, Vec<u8>)| name == header.name();
            self.0.iter().filter(same).map(|(_, value)| value.as_slice())
        }
    }

    /// The same after a hop that joins lines.
    pub(crate) struct Joined(pub(crate) Lines);

    impl HeaderLines for Joined {
        fn lines(&self, header: RequestHeader) -> impl Iterator<Item = &[u8]> {
            self.0.lines(header)
        }

        fn lines_may_be_joined(&self) -> bool {
            true
        }
    }

    #[test]
    fn names_are_in_lower_case_and_all_different() {
        let names = RequestHeader::ALL.map(RequestHeader::name);

        for (at, name) in names.iter().enumerate() {
            assert_eq!(*name, name.to_lowercase());
            assert!(!names[..at].contains(name));
        }
    }
}
