//! A migrated database of a story's own, copied from a template in milliseconds and dropped with the story.

use sqlx::{Connection, Executor, PgConnection};
use std::sync::atomic::{AtomicU32, Ordering};
use tokio::sync::OnceCell;

static TEMPLATE: OnceCell<String> = OnceCell::const_new();
static NEXT: AtomicU32 = AtomicU32::new(1);

/// A database that goes when the story ends.
#[derive(Debug)]
pub struct Database {
    name: String,
    url: String,
}

impl Database {
    /// Copies the migrated template.
    pub async fn create() -> Self {
        Self::copy(TEMPLATE.get_or_init(template).await).await
    }

    /// One that nobody has migrated.
    pub async fn empty() -> Self {
        Self::copy("template0").await
    }

    async fn copy(template: &str) -> Self {
        let name = format!("mywork_story_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        execute(&format!("CREATE DATABASE {name} TEMPLATE {template}")).await;
        let url = at(&name);
        Self { name, url }
    }

    /// As a superuser, who looks at everything and is no part of the product.
    pub async fn superuser(&self) -> PgConnection {
        PgConnection::connect(&self.url).await.expect("the story's database answers")
    }

    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let name = std::mem::take(&mut self.name);
        // A story's runtime is going down: the drop needs one of its own.
        let _ = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(execute(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")));
        })
        .join();
    }
}

async fn template() -> String {
    let name = format!("mywork_template_{}", std::process::id());
    execute(&format!("DROP DATABASE IF EXISTS {name}")).await;
    execute(&format!("CREATE DATABASE {name}")).await;
    let pool = sqlx::PgPool::connect(&at(&name)).await.expect("the new database answers");
    mywork_queue::migrate(&pool).await.expect("the queue's migrations apply");
    mywork::db::MIGRATOR.run(&pool).await.expect("the migrations apply");
    pool.close().await;
    name
}

async fn execute(sql: &str) {
    let mut connection = PgConnection::connect(&server()).await.expect("TEST_DATABASE_URL names a server that answers");
    connection.execute(sqlx::AssertSqlSafe(sql.to_owned())).await.unwrap_or_else(|e| panic!("{sql}: {e}"));
}

/// Address of the server, on which a superuser may create databases.
pub fn server() -> String {
    std::env::var("TEST_DATABASE_URL").expect("TEST_DATABASE_URL is not set: run the tests by bin/test")
}

fn at(database: &str) -> String {
    let server = server();
    let (base, _) = server.rsplit_once('/').expect("TEST_DATABASE_URL ends in a database");
    format!("{base}/{database}")
}
