//! What a buyer may choose, and what each choice allows (PROD-11; table "Licences" of spec 3). The rights belong to the kind of
//! licence; the seller sets the price and may tighten downloads and updates, never loosen them. A licence *bought* is
//! `orders/licence.rs`.

use super::{Problems, product::ProductState};
use crate::ids::ProductId;
use crate::money::Cents;
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;

/// The three licences, from the narrowest to the widest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, sqlx::Type)]
#[sqlx(type_name = "text", rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum LicenceKind {
    Standard,
    Extended,
    Enterprise,
}

/// What a licence allows, for a comparison a buyer can read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Rights {
    pub projects: &'static str,
    pub seats: &'static str,
    pub commercial_use: bool,
    pub modification: bool,
    /// As a part of products sold to others.
    pub in_products_sold: bool,
    /// As such.
    pub resale: bool,
    pub attribution: &'static str,
}

impl LicenceKind {
    pub const ALL: [LicenceKind; 3] = [Self::Standard, Self::Extended, Self::Enterprise];

    /// The word the database and the API use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::Extended => "extended",
            Self::Enterprise => "enterprise",
        }
    }

    /// What it allows; the same for every product.
    pub fn rights(self) -> Rights {
        let (projects, seats, in_products_sold, attribution) = match self {
            Self::Standard => ("1 project", "1 person", false, "asked"),
            Self::Extended => ("any number of projects", "10 people", true, "not needed"),
            Self::Enterprise => ("any number of projects", "the whole company", true, "not needed"),
        };
        Rights { projects, seats, commercial_use: true, modification: true, in_products_sold, resale: false, attribution }
    }

    /// Devices on which its key may be active at once; `None`: any number.
    pub fn seats(self) -> Option<i64> {
        match self {
            Self::Standard => Some(1),
            Self::Extended => Some(10),
            Self::Enterprise => None,
        }
    }

    /// Downloads per version, unless the seller allows fewer.
    pub fn max_downloads(self) -> i32 {
        match self {
            Self::Standard => 10,
            Self::Extended => 50,
            Self::Enterprise => 200,
        }
    }

    /// Months of new versions, unless the seller gives fewer; `None` is always.
    pub fn update_months(self) -> Option<i32> {
        match self {
            Self::Standard => Some(12),
            Self::Extended => Some(24),
            Self::Enterprise => None,
        }
    }
}

impl std::str::FromStr for LicenceKind {
    type Err = ();
    fn from_str(word: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word).ok_or(())
    }
}

/// One licence at its price.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    pub licence: LicenceKind,
    pub price_cents: Cents,
    /// `None`: not sold for credits.
    pub price_credits: Option<i64>,
    /// Per version.
    pub max_downloads: i32,
    /// `None`: always.
    pub update_months: Option<i32>,
}

impl Offer {
    /// The licence at this price with everything else as the table has it.
    pub fn at(licence: LicenceKind, price_cents: Cents) -> Self {
        Self {
            licence,
            price_cents,
            price_credits: None,
            max_downloads: licence.max_downloads(),
            update_months: licence.update_months(),
        }
    }
}

/// Highest price of a product.
pub const MAX_PRICE: Cents = Cents(1_000_000);
/// The least a card payment may be, in total.
pub const MIN_CARD_TOTAL: Cents = Cents(500);

/// Whether these offers may stand together; fields are named `<licence>_price` and so on, as in the form.
pub fn check(offers: &[Offer]) -> Problems {
    let mut problems = Problems::default();
    if offers.is_empty() {
        problems.add("standard_price", "Offer at least one licence.");
    }
    for (i, offer) in offers.iter().enumerate() {
        let name = offer.licence.as_str();
        if offers[..i].iter().any(|other| other.licence == offer.licence) {
            problems.add(format!("{name}_price"), "This licence is named twice.");
        }
        if offer.price_cents < Cents::ZERO || offer.price_cents > MAX_PRICE {
            problems.add(format!("{name}_price"), "Ask for $0 to $10,000.");
        } else if offer.price_cents > Cents::ZERO && offer.price_cents < MIN_CARD_TOTAL && offer.price_credits.is_none() {
            problems.add(
                format!("{name}_price"),
                "A card payment is at least $5.00: ask for $5.00 or more, make it free, or sell it for credits too.",
            );
        }
        if offer.price_credits.is_some_and(|credits| !(1..=1_000_000).contains(&credits)) {
            problems.add(format!("{name}_credits"), "Ask for 1 to 1,000,000 credits, or leave it empty.");
        }
        let most = offer.licence.max_downloads();
        if !(1..=most).contains(&offer.max_downloads) {
            problems.add(format!("{name}_downloads"), format!("Allow 1 to {most} downloads of each version."));
        }
        match (offer.licence.update_months(), offer.update_months) {
            (Some(most), Some(months)) if (1..=most).contains(&months) => {}
            (Some(most), _) => problems.add(format!("{name}_updates"), format!("Give 1 to {most} months of new versions.")),
            (None, Some(months)) if !(1..=120).contains(&months) => {
                problems.add(format!("{name}_updates"), "Give 1 to 120 months of new versions, or leave it empty for always.");
            }
            (None, _) => {}
        }
    }
    problems
}

/// `49`, `49.5` or `$1,299.00` as cents, digit by digit.
///
/// # Errors
/// A sentence for the person who typed it.
pub fn parse_dollars(text: &str) -> Result<Cents, &'static str> {
    const SENTENCE: &str = "Write an amount in dollars, like 49 or 49.00.";
    let text = text.trim();
    let text = text.strip_prefix('$').unwrap_or(text).trim_start();
    let (whole, fraction) = match text.split_once('.') {
        Some((_, "")) => return Err(SENTENCE),
        Some(parts) => parts,
        None => (text, ""),
    };
    let mut groups = whole.split(',');
    let head = groups.next().unwrap_or_default();
    let grouped = whole.contains(',');
    if grouped && (head.len() > 3 || !groups.all(|group| group.len() == 3)) {
        return Err(SENTENCE);
    }
    let whole = whole.replace(',', "");
    let digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    if head.is_empty() || !digits(&whole) || !digits(fraction) || fraction.len() > 2 {
        return Err(SENTENCE);
    }
    let cents: i64 = format!("{fraction:0<2}").parse().map_err(|_| SENTENCE)?;
    let dollars: i64 = whole.parse().map_err(|_| SENTENCE)?;
    dollars.checked_mul(100).and_then(|d| d.checked_add(cents)).map(Cents).ok_or("That is more than anybody can pay.")
}

/// What a product is offered at, the narrowest licence first.
///
/// # Errors
/// When the database fails.
pub async fn offers_of(connection: &mut PgConnection, product: ProductId) -> Result<Vec<Offer>, sqlx::Error> {
    sqlx::query_as!(
        Offer,
        r#"SELECT
             licence AS "licence: LicenceKind",
             price_cents AS "price_cents: Cents",
             price_credits,
             max_downloads,
             update_months
           FROM product_licences
           WHERE product_id = $1
           ORDER BY array_position(ARRAY['standard', 'extended', 'enterprise'], licence)"#,
        product as ProductId,
    )
    .fetch_all(connection)
    .await
}

/// The offer of one licence, if the product is on sale and offers it.
///
/// # Errors
/// When the database fails.
pub async fn find_offer(
    connection: &mut PgConnection,
    product: ProductId,
    licence: LicenceKind,
) -> Result<Option<Offer>, sqlx::Error> {
    sqlx::query_as!(
        Offer,
        r#"SELECT
             l.licence AS "licence: LicenceKind",
             l.price_cents AS "price_cents: Cents",
             l.price_credits,
             l.max_downloads,
             l.update_months
           FROM product_licences l
           JOIN products p ON p.id = l.product_id
           WHERE l.product_id = $1 AND l.licence = $2 AND p.state = $3"#,
        product as ProductId,
        licence as LicenceKind,
        ProductState::Active as ProductState,
    )
    .fetch_optional(connection)
    .await
}

/// Makes these the product's offers and the lowest of them its price. The caller holds the product's lock.
pub(super) async fn replace(connection: &mut PgConnection, product: ProductId, offers: &[Offer]) -> Result<(), sqlx::Error> {
    let kept: Vec<String> = offers.iter().map(|offer| offer.licence.as_str().to_owned()).collect();
    sqlx::query!("DELETE FROM product_licences WHERE product_id = $1 AND licence <> ALL($2)", product as ProductId, &kept)
        .execute(&mut *connection)
        .await?;
    for offer in offers {
        sqlx::query!(
            "INSERT INTO product_licences (product_id, licence, price_cents, price_credits, max_downloads, update_months)
             VALUES ($1, $2, $3, $4, $5, $6)
             ON CONFLICT ON CONSTRAINT product_licences_pkey DO UPDATE SET
               price_cents = EXCLUDED.price_cents,
               price_credits = EXCLUDED.price_credits,
               max_downloads = EXCLUDED.max_downloads,
               update_months = EXCLUDED.update_months",
            product as ProductId,
            offer.licence as LicenceKind,
            offer.price_cents as Cents,
            offer.price_credits,
            offer.max_downloads,
            offer.update_months,
        )
        .execute(&mut *connection)
        .await?;
    }
    let lowest = offers.iter().map(|offer| offer.price_cents).min().unwrap_or(Cents::ZERO);
    sqlx::query!("UPDATE products SET price_cents = $2 WHERE id = $1", product as ProductId, lowest as Cents)
        .execute(connection)
        .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dollars_are_read_without_floats() {
        assert_eq!(parse_dollars("49"), Ok(Cents(4_900)));
        assert_eq!(parse_dollars(" $49.00 "), Ok(Cents(4_900)));
        assert_eq!(parse_dollars("0.29"), Ok(Cents(29)));
        assert_eq!(parse_dollars("49.5"), Ok(Cents(4_950)));
        assert_eq!(parse_dollars("1,299.00"), Ok(Cents(129_900)));
        for wrong in ["", "-1", "4.999", "1e3", "12,34", ",123", "49.", ".5", "forty", "١٢", "99999999999999999999"] {
            assert!(parse_dollars(wrong).is_err(), "{wrong}");
        }
        assert!(parse_dollars("92233720368547759").is_err(), "does not fit in cents");
    }

    #[test]
    fn the_defaults_of_the_table_may_stand() {
        let offers: Vec<_> = LicenceKind::ALL.into_iter().map(|kind| Offer::at(kind, Cents(4_900))).collect();
        assert!(check(&offers).is_empty());
    }

    #[test]
    fn a_seller_may_tighten_and_not_loosen() {
        let mut offer = Offer::at(LicenceKind::Standard, Cents(4_900));
        offer.max_downloads = 5;
        offer.update_months = Some(6);
        assert!(check(&[offer.clone()]).is_empty());
        offer.max_downloads = 11;
        offer.update_months = None;
        let fields: Vec<_> = check(&[offer]).0.into_keys().collect();
        assert_eq!(fields, ["standard_downloads", "standard_updates"]);
    }

    #[test]
    fn prices_stay_between_nothing_and_ten_thousand() {
        let priced = |cents| check(&[Offer::at(LicenceKind::Standard, Cents(cents))]);
        assert!(priced(0).is_empty());
        assert!(priced(1_000_000).is_empty());
        assert!(!priced(1_000_001).is_empty());
        assert!(!priced(-1).is_empty());
        assert!(!priced(499).is_empty(), "no card payment is that small");
        assert!(!check(&[]).is_empty());
    }
}
