//! `mywork check`: the configuration is read already when this runs; here every dependency is tried, and each that fails says
//! what to do about it.

use crate::{migrate, parts};
use anyhow::Context;
use mywork::{
    config::{AuthMode, Config},
    db::{Db, Role},
};
use std::{future::Future, time::Instant};

/// Tries everything at once and prints a line each.
///
/// # Errors
/// When anything failed, so that the exit status says so too.
pub async fn run(config: &Config) -> anyhow::Result<()> {
    println!("ok    configuration");
    let outcomes: [_; 8] = tokio::join!(
        tried("database", database(config)),
        tried("migrations", migrations(config)),
        tried("role of the web tier", role(config, Role::Web)),
        tried("role of workers", role(config, Role::Worker)),
        tried("object storage", storage(config)),
        tried("Stripe", stripe(config)),
        tried("e-mail", email(config)),
        tried("sign-in", sign_in(config)),
    )
    .into();
    for line in &outcomes {
        let (Ok(line) | Err(line)) = line;
        println!("{line}");
    }
    let failed = outcomes.iter().filter(|outcome| outcome.is_err()).count();
    anyhow::ensure!(failed == 0, "{failed} of {} checks failed, see above", outcomes.len() + 1);
    Ok(())
}

/// The line that says how it went.
async fn tried(what: &str, check: impl Future<Output = anyhow::Result<()>>) -> Result<String, String> {
    let begun = Instant::now();
    match check.await {
        Ok(()) => Ok(format!("ok    {what} ({} ms)", begun.elapsed().as_millis())),
        Err(error) => Err(format!("FAIL  {what}: {error:#}")),
    }
}

async fn database(config: &Config) -> anyhow::Result<()> {
    migrate::requirements(&migrate::owner(config).await?).await
}

async fn migrations(config: &Config) -> anyhow::Result<()> {
    let applied: Vec<i64> = sqlx::query_scalar("SELECT version FROM _sqlx_migrations WHERE success")
        .fetch_all(&migrate::owner(config).await?)
        .await
        .context("the database is empty: run `mywork migrate`")?;
    let missing: Vec<_> =
        mywork::db::MIGRATOR.iter().filter(|m| !applied.contains(&m.version)).map(|m| m.description.as_ref()).collect();
    anyhow::ensure!(missing.is_empty(), "not applied yet: {}. Run `mywork migrate`.", missing.join(", "));
    Ok(())
}

async fn role(config: &Config, role: Role) -> anyhow::Result<()> {
    let db: Db = parts::database(config, role).await?;
    sqlx::query("SELECT 1").execute(db.public()).await?;
    Ok(())
}

async fn storage(config: &Config) -> anyhow::Result<()> {
    let bucket = parts::storage(config);
    bucket.ping().await.context("the bucket does not answer: check the S3_… settings, and run `mywork migrate` once")
}

async fn stripe(config: &Config) -> anyhow::Result<()> {
    parts::stripe(config)?.ping().await.context("Stripe does not answer: check STRIPE_SECRET_KEY and the network")
}

async fn email(config: &Config) -> anyhow::Result<()> {
    parts::mailer(config)?.ping().await.context("Resend does not answer: check RESEND_API_KEY and the network")
}

async fn sign_in(config: &Config) -> anyhow::Result<()> {
    match (&config.auth.mode, &config.auth.jwks_url) {
        (AuthMode::Builtin, _) => Ok(()),
        (AuthMode::Clerk, Some(url)) => {
            let keys = mywork_vendors::jwks::fetch(url).await.context("Clerk's keys cannot be read: check AUTH_JWKS_URL")?;
            anyhow::ensure!(!keys.keys.is_empty(), "Clerk publishes no key at AUTH_JWKS_URL");
            Ok(())
        }
        (AuthMode::Clerk, None) => anyhow::bail!("AUTH_JWKS_URL is empty"),
    }
}
