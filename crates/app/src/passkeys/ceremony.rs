//! What every ceremony has in common: for which site it is held, and how what is stored is read and verified.
//!
//! The site is that of the public URL: its host is the relying party's identifier, and an answer must come from
//! its very origin, scheme and port included. A bare address cannot be a relying party (WebAuthn Level 3 §4,
//! "RP ID"), and browsers know no passkeys where a page came in the clear from anywhere but the machine itself.

use std::net::IpAddr;

use symbolon_core::id::{Id, User};
use symbolon_store::passkeys::PasskeyRecord;
use webauthn_rp::AuthenticatedCredential;
use webauthn_rp::bin::{Decode as _, Encode as _};
use webauthn_rp::request::auth::AuthenticationVerificationOptions;
use webauthn_rp::request::register::{RegistrationVerificationOptions, UserHandle};
use webauthn_rp::request::{AsciiDomain, PublicKeyCredentialDescriptor, RpId};
use webauthn_rp::response::auth::error::AuthCeremonyErr;
use webauthn_rp::response::register::{CompressedPubKey, DynamicState, StaticState};
use webauthn_rp::response::{AuthTransports, CredentialId};

use super::PasskeyFault;
use crate::context::Ctx;
use crate::error::AppError;

/// Longest answer that is read: those of devices are below 4 KiB, with the longest RSA keys.
pub(super) const MOST_BYTES: usize = 8 * 1024;

/// Bytes of the handle by which devices know a user: his identifier, which says nothing about him.
pub(super) const HANDLE: usize = 8;

const NOT_HERE: &str =
    "Passkeys cannot be used at the address that this Symbolon is reached at. The page says why.";

/// The relying party: for whom passkeys are made.
pub(super) struct Party {
    pub(super) id: RpId,
    origin: [String; 1],
}

/// What keeps passkeys from being used here, and who can lift it; `None` where they can be.
pub fn obstacle(ctx: &Ctx) -> Option<String> {
    obstacle_at(&ctx.settings.public_url)
}

/// The origin that pages with passkeys must be opened at.
pub fn origin_of(ctx: &Ctx) -> String {
    Site::of(&ctx.settings.public_url).origin
}

fn obstacle_at(public_url: &str) -> Option<String> {
    let site = Site::of(public_url);
    let port = site.port.map(|port| format!(":{port}")).unwrap_or_default();
    let local = format!("http://localhost{port}");
    match (site.host.parse::<IpAddr>(), site.is_private()) {
        (Ok(address), _) if address.is_loopback() => Some(format!(
            "Passkeys need a host name, and this Symbolon is reached at the bare address {public_url}. Whoever \
             runs it can start it with --public-url {local}, and you open it there."
        )),
        (Ok(_), _) => Some(format!(
            "Passkeys need a host name, and this Symbolon is reached at the bare address {public_url}. Whoever \
             runs it can give it a name and start it with --public-url https://NAME."
        )),
        (Err(_), false) => Some(format!(
            "Passkeys need HTTPS, and this Symbolon is reached at {public_url}. Whoever runs it can set up TLS and \
             start it with --public-url https://{}.",
            site.host
        )),
        (Err(_), true) => None,
    }
}

/// The parts of a public URL, as a browser writes them.
struct Site {
    scheme: String,
    host: String,
    port: Option<u16>,
    origin: String,
}

impl Site {
    fn of(public_url: &str) -> Self {
        let (scheme, rest) = public_url.split_once("://").unwrap_or(("https", public_url));
        let authority = rest.split('/').next().unwrap_or_default().to_ascii_lowercase();
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, port.parse::<u16>().ok()),
            Some(_) | None => (authority.as_str(), None),
        };
        let usual = if scheme == "http" { 80 } else { 443 };
        let port = port.filter(|port| *port != usual);
        let shown = port.map(|port| format!(":{port}")).unwrap_or_default();
        Self {
            origin: format!("{scheme}://{host}{shown}"),
            scheme: scheme.to_owned(),
            host: host.trim_start_matches('[').trim_end_matches(']').to_owned(),
            port,
        }
    }

    /// Whether browsers take what comes from there for unread by others (Secure Contexts §3.1).
    fn is_private(&self) -> bool {
        self.scheme == "https" || self.host == "localhost" || self.host.ends_with(".localhost")
    }
}

impl Party {
    pub(super) fn of(ctx: &Ctx) -> Result<Self, AppError> {
        let site = Site::of(&ctx.settings.public_url);
        if obstacle(ctx).is_some() {
            return Err(AppError::Forbidden(NOT_HERE));
        }
        let id = AsciiDomain::try_from(site.host).map_err(|_| AppError::Forbidden(NOT_HERE))?;
        Ok(Self { id: RpId::Domain(id), origin: [site.origin] })
    }

    pub(super) fn of_registration(
        &self,
    ) -> RegistrationVerificationOptions<'_, 'static, String, String> {
        RegistrationVerificationOptions {
            allowed_origins: &self.origin,
            // Devices may tell more than they were asked (WebAuthn Level 3 §9): that is no fault.
            error_on_unsolicited_extensions: false,
            ..RegistrationVerificationOptions::default()
        }
    }

    pub(super) fn of_proof(
        &self,
    ) -> AuthenticationVerificationOptions<'_, 'static, String, String> {
        AuthenticationVerificationOptions {
            allowed_origins: &self.origin,
            error_on_unsolicited_extensions: false,
            ..AuthenticationVerificationOptions::default()
        }
    }
}

/// A stored passkey as the library verifies it.
pub(super) type Stored<'a> = AuthenticatedCredential<
    'a,
    'a,
    HANDLE,
    CompressedPubKey<[u8; 32], [u8; 32], [u8; 48], Vec<u8>>,
>;

/// Verifies an answer against a stored passkey; yields the passkey's next state.
///
/// # Errors
/// [`AppError::Corrupt`] where the row is not what was written.
pub(super) fn verify_stored(
    record: &PasskeyRecord,
    verify: impl FnOnce(&mut Stored<'_>) -> Result<bool, AuthCeremonyErr>,
) -> Result<Result<Vec<u8>, PasskeyFault>, AppError> {
    const CORRUPT: AppError = AppError::Corrupt("passkey.record");
    let handle = handle_of(record.user);
    let state = <[u8; 7]>::try_from(record.state.as_slice()).map_err(|_| CORRUPT)?;
    let mut stored = Stored::new(
        CredentialId::<&[u8]>::decode(&record.credential).map_err(|_| CORRUPT)?,
        &handle,
        StaticState::decode(&record.record).map_err(|_| CORRUPT)?,
        DynamicState::decode(state).map_err(|_| CORRUPT)?,
    )
    .map_err(|_| CORRUPT)?;
    if let Err(error) = verify(&mut stored) {
        return Ok(Err(PasskeyFault::from(error)));
    }
    let Ok(state) = stored.dynamic_state().encode();
    Ok(Ok(state.to_vec()))
}

/// The handle by which devices know a user.
pub(super) fn handle_of(user: Id<User>) -> UserHandle<HANDLE> {
    let Ok(handle) = UserHandle::decode(user.raw().to_be_bytes());
    handle
}

/// How a stored passkey is named to browsers.
pub(super) fn descriptor_of(
    record: &PasskeyRecord,
) -> Result<PublicKeyCredentialDescriptor<Vec<u8>>, AppError> {
    let corrupt = || AppError::Corrupt("passkey.credential");
    let transports = u8::try_from(record.transports).map_err(|_| corrupt())?;
    Ok(PublicKeyCredentialDescriptor {
        id: CredentialId::<Vec<u8>>::decode(record.credential.clone()).map_err(|_| corrupt())?,
        transports: AuthTransports::decode(transports).map_err(|_| corrupt())?,
    })
}

/// The options for a browser, as the specification writes them in JSON.
pub(super) fn json_of(options: &impl serde::Serialize) -> Result<String, AppError> {
    serde_json::to_string(options).map_err(|_| AppError::Corrupt("options of a passkey"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_origin_is_written_as_browsers_write_it() {
        for (url, origin, host) in [
            ("https://id.example.com", "https://id.example.com", "id.example.com"),
            ("https://id.example.com:443", "https://id.example.com", "id.example.com"),
            ("https://ID.example.com:8443", "https://id.example.com:8443", "id.example.com"),
            ("http://localhost:8080", "http://localhost:8080", "localhost"),
            ("http://localhost:80", "http://localhost", "localhost"),
            ("http://[::1]:8080", "http://[::1]:8080", "::1"),
            ("http://[::1]", "http://[::1]", "::1"),
        ] {
            let site = Site::of(url);
            assert_eq!((site.origin.as_str(), site.host.as_str()), (origin, host), "{url}");
        }
    }

    #[test]
    fn a_bare_address_or_a_name_in_the_clear_is_an_obstacle_with_its_remedy() {
        for (url, remedy) in [
            ("http://127.0.0.1:8080", "--public-url http://localhost:8080"),
            ("http://[::1]:8080", "--public-url http://localhost:8080"),
            ("https://192.0.2.7", "--public-url https://NAME"),
            ("http://id.example.com:8080", "--public-url https://id.example.com"),
        ] {
            let told = obstacle_at(url).unwrap_or_default();
            assert!(told.contains(remedy), "{url}: {told}");
        }
        for url in ["https://id.example.com", "http://localhost:8080", "http://a.localhost"] {
            assert_eq!(obstacle_at(url), None, "{url}");
        }
    }
}
