//! Sightings of leaked tokens: by token, by owner, in their order.

use symbolon_core::id::{Id, Token};
use symbolon_core::leak::{Reporter, Sighting};
use symbolon_core::names::Source;
use symbolon_store::leaks::{self, KEPT_FREE, LeakRow, MOST_OF_TOKEN};

use super::{HOUR, T0, add_user, for_each_house, issue, write};

#[tokio::test]
async fn sightings_are_told_by_token_and_by_owner_the_first_ones_first() {
    for_each_house(async |store| {
        let (jane, joe) = (add_user(&store, 1, "jane").await, add_user(&store, 2, "joe").await);
        let (one, other) =
            (issue(&store, jane, 1, "any").await, issue(&store, jane, 2, "cli").await);
        let foreign = issue(&store, joe, 3, "any").await;
        let leak = |token, place: &str, reporter, at| {
            let seen = Sighting::sanitised(place);
            LeakRow { token, seen, reporter, at }
        };
        let first = leak(one, "https://x/1", Reporter::GitHub, T0);
        let second = leak(one, "", Reporter::Anyone, T0 + HOUR);
        let of_other = leak(other, "a paste", Reporter::Anyone, T0 + HOUR * 2);
        let of_foreign = leak(foreign, "a paste", Reporter::Anyone, T0);
        let source = Source::new("192.0.2.1".parse().unwrap());
        for (id, row) in [&second, &first, &of_other, &of_foreign].into_iter().enumerate() {
            let id = Id::from_raw(i64::try_from(id).unwrap());
            write(&store, async |tx| leaks::insert_news(tx, id, row, source).await).await;
        }

        let mut reader = store.read().await.unwrap();
        let of_token = leaks::of_token(&mut reader, one).await.unwrap();
        let of_user = leaks::of_user(&mut reader, jane, MOST_OF_TOKEN).await.unwrap();

        let latest = leaks::of_user(&mut reader, jane, 2).await.unwrap();

        assert_eq!(of_token, [first.clone(), second.clone()]);
        assert_eq!(latest, [second.clone(), of_other.clone()]);
        assert_eq!(of_user, [first, second, of_other]);
    })
    .await;
}

#[tokio::test]
async fn only_news_is_noted_and_no_more_than_says_something() {
    for_each_house(async |store| {
        let jane = add_user(&store, 1, "jane").await;
        let (one, other) =
            (issue(&store, jane, 1, "any").await, issue(&store, jane, 2, "cli").await);
        let source = Source::new("192.0.2.1".parse().unwrap());
        let at = |number: i64| Sighting::sanitised(&format!("line \"{number}\""));
        let note = async |id: i64, token, seen: &Sighting| {
            let row = LeakRow { token, seen: seen.clone(), reporter: Reporter::Anyone, at: T0 };
            write(&store, async |tx| leaks::insert_news(tx, Id::from_raw(id), &row, source).await)
                .await
        };
        let news = async |asked: &[(Id<Token>, &Sighting)]| {
            leaks::news(&mut store.read().await.unwrap(), asked, Reporter::Anyone).await.unwrap()
        };

        assert!(note(0, one, &at(0)).await);
        assert!(!note(100, one, &at(0)).await);
        assert_eq!(news(&[(one, &at(0)), (one, &at(1)), (other, &at(0))]).await, [1, 2]);
        for number in 1..MOST_OF_TOKEN - KEPT_FREE {
            assert!(note(number, one, &at(number)).await);
        }

        assert!(!note(100, one, &at(100)).await);
        assert_eq!(news(&[(one, &at(100)), (other, &at(100))]).await, [1]);
        assert_eq!(news(&[]).await, [0_usize; 0]);
    })
    .await;
}
