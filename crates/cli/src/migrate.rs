//! `mywork migrate`: the release step. The queue's schema, then the marketplace's, then the bucket with its CORS rules, then the
//! schedules. Each part is safe to repeat, and two releases at once wait for one another.

use crate::parts;
use anyhow::Context;
use mywork::{config::Config, db::MIGRATOR};
use sqlx::{PgPool, postgres::PgPoolOptions};
use std::time::Duration;

/// Brings database and storage up to this release.
pub async fn run(config: &Config) -> anyhow::Result<()> {
    let pool = owner(config).await?;
    database(&pool).await?;
    pool.close().await;
    storage(config).await?;
    println!("mywork: database and storage are up to date");
    Ok(())
}

/// A few connections as the login that may migrate, past any pooler: migrations lock by session. Five seconds are enough for a server that answers at all.
pub async fn owner(config: &Config) -> anyhow::Result<PgPool> {
    PgPoolOptions::new()
        .acquire_timeout(Duration::from_secs(5))
        .connect(config.database.direct_url.as_ref().unwrap_or(&config.database.url).reveal())
        .await
        .context("the database does not answer: check DATABASE_URL and that the server runs")
}

/// Migrates, after making sure that the server can carry us.
pub async fn database(pool: &PgPool) -> anyhow::Result<()> {
    requirements(pool).await?;
    mywork_queue::migrate(pool).await.context("the queue's migrations do not apply")?;
    MIGRATOR.run(pool).await.context("the marketplace's migrations do not apply")?;
    let mut connection = pool.acquire().await?;
    mywork_queue::schedule::install(&mut connection, &mywork_jobs::schedules()?)
        .await
        .context("the schedules could not be installed")?;
    Ok(())
}

/// Postgres 15 with pgvector, or a sentence that says what is missing.
pub async fn requirements(pool: &PgPool) -> anyhow::Result<()> {
    let version: i32 = sqlx::query_scalar("SELECT current_setting('server_version_num')::int").fetch_one(pool).await?;
    anyhow::ensure!(
        version >= 150_000,
        "PostgreSQL {} is too old: MyWork needs 15 or newer. Upgrade it, or unset DATABASE_URL to use the private one of bin/dev.",
        version / 10_000
    );
    let vector: bool =
        sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_available_extensions WHERE name = 'vector')").fetch_one(pool).await?;
    anyhow::ensure!(
        vector,
        "pgvector is missing on this PostgreSQL: install it (Debian: postgresql-{}-pgvector), or unset DATABASE_URL to use the private one of bin/dev.",
        version / 10_000
    );
    Ok(())
}

/// The bucket, and who may reach it from a browser.
pub async fn storage(config: &Config) -> anyhow::Result<()> {
    let origin = config.base_url.origin().ascii_serialization();
    parts::storage(config).prepare(&[&origin]).await.context("the storage could not be prepared: check the S3_… settings")
}
