//! Our two cookies: the session's, and the one that anonymous forms are tied to.
//!
//! Over TLS both carry `__Host-`, so that no neighbour under the same domain can plant them (RFC
//! 6265bis §4.1.3). `SameSite=Lax`, because links in our mails must find the session.

use http::header::{COOKIE, SET_COOKIE};
use http::{HeaderMap, HeaderValue};
use symbolon_core::secret::SessionSecret;

use crate::pages::web::answer::Transport;

/// Characters in a session's secret.
const SESSION_LENGTH: usize = 96;
/// Characters in the value that anonymous forms are tied to: 190 bits.
pub(crate) const FORM_LENGTH: usize = 32;

const SESSION_NAMES: [&str; 2] = ["__Host-symbolon", "symbolon-session"];
const FORM_NAMES: [&str; 2] = ["__Host-symbolon-form", "symbolon-form"];

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
    set(headers, name(SESSION_NAMES, transport), secret.reveal(), "", transport);
}

/// Has the browser forget its session.
pub(crate) fn clear_session(headers: &mut HeaderMap, transport: Transport) {
    set(headers, name(SESSION_NAMES, transport), "", "; Max-Age=0", transport);
}

/// Has the browser hold the value that its anonymous forms are tied to.
pub(crate) fn set_form(headers: &mut HeaderMap, value: &str, transport: Transport) {
    set(headers, name(FORM_NAMES, transport), value, "", transport);
}

fn name(names: [&'static str; 2], transport: Transport) -> &'static str {
    match transport {
        Transport::Tls => names[0],
        Transport::Plain => names[1],
    }
}

fn set(headers: &mut HeaderMap, name: &str, value: &str, age: &str, transport: Transport) {
    let secure = match transport {
        Transport::Tls => "; Secure",
        Transport::Plain => "",
    };
    let cookie = format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax{secure}{age}");
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
    fn a_cookie_whose_name_merely_ends_alike_is_another() {
        assert_eq!(find(&sent("x__Host-symbolon=1"), "__Host-symbolon"), None);
    }
}
