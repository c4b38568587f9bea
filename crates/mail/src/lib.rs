//! Composes letters and hands them to a mail server, and fetches the keys that they are encrypted to.
//!
//! [`compose()`] turns the facts of a letter ([`Contents`]) into one finished mail ([`Message`]);
//! a [`Transport`] hands it over and says how that went ([`Delivery`]). Which letters are due, how
//! often they are tried and what becomes of their secrets is the courier's business, not this
//! crate's: there is no clock, no database and no retry here.

mod calendar;
mod compose;
mod contents;
mod key_directory;
mod letterhead;
mod link;
mod mailbox;
mod openpgp;
mod smtp;
mod target;
mod transport;
mod wording;

pub use compose::{ComposeError, Message, compose, compose_encrypted};
pub use contents::{
    AskedBy, CodeFor, Contents, ExpiringToken, RotationStep, Tally, TimeLeft, TokenChange, TokenUse,
};
pub use key_directory::{
    Internet, KeyDirectory, KeyDirectorySetupError, LookupFault, Network, WebKeyDirectory,
};
pub use letterhead::{Envelope, Letterhead};
pub use link::{Link, LinkError};
pub use mailbox::{Mailbox, Received};
pub use openpgp::{Certificate, EncryptionFailed, KeyFault, LONGEST_CERTIFICATE, UsableKey};
pub use smtp::{SmtpSetupError, SmtpTransport};
pub use target::{MailTarget, MailTargetError, SmtpTarget};
pub use transport::{Delivery, Transport};
