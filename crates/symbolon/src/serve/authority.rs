//! The private certificate authority of `--tls-self-signed`.
//!
//! `ca.pem` and `ca-key.pem` in the data dir are made once and kept, so that clients which trust
//! `ca.pem` go on doing so; the server's own certificate is made anew at each start and never stored.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;

use http::Uri;
use jiff::tz::TimeZone;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, PublicKeyData as _, SanType, date_time_ymd,
};
use rustls::pki_types::PrivateKeyDer;
use symbolon_app::clock::{Clock as _, SystemClock};
use symbolon_core::Timestamp;
use symbolon_core::policy::DAY;

use super::data_dir::{about, write_whole};
use super::listeners::Bound;
use super::tls::Identity;
use crate::exit::{Exit, Failure};

pub(crate) const CERTIFICATE: &str = "ca.pem";
const KEY: &str = "ca-key.pem";
const AUTHORITY_DAYS: u32 = 3650;
/// The longest that clients take of an authority that people added (Apple: 825 days).
const LEAF_DAYS: u32 = 825;

/// Issues a certificate for the addresses and names that the server is reached by.
///
/// # Errors
/// Files of the authority that cannot be read, written or used.
pub(super) fn issue(data_dir: &Path, bound: &Bound) -> Result<Identity, Failure> {
    let now = SystemClock.now();
    let authority_key = key_or_make(data_dir, now)?;
    let params = authority_params(&authority_key, now)?;
    let issuer = Issuer::from_params(&params, authority_key);
    let leaf_key = KeyPair::generate().map_err(|error| unusable(&error))?;
    let leaf = leaf_params(bound, now)?.signed_by(&leaf_key, &issuer);
    let leaf = leaf.map_err(|error| unusable(&error))?;
    let key = PrivateKeyDer::try_from(leaf_key.serialize_der());
    let key = key.map_err(|reason| Failure::new(Exit::Failed, format!("{KEY}: {reason}")))?;
    Ok(Identity { chain: vec![leaf.der().clone()], key })
}

/// The authority's key; both files are made where neither is there.
fn key_or_make(data_dir: &Path, now: Timestamp) -> Result<KeyPair, Failure> {
    let (certificate, key) = (data_dir.join(CERTIFICATE), data_dir.join(KEY));
    match (certificate.exists(), key.exists()) {
        (true, true) => {
            let pem = fs::read_to_string(&key).map_err(|error| about(&key, &error))?;
            KeyPair::from_pem(&pem).map_err(|error| unusable(&error))
        }
        // A start that was cut off after the key: nobody trusts the missing certificate yet.
        (false, _) => {
            let pair = KeyPair::generate().map_err(|error| unusable(&error))?;
            write_whole(&key, &pair.serialize_pem())?;
            let made = authority_params(&pair, now)?.self_signed(&pair);
            let made = made.map_err(|error| unusable(&error))?;
            write_whole(&certificate, &made.pem())?;
            Ok(pair)
        }
        (true, false) => {
            let reason = format!(
                "{} is there without {KEY}: put that back, or remove both to make a new authority",
                certificate.display()
            );
            Err(Failure::new(Exit::Failed, reason))
        }
    }
}

/// Depends on the key alone (but for its dates), so that it names the same authority at each start.
fn authority_params(key: &KeyPair, now: Timestamp) -> Result<CertificateParams, Failure> {
    let mut params = CertificateParams::new(Vec::new()).map_err(|error| unusable(&error))?;
    // Browsers refuse two authorities of one name; the last bytes of a point tell keys apart.
    let last = key.der_bytes().last_chunk::<4>().copied().unwrap_or_default();
    let mark = format!("{:08x}", u32::from_be_bytes(last));
    params.distinguished_name = named(&format!("Symbolon private authority {mark}"));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    set_dates(&mut params, now, AUTHORITY_DAYS);
    Ok(params)
}

fn leaf_params(bound: &Bound, now: Timestamp) -> Result<CertificateParams, Failure> {
    let mut params =
        CertificateParams::new(vec!["localhost".to_owned()]).map_err(|error| unusable(&error))?;
    params.distinguished_name = named("Symbolon");
    params.use_authority_key_identifier_extension = true;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    set_dates(&mut params, now, LEAF_DAYS);
    let listening = bound.tls.map(|address| address.ip()).filter(|ip| !ip.is_unspecified());
    let mut addresses = vec![IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
    addresses.extend(listening);
    let url: Option<Uri> = bound.public_url.parse().ok();
    let host = url.as_ref().and_then(Uri::host).unwrap_or("localhost");
    match host.trim_matches(['[', ']']).parse() {
        Ok(address) => addresses.push(address),
        Err(_) if host != "localhost" => {
            let name = host.try_into().map_err(|error| unusable(&error))?;
            params.subject_alt_names.push(SanType::DnsName(name));
        }
        Err(_) => {}
    }
    addresses.sort_unstable();
    addresses.dedup();
    params.subject_alt_names.extend(addresses.into_iter().map(SanType::IpAddress));
    Ok(params)
}

fn named(common_name: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common_name);
    name
}

/// Valid from yesterday on, for clocks that go behind ours.
fn set_dates(params: &mut CertificateParams, now: Timestamp, days: u32) {
    let day = |at: Timestamp| {
        let at = jiff::Timestamp::from_millisecond(at.unix_ms()).unwrap_or_default();
        let date = at.to_zoned(TimeZone::UTC).date();
        let part = |number: i8| u8::try_from(number).unwrap_or(1);
        date_time_ymd(i32::from(date.year()), part(date.month()), part(date.day()))
    };
    params.not_before = day(now - DAY);
    params.not_after = day(now + DAY * days);
}

fn unusable(error: &rcgen::Error) -> Failure {
    Failure::because(Exit::Failed, "the private authority cannot be used", error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bound() -> Bound {
        Bound {
            http: None,
            tls: Some("127.0.0.1:8443".parse().unwrap()),
            public_url: "https://tokens.example:8443".to_owned(),
        }
    }

    #[test]
    fn the_authority_is_kept_and_the_certificate_made_anew() {
        let dir = tempfile::tempdir().unwrap();

        let first = issue(dir.path(), &bound()).unwrap();
        let authority = fs::read(dir.path().join(CERTIFICATE)).unwrap();
        let second = issue(dir.path(), &bound()).unwrap();

        assert_eq!(fs::read(dir.path().join(CERTIFICATE)).unwrap(), authority);
        assert_ne!(first.chain, second.chain);
    }

    #[test]
    fn an_authority_without_its_key_is_not_replaced_unasked() {
        let dir = tempfile::tempdir().unwrap();
        issue(dir.path(), &bound()).map(drop).unwrap();
        fs::remove_file(dir.path().join(KEY)).unwrap();

        assert!(issue(dir.path(), &bound()).is_err());
    }
}
