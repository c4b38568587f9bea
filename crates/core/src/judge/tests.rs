//! The decision chain as a table, and the property that no combination admits too much.

use std::time::Duration;

use proptest::prelude::*;

use super::*;

const T0: Timestamp = Timestamp::from_unix_ms(1_800_000_000_000);
const MS: Duration = Duration::from_millis(1);
const USER: Id<User> = Id::from_raw(1);
const TOKEN: Id<Token> = Id::from_raw(2);
const OUTSIDE: Door = Door::Api { from_trusted_network: false };
const TRUSTED: Door = Door::Api { from_trusted_network: true };

fn standing() -> Standing {
    Standing {
        user: USER,
        activated: true,
        frozen_at: None,
        tokens_frozen_at: None,
        failures: Failures::default(),
    }
}

fn live() -> TokenRecord {
    TokenRecord {
        token: TOKEN,
        user: USER,
        expires_at: T0 + Duration::from_hours(24),
        retired: None,
    }
}

fn login(standing: &Standing, token: TokenEvidence, door: Door) -> Result<Admission, Refusal> {
    judge(Some(standing), PasswordVerdict::Right, token, door, T0)
}

#[test]
fn password_and_token_together_admit() {
    let admission = login(&standing(), TokenEvidence::Known(live()), OUTSIDE);

    assert_eq!(admission, Ok(Admission { user: USER, token: Some(TOKEN) }));
}

#[test]
fn a_trusted_network_needs_no_token_but_takes_one() {
    assert_eq!(
        login(&standing(), TokenEvidence::Absent, TRUSTED),
        Ok(Admission { user: USER, token: None })
    );
    assert_eq!(
        login(&standing(), TokenEvidence::Known(live()), TRUSTED),
        Ok(Admission { user: USER, token: Some(TOKEN) })
    );
}

#[test]
fn a_token_is_refused_from_the_instant_it_expires() {
    let at = |expires_at| {
        login(&standing(), TokenEvidence::Known(TokenRecord { expires_at, ..live() }), OUTSIDE)
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
        assert_eq!(login(&standing(), evidence, OUTSIDE), Err(refusal));
    }
}

#[test]
fn a_retired_token_is_refused_in_a_trusted_network_too() {
    let retired = TokenRecord { retired: Some((T0, RetirementCause::Reset)), ..live() };

    assert!(login(&standing(), TokenEvidence::Known(retired), TRUSTED).is_err());
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
            let verdict =
                judge(Some(&standing), password, TokenEvidence::Known(live()), OUTSIDE, T0);
            assert_eq!(verdict, Err(refusal));
        }
    }
}

#[test]
fn a_wrong_password_hides_what_the_token_was() {
    let verdict =
        judge(Some(&standing()), PasswordVerdict::Wrong, TokenEvidence::Known(live()), OUTSIDE, T0);

    assert_eq!(verdict, Err(Refusal::WrongPassword));
}

#[test]
fn a_retired_token_behind_the_right_password_never_counts() {
    assert!(!Refusal::TokenRetired(T0, RetirementCause::Reset).counts());
    assert!(Refusal::WrongPassword.counts());
}

#[test]
fn the_reason_of_a_retired_token_says_when_and_by_what() {
    let at = Timestamp::from_unix_ms(1_795_417_200_000);

    let reason = Refusal::TokenRetired(at, RetirementCause::Reset).to_string();

    assert_eq!(reason, "token retired 2026-11-23T07:00:00Z by reset");
}

fn any_evidence() -> impl Strategy<Value = TokenEvidence> {
    let record =
        (any::<bool>(), -5_i64..5, any::<bool>()).prop_map(|(mine, offset, retired)| TokenRecord {
            token: TOKEN,
            user: if mine { USER } else { Id::from_raw(9) },
            expires_at: Timestamp::from_unix_ms(T0.unix_ms() + offset),
            retired: retired.then_some((T0, RetirementCause::Revoked)),
        });
    prop_oneof![
        Just(TokenEvidence::Absent),
        Just(TokenEvidence::Mistyped),
        Just(TokenEvidence::Unknown),
        record.prop_map(TokenEvidence::Known),
    ]
}

proptest! {
    #[test]
    fn no_combination_admits_without_the_factors_that_the_door_demands(
        known: bool, activated: bool, frozen: bool, tokens_frozen: bool, locked: bool,
        right: bool, evidence in any_evidence(), web: bool, trusted: bool,
    ) {
        let standing = Standing {
            user: USER,
            activated,
            frozen_at: frozen.then_some(T0),
            tokens_frozen_at: tokens_frozen.then_some(T0),
            failures: Failures { locked_until: locked.then_some(T0 + MS), ..Failures::default() },
        };
        let password = if right { PasswordVerdict::Right } else { PasswordVerdict::Wrong };
        let door = if web { Door::Web } else { Door::Api { from_trusted_network: trusted } };

        let verdict = judge(known.then_some(&standing), password, evidence, door, T0);

        if verdict.is_ok() {
            prop_assert!(known && activated && !frozen && !locked && right);
            if !web {
                prop_assert!(!tokens_frozen);
                let live_token = matches!(evidence, TokenEvidence::Known(record)
                    if record.user == USER && record.retired.is_none() && record.expires_at > T0);
                prop_assert!(live_token || (trusted && evidence == TokenEvidence::Absent));
            }
        }
    }
}
