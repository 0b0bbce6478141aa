//! Writing down how runs ended, many at a time: one statement for jobs that are finished, one for those that come back.

use crate::{
    enqueue::Place,
    workflow::{self, Ended, How, Moves},
};
use chrono::{DateTime, Utc};
use serde_json::Value;
use sha2::{Digest, Sha256};
use sqlx::{Connection, PgConnection};
use std::{collections::HashMap, time::Duration};
use uuid::Uuid;

/// How a run ended.
#[derive(Clone, Debug)]
pub(crate) struct Settled {
    pub id: i64,
    pub lease: i32,
    pub queue: String,
    pub kind: String,
    /// Seconds it stood in line before.
    pub waited: f64,
    pub verdict: Verdict,
    pub took: Duration,
    pub max_attempts: i16,
    pub log: Option<String>,
    /// Where in a workflow it stands.
    pub place: Option<Place>,
}

/// What becomes of the job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Done {
        output: Option<Value>,
    },
    Cancelled {
        reason: Option<String>,
        fault: Option<Fault>,
    },
    Dead(Fault),
    Retried {
        delay: Duration,
        fault: Fault,
    },
    Snoozed(Duration),
    /// A provider wants to be left alone for so long.
    Throttled {
        delay: Duration,
        fault: Fault,
    },
    HandedBack {
        started: bool,
    },
}

impl Verdict {
    /// As `queue.attempts.outcome` and the metrics have it.
    pub(crate) fn outcome(&self) -> &'static str {
        match self {
            Self::Done { .. } => "done",
            Self::Cancelled { .. } => "cancelled",
            Self::Dead(_) => "dead",
            Self::Retried { .. } => "retried",
            Self::Snoozed(_) => "snoozed",
            Self::Throttled { .. } => "throttled",
            Self::HandedBack { .. } => "handed_back",
        }
    }

    fn fault(&self) -> Option<&Fault> {
        match self {
            Self::Dead(fault) | Self::Retried { fault, .. } | Self::Throttled { fault, .. } => Some(fault),
            Self::Cancelled { fault, .. } => fault.as_ref(),
            Self::Done { .. } | Self::Snoozed(_) | Self::HandedBack { .. } => None,
        }
    }

    fn ends_job(&self) -> bool {
        matches!(self, Self::Done { .. } | Self::Cancelled { .. } | Self::Dead(_))
    }
}

/// An error as it is kept: its class, its fingerprint, one line for lists and the whole chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub class: String,
    pub fingerprint: String,
    pub summary: String,
    pub chain: String,
}

impl Fault {
    const LONGEST_SUMMARY: usize = 500;
    const LONGEST_CHAIN: usize = 32 * 1024;

    pub(crate) fn new(kind: &str, class: &str, error: &anyhow::Error) -> Self {
        let links: Vec<String> = error.chain().map(|link| storable(&link.to_string())).collect();
        Self {
            class: class.to_owned(),
            fingerprint: fingerprint(kind, class, links.last().map_or("", String::as_str)),
            summary: cut(links.join(": "), Self::LONGEST_SUMMARY),
            chain: cut(links.join("\ncaused by: "), Self::LONGEST_CHAIN),
        }
    }
}

/// Postgres stores no NUL in text.
fn storable(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

fn cut(mut text: String, longest: usize) -> String {
    if text.len() > longest {
        text.truncate(text.floor_char_boundary(longest - 3));
        text.push('…');
    }
    text
}

/// Equal for errors of one kind and class whose root causes differ only in words that carry a digit: ids, times, sizes.
fn fingerprint(kind: &str, class: &str, root: &str) -> String {
    let words = root.split(|c: char| !(c.is_alphanumeric() || c == '-' || c == '_')).filter(|word| !word.is_empty());
    let shape: Vec<&str> = words.map(|word| if word.contains(|c: char| c.is_ascii_digit()) { "#" } else { word }).collect();
    let digest = Sha256::digest(format!("{kind}\n{class}\n{}", shape.join(" ")));
    hex::encode(&digest[..8])
}

/// Writes verdicts down and returns the ids that were still ours; the others were taken from us meanwhile, and what we have
/// to say about them changed nothing.
pub(crate) async fn settle(
    c: &mut PgConnection,
    settled: &[Settled],
    worker: Uuid,
    release: &str,
    now: Option<DateTime<Utc>>,
) -> Result<Vec<i64>, sqlx::Error> {
    let (finished, returned): (Vec<&Settled>, Vec<&Settled>) = settled.iter().partition(|s| s.verdict.ends_job());
    let (in_workflows, finished): (Vec<&Settled>, Vec<&Settled>) = finished.into_iter().partition(|s| s.place.is_some());
    let mut ours = Vec::with_capacity(settled.len());
    if !finished.is_empty() {
        ours.extend(finish(c, &finished, release).await?.into_iter().map(|ours| ours.id));
    }
    if !in_workflows.is_empty() {
        ours.extend(finish_in_workflows(c, &in_workflows, release).await?);
    }
    if !returned.is_empty() {
        ours.extend(put_back(c, &returned, worker, release, now).await?);
    }
    Ok(ours)
}

/// Ends jobs and moves their workflows, in one transaction.
async fn finish_in_workflows(c: &mut PgConnection, settled: &[&Settled], release: &str) -> Result<Vec<i64>, sqlx::Error> {
    let places: Vec<_> =
        settled.iter().filter_map(|s| Some((s.place.as_ref()?, matches!(s.verdict, Verdict::Done { .. })))).collect();
    let mut tx = c.begin().await?;
    workflow::lock_for(&mut tx, &places).await?;
    let ours = finish(&mut tx, settled, release).await?;
    let reasons: HashMap<_, _> = ours.iter().map(|ours| ((ours.id, ours.lease), ours.reason.as_deref())).collect();
    let ended = settled.iter().filter_map(|s| {
        let how = how(&s.verdict, *reasons.get(&(s.id, s.lease))?);
        Some(Ended { place: s.place.clone()?, how })
    });
    workflow::advance(&mut tx, Moves::of(ended.collect())).await?;
    tx.commit().await?;
    Ok(ours.into_iter().map(|ours| ours.id).collect())
}

/// What the end of a job means to its workflow. A handler that cancels calls the workflow off; a person who cancels a job leaves
/// a step that is not done.
fn how(verdict: &Verdict, reason: Option<&str>) -> How {
    match verdict {
        Verdict::Done { output } => How::Done(output.clone()),
        Verdict::Cancelled { reason: Some(reason), .. } => How::CalledOff(storable(reason)),
        Verdict::Cancelled { .. } => {
            How::Failed(reason.map_or_else(|| "cancelled".to_owned(), |why| format!("cancelled: {why}")))
        }
        other => How::Failed(other.fault().map_or_else(|| other.outcome().to_owned(), |fault| fault.summary.clone())),
    }
}

async fn finish(c: &mut PgConnection, settled: &[&Settled], release: &str) -> Result<Vec<Ours>, sqlx::Error> {
    let state =
        |s: &&Settled| if let Verdict::Cancelled { .. } = s.verdict { "cancelled" } else { s.verdict.outcome() }.to_owned();
    let reason = |s: &&Settled| match &s.verdict {
        Verdict::Cancelled { reason, .. } => reason.as_deref().map(storable),
        _ => None,
    };
    let ended = sqlx::query_file_as!(
        Ours,
        "src/store/finish.sql",
        &column(settled, |s| s.id),
        &column(settled, |s| s.lease),
        &column(settled, state),
        &column(settled, |s| s.verdict.outcome().to_owned()),
        &column(settled, |s| s.took.as_secs_f64()),
        &column(settled, reason) as _,
        &column(settled, |s| s.verdict.fault().map(|fault| fault.class.clone())) as _,
        &column(settled, |s| s.verdict.fault().map(|fault| fault.fingerprint.clone())) as _,
        &column(settled, |s| s.verdict.fault().map(|fault| fault.chain.clone())) as _,
        &column(settled, |s| s.verdict.fault().map(|fault| fault.summary.clone())) as _,
        &column(settled, |s| s.log.clone()) as _,
        release,
    );
    ended.fetch_all(c).await
}

async fn put_back(
    c: &mut PgConnection,
    settled: &[&Settled],
    worker: Uuid,
    release: &str,
    now: Option<DateTime<Utc>>,
) -> Result<Vec<i64>, sqlx::Error> {
    let delay = |s: &&Settled| match s.verdict {
        Verdict::Retried { delay, .. } | Verdict::Snoozed(delay) | Verdict::Throttled { delay, .. } => Some(delay.as_secs_f64()),
        _ => None,
    };
    let returned = sqlx::query_file_as!(
        Returned,
        "src/store/put_back.sql",
        &column(settled, |s| s.id),
        &column(settled, |s| s.lease),
        &column(settled, |s| s.verdict.outcome().to_owned()),
        &column(settled, delay) as _,
        &column(settled, |s| s.took.as_secs_f64()),
        &column(settled, |s| s.max_attempts),
        &column(settled, |s| s.verdict.fault().map(|fault| fault.class.clone())) as _,
        &column(settled, |s| s.verdict.fault().map(|fault| fault.fingerprint.clone())) as _,
        &column(settled, |s| s.verdict.fault().map(|fault| fault.chain.clone())) as _,
        &column(settled, |s| s.verdict.fault().map(|fault| fault.summary.clone())) as _,
        &column(settled, |s| s.log.clone()) as _,
        &column(settled, |s| !matches!(s.verdict, Verdict::HandedBack { started: false })),
        release,
        now,
        worker,
    );
    Ok(returned.fetch_all(c).await?.into_iter().map(|returned| returned.id).collect())
}

/// A verdict that counted. A struct, because the compiler is told of the file only by `query_file_as!`: after an edit of the
/// file, `query_file_scalar!` goes on with the statement of the last build.
struct Ours {
    id: i64,
    lease: i32,
    reason: Option<String>,
}

struct Returned {
    id: i64,
}

fn column<T>(settled: &[&Settled], value: impl Fn(&&Settled) -> T) -> Vec<T> {
    settled.iter().map(value).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::anyhow;

    #[test]
    fn errors_that_differ_in_numbers_are_one_group() {
        let a = Fault::new("k", "c", &anyhow!("order 17 of 0198f-ab: timed out after 30s").context("paying"));
        let b = Fault::new("k", "c", &anyhow!("order 99 of 77aa-0c: timed out after 5s").context("paying"));
        let other = Fault::new("k", "c", &anyhow!("order 17 refused"));
        assert_eq!(a.fingerprint, b.fingerprint);
        assert_ne!(a.fingerprint, other.fingerprint);
        assert_eq!(a.chain, "paying\ncaused by: order 17 of 0198f-ab: timed out after 30s");
    }

    #[test]
    fn whatever_an_error_says_can_be_stored() {
        let fault = Fault::new("k", "c", &anyhow!("{}\0", "ü".repeat(40_000)));
        assert!(fault.summary.len() <= Fault::LONGEST_SUMMARY && fault.chain.len() <= Fault::LONGEST_CHAIN);
        assert!(!fault.chain.contains('\0'));
    }
}
