//! From a business object to the jobs that serve or served it (BEYOND-01): the part `parts/jobs_of.html` of an order's, a
//! person's, a version's page.

use crate::Result;
use mywork::{db::Tx, ids::UserId};
use mywork_queue::{
    Subject,
    admin::{self, JobFilter, JobRow},
    workflow::{self, WorkflowFilter, WorkflowRow},
};
use serde::Serialize;

/// As many as a page of something else has room for.
const ROWS: u32 = 12;

/// The latest jobs of an object, and where the rest of them are.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct JobsOf {
    rows: Vec<JobRow>,
    /// Work of several steps for it.
    workflows: Vec<WorkflowRow>,
    /// The same as a list, where there are more.
    all: String,
}

/// The latest jobs that serve any of `subjects`, newest first.
pub(crate) async fn jobs_of(tx: &mut Tx, subjects: &[Subject]) -> Result<JobsOf> {
    let all = subjects.first().map(|subject| list_of(&subject.kind, &subject.id)).unwrap_or_default();
    let serving = |subject: &Subject| JobFilter { subject: Some(subject.clone()), ..JobFilter::default() };
    let mut workflows = Vec::new();
    for subject in subjects {
        let filter = WorkflowFilter { subject: Some(subject.clone()), limit: ROWS, ..WorkflowFilter::default() };
        workflows.extend(workflow::list(tx, &filter).await?);
    }
    Ok(JobsOf { workflows, ..latest(tx, subjects.iter().map(serving).collect(), all).await? })
}

/// The latest jobs that serve a person, or that they caused.
pub(crate) async fn jobs_of_person(tx: &mut Tx, person: UserId) -> Result<JobsOf> {
    let serving = JobFilter { subject: Some(Subject::new("user", person)), ..JobFilter::default() };
    let caused = JobFilter { actor: Some(person.0), ..JobFilter::default() };
    latest(tx, vec![serving, caused], format!("/admin/jobs/list?actor={person}")).await
}

async fn latest(tx: &mut Tx, filters: Vec<JobFilter>, all: String) -> Result<JobsOf> {
    let mut rows = Vec::new();
    for filter in filters {
        rows.extend(admin::list(tx, &JobFilter { limit: ROWS, ..filter }).await?);
    }
    rows.sort_by_key(|job| std::cmp::Reverse(job.id));
    rows.dedup_by_key(|job| job.id);
    rows.truncate(ROWS as usize);
    Ok(JobsOf { rows, workflows: Vec::new(), all })
}

/// The list of jobs that serve an object.
pub(super) fn list_of(kind: &str, id: &str) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    format!("/admin/jobs/list?{}", query.append_pair("subject_kind", kind).append_pair("subject_id", id).finish())
}
