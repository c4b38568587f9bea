//! The courier: takes letters out of the outbox to the mail server.
//!
//! A letter is leased in one short transaction, carried with none open, and ended or put back in
//! another. If the courier dies in between, the lease runs out and the next one carries the same letter
//! with the same Message-ID and the same secret. What became of a letter is always written down.
//!
//! It has as many hands as the transport takes letters at a time. Each looks anew for what is most urgent when it
//! is free, and waits for no other: a mail server that takes minutes over one letter keeps no code waiting
//! while another hand is free. That no two carry the same letter is the lease's doing.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use symbolon_core::Timestamp;
use symbolon_core::id::{Id, Letter};
use symbolon_core::letter::{LEASE, LetterKind, LetterState, MAX_AGE, pause_after};
use symbolon_core::names::Username;
use symbolon_mail::{
    Certificate, Delivery, Envelope, Letterhead, Message, Transport, compose, compose_encrypted,
};
use symbolon_store::letters::{self, LeasedLetter};
use symbolon_store::{tokens, users};
use tokio::sync::watch;
use tracing::{error, info, warn};

use crate::contents::{contents_of, freeze_link_of};
use crate::context::Ctx;
use crate::error::AppError;
use crate::facts::ReadFacts;
use crate::live::commit;
use crate::openpgp::{self, Cover};

/// Letters that a hand tries in turn to lease: others are after the first ones as well.
const PORTION: i64 = 20;
const NO_KEY: &str = "not sent: the profile demands that mail with a token is encrypted, and there is no OpenPGP key";
/// The longest sleep: letters of other nodes and changes of the clock are noticed after it.
const LONGEST_SLEEP: Duration = Duration::from_secs(30);
/// The pause after a round that failed.
const AFTER_FAILURE: Duration = Duration::from_secs(5);

/// A letter in hand.
struct InHand {
    letter: LeasedLetter,
    username: Username,
    lease: i64,
}

/// Carries letters for ever: those that are due, and each as soon as it is. When `stop` resolves, the
/// letters in hand are finished first.
pub async fn run(
    ctx: Ctx,
    letterhead: Letterhead,
    transport: Arc<dyn Transport>,
    stop: impl Future<Output = ()> + Send,
) {
    let (tell, told) = watch::channel(());
    let hands = (0..transport.at_once())
        .map(|_| carry_for_ever(&ctx, &letterhead, &*transport, told.clone()));
    let hands = join_all(hands);
    tokio::pin!(hands, stop);
    tokio::select! {
        biased;
        () = &mut stop => {}
        _ = &mut hands => return,
    }
    drop(tell);
    hands.await;
}

/// What one hand does until the other end of `stopped` is dropped.
async fn carry_for_ever(
    ctx: &Ctx,
    letterhead: &Letterhead,
    transport: &dyn Transport,
    mut stopped: watch::Receiver<()>,
) {
    loop {
        let pause = match carry_next(ctx, letterhead, transport).await {
            Ok(Next::Carried) => {
                // Whoever is woken while this one is busy is another hand.
                if stopped.has_changed().is_err() {
                    return;
                }
                continue;
            }
            Ok(Next::NothingDue) => sleep_until_due(ctx).await.unwrap_or(AFTER_FAILURE),
            Err(error) => {
                error!(error = &error as &dyn std::error::Error, "could not carry letters");
                AFTER_FAILURE
            }
        };
        tokio::select! {
            biased;
            _ = stopped.changed() => return,
            () = ctx.letters_waiting.notified() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// Takes letters back from a courier that died, without waiting for its leases to run out.
///
/// Only at the start of a process that has the database for itself: elsewhere another node's courier may
/// have them in hand.
///
/// # Errors
/// The database's.
pub async fn take_back_leases(ctx: &Ctx) -> Result<u64, AppError> {
    let mut tx = ctx.store.begin().await?;
    let taken_back = letters::take_back_all(&mut tx).await?;
    commit(ctx, tx).await?;
    Ok(taken_back)
}

async fn sleep_until_due(ctx: &Ctx) -> Result<Duration, AppError> {
    let mut reader = ctx.store.read().await?;
    let next = letters::next_due(&mut reader).await?;
    let until = next.map_or(LONGEST_SLEEP, |at| at.since(ctx.clock.now()));
    Ok(until.clamp(Duration::from_millis(10), LONGEST_SLEEP))
}

/// Carries letters until none is due, the most urgent first and as many at a time as the transport takes; tells
/// how many it took in hand.
///
/// # Errors
/// The database's. The letters that others have in hand then are finished first: one that is dropped on its
/// way would be sent again after its lease.
pub async fn deliver_due(
    ctx: &Ctx,
    letterhead: &Letterhead,
    transport: &dyn Transport,
) -> Result<usize, AppError> {
    let hand = |_| async {
        let mut taken = 0;
        while carry_next(ctx, letterhead, transport).await? == Next::Carried {
            taken += 1;
        }
        Ok(taken)
    };
    join_all((0..transport.at_once()).map(hand)).await.into_iter().sum()
}

/// What a hand has found to do.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    Carried,
    NothingDue,
}

/// Carries the most urgent of the letters that are due and in nobody's hand.
async fn carry_next(
    ctx: &Ctx,
    letterhead: &Letterhead,
    transport: &dyn Transport,
) -> Result<Next, AppError> {
    let mut reader = ctx.store.read().await?;
    let due = letters::due(&mut reader, ctx.clock.now(), PORTION).await?;
    drop(reader);
    let mut left = due.len();
    let mut failure = None;
    for letter in due {
        left -= 1;
        match take_up(ctx, letter).await {
            Ok(Some(in_hand)) => {
                if left > 0 {
                    // There is more to carry, and one call may have been for several letters.
                    ctx.letters_waiting.notify_one();
                }
                carry(ctx, letterhead, transport, in_hand).await?;
                return Ok(Next::Carried);
            }
            Ok(None) => {}
            // One that cannot be taken up keeps no other waiting.
            Err(error) => failure = failure.or(Some(error)),
        }
    }
    failure.map_or(Ok(Next::NothingDue), Err)
}

/// Leases a letter, unless another courier was faster. If the token that it carries has been retired, or
/// its user removed, it has been overtaken and is ended instead.
async fn take_up(ctx: &Ctx, letter: Id<Letter>) -> Result<Option<InHand>, AppError> {
    let now = ctx.clock.now();
    let lease = i64::from_be_bytes(ctx.chance.bytes());
    let mut tx = ctx.store.begin().await?;
    let leased = letters::lease(&mut tx, letter, lease, now + LEASE, now).await?;
    let Some(leased) = leased else {
        return Ok(None);
    };
    let outdated = match leased.token {
        Some(token) => {
            let row = tokens::find(&mut tx, token).await?;
            row.is_none_or(|row| row.record.retired.is_some())
        }
        None => false,
    };
    let outdated = outdated || too_late(&leased, now);
    let user = users::find(&mut tx, leased.user).await?.filter(|_| !outdated);
    if user.is_none() {
        let state = LetterState::Superseded;
        letters::end_leased(&mut tx, letter, lease, state, None, now).await?;
    }
    commit(ctx, tx).await?;
    Ok(user.map(|user| InHand { letter: leased, username: user.username, lease }))
}

/// Whether a letter carries a code that works no more.
fn too_late(letter: &LeasedLetter, now: Timestamp) -> bool {
    let valid_until = ReadFacts::of(&letter.facts).at("valid_until");
    letter.kind == LetterKind::VerificationCode && valid_until.is_ok_and(|until| until <= now)
}

async fn carry(
    ctx: &Ctx,
    letterhead: &Letterhead,
    transport: &dyn Transport,
    in_hand: InHand,
) -> Result<(), AppError> {
    let message = match write_out(ctx, letterhead, &in_hand).await {
        Ok(message) => message,
        Err(WriteError::Key(reply)) => {
            let letter = in_hand.letter.id;
            warn!(letter.id = %letter, "letter {letter} is not sent: it cannot be encrypted");
            return end(ctx, &in_hand, LetterState::Refused, &reply).await;
        }
        // A passing fault of the database loses no letter: its lease runs out.
        Err(WriteError::App(error @ (AppError::Database(_) | AppError::Busy))) => {
            return Err(error);
        }
        Err(WriteError::App(error)) => {
            let letter = in_hand.letter.id;
            error!(letter.id = %letter, error = &error as &dyn std::error::Error, "could not write a letter out");
            let state = LetterState::Refused;
            return end(ctx, &in_hand, state, "this letter could not be written; the log says why")
                .await;
        }
    };
    match transport.deliver(&message).await {
        Delivery::HandedOver { reply } => {
            info!(letter.id = %in_hand.letter.id, "handed over letter {}", in_hand.letter.id);
            end(ctx, &in_hand, LetterState::HandedOver, &reply).await
        }
        Delivery::TryLater { reply } => put_back(ctx, &in_hand, &reply).await,
        Delivery::Refused { reply } => {
            warn!(letter.id = %in_hand.letter.id, "the mail server refused letter {} for good", in_hand.letter.id);
            end(ctx, &in_hand, LetterState::Refused, &reply).await
        }
    }
}

/// Why there is no mail to hand over.
enum WriteError {
    /// It cannot be encrypted, with the reason in words. It never goes in clear instead.
    Key(String),
    /// Something else.
    App(AppError),
}

impl From<AppError> for WriteError {
    fn from(error: AppError) -> Self {
        Self::App(error)
    }
}

async fn write_out(
    ctx: &Ctx,
    letterhead: &Letterhead,
    in_hand: &InHand,
) -> Result<Message, WriteError> {
    let letter = &in_hand.letter;
    let contents = contents_of(ctx, letter, in_hand.username.clone())?;
    let freeze = freeze_link_of(ctx, letter)?;
    let envelope = Envelope {
        to: &letter.to,
        name: Some(&letter.to_name),
        letter: letter.id,
        dated: letter.created_at,
        freeze: freeze.as_ref(),
    };
    let key = match openpgp::cover_of(ctx, letter).await? {
        Cover::EncryptedTo(key) => key,
        Cover::Clear => {
            let message = compose(letterhead, &envelope, &contents);
            return message.map_err(|_| AppError::Corrupt("letter").into());
        }
        Cover::Missing => return Err(WriteError::Key(NO_KEY.to_owned())),
    };
    let unusable = |why: &dyn std::fmt::Display| {
        WriteError::Key(format!(
            "not sent: the OpenPGP key {} cannot be used: {why}",
            key.fingerprint
        ))
    };
    let certificate = Certificate::parse(&key.certificate).map_err(|fault| unusable(&fault))?;
    let usable = certificate.usable_at(ctx.clock.now()).map_err(|fault| unusable(&fault))?;
    compose_encrypted(letterhead, &envelope, &contents, &usable, ctx.chance.bytes())
        .map_err(|error| unusable(&error))
}

/// Ends a letter: its nonce is erased, so what it carried cannot be derived again.
async fn end(ctx: &Ctx, in_hand: &InHand, state: LetterState, reply: &str) -> Result<(), AppError> {
    let now = ctx.clock.now();
    let mut tx = ctx.store.begin().await?;
    let (letter, lease) = (in_hand.letter.id, in_hand.lease);
    if !letters::end_leased(&mut tx, letter, lease, state, Some(reply), now).await? {
        warn!(letter.id = %letter, "the lease of letter {letter} ran out before its end was written down");
    }
    if let (LetterState::HandedOver, LetterKind::NewToken, Some(token)) =
        (state, in_hand.letter.kind, in_hand.letter.token)
    {
        tokens::note_mailed(&mut tx, token, now).await?;
    }
    commit(ctx, tx).await
}

/// Puts a letter back for its next attempt, or ends it where that would come too late.
async fn put_back(ctx: &Ctx, in_hand: &InHand, reply: &str) -> Result<(), AppError> {
    let now = ctx.clock.now();
    let next_try_at = now + pause_after(in_hand.letter.attempt);
    if too_old(next_try_at, in_hand.letter.created_at) {
        return end(ctx, in_hand, LetterState::TooOld, reply).await;
    }
    info!(letter.id = %in_hand.letter.id, "letter {} is to be tried again", in_hand.letter.id);
    let mut tx = ctx.store.begin().await?;
    letters::give_back(&mut tx, in_hand.letter.id, in_hand.lease, next_try_at, reply).await?;
    commit(ctx, tx).await
}

fn too_old(next_try_at: Timestamp, created_at: Timestamp) -> bool {
    next_try_at.since(created_at) >= MAX_AGE
}
