//! The counts beside each filter (SEARCH-02). A count says how many products there would be if that value were chosen:
//! one-of-many filters (category, kind, licence, rating, price) are counted as if their own choice were not made, while
//! technologies and credits narrow what is there, since several may be chosen together.

use crate::money::Cents;
use serde::Serialize;

/// Counts for every filter.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Facets {
    /// In the order of the category tree; a branch counts what is below it.
    pub category: Vec<Count>,
    /// The most frequent technologies first, those already chosen among them.
    pub tech_stack: Vec<Count>,
    pub kind: Vec<Count>,
    pub licence: Vec<Count>,
    /// "4 and up", "3 and up", …
    pub rating: Vec<Count>,
    /// How many can be paid with credits.
    pub accepts_credits: u64,
    /// Lowest and highest price; none when nothing matches.
    pub price: Option<PriceRange>,
}

/// How many products carry a value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Count {
    /// As the query string spells it.
    pub value: String,
    /// As a person reads it.
    pub label: String,
    pub count: u64,
    /// How far below the top of its tree; 0 for everything but subcategories.
    pub depth: u8,
}

impl Count {
    pub(super) fn flat(value: impl Into<String>, label: impl Into<String>, count: u64) -> Self {
        Self { value: value.into(), label: label.into(), count, depth: 0 }
    }
}

/// From the cheapest to the dearest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct PriceRange {
    pub min_cents: Cents,
    pub max_cents: Cents,
}
