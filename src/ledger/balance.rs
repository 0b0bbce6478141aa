//! What the books say a seller has: pending while buyers may still ask for a refund, then available (PAY-04). Always the sum
//! of the postings, never a stored number, so it cannot drift from them.

use super::account::AccountKind;
use crate::{ids::UserId, money::Cents};
use sqlx::PgConnection;

/// A seller's money. Either part may be negative after a refund of what was already paid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Balance {
    /// Held for buyer protection.
    pub pending: Cents,
    /// Can be paid out.
    pub available: Cents,
}

/// The seller's balance; zero for somebody who never sold.
///
/// # Errors
/// When the database refuses.
pub async fn of(conn: &mut PgConnection, seller: UserId) -> Result<Balance, sqlx::Error> {
    let rows = sqlx::query!(
        r#"SELECT a.kind AS "kind: AccountKind",
                  (-sum(p.amount_cents))::bigint AS "amount!: Cents"
             FROM ledger_accounts a
             JOIN ledger_postings p ON p.account_id = a.id
            WHERE a.owner_id = $1
              AND a.kind IN ('seller_pending', 'seller_available')
            GROUP BY a.kind"#,
        seller as UserId,
    )
    .fetch_all(conn)
    .await?;
    let mut balance = Balance::default();
    for row in rows {
        match row.kind {
            AccountKind::SellerPending => balance.pending = row.amount,
            AccountKind::SellerAvailable => balance.available = row.amount,
            AccountKind::ProcessorClearing | AccountKind::ProcessorFees | AccountKind::PlatformRevenue => {}
        }
    }
    Ok(balance)
}
