//! The audit trail: rows chained by their hashes, so that none can be altered, dropped or put in
//! between without the chain saying so.

use sha2::{Digest as _, Sha256};

use crate::time::Timestamp;

/// The hash before the first row.
pub const GENESIS: [u8; 32] = [0; 32];

/// One row of the trail, as far as its hash covers it: all of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditRow {
    /// 1, 2, 3, … without a gap.
    pub number: i64,
    /// When it happened.
    pub at: Timestamp,
    /// Who did it: `user:005…`, `operator` (the control socket), `symbolon` itself, `link`.
    pub actor: String,
    /// What was done, in the words of the domain: `token.reset`, `user.frozen`.
    pub action: String,
    /// To whom or what: `user:005…`, `network:0NW…`.
    pub subject: String,
    /// Further facts as `name=value` lines; never a secret.
    pub details: String,
}

impl AuditRow {
    /// The hash of this row after one whose hash is `previous`.
    ///
    /// Each field goes in behind its length, so that no two rows have the same bytes.
    pub fn hash(&self, previous: &[u8; 32]) -> [u8; 32] {
        let mut hasher = Sha256::new();
        hasher.update(previous);
        hasher.update(self.number.to_be_bytes());
        hasher.update(self.at.unix_ms().to_be_bytes());
        for text in [&self.actor, &self.action, &self.subject, &self.details] {
            hasher.update((text.len() as u64).to_be_bytes());
            hasher.update(text.as_bytes());
        }
        hasher.finalize().into()
    }
}

/// Where a chain breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Break {
    /// A row is missing: this number was expected.
    Missing(i64),
    /// This row is not what was written.
    Altered(i64),
}

/// A place in a chain: the number of a row, and its hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChainEnd {
    /// Before the first row it is 0.
    pub number: i64,
    /// Before the first row it is [`GENESIS`].
    pub hash: [u8; 32],
}

/// Walks a chain row by row, in any number of portions.
#[derive(Debug)]
pub struct ChainWalk {
    next: i64,
    hash: [u8; 32],
}

impl Default for ChainWalk {
    fn default() -> Self {
        Self { next: 1, hash: GENESIS }
    }
}

impl ChainWalk {
    /// A walk that goes on after a row that was reached before.
    pub const fn from(reached: ChainEnd) -> Self {
        Self { next: reached.number.saturating_add(1), hash: reached.hash }
    }

    /// How far it has come.
    pub const fn reached(&self) -> ChainEnd {
        ChainEnd { number: self.next - 1, hash: self.hash }
    }

    /// Checks the next row against the hash stored with it.
    ///
    /// # Errors
    /// The [`Break`], at the first row that does not follow.
    pub fn step(&mut self, row: &AuditRow, stored: &[u8; 32]) -> Result<(), Break> {
        if row.number != self.next {
            return Err(Break::Missing(self.next));
        }
        if row.hash(&self.hash) != *stored {
            return Err(Break::Altered(row.number));
        }
        self.next += 1;
        self.hash = *stored;
        Ok(())
    }

    /// Compares the end of the walk with the head that is kept apart: rows cut off at the end show.
    ///
    /// # Errors
    /// The [`Break`] if the trail is shorter than its head, or ends otherwise.
    pub fn finish(&self, head: ChainEnd) -> Result<i64, Break> {
        let reached = self.reached();
        if reached.number < head.number {
            return Err(Break::Missing(self.next));
        }
        if reached != head {
            return Err(Break::Altered(reached.number));
        }
        Ok(reached.number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(number: i64, details: &str) -> AuditRow {
        AuditRow {
            number,
            at: Timestamp::from_unix_ms(number),
            actor: "operator".to_owned(),
            action: "token.reset".to_owned(),
            subject: "user:005000000000001".to_owned(),
            details: details.to_owned(),
        }
    }

    fn chain(rows: &[AuditRow]) -> Vec<[u8; 32]> {
        let mut hash = GENESIS;
        rows.iter()
            .map(|row| {
                hash = row.hash(&hash);
                hash
            })
            .collect()
    }

    fn walk(rows: &[AuditRow], hashes: &[[u8; 32]], head: ChainEnd) -> Result<i64, Break> {
        let mut walk = ChainWalk::default();
        for (row, hash) in rows.iter().zip(hashes) {
            walk.step(row, hash)?;
            walk = ChainWalk::from(walk.reached());
        }
        walk.finish(head)
    }

    #[test]
    fn an_untouched_chain_is_whole_and_each_tampering_shows() {
        let rows = [row(1, "a"), row(2, "b"), row(3, "c")];
        let hashes = chain(&rows);
        let head = ChainEnd { number: 3, hash: hashes[2] };
        let altered = [row(1, "a"), row(2, "B"), row(3, "c")];

        assert_eq!(walk(&rows, &hashes, head), Ok(3));
        assert_eq!(walk(&altered, &hashes, head), Err(Break::Altered(2)));
        assert_eq!(
            walk(&[rows[0].clone(), rows[2].clone()], &[hashes[0], hashes[2]], head),
            Err(Break::Missing(2))
        );
        assert_eq!(walk(&rows[..2], &hashes[..2], head), Err(Break::Missing(3)));
    }
}
