//! The key ring's file, `keys.toml` in the data dir: made at the first start, read at every other.
//!
//! ```toml
//! [[key]]
//! number = 1
//! secret = "…"    # 32 bytes in base64
//! ```

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use symbolon_app::chance::Chance;
use symbolon_core::keys::{KeyId, KeyRing, MasterKey};
use zeroize::{Zeroize as _, Zeroizing};

use super::data_dir::{about, keep_to_owner, write_whole};
use crate::exit::{Exit, Failure};

const NAME: &str = "keys.toml";
const HEAD: &str = "\
# The master keys of this installation, oldest first. Whoever holds them and the database can forge
# tokens; without them every token and password of the database is worthless. Back them up apart.
";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyFile {
    key: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    number: u32,
    secret: String,
}

/// The key ring of the data dir; a new one where there is none.
///
/// # Errors
/// A file that cannot be read, written or understood.
pub(super) fn read_or_make(data_dir: &Path, chance: &Chance) -> Result<KeyRing, Failure> {
    if let Some(ring) = read(data_dir)? {
        keep_to_owner(&data_dir.join(NAME), 0o600)?;
        return Ok(ring);
    }
    let bytes = Zeroizing::new(chance.bytes::<32>());
    let mut text = Zeroizing::new(String::with_capacity(512));
    let secret = Zeroizing::new(STANDARD.encode(*bytes));
    write!(text, "{HEAD}\n[[key]]\nnumber = 1\nsecret = \"{}\"\n", *secret)
        .expect("writing to a string cannot fail");
    write_whole(&data_dir.join(NAME), &text)?;
    ring_of(vec![(KeyId(1), MasterKey::from_bytes(*bytes))])
}

/// The key ring of the data dir, if there is one.
///
/// # Errors
/// A file that cannot be read or understood. Its words are never repeated.
pub(crate) fn read(data_dir: &Path) -> Result<Option<KeyRing>, Failure> {
    let path = data_dir.join(NAME);
    let text = match fs::read_to_string(&path) {
        Ok(text) => Zeroizing::new(text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(about(&path, &error)),
    };
    let file: KeyFile = toml::from_str(&text)
        .map_err(|_| faulty("must hold [[key]] tables with a number and a secret each"))?;
    let masters: Option<Vec<_>> = file.key.into_iter().map(master_of).collect();
    let masters = masters.ok_or_else(|| faulty("has a secret that is not 32 bytes in base64"))?;
    ring_of(masters).map(Some)
}

fn master_of(mut entry: Entry) -> Option<(KeyId, MasterKey)> {
    let bytes = STANDARD.decode(&entry.secret).map(Zeroizing::new);
    entry.secret.zeroize();
    let bytes: [u8; 32] = bytes.ok()?.as_slice().try_into().ok()?;
    Some((KeyId(entry.number), MasterKey::from_bytes(bytes)))
}

fn ring_of(masters: Vec<(KeyId, MasterKey)>) -> Result<KeyRing, Failure> {
    KeyRing::new(masters).map_err(|error| faulty(&error.to_string()))
}

fn faulty(what: &str) -> Failure {
    Failure::new(Exit::Failed, format!("{NAME}: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_keys_made_at_the_first_start_are_those_of_the_next() {
        let dir = tempfile::tempdir().unwrap();

        let made = read_or_make(dir.path(), &Chance::system()).unwrap();
        let again = read_or_make(dir.path(), &Chance::system()).unwrap();

        assert_eq!(made.fingerprint(), again.fingerprint());
        assert!(read(tempfile::tempdir().unwrap().path()).unwrap().is_none());
    }

    #[test]
    fn a_faulty_file_is_refused_and_never_repeated() {
        let dir = tempfile::tempdir().unwrap();
        for text in [
            "secret = \"hush\"",
            "[[key]]\nnumber = 1\nsecret = \"hush\"",
            "[[key]]\nnumber = 1\nsecret = hush",
            "key = []",
        ] {
            fs::write(dir.path().join(NAME), text).unwrap();

            let failure = read(dir.path()).unwrap_err();

            assert!(failure.reason.starts_with(NAME) && !failure.reason.contains("hush"), "{text}");
        }
    }
}
