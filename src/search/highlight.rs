//! A piece of text in which some words are marked. Engines mark words with a pair of private-use characters; from there
//! on it is data, so that no page has to trust markup that came out of a search engine.

use serde::Serialize;

/// Put before a marked word by the engine; a private-use character that no product text contains on purpose.
pub(super) const START: char = '\u{E000}';
/// Put after a marked word.
pub(super) const END: char = '\u{E001}';

/// Text in pieces, marked and plain in turn.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Highlight(pub Vec<Fragment>);

/// A piece of text that is marked as a whole or not at all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fragment {
    pub text: String,
    /// True where the words of the query are.
    pub hit: bool,
}

impl Highlight {
    /// Reads what an engine marked with [`START`] and [`END`]. Marks without a partner are dropped.
    pub(super) fn parse(marked: &str) -> Self {
        let mut fragments = Vec::new();
        let mut push = |text: &str, hit| {
            let text: String = text.chars().filter(|c| !matches!(*c, START | END)).collect();
            if !text.is_empty() {
                fragments.push(Fragment { text, hit });
            }
        };
        let mut rest = marked;
        while let Some((plain, after)) = rest.split_once(START) {
            push(plain, false);
            match after.split_once(END) {
                Some((hit, after)) => {
                    push(hit, true);
                    rest = after;
                }
                None => rest = after,
            }
        }
        push(rest, false);
        Self(fragments)
    }

    /// True when a word in it is marked.
    pub fn has_hit(&self) -> bool {
        self.0.iter().any(|fragment| fragment.hit)
    }

    /// The text without its marks.
    pub fn plain(&self) -> String {
        self.0.iter().map(|fragment| fragment.text.as_str()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn fragment(text: &str, hit: bool) -> Fragment {
        Fragment { text: text.to_owned(), hit }
    }

    #[test]
    fn marked_words_become_fragments() {
        let highlight = Highlight::parse("a \u{E000}fast\u{E001} \u{E000}starter\u{E001}.");
        let expected = [
            fragment("a ", false),
            fragment("fast", true),
            fragment(" ", false),
            fragment("starter", true),
            fragment(".", false),
        ];
        assert_eq!(highlight.0, expected);
        assert!(highlight.has_hit());
    }

    #[test]
    fn a_mark_without_a_partner_is_dropped() {
        assert_eq!(Highlight::parse("a \u{E000}b"), Highlight(vec![fragment("a ", false), fragment("b", false)]));
        assert_eq!(Highlight::parse("\u{E001}b"), Highlight(vec![fragment("b", false)]));
        assert_eq!(Highlight::parse(""), Highlight(Vec::new()));
    }

    proptest! {
        #[test]
        fn no_text_is_lost(text in "[a-c \u{E000}\u{E001}<]{0,40}") {
            let unmarked: String = text.chars().filter(|c| !matches!(*c, START | END)).collect();
            prop_assert_eq!(Highlight::parse(&text).plain(), unmarked);
        }
    }
}
