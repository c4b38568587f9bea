//! The race that the house is built for: resets of one user at once, alone and among everything else.
//!
//! The statements are those of the use case, in its order: the user's row, tokens, letters, sessions, the
//! head of the trail, the revision. Any deadlock or failure to serialise fails the test.

use symbolon_core::device_type::DeviceRules;
use symbolon_core::id::{Id, Token, User};
use symbolon_core::judge::RetirementCause;
use symbolon_core::letter::{LEASE, LetterKind, LetterState};
use symbolon_core::names::DeviceType;
use symbolon_core::reset::{ResetOrder, Scope, plan_reset};
use symbolon_core::session::SessionKind;
use symbolon_store::audit::{self, AuditEvent};
use symbolon_store::changes::{self, Change};
use symbolon_store::error::StoreError;
use symbolon_store::history::{self, LoginRow};
use symbolon_store::links::{self, NewLink};
use symbolon_store::sessions::{self, NewSession};
use symbolon_store::tokens::{self, NewToken};
use symbolon_store::{Store, Tx, letters, profiles, reset_requests, users};

use super::audit::walk;
use super::changes::current;
use super::{
    DAY, ROUNDS, T0, TASKS, add_user, at_once, by_operator, digest, for_each_house, insert_letter,
    number, write,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn racing_resets_leave_one_live_token_and_a_dense_log() {
    for_each_house(async |store| {
        let jane = add_user(&store, 1, "jane").await;
        let resets = TASKS * ROUNDS;

        let receipts = at_once(&store, |store, task| async move {
            let mut receipts = Vec::new();
            for round in 0..ROUNDS {
                let raw = 1 + task * ROUNDS + round;
                receipts.push(write(&store, async |tx| reset(tx, jane, raw).await).await);
            }
            receipts
        })
        .await;

        let mut receipts: Vec<Receipt> = receipts.into_iter().flatten().collect();
        receipts.sort_by_key(|receipt| receipt.revision);
        let revisions: Vec<i64> = receipts.iter().map(|receipt| receipt.revision).collect();
        assert_eq!(revisions, (1..=resets).collect::<Vec<_>>());
        assert_eq!(current(&store).await, resets);
        assert_eq!(walk(&store).await, Ok(resets));
        assert_each_retires_the_one_before(&receipts);
        assert_lives(&store, jane, receipts.last().expect("a last reset").token).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn resets_among_logins_and_couriers_meet_no_deadlock() {
    for_each_house(async |store| {
        let mut people = Vec::new();
        for raw in 1..=3 {
            people.push(add_user(&store, raw, &format!("user{raw}")).await);
        }

        let people: [Id<User>; 3] = people.try_into().expect("three users");
        at_once(&store, |store, task| async move {
            for round in 0..ROUNDS {
                let raw = 1 + task * ROUNDS + round;
                let user = people[usize::try_from(raw % 3).expect("a small number")];
                match task % 4 {
                    0 | 1 => {
                        write(&store, async |tx| reset(tx, user, raw).await).await;
                    }
                    2 => log_in(&store, user, raw).await,
                    _ => deliver(&store, raw).await,
                }
            }
        })
        .await;

        assert_eq!(walk(&store).await, Ok(TASKS / 2 * ROUNDS));
        let dense = number(&store, "SELECT MAX(revision) - COUNT(*) FROM change", &[]).await;
        assert_eq!(dense, 0);
        for user in people {
            let live = "SELECT COUNT(*) FROM token WHERE user_id = $1 AND retired_at IS NULL";
            assert_eq!(number(&store, live, &[user.into()]).await, 1);
        }
        let outlived = "
            SELECT COUNT(*) FROM session JOIN token ON token.id = session.token_id
            WHERE session.ended_at IS NULL AND token.retired_at IS NOT NULL";
        assert_eq!(number(&store, outlived, &[]).await, 0, "a session outlived its token");
    })
    .await;
}

/// What a reset has done.
struct Receipt {
    token: Id<Token>,
    retired: Vec<Id<Token>>,
    revision: i64,
}

/// Resets the token of `user`; `raw` numbers whatever is made along the way.
async fn reset(tx: &mut Tx, user: Id<User>, raw: i64) -> Result<Receipt, StoreError> {
    let request_key = format!("request-{raw}");
    assert!(users::take(tx, user).await?);
    let found = users::find(tx, user).await?.expect("the user was taken");
    assert_eq!(reset_requests::find(tx, user, &request_key).await?, None);
    let policy = profiles::find(tx, found.profile).await?.policy;
    let live = tokens::live_of_user(tx, user).await?;
    let cause = RetirementCause::Reset;
    let (device_type, rules) = (&DeviceType::any(), &DeviceRules::default());
    let order = ResetOrder { scope: Scope::Account, device_type, rules, cause };
    let plan = plan_reset(&found.standing, found.profile, &live, &order, &policy, T0)
        .expect("the user may have a token");

    for token in &plan.retire {
        assert!(tokens::retire(tx, *token, cause, "user:005", T0).await?, "retired by another");
        letters::supersede(tx, *token, T0).await?;
        sessions::end_of_token(tx, *token, cause.word(), T0).await?;
    }
    let token = NewToken {
        id: Id::from_raw(raw),
        user,
        device_type: &plan.device_type,
        digest: &digest(raw),
        expires_at: plan.expires_at,
        issue: by_operator(),
    };
    tokens::insert(tx, &token, T0).await?;
    write_letters(tx, user, raw, token.id).await?;
    reset_requests::remember(tx, user, (&request_key, "reset"), token.id, T0).await?;
    let event = AuditEvent {
        actor: format!("user:{user}"),
        action: "token.reset",
        subject: format!("user:{user}"),
        details: format!("token={}\nretired={}", token.id, plan.retire.len()),
    };
    audit::append(tx, event, T0).await?;
    let subject = Some(token.id.raw());
    let revision = changes::record(tx, Change::TokenReset, user, subject, T0).await?;
    Ok(Receipt { token: token.id, retired: plan.retire, revision })
}

/// Writes the letter with the token and its freeze link, and the notice without.
async fn write_letters(
    tx: &mut Tx,
    user: Id<User>,
    raw: i64,
    token: Id<Token>,
) -> Result<(), StoreError> {
    let freeze = NewLink {
        id: Id::from_raw(raw),
        kind: "freeze-tokens",
        digest: &digest(raw),
        user: Some(user),
        subject: None,
        expires_at: T0 + DAY,
    };
    links::insert(tx, &freeze, T0).await?;
    insert_letter(tx, user, 2 * raw, LetterKind::NewToken, Some(token), T0).await?;
    insert_letter(tx, user, 2 * raw + 1, LetterKind::TokenChanged, None, T0).await?;
    Ok(())
}

/// Logs in with the token that lives at the moment, unless a reset comes in between.
async fn log_in(store: &Store, user: Id<User>, raw: i64) {
    let mut reader = store.read().await.expect("a reader is free");
    let found = users::find(&mut reader, user).await.expect("the row can be read");
    let epoch = found.expect("the user is there").epoch;
    let live = tokens::live_of_user(&mut reader, user).await.expect("the rows can be read");
    drop(reader);
    let Some(live) = live.first() else { return };

    write(store, async |tx| {
        if !users::hold_at_epoch(tx, user, epoch).await? {
            return Ok(());
        }
        assert!(tokens::note_use(tx, live.token, T0).await?, "the epoch holds the token alive");
        users::note_login(tx, user, T0).await?;
        let session = NewSession {
            id: Id::from_raw(raw),
            digest: &digest(raw),
            kind: SessionKind::Api,
            user,
            token: Some(live.token),
            client_id: None,
            head: "soap",
            client: "jsforce",
            source: "192.0.2.1",
            proof: "password",
            proved_at: None,
            place: None,
            restriction: None,
        };
        sessions::insert(tx, &session, T0).await?;
        history::insert(tx, &entry(user, raw), Some(live.token)).await?;
        changes::record(tx, Change::SessionStarted, user, Some(raw), T0).await?;
        Ok(())
    })
    .await;
}

fn entry(user: Id<User>, raw: i64) -> LoginRow {
    LoginRow {
        id: Id::from_raw(raw),
        at: T0,
        user: Some(user),
        username: "jane".to_owned(),
        head: "soap".to_owned(),
        client: "jsforce".to_owned(),
        source: "192.0.2.1".to_owned(),
        outcome: "admitted".to_owned(),
        reason: String::new(),
        correlation_id: String::new(),
    }
}

/// Carries the letters that are due, as a courier does: leased in one transaction, ended in another.
async fn deliver(store: &Store, lease: i64) {
    let mut reader = store.read().await.expect("a reader is free");
    let due = letters::due(&mut reader, T0, 5).await.expect("the outbox is read");
    drop(reader);
    for letter in due {
        let leased = write(store, async |tx| {
            let leased = letters::lease(tx, letter, lease, T0 + LEASE, T0).await?;
            if let Some(token) = leased.as_ref().and_then(|leased| leased.token) {
                assert!(tokens::find(tx, token).await?.is_some());
            }
            Ok(leased)
        })
        .await;
        if leased.is_some() {
            let state = LetterState::HandedOver;
            write(store, async |tx| letters::end_leased(tx, letter, lease, state, None, T0).await)
                .await;
        }
    }
}

/// In the order of revisions each reset has retired the token of the one before it, and nothing else.
fn assert_each_retires_the_one_before(receipts: &[Receipt]) {
    assert!(receipts[0].retired.is_empty());
    for pair in receipts.windows(2) {
        assert_eq!(pair[1].retired, [pair[0].token], "at revision {}", pair[1].revision);
    }
}

/// `token` alone lives, and of the letters with a token its own alone is still to be sent.
async fn assert_lives(store: &Store, user: Id<User>, token: Id<Token>) {
    let mut reader = store.read().await.expect("a reader is free");
    let live = tokens::live_of_user(&mut reader, user).await.expect("the rows can be read");
    assert_eq!(live.iter().map(|live| live.token).collect::<Vec<_>>(), [token]);
    drop(reader);
    let waiting = "
        SELECT MIN(token_id) FROM letter
        WHERE kind = 'new-token' AND state = 'waiting' AND nonce IS NOT NULL
        HAVING COUNT(*) = 1";
    assert_eq!(number(store, waiting, &[]).await, token.raw());
    let unerased = "
        SELECT COUNT(*) FROM letter WHERE state = 'superseded' AND nonce IS NOT NULL";
    assert_eq!(number(store, unerased, &[]).await, 0);
}
