//! What a reset does, decided before a row is written.

use crate::device_type::DeviceRules;
use crate::id::{Id, Profile, Token};
use crate::judge::{RetirementCause, Standing};
use crate::names::DeviceType;
use crate::policy::Policy;
use crate::time::Timestamp;
use crate::words::{of_word, word_of};

/// Which earlier tokens a reset retires.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Every earlier token of the account.
    Account,
    /// The earlier token of the device type alone.
    DeviceType,
}

impl Scope {
    /// Both scopes, with the words that the database and scripts know them by.
    pub const ALL: [(Self, &'static str); 2] =
        [(Self::Account, "account"), (Self::DeviceType, "device-type")];

    /// The word for it.
    pub fn word(self) -> &'static str {
        word_of(&Self::ALL, self)
    }

    /// The scope with this word.
    pub fn from_word(word: &str) -> Option<Self> {
        of_word(&Self::ALL, word)
    }

    /// Whether a reset for `asked` ends the live tokens of the device type `held`.
    pub fn covers(self, asked: &DeviceType, held: &DeviceType) -> bool {
        match self {
            Self::Account => true,
            Self::DeviceType => asked == held,
        }
    }
}

/// A live token, as the plan needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveToken {
    /// Which token.
    pub token: Id<Token>,
    /// What kind of thing holds it.
    pub device_type: DeviceType,
    /// While a rotation lets it live on: the token that comes in its place.
    pub succeeded_by: Option<Id<Token>>,
    /// The first instant at which it is no longer accepted.
    pub expires_at: Timestamp,
    /// When it was last let in.
    pub last_used_at: Option<Timestamp>,
    /// The same, or when it was issued where it never was.
    pub active_at: Timestamp,
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
    /// Users of this profile may not hold a token of this device type.
    NotAHolder,
}

/// What is to be reset.
#[derive(Debug, Clone)]
pub struct ResetOrder<'a> {
    /// Which earlier tokens end.
    pub scope: Scope,
    /// What kind of thing is to hold the new one.
    pub device_type: &'a DeviceType,
    /// What holds for its tokens.
    pub rules: &'a DeviceRules,
    /// Why.
    pub cause: RetirementCause,
}

/// Plans a reset: which tokens end, and what the new one is.
///
/// # Errors
/// [`ResetRefusal`] where the user may hold no token.
pub fn plan_reset(
    standing: &Standing,
    profile: Id<Profile>,
    live: &[LiveToken],
    order: &ResetOrder<'_>,
    policy: &Policy,
    now: Timestamp,
) -> Result<ResetPlan, ResetRefusal> {
    if let Some(at) = standing.frozen_at {
        return Err(ResetRefusal::Frozen(at));
    }
    if !standing.activated {
        return Err(ResetRefusal::NotActivated);
    }
    if let (Some(freeze), Scope::DeviceType) = (standing.tokens_frozen, order.scope) {
        return Err(ResetRefusal::TokensFrozen(freeze.at));
    }
    if !order.rules.holders.include(profile) {
        return Err(ResetRefusal::NotAHolder);
    }
    let in_scope = |token: &&LiveToken| order.scope.covers(order.device_type, &token.device_type);
    Ok(ResetPlan {
        retire: live.iter().filter(in_scope).map(|token| token.token).collect(),
        cause: order.cause,
        device_type: order.device_type.clone(),
        expires_at: order.rules.expiry(policy.token_max_age, now),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device_type::Holders;
    use crate::judge::{FrozenBy, TokenFreeze};
    use crate::lockout::Failures;
    use crate::policy::DAY;

    const T0: Timestamp = Timestamp::from_unix_ms(1_800_000_000_000);

    fn standing() -> Standing {
        Standing {
            user: Id::from_raw(1),
            activated: true,
            frozen_at: None,
            tokens_frozen: None,
            failures: Failures::default(),
        }
    }

    fn live() -> [LiveToken; 2] {
        let token = |raw, name| LiveToken {
            token: Id::from_raw(raw),
            device_type: DeviceType::parse(name).unwrap(),
            succeeded_by: None,
            expires_at: T0 + DAY,
            last_used_at: None,
            active_at: T0,
        };
        [token(1, "any"), token(2, "server")]
    }

    fn plan(standing: &Standing, scope: Scope) -> Result<ResetPlan, ResetRefusal> {
        plan_under(&DeviceRules::default(), standing, scope)
    }

    fn plan_under(
        rules: &DeviceRules,
        standing: &Standing,
        scope: Scope,
    ) -> Result<ResetPlan, ResetRefusal> {
        let (device_type, cause) = (&DeviceType::any(), RetirementCause::Reset);
        let order = ResetOrder { scope, device_type, rules, cause };
        plan_reset(standing, Id::from_raw(5), &live(), &order, &Policy::default(), T0)
    }

    #[test]
    fn a_token_lives_no_longer_than_its_device_type_allows() {
        let rules = DeviceRules { max_age: 7 * DAY, ..DeviceRules::default() };

        let plan = plan_under(&rules, &standing(), Scope::Account).unwrap();

        assert_eq!(plan.expires_at, T0 + 7 * DAY);
    }

    #[test]
    fn only_those_get_a_token_who_may_hold_one() {
        let held_by = |raw| DeviceRules {
            holders: Holders::Profiles(vec![Id::from_raw(raw)]),
            ..DeviceRules::default()
        };

        assert!(plan_under(&held_by(5), &standing(), Scope::Account).is_ok());
        assert_eq!(
            plan_under(&held_by(6), &standing(), Scope::Account),
            Err(ResetRefusal::NotAHolder)
        );
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
        let freeze = TokenFreeze { at: T0, by: FrozenBy::Owner };
        let standing = Standing { tokens_frozen: Some(freeze), ..standing() };

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
