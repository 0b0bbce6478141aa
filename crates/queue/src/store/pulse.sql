-- What time brings about, in one round trip: jobs that are due join their queue's line; those that came too late, or were
-- cancelled while they waited, end. Answers which of the queues $2 have work, and which of worker $3's runs to stop.
WITH promoted AS (
  UPDATE queue.jobs
  SET state = 'available'
  WHERE id IN (
    SELECT id
    FROM queue.jobs
    WHERE state = 'scheduled'
      AND run_at <= coalesce($1::timestamptz, now())
      AND (expires_at IS NULL OR expires_at > coalesce($1, now()))
      AND cancel_requested_at IS NULL
    ORDER BY run_at
    LIMIT 2000
    FOR UPDATE SKIP LOCKED
  )
  RETURNING queue
),
over AS (
  DELETE FROM queue.jobs
  WHERE id IN (
    SELECT id
    FROM queue.jobs
    WHERE id IN (
        SELECT id FROM queue.jobs
        WHERE expires_at <= coalesce($1, now()) AND expires_at IS NOT NULL AND state <> 'running'
        UNION ALL
        SELECT id FROM queue.jobs
        WHERE cancel_requested_at IS NOT NULL AND worker_id IS NULL
      )
      AND state <> 'running'
    LIMIT 500
    FOR UPDATE SKIP LOCKED
  )
  RETURNING id, queue, kind, version, priority, run_at, args, attempt, max_attempts, lease, rescues, expires_at, unique_key,
            unique_while, subject_kind, subject_id, tags, actor, trace, parent_id,
            concurrency_key, concurrency_limit, rate_key, workflow_id, step, child, redact,
            last_error, cancel_requested_at, cancel_reason,
            created_at
),
history AS (
  INSERT INTO queue.finished_jobs (id, queue, kind, version, state, priority, run_at, args, attempt, max_attempts, lease, rescues,
                                   expires_at, unique_key, unique_while, subject_kind, subject_id, tags, actor, trace, parent_id,
                                   concurrency_key, concurrency_limit, rate_key, workflow_id, step, child, redact,
                                   last_error, reason, created_at, finished_at)
  SELECT id, queue, kind, version, CASE WHEN cancel_requested_at IS NULL THEN 'expired' ELSE 'cancelled' END, priority, run_at,
         args, attempt, max_attempts, lease, rescues, expires_at, unique_key, unique_while, subject_kind, subject_id, tags, actor,
         trace, parent_id,
         concurrency_key, concurrency_limit, rate_key, workflow_id, step, child, redact,
         last_error, cancel_reason, created_at, now()
  FROM over
)
SELECT
  ARRAY(
    SELECT mine.name
    FROM unnest($2::text[]) AS mine (name)
    WHERE (EXISTS (SELECT FROM queue.jobs WHERE queue = mine.name AND state = 'available') OR mine.name IN (SELECT queue FROM promoted))
      AND NOT EXISTS (SELECT FROM queue.queues q WHERE q.name = mine.name AND q.paused_at IS NOT NULL)
  ) AS "busy!",
  ARRAY(
    SELECT id FROM queue.jobs WHERE worker_id = $3 AND cancel_requested_at IS NOT NULL
  ) AS "cancelled!",
  EXISTS (SELECT FROM queue.workers WHERE id = $3 AND quiet_at IS NOT NULL) AS "quiet!",
  (SELECT count(*) FROM promoted) AS "promoted!",
  (SELECT count(*) FROM over) AS "ended!"
