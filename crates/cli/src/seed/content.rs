//! The content, as it is written in `seed/*.toml`: read whole, checked as a whole, part of the binary.

use anyhow::{Context, ensure};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::collections::HashSet;

const CATEGORIES: &str = include_str!("../../../../seed/categories.toml");
const PEOPLE: &str = include_str!("../../../../seed/people.toml");
const REVIEWS: &str = include_str!("../../../../seed/reviews.toml");
const PRODUCTS: [(&str, &str); 7] = [
    ("saas-starters", include_str!("../../../../seed/products/saas-starters.toml")),
    ("api-services", include_str!("../../../../seed/products/api-services.toml")),
    ("automation", include_str!("../../../../seed/products/automation.toml")),
    ("mobile-apps", include_str!("../../../../seed/products/mobile-apps.toml")),
    ("full-applications", include_str!("../../../../seed/products/full-applications.toml")),
    ("components", include_str!("../../../../seed/products/components.toml")),
    ("awaiting", include_str!("../../../../seed/products/awaiting.toml")),
];

/// Everything that is planted.
#[derive(Debug)]
pub struct Content {
    pub categories: Vec<Category>,
    pub people: People,
    pub products: Vec<Product>,
    pub reviews: Vec<Phrases>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Category {
    pub slug: String,
    pub name: String,
    pub kind: String,
    pub description: String,
    pub children: Vec<Shelf>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shelf {
    pub slug: String,
    pub name: String,
    pub description: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct People {
    pub admin: Admin,
    #[serde(rename = "seller")]
    pub sellers: Vec<Seller>,
    pub buyers: Buyers,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Admin {
    pub username: String,
    pub name: String,
    pub email: String,
    pub bio: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seller {
    pub username: String,
    pub name: String,
    pub email: String,
    pub headline: String,
    pub verification: mywork::identity::seller::Verification,
    /// Days ago that they joined.
    pub days: i64,
    pub bio: String,
    /// Label and address.
    pub links: Vec<(String, String)>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Buyers {
    /// Username and name.
    pub names: Vec<(String, String)>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Product {
    pub seller: String,
    /// Slug of the shelf.
    pub category: String,
    /// Folder of `seed/packages/`.
    pub stack: String,
    pub name: String,
    pub package: String,
    pub title: String,
    /// What it is about, in snake case, one and many.
    pub entity: String,
    pub entities: String,
    /// `name:kind`
    pub fields: Vec<String>,
    /// Dollars of the standard, extended and enterprise licence.
    pub prices: [i64; 3],
    pub tech: Vec<String>,
    pub tags: Vec<String>,
    #[serde(default)]
    pub featured: bool,
    /// Handed in and not approved yet.
    #[serde(default)]
    pub awaiting: bool,
    /// The package starts other programs, which the scanner will point out.
    #[serde(default)]
    pub runs_programs: bool,
    pub short: String,
    /// Markdown.
    pub description: String,
    /// Number and Markdown of each version, oldest first.
    pub changes: Vec<(String, String)>,
}

/// Parts of reviews of one rating.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Phrases {
    pub rating: i16,
    pub titles: Vec<String>,
    pub openings: Vec<String>,
    pub details: Vec<String>,
    pub endings: Vec<String>,
}

#[derive(Deserialize)]
struct Categories {
    category: Vec<Category>,
}

#[derive(Deserialize)]
struct Products {
    product: Vec<Product>,
}

#[derive(Deserialize)]
struct Reviews {
    stars: Vec<Phrases>,
}

impl Content {
    /// Reads and checks it.
    pub fn load() -> anyhow::Result<Self> {
        let mut products = Vec::new();
        for (name, text) in PRODUCTS {
            products.extend(parse::<Products>(name, text)?.product);
        }
        let content = Self {
            categories: parse::<Categories>("categories", CATEGORIES)?.category,
            people: parse("people", PEOPLE)?,
            products,
            reviews: parse::<Reviews>("reviews", REVIEWS)?.stars,
        };
        content.check()?;
        Ok(content)
    }

    /// The seller of a product.
    pub fn seller(&self, product: &Product) -> anyhow::Result<&Seller> {
        let seller = self.people.sellers.iter().find(|seller| seller.username == product.seller);
        seller.with_context(|| format!("{}: there is no seller {}", product.name, product.seller))
    }

    fn check(&self) -> anyhow::Result<()> {
        let shelves: HashSet<&str> = self.categories.iter().flat_map(|c| &c.children).map(|shelf| shelf.slug.as_str()).collect();
        let mut packages = HashSet::new();
        for product in &self.products {
            let name = &product.name;
            self.seller(product)?;
            ensure!(shelves.contains(product.category.as_str()), "{name}: there is no shelf {}", product.category);
            ensure!(packages.insert(&product.package), "{name}: the package name {} is taken", product.package);
            ensure!((10..=200).contains(&product.title.chars().count()), "{name}: the title is too short or too long");
            ensure!(product.short.chars().count() <= 500, "{name}: the short description is too long");
            ensure!(product.description.split_whitespace().count() >= 110, "{name}: the description is too short");
            ensure!(product.tech.len() <= 10 && product.tags.len() <= 20, "{name}: too many technologies or tags");
            ensure!(product.prices.is_sorted() && product.prices[0] >= 5, "{name}: the prices do not rise from at least $5");
            ensure!(!product.changes.is_empty(), "{name}: there is no version");
        }
        Ok(())
    }
}

fn parse<T: DeserializeOwned>(name: &str, text: &str) -> anyhow::Result<T> {
    toml::from_str(text).with_context(|| format!("seed/{name}.toml"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    #[test]
    fn the_content_is_complete_and_nobody_says_the_same_twice() {
        let content = Content::load().expect("valid");
        assert_eq!(content.products.iter().filter(|p| !p.awaiting).count(), 60);
        assert_eq!((content.people.sellers.len(), content.people.buyers.names.len()), (12, 40));
        for category in content.categories.iter().filter(|c| c.kind == "code") {
            let inside = |p: &&Product| category.children.iter().any(|shelf| shelf.slug == p.category);
            assert_eq!(content.products.iter().filter(|p| !p.awaiting).filter(inside).count(), 10, "{}", category.slug);
        }
        let mut openings: HashMap<&str, &str> = HashMap::new();
        for product in &content.products {
            let first = product.description.split_inclusive('.').next().unwrap_or_default();
            assert_eq!(openings.insert(first, &product.name), None, "{}", product.name);
        }
    }
}
