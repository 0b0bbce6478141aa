//! Writes down how runs ended, as many at a time as there are, and does not give up: an outage of the database delays it,
//! and a row that cannot be stored costs that row its details, never the batch.

use crate::{
    clock,
    engine::{Engine, Patience},
    store::{self, Fault, Settled, Verdict},
};
use futures::FutureExt;
use std::{collections::HashSet, sync::Arc, time::Duration};
use tokio::{sync::mpsc::UnboundedReceiver, time::Instant};
use tokio_util::sync::CancellationToken;

const BATCH: usize = 500;
/// How long a stopping process goes on trying. What it cannot write then, others rescue.
const LAST_WORDS: Duration = Duration::from_secs(3);

/// Settles until `closing`, and then what is left.
pub(crate) async fn run(engine: Arc<Engine>, mut inbox: UnboundedReceiver<Settled>, closing: CancellationToken) {
    loop {
        let mut batch = Vec::with_capacity(BATCH);
        tokio::select! {
            biased;
            _ = inbox.recv_many(&mut batch, BATCH) => {}
            () = closing.cancelled() => {}
        }
        if batch.is_empty() {
            return; // `biased`: only when nothing was waiting any more
        }
        write(&engine, Arc::new(batch), &closing).await;
        engine.nudge.notify_one();
    }
}

async fn write(engine: &Arc<Engine>, batch: Arc<Vec<Settled>>, closing: &CancellationToken) {
    let mut patience = Patience::new();
    let mut last_words = None;
    loop {
        match try_write(engine, Arc::clone(&batch)).await {
            Ok(()) => return,
            Err(sqlx::Error::Database(error)) if unstorable(error.as_ref()) => {
                tracing::error!(%error, runs = batch.len(), "verdicts cannot be stored; writing them one by one");
                return one_by_one(engine, &batch).await;
            }
            Err(error) => {
                tracing::warn!(%error, runs = batch.len(), "verdicts cannot be written; trying again");
                let out_of_time =
                    closing.is_cancelled() && Instant::now() > *last_words.get_or_insert_with(|| Instant::now() + LAST_WORDS);
                if out_of_time {
                    return;
                }
                patience.wait().await;
            }
        }
    }
}

/// A fault of the data (classes 22 and 23), which no retry mends.
fn unstorable(error: &dyn sqlx::error::DatabaseError) -> bool {
    error.code().is_some_and(|code| code.starts_with("22") || code.starts_with("23"))
}

/// A verdict that cannot be stored is stored without its details.
async fn one_by_one(engine: &Arc<Engine>, batch: &[Settled]) {
    for settled in batch {
        let Err(error) = try_write(engine, Arc::new(vec![settled.clone()])).await else { continue };
        let fault = || Fault::new("queue", "unstorable", &anyhow::anyhow!("what the run left could not be stored: {error}"));
        let verdict = match &settled.verdict {
            Verdict::Cancelled { .. } => Verdict::Cancelled { reason: None, fault: None },
            Verdict::Dead(_) => Verdict::Dead(fault()),
            Verdict::Retried { delay, .. } => Verdict::Retried { delay: *delay, fault: fault() },
            plain => plain.clone(),
        };
        let bare = Settled { verdict, log: None, ..settled.clone() };
        if let Err(error) = try_write(engine, Arc::new(vec![bare])).await {
            tracing::error!(job = settled.id, %error, "a verdict is lost; the job runs again when this process stops");
        }
    }
}

async fn try_write(engine: &Arc<Engine>, batch: Arc<Vec<Settled>>) -> Result<(), sqlx::Error> {
    let (own, rows) = (Arc::clone(engine), Arc::clone(&batch));
    let ours: HashSet<i64> = store::run(&engine.pool, move |c| {
        async move {
            let now = clock::given(&*own.clock);
            store::settle(c, &rows, own.worker(), &own.registration.release, now).await
        }
        .boxed()
    })
    .await?
    .into_iter()
    .collect();

    for stale in batch.iter().filter(|settled| !ours.contains(&settled.id)) {
        metrics::counter!("queue_stale_writes_total").increment(1);
        tracing::warn!(job = stale.id, lease = stale.lease, "a verdict came after the job was taken from us; it changed nothing");
    }
    Ok(())
}
