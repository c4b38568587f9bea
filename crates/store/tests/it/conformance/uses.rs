//! Uses of live credentials: one row for each client and network, bounded, whatever order news comes in.

use symbolon_core::Timestamp;
use symbolon_core::id::{Id, Token, User};
use symbolon_core::session::SessionKind;
use symbolon_store::sessions::{self, NewSession};
use symbolon_store::uses::{self, Use};
use symbolon_store::{Store, retired_uses::UseRow};

use super::{DAY, HOUR, MS, T0, add_user, at_once, digest, for_each_house, issue, write};

const CREDENTIAL: i64 = 5;

#[tokio::test]
async fn a_pair_is_new_once_for_each_client_and_each_network_of_each_credential() {
    for_each_house(async |store| {
        let first = note(&store, CREDENTIAL, &used("10.1.0.1", "etl", T0)).await;
        let again = note(&store, CREDENTIAL, &used("10.1.0.1", "etl", T0 + MS)).await;
        let other_client = note(&store, CREDENTIAL, &used("10.1.0.1", "app", T0)).await;
        let other_network = note(&store, CREDENTIAL, &used("10.1.0.2", "etl", T0)).await;
        let other_credential = note(&store, CREDENTIAL + 1, &used("10.1.0.1", "etl", T0)).await;

        assert!(first && !again);
        assert!(other_client && other_network && other_credential);
        assert_eq!(of_credential(&store, 10).await.len(), 3);
    })
    .await;
}

#[tokio::test]
async fn a_pair_that_was_used_before_and_again_as_often_is_not_new() {
    for_each_house(async |store| {
        let many = Use { times: 4, ..used("10.1.0.1", "etl", T0) };

        let told = [note(&store, CREDENTIAL, &many).await, note(&store, CREDENTIAL, &many).await];

        assert_eq!(told, [true, false]);
        assert_eq!(of_credential(&store, 10).await[0].times, 8);
    })
    .await;
}

#[tokio::test]
async fn a_later_use_adds_to_the_count_and_says_from_where_it_was() {
    for_each_house(async |store| {
        note(&store, CREDENTIAL, &used("2001:db8::/64", "etl", T0)).await;
        let later = Use {
            source: "2001:db8::2".to_owned(),
            head: "introspection".to_owned(),
            first_at: T0 + HOUR,
            last_at: T0 + DAY,
            times: 3,
            ..used("2001:db8::/64", "etl", T0)
        };

        note(&store, CREDENTIAL, &later).await;

        let expected = Use { first_at: T0, times: 4, ..later };
        assert_eq!(of_credential(&store, 10).await, [expected]);
    })
    .await;
}

#[tokio::test]
async fn news_that_comes_late_takes_nothing_back() {
    for_each_house(async |store| {
        let latest = used("10.1.0.1", "etl", T0 + DAY);
        note(&store, CREDENTIAL, &latest).await;
        let late = Use {
            source: "10.1.0.9".to_owned(),
            head: "introspection".to_owned(),
            ..used("10.1.0.1", "etl", T0)
        };

        let new = note(&store, CREDENTIAL, &late).await;

        assert!(!new);
        let expected = Use { first_at: T0, times: 2, ..latest };
        assert_eq!(of_credential(&store, 10).await, [expected]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn uses_at_once_are_all_counted_and_one_of_them_is_new() {
    for_each_house(async |store| {
        let new = at_once(&store, |store, task| async move {
            let at = T0 + MS * u32::try_from(task).unwrap();
            note(&store, CREDENTIAL, &used("10.1.0.1", "etl", at)).await
        })
        .await;

        assert_eq!(new.iter().filter(|new| **new).count(), 1);
        let last_at = T0 + MS * 15;
        let all = Use { first_at: T0, last_at, times: 16, ..used("10.1.0.1", "etl", T0) };
        assert_eq!(of_credential(&store, 10).await, [all]);
    })
    .await;
}

#[tokio::test]
async fn pairs_are_listed_latest_first_and_no_more_than_asked_for() {
    for_each_house(async |store| {
        for (client, at) in [("old", T0), ("new", T0 + DAY), ("b", T0 + HOUR), ("a", T0 + HOUR)] {
            note(&store, CREDENTIAL, &used("10.1.0.1", client, at)).await;
        }

        assert_eq!(clients(&of_credential(&store, 10).await), ["new", "a", "b", "old"]);
        assert_eq!(clients(&of_credential(&store, 2).await), ["new", "a"]);
    })
    .await;
}

#[tokio::test]
async fn a_trim_keeps_the_newest_pairs_of_that_credential() {
    for_each_house(async |store| {
        for (client, ms) in [("c", 3), ("a", 1), ("d", 4), ("b", 2)] {
            note(&store, CREDENTIAL, &used("10.1.0.1", client, T0 + MS * ms)).await;
        }
        note(&store, CREDENTIAL + 1, &used("10.1.0.1", "older", T0)).await;
        let trim =
            async |most| write(&store, async |tx| uses::trim(tx, &[CREDENTIAL], most).await).await;

        let trimmed = (trim(4).await, trim(2).await, trim(2).await);

        assert_eq!(trimmed, (0, 2, 0));
        assert_eq!(clients(&of_credential(&store, 10).await), ["d", "c"]);
        let untouched = write(&store, async |tx| uses::trim(tx, &[CREDENTIAL + 1], 1).await).await;
        assert_eq!(untouched, 0);
    })
    .await;
}

#[tokio::test]
async fn one_trim_of_many_credentials_is_a_trim_of_each() {
    for_each_house(async |store| {
        for (credential, client, ms) in [
            (CREDENTIAL, "a", 1),
            (CREDENTIAL, "b", 2),
            (CREDENTIAL, "c", 3),
            (CREDENTIAL + 1, "a", 7),
            (CREDENTIAL + 1, "b", 9),
            (CREDENTIAL + 1, "c", 8),
            (CREDENTIAL + 2, "a", 1),
            (CREDENTIAL + 2, "b", 2),
            (CREDENTIAL + 2, "c", 3),
        ] {
            note(&store, credential, &used("10.1.0.1", client, T0 + MS * ms)).await;
        }

        let both = [CREDENTIAL, CREDENTIAL + 1];
        let trimmed = write(&store, async |tx| uses::trim(tx, &both, 2).await).await;

        assert_eq!(trimmed, 2);
        let mut left = Vec::new();
        let mut reader = store.read().await.unwrap();
        for credential in CREDENTIAL..CREDENTIAL + 3 {
            let found = uses::of_credential(&mut reader, credential, 10).await.unwrap();
            left.push(clients(&found).join(" "));
        }
        assert_eq!(left, ["c b", "b c", "c b a"]);
    })
    .await;
}

#[tokio::test]
async fn of_too_many_clients_in_one_network_the_first_and_the_latest_are_told_apart() {
    for_each_house(async |store| {
        let fold = async || {
            write(&store, async |tx| uses::fold(tx, &[CREDENTIAL, CREDENTIAL + 1], 4).await).await;
        };
        for (client, ms) in [("a", 1), ("b", 2), ("c", 3), ("d", 4), ("e", 5), ("f", 6)] {
            note(&store, CREDENTIAL, &used("10.1.0.1", client, T0 + MS * ms)).await;
        }
        note(&store, CREDENTIAL, &used("10.1.0.2", "g", T0 + MS * 9)).await;
        note(&store, CREDENTIAL + 1, &used("10.1.0.1", "h", T0)).await;

        fold().await;
        let once = of_credential(&store, 10).await;
        note(&store, CREDENTIAL, &used("10.1.0.1", "i", T0 + MS * 7)).await;
        fold().await;
        fold().await;

        assert_eq!(clients(&once), ["g", "f", "e", "other clients", "b", "a"]);
        assert_eq!((once[3].times, once[3].first_at), (2, T0 + MS * 3));
        let twice = of_credential(&store, 10).await;
        assert_eq!(clients(&twice), ["g", "i", "f", "other clients", "b", "a"]);
        assert_eq!((twice[3].times, twice[3].last_at), (3, T0 + MS * 5));
    })
    .await;
}

#[tokio::test]
async fn a_batch_tells_which_credentials_have_a_new_pair() {
    for_each_house(async |store| {
        note(&store, 1, &used("10.1.0.1", "etl", T0)).await;
        note(&store, 2, &used("10.1.0.1", "etl", T0)).await;

        let new = note_all(
            &store,
            &[
                (3, used("10.1.0.1", "etl", T0)),
                (2, used("10.1.0.1", "app", T0)),
                (1, used("10.1.0.1", "etl", T0)),
                (2, used("10.1.0.2", "app", T0)),
                (2, used("10.1.0.1", "etl", T0)),
            ],
        )
        .await;

        assert_eq!(new, [2, 3]);
        assert!(note_all(&store, &[]).await.is_empty());
    })
    .await;
}

#[tokio::test]
async fn a_pair_that_is_in_a_batch_more_than_once_is_added_up_and_its_latest_use_says_from_where() {
    for_each_house(async |store| {
        let latest = Use {
            source: "2001:db8::2".to_owned(),
            head: "introspection".to_owned(),
            times: 2,
            ..used("2001:db8::/64", "etl", T0 + HOUR)
        };
        let (early, late) =
            (used("2001:db8::/64", "etl", T0), used("2001:db8::/64", "etl", T0 + MS));

        let noted = [(CREDENTIAL, late), (CREDENTIAL, latest.clone()), (CREDENTIAL, early)];
        let told = [note_all(&store, &noted).await, note_all(&store, &noted).await];

        assert_eq!(told, [vec![CREDENTIAL], vec![]]);
        let expected = Use { first_at: T0, times: 8, ..latest };
        assert_eq!(of_credential(&store, 10).await, [expected]);
    })
    .await;
}

#[tokio::test]
async fn whatever_a_client_calls_itself_is_kept_as_it_is() {
    for_each_house(async |store| {
        let names = ["", "\"],[\\", "$1 ' -- {}", "7", "null", "\u{7f}\t\u{e9}\u{1f600}\u{2028}"];
        let noted = names.map(|name| (CREDENTIAL, used("10.1.0.1", name, T0)));

        note_all(&store, &noted).await;

        let found = of_credential(&store, 10).await;
        let mut found = clients(&found);
        let mut expected = names;
        found.sort_unstable();
        expected.sort_unstable();
        assert_eq!(found, expected);
    })
    .await;
}

#[tokio::test]
async fn a_trim_keeps_no_more_than_told_of_pairs_of_one_instant() {
    for_each_house(async |store| {
        note(&store, CREDENTIAL, &used("10.1.0.1", "newest", T0 + MS)).await;
        for client in ["c", "a", "b"] {
            note(&store, CREDENTIAL, &used("10.1.0.1", client, T0)).await;
        }

        let trimmed = write(&store, async |tx| uses::trim(tx, &[CREDENTIAL], 2).await).await;

        // Those that a list of two would have shown.
        assert_eq!(trimmed, 2);
        assert_eq!(clients(&of_credential(&store, 10).await), ["newest", "a"]);
    })
    .await;
}

#[tokio::test]
async fn uses_are_forgotten_that_ended_before_the_limit() {
    for_each_house(async |store| {
        note(&store, CREDENTIAL, &used("10.1.0.1", "before", T0 + DAY - MS)).await;
        note(&store, CREDENTIAL, &Use { last_at: T0 + DAY, ..used("10.1.0.1", "at", T0) }).await;

        let forgotten = write(&store, async |tx| uses::forget(tx, T0 + DAY).await).await;

        assert_eq!(forgotten, 1);
        assert_eq!(clients(&of_credential(&store, 10).await), ["at"]);
    })
    .await;
}

#[tokio::test]
async fn the_uses_of_a_token_are_its_own_and_those_of_the_sessions_it_opened() {
    for_each_house(async |store| {
        let jane = add_user(&store, 1, "jane").await;
        let (token, other) =
            (issue(&store, jane, 1, "any").await, issue(&store, jane, 2, "cli").await);
        for (raw, opened_by) in [(11, token), (12, token), (13, other)] {
            open(&store, jane, raw, opened_by).await;
        }
        write(&store, async |tx| sessions::end(tx, Id::from_raw(12), "logout", T0).await).await;
        for (credential, client, at) in [
            (token.raw(), "etl", T0),
            (11, "etl", T0 + HOUR),
            (11, "app", T0 + MS),
            (12, "ended", T0),
            (13, "of another", T0),
            (other.raw(), "of another", T0),
        ] {
            note(&store, credential, &used("10.1.0.1", client, at)).await;
        }

        let mut reader = store.read().await.unwrap();
        let found = uses::of_token(&mut reader, jane, token, T0, 10).await.unwrap();
        let latest = uses::of_token(&mut reader, jane, token, T0, 1).await.unwrap();
        let late = uses::of_token(&mut reader, jane, token, T0 + MS, 10).await.unwrap();

        let row = |client: &str, first_at, last_at, times| UseRow {
            client: client.to_owned(),
            source: "10.1.0.1".to_owned(),
            first_at,
            last_at,
            times,
            head: None,
        };
        let (app, ended) = (row("app", T0 + MS, T0 + MS, 1), row("ended", T0, T0, 1));
        assert_eq!(found, [row("etl", T0, T0 + HOUR, 2), app.clone(), ended]);
        assert_eq!(latest, found[..1]);
        assert_eq!(late, [row("etl", T0 + HOUR, T0 + HOUR, 1), app]);
    })
    .await;
}

/// One use.
fn used(network: &str, client: &str, at: Timestamp) -> Use {
    Use {
        network: network.to_owned(),
        client: client.to_owned(),
        source: network.to_owned(),
        head: "forward-auth".to_owned(),
        first_at: at,
        last_at: at,
        times: 1,
    }
}

async fn note(store: &Store, credential: i64, noted: &Use) -> bool {
    let new = note_all(store, &[(credential, noted.clone())]).await;
    assert!(new.is_empty() || new == [credential], "{new:?}");
    !new.is_empty()
}

async fn note_all(store: &Store, noted: &[(i64, Use)]) -> Vec<i64> {
    write(store, async |tx| uses::note(tx, noted).await).await
}

async fn of_credential(store: &Store, limit: i64) -> Vec<Use> {
    let mut reader = store.read().await.expect("a reader is free");
    uses::of_credential(&mut reader, CREDENTIAL, limit).await.expect("the uses are read")
}

fn clients(found: &[Use]) -> Vec<&str> {
    found.iter().map(|found| found.client.as_str()).collect()
}

async fn open(store: &Store, user: Id<User>, raw: i64, token: Id<Token>) {
    let session = NewSession {
        id: Id::from_raw(raw),
        digest: &digest(raw),
        kind: SessionKind::Api,
        user,
        token: Some(token),
        client_id: None,
        head: "soap",
        client: "etl",
        source: "10.1.0.1",
        proof: "password",
        proved_at: None,
        place: None,
        restriction: None,
    };
    write(store, async |tx| sessions::insert(tx, &session, T0).await).await;
}
