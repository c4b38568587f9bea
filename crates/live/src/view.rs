//! The view itself: shards of records, slots of users, rules, and how far it has come.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use arc_swap::ArcSwap;
use symbolon_core::Timestamp;
use symbolon_core::id::{Id, User};
use symbolon_core::secret::Digest;

use crate::fill::{Credential, CredentialSort, Guard, Key, UserFacts};
use crate::index::{Fingerprint, NewRecord, RecordSort, Shard};
use crate::rules::Rules;
use crate::users::{Holder, State, Users};

/// Enough that a shard of ten million credentials is rebuilt within a millisecond when it grows.
const SHARDS: usize = 1024;

/// Every live credential in memory.
#[derive(Debug)]
pub struct LiveView {
    pub(crate) shards: Box<[RwLock<Shard>]>,
    pub(crate) users: Users,
    pub(crate) rules: ArcSwap<Rules>,
    applied: AtomicI64,
    epoch: AtomicU64,
    left_out: AtomicU64,
    writer: Mutex<Writer>,
}

/// What only they need who change the view; they come one after the other.
#[derive(Debug)]
struct Writer {
    slots: HashMap<Id<User>, u32>,
    guard: Guard,
}

impl LiveView {
    /// A view that is to be filled: it knows nothing yet.
    pub fn to_be_filled() -> Self {
        let writer = Writer { slots: HashMap::new(), guard: Guard::filling() };
        Self {
            shards: (0..SHARDS).map(|_| RwLock::default()).collect(),
            users: Users::default(),
            rules: ArcSwap::default(),
            applied: AtomicI64::new(0),
            epoch: AtomicU64::new(0),
            left_out: AtomicU64::new(0),
            writer: Mutex::new(writer),
        }
    }

    /// The last revision whose changes are all in.
    pub fn applied(&self) -> i64 {
        self.applied.load(Ordering::Acquire)
    }

    /// How often it has been emptied. Whoever asks remembers it from before he looks whether the view may be
    /// asked: if it is another afterwards, what he was told may be of a view that was being emptied.
    pub fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    /// The rules that hold now.
    pub fn rules(&self) -> Arc<Rules> {
        self.rules.load_full()
    }

    /// Replaces the rules.
    pub fn set_rules(&self, rules: Rules) {
        self.rules.store(Arc::new(rules));
    }

    /// How many credentials it holds, dead ones that were not swept yet included.
    pub fn len(&self) -> usize {
        self.shards.iter().map(|shard| read(shard).len()).sum()
    }

    /// How many credentials found no room, and are refused for it.
    pub fn left_out(&self) -> u64 {
        self.left_out.load(Ordering::Relaxed)
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Begins the filling: every page is read at `from` or later, and changes after it come in their order.
    ///
    /// A filling that failed in the middle and begins again still needs every change since it began first:
    /// what it has put in then may have ended meanwhile. Tells whether this is the first time.
    pub fn begin_filling(&self, from: i64) -> bool {
        let mut writer = self.writer();
        let first = writer.guard.begin();
        if first {
            self.advance(from);
        }
        first
    }

    /// Forgets everything: what is in memory is of a database that has lost it. The view is to be filled.
    pub fn begin_anew(&self) {
        let mut writer = self.writer();
        // First of all: who finds nothing in a shard that is empty already finds the next epoch, too.
        self.epoch.fetch_add(1, Ordering::AcqRel);
        for shard in &self.shards {
            *write(shard) = Shard::default();
        }
        for slot in writer.slots.values() {
            self.users.retire(*slot);
        }
        writer.guard = Guard::filling();
        self.applied.store(0, Ordering::Release);
    }

    /// Makes room for about so many credentials that are going to be put in.
    pub fn make_room_for(&self, credentials: usize) {
        for shard in &self.shards {
            // A shard that cannot have so much room has what it can have.
            let _full = write(shard).make_room_for(credentials / SHARDS);
        }
    }

    /// Puts in users that were read at `read_at`, unless a later change has been applied.
    pub fn fill_users(&self, users: &[UserFacts], read_at: i64) {
        let mut writer = self.writer();
        for user in users {
            if !writer.guard.outdates(Key::User(user.id), read_at) {
                self.put_user(&mut writer, user, Confirm::All);
            }
        }
    }

    /// Puts in credentials that were read at `read_at`, but for those that a later change has touched.
    pub fn fill_credentials(&self, credentials: &[Credential], read_at: i64) {
        let mut writer = self.writer();
        for credential in credentials {
            let outdated = writer.guard.outdates(Key::User(credential.user), read_at)
                || writer.guard.outdates(Key::Session(credential.id), read_at);
            if !outdated {
                self.put_credential(&mut writer, credential, Generation::Present);
            }
        }
    }

    /// Whether pages are still to come.
    pub fn is_filling(&self) -> bool {
        self.writer().guard.is_filling()
    }

    /// Ends the filling: every page is in, and from here on changes alone come.
    pub fn finish_filling(&self) {
        self.writer().guard.finish_filling();
    }

    /// Applies a change of a user: `credentials` are all that live on, everything else of him dies at
    /// this instant.
    pub fn apply_user(&self, user: &UserFacts, credentials: &[Credential], revision: i64) {
        let mut writer = self.writer();
        writer.guard.touch(Key::User(user.id), revision);
        for credential in credentials {
            self.put_credential(&mut writer, credential, Generation::Next);
        }
        self.put_user(&mut writer, user, Confirm::Next);
    }

    /// Applies that a session was opened.
    pub fn apply_session_started(&self, session: &Credential, revision: i64) {
        let mut writer = self.writer();
        writer.guard.touch(Key::Session(session.id), revision);
        self.put_credential(&mut writer, session, Generation::Present);
    }

    /// Applies that a session was ended.
    pub fn apply_session_ended(&self, session: i64, digest: &Digest, revision: i64) {
        let mut writer = self.writer();
        writer.guard.touch(Key::Session(session), revision);
        let fingerprint = Fingerprint::of(digest.as_bytes());
        write(&self.shards[fingerprint.shard(SHARDS)]).remove(fingerprint);
    }

    /// Everything up to `revision` has been applied.
    pub fn advance(&self, revision: i64) {
        self.applied.fetch_max(revision, Ordering::AcqRel);
    }

    /// A session as it was read anew at `read_at`, because its uses at other nodes keep it alive here too.
    pub fn refresh_session(&self, session: &Credential, read_at: i64) {
        self.fill_credentials(std::slice::from_ref(session), read_at);
    }

    /// Takes out what nothing can make live again, and finds the sessions that were not used here for too
    /// long: whether they were used elsewhere, the database knows. A shard goes with each step, so that
    /// whoever sweeps can let others work in between.
    pub fn sweep(&self, now: Timestamp) -> impl Iterator<Item = Swept> + Send {
        let rules = self.rules.load_full();
        self.shards.iter().map(move |shard| self.sweep_shard(shard, &rules, now))
    }

    /// Judges under the read lock, which keeps no verification waiting, and takes the other one for what is
    /// to go alone: in most rounds there is nothing.
    fn sweep_shard(&self, shard: &RwLock<Shard>, rules: &Rules, now: Timestamp) -> Swept {
        let (mut dead, mut idle) = (Vec::new(), Vec::new());
        for record in read(shard).records() {
            if self.is_dead(record, rules, now) {
                dead.push(record.fingerprint);
            } else if self.is_idle(record, rules, now) {
                idle.push(IdleSession { session: record.id(), fingerprint: record.fingerprint });
            }
        }
        let mut swept = 0;
        for fingerprint in dead {
            let mut shard = write(shard);
            // Meanwhile it may have been put in anew.
            let still = shard.find(fingerprint).is_some_and(|it| self.is_dead(it, rules, now));
            swept += usize::from(still && shard.remove(fingerprint));
        }
        Swept { dead: swept, idle }
    }

    /// Takes out a session that the database knows no later use of either, if it is idle still.
    pub fn forget_if_idle(&self, idle: &IdleSession, now: Timestamp) {
        let rules = self.rules.load_full();
        let _writer = self.writer();
        let mut shard = write(&self.shards[idle.fingerprint.shard(SHARDS)]);
        let still = shard.find(idle.fingerprint).is_some_and(|it| self.is_idle(it, &rules, now));
        if still {
            shard.remove(idle.fingerprint);
        }
    }

    fn put_credential(&self, writer: &mut Writer, credential: &Credential, place: Generation) {
        let rules = self.rules.load();
        let user = writer.slot_of(credential.user);
        let present = self.users.state(user).generation;
        let (sort, clock, active_at, client) = match credential.sort {
            CredentialSort::Session { last_used_at, client } => {
                (RecordSort::Session, last_used_at, last_used_at, client)
            }
            CredentialSort::Token { expires_at, active_at } => {
                (RecordSort::Token, expires_at, active_at, None)
            }
        };
        let record = NewRecord {
            fingerprint: Fingerprint::of(credential.digest.as_bytes()),
            id: credential.id,
            clock_ms: clock.unix_ms(),
            started_ms: credential.started_at.unix_ms(),
            active_ms: active_at.unix_ms(),
            user,
            generation: match place {
                Generation::Present => present,
                Generation::Next => present.wrapping_add(1),
            },
            sort,
            device_type: rules.device_type_number(credential.device_type.as_deref()),
            client: rules.client_number(client),
        };
        let mut shard = write(&self.shards[record.fingerprint.shard(SHARDS)]);
        if shard.put(&record).is_err() {
            // Millions of millions of credentials are in. This one is unknown then: refused, never wrongly
            // let in.
            self.left_out.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn put_user(&self, writer: &mut Writer, user: &UserFacts, confirm: Confirm) {
        let slot = writer.slot_of(user.id);
        let before = self.users.state(slot);
        let profile = self.rules.load().profile_number(user.profile);
        let mut owner = user.owner;
        // A profile that the rules do not know yet is no policy to judge by.
        owner.active &= profile.is_some();
        let generation = match confirm {
            Confirm::All => before.generation,
            Confirm::Next => before.generation.wrapping_add(1),
        };
        let state = State { generation, profile: profile.unwrap_or(0), owner };
        self.users.put(slot, Holder::of(user), state);
    }

    fn writer(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the sweeping of a shard has come to.
#[derive(Debug)]
pub struct Swept {
    /// How many credentials were taken out.
    pub dead: usize,
    /// The sessions that seem idle.
    pub idle: Vec<IdleSession>,
}

/// A session that was not used for too long, as far as this node knows.
#[derive(Debug)]
pub struct IdleSession {
    /// Its identifier.
    pub session: i64,
    fingerprint: Fingerprint,
}

/// Under which generation of its owner a credential is put in.
#[derive(Clone, Copy)]
enum Generation {
    /// The one that holds.
    Present,
    /// The one that the change is about to raise the owner to.
    Next,
}

/// Which credentials live on when a user is put in.
#[derive(Clone, Copy)]
enum Confirm {
    /// All that are there.
    All,
    /// Those that were put in under the next generation.
    Next,
}

impl Writer {
    fn slot_of(&mut self, user: Id<User>) -> u32 {
        let next = u32::try_from(self.slots.len()).unwrap_or(u32::MAX);
        *self.slots.entry(user).or_insert(next)
    }
}

/// A panic while a lock was held leaves at worst a record too few: the lock goes on to be used.
pub(crate) fn read(shard: &RwLock<Shard>) -> RwLockReadGuard<'_, Shard> {
    shard.read().unwrap_or_else(PoisonError::into_inner)
}

fn write(shard: &RwLock<Shard>) -> RwLockWriteGuard<'_, Shard> {
    shard.write().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
