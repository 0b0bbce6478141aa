//! What the platform keeps of a sale: a versioned schedule, read from `commission_schedules` and frozen on each order
//! (PAY-09). Code is sold at a flat rate, prompts by the seller's settled dollars of the previous calendar month; a seller may
//! have agreed another rate. The processor's fee is the platform's to bear and is only shown, line by line.
//! Called by `open::open`; the rules themselves are pure.

use crate::{
    catalog::product::ProductKind,
    ids::UserId,
    money::{BasisPoints, Cents},
};
use chrono::{DateTime, Datelike, Months, NaiveDate, Utc};
use serde::{Deserialize, Serialize};
use sqlx::{PgConnection, types::Json};

/// One version of the schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    pub version: i32,
    pub rules: Rules,
}

/// The content of `commission_schedules.rules`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rules {
    code_bps: BasisPoints,
    prompt: PromptRules,
    processor: ProcessorFee,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct PromptRules {
    first_month_bps: BasisPoints,
    /// Ascending by `from_cents`, the first from zero.
    tiers: Vec<Tier>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Tier {
    from_cents: Cents,
    bps: BasisPoints,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct ProcessorFee {
    bps: BasisPoints,
    fixed_cents: Cents,
}

/// What is known of a seller when one of their products is sold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// A rate agreed with this seller for this kind of product.
    pub agreed: Option<BasisPoints>,
    /// Within a month of becoming a seller.
    pub first_month: bool,
    /// Sales whose hold ended in the previous calendar month.
    pub settled_last_month: Cents,
}

/// A sale taken apart: `platform_fee + seller` is the amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shares {
    pub rate: BasisPoints,
    pub platform_fee: Cents,
    pub seller: Cents,
}

/// Why no commission can be named.
#[derive(Debug, thiserror::Error)]
pub enum CommissionError {
    #[error("A bundle is sold item by item, and each item carries its own commission.")]
    BundleHasNoRate,
    #[error("No commission schedule is in force; run `mywork migrate`.")]
    NoSchedule,
    #[error(transparent)]
    Database(#[from] sqlx::Error),
}

impl Rules {
    /// The rate of one line. An agreed rate goes before everything else, a first month before the tiers.
    ///
    /// # Errors
    /// [`CommissionError::BundleHasNoRate`]: its items have.
    pub fn rate(&self, kind: ProductKind, standing: Standing) -> Result<BasisPoints, CommissionError> {
        let by_schedule = match kind {
            ProductKind::Code => self.code_bps,
            ProductKind::Prompt if standing.first_month => self.prompt.first_month_bps,
            ProductKind::Prompt => self.prompt.tier(standing.settled_last_month),
            ProductKind::Bundle => return Err(CommissionError::BundleHasNoRate),
        };
        Ok(standing.agreed.unwrap_or(by_schedule))
    }

    /// The processor's fee of one payment; nothing is paid for nothing.
    pub fn processor_fee(&self, total: Cents) -> Cents {
        if total <= Cents::ZERO { Cents::ZERO } else { total.share(self.processor.bps) + self.processor.fixed_cents }
    }

    /// The fee of one payment, spread over its lines by their amounts so that the parts add up to it.
    pub fn processor_fee_by_line(&self, amounts: &[Cents]) -> Vec<Cents> {
        let weights: Vec<u64> = amounts.iter().map(|a| u64::try_from(a.0).unwrap_or(0)).collect();
        self.processor_fee(amounts.iter().copied().sum()).split(&weights)
    }
}

impl PromptRules {
    fn tier(&self, settled: Cents) -> BasisPoints {
        let reached = self.tiers.iter().rev().find(|t| settled >= t.from_cents);
        reached.or(self.tiers.first()).map_or(self.first_month_bps, |t| t.bps)
    }
}

/// Divides an amount at a rate. The platform's part is rounded, the seller has the rest: the parts always add up.
pub fn divide(amount: Cents, rate: BasisPoints) -> Shares {
    let platform_fee = amount.share(rate);
    Shares { rate, platform_fee, seller: amount - platform_fee }
}

/// The schedule in force.
///
/// # Errors
/// [`CommissionError::NoSchedule`] before the migrations have run.
pub async fn in_force(conn: &mut PgConnection, now: DateTime<Utc>) -> Result<Schedule, CommissionError> {
    let row = sqlx::query!(
        r#"SELECT version,
                  rules AS "rules: Json<Rules>"
             FROM commission_schedules
            WHERE effective_from <= $1
            ORDER BY version DESC
            LIMIT 1"#,
        now,
    )
    .fetch_optional(conn)
    .await?
    .ok_or(CommissionError::NoSchedule)?;
    Ok(Schedule { version: row.version, rules: row.rules.0 })
}

/// How a seller stands when they sell a product of this kind. Reads other buyers' orders, so it needs a transaction of the
/// system.
///
/// # Errors
/// When the database refuses.
pub async fn standing(
    conn: &mut PgConnection,
    seller: UserId,
    kind: ProductKind,
    now: DateTime<Utc>,
) -> Result<Standing, CommissionError> {
    let (from, to) = previous_month(now);
    let row = sqlx::query!(
        r#"SELECT (SELECT bps FROM seller_commission_rates WHERE seller_id = $1 AND kind = $2) AS "agreed: BasisPoints",
                  (SELECT created_at FROM sellers WHERE user_id = $1) AS selling_since,
                  (SELECT coalesce(sum(amount_cents), 0)::bigint
                     FROM orders
                    WHERE seller_id = $1
                      AND hold_released_at >= $3
                      AND hold_released_at < $4) AS "settled!: Cents""#,
        seller as UserId,
        kind as ProductKind,
        from,
        to,
    )
    .fetch_one(conn)
    .await?;
    Ok(Standing {
        agreed: row.agreed,
        first_month: row.selling_since.is_none_or(|since| now < since + Months::new(1)),
        settled_last_month: row.settled,
    })
}

/// From the first instant of the previous calendar month (UTC) to the first of this one.
fn previous_month(now: DateTime<Utc>) -> (DateTime<Utc>, DateTime<Utc>) {
    let first = NaiveDate::from_ymd_opt(now.year(), now.month(), 1).expect("every month has a first day");
    let this = first.and_time(chrono::NaiveTime::MIN).and_utc();
    (this - Months::new(1), this)
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeZone;
    use proptest::prelude::*;

    /// The rules as the migration installs them.
    fn version_1() -> Rules {
        let sql = include_str!("../../migrations/0007_reference.sql");
        let json = sql.split('\'').find(|part| part.trim_start().starts_with('{')).expect("the rules of version 1");
        serde_json::from_str(json).expect("rules that this release reads")
    }

    fn settled(dollars_and_cents: i64) -> Standing {
        Standing { agreed: None, first_month: false, settled_last_month: Cents(dollars_and_cents) }
    }

    #[test]
    fn code_is_flat_and_prompts_go_by_last_month() {
        let rules = version_1();
        assert_eq!(rules.rate(ProductKind::Code, settled(9_999_999)).ok(), Some(BasisPoints(1_000)));
        let expected = [
            (0, 2_000),
            (9_999, 2_000),
            (10_000, 1_500),
            (49_999, 1_500),
            (50_000, 1_200),
            (199_999, 1_200),
            (200_000, 1_000),
            (500_000, 1_000),
            (500_001, 800),
        ];
        for (cents, bps) in expected {
            assert_eq!(rules.rate(ProductKind::Prompt, settled(cents)).ok(), Some(BasisPoints(bps)), "{cents} cents");
        }
    }

    #[test]
    fn a_first_month_and_an_agreement_go_before_the_tiers() {
        let rules = version_1();
        let first = Standing { first_month: true, ..settled(0) };
        assert_eq!(rules.rate(ProductKind::Prompt, first).ok(), Some(BasisPoints(1_500)));
        let agreed = Standing { agreed: Some(BasisPoints(700)), ..first };
        assert_eq!(rules.rate(ProductKind::Prompt, agreed).ok(), Some(BasisPoints(700)));
        assert!(matches!(rules.rate(ProductKind::Bundle, first), Err(CommissionError::BundleHasNoRate)));
    }

    #[test]
    fn the_processor_takes_a_share_and_a_fixed_part() {
        let rules = version_1();
        assert_eq!(rules.processor_fee(Cents(29_900)), Cents(897)); // 867.1 + 30
        assert_eq!(rules.processor_fee(Cents(500)), Cents(45)); // 14.5, rounded up, + 30
        assert_eq!(rules.processor_fee(Cents::ZERO), Cents::ZERO);
    }

    #[test]
    fn last_month_is_a_calendar_month_also_in_january() {
        let (from, to) = previous_month(Utc.with_ymd_and_hms(2026, 1, 31, 23, 59, 59).unwrap());
        assert_eq!(from, Utc.with_ymd_and_hms(2025, 12, 1, 0, 0, 0).unwrap());
        assert_eq!(to, Utc.with_ymd_and_hms(2026, 1, 1, 0, 0, 0).unwrap());
    }

    proptest! {
        #[test]
        fn the_parts_of_a_sale_add_up_and_are_never_negative(amount in 0i64..=1_000_000, bps in 0i32..=10_000) {
            let shares = divide(Cents(amount), BasisPoints(bps));
            prop_assert_eq!(shares.platform_fee + shares.seller, Cents(amount));
            prop_assert!(shares.platform_fee >= Cents::ZERO && shares.seller >= Cents::ZERO);
        }

        #[test]
        fn selling_more_never_costs_a_higher_rate(less in 0i64..1_000_000, more in 0i64..1_000_000) {
            let (less, more) = (less.min(more), less.max(more));
            let rate = |cents| version_1().rate(ProductKind::Prompt, settled(cents)).expect("a rate");
            prop_assert!(rate(more) <= rate(less));
        }

        #[test]
        fn the_lines_bear_exactly_the_fee_of_the_payment(amounts in prop::collection::vec(0i64..1_000_000, 1..20)) {
            let amounts: Vec<Cents> = amounts.into_iter().map(Cents).collect();
            let rules = version_1();
            let total = amounts.iter().copied().sum();
            prop_assert_eq!(rules.processor_fee_by_line(&amounts).into_iter().sum::<Cents>(), rules.processor_fee(total));
        }
    }
}
