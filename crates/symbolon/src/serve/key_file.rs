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

/// Adds a new master key to the file, with the next number: the newest from now on. Says which.
///
/// What stands in the file stays as it is. Older keys are never taken away: they recognise what they made.
///
/// # Errors
/// [`Exit::NotFound`] where there is no file; a file that cannot be read, written or understood.
pub(super) fn add(data_dir: &Path, chance: &Chance) -> Result<KeyId, Failure> {
    let none = || Failure::new(Exit::NotFound, format!("there is no {NAME}: nothing to rotate"));
    let newest = read(data_dir)?.ok_or_else(none)?.current();
    let number = newest.0.checked_add(1).ok_or_else(|| faulty("has no number left"))?;
    let path = data_dir.join(NAME);
    let mut text = Zeroizing::new(fs::read_to_string(&path).map_err(|error| about(&path, &error))?);
    let bytes = Zeroizing::new(chance.bytes::<32>());
    let secret = Zeroizing::new(STANDARD.encode(*bytes));
    write!(text, "\n[[key]]\nnumber = {number}\nsecret = \"{}\"\n", *secret)
        .expect("writing to a string cannot fail");
    // Nothing is written that could not be read again at the next start.
    if parse(&text)?.current() != KeyId(number) {
        return Err(faulty("does not end as a list of keys does: add the key by hand"));
    }
    write_whole(&path, &text)?;
    Ok(KeyId(number))
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
    parse(&text).map(Some)
}

fn parse(text: &str) -> Result<KeyRing, Failure> {
    let file: KeyFile = toml::from_str(text)
        .map_err(|_| faulty("must hold [[key]] tables with a number and a secret each"))?;
    let masters: Option<Vec<_>> = file.key.into_iter().map(master_of).collect();
    let masters = masters.ok_or_else(|| faulty("has a secret that is not 32 bytes in base64"))?;
    ring_of(masters)
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
    fn a_key_that_is_added_is_the_newest_and_the_older_ones_stay() {
        let dir = tempfile::tempdir().unwrap();
        let first = read_or_make(dir.path(), &Chance::system()).unwrap();
        let written = fs::read_to_string(dir.path().join(NAME)).unwrap();

        let added = [(); 2].map(|()| add(dir.path(), &Chance::system()).unwrap());

        let ring = read(dir.path()).unwrap().unwrap();
        assert_eq!(added, [KeyId(2), KeyId(3)]);
        assert_eq!((ring.current(), ring.fingerprint()), (KeyId(3), first.fingerprint()));
        let text = fs::read_to_string(dir.path().join(NAME)).unwrap();
        assert!(text.starts_with(&written));
    }

    #[test]
    fn where_there_is_no_file_no_key_is_added() {
        let dir = tempfile::tempdir().unwrap();

        let failure = add(dir.path(), &Chance::system()).unwrap_err();

        assert_eq!(failure.exit, Exit::NotFound);
        assert!(fs::read_dir(dir.path()).unwrap().next().is_none());
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
