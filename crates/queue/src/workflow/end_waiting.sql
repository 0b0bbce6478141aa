-- Ends jobs that wait in the outermost workflows $1: all of them, for the reason $2; or, without one, those that came too late
-- or that somebody cancelled. A job somebody holds just now is left to him.
WITH over AS (
  DELETE FROM queue.jobs
  WHERE id IN (
    SELECT j.id
    FROM queue.workflows w
    JOIN queue.jobs j ON j.workflow_id = w.id
    WHERE w.root_id = ANY ($1::bigint[])
      AND j.state <> 'running'
      AND ($2::text IS NOT NULL OR j.cancel_requested_at IS NOT NULL OR j.expires_at <= coalesce($3::timestamptz, now()))
    FOR UPDATE OF j SKIP LOCKED
  )
  RETURNING id, queue, kind, version, priority, run_at, args, attempt, max_attempts, lease, rescues, expires_at, unique_key,
            unique_while, subject_kind, subject_id, tags, actor, trace, parent_id,
            concurrency_key, concurrency_limit, rate_key, workflow_id, step, child, redact, last_error, created_at,
            CASE WHEN $2 IS NULL AND cancel_requested_at IS NULL THEN 'expired' ELSE 'cancelled' END AS ends_as,
            coalesce(cancel_reason, $2) AS reason
),
history AS (
  INSERT INTO queue.finished_jobs (id, queue, kind, version, state, priority, run_at, args, attempt, max_attempts, lease, rescues,
                                   expires_at, unique_key, unique_while, subject_kind, subject_id, tags, actor, trace, parent_id,
                                   concurrency_key, concurrency_limit, rate_key, workflow_id, step, child, redact,
                                   last_error, reason, created_at, finished_at)
  SELECT id, queue, kind, version, ends_as, priority, run_at, args, attempt, max_attempts, lease, rescues, expires_at, unique_key,
         unique_while, subject_kind, subject_id, tags, actor, trace, parent_id,
         concurrency_key, concurrency_limit, rate_key, workflow_id, step, child, redact,
         last_error, reason, created_at, now()
  FROM over
)
SELECT workflow_id AS "workflow!", step AS "step!", child, ends_as AS "state!", reason FROM over
