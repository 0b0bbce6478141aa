//! The products of the search stories, and what a search of them must find, in which order and with which counts: worked out
//! from the list itself.

use crate::support::stage::Stage;
use mywork::{
    catalog::{licence::LicenceKind, product::ProductKind},
    search::{Query, Sort},
};
use std::{cmp::Ordering, collections::BTreeMap};

/// A product as the story knows it.
#[derive(Clone)]
pub struct Item {
    pub id: String,
    pub slug: String,
    pub title: String,
    pub state: &'static str,
    /// The main category and the one it lies in; the same where it lies at the top.
    pub branch: (&'static str, &'static str),
    pub kind: ProductKind,
    pub tech: &'static [&'static str],
    pub price: i64,
    pub licences: &'static [LicenceKind],
    pub for_credits: bool,
    pub sales: i64,
    /// Sum and number of ratings.
    pub stars: (i64, i64),
    /// Minutes on sale.
    pub age: i32,
    pub seller: &'static str,
}

pub const ON_SALE: usize = 40;
const BRANCHES: [(&str, &str, ProductKind); 5] = [
    ("saas-starters", "saas-starters", ProductKind::Code),
    ("saas-starters", "b2b-starters", ProductKind::Code),
    ("api-services", "payment-apis", ProductKind::Code),
    ("components", "react-components", ProductKind::Code),
    ("coding-prompts", "review-prompts", ProductKind::Prompt),
];
const TECH: [&[&str]; 4] = [&["Rust", "Axum"], &["TypeScript", "Next.js"], &["Rust", "PostgreSQL"], &[]];

/// The properties go round in circles of different lengths, so that they meet in every combination.
pub fn item(n: usize) -> Item {
    use LicenceKind::{Enterprise, Extended, Standard};
    let (main, shelf, kind) = BRANCHES[n % 5];
    let title = format!(
        "{} {} {n}",
        ["Invoice", "Booking", "Calendar", "Documentation"][n / 3 % 4],
        ["starter", "toolkit", "service"][n % 3]
    );
    let (ratings, level) = (n as i64 % 7, 1 + n as i64 % 5);
    Item {
        id: format!("00000000-0000-4000-8000-{n:012}"),
        slug: title.to_lowercase().replace(' ', "-"),
        title,
        state: "active",
        branch: (main, shelf),
        kind: if n % 13 == 12 { ProductKind::Bundle } else { kind },
        tech: TECH[n / 2 % 4],
        price: [900, 1_900, 4_950, 4_900, 12_900, 0][n % 6],
        licences: [&[Standard][..], &[Standard, Extended], &[Standard, Extended, Enterprise], &[Extended]][n % 4],
        for_credits: n % 11 < 4,
        sales: n as i64 * 13 % 17,
        stars: (ratings * level + if level < 5 { ratings / 2 } else { 0 }, ratings),
        age: n as i32 / 2,
        seller: ["ada", "ben", "cleo"][n / 4 % 3],
    }
}

impl Item {
    /// Average in hundredths of a star; 0 where nobody rated it.
    fn rating(&self) -> i64 {
        let (sum, count) = self.stars;
        if count == 0 { 0 } else { (200 * sum + count) / (2 * count) }
    }

    pub fn answers(&self, asked: &Query) -> bool {
        let filters = &asked.filters;
        let title = self.title.to_lowercase();
        asked.text.split(' ').all(|word| title.split(' ').any(|own| own.starts_with(word)))
            && filters.category.as_deref().is_none_or(|slug| slug == self.branch.0 || slug == self.branch.1)
            && filters.price_min.is_none_or(|min| self.price >= min.0)
            && filters.price_max.is_none_or(|max| self.price <= max.0)
            && filters.tech_stack.iter().all(|tech| self.tech.iter().any(|own| own.to_lowercase() == *tech))
            && filters.kind.is_none_or(|kind| kind == self.kind)
            && filters.licence.is_none_or(|licence| self.licences.contains(&licence))
            && filters.rating_min.is_none_or(|stars| self.rating() >= 100 * i64::from(stars))
            && (self.for_credits || !filters.accepts_credits)
            && filters.seller.as_deref().is_none_or(|seller| seller == self.seller)
    }

    fn comes_before(&self, other: &Self, sort: Sort) -> Ordering {
        let (a, b) = (self, other);
        match sort {
            Sort::Newest => (a.age, &b.id).cmp(&(b.age, &a.id)),
            Sort::Popular | Sort::Relevance => (b.sales, &b.id).cmp(&(a.sales, &a.id)),
            Sort::PriceUp => (a.price, &a.id).cmp(&(b.price, &b.id)),
            Sort::PriceDown => (b.price, &b.id).cmp(&(a.price, &a.id)),
            Sort::Rating => (b.rating(), b.stars.1, &b.id).cmp(&(a.rating(), a.stars.1, &a.id)),
        }
    }
}

/// Slugs of what a question must find, in its order.
pub fn expected(items: &[Item], asked: &Query) -> Vec<String> {
    let mut found: Vec<&Item> = items.iter().filter(|item| item.answers(asked)).collect();
    found.sort_by(|a, b| a.comes_before(b, asked.sort));
    found.into_iter().map(|item| item.slug.clone()).collect()
}

/// What must stand beside each value of each filter: a choice of one does not narrow its own group.
pub fn expected_counts(items: &[Item], asked: &Query) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    let mut count = |name: &str, value: &str| *counts.entry(format!("{name} {value}")).or_default() += 1;
    let without = |forget: fn(&mut Query)| {
        let mut less = asked.clone();
        forget(&mut less);
        items.iter().filter(move |item| item.answers(&less))
    };
    for item in without(|_| {}) {
        item.tech.iter().for_each(|tech| count("tech", &tech.to_lowercase()));
        item.for_credits.then(|| count("credits", "1"));
    }
    for Item { branch: (main, shelf), .. } in without(|q| q.filters.category = None) {
        count("category", main);
        (main != shelf).then(|| count("category", shelf));
    }
    without(|q| q.filters.kind = None).for_each(|item| count("kind", &format!("{:?}", item.kind).to_lowercase()));
    without(|q| q.filters.licence = None).for_each(|item| item.licences.iter().for_each(|l| count("licence", l.as_str())));
    for item in without(|q| q.filters.rating_min = None) {
        (1..=4).filter(|stars| item.rating() >= 100 * stars).for_each(|stars| count("rating", &stars.to_string()));
    }
    counts
}

/// The forty, and four that are not on sale.
pub async fn catalogue(stage: &Stage) -> Vec<Item> {
    let people = "WITH people AS (INSERT INTO users (id, username, display_name, created_at, updated_at)
         SELECT gen_random_uuid(), name, initcap(name), now(), now() FROM unnest('{ada,ben,cleo}'::text[]) name RETURNING id)
         INSERT INTO sellers (user_id, created_at) SELECT id, now() FROM people";
    sqlx::raw_sql(people).execute(&mut stage.look().await).await.expect("three sellers");
    let withheld = ["draft", "pending", "paused", "suspended"].into_iter().zip(ON_SALE..);
    let withheld: Vec<Item> = withheld.map(|(state, n)| Item { state, ..item(n) }).collect();
    let items: Vec<Item> = (0..ON_SALE).map(item).collect();
    for item in items.iter().chain(&withheld) {
        lists(stage, item).await;
    }
    items
}

/// Puts it there, as if its seller had.
pub async fn lists(stage: &Stage, item: &Item) {
    let licences: Vec<&str> = item.licences.iter().map(|licence| licence.as_str()).collect();
    sqlx::query(
        "WITH listed AS (
           INSERT INTO products (id, seller_id, category_id, slug, title, state, kind, tech_stack, price_cents,
                                 short_description, description, created_at, updated_at, published_at)
           SELECT $1::uuid, u.id, c.id, $4, $5, $6, $7, $8, $9, 'Saves you an afternoon.', 'Ready to run.', at, at, at
           FROM users u, categories c, LATERAL (SELECT timestamptz '2026-01-01 12:00Z' - make_interval(mins => $10) AS at) t
           WHERE u.username = $2 AND c.slug = $3 RETURNING id),
         counted AS (
           INSERT INTO product_stats (product_id, sales, rating_sum, rating_count) SELECT id, $11, $12, $13 FROM listed)
         INSERT INTO product_licences (product_id, licence, price_cents, price_credits, max_downloads)
         SELECT id, unnest($14::text[]), $9, CASE WHEN $15 THEN $9 END, 10 FROM listed",
    )
    .bind(&item.id)
    .bind(item.seller)
    .bind(item.branch.1)
    .bind(&item.slug)
    .bind(&item.title)
    .bind(item.state)
    .bind(item.kind)
    .bind(item.tech)
    .bind(item.price)
    .bind(item.age)
    .bind(item.sales)
    .bind(item.stars.0)
    .bind(item.stars.1)
    .bind(licences)
    .bind(item.for_credits)
    .execute(&mut stage.look().await)
    .await
    .unwrap_or_else(|e| panic!("{}: {e}", item.title));
}
