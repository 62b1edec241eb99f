//! What a word is, for documents and for what people type; every implementation uses this one.
//!
//! A word is a run of alphanumeric characters (Unicode), in lower case. All else separates:
//! `src/main-page.rs` has four words, `CVE-2021-44228` three. There is no stemming and no
//! folding of accents: what is searched here is names, paths and identifiers.

/// Fields whose words a text search looks at, besides the finding's title and text.
pub const SEARCHED: &[&str] = &["path", "package", "place", "identifier", "tag"];

/// Characters of a word that count; longer ones are equal when they begin alike.
pub const WORD_CHARS: usize = 64;

/// The words of a text, in order, with repetitions.
pub fn words(text: &str) -> impl Iterator<Item = String> + '_ {
    text.split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(|word| {
            word.chars()
                .flat_map(char::to_lowercase)
                .take(WORD_CHARS)
                .collect()
        })
}

/// Whether the text holds the part, in any case. An empty part is in every text.
#[must_use]
pub fn contains(text: &str, lowered_part: &str) -> bool {
    if text.is_ascii() {
        let (text, part) = (text.as_bytes(), lowered_part.as_bytes());
        return part.is_empty()
            || text
                .windows(part.len())
                .any(|window| window.eq_ignore_ascii_case(part));
    }
    lower(text).contains(lowered_part)
}

/// Lower case, character by character, so that a part of a text stays a part of it.
#[must_use]
pub fn lower(text: &str) -> String {
    text.chars().flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_runs_of_letters_and_digits_in_lower_case() {
        for (text, expected) in [
            ("src/main-page.rs", vec!["src", "main", "page", "rs"]),
            ("CVE-2021-44228", vec!["cve", "2021", "44228"]),
            (
                "snake_case.Über Straße",
                vec!["snake", "case", "über", "straße"],
            ),
            ("\"quoted\" OR (NEAR *", vec!["quoted", "or", "near"]),
            ("日本 語", vec!["日本", "語"]),
            (" -_./ \u{0} ", vec![]),
        ] {
            assert_eq!(words(text).collect::<Vec<_>>(), expected, "{text:?}");
        }
        assert_eq!(
            words(&"x".repeat(1_000))
                .map(|word| word.len())
                .collect::<Vec<_>>(),
            [WORD_CHARS]
        );
    }

    #[test]
    fn a_part_is_found_in_any_case() {
        for (text, part, expected) in [
            ("Src/Main.rs", "c/mAIN", true),
            ("Src/Main.rs", "main.py", false),
            ("a", "", true),
            ("Ünï", "NÏ", true),
            ("ab", "abc", false),
        ] {
            assert_eq!(contains(text, &lower(part)), expected, "{text:?} {part:?}");
        }
    }
}
