//! Whatever is done to a user's tokens, in whichever order and broken off wherever, what lives is what a model
//! of a few lines says, and nothing that was retired lives again; on every engine.
//!
//! A crash is a power cut at any statement ([`power`]): every task of the house goes, and another one starts over
//! the same database. A database in memory would go as well, so there the use case alone is dropped. What was
//! begun is there as a whole or not at all, also if it was a start, or the use of a token. All instants are
//! milliseconds of UTC: local time and its two odd days in the year do not come into it (of login hours, which
//! are local, a test in core knows). The clock jumps forward and back: a token that has expired lives again for
//! as long as the clock stands before its expiry, unless somebody came and retired it.

mod power;
mod world;

use std::collections::HashMap;
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use symbolon_core::Timestamp;
use symbolon_core::id::{Id, Token};
use symbolon_core::policy::DAY;
use symbolon_core::reset::Scope;
use symbolon_store::DatabaseTarget;

use crate::database::Database;
use crate::model::power::{Ground, Power, broken_off};
use crate::model::world::World;

/// The tokens of the last but one die of disuse, and the last allows no overlap.
const DEVICE_TYPES: [&str; 4] = ["any", "server", "desktop", "mobile"];
const DYING_OF_DISUSE: usize = 2;
const STRICT: usize = 3;
/// Far from any sum of a few of the clock's jumps: where the clock was set back between two uses, memory may take the
/// other one for the last than the database does.
const IDLE_END: Duration = Duration::from_hours(3000);

/// Who asks for it: the owner with the password, or an administrator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hand {
    Owner,
    Administrator,
}

/// A request key of its own, or the one of the request before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Key {
    Fresh,
    Again,
}

#[derive(Debug, Clone)]
enum Step {
    Reset {
        device: usize,
        scope: Scope,
        by: Hand,
        key: Key,
    },
    Rotate {
        device: usize,
        overlap: Duration,
        by: Hand,
        key: Key,
    },
    Cancel {
        device: usize,
    },
    Revoke {
        which: usize,
    },
    /// By who holds the token.
    Surrender {
        which: usize,
    },
    Sweep,
}

/// What a house does, and what a crash may interrupt.
#[derive(Debug, Clone)]
enum Act {
    Take(Step),
    LogIn {
        which: usize,
    },
    /// A use as a whole credential, and the writing of it.
    Bearer {
        which: usize,
    },
    Start,
}

/// Whether who got no answer asks the same again, with the same request key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum AfterCrash {
    AskAgain,
    GoOn,
}

#[derive(Debug, Clone)]
enum Event {
    Done(Act),
    /// Broken off after so many waits, then a start.
    Crash(Act, usize, AfterCrash),
    Forward(Duration),
    Back(Duration),
}

/// Which token is meant, from the newest on: most of what happens, happens to the last two.
fn which() -> impl Strategy<Value = usize> {
    prop_oneof![3 => Just(0), 3 => 1..3_usize, 2 => 0..8_usize]
}

fn step() -> impl Strategy<Value = Step> {
    let hour = Duration::from_hours(1);
    let overlap = prop::sample::select(vec![Duration::from_mins(1), hour, DAY, 7 * DAY]);
    let scope = prop::sample::select(vec![Scope::Account, Scope::DeviceType]);
    let by = prop_oneof![1 => Just(Hand::Owner), 2 => Just(Hand::Administrator)];
    let key = prop_oneof![2 => Just(Key::Fresh), 1 => Just(Key::Again)];
    let device =
        prop_oneof![4 => Just(0), 3 => Just(1), 3 => Just(DYING_OF_DISUSE), 1 => Just(STRICT)];
    let hand_and_key = (by, key);
    prop_oneof![
        2 => (device.clone(), scope, hand_and_key.clone())
            .prop_map(|(device, scope, (by, key))| Step::Reset { device, scope, by, key }),
        8 => (device.clone(), overlap, hand_and_key)
            .prop_map(|(device, overlap, (by, key))| Step::Rotate { device, overlap, by, key }),
        3 => device.prop_map(|device| Step::Cancel { device }),
        1 => which().prop_map(|which| Step::Revoke { which }),
        1 => which().prop_map(|which| Step::Surrender { which }),
        1 => Just(Step::Sweep),
    ]
}

/// What is no change, and a crash interrupts all the same.
fn other_act() -> impl Strategy<Value = Act> {
    prop_oneof![
        5 => which().prop_map(|which| Act::LogIn { which }),
        7 => which().prop_map(|which| Act::Bearer { which }),
        1 => Just(Act::Start),
    ]
}

fn event() -> impl Strategy<Value = Event> {
    let hours = [1, 12, 25, 200, 24 * 200].map(Duration::from_hours);
    let forward = prop::sample::select(hours.to_vec());
    let back = prop::sample::select(vec![Duration::from_secs(30), hours[0], hours[2]]);
    let taken = || step().prop_map(Act::Take);
    // About as many waits as there are in each.
    let crash = prop_oneof![(taken(), 0..24_usize), (other_act(), 0..14_usize)];
    let after = prop::sample::select(vec![AfterCrash::AskAgain, AfterCrash::GoOn]);
    prop_oneof![
        8 => taken().prop_map(Event::Done),
        5 => other_act().prop_map(Event::Done),
        8 => (crash, after).prop_map(|((act, waits), after)| Event::Crash(act, waits, after)),
        3 => forward.prop_map(Event::Forward),
        2 => back.prop_map(Event::Back),
    ]
}

/// A token, as the model knows it.
#[derive(Debug, Clone)]
struct Known {
    id: Id<Token>,
    text: String,
    device: usize,
    expires_at: Timestamp,
    own_expiry: Timestamp,
    issued_at: Timestamp,
    last_used_at: Option<Timestamp>,
    successor: Option<usize>,
    retired: bool,
}

/// What should be: every token that there ever was, oldest first.
#[derive(Debug, Clone, Default)]
struct Model {
    tokens: Vec<Known>,
    /// What each request key was used for.
    keys: HashMap<String, Asked>,
}

/// What a request with a key asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Asked {
    Reset(usize, Scope),
    Rotation(usize, Duration),
}

impl Asked {
    /// Administrators' resets have no key.
    fn of(step: &Step) -> Option<Self> {
        match *step {
            Step::Reset { device, scope, by: Hand::Owner, .. } => Some(Self::Reset(device, scope)),
            Step::Rotate { device, overlap, .. } => Some(Self::Rotation(device, overlap)),
            Step::Reset { by: Hand::Administrator, .. }
            | Step::Cancel { .. }
            | Step::Revoke { .. }
            | Step::Surrender { .. }
            | Step::Sweep => None,
        }
    }
}

/// What a step should have come to.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Issued,
    Nothing,
    Changed,
    Refused,
    Accepted,
}

impl Outcome {
    fn of_use(accepted: bool) -> Self {
        if accepted { Self::Accepted } else { Self::Refused }
    }
}

impl Model {
    fn lives(&self, which: usize, now: Timestamp) -> bool {
        let token = &self.tokens[which];
        !token.retired && now < token.expires_at && !self.is_dead_of_disuse(which, now)
    }

    fn is_dead_of_disuse(&self, which: usize, now: Timestamp) -> bool {
        let token = &self.tokens[which];
        let active_at = token.last_used_at.unwrap_or(token.issued_at);
        token.device == DYING_OF_DISUSE && now >= active_at + IDLE_END
    }

    /// The token of a device type that has no successor, or has one.
    fn of(&self, device: usize, succeeded: bool) -> Option<usize> {
        self.tokens.iter().position(|token| {
            token.device == device && !token.retired && token.successor.is_some() == succeeded
        })
    }

    fn issue(&mut self, device: usize, now: Timestamp) -> usize {
        let expires_at = now + 365 * DAY;
        self.tokens.push(Known {
            id: Id::from_raw(0),
            text: String::new(),
            device,
            expires_at,
            own_expiry: expires_at,
            issued_at: now,
            last_used_at: None,
            successor: None,
            retired: false,
        });
        self.tokens.len() - 1
    }

    fn take(&mut self, step: &Step, key: &str, now: Timestamp) -> Outcome {
        let asked = Asked::of(step);
        if let (Some(asked), Some(before)) = (&asked, self.keys.get(key)) {
            return if asked == before { Outcome::Nothing } else { Outcome::Refused };
        }
        let outcome = self.change(step, now);
        if let (Some(asked), Outcome::Issued) = (asked, &outcome) {
            self.keys.insert(key.to_owned(), asked);
        }
        outcome
    }

    fn change(&mut self, step: &Step, now: Timestamp) -> Outcome {
        match *step {
            Step::Reset { device, scope, .. } => {
                let in_scope =
                    |token: &&mut Known| scope == Scope::Account || token.device == device;
                self.tokens.iter_mut().filter(in_scope).for_each(|token| token.retired = true);
                self.issue(device, now);
                Outcome::Issued
            }
            Step::Rotate { device, overlap, .. } => self.rotate(device, overlap, now),
            Step::Cancel { device } => {
                let Some(old) = self.of(device, true).filter(|old| self.lives(*old, now)) else {
                    return Outcome::Refused;
                };
                let new = self.tokens[old].successor.unwrap();
                if self.tokens[new].retired {
                    return Outcome::Refused;
                }
                self.tokens[new].retired = true;
                let old = &mut self.tokens[old];
                (old.successor, old.expires_at) = (None, old.own_expiry);
                Outcome::Changed
            }
            Step::Revoke { which } | Step::Surrender { which } => {
                match self.tokens.get_mut(which).filter(|one| !one.retired) {
                    Some(token) => {
                        token.retired = true;
                        Outcome::Changed
                    }
                    None => Outcome::Refused,
                }
            }
            Step::Sweep => {
                for token in &mut self.tokens {
                    token.retired |= token.successor.is_some() && token.expires_at <= now;
                }
                Outcome::Changed
            }
        }
    }

    fn rotate(&mut self, device: usize, overlap: Duration, now: Timestamp) -> Outcome {
        let outgoing = self.of(device, true);
        let under_way = outgoing.is_some_and(|old| now < self.tokens[old].expires_at);
        let current = self.of(device, false).filter(|current| self.lives(*current, now));
        let (Some(current), false, false) = (current, under_way, device == STRICT) else {
            return Outcome::Refused;
        };
        if let Some(overdue) = outgoing {
            self.tokens[overdue].retired = true;
        }
        let new = self.issue(device, now);
        let old = &mut self.tokens[current];
        (old.successor, old.expires_at) = (Some(new), old.expires_at.min(now + overlap));
        Outcome::Issued
    }

    /// The act with the place of the token that it means, counted from the newest one before.
    fn settled(&self, act: &Act) -> Act {
        let place = |nth: usize| self.tokens.len() - 1 - nth % self.tokens.len();
        match *act {
            Act::LogIn { which } => Act::LogIn { which: place(which) },
            Act::Bearer { which } => Act::Bearer { which: place(which) },
            Act::Take(Step::Revoke { which }) => Act::Take(Step::Revoke { which: place(which) }),
            Act::Take(Step::Surrender { which }) => {
                Act::Take(Step::Surrender { which: place(which) })
            }
            Act::Take(_) | Act::Start => act.clone(),
        }
    }

    /// Whether the last token was issued and nobody has read its mail yet.
    fn has_news(&self) -> bool {
        self.tokens.last().is_some_and(|token| token.text.is_empty())
    }

    /// The last use of a token that is used now. A log-in writes down when it was; of uses as a whole credential news
    /// comes late, and takes nothing back.
    fn used_at(&self, act: &Act, now: Timestamp) -> Timestamp {
        match *act {
            Act::Bearer { which } => {
                self.tokens[which].last_used_at.map_or(now, |before| before.max(now))
            }
            Act::LogIn { .. } | Act::Take(_) | Act::Start => now,
        }
    }

    /// A use that was let in.
    fn note_use(&mut self, which: usize, used_at: Timestamp) {
        self.tokens[which].last_used_at = Some(used_at);
        for token in &mut self.tokens {
            token.retired |= token.successor == Some(which);
        }
    }
}

/// Holds a house over this database against the model, event by event.
fn hold(database: &Database, events: &[Event]) {
    let mut power = Power::on();
    let mut world = power.run(World::over(&database.target));
    for event in events {
        match event {
            Event::Done(act) => power.run(world.act(act)),
            Event::Crash(act, waits, after) => {
                let attempt = world.attempt(act);
                if matches!(database.target, DatabaseTarget::SqliteMemory) {
                    power.run(broken_off(*waits, world.run(&attempt)));
                } else {
                    power.run_until_cut(*waits, world.run(&attempt));
                    power = power.cut();
                }
                power.run(world.restart(&database.target));
                power.run(world.find_out(&attempt));
                if *after == AfterCrash::AskAgain {
                    power.run(world.agree());
                    power.run(world.carry_out(&attempt));
                }
            }
            Event::Forward(time) => world.house.wait(*time),
            Event::Back(time) => world.house.turn_back(*time),
        }
        power.run(world.agree());
    }
    power.run(world.close());
}

/// Runs the same events, drawn from a seed that does not change, over a database of its own for each case.
fn hold_over(cases: u32, open: impl AsyncFn() -> Database) {
    let config =
        Config { cases, failure_persistence: None, max_shrink_iters: 64, ..Config::default() };
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let ground = Ground::new();
    let _standing = ground.stand();
    let events = prop::collection::vec(event(), 5..40);
    let held = TestRunner::new_with_rng(config, rng).run(&events, |events| {
        let database = Power::on().run(open());
        hold(&database, &events);
        Power::on().run(database.remove());
        Ok(())
    });
    if let Err(failure) = held {
        panic!("{failure}");
    }
}

#[test]
fn the_live_set_is_what_the_model_says_on_sqlite_in_memory() {
    hold_over(32, async || Database::memory());
}

#[test]
fn the_live_set_is_what_the_model_says_on_sqlite_on_disk() {
    hold_over(24, async || Database::file());
}

#[test]
fn the_live_set_is_what_the_model_says_on_postgres() {
    hold_over(8, Database::postgres);
}
