//! Writing a listing (PROD-01): basics, details, files, pricing, review. Each step is saved by itself, as far as the seller has
//! come; the first creates the draft, so nothing typed after it can be lost. Everything is checked against the limits of
//! spec 3 (PROD-16); whether the whole is enough to be handed in is `publish.rs`' question.
//!
//! Called by the pages and by the API alike. The listing of a product on sale may be edited too; it then may not lose what
//! selling requires.

use super::licence::{self, Offer};
use super::product::{self, Product, ProductKind};
use super::text::clean;
use super::{Error, Problems, slug};
use crate::audit::{self, Origin};
use crate::db::Actor;
use crate::ids::{CategoryId, ProductId, UserId};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::PgConnection;
use url::Url;

/// The steps, in their order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    #[default]
    Basics,
    Details,
    Files,
    Pricing,
    Review,
}

impl Step {
    pub const ALL: [Step; 5] = [Self::Basics, Self::Details, Self::Files, Self::Pricing, Self::Review];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Basics => "basics",
            Self::Details => "details",
            Self::Files => "files",
            Self::Pricing => "pricing",
            Self::Review => "review",
        }
    }

    pub fn label(self) -> &'static str {
        match self {
            Self::Basics => "Basics",
            Self::Details => "Details",
            Self::Files => "Files",
            Self::Pricing => "Pricing",
            Self::Review => "Review",
        }
    }

    /// The step after this one; the last stays.
    pub fn next(self) -> Step {
        let at = Self::ALL.iter().position(|step| *step == self).unwrap_or(0);
        Self::ALL.get(at + 1).copied().unwrap_or(Self::Review)
    }
}

/// What it is.
#[derive(Clone, Debug, Default)]
pub struct Basics {
    pub title: String,
    pub short_description: String,
    /// Slug of a category; empty for not yet.
    pub category: String,
}

/// What a buyer wants to know.
#[derive(Clone, Debug, Default)]
pub struct Details {
    /// Markdown.
    pub description: String,
    pub framework: String,
    /// Markdown.
    pub requirements: String,
    pub demo_url: String,
    pub docs_url: String,
    pub tech_stack: Vec<String>,
    pub tags: Vec<String>,
}

pub const TITLE: std::ops::RangeInclusive<usize> = 10..=200;
pub const DESCRIPTION: std::ops::RangeInclusive<usize> = 100..=10_000;
pub const MAX_SHORT_DESCRIPTION: usize = 500;
pub const MAX_TECH_STACK: usize = 10;
pub const MAX_TAGS: usize = 20;
const MAX_FRAMEWORK: usize = 100;
const MAX_REQUIREMENTS: usize = 5_000;
const MAX_URL: usize = 500;
const MAX_WORD: usize = 40;

impl Basics {
    /// With the blanks around everything removed.
    #[must_use]
    pub fn tidy(&self) -> Self {
        Self {
            title: clean(&self.title).split_whitespace().collect::<Vec<_>>().join(" "),
            short_description: clean(&self.short_description),
            category: clean(&self.category),
        }
    }

    /// What cannot be saved.
    pub fn check(&self) -> Problems {
        let mut problems = Problems::default();
        match self.title.chars().count() {
            0 => problems.add("title", "Give it a title."),
            n if n < *TITLE.start() => problems.add("title", "Give it at least 10 characters."),
            n if n > *TITLE.end() => problems.add("title", "Keep it under 200 characters."),
            _ => {}
        }
        if self.title.chars().any(char::is_control) {
            problems.add("title", "Leave out control characters.");
        }
        if self.short_description.chars().count() > MAX_SHORT_DESCRIPTION {
            problems.add("short_description", "Keep it under 500 characters.");
        }
        problems
    }
}

impl Details {
    /// With blanks, empty words and repetitions removed; tags in lower case.
    #[must_use]
    pub fn tidy(&self) -> Self {
        Self {
            description: clean(&self.description),
            framework: clean(&self.framework),
            requirements: clean(&self.requirements),
            demo_url: clean(&self.demo_url),
            docs_url: clean(&self.docs_url),
            tech_stack: distinct(self.tech_stack.iter().map(|word| clean(word))),
            tags: distinct(self.tags.iter().map(|word| clean(word).trim_start_matches('#').to_lowercase())),
        }
    }

    /// What cannot be saved. A description may be missing from a draft; one that is there has its length.
    pub fn check(&self) -> Problems {
        let mut problems = Problems::default();
        match self.description.chars().count() {
            0 => {}
            n if n < *DESCRIPTION.start() => {
                problems.add("description", format!("Write at least 100 characters; these are {n}."))
            }
            n if n > *DESCRIPTION.end() => {
                problems.add("description", format!("Keep it under 10,000 characters; these are {n}."))
            }
            _ => {}
        }
        if self.framework.chars().count() > MAX_FRAMEWORK {
            problems.add("framework", "Keep it under 100 characters.");
        }
        if self.requirements.chars().count() > MAX_REQUIREMENTS {
            problems.add("requirements", "Keep it under 5,000 characters.");
        }
        for (field, url) in [("demo_url", &self.demo_url), ("docs_url", &self.docs_url)] {
            if !url.is_empty() && !is_web_address(url) {
                problems.add(field, "Write a whole address, like https://example.com/demo.");
            }
        }
        if self.tech_stack.len() > MAX_TECH_STACK {
            problems.add("tech_stack", format!("Name up to 10; these are {}.", self.tech_stack.len()));
        }
        if self.tags.len() > MAX_TAGS {
            problems.add("tags", format!("Name up to 20; these are {}.", self.tags.len()));
        }
        for (field, words) in [("tech_stack", &self.tech_stack), ("tags", &self.tags)] {
            if let Some(long) = words.iter().find(|word| word.chars().count() > MAX_WORD) {
                problems.add(field, format!("Keep each under 40 characters: “{long}” is longer."));
            }
        }
        problems
    }
}

/// `Rust, axum` as two words; the form has one field for a list.
pub fn split_list(text: &str) -> Vec<String> {
    text.split([',', '\n']).map(str::trim).filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

/// The words that are not empty, each once, whatever its case.
fn distinct(words: impl Iterator<Item = String>) -> Vec<String> {
    let mut kept: Vec<String> = Vec::new();
    for word in words.filter(|word| !word.is_empty()) {
        if !kept.iter().any(|other| other.to_lowercase() == word.to_lowercase()) {
            kept.push(word);
        }
    }
    kept
}

fn is_web_address(text: &str) -> bool {
    text.len() <= MAX_URL
        && Url::parse(text)
            .is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host() && url.username().is_empty())
}

/// Creates a draft from its first step.
///
/// # Errors
/// [`Error::Invalid`] by field; [`Error::NotASeller`].
pub async fn create(
    connection: &mut PgConnection,
    seller: UserId,
    kind: ProductKind,
    basics: &Basics,
    origin: &Origin,
    now: DateTime<Utc>,
) -> Result<ProductId, Error> {
    let sells = sqlx::query_scalar!(r#"SELECT EXISTS (SELECT FROM sellers WHERE user_id = $1) AS "sells!""#, seller as UserId)
        .fetch_one(&mut *connection)
        .await?;
    if !sells {
        return Err(Error::NotASeller);
    }
    let basics = basics.tidy();
    let mut problems = basics.check();
    if kind != ProductKind::Code {
        problems.add("kind", "Only code products can be sold for now.");
    }
    let category = match find_category(connection, kind, &basics.category).await? {
        Ok(category) => category,
        Err(sentence) => {
            problems.add("category", sentence);
            None
        }
    };
    problems.into_result()?;
    let id = ProductId::new();
    // The row needs some slug before it may claim one; its own id collides with nobody's.
    sqlx::query!(
        "INSERT INTO products (id, seller_id, kind, state, slug, title, short_description, category_id, created_at, updated_at)
         VALUES ($1, $2, $3, 'draft', $4, $5, $6, $7, $8, $8)",
        id as ProductId,
        seller as UserId,
        kind as ProductKind,
        id.to_string(),
        basics.title,
        basics.short_description,
        category as Option<CategoryId>,
        now,
    )
    .execute(&mut *connection)
    .await?;
    slug::claim(connection, id, &basics.title, now).await?;
    let entry = audit::Entry::new(Actor::User(seller), "product.create", "product", id).from(origin);
    audit::record(connection, &audit::Entry { after: Some(json!({"state": "draft", "title": basics.title})), ..entry }, now)
        .await?;
    Ok(id)
}

/// Saves what it is. The address follows the title of a draft; that of a published product only when `change_slug` asks.
///
/// # Errors
/// [`Error::Invalid`] by field; what [`product::lock_editable`] says.
pub async fn save_basics(
    connection: &mut PgConnection,
    seller: UserId,
    id: ProductId,
    basics: &Basics,
    change_slug: bool,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let product = product::lock_editable(connection, seller, id).await?;
    let basics = basics.tidy();
    let mut problems = basics.check();
    let category = match find_category(connection, product.kind, &basics.category).await? {
        Ok(category) => category,
        Err(sentence) => {
            problems.add("category", sentence);
            None
        }
    };
    if is_listed(&product) && category.is_none() && problems.is_empty() {
        problems.add("category", "Choose a category.");
    }
    problems.into_result()?;
    sqlx::query!(
        "UPDATE products SET
           title = $2,
           short_description = $3,
           category_id = $4,
           updated_at = $5
         WHERE id = $1",
        id as ProductId,
        basics.title,
        basics.short_description,
        category as Option<CategoryId>,
        now,
    )
    .execute(&mut *connection)
    .await?;
    let renamed = basics.title != product.title;
    if (renamed && product.published_at.is_none()) || change_slug {
        slug::follow_title(connection, &product, &basics.title, now).await?;
    }
    Ok(())
}

/// Saves what a buyer wants to know.
///
/// # Errors
/// [`Error::Invalid`] by field; what [`product::lock_editable`] says.
pub async fn save_details(
    connection: &mut PgConnection,
    seller: UserId,
    id: ProductId,
    details: &Details,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let product = product::lock_editable(connection, seller, id).await?;
    let details = details.tidy();
    let mut problems = details.check();
    if is_listed(&product) && details.description.is_empty() {
        problems.add("description", "Write at least 100 characters.");
    }
    problems.into_result()?;
    sqlx::query!(
        "UPDATE products SET
           description = $2,
           framework = $3,
           requirements = $4,
           demo_url = NULLIF($5, ''),
           docs_url = NULLIF($6, ''),
           tech_stack = $7,
           tags = $8,
           updated_at = $9
         WHERE id = $1",
        id as ProductId,
        details.description,
        details.framework,
        details.requirements,
        details.demo_url,
        details.docs_url,
        &details.tech_stack,
        &details.tags,
        now,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Saves what it costs. Orders keep the price they were made at.
///
/// # Errors
/// [`Error::Invalid`] by field; what [`product::lock_editable`] says.
pub async fn save_pricing(
    connection: &mut PgConnection,
    seller: UserId,
    id: ProductId,
    offers: &[Offer],
    origin: &Origin,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    product::lock_editable(connection, seller, id).await?;
    licence::check(offers).into_result()?;
    let before = licence::offers_of(connection, id).await?;
    if before == offers {
        return Ok(());
    }
    licence::replace(connection, id, offers).await?;
    sqlx::query!("UPDATE products SET updated_at = $2 WHERE id = $1", id as ProductId, now).execute(&mut *connection).await?;
    let entry = audit::Entry::new(Actor::User(seller), "product.price", "product", id)
        .changed(json!({"offers": before}), json!({"offers": offers}))
        .from(origin);
    audit::record(connection, &entry, now).await?;
    Ok(())
}

/// A buyer may see it now, so it may not become less than complete.
fn is_listed(product: &Product) -> bool {
    product.state.is_approved() || product.state == product::ProductState::Pending
}

/// The category of this slug, if it holds products of this kind; the inner error is for the form.
async fn find_category(
    connection: &mut PgConnection,
    kind: ProductKind,
    slug: &str,
) -> Result<Result<Option<CategoryId>, &'static str>, sqlx::Error> {
    if slug.is_empty() {
        return Ok(Ok(None));
    }
    let id = sqlx::query_scalar!(
        r#"SELECT id AS "id: CategoryId" FROM categories WHERE slug = $1 AND kind = $2"#,
        slug,
        kind as ProductKind,
    )
    .fetch_optional(connection)
    .await?;
    Ok(id.map(Some).ok_or("There is no such category; choose one of the list."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn details(description: &str) -> Details {
        Details { description: description.into(), ..Details::default() }
    }

    #[test]
    fn titles_have_ten_to_two_hundred_characters() {
        let check = |title: &str| Basics { title: title.into(), ..Basics::default() }.tidy().check().is_empty();
        assert!(!check(""));
        assert!(!check("Too short"));
        assert!(check("Long enough"));
        assert!(check(&"ü".repeat(200)), "characters, not bytes");
        assert!(!check(&"ü".repeat(201)));
        assert!(!check("          a          "), "blanks do not count");
    }

    #[test]
    fn descriptions_may_be_missing_but_not_short() {
        assert!(details("").check().is_empty());
        assert!(!details(&"x".repeat(99)).check().is_empty());
        assert!(details(&"x".repeat(100)).check().is_empty());
        assert!(details(&"x".repeat(10_000)).check().is_empty());
        assert!(!details(&"x".repeat(10_001)).check().is_empty());
    }

    #[test]
    fn addresses_are_whole_and_of_the_web() {
        for right in ["https://example.com", "http://localhost:3000/demo?x=1"] {
            assert!(is_web_address(right), "{right}");
        }
        for wrong in ["example.com", "javascript:alert(1)", "https://", "ftp://example.com", "https://user@example.com"] {
            assert!(!is_web_address(wrong), "{wrong}");
        }
    }

    #[test]
    fn words_are_kept_once() {
        let tidy = Details {
            tech_stack: vec![" Rust ".into(), "rust".into(), String::new(), "axum".into()],
            tags: vec!["#SaaS".into(), "saas".into()],
            ..Details::default()
        }
        .tidy();
        assert_eq!(tidy.tech_stack, ["Rust", "axum"]);
        assert_eq!(tidy.tags, ["saas"]);
        assert_eq!(split_list("Rust, axum,\n sqlx ,,"), ["Rust", "axum", "sqlx"]);
    }

    #[test]
    fn lists_have_their_limits() {
        let many = |n: usize| (0..n).map(|i| format!("t{i}")).collect::<Vec<_>>();
        assert!(Details { tech_stack: many(10), tags: many(20), ..Details::default() }.check().is_empty());
        let fields: Vec<_> =
            Details { tech_stack: many(11), tags: many(21), ..Details::default() }.check().0.into_keys().collect();
        assert_eq!(fields, ["tags", "tech_stack"]);
    }

    #[test]
    fn the_steps_lead_to_the_review() {
        assert_eq!(Step::Basics.next(), Step::Details);
        assert_eq!(Step::Review.next(), Step::Review);
    }
}
