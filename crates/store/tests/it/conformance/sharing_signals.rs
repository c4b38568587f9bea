//! Signals of sharing: which uses speak for them, and that one is told of once.

use symbolon_core::Timestamp;
use symbolon_core::device_type::OnSharing;
use symbolon_core::id::Id;
use symbolon_core::names::DeviceType;
use symbolon_core::sharing::{SharingRule, SharingSignal, SignalSubject};
use symbolon_store::sharing_signals::{self, UsedToken};
use symbolon_store::users;
use symbolon_store::uses::{self, Use};

use super::{HOUR, T0, add_user, for_each_house, issue, write};

fn signal(subject: &str) -> SharingSignal {
    SharingSignal {
        rule: SharingRule::Kinds,
        subject: SignalSubject::parse(subject),
        evidence: "seen".to_owned(),
    }
}

fn used_at(network: &str, at: Timestamp) -> Use {
    Use {
        network: network.to_owned(),
        client: "shop".to_owned(),
        source: network.to_owned(),
        head: "forward-auth".to_owned(),
        first_at: at,
        last_at: at,
        times: 1,
    }
}

#[tokio::test]
async fn the_late_uses_of_live_tokens_are_found() {
    for_each_house(async |store| {
        let jane = add_user(&store, 1, "jane").await;
        let one = issue(&store, jane, 1, "any").await;
        let idle = issue(&store, jane, 2, "cli").await;
        let noted = [
            (one.raw(), used_at("192.0.2.1", T0 + HOUR)),
            (one.raw(), used_at("2001:db8::/64", T0 + HOUR * 2)),
            (idle.raw(), used_at("192.0.2.1", T0)),
        ];
        write(&store, async |tx| {
            users::unfreeze_tokens(tx, jane, T0).await?;
            uses::note(tx, &noted).await
        })
        .await;

        let mut reader = store.read().await.unwrap();
        let first = Id::from_raw(0);
        let used = sharing_signals::used_lately(&mut reader, T0, first, 9).await.unwrap();
        let seen = sharing_signals::uses(&mut reader, &used, T0 + HOUR, 9).await.unwrap();

        assert_eq!(used.iter().map(|used| used.token).collect::<Vec<_>>(), [one]);
        assert_eq!((used[0].user, used[0].unfrozen_at), (jane, Some(T0)));
        assert_eq!(seen.len(), 1);
        assert_eq!((seen[0].0, seen[0].1.at), (one, T0 + HOUR * 2));
    })
    .await;
}

#[tokio::test]
async fn of_each_token_and_network_some_uses_are_read_however_many_there_are_of_another() {
    for_each_house(async |store| {
        let jane = add_user(&store, 1, "jane").await;
        let (one, other) =
            (issue(&store, jane, 1, "any").await, issue(&store, jane, 2, "cli").await);
        let mut noted: Vec<(i64, Use)> = (0..30)
            .map(|number| {
                let client = format!("client {number}");
                (one.raw(), Use { client, ..used_at("192.0.2.1", T0 + HOUR * 2) })
            })
            .collect();
        noted.push((one.raw(), used_at("192.0.2.2", T0 + HOUR)));
        noted.push((other.raw(), used_at("192.0.2.3", T0 + HOUR)));
        write(&store, async |tx| uses::note(tx, &noted).await).await;

        let mut reader = store.read().await.unwrap();
        let used = sharing_signals::used_lately(&mut reader, T0, Id::from_raw(0), 9).await.unwrap();
        let seen = sharing_signals::uses(&mut reader, &used, T0, 9).await.unwrap();

        let of = |token| seen.iter().filter(move |(id, _)| *id == token);
        assert_eq!((of(one).count(), of(other).count()), (9, 1));
        assert!(of(one).any(|(_, seen)| seen.source.to_string() == "192.0.2.2"));
    })
    .await;
}

#[tokio::test]
async fn a_signal_is_known_once_and_a_false_alarm_is_not_forgotten() {
    for_each_house(async |store| {
        let jane = add_user(&store, 1, "jane").await;
        let token = issue(&store, jane, 1, "any").await;
        let used =
            UsedToken { token, user: jane, device_type: DeviceType::any(), unfrozen_at: None };
        let [one, again, other] = [1, 2, 3].map(Id::from_raw);

        let inserted = write(&store, async |tx| {
            let first = sharing_signals::insert(tx, one, &used, &signal("a"), T0).await?;
            let second = sharing_signals::insert(tx, again, &used, &signal("a"), T0).await?;
            Ok((first, second, sharing_signals::insert(tx, other, &used, &signal("b"), T0).await?))
        })
        .await;
        let marked = write(&store, async |tx| {
            sharing_signals::note_again(tx, other, "seen twice", T0 + HOUR).await?;
            let first = sharing_signals::mark_false_alarm(tx, one, "user:1", T0).await?;
            let second = sharing_signals::mark_false_alarm(tx, one, "user:2", T0).await?;
            sharing_signals::note_told(tx, other, OnSharing::Freeze, T0 + HOUR).await?;
            Ok((first, second))
        })
        .await;

        assert_eq!(inserted, (true, false, true));
        assert_eq!(marked, (true, false));
        let mut reader = store.read().await.unwrap();
        let all = sharing_signals::list(&mut reader, Some(jane), 9).await.unwrap();
        drop(reader);
        assert_eq!(all.len(), 2);
        assert_eq!(all[0].evidence, "seen twice");
        assert_eq!(all[1].false_alarm, Some((T0, "user:1".to_owned())));
        assert_eq!(all[0].told, Some((T0 + HOUR, OnSharing::Freeze)));
        assert_eq!(all[1].told, None);
        let forget = async |tx: &mut _| sharing_signals::forget(tx, T0 + HOUR * 9).await;
        assert_eq!(write(&store, forget).await, 1);
    })
    .await;
}

#[tokio::test]
async fn the_oldest_signals_go_first_and_false_alarms_after_others() {
    for_each_house(async |store| {
        let jane = add_user(&store, 1, "jane").await;
        let joe = add_user(&store, 2, "joe").await;
        let (own, foreign) =
            (issue(&store, jane, 1, "any").await, issue(&store, joe, 2, "any").await);
        let device_type = DeviceType::any();
        let of = |token, user| UsedToken {
            token,
            user,
            device_type: device_type.clone(),
            unfrozen_at: None,
        };
        let (own, foreign) = (of(own, jane), of(foreign, joe));
        write(&store, async |tx| {
            for (number, subject) in (1..).zip(["oldest", "old", "false", "new"]) {
                let at = T0 + HOUR * u32::try_from(number).unwrap();
                sharing_signals::insert(tx, Id::from_raw(number), &own, &signal(subject), at)
                    .await?;
            }
            sharing_signals::insert(tx, Id::from_raw(9), &foreign, &signal("a"), T0).await?;
            sharing_signals::mark_false_alarm(tx, Id::from_raw(3), "user:1", T0).await
        })
        .await;
        let keep = async |most| {
            let now = T0 + HOUR * 4;
            write(&store, async |tx| sharing_signals::keep(tx, jane, most, now).await).await;
            let mut reader = store.read().await.unwrap();
            let left = sharing_signals::list(&mut reader, None, 9).await.unwrap();
            let left = left.iter().filter(|row| row.user == jane);
            left.map(|row| row.subject.to_string()).collect::<Vec<_>>()
        };

        assert_eq!(keep(4).await, ["new", "false", "old", "oldest"]);
        assert_eq!(keep(3).await, ["new", "false", "old"]);
        assert_eq!(keep(2).await, ["new", "false"]);
        assert_eq!(keep(1).await, ["new"]);
        let mut reader = store.read().await.unwrap();
        assert_eq!(sharing_signals::list(&mut reader, Some(joe), 9).await.unwrap().len(), 1);
    })
    .await;
}
