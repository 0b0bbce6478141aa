//! Through PgBouncer in transaction mode, in the version that knows nothing of prepared statements (before 1.21): everything but
//! LISTEN and migrations, which take a direct address. What that needs:
//! - `pool_mode = transaction` and `ignore_startup_parameters = extra_float_digits`, which the driver sends;
//! - `server_reset_query = DEALLOCATE ALL` with `server_reset_query_always = 1`, because the driver prepares every statement
//!   under a name, and the next client to use the server connection may choose the same;
//! - `statement_cache_capacity(0)`, since a statement prepared in one transaction is gone in the next;
//! - [`RuntimeOptions::listen_on`], by which the engine also knows to wrap each of its statements in a transaction: the driver
//!   prepares and runs a statement in two steps, which outside one may reach different servers.
//!
//! Where there is no `pgbouncer` the test says so and passes.
//! Proves: JOB-17 (PgBouncer in transaction mode).

use crate::support::{
    Stage, Start, committed, eventually,
    jobs::{Act, How, Other, Seen, registry},
    pool, quick,
};
use chrono::{Duration, TimeZone, Utc};
use mywork_queue::{
    JobId, Notifier, Options, RuntimeOptions, Unique,
    admin::{self, JobState},
    clock::FakeClock,
    enqueue, enqueue_many, enqueue_with,
    groups::Group,
    schedule::{self, CatchUp, Overlap, Plan, Scheduler},
};
use sqlx::{PgPool, postgres::PgConnectOptions};
use std::{
    fs,
    net::TcpListener,
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::Arc,
};
use tokio_util::sync::CancellationToken;

/// A pooler in front of the stage's database, with few connections to it.
struct Pooler {
    process: Child,
    folder: PathBuf,
    options: PgConnectOptions,
}

impl Pooler {
    /// Nothing where there is no `pgbouncer`.
    fn start(stage: &Stage) -> Option<Self> {
        let program = ["/usr/sbin/pgbouncer", "/usr/bin/pgbouncer", "/usr/local/bin/pgbouncer", "/opt/homebrew/bin/pgbouncer"];
        let Some(program) = program.into_iter().find(|path| fs::exists(path).unwrap_or(false)) else {
            eprintln!("skipped: there is no pgbouncer on this machine");
            return None;
        };
        let port = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a port").port();
        let folder = std::env::temp_dir().join(format!("mywork-pooler-{}-{port}", std::process::id()));
        fs::create_dir(&folder).expect("a folder");
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).expect("a folder anybody may enter");
        let server = &stage.options;
        let settings = format!(
            "[databases]\n\
             * = host={} port={} user={}\n\
             [pgbouncer]\n\
             listen_addr = 127.0.0.1\n\
             listen_port = {port}\n\
             unix_socket_dir =\n\
             auth_type = any\n\
             pool_mode = transaction\n\
             default_pool_size = 4\n\
             server_round_robin = 1\n\
             ignore_startup_parameters = extra_float_digits\n\
             server_reset_query = DEALLOCATE ALL\n\
             server_reset_query_always = 1\n",
            server.get_host(),
            server.get_port(),
            server.get_username(),
        );
        let file = folder.join("pgbouncer.ini");
        fs::write(&file, settings).expect("its settings");
        let mut command = Command::new(program);
        if fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0) {
            command.args(["-u", "nobody"]); // it does not run as root
        }
        let log = fs::File::create(folder.join("log")).expect("a log");
        let process = command.arg(&file).stdout(Stdio::null()).stderr(log).spawn().expect("pgbouncer starts");
        let options = server.clone().host("127.0.0.1").port(port).statement_cache_capacity(0);
        Some(Self { process, folder, options })
    }

    async fn pool(&self) -> PgPool {
        eventually("the pooler listens", async || {
            tokio::net::TcpStream::connect((self.options.get_host(), self.options.get_port())).await.is_ok()
        })
        .await;
        pool(self.options.clone()).await
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        let ended = self.process.kill().and_then(|()| self.process.wait());
        let log = fs::read_to_string(self.folder.join("log")).unwrap_or_default();
        if std::thread::panicking() {
            eprintln!("the pooler, {ended:?}, said:\n{log}");
        }
        let _ = fs::remove_dir_all(&self.folder);
    }
}

async fn add(pool: &PgPool, name: &str, how: How) -> JobId {
    committed(pool, async |c| enqueue(c, &Act::new(name, how)).await.expect("enqueued").id).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_works_through_a_pooler_in_transaction_mode() {
    let stage = Stage::new().await;
    let Some(pooler) = Pooler::start(&stage) else { return };
    let web = pooler.pool().await;
    let seen = Seen::new();
    let start = |seen: &Arc<Seen>, pool: PgPool| {
        let options = RuntimeOptions { listen_on: Some(stage.pool.clone()), ..quick() };
        Start {
            pool,
            options,
            group: Group::new("all", ["default", "other"], 16),
            ..Start::new(&stage, registry(), Arc::clone(seen))
        }
    };
    let workers = [start(&seen, pooler.pool().await).run(), start(&seen, pooler.pool().await).run()];

    // Many at once, on few servers: whoever's statement reaches the wrong one is found out.
    let many: Vec<Act> = (0..1_000).map(|number| Act::new(&number.to_string(), How::Succeed)).collect();
    let others: Vec<Other> = (0..1_000).map(|number| Other { number }).collect();
    committed(&web, async |c| enqueue_many(c, &many).await.expect("enqueued")).await;
    committed(&web, async |c| enqueue_many(c, &others).await.expect("enqueued")).await;
    let failing = add(&web, "failing", How::FailOnce).await;
    let dead = add(&web, "dead", How::Die).await;
    let waiting = add(&web, "waiting", How::Wait).await;
    stage.until_state(failing, JobState::Scheduled).await;
    stage.until_state(dead, JobState::Dead).await;
    stage.until_state(waiting, JobState::Running).await;

    // People act through it, too.
    committed(&web, async |c| admin::retry(c, failing).await.expect("retried")).await;
    stage.until_state(failing, JobState::Done).await;
    committed(&web, async |c| admin::cancel(c, waiting, "no longer wanted").await.expect("cancelled")).await;
    stage.until_state(waiting, JobState::Cancelled).await;
    let later = Options::default().run_at(Utc::now() + Duration::days(1)).unique(Unique::unfinished("one"));
    let ids = committed(&web, async |c| {
        let first = enqueue_with(c, &Act::new("later", How::Succeed), later.clone()).await.expect("enqueued");
        let second = enqueue_with(c, &Act::new("later", How::Succeed), later.clone()).await.expect("enqueued");
        (first, second)
    })
    .await;
    assert_eq!((ids.0.fresh, ids.1.fresh, ids.0.id), (true, false, ids.1.id));
    committed(&web, async |c| admin::reschedule(c, ids.0.id, Utc::now()).await.expect("brought forward")).await;
    stage.until_state(ids.0.id, JobState::Done).await;

    // A notification crosses from the pooler to the direct connection; nobody looks by himself for a minute.
    let rare = RuntimeOptions { poll: std::time::Duration::from_secs(60), listen_on: Some(stage.pool.clone()), ..quick() };
    let [first, second] = workers;
    first.stop().await;
    second.stop().await;
    let alone = Start { options: rare, ..start(&seen, pooler.pool().await) }.run();
    let notifier = Notifier::spawn(web.clone());
    let told = add(&web, "told", How::Succeed).await;
    eventually("it is heard", async || {
        notifier.wake_for::<Act>();
        stage.state(told).await == JobState::Done
    })
    .await;
    alone.stop().await;

    assert_eq!(stage.number("SELECT count(*) FROM queue.finished_jobs WHERE state = 'done'").await, 2_003);
    assert_eq!(stage.number("SELECT count(*) FROM queue.jobs").await, 0);
    assert_eq!(stage.number("SELECT count(*) FROM queue.attempts WHERE outcome IN ('lost', 'handed_back')").await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn schedulers_share_a_pooler() {
    let stage = Stage::new().await;
    let Some(pooler) = Pooler::start(&stage) else { return };
    let web = pooler.pool().await;
    let plan = Plan::new("* * * * *", &Other { number: 1 }).expect("a plan").overlap(Overlap::Queue).catch_up(CatchUp::All);
    committed(&web, async |c| schedule::install(c, &[plan]).await.expect("installed")).await;
    let clock = FakeClock::at(Utc.with_ymd_and_hms(2026, 1, 1, 0, 0, 30).single().expect("a time"));
    Scheduler::tick(&web, &clock).await.expect("a first look");
    clock.advance(Duration::minutes(1_000));
    let stop = CancellationToken::new();
    let schedulers: Vec<_> =
        (0..6).map(|_| tokio::spawn(Scheduler::run(web.clone(), Arc::new(clock.clone()), stop.clone()))).collect();
    let occurrences = "SELECT count(*) FROM queue.occurrences WHERE job_id IS NOT NULL";
    eventually("all times", async || stage.number(occurrences).await >= 1_000).await;
    stop.cancel();
    for scheduler in schedulers {
        scheduler.await.expect("the scheduler ends well");
    }
    assert_eq!(stage.number(occurrences).await, 1_000);
    assert_eq!(stage.number("SELECT count(*) FROM queue.jobs").await, 1_000);
}
