//! What a rotation does, decided before a row is written: a new token beside the old one, which lives on
//! until the new one is first used or a deadline, whichever is first.
//!
//! The old token's expiry is set to the deadline, so that whatever looks at expiries ends it to the second.
//! A rotation is cancelled only before that and before the new token was used: a dead token stays dead.

use std::time::Duration;

use crate::device_type::{DeviceRules, LONGEST_OVERLAP, Overlap};
use crate::id::{Id, Profile, Token};
use crate::judge::Standing;
use crate::names::DeviceType;
use crate::policy::Policy;
use crate::reset::LiveToken;
use crate::time::Timestamp;

/// The shortest overlap of a rotation.
pub const SHORTEST_OVERLAP: Duration = Duration::from_mins(1);

/// What is to be rotated.
#[derive(Debug, Clone)]
pub struct RotationOrder<'a> {
    /// The token of this device type.
    pub device_type: &'a DeviceType,
    /// What holds for its tokens.
    pub rules: &'a DeviceRules,
    /// How long the old one lives on at most.
    pub overlap: Duration,
}

/// What a rotation is going to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub struct RotationPlan {
    /// A token of an earlier rotation whose deadline has passed and that nobody has retired yet: it goes
    /// first, for there is room for one only.
    pub overdue: Option<Id<Token>>,
    /// The token that lives on for a while.
    pub outgoing: Id<Token>,
    /// The first instant at which that is no longer accepted: its own expiry, if that comes first.
    pub until: Timestamp,
    /// The first instant at which the new token is no longer accepted.
    pub expires_at: Timestamp,
}

/// Why there can be no rotation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RotationRefusal {
    /// The user is frozen: an administrator lifts that.
    Frozen(Timestamp),
    /// The account's tokens are frozen; a reset of the account lifts that.
    TokensFrozen(Timestamp),
    /// The invitation has not been accepted yet.
    NotActivated,
    /// Users of this profile may not hold a token of this device type.
    NotAHolder,
    /// The device type allows no overlap: a reset is the only way to a new token.
    OverlapForbidden,
    /// The overlap is out of bounds.
    OverlapOutOfBounds,
    /// One is under way until then.
    UnderWay(Timestamp),
    /// No live token could live on.
    NoLiveToken,
}

/// Plans a rotation.
///
/// # Errors
/// [`RotationRefusal`].
pub fn plan_rotation(
    standing: &Standing,
    profile: Id<Profile>,
    live: &[LiveToken],
    order: &RotationOrder<'_>,
    policy: &Policy,
    now: Timestamp,
) -> Result<RotationPlan, RotationRefusal> {
    demand_standing(standing)?;
    if !order.rules.holders.include(profile) {
        return Err(RotationRefusal::NotAHolder);
    }
    match order.rules.overlap {
        Overlap::Allowed => {}
        Overlap::Forbidden => return Err(RotationRefusal::OverlapForbidden),
    }
    if order.overlap < SHORTEST_OVERLAP || order.overlap > LONGEST_OVERLAP {
        return Err(RotationRefusal::OverlapOutOfBounds);
    }
    let outgoing = outgoing_of(live, order.device_type);
    if let Some(token) = outgoing.filter(|token| token.expires_at > now) {
        return Err(RotationRefusal::UnderWay(token.expires_at));
    }
    let lives =
        |token: &&LiveToken| token.expires_at > now && !order.rules.idle_at(token.active_at, now);
    let current = current_of(live, order.device_type).filter(lives);
    let current = current.ok_or(RotationRefusal::NoLiveToken)?;
    Ok(RotationPlan {
        overdue: outgoing.map(|token| token.token),
        outgoing: current.token,
        until: current.expires_at.min((now + order.overlap).whole_second()),
        expires_at: order.rules.expiry(policy.token_max_age, now),
    })
}

/// Which rotation is to be cancelled.
#[derive(Debug, Clone)]
pub struct CancelOrder<'a> {
    /// That of this device type.
    pub device_type: &'a DeviceType,
    /// What holds for its tokens.
    pub rules: &'a DeviceRules,
    /// One of its two tokens, where it is named by one. Who asks again by the new one, after the answer was lost,
    /// would else cancel whatever has been begun since.
    pub named: Option<Id<Token>>,
}

/// What a cancellation is going to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub struct CancelPlan {
    /// The new token: it ends.
    pub incoming: Id<Token>,
    /// The old one: it gets its expiry back.
    pub outgoing: Id<Token>,
}

/// Why a rotation cannot be cancelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CancelRefusal {
    /// The user may not change his tokens.
    Standing(RotationRefusal),
    /// None is under way: there was none, or it was completed or cancelled; or it is not the one that was named.
    NoneUnderWay,
    /// The deadline has passed: the old token is dead, and stays so.
    Over(Timestamp),
    /// The old token has died of disuse, last used or issued then, and stays dead.
    Unused(Timestamp),
    /// The new token is in use: the rotation is as good as completed.
    Used(Timestamp),
    /// The new token has ended by itself: there is nothing that the old one could make room for. It works
    /// until then.
    NewTokenEnded(Timestamp),
}

/// Plans the cancellation of the rotation of one device type.
///
/// # Errors
/// [`CancelRefusal`].
pub fn plan_cancel(
    standing: &Standing,
    live: &[LiveToken],
    order: &CancelOrder<'_>,
    now: Timestamp,
) -> Result<CancelPlan, CancelRefusal> {
    demand_standing(standing).map_err(CancelRefusal::Standing)?;
    let outgoing = outgoing_of(live, order.device_type).ok_or(CancelRefusal::NoneUnderWay)?;
    let is_one_of_its = |named| outgoing.token == named || outgoing.succeeded_by == Some(named);
    if !order.named.is_none_or(is_one_of_its) {
        return Err(CancelRefusal::NoneUnderWay);
    }
    if outgoing.expires_at <= now {
        return Err(CancelRefusal::Over(outgoing.expires_at));
    }
    if order.rules.idle_at(outgoing.active_at, now) {
        return Err(CancelRefusal::Unused(outgoing.active_at));
    }
    let incoming = live.iter().find(|token| Some(token.token) == outgoing.succeeded_by);
    let incoming = incoming.ok_or(CancelRefusal::NewTokenEnded(outgoing.expires_at))?;
    if let Some(at) = incoming.last_used_at {
        return Err(CancelRefusal::Used(at));
    }
    Ok(CancelPlan { incoming: incoming.token, outgoing: outgoing.token })
}

fn demand_standing(standing: &Standing) -> Result<(), RotationRefusal> {
    if let Some(at) = standing.frozen_at {
        return Err(RotationRefusal::Frozen(at));
    }
    if !standing.activated {
        return Err(RotationRefusal::NotActivated);
    }
    match standing.tokens_frozen {
        Some(freeze) => Err(RotationRefusal::TokensFrozen(freeze.at)),
        None => Ok(()),
    }
}

fn current_of<'a>(live: &'a [LiveToken], device_type: &DeviceType) -> Option<&'a LiveToken> {
    let of_type = |token: &&LiveToken| token.device_type == *device_type;
    live.iter().filter(of_type).find(|token| token.succeeded_by.is_none())
}

fn outgoing_of<'a>(live: &'a [LiveToken], device_type: &DeviceType) -> Option<&'a LiveToken> {
    let of_type = |token: &&LiveToken| token.device_type == *device_type;
    live.iter().filter(of_type).find(|token| token.succeeded_by.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device_type::{Holders, USUAL_OVERLAP};
    use crate::judge::{FrozenBy, TokenFreeze};
    use crate::lockout::Failures;
    use crate::policy::DAY;

    const T0: Timestamp = Timestamp::from_unix_ms(1_800_000_000_000);
    const FREEZE: TokenFreeze = TokenFreeze { at: T0, by: FrozenBy::Owner };
    const MS: Duration = Duration::from_millis(1);

    fn standing() -> Standing {
        Standing {
            user: Id::from_raw(1),
            activated: true,
            frozen_at: None,
            tokens_frozen: None,
            failures: Failures::default(),
        }
    }

    fn token(raw: i64, succeeded_by: Option<i64>, expires_at: Timestamp) -> LiveToken {
        LiveToken {
            token: Id::from_raw(raw),
            device_type: DeviceType::any(),
            succeeded_by: succeeded_by.map(Id::from_raw),
            expires_at,
            last_used_at: None,
            active_at: T0,
        }
    }

    /// One token with a hundred days to go.
    fn one() -> Vec<LiveToken> {
        vec![token(1, None, T0 + 100 * DAY)]
    }

    /// A rotation under way for another day.
    fn two() -> Vec<LiveToken> {
        vec![token(1, Some(2), T0 + DAY), token(2, None, T0 + 365 * DAY)]
    }

    fn rules() -> DeviceRules {
        DeviceRules { overlap: Overlap::Allowed, ..DeviceRules::default() }
    }

    fn plan_under(
        rules: &DeviceRules,
        standing: &Standing,
        live: &[LiveToken],
        overlap: Duration,
    ) -> Result<RotationPlan, RotationRefusal> {
        let device_type = &DeviceType::any();
        let order = RotationOrder { device_type, rules, overlap };
        plan_rotation(standing, Id::from_raw(5), live, &order, &Policy::default(), T0)
    }

    fn plan(live: &[LiveToken], overlap: Duration) -> Result<RotationPlan, RotationRefusal> {
        plan_under(&rules(), &standing(), live, overlap)
    }

    fn cancel(live: &[LiveToken]) -> Result<CancelPlan, CancelRefusal> {
        cancel_named(live, None)
    }

    fn cancel_named(live: &[LiveToken], named: Option<i64>) -> Result<CancelPlan, CancelRefusal> {
        let (device_type, named) = (&DeviceType::any(), named.map(Id::from_raw));
        plan_cancel(&standing(), live, &CancelOrder { device_type, rules: &rules(), named }, T0)
    }

    #[test]
    fn the_old_token_lives_on_for_the_overlap_and_the_new_one_for_its_full_age() {
        let plan = plan(&one(), USUAL_OVERLAP).unwrap();

        assert_eq!((plan.outgoing, plan.overdue), (Id::from_raw(1), None));
        assert_eq!(plan.until, T0 + DAY);
        assert_eq!(plan.expires_at, T0 + 365 * DAY);
    }

    #[test]
    fn a_rotation_lengthens_no_life() {
        let plan = plan(&[token(1, None, T0 + MS)], USUAL_OVERLAP).unwrap();

        assert_eq!(plan.until, T0 + MS);
    }

    #[test]
    fn an_overlap_takes_one_minute_to_seven_days() {
        let out_of_bounds = Err(RotationRefusal::OverlapOutOfBounds);

        assert!(plan(&one(), SHORTEST_OVERLAP).is_ok());
        assert!(plan(&one(), LONGEST_OVERLAP).is_ok());
        assert_eq!(plan(&one(), SHORTEST_OVERLAP.saturating_sub(MS)), out_of_bounds);
        assert_eq!(plan(&one(), LONGEST_OVERLAP + MS), out_of_bounds);
    }

    #[test]
    fn only_a_live_token_without_a_successor_can_be_rotated() {
        let dead = token(1, None, T0);
        let server =
            LiveToken { device_type: DeviceType::parse("server").unwrap(), ..one().remove(0) };

        for live in [vec![], vec![dead], vec![server]] {
            assert_eq!(plan(&live, DAY), Err(RotationRefusal::NoLiveToken), "{live:?}");
        }
        assert_eq!(plan(&two(), DAY), Err(RotationRefusal::UnderWay(T0 + DAY)));
    }

    #[test]
    fn what_is_left_of_a_rotation_after_its_deadline_makes_room_for_the_next() {
        let live = [token(1, Some(2), T0), token(2, None, T0 + DAY)];

        let plan = plan(&live, DAY).unwrap();

        assert_eq!((plan.overdue, plan.outgoing), (Some(Id::from_raw(1)), Id::from_raw(2)));
    }

    #[test]
    fn only_those_rotate_whose_tokens_work_and_whose_device_type_allows_it() {
        let frozen = Standing { frozen_at: Some(T0), ..standing() };
        let tokens_frozen = Standing { tokens_frozen: Some(FREEZE), ..standing() };
        let invited = Standing { activated: false, ..standing() };
        let others = Holders::Profiles(vec![Id::from_raw(6)]);
        let not_held = DeviceRules { holders: others, ..rules() };
        let strict = DeviceRules::default();

        for (rules, standing, refusal) in [
            (&rules(), &frozen, RotationRefusal::Frozen(T0)),
            (&rules(), &tokens_frozen, RotationRefusal::TokensFrozen(T0)),
            (&rules(), &invited, RotationRefusal::NotActivated),
            (&not_held, &standing(), RotationRefusal::NotAHolder),
            (&strict, &standing(), RotationRefusal::OverlapForbidden),
        ] {
            assert_eq!(plan_under(rules, standing, &one(), DAY), Err(refusal));
        }
    }

    #[test]
    fn a_rotation_is_cancelled_until_the_new_token_is_used_or_the_deadline() {
        let plan = CancelPlan { incoming: Id::from_raw(2), outgoing: Id::from_raw(1) };
        let mut used = two();
        used[1].last_used_at = Some(T0);
        let over = [token(1, Some(2), T0), token(2, None, T0 + DAY)];

        assert_eq!(cancel(&two()), Ok(plan));
        assert_eq!(cancel(&used), Err(CancelRefusal::Used(T0)));
        assert_eq!(cancel(&over), Err(CancelRefusal::Over(T0)));
        assert_eq!(cancel(&one()), Err(CancelRefusal::NoneUnderWay));
    }

    #[test]
    fn without_the_new_token_there_is_nothing_to_cancel() {
        let outgoing_alone = &two()[..1];

        assert_eq!(cancel(outgoing_alone), Err(CancelRefusal::NewTokenEnded(T0 + DAY)));
        assert_eq!(plan(outgoing_alone, DAY), Err(RotationRefusal::UnderWay(T0 + DAY)));
    }

    #[test]
    fn a_rotation_that_is_named_by_a_token_is_cancelled_by_its_own_two_alone() {
        let plan = CancelPlan { incoming: Id::from_raw(2), outgoing: Id::from_raw(1) };

        assert_eq!(cancel_named(&two(), Some(1)), Ok(plan));
        assert_eq!(cancel_named(&two(), Some(2)), Ok(plan));
        assert_eq!(cancel_named(&two(), Some(3)), Err(CancelRefusal::NoneUnderWay));
    }

    #[test]
    fn a_token_that_is_dead_of_disuse_neither_lives_on_nor_comes_back() {
        let rules = DeviceRules { idle_end: Some(DAY), ..rules() };
        let unused = |token: LiveToken| LiveToken { active_at: T0 - DAY, ..token };
        let used = |token: LiveToken| LiveToken { active_at: T0 - DAY + MS, ..token };
        let under_way = |old: fn(LiveToken) -> LiveToken| {
            let [first, second] = two().try_into().expect("a rotation has two tokens");
            [old(first), second]
        };
        let device_type = &DeviceType::any();
        let order = CancelOrder { device_type, rules: &rules, named: None };
        let cancel = |live: &[LiveToken]| plan_cancel(&standing(), live, &order, T0);

        let dead = one().into_iter().map(unused).collect::<Vec<_>>();
        let alive = one().into_iter().map(used).collect::<Vec<_>>();
        assert_eq!(plan_under(&rules, &standing(), &dead, DAY), Err(RotationRefusal::NoLiveToken));
        assert!(plan_under(&rules, &standing(), &alive, DAY).is_ok());
        assert_eq!(cancel(&under_way(unused)), Err(CancelRefusal::Unused(T0 - DAY)));
        assert!(cancel(&under_way(used)).is_ok());
    }

    #[test]
    fn who_is_frozen_cancels_nothing() {
        let frozen = Standing { tokens_frozen: Some(FREEZE), ..standing() };
        let (device_type, rules) = (&DeviceType::any(), &rules());
        let order = CancelOrder { device_type, rules, named: None };

        assert_eq!(
            plan_cancel(&frozen, &two(), &order, T0),
            Err(CancelRefusal::Standing(RotationRefusal::TokensFrozen(T0)))
        );
    }
}
