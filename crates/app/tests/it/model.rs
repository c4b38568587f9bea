//! Whatever is done to a user's tokens, in whichever order and broken off wherever, what lives is what a model
//! of a few lines says, and nothing that was retired lives again; on every engine.
//!
//! A crash is a use case whose future is dropped after any number of steps, whichever statement that lies at,
//! and a start over the same database: what was begun is there as a whole or not at all. All instants are
//! milliseconds of UTC: local time and its two odd days in the year do not come into it (of login hours, which
//! are local, a test in core knows). The clock jumps forward and back: a token that has expired lives again for
//! as long as the clock stands before its expiry, unless somebody came and retired it.

use std::collections::HashMap;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use symbolon_app::login::Head;
use symbolon_app::reset::{self, ResetError};
use symbolon_app::rotation::{self, RotationFor};
use symbolon_app::scribe::Scribe;
use symbolon_app::users::UserView;
use symbolon_app::verify::{self, Presented, Presenter, Question};
use symbolon_app::{Actor, device_types, live, tokens, users};
use symbolon_core::Timestamp;
use symbolon_core::device_type::{DeviceRules, Overlap};
use symbolon_core::id::{Id, Token};
use symbolon_core::names::{DeviceType, Source};
use symbolon_core::policy::DAY;
use symbolon_core::reset::Scope;
use symbolon_core::verification::BearerUse;
use symbolon_live::UsedFrom;
use symbolon_store::{Store, users as stored_users};

use crate::database::Database;
use crate::house::{PASSWORD, TestHouse};

/// The last of them allows no overlap.
const DEVICE_TYPES: [&str; 3] = ["any", "server", "mobile"];
const STRICT: usize = 2;

#[derive(Debug, Clone)]
enum Step {
    Reset { device: usize, scope: Scope },
    Rotate { device: usize, overlap: Duration, again: bool },
    Cancel { device: usize },
    Revoke { which: usize },
    Sweep,
}

#[derive(Debug, Clone)]
enum Event {
    Done(Step),
    /// Broken off after so many polls, then a start.
    Crash(Step, usize),
    /// A start.
    Restart,
    LogIn {
        which: usize,
    },
    Bearer {
        which: usize,
    },
    /// A use that a crash keeps from being written down.
    LostUse {
        which: usize,
    },
    Forward(Duration),
    Back(Duration),
}

fn step() -> impl Strategy<Value = Step> {
    let hour = Duration::from_hours(1);
    let overlap = prop::sample::select(vec![Duration::from_mins(1), hour, DAY, 7 * DAY]);
    let scope = prop::sample::select(vec![Scope::Account, Scope::DeviceType]);
    let device = 0..DEVICE_TYPES.len();
    prop_oneof![
        3 => (device.clone(), scope).prop_map(|(device, scope)| Step::Reset { device, scope }),
        6 => (device.clone(), overlap, prop::bool::weighted(0.2))
            .prop_map(|(device, overlap, again)| Step::Rotate { device, overlap, again }),
        3 => device.prop_map(|device| Step::Cancel { device }),
        1 => (0..8_usize).prop_map(|which| Step::Revoke { which }),
        2 => Just(Step::Sweep),
    ]
}

fn event() -> impl Strategy<Value = Event> {
    let hours = [1, 12, 25, 200, 24 * 200].map(Duration::from_hours);
    let forward = prop::sample::select(hours.to_vec());
    let back = prop::sample::select(vec![Duration::from_secs(30), hours[0], hours[2]]);
    prop_oneof![
        9 => step().prop_map(Event::Done),
        4 => (step(), 0..60_usize).prop_map(|(step, polls)| Event::Crash(step, polls)),
        1 => Just(Event::Restart),
        1 => (0..8_usize).prop_map(|which| Event::LogIn { which }),
        4 => (0..8_usize).prop_map(|which| Event::Bearer { which }),
        1 => (0..8_usize).prop_map(|which| Event::LostUse { which }),
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
    successor: Option<usize>,
    retired: bool,
    used: bool,
}

/// What should be: every token that there ever was, oldest first.
#[derive(Debug, Clone, Default)]
struct Model {
    tokens: Vec<Known>,
    keys: HashMap<String, usize>,
}

/// What a step should have come to.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Issued,
    Nothing,
    Changed,
    Refused,
}

impl Model {
    fn lives(&self, which: usize, now: Timestamp) -> bool {
        !self.tokens[which].retired && now < self.tokens[which].expires_at
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
            successor: None,
            retired: false,
            used: false,
        });
        self.tokens.len() - 1
    }

    fn take(&mut self, step: &Step, key: &str, now: Timestamp) -> Outcome {
        match *step {
            Step::Reset { device, scope } => {
                let in_scope =
                    |token: &&mut Known| scope == Scope::Account || token.device == device;
                self.tokens.iter_mut().filter(in_scope).for_each(|token| token.retired = true);
                self.issue(device, now);
                Outcome::Issued
            }
            Step::Rotate { .. } if self.keys.contains_key(key) => Outcome::Nothing,
            Step::Rotate { device, overlap, .. } => self.rotate(device, overlap, key, now),
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
            Step::Revoke { which } => match self.tokens.get_mut(which).filter(|one| !one.retired) {
                Some(token) => {
                    token.retired = true;
                    Outcome::Changed
                }
                None => Outcome::Refused,
            },
            Step::Sweep => {
                for token in &mut self.tokens {
                    token.retired |= token.successor.is_some() && token.expires_at <= now;
                }
                Outcome::Changed
            }
        }
    }

    fn rotate(&mut self, device: usize, overlap: Duration, key: &str, now: Timestamp) -> Outcome {
        let outgoing = self.of(device, true);
        let under_way = outgoing.is_some_and(|old| self.lives(old, now));
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
        self.keys.insert(key.to_owned(), new);
        Outcome::Issued
    }

    /// A use that was let in.
    fn note_use(&mut self, which: usize) {
        self.tokens[which].used = true;
        for token in &mut self.tokens {
            token.retired |= token.successor == Some(which);
        }
    }
}

/// A house, what should be in it, and what is needed to start it anew.
struct World {
    house: TestHouse,
    store: Store,
    jane: UserView,
    model: Model,
    starts: u64,
    keys: usize,
    sources: u32,
}

impl World {
    async fn over(store: Store) -> Self {
        let house = TestHouse::founded_over(store.clone()).await;
        live::bring_up_to_date(&house.ctx).await.unwrap();
        for (device, name) in DEVICE_TYPES.iter().enumerate() {
            let set = |rules: &mut DeviceRules| {
                rules.bearer = BearerUse::Allowed;
                if device != STRICT {
                    rules.overlap = Overlap::Allowed;
                }
            };
            let name = DeviceType::parse(name).unwrap();
            device_types::set(&house.ctx, Actor::Operator, &name, set).await.unwrap();
        }
        let jane = house.user("jane").await;
        let model = Model::default();
        Self { house, store, jane, model, starts: 1, keys: 0, sources: 0 }
    }

    fn now(&self) -> Timestamp {
        self.house.ctx.clock.now()
    }

    async fn restart(&mut self) {
        self.starts += 1;
        // The lease of the node that is no more has run out; else every change would wait for that.
        let mut tx = self.store.begin().await.unwrap();
        tx.execute("DELETE FROM node", &[]).await.unwrap();
        tx.commit().await.unwrap();
        self.house = self.house.restarted_over(self.store.clone(), self.starts);
        live::bring_up_to_date(&self.house.ctx).await.unwrap();
    }

    fn key_of(&mut self, step: &Step) -> String {
        if !matches!(step, Step::Rotate { again: true, .. }) || self.keys == 0 {
            self.keys += 1;
        }
        format!("k{}", self.keys)
    }

    async fn meet(&mut self, event: &Event) {
        match event {
            Event::Done(step) => {
                let key = self.key_of(step);
                let expected = self.model.take(step, &key, self.now());
                let done = self.run(step, &key).await;
                assert_eq!(done, expected, "{step:?}");
                if expected == Outcome::Issued {
                    self.read_mail().await;
                }
            }
            Event::Crash(step, polls) => {
                let key = self.key_of(step);
                broken_off(*polls, self.run(step, &key)).await;
                self.restart().await;
                self.find_out(step, &key).await;
            }
            Event::Restart => self.restart().await,
            Event::LogIn { which } if *which < self.model.tokens.len() => self.log_in(*which).await,
            Event::Bearer { which } if *which < self.model.tokens.len() => {
                self.present(*which).await;
                Scribe::default().write_down(&self.house.ctx).await.unwrap();
                if self.model.lives(*which, self.now()) {
                    self.model.note_use(*which);
                }
            }
            Event::LostUse { which } if *which < self.model.tokens.len() => {
                self.present(*which).await;
                self.restart().await;
            }
            Event::LogIn { .. } | Event::Bearer { .. } | Event::LostUse { .. } => {}
            Event::Forward(time) => self.house.wait(*time),
            Event::Back(time) => self.house.turn_back(*time),
        }
    }

    async fn run(&self, step: &Step, key: &str) -> Outcome {
        let (ctx, actor, name) = (&self.house.ctx, Actor::Operator, self.jane.username.as_str());
        let device = |which: usize| DeviceType::parse(DEVICE_TYPES[which]).unwrap();
        let refused = |error: ResetError| match error {
            ResetError::App(symbolon_app::AppError::NotFound(_)) | ResetError::Forbidden(_) => {
                Outcome::Refused
            }
            other @ (ResetError::App(_) | ResetError::WrongPassword(_)) => {
                panic!("{step:?}: {other:?}")
            }
        };
        match *step {
            Step::Reset { device: which, scope } => {
                let done = reset::reset_for(ctx, actor, name, device(which), scope, None).await;
                done.map_or_else(refused, |_| Outcome::Issued)
            }
            Step::Rotate { device: which, overlap, .. } => {
                let asked = RotationFor {
                    device_type: device(which),
                    overlap: Some(overlap),
                    request_key: Some(key),
                    reason: None,
                };
                let done = rotation::rotate_for(ctx, actor, name, asked).await;
                let outcome = |fresh| if fresh { Outcome::Issued } else { Outcome::Nothing };
                done.map_or_else(refused, |receipt| outcome(receipt.fresh))
            }
            Step::Cancel { device: which } => {
                let done = rotation::cancel_for(ctx, actor, name, &device(which)).await;
                done.map_or_else(refused, |_| Outcome::Changed)
            }
            Step::Revoke { which } => match self.model.tokens.get(which) {
                Some(token) => {
                    let done = tokens::revoke(ctx, actor, token.id).await;
                    done.map_or(Outcome::Refused, |()| Outcome::Changed)
                }
                None => Outcome::Refused,
            },
            Step::Sweep => {
                rotation::end_overdue(ctx).await.unwrap();
                Outcome::Changed
            }
        }
    }

    /// After a crash: the step was taken as a whole, or not at all.
    async fn find_out(&mut self, step: &Step, key: &str) {
        // A commit that was on its way holds the user's row until it is done.
        let mut tx = self.store.begin().await.unwrap();
        stored_users::hold(&mut tx, self.jane.id).await.unwrap();
        drop(tx);
        let mut after = self.model.clone();
        let outcome = after.take(step, key, self.now());
        let there = tokens::of_user(&self.house.ctx, self.jane.id).await.unwrap().len();
        let done = match outcome {
            Outcome::Issued => there == after.tokens.len(),
            // One token of a sweep may have been retired and the next not.
            Outcome::Changed if matches!(step, Step::Sweep) => {
                rotation::end_overdue(&self.house.ctx).await.unwrap();
                true
            }
            Outcome::Changed => self.differs_from(&self.model).await,
            Outcome::Nothing | Outcome::Refused => false,
        };
        if done {
            self.model = after;
            if outcome == Outcome::Issued {
                self.read_mail().await;
            }
        }
    }

    async fn differs_from(&self, model: &Model) -> bool {
        let there = tokens::of_user(&self.house.ctx, self.jane.id).await.unwrap();
        model.tokens.iter().any(|known| {
            let found = there.iter().find(|view| view.token == known.id).unwrap();
            found.retired.is_some() != known.retired || found.expires_at != known.expires_at
        })
    }

    /// The new token, as its owner learns it.
    async fn read_mail(&mut self) {
        let text = self.house.newest_token().await;
        let there = tokens::of_user(&self.house.ctx, self.jane.id).await.unwrap();
        let known: Vec<_> = self.model.tokens.iter().map(|token| token.id).collect();
        let new: Vec<_> = there.iter().filter(|view| !known.contains(&view.token)).collect();
        assert_eq!(new.len(), 1, "one token was issued");
        let token = self.model.tokens.last_mut().unwrap();
        (token.id, token.text) = (new[0].token, text);
    }

    async fn present(&self, which: usize) {
        let source = Source::new("198.51.100.7".parse().unwrap());
        let presenter = Presenter { head: Head::ForwardAuth, source, client: b"shop/1.0" };
        let presented = Presented::token(&self.model.tokens[which].text);
        let question = Question { presented, username: None };
        let accepted = verify::verify(&self.house.ctx, &question, presenter).await.is_ok();
        assert_eq!(
            accepted,
            self.model.lives(which, self.now()),
            "token {which} as a whole credential"
        );
    }

    async fn log_in(&mut self, which: usize) {
        let credential = format!("{PASSWORD}{}", self.model.tokens[which].text);
        // Each from an address of its own: what is refused counts against the one that it came from.
        self.sources += 1;
        let source = format!("10.1.{}.{}", self.sources / 250, self.sources % 250 + 1);
        let name = self.jane.username.as_str();
        let accepted = self.house.log_in_from(name, &credential, &source).await.is_ok();
        assert_eq!(
            accepted,
            self.model.lives(which, self.now()),
            "token {which} behind the password"
        );
        if accepted {
            self.model.note_use(which);
        } else {
            users::unlock(&self.house.ctx, Actor::Operator, name).await.unwrap();
        }
    }

    /// The database and the live view against the model.
    async fn agree(&self) {
        let now = self.now();
        let there = tokens::of_user(&self.house.ctx, self.jane.id).await.unwrap();
        assert_eq!(there.len(), self.model.tokens.len());
        for (which, known) in self.model.tokens.iter().enumerate() {
            let found = there.iter().find(|view| view.token == known.id).unwrap();
            assert_eq!(found.retired.is_some(), known.retired, "token {which} in the database");
            assert_eq!(found.expires_at, known.expires_at, "token {which} in the database");
            let presented = Presented::token(&known.text).unwrap();
            let (view, keys) = (&self.house.ctx.live.view, &self.house.ctx.keys);
            // A look, not a use: the place of no use is noted.
            let source = Source::new([198, 51, 100, 7].into());
            let from = UsedFrom { place: 0, source, client: b"shop/1.0" };
            let accepted = view.verify(keys, &presented, None, now, from).is_ok();
            assert_eq!(accepted, self.model.lives(which, now), "token {which} in the view");
        }
    }
}

/// Drops `work` after so many polls, unless it is done before.
async fn broken_off<T>(polls: usize, work: impl Future<Output = T>) -> Option<T> {
    let mut work = pin!(work);
    let mut left = polls;
    std::future::poll_fn(|cx| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        work.as_mut().poll(cx).map(Some)
    })
    .await
}

/// Runs the same events, drawn from a seed that does not change, over a database of its own for each case.
fn hold_over(cases: u32, open: impl AsyncFn() -> Database) {
    let config =
        Config { cases, failure_persistence: None, max_shrink_iters: 64, ..Config::default() };
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let events = prop::collection::vec(event(), 5..40);
    let held = TestRunner::new_with_rng(config, rng).run(&events, |events| {
        runtime.block_on(async {
            let database = open().await;
            let store = Store::open(&database.target).await.unwrap();
            let mut world = World::over(store.clone()).await;
            for event in &events {
                world.meet(event).await;
                world.agree().await;
            }
            for which in 0..world.model.tokens.len() {
                world.log_in(which).await;
            }
            world.agree().await;
            drop(world);
            store.close().await;
            database.remove().await;
        });
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
    hold_over(12, async || Database::file());
}

#[test]
fn the_live_set_is_what_the_model_says_on_postgres() {
    hold_over(4, Database::postgres);
}
