//! Whether a file is text, and in which encoding it is written.

use crate::Language;
use std::borrow::Cow;

/// How to read a file's bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Encoding {
    /// UTF-8 or anything that agrees with it on ASCII.
    Ascii,
    Utf16Le,
    Utf16Be,
    Binary,
}

impl Encoding {
    /// Judges by the first bytes. A file that is named as source counts as text even with zero bytes in it: interpreters
    /// run such files, and one stray byte must not hide them.
    pub fn of(head: &[u8], path: &str) -> Self {
        match head {
            [0xff, 0xfe, ..] => Encoding::Utf16Le,
            [0xfe, 0xff, ..] => Encoding::Utf16Be,
            _ if Language::of(path).is_some() => Encoding::Ascii,
            _ if head[..head.len().min(8 << 10)].contains(&0) => Encoding::Binary,
            _ => Encoding::Ascii,
        }
    }

    pub fn is_text(self) -> bool {
        self != Encoding::Binary
    }

    /// The bytes as UTF-8, where they are not already.
    pub fn decode(self, bytes: &[u8]) -> Cow<'_, [u8]> {
        let units = |read: fn([u8; 2]) -> u16| {
            let units = bytes.chunks_exact(2).map(|pair| read([pair[0], pair[1]]));
            char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect::<String>().into_bytes()
        };
        match self {
            Encoding::Ascii | Encoding::Binary => Cow::Borrowed(bytes),
            Encoding::Utf16Le => Cow::Owned(units(u16::from_le_bytes)),
            Encoding::Utf16Be => Cow::Owned(units(u16::from_be_bytes)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_told_from_the_rest() {
        assert_eq!(Encoding::of(b"hello", "a.txt"), Encoding::Ascii);
        assert_eq!(Encoding::of(b"\x89PNG\0\0", "a.png"), Encoding::Binary);
        assert_eq!(Encoding::of(b"<?php \0 eval", "a.php"), Encoding::Ascii);
        let wide: Vec<u8> = "\u{feff}key".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(Encoding::of(&wide, "a.txt").decode(&wide).as_ref(), "\u{feff}key".as_bytes());
    }
}
