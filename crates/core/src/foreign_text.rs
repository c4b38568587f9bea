//! Text that strangers write and that we show: where a token was seen, what a client calls itself.
//!
//! It must neither hide nor reorder what stands around it, and in a mail of ours no program may make a link of
//! it: the mail would lend it our name. What it *says* is nothing that can be judged here.

/// What programs make a link of though no `//` follows.
const SCHEMES: [&str; 9] =
    ["mailto", "tel", "sms", "callto", "skype", "xmpp", "news", "file", "javascript"];

/// Whether a character shows itself and nothing else: no control, no line end, nothing that turns the
/// direction of writing or has no width.
pub fn is_shown(character: char) -> bool {
    let hides = matches!(
        character,
        '\u{ad}'
            | '\u{34f}'
            | '\u{61c}'
            | '\u{115f}'..='\u{1160}'
            | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e0fff}'
    );
    !character.is_control() && !hides
}

/// The text with whatever a mail program would make a link of taken apart by brackets: addresses with and
/// without a scheme, host names, mail addresses. Versions (`3.10`) and IP addresses stay as they are.
pub fn without_links(text: &str) -> String {
    let characters: Vec<char> = text.chars().collect();
    let mut broken = String::with_capacity(text.len() + 16);
    for (at, character) in characters.iter().copied().enumerate() {
        let before = at.checked_sub(1).map(|before| characters[before]);
        let next = characters.get(at + 1).copied();
        if before == Some('[') && next == Some(']') {
            // Taken apart already.
            broken.push(character);
            continue;
        }
        let links = match character {
            // Besides the full stop those that stand for it in host names (UTS 46 §2.3).
            '.' | '\u{3002}' | '\u{ff0e}' | '\u{ff61}' => joins_labels(before, next),
            '@' | '\u{ff20}' | '\u{fe6b}' => true,
            ':' => next == Some('/') || ends_with_scheme(&characters[..at]),
            // `\\host\share`
            '\\' => next == Some('\\'),
            _ => false,
        };
        if links {
            broken.extend(['[', character, ']']);
        } else {
            broken.push(character);
        }
    }
    broken
}

/// Whether a dot between these stands in a name and not in a number.
fn joins_labels(before: Option<char>, next: Option<char>) -> bool {
    let (Some(before), Some(next)) = (before, next) else { return false };
    let in_number = before.is_ascii_digit() && next.is_ascii_digit();
    before.is_alphanumeric() && next.is_alphanumeric() && !in_number
}

fn ends_with_scheme(text: &[char]) -> bool {
    SCHEMES.iter().any(|scheme| {
        let begin = text.len().checked_sub(scheme.len());
        begin.is_some_and(|begin| {
            let end = text[begin..].iter().map(char::to_ascii_lowercase);
            end.eq(scheme.chars()) && text[..begin].last().is_none_or(|c| !c.is_alphanumeric())
        })
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn whatever_would_become_a_link_is_taken_apart() {
        for (text, broken) in [
            ("see https://evil.example/a.b", "see https[:]//evil[.]example/a[.]b"),
            ("HTTP://10.1.2.3/x", "HTTP[:]//10.1.2.3/x"),
            ("evil.example/login", "evil[.]example/login"),
            ("WWW.Evil.Example", "WWW[.]Evil[.]Example"),
            ("help@evil.example", "help[@]evil[.]example"),
            ("MAILTO:me", "MAILTO[:]me"),
            ("tel:+4912345", "tel[:]+4912345"),
            ("1.evil.2x.example", "1[.]evil[.]2x[.]example"),
            ("münchen.例え.テスト", "münchen[.]例え[.]テスト"),
            ("evil\u{3002}example", "evil[\u{3002}]example"),
            (r"\\evil\share", r"[\]\evil\share"),
        ] {
            assert_eq!(without_links(text), broken);
        }
    }

    #[test]
    fn what_is_no_link_is_left_as_it_is() {
        for text in [
            "jsforce/3.10",
            "Chrome 156 on Linux",
            "curl/8.5.0 (x86_64)",
            "desktop (Excel from 10.1.2.3, last 2026-11-23T07:00:00.000Z), 2001:db8::1",
            "It was seen. There.",
        ] {
            assert_eq!(without_links(text), text);
        }
    }

    proptest! {
        #[test]
        fn what_was_taken_apart_stays_as_it_is(text in ".{0,40}") {
            let once = without_links(&text);

            prop_assert_eq!(without_links(&once), once);
        }
    }
}
