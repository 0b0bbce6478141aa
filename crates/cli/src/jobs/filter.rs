//! Which jobs: the dashboard's filters, as options of the commands that list jobs or act on them.

use super::times;
use anyhow::Context;
use chrono::{DateTime, Utc};
use clap::Args;
use mywork_queue::{
    Subject,
    admin::{self, ArgIs, JobFilter, JobState},
};
use sqlx::PgConnection;
use uuid::Uuid;

#[derive(Args, Clone)]
pub struct Filter {
    /// scheduled, available, held, running, done, dead, cancelled, expired or quarantined; may be repeated
    #[arg(long)]
    state: Vec<JobState>,
    #[arg(long)]
    queue: Option<String>,
    #[arg(long)]
    kind: Option<String>,
    /// An argument and its value, as order=0198c0de-… or buyer.country=DE
    #[arg(long, value_name = "PATH=VALUE")]
    args: Option<ArgIs>,
    #[arg(long)]
    tag: Option<String>,
    /// A worker that ran it, by host:pid or id
    #[arg(long)]
    worker: Option<String>,
    /// Over (or, when it is not over, due) since: 2h, 7d, 2026-05-31, 2026-05-31T14:00:00Z
    #[arg(long, value_parser = times::past)]
    since: Option<DateTime<Utc>>,
    /// Over (or due) before that time
    #[arg(long, value_parser = times::past)]
    until: Option<DateTime<Utc>>,
    /// Part of the last error
    #[arg(long)]
    error: Option<String>,
    /// Of a group of `mywork jobs errors`
    #[arg(long)]
    fingerprint: Option<String>,
    /// The object it serves, as order/0198c0de-…
    #[arg(long, value_name = "KIND/ID", value_parser = subject)]
    subject: Option<Subject>,
    /// Of this workflow
    #[arg(long)]
    workflow: Option<i64>,
}

fn subject(text: &str) -> Result<Subject, String> {
    let (kind, id) = text.split_once('/').filter(|(kind, id)| !kind.is_empty() && !id.is_empty()).ok_or_else(|| {
        format!("{text:?} names no object: write its kind, a slash and its id, as in order/0198c0de-0000-7000-8000-000000000001")
    })?;
    Ok(Subject::new(kind.to_owned(), id))
}

impl Filter {
    /// As the queue understands it.
    pub async fn read(self, c: &mut PgConnection) -> anyhow::Result<JobFilter> {
        let worker = match self.worker {
            Some(worker) => Some(worker_id(c, &worker).await?),
            None => None,
        };
        Ok(JobFilter {
            states: self.state,
            queue: self.queue,
            kind: self.kind,
            subject: self.subject,
            tag: self.tag,
            error: self.error,
            arg: self.args,
            worker,
            from: self.since,
            to: self.until,
            fingerprint: self.fingerprint,
            workflow: self.workflow,
            ..JobFilter::default()
        })
    }
}

/// The latest worker of this name, or the one of this id.
pub async fn worker_id(c: &mut PgConnection, text: &str) -> anyhow::Result<Uuid> {
    if let Ok(id) = text.parse() {
        return Ok(id);
    }
    let workers = admin::workers(c).await?;
    let worker = workers.iter().find(|worker| worker.name == text);
    worker.map(|worker| worker.id).with_context(|| format!("there is no worker {text:?}: see `mywork jobs workers`"))
}
