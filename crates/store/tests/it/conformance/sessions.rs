//! Sessions: found by kind, ended once, idle by the figures of their user's profile.

use std::time::Duration;

use symbolon_core::Timestamp;
use symbolon_core::id::{Id, Session, Token, User};
use symbolon_core::policy::Policy;
use symbolon_core::session::SessionKind;
use symbolon_store::profiles::ProfileRecord;
use symbolon_store::sessions::{self, NewSession, Restriction, SessionRow};
use symbolon_store::{Store, profiles};

use super::{DAY, HOUR, MS, T0, add_user, at_once, digest, for_each_house, issue, number, write};

#[tokio::test]
async fn a_session_is_found_by_its_digest_and_its_kind() {
    for_each_house(async |store| {
        let jane = add_user(&store, 1, "jane").await;
        let token = issue(&store, jane, 1, "any").await;
        let opened = open(&store, jane, 1, SessionKind::Api, Some(token), T0).await;

        let found = find(&store, SessionKind::Api, &[99, 1]).await.expect("the session is known");

        assert_eq!((found.id, found.user, found.token), (opened, jane, Some(token)));
        assert_eq!(found.idle, Policy::default().session_idle);
        assert_eq!((found.times.started_at, found.times.last_used_at), (T0, T0));
        assert_eq!(found.times.ended_at, None);
        assert!(find(&store, SessionKind::Web, &[1]).await.is_none(), "a cookie is no session id");
        assert!(find(&store, SessionKind::Api, &[99]).await.is_none());
    })
    .await;
}

#[tokio::test]
async fn a_session_is_idle_by_the_profile_as_it_is_now() {
    for_each_house(async |store| {
        let jane = add_user(&store, 1, "jane").await;
        open(&store, jane, 1, SessionKind::Web, None, T0).await;
        let policy = Policy { session_idle: Duration::from_mins(7), ..Policy::default() };

        write(&store, async |tx| profiles::update(tx, "Standard", &policy).await).await;

        let found = find(&store, SessionKind::Web, &[1]).await.unwrap();
        assert_eq!(found.idle, Duration::from_mins(7));
        assert!(found.times.live_at(T0 + found.idle - MS, found.idle, found.lifetime));
        assert!(!found.times.live_at(T0 + found.idle, found.idle, found.lifetime));
    })
    .await;
}

#[tokio::test]
async fn of_two_profiles_the_shorter_times_end_a_session_whichever_has_them() {
    for_each_house(async |store| {
        let jane = add_user(&store, 1, "jane").await;
        open(&store, jane, 1, SessionKind::Web, None, T0).await;
        open(&store, jane, 2, SessionKind::Api, None, T0).await;
        let own = Policy { web_lifetime: 9 * HOUR, ..Policy::default() };
        let everybodys = Policy { session_idle: Duration::from_mins(6), ..Policy::laxest() };
        let everybodys = ProfileRecord {
            id: Id::from_raw(2),
            name: "Organization".to_owned(),
            policy: everybodys,
            everybody_since: Some(T0),
        };

        write(&store, async |tx| {
            profiles::update(tx, "Standard", &own).await?;
            profiles::insert(tx, &everybodys, T0).await
        })
        .await;

        let web = find(&store, SessionKind::Web, &[1]).await.unwrap();
        let api = find(&store, SessionKind::Api, &[2]).await.unwrap();
        let six_minutes = Duration::from_mins(6);
        assert_eq!((web.idle, web.lifetime), (six_minutes, Some(9 * HOUR)));
        assert_eq!((api.idle, api.lifetime), (six_minutes, None));
        let mut reader = store.read().await.unwrap();
        let listed = sessions::open_of_user(&mut reader, jane, 10).await.unwrap();
        assert_eq!(listed.len(), 2);
        assert!(listed.iter().all(|session| session.idle == six_minutes));
        let lifetimes: Vec<_> = listed.iter().filter_map(|session| session.lifetime).collect();
        assert_eq!(lifetimes, [9 * HOUR]);
    })
    .await;
}

#[tokio::test]
async fn the_web_sessions_of_a_user_end_but_one_and_those_of_apis_live_on() {
    for_each_house(async |store| {
        let (jane, eve) = (add_user(&store, 1, "jane").await, add_user(&store, 2, "eve").await);
        let kept = open(&store, jane, 1, SessionKind::Web, None, T0).await;
        open(&store, jane, 2, SessionKind::Web, None, T0).await;
        open(&store, jane, 3, SessionKind::Api, None, T0).await;
        open(&store, eve, 4, SessionKind::Web, None, T0).await;

        let ended = write(&store, async |tx| {
            sessions::end_web_of_user(tx, jane, Some(kept), "first second factor", T0 + MS).await
        })
        .await;

        assert_eq!(ended, 1);
        let ended_at = async |kind, raw| find(&store, kind, &[raw]).await.unwrap().times.ended_at;
        assert_eq!(ended_at(SessionKind::Web, 1).await, None);
        assert_eq!(ended_at(SessionKind::Web, 2).await, Some(T0 + MS));
        assert_eq!(ended_at(SessionKind::Api, 3).await, None);
        assert_eq!(ended_at(SessionKind::Web, 4).await, None);
        let mut reader = store.read().await.unwrap();
        assert_eq!(sessions::place_of(&mut reader, kept).await.unwrap(), None);
        assert_eq!(sessions::place_of(&mut reader, Id::from_raw(99)).await.unwrap(), None);
    })
    .await;
}

#[tokio::test]
async fn a_touch_moves_the_last_use_forwards_only_and_not_after_the_end() {
    for_each_house(async |store| {
        let jane = add_user(&store, 1, "jane").await;
        let session = open(&store, jane, 1, SessionKind::Web, None, T0).await;
        let touch =
            async |at| write(&store, async |tx| sessions::touch(tx, session, at).await).await;

        let forwards = touch(T0 + HOUR).await;
        touch(T0 + MS).await;
        write(&store, async |tx| sessions::end(tx, session, "logout", T0 + HOUR).await).await;
        let after_end = touch(T0 + DAY).await;

        assert!(forwards && !after_end);
        let found = find(&store, SessionKind::Web, &[1]).await.unwrap();
        assert_eq!(found.times.last_used_at, T0 + HOUR);
    })
    .await;
}

#[tokio::test]
async fn touching_many_sessions_at_once_moves_each_forwards_only_and_not_after_its_end() {
    for_each_house(async |store| {
        let jane = add_user(&store, 1, "jane").await;
        let mut sessions = Vec::new();
        for raw in 1..=4 {
            sessions.push(open(&store, jane, raw, SessionKind::Api, None, T0 + HOUR).await);
        }
        let ended = sessions[2];
        write(&store, async |tx| sessions::end(tx, ended, "logout", T0 + HOUR).await).await;

        let used = [
            (sessions[0], T0 + DAY),
            (sessions[1], T0),
            (sessions[2], T0 + DAY),
            (Id::from_raw(99), T0 + DAY),
        ];
        write(&store, async |tx| sessions::touch_all(tx, &used).await).await;

        let mut found = Vec::new();
        for raw in 1..=4 {
            let session = find(&store, SessionKind::Api, &[raw]).await.unwrap();
            found.push((session.times.last_used_at, session.times.ended_at.is_some()));
        }
        let untouched = (T0 + HOUR, false);
        assert_eq!(found, [(T0 + DAY, false), untouched, (T0 + HOUR, true), untouched]);
    })
    .await;
}

#[tokio::test]
async fn a_session_ends_once_and_is_still_known_as_ended() {
    for_each_house(async |store| {
        let jane = add_user(&store, 1, "jane").await;
        let session = open(&store, jane, 1, SessionKind::Web, None, T0).await;
        let end = async |at| {
            write(&store, async |tx| sessions::end(tx, session, "logout", at).await).await
        };

        let first = end(T0 + MS).await;
        let second = end(T0 + DAY).await;

        assert_eq!((first, second), (Some(jane), None));
        let found = find(&store, SessionKind::Web, &[1]).await.unwrap();
        assert_eq!(found.times.ended_at, Some(T0 + MS));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_sixteen_who_end_a_session_at_once_one_has_done_it() {
    for_each_house(async |store| {
        let jane = add_user(&store, 1, "jane").await;
        let session = open(&store, jane, 1, SessionKind::Web, None, T0).await;

        let ended = at_once(&store, |store, _| async move {
            write(&store, async |tx| sessions::end(tx, session, "logout", T0).await).await
        })
        .await;

        assert_eq!(ended.into_iter().flatten().collect::<Vec<_>>(), [jane]);
    })
    .await;
}

#[tokio::test]
async fn the_sessions_of_a_token_end_with_it_and_no_others() {
    for_each_house(async |store| {
        let jane = add_user(&store, 1, "jane").await;
        let (one, other) =
            (issue(&store, jane, 1, "any").await, issue(&store, jane, 2, "cli").await);
        for (raw, token) in [(1, Some(one)), (2, Some(one)), (3, Some(other)), (4, None)] {
            open(&store, jane, raw, SessionKind::Api, token, T0).await;
        }
        let end = async || {
            write(&store, async |tx| sessions::end_of_token(tx, one, "reset", T0 + MS).await).await
        };

        let ended = end().await;
        let ended_again = end().await;

        assert_eq!((ended, ended_again), (2, 0));
        assert_eq!(live(&store, 1..=4).await, [3, 4]);
    })
    .await;
}

#[tokio::test]
async fn the_sessions_of_a_user_end_but_for_the_one_to_keep() {
    for_each_house(async |store| {
        let (jane, joe) = (add_user(&store, 1, "jane").await, add_user(&store, 2, "joe").await);
        // The lowest identifier there can be must not be taken for "none to keep".
        let kept = open(&store, jane, 0, SessionKind::Api, None, T0).await;
        for (raw, user) in [(1, jane), (2, jane), (3, joe)] {
            open(&store, user, raw, SessionKind::Api, None, T0).await;
        }
        let end = async |keep| {
            write(&store, async |tx| sessions::end_of_user(tx, jane, keep, "frozen", T0).await)
                .await
        };

        let others = end(Some(kept)).await;
        let live_then = live(&store, 0..=3).await;
        let all = end(None).await;

        assert_eq!((others, live_then), (2, vec![0, 3]));
        assert_eq!((all, live(&store, 0..=3).await), (1, vec![3]));
    })
    .await;
}

#[tokio::test]
async fn sessions_are_forgotten_that_ended_or_were_last_used_before_the_limit() {
    for_each_house(async |store| {
        let jane = add_user(&store, 1, "jane").await;
        let limit = T0 + DAY;
        open(&store, jane, 1, SessionKind::Web, None, limit - MS).await;
        open(&store, jane, 2, SessionKind::Web, None, limit).await;
        let ended = open(&store, jane, 3, SessionKind::Web, None, limit).await;
        write(&store, async |tx| sessions::end(tx, ended, "logout", limit - MS).await).await;

        let forgotten = write(&store, async |tx| sessions::forget(tx, limit).await).await;

        assert_eq!(forgotten, 2);
        assert_eq!(number(&store, "SELECT MIN(id) FROM session", &[]).await, 2);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_is_proved_again_has_a_new_secret_and_the_old_one_opens_nothing() {
    for_each_house(async |store| {
        let jane = add_user(&store, 1, "jane").await;
        let session = open(&store, jane, 1, SessionKind::Web, None, T0).await;
        let renewed = digest(2);

        let proved =
            write(&store, async |tx| sessions::prove(tx, session, &renewed, T0 + HOUR).await).await;

        assert!(proved);
        assert!(find(&store, SessionKind::Web, &[1]).await.is_none());
        let found = find(&store, SessionKind::Web, &[2]).await.expect("it lives");
        assert_eq!((found.id, found.proved_at), (session, Some(T0 + HOUR)));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_knows_its_place_and_what_it_is_confined_to_and_ends_with_the_place() {
    for_each_house(async |store| {
        let jane = add_user(&store, 1, "jane").await;
        let place = Id::from_raw(40);
        let session = NewSession {
            id: Id::from_raw(1),
            digest: &digest(1),
            kind: SessionKind::Web,
            user: jane,
            token: None,
            client_id: None,
            head: "web",
            client: "Firefox",
            source: "192.0.2.1",
            proof: "password and mailed code",
            proved_at: Some(T0),
            place: Some(place),
            restriction: Some(Restriction::Enrol),
        };
        write(&store, async |tx| sessions::insert(tx, &session, T0).await).await;
        open(&store, jane, 2, SessionKind::Web, None, T0).await;

        let before = find(&store, SessionKind::Web, &[1]).await.expect("it lives");
        let lift = write(&store, async |tx| {
            sessions::lift_restriction(tx, Id::from_raw(1), T0 + HOUR).await
        });
        assert!(lift.await);
        let after = find(&store, SessionKind::Web, &[1]).await.expect("it lives");
        let ended =
            write(&store, async |tx| sessions::end_of_place(tx, place, "place", T0).await).await;

        assert_eq!((before.place, before.proved_at), (Some(place), Some(T0)));
        assert_eq!(before.restriction, Some(Restriction::Enrol));
        assert_eq!((after.restriction, after.proved_at), (None, Some(T0 + HOUR)));
        assert_eq!(ended, [Id::from_raw(1)]);
        let other = find(&store, SessionKind::Web, &[2]).await.expect("the row is there");
        assert_eq!(other.times.ended_at, None);
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
        client_id: None,
        head: "soap",
        client: "simple-salesforce",
        source: "192.0.2.1",
        proof: "password",
        proved_at: None,
        place: None,
        restriction: None,
    };
    write(store, async |tx| sessions::insert(tx, &session, now).await).await;
    session.id
}

async fn find(store: &Store, kind: SessionKind, digests: &[i64]) -> Option<SessionRow> {
    let digests: Vec<_> = digests.iter().map(|raw| digest(*raw)).collect();
    let mut reader = store.read().await.expect("a reader is free");
    sessions::find(&mut reader, kind, &digests).await.expect("the row can be read")
}

/// Which of these API sessions have not ended.
async fn live(store: &Store, raws: impl Iterator<Item = i64>) -> Vec<i64> {
    let mut live = Vec::new();
    for raw in raws {
        let found = find(store, SessionKind::Api, &[raw]).await.expect("the session is known");
        if found.times.ended_at.is_none() {
            live.push(raw);
        }
    }
    live
}
