//! Orders jobs of every sort for as long as it is let, each in a transaction with a note of how it should end. A transaction
//! whose commit is not answered may or may not have happened; the note and the job share its fate.

use crate::kinds::{Errand, How, Poison};
use anyhow::Result;
use chrono::{Duration, Utc};
use mywork_queue::{Enqueued, JobId, Options, Unique, Workflow, admin, enqueue_with};
use rand::{Rng, SeedableRng, rngs::StdRng};
use sqlx::{PgConnection, PgPool};
use tokio_util::sync::CancellationToken;

/// Jobs a second.
const PACE: u64 = 60;

/// Orders until `stop`, through whatever happens to the database.
pub async fn order(pool: PgPool, seed: u64, stop: CancellationToken) {
    let (mut dice, mut number) = (StdRng::seed_from_u64(seed), 0);
    let mut to_cancel = Vec::new();
    while !stop.is_cancelled() {
        number += 1;
        if let Err(error) = one(&pool, &mut dice, number, &mut to_cancel).await {
            tracing::debug!(%error, "an order was not taken");
        }
        if to_cancel.len() > 5 {
            let job = to_cancel.swap_remove(dice.random_range(0..to_cancel.len()));
            if cancel(&pool, job).await.is_err() {
                to_cancel.push(job);
            }
        }
        tokio::time::sleep(std::time::Duration::from_millis(dice.random_range(0..2_000 / PACE))).await;
    }
}

/// Cancels what goes on until somebody does. Call it until nothing is left of it.
pub async fn cancel_all(pool: &PgPool) -> Result<()> {
    let open = "SELECT o.job FROM chaos.orders o JOIN queue.jobs j ON j.id = o.job
                WHERE o.expects = 'cancelled' AND o.kind = 'goes on' AND j.cancel_requested_at IS NULL";
    for job in sqlx::query_scalar(open).fetch_all(pool).await? {
        cancel(pool, job).await?;
    }
    Ok(())
}

async fn cancel(pool: &PgPool, job: JobId) -> Result<()> {
    let mut tx = pool.begin().await?;
    match admin::cancel(&mut tx, job, "nobody wants it any more").await {
        Ok(_) | Err(admin::ActError::Finished { .. }) => Ok(tx.commit().await?),
        Err(error) => Err(error.into()),
    }
}

async fn one(pool: &PgPool, dice: &mut StdRng, number: u64, to_cancel: &mut Vec<JobId>) -> Result<()> {
    let key = format!("order {number}");
    let (mut what, mut options, mut limit) = ("ordinary", Options::default(), None);
    let how = match dice.random_range(0..100) {
        0..45 => How::Succeeds,
        45..55 => How::SucceedsIn(dice.random_range(100..3_000)),
        55..67 => How::FailsFirst(dice.random_range(1..4)),
        67..70 => {
            what = "doomed";
            options = options.max_attempts(3);
            How::AlwaysFails
        }
        70..74 => {
            what = "cancels itself";
            How::CancelsItself
        }
        74..77 => {
            what = "goes on";
            How::GoesOn
        }
        77..81 => How::Snoozes(dice.random_range(1..4)),
        81..87 => {
            what = "delayed";
            options = options.run_at(Utc::now() + Duration::milliseconds(dice.random_range(500..8_000)));
            How::Succeeds
        }
        87..93 => {
            what = "unique";
            options = options.unique(Unique::unfinished(dice.random_range(0..20)));
            How::SucceedsIn(dice.random_range(0..1_000))
        }
        93..98 => {
            what = "limited";
            limit = Some((format!("key {}", dice.random_range(0..3)), 2));
            How::SucceedsIn(dice.random_range(50..400))
        }
        98 => return flow(pool, &key, dice.random_range(1..30)).await,
        _ => return poison(pool, &key).await,
    };
    let expects = match how {
        How::AlwaysFails => "dead",
        How::CancelsItself | How::GoesOn => "cancelled",
        _ => "done",
    };
    let errand = Errand { key: key.clone(), how, limit };
    let not_before = options.run_at;
    let mut tx = pool.begin().await?;
    let Enqueued { id, fresh } = enqueue_with(&mut tx, &errand, options).await?;
    if fresh {
        note(&mut tx, &key, id, what, expects).await?;
        sqlx::query("UPDATE chaos.orders SET not_before = $2 WHERE key = $1")
            .bind(&key)
            .bind(not_before)
            .execute(&mut *tx)
            .await?;
    }
    tx.commit().await?;
    if what == "goes on" {
        to_cancel.push(id);
    }
    Ok(())
}

/// One errand, then many, a moment's sleep, and a last one.
async fn flow(pool: &PgPool, key: &str, children: i32) -> Result<()> {
    let errand = |what: &str, how| Errand { key: format!("{key} {what}"), how, limit: None };
    let all: Vec<Errand> =
        (0..children).map(|child| errand(&child.to_string(), How::FailsFirst((child % 3).try_into().unwrap_or(0)))).collect();
    let mut flow = Workflow::new("chaos.flow");
    let first = flow.step("first", &errand("first", How::Succeeds));
    let many = flow.after(first).fan_out("many", &all);
    let rest = flow.after(many).sleep("rest", std::time::Duration::from_millis(500));
    flow.after(rest).step("last", &errand("last", How::Succeeds));
    let mut tx = pool.begin().await?;
    let started = flow.start(&mut tx).await?;
    sqlx::query("INSERT INTO chaos.flows (key, workflow, children) VALUES ($1, $2, $3)")
        .bind(key)
        .bind(started.id)
        .bind(children)
        .execute(&mut *tx)
        .await?;
    Ok(tx.commit().await?)
}

async fn poison(pool: &PgPool, key: &str) -> Result<()> {
    let open: i64 = sqlx::query_scalar("SELECT count(*) FROM queue.jobs WHERE queue = 'poison'").fetch_one(pool).await?;
    if open > 0 {
        return Ok(()); // each costs three lives, and every life a lease
    }
    let mut tx = pool.begin().await?;
    let id = enqueue_with(&mut tx, &Poison { key: key.to_owned() }, Options::default()).await?.id;
    note(&mut tx, key, id, "poison", "quarantined").await?;
    Ok(tx.commit().await?)
}

async fn note(c: &mut PgConnection, key: &str, job: JobId, kind: &str, expects: &str) -> Result<()> {
    sqlx::query("INSERT INTO chaos.orders (key, job, kind, expects) VALUES ($1, $2, $3, $4)")
        .bind(key)
        .bind(job)
        .bind(kind)
        .bind(expects)
        .execute(c)
        .await?;
    Ok(())
}
