//! The decision chain as a table, and the property that no combination admits too much.

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::device_type::{Holders, Mismatch};
use crate::login_hours::LoginHours;
use crate::network::LoginRanges;
use crate::policy::{Access, Duty};

const T0: Timestamp = Timestamp::from_unix_ms(1_800_000_000_000);
const MS: Duration = Duration::from_millis(1);
const FREEZE: TokenFreeze = TokenFreeze { at: T0, by: FrozenBy::Owner };
const USER: Id<User> = Id::from_raw(1);
const TOKEN: Id<Token> = Id::from_raw(2);

/// Who is trusted to come without a token.
#[derive(Clone, Copy)]
enum Origin {
    Outside,
    Trusted,
}
use self::Origin::{Outside, Trusted};

fn standing() -> Standing {
    Standing {
        user: USER,
        activated: true,
        frozen_at: None,
        tokens_frozen: None,
        failures: Failures::default(),
    }
}

fn live() -> TokenRecord {
    TokenRecord {
        token: TOKEN,
        user: USER,
        expires_at: T0 + Duration::from_hours(24),
        active_at: T0,
        retired: None,
    }
}

/// A login at an API with the right password and nothing behind it.
fn facts<'a>(
    standing: Option<&'a Standing>,
    policy: &'a Policy,
    sources: &'a SourcePolicy,
) -> Login<'a> {
    Login {
        door: Door::Api,
        source: Source::new(std::net::Ipv4Addr::new(192, 0, 2, 7).into()),
        source_failures: SourceFailures::default(),
        source_policy: sources,
        standing,
        profile: Id::from_raw(3),
        member_since: MemberSince::both(T0),
        policy,
        password: PasswordVerdict::Right,
        factors: FactorKinds::NONE,
        proof: None,
        place_known: false,
        can_be_asked: true,
        codes_locked_until: None,
        code: CodeEvidence::Absent,
        token: TokenEvidence::Absent,
        device_rules: None,
        client_kind: None,
        trusted_network: false,
        now: T0,
    }
}

fn with_password(
    standing: &Standing,
    password: PasswordVerdict,
    token: TokenEvidence,
    from: Origin,
) -> Result<Admission, Refusal> {
    let (policy, sources) = (Policy::default(), SourcePolicy::default());
    let trusted_network = matches!(from, Trusted);
    let facts = facts(Some(standing), &policy, &sources);
    judge(&Login { password, token, trusted_network, ..facts }).outcome
}

fn login(standing: &Standing, token: TokenEvidence, from: Origin) -> Result<Admission, Refusal> {
    with_password(standing, PasswordVerdict::Right, token, from)
}

#[expect(clippy::unnecessary_wraps, reason = "tests compare it with: all that `judge` can say")]
fn entered(token: Option<Id<Token>>) -> Result<Admission, Refusal> {
    Ok(Admission { user: USER, token, next: Next::Enter, enrol_by: None })
}

#[test]
fn password_and_token_together_admit() {
    let admission = login(&standing(), TokenEvidence::Known(live()), Outside);

    assert_eq!(admission, entered(Some(TOKEN)));
}

#[test]
fn a_trusted_network_needs_no_token_but_takes_one() {
    assert_eq!(login(&standing(), TokenEvidence::Absent, Trusted), entered(None));
    assert_eq!(login(&standing(), TokenEvidence::Known(live()), Trusted), entered(Some(TOKEN)));
}

#[test]
fn a_token_is_refused_from_the_instant_it_expires() {
    let at = |expires_at| {
        login(&standing(), TokenEvidence::Known(TokenRecord { expires_at, ..live() }), Outside)
    };

    assert!(at(T0 + MS).is_ok());
    assert_eq!(at(T0), Err(Refusal::TokenExpired(T0)));
}

#[test]
fn each_wrong_token_is_refused_for_its_own_reason() {
    let retired = TokenRecord { retired: Some((T0, RetirementCause::Reset)), ..live() };
    let foreign = TokenRecord { user: Id::from_raw(9), ..live() };
    let cases = [
        (TokenEvidence::Absent, Refusal::TokenMissing),
        (TokenEvidence::Mistyped, Refusal::TokenMistyped),
        (TokenEvidence::Unknown, Refusal::TokenUnknown),
        (TokenEvidence::Known(foreign), Refusal::TokenOfAnotherUser),
        (TokenEvidence::Known(retired), Refusal::TokenRetired(T0, RetirementCause::Reset)),
    ];
    for (evidence, refusal) in cases {
        assert_eq!(login(&standing(), evidence, Outside), Err(refusal));
    }
}

#[test]
fn a_retired_token_is_refused_in_a_trusted_network_too() {
    let retired = TokenRecord { retired: Some((T0, RetirementCause::Reset)), ..live() };

    assert!(login(&standing(), TokenEvidence::Known(retired), Trusted).is_err());
}

#[test]
fn the_standing_of_the_user_is_judged_before_the_password() {
    let locked = Failures { locked_until: Some(T0 + MS), ..Failures::default() };
    let cases = [
        (Standing { activated: false, ..standing() }, Refusal::NotActivated),
        (Standing { frozen_at: Some(T0), ..standing() }, Refusal::Frozen(T0)),
        (Standing { failures: locked, ..standing() }, Refusal::LockedOut(T0 + MS)),
    ];
    for (standing, refusal) in cases {
        for password in [PasswordVerdict::Right, PasswordVerdict::Wrong] {
            let verdict = with_password(&standing, password, TokenEvidence::Known(live()), Outside);
            assert_eq!(verdict, Err(refusal));
        }
    }
}

#[test]
fn a_wrong_password_hides_what_the_token_was() {
    let token = TokenEvidence::Known(live());
    let verdict = with_password(&standing(), PasswordVerdict::Wrong, token, Outside);

    assert_eq!(verdict, Err(Refusal::WrongPassword));
}

#[test]
fn a_retired_token_behind_the_right_password_never_counts() {
    assert!(!Refusal::TokenRetired(T0, RetirementCause::Reset).counts());
    assert!(Refusal::WrongPassword.counts());
}

#[test]
fn what_a_device_type_refuses_never_counts() {
    for refusal in [
        Refusal::TokenUnused(T0),
        Refusal::TokenNotForProfile,
        Refusal::TokenOutsideAddresses,
        Refusal::TokenOfAnotherKind,
    ] {
        assert!(!refusal.counts() && !refusal.counts_against_source(), "{refusal}");
    }
}

#[test]
fn a_token_in_the_hands_of_another_kind_is_noted_where_it_is_not_refused() {
    let (standing, policy, sources) = (standing(), Policy::default(), SourcePolicy::default());
    let rules = DeviceRules { kind: Some(ClientKind::Server), ..DeviceRules::default() };
    let token = TokenEvidence::Known(live());
    let login = Login {
        token,
        device_rules: Some(&rules),
        client_kind: Some(ClientKind::Mobile),
        ..facts(Some(&standing), &policy, &sources)
    };

    let decision = judge(&login);

    assert_eq!(decision.outcome, entered(Some(TOKEN)));
    let step = decision.steps.iter().find(|step| step.rule == Rule::Token).unwrap();
    assert_eq!(step.input, "a live token for server, noted: used by mobile");
}

#[test]
fn the_reason_of_a_retired_token_says_when_and_by_what() {
    let at = Timestamp::from_unix_ms(1_795_417_200_000);

    let reason = Refusal::TokenRetired(at, RetirementCause::Reset).to_string();

    assert_eq!(reason, "token retired 2026-11-23T07:00:00Z by reset");
}

/// Rules of a device type that refuse, or do not, for its holders, for their address, for the kind of client, for
/// disuse.
fn any_device_rules() -> impl Strategy<Value = Option<DeviceRules>> {
    let addresses = prop_oneof![Just(""), Just("192.0.2.0/24"), Just("198.51.100.0/24")];
    let kind = proptest::option::of(Just(ClientKind::Server));
    let mismatch = prop_oneof![Just(Mismatch::Noted), Just(Mismatch::Refused)];
    let idle = proptest::option::of(prop_oneof![
        Just(Duration::from_hours(24)),
        Just(Duration::from_hours(48)),
    ]);
    let holders = prop_oneof![
        2 => Just(Holders::Everybody),
        1 => (3_i64..5).prop_map(|profile| Holders::Profiles(vec![Id::from_raw(profile)])),
    ];
    let rules = (addresses, kind, mismatch, idle, holders).prop_map(
        |(addresses, kind, mismatch, idle_end, holders)| {
            let addresses = LoginRanges::parse(addresses).unwrap();
            DeviceRules { addresses, idle_end, holders, kind, mismatch, ..DeviceRules::default() }
        },
    );
    proptest::option::weighted(0.6, rules)
}

fn any_client_kind() -> impl Strategy<Value = Option<ClientKind>> {
    proptest::option::of(prop_oneof![Just(ClientKind::Server), Just(ClientKind::Mobile)])
}

fn any_evidence() -> impl Strategy<Value = TokenEvidence> {
    let record =
        (any::<bool>(), -5_i64..5, any::<bool>()).prop_map(|(mine, offset, retired)| TokenRecord {
            token: TOKEN,
            user: if mine { USER } else { Id::from_raw(9) },
            expires_at: Timestamp::from_unix_ms(T0.unix_ms() + offset),
            active_at: T0 - Duration::from_hours(24),
            retired: retired.then_some((T0, RetirementCause::Revoked)),
        });
    prop_oneof![
        Just(TokenEvidence::Absent),
        Just(TokenEvidence::Mistyped),
        Just(TokenEvidence::Unknown),
        record.prop_map(TokenEvidence::Known),
    ]
}

fn any_code() -> impl Strategy<Value = CodeEvidence> {
    prop_oneof![Just(CodeEvidence::Absent), Just(CodeEvidence::Wrong), Just(CodeEvidence::Right),]
}

fn any_policy() -> impl Strategy<Value = Policy> {
    let duty = prop_oneof![Just(Duty::None), Just(Duty::Web), Just(Duty::WebAndApi)];
    let access = prop_oneof![
        Just(Access::WebAndApi),
        Just(Access::WebOnly),
        Just(Access::ApiOnly),
        Just(Access::Nowhere),
    ];
    // Of T0's hour, of any, of another; and all of several must allow it.
    let hours = prop_oneof![Just("fri 08:00-09:00"), Just(""), Just("mon 00:00-00:01")];
    let hours = proptest::collection::vec(hours, 0..3);
    // Of the source's address, of another.
    let ranges = prop_oneof![4 => Just("192.0.2.0/24"), 1 => Just("198.51.100.0/24")];
    let ranges = proptest::collection::vec(ranges, 0..3);
    (duty, access, hours, ranges, 0_u64..3).prop_map(|(duty, access, hours, ranges, grace)| {
        let hours = hours.into_iter().map(|hours| LoginHours::parse(hours, "UTC").unwrap());
        let ranges = ranges.into_iter().filter_map(|ranges| LoginRanges::parse(ranges).unwrap());
        Policy {
            duty,
            access,
            duty_since: Some(T0 - 2 * MS),
            enrol_grace: MS * u32::try_from(grace).unwrap(),
            login_hours: hours.collect(),
            login_ranges: ranges.collect(),
            ..Policy::default()
        }
    })
}

/// An instant just before, at or just after `T0`.
fn any_instant() -> impl Strategy<Value = Option<Timestamp>> {
    proptest::option::of((-1_i64..2).prop_map(|ms| Timestamp::from_unix_ms(T0.unix_ms() + ms)))
}

/// What failed from the address: below, at and above what may.
fn any_source_failures() -> impl Strategy<Value = SourceFailures> {
    let names = prop_oneof![6 => 0_u32..10, 1 => 10_u32..12];
    let failures = prop_oneof![6 => 0_u32..100, 1 => 100_u32..102];
    (names, failures).prop_map(|(names, failures)| SourceFailures { names, failures })
}

fn any_proof() -> impl Strategy<Value = Option<Factor>> {
    proptest::option::of(proptest::sample::select(Factor::ALL.map(|(factor, _)| factor).to_vec()))
}

fn any_door() -> impl Strategy<Value = Door> {
    prop_oneof![Just(Door::Web), Just(Door::WebByPasskey), Just(Door::Api)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn no_combination_admits_without_the_factors_that_its_profile_demands(
        (known, activated, frozen, tokens_frozen, right) in (
            proptest::bool::weighted(0.9),
            proptest::bool::weighted(0.9),
            proptest::bool::weighted(0.1),
            proptest::bool::weighted(0.2),
            proptest::bool::weighted(0.9),
        ),
        (authenticator, passkey, recovery_code) in any::<(bool, bool, bool)>(),
        (place_known, can_be_asked, trusted_network) in any::<(bool, bool, bool)>(),
        (locked_until, codes_locked_until) in (any_instant(), any_instant()),
        source_failures in any_source_failures(),
        token in any_evidence(), code in any_code(), policy in any_policy(), proof in any_proof(),
        door in any_door(),
        device_rules in any_device_rules(), client_kind in any_client_kind(),
    ) {
        let standing = Standing {
            user: USER,
            activated,
            frozen_at: frozen.then_some(T0),
            tokens_frozen: tokens_frozen.then_some(FREEZE),
            failures: Failures { locked_until, ..Failures::default() },
        };
        let sources = SourcePolicy::default();
        let login = Login {
            door,
            source_failures,
            member_since: MemberSince::both(T0 - MS),
            password: if right { PasswordVerdict::Right } else { PasswordVerdict::Wrong },
            factors: FactorKinds { authenticator, passkey, recovery_code },
            proof,
            place_known,
            can_be_asked,
            codes_locked_until,
            code,
            token,
            device_rules: device_rules.as_ref(),
            client_kind,
            trusted_network,
            ..facts(known.then_some(&standing), &policy, &sources)
        };

        let Ok(admission) = judge(&login).outcome else { return Ok(()) };

        let locked = locked_until.is_some_and(|until| until > T0);
        prop_assert!(known && activated && !frozen);
        prop_assert_eq!(admission.user, USER);
        prop_assert!(policy.login_hours.iter().all(|hours| hours.allow(T0)));
        prop_assert!(policy.login_ranges.iter().all(|ranges| ranges.hold(login.source)));
        let none = !authenticator && !passkey;
        let enrol_by = match door {
            Door::Web | Door::WebByPasskey => {
                policy.enrol_for_web_by(login.member_since).filter(|_| none)
            }
            Door::Api => policy.enrol_for_api_by(login.member_since).filter(|_| !authenticator),
        };
        let late = enrol_by.is_some_and(|by| by <= T0);
        prop_assert_eq!(admission.enrol_by, enrol_by);
        if door != Door::WebByPasskey {
            prop_assert!(right && !locked);
            let quiet = source_failures.names < 10 && source_failures.failures < 100;
            prop_assert!(quiet || (door == Door::Web && place_known));
        }
        match door {
            Door::Web | Door::WebByPasskey => {
                let by_passkey = door == Door::WebByPasskey;
                prop_assert!(policy.access.web());
                prop_assert_eq!(admission.token, None);
                prop_assert!(!by_passkey || proof == Some(Factor::Passkey));
                let second = proof.is_some_and(Factor::is_second);
                let place = by_passkey || place_known || proof.is_some() || !can_be_asked;
                let enrolled = authenticator || passkey;
                match admission.next {
                    Next::Enter => {
                        let owing = policy.duty != Duty::None && (enrolled || late);
                        prop_assert!(second || !owing);
                        prop_assert!(place);
                    }
                    Next::EnterToEnrol => {
                        prop_assert!(place && late && !enrolled && policy.duty != Duty::None);
                    }
                    Next::Prove(Demand::SecondFactor) => prop_assert!(enrolled && !second),
                    Next::Prove(Demand::Place) => prop_assert!(!place),
                }
            }
            Door::Api => {
                prop_assert!(policy.access.api());
                prop_assert_eq!(admission.next, Next::Enter);
                let owing = policy.duty == Duty::WebAndApi && (authenticator || late);
                if owing {
                    let codes_locked = codes_locked_until.is_some_and(|until| until > T0);
                    prop_assert!(authenticator && code == CodeEvidence::Right && !codes_locked);
                    prop_assert_eq!(admission.token, None);
                } else {
                    let live_token = matches!(token, TokenEvidence::Known(record)
                        if record.user == USER && record.retired.is_none() && record.expires_at > T0);
                    let spared = trusted_network || !policy.login_ranges.is_empty();
                    prop_assert!(!tokens_frozen);
                    prop_assert!(live_token || (spared && token == TokenEvidence::Absent));
                    prop_assert_eq!(admission.token, live_token.then_some(TOKEN));
                    if let Some(rules) = device_rules.as_ref().filter(|_| live_token) {
                        let addresses = rules.addresses.as_ref();
                        prop_assert!(addresses.is_none_or(|ranges| ranges.hold(login.source)));
                        prop_assert!(rules.holders.include(login.profile));
                        let other = rules.kind.is_some() && client_kind == Some(ClientKind::Mobile);
                        prop_assert!(!other || rules.mismatch == Mismatch::Noted);
                        prop_assert!(rules.idle_end != Some(Duration::from_hours(24)));
                    }
                }
            }
        }
    }
}

#[test]
fn a_refused_answer_is_said_by_the_rule_that_asked() {
    let (user, policy, sources) = (standing(), Policy::default(), SourcePolicy::default());
    let login = Login { door: Door::Web, ..facts(Some(&user), &policy, &sources) };

    let asked = judge(&login).steps_after_refused_answer("code wrong", Refusal::CodeWrong);
    let known = judge(&Login { place_known: true, ..login });
    let no_more_asked = known.steps_after_refused_answer("code wrong", Refusal::CodeWrong);

    let last = asked.last().unwrap();
    assert_eq!((last.rule, last.verdict), (Rule::Place, Verdict::Refused(Refusal::CodeWrong)));
    assert_eq!(last.input, "unknown; answered: code wrong");
    assert_eq!(first_refusal(&asked), Some(Refusal::CodeWrong));
    assert_eq!(no_more_asked.last().unwrap().input, "known; answered: code wrong");
    assert_eq!(first_refusal(&no_more_asked), Some(Refusal::CodeWrong));
}

#[test]
fn one_failure_is_no_plural() {
    let (mut user, policy, sources) = (standing(), Policy::default(), SourcePolicy::default());
    user.failures.count = 1;
    let source_failures = SourceFailures { names: 1, failures: 1 };
    let login = Login { source_failures, ..facts(Some(&user), &policy, &sources) };

    let steps = judge(&login).steps;

    assert!(steps[0].input.contains(": 1 failure of at most "), "{}", steps[0].input);
    assert!(steps[0].input.contains(", on 1 name of at most "), "{}", steps[0].input);
    assert!(steps[3].input.starts_with("1 failure from "), "{}", steps[3].input);
}

#[test]
fn who_is_asked_for_more_while_codes_are_locked_is_told_until_when() {
    let (user, sources, until) = (standing(), SourcePolicy::default(), T0 + MS);
    let place = Policy::default();
    let duty = Policy { duty: Duty::Web, ..Policy::default() };
    let factors = FactorKinds { authenticator: true, ..FactorKinds::NONE };
    for (policy, rule) in [(&place, Rule::Place), (&duty, Rule::SecondFactor)] {
        for (now, told) in [(T0, true), (until, false)] {
            let login = Login {
                door: Door::Web,
                factors,
                codes_locked_until: Some(until),
                now,
                ..facts(Some(&user), policy, &sources)
            };

            let decision = judge(&login);

            let step = decision.steps.iter().find(|step| step.rule == rule).unwrap();
            assert!(matches!(step.verdict, Verdict::Demanded(_)), "{step:?}");
            let words = format!("; no code is taken until {until}");
            assert_eq!(step.input.ends_with(&words), told, "{}", step.input);
        }
    }
}
