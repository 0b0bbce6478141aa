//! Nobody waits for ever for a check (SCAN-03). A step of a version is done by a job, and the job's own last word is a
//! refusal; but a job can also end without a word: its worker died under it three times, its time was up on the last attempt,
//! somebody cancelled it. Called every five minutes by `catalog.sweep_checks`, this finds steps that no unfinished job
//! serves, and begins them anew or tells the seller.
//!
//! The decision is made under the product's lock, which every job takes to record its outcome: a step that is still due there,
//! and has no unfinished job, has nobody.

use super::Error;
use super::check::{self, Refused, Step};
use super::jobs::{QuarantinePackage, ReleaseVersion, ScanPackage, ValidatePackage};
use crate::ids::VersionId;
use chrono::{DateTime, Utc};
use mywork_queue::admin::{self, JobState};
use mywork_queue::{EnqueueError, Job, Subject};
use sqlx::PgConnection;

/// A step that a job is to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    pub version: VersionId,
    pub step: Step,
}

/// What was done about a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Swept {
    /// A job is at it, or it has been done meanwhile.
    Attended,
    Restarted,
    /// The version is rejected and its seller told.
    Refused,
}

/// The steps that jobs are to do next, a page of versions behind `after`.
///
/// # Errors
/// When the database fails.
pub async fn due(connection: &mut PgConnection, after: Option<VersionId>, limit: i64) -> Result<Vec<Due>, sqlx::Error> {
    sqlx::query_as!(
        Due,
        r#"SELECT v.id AS "version: VersionId", next.step AS "step!: Step"
           FROM product_versions v
           JOIN LATERAL (
             SELECT c.step, c.state
             FROM version_checks c
             WHERE c.version_id = v.id AND c.state <> 'passed'
             ORDER BY array_position(ARRAY['quarantine', 'validate', 'scan', 'approval', 'release'], c.step)
             LIMIT 1
           ) next ON next.step <> 'approval' AND next.state IN ('waiting', 'running')
           WHERE v.state IN ('received', 'quarantined', 'checked')
             AND ($1::uuid IS NULL OR v.id > $1)
           ORDER BY v.id
           LIMIT $2"#,
        after.map(|id| id.0),
        limit,
    )
    .fetch_all(connection)
    .await
}

/// Makes sure that somebody does the step, or that nobody waits for it.
///
/// # Errors
/// When the database fails.
pub async fn attend(connection: &mut PgConnection, due: Due, now: DateTime<Utc>) -> Result<Swept, Error> {
    let Due { version, step } = due;
    if fate(connection, due).await? == Fate::Attended {
        return Ok(Swept::Attended);
    }
    let Some((_, package)) = check::lock(connection, version).await? else { return Ok(Swept::Attended) };
    if !check::is_due(connection, &package, step).await? {
        return Ok(Swept::Attended);
    }
    match fate(connection, due).await? {
        Fate::Attended => Ok(Swept::Attended),
        Fate::Restart => {
            restart(connection, due).await?;
            Ok(Swept::Restarted)
        }
        Fate::Refuse { sentence, remedy } => {
            check::record_refused(connection, version, &Refused { step, sentence, remedy, findings: &[] }, now).await?;
            Ok(Swept::Refused)
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Attended,
    Restart,
    Refuse { sentence: &'static str, remedy: &'static str },
}

async fn fate(connection: &mut PgConnection, due: Due) -> Result<Fate, sqlx::Error> {
    let Some(kind) = kind_of(due.step) else { return Ok(Fate::Attended) };
    let jobs = admin::serving(connection, kind, &Subject::new("version", due.version)).await?;
    Ok(judge(due.step, &jobs.iter().map(|job| job.state).collect::<Vec<_>>()))
}

/// Of the states of the step's jobs, unfinished ones before finished ones, then the newest first.
fn judge(step: Step, jobs: &[JobState]) -> Fate {
    match jobs {
        [last, ..] if !last.is_finished() => Fate::Attended,
        // Whatever keeps an approved version from the shelf, it is not the package.
        _ if step == Step::Release => Fate::Restart,
        [JobState::Quarantined, ..] => Fate::Refuse {
            sentence: "Checking this package brought our checker down three times.",
            remedy: "Leave out what is unusually large or deeply nested and upload it again; if it happens twice, write to support.",
        },
        // Lost through no fault of its own: once, that may be an accident.
        [] | [JobState::Done | JobState::Expired] => Fate::Restart,
        _ => Fate::Refuse {
            sentence: "The check of this package ended without a result, and the fault may be ours.",
            remedy: "Upload it again; if it happens twice, write to support.",
        },
    }
}

fn kind_of(step: Step) -> Option<&'static str> {
    match step {
        Step::Quarantine => Some(QuarantinePackage::KIND),
        Step::Validate => Some(ValidatePackage::KIND),
        Step::Scan => Some(ScanPackage::KIND),
        Step::Approval => None, // a person's
        Step::Release => Some(ReleaseVersion::KIND),
    }
}

async fn restart(connection: &mut PgConnection, Due { version, step }: Due) -> Result<(), EnqueueError> {
    match step {
        Step::Quarantine => mywork_queue::enqueue(connection, &QuarantinePackage { version }).await.map(drop),
        Step::Validate => mywork_queue::enqueue(connection, &ValidatePackage { version }).await.map(drop),
        Step::Scan => mywork_queue::enqueue(connection, &ScanPackage { version }).await.map(drop),
        Step::Approval => Ok(()),
        Step::Release => mywork_queue::enqueue(connection, &ReleaseVersion { version }).await.map(drop),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use JobState::{Available, Cancelled, Dead, Done, Expired, Quarantined, Running, Scheduled};

    #[test]
    fn a_step_somebody_is_at_is_left_alone() {
        for state in [Scheduled, Available, Running] {
            assert_eq!(judge(Step::Scan, &[state, Dead]), Fate::Attended);
        }
    }

    #[test]
    fn what_was_lost_is_begun_anew_once() {
        for lost in [&[][..], &[Done], &[Expired]] {
            assert_eq!(judge(Step::Scan, lost), Fate::Restart, "{lost:?}");
        }
        assert!(matches!(judge(Step::Scan, &[Expired, Expired]), Fate::Refuse { .. }));
    }

    #[test]
    fn what_failed_is_refused_with_its_own_sentence() {
        let sentence = |jobs: &[JobState]| match judge(Step::Validate, jobs) {
            Fate::Refuse { sentence, .. } => sentence,
            other => panic!("{other:?}"),
        };
        assert_eq!(sentence(&[Dead]), sentence(&[Cancelled]));
        assert_ne!(sentence(&[Dead]), sentence(&[Quarantined]));
    }

    #[test]
    fn an_approved_version_is_never_refused() {
        for ended in [Dead, Quarantined, Cancelled, Done] {
            assert_eq!(judge(Step::Release, &[ended, ended]), Fate::Restart);
        }
    }
}
