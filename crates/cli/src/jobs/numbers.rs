//! The whole at a glance, what fails, and who works.

use super::{
    Shell, filter,
    table::Table,
    times,
    trail::{self, Reason},
};
use anyhow::ensure;
use chrono::{DateTime, Utc};
use clap::{Args, Subcommand};
use mywork_queue::admin::{self, ErrorGroup, Overview, WorkerRow};

pub async fn stats(shell: &Shell) -> anyhow::Result<()> {
    let mut tx = shell.begin().await?;
    let overview = admin::overview(&mut tx).await?;
    shell.answer(&overview, print_overview)
}

fn print_overview(overview: &Overview) {
    let mut states = Table::new(["state", "jobs"]);
    for count in &overview.states {
        let more = if count.or_more { "+" } else { "" };
        states.row([count.state.to_string(), format!("{}{more}", count.jobs)]);
    }
    states.print("no jobs");
    println!();
    let mut queues = Table::new(["queue", "in line", "held", "scheduled", "running", "at most", "oldest waits", "paused"]);
    for queue in &overview.queues {
        queues.row([
            queue.name.clone(),
            queue.available.to_string(),
            queue.held.to_string(),
            queue.scheduled.to_string(),
            queue.running.to_string(),
            queue.max_running.map_or("-".to_owned(), |most| most.to_string()),
            queue.oldest_available_at.map_or("-".to_owned(), times::age),
            paused(queue.paused_at, queue.pause_reason.as_deref()),
        ]);
    }
    queues.print("no queues");
    println!();
    let mut kinds = Table::new(["kind", "unfinished", "done in 24 h", "failed in 24 h", "paused"]);
    for kind in &overview.kinds {
        kinds.row([
            kind.kind.clone(),
            kind.unfinished.to_string(),
            kind.done.to_string(),
            kind.failed.to_string(),
            paused(kind.paused_at, kind.pause_reason.as_deref()),
        ]);
    }
    kinds.print("no kinds of job have run within a day");
}

fn paused(since: Option<DateTime<Utc>>, reason: Option<&str>) -> String {
    since.map_or(String::new(), |since| format!("since {}: {}", times::shown(since), reason.unwrap_or("no reason given")))
}

#[derive(Args)]
pub struct Errors {
    /// Since when: 1h, 24h, 7d or a time
    #[arg(long, value_parser = times::past, default_value = "24h")]
    since: DateTime<Utc>,
}

pub async fn errors(shell: &Shell, asked: Errors) -> anyhow::Result<()> {
    let mut tx = shell.begin().await?;
    let groups = admin::errors(&mut tx, asked.since).await?;
    shell.answer(&groups, |groups| print_errors(groups))
}

fn print_errors(groups: &[ErrorGroup]) {
    let mut table = Table::new(["fingerprint", "runs", "kind", "last at", "latest job", "class", "error"]);
    for group in groups {
        let error = group.latest_error.as_deref().unwrap_or_default();
        table.row([
            group.fingerprint.clone(),
            group.runs.to_string(),
            group.kind.clone(),
            times::shown(group.last_at),
            group.latest_job.to_string(),
            group.error_class.clone().unwrap_or_default(),
            error.lines().next().unwrap_or_default().to_owned(),
        ]);
    }
    table.print("nothing has failed");
    if let Some(first) = groups.first() {
        println!("run a group again: mywork jobs retry --state dead --fingerprint {}", first.fingerprint);
    }
}

#[derive(Args)]
pub struct Workers {
    #[command(subcommand)]
    what: Option<Act>,
}

#[derive(Subcommand)]
enum Act {
    /// Those that live, then those gone within a week
    List,
    /// Take no new jobs; what runs goes on
    Quiet {
        /// host:pid or id
        worker: String,
        #[command(flatten)]
        why: Reason,
    },
    /// Take new jobs again
    Wake {
        /// host:pid or id
        worker: String,
        #[command(flatten)]
        why: Reason,
    },
}

pub async fn workers(shell: &Shell, asked: Workers) -> anyhow::Result<()> {
    let (worker, why, quiet) = match asked.what {
        None | Some(Act::List) => {
            let mut tx = shell.begin().await?;
            let workers = admin::workers(&mut tx).await?;
            return shell.answer(&workers, |workers| print_workers(workers));
        }
        Some(Act::Quiet { worker, why }) => (worker, why, true),
        Some(Act::Wake { worker, why }) => (worker, why, false),
    };
    let mut tx = shell.begin().await?;
    let id = filter::worker_id(&mut tx, &worker).await?;
    ensure!(admin::quiet(&mut tx, id, quiet).await?, "no worker {worker:?} is at work: see `mywork jobs workers`");
    let action = if quiet { "worker.quiet" } else { "worker.wake" };
    trail::note(&mut tx, action, "worker", id, &why.reason).await?;
    tx.commit().await?;
    let says = if quiet { "takes no new jobs" } else { "takes new jobs again" };
    shell.answer(&serde_json::json!({ "worker": id, "quiet": quiet }), |_| println!("worker {worker} {says}"))
}

fn print_workers(workers: &[WorkerRow]) {
    let mut table = Table::new(["worker", "group", "release", "busy", "memory", "queues", "started at", "state"]);
    for worker in workers {
        let state = match (worker.stopped_at, worker.lost_at, worker.quiet_at) {
            (_, Some(at), _) => format!("lost {} ago", times::age(at)),
            (Some(at), _, _) => format!("stopped {} ago", times::age(at)),
            (_, _, Some(at)) => format!("quiet since {}", times::shown(at)),
            _ => format!("at work, heard of {} ago", times::age(worker.heartbeat_at)),
        };
        table.row([
            worker.name.clone(),
            worker.group.clone(),
            worker.release.clone(),
            format!("{}/{}", worker.busy, worker.capacity),
            worker.memory_bytes.map_or("-".to_owned(), |bytes| format!("{} MiB", bytes / 1_048_576)),
            worker.queues.join(","),
            times::shown(worker.started_at),
            state,
        ]);
    }
    table.print("no worker has been here within a week");
}
