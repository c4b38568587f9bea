//! What somebody is asked for beside the password, and whether what he enters meets it.
//!
//! One judgement for two occasions: a login from a browser that is not known ([`crate::login`]) and a
//! sensitive change ([`crate::step_up`]). Each try is counted in the transaction in which it is evaluated,
//! with the user's row held, so that guesses at once are bounded as guesses in a row are.

pub(crate) mod held;

use std::time::Duration;

use symbolon_core::Timestamp;
use symbolon_core::factor::{Factor, FactorKinds};
use symbolon_core::id::{Id, Token};
use symbolon_core::judge::{Demand, Refusal, TokenUse};
use symbolon_core::keys::Purpose;
use symbolon_core::letter::LetterKind;
use symbolon_core::lockout::Failures;
use symbolon_core::mailed_code::MailedCode;
use symbolon_core::policy::DAY;
use symbolon_core::secret::{Credential, Password, TypedCode};
use symbolon_core::token::{FormatError, PresentedToken};
use symbolon_mail::CodeFor;
use symbolon_store::challenges::{self, ChallengeRow};
use symbolon_store::places::PlaceRow;
use symbolon_store::users::UserRecord;
use symbolon_store::{Tx, device_types, letters, places, tokens, users};

use crate::actor::Origin;
use crate::context::{Ctx, Switch};
use crate::error::AppError;
use crate::facts::Facts;
use crate::login::record;
use crate::outbox::CodeLetter;
use crate::second_factors;

/// How long a challenge can be met.
pub const VALID: Duration = Duration::from_mins(15);
/// How often it can be tried.
pub const MOST_TRIES: u32 = 5;
/// How many codes are mailed for one.
pub const MOST_LETTERS: u32 = 3;
/// Characters of the secret that a browser holds while it is open: 190 bits.
pub const SECRET_LENGTH: usize = 32;

/// How many codes are mailed to one user within [`VALID`] for one network.
pub const MOST_LETTERS_OF_NETWORK: i64 = 12;
/// How many codes are mailed to one user for logins within [`VALID`], whoever asks for them.
const MOST_LETTERS_LATELY: i64 = 24;
/// How many within a day: who has a password of somebody else's must not fill the mailbox of its owner.
const MOST_LETTERS_OF_DAY: i64 = 60;

/// What somebody may prove himself by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ways {
    /// By a second factor of his.
    pub factors: FactorKinds,
    /// By a code that is mailed.
    pub mail: bool,
    /// By a live security token of his.
    pub token: bool,
    /// By the current password: where nothing else can be asked for.
    pub password: bool,
}

impl Ways {
    /// What meets a demand. Who has a second factor cannot do with mail, and where the profile demands one a
    /// token does not stand in for it.
    pub(crate) fn for_login(demand: Demand, kinds: FactorKinds, mail: Switch) -> Self {
        match demand {
            Demand::SecondFactor => {
                Self { factors: kinds, mail: false, token: false, password: false }
            }
            Demand::Place => Self {
                factors: kinds,
                mail: !kinds.any_real() && mail.is_on(),
                token: true,
                password: false,
            },
        }
    }

    /// What is taken for a proof before a sensitive change.
    pub(crate) fn for_change(kinds: FactorKinds, mail: Switch) -> Self {
        Self {
            factors: kinds,
            mail: !kinds.any_real() && mail.is_on(),
            token: true,
            password: !kinds.any_real() && !mail.is_on(),
        }
    }

    /// Whether a code can be typed in: of an app, from paper or from a mail.
    pub const fn codes(self) -> bool {
        self.mail || self.factors.authenticator || self.factors.recovery_code
    }
}

/// What somebody enters. Empty is what was left empty.
#[derive(Debug)]
pub struct Entered {
    /// A code: of an authenticator app, from a mail, or a recovery code.
    pub code: TypedCode,
    /// A security token.
    pub token: Credential,
    /// The current password.
    pub password: Password,
}

impl Entered {
    /// Whether every field was left empty.
    pub fn is_empty(&self) -> bool {
        [self.code.reveal(), self.token.reveal(), self.password.reveal()]
            .iter()
            .all(|typed| typed.trim().is_empty())
    }
}

/// A proof that was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Met {
    pub(crate) factor: Factor,
    /// The token, where it was one.
    pub(crate) token: Option<Id<Token>>,
}

/// Who is asked, and for what.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked<'a> {
    /// His row as it is in this transaction, which holds it.
    pub(crate) user: &'a UserRecord,
    /// The known place that he answers from, as it is in this transaction: wrong codes count on it alone, and
    /// those of strangers do not count here.
    pub(crate) place: Option<&'a PlaceRow>,
    /// The challenge whose code was mailed, its try counted already.
    pub(crate) challenge: Option<&'a ChallengeRow>,
    pub(crate) ways: Ways,
}

impl Asked<'_> {
    fn wrong_codes(&self) -> Failures {
        self.place.map_or(self.user.code_failures, |place| place.code_failures)
    }
}

/// Begins the count of wrong codes anew where somebody has proved himself by a second factor in a browser: at the
/// known place, or else among strangers. Both rows as they are in this transaction.
pub(crate) async fn forget_wrong_codes(
    tx: &mut Tx,
    user: &UserRecord,
    place: Option<&PlaceRow>,
) -> Result<(), AppError> {
    let none = Failures::default();
    match place {
        Some(place) if place.code_failures != none => {
            places::set_code_failures(tx, place.id, none).await?;
        }
        None if user.code_failures != none => {
            users::set_code_failures(tx, user.standing.user, none).await?;
        }
        Some(_) | None => {}
    }
    Ok(())
}

/// Judges what was entered.
pub(crate) async fn evaluate(
    ctx: &Ctx,
    tx: &mut Tx,
    asked: Asked<'_>,
    entered: &Entered,
    origin: &Origin,
    now: Timestamp,
) -> Result<Result<Met, Refusal>, AppError> {
    let Asked { user, place, challenge, ways } = asked;
    let token = entered.token.reveal().trim();
    if entered.code.reveal().trim().is_empty() && ways.token && !token.is_empty() {
        return evaluate_token(ctx, tx, user, token, origin, now).await;
    }
    if let Some(until) = asked.wrong_codes().locked_at(now) {
        return Ok(Err(Refusal::CodesLockedOut(until)));
    }
    let typed = &entered.code;
    let factor = if is_mailed_code(ctx, challenge.filter(|_| ways.mail), typed) {
        Some(Factor::MailedCode)
    } else if ways.factors == FactorKinds::NONE {
        None
    } else {
        second_factors::take_code(ctx, tx, user.standing.user, typed, origin, now).await?
    };
    let Some(factor) = factor else {
        match place {
            Some(place) => record::note_wrong_code_at(ctx, tx, user, place, origin, now).await?,
            None => record::note_wrong_code(ctx, tx, user, origin, now).await?,
        }
        return Ok(Err(Refusal::CodeWrong));
    };
    if factor.is_second() {
        forget_wrong_codes(tx, user, place).await?;
    }
    Ok(Ok(Met { factor, token: None }))
}

fn is_mailed_code(ctx: &Ctx, challenge: Option<&ChallengeRow>, typed: &TypedCode) -> bool {
    let Some((challenge, digest)) = challenge.and_then(|row| Some((row.id, row.code?))) else {
        return false;
    };
    let Some(code) = MailedCode::parse(typed) else {
        return false;
    };
    ctx.keys.digests(Purpose::Code, &code.to_digest(challenge)).contains(&digest)
}

/// A token cannot be guessed, so a wrong one counts on the challenge alone, and one that has ended on nobody.
async fn evaluate_token(
    ctx: &Ctx,
    tx: &mut Tx,
    user: &UserRecord,
    typed: &str,
    origin: &Origin,
    now: Timestamp,
) -> Result<Result<Met, Refusal>, AppError> {
    if let Some(freeze) = user.standing.tokens_frozen {
        return Ok(Err(Refusal::TokensFrozen(freeze)));
    }
    let presented = match PresentedToken::parse(typed) {
        Ok(presented) => presented,
        Err(FormatError::Shape | FormatError::Check) => return Ok(Err(Refusal::TokenMistyped)),
    };
    let digests = ctx.keys.digests(Purpose::Token, presented.reveal().as_bytes());
    let Some(record) = tokens::find_by_digest(tx, &digests).await? else {
        return Ok(Err(Refusal::TokenUnknown));
    };
    let device_type = device_types::of_token(tx, record.token).await?;
    let used = TokenUse {
        user: user.standing.user,
        profile: user.profile,
        rules: device_type.as_ref().map(|device_type| &device_type.rules),
        source: origin.source,
        // Its owner pastes it into a browser, whatever kind of client it is for.
        client_kind: None,
        now,
    };
    if let Err(refusal) = record.judge(&used) {
        if record.user == used.user
            && let Some(ended) = record.ended_at(now)
        {
            record::note_ended_use(ctx, tx, user, record.token, ended, origin, now).await?;
        }
        return Ok(Err(refusal));
    }
    if !tokens::note_use(tx, record.token, now).await? {
        return Ok(Err(Refusal::TokenUnknown));
    }
    Ok(Ok(Met { factor: Factor::SecurityToken, token: Some(record.token) }))
}

/// Mails a code for a challenge in place of any earlier one of it; `false` if there were too many, for the
/// challenge, for the network that asks or for its user.
pub(crate) async fn mail_code(
    ctx: &Ctx,
    tx: &mut Tx,
    challenge: &ChallengeRow,
    user: &UserRecord,
    occasion: CodeFor,
    origin: &Origin,
    now: Timestamp,
) -> Result<bool, AppError> {
    let network = origin.source.counted_as();
    if too_many_letters(tx, user, occasion, &network, now).await? {
        return Ok(false);
    }
    let letter = CodeLetter::draw(ctx, challenge.id)?;
    let id = letter.id();
    if !challenges::set_code(tx, challenge.id, &letter.digest, id, MOST_LETTERS).await? {
        return Ok(false);
    }
    // No other challenge's: it may be the owner's, and this one somebody else's.
    if let Some(before) = challenge.letter {
        letters::supersede_one(tx, before, now).await?;
    }
    let facts = Facts::default()
        .with("occasion", code_for_word(occasion))
        .with("client", origin.client.as_str())
        .with("source", origin.source)
        .at("asked_at", now)
        .at("valid_until", challenge.expires_at);
    letter.write(ctx, tx, user, facts, now).await?;
    letters::set_network(tx, id, &network).await?;
    Ok(true)
}

/// Whether enough codes were mailed to this user. Whoever has his password can ask for any number of logins,
/// from many networks; that must not keep the owner from the codes that he asks for in a session.
async fn too_many_letters(
    tx: &mut Tx,
    user: &UserRecord,
    occasion: CodeFor,
    network: &str,
    now: Timestamp,
) -> Result<bool, AppError> {
    let (user, kind) = (user.standing.user, LetterKind::VerificationCode);
    let here = letters::count_of_network_since(tx, user, kind, network, now - VALID).await?;
    let (lately, today) = match occasion {
        CodeFor::Change => (0, 0),
        CodeFor::Login => (
            letters::count_since(tx, user, kind, now - VALID).await?,
            letters::count_since(tx, user, kind, now - DAY).await?,
        ),
    };
    Ok(here >= MOST_LETTERS_OF_NETWORK
        || lately >= MOST_LETTERS_LATELY
        || today >= MOST_LETTERS_OF_DAY)
}

/// The word for an occasion in a letter's facts.
pub(crate) const fn code_for_word(occasion: CodeFor) -> &'static str {
    match occasion {
        CodeFor::Login => "login",
        CodeFor::Change => "change",
    }
}
