//! Paths of the SOAP head and the URLs that lead back to it.
//!
//! `[/<label>.salesforce.com]/+services/Soap/(u|c)/[v]NN[.N][/org][/]`: the optional first segment
//! is how a client that always appends `.salesforce.com` can be pointed at us, the double slash is
//! Data Loader's, the `v` rustforce's.

use crate::soap::Flavor;

/// What a SOAP path says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SoapPath {
    /// From the letter.
    pub flavor: Flavor,
    /// Digits, a dot and digits, for example `59.0`; a bare `59` is read as `59.0`.
    pub version: String,
    /// 15 to 18 letters and digits, as sent. Whether they name our organization is not known here.
    pub organization: Option<String>,
}

/// Reads the path of a request; `None` if it is not one of the SOAP head.
pub fn parse_path(path: &str) -> Option<SoapPath> {
    let rest = strip_salesforce_prefix(path).strip_prefix("/services/Soap/")?;
    let mut segments = rest.trim_end_matches('/').split('/');
    let flavor = match segments.next()? {
        "u" => Flavor::Partner,
        "c" => Flavor::Enterprise,
        _ => return None,
    };
    let version = parse_version(segments.next()?)?;
    let organization = match segments.next() {
        Some(id) if is_organization(id) => Some(id.to_owned()),
        Some(_) => return None,
        None => None,
    };
    segments.next().is_none().then_some(SoapPath { flavor, version, organization })
}

/// Drops one leading `/<label>.salesforce.com` segment, if there is one, and all but one of the
/// leading slashes.
///
/// ```
/// # use symbolon_wire::soap::strip_salesforce_prefix;
/// assert_eq!(strip_salesforce_prefix("/login.salesforce.com/services/data"), "/services/data");
/// assert_eq!(strip_salesforce_prefix("//services/data"), "/services/data");
/// ```
pub fn strip_salesforce_prefix(path: &str) -> &str {
    let path = one_leading_slash(path);
    let Some(segment_end) = path.get(1..).and_then(|rest| rest.find('/')).map(|at| at + 1) else {
        return path;
    };
    let (segment, rest) = path.split_at(segment_end);
    match segment.strip_suffix(".salesforce.com") {
        // A label of at least one character follows the slash.
        Some(label) if label.len() > 1 => one_leading_slash(rest),
        Some(_) | None => path,
    }
}

/// The URL that a client is told to send its further calls to. `organization` has 15 characters.
#[must_use]
pub fn server_url(public_url: &str, flavor: Flavor, version: &str, organization: &str) -> String {
    format!("{public_url}/services/Soap/{}/{version}/{organization}", flavor.letter())
}

/// The URL of the metadata API, which the login result must name though nothing answers there.
#[must_use]
pub fn metadata_server_url(public_url: &str, version: &str, organization: &str) -> String {
    format!("{public_url}/services/Soap/m/{version}/{organization}")
}

fn one_leading_slash(path: &str) -> &str {
    let mut path = path;
    while path.starts_with("//") {
        path = &path[1..];
    }
    path
}

fn parse_version(segment: &str) -> Option<String> {
    let digits = segment.strip_prefix('v').unwrap_or(segment);
    let (major, minor) = digits.split_once('.').unwrap_or((digits, "0"));
    let plain =
        |part: &str| matches!(part.len(), 1..=3) && part.bytes().all(|byte| byte.is_ascii_digit());
    (plain(major) && plain(minor)).then(|| format!("{major}.{minor}"))
}

fn is_organization(segment: &str) -> bool {
    matches!(segment.len(), 15..=18) && segment.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parsed(path: &str) -> (Flavor, String, Option<String>) {
        let SoapPath { flavor, version, organization } =
            parse_path(path).unwrap_or_else(|| panic!("{path}"));
        (flavor, version, organization)
    }

    #[test]
    fn every_spelling_that_clients_send_is_read() {
        for path in [
            "/services/Soap/u/59.0",
            "//services/Soap/u/59.0/",
            "/services/Soap/u/v59.0",
            "/services/Soap/u/59//",
            "/login.salesforce.com/services/Soap/u/59.0",
            "/my.host.salesforce.com//services/Soap/u/59.0",
        ] {
            assert_eq!(parsed(path), (Flavor::Partner, "59.0".to_owned(), None), "{path}");
        }
        assert_eq!(
            parsed("/services/Soap/c/48.0/00D000000000001"),
            (Flavor::Enterprise, "48.0".to_owned(), Some("00D000000000001".to_owned()))
        );
        assert_eq!(
            parsed("/services/Soap/u/20.0/00D000000000001EAA/").2.unwrap(),
            "00D000000000001EAA"
        );
    }

    #[test]
    fn other_paths_are_not_ours() {
        for path in [
            "",
            "/",
            "services/Soap/u/59.0",
            "/services/Soap/u",
            "/services/Soap/u/",
            "/services/Soap/m/59.0",
            "/services/Soap/u/x",
            "/services/Soap/u/vv59.0",
            "/services/Soap/u/59.",
            "/services/Soap/u/59.0.0",
            "/services/Soap/u/59.0/short",
            "/services/Soap/u/59.0/00D00000000000!",
            "/services/Soap/u/59.0/00D000000000001/more",
            "/services/Soap/u/59.0//00D000000000001",
            "/services//Soap/u/59.0",
            "/services/soap/u/59.0",
            "/.salesforce.com/services/Soap/u/59.0",
            "/a.salesforce.com/b.salesforce.com/services/Soap/u/59.0",
            "/salesforce.com/services/Soap/u/59.0",
        ] {
            assert_eq!(parse_path(path), None, "{path}");
        }
    }

    #[test]
    fn exactly_one_salesforce_segment_is_dropped() {
        assert_eq!(
            strip_salesforce_prefix("/a.salesforce.com/b.salesforce.com/x"),
            "/b.salesforce.com/x"
        );
        assert_eq!(strip_salesforce_prefix("///a.salesforce.com///x//y"), "/x//y");
        assert_eq!(strip_salesforce_prefix("/a.salesforce.com/"), "/");
        assert_eq!(strip_salesforce_prefix("/a.salesforce.com"), "/a.salesforce.com");
        assert_eq!(strip_salesforce_prefix("/id/00D/005"), "/id/00D/005");
        assert_eq!(strip_salesforce_prefix("é/x"), "é/x");
        assert_eq!(strip_salesforce_prefix(""), "");
    }

    proptest! {
        #[test]
        fn server_url_leads_back_to_its_parts(major in 1_u16..100, number in 0_u64..1 << 62, partner in any::<bool>()) {
            let flavor = if partner { Flavor::Partner } else { Flavor::Enterprise };
            let version = format!("{major}.0");
            let organization = crate::salesforce_id::to_15("00D", number);
            let url = server_url("https://h:8443", flavor, &version, &organization);
            let path = url.strip_prefix("https://h:8443").unwrap();

            prop_assert_eq!(parse_path(path), Some(SoapPath { flavor, version, organization: Some(organization) }));
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in ".{0,60}", tail in "[/.a-z0-9v]{0,30}") {
            let _ = parse_path(&text);
            let _ = strip_salesforce_prefix(&text);
            let _ = parse_path(&format!("/services/Soap/{tail}"));
            let _ = strip_salesforce_prefix(&format!("/{tail}.salesforce.com/{text}"));
        }
    }
}
