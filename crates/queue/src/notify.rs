//! Wakes workers as soon as a transaction that enqueued has committed, instead of when they next look (JOB-14).
//!
//! Optional: workers look five times a second anyway. A web process that wants its jobs picked up within milliseconds keeps
//! one [`Notifier`] and calls [`wake_for`](Notifier::wake_for) after its commit. Calls within ten milliseconds become one
//! notification per queue, sent outside every caller's transaction, since a NOTIFY inside one makes commits wait in line.

use crate::{job::Job, store};
use futures::FutureExt;
use sqlx::PgPool;
use std::{collections::BTreeSet, time::Duration};
use tokio::{
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    time::sleep,
};

pub(crate) const CHANNEL: &str = "queue_wake";
const COALESCE: Duration = Duration::from_millis(10);

/// Tells workers that queues have work. Cheap to clone; its task ends with the last clone.
#[derive(Clone, Debug)]
pub struct Notifier(UnboundedSender<String>);

impl Notifier {
    /// Starts the task that sends. Call it inside a tokio runtime.
    pub fn spawn(pool: PgPool) -> Self {
        let (sender, queues) = unbounded_channel();
        tokio::spawn(send(pool, queues));
        Self(sender)
    }

    /// There is work in `queue`: call it after the commit.
    pub fn wake(&self, queue: impl Into<String>) {
        // A closed channel means the runtime is going down; polling covers it.
        let _ = self.0.send(queue.into());
    }

    /// There is work of kind `J`: call it after the commit.
    pub fn wake_for<J: Job>(&self) {
        self.wake(J::QUEUE);
    }
}

async fn send(pool: PgPool, mut queues: UnboundedReceiver<String>) {
    while let Some(first) = queues.recv().await {
        sleep(COALESCE).await;
        let mut woken = BTreeSet::from([first]);
        while let Ok(queue) = queues.try_recv() {
            woken.insert(queue);
        }
        let woken: Vec<String> = woken.into_iter().collect();
        let sent = store::in_transaction(&pool, move |c| {
            async move {
                sqlx::query_scalar!(
                    r#"SELECT count(pg_notify($1, queue)) AS "sent!" FROM unnest($2::text[]) AS queue"#,
                    CHANNEL,
                    &woken
                )
                .fetch_one(c)
                .await
            }
            .boxed()
        })
        .await;
        if let Err(error) = sent {
            tracing::debug!(%error, "workers were not notified; they will look by themselves");
        }
    }
}
