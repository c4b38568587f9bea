//! One verification: digest, look-up, judgement.

use std::cell::OnceCell;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::Guard;
use symbolon_core::Timestamp;
use symbolon_core::api_rules::Said;
use symbolon_core::client_kind::kind_of;
use symbolon_core::id::{Id, Profile, User};
use symbolon_core::keys::{KeyRing, Purpose};
use symbolon_core::names::Source;
use symbolon_core::secret::Digest;
use symbolon_core::token;
use symbolon_core::verification::{
    BearerUse, CredentialKind, CredentialRecord, CredentialRefusal, judge_credential,
};

use crate::index::{Fingerprint, Record, RecordSort, Use};
use crate::rules::Rules;
use crate::users::{Holder, Seated, State, Users};
use crate::view::{LiveView, read};

/// A credential as it was presented: borrowed, looked at once, never kept.
pub enum Presented<'a> {
    /// The secret part of a session id.
    Session(&'a str),
    /// A text of a security token's format.
    Token(&'a str),
}

impl<'a> Presented<'a> {
    /// Takes `text` for a security token if its format is right.
    pub fn token(text: &'a str) -> Option<Self> {
        token::check_format(text).is_ok().then_some(Self::Token(text))
    }
}

impl fmt::Debug for Presented<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Presented(..)")
    }
}

/// From where a credential is used, and by what.
#[derive(Debug, Clone, Copy)]
pub struct UsedFrom<'a> {
    /// Address, client and head, folded.
    pub place: u32,
    /// The address.
    pub source: Said<Source>,
    /// What the client says it is; raw.
    pub client: Said<&'a [u8]>,
    /// When the token was last used, where the database was asked for it.
    pub active_at: Option<Timestamp>,
}

/// What a credential is bound to, for a route that demands something of it.
#[derive(Debug, Clone, Copy)]
pub struct Bound<'a> {
    /// Its device type; empty if it has none.
    pub device_type: &'a str,
    /// The profile of its owner.
    pub profile: &'a str,
}

/// Session or token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Sort {
    /// An API session.
    Session,
    /// A security token.
    Token,
}

/// A live credential, as far as the writing down of its use needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Subject {
    /// The identifier of the session or token.
    pub credential: i64,
    /// Which of the two.
    pub sort: Sort,
    /// Whose.
    pub user: Id<User>,
}

/// A credential that is accepted.
#[derive(Debug)]
#[must_use]
pub struct Admission<'view> {
    /// The identifier of the session or token.
    pub credential: i64,
    /// Which of the two.
    pub sort: Sort,
    /// The login, or the issue of the token; to the second.
    pub started_at: Timestamp,
    /// When it ends: a token's expiry, or a session's end if it is not used again.
    pub ends_at: Timestamp,
    /// Inactivity after which a session of this user ends.
    pub session_idle: Duration,
    /// The state that the answer is true of: at least this revision.
    pub revision: i64,
    /// Whether this use is from another place, or another time, than the last that was noted.
    pub noteworthy: bool,
    /// Whether this is the first use of a token that this node knows of.
    pub first_use: bool,
    rules: Guard<Arc<Rules>>,
    profile: u16,
    device_type: u8,
    client: Option<u16>,
    users: &'view Users,
    slot: u32,
    /// Looked up when it is asked for: with millions of users he is in no cache, and who wants to know
    /// only whether the credential is good need not wait for him.
    holder: OnceCell<Seated>,
}

impl Admission<'_> {
    /// Whose it is.
    ///
    /// # Panics
    /// Never: nobody's state says that he is active before he was put in, and nobody is taken out.
    pub fn holder(&self) -> &Holder {
        let seated = self.holder.get_or_init(|| self.users.holder(self.slot));
        seated.as_ref().expect("a user is put in before his state says that he is active")
    }

    /// The credential, as far as the writing down of its use needs it.
    pub fn subject(&self) -> Subject {
        Subject { credential: self.credential, sort: self.sort, user: self.holder().user }
    }

    /// The name of the holder's profile.
    pub fn profile(&self) -> &str {
        self.rules.profile(self.profile).map_or("", |profile| &profile.name)
    }

    /// The holder's profile.
    pub fn profile_id(&self) -> Id<Profile> {
        self.rules.profile(self.profile).map_or(Id::from_raw(0), |profile| profile.id)
    }

    /// The device type of the token, or of the token that opened the session; empty if it was opened
    /// from a trusted network without one.
    pub fn device_type(&self) -> &str {
        self.rules.device_type(self.device_type).map_or("", |device_type| &device_type.name)
    }

    /// The API client that the session was opened through.
    pub fn client_id(&self) -> Option<&str> {
        self.client.and_then(|number| self.rules.client_id(number))
    }
}

/// A credential that is not accepted.
#[derive(Debug)]
#[must_use]
pub struct Refused {
    /// Why; not for who presented it.
    pub refusal: CredentialRefusal,
    /// The credential, if it is one of ours.
    pub subject: Option<Subject>,
    /// The digests, one for each key of the ring, of a well-formed security token that is not live: it may be
    /// a retired one.
    pub token_digests: Vec<Digest>,
}

impl Refused {
    /// Nothing that could be looked up was presented.
    pub const UNREADABLE: Self =
        Self { refusal: CredentialRefusal::Unreadable, subject: None, token_digests: Vec::new() };
}

impl LiveView {
    /// Decides on a credential at `now`, and notes from where it is used. With a username, the credential
    /// must be that user's.
    ///
    /// # Errors
    /// [`Refused`].
    ///
    /// # Security
    /// A look-up by keyed digest tells nobody how near a guess was. The answer is true of a state at least
    /// as new as [`Self::applied`] was when this was called.
    pub fn verify(
        &self,
        keys: &KeyRing,
        presented: &Presented<'_>,
        username: Option<&str>,
        now: Timestamp,
        from: UsedFrom<'_>,
    ) -> Result<Admission<'_>, Refused> {
        self.verify_on_route(keys, presented, username, now, from, &|_| true)
    }

    /// The same where the route that it is used on `admits` not all that are good. What it refuses is no use.
    ///
    /// # Errors
    /// [`Refused`].
    ///
    /// # Security
    /// As of [`Self::verify`].
    pub fn verify_on_route(
        &self,
        keys: &KeyRing,
        presented: &Presented<'_>,
        username: Option<&str>,
        now: Timestamp,
        from: UsedFrom<'_>,
        admits: &impl Fn(Bound<'_>) -> bool,
    ) -> Result<Admission<'_>, Refused> {
        let revision = self.applied();
        let (purpose, secret) = match presented {
            Presented::Session(secret) => (Purpose::Session, *secret),
            Presented::Token(text) => (Purpose::Token, *text),
        };
        for digest in keys.each_digest(purpose, secret.as_bytes()) {
            let fingerprint = Fingerprint::of(digest.as_bytes());
            let shard = read(&self.shards[fingerprint.shard(self.shards.len())]);
            if let Some(record) = shard.find(fingerprint) {
                let decided = self.decide(record, username, (now, from), revision, admits);
                return decided.map_err(|refused| {
                    let dead = refused.refusal == CredentialRefusal::Unknown;
                    if dead { unknown(keys, purpose, secret) } else { refused }
                });
            }
        }
        Err(unknown(keys, purpose, secret))
    }

    fn decide(
        &self,
        record: &Record,
        username: Option<&str>,
        (now, from): (Timestamp, UsedFrom<'_>),
        revision: i64,
        admits: &impl Fn(Bound<'_>) -> bool,
    ) -> Result<Admission<'_>, Refused> {
        let state = self.users.state(record.user);
        if record.generation < state.generation {
            return Err(Refused { refusal: CredentialRefusal::Unknown, ..Refused::UNREADABLE });
        }
        let rules = self.rules.load();
        let facts = facts_of(record, state, &rules);
        if let Some(username) = username
            && !self.users.holder(record.user).as_ref().is_some_and(|it| it.is_called(username))
        {
            return Err(self.refused(record, CredentialRefusal::OtherUser));
        }
        let judged = judge_credential(&facts, now)
            .and_then(|()| allowed_by_profile(record, state, &rules, from, now))
            .and_then(|()| known_where_it_matters(record, &rules, from))
            .and_then(|()| allowed_by(record, state, &rules, from))
            .and_then(|()| in_use(record, &rules, from, now))
            .and_then(|()| admitted_by(admits, record, state, &rules));
        judged.map_err(|refusal| self.refused(record, refusal))?;
        let used = record.note_use(now.unix_ms(), from.place);
        let idle = idle_of(state, &rules);
        Ok(Admission {
            credential: record.id(),
            sort: sort_of(record),
            started_at: Timestamp::from_unix_ms(i64::from(record.started_s) * 1000),
            ends_at: match facts.kind {
                CredentialKind::Session { .. } => now + idle,
                CredentialKind::Token { expires_at, .. } => expires_at,
            },
            session_idle: idle,
            revision,
            noteworthy: used != Use::Again,
            first_use: used == Use::First && record.sort == RecordSort::Token,
            profile: state.profile,
            device_type: record.device_type,
            client: record.client(),
            rules,
            users: &self.users,
            slot: record.user,
            holder: OnceCell::new(),
        })
    }

    /// Why a credential of somebody's is not accepted; one of nobody's is unknown.
    fn refused(&self, record: &Record, refusal: CredentialRefusal) -> Refused {
        match self.users.holder(record.user).as_ref() {
            Some(holder) => {
                let (credential, sort) = (record.id(), sort_of(record));
                let subject = Some(Subject { credential, sort, user: holder.user });
                Refused { refusal, subject, token_digests: Vec::new() }
            }
            None => Refused { refusal: CredentialRefusal::Unknown, ..Refused::UNREADABLE },
        }
    }

    /// Whether nothing can make the credential live again.
    pub(crate) fn is_dead(&self, record: &Record, rules: &Rules, now: Timestamp) -> bool {
        let state = self.users.state(record.user);
        record.generation < state.generation
            || judge_credential(&facts_of(record, state, rules), now)
                == Err(CredentialRefusal::Expired)
    }

    /// Whether a session was not used for too long.
    pub(crate) fn is_idle(&self, record: &Record, rules: &Rules, now: Timestamp) -> bool {
        let state = self.users.state(record.user);
        judge_credential(&facts_of(record, state, rules), now) == Err(CredentialRefusal::Idle)
    }
}

/// The refusal of what is not live. A token may be a retired one, so its digests go along.
fn unknown(keys: &KeyRing, purpose: Purpose, secret: &str) -> Refused {
    let token_digests = if purpose == Purpose::Token {
        keys.digests(purpose, secret.as_bytes())
    } else {
        Vec::new()
    };
    Refused { refusal: CredentialRefusal::Unknown, subject: None, token_digests }
}

fn sort_of(record: &Record) -> Sort {
    match record.sort {
        RecordSort::Session => Sort::Session,
        RecordSort::Token => Sort::Token,
    }
}

fn facts_of(record: &Record, state: State, rules: &Rules) -> CredentialRecord {
    let clock = Timestamp::from_unix_ms(record.clock_ms());
    let kind = match record.sort {
        RecordSort::Session => {
            CredentialKind::Session { last_used_at: clock, idle: idle_of(state, rules) }
        }
        RecordSort::Token => CredentialKind::Token {
            expires_at: clock,
            bearer: rules
                .device_type(record.device_type)
                .map_or(BearerUse::OneHalf, |device_type| device_type.rules.bearer),
        },
    };
    CredentialRecord { kind, owner: state.owner }
}

/// Whether the profile of the owner allows its use there and then.
fn allowed_by_profile(
    record: &Record,
    state: State,
    rules: &Rules,
    from: UsedFrom<'_>,
    now: Timestamp,
) -> Result<(), CredentialRefusal> {
    // Nobody is active whose profile is not known.
    let Some(profile) = rules.profile(state.profile) else {
        return Ok(());
    };
    match record.sort {
        RecordSort::Session => profile.api.allow_session(),
        RecordSort::Token => profile.api.allow_token(from.source, now),
    }
}

/// Whether it is known from where a token comes, if its device type says from where it may.
fn known_where_it_matters(
    record: &Record,
    rules: &Rules,
    from: UsedFrom<'_>,
) -> Result<(), CredentialRefusal> {
    if record.sort == RecordSort::Session || from.source.of_client().is_some() {
        return Ok(());
    }
    let device_type = rules.device_type(record.device_type);
    let matters = device_type.is_some_and(|device_type| device_type.rules.addresses.is_some());
    if matters { Err(CredentialRefusal::AddressUnknown) } else { Ok(()) }
}

/// Whether the device type of a token allows its use by its owner, there and by that client. A session is not asked: its
/// token was, when it was opened.
fn allowed_by(
    record: &Record,
    state: State,
    rules: &Rules,
    from: UsedFrom<'_>,
) -> Result<(), CredentialRefusal> {
    if record.sort == RecordSort::Session {
        return Ok(());
    }
    let Some(device_type) = rules.device_type(record.device_type) else {
        return Ok(());
    };
    // What whoever asks says of himself tells nothing of the client's kind.
    let client = || from.client.of_client().and_then(|it| kind_of(&String::from_utf8_lossy(it)));
    let profile = rules.profile(state.profile).map_or(Id::from_raw(0), |profile| profile.id);
    device_type.rules.allow(profile, from.source.any(), client).map_err(CredentialRefusal::from)
}

/// Whether a token was used lately enough for its device type. It is asked after all that decides by what every
/// node knows: where this refuses, the database may know better.
fn in_use(
    record: &Record,
    rules: &Rules,
    from: UsedFrom<'_>,
    now: Timestamp,
) -> Result<(), CredentialRefusal> {
    if record.sort == RecordSort::Session {
        return Ok(());
    }
    let Some(device_type) = rules.device_type(record.device_type) else {
        return Ok(());
    };
    let known = Timestamp::from_unix_ms(record.active_ms());
    let active_at = from.active_at.unwrap_or(known).max(known);
    if device_type.rules.idle_at(active_at, now) { Err(CredentialRefusal::Unused) } else { Ok(()) }
}

/// Whether the route admits it.
fn admitted_by(
    admits: &impl Fn(Bound<'_>) -> bool,
    record: &Record,
    state: State,
    rules: &Rules,
) -> Result<(), CredentialRefusal> {
    let bound = Bound {
        device_type: rules.device_type(record.device_type).map_or("", |it| it.name.as_str()),
        profile: rules.profile(state.profile).map_or("", |it| it.name.as_str()),
    };
    if admits(bound) { Ok(()) } else { Err(CredentialRefusal::NotHere) }
}

fn idle_of(state: State, rules: &Rules) -> Duration {
    rules.profile(state.profile).map_or(Duration::ZERO, |profile| profile.session_idle)
}
