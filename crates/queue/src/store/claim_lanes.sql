-- Leases the next jobs of lanes that `choose_lanes.sql` has locked. It runs with a snapshot taken after the locks were, so
-- that it sees every job of these lanes that runs and every token that was drawn: no limit is counted anywhere but here, in
-- the rows themselves, and a worker that dies leaks nothing.
--
-- Lanes take turns: all first jobs, then all second ones. `jobs_claim_lane` gives the jobs of a lane in their order,
-- `jobs_concurrency_running` what runs.
WITH buckets AS MATERIALIZED (
  SELECT k.key, k.moment, r.permits / r.per_seconds AS a_second,
         CASE WHEN b.paused_until > k.moment THEN 0
              WHEN r.name IS NULL THEN 'infinity' -- nobody has said how often; only a pause holds it up
              ELSE least(r.burst, coalesce(b.tokens + r.permits / r.per_seconds
                                             * greatest(extract(epoch FROM k.moment - b.refilled_at)::float8, 0), r.burst))
         END AS tokens,
         coalesce(b.paused_until > k.moment, false) AS paused
  FROM (SELECT DISTINCT unnest($9::text[]) AS key, coalesce($6::timestamptz, statement_timestamp()) AS moment) AS k
  LEFT JOIN LATERAL (SELECT * FROM queue.buckets WHERE key = k.key LIMIT 1) b ON true -- LIMIT: by its key, however many there are
  LEFT JOIN queue.rates r ON r.name = split_part(k.key, ':', 1)
  WHERE k.key IS NOT NULL
),
lanes AS MATERIALIZED (
  SELECT l.lane, l.place, running.jobs AS running, least($10::float8, l.at_most - running.jobs, floor(b.tokens)) AS room
  FROM unnest($7::text[], $8::smallint[], $9) WITH ORDINALITY AS l (lane, at_most, bucket, place)
  LEFT JOIN buckets b ON b.key = l.bucket
  CROSS JOIN LATERAL (
    SELECT count(*) AS jobs FROM queue.jobs r WHERE r.concurrency_key = l.lane AND r.state = 'running'
  ) running
),
candidates AS MATERIALIZED (
  SELECT j.id, j.rate_key, l.place,
         row_number() OVER (PARTITION BY l.lane ORDER BY j.priority DESC, j.run_at, j.id) AS turn,
         l.running, j.concurrency_limit
  FROM lanes l
  CROSS JOIN LATERAL (
    SELECT id, rate_key, priority, run_at, concurrency_limit
    FROM queue.jobs
    WHERE queue = $1
      AND state = 'available'
      AND lane = l.lane
      AND CASE WHEN version <= ($4::smallint[])[array_position($3::text[], kind)] -- CASE: as in `choose_lanes.sql`
                AND kind <> ALL (ARRAY(SELECT kind FROM queue.paused_kinds))
                AND (expires_at IS NULL OR expires_at > coalesce($6, now()))
                AND (rate_key IS NULL OR rate_key = ANY (ARRAY(SELECT key FROM buckets WHERE tokens >= 1)))
               THEN true ELSE false END
    ORDER BY priority DESC, run_at, id
    LIMIT greatest(l.room, 0)::bigint
    FOR UPDATE SKIP LOCKED
  ) j
),
taken AS MATERIALIZED (
  SELECT c.id, c.rate_key
  FROM (
    SELECT id, rate_key, place, turn, row_number() OVER (PARTITION BY rate_key ORDER BY turn, place) AS draw
    FROM candidates
    WHERE concurrency_limit IS NULL OR running + turn <= concurrency_limit
  ) c
  LEFT JOIN buckets b ON b.key = c.rate_key
  WHERE c.rate_key IS NULL OR c.draw <= b.tokens
  ORDER BY c.turn, c.place
  LIMIT $2::bigint
),
drawn AS (
  INSERT INTO queue.buckets AS b (key, tokens, refilled_at, empty_until)
  SELECT key, tokens, moment, CASE WHEN tokens < 1 THEN moment + make_interval(secs => (1 - tokens) / a_second) END
  FROM (
    SELECT k.key, k.moment, k.a_second, k.tokens - count(t.id) AS tokens
    FROM buckets k
    LEFT JOIN taken t ON t.rate_key = k.key
    WHERE k.tokens < 'infinity' AND NOT k.paused
    GROUP BY k.key, k.moment, k.a_second, k.tokens
  ) AS after
  ORDER BY key -- in one order everywhere, so that nobody waits in a circle
  ON CONFLICT (key) DO UPDATE
  SET tokens = excluded.tokens,
      refilled_at = greatest(b.refilled_at, excluded.refilled_at), -- a clock that was set back must not fill it twice
      empty_until = excluded.empty_until
)
UPDATE queue.jobs j
SET state = 'running',
    attempt = j.attempt + 1,
    lease = j.lease + 1,
    worker_id = $5,
    started_at = statement_timestamp()
WHERE j.id = ANY (ARRAY(SELECT id FROM taken)) -- a join would read the whole table once the plan is generic
RETURNING j.id, j.lease, j.queue, j.kind, j.version, j.args, j.attempt, j.max_attempts, j.priority, j.run_at, j.trace, j.actor,
          j.workflow_id, j.step, j.child, j.lane, j.redact,
          extract(epoch FROM greatest(now() - greatest(j.run_at, j.created_at), interval '0'))::float8 AS "waited!"
