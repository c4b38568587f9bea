//! Verification: is this credential good, whose is it, what may it do? Answered from memory, truthfully
//! to the last commit, or not at all.
//!
//! Nothing is written but a note (see [`crate::notebook`]), and the database is asked for one thing alone:
//! whether a session or token that was not used here for too long was used at another node.

use std::collections::HashMap;
use std::time::Duration;

use symbolon_core::Timestamp;
pub use symbolon_core::api_rules::Said;
use symbolon_core::id::{Client, Id, Session, Token};
use symbolon_core::names::Source;
use symbolon_core::user_agent::client_of;
use symbolon_core::verification::CredentialRefusal;
pub use symbolon_live::Bound;
use symbolon_live::UsedFrom;

pub use symbolon_live::{Admission, Holder, Presented, Sort, Subject};

use crate::context::Ctx;
use crate::live::{self, Stale, at_least};
pub use crate::live::{Waiter, Waiting};
use crate::login::Head;
use crate::notebook::Place;

/// Who presents a credential: what is noted of its use, and what rules about its use judge by.
#[derive(Debug, Clone, Copy)]
pub struct Presenter<'a> {
    /// At which head.
    pub head: Head,
    /// From which address the credential is used.
    pub source: Said<Source>,
    /// What the client says it is; raw.
    pub client: Said<&'a [u8]>,
}

impl<'a> Presenter<'a> {
    /// Whoever uses the credential presents it himself, or a proxy that is believed tells of him.
    pub const fn of_client(head: Head, source: Source, client: &'a [u8]) -> Self {
        Self { head, source: Said::OfClient(source), client: Said::OfClient(client) }
    }
}

/// A credential as it was presented.
#[derive(Debug)]
pub struct Question<'a> {
    /// The credential; `None` if nothing was presented that could be one.
    pub presented: Option<Presented<'a>>,
    /// Whose it must be, where that was said.
    pub username: Option<&'a str>,
}

/// Why there is no admission.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoAdmission {
    /// The credential is not accepted. Why, is not for who presented it.
    Refused(CredentialRefusal),
    /// This node cannot know now (I15).
    CannotKnow,
}

/// Decides on a credential. If the database has to be asked about it, that is begun within the time that is left
/// to whoever is `waiting`.
///
/// # Errors
/// [`NoAdmission`].
///
/// # Security
/// Only while the gate is open is memory asked: what it says is then true of every commit that has been
/// answered.
pub async fn verify<'a>(
    ctx: &'a Ctx,
    question: &Question<'_>,
    presenter: Presenter<'_>,
    waiting: Waiting,
) -> Result<Admission<'a>, NoAdmission> {
    verify_on_route(ctx, question, presenter, waiting, &|_| true).await
}

/// Decides on a credential that is used on a route which `admits` not all that are good; what it refuses is
/// [`CredentialRefusal::NotHere`], and no use.
///
/// # Errors
/// [`NoAdmission`].
pub async fn verify_on_route<'a>(
    ctx: &'a Ctx,
    question: &Question<'_>,
    presenter: Presenter<'_>,
    waiting: Waiting,
    admits: &(impl Fn(Bound<'_>) -> bool + Sync),
) -> Result<Admission<'a>, NoAdmission> {
    match ask(ctx, question, presenter, None, admits) {
        Err(Unaccepted::Idle(session)) => {
            // Seldom, and large: what is verified thousands of times a second should not carry it about.
            let known = Box::pin(live::look_again(ctx, session, waiting)).await;
            if known.map_err(|_| NoAdmission::CannotKnow)? {
                ask(ctx, question, presenter, None, admits).map_err(NoAdmission::from)
            } else {
                Err(Unaccepted::Idle(session).into())
            }
        }
        Err(Unaccepted::Unused(token)) => {
            let known = Box::pin(live::last_use(ctx, token, waiting)).await;
            let known = known.map_err(|_| NoAdmission::CannotKnow)?.unwrap_or(LONG_AGO);
            ask(ctx, question, presenter, Some(known), admits).map_err(NoAdmission::from)
        }
        decided => decided.map_err(NoAdmission::from),
    }
}

/// Decides on a credential if memory alone can; `None` where [`verify_on_route`] would ask the database.
pub fn verify_at_once<'a>(
    ctx: &'a Ctx,
    question: &Question<'_>,
    presenter: Presenter<'_>,
    admits: &impl Fn(Bound<'_>) -> bool,
) -> Option<Result<Admission<'a>, NoAdmission>> {
    match ask(ctx, question, presenter, None, admits) {
        Err(Unaccepted::Idle(_) | Unaccepted::Unused(_)) => None,
        decided => Some(decided.map_err(NoAdmission::from)),
    }
}

/// Decides on credentials that are asked about together, from memory alone.
#[derive(Debug)]
pub struct Together<'a> {
    ctx: &'a Ctx,
    at: Presentation<'a>,
}

/// Why one of many is not admitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotAdmitted {
    /// It is not accepted. Why, is not for who presented it.
    Refused(CredentialRefusal),
    /// A session that was not used here for too long. It may be alive by its uses at other nodes: the
    /// database knows ([`look_again`]).
    Idle(Id<Session>),
    /// The same of a token, of whose last use memory knows only about when it was ([`last_uses`]).
    Unused(Id<Token>),
    /// This node cannot know: memory was emptied meanwhile.
    CannotKnow,
}

impl<'a> Together<'a> {
    /// Looks at the gate, and at the clock, once for all of them.
    ///
    /// # Errors
    /// [`NoAdmission::CannotKnow`].
    ///
    /// # Security
    /// The gate was open after the question had come, so each answer is true of an instant within the request,
    /// however long this takes.
    pub fn begin(ctx: &'a Ctx, presenter: Presenter<'a>) -> Result<Self, NoAdmission> {
        let at = Presentation::begin(ctx, presenter, None).ok_or(NoAdmission::CannotKnow)?;
        Ok(Self { ctx, at })
    }

    /// Decides on one of them.
    ///
    /// # Errors
    /// [`NotAdmitted`].
    pub fn verify(&self, question: &Question<'_>) -> Result<Admission<'a>, NotAdmitted> {
        decide(self.ctx, question, &self.at, &|_| true)
    }

    /// Decides on a token of which the database has told when it was last used.
    ///
    /// # Errors
    /// [`NotAdmitted::Refused`], [`NotAdmitted::CannotKnow`].
    pub fn verify_used(
        &self,
        question: &Question<'_>,
        active_at: Timestamp,
    ) -> Result<Admission<'a>, NotAdmitted> {
        decide(self.ctx, question, &self.at.knowing(active_at), &|_| true)
    }
}

/// Reads sessions anew that seem idle; tells whether any of them lives by what was read.
///
/// # Errors
/// [`NoAdmission::CannotKnow`] where the database cannot be read, or too many are reading.
pub async fn look_again(ctx: &Ctx, sessions: &[Id<Session>]) -> Result<bool, NoAdmission> {
    let looked = live::look_again_at_many(ctx, sessions).await;
    looked.map_err(|_| NoAdmission::CannotKnow)
}

/// When each of `tokens`, which seem dead of disuse, was last used, or issued; long ago where one has ended
/// meanwhile.
///
/// # Errors
/// [`NoAdmission::CannotKnow`] where the database cannot be read, or too many are reading.
pub async fn last_uses(
    ctx: &Ctx,
    tokens: &[Id<Token>],
) -> Result<HashMap<Id<Token>, Timestamp>, NoAdmission> {
    let known = live::last_uses_of_many(ctx, tokens).await;
    let mut known = known.map_err(|_| NoAdmission::CannotKnow)?;
    for token in tokens {
        known.entry(*token).or_insert(LONG_AGO);
    }
    Ok(known)
}

/// The last use of what has ended.
const LONG_AGO: Timestamp = Timestamp::from_unix_ms(0);

/// What memory answers.
enum Unaccepted {
    /// See [`NotAdmitted::Idle`].
    Idle(Id<Session>),
    /// See [`NotAdmitted::Unused`].
    Unused(Id<Token>),
    /// Any other refusal.
    Refused(CredentialRefusal),
    /// See [`NoAdmission::CannotKnow`].
    CannotKnow,
}

impl From<NotAdmitted> for Unaccepted {
    fn from(refused: NotAdmitted) -> Self {
        match refused {
            NotAdmitted::Refused(refusal) => Self::Refused(refusal),
            NotAdmitted::Idle(session) => Self::Idle(session),
            NotAdmitted::Unused(token) => Self::Unused(token),
            NotAdmitted::CannotKnow => Self::CannotKnow,
        }
    }
}

impl From<Unaccepted> for NoAdmission {
    fn from(unaccepted: Unaccepted) -> Self {
        match unaccepted {
            Unaccepted::Idle(_) => Self::Refused(CredentialRefusal::Idle),
            Unaccepted::Unused(_) => Self::Refused(CredentialRefusal::Unused),
            Unaccepted::Refused(refusal) => Self::Refused(refusal),
            Unaccepted::CannotKnow => Self::CannotKnow,
        }
    }
}

/// Asks memory; `active_at` is the last use of the token, where the database was asked for it.
fn ask<'a>(
    ctx: &'a Ctx,
    question: &Question<'_>,
    presenter: Presenter<'_>,
    active_at: Option<Timestamp>,
    admits: &impl Fn(Bound<'_>) -> bool,
) -> Result<Admission<'a>, Unaccepted> {
    let at = Presentation::begin(ctx, presenter, active_at).ok_or(Unaccepted::CannotKnow)?;
    decide(ctx, question, &at, admits).map_err(Unaccepted::from)
}

/// When and from where a credential is presented.
#[derive(Debug, Clone, Copy)]
struct Presentation<'a> {
    now: Timestamp,
    from: UsedFrom<'a>,
    head: Head,
    /// The view's, from before the gate was looked at: if it is the same still, nothing of what is told was of a
    /// view that was being emptied or filled.
    epoch: u64,
}

impl<'a> Presentation<'a> {
    /// `None` while the gate is closed.
    fn begin(ctx: &Ctx, presenter: Presenter<'a>, active_at: Option<Timestamp>) -> Option<Self> {
        let epoch = ctx.live.view.epoch();
        if !ctx.live.gate.is_open() {
            return None;
        }
        let now = ctx.clock.now();
        let Presenter { head, source, client } = presenter;
        let address = source.any().address();
        let place = ctx.live.places.fold(address, client.any(), head as u8, now);
        Some(Self { now, from: UsedFrom { place, source, client, active_at }, head, epoch })
    }

    /// The same, of a token of which the database has told when it was last used.
    const fn knowing(mut self, active_at: Timestamp) -> Self {
        self.from.active_at = Some(active_at);
        self
    }

    /// In words, for the notes.
    fn place(&self) -> Place {
        Place {
            source: self.from.source.any().address(),
            client: client_of(&String::from_utf8_lossy(self.from.client.any())),
            head: self.head,
        }
    }
}

fn decide<'a>(
    ctx: &'a Ctx,
    question: &Question<'_>,
    at: &Presentation<'_>,
    admits: &impl Fn(Bound<'_>) -> bool,
) -> Result<Admission<'a>, NotAdmitted> {
    let Some(presented) = &question.presented else {
        return Err(NotAdmitted::Refused(CredentialRefusal::Unreadable));
    };
    let (view, whose) = (&ctx.live.view, question.username);
    match view.verify_on_route(&ctx.keys, presented, whose, at.now, at.from, admits) {
        Ok(admission) => {
            if admission.noteworthy {
                ctx.notebook.note_use(admission.subject(), at.place(), at.now);
            }
            if admission.first_use {
                ctx.notebook.announce_first_use();
            }
            Ok(admission)
        }
        // What is emptied for good reason is no reason to call anything dead (I15).
        Err(_) if view.epoch() != at.epoch => Err(NotAdmitted::CannotKnow),
        Err(refused) => Err(match (refused.refusal, refused.subject) {
            // What the database may know better is nothing that an owner should read of.
            (CredentialRefusal::Idle, Some(subject)) => {
                NotAdmitted::Idle(Id::from_raw(subject.credential))
            }
            (CredentialRefusal::Unused, Some(subject)) if at.from.active_at.is_none() => {
                NotAdmitted::Unused(Id::from_raw(subject.credential))
            }
            (refusal, _) => {
                ctx.notebook.note_refusal(&refused, || at.place(), at.now);
                NotAdmitted::Refused(refusal)
            }
        }),
    }
}

/// How long a verification waits for a revision unless it says so itself.
pub const DEFAULT_DEADLINE: Duration = Duration::from_millis(150);
/// How long it may wait at most.
pub const LONGEST_DEADLINE: Duration = Duration::from_secs(5);

/// Waits until verifications are answered from a state at least as new as `revision`.
///
/// # Errors
/// [`NoAdmission::CannotKnow`] at the deadline.
pub async fn wait_for(
    ctx: &Ctx,
    revision: i64,
    deadline: Duration,
    waiter: Waiter,
) -> Result<(), NoAdmission> {
    if is_as_new_as(ctx, revision) {
        return Ok(());
    }
    let deadline = deadline.min(LONGEST_DEADLINE);
    let reached = Box::pin(at_least(ctx, revision, deadline, waiter)).await;
    reached.map_err(|Stale| NoAdmission::CannotKnow)
}

/// Whether verifications are answered from a state at least as new as `revision` already.
pub fn is_as_new_as(ctx: &Ctx, revision: i64) -> bool {
    ctx.live.view.applied() >= revision
}

/// Proves an API client by its secret, from memory.
///
/// # Errors
/// [`NoAdmission::CannotKnow`]; that the client is unknown or its secret wrong is `None`.
pub fn prove_client(ctx: &Ctx, id: &str, secret: &[u8]) -> Result<Option<Id<Client>>, NoAdmission> {
    if !ctx.live.gate.is_open() {
        return Err(NoAdmission::CannotKnow);
    }
    Ok(ctx.live.view.rules().prove_client(&ctx.keys, id, secret).map(|client| client.id))
}
