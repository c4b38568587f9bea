//! Writes letters into the outbox, in the transaction of whatever they tell of.

use std::time::Duration;

use symbolon_core::Timestamp;
use symbolon_core::id::{Challenge, Id, Letter, Link, Token};
use symbolon_core::keys::Purpose;
use symbolon_core::letter::{LetterKind, LetterRank, Volume};
use symbolon_core::names::EmailAddress;
use symbolon_core::secret::{Digest, LinkSecret, Nonce};
use symbolon_store::Tx;
use symbolon_store::letters::{self, NewLetter};
use symbolon_store::links::{self, NewLink};
use symbolon_store::users::UserRecord;

use crate::context::Ctx;
use crate::delivery;
use crate::error::AppError;
use crate::facts::Facts;
use crate::links::{FREEZE_VALID, LinkKind};

/// The single-use link that a letter carries.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Carried {
    pub(crate) kind: LinkKind,
    pub(crate) valid_for: Duration,
    pub(crate) subject: Option<i64>,
}

/// What a letter is about, what it says of it, and how many say the like.
pub(crate) struct Text {
    pub(crate) kind: LetterKind,
    pub(crate) facts: Facts,
    pub(crate) volume: Volume,
}

impl Text {
    /// The text of a letter about what was done to one account.
    pub(crate) const fn single(kind: LetterKind, facts: Facts) -> Self {
        Self { kind, facts, volume: Volume::Single }
    }
}

/// Writes a letter that tells of something to the user's own address.
pub(crate) async fn write_notice(
    ctx: &Ctx,
    tx: &mut Tx,
    user: &UserRecord,
    kind: LetterKind,
    facts: Facts,
    now: Timestamp,
) -> Result<(), AppError> {
    write_notice_to(ctx, tx, user, &user.email, kind, facts, now).await
}

/// Writes a letter that tells of something to another address of the user's.
pub(crate) async fn write_notice_to(
    ctx: &Ctx,
    tx: &mut Tx,
    user: &UserRecord,
    to: &EmailAddress,
    kind: LetterKind,
    facts: Facts,
    now: Timestamp,
) -> Result<(), AppError> {
    write_text(ctx, tx, user, to, Text::single(kind, facts), now).await
}

/// Writes a letter that tells of something that may have been done to many accounts at once.
pub(crate) async fn write_text(
    ctx: &Ctx,
    tx: &mut Tx,
    user: &UserRecord,
    to: &EmailAddress,
    text: Text,
    now: Timestamp,
) -> Result<(), AppError> {
    Drawn::new(ctx).insert(ctx, tx, user, to, &text, None, now).await
}

/// Writes a letter about a token to the user's own address and to the delivery contact, who may be the one that
/// holds it: both are ended if the token is retired before they are sent.
pub(crate) async fn write_about_token(
    ctx: &Ctx,
    tx: &mut Tx,
    user: &UserRecord,
    kind: LetterKind,
    facts: Facts,
    token: Id<Token>,
    now: Timestamp,
) -> Result<(), AppError> {
    let text = Text::single(kind, facts);
    let contact = user.delivery.as_ref().filter(|contact| **contact != user.email);
    for to in [Some(&user.email), contact].into_iter().flatten() {
        Drawn::new(ctx).insert(ctx, tx, user, to, &text, Some(token), now).await?;
    }
    Ok(())
}

/// Writes a letter that carries a single-use link to `to`.
pub(crate) async fn write_with_link(
    ctx: &Ctx,
    tx: &mut Tx,
    user: &UserRecord,
    to: &EmailAddress,
    text: Text,
    link: Carried,
    now: Timestamp,
) -> Result<(), AppError> {
    let letter = Drawn::new(ctx);
    let text = Text { facts: text.facts.at("valid_until", now + link.valid_for), ..text };
    letter.insert_link(ctx, tx, user, link, now).await?;
    letter.insert(ctx, tx, user, to, &text, None, now).await
}

/// The letter of a new token: its identifier, and the digest of the token that it will carry.
///
/// The token is derived here for its digest alone and wiped at once; the courier derives it again.
pub(crate) struct TokenLetter {
    drawn: Drawn,
    volume: Volume,
    pub(crate) digest: Digest,
}

impl TokenLetter {
    /// Draws the nonce of a new token: one of many, or one by itself.
    pub(crate) fn draw(ctx: &Ctx, volume: Volume) -> Result<Self, AppError> {
        let drawn = Drawn::new(ctx);
        let token = ctx.keys.token_of(ctx.keys.current(), &drawn.nonce, drawn.id);
        let token = token.ok_or(AppError::KeyMissing)?;
        let digest = ctx.keys.digest(Purpose::Token, token.reveal().as_bytes());
        Ok(Self { drawn, volume, digest })
    }

    /// Writes the letter.
    pub(crate) async fn write(
        self,
        ctx: &Ctx,
        tx: &mut Tx,
        user: &UserRecord,
        token: Id<Token>,
        facts: Facts,
        now: Timestamp,
    ) -> Result<(), AppError> {
        let text = Text { kind: LetterKind::NewToken, facts, volume: self.volume };
        let to = delivery::address_of(user);
        self.drawn.insert(ctx, tx, user, to, &text, Some(token), now).await
    }
}

/// The letter of a mailed code: the digest of the code that it will carry.
pub(crate) struct CodeLetter {
    drawn: Drawn,
    pub(crate) digest: Digest,
}

impl CodeLetter {
    /// Draws the nonce of a new code, which is good for this challenge alone.
    pub(crate) fn draw(ctx: &Ctx, challenge: Id<Challenge>) -> Result<Self, AppError> {
        let drawn = Drawn::new(ctx);
        let code = ctx.keys.code_of(ctx.keys.current(), &drawn.nonce, drawn.id);
        let code = code.ok_or(AppError::KeyMissing)?;
        let digest = ctx.keys.digest(Purpose::Code, &code.to_digest(challenge));
        Ok(Self { drawn, digest })
    }

    /// Which letter it is.
    pub(crate) fn id(&self) -> Id<Letter> {
        self.drawn.id
    }

    /// Writes the letter.
    pub(crate) async fn write(
        self,
        ctx: &Ctx,
        tx: &mut Tx,
        user: &UserRecord,
        facts: Facts,
        now: Timestamp,
    ) -> Result<(), AppError> {
        let text = Text::single(LetterKind::VerificationCode, facts);
        self.drawn.insert(ctx, tx, user, &user.email, &text, None, now).await
    }
}

/// What chance has dealt to a letter.
struct Drawn {
    id: Id<Letter>,
    nonce: Nonce,
}

impl Drawn {
    fn new(ctx: &Ctx) -> Self {
        ctx.chance.with(|mut rng| Self { id: Id::mint(&mut rng), nonce: Nonce::draw(&mut rng) })
    }

    /// Writes the letter's row, and the link "It wasn't me" where the kind of letter carries one. The nonce
    /// that all its secrets are derived from goes along, and is erased when the letter ends.
    #[expect(clippy::too_many_arguments, reason = "the columns of one row")]
    async fn insert(
        &self,
        ctx: &Ctx,
        tx: &mut Tx,
        user: &UserRecord,
        to: &EmailAddress,
        text: &Text,
        token: Option<Id<Token>>,
        now: Timestamp,
    ) -> Result<(), AppError> {
        if text.kind.offers_freeze() {
            let secret = ctx.keys.freeze_link_of(ctx.keys.current(), &self.nonce, self.id);
            let secret = secret.ok_or(AppError::KeyMissing)?;
            let (kind, valid_for) = (LinkKind::FreezeTokens, FREEZE_VALID);
            let freeze = Carried { kind, valid_for, subject: None };
            insert_link(ctx, tx, user, freeze, &secret, now).await?;
        }
        let letter = NewLetter {
            id: self.id,
            user: user.standing.user,
            kind: text.kind,
            rank: LetterRank::of(text.kind, text.volume),
            to,
            to_name: &user.name,
            facts: text.facts.as_str(),
            token,
            nonce: Some((ctx.keys.current(), &self.nonce)),
        };
        Ok(letters::insert(tx, &letter, now).await?)
    }

    async fn insert_link(
        &self,
        ctx: &Ctx,
        tx: &mut Tx,
        user: &UserRecord,
        link: Carried,
        now: Timestamp,
    ) -> Result<(), AppError> {
        let secret = ctx.keys.link_of(ctx.keys.current(), &self.nonce, self.id);
        insert_link(ctx, tx, user, link, &secret.ok_or(AppError::KeyMissing)?, now).await
    }
}

async fn insert_link(
    ctx: &Ctx,
    tx: &mut Tx,
    user: &UserRecord,
    link: Carried,
    secret: &LinkSecret,
    now: Timestamp,
) -> Result<(), AppError> {
    let digest = ctx.keys.digest(Purpose::Link, secret.reveal().as_bytes());
    let id: Id<Link> = ctx.chance.with(|mut rng| Id::mint(&mut rng));
    let new = NewLink {
        id,
        kind: link.kind.word(),
        digest: &digest,
        user: Some(user.standing.user),
        subject: link.subject,
        expires_at: now + link.valid_for,
    };
    Ok(links::insert(tx, &new, now).await?)
}
