//! The live view, filled from the database and fed by its change log, and the gate before it.
//!
//! - [`fill`] reads every live credential, page by page, while changes go on;
//! - [`feed`] applies the changes of the log in their order, each of them before the answer to whoever
//!   made it: [`settle`];
//! - [`Gate`] lets verifications ask the view only while it is known to be current. Closed, nobody is
//!   told "valid" from memory: a node that cannot know says so (I15).

mod change;
mod feed;
mod fill;
mod gate;
mod idle;
mod log;
mod look_ups;
mod nodes;
mod settle;
mod waiting;

use std::fmt;
use std::sync::OnceLock;
use std::sync::atomic::AtomicI64;

use symbolon_core::names::Source;
use symbolon_live::{LiveView, PlaceHasher};
use symbolon_store::Reader;
use symbolon_store::live::LoggedChange;
use tokio::sync::{Mutex, Notify, Semaphore, watch};

pub(crate) use change::commit;
pub use feed::{FeedError, bring_up_to_date, run};
pub use fill::fill;
pub use gate::Gate;
pub use idle::sweep;
pub(crate) use idle::{last_use, last_uses_of_many, look_again, look_again_at_many};
use look_ups::LookUps;
use settle::settle;
pub use settle::{Stale, Waiter, Waiting, at_least};
pub(crate) use settle::{settle_what_is_there, settled_revision};
use waiting::WaitingRoom;

/// The live view of one node and what keeps it current.
pub struct Live {
    /// The view.
    pub view: LiveView,
    /// Folds places of use.
    pub places: PlaceHasher,
    /// Whether the view may be asked.
    pub gate: Gate,
    /// Who applies changes holds this, and the connection that reads them.
    feed: Mutex<Option<Reader>>,
    /// The last revision that is applied, for those who wait for one.
    progress: watch::Sender<i64>,
    /// Wakes [`run`] before its time.
    wanted: Notify,
    /// The number of this node among those that share the database.
    node: OnceLock<i64>,
    /// Places for verifications that wait for a revision: strangers cannot take those of proved clients.
    waiting_clients: WaitingRoom,
    waiting_strangers: WaitingRoom,
    /// The other nodes, as this one has seen them.
    neighbours: nodes::Neighbours,
    /// Those for whom the database is asked about one credential: strangers cannot take the places of proved
    /// clients.
    look_ups_of_clients: LookUps,
    look_ups_of_strangers: LookUps,
    /// Places for those who ask about many at once.
    looking_again_at_many: Semaphore,
    /// What had ended by here may have been swept.
    swept_through: AtomicI64,
    /// The last change that was applied, as the log had it.
    last: std::sync::Mutex<Option<LoggedChange>>,
}

/// How many may ask the database about many credentials at a time.
const MOST_LOOKING_AGAIN: usize = 2;

impl Live {
    /// A view that nothing has been read into; its gate is closed.
    pub fn to_be_filled() -> Self {
        Self {
            view: LiveView::to_be_filled(),
            places: PlaceHasher::default(),
            gate: Gate::closed(),
            feed: Mutex::new(None),
            progress: watch::Sender::new(0),
            wanted: Notify::new(),
            node: OnceLock::new(),
            waiting_clients: WaitingRoom::default(),
            waiting_strangers: WaitingRoom::default(),
            neighbours: nodes::Neighbours::default(),
            look_ups_of_clients: LookUps::default(),
            look_ups_of_strangers: LookUps::default(),
            looking_again_at_many: Semaphore::new(MOST_LOOKING_AGAIN),
            swept_through: AtomicI64::new(i64::MIN),
            last: std::sync::Mutex::new(None),
        }
    }
}

impl Live {
    /// The line in which whoever it is waits, and from where he comes.
    fn look_ups_of(&self, waiter: Waiter) -> (&LookUps, Source) {
        match waiter {
            Waiter::Client(source) => (&self.look_ups_of_clients, source),
            Waiter::Stranger(source) => (&self.look_ups_of_strangers, source),
        }
    }
}

impl fmt::Debug for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Live(applied {}, {:?})", self.view.applied(), self.gate)
    }
}
