//! Everybody's tokens: what each filter leaves in, to the boundary, and page by page.

use std::time::Duration;

use symbolon_core::Timestamp;
use symbolon_core::device_type::DeviceRules;
use symbolon_core::id::{Id, Profile, Token};
use symbolon_core::judge::RetirementCause;
use symbolon_core::names::DeviceType;
use symbolon_core::policy::Policy;
use symbolon_store::Store;
use symbolon_store::device_types::{self, DeviceTypeRow};
use symbolon_store::inventory::{self, InventoryRow, TokenFilter, TokenState};
use symbolon_store::profiles::{self, ProfileRecord};
use symbolon_store::tokens;
use symbolon_store::users;

use super::{DAY, MS, STANDARD, T0, add_user, for_each_house, insert_token, issue, write};

const START: (Timestamp, Id<Token>) = (Timestamp::from_unix_ms(i64::MAX), Id::from_raw(i64::MAX));
const STRICT: Id<Profile> = Id::from_raw(2);

/// Jane has 1 (`any`) and 2 (`cli`), joe, who is under [`STRICT`], has 3 (`any`), and 4, a retired one.
async fn two_with_tokens(store: &Store) {
    let strict = ProfileRecord {
        id: STRICT,
        name: "Strict".to_owned(),
        policy: Policy::default(),
        everybody_since: None,
    };
    write(store, async |tx| profiles::insert(tx, &strict, T0).await).await;
    let jane = add_user(store, 1, "Jane.Doe").await;
    let joe = add_user(store, 2, "joe").await;
    write(store, async |tx| users::set_profile(tx, joe, STRICT, T0).await).await;
    for (user, raw, device_type) in [(jane, 1, "any"), (jane, 2, "cli"), (joe, 4, "any")] {
        issue(store, user, raw, device_type).await;
    }
    let (retired, by) = (Id::from_raw(4), RetirementCause::Reset);
    write(store, async |tx| tokens::retire(tx, retired, by, "operator", T0).await).await;
    issue(store, joe, 3, "any").await;
}

async fn add_device_type(store: &Store, name: &str, idle_end: Option<Duration>) {
    let row = DeviceTypeRow {
        id: Id::from_raw(1),
        name: DeviceType::parse(name).expect("a device type"),
        created_at: T0,
        bearer_since: None,
        rules: DeviceRules { idle_end, ..DeviceRules::default() },
    };
    assert!(write(store, async |tx| device_types::insert(tx, &row).await).await);
}

async fn listed(store: &Store, filter: &TokenFilter, now: Timestamp) -> Vec<InventoryRow> {
    let mut reader = store.read().await.expect("a reader is free");
    inventory::list(&mut reader, filter, now, START, 100).await.expect("the rows are read")
}

async fn numbers(store: &Store, filter: &TokenFilter, now: Timestamp) -> Vec<i64> {
    let rows = listed(store, filter, now).await;
    rows.iter().map(|row| row.token.record.token.raw()).collect()
}

fn in_state(state: TokenState) -> TokenFilter {
    TokenFilter { state: Some(state), ..TokenFilter::default() }
}

#[tokio::test]
async fn each_filter_leaves_in_what_it_names_and_all_of_them_what_all_name() {
    for_each_house(async |store| {
        two_with_tokens(&store).await;
        let all = TokenFilter::default();
        let any = Some(DeviceType::any());
        let none_such = Some(DeviceType::parse("toaster").unwrap());
        let begins = |name: &str| TokenFilter { username: name.to_owned(), ..all.clone() };

        for (filter, expected) in [
            (all.clone(), vec![4, 3, 2, 1]),
            (in_state(TokenState::Live), vec![3, 2, 1]),
            (in_state(TokenState::Retired), vec![4]),
            (in_state(TokenState::Expired), vec![]),
            (TokenFilter { device_type: any.clone(), ..all.clone() }, vec![4, 3, 1]),
            (TokenFilter { device_type: none_such, ..all.clone() }, vec![]),
            (TokenFilter { profile: Some(STANDARD), ..all.clone() }, vec![2, 1]),
            (TokenFilter { profile: Some(STRICT), ..all.clone() }, vec![4, 3]),
            (begins("j"), vec![4, 3, 2, 1]),
            (begins("JANE.d"), vec![2, 1]),
            (begins("jane.doe.x"), vec![]),
            (begins("oe"), vec![]),
            // Nothing in a name means anything but itself.
            (begins("j%"), vec![]),
            (begins("j_"), vec![]),
            (
                TokenFilter {
                    device_type: any,
                    profile: Some(STANDARD),
                    username: "ja".to_owned(),
                    ..in_state(TokenState::Live)
                },
                vec![1],
            ),
        ] {
            assert_eq!(numbers(&store, &filter, T0).await, expected, "{filter:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_token_is_expired_from_the_instant_its_time_is_full_and_a_retired_one_is_retired() {
    for_each_house(async |store| {
        two_with_tokens(&store).await;
        let end = T0 + 365 * DAY;

        for (now, live, expired) in
            [(T0 + 365 * DAY - MS, vec![3, 2, 1], vec![]), (end, vec![], vec![3, 2, 1])]
        {
            assert_eq!(numbers(&store, &in_state(TokenState::Live), now).await, live);
            assert_eq!(numbers(&store, &in_state(TokenState::Expired), now).await, expired);
            assert_eq!(numbers(&store, &in_state(TokenState::Retired), now).await, [4]);
        }
    })
    .await;
}

#[tokio::test]
async fn a_token_that_was_not_used_for_too_long_is_expired_and_a_use_gives_it_time() {
    for_each_house(async |store| {
        two_with_tokens(&store).await;
        add_device_type(&store, "cli", Some(30 * DAY)).await;
        let expired = in_state(TokenState::Expired);

        let before = numbers(&store, &expired, T0 + 30 * DAY - MS).await;
        let idle = numbers(&store, &expired, T0 + 30 * DAY).await;
        let used = Id::from_raw(2);
        write(&store, async |tx| tokens::note_use(tx, used, T0 + DAY).await).await;
        let after_use = numbers(&store, &expired, T0 + 30 * DAY).await;
        let idle_again = numbers(&store, &expired, T0 + 31 * DAY).await;

        assert_eq!((before, idle), (vec![], vec![2]));
        assert_eq!((after_use, idle_again), (vec![], vec![2]));
    })
    .await;
}

#[tokio::test]
async fn pages_of_a_filter_hold_every_token_once_also_of_one_instant() {
    for_each_house(async |store| {
        two_with_tokens(&store).await;
        let filter = in_state(TokenState::Live);

        let (mut before, mut pages) = (START, Vec::new());
        loop {
            let mut reader = store.read().await.unwrap();
            let page = inventory::list(&mut reader, &filter, T0, before, 2).await.unwrap();
            let Some(last) = page.last() else { break };
            before = (last.token.issued_at, last.token.record.token);
            pages.push(page.iter().map(|row| row.token.record.token.raw()).collect::<Vec<_>>());
        }

        assert_eq!(pages, [vec![3, 2], vec![1]]);
    })
    .await;
}

#[tokio::test]
async fn a_row_tells_of_its_owner_and_of_its_part_in_a_rotation() {
    for_each_house(async |store| {
        two_with_tokens(&store).await;
        let (old, new, jane) = (Id::from_raw(1), Id::from_raw(5), Id::from_raw(1));
        write(&store, async |tx| {
            tokens::begin_succession(tx, old, new, T0 + DAY).await?;
            insert_token(tx, jane, 5, "any").await?;
            users::remove(tx, Id::from_raw(2), T0 + MS).await
        })
        .await;

        let rows = listed(&store, &TokenFilter::default(), T0).await;

        let seen: Vec<_> = rows
            .iter()
            .map(|row| {
                let token = &row.token;
                (
                    token.record.token.raw(),
                    token.username.as_str(),
                    row.profile.as_str(),
                    row.owner_removed_at,
                    token.succeeded_by.map(Id::raw),
                    row.predecessor.map(Id::raw),
                )
            })
            .collect();
        assert_eq!(
            seen,
            [
                (5, "Jane.Doe", "Standard", None, None, Some(1)),
                (4, "joe", "Strict", Some(T0 + MS), None, None),
                (3, "joe", "Strict", Some(T0 + MS), None, None),
                (2, "Jane.Doe", "Standard", None, None, None),
                (1, "Jane.Doe", "Standard", None, Some(5), None),
            ]
        );
    })
    .await;
}
