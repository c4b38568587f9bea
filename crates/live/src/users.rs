//! The owners of credentials: one word of state that judges, and what is told of them.
//!
//! A record names its owner by slot. The word of a slot holds the owner's generation: a change of the
//! user confirms the credentials that live on under the next generation and then raises the word, so
//! that all others die in one instant, wherever they are.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use arc_swap::{ArcSwapOption, Guard};
use symbolon_core::id::{Id, User};
use symbolon_core::verification::OwnerState;

use crate::fill::UserFacts;

/// Who holds a credential, as relying services are told.
///
/// His texts lie one behind the other: among very many users nothing of one is in a cache, and each piece
/// of memory that an answer is put together from is waited for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// Identifier.
    pub user: Id<User>,
    /// Whether an administrator.
    pub administrator: bool,
    texts: Box<str>,
    /// Where each text but the last ends.
    ends: [usize; 3],
}

impl Holder {
    /// What is told of a user.
    pub(crate) fn of(facts: &UserFacts) -> Self {
        let UserFacts { id, username, email, name, administrator, .. } = facts;
        let mut texts = String::new();
        let ends = [username, email, name].map(|text| {
            texts.push_str(text);
            texts.len()
        });
        texts.push_str(&id.to_string());
        Self { user: *id, administrator: *administrator, texts: texts.into(), ends }
    }

    /// Login name.
    pub fn username(&self) -> &str {
        &self.texts[..self.ends[0]]
    }

    /// Address.
    pub fn email(&self) -> &str {
        &self.texts[self.ends[0]..self.ends[1]]
    }

    /// As shown.
    pub fn name(&self) -> &str {
        &self.texts[self.ends[1]..self.ends[2]]
    }

    /// The identifier as it is written: RFC 7662's `sub`.
    pub fn sub(&self) -> &str {
        &self.texts[self.ends[2]..]
    }

    /// Whether `username` is this user's, however it is written.
    pub(crate) fn is_called(&self, username: &str) -> bool {
        username.eq_ignore_ascii_case(self.username())
    }
}

/// Whoever was in a slot when it was looked at.
pub(crate) type Seated = Guard<Option<Arc<Holder>>>;

/// The word of state of a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) generation: u32,
    pub(crate) profile: u16,
    pub(crate) owner: OwnerState,
}

const ACTIVE: u64 = 1;
const TOKENS_FROZEN: u64 = 2;
const PASSWORD_EXPIRED: u64 = 4;

impl State {
    /// Nobody has been put in yet.
    const NOBODY: Self = Self {
        generation: 0,
        profile: 0,
        owner: OwnerState { active: false, tokens_frozen: false, password_expired: false },
    };

    fn pack(self) -> u64 {
        let flag = |is: bool, bit: u64| if is { bit } else { 0 };
        u64::from(self.generation) << 32
            | u64::from(self.profile) << 16
            | flag(self.owner.active, ACTIVE)
            | flag(self.owner.tokens_frozen, TOKENS_FROZEN)
            | flag(self.owner.password_expired, PASSWORD_EXPIRED)
    }

    fn unpack(word: u64) -> Self {
        Self {
            generation: u32::try_from(word >> 32).unwrap_or(0),
            profile: u16::try_from(word >> 16 & 0xFFFF).unwrap_or(0),
            owner: OwnerState {
                active: word & ACTIVE != 0,
                tokens_frozen: word & TOKENS_FROZEN != 0,
                password_expired: word & PASSWORD_EXPIRED != 0,
            },
        }
    }
}

/// Slots come in chunks, each twice as large as the one before, so that none ever moves and readers need
/// no lock to find one.
const FIRST_CHUNK: u32 = 1024;
const CHUNKS: usize = 22;

/// State and holder lie side by side: who asks for the one mostly goes on to the other, and memory hands
/// both over at once.
#[derive(Debug)]
struct Slot {
    state: AtomicU64,
    holder: ArcSwapOption<Holder>,
}

impl Slot {
    fn vacant() -> Self {
        Self { state: AtomicU64::new(State::NOBODY.pack()), holder: ArcSwapOption::empty() }
    }
}

/// All slots.
#[derive(Debug, Default)]
pub(crate) struct Users {
    chunks: [OnceLock<Box<[Slot]>>; CHUNKS],
}

impl Users {
    /// The state of a slot; of one that was never used, nobody's.
    pub(crate) fn state(&self, slot: u32) -> State {
        self.slot(slot)
            .map_or(State::NOBODY, |slot| State::unpack(slot.state.load(Ordering::Acquire)))
    }

    /// Who is in a slot.
    pub(crate) fn holder(&self, slot: u32) -> Seated {
        self.slot(slot).map_or_else(|| Guard::from_inner(None), |slot| slot.holder.load())
    }

    /// Puts somebody into a slot. The state comes last: who sees it sees the holder.
    pub(crate) fn put(&self, slot: u32, holder: Holder, state: State) {
        let (chunk, at) = position(slot);
        let Some(cell) = self.chunks.get(chunk) else {
            return;
        };
        let slots = (FIRST_CHUNK as usize) << chunk;
        let chunk = cell.get_or_init(|| (0..slots).map(|_| Slot::vacant()).collect());
        chunk[at].holder.store(Some(Arc::new(holder)));
        chunk[at].state.store(state.pack(), Ordering::Release);
    }

    /// Makes a slot nobody's, under the next generation.
    pub(crate) fn retire(&self, slot: u32) {
        let generation = self.state(slot).generation.wrapping_add(1);
        if let Some(slot) = self.slot(slot) {
            let nobody = State { generation, ..State::NOBODY };
            slot.state.store(nobody.pack(), Ordering::Release);
        }
    }

    fn slot(&self, slot: u32) -> Option<&Slot> {
        let (chunk, at) = position(slot);
        self.chunks.get(chunk).and_then(OnceLock::get)?.get(at)
    }
}

/// The chunk of a slot and the place in it.
fn position(slot: u32) -> (usize, usize) {
    let from_one = u64::from(slot) + u64::from(FIRST_CHUNK);
    let chunk = from_one.ilog2() - FIRST_CHUNK.ilog2();
    let at = from_one - (u64::from(FIRST_CHUNK) << chunk);
    (chunk as usize, usize::try_from(at).unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn slots_fill_chunk_after_chunk() {
        assert_eq!(position(0), (0, 0));
        assert_eq!(position(1023), (0, 1023));
        assert_eq!(position(1024), (1, 0));
        assert_eq!(position(3071), (1, 2047));
        assert_eq!(position(3072), (2, 0));
        assert_eq!(position(u32::MAX).0, CHUNKS);
    }

    #[test]
    fn a_slot_that_was_never_used_is_nobodys() {
        let users = Users::default();

        assert_eq!(users.state(70_000), State::NOBODY);
        assert_eq!(users.state(u32::MAX), State::NOBODY);
        assert!(users.holder(70_000).is_none());
    }

    #[test]
    fn each_text_of_a_holder_is_told_as_it_was_read() {
        let facts = UserFacts {
            id: Id::from_raw(7),
            username: "Zoë@example.com".to_owned(),
            email: String::new(),
            name: "Zoë, of Athens".to_owned(),
            administrator: true,
            profile: Id::from_raw(1),
            owner: State::NOBODY.owner,
        };

        let holder = Holder::of(&facts);

        assert_eq!((holder.username(), holder.email()), ("Zoë@example.com", ""));
        assert_eq!((holder.name(), holder.sub()), ("Zoë, of Athens", &*facts.id.to_string()));
        assert!(holder.administrator && holder.is_called("zOë@EXAMPLE.com"));
    }

    proptest! {
        #[test]
        fn a_state_comes_back_as_it_was_packed(
            generation: u32, profile: u16, active: bool, tokens_frozen: bool, password_expired: bool,
        ) {
            let owner = OwnerState { active, tokens_frozen, password_expired };
            let state = State { generation, profile, owner };

            prop_assert_eq!(State::unpack(state.pack()), state);
        }
    }
}
