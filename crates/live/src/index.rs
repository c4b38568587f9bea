//! The index of one shard: from the digest of a credential to its record.
//!
//! Open addressing with linear probing, the records themselves in the cells: with ten million of them
//! nothing is in a cache, and what counts is how often a look-up goes to memory, which is once. Cells are
//! named by multiplying, not by masking, so that a shard grows by an eighth and not twofold; deletion
//! shifts back, so that there are no tombstones.

use std::sync::atomic::{AtomicU16, AtomicU32, Ordering};

/// The first 128 bits of a keyed digest. They are as good as random, whatever a stranger presents, so
/// they need no further hashing, and comparing them tells nobody anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fingerprint(pub(crate) [u32; 4]);

impl Fingerprint {
    pub(crate) fn of(digest: &[u8; 32]) -> Self {
        let word = |at: usize| {
            u32::from_le_bytes([digest[at], digest[at + 1], digest[at + 2], digest[at + 3]])
        };
        Self([word(0), word(4), word(8), word(12)])
    }

    /// Which shard it belongs to, of a power of two.
    pub(crate) fn shard(self, shards: usize) -> usize {
        self.0[0] as usize & (shards - 1)
    }

    /// The cell that it has by right among so many.
    fn home(self, cells: usize) -> usize {
        (self.0[1] as usize * cells) >> 32
    }
}

/// What is kept of a credential: 48 bytes.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) fingerprint: Fingerprint,
    /// The identifier of the session or token, in two halves: 64-bit fields would cost a padding.
    id: [u32; 2],
    /// Seconds since the epoch: of a session its last use, of a token its expiry.
    clock_s: AtomicU32,
    /// Seconds since the epoch: the login, or the issue of the token.
    pub(crate) started_s: u32,
    /// The slot of the owner.
    pub(crate) user: u32,
    /// The owner's generation that it was put in or confirmed by. Older than the owner's: dead.
    pub(crate) generation: u32,
    /// Where it was last used, as [`crate::PlaceHasher`] folds it.
    place: AtomicU32,
    /// Which of the two it is.
    pub(crate) sort: RecordSort,
    /// The number of the device type in the rules.
    pub(crate) device_type: u8,
    /// Of a session the number of its API client; of a token its last use, in grains of [`GRAIN_S`] since its
    /// issue.
    extra: AtomicU16,
}

/// Session or token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum RecordSort {
    Session,
    Token,
}

/// A record as it is put in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NewRecord {
    pub(crate) fingerprint: Fingerprint,
    pub(crate) id: i64,
    pub(crate) clock_ms: i64,
    pub(crate) started_ms: i64,
    /// Of a token its last use, or its issue.
    pub(crate) active_ms: i64,
    pub(crate) user: u32,
    pub(crate) generation: u32,
    pub(crate) sort: RecordSort,
    pub(crate) device_type: u8,
    pub(crate) client: u16,
}

impl Record {
    fn new(new: &NewRecord) -> Self {
        let (clock_s, started_s) = (seconds(new.clock_ms), seconds(new.started_ms));
        let id = new.id.cast_unsigned();
        Self {
            fingerprint: new.fingerprint,
            id: [low(id), low(id >> 32)],
            clock_s: AtomicU32::new(clock_s),
            started_s,
            user: new.user,
            generation: new.generation,
            place: AtomicU32::new(NO_PLACE),
            sort: new.sort,
            device_type: new.device_type,
            extra: AtomicU16::new(match new.sort {
                RecordSort::Session => new.client,
                RecordSort::Token => grains(started_s, seconds(new.active_ms)),
            }),
        }
    }

    /// Takes over what a later reading says. A use that only memory knows of is kept.
    fn renew(&mut self, new: &NewRecord) {
        let used_s = self.clock_s.load(Ordering::Relaxed);
        let place = self.place.load(Ordering::Relaxed);
        let active = self.extra.load(Ordering::Relaxed);
        *self = Self::new(new);
        match self.sort {
            RecordSort::Session => {
                self.clock_s.fetch_max(used_s, Ordering::Relaxed);
            }
            RecordSort::Token => {
                self.extra.fetch_max(active, Ordering::Relaxed);
            }
        }
        self.place = AtomicU32::new(place);
    }

    pub(crate) fn id(&self) -> i64 {
        (u64::from(self.id[1]) << 32 | u64::from(self.id[0])).cast_signed()
    }

    /// Milliseconds since the epoch, to the second: of a session its last use, of a token its expiry.
    pub(crate) fn clock_ms(&self) -> i64 {
        i64::from(self.clock_s.load(Ordering::Relaxed)) * 1000
    }

    /// Milliseconds since the epoch: an instant that the last use of a token was not before. It may have been
    /// two hours after it, and any time after it at another node.
    pub(crate) fn active_ms(&self) -> i64 {
        let grains = self.extra.load(Ordering::Relaxed);
        (i64::from(self.started_s) + i64::from(grains) * i64::from(GRAIN_S)) * 1000
    }

    /// The number of a session's API client in the rules.
    pub(crate) fn client(&self) -> Option<u16> {
        let client = self.extra.load(Ordering::Relaxed);
        (self.sort == RecordSort::Session && client != NO_CLIENT).then_some(client)
    }

    /// Notes a use.
    pub(crate) fn note_use(&self, now_ms: i64, place: u32) -> Use {
        let now_s = seconds(now_ms);
        // Most uses fall into the same second: then nothing is written, and no core disturbs another.
        match self.sort {
            RecordSort::Session if self.clock_s.load(Ordering::Relaxed) < now_s => {
                self.clock_s.fetch_max(now_s, Ordering::Relaxed);
            }
            RecordSort::Token
                if self.extra.load(Ordering::Relaxed) < grains(self.started_s, now_s) =>
            {
                self.extra.fetch_max(grains(self.started_s, now_s), Ordering::Relaxed);
            }
            RecordSort::Session | RecordSort::Token => {}
        }
        if self.place.load(Ordering::Relaxed) == place {
            return Use::Again;
        }
        match self.place.swap(place, Ordering::Relaxed) {
            before if before == place => Use::Again,
            NO_PLACE => Use::First,
            _ => Use::Elsewhere,
        }
    }
}

/// What a use is to those before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    /// From the same place, and within the same time, as the last noted.
    Again,
    /// From another place, or another time.
    Elsewhere,
    /// The first since the record was put in.
    First,
}

/// That there was no use yet. One place in four thousand millions folds to the same: its uses are taken for
/// first ones, which costs a batch and no more.
const NO_PLACE: u32 = 0;

/// That a session was opened through no API client.
pub(crate) const NO_CLIENT: u16 = u16::MAX;

/// Seconds until 2106.
fn seconds(ms: i64) -> u32 {
    u32::try_from(ms.max(0) / 1000).unwrap_or(u32::MAX)
}

/// How finely a record knows when its token was last used: two hours, for sixteen bits are to do for fifteen
/// years, and no token becomes as old. It does to say that a token is not dead of disuse, which takes a day at
/// least; where it does not, the database is asked.
const GRAIN_S: u32 = 2 * 60 * 60;

fn grains(started_s: u32, used_s: u32) -> u16 {
    u16::try_from(used_s.saturating_sub(started_s) / GRAIN_S).unwrap_or(u16::MAX)
}

fn low(bits: u64) -> u32 {
    u32::try_from(bits & u64::from(u32::MAX)).unwrap_or(0)
}

/// Cells that a shard grows by at least.
const LEAST_CELLS: usize = 8;
/// Cells that a home can be named among.
const MOST_CELLS: usize = u32::MAX as usize;

/// The records of one shard.
#[derive(Debug, Default)]
pub(crate) struct Shard {
    /// A record takes no more room for the cell's being vacant or not.
    cells: Vec<Option<Record>>,
    count: usize,
}

/// A shard that has no cell for a further record; with a thousand shards there are many millions of
/// millions in the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Full;

impl Shard {
    /// How many records it holds.
    pub(crate) fn len(&self) -> usize {
        self.count
    }

    pub(crate) fn find(&self, fingerprint: Fingerprint) -> Option<&Record> {
        self.cells.get(self.locate(fingerprint)?)?.as_ref()
    }

    /// Puts a record in, or renews the one that is there.
    pub(crate) fn put(&mut self, new: &NewRecord) -> Result<(), Full> {
        let known = self.locate(new.fingerprint);
        if let Some(record) = known.and_then(|cell| self.cells[cell].as_mut()) {
            record.renew(new);
            return Ok(());
        }
        if self.count + 1 > fitting(self.cells.len()) {
            self.grow_to(self.cells.len() + (self.cells.len() / 8).max(LEAST_CELLS))?;
        }
        self.count += 1;
        self.lay(Record::new(new));
        Ok(())
    }

    /// Makes room for so many records at once: growing towards them would leave gaps in memory.
    pub(crate) fn make_room_for(&mut self, records: usize) -> Result<(), Full> {
        let cells = records * 6 / 5;
        if cells > self.cells.len() { self.grow_to(cells) } else { Ok(()) }
    }

    /// Takes a record out; `false` if it is not there.
    pub(crate) fn remove(&mut self, fingerprint: Fingerprint) -> bool {
        let Some(mut hole) = self.locate(fingerprint) else {
            return false;
        };
        let cells = self.cells.len();
        let steps = |from: usize, to: usize| if to < from { to + cells - from } else { to - from };
        let mut next = self.behind(hole);
        while let Some(record) = &self.cells[next] {
            // It may fill the hole unless its home lies behind the hole.
            if steps(record.fingerprint.home(cells), next) >= steps(hole, next) {
                self.cells.swap(hole, next);
                hole = next;
            }
            next = self.behind(next);
        }
        self.cells[hole] = None;
        self.count -= 1;
        true
    }

    /// Every record, in no order.
    pub(crate) fn records(&self) -> impl Iterator<Item = &Record> {
        self.cells.iter().flatten()
    }

    /// The cell of a fingerprint's record.
    fn locate(&self, fingerprint: Fingerprint) -> Option<usize> {
        let mut cell = fingerprint.home(self.cells.len());
        while let Some(record) = self.cells.get(cell)? {
            if record.fingerprint == fingerprint {
                return Some(cell);
            }
            cell = self.behind(cell);
        }
        None
    }

    /// Lays a record that is not there into the first vacant cell from its home on.
    fn lay(&mut self, record: Record) {
        let mut cell = record.fingerprint.home(self.cells.len());
        while self.cells[cell].is_some() {
            cell = self.behind(cell);
        }
        self.cells[cell] = Some(record);
    }

    fn behind(&self, cell: usize) -> usize {
        if cell + 1 == self.cells.len() { 0 } else { cell + 1 }
    }

    fn grow_to(&mut self, cells: usize) -> Result<(), Full> {
        if cells > MOST_CELLS {
            return Err(Full);
        }
        let vacant = std::iter::repeat_with(|| None).take(cells).collect();
        for record in std::mem::replace(&mut self.cells, vacant).into_iter().flatten() {
            self.lay(record);
        }
        Ok(())
    }
}

/// Records that fit into so many cells: six in seven. A look-up in vain then passes some twenty-five, one
/// that finds something four.
const fn fitting(cells: usize) -> usize {
    cells - cells.div_ceil(7)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    fn new(fingerprint: Fingerprint, id: i64) -> NewRecord {
        NewRecord {
            fingerprint,
            id,
            clock_ms: 1_800_000_000_000,
            started_ms: 1_700_000_000_000,
            active_ms: 1_700_000_000_000,
            user: 1,
            generation: 1,
            sort: RecordSort::Token,
            device_type: 0,
            client: NO_CLIENT,
        }
    }

    #[test]
    fn a_record_has_48_bytes_and_gives_back_what_was_put_in() {
        let fingerprint = Fingerprint([1, 2, 3, 4]);
        let mut shard = Shard::default();

        shard.put(&new(fingerprint, i64::MAX - 5)).unwrap();
        let record = shard.find(fingerprint).unwrap();

        assert_eq!(size_of::<Option<Record>>(), 48);
        assert_eq!(record.id(), i64::MAX - 5);
        assert_eq!(record.clock_ms(), 1_800_000_000_000);
        assert_eq!(record.client(), None);
    }

    #[test]
    fn a_use_that_only_memory_knows_of_survives_a_later_reading() {
        let fingerprint = Fingerprint([1, 2, 3, 4]);
        let session = NewRecord { sort: RecordSort::Session, client: 3, ..new(fingerprint, 7) };
        let mut shard = Shard::default();
        shard.put(&session).unwrap();

        assert_eq!(shard.find(fingerprint).unwrap().note_use(1_800_000_060_000, 9), Use::First);
        shard.put(&session).unwrap();

        let record = shard.find(fingerprint).unwrap();
        assert_eq!(record.clock_ms(), 1_800_000_060_000);
        assert_eq!(record.note_use(1_800_000_061_000, 9), Use::Again);
        assert_eq!(record.note_use(1_800_000_061_000, 8), Use::Elsewhere);
        assert_eq!(record.client(), Some(3));
    }

    #[test]
    fn a_token_knows_about_when_it_was_last_used_and_never_too_late() {
        const ISSUED: i64 = 1_700_000_000_123;
        const HOUR: i64 = 3_600_000;
        const TEN_YEARS: i64 = 3660 * 24 * HOUR;
        let fingerprint = Fingerprint([1, 2, 3, 4]);
        let token = NewRecord { started_ms: ISSUED, active_ms: ISSUED, ..new(fingerprint, 7) };
        let mut shard = Shard::default();
        let mut put = |active_ms| {
            shard.put(&NewRecord { active_ms, ..token }).unwrap();
            shard.find(fingerprint).unwrap().active_ms()
        };
        let near = |known: i64, used: i64| (0..2 * HOUR + 1000).contains(&(used - known));

        assert!(near(put(ISSUED), ISSUED));
        assert!(near(put(ISSUED + 5 * HOUR), ISSUED + 5 * HOUR));
        assert!(near(put(ISSUED), ISSUED + 5 * HOUR), "an earlier reading takes nothing back");
        let record = shard.find(fingerprint).unwrap();
        for used in [ISSUED + 9 * HOUR, ISSUED + TEN_YEARS] {
            record.note_use(used, 9);
            assert!(near(record.active_ms(), used));
        }
        record.note_use(ISSUED, 9);
        assert!(
            near(record.active_ms(), ISSUED + TEN_YEARS),
            "whatever a clock does that steps back"
        );
        assert_eq!((record.client(), record.clock_ms()), (None, token.clock_ms));
    }

    #[derive(Debug, Clone)]
    enum Step {
        Put(u8),
        Remove(u8),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            4 => any::<u8>().prop_map(Step::Put),
            2 => any::<u8>().prop_map(Step::Remove),
        ];
        proptest::collection::vec(step, 0..400)
    }

    /// Few homes and few tags, so that chains meet, wrap around and are shifted back.
    fn crowded(key: u8) -> Fingerprint {
        let key = u32::from(key);
        Fingerprint([(key % 3) << 24, (key % 7) << 29, key, 0])
    }

    proptest! {
        #[test]
        fn the_index_is_a_map(steps in steps()) {
            let mut shard = Shard::default();
            let mut model: HashMap<u8, i64> = HashMap::new();
            for (id, step) in (0..).zip(steps) {
                match step {
                    Step::Put(key) => {
                        shard.put(&new(crowded(key), id)).unwrap();
                        model.insert(key, id);
                    }
                    Step::Remove(key) => {
                        prop_assert_eq!(shard.remove(crowded(key)), model.remove(&key).is_some());
                    }
                }
                prop_assert_eq!(shard.len(), model.len());
            }
            for key in 0..=u8::MAX {
                let found = shard.find(crowded(key)).map(Record::id);
                prop_assert_eq!(found, model.get(&key).copied());
            }
        }
    }
}
