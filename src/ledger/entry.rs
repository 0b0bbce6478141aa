//! Entries and their postings. [`book`] writes a fact once, whoever repeats it: the constraint `ledger_entries_once` admits
//! one entry per kind and subject, and a second booking changes nothing. Called by `orders::fulfil` and `orders::hold`
//! inside the transaction that changes the order itself, so that the books and the order never disagree.

use super::account::{self, Account, AccountKind};
use crate::{
    ids::{CheckoutId, OrderId, UserId},
    money::Cents,
};
use chrono::{DateTime, Utc};
use sqlx::PgConnection;
use uuid::Uuid;

/// Facts that are booked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum EntryKind {
    /// An order was paid: the seller's pending share and our commission.
    Sale,
    /// The processor's fee of one payment.
    ProcessorFee,
    /// The hold is over: pending becomes available.
    HoldRelease,
}

impl EntryKind {
    /// As a person reads it on the page of an order.
    pub fn label(self) -> &'static str {
        match self {
            EntryKind::Sale => "Sale",
            EntryKind::ProcessorFee => "Processor's fee",
            EntryKind::HoldRelease => "Hold released",
        }
    }
}

/// What an entry is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    Order(OrderId),
    Checkout(CheckoutId),
}

impl Subject {
    fn parts(self) -> (&'static str, Uuid) {
        match self {
            Subject::Order(id) => ("order", id.0),
            Subject::Checkout(id) => ("checkout", id.0),
        }
    }
}

/// One side of an entry: positive is a debit, negative a credit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Posting {
    pub account: Account,
    pub amount: Cents,
}

impl Posting {
    pub fn debit(account: Account, amount: Cents) -> Posting {
        Posting { account, amount }
    }

    pub fn credit(account: Account, amount: Cents) -> Posting {
        Posting { account, amount: -amount }
    }
}

/// Answer of [`book`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Booked {
    /// False when the fact had been booked before.
    pub fresh: bool,
}

/// Why an entry was not booked.
#[derive(Debug, thiserror::Error)]
pub enum BookError {
    /// A fault of ours: the database would refuse it at the commit; this names the entry while it is still known which.
    #[error("the postings of a {kind:?} entry are {over} over")]
    Unbalanced { kind: EntryKind, over: Cents },
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

/// Books a fact once. Postings of zero are left out; an entry of which nothing remains (a gift, a free product) is not
/// booked at all.
///
/// # Errors
/// [`BookError::Unbalanced`] when the postings do not sum to zero; nothing is written then.
pub async fn book(
    conn: &mut PgConnection,
    kind: EntryKind,
    subject: Subject,
    postings: &[Posting],
    description: &str,
    now: DateTime<Utc>,
) -> Result<Booked, BookError> {
    let over: Cents = postings.iter().map(|p| p.amount).sum();
    if over != Cents::ZERO {
        return Err(BookError::Unbalanced { kind, over });
    }
    let mut postings: Vec<Posting> = postings.iter().copied().filter(|p| p.amount != Cents::ZERO).collect();
    if postings.is_empty() {
        return Ok(Booked { fresh: false });
    }
    let entry = Uuid::now_v7();
    let (subject_kind, subject_id) = subject.parts();
    let booked = sqlx::query!(
        "INSERT INTO ledger_entries (id, kind, subject_kind, subject_id, description, occurred_at)
         VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT ON CONSTRAINT ledger_entries_once DO NOTHING",
        entry,
        kind as EntryKind,
        subject_kind,
        subject_id,
        description,
        now,
    )
    .execute(&mut *conn)
    .await?
    .rows_affected();
    if booked == 0 {
        return Ok(Booked { fresh: false });
    }
    // Always in the same order: two bookings that open the same accounts then wait for each other instead of deadlocking.
    postings.sort_by_key(|p| p.account);
    for posting in &postings {
        let account = account::open(conn, posting.account).await?;
        sqlx::query!(
            "INSERT INTO ledger_postings (entry_id, account_id, amount_cents)
             VALUES ($1, $2, $3)",
            entry,
            account,
            posting.amount as Cents,
        )
        .execute(&mut *conn)
        .await?;
    }
    Ok(Booked { fresh: true })
}

/// A posting as the admin's page of an order shows it.
#[derive(Clone, Debug)]
pub struct BookedPosting {
    pub entry_kind: EntryKind,
    pub description: String,
    pub occurred_at: DateTime<Utc>,
    pub account: AccountKind,
    /// `None`: the platform's own account.
    pub owner: Option<UserId>,
    pub amount: Cents,
}

/// What was booked for an order and for the payment it belongs to, in the order it was booked.
///
/// # Errors
/// When the database refuses.
pub async fn of_order(conn: &mut PgConnection, order: OrderId, checkout: CheckoutId) -> Result<Vec<BookedPosting>, sqlx::Error> {
    sqlx::query_as!(
        BookedPosting,
        r#"SELECT e.kind AS "entry_kind: EntryKind",
                  e.description,
                  e.occurred_at,
                  a.kind AS "account: AccountKind",
                  a.owner_id AS "owner: UserId",
                  p.amount_cents AS "amount: Cents"
             FROM ledger_entries e
             JOIN ledger_postings p ON p.entry_id = e.id
             JOIN ledger_accounts a ON a.id = p.account_id
            WHERE (e.subject_kind = 'order' AND e.subject_id = $1)
               OR (e.subject_kind = 'checkout' AND e.subject_id = $2)
            ORDER BY p.id"#,
        order as OrderId,
        checkout as CheckoutId,
    )
    .fetch_all(conn)
    .await
}
