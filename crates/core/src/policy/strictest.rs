//! Of any two policies that apply the stricter value holds, field by field: whoever adds a field must say here
//! what is strict in it, for the policy is taken apart without a rest.

use std::fmt::Debug;

use proptest::prelude::*;

use super::*;

const T0: Timestamp = Timestamp::from_unix_ms(1_800_000_000_000);

fn one_of<T: Clone + Debug + 'static>(
    all: &[(T, &'static str)],
) -> impl Strategy<Value = T> + use<T> {
    let values: Vec<T> = all.iter().map(|(value, _)| value.clone()).collect();
    proptest::sample::select(values)
}

fn hours_between(least: u32, most: u32) -> impl Strategy<Value = Duration> {
    (least..most).prop_map(|hours| Duration::from_hours(hours.into()))
}

fn instant() -> impl Strategy<Value = Option<Timestamp>> {
    proptest::option::of((0_u32..100).prop_map(|days| T0 - days * DAY))
}

fn password() -> impl Strategy<Value = PasswordPolicy> {
    let max_age = proptest::option::of(hours_between(24, 9_000));
    (12_u32..30, 0_u32..5, 0_u32..25, max_age).prop_map(|(min_length, kinds, history, max_age)| {
        PasswordPolicy { min_length, kinds, history, max_age }
    })
}

fn hours_and_ranges() -> impl Strategy<Value = (Vec<LoginHours>, Vec<LoginRanges>)> {
    let hours = proptest::sample::subsequence(vec!["mon-fri 08:00-18:00", "sat 10:00-12:00"], 0..2);
    let ranges = proptest::sample::subsequence(vec!["192.0.2.0/24", "10.0.0.0/8"], 0..2);
    (hours, ranges).prop_map(|(hours, ranges)| {
        let hours = hours.into_iter().map(|hours| LoginHours::parse(hours, "UTC").unwrap());
        let ranges = ranges.into_iter().filter_map(|ranges| LoginRanges::parse(ranges).unwrap());
        (hours.collect(), ranges.collect())
    })
}

fn policy() -> impl Strategy<Value = Policy> {
    let figures =
        (hours_between(24, 9_000), 1_u32..100, hours_between(1, 24), hours_between(1, 24));
    let lifetimes = (hours_between(1, 24), hours_between(0, 90 * 24));
    let choices = (
        one_of(&SessionsOnReset::ALL),
        one_of(&TokensOnPasswordChange::ALL),
        one_of(&MailEncryption::ALL),
        one_of(&Access::ALL),
        one_of(&Duty::ALL),
    );
    let whole =
        (figures, lifetimes, choices, (instant(), instant()), hours_and_ranges(), password());
    whole.prop_map(
        |(figures, lifetimes, choices, instants, (login_hours, login_ranges), password)| {
            let (token_max_age, lockout_failures, lockout_period, session_idle) = figures;
            let (on_reset, on_password_change, mail_encryption, access, duty) = choices;
            Policy {
                token_max_age,
                lockout_failures,
                lockout_period,
                session_idle,
                on_reset,
                on_password_change,
                mail_encryption,
                web_lifetime: lifetimes.0,
                access,
                duty,
                duty_since: instants.0,
                api_duty_since: instants.1,
                enrol_grace: lifetimes.1,
                duties: Vec::new(),
                login_hours,
                login_ranges,
                password,
            }
        },
    )
}

/// Of two choices the strict one, if either is.
fn strict<T: PartialEq>(strict: T, lax: T, one: &T, other: &T) -> T {
    if *one == strict || *other == strict { strict } else { lax }
}

fn sooner<T: Ord + Copy>(one: Option<T>, other: Option<T>) -> Option<T> {
    one.into_iter().chain(other).min()
}

proptest! {
    #[test]
    fn of_any_two_policies_each_value_is_that_of_the_stricter(one in policy(), other in policy()) {
        let Policy {
            token_max_age,
            lockout_failures,
            lockout_period,
            session_idle,
            on_reset,
            on_password_change,
            mail_encryption,
            web_lifetime,
            access,
            duty,
            // Beside the duty itself these say by when to enrol, which the next test asks.
            duty_since: _,
            api_duty_since: _,
            enrol_grace,
            duties: _,
            login_hours,
            login_ranges,
            password: PasswordPolicy { min_length, kinds, history, max_age },
        } = one.clone().strictest(other.clone());

        prop_assert_eq!(token_max_age, one.token_max_age.min(other.token_max_age));
        prop_assert_eq!(lockout_failures, one.lockout_failures.min(other.lockout_failures));
        prop_assert_eq!(lockout_period, one.lockout_period.max(other.lockout_period));
        prop_assert_eq!(session_idle, one.session_idle.min(other.session_idle));
        let (end, keep) = (SessionsOnReset::End, SessionsOnReset::Keep);
        prop_assert_eq!(on_reset, strict(end, keep, &one.on_reset, &other.on_reset));
        let (reset, keep) = (TokensOnPasswordChange::Reset, TokensOnPasswordChange::Keep);
        let changes = (&one.on_password_change, &other.on_password_change);
        prop_assert_eq!(on_password_change, strict(reset, keep, changes.0, changes.1));
        prop_assert_eq!(mail_encryption, one.mail_encryption.max(other.mail_encryption));
        prop_assert_eq!(web_lifetime, one.web_lifetime.min(other.web_lifetime));
        prop_assert_eq!(access.web(), one.access.web() && other.access.web());
        prop_assert_eq!(access.api(), one.access.api() && other.access.api());
        prop_assert_eq!(duty, one.duty.max(other.duty));
        prop_assert_eq!(enrol_grace, one.enrol_grace.min(other.enrol_grace));
        for hours in one.login_hours.iter().chain(&other.login_hours) {
            prop_assert!(login_hours.contains(hours));
        }
        for ranges in one.login_ranges.iter().chain(&other.login_ranges) {
            prop_assert!(login_ranges.contains(ranges));
        }
        prop_assert_eq!(min_length, one.password.min_length.max(other.password.min_length));
        prop_assert_eq!(kinds, one.password.kinds.max(other.password.kinds));
        prop_assert_eq!(history, one.password.history.max(other.password.history));
        prop_assert_eq!(max_age, sooner(one.password.max_age, other.password.max_age));
    }

    #[test]
    fn a_second_factor_is_owed_as_soon_as_either_policy_demands_it(
        one in policy(), other in policy(), member_days in 0_u32..200,
    ) {
        let since = MemberSince::both(T0 - member_days * DAY);
        let both = one.clone().strictest(other.clone());

        let web = sooner(one.enrol_for_web_by(since), other.enrol_for_web_by(since));
        let apis = sooner(one.enrol_for_api_by(since), other.enrol_for_api_by(since));

        prop_assert_eq!(both.enrol_for_web_by(since), web);
        prop_assert_eq!(both.enrol_for_api_by(since), apis);
        prop_assert_eq!(both.owed_on_the_web_by(since, FactorKinds::NONE), web);
        let passkey = FactorKinds { passkey: true, ..FactorKinds::NONE };
        prop_assert_eq!(both.owed_on_the_web_by(since, passkey), None);
        prop_assert_eq!(both.owed_at_apis_by(since, passkey), apis);
    }

    #[test]
    fn another_profile_gives_no_new_time_for_what_everybody_owes(
        own in policy(), everybodys in policy(), since_days in 0_u32..200, moved_days in 0_u32..200,
    ) {
        let organization = T0 - since_days.max(moved_days) * DAY;
        let profile = T0 - moved_days * DAY;
        let both = own.clone().strictest(everybodys.clone().upon_everybody());
        let back = everybodys.clone().upon_everybody().strictest(own.clone());

        let owed = |by: fn(&Policy, MemberSince) -> Option<Timestamp>| {
            let own = by(&own, MemberSince::both(profile));
            sooner(own, by(&everybodys, MemberSince::both(organization)))
        };
        let member_since = MemberSince { profile, organization };

        for policy in [both, back] {
            let (web, apis) = (owed(Policy::enrol_for_web_by), owed(Policy::enrol_for_api_by));
            prop_assert_eq!(policy.enrol_for_web_by(member_since), web);
            prop_assert_eq!(policy.enrol_for_api_by(member_since), apis);
        }
    }

    #[test]
    fn the_order_of_two_policies_does_not_matter(one in policy(), other in policy()) {
        let (there, back) = (one.clone().strictest(other.clone()), other.strictest(one));

        prop_assert_eq!(there.password, back.password);
        prop_assert_eq!((there.duty, there.access), (back.duty, back.access));
        prop_assert_eq!(there.enrol_for_web_by(MemberSince::both(T0)), back.enrol_for_web_by(MemberSince::both(T0)));
        prop_assert_eq!(there.login_hours.len(), back.login_hours.len());
    }
}
