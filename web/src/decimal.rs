//! Dollars in JSON: a number with exactly two places, `299.00`, written digit by digit from cents. It always stands beside the
//! cents themselves (`"amount": 299.00, "amount_cents": 29900`), which is what a program should reckon with.

use mywork::money::Cents;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use std::borrow::Cow;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, RefOr, Schema, Type},
};

/// An amount as a decimal number of dollars.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dollars(pub Cents);

impl From<Cents> for Dollars {
    fn from(cents: Cents) -> Self {
        Self(cents)
    }
}

impl Serialize for Dollars {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        RawValue::from_string(self.0.decimal()).map_err(serde::ser::Error::custom)?.serialize(serializer)
    }
}

impl PartialSchema for Dollars {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new()
            .schema_type(Type::Number)
            .description(Some("Dollars with two places."))
            .examples([serde_json::json!(299.00)])
            .into()
    }
}

impl ToSchema for Dollars {
    fn name() -> Cow<'static, str> {
        Cow::Borrowed("Dollars")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_amount_has_two_places() {
        let written = |cents| serde_json::to_string(&Dollars(Cents(cents))).expect("a number");
        assert_eq!((written(29_900), written(5), written(-101)), ("299.00".into(), "0.05".into(), "-1.01".into()));
    }
}
