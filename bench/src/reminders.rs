//! One sweep of reminders over many tokens that are all due: how long it takes, and that what it has in
//! memory does not grow with their number.
//!
//! Measured are the letters that are written. How fast they leave is the mail server's business.

use symbolon_app::reminders;
use symbolon_core::Timestamp;
use symbolon_store::letters;
use tokio::time::Instant;

use crate::Extent;
use crate::crowd::{self, Crowd, Place};
use crate::figure::{Figure, rate};

/// Mebibytes that a sweep may need, whatever there is to sweep.
const MOST_MIB: f64 = 64.0;

/// Takes and prints the figures.
#[tokio::main]
pub(crate) async fn measure(extent: Extent) {
    let most = extent.pick(100_000, 2_000);
    for place in Place::all() {
        for users in [most / 10, most] {
            measure_at(place, users).await;
        }
    }
}

async fn measure_at(place: Place, users: usize) {
    println!("\nReminders, {}: a token of each of {users} users is due", place.words());
    let crowd = Crowd::settle(place, users).await;
    let mut worker = crowd.worker("sweep-crowd", &[]);

    let begun = Instant::now();
    worker.begin();
    let written = worker.step().expect("the first sweep");
    let took = begun.elapsed();
    let begun = Instant::now();
    let again = worker.step().expect("the second sweep");
    let idle_took = begun.elapsed();
    let (idle, grown) = worker.memory_mib();
    worker.dismiss();

    Figure::of("a sweep", " s", 2, [took.as_secs_f64()]).print();
    Figure::of("letters written", " each second", 0, [rate(written, took)]).print();
    Figure::of("a sweep of which nothing is due", " s", 2, [idle_took.as_secs_f64()]).print();
    Figure::of("memory of the idle process", " MiB", 1, [idle]).print();
    Figure::of("on top of it at most", " MiB", 1, [grown]).print_against(MOST_MIB);
    let ctx = crowd.open().await;
    let mut reader = ctx.store.read().await.expect("it reads");
    let outbox = letters::counts(&mut reader, Timestamp::from_unix_ms(0)).await.expect("a count");
    drop(reader);
    ctx.store.close().await;
    let users_told = i64::try_from(users).expect("few");
    let right = written == users && again == 0 && outbox.waiting == users_told;
    println!(
        "  letters in the outbox: {}; one for each: {}",
        outbox.waiting,
        if right { "reached" } else { "NOT REACHED" }
    );
    crowd.remove().await;
}

/// Two sweeps, in a process of its own.
#[tokio::main]
pub(crate) async fn sweep(address: &str) {
    crowd::work_on(address, async |ctx| {
        for _ in 0..2 {
            println!("{}", reminders::sweep(ctx).await.expect("it is swept"));
        }
    })
    .await;
}
