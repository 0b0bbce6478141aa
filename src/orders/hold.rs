//! Buyer protection: a seller's share is pending for seven days, then available (PAY-04). The scheduled job
//! `orders.release_hold` calls [`release_due`] until nothing is left. An order that is refunded or disputed keeps its hold.

use super::{
    order::OrderState,
    timeline::{self, By, Happened, Line},
};
use crate::{
    ids::{OrderId, UserId},
    ledger::{
        account::Account,
        entry::{self, BookError, EntryKind, Posting, Subject},
    },
    money::Cents,
};
use chrono::{DateTime, Utc};
use sqlx::PgConnection;

struct Held {
    id: OrderId,
    number: String,
    seller_id: UserId,
    seller_share: Cents,
}

/// Releases up to `limit` holds that are over and returns how many it released. Two runs at once share the work: each skips
/// the rows that the other has locked, and the ledger admits one release per order whoever comes second.
///
/// # Errors
/// When the database refuses; nothing is released then.
pub async fn release_due(conn: &mut PgConnection, limit: i64, by: Option<By>, now: DateTime<Utc>) -> Result<usize, BookError> {
    let due = sqlx::query_as!(
        Held,
        r#"SELECT id AS "id: OrderId",
                  number,
                  seller_id AS "seller_id: UserId",
                  seller_cents AS "seller_share: Cents"
             FROM orders
            WHERE hold_until <= $1
              AND hold_released_at IS NULL
              AND state = ANY($2)
            ORDER BY hold_until
            LIMIT $3
              FOR UPDATE SKIP LOCKED"#,
        now,
        &[OrderState::Paid.as_str().to_owned(), OrderState::Fulfilled.as_str().to_owned()],
        limit,
    )
    .fetch_all(&mut *conn)
    .await?;
    for order in &due {
        release(conn, order, by, now).await?;
    }
    Ok(due.len())
}

async fn release(conn: &mut PgConnection, order: &Held, by: Option<By>, now: DateTime<Utc>) -> Result<(), BookError> {
    let postings = release_postings(order.seller_id, order.seller_share);
    let description = format!("Hold of order {}", order.number);
    entry::book(conn, EntryKind::HoldRelease, Subject::Order(order.id), &postings, &description, now).await?;
    sqlx::query!("UPDATE orders SET hold_released_at = $2 WHERE id = $1", order.id as OrderId, now).execute(&mut *conn).await?;
    let line = Line {
        what: Happened::HoldReleased,
        detail: &format!("{} are available to the seller", order.seller_share),
        once: Some("hold_released"),
        by,
    };
    timeline::note(conn, order.id, line, now).await?;
    Ok(())
}

fn release_postings(seller: UserId, share: Cents) -> [Posting; 2] {
    [Posting::debit(Account::seller_pending(seller), share), Posting::credit(Account::seller_available(seller), share)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_leaves_pending_arrives_in_available() {
        let [out, into] = release_postings(UserId::new(), Cents(26_910));
        assert_eq!((out.amount, into.amount), (Cents(26_910), Cents(-26_910)));
        assert_eq!(out.account.owner, into.account.owner);
    }
}
