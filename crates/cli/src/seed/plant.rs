//! Puts it in the ground: rows through `mywork::seed`, objects into storage.

use super::{
    PASSWORD, Planted,
    content::{Content, Product},
    history::{self, Life},
    package::Package,
    picture::Planned,
};
use anyhow::Context;
use chrono::{DateTime, Duration, Utc};
use futures::{StreamExt, TryStreamExt, stream};
use mywork::{
    catalog::{
        licence::{LicenceKind, Offer},
        product::ProductKind,
        review,
        slug::slugify,
    },
    db::Tx,
    identity::{password, seller::Verification},
    ids::{CategoryId, ProductId, UserId},
    money::Cents,
    seed::{self, Person, Picture, Sale, Seller, Stage, Version},
};
use mywork_vendors::storage::Storage;
use serde_json::json;
use std::collections::HashMap;

/// Objects that are stored at the same time.
const AT_ONCE: usize = 8;

/// Writes everything; the caller commits.
pub async fn write(
    tx: &mut Tx,
    content: &Content,
    packages: &[Vec<Package>],
    pictures: &[Vec<Planned>],
    now: DateTime<Utc>,
) -> anyhow::Result<Planted> {
    let people = people(tx, content, now).await?;
    let shelves = shelves(tx, content).await?;
    let lives = history::lives(content, now)?;
    let mut listed = Vec::new();
    for (((product, life), packages), pictures) in content.products.iter().zip(&lives).zip(packages).zip(pictures) {
        let pictures: Vec<Picture> = pictures.iter().map(|planned| planned.picture.clone()).collect();
        let one = Listed { id: ProductId::new(), product, life, packages, offers: offers(product) };
        one.list(tx, &people, &shelves, &pictures, now).await.with_context(|| format!("{} could not be listed", product.name))?;
        listed.push(one);
    }
    let (sales, reviews) = sell(tx, &people, &listed, now).await?;
    for one in &listed {
        seed::set_views(tx, one.id, one.life.views).await?;
    }
    Ok(Planted { people: 1 + content.people.sellers.len() + people.buyers.len(), products: listed.len(), sales, reviews })
}

struct People {
    admin: UserId,
    sellers: HashMap<String, UserId>,
    buyers: Vec<UserId>,
}

async fn people(tx: &mut Tx, content: &Content, now: DateTime<Utc>) -> anyhow::Result<People> {
    // One hash for all: the password is published anyway, and each hash costs tens of milliseconds on purpose.
    let password_hash = tokio::task::spawn_blocking(|| password::hash(PASSWORD)).await?;
    let joined = |days| now - Duration::days(days);
    let admin = &content.people.admin;
    let admin = Person {
        bio: &admin.bio,
        is_admin: true,
        ..somebody(&admin.username, &admin.name, &admin.email, &password_hash, joined(240))
    };
    let admin = seed::add_person(tx, &admin).await?;
    let mut sellers = HashMap::new();
    for seller in &content.people.sellers {
        let links = seller.links.iter().map(|(label, url)| json!({ "label": label, "url": url })).collect();
        let person = Person {
            bio: &seller.bio,
            links,
            seller: Some(Seller { headline: &seller.headline, verification: at_least_basic(seller.verification) }),
            ..somebody(&seller.username, &seller.name, &seller.email, &password_hash, joined(seller.days))
        };
        sellers.insert(seller.username.clone(), seed::add_person(tx, &person).await?);
    }
    let mut buyers = Vec::new();
    for (n, (username, name)) in (0..).zip(&content.people.buyers.names) {
        let email = if n == 0 { "buyer@mywork.example".to_owned() } else { format!("{username}@post.example") };
        buyers.push(seed::add_person(tx, &somebody(username, name, &email, &password_hash, joined(215 - n))).await?);
    }
    Ok(People { admin, sellers, buyers })
}

/// A member without anything special.
fn somebody<'a>(
    username: &'a str,
    display_name: &'a str,
    email: &'a str,
    password_hash: &'a str,
    joined_at: DateTime<Utc>,
) -> Person<'a> {
    Person { username, display_name, email, password_hash, bio: "", links: json!([]), is_admin: false, seller: None, joined_at }
}

/// Everybody here sells, so everybody may.
fn at_least_basic(verification: Verification) -> Verification {
    verification.max(Verification::Basic)
}

async fn shelves(tx: &mut Tx, content: &Content) -> anyhow::Result<HashMap<String, CategoryId>> {
    let mut shelves = HashMap::new();
    for (position, category) in (1..).zip(&content.categories) {
        let kind = if category.kind == "prompt" { ProductKind::Prompt } else { ProductKind::Code };
        let (slug, name, description) = (&category.slug, &category.name, &category.description);
        let parent =
            seed::add_category(tx, &seed::Category { slug, name, description, kind, parent: None, position: position * 100 })
                .await?;
        for (below, shelf) in (1..).zip(&category.children) {
            let (slug, name, description) = (&shelf.slug, &shelf.name, &shelf.description);
            let inside = seed::Category { slug, name, description, kind, parent: Some(parent), position: position * 100 + below };
            shelves.insert(shelf.slug.clone(), seed::add_category(tx, &inside).await?);
        }
    }
    Ok(shelves)
}

/// A product with everything that is known of it.
struct Listed<'c> {
    id: ProductId,
    product: &'c Product,
    life: &'c Life,
    packages: &'c [Package],
    offers: Vec<Offer>,
}

fn offers(product: &Product) -> Vec<Offer> {
    LicenceKind::ALL.into_iter().zip(product.prices).map(|(kind, dollars)| Offer::at(kind, Cents(dollars * 100))).collect()
}

impl Listed<'_> {
    async fn list(
        &self,
        tx: &mut Tx,
        people: &People,
        shelves: &HashMap<String, CategoryId>,
        pictures: &[Picture],
        now: DateTime<Utc>,
    ) -> anyhow::Result<()> {
        let product = self.product;
        let stack = STACKS
            .iter()
            .find(|stack| stack.folder == product.stack)
            .with_context(|| format!("unknown stack {}", product.stack))?;
        let versions: Vec<Version<'_>> = self
            .packages
            .iter()
            .zip(&product.changes)
            .zip(&self.life.versions)
            .map(|((package, (number, changelog)), at)| {
                Ok(Version {
                    id: package.version,
                    number,
                    changelog,
                    file_name: package.file_name.clone(),
                    object_key: package.object_key.clone(),
                    size_bytes: i64::try_from(package.bytes.len())?,
                    sha256: package.sha256.clone(),
                    checked: package.checked.clone(),
                    created_at: *at,
                })
            })
            .collect::<anyhow::Result<_>>()?;
        let listing = seed::Product {
            id: self.id,
            seller: people.sellers[&product.seller],
            category: shelves[&product.category],
            stage: if product.awaiting { Stage::AwaitingApproval } else { Stage::OnSale { admin: people.admin } },
            slug: &slugify(&product.title),
            title: &product.title,
            short_description: &product.short,
            description: product.description.trim(),
            framework: stack.framework,
            requirements: stack.requirements,
            tech_stack: &product.tech,
            tags: &product.tags,
            offers: &self.offers,
            featured_until: product.featured.then(|| now + Duration::days(24)),
            created_at: self.life.created_at,
            versions: &versions,
            pictures,
        };
        Ok(seed::add_product(tx, &listing).await?)
    }

    /// The version that was on the shelf at that time.
    fn on_shelf(&self, at: DateTime<Utc>) -> anyhow::Result<&Package> {
        let released = self.life.versions.iter().filter(|uploaded| **uploaded + Duration::hours(14) <= at).count();
        self.packages.get(released.saturating_sub(1)).context("a product without a version")
    }
}

/// Sells in the order of time, so that numbers rise, lets holds end on their days, and lets people say what they think.
async fn sell(tx: &mut Tx, people: &People, listed: &[Listed<'_>], now: DateTime<Utc>) -> anyhow::Result<(usize, usize)> {
    let mut sales: Vec<_> = listed.iter().flat_map(|one| one.life.sales.iter().map(move |bought| (one, bought))).collect();
    sales.sort_by_key(|(_, bought)| bought.at);
    for (one, bought) in &sales {
        let offer = one.offers.iter().find(|offer| offer.licence == bought.licence).context("a licence that is not offered")?;
        let sale = Sale {
            buyer: people.buyers[bought.buyer],
            seller: people.sellers[&one.product.seller],
            product: one.id,
            version: one.on_shelf(bought.at)?.version,
            title: &one.product.title,
            offer,
            at: bought.at,
        };
        seed::add_sale(tx, &sale).await?;
    }
    if let Some((_, first)) = sales.first() {
        seed::let_days_pass(tx, first.at, now).await?;
    }
    let mut reviews: Vec<_> = sales
        .iter()
        .filter_map(|(one, bought)| bought.opinion.as_ref().map(|(at, opinion)| (*at, one.id, bought.buyer, opinion)))
        .collect();
    reviews.sort_by_key(|(at, ..)| *at);
    for (at, product, buyer, opinion) in &reviews {
        review::write(tx, people.buyers[*buyer], *product, opinion, *at).await?;
    }
    Ok((sales.len(), reviews.len()))
}

/// Stores every package under its key.
pub async fn store_packages(storage: &Storage, packages: &[Vec<Package>]) -> anyhow::Result<()> {
    stream::iter(packages.iter().flatten())
        .map(|package| async move { storage.put(&package.object_key, package.bytes.clone().into(), "application/zip").await })
        .buffer_unordered(AT_ONCE)
        .try_collect::<()>()
        .await
        .context("a package could not be stored")
}

/// Draws every picture on a thread of its own and stores its variants.
pub async fn store_pictures(storage: &Storage, pictures: &[Vec<Planned>]) -> anyhow::Result<()> {
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    stream::iter(pictures.iter().flatten().cloned())
        .map(|planned| async move { tokio::task::spawn_blocking(move || planned.draw()).await? })
        .buffer_unordered(threads)
        .map_ok(|variants| stream::iter(variants.into_iter().map(anyhow::Ok)))
        .try_flatten()
        .try_for_each_concurrent(AT_ONCE, |(key, bytes)| async move {
            storage.put(&key, bytes.into(), "image/webp").await.with_context(|| format!("{key} could not be stored"))
        })
        .await
}

/// What all products of a stack have in common.
struct Stack {
    folder: &'static str,
    framework: &'static str,
    requirements: &'static str,
}

const STACKS: [Stack; 12] = [
    Stack {
        folder: "nextjs",
        framework: "Next.js 15",
        requirements: "- Node.js 22\n- PostgreSQL 15 or newer\n- A Stripe account where payments are used; test keys are enough to start",
    },
    Stack {
        folder: "fastify",
        framework: "Fastify 5",
        requirements: "- Node.js 22\n- PostgreSQL 15 or newer\n- Docker, if you deploy the image",
    },
    Stack { folder: "node-cli", framework: "Node.js 22", requirements: "- Node.js 22 on Linux, macOS or Windows" },
    Stack {
        folder: "fastapi",
        framework: "FastAPI",
        requirements: "- Python 3.12\n- PostgreSQL 15 or newer\n- Docker, if you deploy the image",
    },
    Stack {
        folder: "python-cli",
        framework: "Python 3.12",
        requirements: "- Python 3.12 on Linux or macOS\n- Rights to read what it works on",
    },
    Stack { folder: "axum", framework: "Axum 0.8", requirements: "- Rust 1.82 to build, or Docker\n- PostgreSQL 15 or newer" },
    Stack { folder: "chi", framework: "Go, chi 5", requirements: "- Go 1.23 to build, or Docker\n- PostgreSQL 15 or newer" },
    Stack {
        folder: "laravel",
        framework: "Laravel 11",
        requirements: "- PHP 8.3 with Composer\n- MySQL 8 or SQLite\n- Any web hosting that runs PHP",
    },
    Stack {
        folder: "expo",
        framework: "Expo 52",
        requirements: "- Node.js 22\n- Xcode or Android Studio for device builds\n- Developer accounts of the stores you publish in",
    },
    Stack {
        folder: "flutter",
        framework: "Flutter 3.27",
        requirements: "- Flutter 3.27\n- Xcode or Android Studio for device builds",
    },
    Stack {
        folder: "react-lib",
        framework: "React 18 and 19",
        requirements: "- React 18 or newer\n- Any bundler that understands ES modules",
    },
    Stack {
        folder: "vue-lib",
        framework: "Vue 3.4",
        requirements: "- Vue 3.4 or newer\n- Any bundler that understands ES modules",
    },
];
