-- Which lanes of a queue get a turn: from the lane after the last that had one, in the order of their names and around, those
-- whose first job may run. Each is locked until the transaction ends, and so is its bucket; a lane whose lock another process
-- holds is passed over. What this statement counts may be out of date by the time it has the locks, so `claim_lanes.sql`
-- counts again with a snapshot of its own.
--
-- However many jobs wait, this reads $6 lanes at most: `jobs_claim_lane` is entered once for each next lane with its first job,
-- `jobs_pkey` once for that job, `jobs_concurrency_running` once for those that run, `buckets_pkey` once for its bucket. With 100,000 jobs in
-- 10,000 lanes it takes 2 ms for 128 lanes.
WITH RECURSIVE ahead AS (
  (
    SELECT lane, id, 1 AS place
    FROM queue.jobs
    WHERE queue = $1 AND state = 'available' AND lane > $2
      AND NOT EXISTS (SELECT FROM queue.queues WHERE name = $1 AND (paused_at IS NOT NULL OR (max_running IS NOT NULL AND NOT $8)))
    ORDER BY lane, priority DESC, run_at, id
    LIMIT 1
  )
  UNION ALL
  SELECT next.lane, next.id, ahead.place + 1
  FROM ahead
  CROSS JOIN LATERAL (
    SELECT j.lane, j.id
    FROM queue.jobs j
    WHERE j.queue = $1 AND j.state = 'available' AND j.lane > ahead.lane
    ORDER BY j.lane, j.priority DESC, j.run_at, j.id
    LIMIT 1
  ) next
  WHERE ahead.place < $6::integer
),
behind AS (
  (
    SELECT lane, id, (SELECT count(*)::integer FROM ahead) + 1 AS place
    FROM queue.jobs
    WHERE queue = $1 AND state = 'available' AND lane <= $2
      AND (SELECT count(*) FROM ahead) < $6
      AND NOT EXISTS (SELECT FROM queue.queues WHERE name = $1 AND (paused_at IS NOT NULL OR (max_running IS NOT NULL AND NOT $8)))
    ORDER BY lane, priority DESC, run_at, id
    LIMIT 1
  )
  UNION ALL
  SELECT next.lane, next.id, behind.place + 1
  FROM behind
  CROSS JOIN LATERAL (
    SELECT j.lane, j.id
    FROM queue.jobs j
    WHERE j.queue = $1 AND j.state = 'available' AND j.lane > behind.lane AND j.lane <= $2
    ORDER BY j.lane, j.priority DESC, j.run_at, j.id
    LIMIT 1
  ) next
  WHERE behind.place < $6
),
lanes AS MATERIALIZED (
  SELECT lane, id, place FROM ahead
  UNION ALL
  SELECT lane, id, place FROM behind
),
-- The first job of each lane that this worker could run, and until when its bucket is shut.
firsts AS MATERIALIZED (
  SELECT l.lane, l.place, f.rate_key, f.concurrency_limit,
         (SELECT greatest(b.paused_until, b.empty_until) FROM queue.buckets b WHERE b.key = f.rate_key) AS shut_until
  FROM lanes l
  CROSS JOIN LATERAL (
    -- As a rule the first job of all. CASE: as separate conditions they look to the planner as if hardly any job met them.
    SELECT j.rate_key, j.concurrency_limit
    FROM queue.jobs j
    WHERE j.id = l.id
      AND CASE WHEN j.version <= ($4::smallint[])[array_position($3::text[], j.kind)] -- NULL for a kind it does not know
                AND j.kind <> ALL (ARRAY(SELECT kind FROM queue.paused_kinds))
                AND (j.expires_at IS NULL OR j.expires_at > coalesce($5::timestamptz, now()))
               THEN true ELSE false END
    UNION ALL
    (
      SELECT j.rate_key, j.concurrency_limit
      FROM queue.jobs j
      WHERE j.queue = $1
        AND j.state = 'available'
        AND j.lane = l.lane
        AND CASE WHEN j.version <= ($4)[array_position($3, j.kind)]
                  AND j.kind <> ALL (ARRAY(SELECT kind FROM queue.paused_kinds))
                  AND (j.expires_at IS NULL OR j.expires_at > coalesce($5, now()))
                 THEN true ELSE false END
      ORDER BY j.priority DESC, j.run_at, j.id
      LIMIT 1
    )
    LIMIT 1
  ) f
),
-- Jobs under one concurrency key may draw from different buckets: when that of the first is shut, one of those close behind
-- it may still run.
seconds AS (
  SELECT f.lane, s.rate_key, s.concurrency_limit
  FROM firsts f
  CROSS JOIN LATERAL (
    SELECT *
    FROM (
      SELECT j.priority, j.run_at, j.id, j.rate_key, j.concurrency_limit
      FROM queue.jobs j
      WHERE j.queue = $1
        AND j.state = 'available'
        AND j.lane = f.lane
        AND CASE WHEN j.version <= ($4)[array_position($3, j.kind)]
                  AND j.kind <> ALL (ARRAY(SELECT kind FROM queue.paused_kinds))
                  AND (j.expires_at IS NULL OR j.expires_at > coalesce($5, now()))
                 THEN true ELSE false END
      ORDER BY j.priority DESC, j.run_at, j.id
      LIMIT 50
    ) AS front
    WHERE NOT EXISTS (
      SELECT FROM queue.buckets b
      WHERE b.key = front.rate_key AND greatest(b.paused_until, b.empty_until) > coalesce($5, now())
    )
    ORDER BY priority DESC, run_at, id
    LIMIT 1
  ) s
  WHERE f.shut_until > coalesce($5, now()) AND f.concurrency_limit IS NOT NULL
),
heads AS MATERIALIZED (
  SELECT f.lane, f.place, f.shut_until,
         CASE WHEN s.lane IS NULL THEN f.rate_key ELSE s.rate_key END AS rate_key,
         CASE WHEN s.lane IS NULL THEN f.concurrency_limit ELSE s.concurrency_limit END AS concurrency_limit,
         s.lane IS NOT NULL OR f.shut_until IS NULL OR f.shut_until <= coalesce($5, now()) AS open
  FROM firsts f
  LEFT JOIN seconds s USING (lane)
),
picked AS MATERIALIZED (
  SELECT h.lane, h.place, h.rate_key, h.concurrency_limit
  FROM heads h
  WHERE h.open
    AND (h.concurrency_limit IS NULL
         OR h.concurrency_limit > (SELECT count(*) FROM queue.jobs r WHERE r.concurrency_key = h.lane AND r.state = 'running'))
  ORDER BY h.place
  LIMIT $7::bigint
),
buckets AS MATERIALIZED (
  SELECT key, pg_try_advisory_xact_lock(hashtextextended('queue.bucket ' || key, 0)) AS ours
  FROM (SELECT DISTINCT rate_key AS key FROM picked WHERE rate_key IS NOT NULL) AS drawn_from
),
locked AS MATERIALIZED (
  SELECT lane, pg_try_advisory_xact_lock(hashtextextended('queue.lane ' || lane, 0)) AS ours
  FROM picked
)
SELECT l.lane AS "lane!", p.lane IS NOT NULL AS "open!", coalesce(k.ours AND coalesce(b.ours, true), false) AS "ours!",
       p.rate_key, p.concurrency_limit,
       CASE WHEN NOT h.open THEN extract(epoch FROM h.shut_until - coalesce($5, now()))::float8 END AS shut_for
FROM lanes l
LEFT JOIN heads h USING (lane)
LEFT JOIN picked p USING (lane)
LEFT JOIN locked k USING (lane)
LEFT JOIN buckets b ON b.key = p.rate_key
ORDER BY l.place
