//! Nobody waits for ever for a check (SCAN-03). A step's last word is a refusal by its job; but a job can also end without a
//! word: its worker died under it three times, its time was up on the last attempt, somebody cancelled it. The version's
//! workflow has then failed, or was called off from the dashboard. Called every five minutes by `catalog.sweep_checks`, this
//! finds steps that nobody is at, and goes on with them or tells the seller.
//!
//! The decision is made under the product's lock, which every job takes to record its outcome.

use super::Error;
use super::check::{self, Refused, Step};
use super::jobs::{QuarantinePackage, ReleaseVersion, ScanPackage, ValidatePackage};
use super::workflow;
use crate::ids::VersionId;
use chrono::{DateTime, Utc};
use mywork_queue::admin::{self, JobState};
use mywork_queue::workflow::WorkflowState;
use mywork_queue::{Job, Subject};
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
    /// Its workflow is at it, or it has been done meanwhile.
    Attended,
    Resumed,
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
        Fate::Resume => {
            workflow::go_on(connection, version).await?;
            Ok(Swept::Resumed)
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
    Resume,
    Refuse { sentence: &'static str, remedy: &'static str },
}

async fn fate(connection: &mut PgConnection, due: Due) -> Result<Fate, sqlx::Error> {
    let Some(kind) = kind_of(due.step) else { return Ok(Fate::Attended) };
    let workflow = workflow::under_way(connection, due.version).await?.map(|(_, state)| state);
    let jobs = admin::serving(connection, kind, &Subject::new("version", due.version)).await?;
    Ok(judge(due.step, workflow, &jobs.iter().map(|job| job.state).collect::<Vec<_>>()))
}

/// Of the unfinished workflow, and the states of the step's jobs: unfinished ones before finished ones, then the newest first.
fn judge(step: Step, workflow: Option<WorkflowState>, jobs: &[JobState]) -> Fate {
    if workflow.is_some_and(|state| state != WorkflowState::Failed) {
        return Fate::Attended;
    }
    match jobs {
        // From before there were workflows, or run again by an admin.
        [last, ..] if !last.is_finished() => Fate::Attended,
        // Whatever keeps an approved version from the shelf, it is not the package.
        _ if step == Step::Release => Fate::Resume,
        [JobState::Quarantined, ..] => Fate::Refuse {
            sentence: "Checking this package brought our checker down three times.",
            remedy: "Leave out what is unusually large or deeply nested and upload it again; if it happens twice, write to support.",
        },
        // Lost through no fault of its own: once, that may be an accident.
        [] | [JobState::Done | JobState::Expired] => Fate::Resume,
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

#[cfg(test)]
mod tests {
    use super::*;
    use JobState::{Available, Cancelled, Dead, Done, Expired, Quarantined, Running, Scheduled};

    #[test]
    fn a_step_somebody_is_at_is_left_alone() {
        for state in [Scheduled, Available, Running] {
            assert_eq!(judge(Step::Scan, None, &[state, Dead]), Fate::Attended);
        }
        // Its job may have recorded the step before a moment ago, and not have ended yet.
        assert_eq!(judge(Step::Scan, Some(WorkflowState::Running), &[]), Fate::Attended);
    }

    #[test]
    fn what_was_lost_is_gone_on_with_once() {
        for lost in [&[][..], &[Done], &[Expired]] {
            for workflow in [None, Some(WorkflowState::Failed)] {
                assert_eq!(judge(Step::Scan, workflow, lost), Fate::Resume, "{lost:?}");
            }
        }
        assert!(matches!(judge(Step::Scan, None, &[Expired, Expired]), Fate::Refuse { .. }));
    }

    #[test]
    fn what_failed_is_refused_with_its_own_sentence() {
        let sentence = |jobs: &[JobState]| match judge(Step::Validate, Some(WorkflowState::Failed), jobs) {
            Fate::Refuse { sentence, .. } => sentence,
            other => panic!("{other:?}"),
        };
        assert_eq!(sentence(&[Dead]), sentence(&[Cancelled]));
        assert_ne!(sentence(&[Dead]), sentence(&[Quarantined]));
    }

    #[test]
    fn an_approved_version_is_never_refused() {
        for ended in [Dead, Quarantined, Cancelled, Done] {
            assert_eq!(judge(Step::Release, None, &[ended, ended]), Fate::Resume);
        }
    }
}
