//! What time brings about in workflows: sleeps end, deadlines pass, jobs that wait in them expire. Part of the pulse, which
//! calls it only when there is something.
//!
//! A workflow that somebody is moving just now is left for the next beat.

use crate::workflow::{
    advance::{At, Ended, Moves, advance},
    undo,
};
use chrono::{DateTime, Utc};
use sqlx::{Connection, PgConnection};

/// Lets time act on workflows.
pub(crate) async fn tick(c: &mut PgConnection, now: Option<DateTime<Utc>>) -> Result<(), sqlx::Error> {
    let mut tx = c.begin().await?;
    let roots = lock_due(&mut tx, now).await?;
    if roots.is_empty() {
        return tx.commit().await;
    }
    set_alarms(&mut tx, &roots, now).await?;
    let (done, failed) = wake(&mut tx, &roots, now).await?;
    let ended = undo::end_waiting(&mut tx, &roots, None, now).await?.into_iter().map(Ended::from).collect();
    let undone = roots.iter().copied().collect();
    advance(&mut tx, Moves { ended, done, failed, undone, ..Moves::default() }).await?;
    set_alarms(&mut tx, &roots, now).await?; // of what that released
    tx.commit().await
}

/// Locks the outermost workflows about which there may be something to do.
async fn lock_due(c: &mut PgConnection, now: Option<DateTime<Utc>>) -> Result<Vec<i64>, sqlx::Error> {
    sqlx::query_scalar!(
        "
        SELECT id
        FROM queue.workflows
        WHERE id IN (
          SELECT w.root_id
          FROM queue.workflows w
          WHERE w.id IN (
            (SELECT workflow_id FROM queue.steps
             WHERE state = 'waiting' AND wake_at <= coalesce($1::timestamptz, now())
             ORDER BY wake_at
             LIMIT 500)
            UNION ALL
            (SELECT workflow_id FROM queue.jobs
             WHERE expires_at <= coalesce($1, now()) AND expires_at IS NOT NULL AND state <> 'running' AND workflow_id IS NOT NULL
             LIMIT 500)
            UNION ALL
            (SELECT workflow_id FROM queue.jobs
             WHERE cancel_requested_at IS NOT NULL AND worker_id IS NULL AND workflow_id IS NOT NULL
             LIMIT 500)
          )
          UNION ALL
          SELECT id FROM queue.workflows WHERE state = 'undoing' AND parent_id IS NULL
        )
        ORDER BY id
        FOR NO KEY UPDATE SKIP LOCKED
        ",
        now,
    )
    .fetch_all(c)
    .await
}

/// Works out when sleeps that have begun end, and deadlines pass.
async fn set_alarms(c: &mut PgConnection, roots: &[i64], now: Option<DateTime<Utc>>) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "
        UPDATE queue.steps s
        SET wake_at = coalesce($2::timestamptz, now()) + make_interval(secs => s.wait_seconds)
        FROM queue.workflows w
        WHERE w.root_id = ANY ($1) AND s.workflow_id = w.id AND s.state = 'waiting' AND s.wake_at = '-infinity'
        ",
        roots,
        now,
    )
    .execute(c)
    .await
    .map(drop)
}

/// Steps whose time has come: sleeps and events that need not come are done, the others failed.
async fn wake(
    c: &mut PgConnection,
    roots: &[i64],
    now: Option<DateTime<Utc>>,
) -> Result<(Vec<At>, Vec<(At, String)>), sqlx::Error> {
    let woken = sqlx::query!(
        "
        UPDATE queue.steps s
        SET state = CASE WHEN s.on_deadline = 'fail' THEN 'failed' ELSE 'done' END,
            reason = CASE WHEN s.on_deadline IS NOT NULL THEN 'the event did not come in time' END,
            wake_at = NULL,
            finished_at = clock_timestamp()
        FROM queue.workflows w
        WHERE w.root_id = ANY ($1) AND s.workflow_id = w.id AND s.state = 'waiting'
          AND s.wake_at <= coalesce($2::timestamptz, now())
        RETURNING s.workflow_id, s.name, s.state, s.reason
        ",
        roots,
        now,
    )
    .fetch_all(c)
    .await?;
    let (mut done, mut failed) = (Vec::new(), Vec::new());
    for step in woken {
        match (step.state.as_str(), step.reason) {
            ("failed", reason) => failed.push(((step.workflow_id, step.name), reason.unwrap_or_default())),
            _ => done.push((step.workflow_id, step.name)),
        }
    }
    Ok((done, failed))
}
