//! Claims whose answer got lost: their jobs run under a worker that lives and knows nothing of them, so nobody would rescue them.

use sqlx::PgConnection;
use std::time::Duration;
use uuid::Uuid;

/// Hands back, at no cost, what `worker` claimed longer than `lease` ago and does not hold. By then every answer has come that
/// will.
pub(crate) async fn hand_back_unheard(
    c: &mut PgConnection,
    worker: Uuid,
    held: &[i64],
    lease: Duration,
) -> Result<Vec<i64>, sqlx::Error> {
    sqlx::query_scalar!(
        "UPDATE queue.jobs
         SET state = 'available', attempt = attempt - 1, lease = lease + 1, worker_id = NULL
         WHERE worker_id = $1
           AND state = 'running'
           AND id <> ALL ($2)
           AND started_at < now() - make_interval(secs => $3)
         RETURNING id",
        worker,
        held,
        lease.as_secs_f64(),
    )
    .fetch_all(c)
    .await
}
