//! The whole product in one process, as `mywork dev` assembles it, over a database of the story's own, the vendors' stand-ins
//! and a clock that moves when the story says so. Jobs run when the story says so too, until none is due. Or, for stories that
//! kill: the same without web and workers, which are then processes of their own ([`super::process`]).

use super::{database::Database, person::Person};
use chrono::{Duration, Utc};
use mywork::{clock::FakeClock, config::Config, webhooks::STRIPE_EVENTS};
use mywork_cli::parts;
use mywork_jobs::Services;
use mywork_queue::testing;
use mywork_sandbox::{STRIPE_WEBHOOK_SECRET, Sandbox, SandboxOptions, Target};
use sqlx::PgConnection;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

pub struct Stage {
    pub clock: Arc<FakeClock>,
    pub config: Arc<Config>,
    pub services: Arc<Services>,
    pub sandbox: Sandbox,
    pub database: Database,
    /// Jobs are done by processes that the story starts; it waits for them and does none itself.
    manned: bool,
    stop: CancellationToken,
    _files: tempfile::TempDir,
}

impl Stage {
    pub async fn open() -> Self {
        Self::with(|_| ()).await
    }

    /// With a configuration that the story changes.
    pub async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let base = format!("http://{}", listener.local_addr().expect("an address"));
        let stage = Self::set(&base, change).await;
        let app = parts::app(&stage.config, stage.clock.clone(), None, stage.stop.clone()).await.expect("the web is built");
        tokio::spawn(mywork_web::serve(app, listener, stage.stop.clone()));
        stage
    }

    /// With web and workers to be started as processes of their own, the web on this port.
    pub async fn of_processes(port: u16) -> Self {
        let mut stage = Self::set(&format!("http://127.0.0.1:{port}"), |config| config.port = port).await;
        stage.manned = true;
        stage
    }

    /// Everything but the web.
    async fn set(base: &str, change: impl FnOnce(&mut Config)) -> Self {
        let database = Database::create().await;
        let files = tempfile::tempdir().expect("a folder");
        let sandbox = Sandbox::start(SandboxOptions {
            stripe_webhooks: vec![Target::new(format!("{base}/api/webhooks/stripe"), STRIPE_WEBHOOK_SECRET).only(STRIPE_EVENTS)],
            ..SandboxOptions::new(files.path())
        })
        .await
        .expect("the sandbox starts");
        let mut config = configuration(base, database.url(), &sandbox);
        change(&mut config);
        let config = Arc::new(config);

        // The stand-ins live in real time (signatures expire), so the clock starts at now and only moves forward.
        let clock = Arc::new(FakeClock::at(Utc::now()));
        mywork_cli::migrate::storage(&config).await.expect("the bucket is made");
        let services = parts::services(&config, clock.clone()).await.expect("the services are built");
        Self { clock, config, services, sandbox, database, manned: false, stop: CancellationToken::new(), _files: files }
    }

    /// Somebody who comes to the site.
    pub fn person(&self) -> Person {
        Person::at(self.config.base_url.as_str())
    }

    /// Runs every job that is due, and those that follow from it; or waits until the workers have done so.
    pub async fn work(&self) -> testing::Drained {
        if self.manned {
            let unfinished = "state IN ('available', 'running') OR (state = 'scheduled' AND attempt > 0)";
            let unfinished = format!("SELECT count(*) FROM queue.jobs WHERE {unfinished}");
            super::until("the workers have done every job", async || self.count(&unfinished).await == 0).await;
            return testing::Drained::default();
        }
        testing::drain(self.services.db.public(), &Arc::new(mywork_jobs::registry()), self.services.clone(), self.clock.clone())
            .await
            .expect("the queue answers")
    }

    /// Time passes.
    pub fn later(&self, by: Duration) {
        self.clock.advance(by);
    }

    /// A look at all rows, as nobody in the product has it.
    pub async fn look(&self) -> PgConnection {
        self.database.superuser().await
    }

    /// What one number of the database is.
    pub async fn count(&self, sql: &str) -> i64 {
        sqlx::query_scalar(sqlx::AssertSqlSafe(sql.to_owned()))
            .fetch_one(&mut self.look().await)
            .await
            .unwrap_or_else(|e| panic!("{sql}: {e}"))
    }

    /// What one text of the database is.
    pub async fn text(&self, sql: &str) -> String {
        sqlx::query_scalar(sqlx::AssertSqlSafe(sql.to_owned()))
            .fetch_one(&mut self.look().await)
            .await
            .unwrap_or_else(|e| panic!("{sql}: {e}"))
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// The configuration of production with the sandbox's addresses and keys.
pub fn configuration(base: &str, database_url: &str, sandbox: &Sandbox) -> Config {
    let mut config =
        mywork_cli::dev::configuration(0, database_url.to_owned(), sandbox).expect("the sandbox's addresses are addresses");
    config.base_url = base.parse().expect("an address");
    config.web.rate_per_minute = 100_000;
    config
}
