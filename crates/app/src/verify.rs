//! Verification: is this credential good, whose is it, what may it do? Answered from memory, truthfully
//! to the last commit, or not at all.
//!
//! Nothing is written but a note (see [`crate::notebook`]), and the database is asked for one thing alone:
//! whether a session or token that was not used here for too long was used at another node.

use std::time::Duration;

use symbolon_core::Timestamp;
use symbolon_core::id::{Client, Id, Session, Token};
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
    match ask(ctx, question, presenter, None) {
        Err(Unaccepted::Idle(session)) => {
            // Seldom, and large: what is verified thousands of times a second should not carry it about.
            let known = Box::pin(live::look_again(ctx, session)).await;
            if known.map_err(|_| NoAdmission::CannotKnow)? {
                ask(ctx, question, presenter, None).map_err(NoAdmission::from)
            } else {
                Err(Unaccepted::Idle(session).into())
            }
        }
        Err(Unaccepted::Unused(token)) => {
            let known = Box::pin(live::last_use(ctx, token)).await;
            let known = known.map_err(|_| NoAdmission::CannotKnow)?;
            ask(ctx, question, presenter, Some(known.unwrap_or(LONG_AGO)))
                .map_err(NoAdmission::from)
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
    match ask(ctx, question, presenter, None) {
        Err(Unaccepted::Idle(_) | Unaccepted::Unused(_)) => None,
        decided => Some(decided.map_err(NoAdmission::from)),
    }
}

/// Decides on a credential from memory alone; what happens to be idle here is taken to be dead.
///
/// # Errors
/// [`NoAdmission`].
pub fn verify_from_memory<'a>(
    ctx: &'a Ctx,
    question: &Question<'_>,
    presenter: Presenter<'_>,
) -> Result<Admission<'a>, NoAdmission> {
    ask(ctx, question, presenter, None).map_err(NoAdmission::from)
}

/// The last use of a token that has ended meanwhile.
const LONG_AGO: Timestamp = Timestamp::from_unix_ms(0);

/// What memory answers.
enum Unaccepted {
    /// A session that was not used here for too long; the database may know of a later use.
    Idle(Id<Session>),
    /// The same of a token, of whose last use memory knows only about when it was.
    Unused(Id<Token>),
    /// Any other refusal.
    Refused(CredentialRefusal),
    /// See [`NoAdmission::CannotKnow`].
    CannotKnow,
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
) -> Result<Admission<'a>, Unaccepted> {
    if !ctx.live.gate.is_open() {
        return Err(Unaccepted::CannotKnow);
    }
    let Some(presented) = &question.presented else {
        return Err(Unaccepted::Refused(CredentialRefusal::Unreadable));
    };
    let now = ctx.clock.now();
    let Presenter { head, source, client } = presenter;
    let folded = ctx.live.places.fold(source.address(), client, head as u8, now);
    let from = UsedFrom { place: folded, source, client, active_at };
    let verified = ctx.live.view.verify(&ctx.keys, presented, question.username, now, from);
    let place = || Place {
        source: source.address(),
        client: client_of(&String::from_utf8_lossy(client)),
        head,
    };
    match verified {
        Ok(admission) => {
            if admission.noteworthy {
                ctx.notebook.note_use(admission.subject(), place(), now);
            }
            if admission.first_use {
                ctx.notebook.announce_first_use();
            }
            Ok(admission)
        }
        Err(refused) => {
            let Refused { refusal, subject, .. } = &refused;
            let refusal = *refusal;
            // What the database may know better is nothing that an owner should read of.
            Err(match (refusal, subject) {
                (CredentialRefusal::Idle, Some(subject)) => {
                    Unaccepted::Idle(Id::from_raw(subject.credential))
                }
                (CredentialRefusal::Unused, Some(subject)) if active_at.is_none() => {
                    Unaccepted::Unused(Id::from_raw(subject.credential))
                }
                _ => {
                    ctx.notebook.note_refusal(&refused, place, now);
                    Unaccepted::Refused(refusal)
                }
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
