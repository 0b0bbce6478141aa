//! `mywork seed`: a believable marketplace where there was an empty one. People, shelves, products with real packages that went
//! through the real scanner, pictures, half a year of sales with their books, reviews.
//!
//! Content lies in `seed/*.toml`, sources of packages in `seed/packages/`, and what is true is written by `mywork::seed`. Packages
//! and pictures are made on threads while the database is written; the transaction commits when every object is stored, so a
//! run that is interrupted leaves nothing behind but unnamed objects. Running it again adds nothing.

mod content;
mod history;
mod package;
mod picture;
mod plant;
mod scan;
mod vocabulary;

use crate::parts;
use anyhow::{Context, ensure};
use content::Content;
use mywork::{
    config::Config,
    db::{Actor, Role},
};
use mywork_scanner::Scanner;
use package::Package;
use std::sync::Arc;

/// What everybody who is planted signs in with.
pub const PASSWORD: &str = "correct horse battery";

/// Plants, and says so.
pub async fn command(config: Config) -> anyhow::Result<()> {
    match run(&config).await? {
        Some(planted) => println!("mywork: planted {planted}"),
        None => println!("mywork: this marketplace has people already; nothing was planted"),
    }
    Ok(())
}

/// What was planted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Planted {
    pub people: usize,
    pub products: usize,
    pub sales: usize,
    pub reviews: usize,
}

impl std::fmt::Display for Planted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} people, {} products, {} sales and {} reviews", self.people, self.products, self.sales, self.reviews)
    }
}

/// Plants an empty marketplace; `None` where somebody is registered already.
pub async fn run(config: &Config) -> anyhow::Result<Option<Planted>> {
    let host = config.base_url.host_str().unwrap_or_default();
    ensure!(
        ["localhost", "127.0.0.1", "[::1]"].contains(&host),
        "the seed makes accounts whose password everybody knows, so it only runs where BASE_URL is on this machine (it is {host})"
    );
    let db = parts::database(config, Role::Migrate).await?;
    let mut tx = db.begin(Actor::System).await?;
    if mywork::seed::is_planted(&mut tx).await? {
        return Ok(None);
    }
    let content = Arc::new(Content::load()?);
    let storage = parts::storage(config);
    let pictures: Vec<_> = content.products.iter().map(picture::plan).collect();
    let now = parts::clock().now();
    let grow = async {
        let packages = packages(content.clone()).await?;
        let (planted, ()) = tokio::try_join!(
            plant::write(&mut tx, &content, &packages, &pictures, now),
            plant::store_packages(&storage, &packages),
        )?;
        anyhow::Ok(planted)
    };
    let (planted, ()) = tokio::try_join!(grow, plant::store_pictures(&storage, &pictures))?;
    tx.commit().await.context("the seed could not be committed")?;
    Ok(Some(planted))
}

/// The packages of every product, made and scanned on a thread.
async fn packages(content: Arc<Content>) -> anyhow::Result<Vec<Vec<Package>>> {
    tokio::task::spawn_blocking(move || {
        let scanner = Scanner::new().context("the scanner's rules do not compile")?;
        content.products.iter().map(|product| package::versions_of(&content, product, &scanner)).collect()
    })
    .await?
}
