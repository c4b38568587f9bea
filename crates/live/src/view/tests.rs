//! The view as a whole: what is known, what dies when, and what a late page cannot revive.

use std::collections::HashMap;
use std::time::Duration;

use proptest::prelude::*;
use symbolon_core::api_rules::{ApiRules, Said};
use symbolon_core::client_kind::ClientKind;
use symbolon_core::device_type::{DeviceRules, Holders, Mismatch};
use symbolon_core::id::{Id, Profile, User};
use symbolon_core::keys::{KeyId, KeyRing, MasterKey, Purpose};
use symbolon_core::names::Source;
use symbolon_core::network::LoginRanges;
use symbolon_core::policy::{Access, Duty, Policy};
use symbolon_core::verification::{BearerUse, CredentialRefusal, OwnerState};

use super::*;
use crate::rules::{DeviceTypeRule, ProfileRule};
use crate::verify::Presented;
use crate::verify::UsedFrom;

const T0: Timestamp = Timestamp::from_unix_ms(1_800_000_000_000);
const IDLE: Duration = Duration::from_hours(2);
const GOOD: OwnerState = OwnerState { active: true, tokens_frozen: false, password_expired: false };

fn keys() -> KeyRing {
    KeyRing::new(vec![(KeyId(1), MasterKey::from_bytes([1; 32]))]).unwrap()
}

fn profile() -> Id<Profile> {
    Id::from_raw(100)
}

fn user(id: i64) -> UserFacts {
    UserFacts {
        id: Id::from_raw(id),
        username: format!("User{id}@example.com"),
        email: String::new(),
        name: String::new(),
        administrator: false,
        profile: profile(),
        owner: GOOD,
    }
}

/// Session `id` of user `owner`; its secret is its number.
fn session(id: i64, owner: i64) -> Credential {
    let sort = CredentialSort::Session { last_used_at: T0, client: None };
    credential(id, owner, Purpose::Session, sort)
}

fn credential(id: i64, owner: i64, purpose: Purpose, sort: CredentialSort) -> Credential {
    Credential {
        id,
        digest: keys().digest(purpose, id.to_string().as_bytes()),
        user: Id::<User>::from_raw(owner),
        sort,
        started_at: T0,
        device_type: Some("server".to_owned()),
    }
}

fn rules(bearer: BearerUse) -> Rules {
    let profile = profile_under(&Policy::default());
    let server = device_type(DeviceRules { bearer, ..DeviceRules::default() });
    Rules::default().renewed(vec![profile], vec![server], vec![])
}

fn profile_under(policy: &Policy) -> ProfileRule {
    let (id, name) = (profile(), "Standard".to_owned());
    ProfileRule { id, name, session_idle: IDLE, api: ApiRules::of(policy) }
}

fn device_type(rules: DeviceRules) -> DeviceTypeRule {
    DeviceTypeRule { name: "server".to_owned(), rules }
}

fn from() -> UsedFrom<'static> {
    let source = Source::new([192, 0, 2, 7].into());
    let client: &[u8] = b"okhttp/4.9";
    let (source, client) = (Said::OfClient(source), Said::OfClient(client));
    UsedFrom { place: 1, source, client, active_at: None }
}

fn view() -> LiveView {
    let view = LiveView::to_be_filled();
    view.set_rules(rules(BearerUse::Allowed));
    view
}

fn verdict_at(view: &LiveView, id: i64, now: Timestamp) -> Result<i64, CredentialRefusal> {
    let secret = id.to_string();
    let presented = Presented::Session(&secret);
    let verified = view.verify(&keys(), &presented, None, now, from());
    verified.map(|admission| admission.credential).map_err(|refused| refused.refusal)
}

fn verdict(view: &LiveView, id: i64) -> Result<i64, CredentialRefusal> {
    verdict_at(view, id, T0)
}

#[test]
fn what_was_put_in_is_known_and_everything_else_is_not() {
    let view = view();
    view.fill_users(&[user(1)], 5);
    view.fill_credentials(&[session(10, 1)], 5);
    view.finish_filling();

    assert_eq!(verdict(&view, 10), Ok(10));
    assert_eq!(verdict(&view, 11), Err(CredentialRefusal::Unknown));
    assert_eq!(verdict_at(&view, 10, T0 + IDLE), Err(CredentialRefusal::Idle));
}

#[test]
fn a_page_that_was_read_before_a_change_and_comes_after_it_revives_nobody() {
    let late_page = [session(10, 1), session(11, 1), session(20, 2)];
    let late_users = [user(1), user(2)];
    let frozen = UserFacts { owner: OwnerState { active: false, ..GOOD }, ..user(2) };
    let changes = |view: &LiveView| {
        view.apply_user(&user(1), &[session(11, 1)], 6);
        view.apply_user(&frozen, &[], 7);
    };

    let guarded = view();
    changes(&guarded);
    guarded.fill_users(&late_users, 5);
    guarded.fill_credentials(&late_page, 5);

    assert_eq!(verdict(&guarded, 10), Err(CredentialRefusal::Unknown));
    assert_eq!(verdict(&guarded, 11), Ok(11));
    assert_eq!(verdict(&guarded, 20), Err(CredentialRefusal::Unknown));

    // As if it had been read after the changes, the same page brings the dead back: it is the check of
    // the revision that keeps them out.
    let unchecked = view();
    changes(&unchecked);
    unchecked.fill_users(&late_users, i64::MAX);
    unchecked.fill_credentials(&late_page, i64::MAX);

    assert_eq!(verdict(&unchecked, 10), Ok(10));
    assert_eq!(verdict(&unchecked, 20), Ok(20));
}

#[test]
fn a_session_that_ended_while_its_page_was_being_read_stays_ended_and_its_siblings_live() {
    let view = view();
    let ended = session(10, 1);
    view.apply_session_ended(10, &ended.digest, 6);
    view.fill_users(&[user(1)], 5);

    view.fill_credentials(&[ended, session(11, 1)], 5);

    assert_eq!(verdict(&view, 10), Err(CredentialRefusal::Unknown));
    assert_eq!(verdict(&view, 11), Ok(11));
}

#[test]
fn a_page_that_was_read_after_the_change_is_put_in() {
    let view = view();
    view.apply_user(&user(1), &[], 6);

    view.fill_credentials(&[session(10, 1)], 6);

    assert_eq!(verdict(&view, 10), Ok(10));
}

#[test]
fn a_filling_that_begins_anew_still_needs_every_change_since_it_began_first() {
    let view = view();
    view.begin_filling(10);
    view.fill_credentials(&[session(10, 1)], 10);

    view.begin_filling(12);

    assert_eq!(view.applied(), 10);
}

#[test]
fn a_change_of_the_user_ends_all_but_what_it_confirms() {
    let view = view();
    view.fill_users(&[user(1), user(2)], 5);
    view.fill_credentials(&[session(10, 1), session(11, 1), session(20, 2)], 5);
    view.finish_filling();

    view.apply_user(&user(1), &[session(11, 1)], 6);

    assert_eq!(verdict(&view, 10), Err(CredentialRefusal::Unknown));
    assert_eq!(verdict(&view, 11), Ok(11));
    assert_eq!(verdict(&view, 20), Ok(20));
}

#[test]
fn a_token_stands_alone_as_soon_and_as_long_as_its_device_type_allows_it() {
    let view = view();
    let sort = CredentialSort::Token { expires_at: T0 + Duration::from_secs(2), active_at: T0 };
    view.fill_users(&[user(1)], 5);
    view.fill_credentials(&[credential(30, 1, Purpose::Token, sort)], 5);
    let verdict = |now| {
        let verified = view.verify(&keys(), &Presented::Token("30"), None, now, from());
        verified.map(|admission| admission.device_type().to_owned()).map_err(|no| no.refusal)
    };

    assert_eq!(verdict(T0 + Duration::from_millis(1999)), Ok("server".to_owned()));
    assert_eq!(verdict(T0 + Duration::from_secs(2)), Err(CredentialRefusal::Expired));
    view.set_rules(view.rules().renewed(vec![], vec![device_type(DeviceRules::default())], vec![]));
    assert_eq!(verdict(T0), Err(CredentialRefusal::OneHalf));
}

#[test]
fn a_token_that_stands_alone_does_so_for_whom_where_and_for_what_its_device_type_says() {
    let view = view();
    let sort = CredentialSort::Token { expires_at: T0 + IDLE, active_at: T0 };
    view.fill_users(&[user(1)], 5);
    view.fill_credentials(&[credential(30, 1, Purpose::Token, sort), session(10, 1)], 5);
    let alone = DeviceRules { bearer: BearerUse::Allowed, ..DeviceRules::default() };
    let verdict_under = |rules| {
        view.set_rules(view.rules().renewed(vec![], vec![device_type(rules)], vec![]));
        let verified = view.verify(&keys(), &Presented::Token("30"), None, T0, from());
        // A session that was opened by such a token is not asked again.
        assert_eq!(verdict(&view, 10), Ok(10));
        verified.map(|_| ()).map_err(|refused| refused.refusal)
    };
    let held_at =
        |ranges| DeviceRules { addresses: LoginRanges::parse(ranges).unwrap(), ..alone.clone() };
    let meant_for = |kind| DeviceRules { kind: Some(kind), ..alone.clone() };
    let held_by = |profile| DeviceRules {
        holders: Holders::Profiles(vec![Id::from_raw(99), profile]),
        ..alone.clone()
    };
    let refusing = |rules| DeviceRules { mismatch: Mismatch::Refused, ..rules };

    assert_eq!(verdict_under(held_at("192.0.2.0/24")), Ok(()));
    let elsewhere = verdict_under(held_at("10.0.0.0/8"));
    assert_eq!(elsewhere, Err(CredentialRefusal::OutsideAddresses));
    assert_eq!(verdict_under(held_by(profile())), Ok(()));
    let not_held = verdict_under(held_by(Id::from_raw(101)));
    assert_eq!(not_held, Err(CredentialRefusal::NotAHolder));
    assert_eq!(verdict_under(meant_for(ClientKind::Server)), Ok(()));
    assert_eq!(verdict_under(refusing(meant_for(ClientKind::Mobile))), Ok(()));
    let another = verdict_under(refusing(meant_for(ClientKind::Server)));
    assert_eq!(another, Err(CredentialRefusal::OtherKind));
}

#[test]
fn where_nobody_says_who_uses_a_token_its_address_rules_refuse_and_its_kind_is_not_judged() {
    let view = view();
    let sort = CredentialSort::Token { expires_at: T0 + IDLE, active_at: T0 };
    view.fill_users(&[user(1)], 5);
    view.fill_credentials(&[credential(30, 1, Purpose::Token, sort), session(10, 1)], 5);
    let alone = DeviceRules { bearer: BearerUse::Allowed, ..DeviceRules::default() };
    let from = from();
    let asker = UsedFrom {
        source: Said::OfAsker(from.source.any()),
        client: Said::OfAsker(from.client.any()),
        ..from
    };
    let verdict_under = |policy: &Policy, rules| {
        let (profiles, types) = (vec![profile_under(policy)], vec![device_type(rules)]);
        view.set_rules(view.rules().renewed(profiles, types, vec![]));
        let verified = view.verify(&keys(), &Presented::Token("30"), None, T0, asker);
        verified.map(|_| ()).map_err(|refused| refused.refusal)
    };
    let ranges = LoginRanges::parse("192.0.2.0/24").unwrap();
    let held = DeviceRules { addresses: ranges.clone(), ..alone.clone() };
    let meant = DeviceRules {
        kind: Some(ClientKind::Server),
        mismatch: Mismatch::Refused,
        ..alone.clone()
    };
    let within = Policy { login_ranges: ranges.into_iter().collect(), ..Policy::default() };

    let unknown = Err(CredentialRefusal::AddressUnknown);
    assert_eq!(verdict_under(&Policy::default(), alone.clone()), Ok(()));
    assert_eq!(verdict_under(&Policy::default(), meant), Ok(()));
    assert_eq!(verdict_under(&Policy::default(), held), unknown);
    assert_eq!(verdict_under(&within, alone), unknown);
}

#[test]
fn the_rules_of_a_profile_hold_for_a_token_that_stands_alone_and_its_access_for_a_session() {
    let view = view();
    let sort = CredentialSort::Token { expires_at: T0 + IDLE, active_at: T0 };
    view.fill_users(&[user(1)], 5);
    view.fill_credentials(&[credential(30, 1, Purpose::Token, sort), session(10, 1)], 5);
    let verdicts_under = |policy: Policy| {
        view.set_rules(view.rules().renewed(vec![profile_under(&policy)], vec![], vec![]));
        let token = view.verify(&keys(), &Presented::Token("30"), None, T0, from());
        (token.err().map(|refused| refused.refusal), verdict(&view, 10).err())
    };
    let ranges = LoginRanges::parse("10.0.0.0/8").unwrap().into_iter().collect();

    let closed = verdicts_under(Policy { access: Access::WebOnly, ..Policy::default() });
    let outside = verdicts_under(Policy { login_ranges: ranges, ..Policy::default() });
    let duty = verdicts_under(Policy { duty: Duty::WebAndApi, ..Policy::default() });

    let refused = Some(CredentialRefusal::NoAccess);
    assert_eq!(closed, (refused, refused));
    assert_eq!(outside, (Some(CredentialRefusal::OutsideLoginRanges), None));
    assert_eq!(duty, (Some(CredentialRefusal::SecondFactorDemanded), None));
    assert_eq!(verdicts_under(Policy::default()), (None, None));
}

#[test]
fn a_token_that_was_not_used_for_too_long_is_refused_unless_the_database_knows_of_a_later_use() {
    const DAY: Duration = Duration::from_hours(24);
    const MS: Duration = Duration::from_millis(1);
    let view = view();
    let sort = CredentialSort::Token { expires_at: T0 + 900 * DAY, active_at: T0 + MS };
    view.fill_users(&[user(1)], 5);
    view.fill_credentials(&[credential(30, 1, Purpose::Token, sort)], 5);
    let rules = DeviceRules {
        bearer: BearerUse::Allowed,
        idle_end: Some(30 * DAY),
        ..DeviceRules::default()
    };
    view.set_rules(view.rules().renewed(vec![], vec![device_type(rules.clone())], vec![]));
    let verdict = |now, active_at| {
        let from = UsedFrom { active_at, ..from() };
        let verified = view.verify(&keys(), &Presented::Token("30"), None, now, from);
        verified.map(|_| ()).map_err(|refused| refused.refusal)
    };
    let (unused, end) = (Err(CredentialRefusal::Unused), T0 + 30 * DAY);

    // Memory knows it to two hours; where that does not do, the database says to the millisecond.
    assert_eq!(verdict(end, Some(T0)), unused);
    assert_eq!(verdict(end, Some(T0 + MS)), Ok(()));
    assert_eq!(verdict(end + 29 * DAY, None), Ok(()), "a use puts it off");
    let end = end + 59 * DAY;
    assert_eq!(verdict(end, None), unused);
    assert_eq!(verdict(end, None), unused, "and one that is refused does not");
    assert_eq!(verdict(end, Some(T0)), unused, "nor what the database has not heard of yet");
    let half = DeviceRules { bearer: BearerUse::OneHalf, ..rules };
    view.set_rules(view.rules().renewed(vec![], vec![device_type(half)], vec![]));
    assert_eq!(verdict(end, None), Err(CredentialRefusal::OneHalf), "then nothing need be asked");
}

#[test]
fn a_credential_under_another_name_is_refused_and_the_case_of_the_name_does_not_matter() {
    let view = view();
    view.fill_users(&[user(1)], 5);
    view.fill_credentials(&[session(10, 1)], 5);
    let verdict = |name| {
        let verified = view.verify(&keys(), &Presented::Session("10"), Some(name), T0, from());
        verified.map(|_| ()).map_err(|refused| refused.refusal)
    };

    assert_eq!(verdict("USER1@example.com"), Ok(()));
    assert_eq!(verdict("user2@example.com"), Err(CredentialRefusal::OtherUser));
}

#[test]
fn a_well_formed_token_that_is_not_live_gives_its_digest_away_for_the_history() {
    let refused = view().verify(&keys(), &Presented::Token("31"), None, T0, from()).unwrap_err();

    assert_eq!(refused.refusal, CredentialRefusal::Unknown);
    assert_eq!(refused.token_digests, [keys().digest(Purpose::Token, b"31")]);
}

#[test]
fn sweeping_takes_what_is_dead_and_nothing_else() {
    let view = view();
    view.fill_users(&[user(1), user(2)], 5);
    view.fill_credentials(&[session(10, 1), session(11, 1), session(20, 2)], 5);
    view.apply_user(&user(1), &[session(11, 1)], 6);

    assert_eq!(sweep(&view, T0).0, 1);
    assert_eq!(view.len(), 2);
    assert_eq!(verdict(&view, 20), Ok(20));
    // Whether a session is idle, its uses at other nodes decide as well: sweeping leaves it.
    let (dead, idle) = sweep(&view, T0 + IDLE);
    assert_eq!((dead, idle.len()), (0, 2));
    view.forget_if_idle(&idle[0], T0);
    assert_eq!(view.len(), 2);
    view.forget_if_idle(&idle[0], T0 + IDLE);
    assert_eq!(view.len(), 1);
    assert!(sweep(&view, T0).1.is_empty());
}

/// Sweeps all shards; yields how much was dead, and what is idle.
fn sweep(view: &LiveView, now: Timestamp) -> (usize, Vec<IdleSession>) {
    view.sweep(now).fold((0, Vec::new()), |(dead, mut idle), swept| {
        idle.extend(swept.idle);
        (dead + swept.dead, idle)
    })
}

#[test]
fn where_nothing_is_dead_sweeping_keeps_no_verification_waiting() {
    let view = view();
    view.fill_users(&[user(1)], 5);
    view.fill_credentials(&[session(10, 1), session(11, 1)], 5);

    let verifying: Vec<_> = view.shards.iter().map(read).collect();
    let swept = std::thread::scope(|scope| {
        // It would wait for those who read for ever.
        scope.spawn(|| sweep(&view, T0 + IDLE)).join().unwrap()
    });

    assert_eq!((swept.0, swept.1.len(), verifying.len()), (0, 2, SHARDS));
}

#[test]
fn who_asks_while_the_view_is_emptied_can_tell() {
    let view = view();
    view.fill_users(&[user(1)], 5);
    view.fill_credentials(&[session(10, 1)], 5);
    view.finish_filling();
    let before = view.epoch();

    let known = verdict(&view, 10);
    let undisturbed = view.epoch() == before;
    view.begin_anew();

    assert_eq!((known, undisturbed), (Ok(10), true));
    assert_eq!(verdict(&view, 10), Err(CredentialRefusal::Unknown));
    assert_ne!(view.epoch(), before);
}

#[derive(Debug, Clone)]
enum Step {
    Start { session: i64, owner: i64 },
    End { session: i64 },
    Keep { owner: i64, which: u8 },
    Freeze { owner: i64 },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        (0..40_i64, 0..4_i64).prop_map(|(session, owner)| Step::Start { session, owner }),
        (0..40_i64).prop_map(|session| Step::End { session }),
        (0..4_i64, any::<u8>()).prop_map(|(owner, which)| Step::Keep { owner, which }),
        (0..4_i64).prop_map(|owner| Step::Freeze { owner }),
    ];
    proptest::collection::vec(step, 0..120)
}

proptest! {
    /// Whatever changes come, and wherever between them the pages of a filling are put in that was read
    /// before the first of them, the view knows exactly what lives.
    #[test]
    fn the_view_is_the_database(steps in steps(), page_at in 0..120_usize) {
        let first = [session(100, 0), session(101, 1)];
        let view = view();
        let mut live: HashMap<i64, i64> = HashMap::from([(100, 0), (101, 1)]);
        let mut ever: HashMap<i64, i64> = live.clone();
        let mut frozen = [false; 4];
        let mut paged = false;
        let page = |view: &LiveView| {
            view.fill_users(&[user(0), user(1), user(2), user(3)], 0);
            view.fill_credentials(&first, 0);
            view.finish_filling();
        };
        for (at, step) in steps.iter().enumerate() {
            if at == page_at {
                page(&view);
                paged = true;
            }
            let revision = i64::try_from(at).unwrap() + 1;
            match step {
                Step::Start { session: id, owner } => {
                    if ever.contains_key(id) || frozen[usize::try_from(*owner).unwrap()] {
                        continue;
                    }
                    live.insert(*id, *owner);
                    ever.insert(*id, *owner);
                    view.apply_session_started(&session(*id, *owner), revision);
                }
                Step::End { session: id } => {
                    live.remove(id);
                    let digest = session(*id, 0).digest;
                    view.apply_session_ended(*id, &digest, revision);
                }
                Step::Keep { owner, which } => {
                    live.retain(|id, of| of != owner || id % 3 == i64::from(which % 3));
                    let kept: Vec<_> = live
                        .iter()
                        .filter(|(_, of)| *of == owner)
                        .map(|(id, of)| session(*id, *of))
                        .collect();
                    let active = !frozen[usize::try_from(*owner).unwrap()];
                    let facts = UserFacts { owner: OwnerState { active, ..GOOD }, ..user(*owner) };
                    view.apply_user(&facts, &kept, revision);
                }
                Step::Freeze { owner } => {
                    frozen[usize::try_from(*owner).unwrap()] = true;
                    live.retain(|_, of| of != owner);
                    let facts =
                        UserFacts { owner: OwnerState { active: false, ..GOOD }, ..user(*owner) };
                    view.apply_user(&facts, &[], revision);
                }
            }
        }
        if !paged {
            page(&view);
        }
        for id in ever.keys() {
            prop_assert_eq!(verdict(&view, *id).is_ok(), live.contains_key(id), "session {}", id);
        }
    }
}
