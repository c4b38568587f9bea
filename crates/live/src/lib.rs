//! The live view: every live credential (API sessions and security tokens) in memory, and the
//! verification against it: digest, look-up, judgement, without the database and without waiting.
//!
//! It is complete, so that what it does not know is unknown. Who fills and feeds it, from which
//! database and in which order, is `app`'s business; here only this much is known of it:
//! - changes come in the order of their revisions ([`LiveView::apply_user`] and its sisters);
//! - while it is being filled, rows that were read before a change to the same key was applied are
//!   dropped ([`fill`]): put into memory afterwards they would bring a dead credential back to life.
//!
//! Readers take a read lock on one shard in a thousand. A change takes the write lock of the shards that it
//! touches, for about a microsecond each; a shard that grows is rebuilt under it, which takes up to a
//! millisecond at ten million credentials. The sweeping judges under read locks, and takes the other for as
//! long as one record takes to go. A verification never waits for a transaction.

mod fill;
mod index;
mod place;
mod rules;
mod users;
mod verify;
mod view;

pub use fill::{Credential, CredentialSort, UserFacts};
pub use place::PlaceHasher;
pub use rules::{ClientRule, DeviceTypeRule, ProfileRule, Rules};
pub use users::Holder;
pub use verify::{Admission, Bound, Presented, Refused, Sort, Subject, UsedFrom};
pub use view::{IdleSession, LiveView, Swept};
