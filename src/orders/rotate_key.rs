//! The buyer replaces the key of a licence (ORDER-03), as when it was published by mistake. From the commit on the old key opens
//! nothing, and every device has to be activated again: a seat that was given for the old key is given back with it. The buyer
//! is told by e-mail, in case it was somebody else with their session.

use super::{
    activation, licence,
    order::{self, OrderKey},
    timeline::{self, Happened, Line},
};
use crate::{
    audit::{self, Entry, Origin},
    db::Actor,
    identity::account,
    ids::{LicenceId, OrderId, UserId},
    notifications::email::{self, NewEmail, QueueError},
};
use chrono::{DateTime, Utc};
use serde_json::json;
use sqlx::PgConnection;

#[derive(Debug, thiserror::Error)]
pub enum RotateError {
    #[error("There is no such order.")]
    UnknownOrder,
    #[error("This order has no licence yet; it is granted as soon as the payment has arrived.")]
    NotPaid,
    #[error("This licence was revoked, so it gets no new key.")]
    Revoked,
    #[error(transparent)]
    Email(#[from] QueueError),
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

/// Gives the licence of an order that `buyer` bought a new key, and returns the order. Runs in the system's transaction: a buyer's own
/// writes no licence and no e-mail.
///
/// # Errors
/// See [`RotateError`]; nothing is written then.
pub async fn rotate(
    conn: &mut PgConnection,
    buyer: UserId,
    order: &OrderKey,
    origin: &Origin,
    now: DateTime<Utc>,
) -> Result<OrderId, RotateError> {
    let order = order::find_bought(conn, buyer, order).await?.ok_or(RotateError::UnknownOrder)?;
    let licence = licence::lock_of_order(conn, order.id).await?.ok_or(RotateError::NotPaid)?;
    if !licence.is_active() {
        return Err(RotateError::Revoked);
    }
    let key = licence::new_key();
    sqlx::query!("UPDATE licences SET key = $2 WHERE id = $1", licence.id as LicenceId, key).execute(&mut *conn).await?;
    activation::release_all(conn, licence.id, now).await?;
    // The old key is named, since it is worth nothing any more; the seller reads this line too.
    let detail = format!("{} was replaced by the buyer and stopped working", licence.masked_key());
    timeline::note(conn, order.id, Line { what: Happened::KeyRotated, detail: &detail, once: None, by: None }, now).await?;
    let entry = Entry::new(Actor::User(buyer), "licence.rotate_key", "order", order.id).from(origin);
    audit::record(conn, &entry, now).await?;
    let to = account::email_of(conn, buyer).await?;
    let message = NewEmail {
        dedupe_key: format!("order/{}/key_rotated/{}", order.id, now.timestamp_micros()),
        template: "order_key_rotated",
        to: &to,
        user: Some(buyer),
        context: json!({
            "name": order.buyer_name,
            "order_number": order.number,
            "product_title": order.product_title,
            "library_path": format!("/library/orders/{}", order.id),
        }),
    };
    email::queue(conn, &message, now).await?;
    Ok(order.id)
}
