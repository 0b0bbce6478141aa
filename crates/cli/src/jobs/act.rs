//! Acting on jobs: one by its number, or all that a filter finds. First it is said how many they are; more than one wants `--yes`.
//!
//! Jobs named by number are acted on at once, each in a transaction of its own with its line in the audit log. A filter becomes a
//! bulk act, as on the dashboard: a worker carries it out piece by piece, after half a minute in which it can be taken back.

use super::{
    Shell,
    filter::Filter,
    table::counted,
    trail::{self, Reason},
};
use anyhow::{bail, ensure};
use chrono::Utc;
use clap::Args;
use mywork_queue::{
    JobId,
    admin::{
        self, ActError, Cancelled, JobFilter,
        bulk::{self, Act, Ask, BulkRow, Count},
    },
};
use serde::Serialize;
use serde_json::json;
use uuid::Uuid;

#[derive(Args)]
pub struct Asked {
    /// Numbers of jobs
    ids: Vec<i64>,
    #[command(flatten)]
    filter: Filter,
    #[command(flatten)]
    why: Reason,
    /// Only say how many jobs it would be done to
    #[arg(long)]
    dry_run: bool,
    /// Act on more than one job
    #[arg(long, short)]
    yes: bool,
    /// Begin at once, without the half minute in which an act on many jobs can be taken back
    #[arg(long)]
    now: bool,
}

#[derive(Clone, Copy)]
pub enum Verb {
    Retry,
    Cancel,
    Discard,
}

impl Verb {
    fn act(self) -> Act {
        match self {
            Self::Retry => Act::Retry,
            Self::Cancel => Act::Cancel,
            Self::Discard => Act::Discard,
        }
    }

    /// As the audit log has it.
    fn action(self) -> &'static str {
        match self {
            Self::Retry => "job.retry",
            Self::Cancel => "job.cancel",
            Self::Discard => "job.discard",
        }
    }
}

/// What came of it.
#[derive(Default, Serialize)]
struct Answer {
    act: &'static str,
    matched: Count,
    dry_run: bool,
    /// Jobs acted on here and now.
    done: Vec<JobId>,
    refused: Vec<Refusal>,
    /// The act that a worker carries out.
    bulk: Option<BulkRow>,
}

#[derive(Serialize)]
struct Refusal {
    id: JobId,
    why: String,
}

pub async fn act(shell: &Shell, verb: Verb, asked: Asked) -> anyhow::Result<()> {
    let mut tx = shell.begin().await?;
    let narrowed = asked.filter.read(&mut tx).await?;
    let by_number = !asked.ids.is_empty();
    let is_open = narrowed == JobFilter::default();
    let name = verb.act().as_str();
    ensure!(by_number || !is_open, "say which jobs to {name}: numbers, or a filter such as --kind orders.fulfil --state dead");
    ensure!(!by_number || is_open, "say which jobs to {name} by numbers or by a filter, not by both");

    let mut answer = Answer { act: name, dry_run: asked.dry_run, ..Answer::default() };
    let mut ids: Vec<JobId> = asked.ids.iter().copied().map(JobId).collect();
    let filter = if by_number { JobFilter { ids: ids.clone(), ..JobFilter::default() } } else { narrowed };
    answer.matched = bulk::count(&mut tx, &verb.act(), &filter).await?;
    // Numbers are taken as given: one that cannot be acted on is refused with its reason, rather than passed over.
    let number = if by_number { i64::try_from(ids.len())? } else { answer.matched.jobs };
    if !shell.json {
        println!("{name}: {}{}", counted(number, "job"), told(&answer.matched));
    }
    if asked.dry_run {
        return shell.answer(&answer, |_| println!("nothing was done: this was a dry run"));
    }
    ensure!(number <= 1 || asked.yes, "{number} jobs: repeat it with --yes to {name} them all, or with --dry-run to look first");
    if !by_number && number == 1 {
        let states = answer.matched.by_state.keys().copied().collect();
        ids = admin::list(&mut tx, &JobFilter { states, ..filter.clone() }).await?.into_iter().map(|job| job.id).collect();
    }
    if by_number || number <= 1 {
        tx.commit().await?;
        one_by_one(shell, verb, &ids, &asked.why.reason, &mut answer).await?;
    } else {
        let by = Uuid::nil(); // nobody: a shell knows no person
        let ask = Ask { act: verb.act(), filter, reason: asked.why.reason.clone(), by, guarded: Vec::new() };
        let mut row = bulk::ask(&mut tx, &ask, Utc::now()).await?;
        if let Some(job) = row.job.filter(|_| asked.now) {
            admin::retry(&mut tx, job).await?;
            row.undo_until = None;
        }
        let details = Some(json!({ "act": name, "filter": row.filter, "matched": row.matched }));
        trail::note_with(&mut tx, "jobs.bulk.ask", "bulk_act", row.id, &asked.why.reason, details).await?;
        tx.commit().await?;
        answer.bulk = Some(row);
    }
    let refused = answer.refused.len();
    shell.answer(&answer, print)?;
    if refused > 0 {
        bail!("{} could not be acted on", counted(i64::try_from(refused)?, "job"));
    }
    Ok(())
}

/// Which states and kinds they are of.
fn told(count: &Count) -> String {
    if count.jobs == 0 {
        return String::new();
    }
    let states = count.by_state.iter().map(|(state, jobs)| format!("{jobs} {state}"));
    let kinds = count.by_kind.iter().map(|(kind, jobs)| format!("{jobs} {kind}"));
    format!(" ({}; {})", states.collect::<Vec<_>>().join(", "), kinds.collect::<Vec<_>>().join(", "))
}

async fn one_by_one(shell: &Shell, verb: Verb, ids: &[JobId], reason: &str, answer: &mut Answer) -> anyhow::Result<()> {
    for &id in ids {
        let mut tx = shell.begin().await?;
        let acted = match verb {
            Verb::Retry => admin::retry(&mut tx, id).await.map(|()| format!("job {id} will run again")),
            Verb::Cancel => admin::cancel(&mut tx, id, reason).await.map(|cancelled| match cancelled {
                Cancelled::Ended => format!("job {id} is cancelled"),
                Cancelled::Asked => format!("job {id} is running; its worker has been asked to stop it"),
            }),
            Verb::Discard => admin::discard(&mut tx, id, reason).await.map(|()| format!("job {id} is discarded")),
        };
        match acted {
            Ok(said) => {
                trail::note(&mut tx, verb.action(), "job", id, reason).await?;
                tx.commit().await?;
                answer.done.push(id);
                if !shell.json {
                    println!("{said}");
                }
            }
            Err(ActError::Database(error)) => return Err(error.into()),
            Err(why) => {
                eprintln!("mywork: {why}");
                answer.refused.push(Refusal { id, why: why.to_string() });
            }
        }
    }
    Ok(())
}

fn print(answer: &Answer) {
    let Some(row) = &answer.bulk else { return };
    match row.undo_until {
        Some(_) => println!("bulk act {} begins in half a minute; take it back by `mywork jobs bulk undo {}`", row.id, row.id),
        None => println!("bulk act {} begins now", row.id),
    }
    println!("a worker of the queue `default` carries it out; see `mywork jobs bulk`");
}
