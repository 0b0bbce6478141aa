//! What happened to an order, in the order it happened, naming the job behind each step (ORDER-05). Written by the acts of
//! this area in the transaction of the step itself; an event that may happen only once carries a key, so that a repeated job
//! leaves one line.

use crate::ids::OrderId;
use chrono::{DateTime, Utc};
use mywork_queue::JobId;
use sqlx::PgConnection;

/// The job that does a step, as the timeline names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct By {
    pub job: JobId,
    /// `orders.fulfil`
    pub kind: &'static str,
}

/// What happens to orders. The words are those of `order_events.kind`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum Happened {
    Ordered,
    PaymentFailed,
    Expired,
    Paid,
    Fulfilled,
    Downloaded,
    HoldReleased,
    KeyRotated,
    DownloadsExtended,
    LicenceRevoked,
    LicenceRestored,
    DeliveryRequested,
}

/// A line of the timeline.
#[derive(Clone, Debug)]
pub struct Event {
    pub at: DateTime<Utc>,
    pub kind: String,
    pub detail: String,
    pub job_id: Option<i64>,
    pub job_kind: Option<String>,
}

impl Event {
    /// The line's heading.
    pub fn title(&self) -> &str {
        match self.kind.as_str() {
            "ordered" => "Ordered",
            "payment_failed" => "Payment declined",
            "expired" => "Checkout expired",
            "paid" => "Paid",
            "fulfilled" => "Delivered",
            "downloaded" => "Downloaded",
            "hold_released" => "Buyer protection ended",
            "key_rotated" => "New licence key",
            "downloads_extended" => "More downloads granted",
            "licence_revoked" => "Licence revoked",
            "licence_restored" => "Licence restored",
            "delivery_requested" => "Delivery asked for again",
            other => other,
        }
    }
}

/// A line to be written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Line<'a> {
    pub what: Happened,
    pub detail: &'a str,
    /// With a key, a second line of the same key is left out.
    pub once: Option<&'a str>,
    pub by: Option<By>,
}

pub(crate) async fn note(conn: &mut PgConnection, order: OrderId, line: Line<'_>, now: DateTime<Utc>) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "INSERT INTO order_events (order_id, at, kind, detail, job_id, job_kind, once_key)
         VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT ON CONSTRAINT order_events_once DO NOTHING",
        order as OrderId,
        now,
        line.what as Happened,
        line.detail,
        line.by.map(|by| by.job.0),
        line.by.map(|by| by.kind),
        line.once,
    )
    .execute(conn)
    .await
    .map(drop)
}

/// The whole timeline, oldest first.
///
/// # Errors
/// When the database refuses.
pub async fn of(conn: &mut PgConnection, order: OrderId) -> Result<Vec<Event>, sqlx::Error> {
    sqlx::query_as!(
        Event,
        "SELECT at,
                kind,
                detail,
                job_id,
                job_kind
           FROM order_events
          WHERE order_id = $1
          ORDER BY id",
        order as OrderId,
    )
    .fetch_all(conn)
    .await
}
