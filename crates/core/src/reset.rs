//! What a reset does, decided before a row is written.

use crate::id::{Id, Token};
use crate::judge::{RetirementCause, Standing};
use crate::names::DeviceType;
use crate::policy::Policy;
use crate::time::Timestamp;

/// Which earlier tokens a reset retires.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Every earlier token of the account.
    Account,
    /// The earlier token of the device type alone.
    DeviceType,
}

/// A live token, as the plan needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveToken {
    /// Which token.
    pub token: Id<Token>,
    /// What kind of thing holds it.
    pub device_type: DeviceType,
}

/// What a reset is going to write.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct ResetPlan {
    /// The tokens that it retires.
    pub retire: Vec<Id<Token>>,
    /// Why they retire.
    pub cause: RetirementCause,
    /// The device type of the new token.
    pub device_type: DeviceType,
    /// The first instant at which the new token is no longer accepted.
    pub expires_at: Timestamp,
}

/// Why there can be no reset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResetRefusal {
    /// The user is frozen: an administrator lifts that.
    Frozen(Timestamp),
    /// The owner's link has frozen the account's tokens: a token of one device type would be frozen
    /// from its first moment. A reset of the whole account lifts the freeze.
    TokensFrozen(Timestamp),
    /// The invitation has not been accepted yet: there is no password that a token could complement.
    NotActivated,
}

/// Plans a reset: which tokens end, and what the new one is.
///
/// # Errors
/// [`ResetRefusal`] where the user may hold no token.
pub fn plan_reset(
    standing: &Standing,
    live: &[LiveToken],
    scope: Scope,
    device_type: DeviceType,
    cause: RetirementCause,
    policy: &Policy,
    now: Timestamp,
) -> Result<ResetPlan, ResetRefusal> {
    if let Some(at) = standing.frozen_at {
        return Err(ResetRefusal::Frozen(at));
    }
    if !standing.activated {
        return Err(ResetRefusal::NotActivated);
    }
    if let (Some(at), Scope::DeviceType) = (standing.tokens_frozen_at, scope) {
        return Err(ResetRefusal::TokensFrozen(at));
    }
    let in_scope = |token: &&LiveToken| match scope {
        Scope::Account => true,
        Scope::DeviceType => token.device_type == device_type,
    };
    let retire = live.iter().filter(in_scope).map(|token| token.token).collect();
    Ok(ResetPlan { retire, cause, device_type, expires_at: now + policy.token_max_age })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lockout::Failures;

    const T0: Timestamp = Timestamp::from_unix_ms(1_800_000_000_000);

    fn standing() -> Standing {
        Standing {
            user: Id::from_raw(1),
            activated: true,
            frozen_at: None,
            tokens_frozen_at: None,
            failures: Failures::default(),
        }
    }

    fn live() -> [LiveToken; 2] {
        let token = |raw, name| LiveToken {
            token: Id::from_raw(raw),
            device_type: DeviceType::parse(name).unwrap(),
        };
        [token(1, "any"), token(2, "server")]
    }

    fn plan(standing: &Standing, scope: Scope) -> Result<ResetPlan, ResetRefusal> {
        let policy = Policy::default();
        plan_reset(standing, &live(), scope, DeviceType::any(), RetirementCause::Reset, &policy, T0)
    }

    #[test]
    fn a_reset_of_the_account_ends_every_earlier_token() {
        let plan = plan(&standing(), Scope::Account).unwrap();

        assert_eq!(plan.retire, [Id::from_raw(1), Id::from_raw(2)]);
        assert_eq!(plan.expires_at, T0 + Policy::default().token_max_age);
    }

    #[test]
    fn a_reset_of_one_device_type_leaves_the_others_alive() {
        let plan = plan(&standing(), Scope::DeviceType).unwrap();

        assert_eq!(plan.retire, [Id::from_raw(1)]);
    }

    #[test]
    fn frozen_tokens_are_replaced_all_together_or_not_at_all() {
        let standing = Standing { tokens_frozen_at: Some(T0), ..standing() };

        assert!(plan(&standing, Scope::Account).is_ok());
        assert_eq!(plan(&standing, Scope::DeviceType), Err(ResetRefusal::TokensFrozen(T0)));
    }

    #[test]
    fn who_is_frozen_or_not_yet_activated_gets_no_token() {
        let frozen = Standing { frozen_at: Some(T0), ..standing() };
        let invited = Standing { activated: false, ..standing() };

        assert_eq!(plan(&frozen, Scope::Account), Err(ResetRefusal::Frozen(T0)));
        assert_eq!(plan(&invited, Scope::Account), Err(ResetRefusal::NotActivated));
    }
}
