//! What trusted proxies say about a request: `X-Forwarded-For`, `X-Forwarded-Proto` and `Forwarded`
//! (RFC 7239).
//!
//! Both lists grow at their right end, so they are read from there and no further than the first
//! address that is not a trusted proxy: whatever lies to the left of it was written by a stranger.
//! For the same reason `Forwarded` is split from the right: an unclosed quotation mark on the left
//! must not swallow what our own proxy appended.
//!
//! A proxy usually maintains one of the two and passes the other on as it came. So neither may win
//! over the other: where both are sent and disagree, one was written by the client, and the request
//! is refused.

use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, HeaderValue, header};
use ipnet::IpNet;

/// What the trusted proxies say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Said {
    /// Where the request came from.
    pub(crate) source: IpAddr,
    /// Whether that is a client whom the proxies name; where they do not say, or nobody can read it, it is the
    /// last proxy that is known.
    pub(crate) named: bool,
    /// Whether the client spoke TLS to the outermost proxy that tells.
    pub(crate) https: bool,
}

/// `Forwarded` and `X-Forwarded-For` name different sources.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Contradiction;

/// Says whether `address` is a proxy that is believed.
pub(crate) fn is_trusted(address: IpAddr, trusted: &[IpNet]) -> bool {
    let address = address.to_canonical();
    trusted.iter().any(|range| range.contains(&address))
}

/// Reads the headers of a request that came from the trusted proxy `peer`.
///
/// A list that is absent, or malformed where it has to be read, yields `peer` itself.
///
/// # Security
/// A wrong source can open a trusted network to a stranger and hide who guesses passwords.
pub(crate) fn read(
    headers: &HeaderMap,
    peer: IpAddr,
    trusted: &[IpNet],
) -> Result<Said, Contradiction> {
    let proto = last_value(headers, "x-forwarded-proto");
    let https = proto.is_some_and(|proto| proto.eq_ignore_ascii_case("https"));
    let x_forwarded = headers
        .contains_key("x-forwarded-for")
        .then(|| walk(peer, trusted, x_forwarded_for(headers)));
    let forwarded = headers.contains_key(header::FORWARDED).then(|| forwarded_elements(headers));
    let Some(elements) = forwarded else {
        // Without any list the proxy names nobody.
        let (source, named) = x_forwarded.unwrap_or((peer, false));
        return Ok(Said { source, named, https });
    };
    let (source, named) = walk(peer, trusted, elements.iter().map(|element| element.node));
    let contradicts = |(other, _): (IpAddr, bool)| other.to_canonical() != source.to_canonical();
    if x_forwarded.is_some_and(contradicts) {
        return Err(Contradiction);
    }
    let named = named && x_forwarded.is_none_or(|(_, named)| named);
    let nearest_proto = elements.first().and_then(|element| element.https);
    Ok(Said { source, named, https: https || nearest_proto.unwrap_or(false) })
}

/// Follows the entries of `X-Forwarded-For` from `nearest` on, whom a proxy that is believed names in another way;
/// tells whether it comes to a client.
pub(crate) fn follow<'a>(
    nearest: IpAddr,
    trusted: &[IpNet],
    lines: impl DoubleEndedIterator<Item = &'a [u8]>,
) -> (IpAddr, bool) {
    walk(nearest, trusted, entries_of(lines))
}

/// Follows the nodes, nearest first, for as long as who names them is trusted; tells whether they go on as
/// far as that: where they end with a trusted proxy, nobody has named its client.
fn walk(peer: IpAddr, trusted: &[IpNet], nodes: impl IntoIterator<Item = Node>) -> (IpAddr, bool) {
    let mut source = peer;
    for node in nodes {
        if !is_trusted(source, trusted) {
            break;
        }
        match node {
            Node::Address(address) => source = address,
            // The proxy does not tell whom it speaks for: it is the last that is known.
            Node::Unknown => return (source, false),
            Node::Malformed => return (peer, false),
        }
    }
    (source, !is_trusted(source, trusted))
}

/// One end of a connection, as a proxy names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Node {
    Address(IpAddr),
    /// `unknown` or an obfuscated name (RFC 7239 §6.2 and §6.3).
    Unknown,
    Malformed,
}

impl Node {
    fn parse(text: &str) -> Self {
        if text.eq_ignore_ascii_case("unknown") || text.starts_with('_') {
            return Self::Unknown;
        }
        let bare = text.parse::<IpAddr>().ok();
        let bracketed = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
        let with_port = || text.parse::<SocketAddr>().ok().map(|address| address.ip());
        match bare.or_else(|| bracketed().map(IpAddr::V6)).or_else(with_port) {
            Some(address) => Self::Address(address),
            None => Self::Malformed,
        }
    }
}

/// The entries of all `X-Forwarded-For` lines, nearest first.
fn x_forwarded_for(headers: &HeaderMap) -> impl Iterator<Item = Node> {
    entries_of(headers.get_all("x-forwarded-for").iter().map(HeaderValue::as_bytes))
}

fn entries_of<'a>(lines: impl DoubleEndedIterator<Item = &'a [u8]>) -> impl Iterator<Item = Node> {
    lines.rev().flat_map(|line| {
        let text = std::str::from_utf8(line).unwrap_or("?");
        text.rsplit(',').map(|entry| Node::parse(entry.trim()))
    })
}

/// The last value of a header that is a list, by whichever line it came.
fn last_value<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let line = headers.get_all(name).iter().next_back()?.to_str().ok()?;
    line.rsplit(',').next().map(str::trim)
}

/// One element of `Forwarded`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct ForwardedElement {
    node: Node,
    https: Option<bool>,
}

const MALFORMED: ForwardedElement = ForwardedElement { node: Node::Malformed, https: None };

/// The elements of all `Forwarded` lines, nearest first.
fn forwarded_elements(headers: &HeaderMap) -> Vec<ForwardedElement> {
    let lines = headers.get_all(header::FORWARDED).iter().rev();
    let mut elements = Vec::new();
    for line in lines {
        match line.to_str() {
            Ok(text) => elements.extend(split_outside_quotes(text, ',').map(forwarded_element)),
            Err(_) => elements.push(MALFORMED),
        }
    }
    elements
}

/// Splits at every `separator` that is not within quotation marks, from the right.
fn split_outside_quotes(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let mut quoted = false;
        for (at, character) in text.char_indices().rev() {
            if character == '"' {
                quoted = !quoted;
            }
            if character == separator && !quoted {
                rest = Some(&text[..at]);
                return Some(text[at + separator.len_utf8()..].trim());
            }
        }
        rest = None;
        Some(text.trim())
    })
}

/// Reads `for=…;proto=…;by=…;host=…` in any order.
fn forwarded_element(text: &str) -> ForwardedElement {
    let mut element = ForwardedElement { node: Node::Unknown, https: None };
    let mut has_node = false;
    for pair in split_outside_quotes(text, ';') {
        let Some((name, value)) = pair.split_once('=') else {
            return MALFORMED;
        };
        let Some(value) = unquote(value) else {
            return MALFORMED;
        };
        if name.eq_ignore_ascii_case("for") {
            if has_node {
                return MALFORMED;
            }
            has_node = true;
            element.node = Node::parse(value);
        }
        if name.eq_ignore_ascii_case("proto") {
            element.https = Some(value.eq_ignore_ascii_case("https"));
        }
    }
    element
}

/// Takes the quotation marks off. No address and no protocol needs an escape, so one is a fault.
fn unquote(value: &str) -> Option<&str> {
    let inner = match value.strip_prefix('"') {
        Some(rest) => rest.strip_suffix('"')?,
        None => value,
    };
    (!inner.contains(['"', '\\'])).then_some(inner)
}

#[cfg(test)]
mod tests {
    use http::HeaderName;

    use super::*;

    const PEER: &str = "10.0.0.1";

    fn read_from(lines: &[(&'static str, &str)]) -> Result<String, Contradiction> {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        let trusted = ["10.0.0.0/24".parse().unwrap(), "2001:db8:ff::/48".parse().unwrap()];
        read(&headers, PEER.parse().unwrap(), &trusted).map(|said| said.source.to_string())
    }

    fn names_a_client(lines: &[(&'static str, &'static str)]) -> bool {
        let lines = lines
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        let trusted = ["10.0.0.0/24".parse().unwrap()];
        read(&lines.collect(), PEER.parse().unwrap(), &trusted).unwrap().named
    }

    fn source_of(lines: &[(&'static str, &str)]) -> String {
        read_from(lines).unwrap()
    }

    #[test]
    fn trusted_proxies_are_skipped_from_the_right() {
        for (list, source) in [
            ("203.0.113.9", "203.0.113.9"),
            ("6.6.6.6, 203.0.113.9, 10.0.0.2", "203.0.113.9"),
            ("10.0.0.3, 10.0.0.2", "10.0.0.3"),
            ("203.0.113.9:4711", "203.0.113.9"),
            ("2001:db8::7", "2001:db8::7"),
            ("[2001:db8::7]:4711", "2001:db8::7"),
            ("[2001:db8::7]", "2001:db8::7"),
            ("2001:db8::7, 2001:db8:ff::1", "2001:db8::7"),
        ] {
            assert_eq!(source_of(&[("x-forwarded-for", list)]), source, "{list}");
        }
    }

    #[test]
    fn lines_are_one_list() {
        let lines = [("x-forwarded-for", "6.6.6.6"), ("x-forwarded-for", "203.0.113.9, 10.0.0.2")];

        assert_eq!(source_of(&lines), "203.0.113.9");
    }

    #[test]
    fn what_strangers_wrote_is_not_even_read() {
        assert_eq!(source_of(&[("x-forwarded-for", "junk\", 203.0.113.9")]), "203.0.113.9");
        assert_eq!(source_of(&[("forwarded", "for=\"x, for=203.0.113.9")]), "203.0.113.9");
        assert_eq!(source_of(&[("forwarded", ";;;, for=203.0.113.9")]), "203.0.113.9");
    }

    #[test]
    fn forwarded_is_read_with_quotes_ports_and_other_parameters() {
        for (list, source) in [
            ("for=203.0.113.9", "203.0.113.9"),
            ("For=\"203.0.113.9:80\";Proto=https;By=10.0.0.1", "203.0.113.9"),
            ("for=\"[2001:db8::7]:4711\"", "2001:db8::7"),
            ("for=6.6.6.6, for=203.0.113.9;host=\"a,b;c\", for=10.0.0.2", "203.0.113.9"),
        ] {
            assert_eq!(source_of(&[("forwarded", list)]), source, "{list}");
        }
    }

    #[test]
    fn what_cannot_be_read_or_is_hidden_leaves_the_peer() {
        for list in ["", "for", "for=\"1.2.3.4", "for=300.1.1.1", "for=1.2.3.4;for=1.2.3.5", "é"] {
            assert_eq!(source_of(&[("forwarded", list)]), PEER, "{list}");
        }
        for list in ["for=unknown", "for=\"_hidden\"", "proto=https"] {
            assert_eq!(source_of(&[("forwarded", list)]), PEER, "{list}");
        }
        assert_eq!(source_of(&[("x-forwarded-for", "localhost")]), PEER);
        assert_eq!(source_of(&[]), PEER);
    }

    #[test]
    fn a_client_is_named_where_the_list_goes_on_beyond_the_proxies() {
        assert!(names_a_client(&[("x-forwarded-for", "203.0.113.9, 10.0.0.2")]));
        assert!(names_a_client(&[("forwarded", "for=203.0.113.9")]));

        assert!(!names_a_client(&[]));
        for list in ["", "unknown", "?!, 10.0.0.2", "10.0.0.2", "10.0.0.3, 10.0.0.2"] {
            assert!(!names_a_client(&[("x-forwarded-for", list)]), "{list}");
        }
        assert!(!names_a_client(&[("forwarded", "for=10.0.0.2")]));
    }

    #[test]
    fn headers_that_contradict_each_other_are_refused() {
        let spoofed = [("x-forwarded-for", "203.0.113.9"), ("forwarded", "for=10.0.0.7")];
        let agreed = [("x-forwarded-for", "203.0.113.9"), ("forwarded", "for=203.0.113.9")];

        assert_eq!(read_from(&spoofed), Err(Contradiction));
        assert_eq!(source_of(&agreed), "203.0.113.9");
    }

    #[test]
    fn the_nearest_proxy_tells_the_protocol() {
        let https = |lines: &[(&'static str, &'static str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in lines {
                headers.append(*name, HeaderValue::from_static(value));
            }
            read(&headers, PEER.parse().unwrap(), &["10.0.0.0/8".parse().unwrap()]).unwrap().https
        };

        assert!(https(&[("x-forwarded-proto", "https")]));
        assert!(!https(&[("x-forwarded-proto", "https, http")]));
        assert!(https(&[("forwarded", "for=1.2.3.4;proto=http, for=10.0.0.2;proto=HTTPS")]));
        assert!(!https(&[("forwarded", "for=1.2.3.4;proto=https, for=10.0.0.2;proto=http")]));
    }
}
