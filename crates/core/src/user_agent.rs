//! What a `User-Agent` header is shown as: the client's name and version, as its owner would say it.
//!
//! Browsers send a history lesson (`Mozilla/5.0 (X11; …) AppleWebKit/537.36 (KHTML, like Gecko) …`); an
//! owner looks for "Chrome 156 on Linux". A coarse reading does: it is shown, and decides nothing.

use crate::names::ClientName;

/// Marks of browsers, the more particular first: each also carries the marks of those it descends from.
const BROWSERS: [(&str, &str); 6] = [
    ("Edg/", "Edge"),
    ("OPR/", "Opera"),
    ("Firefox/", "Firefox"),
    ("HeadlessChrome/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Version/", "Safari"),
];

/// Marks of systems, the more particular first: Android calls itself Linux too.
const SYSTEMS: [(&str, &str); 6] = [
    ("Android", "Android"),
    ("iPhone", "iOS"),
    ("iPad", "iOS"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
];

/// The client that sends this `User-Agent`.
pub fn client_of(user_agent: &str) -> ClientName {
    if user_agent.starts_with("Mozilla/5.0")
        && let Some(browser) = browser_of(user_agent)
    {
        return ClientName::sanitised(&browser);
    }
    // `node-fetch/1.0 (+https://…)`: the address says nothing that the name does not.
    let name = user_agent.split(" (+").next().unwrap_or_default();
    ClientName::sanitised(name)
}

fn browser_of(user_agent: &str) -> Option<String> {
    let (mark, name) = BROWSERS.iter().find(|(mark, _)| user_agent.contains(mark))?;
    let (_, rest) = user_agent.split_once(mark)?;
    let version: String = rest.chars().take_while(char::is_ascii_digit).collect();
    let system = SYSTEMS.iter().find(|(mark, _)| user_agent.contains(mark));
    Some(match system {
        Some((_, system)) => format!("{name} {version} on {system}"),
        None => format!("{name} {version}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_is_called_what_its_owner_calls_it() {
        let cases = [
            (
                "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/156.0.0.0 Safari/537.36",
                "Chrome 156 on Linux",
            ),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0 Safari/537.36 Edg/120.0",
                "Edge 120 on Windows",
            ),
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.4 Safari/605.1.15",
                "Safari 17 on macOS",
            ),
            (
                "Mozilla/5.0 (Android 14; Mobile; rv:130.0) Gecko/130.0 Firefox/130.0",
                "Firefox 130 on Android",
            ),
        ];
        for (user_agent, name) in cases {
            assert_eq!(client_of(user_agent).as_str(), name);
        }
    }

    #[test]
    fn a_program_keeps_its_own_name_and_version() {
        assert_eq!(client_of("python-requests/2.32.3").as_str(), "python-requests/2.32.3");
        assert_eq!(client_of("node-fetch/1.0 (+https://example.com/x)").as_str(), "node-fetch/1.0");
        assert_eq!(
            client_of("Mozilla/5.0 (something else)").as_str(),
            "Mozilla/5.0 (something else)"
        );
    }
}
