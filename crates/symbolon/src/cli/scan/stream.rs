//! Scans a stream of any length, a piece at a time, and knows line and column of what it finds.

use std::io::{self, Read};
use std::sync::atomic::{AtomicU64, Ordering};

use memchr::{memchr_iter, memrchr};
use symbolon_core::token::LENGTH;
use symbolon_core::token_search::{OVERLAP, TokenSearch, mask};
use zeroize::Zeroizing;

/// Bytes of a piece: it stays in the second-level cache of a processor.
const PIECE: usize = 256 * 1024;

/// A token that was found.
#[derive(Debug)]
pub(super) struct Found<'a> {
    /// Line and column, which begin with 1; columns are counted in bytes. `None` where it stands in the name.
    pub(super) at: Option<(u64, u64)>,
    pub(super) mask: &'a str,
}

/// Where a piece is read to. It may hold tokens, so it is wiped.
pub(super) type Buffer = Zeroizing<Vec<u8>>;

pub(super) fn buffer() -> Buffer {
    Zeroizing::new(vec![0; PIECE])
}

/// Scans everything that `from` yields.
pub(super) fn scan(
    search: &TokenSearch,
    mut from: impl Read,
    buffer: &mut Buffer,
    bytes: &AtomicU64,
    found: &mut impl FnMut(Found<'_>),
) -> io::Result<()> {
    let mut lines = Lines::default();
    let mut kept = 0;
    loop {
        let read = match from.read(&mut buffer[kept..]) {
            Ok(0) => return Ok(()),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        bytes.fetch_add(read as u64, Ordering::Relaxed);
        let piece = &buffer[..kept + read];
        // What is kept is shorter than a token, so none is found twice.
        for begin in search.find_iter(piece) {
            let at = Some(lines.place(piece, begin));
            let mask = mask(&piece[begin..begin + LENGTH]);
            found(Found { at, mask: &mask });
        }
        let next = piece.len().saturating_sub(OVERLAP);
        lines.pass(piece, next);
        kept = piece.len() - next;
        buffer.copy_within(next..next + kept, 0);
    }
}

/// Counts lines and columns along the pieces.
#[derive(Debug, Default)]
struct Lines {
    /// Line ends before `counted`.
    ends: u64,
    /// Bytes since the last line end, up to `counted`.
    column: u64,
    /// How much of the piece is counted.
    counted: usize,
}

impl Lines {
    fn place(&mut self, piece: &[u8], at: usize) -> (u64, u64) {
        self.count(piece, at);
        (self.ends + 1, self.column + 1)
    }

    /// Ends a piece; the next begins with what stands behind `next` in this one.
    fn pass(&mut self, piece: &[u8], next: usize) {
        // A token may begin before `next` and its place be counted already.
        if self.counted < next {
            self.count(piece, next);
        }
        self.counted -= next.min(self.counted);
    }

    fn count(&mut self, piece: &[u8], to: usize) {
        let part = &piece[self.counted..to];
        match memrchr(b'\n', part) {
            Some(last) => {
                self.ends += memchr_iter(b'\n', part).count() as u64;
                self.column = (part.len() - last - 1) as u64;
            }
            None => self.column += part.len() as u64,
        }
        self.counted = to;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Made outside this code, from contract §3.
    const TOKEN: &str = "sbn0123456789ABCDEFGHIJKL00000";

    fn places(text: &[u8], piece: usize) -> Vec<(u64, u64)> {
        let mut buffer = Zeroizing::new(vec![0; piece]);
        let mut places = Vec::new();
        let mut note = |found: Found<'_>| places.extend(found.at);
        scan(&TokenSearch::default(), text, &mut buffer, &AtomicU64::new(0), &mut note).unwrap();
        places
    }

    fn token() -> String {
        let nonce = symbolon_core::secret::Nonce::from_bytes(&[4; 32]).unwrap();
        let ring = symbolon_core::keys::KeyRing::new(vec![(
            symbolon_core::keys::KeyId(1),
            symbolon_core::keys::MasterKey::from_bytes([1; 32]),
        )])
        .unwrap();
        let letter = symbolon_core::Id::from_raw(1);
        ring.token_of(ring.current(), &nonce, letter).unwrap().reveal().to_owned()
    }

    #[test]
    fn a_token_is_placed_by_its_line_and_column() {
        let text = format!("one\n\nkey = {}\r\nlast {}", token(), token());

        assert_eq!(places(text.as_bytes(), PIECE), [(3, 7), (4, 6)]);
        assert_eq!(places(TOKEN.as_bytes(), PIECE), []);
    }

    proptest! {
        #[test]
        fn pieces_of_any_size_find_the_same(
            before in "[a\n]{0,100}", between in "[a\n]{0,100}", piece in 60_usize..200,
        ) {
            let text = format!("{before}{}{between}{}", token(), token());
            let place = |at: usize| {
                let head = &text[..at];
                let column = at - head.rfind('\n').map_or(0, |end| end + 1) + 1;
                (head.matches('\n').count() as u64 + 1, column as u64)
            };
            let second = before.len() + LENGTH + between.len();

            prop_assert_eq!(places(text.as_bytes(), piece), [place(before.len()), place(second)]);
        }
    }
}
