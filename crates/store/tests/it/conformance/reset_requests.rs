//! Request keys: each leads its user to one token, until it is forgotten.

use symbolon_store::error::StoreError;
use symbolon_store::reset_requests::{self, RequestRow};

use super::{MS, T0, add_user, for_each_house, issue, write};

#[tokio::test]
async fn a_request_key_leads_its_user_to_the_token_until_it_is_forgotten() {
    for_each_house(async |store| {
        let (jane, joe) = (add_user(&store, 1, "jane").await, add_user(&store, 2, "joe").await);
        let token = issue(&store, jane, 1, "any").await;
        let asked = ("key", "reset account any");
        write(&store, async |tx| reset_requests::remember(tx, jane, asked, token, T0).await).await;
        let find = async |user, key: &str| {
            let mut reader = store.read().await.unwrap();
            reset_requests::find(&mut reader, user, key).await.unwrap()
        };
        let forget =
            async |limit| write(&store, async |tx| reset_requests::forget(tx, limit).await).await;
        let found = Some(RequestRow { token, request: "reset account any".to_owned() });

        assert_eq!(find(jane, "key").await, found);
        assert_eq!(find(jane, "Key").await, None);
        assert_eq!(find(joe, "key").await, None);
        assert_eq!(forget(T0).await, 0);
        assert_eq!(find(jane, "key").await, found);
        assert_eq!(forget(T0 + MS).await, 1);
        assert_eq!(find(jane, "key").await, None);
    })
    .await;
}

#[tokio::test]
async fn a_request_key_cannot_lead_to_two_tokens() {
    for_each_house(async |store| {
        let jane = add_user(&store, 1, "jane").await;
        let (first, second) =
            (issue(&store, jane, 1, "any").await, issue(&store, jane, 2, "cli").await);
        let asked = ("key", "reset account any");
        write(&store, async |tx| reset_requests::remember(tx, jane, asked, first, T0).await).await;

        let mut tx = store.begin().await.unwrap();
        let refused = reset_requests::remember(&mut tx, jane, asked, second, T0).await;

        assert!(matches!(refused, Err(StoreError::Conflict { .. })), "{refused:?}");
    })
    .await;
}
