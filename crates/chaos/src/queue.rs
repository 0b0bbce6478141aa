//! `chaos queue`: a database, two dozen processes, a stream of orders, and injuries; then the verdicts.

use crate::{
    clock::FastClock,
    crowd::{Crowd, Role},
    healing::await_healing,
    injuries::Ward,
    kinds::Tick,
    load,
    postgres::Postgres,
    verdict::{Evidence, Verdicts},
    wire::Wire,
};
use anyhow::{Context, Result, ensure};
use chrono::{TimeZone, Utc};
use clap::Args;
use mywork_queue::{
    clock::FakeClock,
    schedule::{self, CatchUp, Overlap, Plan, Scheduler},
};
use sqlx::{
    PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

#[derive(Args, Clone, Debug)]
pub struct QueueOptions {
    /// How long it hurts.
    #[arg(long, default_value_t = 4)]
    minutes: u64,
    /// About a minute, with a shorter outage and fewer occurrences.
    #[arg(long)]
    quick: bool,
    /// Draws the orders and the injuries. Absent: another one every time.
    #[arg(long)]
    seed: Option<u64>,
    /// A PostgreSQL as `bin/prepare` unpacks it.
    #[arg(long, default_value = ".local/postgres")]
    postgres: PathBuf,
}

const SCHEDULES: i64 = 10;

/// Runs it. False when a promise was broken.
pub async fn run(options: QueueOptions) -> Result<bool> {
    let seed = options.seed.unwrap_or_else(|| rand::random::<u32>().into());
    let lasts = if options.quick { Duration::from_secs(20) } else { Duration::from_secs(options.minutes.max(1) * 60) };
    let outage = Duration::from_secs(if options.quick { 20 } else { 60 });
    let minutes_each = if options.quick { 200 } else { 1_000 };
    println!(
        "chaos queue --seed {seed}{}",
        if options.quick { " --quick".to_owned() } else { format!(" --minutes {}", options.minutes) }
    );

    let mut postgres = Postgres::start(&options.postgres).await?;
    let pool = connect(postgres.port());
    mywork_queue::migrate(&pool).await?;
    sqlx::raw_sql(include_str!("schema.sql")).execute(&pool).await?;
    let logs = postgres.folder().join("logs");
    fs::create_dir(&logs)?;

    let clock = clock(minutes_each, lasts);
    plan_ticks(&pool, clock).await?;
    let wire = Wire::to(postgres.port()).await?;
    let roles = [(Role::Worker, 4), (Role::Victim, 2), (Role::Scheduler, 20)];
    let crowd = Crowd::start(&logs, postgres.port(), wire.clone(), clock, &roles)?;
    let supervisor = tokio::spawn(supervise(crowd.clone()));
    await_healing(&pool, &crowd, "the start").await?;

    let stop = CancellationToken::new();
    let orders = tokio::spawn(load::order(pool.clone(), seed, stop.clone()));
    let ward = Ward { pool: &pool, crowd: &crowd, wire: &wire, postgres: &mut postgres, lasts, outage, seed };
    let record = ward.hurt().await?;
    stop.cancel();
    orders.await.context("the orders ended badly")?;

    eprintln!("no more injuries; waiting until everything is over");
    let over = await_end(&pool, SCHEDULES * minutes_each).await;
    supervisor.abort();
    let ended = crowd.close().await?;
    if let Err(error) = over {
        println!("BROKEN {error:#}");
    }
    println!("       all processes ended within {:.2} s", ended.as_secs_f64());
    let lives = crowd.lives();
    let evidence = Evidence {
        pool: &pool,
        lives: &lives,
        record: &record,
        clock,
        schedules: SCHEDULES,
        stale_verdicts: stale_verdicts(&logs)?,
    };
    let broken = Verdicts::over(&evidence).await?;
    if broken > 0 {
        println!("{broken} promises broken, with --seed {seed}. Logs and database are in {}", postgres.keep_folder().display());
    }
    pool.close().await;
    Ok(broken == 0)
}

/// A pool to the private database, for those who are not hurt.
pub fn connect(port: u16) -> PgPool {
    let options = PgConnectOptions::new_without_pgpass()
        .host("127.0.0.1")
        .port(port)
        .username("chaos")
        .database("postgres")
        .application_name("chaos");
    PgPoolOptions::new().max_connections(12).connect_lazy_with(options)
}

/// Reaches its hour when the injuries are nearly over.
fn clock(minutes: i64, lasts: Duration) -> FastClock {
    let from = Utc.with_ymd_and_hms(2026, 10, 24, 20, 0, 30).single().unwrap_or_default();
    let lasts = i64::try_from(lasts.as_secs()).unwrap_or(i64::MAX);
    let pace = i32::try_from(minutes * 60 / (lasts * 8 / 10).max(1) + 1).unwrap_or(i32::MAX);
    FastClock { began: Utc::now(), from, until: from + chrono::Duration::minutes(minutes), pace }
}

async fn plan_ticks(pool: &PgPool, clock: FastClock) -> Result<()> {
    let mut tx = pool.begin().await?;
    for number in 0..SCHEDULES {
        let plan = Plan::new("* * * * *", &Tick { schedule: usize::try_from(number)? })?.named(&format!("tick {number}"));
        let plan = plan.zone("Europe/Berlin").overlap(Overlap::Queue).catch_up(CatchUp::All);
        schedule::install(&mut tx, &[plan]).await?;
    }
    tx.commit().await?;
    Scheduler::tick(pool, &FakeClock::at(clock.from)).await?; // from now on its first time is known
    Ok(())
}

async fn supervise(crowd: Crowd) {
    loop {
        if let Err(error) = crowd.supervise() {
            eprintln!("the processes cannot be supervised: {error:#}");
        }
        sleep(Duration::from_millis(50)).await;
    }
}

/// Until no job is left, and every time of every schedule has come.
async fn await_end(pool: &PgPool, occurrences: i64) -> Result<()> {
    let began = Instant::now();
    loop {
        load::cancel_all(pool).await?;
        let left: i64 = sqlx::query_scalar("SELECT count(*) FROM queue.jobs").fetch_one(pool).await?;
        let moving = "SELECT count(*) FROM queue.workflows WHERE state = 'running'";
        let moving: i64 = sqlx::query_scalar(moving).fetch_one(pool).await?;
        let came: i64 = sqlx::query_scalar("SELECT count(*) FROM queue.occurrences").fetch_one(pool).await?;
        if left == 0 && moving == 0 && came >= occurrences {
            return Ok(());
        }
        ensure!(
            began.elapsed() < Duration::from_secs(180),
            "three minutes after the last injury {left} jobs and {moving} workflows are left, and {came} of {occurrences} times have come"
        );
        sleep(Duration::from_millis(200)).await;
    }
}

fn stale_verdicts(logs: &Path) -> Result<usize> {
    let mut found = 0;
    for file in fs::read_dir(logs)? {
        found += fs::read_to_string(file?.path())?.lines().filter(|line| line.contains("a verdict came after")).count();
    }
    Ok(found)
}
