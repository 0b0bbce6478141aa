-- Takes back the runs of workers that are gone. A job that lost its worker three times is quarantined: it may well be what
-- kills them. One whose attempts are used up is dead. The others go back to the head of their line.
--
-- Goes by the workers that are gone, so that it reads no entry of `jobs_running` that live ones left. Runs of workers whose row
-- has been cleared away, days after, take a look at every run ($5). A run that ended between the look and the lock is left alone:
-- its job has another lease by then.
WITH gone AS MATERIALIZED (
  SELECT id
  FROM queue.workers
  WHERE stopped_at IS NOT NULL OR lost_at IS NOT NULL OR heartbeat_at < now() - make_interval(secs => $1)
),
seen AS MATERIALIZED (
  SELECT id, lease
  FROM queue.jobs
  WHERE state = 'running' AND worker_id = ANY (ARRAY(SELECT id FROM gone))
  UNION ALL
  SELECT r.id, r.lease
  FROM queue.jobs r
  WHERE $5 AND r.state = 'running' AND NOT EXISTS (SELECT FROM queue.workers WHERE id = r.worker_id)
),
orphans AS MATERIALIZED (
  SELECT j.id, j.lease, j.worker_id, coalesce((SELECT release FROM queue.workers WHERE id = j.worker_id), '') AS release,
         CASE WHEN j.cancel_requested_at IS NOT NULL THEN 'cancelled'
              WHEN j.rescues + 1 >= $2::integer THEN 'quarantined'
              WHEN j.attempt >= j.max_attempts THEN 'dead' END AS ends_as
  FROM seen s, queue.jobs j
  WHERE j.id = ANY (ARRAY(SELECT id FROM seen)) AND j.id = s.id AND j.lease = s.lease
    AND CASE WHEN $4::bigint[] IS NULL THEN j.workflow_id IS NULL -- the others move their workflow, too
             ELSE j.workflow_id IN (SELECT id FROM queue.workflows WHERE root_id = ANY ($4)) END
  LIMIT 500
  FOR UPDATE OF j SKIP LOCKED
),
ended AS (
  DELETE FROM queue.jobs j
  USING orphans o
  WHERE j.id = ANY (ARRAY(SELECT id FROM orphans)) AND j.id = o.id AND o.ends_as IS NOT NULL
  RETURNING j.id, j.lease, j.queue, j.kind, j.version, j.priority, j.run_at, j.args, j.attempt, j.max_attempts,
            j.rescues + 1::smallint AS rescues, j.worker_id, j.started_at, j.expires_at, j.unique_key, j.unique_while,
            j.subject_kind, j.subject_id, j.tags, j.actor, j.trace, j.parent_id,
            j.concurrency_key, j.concurrency_limit, j.rate_key, j.workflow_id, j.step, j.child, j.redact,
            j.cancel_reason, j.created_at, o.release, o.ends_as
),
history AS (
  INSERT INTO queue.finished_jobs (id, queue, kind, version, state, priority, run_at, args, attempt, max_attempts, lease, rescues,
                                   expires_at, unique_key, unique_while, subject_kind, subject_id, tags, actor, trace, parent_id,
                                   concurrency_key, concurrency_limit, rate_key, workflow_id, step, child, redact,
                                   last_error, reason, created_at, finished_at)
  SELECT id, queue, kind, version, ends_as, priority, run_at, args, attempt, max_attempts, lease, rescues, expires_at, unique_key,
         unique_while, subject_kind, subject_id, tags, actor, trace, parent_id,
         concurrency_key, concurrency_limit, rate_key, workflow_id, step, child, redact,
         $3, cancel_reason, created_at, now()
  FROM ended
),
returned AS (
  UPDATE queue.jobs j
  SET state = 'available', lease = j.lease + 1, rescues = j.rescues + 1, worker_id = NULL, last_error = $3
  FROM orphans o
  WHERE j.id = ANY (ARRAY(SELECT id FROM orphans)) AND j.id = o.id AND o.ends_as IS NULL
  RETURNING j.id, o.lease, j.queue, j.kind, j.attempt, o.worker_id, j.started_at, o.release
),
runs AS (
  INSERT INTO queue.attempts (job_id, lease, attempt, queue, kind, worker_id, release, started_at, ended_at, outcome, failed,
                              error_class, fingerprint, error)
  SELECT id, lease, attempt, queue, kind, worker_id, release, started_at, now(), 'lost', true,
         'worker lost', md5(kind || ' worker lost'), $3
  FROM (
    SELECT id, lease, attempt, queue, kind, worker_id, release, started_at FROM ended
    UNION ALL
    SELECT id, lease, attempt, queue, kind, worker_id, release, started_at FROM returned
  ) AS run
)
SELECT id AS "id!", queue AS "queue!", kind AS "kind!", ends_as, release AS "release!",
       md5(kind || ' worker lost') AS "fingerprint!", extract(epoch FROM now() - started_at)::float8 AS "took!",
       workflow_id, step, child
FROM (
  SELECT id, queue, kind, ends_as, release, started_at, workflow_id, step, child FROM ended
  UNION ALL
  SELECT id, queue, kind, NULL, release, started_at, NULL, NULL, NULL FROM returned
) AS fate
