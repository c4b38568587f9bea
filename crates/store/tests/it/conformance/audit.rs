//! The audit trail: dense, chained, and telling when somebody has been at it.

use symbolon_core::audit::{AuditRow, Break, ChainEnd, ChainWalk, GENESIS};
use symbolon_store::audit::{self, AuditEvent};
use symbolon_store::{Conn, Store};

use super::{MS, ROUNDS, T0, TASKS, at_once, for_each_house, write};

#[tokio::test]
async fn an_empty_trail_begins_before_the_first_row() {
    for_each_house(async |store| {
        let mut reader = store.read().await.unwrap();

        assert_eq!(audit::head(&mut reader).await.unwrap(), ChainEnd { number: 0, hash: GENESIS });
        assert_eq!(walk(&store).await, Ok(0));
    })
    .await;
}

#[tokio::test]
async fn a_row_comes_back_as_it_was_appended() {
    for_each_house(async |store| {
        let appended = AuditEvent {
            actor: "user:005000000000001".to_owned(),
            action: "token.reset",
            subject: "user:005000000000002".to_owned(),
            details: "reason=größer\nretired=1".to_owned(),
        };

        let number = write(&store, async |tx| audit::append(tx, appended, T0 + MS).await).await;

        let mut reader = store.read().await.unwrap();
        let rows = audit::after(&mut reader, 0, 10).await.unwrap();
        let expected = AuditRow {
            number,
            at: T0 + MS,
            actor: "user:005000000000001".to_owned(),
            action: "token.reset".to_owned(),
            subject: "user:005000000000002".to_owned(),
            details: "reason=größer\nretired=1".to_owned(),
        };
        let hash = expected.hash(&GENESIS);
        assert_eq!(rows, [(expected, hash)]);
        assert_eq!(audit::head(&mut reader).await.unwrap(), ChainEnd { number: 1, hash });
    })
    .await;
}

#[tokio::test]
async fn rows_are_read_in_portions() {
    for_each_house(async |store| {
        append(&store, 5).await;

        let mut reader = store.read().await.unwrap();
        let rows = audit::after(&mut reader, 2, 2).await.unwrap();

        assert_eq!(rows.iter().map(|(row, _)| row.number).collect::<Vec<_>>(), [3, 4]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn appends_at_once_are_dense_and_chained() {
    for_each_house(async |store| {
        let numbers = at_once(&store, |store, task| async move {
            let mut numbers = Vec::new();
            for round in 0..ROUNDS {
                let event = event(&format!("task={task}\nround={round}"));
                numbers.push(write(&store, async |tx| audit::append(tx, event, T0).await).await);
            }
            numbers
        })
        .await;

        assert!(numbers.iter().all(|own| own.is_sorted()), "a task's rows keep their order");
        let mut numbers: Vec<i64> = numbers.into_iter().flatten().collect();
        numbers.sort_unstable();
        assert_eq!(numbers, (1..=TASKS * ROUNDS).collect::<Vec<_>>());
        assert_eq!(walk(&store).await, Ok(TASKS * ROUNDS));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_append_that_is_rolled_back_leaves_the_chain_whole() {
    for_each_house(async |store| {
        at_once(&store, |store, task| async move {
            for round in 0..ROUNDS {
                let mut tx = store.begin().await.expect("a transaction begins");
                audit::append(&mut tx, event("x=1"), T0).await.expect("the row is appended");
                if (task + round) % 2 == 0 {
                    tx.commit().await.expect("the transaction commits");
                }
            }
        })
        .await;

        assert_eq!(walk(&store).await, Ok(TASKS * ROUNDS / 2));
    })
    .await;
}

#[tokio::test]
async fn whoever_tampers_with_the_trail_is_found_out() {
    let tamperings: [(&'static str, Break); 8] = [
        ("UPDATE audit SET details = 'x=2' WHERE number = 3", Break::Altered(3)),
        ("UPDATE audit SET actor = 'operator2' WHERE number = 3", Break::Altered(3)),
        ("UPDATE audit SET at = at + 1 WHERE number = 3", Break::Altered(3)),
        (
            "UPDATE audit SET hash = (SELECT hash FROM audit WHERE number = 2) WHERE number = 3",
            Break::Altered(3),
        ),
        ("DELETE FROM audit WHERE number = 3", Break::Missing(3)),
        ("DELETE FROM audit WHERE number = 5", Break::Missing(5)),
        ("DELETE FROM audit", Break::Missing(1)),
        ("UPDATE audit SET number = 6 WHERE number = 5", Break::Missing(5)),
    ];
    for_each_house(async |store| {
        append(&store, 5).await;
        assert_eq!(walk(&store).await, Ok(5));

        for (tampering, found_out) in tamperings {
            let mut tx = store.begin().await.unwrap();
            tx.execute(tampering, &[]).await.unwrap();
            // Rolled back, so that the next one finds the trail whole.
            assert_eq!(walk_on(&mut tx).await, Err(found_out), "{tampering}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_head_that_was_put_back_along_with_its_last_row_is_found_out() {
    for_each_house(async |store| {
        append(&store, 5).await;

        write(&store, async |tx| {
            tx.execute("DELETE FROM audit WHERE number = 5", &[]).await?;
            tx.execute("UPDATE audit_head SET number = 4", &[]).await
        })
        .await;

        assert_eq!(walk(&store).await, Err(Break::Altered(4)));
    })
    .await;
}

async fn append(store: &Store, rows: i64) {
    for row in 1..=rows {
        let event = event(&format!("x={row}"));
        write(store, async |tx| audit::append(tx, event, T0).await).await;
    }
}

fn event(details: &str) -> AuditEvent {
    AuditEvent {
        actor: "operator".to_owned(),
        action: "token.reset",
        subject: "user:005000000000001".to_owned(),
        details: details.to_owned(),
    }
}

/// Verifies the whole chain; tells its last number.
pub(super) async fn walk(store: &Store) -> Result<i64, Break> {
    let mut reader = store.read().await.expect("a reader is free");
    walk_on(&mut reader).await
}

/// Verifies the chain in portions, as this connection sees it.
async fn walk_on(conn: &mut Conn) -> Result<i64, Break> {
    let mut walk = ChainWalk::default();
    let mut last = 0;
    loop {
        let portion = audit::after(conn, last, 50).await.expect("the trail is read");
        let Some((end, _)) = portion.last() else { break };
        last = end.number;
        for (row, hash) in &portion {
            walk.step(row, hash)?;
        }
    }
    walk.finish(audit::head(conn).await.expect("the head is read"))
}
