//! How a package gets from a seller's disk to the shelf, as the queue runs it: one workflow for each version. What its steps
//! found and decided is recorded in `version_checks` by the acts of [`check`](super::check), which is what people see; the
//! workflow is what makes the next step happen, whatever crashes between two of them.
//!
//! Every step looks at the record first, so a workflow that is begun anew passes over what is done already.

use super::Error;
use super::check::{self, Step, StepState};
use super::jobs::{AnnounceVersion, QuarantinePackage, ReleaseVersion, ScanPackage, ValidatePackage};
use crate::ids::{UserId, VersionId};
use mywork_queue::Subject;
use mywork_queue::workflow::{self, FlowError, StartError, Started, Workflow, WorkflowId, WorkflowState};
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;

/// Its name on the dashboard.
pub(super) const NAME: &str = "catalog.publish";
/// The event that an admin's yes is.
const APPROVAL: &str = "approval";

/// What the event carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Approved {
    /// Who said it; nobody, when what was said before is passed on.
    by: Option<UserId>,
}

/// Begins the workflow of a version, or finds the one that is under way.
///
/// # Errors
/// When the database fails.
pub(super) async fn start(connection: &mut PgConnection, version: VersionId) -> Result<Started, StartError> {
    let mut flow = Workflow::new(NAME).subject(Subject::new("version", version)).unique(version);
    let quarantine = flow.step("quarantine", &QuarantinePackage { version });
    let validate = flow.after(quarantine).step("validate", &ValidatePackage { version });
    let scan = flow.after(validate).step("scan", &ScanPackage { version });
    let approval = flow.after(scan).event(APPROVAL).whenever();
    let release = flow.after(approval).step("release", &ReleaseVersion { version });
    flow.after(release).step("announce", &AnnounceVersion { version, after: None });
    flow.start(connection).await
}

/// An admin said yes; the release is next. A version from before there were workflows gets one now.
///
/// # Errors
/// When the database fails.
pub(super) async fn approved(connection: &mut PgConnection, version: VersionId, by: UserId) -> Result<(), Error> {
    let under_way = start(connection, version).await?;
    workflow::signal(connection, under_way.id, APPROVAL, &Approved { by: Some(by) }).await?;
    Ok(())
}

/// Nothing more happens to this version: it was refused, replaced or withdrawn.
///
/// # Errors
/// When the database fails.
pub(super) async fn call_off(connection: &mut PgConnection, version: VersionId, why: &str) -> Result<(), FlowError> {
    match under_way(connection, version).await? {
        Some((id, _)) => workflow::cancel(connection, id, why).await,
        None => Ok(()),
    }
}

/// Goes on with a version that nobody is at: from the step that failed, or from the beginning where there is no workflow any
/// more. An approval that was given holds.
///
/// # Errors
/// When the database fails.
pub(super) async fn go_on(connection: &mut PgConnection, version: VersionId) -> Result<(), Error> {
    if let Some((id, WorkflowState::Failed)) = under_way(connection, version).await? {
        match workflow::resume(connection, id).await {
            Ok(()) => return Ok(()),
            Err(FlowError::JobsGone { .. }) => call_off(connection, version, "Begun anew.").await?,
            Err(error) => return Err(error.into()),
        }
    }
    let begun = start(connection, version).await?;
    let steps = check::checks_of(connection, version).await?;
    if steps.iter().any(|check| check.step == Step::Approval && check.state == StepState::Passed) {
        workflow::signal(connection, begun.id, APPROVAL, &Approved { by: None }).await?;
    }
    Ok(())
}

/// The unfinished workflow of a version.
///
/// # Errors
/// When the database fails.
pub(super) async fn under_way(
    connection: &mut PgConnection,
    version: VersionId,
) -> Result<Option<(WorkflowId, WorkflowState)>, sqlx::Error> {
    workflow::open(connection, NAME, version).await
}
