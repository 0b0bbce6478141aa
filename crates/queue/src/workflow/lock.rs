//! The locks of whoever moves workflows, always in this order: shards of fan-outs, outermost workflows, jobs. See the module's
//! head for why that cannot deadlock.

use crate::{enqueue::Place, job::JobId, workflow::release::SHARD};
use sqlx::{PgConnection, Postgres, Transaction};
use std::collections::{BTreeMap, BTreeSet};

/// Locks what the end of these jobs may move; `true` with those that are done. Call it before the jobs are ended, in the
/// same transaction. Children of a fan-out that are done lock their shard, and more only when they may be its last.
pub(crate) async fn lock_for(c: &mut PgConnection, ending: &[(&Place, bool)]) -> Result<(), sqlx::Error> {
    let mut shards: BTreeMap<(i64, &str, i32), i32> = BTreeMap::new();
    let mut workflows = BTreeSet::new();
    for (place, is_done) in ending {
        match place.child {
            Some(child) if child >= 0 && *is_done => {
                *shards.entry((place.workflow, &place.step, child / SHARD)).or_default() += 1
            }
            _ => drop(workflows.insert(place.workflow)),
        }
    }
    if !shards.is_empty() {
        let last = sqlx::query!(
            "
            SELECT s.workflow_id, s.remaining, e.ended AS \"ended!\"
            FROM unnest($1::bigint[], $2::text[], $3::integer[], $4::integer[]) AS e (workflow_id, step, shard, ended)
            JOIN queue.fan_out_shards s ON s.workflow_id = e.workflow_id AND s.step = e.step AND s.shard = e.shard
            ORDER BY s.workflow_id, s.step, s.shard
            FOR NO KEY UPDATE OF s
            ",
            &shards.keys().map(|key| key.0).collect::<Vec<_>>(),
            &shards.keys().map(|key| key.1.to_owned()).collect::<Vec<_>>(),
            &shards.keys().map(|key| key.2).collect::<Vec<_>>(),
            &shards.values().copied().collect::<Vec<_>>(),
        )
        .fetch_all(&mut *c)
        .await?;
        workflows.extend(last.into_iter().filter(|shard| shard.remaining <= shard.ended).map(|shard| shard.workflow_id));
    }
    lock_roots(c, &workflows.into_iter().collect::<Vec<_>>()).await.map(drop)
}

/// Locks the outermost workflows of these, and names them.
pub(crate) async fn lock_roots(c: &mut PgConnection, workflows: &[i64]) -> Result<Vec<i64>, sqlx::Error> {
    if workflows.is_empty() {
        return Ok(Vec::new());
    }
    sqlx::query_scalar!(
        "
        SELECT id
        FROM queue.workflows
        WHERE id IN (SELECT root_id FROM queue.workflows WHERE id = ANY ($1))
        ORDER BY id
        FOR NO KEY UPDATE
        ",
        workflows,
    )
    .fetch_all(c)
    .await
}

/// Locks those of the outermost workflows of these that nobody is moving just now, and names them: for loops that come by
/// again and must not wait.
pub(crate) async fn lock_free(c: &mut PgConnection, workflows: &[i64]) -> Result<Vec<i64>, sqlx::Error> {
    sqlx::query_scalar!(
        "
        SELECT id
        FROM queue.workflows
        WHERE id IN (SELECT root_id FROM queue.workflows WHERE id = ANY ($1))
        ORDER BY id
        FOR NO KEY UPDATE SKIP LOCKED
        ",
        workflows,
    )
    .fetch_all(c)
    .await
}

/// Locks the workflow of a job that is not over, if it is part of one.
pub(crate) async fn lock_of(c: &mut PgConnection, job: JobId) -> Result<(), sqlx::Error> {
    let workflow =
        sqlx::query_scalar!(r#"SELECT workflow_id AS "id!" FROM queue.jobs WHERE id = $1 AND workflow_id IS NOT NULL"#, job.0)
            .fetch_optional(&mut *c)
            .await?;
    lock_roots(c, workflow.as_slice()).await.map(drop)
}

/// Ends a transaction as what was done in it ended. A refusal that dropped it would keep its locks until the caller's connection
/// is used again.
pub(crate) async fn close<T, E: From<sqlx::Error>>(tx: Transaction<'_, Postgres>, result: Result<T, E>) -> Result<T, E> {
    match result {
        Ok(value) => tx.commit().await.map(|()| value).map_err(E::from),
        Err(refusal) => {
            tx.rollback().await?;
            Err(refusal)
        }
    }
}
