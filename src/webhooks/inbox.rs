//! One row per event and sender, inserted together with the job that will process it.
//!
//! ```text
//! received ──▶ processed     its effect is in the database
//!     ├──────▶ ignored       nothing here acts on it; `error` says why, where there is a reason
//!     └──────▶ failed        it contradicts what we know; a person has to look
//! ```
//! A vendor that delivers twice at once races on the unique constraint `webhook_events_once`: the second insert waits for
//! the first transaction and then changes nothing, so there is one row and one job, whichever request commits first.

use super::jobs::{ProcessClerkEvent, ProcessResendEvent, ProcessStripeEvent};
use crate::ids::WebhookEventId;
use chrono::{DateTime, Utc};
use mywork_queue::EnqueueError;
use sqlx::PgConnection;

/// Who sends events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum Source {
    /// Our own Stripe account.
    Stripe,
    /// Accounts connected to ours; their endpoint has a secret of its own.
    StripeConnect,
    Clerk,
    Resend,
}

impl Source {
    /// The word the database and the metrics use.
    pub fn as_str(self) -> &'static str {
        match self {
            Source::Stripe => "stripe",
            Source::StripeConnect => "stripe_connect",
            Source::Clerk => "clerk",
            Source::Resend => "resend",
        }
    }
}

/// What became of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum EventState {
    Received,
    Processed,
    Ignored,
    Failed,
}

/// An event as it is kept.
#[derive(Clone, Debug)]
pub struct StoredEvent {
    pub id: WebhookEventId,
    pub source: Source,
    /// The sender's own id of the event.
    pub event_id: String,
    pub kind: String,
    /// The text that was signed, byte for byte.
    pub payload: String,
    pub state: EventState,
    pub received_at: DateTime<Utc>,
}

/// Answer of [`receive`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received {
    /// False when the event was already there: it was stored and queued by an earlier delivery.
    pub fresh: bool,
}

/// Why an event could not be stored.
#[derive(Debug, thiserror::Error)]
pub enum ReceiveError {
    #[error(transparent)]
    Queue(#[from] EnqueueError),
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

/// Stores an event and, on the same transaction, the job that processes it. The caller has verified the signature.
///
/// # Errors
/// When the database refuses; the sender should then be answered with an error, so that it delivers again.
pub async fn receive(
    conn: &mut PgConnection,
    source: Source,
    event_id: &str,
    kind: &str,
    payload: &str,
    now: DateTime<Utc>,
) -> Result<Received, ReceiveError> {
    let event = WebhookEventId::new();
    let stored = sqlx::query!(
        "INSERT INTO webhook_events (id, source, event_id, kind, payload, received_at)
         VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT ON CONSTRAINT webhook_events_once DO NOTHING",
        event as WebhookEventId,
        source as Source,
        event_id,
        kind,
        payload,
        now,
    )
    .execute(&mut *conn)
    .await?
    .rows_affected();
    if stored == 0 {
        return Ok(Received { fresh: false });
    }
    match source {
        Source::Stripe | Source::StripeConnect => mywork_queue::enqueue(conn, &ProcessStripeEvent { event }).await?,
        Source::Clerk => mywork_queue::enqueue(conn, &ProcessClerkEvent { event }).await?,
        Source::Resend => mywork_queue::enqueue(conn, &ProcessResendEvent { event }).await?,
    };
    Ok(Received { fresh: true })
}

/// The event, which must exist: a job names only what its own transaction stored.
///
/// # Errors
/// `RowNotFound` when it does not.
pub async fn get(conn: &mut PgConnection, id: WebhookEventId) -> Result<StoredEvent, sqlx::Error> {
    sqlx::query_as!(
        StoredEvent,
        r#"SELECT id AS "id: WebhookEventId",
                  source AS "source: Source",
                  event_id,
                  kind,
                  payload,
                  state AS "state: EventState",
                  received_at
             FROM webhook_events
            WHERE id = $1"#,
        id as WebhookEventId,
    )
    .fetch_one(conn)
    .await
}

/// Records what became of an event, in the transaction that holds its effect. Only the first mark counts: a repeated run
/// of the job finds the event marked and changes nothing. Returns whether this was the first.
///
/// # Errors
/// When the database refuses.
pub async fn mark(
    conn: &mut PgConnection,
    id: WebhookEventId,
    state: EventState,
    why: Option<&str>,
    now: DateTime<Utc>,
) -> Result<bool, sqlx::Error> {
    let marked = sqlx::query!(
        "UPDATE webhook_events
            SET state = $2,
                error = $3,
                processed_at = $4
          WHERE id = $1
            AND state = 'received'",
        id as WebhookEventId,
        state as EventState,
        why,
        now,
    )
    .execute(conn)
    .await?
    .rows_affected();
    Ok(marked == 1)
}
