-- Puts jobs back to be run again: after a failure, when snoozed or told by a provider to slow down, or handed back by a worker
-- that stops. Only a failure costs an attempt. The lease changes, so that whoever held the job can write nothing more about it.
-- A throttled job that draws from a bucket keeps its place in line; it is the bucket that waits, for all processes.
WITH verdicts AS (
  SELECT *
  FROM unnest($1::bigint[], $2::integer[], $3::text[], $4::float8[], $5::float8[], $6::smallint[], $7::text[], $8::text[],
              $9::text[], $10::text[], $11::text[], $12::boolean[])
       AS v (id, lease, outcome, delay, took, max_attempts, class, fingerprint, error, summary, log, started)
),
returned AS (
  UPDATE queue.jobs j
  SET state = CASE WHEN v.delay IS NULL OR (v.outcome = 'throttled' AND j.rate_key IS NOT NULL) THEN 'available'
                   ELSE 'scheduled' END,
      run_at = CASE WHEN v.delay IS NULL OR (v.outcome = 'throttled' AND j.rate_key IS NOT NULL) THEN j.run_at
                    ELSE coalesce($14::timestamptz, now()) + make_interval(secs => v.delay) END,
      attempt = CASE WHEN v.outcome = 'retried' THEN j.attempt ELSE j.attempt - 1 END,
      max_attempts = v.max_attempts,
      lease = j.lease + 1,
      worker_id = NULL,
      last_error = coalesce(v.summary, j.last_error)
  FROM verdicts v
  WHERE j.id = v.id AND j.lease = v.lease
  RETURNING j.id, v.lease, CASE WHEN v.outcome = 'retried' THEN j.attempt ELSE j.attempt + 1::smallint END AS attempt,
            j.queue, j.kind, j.started_at, v.outcome, v.took, v.class, v.fingerprint, v.error, v.log, v.started,
            j.rate_key, v.delay, v.summary
),
paused AS (
  INSERT INTO queue.buckets AS b (key, tokens, refilled_at, paused_until, pause_reason)
  SELECT rate_key, 0, coalesce($14::timestamptz, now()), coalesce($14, now()) + make_interval(secs => max(delay)),
         (array_agg(summary ORDER BY delay DESC))[1]
  FROM returned
  WHERE outcome = 'throttled' AND rate_key IS NOT NULL
  GROUP BY rate_key
  ORDER BY rate_key -- in one order everywhere, so that two batches never wait for each other
  ON CONFLICT (key) DO UPDATE
  SET paused_until = greatest(b.paused_until, excluded.paused_until), pause_reason = excluded.pause_reason
),
runs AS (
  INSERT INTO queue.attempts (job_id, lease, attempt, queue, kind, worker_id, release, started_at, ended_at, outcome, failed,
                              error_class, fingerprint, error, log)
  SELECT id, lease, attempt, queue, kind, $15, $13, started_at, started_at + make_interval(secs => took), outcome,
         outcome = 'retried', class, fingerprint, error, log
  FROM returned
  WHERE started -- a job handed back before it began leaves no trace
)
SELECT id AS "id!" FROM returned
