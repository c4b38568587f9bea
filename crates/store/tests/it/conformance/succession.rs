//! Which tokens a token came in the place of, and how it came to be.

use std::time::Duration;

use symbolon_core::Timestamp;
use symbolon_core::id::{Id, Token, User};
use symbolon_core::issue::{Issue, IssueCause};
use symbolon_core::judge::RetirementCause;
use symbolon_core::names::{DeviceType, Source};
use symbolon_core::reset::Scope;
use symbolon_store::Store;
use symbolon_store::tokens::{self, NewToken};

use super::{DAY, T0, add_user, by_operator, digest, for_each_house, username, write};

/// Jane's tokens, on the days that a test names.
struct Janes<'a> {
    store: &'a Store,
    jane: Id<User>,
}

impl Janes<'_> {
    async fn issue(&self, raw: i64, device_type: &str, scope: Scope, day: u32) -> Id<Token> {
        let device_type = DeviceType::parse(device_type).expect("a device type");
        let token = NewToken {
            id: Id::from_raw(raw),
            user: self.jane,
            device_type: &device_type,
            digest: &digest(raw),
            expires_at: T0 + 999 * DAY,
            issue: Issue { scope, ..by_operator() },
        };
        write(self.store, async |tx| tokens::insert(tx, &token, on(day)).await).await;
        token.id
    }

    async fn retire(&self, raw: i64, cause: RetirementCause, day: u32) {
        let id = Id::from_raw(raw);
        assert!(
            write(self.store, async |tx| tokens::retire(tx, id, cause, "x", on(day)).await).await
        );
    }

    async fn before(&self, token: Id<Token>, since: Timestamp) -> Vec<i64> {
        let mut reader = self.store.read().await.expect("a reader is free");
        let found = tokens::predecessors(&mut reader, token, since, 10).await;
        let found = found.expect("the rows are read");
        let mut raws: Vec<i64> = found.iter().map(|row| row.record.token.raw()).collect();
        raws.sort_unstable();
        raws
    }
}

fn on(day: u32) -> Timestamp {
    T0 + day * DAY
}

#[tokio::test]
async fn a_token_comes_in_the_place_of_what_it_retires_and_of_what_names_it() {
    for_each_house(async |store| {
        let janes = Janes { store: &store, jane: add_user(&store, 1, "jane").await };
        janes.issue(1, "any", Scope::DeviceType, 0).await;
        let rotated = janes.issue(2, "server", Scope::DeviceType, 0).await;
        janes.retire(1, RetirementCause::Reset, 5).await;
        let new = Id::from_raw(3);
        write(&store, async |tx| tokens::begin_succession(tx, rotated, new, on(9)).await).await;
        janes.issue(3, "any", Scope::DeviceType, 5).await;

        assert_eq!(janes.before(new, T0).await, [1, 2]);
    })
    .await;
}

#[tokio::test]
async fn what_a_leak_a_revocation_or_disuse_has_ended_is_replaced_by_the_next_token_in_scope() {
    for_each_house(async |store| {
        let janes = Janes { store: &store, jane: add_user(&store, 1, "jane").await };
        janes.issue(1, "any", Scope::DeviceType, 0).await;
        janes.issue(2, "server", Scope::DeviceType, 0).await;
        janes.issue(3, "cli", Scope::DeviceType, 0).await;
        janes.retire(1, RetirementCause::Leaked, 2).await;
        janes.retire(2, RetirementCause::Revoked, 2).await;
        janes.retire(3, RetirementCause::Unused, 2).await;

        let one = janes.issue(4, "server", Scope::DeviceType, 4).await;
        janes.retire(4, RetirementCause::Reset, 6).await;
        let all = janes.issue(5, "any", Scope::Account, 6).await;

        assert_eq!(janes.before(one, T0).await, [2], "of its own device type alone");
        assert_eq!(janes.before(all, T0).await, [1, 3, 4], "2 has had its successor");
        assert_eq!(janes.before(all, on(3)).await, [4], "what ended too long ago is past");
    })
    .await;
}

#[tokio::test]
async fn nothing_is_replaced_twice_and_nobody_elses_token_at_all() {
    for_each_house(async |store| {
        let janes = Janes { store: &store, jane: add_user(&store, 1, "jane").await };
        let joes = Janes { store: &store, jane: add_user(&store, 2, "joe").await };
        joes.issue(9, "any", Scope::Account, 0).await;
        joes.retire(9, RetirementCause::Revoked, 1).await;
        janes.issue(1, "any", Scope::DeviceType, 0).await;
        janes.retire(1, RetirementCause::Recovery, 1).await;
        let first = janes.issue(2, "server", Scope::Account, 2).await;
        let second = janes.issue(3, "any", Scope::DeviceType, 3).await;

        assert_eq!(janes.before(first, T0).await, [1]);
        assert_eq!(janes.before(second, T0).await, Vec::<i64>::new());
    })
    .await;
}

#[tokio::test]
async fn a_token_tells_how_it_came_to_be() {
    for_each_house(async |store| {
        let (jane, root) = (add_user(&store, 1, "jane").await, add_user(&store, 2, "Root").await);
        let source = Source::new([198, 51, 100, 7].into());
        let issues = [
            (1, "any", Issue { source: Some(source), issuer: Some(jane), ..by_operator() }),
            (2, "cli", Issue { cause: IssueCause::BulkReset, issuer: Some(root), ..by_operator() }),
            (
                3,
                "server",
                Issue { cause: IssueCause::Rotation, scope: Scope::Account, ..by_operator() },
            ),
        ];
        for (raw, device_type, issue) in issues {
            let device_type = DeviceType::parse(device_type).unwrap();
            let token = NewToken {
                id: Id::from_raw(raw),
                user: jane,
                device_type: &device_type,
                digest: &digest(raw),
                expires_at: T0 + DAY,
                issue,
            };
            let at = T0 + Duration::from_millis(raw.unsigned_abs());
            write(&store, async |tx| tokens::insert(tx, &token, at).await).await;
        }

        let mut reader = store.read().await.unwrap();
        let mut rows = tokens::unretired_of_user(&mut reader, jane).await.unwrap();
        rows.reverse();

        assert_eq!(rows[0].issue.issuer, Some((jane, username("jane"))));
        assert_eq!(rows[0].issue.source.as_deref(), Some("198.51.100.7"));
        assert_eq!(rows[1].issue.cause, IssueCause::BulkReset);
        assert_eq!(rows[1].issue.issuer, Some((root, username("Root"))));
        assert_eq!(rows[2].issue.cause, IssueCause::Rotation);
        assert_eq!((rows[2].issue.scope, &rows[2].issue.issuer), (Scope::Account, &None));
    })
    .await;
}

#[tokio::test]
async fn the_unretired_and_the_retired_of_a_user_are_all_of_them_newest_first() {
    for_each_house(async |store| {
        let janes = Janes { store: &store, jane: add_user(&store, 1, "jane").await };
        janes.issue(1, "server", Scope::DeviceType, 0).await;
        for raw in 2..=5 {
            let day = u32::try_from(raw).unwrap();
            janes.issue(raw, "any", Scope::DeviceType, day).await;
            janes.retire(raw, RetirementCause::Reset, day + 1).await;
        }
        let jane = janes.jane;

        let mut reader = store.read().await.unwrap();
        let unretired = tokens::unretired_of_user(&mut reader, jane).await.unwrap();
        let retired = tokens::retired_of_user(&mut reader, jane, 3).await.unwrap();

        let raws = |rows: &[tokens::TokenRow]| -> Vec<i64> {
            rows.iter().map(|row| row.record.token.raw()).collect()
        };
        assert_eq!(raws(&unretired), [1]);
        assert_eq!(raws(&retired), [5, 4, 3]);
    })
    .await;
}
