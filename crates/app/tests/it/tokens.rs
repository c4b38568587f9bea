//! Tokens as their owner sees them: none that lives is out of sight, a freeze is told, and each tells how it came
//! to be.

use std::time::Duration;

use symbolon_app::account;
use symbolon_app::login::Head;
use symbolon_app::rotation::{self, OwnRotation, RotationFor};
use symbolon_app::tokens::{self, Freeze, Issuer, TokenState, TokenView};
use symbolon_app::users::UserView;
use symbolon_app::{Actor, AppError, bulk_reset, device_types, profiles, reset, users};
use symbolon_core::device_type::{DeviceRules, Overlap};
use symbolon_core::issue::IssueCause;
use symbolon_core::names::DeviceType;
use symbolon_core::policy::{Policy, TokensOnPasswordChange};
use symbolon_core::reset::Scope;

use crate::house::{PASSWORD, TestHouse, origin, password};

const SECOND: Duration = Duration::from_secs(1);

fn server() -> DeviceType {
    DeviceType::parse("server").unwrap()
}

async fn reset_one(house: &TestHouse, actor: Actor, user: &UserView, device_type: DeviceType) {
    let (name, scope) = (user.username.as_str(), Scope::DeviceType);
    reset::reset_for(&house.ctx, actor, name, device_type, scope, None).await.unwrap();
}

async fn of(house: &TestHouse, user: &UserView) -> Vec<TokenView> {
    tokens::of_user(&house.ctx, user.id).await.unwrap()
}

/// What the newest live token of this device type came of, who wanted it and from where.
async fn came_of(
    house: &TestHouse,
    user: &UserView,
    device_type: &DeviceType,
) -> (IssueCause, Issuer, Option<String>) {
    let all = of(house, user).await;
    let found = all.into_iter().find(|token| token.device_type == *device_type).unwrap();
    (found.provenance.cause, found.provenance.by, found.provenance.source)
}

#[tokio::test]
async fn a_live_token_is_never_out_of_sight_however_many_have_ended_since() {
    let house = TestHouse::new().await;
    let jane = house.user("jane").await;
    reset_one(&house, Actor::Operator, &jane, server()).await;
    let old = of(&house, &jane).await[0].token;
    for _ in 0..202 {
        house.wait(SECOND);
        reset_one(&house, Actor::Operator, &jane, DeviceType::any()).await;
    }

    let all = of(&house, &jane).await;

    assert_eq!(all.len(), 200);
    assert!(all[..2].iter().all(|token| token.state == TokenState::Live));
    assert_eq!(all[1].token, old);
    assert!(all[2..].iter().all(|token| token.state == TokenState::Retired));
    assert!(all[2..].is_sorted_by(|one, next| one.issued_at > next.issued_at));
    let page = tokens::page_of_user(&house.ctx, jane.id, 200, None).await.unwrap();
    let last = page.last().unwrap().token;
    let rest = tokens::page_of_user(&house.ctx, jane.id, 200, Some(last)).await.unwrap();
    assert_eq!((page.len(), rest.len(), rest[2].token), (200, 3, old));
    let shown = tokens::one_of_user(&house.ctx, jane.id, rest[0].token).await.unwrap();
    assert_eq!(shown.state, TokenState::Retired);
}

#[tokio::test]
async fn pages_begin_after_ones_own_tokens_alone() {
    let house = TestHouse::new().await;
    let (jane, eve) = (house.user("jane").await, house.user("eve").await);
    let janes = house.reset(&jane).await.token;

    let page = tokens::page_of_user(&house.ctx, eve.id, 10, Some(janes)).await;

    assert!(matches!(page, Err(AppError::NotFound("token"))), "{page:?}");
}

#[tokio::test]
async fn tokens_of_a_frozen_account_are_frozen_until_somebody_lifts_it() {
    let house = TestHouse::new().await;
    let jane = house.user("jane").await;
    let name = jane.username.as_str();
    house.reset(&jane).await;
    house.reset(&jane).await;

    users::freeze(&house.ctx, Actor::Operator, name).await.unwrap();
    let frozen = of(&house, &jane).await;
    users::unfreeze(&house.ctx, Actor::Operator, name).await.unwrap();
    let thawed = of(&house, &jane).await;

    let since = Some(Freeze::Account(house.ctx.clock.now()));
    assert_eq!((frozen[0].state, frozen[0].freeze), (TokenState::Frozen, since));
    assert_eq!((frozen[1].state, frozen[1].freeze), (TokenState::Retired, None));
    assert_eq!((thawed[0].state, thawed[0].freeze), (TokenState::Live, None));
}

#[tokio::test]
async fn each_token_tells_what_it_came_of_who_wanted_it_and_from_where() {
    let house = TestHouse::new().await;
    let (jane, root) = (house.user("jane").await, house.administrator("root").await);
    let any = DeviceType::any();
    let overlap = |rules: &mut DeviceRules| rules.overlap = Overlap::Allowed;
    device_types::set(&house.ctx, Actor::Operator, &server(), overlap).await.unwrap();
    let own = Some("10.1.2.3".to_owned());

    house.reset(&jane).await;
    assert_eq!(came_of(&house, &jane, &any).await, (IssueCause::Reset, Issuer::Owner, own.clone()));

    reset_one(&house, Actor::User(root.id), &jane, any.clone()).await;
    let by = Issuer::Administrator(root.username.clone());
    assert_eq!(came_of(&house, &jane, &any).await, (IssueCause::Reset, by.clone(), None));

    reset_one(&house, Actor::Operator, &jane, server()).await;
    let expected = (IssueCause::Reset, Issuer::Operator, None);
    assert_eq!(came_of(&house, &jane, &server()).await, expected);

    house.wait(SECOND);
    let asked =
        RotationFor { device_type: server(), overlap: None, request_key: None, reason: None };
    let name = jane.username.as_str();
    rotation::rotate_for(&house.ctx, Actor::User(root.id), name, asked).await.unwrap();
    assert_eq!(came_of(&house, &jane, &server()).await, (IssueCause::Rotation, by, None));

    house.wait(SECOND);
    let scope = Scope::DeviceType;
    let asked =
        bulk_reset::Asked { profile: "Standard", device_type: any.clone(), scope, reason: None };
    let begun = bulk_reset::begin(&house.ctx, Actor::Operator, &asked).await.unwrap().0;
    bulk_reset::step(&house.ctx, Actor::Operator, begun.id).await.unwrap();
    let expected = (IssueCause::BulkReset, Issuer::Operator, None);
    assert_eq!(came_of(&house, &jane, &any).await, expected);

    house.wait(SECOND);
    let tied = Policy { on_password_change: TokensOnPasswordChange::Reset, ..Policy::default() };
    profiles::set(&house.ctx, Actor::Operator, "Standard", |known| *known = tied).await.unwrap();
    let (current, new) = (password(PASSWORD), password("quartz meadow lantern 71"));
    let from = origin("10.1.2.3");
    account::change_password(&house.ctx, jane.id, None, current, new, &from).await.unwrap();
    let expected = (IssueCause::PasswordChange, Issuer::Owner, own);
    assert_eq!(came_of(&house, &jane, &any).await, expected);
}

#[tokio::test]
async fn a_key_that_was_used_for_something_else_is_refused_and_does_nothing() {
    let house = TestHouse::new().await;
    let jane = house.user("jane").await;
    let key = "k".repeat(32);
    let overlap = |rules: &mut DeviceRules| rules.overlap = Overlap::Allowed;
    device_types::set(&house.ctx, Actor::Operator, &DeviceType::any(), overlap).await.unwrap();
    house.try_reset(&jane, PASSWORD, &key).await.unwrap();
    let reset = async |scope, device_type| {
        let request = reset::OwnReset {
            user: jane.id,
            current_password: password(PASSWORD),
            scope,
            device_type,
            request_key: key.clone(),
            head: Head::Web,
            origin: origin("10.1.2.3"),
        };
        reset::reset_own(&house.ctx, request).await
    };
    let rotate = async |overlap| {
        let request = OwnRotation {
            user: jane.id,
            current_password: password(PASSWORD),
            device_type: DeviceType::any(),
            overlap,
            request_key: key.clone(),
            head: Head::Web,
            origin: origin("10.1.2.3"),
        };
        rotation::rotate_own(&house.ctx, request).await
    };
    let before = house.revision().await;

    let other_type = reset(Scope::Account, server()).await;
    let other_scope = reset(Scope::DeviceType, DeviceType::any()).await;
    let rotation = rotate(Duration::from_hours(1)).await;
    let again = reset(Scope::Account, DeviceType::any()).await;

    let key_used = |error| matches!(error, reset::ResetError::App(AppError::KeyUsed));
    assert!(key_used(other_type.unwrap_err()));
    assert!(key_used(other_scope.unwrap_err()));
    assert!(key_used(rotation.unwrap_err()));
    assert!(!again.unwrap().fresh);
    assert_eq!(house.revision().await, before);
}

#[tokio::test]
async fn an_administrators_key_names_one_rotation_and_no_other() {
    let house = TestHouse::new().await;
    let jane = house.user("jane").await;
    let overlap = |rules: &mut DeviceRules| rules.overlap = Overlap::Allowed;
    device_types::set(&house.ctx, Actor::Operator, &DeviceType::any(), overlap).await.unwrap();
    house.reset(&jane).await;
    let rotate = async |device_type, overlap| {
        let request_key = Some("spring");
        let asked = RotationFor { device_type, overlap, request_key, reason: None };
        let name = jane.username.as_str();
        rotation::rotate_for(&house.ctx, Actor::Operator, name, asked).await
    };

    rotate(DeviceType::any(), None).await.unwrap();
    let again = rotate(DeviceType::any(), Some(Duration::from_hours(24))).await;
    let other = rotate(server(), None).await;

    assert!(!again.unwrap().fresh, "a day is what is usual");
    assert!(matches!(other, Err(reset::ResetError::App(AppError::KeyUsed))));
}
