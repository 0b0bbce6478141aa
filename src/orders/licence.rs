//! What a buyer holds after paying: one licence per order, with a key of its own, a number of downloads per version and a
//! time in which new versions are theirs. Granted by `fulfil::settle`, read by the library, the certificate and downloads,
//! changed by `rotate_key` and `intervene`, entered on devices by `activation`.
//! The kinds and their rights are `catalog/licence.rs`.

use crate::{
    catalog::licence::LicenceKind,
    ids::{LicenceId, OrderId, ProductId, UserId},
};
use chrono::{DateTime, Months, Utc};
use rand::Rng;
use sqlx::PgConnection;

/// Whether a licence opens anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "snake_case")]
pub enum LicenceState {
    Active,
    Revoked,
}

/// A licence as it is kept.
#[derive(Clone, Debug)]
pub struct Licence {
    pub id: LicenceId,
    pub order_id: OrderId,
    pub owner_id: UserId,
    pub product_id: ProductId,
    pub kind: LicenceKind,
    /// `MW-XXXXX-XXXXX-XXXXX-XXXXX`
    pub key: String,
    pub state: LicenceState,
    /// Per version.
    pub max_downloads: i32,
    /// Versions released until then are included; `None`: always.
    pub updates_until: Option<DateTime<Utc>>,
    pub created_at: DateTime<Utc>,
    pub revoked_reason: Option<String>,
    /// `None` while active, and where the system revoked it, as a refund does.
    pub revoked_by: Option<UserId>,
}

impl Licence {
    pub fn is_active(&self) -> bool {
        self.state == LicenceState::Active
    }

    /// The key with all but its last group hidden, for a screen that others may see.
    pub fn masked_key(&self) -> String {
        mask(&self.key)
    }
}

/// A licence somebody holds for a product, as a product page and the checkout need to know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    pub order: OrderId,
    pub order_number: String,
    pub kind: LicenceKind,
}

macro_rules! select_licence {
    ($tail:literal, $argument:expr) => {
        sqlx::query_as!(
            Licence,
            r#"SELECT id AS "id: LicenceId",
                      order_id AS "order_id: OrderId",
                      owner_id AS "owner_id: UserId",
                      product_id AS "product_id: ProductId",
                      licence AS "kind: LicenceKind",
                      key,
                      state AS "state: LicenceState",
                      max_downloads,
                      updates_until,
                      created_at,
                      revoked_reason,
                      revoked_by AS "revoked_by: UserId"
                 FROM licences "#
                + $tail,
            $argument
        )
    };
}

/// The licence of an order, once it is paid.
///
/// # Errors
/// When the database refuses.
pub async fn of_order(conn: &mut PgConnection, order: OrderId) -> Result<Option<Licence>, sqlx::Error> {
    select_licence!("WHERE order_id = $1", order as OrderId).fetch_optional(conn).await
}

/// The same, its row locked until the transaction ends: whoever changes a licence or counts its seats comes one by one.
pub(super) async fn lock_of_order(conn: &mut PgConnection, order: OrderId) -> Result<Option<Licence>, sqlx::Error> {
    select_licence!("WHERE order_id = $1 FOR UPDATE", order as OrderId).fetch_optional(conn).await
}

/// The active licence whose key a program sent, its row locked.
pub(super) async fn lock_of_key(conn: &mut PgConnection, key: &str) -> Result<Option<Licence>, sqlx::Error> {
    select_licence!("WHERE key = $1 AND state = 'active' FOR UPDATE", read_key(key)).fetch_optional(conn).await
}

/// The active licence whose key a program sent.
pub(super) async fn of_key(conn: &mut PgConnection, key: &str) -> Result<Option<Licence>, sqlx::Error> {
    select_licence!("WHERE key = $1 AND state = 'active'", read_key(key)).fetch_optional(conn).await
}

/// The widest active licence that somebody holds for a product: "you own this".
///
/// # Errors
/// When the database refuses.
pub async fn held(conn: &mut PgConnection, owner: UserId, product: ProductId) -> Result<Option<Held>, sqlx::Error> {
    let mut held = sqlx::query_as!(
        Held,
        r#"SELECT o.id AS "order: OrderId",
                  o.number AS order_number,
                  l.licence AS "kind: LicenceKind"
             FROM licences l
             JOIN orders o ON o.id = l.order_id
            WHERE l.owner_id = $1
              AND l.product_id = $2
              AND l.state = 'active'
            ORDER BY l.id"#,
        owner as UserId,
        product as ProductId,
    )
    .fetch_all(conn)
    .await?;
    held.sort_by_key(|h| h.kind);
    Ok(held.pop())
}

/// What a licence is granted for.
pub(crate) struct Grant {
    pub order: OrderId,
    pub owner: UserId,
    pub product: ProductId,
    pub kind: LicenceKind,
    pub max_downloads: i32,
    pub update_months: Option<i32>,
}

/// Grants the licence of an order; a second grant for the same order changes nothing.
pub(crate) async fn grant(conn: &mut PgConnection, grant: &Grant, now: DateTime<Utc>) -> Result<(), sqlx::Error> {
    let updates_until = grant.update_months.map(|months| now + Months::new(months.unsigned_abs()));
    sqlx::query!(
        "INSERT INTO licences (id, order_id, owner_id, product_id, licence, key, max_downloads, updates_until, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
         ON CONFLICT ON CONSTRAINT licences_order_key DO NOTHING",
        LicenceId::new() as LicenceId,
        grant.order as OrderId,
        grant.owner as UserId,
        grant.product as ProductId,
        grant.kind as LicenceKind,
        new_key(),
        grant.max_downloads,
        updates_until,
        now,
    )
    .execute(conn)
    .await
    .map(drop)
}

/// Crockford's base 32: no I, L, O or U, so that a key can be read out over the telephone.
const SYMBOLS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// A new key of a hundred random bits.
pub(super) fn new_key() -> String {
    let mut rng = rand::rng();
    let group = |rng: &mut rand::rngs::ThreadRng| -> String {
        (0..5).map(|_| char::from(SYMBOLS[rng.random_range(0..SYMBOLS.len())])).collect()
    };
    let groups: Vec<String> = (0..4).map(|_| group(&mut rng)).collect();
    format!("MW-{}", groups.join("-"))
}

/// A key as people type it, in the one way it is kept: `o`, `i` and `l` are what they look like.
fn read_key(typed: &str) -> String {
    let kept = |c: char| match c.to_ascii_uppercase() {
        'O' => Some('0'),
        'I' | 'L' => Some('1'),
        c if c.is_ascii_alphanumeric() || c == '-' => Some(c),
        _ => None,
    };
    typed.chars().filter_map(kept).take(64).collect()
}

fn mask(key: &str) -> String {
    match key.rsplit_once('-') {
        Some((_, last)) => format!("MW-•••••-•••••-•••••-{last}"),
        None => "•••••".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn keys_have_one_shape_and_never_repeat() {
        let keys: HashSet<String> = (0..1_000).map(|_| new_key()).collect();
        assert_eq!(keys.len(), 1_000);
        for key in &keys {
            let groups: Vec<&str> = key.split('-').collect();
            assert_eq!((groups.len(), groups[0]), (5, "MW"));
            assert!(groups[1..].iter().all(|g| g.len() == 5 && g.bytes().all(|b| SYMBOLS.contains(&b))), "{key}");
        }
    }

    #[test]
    fn a_key_is_read_the_way_people_type_it() {
        assert_eq!(read_key(" mw-o1il2-abcde\n"), "MW-01112-ABCDE");
        let key = new_key();
        assert_eq!(read_key(&key.to_lowercase()), key);
        assert_eq!(read_key(&"A".repeat(1_000)).len(), 64);
    }

    #[test]
    fn a_masked_key_shows_only_its_last_group() {
        assert_eq!(mask("MW-11111-22222-33333-ABCDE"), "MW-•••••-•••••-•••••-ABCDE");
        assert_eq!(mask("other"), "•••••");
    }
}
