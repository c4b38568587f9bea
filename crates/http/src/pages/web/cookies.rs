//! Our cookies: the session's, the one that anonymous forms are tied to, the one of an open challenge, and
//! the one by which a browser is known to those who have proved themselves in it.
//!
//! Over TLS all carry `__Host-`, so that no neighbour under the same domain can plant them (RFC
//! 6265bis §4.1.3). `SameSite=Lax` for the first two, because links in our mails must find the session;
//! `Strict` for the others, which only forms of ours need.

use http::header::{COOKIE, SET_COOKIE};
use http::{HeaderMap, HeaderValue};
use symbolon_app::{challenges, places};
use symbolon_core::secret::{ChallengeSecret, PlaceSecret, SessionSecret};

use crate::pages::web::answer::Transport;

/// Characters in a session's secret.
const SESSION_LENGTH: usize = 96;
/// Characters in the value that anonymous forms are tied to: 190 bits.
pub(crate) const FORM_LENGTH: usize = 32;

const SESSION_NAMES: [&str; 2] = ["__Host-symbolon", "symbolon-session"];
const FORM_NAMES: [&str; 2] = ["__Host-symbolon-form", "symbolon-form"];
const CHALLENGE_NAMES: [&str; 2] = ["__Host-symbolon-challenge", "symbolon-challenge"];
const PLACE_NAMES: [&str; 2] = ["__Host-symbolon-place", "symbolon-place"];

/// Stands between the secrets of a place cookie, one for each user that the browser is known to.
const BETWEEN_PLACES: char = '.';

/// To which requests from other sites a browser adds a cookie.
#[derive(Debug, Clone, Copy)]
enum SameSite {
    /// To links.
    Lax,
    /// To none.
    Strict,
}

/// The session secret that the browser holds, if it has the shape of one.
pub(crate) fn session(headers: &HeaderMap, transport: Transport) -> Option<SessionSecret> {
    let shape = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'.' || byte == b'_';
    let value = find(headers, name(SESSION_NAMES, transport))?;
    let sound = value.len() == SESSION_LENGTH && value.bytes().all(shape);
    sound.then(|| SessionSecret::new(value.to_owned()))
}

/// The value that the browser's anonymous forms are tied to, if it has the shape of one.
pub(crate) fn form(headers: &HeaderMap, transport: Transport) -> Option<String> {
    let value = find(headers, name(FORM_NAMES, transport))?;
    let sound = value.len() == FORM_LENGTH && value.bytes().all(|b| b.is_ascii_alphanumeric());
    sound.then(|| value.to_owned())
}

/// Has the browser hold a session until it is closed; the server ends it earlier by its own rules.
pub(crate) fn set_session(headers: &mut HeaderMap, secret: &SessionSecret, transport: Transport) {
    set(headers, name(SESSION_NAMES, transport), secret.reveal(), "", SameSite::Lax, transport);
}

/// Has the browser forget its session.
pub(crate) fn clear_session(headers: &mut HeaderMap, transport: Transport) {
    set(headers, name(SESSION_NAMES, transport), "", "; Max-Age=0", SameSite::Lax, transport);
}

/// The secret of the challenge that the browser is to meet, if it has the shape of one.
pub(crate) fn challenge(headers: &HeaderMap, transport: Transport) -> Option<ChallengeSecret> {
    let value = find(headers, name(CHALLENGE_NAMES, transport))?;
    is_secret(value, challenges::SECRET_LENGTH).then(|| ChallengeSecret::new(value.to_owned()))
}

/// Has the browser hold a challenge for as long as it can be met.
pub(crate) fn set_challenge(
    headers: &mut HeaderMap,
    secret: &ChallengeSecret,
    transport: Transport,
) {
    let age = format!("; Max-Age={}", challenges::VALID.as_secs());
    let name = name(CHALLENGE_NAMES, transport);
    set(headers, name, secret.reveal(), &age, SameSite::Strict, transport);
}

/// Has the browser forget its challenge.
pub(crate) fn clear_challenge(headers: &mut HeaderMap, transport: Transport) {
    let name = name(CHALLENGE_NAMES, transport);
    set(headers, name, "", "; Max-Age=0", SameSite::Strict, transport);
}

/// The secrets of the places that the browser holds, as far as they have the shape of one, the newest first.
pub(crate) fn places(headers: &HeaderMap, transport: Transport) -> Vec<PlaceSecret> {
    let value = find(headers, name(PLACE_NAMES, transport)).unwrap_or_default();
    let sound = value.split(BETWEEN_PLACES).filter(|part| is_secret(part, places::SECRET_LENGTH));
    sound.take(places::MOST_HELD).map(|part| PlaceSecret::new(part.to_owned())).collect()
}

/// Has the browser hold one more place, beside those that it holds for other users. Browsers keep no cookie
/// for longer than 400 days; the server forgets earlier by its own rules.
pub(crate) fn add_place(
    headers: &mut HeaderMap,
    new: &PlaceSecret,
    held: &[PlaceSecret],
    transport: Transport,
) {
    let mut value = new.reveal().to_owned();
    for secret in held.iter().take(places::MOST_HELD - 1) {
        value.push(BETWEEN_PLACES);
        value.push_str(secret.reveal());
    }
    let name = name(PLACE_NAMES, transport);
    set(headers, name, &value, "; Max-Age=34560000", SameSite::Strict, transport);
}

/// Has the browser hold the value that its anonymous forms are tied to.
pub(crate) fn set_form(headers: &mut HeaderMap, value: &str, transport: Transport) {
    set(headers, name(FORM_NAMES, transport), value, "", SameSite::Lax, transport);
}

fn name(names: [&'static str; 2], transport: Transport) -> &'static str {
    match transport {
        Transport::Tls => names[0],
        Transport::Plain => names[1],
    }
}

fn is_secret(value: &str, length: usize) -> bool {
    value.len() == length && value.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

fn set(
    headers: &mut HeaderMap,
    name: &str,
    value: &str,
    age: &str,
    same_site: SameSite,
    transport: Transport,
) {
    let same_site = match same_site {
        SameSite::Lax => "Lax",
        SameSite::Strict => "Strict",
    };
    let secure = match transport {
        Transport::Tls => "; Secure",
        Transport::Plain => "",
    };
    let cookie = format!("{name}={value}; Path=/; HttpOnly; SameSite={same_site}{secure}{age}");
    if let Ok(mut cookie) = HeaderValue::from_str(&cookie) {
        cookie.set_sensitive(true);
        headers.append(SET_COOKIE, cookie);
    }
}

fn find<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|line| line.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(found, _)| *found == name)
        .map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(line: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(COOKIE, HeaderValue::from_str(line).unwrap());
        headers
    }

    #[test]
    fn over_tls_a_session_is_held_by_a_host_bound_secure_cookie() {
        let mut headers = HeaderMap::new();

        set_session(&mut headers, &SessionSecret::new("v".to_owned()), Transport::Tls);

        let line = headers[SET_COOKIE].to_str().unwrap();
        assert_eq!(line, "__Host-symbolon=v; Path=/; HttpOnly; SameSite=Lax; Secure");
    }

    #[test]
    fn on_plain_loopback_the_cookie_is_neither_secure_nor_host_bound() {
        let mut headers = HeaderMap::new();

        set_session(&mut headers, &SessionSecret::new("v".to_owned()), Transport::Plain);

        let line = headers[SET_COOKIE].to_str().unwrap();
        assert_eq!(line, "symbolon-session=v; Path=/; HttpOnly; SameSite=Lax");
    }

    #[test]
    fn a_session_is_read_among_other_cookies_and_only_in_its_shape() {
        let secret = "aZ9._".repeat(20)[..SESSION_LENGTH].to_owned();
        let among = sent(&format!("theme=dark; __Host-symbolon={secret}; x=y"));
        let cut = sent(&format!("__Host-symbolon={}", &secret[1..]));

        assert_eq!(session(&among, Transport::Tls).unwrap().reveal(), secret);
        assert!(session(&among, Transport::Plain).is_none());
        assert!(session(&cut, Transport::Tls).is_none());
    }

    #[test]
    fn a_browser_is_known_to_several_users_by_one_cookie_and_to_few() {
        let secret = |c: char| PlaceSecret::new(c.to_string().repeat(places::SECRET_LENGTH));
        let held: Vec<_> = "abcdef".chars().map(secret).collect();
        let mut headers = HeaderMap::new();

        add_place(&mut headers, &secret('n'), &held, Transport::Tls);

        let line = headers[SET_COOKIE].to_str().unwrap();
        assert!(line.starts_with("__Host-symbolon-place=nnn"), "{line}");
        assert!(line.ends_with("; Path=/; HttpOnly; SameSite=Strict; Secure; Max-Age=34560000"));
        let sent = sent(line.split(';').next().unwrap());
        let firsts: Vec<_> = places(&sent, Transport::Tls)
            .iter()
            .map(|secret| secret.reveal()[..1].to_owned())
            .collect();
        assert_eq!(firsts, ["n", "a", "b", "c", "d"]);
    }

    #[test]
    fn what_has_not_the_shape_of_a_place_or_challenge_is_none() {
        let bad = sent("symbolon-place=short..<script>; symbolon-challenge=x");

        assert!(places(&bad, Transport::Plain).is_empty());
        assert!(challenge(&bad, Transport::Plain).is_none());
    }

    #[test]
    fn a_cookie_whose_name_merely_ends_alike_is_another() {
        assert_eq!(find(&sent("x__Host-symbolon=1"), "__Host-symbolon"), None);
    }
}
