//! What a profile demands of a credential that is used at an API by itself, at each use and not only when it
//! was opened or issued: the part of the policy in force that the live view judges by.
//!
//! Log-ins are decided by [`crate::judge`]; the rules are the same ones. A session has met them when it was
//! opened, so that only whether its owner may use APIs at all is asked again.

use crate::login_hours::LoginHours;
use crate::names::Source;
use crate::network::LoginRanges;
use crate::policy::{Access, Duty, Policy};
use crate::time::Timestamp;
use crate::verification::CredentialRefusal;

/// What is said of a use, and of whom it is true.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Said<T> {
    /// Of whoever uses the credential.
    OfClient(T),
    /// Of whoever asks about it alone: he did not say from whom he has it, or nobody can tell.
    OfAsker(T),
}

impl<T: Copy> Said<T> {
    /// What can be noted, of whomever it is true.
    pub const fn any(self) -> T {
        match self {
            Self::OfClient(said) | Self::OfAsker(said) => said,
        }
    }

    /// What can be decided by.
    pub const fn of_client(self) -> Option<T> {
        match self {
            Self::OfClient(said) => Some(said),
            Self::OfAsker(_) => None,
        }
    }
}

/// What holds at APIs for the credentials of a profile's users.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiRules {
    access: Access,
    duty: Duty,
    login_hours: Vec<LoginHours>,
    login_ranges: Vec<LoginRanges>,
}

impl ApiRules {
    /// Those of a policy in force.
    pub fn of(policy: &Policy) -> Self {
        Self {
            access: policy.access,
            duty: policy.duty,
            login_hours: policy.login_hours.clone(),
            login_ranges: policy.login_ranges.clone(),
        }
    }

    /// Whether a session may be used.
    ///
    /// # Errors
    /// [`CredentialRefusal::NoAccess`].
    #[inline]
    pub const fn allow_session(&self) -> Result<(), CredentialRefusal> {
        if self.access.api() { Ok(()) } else { Err(CredentialRefusal::NoAccess) }
    }

    /// Whether a security token that stands alone may be used from there at `now`.
    ///
    /// Under the duty of a second factor at APIs it may not, nor while its owner has time to enrol one: it is
    /// one thing, and no code comes with it.
    ///
    /// # Errors
    /// The first [`CredentialRefusal`] that applies, in the order of a log-in's rules.
    ///
    /// # Security
    /// An address that nobody knows lies within no range.
    pub fn allow_token(
        &self,
        source: Said<Source>,
        now: Timestamp,
    ) -> Result<(), CredentialRefusal> {
        self.allow_session()?;
        if !self.login_hours.iter().all(|hours| hours.allow(now)) {
            return Err(CredentialRefusal::OutsideLoginHours);
        }
        for ranges in &self.login_ranges {
            let source = source.of_client().ok_or(CredentialRefusal::AddressUnknown)?;
            if !ranges.hold(source) {
                return Err(CredentialRefusal::OutsideLoginRanges);
            }
        }
        if self.duty == Duty::WebAndApi {
            return Err(CredentialRefusal::SecondFactorDemanded);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A Monday, 07:00 UTC.
    const T0: Timestamp = Timestamp::from_unix_ms(1_795_417_200_000);

    fn at(address: &str) -> Said<Source> {
        Said::OfClient(Source::new(address.parse().expect("an address")))
    }

    fn ranges(text: &str) -> Vec<LoginRanges> {
        LoginRanges::parse(text).expect("ranges").into_iter().collect()
    }

    fn hours(text: &str) -> Vec<LoginHours> {
        vec![LoginHours::parse(text, "UTC").expect("hours")]
    }

    fn verdict_under(policy: &Policy, source: Said<Source>) -> Result<(), CredentialRefusal> {
        ApiRules::of(policy).allow_token(source, T0)
    }

    #[test]
    fn a_token_that_stands_alone_is_held_to_every_rule_of_a_login() {
        let default = Policy::default;
        let here = at("192.0.2.7");

        assert_eq!(verdict_under(&default(), here), Ok(()));
        for (policy, refusal) in [
            (Policy { access: Access::WebOnly, ..default() }, CredentialRefusal::NoAccess),
            (Policy { access: Access::Nowhere, ..default() }, CredentialRefusal::NoAccess),
            (
                Policy { login_hours: hours("tue-sun 00:00-24:00"), ..default() },
                CredentialRefusal::OutsideLoginHours,
            ),
            (
                Policy { login_ranges: ranges("10.0.0.0/8"), ..default() },
                CredentialRefusal::OutsideLoginRanges,
            ),
            (
                Policy { duty: Duty::WebAndApi, ..default() },
                CredentialRefusal::SecondFactorDemanded,
            ),
        ] {
            assert_eq!(verdict_under(&policy, here), Err(refusal));
        }
        for policy in [
            Policy { access: Access::ApiOnly, ..default() },
            Policy { login_hours: hours("mon 06:00-08:00"), ..default() },
            Policy { login_ranges: ranges("192.0.2.0/24"), ..default() },
            Policy { duty: Duty::Web, ..default() },
        ] {
            assert_eq!(verdict_under(&policy, here), Ok(()));
        }
    }

    #[test]
    fn an_address_that_is_not_the_clients_lies_within_no_range() {
        let within = Policy { login_ranges: ranges("192.0.2.0/24"), ..Policy::default() };
        let askers = Said::OfAsker(at("192.0.2.7").any());

        assert_eq!(verdict_under(&within, askers), Err(CredentialRefusal::AddressUnknown));
        assert_eq!(verdict_under(&Policy::default(), askers), Ok(()));
    }

    #[test]
    fn a_session_is_asked_for_access_alone() {
        let strict = Policy {
            login_ranges: ranges("10.0.0.0/8"),
            login_hours: hours("tue 06:00-08:00"),
            duty: Duty::WebAndApi,
            ..Policy::default()
        };
        let closed = Policy { access: Access::WebOnly, ..Policy::default() };

        assert_eq!(ApiRules::of(&strict).allow_session(), Ok(()));
        let verdict = ApiRules::of(&closed).allow_session();
        assert_eq!(verdict, Err(CredentialRefusal::NoAccess));
    }

    #[test]
    fn of_two_policies_both_must_allow_it() {
        let one = Policy { login_ranges: ranges("192.0.2.0/24"), ..Policy::default() };
        let other = Policy { login_ranges: ranges("192.0.2.128/25"), ..Policy::default() };
        let both = one.strictest(other);

        assert_eq!(verdict_under(&both, at("192.0.2.129")), Ok(()));
        let outside = verdict_under(&both, at("192.0.2.7"));
        assert_eq!(outside, Err(CredentialRefusal::OutsideLoginRanges));
    }
}
