//! Wakes workers as soon as a transaction that enqueued has committed, instead of when they next look (JOB-14).
//!
//! Optional: workers look five times a second anyway. A web process that wants its jobs picked up within milliseconds keeps
//! one [`Notifier`] and calls [`wake_for`](Notifier::wake_for) after its commit. The first call is passed on at once; those of the
//! next ten milliseconds become one notification per queue. They are sent outside every caller's transaction, since a NOTIFY
//! inside one makes commits wait in line, and on a connection of the notifier's own.

use crate::{job::Job, store::DEADLINE};
use sqlx::{AssertSqlSafe, Connection, PgConnection, PgPool};
use std::{collections::BTreeSet, io, time::Duration};
use tokio::{
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    time::{sleep, timeout},
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
    let mut connection = None;
    while let Some(first) = queues.recv().await {
        let mut woken = BTreeSet::from([first]);
        while let Ok(queue) = queues.try_recv() {
            woken.insert(queue);
        }
        let sent = match notify(&pool, &mut connection, &woken).await {
            Ok(()) => Ok(()),
            Err(_) => notify(&pool, &mut connection, &woken).await, // the connection may have been lost while it was idle
        };
        if let Err(error) = sent {
            tracing::debug!(%error, "workers were not notified; they will look by themselves");
        }
        sleep(COALESCE).await;
    }
}

/// Sends on `connection`, which is opened when there is none and thrown away when it fails.
async fn notify(pool: &PgPool, connection: &mut Option<PgConnection>, queues: &BTreeSet<String>) -> Result<(), sqlx::Error> {
    let sending = async {
        let mut open = match connection.take() {
            Some(open) => open,
            None => PgConnection::connect_with(&pool.connect_options()).await?,
        };
        // Nobody need wait for the disk. As one simple statement it goes through any pooler in one round trip.
        let calls = queues.iter().map(|queue| {
            format!("pg_notify('{CHANNEL}', convert_from('\\x{}', 'UTF8'))", hex::encode(queue)) // nothing in a name is SQL
        });
        let statement = format!("SELECT set_config('synchronous_commit', 'off', true), {}", calls.collect::<Vec<_>>().join(", "));
        sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut open).await?;
        *connection = Some(open);
        Ok(())
    };
    let silence = || sqlx::Error::Io(io::Error::new(io::ErrorKind::TimedOut, "the database does not answer"));
    timeout(DEADLINE, sending).await.unwrap_or_else(|_| Err(silence()))
}
