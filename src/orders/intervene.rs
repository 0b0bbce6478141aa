//! What a seller does to a sale of theirs, and an admin to any (ORDER-03): grant more downloads, revoke the licence, restore it,
//! have the delivery repeated. Each act says why, leaves a line in the buyer's timeline and one in the audit log, and takes
//! effect with the commit: a revoked licence gives out no link and its key validates no more. (A link that was signed before
//! opens its file for the rest of its fifteen minutes.)
//!
//! What an admin or a refund revoked, no seller restores. Call these in a privileged transaction: a seller's own writes no
//! licence; [`Act::by`] says who asks, and every act checks that the sale is theirs.

use super::{
    jobs::Fulfil,
    licence::{self, Licence},
    order::{self, Order, OrderKey, OrderState},
    timeline::{self, By, Happened, Line},
};
use crate::{
    audit::{self, Entry, Origin},
    db::Actor,
    identity::account,
    ids::{LicenceId, UserId},
    notifications::email::{self, NewEmail, QueueError},
};
use chrono::{DateTime, Utc};
use mywork_queue::{EnqueueError, Job, JobId, enqueue};
use serde_json::{Value, json};
use sqlx::PgConnection;
use std::ops::RangeInclusive;

/// Longest reason, in characters.
const MAX_REASON: usize = 500;
/// Downloads of each version that one act may add.
pub const EXTENSION: RangeInclusive<i32> = 1..=100;
/// Downloads of each version that a licence may come to.
const MOST_DOWNLOADS: i32 = 10_000;

#[derive(Debug, thiserror::Error)]
pub enum InterveneError {
    /// Or it is somebody else's sale: the two must not be told apart.
    #[error("There is no such order.")]
    UnknownOrder,
    #[error("This order is not paid, so there is nothing to deliver yet.")]
    NotPaid,
    #[error("Say why, in 3 to 500 characters; the buyer reads it, and it is kept in the audit log.")]
    NoReason,
    #[error("Grant 1 to 100 more downloads of each version; a licence may come to 10,000.")]
    Extension,
    #[error("This licence is revoked. Restore it first.")]
    Revoked,
    #[error("{0}")]
    Already(&'static str),
    #[error("The money of this order went back to the buyer, so its licence stays revoked.")]
    Refunded,
    #[error("You did not revoke this licence, so you cannot restore it. Write to support.")]
    NotYours,
    #[error(transparent)]
    Email(#[from] QueueError),
    #[error(transparent)]
    Queue(#[from] EnqueueError),
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

/// Who acts, why, and from where.
#[derive(Clone, Copy, Debug)]
pub struct Act<'a> {
    /// `User`: the seller. `Admin`: an admin.
    pub by: Actor,
    pub reason: &'a str,
    pub origin: &'a Origin,
    pub now: DateTime<Utc>,
}

impl Act<'_> {
    fn reason(&self) -> Result<&str, InterveneError> {
        let reason = self.reason.trim();
        if (3..=MAX_REASON).contains(&reason.chars().count()) { Ok(reason) } else { Err(InterveneError::NoReason) }
    }

    /// As the buyer is told.
    fn who(&self) -> &'static str {
        match self.by {
            Actor::Admin(_) => "MyWork",
            _ => "the seller",
        }
    }

    /// The order, where it is the actor's to act on.
    async fn order(&self, conn: &mut PgConnection, key: &OrderKey) -> Result<Order, InterveneError> {
        let order = match self.by {
            Actor::Admin(_) => order::find(conn, key).await?,
            Actor::User(seller) => order::find_sold(conn, seller, key).await?,
            Actor::Anonymous | Actor::System => None,
        };
        order.ok_or(InterveneError::UnknownOrder)
    }

    /// The order with its licence locked; the order as it is once the lock is ours, since a refund may have held it before.
    async fn licensed(&self, conn: &mut PgConnection, key: &OrderKey) -> Result<(Order, Licence), InterveneError> {
        let order = self.order(conn, key).await?;
        let licence = licence::lock_of_order(conn, order.id).await?.ok_or(InterveneError::NotPaid)?;
        Ok((self.order(conn, &order.id.into()).await?, licence))
    }

    /// The line for the buyer and the line for the auditor.
    async fn tell(&self, conn: &mut PgConnection, order: &Order, told: Told) -> Result<(), InterveneError> {
        let line = Line { what: told.what, detail: &told.detail, once: None, by: None };
        timeline::note(conn, order.id, line, self.now).await?;
        let entry = Entry::new(self.by, told.action, "order", order.id)
            .changed(told.before, told.after)
            .because(self.reason()?)
            .from(self.origin);
        Ok(audit::record(conn, &entry, self.now).await?)
    }
}

struct Told {
    what: Happened,
    detail: String,
    action: &'static str,
    before: Value,
    after: Value,
}

/// Grants `more` downloads of every version.
///
/// # Errors
/// See [`InterveneError`]; nothing is written then, here and below.
pub async fn extend(conn: &mut PgConnection, order: &OrderKey, more: i32, act: Act<'_>) -> Result<Licence, InterveneError> {
    let (order, mut licence) = act.licensed(conn, order).await?;
    let reason = act.reason()?;
    if !licence.is_active() {
        return Err(InterveneError::Revoked);
    }
    let before = licence.max_downloads;
    if !EXTENSION.contains(&more) || before > MOST_DOWNLOADS - more {
        return Err(InterveneError::Extension);
    }
    licence.max_downloads = before + more;
    sqlx::query!("UPDATE licences SET max_downloads = $2 WHERE id = $1", licence.id as LicenceId, licence.max_downloads)
        .execute(&mut *conn)
        .await?;
    let told = Told {
        what: Happened::DownloadsExtended,
        detail: format!("{} of each version instead of {before}, granted by {}: {reason}", licence.max_downloads, act.who()),
        action: "licence.extend",
        before: json!({ "max_downloads": before }),
        after: json!({ "max_downloads": licence.max_downloads }),
    };
    act.tell(conn, &order, told).await?;
    Ok(licence)
}

/// Closes the downloads and the key; the buyer is told by e-mail.
///
/// # Errors
/// As [`extend`].
pub async fn revoke(conn: &mut PgConnection, order: &OrderKey, act: Act<'_>) -> Result<Licence, InterveneError> {
    let (order, mut licence) = act.licensed(conn, order).await?;
    let reason = act.reason()?;
    if !licence.is_active() {
        return Err(InterveneError::Already("This licence is revoked already."));
    }
    sqlx::query!(
        "UPDATE licences
            SET state = 'revoked',
                revoked_at = $2,
                revoked_reason = $3,
                revoked_by = $4
          WHERE id = $1",
        licence.id as LicenceId,
        act.now,
        reason,
        act.by.user() as Option<UserId>,
    )
    .execute(&mut *conn)
    .await?;
    licence.state = licence::LicenceState::Revoked;
    licence.revoked_reason = Some(reason.to_owned());
    licence.revoked_by = act.by.user();
    let told = Told {
        what: Happened::LicenceRevoked,
        detail: format!("By {}: {reason}", act.who()),
        action: "licence.revoke",
        before: json!({ "state": "active" }),
        after: json!({ "state": "revoked" }),
    };
    act.tell(conn, &order, told).await?;
    write_to_buyer(conn, &order, reason, &act).await?;
    Ok(licence)
}

/// Opens the downloads and the key again.
///
/// # Errors
/// As [`extend`].
pub async fn restore(conn: &mut PgConnection, order: &OrderKey, act: Act<'_>) -> Result<Licence, InterveneError> {
    let (order, mut licence) = act.licensed(conn, order).await?;
    let reason = act.reason()?;
    if licence.is_active() {
        return Err(InterveneError::Already("This licence is active: there is nothing to restore."));
    }
    if !matches!(order.state, OrderState::Paid | OrderState::Fulfilled | OrderState::PartiallyRefunded) {
        return Err(InterveneError::Refunded);
    }
    if matches!(act.by, Actor::User(seller) if licence.revoked_by != Some(seller)) {
        return Err(InterveneError::NotYours);
    }
    sqlx::query!(
        "UPDATE licences
            SET state = 'active',
                revoked_at = NULL,
                revoked_reason = NULL,
                revoked_by = NULL
          WHERE id = $1",
        licence.id as LicenceId,
    )
    .execute(&mut *conn)
    .await?;
    licence.state = licence::LicenceState::Active;
    (licence.revoked_reason, licence.revoked_by) = (None, None);
    let told = Told {
        what: Happened::LicenceRestored,
        detail: format!("By {}: {reason}", act.who()),
        action: "licence.restore",
        before: json!({ "state": "revoked" }),
        after: json!({ "state": "active" }),
    };
    act.tell(conn, &order, told).await?;
    Ok(licence)
}

/// What [`deliver`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// Delivered before; nothing is to be done.
    Done,
    /// This job delivers it; one that was waiting or running already is not doubled.
    Underway(JobId),
}

/// Has a paid order delivered whose delivery was given up or never came.
///
/// # Errors
/// As [`extend`]; asking takes no reason.
pub async fn deliver(
    conn: &mut PgConnection,
    order: &OrderKey,
    by: Actor,
    origin: &Origin,
    now: DateTime<Utc>,
) -> Result<Delivery, InterveneError> {
    let act = Act { by, reason: "Delivery asked for again", origin, now };
    let order = act.order(conn, order).await?;
    match order.state {
        OrderState::Pending | OrderState::Failed => return Err(InterveneError::NotPaid),
        OrderState::Paid => {}
        OrderState::Fulfilled | OrderState::PartiallyRefunded | OrderState::Refunded | OrderState::Disputed => {
            return Ok(Delivery::Done);
        }
    }
    let job = enqueue(conn, &Fulfil { order: order.id }).await?;
    if job.fresh {
        let detail = format!("By {}", act.who());
        let by = Some(By { job: job.id, kind: Fulfil::KIND });
        timeline::note(conn, order.id, Line { what: Happened::DeliveryRequested, detail: &detail, once: None, by }, now).await?;
        audit::record(conn, &Entry::new(act.by, "order.deliver", "order", order.id).from(origin), now).await?;
    }
    Ok(Delivery::Underway(job.id))
}

async fn write_to_buyer(conn: &mut PgConnection, order: &Order, reason: &str, act: &Act<'_>) -> Result<(), InterveneError> {
    let to = match account::email_of(conn, order.buyer_id).await {
        // A buyer who has left has no address to write to.
        Err(sqlx::Error::RowNotFound) => return Ok(()),
        other => other?,
    };
    let message = NewEmail {
        dedupe_key: format!("order/{}/licence_revoked/{}", order.id, act.now.timestamp_micros()),
        template: "order_licence_revoked",
        to: &to,
        user: Some(order.buyer_id),
        context: json!({
            "name": order.buyer_name,
            "order_number": order.number,
            "product_title": order.product_title,
            "who": act.who(),
            "reason": reason,
            "library_path": format!("/library/orders/{}", order.id),
        }),
    };
    email::queue(conn, &message, act.now).await?;
    Ok(())
}
