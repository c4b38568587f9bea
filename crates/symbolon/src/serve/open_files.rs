//! How many connections the process may hold, by the files that it may have open.
//!
//! A crowd of silent connections must not take the files that the database needs: then no reset and no
//! login would work, although everybody who is inside is served.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tracing::warn;

/// Files that are kept for the database, the mail server, the log and the control socket.
const RESERVED: u64 = 96;
/// Connections of one listener, where there are files enough.
const MOST: u64 = 4096;
/// Fewer would serve nobody.
const LEAST: u64 = 16;

/// Raises the soft limit of open files to the hard one, as every process may, and shares what it leaves
/// among `listeners`.
pub(super) fn connections_of_each(listeners: usize) -> usize {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    if setrlimit(Resource::Nofile, raised).is_err() {
        warn!("the limit of open files stays where it is");
    }
    share(getrlimit(Resource::Nofile).current, listeners)
}

fn share(open_files: Option<u64>, listeners: usize) -> usize {
    let listeners = u64::try_from(listeners).unwrap_or(1).max(1);
    let left = open_files.map_or(u64::MAX, |files| files.saturating_sub(RESERVED));
    usize::try_from((left / listeners).clamp(LEAST, MOST)).unwrap_or(16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn listeners_leave_the_database_its_files() {
        assert_eq!(share(Some(1024), 3), 309);
        assert_eq!(share(Some(64), 3), 16);
        assert_eq!(share(Some(1_048_576), 3), 4096);
        assert_eq!(share(None, 1), 4096);
    }
}
