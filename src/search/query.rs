//! The question as a value: words, filters, order and place. It reads any query string and never fails: a value that makes
//! no sense is left out and a [`Notice`] says so, which a page shows and the API answers as an error of that field. What it
//! writes, it reads back unchanged.

use crate::{
    catalog::{
        licence::{LicenceKind, MAX_PRICE, parse_dollars},
        product::ProductKind,
    },
    money::Cents,
};
use serde::Serialize;
use std::borrow::Cow;
use url::form_urlencoded;

/// Products on a page, where nobody asked for another number.
pub const PAGE_SIZE: u32 = 24;
/// The last page that can be turned to; who looks further needs a narrower search.
pub const PAGE_MAX: u32 = 200;
/// Most products in one answer.
pub const LIMIT_MAX: u32 = 100;

const TEXT_MAX: usize = 200;
const TECH_MAX: usize = 10;
const WORD_MAX: usize = 60;

/// Everything that decides what a result page shows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Query {
    /// Words as typed, trimmed. Quotes make a phrase, a minus leaves out.
    pub text: String,
    pub filters: Filters,
    pub sort: Sort,
    /// From 1; without meaning where there is a cursor.
    pub page: u32,
    /// Where the answer before this one ended.
    pub cursor: Option<String>,
    pub limit: u32,
}

/// What narrows a search. All of them together must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Filters {
    /// Slug of a category; what is below it counts too.
    pub category: Option<String>,
    pub price_min: Option<Cents>,
    pub price_max: Option<Cents>,
    /// Technologies in lower case, all of which a product must use.
    pub tech_stack: Vec<String>,
    pub kind: Option<ProductKind>,
    /// A licence that must be on offer.
    pub licence: Option<LicenceKind>,
    /// Average rating of at least this many stars.
    pub rating_min: Option<u8>,
    /// Only what can be paid with credits.
    pub accepts_credits: bool,
    /// Username of the seller.
    pub seller: Option<String>,
}

/// The order of results.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Sort {
    Relevance,
    Newest,
    Popular,
    PriceUp,
    PriceDown,
    Rating,
}

/// A value that was left out, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Notice {
    /// Name in the query string.
    pub field: &'static str,
    /// A sentence for the person who asked.
    pub message: String,
}

impl Sort {
    pub const ALL: [Sort; 6] = [Sort::Relevance, Sort::Newest, Sort::Popular, Sort::Rating, Sort::PriceUp, Sort::PriceDown];

    /// As the query string spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Sort::Relevance => "relevance",
            Sort::Newest => "newest",
            Sort::Popular => "popular",
            Sort::PriceUp => "price_up",
            Sort::PriceDown => "price_down",
            Sort::Rating => "rating",
        }
    }

    /// As a person reads it.
    pub fn label(self) -> &'static str {
        match self {
            Sort::Relevance => "Most relevant",
            Sort::Newest => "Newest",
            Sort::Popular => "Most sold",
            Sort::PriceUp => "Price: low to high",
            Sort::PriceDown => "Price: high to low",
            Sort::Rating => "Best rated",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|sort| sort.as_str() == text)
    }
}

impl Default for Query {
    fn default() -> Self {
        Self { text: String::new(), filters: Filters::default(), sort: Sort::Newest, page: 1, cursor: None, limit: PAGE_SIZE }
    }
}

impl Query {
    /// Reads a raw query string (`q=auth&tech=rust&tech=axum`). Unknown names belong to somebody else and are passed over.
    pub fn parse(raw: &str) -> (Self, Vec<Notice>) {
        let mut query = Self::default();
        let mut sort = None;
        let mut notices = Vec::new();
        for (name, value) in form_urlencoded::parse(raw.as_bytes()) {
            let value = clean(&value);
            if !value.is_empty() {
                query.take(&name, value, &mut sort, &mut notices);
            }
        }
        query.settle(sort, &mut notices);
        (query, notices)
    }

    fn take(&mut self, name: &str, value: String, sort: &mut Option<Sort>, notices: &mut Vec<Notice>) {
        let mut refuse = |field, message: String| notices.push(Notice { field, message });
        let filters = &mut self.filters;
        match name {
            "q" => match value.char_indices().nth(TEXT_MAX) {
                Some((end, _)) => {
                    self.text = value[..end].trim_end().to_owned();
                    refuse("q", format!("We searched for the first {TEXT_MAX} characters."));
                }
                None => self.text = value,
            },
            "category" => match is_slug(&value) {
                true => filters.category = Some(value),
                false => refuse("category", "There is no such category.".to_owned()),
            },
            "price_min" | "price_max" => {
                let (field, slot) = match name {
                    "price_min" => ("price_min", &mut filters.price_min),
                    _ => ("price_max", &mut filters.price_max),
                };
                match parse_dollars(&value) {
                    Ok(cents) if cents <= MAX_PRICE => *slot = Some(cents),
                    _ => {
                        refuse(field, format!("“{}” is not a price between $0 and $10,000, such as 49 or 49.50.", short(&value)))
                    }
                }
            }
            "tech" => {
                let value = value.to_lowercase();
                let known = filters.tech_stack.contains(&value);
                if filters.tech_stack.len() == TECH_MAX {
                    refuse("tech", format!("At most {TECH_MAX} technologies can be combined."));
                } else if value.chars().count() > WORD_MAX {
                    refuse("tech", "There is no technology with such a long name.".to_owned());
                } else if !known {
                    filters.tech_stack.push(value);
                }
            }
            "kind" => match kind(&value) {
                Some(kind) => filters.kind = Some(kind),
                None => refuse("kind", format!("“{}” is not a kind of product: code, prompt or bundle.", short(&value))),
            },
            "licence" | "license" => match value.parse() {
                Ok(licence) => filters.licence = Some(licence),
                Err(()) => refuse("licence", format!("“{}” is not a licence: standard, extended or enterprise.", short(&value))),
            },
            "rating" => match value.parse() {
                Ok(stars @ 1..=5) => filters.rating_min = Some(stars),
                _ => refuse("rating", "A rating is a whole number of stars from 1 to 5.".to_owned()),
            },
            "credits" => match value.as_str() {
                "1" | "true" | "on" | "yes" => filters.accepts_credits = true,
                "0" | "false" | "off" | "no" => filters.accepts_credits = false,
                _ => refuse("credits", "Say credits=1 for products that can be paid with credits.".to_owned()),
            },
            "seller" => match is_slug(&value) {
                true => filters.seller = Some(value),
                false => refuse("seller", "There is no such seller.".to_owned()),
            },
            "sort" => match Sort::parse(&value) {
                Some(known) => *sort = Some(known),
                None => refuse("sort", format!("Sort by one of {}.", Sort::ALL.map(Sort::as_str).join(", "))),
            },
            "page" => match value.parse() {
                Ok(page @ 1..=PAGE_MAX) => self.page = page,
                Ok(page) if page > PAGE_MAX => {
                    self.page = PAGE_MAX;
                    refuse("page", format!("Page {PAGE_MAX} is the last we show. Narrow the search to see the rest."));
                }
                _ => refuse("page", format!("A page is a number from 1 to {PAGE_MAX}.")),
            },
            "cursor" => self.cursor = Some(value),
            "limit" => match value.parse() {
                Ok(limit @ 1..=LIMIT_MAX) => self.limit = limit,
                _ => refuse("limit", format!("A limit is a number from 1 to {LIMIT_MAX}.")),
            },
            _ => {}
        }
    }

    /// What can only be decided when everything has been read.
    fn settle(&mut self, sort: Option<Sort>, notices: &mut Vec<Notice>) {
        self.sort = sort.unwrap_or_else(|| self.default_sort());
        if self.text.is_empty() && self.sort == Sort::Relevance {
            self.sort = Sort::Newest;
        }
        if let (Some(min), Some(max)) = (self.filters.price_min, self.filters.price_max)
            && min > max
        {
            (self.filters.price_min, self.filters.price_max) = (Some(max), Some(min));
            notices.push(Notice {
                field: "price_min",
                message: "The lowest price was above the highest, so we swapped them.".to_owned(),
            });
        }
    }

    /// The order where nobody chose one: the best match first, and the newest where there is nothing to match.
    pub fn default_sort(&self) -> Sort {
        if self.text.is_empty() { Sort::Newest } else { Sort::Relevance }
    }

    /// The names and values that [`Query::parse`] reads back to this very query. Defaults are left out.
    pub fn pairs(&self) -> Vec<(&'static str, Cow<'_, str>)> {
        let mut pairs: Vec<(&'static str, Cow<'_, str>)> = Vec::new();
        let f = &self.filters;
        if !self.text.is_empty() {
            pairs.push(("q", self.text.as_str().into()));
        }
        pairs.extend(f.category.as_deref().map(|slug| ("category", slug.into())));
        pairs.extend(f.kind.map(|kind| ("kind", kind_name(kind).into())));
        pairs.extend(f.tech_stack.iter().map(|tech| ("tech", tech.as_str().into())));
        pairs.extend(f.price_min.map(|cents| ("price_min", shortest(cents).into())));
        pairs.extend(f.price_max.map(|cents| ("price_max", shortest(cents).into())));
        pairs.extend(f.licence.map(|licence| ("licence", licence.as_str().into())));
        pairs.extend(f.rating_min.map(|stars| ("rating", stars.to_string().into())));
        pairs.extend(f.accepts_credits.then_some(("credits", "1".into())));
        pairs.extend(f.seller.as_deref().map(|seller| ("seller", seller.into())));
        if self.sort != self.default_sort() {
            pairs.push(("sort", self.sort.as_str().into()));
        }
        if self.page > 1 {
            pairs.push(("page", self.page.to_string().into()));
        }
        pairs.extend(self.cursor.as_deref().map(|cursor| ("cursor", cursor.into())));
        if self.limit != PAGE_SIZE {
            pairs.push(("limit", self.limit.to_string().into()));
        }
        pairs
    }

    /// [`Query::pairs`] as a query string without the question mark; empty for the default query.
    pub fn to_query_string(&self) -> String {
        form_urlencoded::Serializer::new(String::new()).extend_pairs(self.pairs()).finish()
    }

    /// The same question from its first page: where a changed filter or order leads.
    pub fn from_start(&self) -> Self {
        Self { page: 1, cursor: None, ..self.clone() }
    }

    /// True when there is nothing but an order and a place.
    pub fn is_unfiltered(&self) -> bool {
        self.text.is_empty() && self.filters == Filters::default()
    }
}

/// Without control characters (Postgres refuses NUL) and surplus blanks.
fn clean(value: &str) -> String {
    let plain: String = value.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    plain.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// As much of a value as a sentence can carry.
fn short(value: &str) -> String {
    value.chars().take(40).collect()
}

fn is_slug(value: &str) -> bool {
    value.len() <= 100 && value.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_'))
}

/// `49` for whole dollars, `49.50` otherwise.
fn shortest(cents: Cents) -> String {
    let decimal = cents.decimal();
    decimal.strip_suffix(".00").map(str::to_owned).unwrap_or(decimal)
}

fn kind_name(kind: ProductKind) -> &'static str {
    match kind {
        ProductKind::Code => "code",
        ProductKind::Prompt => "prompt",
        ProductKind::Bundle => "bundle",
    }
}

fn kind(text: &str) -> Option<ProductKind> {
    [ProductKind::Code, ProductKind::Prompt, ProductKind::Bundle].into_iter().find(|kind| kind_name(*kind) == text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{option, prelude::*, sample::select};

    fn read(raw: &str) -> Query {
        let (query, notices) = Query::parse(raw);
        assert_eq!(notices, [], "{raw}");
        query
    }

    #[test]
    fn an_empty_string_is_the_whole_catalogue_newest_first() {
        assert_eq!(read(""), Query::default());
        assert_eq!(read("q=&category=&price_min=&utm_source=letter"), Query::default());
        assert_eq!(Query::default().to_query_string(), "");
    }

    #[test]
    fn everything_can_be_said() {
        let raw = "q=multi+tenant&category=saas-starters&kind=code&tech=rust&tech=axum&price_min=10&price_max=99.50\
                   &licence=extended&rating=4&credits=1&seller=ada&sort=price_up&page=3";
        let query = read(raw);
        assert_eq!(query.filters.price_max, Some(Cents(9_950)));
        assert_eq!(query.filters.tech_stack, ["rust", "axum"]);
        assert_eq!(query.sort, Sort::PriceUp);
        assert_eq!(query.to_query_string(), raw);
    }

    #[test]
    fn words_are_sorted_by_relevance_unless_told_otherwise() {
        assert_eq!(read("q=auth").sort, Sort::Relevance);
        assert_eq!(read("q=auth&sort=newest").sort, Sort::Newest);
        assert_eq!(read("sort=relevance").sort, Sort::Newest);
    }

    #[test]
    fn nonsense_is_left_out_and_said() {
        for (raw, field) in [
            ("price_min=cheap", "price_min"),
            ("price_max=-1", "price_max"),
            ("price_max=10001", "price_max"),
            ("rating=6", "rating"),
            ("kind=car", "kind"),
            ("licence=gpl", "licence"),
            ("sort=random", "sort"),
            ("page=0", "page"),
            ("limit=101", "limit"),
            ("category=../etc", "category"),
            ("credits=maybe", "credits"),
        ] {
            let (query, notices) = Query::parse(raw);
            assert_eq!(query, Query::default(), "{raw}");
            assert_eq!(notices.iter().map(|n| n.field).collect::<Vec<_>>(), [field], "{raw}");
        }
        assert_eq!(Query::parse("page=999").0.page, PAGE_MAX);
    }

    #[test]
    fn prices_the_wrong_way_round_are_swapped() {
        let (query, notices) = Query::parse("price_min=50&price_max=$10");
        assert_eq!((query.filters.price_min, query.filters.price_max), (Some(Cents(1_000)), Some(Cents(5_000))));
        assert_eq!(notices.len(), 1);
    }

    #[test]
    fn a_nul_byte_never_reaches_the_database() {
        assert_eq!(read("q=a%00b").text, "a b");
        assert_eq!(read("tech=%00"), Query::default());
    }

    prop_compose! {
        fn filters()(
            category in option::of("[a-z0-9-]{1,30}"),
            prices in option::of((0i64..=1_000_000, 0i64..=1_000_000)),
            tech_stack in prop::collection::vec("[a-z0-9.+#&=%-]{1,20}", 0..5),
            kind in option::of(select(vec![ProductKind::Code, ProductKind::Prompt, ProductKind::Bundle])),
            licence in option::of(select(vec![LicenceKind::Standard, LicenceKind::Extended, LicenceKind::Enterprise])),
            rating_min in option::of(1u8..=5),
            accepts_credits in any::<bool>(),
            seller in option::of("[a-z0-9_-]{3,50}"),
        ) -> Filters {
            let mut unique: Vec<String> = Vec::new();
            for tech in tech_stack {
                if !unique.contains(&tech) {
                    unique.push(tech);
                }
            }
            let price = |pick: fn(i64, i64) -> i64| prices.map(|(a, b)| Cents(pick(a, b)));
            Filters {
                category, tech_stack: unique, kind, licence, rating_min, accepts_credits, seller,
                price_min: price(i64::min), price_max: price(i64::max),
            }
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(
            filters in filters(),
            text in "[^\\p{C}\\s]{1,20}( [^\\p{C}\\s]{1,20}){0,3}|",
            sort in select(Sort::ALL.to_vec()),
            page in 1..=PAGE_MAX,
            cursor in option::of("[A-Za-z0-9_-]{1,40}"),
            limit in 1..=LIMIT_MAX,
        ) {
            let sort = if text.is_empty() && sort == Sort::Relevance { Sort::Newest } else { sort };
            let query = Query { text, filters, sort, page, cursor, limit };
            prop_assert_eq!(Query::parse(&query.to_query_string()), (query, Vec::new()));
        }

        #[test]
        fn any_query_string_is_read(raw in ".{0,200}") {
            let (query, _) = Query::parse(&raw);
            prop_assert_eq!(Query::parse(&query.to_query_string()).0, query);
        }
    }
}
