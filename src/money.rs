//! Money as integers of cents. Intermediates are `i128`, shares are split by largest remainder, so that the parts always
//! add up to the whole (spec 3). Floating point appears nowhere, not even in JSON, where dollars are written digit by digit.

use serde::{Deserialize, Serialize};
use std::{fmt, iter::Sum, ops};

/// An amount of US dollars in cents. May be negative: a balance that is owed, a reversal.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize, sqlx::Type)]
#[serde(transparent)]
#[sqlx(transparent)]
pub struct Cents(pub i64);

/// A rate in hundredths of a per cent: 1,000 is 10 %.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize, sqlx::Type)]
#[serde(transparent)]
#[sqlx(transparent)]
pub struct BasisPoints(pub i32);

impl Cents {
    pub const ZERO: Cents = Cents(0);

    /// This share of the amount, rounded half away from zero to a whole cent.
    pub fn share(self, rate: BasisPoints) -> Cents {
        let scaled = i128::from(self.0) * i128::from(rate.0);
        let half = if scaled < 0 { -5_000 } else { 5_000 };
        Cents(i64::try_from((scaled + half) / 10_000).expect("a share of an i64 by at most 100 % fits an i64"))
    }

    /// Splits the amount in proportion to `weights` by largest remainder: the parts add up to the amount exactly. Where all
    /// weights are zero, the parts are as equal as cents allow.
    ///
    /// # Panics
    /// When `weights` is empty while the amount is not zero: there is nobody to give it to.
    pub fn split(self, weights: &[u64]) -> Vec<Cents> {
        assert!(!weights.is_empty() || self.0 == 0, "an amount cannot be split among nobody");
        let even = weights.iter().all(|w| *w == 0);
        let weights: Vec<i128> = weights.iter().map(|w| if even { 1 } else { i128::from(*w) }).collect();
        let total: i128 = weights.iter().sum();
        let amount = i128::from(self.0);
        let mut parts: Vec<i128> = weights.iter().map(|w| (amount * w).div_euclid(total.max(1))).collect();
        let mut order: Vec<usize> = (0..parts.len()).collect();
        order.sort_by_key(|&i| (std::cmp::Reverse((amount * weights[i]).rem_euclid(total.max(1))), i));
        let missing = amount - parts.iter().sum::<i128>();
        for &i in order.iter().take(usize::try_from(missing).unwrap_or(0)) {
            parts[i] += 1;
        }
        parts.into_iter().map(|p| Cents(i64::try_from(p).expect("a part is no larger than the whole"))).collect()
    }

    /// `299.00`, as the API writes it.
    pub fn decimal(self) -> String {
        let sign = if self.0 < 0 { "-" } else { "" };
        let n = self.0.unsigned_abs();
        format!("{sign}{}.{:02}", n / 100, n % 100)
    }
}

impl fmt::Display for Cents {
    /// `$1,299.00`, as a page writes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = (self.0.unsigned_abs() / 100).to_string();
        let grouped =
            whole.as_bytes().rchunks(3).rev().map(|c| std::str::from_utf8(c).expect("digits")).collect::<Vec<_>>().join(",");
        write!(f, "{}${grouped}.{:02}", if self.0 < 0 { "−" } else { "" }, self.0.unsigned_abs() % 100)
    }
}

impl ops::Add for Cents {
    type Output = Cents;
    fn add(self, other: Cents) -> Cents {
        Cents(self.0 + other.0)
    }
}

impl ops::Sub for Cents {
    type Output = Cents;
    fn sub(self, other: Cents) -> Cents {
        Cents(self.0 - other.0)
    }
}

impl ops::Neg for Cents {
    type Output = Cents;
    fn neg(self) -> Cents {
        Cents(-self.0)
    }
}

impl Sum for Cents {
    fn sum<I: Iterator<Item = Cents>>(parts: I) -> Cents {
        Cents(parts.map(|c| c.0).sum())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn is_written_for_people_and_for_programs() {
        assert_eq!(Cents(123_456_789).to_string(), "$1,234,567.89");
        assert_eq!(Cents(-5).to_string(), "−$0.05");
        assert_eq!(Cents(29_900).decimal(), "299.00");
        assert_eq!(Cents(-101).decimal(), "-1.01");
    }

    #[test]
    fn a_share_is_rounded_half_away_from_zero() {
        assert_eq!(Cents(2_999).share(BasisPoints(1_000)), Cents(300));
        assert_eq!(Cents(5).share(BasisPoints(1_000)), Cents(1));
        assert_eq!(Cents(-5).share(BasisPoints(1_000)), Cents(-1));
    }

    #[test]
    fn the_odd_cents_go_to_the_largest_remainders() {
        assert_eq!(Cents(100).split(&[1, 1, 1]), [Cents(34), Cents(33), Cents(33)]);
        assert_eq!(Cents(10).split(&[0, 0]), [Cents(5), Cents(5)]);
    }

    proptest! {
        #[test]
        fn parts_add_up_to_the_whole(amount in -1_000_000_000_000i64..1_000_000_000_000, weights in prop::collection::vec(0u64..1_000_000_000, 1..40)) {
            prop_assert_eq!(Cents(amount).split(&weights).into_iter().sum::<Cents>(), Cents(amount));
        }
    }
}
