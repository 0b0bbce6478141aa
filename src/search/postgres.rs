//! The engine inside the database: full text by `search_query` (migration `discovery`), filters and orders by index, counts in one
//! pass. It reads the views of active products, which need no actor.
//!
//! The statements are put together from the parts of the question, because a condition such as "or nothing was asked" would
//! keep Postgres from every index. Only fixed text is put together; whatever a person typed is bound. Counts of a result
//! that is large enough to take a while are kept for half a minute; what is found is never kept.

use super::{
    Count, Error, Facets, Found, Hit, Hits, PAGE_MAX, PAGE_SIZE, PriceRange, Query, SearchEngine, Sort,
    cursor::Cursor,
    highlight::{END, Highlight, START},
};
use crate::{
    catalog::{
        browse,
        category::{self, Category},
        licence::LicenceKind,
        product::ProductKind,
    },
    db::Db,
    ids::{CategoryId, ProductId},
    money::Cents,
};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use sqlx::{Postgres, QueryBuilder, Row, postgres::PgRow};
use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// Counts of fewer products than this are made anew each time.
const KEEP_FROM: u64 = 2_000;
/// How long counts are kept.
const KEEP_FOR: Duration = Duration::from_secs(30);
/// Of how many questions counts are kept.
const KEEP_MOST: usize = 512;

/// Full-text search by Postgres.
#[derive(Debug)]
pub struct PgSearch {
    db: Db,
    kept: Mutex<HashMap<String, Kept>>,
}

#[derive(Debug)]
struct Kept {
    since: Instant,
    counts: (u64, Facets),
}

impl PgSearch {
    pub fn new(db: Db) -> Self {
        Self { db, kept: Mutex::default() }
    }

    /// The products of one page, in order.
    async fn find(&self, query: &Query, categories: &[Category]) -> Result<Found, Error> {
        let place = match &query.cursor {
            Some(cursor) => Cursor::decode(cursor)?,
            None => Cursor::Offset((query.page - 1) * query.limit),
        };
        let mut sql = find_statement(query, categories, place)?;
        let mut rows = sql.build().persistent(query.text.is_empty()).fetch_all(self.db.public()).await?;
        let more = rows.len() > query.limit as usize;
        rows.truncate(query.limit as usize);
        let next = match rows.last() {
            Some(last) if more => Some(after(query, place, last)?.encode()),
            _ => None,
        };
        let ids = rows.iter().map(|row| row.try_get("id")).collect::<Result<Vec<ProductId>, _>>()?;
        let mut marked = HashMap::new();
        if !query.text.is_empty() {
            for row in &rows {
                marked.insert(row.try_get::<ProductId, _>("id")?, (highlight(row, "title")?, highlight(row, "excerpt")?));
            }
        }
        let items = browse::cards(self.db.public(), &ids).await?.into_iter().map(|card| {
            let (title_highlight, excerpt) = marked.remove(&card.id).unzip();
            Hit { card, title_highlight, excerpt }
        });
        Ok(Found { items: items.collect(), next })
    }

    /// How many products match, and the counts beside the filters.
    async fn count(&self, query: &Query, categories: &[Category]) -> Result<(u64, Facets), Error> {
        let key = Query { sort: Sort::Newest, limit: 1, ..query.from_start() }.to_query_string();
        if let Some(counts) = self.kept_counts(&key) {
            return Ok(counts);
        }
        let mut sql = count_statement(query, categories);
        let rows = sql.build().persistent(query.text.is_empty()).fetch_all(self.db.public()).await?;
        let counts = read_counts(&rows, categories)?;
        if counts.0 >= KEEP_FROM {
            self.keep_counts(key, counts.clone());
        }
        Ok(counts)
    }

    fn kept_counts(&self, key: &str) -> Option<(u64, Facets)> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.get(key).filter(|kept| kept.since.elapsed() < KEEP_FOR).map(|kept| kept.counts.clone())
    }

    fn keep_counts(&self, key: String, counts: (u64, Facets)) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= KEEP_MOST {
            kept.retain(|_, kept| kept.since.elapsed() < KEEP_FOR);
        }
        if kept.len() < KEEP_MOST {
            kept.insert(key, Kept { since: Instant::now(), counts });
        }
    }
}

#[async_trait]
impl SearchEngine for PgSearch {
    async fn search(&self, query: &Query) -> Result<Hits, Error> {
        let categories = category::all(self.db.public()).await?;
        let (found, counted) = tokio::join!(self.find(query, &categories), self.count(query, &categories));
        let (Found { items, next }, (total, facets)) = (found?, counted?);
        Ok(Hits { items, total, facets, next })
    }

    async fn list(&self, query: &Query) -> Result<Found, Error> {
        let categories = match query.filters.category {
            Some(_) => category::all(self.db.public()).await?,
            None => Vec::new(),
        };
        self.find(query, &categories).await
    }
}

/// What was typed, as `search_query` takes it: everything but the last word, and the last word where it may be unfinished.
fn words(text: &str) -> (&str, &str) {
    let (head, last) = text.rsplit_once(' ').unwrap_or(("", text));
    let unfinished = !text.contains('"') && last.chars().all(|c| c.is_alphanumeric() || matches!(c, '.' | '_' | '+' | '#'));
    if unfinished { (head, last) } else { (text, "") }
}

/// The ids of a page with the sort key of each and, where words were asked for, the texts with what matched marked.
///
/// Ranking reads the whole text index of a row, so of a word that half the catalogue carries only the best-selling products
/// are ranked: as many as there are places to turn to.
fn find_statement(query: &Query, categories: &[Category], place: Cursor) -> Result<QueryBuilder<Postgres>, Error> {
    let by_text = !query.text.is_empty();
    let ranked = by_text && query.sort == Sort::Relevance;
    let mut sql = QueryBuilder::new("WITH found AS MATERIALIZED (SELECT p.id, p.published_at, p.price_cents, s.sales");
    if by_text {
        sql.push(", p.search, words.query, row_number() OVER (");
        push_order(&mut sql, query.sort);
        sql.push(") AS place");
    }
    sql.push(" FROM active_products p JOIN product_stats s ON s.product_id = p.id");
    if by_text {
        push_words(&mut sql, &query.text);
    }
    sql.push(" WHERE true");
    push_text(&mut sql, query);
    push_narrowing(&mut sql, query);
    for filter in Choice::ALL {
        if filter.is_made(query) {
            sql.push(" AND ");
            filter.push(&mut sql, query, categories);
        }
    }
    push_place(&mut sql, query.sort, place)?;
    push_order(&mut sql, query.sort);
    if ranked {
        sql.push(" LIMIT ").push_bind(i64::from(PAGE_MAX * PAGE_SIZE));
        sql.push(
            // Title over tags over summary over text.
            "), page AS MATERIALIZED (SELECT f.id, f.published_at, f.price_cents, f.sales, f.query, \
             row_number() OVER (ORDER BY ts_rank('{0.05, 0.2, 0.5, 1.0}', f.search, f.query) DESC, f.place) AS place \
             FROM found f ORDER BY place",
        );
    }
    sql.push(" LIMIT ").push_bind(i64::from(query.limit) + 1);
    if let Cursor::Offset(rows @ 1..) = place {
        sql.push(" OFFSET ").push_bind(i64::from(rows));
    }
    sql.push(if ranked { ") " } else { "), page AS (SELECT * FROM found) " });
    if by_text {
        // Only rows that are shown are marked: it costs more than finding them. The beginning of a word may reach beyond its
        // stem ("documenta"), where only the word as written can be marked.
        let marks = format!("StartSel={START}, StopSel={END}");
        let whole = format!("{marks}, HighlightAll=true");
        sql.push("SELECT page.id, page.published_at, page.price_cents, page.sales, CASE WHEN strpos(stemmed.title, ")
            .push_bind(START.to_string())
            .push(") > 0 THEN stemmed.title ELSE ts_headline('simple', p.title, page.query, ")
            .push_bind(whole.clone())
            .push(
                ") END AS title, ts_headline('english', concat_ws(' ', p.short_description, regexp_replace(left(p.description, 3000), '[#*`>|]+', ' ', 'g')), page.query, ",
            )
            .push_bind(format!("{marks}, MaxWords=14, MinWords=8, MaxFragments=1"))
            .push(
                ") AS excerpt FROM page JOIN active_products p ON p.id = page.id \
                 CROSS JOIN LATERAL (SELECT ts_headline('english', p.title, page.query, ",
            )
            .push_bind(whole)
            .push(") AS title) stemmed ORDER BY page.place");
    } else {
        sql.push("SELECT id, published_at, price_cents, sales FROM page");
    }
    Ok(sql)
}

fn push_words(sql: &mut QueryBuilder<Postgres>, text: &str) {
    let (whole, start) = words(text);
    sql.push(" CROSS JOIN (SELECT search_query(").push_bind(whole.to_owned()).push(", ").push_bind(start.to_owned());
    sql.push(") AS query) words");
}

fn push_text(sql: &mut QueryBuilder<Postgres>, query: &Query) {
    if !query.text.is_empty() {
        sql.push(" AND p.search @@ words.query");
    }
}

/// What holds for every count too: whose products, which technologies, credits.
fn push_narrowing(sql: &mut QueryBuilder<Postgres>, query: &Query) {
    let filters = &query.filters;
    if let Some(seller) = &filters.seller {
        sql.push(" AND p.seller_id = (SELECT u.id FROM users u WHERE u.username = ").push_bind(seller.clone()).push(")");
    }
    if !filters.tech_stack.is_empty() {
        sql.push(" AND p.technologies @> ").push_bind(filters.tech_stack.clone());
    }
    if filters.accepts_credits {
        sql.push(" AND EXISTS (SELECT FROM offered_licences l WHERE l.product_id = p.id AND l.for_credits)");
    }
}

/// A filter of which one value is chosen, and whose counts therefore leave its own choice out.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Choice {
    Category,
    Kind,
    Price,
    Licence,
    Rating,
}

impl Choice {
    const ALL: [Choice; 5] = [Choice::Category, Choice::Kind, Choice::Price, Choice::Licence, Choice::Rating];

    /// Name of its column in the count.
    fn column(self) -> &'static str {
        match self {
            Choice::Category => "in_category",
            Choice::Kind => "in_kind",
            Choice::Price => "in_price",
            Choice::Licence => "in_licence",
            Choice::Rating => "in_rating",
        }
    }

    fn is_made(self, query: &Query) -> bool {
        let filters = &query.filters;
        match self {
            Choice::Category => filters.category.is_some(),
            Choice::Kind => filters.kind.is_some(),
            Choice::Price => filters.price_min.is_some() || filters.price_max.is_some(),
            Choice::Licence => filters.licence.is_some(),
            Choice::Rating => filters.rating_min.is_some(),
        }
    }

    /// The condition, which holds for everything where no choice was made.
    fn push(self, sql: &mut QueryBuilder<Postgres>, query: &Query, categories: &[Category]) {
        let filters = &query.filters;
        match self {
            Choice::Category => {
                let slug = filters.category.as_deref().unwrap_or_default();
                let ids: Vec<_> = category::branch(categories, slug).into_iter().map(|id: CategoryId| id.0).collect();
                sql.push("p.category_id = ANY(").push_bind(ids).push(")");
            }
            Choice::Kind => {
                sql.push("p.kind = ").push_bind(filters.kind.unwrap_or(ProductKind::Code));
            }
            Choice::Price => {
                let (min, max) = (filters.price_min.unwrap_or(Cents::ZERO), filters.price_max.unwrap_or(Cents(i64::MAX)));
                sql.push("p.price_cents BETWEEN ").push_bind(min).push(" AND ").push_bind(max);
            }
            Choice::Licence => {
                sql.push("EXISTS (SELECT FROM offered_licences l WHERE l.product_id = p.id AND l.licence = ")
                    .push_bind(filters.licence.unwrap_or(LicenceKind::Standard))
                    .push(")");
            }
            Choice::Rating => {
                // Not rated is not rated badly, but neither is it "4 and up".
                sql.push("coalesce(s.rating_average, 0) >= ").push_bind(i32::from(filters.rating_min.unwrap_or(0)));
            }
        }
    }
}

fn push_order(sql: &mut QueryBuilder<Postgres>, sort: Sort) {
    sql.push(match sort {
        Sort::Newest => " ORDER BY p.published_at DESC, p.id DESC",
        // What is ranked afterwards is picked by what sells, which also decides among equals.
        Sort::Popular | Sort::Relevance => " ORDER BY s.sales DESC, s.product_id DESC",
        Sort::PriceUp => " ORDER BY p.price_cents, p.id",
        Sort::PriceDown => " ORDER BY p.price_cents DESC, p.id DESC",
        Sort::Rating => " ORDER BY s.rating_average DESC NULLS LAST, s.rating_count DESC, s.product_id DESC",
    });
}

/// Where the list goes on. A place in one order says nothing about another.
fn push_place(sql: &mut QueryBuilder<Postgres>, sort: Sort, place: Cursor) -> Result<(), Error> {
    match (place, sort) {
        (Cursor::Offset(_), _) => {}
        (Cursor::Published(at, id), Sort::Newest) => {
            sql.push(" AND (p.published_at, p.id) < (").push_bind(at).push(", ").push_bind(id).push(")");
        }
        (Cursor::Price(cents, id), Sort::PriceUp) => {
            sql.push(" AND (p.price_cents, p.id) > (").push_bind(cents).push(", ").push_bind(id).push(")");
        }
        (Cursor::Price(cents, id), Sort::PriceDown) => {
            sql.push(" AND (p.price_cents, p.id) < (").push_bind(cents).push(", ").push_bind(id).push(")");
        }
        (Cursor::Sales(sales, id), Sort::Popular) => {
            sql.push(" AND (s.sales, s.product_id) < (").push_bind(sales).push(", ").push_bind(id).push(")");
        }
        _ => return Err(Error::BadCursor),
    }
    Ok(())
}

/// The place behind the last row of a page.
fn after(query: &Query, place: Cursor, last: &PgRow) -> Result<Cursor, Error> {
    let id: ProductId = last.try_get("id")?;
    Ok(match query.sort {
        Sort::Newest => Cursor::Published(last.try_get::<DateTime<Utc>, _>("published_at")?, id),
        Sort::PriceUp | Sort::PriceDown => Cursor::Price(last.try_get("price_cents")?, id),
        Sort::Popular => Cursor::Sales(last.try_get("sales")?, id),
        Sort::Relevance | Sort::Rating => match place {
            Cursor::Offset(rows) => Cursor::Offset(rows.saturating_add(query.limit)),
            _ => return Err(Error::BadCursor),
        },
    })
}

fn highlight(row: &PgRow, column: &str) -> Result<Highlight, Error> {
    Ok(Highlight::parse(row.try_get(column)?))
}

/// One pass over what the words and technologies leave, with a column for each choice; then a count per facet over the
/// rows in which every *other* choice holds.
fn count_statement(query: &Query, categories: &[Category]) -> QueryBuilder<Postgres> {
    let mut sql = QueryBuilder::new(
        "WITH base AS MATERIALIZED (SELECT p.id, p.category_id, p.kind, p.price_cents, p.tech_stack, s.rating_average",
    );
    let made: Vec<Choice> = Choice::ALL.into_iter().filter(|choice| choice.is_made(query)).collect();
    for choice in &made {
        sql.push(", ");
        choice.push(&mut sql, query, categories);
        sql.push(format_args!(" AS {}", choice.column()));
    }
    sql.push(" FROM active_products p JOIN product_stats s ON s.product_id = p.id");
    if !query.text.is_empty() {
        push_words(&mut sql, &query.text);
    }
    sql.push(" WHERE true");
    push_text(&mut sql, query);
    push_narrowing(&mut sql, query);
    let others = |but: Option<Choice>| {
        let conditions = made.iter().filter(|choice| Some(**choice) != but).map(|choice| format!(" AND {}", choice.column()));
        format!("WHERE true{}", conditions.collect::<String>())
    };
    let (all, category, kind) = (others(None), others(Some(Choice::Category)), others(Some(Choice::Kind)));
    let (price, licence, rating) = (others(Some(Choice::Price)), others(Some(Choice::Licence)), others(Some(Choice::Rating)));
    sql.push(format_args!(
        "), matching AS (SELECT id, tech_stack FROM base {all})
         SELECT 'total' AS facet, '' AS value, '' AS label, count(*) AS count FROM matching
         UNION ALL SELECT 'category', category_id::text, '', count(*) FROM base {category} AND category_id IS NOT NULL GROUP BY category_id
         UNION ALL SELECT 'kind', kind, '', count(*) FROM base {kind} GROUP BY kind
         UNION ALL SELECT 'licence', l.licence, '', count(*) FROM base JOIN offered_licences l ON l.product_id = base.id {licence}
                   GROUP BY l.licence
         UNION ALL SELECT 'rating', floor(rating_average)::text, '', count(*) FROM base {rating} AND rating_average IS NOT NULL
                   GROUP BY floor(rating_average)
         UNION ALL SELECT 'price_min', '', '', min(price_cents) FROM base {price}
         UNION ALL SELECT 'price_max', '', '', max(price_cents) FROM base {price}
         UNION ALL SELECT 'credits', '', '', count(DISTINCT l.product_id) FROM matching
                   JOIN offered_licences l ON l.product_id = matching.id AND l.for_credits
         UNION ALL (SELECT 'tech', lower(tech), min(tech COLLATE \"C\"), count(*) FROM matching, unnest(tech_stack) tech
                    GROUP BY lower(tech) ORDER BY count(*) DESC, lower(tech) LIMIT 24)"
    ));
    sql
}

fn read_counts(rows: &[PgRow], categories: &[Category]) -> Result<(u64, Facets), Error> {
    let mut total = 0;
    let mut facets = Facets::default();
    let mut own_of: HashMap<CategoryId, i64> = HashMap::new();
    let (mut lowest, mut highest) = (None, None);
    let mut rated = [0; 5];
    for row in rows {
        let facet: &str = row.try_get("facet")?;
        let (value, label): (&str, &str) = (row.try_get("value")?, row.try_get("label")?);
        let Some(number) = row.try_get::<Option<i64>, _>("count")? else { continue };
        let count = u64::try_from(number).unwrap_or(0);
        match facet {
            "total" => total = count,
            "category" => own_of.extend(value.parse().map(|id: CategoryId| (id, number))),
            "kind" => facets.kind.push(Count::flat(value, kind_label(value), count)),
            "licence" => facets.licence.push(Count::flat(value, licence_label(value), count)),
            "rating" => rated[value.parse().unwrap_or(0_usize).min(4)] += count,
            "price_min" => lowest = Some(Cents(number)),
            "price_max" => highest = Some(Cents(number)),
            "credits" => facets.accepts_credits = count,
            "tech" => facets.tech_stack.push(Count::flat(value, label, count)),
            _ => {}
        }
    }
    facets.kind.sort_by_key(|count| count.value != "code");
    facets.licence.sort_by_key(|count| LicenceKind::ALL.iter().position(|licence| licence.as_str() == count.value));
    let mut up = 0;
    for stars in (1..=4).rev() {
        up += rated[stars];
        facets.rating.push(Count::flat(stars.to_string(), format!("{stars} and up"), up));
    }
    facets.price = lowest.zip(highest).map(|(min_cents, max_cents)| PriceRange { min_cents, max_cents });
    let sums = category::add_up(categories, &own_of);
    let counts = categories.iter().map(|category| Count {
        value: category.slug.clone(),
        label: category.name.clone(),
        count: u64::try_from(sums[&category.id]).unwrap_or(0),
        depth: category.depth,
    });
    facets.category = counts.filter(|count| count.count > 0).collect();
    Ok((total, facets))
}

fn kind_label(kind: &str) -> &'static str {
    match kind {
        "prompt" => "Prompts",
        "bundle" => "Bundles",
        _ => "Code",
    }
}

fn licence_label(licence: &str) -> &'static str {
    match licence {
        "extended" => "Extended",
        "enterprise" => "Enterprise",
        _ => "Standard",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_word_may_be_unfinished_and_a_phrase_is_not() {
        assert_eq!(words("auth"), ("", "auth"));
        assert_eq!(words("next.js saas start"), ("next.js saas", "start"));
        assert_eq!(words("billing -php"), ("billing -php", ""));
        assert_eq!(words("\"multi tenant\""), ("\"multi tenant\"", ""));
        assert_eq!(words("\"multi tenant"), ("\"multi tenant", ""));
        assert_eq!(words("o'reilly"), ("o'reilly", ""));
    }

    #[test]
    fn what_was_typed_is_bound_and_never_part_of_a_statement() {
        let evil = "x'; DROP TABLE products; --";
        let (mut query, _) = Query::parse("category=a&tech=b&kind=code&licence=standard&rating=4&price_min=1&credits=1&seller=c");
        query.text = evil.to_owned();
        query.filters.tech_stack = vec![evil.to_owned()];
        let found = find_statement(&query, &[], Cursor::Offset(24)).expect("an offset suits every order");
        for statement in [found.sql(), count_statement(&query, &[]).sql()] {
            assert!(!statement.as_str().contains("DROP"), "{}", statement.as_str());
        }
    }

    #[test]
    fn a_cursor_of_another_order_is_refused() {
        let query = Query { sort: Sort::PriceUp, ..Query::default() };
        let place = Cursor::Sales(4, ProductId::new());
        assert!(matches!(find_statement(&query, &[], place), Err(Error::BadCursor)));
    }
}
