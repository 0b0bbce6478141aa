//! The stage: a fresh database per test, workers that can be stopped or killed, and a way to wait for what must come.

pub mod contest;
pub mod jobs;
pub mod proxy;

use mywork_queue::{
    Handle, JobId, Registry, Runtime, RuntimeOptions,
    admin::{self, JobDetail, JobState},
    clock::{Clock, SystemClock},
    groups::Group,
};
use sha2::{Digest, Sha256};
use sqlx::{
    AssertSqlSafe, Connection, Executor, PgConnection, PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use std::{
    str::FromStr,
    sync::Arc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};
use tokio::{sync::OnceCell, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// A database of the test's own.
pub struct Stage {
    pub pool: PgPool,
    pub options: PgConnectOptions,
}

impl Stage {
    pub async fn new() -> Self {
        let template = template().await;
        let name = format!("queue_test_{}_{}", now_seconds(), Uuid::new_v4().simple());
        let mut server = connect_server().await;
        run(&mut server, &format!("CREATE DATABASE {name} TEMPLATE {template}")).await;
        let options = server_options().database(&name);
        Self { pool: pool(options.clone()).await, options }
    }

    pub async fn connection(&self) -> sqlx::pool::PoolConnection<sqlx::Postgres> {
        self.pool.acquire().await.expect("a connection")
    }

    pub async fn job(&self, id: JobId) -> JobDetail {
        admin::find(&mut *self.connection().await, id).await.expect("the queue").expect("the job")
    }

    pub async fn state(&self, id: JobId) -> JobState {
        self.job(id).await.job.state
    }

    /// The outcomes of a job's runs, oldest first.
    pub async fn outcomes(&self, id: JobId) -> Vec<String> {
        self.job(id).await.attempts.into_iter().map(|run| run.outcome).collect()
    }

    pub async fn until_state(&self, id: JobId, state: JobState) {
        eventually(&format!("job {id} is {state}"), async || self.state(id).await == state).await;
    }

    pub async fn number(&self, sql: &'static str) -> i64 {
        sqlx::query_scalar(sql).fetch_one(&self.pool).await.expect(sql)
    }

    pub async fn execute(&self, sql: &'static str) {
        self.pool.execute(sql).await.expect(sql);
    }
}

/// How tests configure workers unless they say otherwise: dead after half a second.
pub fn quick() -> RuntimeOptions {
    RuntimeOptions {
        heartbeat: Duration::from_millis(100),
        lease: Duration::from_millis(800),
        poll: Duration::from_millis(50),
        cancel_grace: Duration::from_millis(200),
        stop_grace: Duration::from_millis(200),
        release: "test".to_owned(),
        ..RuntimeOptions::default()
    }
}

/// Starts a worker on queue `default` and `other`, eight jobs at once.
pub struct Start<S> {
    pub pool: PgPool,
    pub registry: Arc<Registry<S>>,
    pub state: Arc<S>,
    pub group: Group,
    pub clock: Arc<dyn Clock>,
    pub options: RuntimeOptions,
}

impl<S: Send + Sync + 'static> Start<S> {
    pub fn new(stage: &Stage, registry: Registry<S>, state: Arc<S>) -> Self {
        Self {
            pool: stage.pool.clone(),
            registry: Arc::new(registry),
            state,
            group: Group::new("default", ["default", "other"], 8),
            clock: Arc::new(SystemClock),
            options: quick(),
        }
    }

    pub fn run(self) -> Worker {
        let shutdown = CancellationToken::new();
        let runtime = Runtime::new(self.pool, self.registry, self.state, self.group, self.clock, self.options);
        let handle = runtime.handle();
        let task = tokio::spawn(runtime.run(shutdown.clone()));
        Worker { shutdown, handle, task }
    }

    /// In a runtime of its own, which can die like a process.
    pub async fn run_apart(self, options: PgConnectOptions) -> Apart {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        runtime.spawn(async move {
            let own = Self { pool: pool(options).await, ..self };
            own.run().task.await
        });
        Apart(Some(runtime))
    }
}

pub struct Worker {
    shutdown: CancellationToken,
    pub handle: Handle,
    task: JoinHandle<()>,
}

impl Worker {
    /// Stops it as SIGTERM does, and says how long that took.
    pub async fn stop(self) -> Duration {
        let began = Instant::now();
        self.shutdown.cancel();
        self.task.await.expect("a worker never panics");
        began.elapsed()
    }
}

/// A worker that dies without a word.
pub struct Apart(Option<tokio::runtime::Runtime>);

impl Apart {
    pub fn kill(mut self) {
        self.0.take().expect("alive").shutdown_background();
    }
}

impl Drop for Apart {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// Waits for what must come, at most twenty seconds.
pub async fn eventually(what: &str, holds: impl AsyncFn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !holds().await {
        assert!(Instant::now() < deadline, "never came: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Runs `work` in a transaction and commits it.
pub async fn committed<T>(pool: &PgPool, work: impl AsyncFnOnce(&mut PgConnection) -> T) -> T {
    let mut tx = pool.begin().await.expect("a transaction");
    let value = work(&mut tx).await;
    tx.commit().await.expect("a commit");
    value
}

pub async fn pool(options: PgConnectOptions) -> PgPool {
    let pool = PgPoolOptions::new().max_connections(12).acquire_timeout(Duration::from_secs(3));
    pool.connect_with(options).await.expect("the database")
}

fn server_options() -> PgConnectOptions {
    let url = std::env::var("TEST_DATABASE_URL")
        .expect("TEST_DATABASE_URL must name a Postgres server on which these tests may create databases, as bin/test does");
    PgConnectOptions::from_str(&url).expect("TEST_DATABASE_URL is a Postgres address")
}

async fn connect_server() -> PgConnection {
    PgConnection::connect_with(&server_options()).await.expect("the server of TEST_DATABASE_URL")
}

async fn run(server: &mut PgConnection, sql: &str) {
    server.execute(AssertSqlSafe(sql.to_owned())).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
}

fn now_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs()
}

/// The migrated database all others are copied from; made once per version of the migrations.
async fn template() -> &'static str {
    static TEMPLATE: OnceCell<String> = OnceCell::const_new();
    TEMPLATE.get_or_init(make_template).await
}

async fn make_template() -> String {
    let all = mywork_queue::migrator().iter().fold(Sha256::new(), |all, migration| all.chain_update(&migration.checksum));
    let name = format!("queue_template_{}", hex::encode(&all.finalize()[..8]));
    let mut server = connect_server().await;
    run(&mut server, "SELECT pg_advisory_lock(hashtext('queue tests'))").await;
    drop_leftovers(&mut server).await;
    let there: bool = sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)")
        .bind(&name)
        .fetch_one(&mut server)
        .await
        .expect("the catalogue");
    if !there {
        let unfinished = format!("{name}_unfinished");
        run(&mut server, &format!("DROP DATABASE IF EXISTS {unfinished} WITH (FORCE)")).await;
        run(&mut server, &format!("CREATE DATABASE {unfinished}")).await;
        let fresh = pool(server_options().database(&unfinished)).await;
        mywork_queue::migrate(&fresh).await.expect("the migrations");
        fresh.close().await;
        run(&mut server, &format!("ALTER DATABASE {unfinished} RENAME TO {name}")).await;
    }
    run(&mut server, "SELECT pg_advisory_unlock(hashtext('queue tests'))").await;
    name
}

/// Databases of tests that ran more than ten minutes ago.
async fn drop_leftovers(server: &mut PgConnection) {
    let names: Vec<String> = sqlx::query_scalar("SELECT datname FROM pg_database WHERE datname LIKE 'queue\\_test\\_%'")
        .fetch_all(&mut *server)
        .await
        .expect("the catalogue");
    let age =
        |name: &str| name.split('_').nth(2).and_then(|at| at.parse::<u64>().ok()).map(|at| now_seconds().saturating_sub(at));
    for name in names.iter().filter(|name| age(name).is_none_or(|age| age > 600)) {
        run(server, &format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await;
    }
}
