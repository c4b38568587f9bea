//! Verification: is this credential good, whose is it, what may it do? Answered from memory, truthfully
//! to the last commit, or not at all.
//!
//! Nothing is written but a note (see [`crate::notebook`]), and the database is asked for one thing alone:
//! whether a session that was not used here for too long was used at another node.

use std::time::Duration;

use symbolon_core::Timestamp;
use symbolon_core::id::{Client, Id, Session};
use symbolon_core::names::Source;
use symbolon_core::user_agent::client_of;
use symbolon_core::verification::CredentialRefusal;
use symbolon_live::{Refused, UsedFrom};

pub use symbolon_live::{Admission, Holder, Presented, Sort, Subject};

use crate::context::Ctx;
pub use crate::live::Waiter;
use crate::live::{self, Stale, at_least};
use crate::login::Head;
use crate::notebook::Place;

/// Who presents a credential, for the notes.
#[derive(Debug, Clone, Copy)]
pub struct Presenter<'a> {
    /// At which head.
    pub head: Head,
    /// From which address the credential is used.
    pub source: Source,
    /// What the client says it is; raw.
    pub client: &'a [u8],
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

/// Decides on a credential.
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
) -> Result<Admission<'a>, NoAdmission> {
    match ask(ctx, question, presenter) {
        Err(Unaccepted::Idle(session)) => {
            // Seldom, and large: what is verified thousands of times a second should not carry it about.
            let known = Box::pin(live::look_again(ctx, session)).await;
            if known.map_err(|_| NoAdmission::CannotKnow)? {
                ask(ctx, question, presenter).map_err(NoAdmission::from)
            } else {
                Err(Unaccepted::Idle(session).into())
            }
        }
        decided => decided.map_err(NoAdmission::from),
    }
}

/// Decides on a credential if memory alone can; `None` where [`verify`] would ask the database.
pub fn verify_at_once<'a>(
    ctx: &'a Ctx,
    question: &Question<'_>,
    presenter: Presenter<'_>,
) -> Option<Result<Admission<'a>, NoAdmission>> {
    match ask(ctx, question, presenter) {
        Err(Unaccepted::Idle(_)) => None,
        decided => Some(decided.map_err(NoAdmission::from)),
    }
}

/// Decides on credentials that are asked about together, from memory alone; what happens to be idle here is
/// taken to be dead.
#[derive(Debug)]
pub struct Together<'a> {
    ctx: &'a Ctx,
    at: Presentation<'a>,
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
        let at = Presentation::begin(ctx, presenter).ok_or(NoAdmission::CannotKnow)?;
        Ok(Self { ctx, at })
    }

    /// Decides on one of them.
    ///
    /// # Errors
    /// [`NoAdmission::Refused`].
    pub fn verify(&self, question: &Question<'_>) -> Result<Admission<'a>, NoAdmission> {
        decide(self.ctx, question, &self.at).map_err(NoAdmission::from)
    }
}

/// What memory answers.
enum Unaccepted {
    /// A session that was not used here for too long; the database may know of a later use.
    Idle(Id<Session>),
    /// Any other refusal.
    Refused(CredentialRefusal),
    /// See [`NoAdmission::CannotKnow`].
    CannotKnow,
}

impl From<Unaccepted> for NoAdmission {
    fn from(unaccepted: Unaccepted) -> Self {
        match unaccepted {
            Unaccepted::Idle(_) => Self::Refused(CredentialRefusal::Idle),
            Unaccepted::Refused(refusal) => Self::Refused(refusal),
            Unaccepted::CannotKnow => Self::CannotKnow,
        }
    }
}

fn ask<'a>(
    ctx: &'a Ctx,
    question: &Question<'_>,
    presenter: Presenter<'_>,
) -> Result<Admission<'a>, Unaccepted> {
    let at = Presentation::begin(ctx, presenter).ok_or(Unaccepted::CannotKnow)?;
    decide(ctx, question, &at)
}

/// When and from where a credential is presented.
#[derive(Debug)]
struct Presentation<'a> {
    now: Timestamp,
    from: UsedFrom<'a>,
    head: Head,
}

impl<'a> Presentation<'a> {
    /// `None` while the gate is closed.
    fn begin(ctx: &Ctx, presenter: Presenter<'a>) -> Option<Self> {
        if !ctx.live.gate.is_open() {
            return None;
        }
        let now = ctx.clock.now();
        let Presenter { head, source, client } = presenter;
        let place = ctx.live.places.fold(source.address(), client, head as u8, now);
        Some(Self { now, from: UsedFrom { place, source, client }, head })
    }

    /// In words, for the notes.
    fn place(&self) -> Place {
        Place {
            source: self.from.source.address(),
            client: client_of(&String::from_utf8_lossy(self.from.client)),
            head: self.head,
        }
    }
}

fn decide<'a>(
    ctx: &'a Ctx,
    question: &Question<'_>,
    at: &Presentation<'_>,
) -> Result<Admission<'a>, Unaccepted> {
    let Some(presented) = &question.presented else {
        return Err(Unaccepted::Refused(CredentialRefusal::Unreadable));
    };
    let verified = ctx.live.view.verify(&ctx.keys, presented, question.username, at.now, at.from);
    match verified {
        Ok(admission) => {
            if admission.noteworthy {
                ctx.notebook.note_use(admission.subject(), at.place(), at.now);
            }
            if admission.first_use {
                ctx.notebook.announce_first_use();
            }
            Ok(admission)
        }
        Err(refused) => {
            ctx.notebook.note_refusal(&refused, || at.place(), at.now);
            let Refused { refusal, subject, .. } = refused;
            Err(match (refusal, subject) {
                (CredentialRefusal::Idle, Some(subject)) => {
                    Unaccepted::Idle(Id::from_raw(subject.credential))
                }
                _ => Unaccepted::Refused(refusal),
            })
        }
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
