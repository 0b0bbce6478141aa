//! Workflows: which there are, one with its steps, and what people do about one that failed.

use super::{
    Shell,
    table::Table,
    times,
    trail::{self, Reason},
};
use anyhow::Context;
use clap::{Args, Subcommand};
use mywork_queue::workflow::{self, StepRow, WorkflowDetail, WorkflowFilter, WorkflowId, WorkflowRow, WorkflowState};
use serde_json::json;

#[derive(Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Workflows {
    #[command(subcommand)]
    what: Option<What>,
    #[command(flatten)]
    which: Which,
}

#[derive(Args)]
struct Which {
    /// held, running, failed, undoing, done, cancelled or undone; may be repeated
    #[arg(long)]
    state: Vec<WorkflowState>,
    /// As catalog.publish
    #[arg(long)]
    name: Option<String>,
    /// Older than this one: the number that the page before ended with
    #[arg(long)]
    before: Option<WorkflowId>,
    #[arg(long, default_value_t = 50)]
    limit: u32,
}

#[derive(Subcommand)]
enum What {
    /// List them, newest first
    List(Which),
    /// Show one with its steps
    Show { id: WorkflowId },
    /// Go on from the steps that failed
    Resume {
        id: WorkflowId,
        #[command(flatten)]
        why: Reason,
    },
    /// Nobody wants it any more; nothing is undone
    Cancel {
        id: WorkflowId,
        #[command(flatten)]
        why: Reason,
    },
    /// Undo what it has done, the latest first
    Undo {
        id: WorkflowId,
        #[command(flatten)]
        why: Reason,
    },
}

pub async fn run(shell: &Shell, asked: Workflows) -> anyhow::Result<()> {
    let mut tx = shell.begin().await?;
    let (id, why, action, said) = match asked.what.unwrap_or(What::List(asked.which)) {
        What::List(Which { state, name, before, limit }) => {
            let filter = WorkflowFilter { states: state, name, before, limit, ..WorkflowFilter::default() };
            let rows = workflow::list(&mut tx, &filter).await?;
            return shell.answer(&rows, |rows| print_list(rows));
        }
        What::Show { id } => {
            let detail = workflow::find(&mut tx, id).await?.with_context(|| format!("there is no workflow {id}"))?;
            return shell.answer(&detail, print_one);
        }
        What::Resume { id, why } => {
            workflow::resume(&mut tx, id).await?;
            (id, why, "workflow.resume", "goes on from where it failed")
        }
        What::Cancel { id, why } => {
            workflow::cancel(&mut tx, id, &why.reason).await?;
            (id, why, "workflow.cancel", "is cancelled; what runs of it has been asked to stop")
        }
        What::Undo { id, why } => {
            workflow::undo(&mut tx, id, &why.reason).await?;
            (id, why, "workflow.undo", "is being undone, the latest step first")
        }
    };
    trail::note(&mut tx, action, "workflow", id, &why.reason).await?;
    tx.commit().await?;
    shell.answer(&json!({ "workflow": id, "act": action }), |_| println!("workflow {id} {said}"))
}

fn print_list(rows: &[WorkflowRow]) {
    let mut table = Table::new(["id", "workflow", "state", "steps left", "about", "started at", "reason"]);
    for row in rows {
        table.row([
            row.id.to_string(),
            row.name.clone(),
            row.state.to_string(),
            format!("{}/{}", row.open_steps, row.steps),
            about(row),
            times::shown(row.created_at),
            row.reason.clone().unwrap_or_default(),
        ]);
    }
    table.print("no such workflows");
}

fn about(row: &WorkflowRow) -> String {
    row.subject_kind.as_ref().zip(row.subject_id.as_ref()).map_or("-".to_owned(), |(kind, id)| format!("{kind}/{id}"))
}

fn print_one(detail: &WorkflowDetail) {
    let row = &detail.workflow;
    println!("workflow {} · {} · {} · about {}", row.id, row.name, row.state, about(row));
    if let Some(reason) = &row.reason {
        println!("because    {reason}");
    }
    println!("started    {}", times::shown(row.created_at));
    if let Some(at) = row.finished_at {
        println!("ended      {}", times::shown(at));
    }
    println!();
    let mut table = Table::new(["step", "what", "state", "after", "jobs", "ended at", "reason"]);
    for step in &detail.steps {
        table.row([
            step.name.clone(),
            step.job_kind.clone().unwrap_or_else(|| json!(step.kind).as_str().unwrap_or_default().to_owned()),
            step.state.to_string(),
            step.needs.join(", "),
            jobs(step),
            step.finished_at.map_or("-".to_owned(), times::shown),
            step.reason.clone().unwrap_or_default(),
        ]);
    }
    table.print("it has no steps");
}

/// The number of a single job, or how many there are in which state.
fn jobs(step: &StepRow) -> String {
    match (step.job, step.workflow) {
        (Some(job), _) => format!("job {job}"),
        (None, Some(workflow)) => format!("workflow {workflow}"),
        (None, None) if step.jobs.is_empty() => "-".to_owned(),
        (None, None) => step.jobs.iter().map(|count| format!("{} {}", count.jobs, count.state)).collect::<Vec<_>>().join(", "),
    }
}
