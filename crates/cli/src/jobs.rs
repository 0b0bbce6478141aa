//! `mywork jobs …`: what an operator does about jobs from a shell, by the same calls as the admin's pages. Acts leave a line
//! in the audit log, in the system's name.

use crate::parts;
use anyhow::Context;
use clap::{Args, Subcommand};
use mywork::{
    audit,
    config::Config,
    db::{Actor, Role, Tx},
};
use mywork_queue::{
    JobId,
    admin::{self, Cancelled, JobDetail, JobFilter, JobRow, JobState},
};

#[derive(Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
    /// Print JSON, for programs
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Subcommand)]
enum Command {
    /// List jobs, newest first
    List {
        /// scheduled, available, running, done, dead, cancelled, expired or quarantined; may be repeated
        #[arg(long)]
        state: Vec<JobState>,
        #[arg(long)]
        queue: Option<String>,
        #[arg(long)]
        kind: Option<String>,
        /// Part of the last error
        #[arg(long)]
        error: Option<String>,
        #[arg(long, default_value_t = 50)]
        limit: u32,
    },
    /// Show one job with its attempts
    Show { id: i64 },
    /// Run a finished job again, or a waiting one now
    Retry {
        id: i64,
        /// Why, for the audit log
        #[arg(long, default_value = "from the command line")]
        reason: String,
    },
    /// Cancel a waiting job, or ask the worker of a running one to stop it
    Cancel {
        id: i64,
        /// Why, for the audit log
        #[arg(long, default_value = "from the command line")]
        reason: String,
    },
}

/// Does what was asked and prints what came of it.
pub async fn run(config: &Config, arguments: Arguments) -> anyhow::Result<()> {
    let db = parts::database(config, Role::Worker).await?;
    let mut tx = db.begin(Actor::System).await?;
    match arguments.command {
        Command::List { state, queue, kind, error, limit } => {
            let filter = JobFilter { states: state, queue, kind, error, limit, ..JobFilter::default() };
            let jobs = admin::list(&mut tx, &filter).await?;
            if arguments.json { println!("{}", serde_json::to_string_pretty(&jobs)?) } else { print_list(&jobs) }
        }
        Command::Show { id } => {
            let job = admin::find(&mut tx, JobId(id))
                .await?
                .with_context(|| format!("there is no job {id}, or its history has been dropped"))?;
            if arguments.json { println!("{}", serde_json::to_string_pretty(&job)?) } else { print_one(&job) }
        }
        Command::Retry { id, reason } => {
            admin::retry(&mut tx, JobId(id)).await?;
            trail(tx, "job.retry", id, &reason).await?;
            println!("job {id} will run again");
        }
        Command::Cancel { id, reason } => {
            let cancelled = admin::cancel(&mut tx, JobId(id), &reason).await?;
            trail(tx, "job.cancel", id, &reason).await?;
            match cancelled {
                Cancelled::Ended => println!("job {id} is cancelled"),
                Cancelled::Asked => println!("job {id} is running; its worker has been asked to stop it"),
            }
        }
    }
    Ok(())
}

async fn trail(mut tx: Tx, action: &'static str, id: i64, reason: &str) -> anyhow::Result<()> {
    audit::record(&mut tx, &audit::Entry::new(Actor::System, action, "job", id).because(reason), chrono::Utc::now()).await?;
    Ok(tx.commit().await?)
}

fn print_list(jobs: &[JobRow]) {
    println!("{:>8}  {:<11} {:<28} {:<10} {:>7}  {:<20} error", "id", "state", "kind", "queue", "attempt", "run at");
    for job in jobs {
        let error = job.last_error.as_deref().unwrap_or_default().lines().next().unwrap_or_default();
        let attempts = format!("{}/{}", job.attempt, job.max_attempts);
        println!(
            "{:>8}  {:<11} {:<28} {:<10} {attempts:>7}  {:<20} {error}",
            job.id.0,
            job.state,
            job.kind,
            job.queue,
            job.run_at.format("%Y-%m-%d %H:%M:%S")
        );
    }
    if jobs.is_empty() {
        println!("no such jobs");
    }
}

fn print_one(detail: &JobDetail) {
    let job = &detail.job;
    println!(
        "job {} · {} · {} · queue {} · attempt {}/{}",
        job.id.0, job.kind, job.state, job.queue, job.attempt, job.max_attempts
    );
    println!("arguments  {}", job.args);
    if let (Some(kind), Some(id)) = (&job.subject_kind, &job.subject_id) {
        println!("about      {kind} {id}");
    }
    println!("enqueued   {}", job.created_at);
    println!("due        {}", job.run_at);
    if let Some(at) = job.finished_at {
        println!("ended      {at}");
    }
    for run in &detail.attempts {
        println!(
            "\nattempt {} · {} · {} to {} · {} ({})",
            run.attempt,
            run.outcome,
            run.started_at,
            run.ended_at,
            run.worker_name.as_deref().unwrap_or("a worker since forgotten"),
            run.release
        );
        for text in [&run.error, &run.log].into_iter().flatten() {
            println!("  {}", text.replace('\n', "\n  "));
        }
    }
}
