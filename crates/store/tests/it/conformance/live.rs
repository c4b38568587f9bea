//! What the live view is filled and fed with: pages that leave nothing out and nothing dead in, and of a
//! stretch of changes exactly those whom it touches.

use symbolon_core::Timestamp;
use symbolon_core::id::{Client, Id, Session, Token, User};
use symbolon_core::judge::{FrozenBy, RetirementCause, TokenFreeze};
use symbolon_core::session::SessionKind;
use symbolon_store::changes::{self, Change};
use symbolon_store::live::{self, LiveSession, LiveUser, LoggedChange, Page, Stretch};
use symbolon_store::sessions::{self, NewSession};
use symbolon_store::users::{self, NewUserRecord};
use symbolon_store::{Store, tokens};

use super::{
    DAY, HOUR, MS, STANDARD, T0, add_user, address, digest, for_each_house, insert_user, issue,
    password, shown, username, write,
};

const ALL: Page = Page { after: -1, through: i64::MAX, limit: 100 };
const EVER: Timestamp = Timestamp::from_unix_ms(0);
const CLIENT: Id<Client> = Id::from_raw(70);

// Pages.

const FREEZE: TokenFreeze = TokenFreeze { at: T0, by: FrozenBy::Owner };

#[tokio::test]
async fn a_page_begins_after_one_identifier_ends_with_another_and_holds_no_more_than_its_limit() {
    for_each_house(async |store| {
        for raw in 1..=5 {
            let user = add_user(&store, raw, &format!("user{raw}")).await;
            let token = issue(&store, user, raw, "any").await;
            open(&store, user, raw, SessionKind::Api, Some(token), T0).await;
        }
        let page = |after, through, limit| Page { after, through, limit };

        for (page, expected) in [
            (ALL, vec![1, 2, 3, 4, 5]),
            (page(2, 4, 100), vec![3, 4]),
            (page(1, i64::MAX, 2), vec![2, 3]),
            (page(-1, 1, 100), vec![1]),
            (page(5, i64::MAX, 100), vec![]),
            (page(3, 3, 100), vec![]),
        ] {
            assert_eq!(pages(&store, page).await, [(); 3].map(|()| expected.clone()), "{page:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn pages_begin_with_the_lowest_identifier_and_end_with_the_highest() {
    for_each_house(async |store| {
        for raw in [0, i64::MAX / 2, i64::MAX / 2 + 1, i64::MAX] {
            let user = add_user(&store, raw, &format!("user{raw}")).await;
            let token = issue(&store, user, raw, "any").await;
            open(&store, user, raw, SessionKind::Api, Some(token), T0).await;
        }

        let lower = pages(&store, Page { through: i64::MAX / 2, ..ALL }).await;
        let upper = pages(&store, Page { after: i64::MAX / 2, ..ALL }).await;

        assert_eq!(lower, [(); 3].map(|()| vec![0, i64::MAX / 2]));
        assert_eq!(upper, [(); 3].map(|()| vec![i64::MAX / 2 + 1, i64::MAX]));
    })
    .await;
}

#[tokio::test]
async fn users_come_with_what_decides_about_their_credentials() {
    for_each_house(async |store| {
        let plain = add_user(&store, 1, "Plain").await;
        let boss = NewUserRecord {
            id: Id::from_raw(2),
            username: &username("boss"),
            email: &address("boss@example.com"),
            name: &shown("The Boss"),
            profile: STANDARD,
            admin_since: Some(T0),
            password: Some(&password("first")),
        };
        write(&store, async |tx| users::insert(tx, &boss, T0).await).await;
        let (frozen, halved, expired) = (
            add_user(&store, 3, "frozen").await,
            add_user(&store, 4, "halved").await,
            add_user(&store, 5, "expired").await,
        );
        write(&store, async |tx| {
            users::set_frozen(tx, frozen, Some(T0)).await?;
            users::freeze_tokens(tx, halved, FREEZE).await?;
            users::set_password(tx, expired, &password("next"), Some(T0), T0).await
        })
        .await;

        let mut reader = store.read().await.unwrap();
        let found = live::users(&mut reader, ALL).await.unwrap();

        let flags = |user: &LiveUser| {
            (user.administrator, user.inactive, user.tokens_frozen, user.password_expired)
        };
        assert_eq!(
            found.iter().map(flags).collect::<Vec<_>>(),
            [
                (false, false, false, false),
                (true, false, false, false),
                (false, true, false, false),
                (false, false, true, false),
                (false, false, false, true),
            ]
        );
        let first = &found[0];
        assert_eq!((first.id, first.username.as_str(), first.profile), (plain, "Plain", STANDARD));
        assert_eq!(
            (found[1].email.as_str(), found[1].name.as_str()),
            ("boss@example.com", "The Boss")
        );
    })
    .await;
}

#[tokio::test]
async fn a_user_without_a_password_is_in_a_page_and_a_removed_one_is_not() {
    for_each_house(async |store| {
        assert!(insert_user(&store, 1, "invited", None).await);
        let removed = add_user(&store, 2, "removed").await;
        write(&store, async |tx| users::remove(tx, removed, T0).await).await;

        let mut reader = store.read().await.unwrap();
        let found = live::users(&mut reader, ALL).await.unwrap();

        assert_eq!(user_ids(&found), [1]);
    })
    .await;
}

#[tokio::test]
async fn a_token_comes_with_what_decides_about_it_and_a_retired_one_does_not_come() {
    for_each_house(async |store| {
        let jane = add_user(&store, 1, "jane").await;
        let retired = issue(&store, jane, 11, "server").await;
        retire(&store, retired).await;
        issue(&store, jane, 12, "server").await;

        let mut reader = store.read().await.unwrap();
        let found = live::tokens(&mut reader, ALL).await.unwrap();

        let [token] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!((token.id, token.user, token.digest), (12, jane, digest(12)));
        assert_eq!(token.device_type, "server");
        // Whether it has expired, the view decides at every use.
        assert_eq!((token.issued_at, token.expires_at), (T0, T0 + 365 * DAY));
    })
    .await;
}

#[tokio::test]
async fn a_token_comes_with_its_last_use_or_its_issue_in_pages_and_after_changes() {
    for_each_house(async |store| {
        let jane = add_user(&store, 1, "jane").await;
        issue(&store, jane, 11, "any").await;
        let used = issue(&store, jane, 12, "server").await;
        write(&store, async |tx| tokens::note_use(tx, used, T0 + DAY).await).await;
        change(&store, Change::UserChanged, jane, 1).await;

        let mut reader = store.read().await.unwrap();
        let paged = live::tokens(&mut reader, ALL).await.unwrap();
        let all = Stretch { after: 0, through: i64::MAX };
        let changed = live::changed_tokens(&mut reader, all).await.unwrap();

        for mut found in [paged, changed] {
            found.sort_by_key(|token| token.id);
            let active: Vec<_> = found.iter().map(|token| (token.id, token.active_at)).collect();
            assert_eq!(active, [(11, T0), (12, T0 + DAY)]);
        }
    })
    .await;
}

#[tokio::test]
async fn a_session_comes_with_what_decides_about_it() {
    for_each_house(async |store| {
        let jane = add_user(&store, 1, "jane").await;
        let token = issue(&store, jane, 11, "server").await;
        let by_token = open(&store, jane, 21, SessionKind::Api, Some(token), T0).await;
        open(&store, jane, 22, SessionKind::Api, None, T0 + MS).await;
        write(&store, async |tx| sessions::touch(tx, by_token, T0 + HOUR).await).await;

        let found = page_of_sessions(&store, EVER).await;

        let [by_token, bare] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!((by_token.id, by_token.user, by_token.digest), (21, jane, digest(21)));
        assert_eq!(by_token.device_type.as_deref(), Some("server"));
        assert_eq!((by_token.started_at, by_token.last_used_at), (T0, T0 + HOUR));
        assert_eq!(by_token.client, Some(CLIENT));
        assert_eq!((bare.id, bare.device_type.as_deref()), (22, None));
        assert_eq!((bare.started_at, bare.last_used_at), (T0 + MS, T0 + MS));
    })
    .await;
}

#[tokio::test]
async fn a_session_keeps_the_device_type_of_its_token_when_that_is_retired() {
    for_each_house(async |store| {
        let jane = add_user(&store, 1, "jane").await;
        let token = issue(&store, jane, 11, "server").await;
        open(&store, jane, 21, SessionKind::Api, Some(token), T0).await;

        retire(&store, token).await;

        let found = page_of_sessions(&store, EVER).await;
        assert_eq!(found[0].device_type.as_deref(), Some("server"));
    })
    .await;
}

#[tokio::test]
async fn web_sessions_and_ended_ones_are_in_no_page_and_are_not_found() {
    for_each_house(async |store| {
        let jane = add_user(&store, 1, "jane").await;
        open(&store, jane, 21, SessionKind::Api, None, T0).await;
        open(&store, jane, 22, SessionKind::Web, None, T0).await;
        let ended = open(&store, jane, 23, SessionKind::Api, None, T0).await;
        end(&store, ended).await;

        let found = page_of_sessions(&store, EVER).await;
        let mut reader = store.read().await.unwrap();
        let mut known = Vec::new();
        for raw in 21..=24 {
            known.push(live::session(&mut reader, raw).await.unwrap().map(|session| session.id));
        }

        let asked: Vec<_> = (20..=24).map(Id::from_raw).collect();
        let together = live::sessions_of(&mut reader, &asked).await.unwrap();
        let none = live::sessions_of(&mut reader, &[]).await.unwrap();

        assert_eq!(session_ids(&found), [21]);
        assert_eq!(known, [Some(21), None, None, None]);
        assert_eq!((session_ids(&together), none.len()), (vec![21], 0));
    })
    .await;
}

#[tokio::test]
async fn sessions_are_in_a_page_that_were_used_after_the_limit() {
    for_each_house(async |store| {
        let jane = add_user(&store, 1, "jane").await;
        for (raw, last_used_at) in [(21, T0 - MS), (22, T0), (23, T0 + MS)] {
            open(&store, jane, raw, SessionKind::Api, None, last_used_at).await;
        }
        let touched = open(&store, jane, 24, SessionKind::Api, None, T0 - DAY).await;
        write(&store, async |tx| sessions::touch(tx, touched, T0 + MS).await).await;

        assert_eq!(session_ids(&page_of_sessions(&store, T0).await), [23, 24]);
    })
    .await;
}

// Changes.

#[tokio::test]
async fn credentials_are_counted_as_many_as_pages_hold_or_more() {
    for_each_house(async |store| {
        let user = add_user(&store, 1, "user").await;
        let retired = issue(&store, user, 1, "any").await;
        retire(&store, retired).await;
        let token = issue(&store, user, 2, "any").await;
        open(&store, user, 3, SessionKind::Api, Some(token), T0).await;
        open(&store, user, 4, SessionKind::Api, Some(token), T0 + HOUR).await;

        let mut conn = store.read().await.unwrap();

        assert_eq!(live::count_tokens(&mut conn).await.unwrap(), 1);
        assert_eq!(live::count_sessions_about(&mut conn, EVER).await.unwrap(), 2);
        assert_eq!(live::count_sessions_about(&mut conn, T0).await.unwrap(), 1);
    })
    .await;
}

#[tokio::test]
async fn changes_come_in_order_after_a_revision_and_no_more_than_asked_for() {
    for_each_house(async |store| {
        let jane = Id::from_raw(1);
        let (reset, started) = (Change::TokenReset, Change::SessionStarted);
        change(&store, reset, jane, 11).await;
        change(&store, started, jane, 21).await;
        write(&store, async |tx| {
            changes::record(tx, Change::ProfileChanged, None, Some(7), T0).await
        })
        .await;
        let mut reader = store.read().await.unwrap();

        let all = live::changes(&mut reader, 0, 100).await.unwrap();
        let next = live::changes(&mut reader, 1, 1).await.unwrap();
        let none = live::changes(&mut reader, 3, 100).await.unwrap();

        let logged = |revision, change, user, subject| LoggedChange {
            revision,
            change,
            user,
            subject: Some(subject),
            at: T0,
        };
        let expected = [
            logged(1, reset, Some(jane), 11),
            logged(2, started, Some(jane), 21),
            logged(3, Change::ProfileChanged, None, 7),
        ];
        assert_eq!(all, expected);
        assert_eq!(next, expected[1..2]);
        assert!(none.is_empty());
    })
    .await;
}

#[tokio::test]
async fn a_stretch_begins_after_one_revision_and_ends_with_another() {
    for_each_house(async |store| {
        for raw in 1..=4 {
            let user = add_user(&store, raw, &format!("user{raw}")).await;
            issue(&store, user, 10 + raw, "any").await;
            open(&store, user, 20 + raw, SessionKind::Api, None, T0).await;
            change(&store, Change::UserChanged, user, raw).await;
        }

        let touched = touched(&store, Stretch { after: 1, through: 3 }).await;

        assert_eq!(touched, [vec![2, 3], vec![12, 13], vec![22, 23]]);
    })
    .await;
}

#[tokio::test]
async fn resets_revocations_and_changes_of_users_touch_all_that_lives_of_them_once() {
    for_each_house(async |store| {
        let jane = add_user(&store, 1, "jane").await;
        let joe = add_user(&store, 2, "joe").await;
        let retired = issue(&store, jane, 11, "any").await;
        retire(&store, retired).await;
        issue(&store, jane, 12, "any").await;
        issue(&store, jane, 13, "cli").await;
        issue(&store, joe, 14, "any").await;
        let ended = open(&store, jane, 21, SessionKind::Api, None, T0).await;
        end(&store, ended).await;
        open(&store, jane, 22, SessionKind::Api, None, EVER).await;
        open(&store, jane, 23, SessionKind::Web, None, T0).await;
        open(&store, joe, 24, SessionKind::Api, None, T0).await;
        for kind in [Change::TokenReset, Change::TokenRevoked, Change::UserChanged] {
            change(&store, kind, jane, 1).await;
        }

        // However long ago a session was used: that is for the view to judge.
        let expected = [vec![1], vec![12, 13], vec![22]];
        assert_eq!(touched(&store, Stretch { after: 0, through: 3 }).await, expected);
        for revision in 1..=3 {
            let one = Stretch { after: revision - 1, through: revision };
            assert_eq!(touched(&store, one).await, expected, "{revision}");
        }
    })
    .await;
}

#[tokio::test]
async fn other_changes_touch_no_user() {
    for_each_house(async |store| {
        let jane = add_user(&store, 1, "jane").await;
        issue(&store, jane, 1, "any").await;
        open(&store, jane, 1, SessionKind::Api, None, T0).await;
        for kind in [
            Change::SessionStarted,
            Change::SessionEnded,
            Change::ProfileChanged,
            Change::DeviceTypeChanged,
            Change::ClientChanged,
        ] {
            change(&store, kind, jane, 1).await;
        }

        let touched = touched(&store, Stretch { after: 0, through: 5 }).await;

        assert_eq!(touched, [(); 3].map(|()| vec![]));
    })
    .await;
}

#[tokio::test]
async fn a_user_that_was_removed_is_told_as_changed_and_inactive() {
    for_each_house(async |store| {
        let jane = add_user(&store, 1, "jane").await;
        write(&store, async |tx| users::remove(tx, jane, T0).await).await;
        change(&store, Change::UserChanged, jane, 1).await;

        let mut reader = store.read().await.unwrap();
        let stretch = Stretch { after: 0, through: 1 };
        let changed = live::changed_users(&mut reader, stretch).await.unwrap();

        assert_eq!(user_ids(&changed), [1]);
        assert!(changed[0].inactive);
    })
    .await;
}

#[tokio::test]
async fn of_the_sessions_that_were_started_those_are_told_that_live() {
    for_each_house(async |store| {
        let jane = add_user(&store, 1, "jane").await;
        let token = issue(&store, jane, 11, "server").await;
        for raw in 21..=24 {
            let kind = if raw == 22 { SessionKind::Web } else { SessionKind::Api };
            open(&store, jane, raw, kind, Some(token), T0).await;
            change(&store, Change::SessionStarted, jane, raw).await;
        }
        end(&store, Id::from_raw(23)).await;
        change(&store, Change::SessionEnded, jane, 23).await;

        let mut reader = store.read().await.unwrap();
        let all = Stretch { after: 0, through: 5 };
        let started = live::started_sessions(&mut reader, all).await.unwrap();
        let last = Stretch { after: 3, through: 5 };
        let last = live::started_sessions(&mut reader, last).await.unwrap();

        assert_eq!(session_ids(&started), [21, 24]);
        assert_eq!(started[0].device_type.as_deref(), Some("server"));
        assert_eq!(session_ids(&last), [24]);
    })
    .await;
}

#[tokio::test]
async fn sessions_that_were_ended_are_told_with_their_digests() {
    for_each_house(async |store| {
        let jane = add_user(&store, 1, "jane").await;
        for raw in 21..=23 {
            let session = open(&store, jane, raw, SessionKind::Api, None, T0).await;
            end(&store, session).await;
            change(&store, Change::SessionEnded, jane, raw).await;
        }
        // A log-in with the number of a session that was ended is no end.
        change(&store, Change::SessionStarted, jane, 21).await;

        let mut reader = store.read().await.unwrap();
        let stretch = Stretch { after: 1, through: 4 };
        let mut ended = live::ended_sessions(&mut reader, stretch).await.unwrap();

        ended.sort_unstable_by_key(|(session, _)| *session);
        assert_eq!(ended, [(22, digest(22)), (23, digest(23))]);
    })
    .await;
}

async fn open(
    store: &Store,
    user: Id<User>,
    raw: i64,
    kind: SessionKind,
    token: Option<Id<Token>>,
    now: Timestamp,
) -> Id<Session> {
    let session = NewSession {
        id: Id::from_raw(raw),
        digest: &digest(raw),
        kind,
        user,
        token,
        client_id: token.map(|_| CLIENT),
        head: "soap",
        client: "etl",
        source: "192.0.2.1",
        proof: "password",
        proved_at: None,
        place: None,
        restriction: None,
    };
    write(store, async |tx| sessions::insert(tx, &session, now).await).await;
    session.id
}

async fn end(store: &Store, session: Id<Session>) {
    write(store, async |tx| sessions::end(tx, session, "logout", T0).await).await;
}

async fn retire(store: &Store, token: Id<Token>) {
    let cause = RetirementCause::Reset;
    write(store, async |tx| tokens::retire(tx, token, cause, "operator", T0).await).await;
}

async fn change(store: &Store, change: Change, user: Id<User>, subject: i64) -> i64 {
    write(store, async |tx| changes::record(tx, change, user, Some(subject), T0).await).await
}

async fn page_of_sessions(store: &Store, since: Timestamp) -> Vec<LiveSession> {
    let mut reader = store.read().await.expect("a reader is free");
    live::sessions(&mut reader, ALL, since).await.expect("the page is read")
}

/// The identifiers in a page of users, of tokens and of sessions, in the order in which they come.
async fn pages(store: &Store, page: Page) -> [Vec<i64>; 3] {
    let mut reader = store.read().await.expect("a reader is free");
    let users = live::users(&mut reader, page).await.expect("the page is read");
    let tokens = live::tokens(&mut reader, page).await.expect("the page is read");
    let sessions = live::sessions(&mut reader, page, EVER).await.expect("the page is read");
    let tokens = tokens.iter().map(|token| token.id).collect();
    [user_ids(&users), tokens, session_ids(&sessions)]
}

/// The users, tokens and sessions that a stretch of changes touches, sorted.
async fn touched(store: &Store, stretch: Stretch) -> [Vec<i64>; 3] {
    let mut reader = store.read().await.expect("a reader is free");
    let users = live::changed_users(&mut reader, stretch).await.expect("the users are read");
    let tokens = live::changed_tokens(&mut reader, stretch).await.expect("the tokens are read");
    let sessions = live::changed_sessions(&mut reader, stretch).await.expect("sessions are read");
    let tokens = tokens.iter().map(|token| token.id).collect();
    let mut touched = [user_ids(&users), tokens, session_ids(&sessions)];
    for identifiers in &mut touched {
        identifiers.sort_unstable();
    }
    touched
}

fn user_ids(users: &[LiveUser]) -> Vec<i64> {
    users.iter().map(|user| user.id.raw()).collect()
}

fn session_ids(sessions: &[LiveSession]) -> Vec<i64> {
    sessions.iter().map(|session| session.id).collect()
}
