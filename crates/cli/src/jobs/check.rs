//! `mywork jobs check`: whether `workers.toml` fits the program (JOB-24), and whether the queue is well. A line per fault that says
//! what to do; what is meant to be so, as a pause, is mentioned and is no fault.

use super::{
    Shell,
    table::counted,
    times::{age, shown},
};
use crate::run;
use anyhow::bail;
use chrono::{TimeDelta, Utc};
use mywork_queue::{
    Kind,
    admin::{self, Alert, AlertKind, Overview, WorkerRow},
    schedule::{self, ScheduleRow},
};
use serde::Serialize;
use std::collections::BTreeSet;

/// A time of a schedule that is this long past was missed: schedulers look twice a second.
const OVERDUE: TimeDelta = TimeDelta::minutes(2);

#[derive(Default, Serialize)]
struct Report {
    faults: Vec<String>,
    notes: Vec<String>,
}

pub async fn run(shell: &Shell) -> anyhow::Result<()> {
    let kinds = mywork_jobs::registry().kinds();
    let mut report = Report::default();
    if let Err(faults) = run::groups(&kinds) {
        report.faults.extend(format!("{faults:#}").lines().skip(1).map(|line| format!("workers.toml, {}", line.trim())));
    }
    let mut tx = shell.begin().await?;
    let overview = admin::overview(&mut tx).await?;
    let alive: Vec<WorkerRow> =
        admin::workers(&mut tx).await?.into_iter().filter(|w| w.stopped_at.is_none() && w.lost_at.is_none()).collect();
    report.faults.extend(admin::alerts(&mut tx).await?.iter().map(|alert| remedied(alert, &alive)));
    report.faults.extend(unknown_kinds(&overview, &kinds));
    report.faults.extend(unserved_queues(&overview, &alive));
    report.faults.extend(overdue_schedules(&schedule::list(&mut tx).await?));
    report.notes.extend(pauses(&overview));

    shell.answer(&report, |report| {
        report.notes.iter().for_each(|note| println!("note  {note}"));
        report.faults.iter().for_each(|fault| println!("FAIL  {fault}"));
        if report.faults.is_empty() {
            println!("ok    workers.toml fits the program; {} at work; the queue is well", counted(alive.len() as i64, "worker"));
        }
    })?;
    if !report.faults.is_empty() {
        bail!("{}, see above", counted(i64::try_from(report.faults.len())?, "fault"));
    }
    Ok(())
}

/// What an alert says, and what to do about it.
fn remedied(alert: &Alert, alive: &[WorkerRow]) -> String {
    let what = match alert.kind {
        AlertKind::OldestWaiting => {
            let serving: Vec<&WorkerRow> = alive.iter().filter(|worker| worker.queues.contains(&alert.about)).collect();
            let slots: i32 = serving.iter().map(|worker| worker.capacity).sum();
            let busy: i32 = serving.iter().map(|worker| worker.busy).sum();
            format!(
                "Its workers are busy with {busy} of {slots} jobs at once: {}.",
                if busy < slots {
                    "look at limits and rates, then at their logs"
                } else {
                    "start more of them, or raise their concurrency"
                }
            )
        }
        AlertKind::Quarantined => format!("See `mywork jobs list --state quarantined --kind {}`.", alert.about),
        AlertKind::LostWorker => {
            "Its jobs run again elsewhere: find out why it died (memory?), and start another where too few are left.".to_owned()
        }
        AlertKind::ScheduleFault => "Edit its times at /admin/jobs.".to_owned(),
        AlertKind::DefaultPartition => {
            "Move those rows to the partition of their day, then have `SELECT queue.maintain(current_date)` succeed.".to_owned()
        }
    };
    let since = alert.since.map(|since| format!(" Since {}.", shown(since))).unwrap_or_default();
    format!("{}{since} {what}", alert.message)
}

fn unknown_kinds(overview: &Overview, kinds: &[Kind]) -> Vec<String> {
    let known: BTreeSet<&str> = kinds.iter().map(|kind| kind.name).collect();
    let waiting = overview.kinds.iter().filter(|kind| kind.unfinished > 0 && !known.contains(kind.kind.as_str()));
    let told = waiting.map(|kind| {
        format!(
            "{} of kind {}, which this release does not know: start workers of the release that does, or `mywork jobs cancel --kind {}`.",
            counted(kind.unfinished, "job"),
            kind.kind,
            kind.kind
        )
    });
    told.collect()
}

fn unserved_queues(overview: &Overview, alive: &[WorkerRow]) -> Vec<String> {
    let groups = run::groups(&mywork_jobs::registry().kinds()).ok();
    let group_of = |queue: &String| {
        let group = groups.as_ref()?.iter().find(|group| group.queues.contains(queue))?;
        Some(format!("start one by `mywork worker --group {}`", group.name))
    };
    let unserved = overview.queues.iter().filter(|queue| {
        let waiting = queue.available + queue.scheduled + queue.held;
        waiting > 0 && !alive.iter().any(|worker| worker.queues.contains(&queue.name))
    });
    let told = unserved.map(|queue| {
        format!(
            "No worker serves queue {}, where {} waiting: {}.",
            queue.name,
            match queue.available + queue.scheduled + queue.held {
                1 => "1 job is".to_owned(),
                jobs => format!("{jobs} jobs are"),
            },
            group_of(&queue.name).unwrap_or_else(|| "no group of workers.toml does; name it in one".to_owned())
        )
    });
    told.collect()
}

fn overdue_schedules(schedules: &[ScheduleRow]) -> Vec<String> {
    let overdue = schedules.iter().filter(|row| row.paused_at.is_none() && row.fault.is_none());
    let overdue = overdue.filter_map(|row| Some((row, row.next_at.filter(|next| *next < Utc::now() - OVERDUE)?)));
    let told = overdue
        .map(|(row, next)| format!("Schedule {} was due {} ago and nobody came: start `mywork scheduler`.", row.name, age(next)));
    told.collect()
}

fn pauses(overview: &Overview) -> Vec<String> {
    let queues = overview.queues.iter().map(|row| ("queue", &row.name, row.paused_at, &row.pause_reason));
    let kinds = overview.kinds.iter().map(|row| ("kind", &row.kind, row.paused_at, &row.pause_reason));
    let told = queues.chain(kinds).filter_map(|(what, name, since, reason)| {
        Some(format!("{what} {name} is paused since {}: {}", shown(since?), reason.as_deref().unwrap_or("no reason given")))
    });
    told.collect()
}
