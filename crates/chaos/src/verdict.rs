//! Whether the promises held: each invariant is counted in the tables and printed on a line of its own.

use crate::{
    clock::FastClock,
    crowd::{Life, Role},
    healing,
    injuries::{Record, Trouble},
    signals::Signal,
};
use anyhow::Result;
use chrono::{DateTime, Duration, Utc};
use sqlx::PgPool;
use std::{collections::BTreeMap, os::unix::process::ExitStatusExt};

/// Jobs of a killed worker run again within this.
const RESCUE_BAR: Duration = Duration::seconds(15);
/// A worker that is told to stop has ended within this, its runtime's end included.
const STOP_BAR: Duration = Duration::seconds(2);

/// What was seen from outside the database.
pub struct Evidence<'a> {
    pub pool: &'a PgPool,
    pub lives: &'a [Life],
    pub record: &'a Record,
    pub clock: FastClock,
    pub schedules: i64,
    /// What its logs say about verdicts that came too late.
    pub stale_verdicts: usize,
}

/// The lines, and how many of them tell of a broken promise.
#[derive(Default)]
pub struct Verdicts {
    broken: usize,
}

impl Verdicts {
    /// Judges everything and prints it.
    pub async fn over(evidence: &Evidence<'_>) -> Result<usize> {
        let mut verdicts = Self::default();
        verdicts.orders(evidence).await?;
        verdicts.history(evidence).await?;
        verdicts.poison(evidence).await?;
        verdicts.occurrences(evidence).await?;
        verdicts.limits(evidence).await?;
        verdicts.flows(evidence).await?;
        verdicts.healing(evidence);
        verdicts.rescues(evidence).await?;
        verdicts.processes(evidence).await?;
        Ok(verdicts.broken)
    }

    fn say(&mut self, holds: bool, line: impl AsRef<str>) {
        println!("{} {}", if holds { "ok    " } else { "BROKEN" }, line.as_ref());
        self.broken += usize::from(!holds);
    }

    async fn orders(&mut self, seen: &Evidence<'_>) -> Result<()> {
        let ordered = number(seen, "SELECT count(*) FROM chaos.orders").await?;
        let endings = pairs(
            seen,
            "SELECT coalesce(f.state, j.state, 'nowhere'), count(*)
             FROM chaos.orders o LEFT JOIN queue.finished_jobs f ON f.id = o.job LEFT JOIN queue.jobs j ON j.id = o.job GROUP BY 1 ORDER BY 2 DESC",
        )
        .await?;
        // A job that was in a process when it was killed, three times over, is quarantined, whatever it was.
        let otherwise = pairs(
            seen,
            "SELECT o.kind || ' job ' || o.job || ', ' || coalesce(f.state, j.state, 'nowhere') || ', not', 1::bigint
             FROM chaos.orders o LEFT JOIN queue.finished_jobs f ON f.id = o.job LEFT JOIN queue.jobs j ON j.id = o.job
             WHERE f.state IS DISTINCT FROM o.expects
               AND NOT (f.state = 'quarantined' AND f.rescues = 3
                        AND 3 = (SELECT count(*) FROM queue.attempts a WHERE a.job_id = o.job AND a.outcome = 'lost'))",
        )
        .await?;
        self.say(otherwise.is_empty(), format!("no job lost: {ordered} ordered, {}{}", listed(&endings), but(&otherwise)));
        let unknown = number(
            seen,
            "SELECT count(*)
             FROM (SELECT id, kind, workflow_id FROM queue.jobs UNION ALL SELECT id, kind, workflow_id FROM queue.finished_jobs) AS job
             WHERE kind NOT IN ('chaos.probe', 'chaos.tick')
               AND NOT EXISTS (SELECT FROM chaos.flows f WHERE f.workflow = job.workflow_id)
               AND NOT EXISTS (SELECT FROM chaos.orders o WHERE o.job = job.id)",
        )
        .await?;
        self.say(unknown == 0, format!("no job without its order: {unknown} found"));
        let without = number(
            seen,
            "SELECT count(*) FROM queue.finished_jobs f WHERE f.state = 'done' AND f.kind <> 'chaos.probe'
             AND 1 <> (SELECT count(*) FROM chaos.effects e WHERE e.job = f.id)",
        )
        .await?;
        let in_vain =
            number(seen, "SELECT count(*) FROM chaos.effects e JOIN chaos.orders o ON o.job = e.job WHERE o.expects <> 'done'")
                .await?;
        let (effects, repeated) = (
            number(seen, "SELECT count(*) FROM chaos.effects").await?,
            number(seen, "SELECT count(*) FROM chaos.runs WHERE repeated").await?,
        );
        self.say(
            without == 0 && in_vain == 0,
            format!(
                "every effect once: {effects} effects, {repeated} runs found theirs there already, {without} done without, \
                 {in_vain} not done and with one"
            ),
        );
        let early = number(
            seen,
            "SELECT count(*) FROM chaos.orders o JOIN chaos.runs r ON r.job = o.job WHERE r.started_at < o.not_before",
        )
        .await?;
        let delayed = number(seen, "SELECT count(*) FROM chaos.orders WHERE not_before IS NOT NULL").await?;
        self.say(early == 0, format!("no delayed job ran early: {delayed} delayed, {early} early"));
        Ok(())
    }

    async fn history(&mut self, seen: &Evidence<'_>) -> Result<()> {
        let finished = number(seen, "SELECT count(*) FROM queue.finished_jobs").await?;
        let mut faults = Vec::new();
        for (what, sql) in [
            ("finished twice", "SELECT count(*) - count(DISTINCT id) FROM queue.finished_jobs"),
            ("finished and still there", "SELECT count(*) FROM queue.jobs JOIN queue.finished_jobs USING (id)"),
            (
                "with two last runs",
                "SELECT count(*) FROM (SELECT FROM queue.attempts WHERE outcome IN ('done', 'dead', 'cancelled')
                                       GROUP BY job_id HAVING count(*) > 1) AS twice",
            ),
            (
                "with a run that ended twice",
                "SELECT count(*) FROM (SELECT FROM queue.attempts GROUP BY job_id, lease HAVING count(*) > 1) AS twice",
            ),
            (
                "with a run after their last",
                "SELECT count(*) FROM queue.attempts a JOIN queue.finished_jobs f ON f.id = a.job_id WHERE a.lease > f.lease",
            ),
            (
                "whose last run is another than the one that ended them",
                "SELECT count(*) FROM queue.finished_jobs f
                 WHERE EXISTS (SELECT FROM queue.attempts a WHERE a.job_id = f.id AND a.lease = f.lease
                               AND a.outcome <> CASE f.state WHEN 'quarantined' THEN 'lost' WHEN 'done' THEN 'done' ELSE a.outcome END)",
            ),
        ] {
            let found = number(seen, sql).await?;
            if found > 0 {
                faults.push((what.to_owned(), found));
            }
        }
        let runs = pairs(seen, "SELECT outcome, count(*) FROM queue.attempts GROUP BY 1 ORDER BY 2 DESC").await?;
        let stale = seen.stale_verdicts;
        self.say(
            faults.is_empty(),
            format!("no stale write took effect: {finished} jobs finished once each; runs: {}; {stale} stale verdicts changed nothing{}",
                listed(&runs), but(&faults)),
        );
        Ok(())
    }

    async fn poison(&mut self, seen: &Evidence<'_>) -> Result<()> {
        let poisoned = number(seen, "SELECT count(*) FROM chaos.orders WHERE kind = 'poison'").await?;
        let odd = number(
            seen,
            "SELECT count(*) FROM chaos.orders o LEFT JOIN queue.finished_jobs f ON f.id = o.job
             WHERE o.kind = 'poison'
               AND (f.state IS DISTINCT FROM 'quarantined' OR f.rescues <> 3
                    OR 3 <> (SELECT count(*) FROM queue.attempts a WHERE a.job_id = o.job AND a.outcome = 'lost'))",
        )
        .await?;
        let hot = number(
            seen,
            "SELECT count(*) FROM (
               SELECT started_at - lag(started_at) OVER (PARTITION BY job ORDER BY started_at) AS pause
               FROM chaos.runs WHERE kind = 'chaos.poison'
             ) AS runs WHERE pause < interval '5 seconds'
               AND NOT EXISTS (SELECT FROM queue.attempts a WHERE a.kind = 'chaos.poison' AND a.outcome = 'retried')",
        )
        .await?;
        self.say(
            poisoned > 0 && odd == 0 && hot == 0,
            format!("poison is quarantined after three rescues: {poisoned} poisonous jobs, {odd} not so, {hot} runs soon after another"),
        );
        Ok(())
    }

    async fn occurrences(&mut self, seen: &Evidence<'_>) -> Result<()> {
        let minutes = (seen.clock.until - seen.clock.from).num_minutes();
        let expected = seen.schedules * minutes;
        let times = number(seen, "SELECT count(*) FROM queue.occurrences").await?;
        let jobs = number(
            seen,
            "SELECT count(DISTINCT j.id) FROM queue.occurrences o
             JOIN (SELECT id FROM queue.jobs UNION ALL SELECT id FROM queue.finished_jobs) AS j ON j.id = o.job_id",
        )
        .await?;
        let ticks = number(
            seen,
            "SELECT count(*) FROM (SELECT FROM queue.jobs WHERE kind = 'chaos.tick'
                                   UNION ALL SELECT FROM queue.finished_jobs WHERE kind = 'chaos.tick') AS job",
        )
        .await?;
        let astray: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM queue.occurrences
             WHERE occurrence <= $1 OR occurrence > $2 OR occurrence <> date_trunc('minute', occurrence)",
        )
        .bind(seen.clock.from)
        .bind(seen.clock.until)
        .fetch_one(seen.pool)
        .await?;
        self.say(
            (times, jobs, ticks, astray) == (expected, expected, expected, 0),
            format!(
                "no duplicate occurrence: {expected} times to come, {times} came, with {jobs} jobs of their own of {ticks}, {astray} astray"
            ),
        );
        Ok(())
    }

    /// A run counts from its beginning to its end, or until it was taken from a worker that did not know.
    async fn limits(&mut self, seen: &Evidence<'_>) -> Result<()> {
        let limited = number(seen, "SELECT count(*) FROM chaos.runs WHERE limit_key IS NOT NULL").await?;
        let most = pairs(
            seen,
            "WITH held AS (
               SELECT r.limit_key, r.started_at,
                      CASE WHEN a.outcome = 'lost' THEN least(r.ended_at, a.ended_at) ELSE coalesce(r.ended_at, a.ended_at) END AS ended_at
               FROM chaos.runs r
               JOIN LATERAL (
                 SELECT a.outcome, a.ended_at FROM queue.attempts a JOIN queue.workers w ON w.id = a.worker_id
                 WHERE a.job_id = r.job AND w.name = r.process AND a.started_at <= r.started_at
                 ORDER BY a.started_at DESC LIMIT 1
               ) AS a ON true
               WHERE r.limit_key IS NOT NULL
             )
             SELECT limit_key, max(others)
             FROM (
               SELECT h.limit_key, (SELECT count(*) FROM held o WHERE o.limit_key = h.limit_key
                                    AND o.started_at <= h.started_at AND o.ended_at > h.started_at) AS others
               FROM held h WHERE h.ended_at > h.started_at
             ) AS at_once
             GROUP BY 1 ORDER BY 1",
        )
        .await?;
        self.say(
            most.iter().all(|(_, most)| *most <= 2),
            format!("no limit exceeded: {limited} limited runs, at once at most: {}", listed(&most)),
        );
        Ok(())
    }

    /// A job quarantined because it lost its worker three times holds its workflow up, as it should.
    async fn flows(&mut self, seen: &Evidence<'_>) -> Result<()> {
        let begun = number(seen, "SELECT count(*) FROM chaos.flows").await?;
        let ends = pairs(seen, "SELECT state, count(*) FROM queue.workflows GROUP BY 1 ORDER BY 2 DESC").await?;
        let astray = pairs(
            seen,
            "SELECT f.key || ', ' || coalesce(w.state, 'nowhere'), 1::bigint
             FROM chaos.flows f LEFT JOIN queue.workflows w ON w.id = f.workflow
             WHERE NOT (w.state = 'failed' AND EXISTS (SELECT FROM queue.finished_jobs j
                                                       WHERE j.workflow_id = w.id AND j.state = 'quarantined' AND j.rescues = 3))
               AND (w.state IS DISTINCT FROM 'done'
                    OR f.children + 2 <> (SELECT count(*) FROM queue.finished_jobs j WHERE j.workflow_id = w.id AND j.state = 'done')
                    OR f.children + 2 <> (SELECT count(*) FROM chaos.effects e WHERE e.key LIKE f.key || ' %')
                    OR (SELECT at FROM chaos.effects e WHERE e.key = f.key || ' last')
                       < (SELECT max(at) FROM chaos.effects e WHERE e.key LIKE f.key || ' %')
                    OR (SELECT at FROM chaos.effects e WHERE e.key = f.key || ' first')
                       > (SELECT min(at) FROM chaos.effects e WHERE e.key LIKE f.key || ' %'))",
        )
        .await?;
        self.say(
            astray.is_empty(),
            format!("every workflow goes its way once: {begun} begun, {}{}", listed(&ends), but(&astray)),
        );
        Ok(())
    }

    fn healing(&mut self, seen: &Evidence<'_>) {
        let heals = &seen.record.heals;
        let late: Vec<_> = heals.iter().filter(|heal| heal.took > healing::BAR).collect();
        let mut slowest = BTreeMap::<&str, f64>::new();
        for heal in heals {
            let slowest = slowest.entry(&heal.after).or_default();
            *slowest = slowest.max(heal.took.as_secs_f64());
        }
        let slowest: Vec<String> = slowest.into_iter().map(|(after, secs)| format!("{after} {secs:.1} s")).collect();
        let late: Vec<String> =
            late.iter().map(|heal| format!("{} after {}: {:.1} s", heal.who, heal.after, heal.took.as_secs_f64())).collect();
        self.say(
            late.is_empty(),
            format!(
                "every loop heals within ten seconds: {} loops healed, slowest: {}{}",
                heals.len(),
                slowest.join(", "),
                if late.is_empty() { String::new() } else { format!("; BUT {}", late.join(", ")) }
            ),
        );
    }

    async fn rescues(&mut self, seen: &Evidence<'_>) -> Result<()> {
        let lost: Vec<(String, DateTime<Utc>, Option<DateTime<Utc>>)> = sqlx::query_as(
            "SELECT w.name, a.ended_at,
                    (SELECT min(n.started_at) FROM queue.attempts n WHERE n.job_id = a.job_id AND n.lease > a.lease)
             FROM queue.attempts a JOIN queue.workers w ON w.id = a.worker_id
             WHERE a.outcome = 'lost'",
        )
        .fetch_all(seen.pool)
        .await?;
        let (mut counted, mut slowest, mut late, mut unexplained) = (0, Duration::zero(), Vec::new(), Vec::new());
        for (name, rescued, again) in lost {
            let life = seen.lives.iter().find(|life| life.name == name);
            let died = life.and_then(|life| {
                let aborted = life.ended.filter(|_| life.role == Role::Victim).map(|(at, _)| at);
                life.sent(Signal::Kill).or(life.sent(Signal::Stop)).or(aborted)
            });
            let wired = life.is_none_or(|life| life.wired);
            match died {
                Some(died) if !troubled(&seen.record.troubles, died - Duration::seconds(10), rescued, true) => {
                    let took = again.unwrap_or(rescued).max(rescued) - died;
                    counted += 1;
                    slowest = slowest.max(took);
                    if took > RESCUE_BAR {
                        late.push(format!("{name} {:.1} s", took.as_seconds_f64()));
                    }
                }
                Some(_) => {}
                None if troubled(&seen.record.troubles, rescued - Duration::seconds(30), rescued, wired) => {}
                None => unexplained.push((name, 1)),
            }
        }
        self.say(
            late.is_empty(),
            format!(
                "jobs of dead workers run again within fifteen seconds: {counted} of them, slowest {:.1} s{}",
                slowest.as_seconds_f64(),
                if late.is_empty() { String::new() } else { format!("; BUT {}", late.join(", ")) }
            ),
        );
        self.say(unexplained.is_empty(), format!("no worker lost a job that nobody hurt{}", but(&unexplained)));
        Ok(())
    }

    async fn processes(&mut self, seen: &Evidence<'_>) -> Result<()> {
        let mut odd = Vec::new();
        let (mut stops, mut slowest) = (0, Duration::zero());
        for life in seen.lives {
            let Some((ended, status)) = life.ended else { continue };
            let killed = life.sent(Signal::Kill).is_some();
            let poisoned = life.role == Role::Victim && status.signal() == Some(6);
            match life.sent(Signal::Terminate) {
                Some(told) if status.success() && !killed => {
                    let troubled = troubled(&seen.record.troubles, told - Duration::seconds(10), ended, life.wired);
                    if !troubled && life.sent(Signal::Stop).is_none() {
                        stops += 1;
                        slowest = slowest.max(ended - told);
                    }
                }
                _ if killed || poisoned => {}
                _ => odd.push((format!("{} ended: {status}", life.name), 1)),
            }
        }
        let (lives, hurts) = (seen.lives.len(), seen.lives.iter().map(|life| life.hurts.len()).sum::<usize>());
        self.say(odd.is_empty(), format!("no process ended by itself: {lives} lives, {hurts} signals{}", but(&odd)));
        self.say(
            slowest <= STOP_BAR,
            format!("told to stop, a process ends at once: {stops} did, slowest {:.2} s", slowest.as_seconds_f64()),
        );
        let given_up: Vec<String> =
            sqlx::query_scalar("SELECT name FROM queue.workers WHERE lost_at IS NOT NULL").fetch_all(seen.pool).await?;
        println!("       {} times a worker was given up; {} injuries in all", given_up.len(), seen.record.injuries);
        Ok(())
    }
}

fn troubled(troubles: &[Trouble], from: DateTime<Utc>, until: DateTime<Utc>, wired: bool) -> bool {
    troubles.iter().any(|trouble| (wired || !trouble.wire_only) && trouble.from <= until && trouble.until >= from)
}

async fn number(seen: &Evidence<'_>, sql: &'static str) -> Result<i64> {
    Ok(sqlx::query_scalar(sql).fetch_one(seen.pool).await?)
}

async fn pairs(seen: &Evidence<'_>, sql: &'static str) -> Result<Vec<(String, i64)>> {
    Ok(sqlx::query_as(sql).fetch_all(seen.pool).await?)
}

fn listed(pairs: &[(String, i64)]) -> String {
    pairs.iter().map(|(what, count)| format!("{count} {what}")).collect::<Vec<_>>().join(", ")
}

fn but(pairs: &[(String, i64)]) -> String {
    let some: Vec<String> = pairs.iter().take(10).map(|(what, count)| format!("{count} {what}")).collect();
    if some.is_empty() { String::new() } else { format!("; BUT {} in all: {}", pairs.len(), some.join("; ")) }
}
