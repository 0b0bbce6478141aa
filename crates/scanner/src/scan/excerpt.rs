//! Where a match lies and what its line looks like, in time linear in the window however many matches there are.

use super::Window;
use std::ops::Range;

/// Bytes of a line shown before and after a match.
const BEFORE: usize = 60;
const AFTER: usize = 100;

/// Number of line ends.
pub(super) fn newlines(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.iter().filter(|byte| **byte == b'\n').count()).unwrap_or(u32::MAX)
}

/// Counts lines for matches that come in order.
pub(super) struct Lines<'w> {
    window: &'w Window<'w>,
    offset: usize,
    line: u32,
}

impl<'w> Lines<'w> {
    pub fn of(window: &'w Window<'w>) -> Self {
        Self { window, offset: 0, line: window.first_line }
    }

    /// The line of `offset`, which must not lie before the one asked last.
    pub fn at(&mut self, offset: usize) -> u32 {
        self.line = self.line.saturating_add(newlines(&self.window.bytes[self.offset..offset.max(self.offset)]));
        self.offset = self.offset.max(offset);
        self.line
    }
}

/// The line around `span`, shortened, trimmed, with all of `masks` blotted out.
pub(super) fn excerpt(bytes: &[u8], span: &Range<usize>, masks: &[Range<usize>]) -> String {
    let from = span.start.saturating_sub(BEFORE);
    let to = span.start.saturating_add(AFTER).min(bytes.len());
    let start = bytes[from..span.start].iter().rposition(|b| *b == b'\n').map_or(from, |at| from + at + 1);
    let end = bytes[span.start..to].iter().position(|b| *b == b'\n').map_or(to, |at| span.start + at);
    let mut shown = String::new();
    let mut at = start;
    for mask in masks.iter().filter(|mask| mask.start < end && mask.end > start) {
        if mask.start >= at {
            let hint = mask.start + 4.min(mask.len() / 4);
            shown.push_str(&String::from_utf8_lossy(&bytes[at..hint.min(end)]));
        }
        shown.push_str("••••••");
        at = at.max(mask.end);
    }
    if at < end {
        shown.push_str(&String::from_utf8_lossy(&bytes[at..end]));
    }
    let text: String = shown.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    text.trim().to_owned()
}

/// The whole line before `offset`, up to it.
pub(super) fn line_before(bytes: &[u8], offset: usize) -> &[u8] {
    let from = offset.saturating_sub(400);
    let start = bytes[from..offset].iter().rposition(|b| *b == b'\n').map_or(from, |at| from + at + 1);
    &bytes[start..offset]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn secrets_are_masked_in_every_excerpt() {
        let text = b"first\n  key = 'sk_live_0123456789abcdef'; eval(x)\nlast";
        let (secret, call) = (15..39, 42..46);
        assert_eq!(excerpt(text, &call, std::slice::from_ref(&secret)), "key = 'sk_l••••••'; eval(x)");
        assert_eq!(excerpt(text, &secret, std::slice::from_ref(&secret)), "key = 'sk_l••••••'; eval(x)");
    }

    #[test]
    fn lines_are_counted_from_where_the_window_begins() {
        let window = Window { path: "a", bytes: b"a\nb\nc", first_line: 10, end: 5 };
        let mut lines = Lines::of(&window);
        assert_eq!((lines.at(0), lines.at(2), lines.at(4)), (10, 11, 12));
    }

    proptest! {
        #[test]
        fn any_span_of_any_bytes_has_an_excerpt(bytes in prop::collection::vec(any::<u8>(), 1..400), a in any::<prop::sample::Index>(), b in any::<prop::sample::Index>(), c in any::<prop::sample::Index>()) {
            let (a, b, c) = (a.index(bytes.len()), b.index(bytes.len()), c.index(bytes.len()));
            let mask = a.min(b)..a.max(b);
            prop_assert!(excerpt(&bytes, &(c..bytes.len()), std::slice::from_ref(&mask)).chars().count() <= BEFORE + AFTER + 6);
        }
    }
}
