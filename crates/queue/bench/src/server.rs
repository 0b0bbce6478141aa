//! The one Postgres of a run, and its databases: a template per system, filled templates, and a fresh copy per measurement.

use anyhow::{Context, ensure};
use sqlx::{
    AssertSqlSafe, Connection, Executor, PgConnection, PgPool, Row,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use std::{
    collections::BTreeSet,
    str::FromStr,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

/// A server on which we may create databases.
pub struct Server {
    url: String,
    admin: PgPool,
    made: Mutex<BTreeSet<String>>,
    copies: AtomicUsize,
}

/// A database of the run's own.
#[derive(Clone, Debug)]
pub struct Database {
    pub name: String,
    pub url: String,
}

/// Settings the report names.
const TOLD: [&str; 9] = [
    "fsync",
    "synchronous_commit",
    "full_page_writes",
    "shared_buffers",
    "max_wal_size",
    "checkpoint_timeout",
    "work_mem",
    "autovacuum_naptime",
    "max_connections",
];

impl Server {
    /// The server that `TEST_DATABASE_URL` names.
    pub async fn connect() -> anyhow::Result<Self> {
        let url = std::env::var("TEST_DATABASE_URL").context("no server: start the bench by `bin/bench queue`")?;
        let admin = PgPoolOptions::new().max_connections(2).connect(&url).await?;
        let fsync: String = sqlx::query_scalar("SELECT current_setting('fsync')").fetch_one(&admin).await?;
        ensure!(fsync == "on", "this server has fsync off, which makes every figure meaningless: unset TEST_DATABASE_URL");
        Ok(Self { url, admin, made: Mutex::default(), copies: AtomicUsize::new(0) })
    }

    /// What the report says about it.
    pub async fn about(&self) -> anyhow::Result<Vec<(String, String)>> {
        let version: String = sqlx::query_scalar("SHOW server_version").fetch_one(&self.admin).await?;
        let mut told = vec![("PostgreSQL".to_owned(), version)];
        for name in TOLD {
            let value: String = sqlx::query_scalar("SELECT current_setting($1)").bind(name).fetch_one(&self.admin).await?;
            told.push((name.to_owned(), value));
        }
        Ok(told)
    }

    /// The database `name`, made by `fill` the first time it is asked for.
    pub async fn made<F>(&self, name: &str, from: Option<&Database>, fill: impl FnOnce(Database) -> F) -> anyhow::Result<Database>
    where
        F: Future<Output = anyhow::Result<()>>,
    {
        let database = self.database(name);
        if self.made.lock().unwrap_or_else(PoisonError::into_inner).contains(name) {
            return Ok(database);
        }
        self.create(&database, from).await?;
        fill(database.clone()).await?;
        self.made.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned());
        Ok(database)
    }

    /// A copy of `template`, for one measurement.
    pub async fn copy(&self, template: &Database) -> anyhow::Result<Database> {
        let copy = self.database(&format!("{}_{}", template.name, self.copies.fetch_add(1, Relaxed)));
        self.create(&copy, Some(template)).await?;
        self.checkpoint().await?;
        Ok(copy)
    }

    /// Writes everything to disk, so that no measurement pays for what was before it.
    pub async fn checkpoint(&self) -> anyhow::Result<()> {
        self.admin.execute("CHECKPOINT").await?;
        Ok(())
    }

    pub async fn drop(&self, database: &Database) -> anyhow::Result<()> {
        let statement = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", database.name);
        self.admin.execute(AssertSqlSafe(statement)).await?;
        Ok(())
    }

    /// Transactions ended in `database` so far. A session tells its own when it ends, so ask after the workers have gone.
    pub async fn transactions(&self, database: &Database) -> anyhow::Result<i64> {
        let asked = sqlx::query("SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = $1");
        Ok(asked.bind(&database.name).fetch_one(&self.admin).await?.get(0))
    }

    /// Whether there is an extension of this name to create.
    pub async fn offers(&self, extension: &str) -> anyhow::Result<bool> {
        let asked = sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_available_extensions WHERE name = $1)").bind(extension);
        Ok(asked.fetch_one(&self.admin).await?)
    }

    pub fn admin(&self) -> &PgPool {
        &self.admin
    }

    fn database(&self, name: &str) -> Database {
        let at = self.url.rfind('/').unwrap_or(self.url.len());
        Database { name: name.to_owned(), url: format!("{}/{name}", &self.url[..at]) }
    }

    async fn create(&self, database: &Database, from: Option<&Database>) -> anyhow::Result<()> {
        self.drop(database).await?;
        let from = from.map_or("template0", |template| &template.name);
        let statement = format!("CREATE DATABASE {} TEMPLATE {from} STRATEGY file_copy", database.name);
        self.admin.execute(AssertSqlSafe(statement)).await?;
        Ok(())
    }
}

impl Database {
    pub async fn connect(&self) -> anyhow::Result<PgConnection> {
        Ok(PgConnection::connect(&self.url).await?)
    }

    pub async fn pool(&self, size: u32) -> anyhow::Result<PgPool> {
        let options = PgConnectOptions::from_str(&self.url)?;
        Ok(PgPoolOptions::new().max_connections(size).connect_with(options).await?)
    }
}
