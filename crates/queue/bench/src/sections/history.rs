//! Ten million rows of history: what a claim, a drain and the dashboard cost with them and without.
//!
//! Claims are timed by the server itself, from its log, so that nothing here needs to know how a claim is written.

use super::{Run, drain, tell};
use crate::{
    figures::{median, millis, percentile, thousands},
    report::Table,
    server::{Database, Server},
    systems::{System, ours},
};
use chrono::{TimeDelta, Utc};
use mywork_queue::{
    Subject,
    admin::{self, JobFilter, JobState},
};
use sqlx::{AssertSqlSafe, Executor, PgConnection};
use std::time::{Duration, Instant};

const CONCURRENCY: usize = 50;
/// Days over which the history is spread.
const DAYS: i64 = 30;
const CAP: Duration = Duration::from_secs(30);

pub async fn measure(run: &mut Run) -> anyhow::Result<()> {
    let (jobs, rounds, rows) = (run.plan.backlogs[0].1, run.plan.rounds, run.plan.history);
    let empty = System::Ours.template(&run.server).await?;
    tell(format_args!("history: writing {} finished jobs and their runs", thousands(rows as f64)));
    let began = Instant::now();
    let full = run.server.made("bench_ours_history", Some(&empty), async |database| write(&database, rows).await).await?;
    tell(format_args!("history: written in {:.0} s", began.elapsed().as_secs_f64()));
    let none = run.server.copy(&empty).await?;

    let mut measured = [(none, Vec::new(), Vec::new()), (full, Vec::new(), Vec::new())];
    for round in 0..rounds {
        for (database, claims, rates) in &mut measured {
            tell(format_args!("history, round {}: {}", round + 1, database.name));
            ours::fill(database, jobs).await?;
            sqlx::query("VACUUM (ANALYZE) queue.jobs").execute(&mut database.connect().await?).await?;
            run.server.checkpoint().await?;
            rates.push(drain::workers(run, System::Ours, database, jobs, CONCURRENCY, 1, CAP).await?.rate());
            claims.extend(claim_times(run, database, jobs / 4).await?);
        }
    }
    claims(run, &measured.each_ref().map(|(_, claims, rates)| (median(claims), percentile(claims, 0.99), median(rates))));
    dashboard(run, &measured[1].0).await?;
    for (database, ..) in &measured {
        run.server.drop(database).await?;
    }
    Ok(())
}

fn claims(run: &mut Run, [none, full]: &[(f64, f64, f64); 2]) {
    let note = format!(
        "A claim of up to {CONCURRENCY} jobs as the server's own log times it, bind and execute; and a drain, one process. History: \
         {} finished jobs and as many runs over {DAYS} days.",
        thousands(run.plan.history as f64)
    );
    let mut table = Table::new("History", note, &["", "claim, p50 ms", "claim, p99 ms", "drain, jobs/s"]);
    for (name, (p50, p99, rate)) in [("no history", none), ("history", full)] {
        table.rows.push(vec![name.to_owned(), format!("{p50:.2}"), format!("{p99:.2}"), thousands(*rate)]);
    }
    run.report.tables.push(table);
    run.report.time("history_claim".to_owned(), full.0, none.0, Some(0.9));
    run.report.rate("history_drain".to_owned(), full.2, none.2, Some(0.9));
}

/// Finished jobs and runs spread over the last days, in the partitions upkeep would have made; one in about a hundred failed.
async fn write(database: &Database, rows: u64) -> anyhow::Result<()> {
    let mut connection = database.connect().await?;
    let rows = i64::try_from(rows)?;
    for ago in (0..=DAYS).rev().step_by(3) {
        sqlx::query("SELECT queue.maintain(((now() AT TIME ZONE 'UTC')::date - $1::integer))")
            .bind(i32::try_from(ago)?)
            .execute(&mut connection)
            .await?;
    }
    let when = format!("now() - interval '{DAYS} days' * (1 - i::float8 / {rows}) * 0.999");
    let from = "FROM generate_series($1::bigint, $2::bigint) AS i";
    let kind = "(ARRAY['orders.fulfil', 'notifications.send_email', 'catalog.scan', 'search.sync', 'bench.noop'])[1 + i % 5]";
    let finished = format!(
        "INSERT INTO queue.finished_jobs (id, queue, kind, version, state, priority, run_at, args, attempt, max_attempts, lease, rescues,
                                          subject_kind, subject_id, tags, created_at, finished_at, last_error)
         SELECT i, (ARRAY['default', 'mail', 'search'])[1 + i % 3], {kind}, 1, CASE WHEN i % 97 = 0 THEN 'dead' ELSE 'done' END, 0,
                {when}, jsonb_build_object('n', i), 1, 25, 1, 0, CASE WHEN i % 4 = 0 THEN 'order' END,
                CASE WHEN i % 4 = 0 THEN (i / 8)::text END, '{{}}', {when}, {when}, CASE WHEN i % 97 = 0 THEN 'refused by the bank' END
         {from}"
    );
    let runs = format!(
        "INSERT INTO queue.attempts (job_id, lease, attempt, queue, kind, worker_id, release, started_at, ended_at, outcome, failed,
                                     error_class, fingerprint, error)
         SELECT i, 1, 1, (ARRAY['default', 'mail', 'search'])[1 + i % 3], {kind}, gen_random_uuid(), '1.0.0', {when}, {when},
                CASE WHEN i % 97 = 0 THEN 'dead' ELSE 'done' END, i % 97 = 0,
                CASE WHEN i % 97 = 0 THEN 'bank' END, CASE WHEN i % 97 = 0 THEN md5((i % 3700)::text) END,
                CASE WHEN i % 97 = 0 THEN 'refused by the bank' END
         {from}"
    );
    for first in (1..=rows).step_by(500_000) {
        for statement in [&finished, &runs] {
            sqlx::query(AssertSqlSafe(statement.clone()))
                .bind(first)
                .bind((first + 499_999).min(rows))
                .execute(&mut connection)
                .await?;
        }
    }
    // What workers would have counted beside it, for the dashboard.
    connection
        .execute(
            "INSERT INTO queue.run_counts (minute, queue, kind, outcome, release, runs, seconds, waited, slowest)
             SELECT date_trunc('minute', ended_at), queue, kind, outcome, release, count(*), 0, 0, 0
             FROM queue.attempts
             WHERE ended_at > now() - interval '8 days'
             GROUP BY 1, 2, 3, 4, 5",
        )
        .await?;
    connection
        .execute(
            "INSERT INTO queue.error_counts (hour, fingerprint, kind, error_class, runs, latest_error, latest_job, first_at, last_at)
             SELECT date_trunc('hour', ended_at), fingerprint, kind, min(error_class), count(*), min(error), max(job_id),
                    min(ended_at), max(ended_at)
             FROM queue.attempts
             WHERE failed
             GROUP BY 1, 2, 3",
        )
        .await?;
    let next = format!("ALTER TABLE queue.jobs ALTER COLUMN id RESTART WITH {}", rows + 1);
    connection.execute(AssertSqlSafe(next)).await?;
    connection.execute("VACUUM (ANALYZE)").await?;
    Ok(())
}

/// What the server's log says claims took, in milliseconds, while a worker drains `jobs` jobs.
async fn claim_times(run: &Run, database: &Database, jobs: usize) -> anyhow::Result<Vec<f64>> {
    let setting =
        |value: &str| AssertSqlSafe(format!("ALTER DATABASE {} SET log_min_duration_statement = {value}", database.name));
    ours::fill(database, jobs).await?;
    run.server.admin().execute(setting("0")).await?;
    let begin = log(&run.server, 0).await?.len();
    drain::workers(run, System::Ours, database, jobs, CONCURRENCY, 1, CAP).await?;
    run.server.admin().execute(setting("-1")).await?;
    Ok(claims_in(&log(&run.server, begin).await?))
}

async fn log(server: &Server, from: usize) -> anyhow::Result<String> {
    let whole: Option<String> =
        sqlx::query_scalar("SELECT pg_read_file(pg_current_logfile()) WHERE pg_current_logfile() IS NOT NULL")
            .fetch_optional(server.admin())
            .await?;
    Ok(whole.unwrap_or_default().get(from..).unwrap_or_default().to_owned())
}

/// A claim is what marks jobs of the hot table as running, passing over locked ones. Its bind, in which it is planned, and its
/// execution are logged one after the other.
fn claims_in(log: &str) -> Vec<f64> {
    let mut times = Vec::new();
    let mut planned = 0.0;
    for entry in log.split("duration: ").skip(1) {
        let Some((time, what)) = entry.split_once(" ms  ") else { continue };
        let Ok(time) = time.parse::<f64>() else { continue };
        let is_claim =
            what.contains("FOR UPDATE SKIP LOCKED") && what.contains("UPDATE queue.jobs") && what.contains("state = 'running'");
        if is_claim && what.starts_with("bind") {
            planned = time;
        } else if is_claim && what.starts_with("execute") {
            times.push(planned + time);
        }
    }
    times
}

async fn dashboard(run: &mut Run, database: &Database) -> anyhow::Result<()> {
    let mut connection = database.connect().await?;
    let asked = if run.plan.quick { 10 } else { 40 };
    let by = |filter: JobFilter| filter;
    let filters = [
        ("list, newest", by(JobFilter::default())),
        ("list, dead", by(JobFilter { states: vec![JobState::Dead], ..JobFilter::default() })),
        ("list, by kind", by(JobFilter { kind: Some("orders.fulfil".to_owned()), ..JobFilter::default() })),
        (
            "list, dead of a kind",
            by(JobFilter { states: vec![JobState::Dead], kind: Some("bench.noop".to_owned()), ..JobFilter::default() }),
        ),
        ("list, by subject", by(JobFilter { subject: Some(Subject::new("order", 777)), ..JobFilter::default() })),
        ("list, by error", by(JobFilter { error: Some("bank".to_owned()), ..JobFilter::default() })),
        ("list, unknown kind", by(JobFilter { kind: Some("no.such".to_owned()), ..JobFilter::default() })),
    ];
    let note = format!(
        "Milliseconds for what a page asks, with {} finished jobs. Bar: p95 < 150 ms.",
        thousands(run.plan.history as f64)
    );
    let mut table = Table::new("Dashboard", note, &["", "p50 ms", "p95 ms"]);
    let mut add = |run: &mut Run, name: &str, times: Vec<f64>| {
        let p95 = percentile(&times, 0.95);
        table.rows.push(vec![name.to_owned(), format!("{:.1}", median(&times)), format!("{p95:.1}")]);
        let ratio = format!("bar_dashboard_{}", name.replace(", ", "_").replace(' ', "_"));
        run.report.time(ratio, p95, 150.0, Some(1.0));
    };

    let times = timed(&mut connection, asked, async |c| admin::overview(c).await.map(drop)).await?;
    add(run, "overview", times);
    for (name, filter) in filters {
        let times = timed(&mut connection, asked, async |c| admin::list(c, &filter).await.map(drop)).await?;
        add(run, name, times);
    }
    for (name, hours) in [("errors, 1 hour", 1), ("errors, 24 hours", 24), ("errors, 7 days", 168)] {
        let since = Utc::now() - TimeDelta::hours(hours);
        let times = timed(&mut connection, asked, async |c| admin::errors(c, since).await.map(drop)).await?;
        add(run, name, times);
    }
    run.report.tables.push(table);
    Ok(())
}

/// Asks so often, and gives up on a question that has taken ten seconds in all.
async fn timed(
    connection: &mut PgConnection,
    times: usize,
    mut ask: impl AsyncFnMut(&mut PgConnection) -> Result<(), sqlx::Error>,
) -> anyhow::Result<Vec<f64>> {
    ask(connection).await?; // warm, and its statements prepared
    let begun = Instant::now();
    let mut took = Vec::new();
    while took.len() < times && (took.is_empty() || begun.elapsed() < Duration::from_secs(10)) {
        let began = Instant::now();
        ask(connection).await?;
        took.push(millis(began.elapsed()));
    }
    Ok(took)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_are_found_in_a_log() {
        let claim = "-- next\n\tSELECT … FOR UPDATE SKIP LOCKED\n\tUPDATE queue.jobs j SET state = 'running'";
        let log = format!(
            "at LOG:  duration: 0.250 ms  bind s_1: {claim}\nat LOG:  duration: 1.000 ms  execute s_1: {claim}\nat LOG:  duration: 9.0 ms  execute s_2: SELECT 1\n"
        );
        assert_eq!(claims_in(&log), [1.25]);
    }
}
