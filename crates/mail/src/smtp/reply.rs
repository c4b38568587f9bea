//! Makes a server's words fit to be stored and shown: one short line without a secret.
//!
//! A server may quote what it was sent. Its words end in the database and on pages, where neither
//! a token nor a link nor our own password may stand, so they are cut out: whatever has the shape
//! of a token, and every piece of a secret of this very delivery.

use symbolon_core::token::{LENGTH, has_token_shape};

/// Longest reply that is kept, in characters.
const LIMIT: usize = 300;

/// Shortest piece of a secret that is cut out. Eight characters of a token are 48 of its 131 bits.
const PIECE: usize = 8;

/// One line of at most 300 characters, without control characters and without any of `secrets`.
pub(super) fn fit_to_show<'a>(words: &str, secrets: impl IntoIterator<Item = &'a str>) -> String {
    let separates = |c: char| c.is_control() || c.is_whitespace();
    let words = words.split(separates).filter(|word| !word.is_empty());
    let mut line = words.collect::<Vec<_>>().join(" ");
    line.retain(|c| !matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'));
    line = without_token_shapes(&line);
    for secret in secrets {
        line = without_pieces(&line, secret);
    }
    // Where secrets overlap in what the server quotes, one mark is enough.
    while line.contains("……") {
        line = line.replace("……", "…");
    }
    // Last, for a cut could leave half a token that no longer has its shape.
    line.chars().take(LIMIT).collect()
}

/// Cuts every token down to `sbn…`.
fn without_token_shapes(line: &str) -> String {
    let mut rest = line;
    let mut clean = String::with_capacity(line.len());
    while let Some(at) = rest.find("sbn") {
        clean.push_str(&rest[..at]);
        clean.push_str("sbn");
        let token = rest.get(at..at + LENGTH).filter(|text| has_token_shape(text));
        clean.push_str(if token.is_some() { "…" } else { "" });
        rest = &rest[at + token.map_or("sbn".len(), str::len)..];
    }
    clean + rest
}

/// Cuts out every piece of `secret` that is eight characters long or more; a shorter secret whole.
fn without_pieces(line: &str, secret: &str) -> String {
    let secret: Vec<char> = secret.chars().collect();
    let line: Vec<char> = line.chars().collect();
    let least = PIECE.min(secret.len());
    let mut clean = String::new();
    let mut at = 0;
    while at < line.len() {
        let piece = longest_piece(&line[at..], &secret);
        if least > 0 && piece >= least {
            clean.push('…');
            at += piece;
        } else {
            clean.push(line[at]);
            at += 1;
        }
    }
    clean
}

/// How many characters at the beginning of `line` also stand somewhere in `secret`.
fn longest_piece(line: &[char], secret: &[char]) -> usize {
    let common = |from: usize| line.iter().zip(&secret[from..]).take_while(|(a, b)| a == b).count();
    (0..secret.len()).map(common).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "sbn0123456789abcdefghijABCDEFGH";

    #[test]
    fn several_lines_become_one_without_control_characters() {
        let shown = fit_to_show("450 4.7.1 busy\r\n\tcome\0again \u{1b}[31mlater\u{202e}", []);

        assert_eq!(shown, "450 4.7.1 busy come again [31mlater");
    }

    #[test]
    fn anything_of_token_shape_is_cut_even_where_it_crosses_the_limit() {
        let shape = &TOKEN[..LENGTH];
        let long = format!("554 {}{shape} end", "x ".repeat(140));

        assert_eq!(fit_to_show(&format!("554 got {shape}!"), []), "554 got sbn…!");
        assert_eq!(fit_to_show("554 sbn sbnet", []), "554 sbn sbnet");
        assert!(!fit_to_show(&long, []).contains(&shape[..5]));
    }

    #[test]
    fn a_secret_is_cut_even_in_pieces() {
        let secret = "AbCdEfGhIjKlMnOpQrStUv";

        let shown = fit_to_show("554 AbCdEfGhIjKl\r\n554 MnOpQrStUv and AbCd", [secret]);

        assert_eq!(shown, "554 … 554 … and AbCd");
        assert_eq!(fit_to_show("535 bad password pw", ["pw"]), "535 bad password …");
        assert_eq!(fit_to_show("535 no", [""]), "535 no");
    }

    #[test]
    fn a_reply_is_at_most_300_characters_long() {
        assert_eq!(fit_to_show(&"é".repeat(1000), []).chars().count(), LIMIT);
    }
}
