//! What is known of a login before it is judged.

use symbolon_core::Timestamp;
use symbolon_core::client_kind::{ClientKind, kind_of};
use symbolon_core::device_type::DeviceRules;
use symbolon_core::factor::FactorKinds;
use symbolon_core::id::Id;
use symbolon_core::judge::{Door, Login, PasswordVerdict, TokenEvidence, TokenUse};
use symbolon_core::keys::Purpose;
use symbolon_core::lockout::{Failures, SourceFailures};
use symbolon_core::names::{Source, Username};
use symbolon_core::policy::{MemberSince, Policy};
use symbolon_core::session::SessionKind;
use symbolon_core::token::TokenPart;
use symbolon_store::users::{PasswordRecord, UserRecord};
use symbolon_store::{Conn, device_types, networks, profiles, source_failures, tokens, users};

use crate::context::Ctx;
use crate::error::AppError;
use crate::login::attempt::Attempt;
use crate::login::code::Code;
use crate::places::{self, PlaceRow};
use crate::second_factors;

/// The facts of one login.
#[derive(Debug)]
pub(crate) struct Evidence {
    /// The name as it is to be recorded: the user's own, or as typed if it can be a name at all.
    pub(crate) username: String,
    /// The user, if there is one.
    pub(crate) user: Option<UserRecord>,
    /// The policy that holds: the user's, or the default where there is no user.
    pub(crate) policy: Policy,
    /// What is known of the token.
    pub(crate) token: TokenEvidence,
    /// What holds for the tokens of its device type, where it is one of ours.
    pub(crate) device_rules: Option<DeviceRules>,
    /// What kind of client it is, where that is plain.
    pub(crate) client_kind: Option<ClientKind>,
    /// Whether the source lies within a trusted network.
    pub(crate) from_trusted_network: bool,
    /// What failed from the source lately.
    pub(crate) source_failures: SourceFailures,
    /// The known place that it comes from; the failures in `user` are those of the place then.
    pub(crate) place: Option<PlaceRow>,
    /// Which second factors the user has.
    pub(crate) factors: FactorKinds,
    /// The code that an API login brings in the token's place.
    pub(crate) code: Code,
    /// Whether the user has a token that would be taken from him here; known for the web alone.
    pub(crate) has_token: bool,
}

impl Evidence {
    pub(crate) fn password(&self) -> Option<&PasswordRecord> {
        self.user.as_ref().and_then(|user| user.password.as_ref())
    }

    /// The facts that `judge` decides by, of a login through `door` with its password and nothing else.
    pub(crate) fn login<'a>(
        &'a self,
        ctx: &'a Ctx,
        door: Door,
        password: PasswordVerdict,
        source: Source,
        now: Timestamp,
    ) -> Login<'a> {
        Login {
            door,
            source,
            source_failures: self.source_failures,
            source_policy: &ctx.settings.source_policy,
            standing: self.user.as_ref().map(|user| &user.standing),
            profile: self.user.as_ref().map_or(Id::from_raw(0), |user| user.profile),
            member_since: self.user.as_ref().map_or(MemberSince::both(now), member_since),
            policy: &self.policy,
            password,
            factors: self.factors,
            proof: None,
            place_known: self.place.is_some(),
            can_be_asked: self.can_be_asked(ctx),
            codes_locked_until: self.wrong_codes().locked_at(now),
            code: self.code.evidence(),
            token: self.token,
            device_rules: self.device_rules.as_ref(),
            client_kind: self.client_kind,
            trusted_network: self.from_trusted_network,
            now,
        }
    }

    /// The wrong codes that count for it: those from its known place, or else those of strangers.
    pub(crate) fn wrong_codes(&self) -> Failures {
        match (&self.place, &self.user) {
            (Some(place), _) => place.code_failures,
            (None, Some(user)) => user.code_failures,
            (None, None) => Failures::default(),
        }
    }

    /// Whether plainly another kind of client presents the token than it is for.
    pub(crate) fn of_another_kind(&self) -> bool {
        self.device_rules.as_ref().is_some_and(|rules| rules.mismatched(self.client_kind))
    }

    /// Takes the login for one from this known place, whose failures are the ones that count then.
    pub(crate) fn stand_at(&mut self, place: Option<PlaceRow>) {
        if let (Some(user), Some(place)) = (&mut self.user, &place) {
            user.standing.failures = place.failures;
        }
        self.place = place;
    }

    /// Whether there is anything beside the password that the user could be asked for.
    fn can_be_asked(&self, ctx: &Ctx) -> bool {
        let own = self.factors.any_real() || self.factors.recovery_code || self.has_token;
        own || ctx.settings.mail_configured.is_on()
    }

    /// What makes names the same, for counting.
    pub(crate) fn name_key(&self) -> String {
        self.username.to_ascii_lowercase()
    }
}

/// Gathers everything, whichever part of it is going to decide: the same look-ups each time.
pub(crate) async fn gather(
    ctx: &Ctx,
    attempt: &Attempt,
    now: Timestamp,
) -> Result<Evidence, AppError> {
    let source = attempt.origin.source;
    let period = ctx.settings.source_policy.period;
    let mut reader = ctx.store.read().await?;
    let mut known = of_name(&mut reader, &attempt.username).await?;
    let user = known.user.as_ref().map(|user| user.standing.user);
    let origin = &attempt.origin;
    // The same look-ups for a user who does not exist.
    let asked = user.unwrap_or(Id::from_raw(0));
    known.factors = second_factors::kinds_of(&mut reader, asked).await?;
    match attempt.kind {
        SessionKind::Web => {
            let held = &attempt.places;
            known.place = places::find_browser(ctx, &mut reader, user, held, now).await?;
            known.has_token = has_token(&mut reader, known.user.as_ref(), source, now).await?;
        }
        SessionKind::Api => {
            known.place = places::find_api(&mut reader, user, origin, now).await?;
        }
    }
    let place = known.place.take();
    known.stand_at(place);
    let failures = source_failures::since(&mut reader, &source.counted_as(), now - period).await?;
    let trusted = networks::list(&mut reader).await?;
    let (token, device_rules) = of_token(ctx, &mut reader, &attempt.token).await?;
    Ok(Evidence {
        token,
        device_rules,
        client_kind: kind_of(origin.client.as_str()),
        from_trusted_network: trusted.iter().any(|network| network.range.contains(source)),
        source_failures: failures,
        ..known
    })
}

/// Since when a user is under the policies that hold for him.
pub(crate) const fn member_since(user: &UserRecord) -> MemberSince {
    MemberSince { profile: user.profile_since, organization: user.created_at }
}

/// Whether there is a token that the user has. One whose letter still lies in the outbox he cannot have, and without
/// a mail server it lies there for good: whoever demanded it would shut him out. The same look-ups whether there is
/// a user.
///
/// # Security
/// A token that is frozen, or may not be used from there, is asked for all the same: what restricts a token must not
/// let in without it.
async fn has_token(
    reader: &mut Conn,
    user: Option<&UserRecord>,
    source: Source,
    now: Timestamp,
) -> Result<bool, AppError> {
    let asked = user.map_or(Id::from_raw(0), |user| user.standing.user);
    let in_hand = tokens::in_hand_of_user(reader, asked).await?;
    let device_types = device_types::list(reader).await?;
    let Some(user) = user else {
        return Ok(false);
    };
    let taken = in_hand.iter().any(|(record, name)| {
        let rules = device_types.iter().find(|row| row.name == *name);
        let anywhere = rules.map(|row| DeviceRules { addresses: None, ..row.rules.clone() });
        let (user, profile, rules) = (user.standing.user, user.profile, anywhere.as_ref());
        record.judge(&TokenUse { user, profile, rules, source, client_kind: None, now }).is_ok()
    });
    Ok(taken)
}

/// What is known of a name alone.
pub(crate) async fn of_name(reader: &mut Conn, typed: &str) -> Result<Evidence, AppError> {
    let username = Username::parse(typed).ok();
    let user = match &username {
        Some(username) => users::find_by_name(reader, username).await?,
        None => None,
    };
    let policy = match &user {
        Some(user) => profiles::in_force(reader, user.profile).await?,
        None => Policy::default(),
    };
    // A password typed into the wrong field must not be written down: what cannot be a name is not.
    let recorded = user.as_ref().map(|user| user.username.to_string());
    let recorded = recorded.or_else(|| username.map(|username| username.to_string()));
    Ok(Evidence {
        username: recorded.unwrap_or_default(),
        user,
        policy,
        token: TokenEvidence::Absent,
        device_rules: None,
        client_kind: None,
        from_trusted_network: false,
        source_failures: SourceFailures::default(),
        place: None,
        factors: FactorKinds::NONE,
        code: Code::Absent,
        has_token: false,
    })
}

async fn of_token(
    ctx: &Ctx,
    reader: &mut Conn,
    token: &TokenPart,
) -> Result<(TokenEvidence, Option<DeviceRules>), AppError> {
    let presented = match token {
        TokenPart::Given(token) => token.reveal(),
        // A look-up is made all the same, so that its absence cannot be measured.
        TokenPart::Absent | TokenPart::Mistyped => "",
    };
    let digests = ctx.keys.digests(Purpose::Token, presented.as_bytes());
    let record = tokens::find_by_digest(reader, &digests).await?;
    let known = record.map_or(Id::from_raw(0), |record| record.token);
    let device_type = device_types::of_token(reader, known).await?;
    let evidence = match (token, record) {
        (TokenPart::Absent, _) => TokenEvidence::Absent,
        (TokenPart::Mistyped, _) => TokenEvidence::Mistyped,
        (TokenPart::Given(_), None) => TokenEvidence::Unknown,
        (TokenPart::Given(_), Some(record)) => TokenEvidence::Known(record),
    };
    Ok((evidence, device_type.map(|device_type| device_type.rules)))
}
