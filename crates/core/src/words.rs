//! Tables of values and the words that scripts, files and the database know them by.

/// The word of a value in a table of all values.
pub fn word_of<T: Copy + PartialEq>(all: &[(T, &'static str)], value: T) -> &'static str {
    all.iter().find(|(each, _)| *each == value).map_or("", |(_, word)| word)
}

/// The value of a word in a table of all values.
pub fn of_word<T: Copy>(all: &[(T, &'static str)], word: &str) -> Option<T> {
    all.iter().find(|(_, each)| *each == word).map(|(value, _)| *value)
}
