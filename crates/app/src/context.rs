//! What every use case needs at hand.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use symbolon_core::keys::KeyRing;
use symbolon_core::names::DisplayName;
use symbolon_core::policy::SourcePolicy;
use symbolon_core::weekly::Zone;
use symbolon_mail::KeyDirectory;
use symbolon_store::Store;
use tokio::sync::Notify;

use crate::chance::Chance;
use crate::clock::Clock;
use crate::hash_pool::Hasher;
use crate::leaks::ReportLimit;
use crate::live::Live;
use crate::notebook::Notebook;
use crate::turnstile::Turnstile;

/// The organization's settings, as far as use cases need them.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Shown in mails and pages.
    pub organization: DisplayName,
    /// What every absolute URL begins with, without a slash at the end. Never the Host header.
    pub public_url: String,
    /// How one source address is kept from trying many names.
    pub source_policy: SourcePolicy,
    /// Whether the OAuth password grant is to be had at all (RFC 9700 §2.4 advises against it).
    pub password_grant: Switch,
    /// Whether a client learns that its password was right and the token missing.
    pub tell_missing_token: Switch,
    /// In which the weekly digest's Monday begins.
    pub time_zone: Zone,
    /// Whether a mail server is configured; if not, pages tell administrators that mail waits.
    pub mail_configured: Switch,
}

/// On or off, where the name beside it says what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Switch {
    /// It is.
    On,
    /// It is not.
    Off,
}

impl Switch {
    /// Whether it is on.
    pub fn is_on(self) -> bool {
        self == Self::On
    }
}

/// A running authority. Cheap to clone.
#[derive(Clone)]
pub struct Ctx(Arc<House>);

/// The parts of a running authority.
pub struct House {
    /// The database.
    pub store: Store,
    /// The keys.
    pub keys: KeyRing,
    /// The clock.
    pub clock: Box<dyn Clock>,
    /// Randomness.
    pub chance: Chance,
    /// The bounded pool that hashes passwords.
    pub hasher: Hasher,
    /// Lets the logins of one user through one after the other.
    pub turnstile: Turnstile,
    /// The organization's settings.
    pub settings: Settings,
    /// Wakes the courier when a letter was committed.
    pub letters_waiting: Notify,
    /// Every live credential in memory.
    pub live: Live,
    /// What verifications leave behind until the scribe writes it down.
    pub notebook: Notebook,
    /// Who has reported leaked tokens lately.
    pub leak_reports: ReportLimit,
    /// Where people's OpenPGP keys may be looked up, if they may be.
    pub key_directory: Option<Arc<dyn KeyDirectory>>,
}

impl Ctx {
    /// Puts the parts together.
    pub fn new(house: House) -> Self {
        Self(Arc::new(house))
    }
}

impl Deref for Ctx {
    type Target = House;

    fn deref(&self) -> &House {
        &self.0
    }
}

impl fmt::Debug for Ctx {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ctx").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl fmt::Debug for House {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("House").field("settings", &self.settings).finish_non_exhaustive()
    }
}
