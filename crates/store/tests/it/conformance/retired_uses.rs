//! Uses of retired tokens: who, from where, how often, and when the owner was warned.

use symbolon_store::retired_uses::{self, UseRow};

use super::{DAY, HOUR, T0, add_user, at_once, for_each_house, issue, write};

const HERE: &str = "192.0.2.1";

#[tokio::test]
async fn uses_are_counted_by_source_and_client_latest_first() {
    for_each_house(async |store| {
        let jane = add_user(&store, 1, "jane").await;
        let token = issue(&store, jane, 1, "any").await;
        for (client, at) in [("etl", T0), ("app", T0 + HOUR), ("etl", T0 + DAY)] {
            write(&store, async |tx| retired_uses::note(tx, token, HERE, client, at).await).await;
        }

        let mut reader = store.read().await.unwrap();
        let uses = retired_uses::of_token(&mut reader, token, 10).await.unwrap();
        let latest = retired_uses::of_token(&mut reader, token, 1).await.unwrap();

        let row = |(client, first_at, last_at, times): (&str, _, _, _)| UseRow {
            client: client.to_owned(),
            source: HERE.to_owned(),
            first_at,
            last_at,
            times,
            head: None,
        };
        let expected = [("etl", T0, T0 + DAY, 2), ("app", T0 + HOUR, T0 + HOUR, 1)].map(row);
        assert_eq!(uses, expected);
        assert_eq!(latest, expected[..1]);
    })
    .await;
}

#[tokio::test]
async fn among_so_many_pairs_those_that_are_known_are_counted_and_no_further_one_is_added() {
    for_each_house(async |store| {
        let jane = add_user(&store, 1, "jane").await;
        let token = issue(&store, jane, 1, "any").await;
        for (client, at) in [("etl", T0), ("app", T0), ("new", T0), ("etl", T0 + HOUR)] {
            let pair = (HERE, client);
            write(&store, async |tx| retired_uses::note_among(tx, token, pair, 2, at).await).await;
        }

        let mut reader = store.read().await.unwrap();
        let uses = retired_uses::of_token(&mut reader, token, 10).await.unwrap();
        let uses: Vec<_> = uses.iter().map(|it| (&*it.client, it.last_at, it.times)).collect();
        assert_eq!(uses, [("etl", T0 + HOUR, 2), ("app", T0, 1)]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn uses_at_once_are_all_counted() {
    for_each_house(async |store| {
        let jane = add_user(&store, 1, "jane").await;
        let token = issue(&store, jane, 1, "any").await;

        at_once(&store, |store, _| async move {
            write(&store, async |tx| retired_uses::note(tx, token, HERE, "etl", T0).await).await;
        })
        .await;

        let mut reader = store.read().await.unwrap();
        let uses = retired_uses::of_token(&mut reader, token, 10).await.unwrap();
        assert_eq!(uses.iter().map(|use_| use_.times).collect::<Vec<_>>(), [16]);
    })
    .await;
}

#[tokio::test]
async fn a_warning_counts_for_every_token_of_the_owner_and_for_one_source() {
    for_each_house(async |store| {
        let (jane, joe) = (add_user(&store, 1, "jane").await, add_user(&store, 2, "joe").await);
        let (one, other) =
            (issue(&store, jane, 1, "any").await, issue(&store, jane, 2, "cli").await);
        let of_joe = issue(&store, joe, 3, "any").await;
        write(&store, async |tx| {
            for token in [one, other, of_joe] {
                retired_uses::note(tx, token, HERE, "etl", T0).await?;
            }
            Ok(())
        })
        .await;
        let mut reader = store.read().await.unwrap();
        let unwarned = retired_uses::last_warning(&mut reader, one, HERE).await.unwrap();

        write(&store, async |tx| retired_uses::note_warning(tx, one, HERE, "etl", T0 + HOUR).await)
            .await;

        assert_eq!(unwarned, None);
        for (token, source, expected) in [
            (one, HERE, Some(T0 + HOUR)),
            (other, HERE, Some(T0 + HOUR)),
            (other, "::1", None),
            (of_joe, HERE, None),
        ] {
            let warned = retired_uses::last_warning(&mut reader, token, source).await.unwrap();
            assert_eq!(warned, expected, "{token} from {source}");
        }
    })
    .await;
}
