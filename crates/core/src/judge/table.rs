//! The decision chain as a table: each line is a plain good login but for what it names, and what comes
//! of it.
//!
//! A plain good login has the right password and beside it: at an API a live token, on the web a known
//! place, at the passkeys' door a passkey. It comes at `T0`, Friday 08:00 in UTC, from 192.0.2.7, under
//! the default policy. What is refused elsewhere than in the chain (a grant that is switched off, a body
//! that cannot be read) has no line.

mod lines;

use std::collections::HashSet;
use std::mem::{Discriminant, discriminant};
use std::time::Duration;

use self::lines::lines;
use super::*;
use crate::client_kind::ClientKind;
use crate::device_type::{Holders, Mismatch};
use crate::judge::CodeEvidence::Absent as NoCode;
use crate::judge::Demand::{Place, SecondFactor};
use crate::judge::Door::{Api, WebByPasskey};
use crate::judge::TokenEvidence::{Absent as NoToken, Known};
use crate::login_hours::LoginHours;
use crate::network::LoginRanges;
use crate::policy::{Access, Duty};

const T0: Timestamp = Timestamp::from_unix_ms(1_800_000_000_000);
const USER: Id<User> = Id::from_raw(1);
const PROFILE: Id<Profile> = Id::from_raw(3);
const TOKEN: Id<Token> = Id::from_raw(2);
const FREEZE: TokenFreeze =
    TokenFreeze { at: Timestamp::from_unix_ms(1_800_000_000_000), by: FrozenBy::Owner };
const LIVE: TokenRecord = TokenRecord {
    token: TOKEN,
    user: USER,
    expires_at: Timestamp::from_unix_ms(1_800_000_000_001),
    active_at: Timestamp::from_unix_ms(1_799_913_600_000),
    retired: None,
};

type Outcome = Result<Admission, Refusal>;

/// What the line is about, the door, what differs from a plain good login, what comes of it.
type Line = (&'static str, Door, fn(Facts) -> Facts, Outcome);

/// The facts of a login, in one's own hand.
struct Facts {
    standing: Option<Standing>,
    policy: Policy,
    source_failures: SourceFailures,
    member_since: Timestamp,
    password: PasswordVerdict,
    factors: FactorKinds,
    proof: Option<Factor>,
    place_known: bool,
    can_be_asked: bool,
    codes_locked_until: Option<Timestamp>,
    code: CodeEvidence,
    token: TokenEvidence,
    device_rules: DeviceRules,
    client_kind: Option<ClientKind>,
    trusted_network: bool,
}

impl Facts {
    fn of_a_good_login(door: Door) -> Self {
        Self {
            standing: Some(Standing {
                user: USER,
                activated: true,
                frozen_at: None,
                tokens_frozen: None,
                failures: Failures::default(),
            }),
            policy: Policy::default(),
            source_failures: SourceFailures::default(),
            member_since: T0 - Duration::from_hours(1),
            password: PasswordVerdict::Right,
            factors: FactorKinds::NONE,
            proof: (door == WebByPasskey).then_some(Factor::Passkey),
            place_known: true,
            can_be_asked: true,
            codes_locked_until: None,
            code: NoCode,
            token: if door == Api { Known(LIVE) } else { NoToken },
            device_rules: DeviceRules::default(),
            client_kind: Some(ClientKind::Mobile),
            trusted_network: false,
        }
    }

    fn decide(&self, door: Door) -> Decision {
        judge(&Login {
            door,
            source: Source::new(std::net::Ipv4Addr::new(192, 0, 2, 7).into()),
            source_failures: self.source_failures,
            source_policy: &SourcePolicy::default(),
            standing: self.standing.as_ref(),
            profile: PROFILE,
            member_since: MemberSince::both(self.member_since),
            policy: &self.policy,
            password: self.password,
            factors: self.factors,
            proof: self.proof,
            place_known: self.place_known,
            can_be_asked: self.can_be_asked,
            codes_locked_until: self.codes_locked_until,
            code: self.code,
            token: self.token,
            device_rules: Some(&self.device_rules),
            client_kind: self.client_kind,
            trusted_network: self.trusted_network,
            now: T0,
        })
    }

    fn nobody(self) -> Self {
        Self { standing: None, ..self }
    }

    fn of_user(mut self, differ: impl FnMut(&mut Standing)) -> Self {
        self.standing.iter_mut().for_each(differ);
        self
    }

    fn invited(self) -> Self {
        self.of_user(|user| user.activated = false)
    }

    fn frozen(self) -> Self {
        self.of_user(|user| user.frozen_at = Some(T0))
    }

    fn tokens_frozen(self) -> Self {
        self.of_user(|user| user.tokens_frozen = Some(FREEZE))
    }

    fn failed_in_a_row(self, count: u32) -> Self {
        self.of_user(|user| user.failures.count = count)
    }

    fn locked_until(self, until: Timestamp) -> Self {
        self.of_user(|user| user.failures.locked_until = Some(until))
    }

    /// What failed from the address.
    fn failed(self, names: u32, failures: u32) -> Self {
        Self { source_failures: SourceFailures { names, failures }, ..self }
    }

    fn wrong_password(self) -> Self {
        Self { password: PasswordVerdict::Wrong, ..self }
    }

    fn access(mut self, access: Access) -> Self {
        self.policy.access = access;
        self
    }

    fn hours(mut self, hours: &str, zone: &str) -> Self {
        self.policy.login_hours.push(LoginHours::parse(hours, zone).unwrap());
        self
    }

    fn ranges(mut self, ranges: &str) -> Self {
        self.policy.login_ranges.extend(LoginRanges::parse(ranges).unwrap());
        self
    }

    fn trusted(self) -> Self {
        Self { trusted_network: true, ..self }
    }

    fn token(self, token: TokenEvidence) -> Self {
        Self { token, ..self }
    }

    /// The device type of the token is for these addresses.
    fn held_at(mut self, addresses: &str) -> Self {
        self.device_rules.addresses = LoginRanges::parse(addresses).unwrap();
        self
    }

    /// The device type of the token is for this kind of client.
    fn meant_for(mut self, kind: ClientKind, mismatch: Mismatch) -> Self {
        (self.device_rules.kind, self.device_rules.mismatch) = (Some(kind), mismatch);
        self
    }

    /// The device type of the token is for users of this profile.
    fn held_by(mut self, profile: Id<Profile>) -> Self {
        self.device_rules.holders = Holders::Profiles(vec![profile]);
        self
    }

    /// Tokens of this device type die of disuse.
    fn idle_end(mut self, idle_end: Duration) -> Self {
        self.device_rules.idle_end = Some(idle_end);
        self
    }

    fn factors(self, factors: FactorKinds) -> Self {
        Self { factors, ..self }
    }

    fn proof(self, proof: Option<Factor>) -> Self {
        Self { proof, ..self }
    }

    fn unaskable(self) -> Self {
        Self { can_be_asked: false, ..self }
    }

    fn codes_locked_until(self, until: Timestamp) -> Self {
        Self { codes_locked_until: Some(until), ..self }
    }

    /// A duty that has lasted for so long that the time to enrol ends at `enrol_by`.
    fn duty(mut self, duty: Duty, enrol_by: Timestamp) -> Self {
        self.policy.duty = duty;
        self.policy.enrol_grace = enrol_by.since(self.member_since);
        self
    }

    fn duty_began_later(mut self, by: Duration) -> Self {
        self.policy.duty_since = Some(self.member_since + by);
        self
    }

    /// The duty everywhere, and an authenticator, which is asked for the moment it is there.
    fn code(self, code: CodeEvidence) -> Self {
        let factors = FactorKinds { authenticator: true, ..FactorKinds::NONE };
        Self { code, factors, token: NoToken, ..self }.duty(Duty::WebAndApi, LATER)
    }

    /// The duty on the web, an authenticator, and what is proved with.
    fn dutiful(self, proof: Option<Factor>) -> Self {
        let factors = FactorKinds { authenticator: true, ..FactorKinds::NONE };
        Self { factors, proof, ..self }.duty(Duty::Web, T0)
    }

    /// A browser that nobody was proved in, and what is proved with.
    fn stranger(self, proof: Option<Factor>) -> Self {
        Self { place_known: false, proof, ..self }
    }
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "lines say what comes of them: all that `judge` can say"
)]
const fn enter(token: Option<Id<Token>>) -> Outcome {
    Ok(Admission { user: USER, token, next: Next::Enter, enrol_by: None })
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "lines say what comes of them: all that `judge` can say"
)]
const fn with(next: Next, enrol_by: Option<Timestamp>) -> Outcome {
    Ok(Admission { user: USER, token: None, next, enrol_by })
}

const fn prove(demand: Demand) -> Outcome {
    with(Next::Prove(demand), None)
}

const LATER: Timestamp = Timestamp::from_unix_ms(1_800_000_000_001);
const RETIRED: TokenRecord = TokenRecord { retired: Some((T0, RetirementCause::Reset)), ..LIVE };
const OF_ANOTHER: TokenRecord = TokenRecord { user: Id::from_raw(2), ..LIVE };
const PASSKEY: FactorKinds = FactorKinds { passkey: true, ..FactorKinds::NONE };
const CODES: FactorKinds = FactorKinds { recovery_code: true, ..FactorKinds::NONE };

#[test]
fn every_line_of_the_table_comes_out_as_it_says() {
    for (what, door, differ, outcome) in lines() {
        let decision = differ(Facts::of_a_good_login(door)).decide(door);

        assert_eq!(decision.outcome, outcome, "{what} ({door:?}): {:#?}", decision.steps);
    }
}

#[test]
fn the_table_has_every_refusal_of_the_chain_and_every_demand() {
    let lines = lines();
    assert!(lines.len() >= 60, "{}", lines.len());

    let refusals = lines.iter().filter_map(|line| line.3.err());
    let refusals: HashSet<Discriminant<Refusal>> =
        refusals.filter(|refusal| is_of_the_chain(*refusal)).map(|r| discriminant(&r)).collect();
    let nexts = lines.iter().filter_map(|line| line.3.ok()).map(|admission| admission.next);
    let nexts: Vec<Next> = nexts.collect();

    assert_eq!(refusals.len(), REFUSALS_OF_THE_CHAIN);
    for next in [Next::Enter, Next::EnterToEnrol, Next::Prove(SecondFactor), Next::Prove(Place)] {
        assert!(nexts.contains(&next), "{next:?}");
    }
}

/// How many [`is_of_the_chain`] says yes to.
const REFUSALS_OF_THE_CHAIN: usize = 25;

/// Whether the chain refuses so: all but what is refused before there is anything to decide by.
fn is_of_the_chain(refusal: Refusal) -> bool {
    match refusal {
        Refusal::UnknownUser
        | Refusal::SourceLockedOut
        | Refusal::NotActivated
        | Refusal::Frozen(_)
        | Refusal::LockedOut(_)
        | Refusal::WrongPassword
        | Refusal::TokensFrozen(_)
        | Refusal::TokenMissing
        | Refusal::TokenMistyped
        | Refusal::TokenUnknown
        | Refusal::TokenOfAnotherUser
        | Refusal::TokenRetired(..)
        | Refusal::TokenExpired(_)
        | Refusal::TokenUnused(_)
        | Refusal::TokenNotForProfile
        | Refusal::TokenOutsideAddresses
        | Refusal::TokenOfAnotherKind
        | Refusal::NoAccess
        | Refusal::OutsideLoginHours
        | Refusal::OutsideLoginRanges
        | Refusal::SecondFactorNotEnrolled(_)
        | Refusal::CodeMissing
        | Refusal::TokenInPlaceOfCode
        | Refusal::CodeWrong
        | Refusal::CodesLockedOut(_) => true,
        Refusal::PasskeyRefused | Refusal::SwitchedOff | Refusal::Malformed => false,
    }
}

#[test]
fn every_rule_speaks_of_whoever_exists_in_the_order_of_the_rules() {
    for (what, door, differ, _) in lines() {
        let facts = differ(Facts::of_a_good_login(door));

        let rules: Vec<Rule> = facts.decide(door).steps.iter().map(|step| step.rule).collect();

        let all = Rule::ALL.map(|(rule, _)| rule);
        let spoken = if facts.standing.is_some() { all.len() } else { 2 };
        assert_eq!(rules, all[..spoken], "{what}");
    }
}
