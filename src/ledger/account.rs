//! Accounts of the ledger. The platform's own exist once per currency, a seller's once per seller; both are opened by their
//! first posting.

use crate::ids::UserId;
use sqlx::PgConnection;
use uuid::Uuid;

/// Kinds of account, as in the constraint `ledger_accounts_kind`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum AccountKind {
    /// What the payment processor holds for us.
    ProcessorClearing,
    /// What the processor keeps: an expense.
    ProcessorFees,
    /// Our commissions.
    PlatformRevenue,
    /// A seller's share while the buyer may still ask for a refund.
    SellerPending,
    /// A seller's share that can be paid out.
    SellerAvailable,
}

impl AccountKind {
    /// As a person reads it on the page of an order.
    pub fn label(self) -> &'static str {
        match self {
            AccountKind::ProcessorClearing => "Processor clearing",
            AccountKind::ProcessorFees => "Processor fees",
            AccountKind::PlatformRevenue => "Platform revenue",
            AccountKind::SellerPending => "Seller, pending",
            AccountKind::SellerAvailable => "Seller, available",
        }
    }
}

/// An account by what it is, whether or not it has been opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Account {
    pub kind: AccountKind,
    /// `None`: the platform's own.
    pub owner: Option<UserId>,
}

impl Account {
    pub const PROCESSOR_CLEARING: Account = Account { kind: AccountKind::ProcessorClearing, owner: None };
    pub const PROCESSOR_FEES: Account = Account { kind: AccountKind::ProcessorFees, owner: None };
    pub const PLATFORM_REVENUE: Account = Account { kind: AccountKind::PlatformRevenue, owner: None };

    pub fn seller_pending(seller: UserId) -> Account {
        Account { kind: AccountKind::SellerPending, owner: Some(seller) }
    }

    pub fn seller_available(seller: UserId) -> Account {
        Account { kind: AccountKind::SellerAvailable, owner: Some(seller) }
    }
}

/// The row of an account, opened if need be. Two first sales at once race on `ledger_accounts_once`; the loser waits, inserts
/// nothing and reads the winner's row.
pub(super) async fn open(conn: &mut PgConnection, account: Account) -> Result<Uuid, sqlx::Error> {
    let known = find(conn, account).await?;
    if let Some(id) = known {
        return Ok(id);
    }
    sqlx::query!(
        "INSERT INTO ledger_accounts (id, kind, owner_id)
         VALUES ($1, $2, $3)
         ON CONFLICT ON CONSTRAINT ledger_accounts_once DO NOTHING",
        Uuid::now_v7(),
        account.kind as AccountKind,
        account.owner as Option<UserId>,
    )
    .execute(&mut *conn)
    .await?;
    find(conn, account).await?.ok_or(sqlx::Error::RowNotFound)
}

async fn find(conn: &mut PgConnection, account: Account) -> Result<Option<Uuid>, sqlx::Error> {
    sqlx::query_scalar!(
        "SELECT id
           FROM ledger_accounts
          WHERE kind = $1
            AND owner_id IS NOT DISTINCT FROM $2
            AND currency = 'usd'",
        account.kind as AccountKind,
        account.owner as Option<UserId>,
    )
    .fetch_optional(conn)
    .await
}
