//! The reset of a profile with many users: how many in a second, and that neither that nor the memory
//! changes with their number.
//!
//! Killed in the middle and gone on with by another process; afterwards each user must have one new token
//! and no other, and two letters: the one with the token and the notice. No mail is sent meanwhile.

use std::time::Duration;

use symbolon_app::bulk_reset::{self, Asked, State};
use symbolon_app::{Actor, Ctx};
use symbolon_core::Timestamp;
use symbolon_core::id::{BulkReset, Id};
use symbolon_core::names::DeviceType;
use symbolon_core::reset::Scope;
use symbolon_store::{letters, tokens, users};
use tokio::time::Instant;

use crate::Extent;
use crate::crowd::{self, Crowd, PROFILE, Place, Worker};
use crate::figure::{Figure, rate};

/// Mebibytes that a reset of a profile may need, whatever its size.
const MOST_MIB: f64 = 64.0;
const PAGE: i64 = 1_000;
/// More than a user can have here.
const MOST_TOKENS: i64 = 10;
/// Letters for each user.
const LETTERS: usize = 2;

/// Takes and prints the figures.
#[tokio::main]
pub(crate) async fn measure(extent: Extent) {
    for place in Place::all() {
        measure_at(place, extent.pick(100_000, 2_000)).await;
    }
}

async fn measure_at(place: Place, users: usize) {
    println!("\nReset of a profile, {}: {users} users with a token each", place.words());
    let crowd = Crowd::settle(place, users).await;
    let id = begin(&crowd).await.raw().to_string();

    let mut first = crowd.worker("reset-crowd", &[&id]);
    let mut course = Course::default();
    course.follow(&mut first, users / 2);
    let first_memory = first.memory_mib();
    first.kill();
    let mut second = crowd.worker("reset-crowd", &[&id]);
    course.follow(&mut second, usize::MAX);
    let second_memory = second.memory_mib();
    second.dismiss();

    course.print();
    for (part, (idle, grown)) in [("first", first_memory), ("second", second_memory)] {
        let name = format!("memory of the {part} process, idle");
        Figure::of(name, " MiB", 1, [idle]).print();
        Figure::of("  on top of it at most", " MiB", 1, [grown]).print_against(MOST_MIB);
    }
    let ctx = crowd.open().await;
    print_outcome(&ctx, users).await;
    ctx.store.close().await;
    crowd.remove().await;
}

async fn begin(crowd: &Crowd) -> Id<BulkReset> {
    let ctx = crowd.open().await;
    let (device_type, scope) = (DeviceType::any(), Scope::Account);
    let asked = Asked { profile: PROFILE, device_type, scope, reason: Some("a bench") };
    let begun = bulk_reset::begin(&ctx, Actor::Operator, &asked).await.expect("it is begun");
    ctx.store.close().await;
    begun.0.id
}

/// How many were reset in how long, step by step; the first step of a process is left out, for what was
/// done before it was killed is not known.
#[derive(Debug, Default)]
struct Course {
    steps: Vec<(usize, Duration)>,
}

impl Course {
    /// Follows a process until so many are done, or to its end.
    fn follow(&mut self, worker: &mut Worker, until: usize) {
        worker.begin();
        let mut before = None;
        while let Some(done) = worker.step() {
            let now = Instant::now();
            if let Some((known, at)) = before {
                self.steps.push((done - known, now - at));
            }
            before = Some((done, now));
            if done >= until {
                break;
            }
        }
    }

    fn print(&self) {
        let of = |steps: &[(usize, Duration)]| {
            let (done, took) = steps
                .iter()
                .fold((0, Duration::ZERO), |(done, took), step| (done + step.0, took + step.1));
            rate(done, took)
        };
        let tenth = self.steps.len() / 10;
        let parts = [
            ("reset", &self.steps[..]),
            ("  of the first tenth", &self.steps[..tenth]),
            ("  of the last tenth", &self.steps[self.steps.len() - tenth..]),
        ];
        for (name, steps) in parts {
            Figure::of(name, " users each second", 0, [of(steps)]).print();
        }
        let longest = self.steps.iter().map(|step| step.1).max().unwrap_or_default();
        let ms = longest.as_secs_f64() * 1e3;
        Figure::of("the longest step", " ms", 0, [ms]).print();
    }
}

/// Whether each has one new token and no other, and both letters.
async fn print_outcome(ctx: &Ctx, count: usize) {
    let mut reader = ctx.store.read().await.expect("it reads");
    let (mut right, mut after) = (0, String::new());
    loop {
        let page = users::list(&mut reader, &after, PAGE).await.expect("a page");
        let Some(last) = page.last() else { break };
        after = last.username.key();
        for user in &page {
            let newest = (Timestamp::from_unix_ms(i64::MAX), Id::from_raw(i64::MAX));
            let all = tokens::list(&mut reader, Some(user.standing.user), newest, MOST_TOKENS);
            let all = all.await.expect("his tokens");
            let retired: Vec<bool> = all.iter().map(|row| row.record.retired.is_some()).collect();
            right += usize::from(retired == [false, true]);
        }
    }
    let outbox = letters::counts(&mut reader, Timestamp::from_unix_ms(0)).await.expect("a count");
    let waiting = usize::try_from(outbox.waiting).expect("no less than none");
    let reached = right == count && waiting == LETTERS * count;
    println!(
        "  killed in the middle, gone on with: {right} of {count} have one new token in place of the old; \
         letters in the outbox: {waiting}: {}",
        if reached { "reached" } else { "NOT REACHED" }
    );
}

/// Resets step by step until all are, in a process of its own.
#[tokio::main]
pub(crate) async fn drive(address: &str, id: i64) {
    crowd::work_on(address, async |ctx| {
        loop {
            let stands = bulk_reset::step(ctx, Actor::Operator, Id::from_raw(id)).await;
            let stands = stands.expect("a step").0;
            println!("{}", stands.done);
            if stands.state == State::Done {
                break;
            }
        }
    })
    .await;
}
