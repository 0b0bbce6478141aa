//! Where a list goes on: the sort key and id of the last row given, or a plain offset for orders that have no stable key
//! (relevance, rating). Opaque to whoever holds it, and refused by a list of another order.

use super::Error;
use crate::ids::ProductId;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};

/// The place after which a list goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cursor {
    /// After this time of publication, newest first.
    Published(DateTime<Utc>, ProductId),
    /// After this price in cents, either way.
    Price(i64, ProductId),
    /// After this number of sales, most first.
    Sales(i64, ProductId),
    /// After this many rows.
    Offset(u32),
}

impl Cursor {
    pub(super) fn encode(self) -> String {
        let plain = match self {
            Cursor::Published(at, id) => format!("t.{}.{id}", at.timestamp_micros()),
            Cursor::Price(cents, id) => format!("p.{cents}.{id}"),
            Cursor::Sales(sales, id) => format!("s.{sales}.{id}"),
            Cursor::Offset(rows) => format!("o.{rows}"),
        };
        URL_SAFE_NO_PAD.encode(plain)
    }

    pub(super) fn decode(text: &str) -> Result<Self, Error> {
        Self::read(text).ok_or(Error::BadCursor)
    }

    fn read(text: &str) -> Option<Self> {
        let plain = String::from_utf8(URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
        let (letter, rest) = plain.split_once('.')?;
        if letter == "o" {
            return rest.parse().ok().map(Cursor::Offset);
        }
        let (key, id) = rest.split_once('.')?;
        let (key, id): (i64, ProductId) = (key.parse().ok()?, id.parse().ok()?);
        match letter {
            // Nothing was published before 1970, and Postgres knows no time as early as a forged one can be.
            "t" if key >= 0 => DateTime::from_timestamp_micros(key).map(|at| Cursor::Published(at, id)),
            "p" => Some(Cursor::Price(key, id)),
            "s" => Some(Cursor::Sales(key, id)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_encoded_is_read_again(key in any::<i64>(), rows in any::<u32>(), micros in 0i64..4_000_000_000_000_000) {
            let id = ProductId::new();
            let at = DateTime::from_timestamp_micros(micros).expect("within range");
            for cursor in [Cursor::Published(at, id), Cursor::Price(key, id), Cursor::Sales(key, id), Cursor::Offset(rows)] {
                prop_assert_eq!(Cursor::decode(&cursor.encode()).ok(), Some(cursor));
            }
        }

        #[test]
        fn anything_else_is_refused_without_a_panic(text in ".{0,60}") {
            let _ = Cursor::decode(&text);
            let mistyped = format!("!{text}");
            prop_assert!(Cursor::decode(&mistyped).is_err());
        }
    }
}
