//! API clients: a secret is rolled over without a gap, and the last one is never lost by accident.

use symbolon_app::clients::{self, ClientRefusal, ClientView, MOST_SECRETS, NewClient};
use symbolon_app::context::Switch;
use symbolon_app::{Actor, AppError};
use symbolon_core::id::{Client, Id};
use symbolon_core::names::DisplayName;
use symbolon_core::secret::ClientSecret;

use crate::house::TestHouse;

const OPERATOR: Actor = Actor::Operator;

async fn register(house: &TestHouse) -> NewClient {
    let name = DisplayName::parse("warehouse").unwrap();
    clients::add(&house.ctx, OPERATOR, name, Switch::On).await.unwrap()
}

async fn proves(
    house: &TestHouse,
    client: Id<Client>,
    secret: &ClientSecret,
) -> Result<ClientView, ClientRefusal> {
    clients::authenticate(&house.ctx, &client.to_string(), secret).await.unwrap()
}

async fn only_client(house: &TestHouse) -> ClientView {
    clients::list(&house.ctx).await.unwrap().remove(0)
}

#[tokio::test]
async fn a_secret_is_rolled_over_without_a_gap() {
    let house = TestHouse::new().await;
    let client = register(&house).await;
    let first = only_client(&house).await.secrets[0].id;

    let second = clients::add_secret(&house.ctx, OPERATOR, client.id).await.unwrap();
    let both = (
        proves(&house, client.id, &client.secret).await.is_ok(),
        proves(&house, client.id, &second.secret).await.is_ok(),
    );
    clients::remove_secret(&house.ctx, OPERATOR, client.id, first).await.unwrap();

    assert_eq!(both, (true, true));
    let old = proves(&house, client.id, &client.secret).await;
    assert_eq!(old.unwrap_err(), ClientRefusal::WrongSecret);
    let view = proves(&house, client.id, &second.secret).await.unwrap();
    assert_eq!(view.secrets.iter().map(|secret| secret.id).collect::<Vec<_>>(), [second.id]);
}

#[tokio::test]
async fn a_secret_proves_its_own_client_alone() {
    let house = TestHouse::new().await;
    let (one, other) = (register(&house).await, register(&house).await);

    let crossed = proves(&house, one.id, &other.secret).await;
    let unknown = proves(&house, Id::from_raw(1), &one.secret).await;

    assert_eq!(crossed.unwrap_err(), ClientRefusal::WrongSecret);
    assert_eq!(unknown.unwrap_err(), ClientRefusal::UnknownClient);
}

#[tokio::test]
async fn the_last_secret_stays_until_there_is_another() {
    let house = TestHouse::new().await;
    let client = register(&house).await;
    let only = only_client(&house).await.secrets[0].id;

    let refused = clients::remove_secret(&house.ctx, OPERATOR, client.id, only).await;

    assert!(matches!(refused, Err(AppError::Forbidden(why)) if why.contains("add another first")));
    assert!(proves(&house, client.id, &client.secret).await.is_ok());
}

#[tokio::test]
async fn a_client_has_five_secrets_and_no_sixth() {
    let house = TestHouse::new().await;
    let client = register(&house).await;
    for _ in 1..MOST_SECRETS {
        clients::add_secret(&house.ctx, OPERATOR, client.id).await.unwrap();
    }

    let sixth = clients::add_secret(&house.ctx, OPERATOR, client.id).await;

    assert!(matches!(sixth, Err(AppError::Invalid(_))));
    assert_eq!(only_client(&house).await.secrets.len(), 5);
}

#[tokio::test]
async fn secrets_of_another_client_are_not_found() {
    let house = TestHouse::new().await;
    let (one, other) = (register(&house).await, register(&house).await);
    let of_other = clients::add_secret(&house.ctx, OPERATOR, other.id).await.unwrap();

    let crossed = clients::remove_secret(&house.ctx, OPERATOR, one.id, of_other.id).await;
    let nowhere = clients::add_secret(&house.ctx, OPERATOR, Id::from_raw(1)).await;

    assert!(matches!(crossed, Err(AppError::NotFound("client secret"))));
    assert!(matches!(nowhere, Err(AppError::NotFound("client"))));
    assert!(proves(&house, other.id, &of_other.secret).await.is_ok());
}

#[tokio::test]
async fn a_removed_client_is_known_by_none_of_its_secrets() {
    let house = TestHouse::new().await;
    let client = register(&house).await;
    let second = clients::add_secret(&house.ctx, OPERATOR, client.id).await.unwrap();

    clients::remove(&house.ctx, OPERATOR, client.id).await.unwrap();

    for secret in [&client.secret, &second.secret] {
        let refused = proves(&house, client.id, secret).await;
        assert_eq!(refused.unwrap_err(), ClientRefusal::UnknownClient);
    }
    assert!(clients::list(&house.ctx).await.unwrap().is_empty());
}

#[tokio::test]
async fn every_change_of_a_client_is_in_the_trail_and_in_the_change_log_and_no_secret_is() {
    let house = TestHouse::new().await;
    let before = house.revision().await;
    let client = register(&house).await;
    let second = clients::add_secret(&house.ctx, OPERATOR, client.id).await.unwrap();
    clients::remove_secret(&house.ctx, OPERATOR, client.id, second.id).await.unwrap();
    clients::remove(&house.ctx, OPERATOR, client.id).await.unwrap();

    let told = house.last_audited(4).await;

    assert_eq!(house.revision().await - before, 4);
    let subject = format!("client:{}", client.id);
    assert!(told.iter().all(|row| row.subject == subject), "{told:?}");
    let actions: Vec<_> = told.iter().map(|row| row.action.as_str()).collect();
    let expected =
        ["client.added", "client.secret-added", "client.secret-removed", "client.removed"];
    assert_eq!(actions, expected);
    for row in told {
        assert!(!row.details.contains(client.secret.reveal()));
        assert!(!row.details.contains(second.secret.reveal()));
    }
}

#[tokio::test]
async fn whoever_is_no_administrator_changes_no_client() {
    let house = TestHouse::new().await;
    let jane = house.user("jane").await;
    let client = register(&house).await;

    let added = clients::add_secret(&house.ctx, Actor::User(jane.id), client.id).await;
    let removed = clients::remove(&house.ctx, Actor::User(jane.id), client.id).await;

    assert!(matches!(added, Err(AppError::Forbidden(_))));
    assert!(matches!(removed, Err(AppError::Forbidden(_))));
    assert_eq!(only_client(&house).await.secrets.len(), 1);
}
