//! Writes down how runs ended, as many at a time as there are, and does not give up: an outage of the database delays it,
//! and a row that cannot be stored costs that row its details, never the batch.

use crate::{
    clock,
    engine::{Engine, Patience},
    store::{self, Fault, Settled, Verdict},
};
use futures::FutureExt;
use sqlx::error::DatabaseError;
use std::{collections::HashSet, sync::Arc, time::Duration};
use tokio::{sync::mpsc::UnboundedReceiver, time::Instant};
use tokio_util::sync::CancellationToken;

const BATCH: usize = 500;
/// With more runs to end within moments, a batch waits for them.
const LINGER: Duration = Duration::from_millis(2);
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
        if batch.len() < BATCH && engine.lines.iter().any(|line| line.hold.number() > 0) {
            tokio::time::sleep(LINGER).await;
            while batch.len() < BATCH
                && let Ok(settled) = inbox.try_recv()
            {
                batch.push(settled);
            }
        }
        write(&engine, batch, &mut Patient::until(&closing)).await;
        engine.nudge.notify_one();
    }
}

/// Writes a batch, row by row where it cannot be stored as a whole.
async fn write(engine: &Arc<Engine>, batch: Vec<Settled>, patient: &mut Patient<'_>) {
    let batch = Arc::new(batch);
    if let Err(error) = patient.store(engine, &batch).await {
        tracing::error!(%error, runs = batch.len(), "verdicts cannot be stored; writing them one by one");
        for settled in batch.iter() {
            write_one(engine, settled, patient).await;
        }
    }
    engine.written(&batch);
}

/// A verdict that cannot be stored is stored without its details; and if that cannot be either, the job is dead, and a person
/// sees it, rather than running for ever.
async fn write_one(engine: &Arc<Engine>, settled: &Settled, patient: &mut Patient<'_>) {
    let Err(error) = patient.store(engine, &Arc::new(vec![settled.clone()])).await else { return };
    let fault = || Fault::new("queue", "unstorable", &anyhow::anyhow!("what the run left could not be stored: {error}"));
    let bare = match &settled.verdict {
        Verdict::Cancelled { .. } => Verdict::Cancelled { reason: None, fault: None },
        Verdict::Dead(_) => Verdict::Dead(fault()),
        Verdict::Retried { delay, .. } => Verdict::Retried { delay: *delay, fault: fault() },
        Verdict::Throttled { delay, .. } => Verdict::Throttled { delay: *delay, fault: fault() },
        plain => plain.clone(),
    };
    for verdict in [bare, Verdict::Dead(fault())] {
        let without = Settled { verdict, log: None, ..settled.clone() };
        match patient.store(engine, &Arc::new(vec![without])).await {
            Ok(()) => return,
            Err(error) => tracing::error!(job = settled.id, %error, "a verdict cannot be stored even without its details"),
        }
    }
}

/// Goes on trying until the database takes the rows or says that it never will; in a process that stops, for a while.
struct Patient<'a> {
    closing: &'a CancellationToken,
    last_words: Option<Instant>,
}

impl<'a> Patient<'a> {
    fn until(closing: &'a CancellationToken) -> Self {
        Self { closing, last_words: None }
    }

    /// Whether the rows need no more attention: they are stored, or time is up and others will rescue them.
    ///
    /// # Errors
    /// When the fault lies in the rows (classes 22 and 23), which no retry mends.
    async fn store(&mut self, engine: &Arc<Engine>, rows: &Arc<Vec<Settled>>) -> Result<(), Box<dyn DatabaseError>> {
        let mut patience = Patience::new();
        loop {
            match try_write(engine, Arc::clone(rows)).await {
                Ok(()) => return Ok(()),
                Err(sqlx::Error::Database(error)) if unstorable(error.as_ref()) => return Err(error),
                Err(error) => {
                    tracing::warn!(%error, runs = rows.len(), "verdicts cannot be written; trying again");
                    if self.is_out_of_time() {
                        return Ok(());
                    }
                    patience.wait().await;
                }
            }
        }
    }

    fn is_out_of_time(&mut self) -> bool {
        self.closing.is_cancelled() && Instant::now() > *self.last_words.get_or_insert_with(|| Instant::now() + LAST_WORDS)
    }
}

fn unstorable(error: &dyn DatabaseError) -> bool {
    error.code().is_some_and(|code| code.starts_with("22") || code.starts_with("23"))
}

async fn try_write(engine: &Arc<Engine>, batch: Arc<Vec<Settled>>) -> Result<(), sqlx::Error> {
    let (own, rows) = (Arc::clone(engine), Arc::clone(&batch));
    let ours: HashSet<i64> = store::run(&engine.database, move |c| {
        async move {
            let now = clock::given(&*own.clock);
            store::settle(c, &rows, own.worker(), &own.registration.release, now).await
        }
        .boxed()
    })
    .await?
    .into_iter()
    .collect();

    for settled in batch.iter().filter(|settled| ours.contains(&settled.id)) {
        engine.tally.ended(settled, &engine.registration.release);
    }
    for stale in batch.iter().filter(|settled| !ours.contains(&settled.id)) {
        metrics::counter!("queue_stale_writes_total").increment(1);
        tracing::warn!(job = stale.id, lease = stale.lease, "a verdict came after the job was taken from us; it changed nothing");
    }
    Ok(())
}
