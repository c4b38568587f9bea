//! A house and what should be in it.

use symbolon_app::login::Head;
use symbolon_app::reset::{self, OwnReset, ResetError};
use symbolon_app::rotation::{self, OwnRotation, RotationFor};
use symbolon_app::scribe::Scribe;
use symbolon_app::tokens::TokenView;
use symbolon_app::users::UserView;
use symbolon_app::verify::{self, Presented, Presenter, Question, Said, Waiter, Waiting};
use symbolon_app::{Actor, AppError, device_types, live, tokens, users};
use symbolon_core::Timestamp;
use symbolon_core::device_type::{DeviceRules, Overlap};
use symbolon_core::names::{DeviceType, Source};
use symbolon_core::reset::Scope;
use symbolon_core::token::PresentedToken;
use symbolon_core::verification::{BearerUse, CredentialRefusal};
use symbolon_live::UsedFrom;
use symbolon_store::{DatabaseTarget, Store, users as stored_users};

use super::{
    Act, DEVICE_TYPES, DYING_OF_DISUSE, Hand, IDLE_END, Key, Model, Outcome, STRICT, Step,
};
use crate::house::{PASSWORD, TestHouse, origin, password};

/// A house, what should be in it, and what is needed to start it anew.
pub(super) struct World {
    pub(super) house: TestHouse,
    store: Store,
    jane: UserView,
    model: Model,
    starts: u64,
    /// The last request key of administrators, and of the owner.
    keys: [usize; 2],
    sources: u32,
}

/// An act, with what was drawn for it.
pub(super) struct Attempt {
    act: Act,
    key: String,
    source: String,
}

impl World {
    pub(super) async fn over(target: &DatabaseTarget) -> Self {
        let store = Store::open(target).await.unwrap();
        let house = TestHouse::founded_over(store.clone()).await;
        live::bring_up_to_date(&house.ctx).await.unwrap();
        for device in 0..DEVICE_TYPES.len() {
            let set = |rules: &mut DeviceRules| {
                rules.bearer = BearerUse::Allowed;
                if device != STRICT {
                    rules.overlap = Overlap::Allowed;
                }
                if device == DYING_OF_DISUSE {
                    rules.idle_end = Some(IDLE_END);
                }
            };
            device_types::set(&house.ctx, Actor::Operator, &device_type(device), set)
                .await
                .unwrap();
        }
        let jane = house.user("jane").await;
        let model = Model::default();
        let mut world = Self { house, store, jane, model, starts: 1, keys: [0, 0], sources: 0 };
        for device in 0..STRICT {
            let (scope, by, key) = (Scope::DeviceType, Hand::Administrator, Key::Fresh);
            world.act(&Act::Take(Step::Reset { device, scope, by, key })).await;
        }
        world
    }

    /// At the end every token is tried once more.
    pub(super) async fn close(mut self) {
        for nth in 0..self.model.tokens.len() {
            self.act(&Act::LogIn { which: nth }).await;
        }
        self.agree().await;
        drop(self.house);
        self.store.close().await;
    }

    /// Another house over the same database; what is in memory goes with it.
    pub(super) async fn restart(&mut self, target: &DatabaseTarget) {
        self.starts += 1;
        if !matches!(target, DatabaseTarget::SqliteMemory) {
            self.store = Store::open(target).await.unwrap();
        }
        self.house = self.house.restarted_over(self.store.clone(), self.starts);
        self.end_leases().await;
        live::bring_up_to_date(&self.house.ctx).await.unwrap();
    }

    /// The leases of nodes that are no more have run out; else every change would wait for that.
    async fn end_leases(&self) {
        let mut tx = self.store.begin().await.unwrap();
        tx.execute("DELETE FROM node", &[]).await.unwrap();
        tx.commit().await.unwrap();
    }

    pub(super) fn attempt(&mut self, act: &Act) -> Attempt {
        let act = self.model.settled(act);
        let key = match &act {
            Act::Take(Step::Reset { by, key, .. } | Step::Rotate { by, key, .. }) => {
                let last = &mut self.keys[usize::from(*by == Hand::Owner)];
                *last += usize::from(*key == Key::Fresh);
                format!("{by:?}-{last}")
            }
            Act::Take(_) | Act::LogIn { .. } | Act::Bearer { .. } | Act::Start => String::new(),
        };
        // Each from an address of its own: what is refused counts against the one that it came from.
        self.sources += 1;
        Attempt {
            act,
            key,
            source: format!("10.1.{}.{}", self.sources / 250, self.sources % 250 + 1),
        }
    }

    /// Does it to the end, and sees that it comes to what the model says.
    pub(super) async fn act(&mut self, act: &Act) {
        let attempt = self.attempt(act);
        self.carry_out(&attempt).await;
    }

    pub(super) async fn carry_out(&mut self, attempt: &Attempt) {
        let now = self.now();
        match &attempt.act {
            Act::Take(step) => {
                let expected = self.model.take(step, &attempt.key, now);
                assert_eq!(self.run(attempt).await, Some(expected), "{step:?}");
                if self.model.has_news() {
                    self.read_mail().await;
                }
            }
            Act::LogIn { which } | Act::Bearer { which } => {
                let lives = self.model.lives(*which, now);
                // Before and not after: it makes the view read everything of its user anew.
                self.unlock().await;
                // As every house does each second: without a lease it would say that it cannot know.
                live::bring_up_to_date(&self.house.ctx).await.unwrap();
                assert_eq!(
                    self.run(attempt).await,
                    Some(Outcome::of_use(lives)),
                    "{:?}",
                    attempt.act
                );
                if lives {
                    self.model.note_use(*which, self.model.used_at(&attempt.act, now));
                }
            }
            Act::Start => {
                self.run(attempt).await;
            }
        }
    }

    /// Lets the house do it.
    pub(super) async fn run(&self, attempt: &Attempt) -> Option<Outcome> {
        match attempt.act {
            Act::Take(ref step) => Some(self.take(step, attempt).await),
            Act::LogIn { which } => {
                let credential = format!("{PASSWORD}{}", self.model.tokens[which].text);
                let name = self.jane.username.as_str();
                let login = self.house.log_in_from(name, &credential, &attempt.source).await;
                Some(Outcome::of_use(login.is_ok()))
            }
            Act::Bearer { which } => {
                let token = &self.model.tokens[which].text;
                let accepted = self.present(token, &attempt.source).await;
                Scribe::default().write_down(&self.house.ctx).await.unwrap();
                Some(Outcome::of_use(accepted))
            }
            Act::Start => {
                let other = self.house.restarted_over(self.store.clone(), self.starts);
                live::bring_up_to_date(&other.ctx).await.unwrap();
                self.end_leases().await;
                None
            }
        }
    }

    async fn take(&self, step: &Step, attempt: &Attempt) -> Outcome {
        let (ctx, actor, name) = (&self.house.ctx, Actor::Operator, self.jane.username.as_str());
        let refused = |error: ResetError| match error {
            ResetError::App(AppError::NotFound(_) | AppError::KeyUsed)
            | ResetError::Forbidden(_) => Outcome::Refused,
            other @ (ResetError::App(_) | ResetError::WrongPassword(_)) => {
                panic!("{step:?}: {other:?}")
            }
        };
        let issued = |fresh| if fresh { Outcome::Issued } else { Outcome::Nothing };
        let current_password = password(PASSWORD);
        let (user, request_key) = (self.jane.id, attempt.key.clone());
        match *step {
            Step::Reset { device, scope, by: Hand::Administrator, .. } => {
                let done = reset::reset_for(ctx, actor, name, device_type(device), scope, None);
                done.await.map_or_else(refused, |receipt| issued(receipt.fresh))
            }
            Step::Reset { device, scope, by: Hand::Owner, .. } => {
                let (device_type, origin) = (device_type(device), origin(&attempt.source));
                let head = Head::Web;
                let request = OwnReset {
                    user,
                    current_password,
                    scope,
                    device_type,
                    request_key,
                    head,
                    origin,
                };
                let done = reset::reset_own(ctx, request).await;
                done.map_or_else(refused, |receipt| issued(receipt.fresh))
            }
            Step::Rotate { device, overlap, by: Hand::Administrator, .. } => {
                let asked = RotationFor {
                    device_type: device_type(device),
                    overlap: Some(overlap),
                    request_key: Some(&request_key),
                    reason: None,
                };
                let done = rotation::rotate_for(ctx, actor, name, asked).await;
                done.map_or_else(refused, |receipt| issued(receipt.fresh))
            }
            Step::Rotate { device, overlap, by: Hand::Owner, .. } => {
                let (device_type, origin) = (device_type(device), origin(&attempt.source));
                let request = OwnRotation {
                    user,
                    current_password,
                    device_type,
                    overlap,
                    request_key,
                    head: Head::Web,
                    origin,
                };
                let done = rotation::rotate_own(ctx, request).await;
                done.map_or_else(refused, |receipt| issued(receipt.fresh))
            }
            Step::Cancel { device } => {
                let done = rotation::cancel_for(ctx, actor, name, &device_type(device)).await;
                done.map_or_else(refused, |_| Outcome::Changed)
            }
            Step::Revoke { which } => {
                let done = tokens::revoke(ctx, actor, self.model.tokens[which].id).await;
                done.map_or(Outcome::Refused, |_| Outcome::Changed)
            }
            Step::Surrender { which } => {
                let token = &self.model.tokens[which];
                let lives = |view: &TokenView| view.token == token.id && view.retired.is_none();
                let lived = self.views().await.iter().any(lives);
                let presented = PresentedToken::parse(&token.text).unwrap();
                tokens::revoke_presented(ctx, &presented).await.unwrap();
                if lived { Outcome::Changed } else { Outcome::Refused }
            }
            Step::Sweep => {
                rotation::end_overdue(ctx).await.unwrap();
                Outcome::Changed
            }
        }
    }

    /// After a crash: what was begun was done as a whole, or not at all.
    pub(super) async fn find_out(&mut self, attempt: &Attempt) {
        let now = self.now();
        // A commit that was on its way holds the user's row until it is done.
        let mut tx = self.store.begin().await.unwrap();
        stored_users::hold(&mut tx, self.jane.id).await.unwrap();
        drop(tx);
        match attempt.act {
            Act::Take(ref step) => self.find_out_step(step, &attempt.key).await,
            Act::LogIn { which } => {
                // The use of the token and the end of the one before it are one transaction.
                if self.differs_from(&self.model).await {
                    assert!(self.model.lives(which, now), "token {which} opened a session");
                    self.model.note_use(which, self.model.used_at(&attempt.act, now));
                }
                self.unlock().await;
            }
            Act::Bearer { which } => {
                // A use may have been written down and what it ends not yet: the janitor comes.
                self.find_out_step(&Step::Sweep, &attempt.key).await;
                let used_at = self.model.used_at(&attempt.act, now);
                let known = &self.model.tokens[which];
                let written =
                    |view: &TokenView| view.token == known.id && view.last_used_at == Some(used_at);
                if self.views().await.iter().any(written) {
                    let is_news = known.last_used_at != Some(used_at);
                    assert!(!is_news || self.model.lives(which, now), "token {which} was used");
                    self.model.note_use(which, used_at);
                }
            }
            Act::Start => {}
        }
    }

    async fn find_out_step(&mut self, step: &Step, key: &str) {
        let mut after = self.model.clone();
        let outcome = after.take(step, key, self.now());
        let done = match outcome {
            Outcome::Issued => self.views().await.len() == after.tokens.len(),
            // One token of a sweep may have been retired and the next not.
            Outcome::Changed if matches!(step, Step::Sweep) => {
                rotation::end_overdue(&self.house.ctx).await.unwrap();
                true
            }
            Outcome::Changed => self.differs_from(&self.model).await,
            Outcome::Nothing | Outcome::Refused | Outcome::Accepted => false,
        };
        if done {
            self.model = after;
            if self.model.has_news() {
                self.read_mail().await;
            }
        }
    }

    fn now(&self) -> Timestamp {
        self.house.ctx.clock.now()
    }

    async fn views(&self) -> Vec<TokenView> {
        tokens::of_user(&self.house.ctx, self.jane.id).await.unwrap()
    }

    async fn unlock(&self) {
        let name = self.jane.username.as_str();
        users::unlock(&self.house.ctx, Actor::Operator, name).await.unwrap();
    }

    async fn differs_from(&self, model: &Model) -> bool {
        let there = self.views().await;
        model.tokens.iter().any(|known| {
            let found = there.iter().find(|view| view.token == known.id).unwrap();
            found.retired.is_some() != known.retired
                || found.expires_at != known.expires_at
                || found.last_used_at != known.last_used_at
        })
    }

    /// The new token, as its owner learns it.
    async fn read_mail(&mut self) {
        let text = self.house.newest_token().await;
        let there = self.views().await;
        let known: Vec<_> = self.model.tokens.iter().map(|token| token.id).collect();
        let new: Vec<_> = there.iter().filter(|view| !known.contains(&view.token)).collect();
        assert_eq!(new.len(), 1, "one token was issued");
        let token = self.model.tokens.last_mut().unwrap();
        (token.id, token.text) = (new[0].token, text);
    }

    /// From an address of its own: another use from the same within ten seconds is not written down.
    async fn present(&self, token: &str, source: &str) -> bool {
        let source = Source::new(source.parse().unwrap());
        let presenter = Presenter::of_client(Head::ForwardAuth, source, b"shop/1.0");
        let question = Question { presented: Presented::token(token), username: None };
        let waiting = Waiting::of(Waiter::Stranger(source), None);
        verify::verify(&self.house.ctx, &question, presenter, waiting).await.is_ok()
    }

    /// The database and the live view against the model.
    pub(super) async fn agree(&self) {
        let now = self.now();
        let there = self.views().await;
        assert_eq!(there.len(), self.model.tokens.len());
        for (which, known) in self.model.tokens.iter().enumerate() {
            let found = there.iter().find(|view| view.token == known.id).unwrap();
            assert_eq!(found.retired.is_some(), known.retired, "token {which} in the database");
            assert_eq!(found.expires_at, known.expires_at, "token {which} in the database");
            assert_eq!(found.last_used_at, known.last_used_at, "token {which} in the database");
            let presented = Presented::token(&known.text).unwrap();
            let (view, keys) = (&self.house.ctx.live.view, &self.house.ctx.keys);
            let source = Source::new([198, 51, 100, 7].into());
            let client: &[u8] = b"shop/1.0";
            let (source, client) = (Said::OfClient(source), Said::OfClient(client));
            let active_at = Some(found.last_used_at.unwrap_or(found.issued_at));
            // What seems dead of disuse is asked about again, as every verification asks.
            let from = UsedFrom { place: 0, source, client, active_at };
            // A look, not a use: what no route admits is none.
            let look = view.verify_on_route(keys, &presented, None, now, from, &|_| false);
            let accepted = look.is_err_and(|it| it.refusal == CredentialRefusal::NotHere);
            assert_eq!(accepted, self.model.lives(which, now), "token {which} in the view");
        }
    }
}

fn device_type(which: usize) -> DeviceType {
    DeviceType::parse(DEVICE_TYPES[which]).unwrap()
}
