//! Telling a workflow that something has happened: an admin approved, a provider answered.
//!
//! An event that comes before anybody waits for it is kept. One that comes too late, or a second time, changes nothing, and
//! whoever sent it is told.

use crate::workflow::{
    FlowError, StepState, WorkflowId,
    advance::{Moves, advance},
    lock, start,
};
use serde::Serialize;
use serde_json::Value;
use sqlx::{Connection, PgConnection};

/// What an event did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// Its step waited, and is done.
    Delivered,
    /// Its step does not wait yet, and will not need to.
    Kept,
    /// Nothing: its step does not wait any more, or the event had come already.
    Late,
}

/// Tells workflow `id` that `event` has happened. On the caller's transaction, which should soon be committed: until then
/// nobody else can move the workflow.
///
/// # Errors
/// When there is no such workflow, or it knows no such event.
pub async fn signal(
    c: &mut PgConnection,
    id: WorkflowId,
    event: &str,
    payload: &(impl Serialize + Sync),
) -> Result<Signal, FlowError> {
    let payload = serde_json::to_value(payload)?;
    let mut tx = c.begin().await?;
    let told = tell(&mut tx, id, event, payload).await;
    lock::close(tx, told).await
}

async fn tell(c: &mut PgConnection, id: WorkflowId, event: &str, payload: Value) -> Result<Signal, FlowError> {
    if lock::lock_roots(c, &[id.0]).await?.is_empty() {
        return Err(FlowError::NotFound(id));
    }
    let step = sqlx::query!(
        r#"
        SELECT state AS "state: StepState", arrived IS NOT NULL AS "has_come!"
        FROM queue.steps
        WHERE workflow_id = $1 AND name = $2 AND kind = 'event'
        "#,
        id.0,
        event,
    )
    .fetch_optional(&mut *c)
    .await?
    .ok_or_else(|| FlowError::NoSuchStep { workflow: id, what: "event", step: event.to_owned() })?;

    Ok(match step.state {
        StepState::Waiting => {
            sqlx::query!(
                "
                UPDATE queue.steps
                SET state = 'done', output = $3, arrived = $3, wake_at = NULL, finished_at = clock_timestamp()
                WHERE workflow_id = $1 AND name = $2
                ",
                id.0,
                event,
                payload,
            )
            .execute(&mut *c)
            .await?;
            advance(c, Moves { done: vec![(id.0, event.to_owned())], ..Moves::default() }).await?;
            Signal::Delivered
        }
        StepState::Blocked if !step.has_come => {
            sqlx::query!("UPDATE queue.steps SET arrived = $3 WHERE workflow_id = $1 AND name = $2", id.0, event, payload)
                .execute(&mut *c)
                .await?;
            Signal::Kept
        }
        _ => Signal::Late,
    })
}

/// Tells the unfinished workflow `name` with this unique key that `event` has happened.
///
/// # Errors
/// When there is no such workflow, or it knows no such event.
pub async fn signal_for(
    c: &mut PgConnection,
    name: &str,
    unique_key: impl ToString,
    event: &str,
    payload: &(impl Serialize + Sync),
) -> Result<Signal, FlowError> {
    let key = unique_key.to_string();
    match start::open(c, name, &key).await? {
        Some((id, _)) => signal(c, id, event, payload).await,
        None => Err(FlowError::NoneOpen { name: name.to_owned(), key }),
    }
}
