//! The control socket in the data dir: mode 0600, and one server's at a time.
//!
//! The path of a socket has at most 107 bytes (`unix(7)`); a longer one is reached through
//! `/proc/self/fd`.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener as StdListener, UnixStream as StdStream};
use std::path::Path;

use tokio::net::{UnixListener, UnixStream};

use super::data_dir::about;
use crate::exit::{Exit, Failure};

/// Its name within the data dir.
pub(crate) const NAME: &str = "control.sock";
const LONGEST_PATH: usize = 107;

/// The listening end.
pub(super) struct ControlListener(pub(super) UnixListener);

impl ControlListener {
    /// Listens; a socket that a dead server left behind is removed.
    ///
    /// # Errors
    /// [`Exit::Conflict`] where somebody answers on it.
    pub(super) fn bind(data_dir: &Path) -> Result<Self, Failure> {
        let path = data_dir.join(NAME);
        match at_short_path(data_dir, |path| StdStream::connect(path)) {
            Ok(_) => {
                let reason = format!("another server answers on {}", path.display());
                return Err(Failure::new(Exit::Conflict, reason));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(_) => fs::remove_file(&path).map_err(|error| about(&path, &error))?,
        }
        listen(data_dir).map(Self).map_err(|error| about(&path, &error))
    }
}

/// Connects to the server of the data dir.
///
/// # Errors
/// Those of the system: nothing there, nobody listening, not permitted.
pub(crate) fn connect(data_dir: &Path) -> io::Result<UnixStream> {
    let stream = at_short_path(data_dir, |path| StdStream::connect(path))?;
    stream.set_nonblocking(true)?;
    UnixStream::from_std(stream)
}

/// Removes the socket of a server that has stopped. If it stays, the next one removes it.
pub(super) fn remove(data_dir: &Path) {
    drop(fs::remove_file(data_dir.join(NAME)));
}

fn listen(data_dir: &Path) -> io::Result<UnixListener> {
    // Until the mode is set the data dir's own, 0700, keeps others out.
    let listener = at_short_path(data_dir, |path| StdListener::bind(path))?;
    fs::set_permissions(data_dir.join(NAME), Permissions::from_mode(0o600))?;
    listener.set_nonblocking(true)?;
    UnixListener::from_std(listener)
}

fn at_short_path<T>(data_dir: &Path, act: impl FnOnce(&Path) -> io::Result<T>) -> io::Result<T> {
    let path = data_dir.join(NAME);
    if path.as_os_str().as_bytes().len() <= LONGEST_PATH {
        return act(&path);
    }
    let dir = File::open(data_dir)?;
    act(&Path::new("/proc/self/fd").join(dir.as_raw_fd().to_string()).join(NAME))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_socket_left_behind_is_replaced_and_one_in_use_is_not() {
        let dir = tempfile::tempdir().unwrap();

        let first = ControlListener::bind(dir.path()).unwrap();
        let in_use = ControlListener::bind(dir.path()).map(drop).unwrap_err();
        drop(first);
        let after = ControlListener::bind(dir.path());

        assert_eq!(in_use.exit, Exit::Conflict);
        assert!(after.is_ok());
        let mode = fs::metadata(dir.path().join(NAME)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[tokio::test]
    async fn a_data_dir_with_a_long_name_has_a_socket_too() {
        let dir = tempfile::tempdir().unwrap();
        let long = dir.path().join("x".repeat(200));
        fs::create_dir(&long).unwrap();

        let listener = ControlListener::bind(&long).unwrap();

        assert!(connect(&long).is_ok());
        drop(listener);
    }
}
