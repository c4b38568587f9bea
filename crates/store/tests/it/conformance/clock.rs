//! The database's own clock: milliseconds since 1970, and it goes on while a transaction lasts.

use std::time::SystemTime;

use symbolon_store::sql::Conn;

use super::{HOUR, for_each_house};

#[tokio::test]
async fn a_reader_and_a_writer_are_told_the_present_instant() {
    for_each_house(async |store| {
        let before = own_clock();
        let mut reader = store.read().await.unwrap();
        let mut tx = store.begin().await.unwrap();

        let told = [clock(&mut reader).await, clock(&mut tx).await];

        // Engines and tests run on one machine; an hour is for whoever sets its clock meanwhile.
        let hour = i64::try_from(HOUR.as_millis()).unwrap();
        assert!(told.iter().all(|told| (told - before).abs() < hour), "{told:?}, not {before}");
    })
    .await;
}

#[tokio::test]
async fn the_clock_goes_on_while_a_transaction_lasts() {
    for_each_house(async |store| {
        let mut tx = store.begin().await.unwrap();
        let began = clock(&mut tx).await;

        // A clock that stood still at the begin would be asked for ever; each answer takes microseconds.
        let mut answers = 0;
        while clock(&mut tx).await == began && answers < 100_000 {
            answers += 1;
        }

        assert!(clock(&mut tx).await > began);
    })
    .await;
}

async fn clock(conn: &mut Conn) -> i64 {
    conn.clock().await.expect("the clock is read").unix_ms()
}

#[expect(clippy::disallowed_methods, reason = "what the engine says is compared with it")]
fn own_clock() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
    i64::try_from(since.as_millis()).expect("before the year 292 million")
}
