//! Stripe's objects, whole: every field that the API version [`API_VERSION`] has, so that strict clients can read them.

use super::{
    card::{self, Card, Reason},
    form::Params,
};
use crate::page::now;
use rand::{Rng, distr::Alphanumeric};
use serde_json::{Map, Value, json};

/// The version that async-stripe speaks.
pub(super) const API_VERSION: &str = "2026-09-30.endive";

/// `pi_` and 24 letters or digits.
pub(super) fn new_id(prefix: &str) -> String {
    format!("{prefix}_{}", random(24))
}

pub(super) fn random(length: usize) -> String {
    rand::rng().sample_iter(Alphanumeric).take(length).map(char::from).collect()
}

/// Stripe keeps 2.9 % and 30 cents of a card payment, rounded to the cent.
pub(super) fn fee_of(amount: i64) -> i64 {
    (amount * 29 + 500) / 1000 + 30
}

pub(super) fn payment_intent(amount: i64, currency: &str, params: &Params) -> Value {
    let id = new_id("pi");
    let text = |name: &str| params.text(name).map_or(Value::Null, Value::from);
    let types = params.value("payment_method_types").cloned().unwrap_or_else(|| json!(["card"]));
    let automatic =
        params.value("automatic_payment_methods").map_or(json!({ "allow_redirects": "always", "enabled": true }), |given| {
            let redirects = given["allow_redirects"].as_str().unwrap_or("always");
            json!({ "allow_redirects": redirects, "enabled": given["enabled"] == "true" })
        });
    json!({
        "id": id,
        "object": "payment_intent",
        "allowed_payment_method_types": null,
        "amount": amount,
        "amount_capturable": 0,
        "amount_details": { "tip": {} },
        "amount_received": 0,
        "application": null,
        "application_fee_amount": null,
        "automatic_payment_methods": if params.value("payment_method_types").is_some() { Value::Null } else { automatic },
        "canceled_at": null,
        "cancellation_reason": null,
        "capture_method": "automatic_async",
        "client_secret": format!("{id}_secret_{}", random(25)),
        "confirmation_method": "automatic",
        "created": now(),
        "currency": currency,
        "customer": text("customer"),
        "customer_account": null,
        "description": text("description"),
        "excluded_payment_method_types": null,
        "last_payment_error": null,
        "latest_charge": null,
        "livemode": false,
        "managed_payments": { "enabled": false },
        "metadata": metadata(&Map::new(), params),
        "next_action": null,
        "on_behalf_of": null,
        "payment_method": null,
        "payment_method_configuration_details": null,
        "payment_method_options": { "card": { "installments": null, "mandate_options": null, "network": null, "request_three_d_secure": "automatic" } },
        "payment_method_types": types,
        "processing": null,
        "receipt_email": text("receipt_email"),
        "review": null,
        "setup_future_usage": text("setup_future_usage"),
        "shipping": null,
        "source": null,
        "statement_descriptor": text("statement_descriptor"),
        "statement_descriptor_suffix": text("statement_descriptor_suffix"),
        "status": "requires_payment_method",
        "transfer_data": null,
        "transfer_group": text("transfer_group"),
    })
}

/// What was there, changed by what is given: an empty value removes its key.
pub(super) fn metadata(before: &Map<String, Value>, params: &Params) -> Value {
    let mut after = before.clone();
    for (key, value) in params.value("metadata").and_then(Value::as_object).into_iter().flatten() {
        match value.as_str() {
            Some("") => drop(after.remove(key)),
            _ => drop(after.insert(key.clone(), value.clone())),
        }
    }
    Value::Object(after)
}

/// The name and address that came with a card.
pub(super) fn billing_details(given: Option<&Value>) -> Value {
    let given = given.unwrap_or(&Value::Null);
    let address = &given["address"];
    json!({
        "address": {
            "city": address["city"], "country": address["country"], "line1": address["line1"],
            "line2": address["line2"], "postal_code": address["postal_code"], "state": address["state"],
        },
        "email": given["email"],
        "name": given["name"],
        "phone": given["phone"],
        "tax_id": null,
    })
}

pub(super) fn payment_method(number: &str, exp_month: i64, exp_year: i64, billing: Value, customer: Option<&str>) -> Value {
    let known = card::by_number(number);
    let brand = known.map_or("visa", |card| card.brand);
    json!({
        "id": new_id("pm"),
        "object": "payment_method",
        "allow_redisplay": "unspecified",
        "billing_details": billing,
        "card": {
            "brand": brand,
            "checks": { "address_line1_check": null, "address_postal_code_check": null, "cvc_check": "unchecked" },
            "country": "US",
            "display_brand": brand,
            "exp_month": exp_month,
            "exp_year": exp_year,
            "fingerprint": card::fingerprint(number),
            "funding": known.map_or("credit", |card| card.funding),
            "generated_from": null,
            "last4": &number[number.len().saturating_sub(4)..],
            "networks": { "available": [brand], "preferred": null },
            "regulated_status": "unregulated",
            "three_d_secure_usage": { "supported": true },
            "wallet": null,
        },
        "created": now(),
        "customer": customer,
        "customer_account": null,
        "livemode": false,
        "metadata": {},
        "type": "card",
    })
}

/// The test card behind a payment method.
pub(super) fn card_of(payment_method: &Value) -> Option<&'static Card> {
    card::by_fingerprint(payment_method["card"]["fingerprint"].as_str()?)
}

/// One attempt to take the money, declined for a reason or not.
pub(super) fn charge(intent: &Value, payment_method: &Value, declined: Option<Reason>, authenticated: bool) -> Value {
    let id = new_id("ch");
    let amount = intent["amount"].as_i64().unwrap_or_default();
    let card = &payment_method["card"];
    let paid = declined.is_none();
    let outcome = match declined {
        None => json!({
            "advice_code": null, "network_advice_code": null, "network_decline_code": null,
            "network_status": "approved_by_network", "reason": null, "risk_level": "normal", "risk_score": 20,
            "seller_message": "Payment complete.", "type": "authorized",
        }),
        Some(reason) => json!({
            "advice_code": "try_again_later", "network_advice_code": null, "network_decline_code": "01",
            "network_status": "declined_by_network", "reason": reason.decline_code.unwrap_or(reason.code),
            "risk_level": "normal", "risk_score": 20,
            "seller_message": "The bank did not return any further details with this decline.", "type": "issuer_declined",
        }),
    };
    let three_d_secure = authenticated.then(|| {
        json!({
            "authentication_flow": "challenge", "electronic_commerce_indicator": "05", "exemption_indicator": null,
            "result": "authenticated", "result_reason": null, "transaction_id": random(36), "version": "2.2.0",
        })
    });
    json!({
        "id": id,
        "object": "charge",
        "amount": amount,
        "amount_captured": if paid { amount } else { 0 },
        "amount_refunded": 0,
        "application": null,
        "application_fee": null,
        "application_fee_amount": null,
        "balance_transaction": null,
        "billing_details": payment_method["billing_details"],
        "calculated_statement_descriptor": "MYWORK SANDBOX",
        "captured": paid,
        "created": now(),
        "currency": intent["currency"],
        "customer": intent["customer"],
        "description": intent["description"],
        "disputed": false,
        "failure_balance_transaction": null,
        "failure_code": declined.map(|reason| reason.code),
        "failure_message": declined.map(|reason| reason.message),
        "fraud_details": {},
        "livemode": false,
        "metadata": intent["metadata"],
        "on_behalf_of": null,
        "outcome": outcome,
        "paid": paid,
        "payment_intent": intent["id"],
        "payment_method": payment_method["id"],
        "payment_method_details": {
            "card": {
                "amount_authorized": if paid { amount.into() } else { Value::Null },
                "authorization_code": if paid { "123456".into() } else { Value::Null },
                "brand": card["brand"],
                "checks": { "address_line1_check": null, "address_postal_code_check": null, "cvc_check": "pass" },
                "country": card["country"],
                "exp_month": card["exp_month"],
                "exp_year": card["exp_year"],
                "extended_authorization": { "status": "disabled" },
                "fingerprint": card["fingerprint"],
                "funding": card["funding"],
                "incremental_authorization": { "status": "unavailable" },
                "installments": null,
                "last4": card["last4"],
                "mandate": null,
                "multicapture": { "status": "unavailable" },
                "network": card["brand"],
                "network_token": { "used": false },
                "network_transaction_id": random(15),
                "overcapture": { "maximum_amount_capturable": amount, "status": "unavailable" },
                "regulated_status": "unregulated",
                "three_d_secure": three_d_secure,
                "transaction_link_id": null,
                "wallet": null,
            },
            "type": "card",
        },
        "receipt_email": intent["receipt_email"],
        "receipt_number": null,
        "receipt_url": null,
        "refunded": false,
        "refunds": { "object": "list", "data": [], "has_more": false, "url": format!("/v1/charges/{id}/refunds") },
        "review": null,
        "shipping": null,
        "source": null,
        "source_transfer": null,
        "statement_descriptor": null,
        "statement_descriptor_suffix": null,
        "status": if paid { "succeeded" } else { "failed" },
        "transfer_data": null,
        "transfer_group": intent["transfer_group"],
    })
}

/// What a charge did to the platform's balance.
pub(super) fn balance_transaction(charge: &Value) -> Value {
    let amount = charge["amount"].as_i64().unwrap_or_default();
    let fee = fee_of(amount);
    json!({
        "id": new_id("txn"),
        "object": "balance_transaction",
        "amount": amount,
        "available_on": now() + 2 * 24 * 3600,
        "balance_type": "payments",
        "created": now(),
        "currency": charge["currency"],
        "description": charge["description"],
        "exchange_rate": null,
        "fee": fee,
        "fee_details": [{
            "amount": fee, "application": null, "currency": charge["currency"],
            "description": "Stripe processing fees", "type": "stripe_fee",
        }],
        "net": amount - fee,
        "reporting_category": "charge",
        "source": charge["id"],
        "status": "pending",
        "type": "charge",
    })
}

pub(super) fn customer(params: &Params) -> Value {
    let text = |name: &str| params.text(name).map_or(Value::Null, Value::from);
    json!({
        "id": new_id("cus"),
        "object": "customer",
        "address": params.value("address").cloned(),
        "balance": 0,
        "created": now(),
        "currency": null,
        "default_source": null,
        "delinquent": false,
        "description": text("description"),
        "discount": null,
        "email": text("email"),
        "invoice_prefix": random(8).to_ascii_uppercase(),
        "invoice_settings": { "custom_fields": null, "default_payment_method": null, "footer": null, "rendering_options": null },
        "livemode": false,
        "metadata": metadata(&Map::new(), params),
        "name": text("name"),
        "next_invoice_sequence": 1,
        "phone": text("phone"),
        "preferred_locales": [],
        "shipping": null,
        "tax_exempt": "none",
        "test_clock": null,
    })
}

pub(super) fn event(kind: &str, object: Value, request: Value, endpoints: usize) -> Value {
    json!({
        "id": new_id("evt"),
        "object": "event",
        "api_version": API_VERSION,
        "created": now(),
        "data": { "object": object },
        "livemode": false,
        "pending_webhooks": endpoints,
        "request": request,
        "type": kind,
    })
}

/// What a browser may see of an intent.
pub(super) fn public_view(intent: &Value) -> Value {
    const SHOWN: [&str; 22] = [
        "id",
        "object",
        "amount",
        "automatic_payment_methods",
        "canceled_at",
        "cancellation_reason",
        "capture_method",
        "client_secret",
        "confirmation_method",
        "created",
        "currency",
        "description",
        "last_payment_error",
        "livemode",
        "next_action",
        "payment_method",
        "payment_method_types",
        "processing",
        "receipt_email",
        "setup_future_usage",
        "shipping",
        "status",
    ];
    SHOWN.iter().map(|name| ((*name).to_owned(), intent[*name].clone())).collect::<Map<_, _>>().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fee_is_rounded_to_the_nearest_cent() {
        for (amount, fee) in [(10_000, 320), (500, 45), (29_900, 897), (1_050, 60), (999, 59), (50, 31)] {
            assert_eq!(fee_of(amount), fee, "{amount}");
        }
    }

    /// Field names of Stripe's published examples (its OpenAPI repository, 2026-07-29; MIT licence).
    #[test]
    fn objects_have_the_fields_of_the_published_examples() {
        let published: Value = serde_json::from_str(include_str!("published_fields.json")).unwrap();
        let params = Params::default();
        let intent = payment_intent(1000, "usd", &params);
        let method = payment_method("4242424242424242", 12, 2034, billing_details(None), None);
        let charge = charge(&intent, &method, None, true);
        let event = event("a.b", json!({}), json!({ "id": null, "idempotency_key": null }), 1);
        for object in [&intent, &method, &charge, &balance_transaction(&charge), &customer(&params), &event] {
            let kind = object["object"].as_str().unwrap();
            let fields = published[kind].as_array().unwrap().iter().filter_map(Value::as_str);
            let missing: Vec<_> = fields.filter(|field| object.get(field).is_none()).collect();
            assert!(missing.is_empty(), "{kind} lacks {missing:?}");
        }
    }
}
