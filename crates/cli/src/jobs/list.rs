//! Looking: many jobs in lines, one with everything known about it.

use super::{Shell, filter::Filter, table::Table, times};
use anyhow::Context;
use clap::Args;
use mywork_queue::{
    JobId,
    admin::{self, AttemptRow, Found, JobDetail, JobRow},
};

#[derive(Args)]
pub struct List {
    #[command(flatten)]
    filter: Filter,
    #[arg(long, default_value_t = 50)]
    limit: u32,
    /// Older than this job: the number that the page before ended with
    #[arg(long)]
    before: Option<i64>,
}

pub async fn list(shell: &Shell, asked: List) -> anyhow::Result<()> {
    let mut tx = shell.begin().await?;
    let mut filter = asked.filter.read(&mut tx).await?;
    filter.limit = asked.limit;
    filter.before = asked.before.map(JobId);
    let found = admin::search(&mut tx, &filter).await?;
    shell.answer(&found, print_found)
}

fn print_found(found: &Found) {
    let mut table = Table::new(["id", "state", "kind", "queue", "attempt", "run at", "error"]);
    for job in &found.jobs {
        table.row([
            job.id.to_string(),
            job.state.to_string(),
            job.kind.clone(),
            job.queue.clone(),
            format!("{}/{}", job.attempt, job.max_attempts),
            times::shown(job.run_at),
            job.last_error.as_deref().or(job.reason.as_deref()).unwrap_or_default().lines().next().unwrap_or_default().to_owned(),
        ]);
    }
    table.print("no such jobs");
    if let Some(since) = found.looked_back_to {
        println!("jobs enqueued before {} have not been looked at yet", times::shown(since));
    }
    if let Some(next) = found.next {
        println!("there are more: --before {next}");
    }
}

pub async fn show(shell: &Shell, id: i64) -> anyhow::Result<()> {
    let mut tx = shell.begin().await?;
    let detail = admin::find(&mut tx, JobId(id))
        .await?
        .with_context(|| format!("there is no job {id}, or its history has been dropped"))?;
    shell.answer(&detail, print_one)
}

fn print_one(detail: &JobDetail) {
    let job = &detail.job;
    println!(
        "job {} · {} · {} · queue {} · attempt {}/{}",
        job.id, job.kind, job.state, job.queue, job.attempt, job.max_attempts
    );
    for (name, value) in facts(job) {
        println!("{name:<11}{value}");
    }
    if let Some(progress) = &detail.progress {
        println!("{:<11}{} of {}  {}", "progress", progress.done, progress.total, progress.message);
    }
    if let Some(log) = &detail.log {
        println!("\nrunning\n{}", indented(log));
    }
    detail.attempts.iter().for_each(print_attempt);
}

/// What is known about a job, by name, without what is not.
fn facts(job: &JobRow) -> Vec<(&'static str, String)> {
    let mut facts = vec![("arguments", job.args.to_string())];
    let mut add = |name, value: Option<String>| facts.extend(value.map(|value| (name, value)));
    add("about", job.subject_kind.as_ref().zip(job.subject_id.as_ref()).map(|(kind, id)| format!("{kind}/{id}")));
    add("enqueued", Some(times::shown(job.created_at)));
    add("due", Some(times::shown(job.run_at)));
    add("expires", job.expires_at.map(times::shown));
    add("ended", job.finished_at.map(times::shown));
    add("reason", job.reason.clone());
    add("unique by", job.unique_key.clone());
    add("one by", job.concurrency_key.clone());
    add("rate", job.rate_key.clone());
    add("tags", (!job.tags.is_empty()).then(|| job.tags.join(", ")));
    add("workflow", job.workflow.map(|id| format!("{id}, step {}", job.step.as_deref().unwrap_or("?"))));
    add("parent", job.parent.map(|id| format!("job {id}")));
    add("trace", job.trace.clone());
    add("worker", job.worker.map(|id| id.to_string()));
    add("rescued", (job.rescues > 0).then(|| format!("{} times: its worker died", job.rescues)));
    facts
}

fn print_attempt(run: &AttemptRow) {
    println!(
        "\nattempt {} · {} · {} to {} · {} ({})",
        run.attempt,
        run.outcome,
        times::shown(run.started_at),
        times::shown(run.ended_at),
        run.worker_name.as_deref().unwrap_or("a worker since forgotten"),
        run.release
    );
    for text in [&run.error, &run.log].into_iter().flatten() {
        println!("{}", indented(text));
    }
}

fn indented(text: &str) -> String {
    format!("  {}", text.trim_end().replace('\n', "\n  "))
}
