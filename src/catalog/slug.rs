//! Addresses of products (PROD-04). A slug belongs to one product for good once that product was published: when the address
//! changes, the old one redirects. A draft's slug follows its title and is given back when it changes, so that nobody holds
//! an address with something nobody ever saw.
//!
//! `product_slugs` is the only judge of who has a slug; its primary key decides between two at once.

use super::product::Product;
use crate::ids::ProductId;
use chrono::{DateTime, Utc};
use sqlx::PgConnection;

/// Words that mean something else at the place of a slug.
const RESERVED: [&str; 8] = ["me", "new", "edit", "search", "categories", "featured", "trending", "recommendations"];
const MAX_LENGTH: usize = 80;

/// The title as an address: `Next.js SaaS Starter!` becomes `next-js-saas-starter`.
pub fn slugify(title: &str) -> String {
    let mut slug = String::new();
    for c in title.chars().flat_map(char::to_lowercase) {
        let folded = fold(c);
        if folded.is_empty() {
            if !slug.is_empty() && !slug.ends_with('-') {
                slug.push('-');
            }
        } else {
            slug.push_str(&folded);
        }
    }
    if slug.len() > MAX_LENGTH {
        // Not in the middle of a word, where there is more than one.
        let cut = slug[..=MAX_LENGTH].rfind('-').filter(|&at| at > MAX_LENGTH / 2).unwrap_or(MAX_LENGTH);
        slug.truncate(cut);
    }
    let slug = slug.trim_matches('-');
    if slug.is_empty() { "product".to_owned() } else { slug.to_owned() }
}

/// The letters of an address that stand for `c`; nothing for what separates words.
fn fold(c: char) -> String {
    match c {
        'a'..='z' | '0'..='9' => c.to_string(),
        'à' | 'á' | 'â' | 'ã' | 'å' | 'ā' | 'ă' | 'ą' => "a".into(),
        'ä' | 'æ' => "ae".into(),
        'ç' | 'ć' | 'č' => "c".into(),
        'è' | 'é' | 'ê' | 'ë' | 'ē' | 'ę' | 'ě' => "e".into(),
        'ì' | 'í' | 'î' | 'ï' | 'ī' => "i".into(),
        'ñ' | 'ń' | 'ň' => "n".into(),
        'ò' | 'ó' | 'ô' | 'õ' | 'ō' | 'ø' => "o".into(),
        'ö' | 'œ' => "oe".into(),
        'š' | 'ś' => "s".into(),
        'ß' => "ss".into(),
        'ù' | 'ú' | 'û' | 'ū' | 'ů' => "u".into(),
        'ü' => "ue".into(),
        'ý' | 'ÿ' => "y".into(),
        'ž' | 'ź' | 'ż' => "z".into(),
        'ł' => "l".into(),
        'ř' => "r".into(),
        'ť' => "t".into(),
        'ď' => "d".into(),
        '+' => "plus".into(),
        '#' => "sharp".into(),
        _ => String::new(),
    }
}

/// What to try for a title, the plain slug first.
fn candidates(title: &str) -> impl Iterator<Item = String> {
    let base = slugify(title);
    let taken = RESERVED.contains(&base.as_str());
    (if taken { 2 } else { 1 }..).map(move |n| if n == 1 { base.clone() } else { format!("{base}-{n}") })
}

/// Gives the product the first free slug of its title. The caller holds the product's lock. One that the product already has,
/// or once had, is free to it.
pub(super) async fn claim(
    connection: &mut PgConnection,
    product: ProductId,
    title: &str,
    now: DateTime<Utc>,
) -> Result<String, sqlx::Error> {
    for slug in candidates(title) {
        let claimed = sqlx::query!(
            "INSERT INTO product_slugs (slug, product_id, created_at)
             VALUES ($1, $2, $3)
             ON CONFLICT (slug) DO NOTHING",
            slug,
            product as ProductId,
            now,
        )
        .execute(&mut *connection)
        .await?
        .rows_affected()
            == 1;
        let ours = claimed
            || sqlx::query_scalar!(
                r#"SELECT EXISTS (SELECT FROM product_slugs WHERE slug = $1 AND product_id = $2) AS "ours!""#,
                slug,
                product as ProductId,
            )
            .fetch_one(&mut *connection)
            .await?;
        if ours {
            sqlx::query!("UPDATE products SET slug = $2 WHERE id = $1", product as ProductId, slug)
                .execute(&mut *connection)
                .await?;
            return Ok(slug);
        }
    }
    unreachable!("candidates never end")
}

/// Moves the product to an address of its new title: a draft always, a published product because its seller asked to.
pub(super) async fn follow_title(
    connection: &mut PgConnection,
    product: &Product,
    title: &str,
    now: DateTime<Utc>,
) -> Result<String, sqlx::Error> {
    let slug = claim(connection, product.id, title, now).await?;
    if product.published_at.is_none() && slug != product.slug {
        sqlx::query!("DELETE FROM product_slugs WHERE product_id = $1 AND slug <> $2", product.id as ProductId, slug)
            .execute(connection)
            .await?;
    }
    Ok(slug)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_become_addresses() {
        assert_eq!(slugify("Next.js SaaS Starter!"), "next-js-saas-starter");
        assert_eq!(slugify("  Größe & Zubehör — C++ "), "groesse-zubehoer-cplusplus");
        assert_eq!(slugify("日本語のタイトルです"), "product");
        let long = slugify(&"word ".repeat(60));
        assert!(long.len() <= 80 && long.ends_with("word"), "{long}");
        assert_eq!(slugify(&"x".repeat(200)).len(), 80);
    }

    #[test]
    fn reserved_words_are_never_an_address() {
        assert_eq!(candidates("Me").next().as_deref(), Some("me-2"));
        assert_eq!(candidates("Search").next().as_deref(), Some("search-2"));
        assert_eq!(candidates("Meeting notes").take(2).collect::<Vec<_>>(), ["meeting-notes", "meeting-notes-2"]);
    }
}
