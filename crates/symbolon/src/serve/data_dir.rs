//! The data dir: made with mode 0700, kept from others, and one server's at a time.

use std::fs::{self, DirBuilder, File, Metadata, OpenOptions, Permissions, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use tracing::warn;

use crate::exit::{Exit, Failure};

const LOCK: &str = "lock";

/// A data dir that no other server holds. Let go when dropped.
#[derive(Debug)]
pub(crate) struct DataDir {
    path: PathBuf,
    /// Locked as long as it is open; the system lets go of it even if the process is killed.
    _lock: File,
}

impl DataDir {
    /// Opens the data dir, or makes it.
    ///
    /// # Errors
    /// [`Exit::Conflict`] where another server holds it.
    pub(crate) fn open_or_make(path: &Path) -> Result<Self, Failure> {
        let failed = |error: &io::Error| about(path, error);
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .map_err(|error| failed(&error))?;
        Self::open(path)
    }

    /// Opens a data dir that must be there.
    ///
    /// # Errors
    /// [`Exit::Conflict`] where another server holds it.
    pub(crate) fn open(path: &Path) -> Result<Self, Failure> {
        keep_to_owner(path, 0o700)?;
        let lock = path.join(LOCK);
        let file =
            OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&lock);
        let file = file.map_err(|error| about(&lock, &error))?;
        match file.try_lock() {
            Ok(()) => Ok(Self { path: path.to_owned(), _lock: file }),
            Err(TryLockError::WouldBlock) => {
                let reason = format!("another server runs on the data dir {}", path.display());
                Err(Failure::new(Exit::Conflict, reason))
            }
            Err(TryLockError::Error(error)) => Err(about(&lock, &error)),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

/// Takes away what others may do with a file or directory of ours.
pub(super) fn keep_to_owner(path: &Path, mode: u32) -> Result<(), Failure> {
    let found = fs::metadata(path).map_err(|error| about(path, &error))?;
    if !is_open_to_others(&found) {
        return Ok(());
    }
    warn!("{} was open to others: now mode {mode:o}", path.display());
    fs::set_permissions(path, Permissions::from_mode(mode)).map_err(|error| {
        let what = format!("{} is open to others; chmod {mode:o} it", path.display());
        Failure::because(Exit::Failed, what, &error)
    })
}

/// Whether anybody but the owner may do something with it.
pub(crate) fn is_open_to_others(found: &Metadata) -> bool {
    found.permissions().mode() & 0o077 != 0
}

/// Writes a new file with mode 0600, whole or not at all, and durably: under another name first.
pub(super) fn write_whole(path: &Path, text: &str) -> Result<(), Failure> {
    write_beside(path, text).map_err(|error| about(path, &error))
}

fn write_beside(path: &Path, text: &str) -> io::Result<()> {
    let beside = path.with_extension("new");
    let mut file =
        OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&beside)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&beside, path)?;
    let parent = path.parent().unwrap_or_else(|| Path::new("."));
    File::open(parent)?.sync_all()
}

pub(super) fn about(path: &Path, error: &io::Error) -> Failure {
    Failure::because(Exit::Failed, path.display().to_string(), error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_data_dir_is_for_its_owner_and_one_server() {
        let above = tempfile::tempdir().unwrap();
        let path = above.path().join("a/b");

        let first = DataDir::open_or_make(&path).unwrap();
        let second = DataDir::open_or_make(&path).unwrap_err();

        assert_eq!(mode(&path), 0o700);
        assert_eq!(mode(&path.join(LOCK)), 0o600);
        assert_eq!(second.exit, Exit::Conflict);
        drop(first);
        assert!(DataDir::open(&path).is_ok());
    }

    #[test]
    fn a_data_dir_that_was_open_to_others_is_closed_to_them() {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).unwrap();

        DataDir::open(dir.path()).unwrap();

        assert_eq!(mode(dir.path()), 0o700);
    }

    #[test]
    fn a_file_is_written_for_its_owner_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("keys.toml");

        write_whole(&path, "x").unwrap();

        assert_eq!((mode(&path), fs::read_to_string(&path).unwrap().as_str()), (0o600, "x"));
    }
}
