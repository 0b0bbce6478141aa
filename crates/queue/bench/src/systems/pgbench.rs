//! pgbench's loop of claim and complete: the plainest thing Postgres can be asked to do, without a client that thinks.
//!
//! Each transaction of the script claims a hundred jobs and deletes them again by their numbers. No history.

use crate::server::Database;
use anyhow::{Context, ensure};
use sqlx::Executor;
use std::{process::Stdio, time::Duration};
use tokio::process::Command;

const BATCH: usize = 100;
/// Sessions per process: one claims while the other completes.
const SESSIONS: usize = 2;

const SCHEMA: &str = "
    CREATE SCHEMA loop;
    CREATE TABLE loop.jobs (
      id       bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
      state    text        NOT NULL DEFAULT 'available',
      priority smallint    NOT NULL DEFAULT 0,
      run_at   timestamptz NOT NULL DEFAULT now(),
      args     jsonb       NOT NULL
    ) WITH (fillfactor = 70);
    CREATE INDEX jobs_claim ON loop.jobs (priority DESC, run_at, id) WHERE state = 'available';";

const SCRIPT: &str = "
WITH next AS MATERIALIZED (SELECT id FROM loop.jobs WHERE state = 'available' ORDER BY priority DESC, run_at, id LIMIT 100 FOR UPDATE SKIP LOCKED), claimed AS (UPDATE loop.jobs j SET state = 'running' WHERE j.id = ANY (ARRAY(SELECT id FROM next)) RETURNING j.id) SELECT coalesce(array_agg(id), '{}') AS ids FROM claimed \\gset
DELETE FROM loop.jobs WHERE id = ANY (:ids::bigint[]);
";

pub fn missing() -> Option<String> {
    let found = std::process::Command::new(program()).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if found.is_ok_and(|status| status.success()) { None } else { Some("no pgbench on the PATH".to_owned()) }
}

pub async fn setup(database: &Database) -> anyhow::Result<()> {
    database.connect().await?.execute(SCHEMA).await?;
    Ok(())
}

pub async fn fill(database: &Database, jobs: usize) -> anyhow::Result<()> {
    sqlx::query("INSERT INTO loop.jobs (args) SELECT '{\"n\": 0}' FROM generate_series(1, $1)")
        .bind(i64::try_from(jobs)?)
        .execute(&mut database.connect().await?)
        .await?;
    Ok(())
}

/// Drains `jobs` jobs and answers how many there were and how long it took, connecting aside.
pub async fn drain(database: &Database, jobs: usize, processes: usize) -> anyhow::Result<(usize, Duration)> {
    let script = std::env::temp_dir().join(format!("{}.sql", database.name));
    tokio::fs::write(&script, SCRIPT).await?;
    let clients = SESSIONS * processes;
    let transactions = (jobs / BATCH / clients).max(1);
    let run = Command::new(program())
        .args(["--no-vacuum", "--protocol=prepared", "--file"])
        .arg(&script)
        .args(["--client", &clients.to_string(), "--jobs", &processes.to_string()])
        .args(["--transactions", &transactions.to_string(), &database.url])
        .output()
        .await?;
    tokio::fs::remove_file(&script).await?;

    let said = String::from_utf8_lossy(&run.stdout);
    ensure!(run.status.success(), "pgbench failed: {}", String::from_utf8_lossy(&run.stderr));
    let rate = said.lines().find_map(|line| line.strip_prefix("tps = ")?.split(' ').next()?.parse::<f64>().ok());
    let rate = rate.with_context(|| format!("pgbench did not say how fast it was: {said}"))?;
    let ran = transactions * clients;
    Ok((ran * BATCH, Duration::from_secs_f64(ran as f64 / rate)))
}

fn program() -> String {
    std::env::var("PGBENCH").unwrap_or_else(|_| "pgbench".to_owned())
}
