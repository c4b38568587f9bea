//! Where to go after a log-in: a path of our own, never another site.

/// Longest path that is remembered over a log-in.
const MAX_LENGTH: usize = 512;

/// A path on this very server, with its query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LocalPath(String);

impl LocalPath {
    /// Takes `text` if every browser reads it as a path here.
    ///
    /// Browsers read `//host` and `/\host` as another site and drop tabs and line breaks before
    /// they look, so a backslash or a control character anywhere refuses the whole.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let printable = text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
        let local = text.starts_with('/') && !text.starts_with("//") && text.len() <= MAX_LENGTH;
        (printable && local).then(|| Self(text.to_owned()))
    }

    /// The path.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// The log-in page that leads back to `path_and_query`.
pub(crate) fn login_then(path_and_query: &str) -> String {
    let next: String = form_urlencoded::byte_serialize(path_and_query.as_bytes()).collect();
    match LocalPath::parse(path_and_query) {
        Some(_) => format!("/login?next={next}"),
        None => "/login".to_owned(),
    }
}

/// The page at `page` that leads on to `then` when it is done with.
pub(crate) fn page_then(page: &str, then: Option<&LocalPath>) -> String {
    match then {
        Some(then) => {
            let then: String = form_urlencoded::byte_serialize(then.0.as_bytes()).collect();
            format!("{page}?then={then}")
        }
        None => page.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_of_our_own_is_taken_with_its_query() {
        let path = LocalPath::parse("/setup/tokens?q=a%20b").unwrap();

        assert_eq!(path.as_str(), "/setup/tokens?q=a%20b");
        assert_eq!(login_then("/setup/a?q=1"), "/login?next=%2Fsetup%2Fa%3Fq%3D1");
    }

    #[test]
    fn whatever_a_browser_could_read_as_another_site_is_refused() {
        for text in [
            "",
            "setup",
            "//evil.example",
            "/\\evil.example",
            "/\t/evil.example",
            "/\n/evil.example",
            "/a\\b",
            "https://evil.example/",
            "javascript:alert(1)",
            " /setup",
            "/ä",
        ] {
            assert_eq!(LocalPath::parse(text), None, "{text:?}");
        }
        assert_eq!(LocalPath::parse(&"/".repeat(600)), None);
    }
}
