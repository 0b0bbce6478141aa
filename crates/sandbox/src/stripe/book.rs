//! What the stand-in knows, and the acts that change it: asking for a payment, confirming it with a card, 3-D Secure,
//! cancelling.
//!
//! ```text
//! requires_payment_method ──confirm──▶ succeeded
//!     ▲   │                └─ 3DS ──▶ requires_action ──passed──▶ succeeded
//!     │   └──────cancel──▶ canceled ◀──cancel──┘  │
//!     └──────────── declined, or 3DS failed ──────┘
//! ```
//!
//! Every act changes the objects, leaves its events to be delivered, and answers the object as it now is. The caller holds
//! the lock for one act, so acts are atomic.

use super::{
    card::{self, Behaviour, Reason},
    error::ApiError,
    form::Params,
    objects,
};
use crate::{SandboxError, journal::Journal, page::now};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::path::Path;

/// Stripe forgets a key after a day.
const KEY_LIFE_SECONDS: i64 = 24 * 3600;

/// The outcome kept under an idempotency key.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Reply {
    pub endpoint: String,
    pub fingerprint: String,
    pub status: u16,
    pub body: Value,
    pub created: i64,
}

/// Who asked, for the events that follow.
#[derive(Clone, Debug, Default)]
pub(super) struct Origin {
    pub request: Option<String>,
    pub idempotency_key: Option<String>,
}

pub(super) struct Book {
    objects: Journal<Value>,
    replies: Journal<Reply>,
    base_url: String,
    endpoints: usize,
    /// Events of the act under way.
    pending: Vec<Value>,
}

impl Book {
    pub fn open(data: &Path, base_url: &str) -> Result<Self, SandboxError> {
        let forgotten = now() - KEY_LIFE_SECONDS;
        Ok(Self {
            objects: Journal::open(&data.join("stripe.jsonl"), |_| true)?,
            replies: Journal::open(&data.join("stripe-keys.jsonl"), |reply: &Reply| reply.created > forgotten)?,
            base_url: base_url.to_owned(),
            endpoints: 0,
            pending: Vec::new(),
        })
    }

    pub fn set_endpoints(&mut self, endpoints: usize) {
        self.endpoints = endpoints;
    }

    pub fn find(&self, id: &str) -> Option<&Value> {
        self.objects.get(id)
    }

    pub fn get(&self, kind: &str, id: &str) -> Result<Value, ApiError> {
        self.find(id).filter(|object| object["object"] == kind).cloned().ok_or_else(|| ApiError::no_such(kind, id))
    }

    /// Youngest first.
    pub fn all<'b>(&'b self, kind: &'b str) -> impl Iterator<Item = &'b Value> {
        self.objects.iter().rev().filter(move |object| object["object"] == kind)
    }

    /// The events of the acts since the last call, to be delivered.
    pub fn take_events(&mut self) -> Vec<Value> {
        std::mem::take(&mut self.pending)
    }

    pub fn reply(&self, key: &str) -> Option<&Reply> {
        self.replies.get(key).filter(|reply| reply.created > now() - KEY_LIFE_SECONDS)
    }

    pub fn keep_reply(&mut self, key: &str, reply: Reply) {
        self.replies.put(key, reply);
    }

    pub fn create_customer(&mut self, params: &Params, origin: &Origin) -> Value {
        let customer = objects::customer(params);
        self.put(customer.clone());
        self.emit("customer.created", &customer, origin);
        customer
    }

    pub fn update_customer(&mut self, id: &str, params: &Params, origin: &Origin) -> Result<Value, ApiError> {
        let mut customer = self.get("customer", id)?;
        for name in ["email", "name", "phone", "description"] {
            if let Some(given) = params.value(name) {
                customer[name] = if given == "" { Value::Null } else { given.clone() };
            }
        }
        customer["metadata"] = changed_metadata(&customer, params);
        self.put(customer.clone());
        self.emit("customer.updated", &customer, origin);
        Ok(customer)
    }

    pub fn delete_customer(&mut self, id: &str, origin: &Origin) -> Result<Value, ApiError> {
        let customer = self.get("customer", id)?;
        self.objects.remove(id);
        self.emit("customer.deleted", &customer, origin);
        Ok(json!({ "id": id, "object": "customer", "deleted": true }))
    }

    pub fn create_payment_method(&mut self, params: &Params) -> Result<Value, ApiError> {
        match params.text("type") {
            Some("card") => {}
            Some(other) => return Err(ApiError::invalid(format!("The sandbox takes cards and no '{other}'.")).param("type")),
            None => return Err(ApiError::missing("type")),
        }
        let given = params.value("card").ok_or_else(|| ApiError::missing("card"))?;
        let method = checked_card(given, objects::billing_details(params.value("billing_details")), None)?;
        self.put(method.clone());
        Ok(method)
    }

    pub fn create_payment_intent(&mut self, params: &Params, origin: &Origin) -> Result<Value, ApiError> {
        let amount = checked_amount(params.text("amount").ok_or_else(|| ApiError::missing("amount"))?)?;
        let currency = params.text("currency").ok_or_else(|| ApiError::missing("currency"))?.to_ascii_lowercase();
        if currency.len() != 3 || !currency.bytes().all(|c| c.is_ascii_lowercase()) {
            return Err(ApiError::invalid(format!("Invalid currency: {currency}.")).param("currency"));
        }
        check_metadata(params)?;
        if let Some(customer) = params.text("customer") {
            self.get("customer", customer)?;
        }
        if params.text("capture_method") == Some("manual") {
            return Err(
                ApiError::invalid("The sandbox captures at once: capture_method 'manual' is not there.").param("capture_method")
            );
        }
        let mut intent = objects::payment_intent(amount, &currency, params);
        if let Some(method) = self.method_of(params, intent["customer"].as_str())? {
            intent["payment_method"] = method["id"].clone();
            intent["status"] = "requires_confirmation".into();
        }
        let id = id_of(&intent);
        self.put(intent.clone());
        self.emit("payment_intent.created", &intent, origin);
        if params.flag("confirm") { self.confirm(&id, params, origin) } else { Ok(intent) }
    }

    pub fn update_payment_intent(&mut self, id: &str, params: &Params) -> Result<Value, ApiError> {
        let mut intent = self.get("payment_intent", id)?;
        check_metadata(params)?;
        let over = matches!(intent["status"].as_str(), Some("succeeded" | "canceled"));
        if let Some(amount) = params.text("amount") {
            if over {
                return Err(ApiError::state(&intent, "change the amount of"));
            }
            intent["amount"] = checked_amount(amount)?.into();
        }
        for name in ["description", "receipt_email", "transfer_group"] {
            if let Some(given) = params.value(name) {
                intent[name] = if given == "" { Value::Null } else { given.clone() };
            }
        }
        intent["metadata"] = changed_metadata(&intent, params);
        self.put(intent.clone());
        Ok(intent)
    }

    /// Takes the money, or asks the card's holder first.
    pub fn confirm(&mut self, id: &str, params: &Params, origin: &Origin) -> Result<Value, ApiError> {
        let mut intent = self.get("payment_intent", id)?;
        match intent["status"].as_str() {
            Some("requires_payment_method" | "requires_confirmation" | "requires_action") => {}
            Some("succeeded") => {
                return Err(ApiError::invalid(
                    "You cannot confirm this PaymentIntent because it has already succeeded after being previously confirmed.",
                )
                .code("payment_intent_unexpected_state")
                .with("payment_intent", intent));
            }
            _ => return Err(ApiError::state(&intent, "confirm")),
        }
        let method = match self.method_of(params, intent["customer"].as_str())? {
            Some(method) => method,
            None => {
                let id = intent["payment_method"].as_str().unwrap_or_default();
                self.find(id).cloned().ok_or_else(|| {
                    ApiError::invalid(
                        "You cannot confirm this PaymentIntent because it's missing a payment method. You can either update the \
                         PaymentIntent with a payment method and then confirm it again, or confirm it again directly with a payment method.",
                    )
                    .code("payment_intent_unexpected_state")
                })?
            }
        };
        intent["payment_method"] = method["id"].clone();
        intent["last_payment_error"] = Value::Null;
        intent["next_action"] = Value::Null;
        if let Some(email) = params.text("receipt_email") {
            intent["receipt_email"] = email.into();
        }
        match objects::card_of(&method).map(|card| card.behaviour) {
            Some(Behaviour::Succeeds) => Ok(self.succeed(intent, &method, false, origin)),
            Some(Behaviour::Declines(reason)) => Err(self.decline(intent, &method, reason, false, origin)),
            Some(Behaviour::Authenticates | Behaviour::AuthenticatesThenDeclines(_)) => {
                let secret = intent["client_secret"].as_str().unwrap_or_default();
                let question = format!("{}/_sandbox/3ds/{id}?client_secret={secret}", self.base_url);
                intent["status"] = "requires_action".into();
                intent["next_action"] = json!({
                    "type": "redirect_to_url",
                    "redirect_to_url": { "return_url": params.text("return_url"), "url": question },
                });
                self.put(intent.clone());
                self.emit("payment_intent.requires_action", &intent, origin);
                Ok(intent)
            }
            None => Err(self.decline(intent, &method, card::LIVE_CARD, false, origin)),
        }
    }

    /// The card's holder answered the bank's question.
    pub fn authenticate(&mut self, id: &str, passed: bool, origin: &Origin) -> Result<Value, ApiError> {
        let mut intent = self.get("payment_intent", id)?;
        if intent["status"] != "requires_action" {
            return Err(ApiError::state(&intent, "authenticate"));
        }
        intent["next_action"] = Value::Null;
        let method = self.find(intent["payment_method"].as_str().unwrap_or_default()).cloned().unwrap_or_default();
        if !passed {
            let error = ApiError::not_authenticated(&method);
            intent["status"] = "requires_payment_method".into();
            intent["payment_method"] = Value::Null;
            intent["last_payment_error"] = error.as_last_error();
            self.put(intent.clone());
            self.emit("payment_intent.payment_failed", &intent, origin);
            return Ok(intent);
        }
        match objects::card_of(&method).map(|card| card.behaviour) {
            Some(Behaviour::AuthenticatesThenDeclines(reason)) => {
                self.decline(intent, &method, reason, true, origin);
                self.get("payment_intent", id)
            }
            _ => Ok(self.succeed(intent, &method, true, origin)),
        }
    }

    pub fn cancel(&mut self, id: &str, params: &Params, origin: &Origin) -> Result<Value, ApiError> {
        let mut intent = self.get("payment_intent", id)?;
        if matches!(intent["status"].as_str(), Some("succeeded" | "canceled" | "processing")) {
            return Err(ApiError::state(&intent, "cancel"));
        }
        intent["status"] = "canceled".into();
        intent["canceled_at"] = now().into();
        intent["cancellation_reason"] = params.text("cancellation_reason").map_or(Value::Null, Value::from);
        intent["next_action"] = Value::Null;
        self.put(intent.clone());
        self.emit("payment_intent.canceled", &intent, origin);
        Ok(intent)
    }

    fn succeed(&mut self, mut intent: Value, method: &Value, authenticated: bool, origin: &Origin) -> Value {
        let mut charge = objects::charge(&intent, method, None, authenticated);
        let transaction = objects::balance_transaction(&charge);
        charge["balance_transaction"] = transaction["id"].clone();
        intent["status"] = "succeeded".into();
        intent["amount_received"] = intent["amount"].clone();
        intent["latest_charge"] = charge["id"].clone();
        self.put(transaction);
        self.put(charge.clone());
        self.put(intent.clone());
        self.emit("charge.succeeded", &charge, origin);
        self.emit("payment_intent.succeeded", &intent, origin);
        intent
    }

    fn decline(&mut self, mut intent: Value, method: &Value, reason: Reason, authenticated: bool, origin: &Origin) -> ApiError {
        let charge = objects::charge(&intent, method, Some(reason), authenticated);
        let error = ApiError::declined(reason, charge["id"].as_str(), method);
        intent["status"] = "requires_payment_method".into();
        intent["payment_method"] = Value::Null;
        intent["latest_charge"] = charge["id"].clone();
        intent["last_payment_error"] = error.as_last_error();
        self.put(charge.clone());
        self.put(intent.clone());
        self.emit("charge.failed", &charge, origin);
        self.emit("payment_intent.payment_failed", &intent, origin);
        error.with("payment_intent", intent)
    }

    /// The payment method that a request names or describes, made where it is new.
    fn method_of(&mut self, params: &Params, customer: Option<&str>) -> Result<Option<Value>, ApiError> {
        let method = if let Some(data) = params.value("payment_method_data") {
            let given = data.get("card").ok_or_else(|| ApiError::missing("payment_method_data[card]"))?;
            checked_card(given, objects::billing_details(data.get("billing_details")), customer)?
        } else if let Some(name) = params.text("payment_method") {
            if let Some(known) = self.find(name).filter(|object| object["object"] == "payment_method") {
                return Ok(Some(known.clone()));
            }
            let card = card::by_token(name).ok_or_else(|| ApiError::no_such("PaymentMethod", name))?;
            objects::payment_method(card.number, 12, 2034, objects::billing_details(None), customer)
        } else {
            return Ok(None);
        };
        self.put(method.clone());
        Ok(Some(method))
    }

    fn put(&mut self, object: Value) {
        let id = id_of(&object);
        self.objects.put(&id, object);
    }

    fn emit(&mut self, kind: &str, object: &Value, origin: &Origin) {
        let request = json!({ "id": origin.request, "idempotency_key": origin.idempotency_key });
        let event = objects::event(kind, object.clone(), request, self.endpoints);
        self.put(event.clone());
        self.pending.push(event);
    }
}

fn id_of(object: &Value) -> String {
    object["id"].as_str().unwrap_or_default().to_owned()
}

fn checked_amount(text: &str) -> Result<i64, ApiError> {
    let amount: i64 = text
        .parse()
        .map_err(|_| ApiError::invalid(format!("Invalid integer: {text}")).code("parameter_invalid_integer").param("amount"))?;
    match amount {
        ..50 => Err(ApiError::invalid("Amount must be at least $0.50 usd").code("amount_too_small").param("amount")),
        50..=99_999_999 => Ok(amount),
        _ => Err(ApiError::invalid("Amount must be no more than $999,999.99").code("amount_too_large").param("amount")),
    }
}

fn check_metadata(params: &Params) -> Result<(), ApiError> {
    let Some(pairs) = params.value("metadata").and_then(Value::as_object) else { return Ok(()) };
    let fits = |(key, value): (&String, &Value)| key.len() <= 40 && value.as_str().is_some_and(|text| text.len() <= 500);
    if pairs.len() > 50 || !pairs.iter().all(fits) {
        return Err(ApiError::invalid("Metadata takes 50 keys of 40 characters with values of 500 characters.").param("metadata"));
    }
    Ok(())
}

fn changed_metadata(object: &Value, params: &Params) -> Value {
    objects::metadata(object["metadata"].as_object().unwrap_or(&serde_json::Map::new()), params)
}

/// Refuses what no issuer needs to be asked about.
fn checked_card(given: &Value, billing: Value, customer: Option<&str>) -> Result<Value, ApiError> {
    let text = |name: &str| given[name].as_str().unwrap_or_default().replace([' ', '-'], "");
    let number = text("number");
    if !card::passes_luhn(&number) {
        return Err(ApiError::incorrect_card("incorrect_number", "number", "Your card number is incorrect."));
    }
    let month: i64 = text("exp_month").parse().unwrap_or_default();
    if !(1..=12).contains(&month) {
        return Err(ApiError::incorrect_card("invalid_expiry_month", "exp_month", "Your card's expiration month is invalid."));
    }
    let year: i64 = text("exp_year").parse().unwrap_or_default();
    let year = if year < 100 { year + 2000 } else { year };
    let today = chrono::Utc::now();
    let (this_year, this_month) = (i64::from(chrono::Datelike::year(&today)), i64::from(chrono::Datelike::month(&today)));
    if (year, month) < (this_year, this_month) || year > this_year + 50 {
        return Err(ApiError::incorrect_card("invalid_expiry_year", "exp_year", "Your card's expiration year is invalid."));
    }
    let cvc = text("cvc");
    if !cvc.is_empty() && (!(3..=4).contains(&cvc.len()) || !cvc.bytes().all(|c| c.is_ascii_digit())) {
        return Err(ApiError::incorrect_card("invalid_cvc", "cvc", "Your card's security code is invalid."));
    }
    Ok(objects::payment_method(&number, month, year, billing, customer))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn book() -> (tempfile::TempDir, Book) {
        let folder = tempfile::tempdir().unwrap();
        let book = Book::open(folder.path(), "http://sandbox").unwrap();
        (folder, book)
    }

    fn intent(book: &mut Book) -> String {
        let intent = book.create_payment_intent(&Params::parse(b"amount=1000&currency=usd"), &Origin::default()).unwrap();
        id_of(&intent)
    }

    fn card(number: &str) -> Params {
        let form = format!(
            "payment_method_data[type]=card&payment_method_data[card][number]={number}&payment_method_data[card][exp_month]=12\
             &payment_method_data[card][exp_year]=34&payment_method_data[card][cvc]=123"
        );
        Params::parse(form.as_bytes())
    }

    fn kinds(book: &mut Book) -> Vec<String> {
        book.take_events().iter().map(|event| event["type"].as_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn a_good_card_pays_once() {
        let (_folder, mut book) = book();
        let id = intent(&mut book);
        let paid = book.confirm(&id, &card("4242 4242 4242 4242"), &Origin::default()).unwrap();
        assert_eq!((&paid["status"], &paid["amount_received"]), (&json!("succeeded"), &json!(1000)));
        assert_eq!(kinds(&mut book), ["payment_intent.created", "charge.succeeded", "payment_intent.succeeded"]);
        let again = book.confirm(&id, &card("4242424242424242"), &Origin::default()).unwrap_err();
        assert_eq!(again.code_text(), "payment_intent_unexpected_state");
        assert_eq!(book.all("charge").count(), 1);
        assert!(book.cancel(&id, &Params::default(), &Origin::default()).is_err());
    }

    #[test]
    fn a_declined_card_leaves_the_payment_open_for_another() {
        let (_folder, mut book) = book();
        let id = intent(&mut book);
        let declined = book.confirm(&id, &card("4000000000009995"), &Origin::default()).unwrap_err();
        assert_eq!(declined.message(), "Your card has insufficient funds.");
        let open = book.get("payment_intent", &id).unwrap();
        assert_eq!(
            (&open["status"], &open["last_payment_error"]["decline_code"]),
            (&json!("requires_payment_method"), &json!("insufficient_funds"))
        );
        assert_eq!(kinds(&mut book), ["payment_intent.created", "charge.failed", "payment_intent.payment_failed"]);
        assert_eq!(book.confirm(&id, &card("5555555555554444"), &Origin::default()).unwrap()["status"], "succeeded");
    }

    #[test]
    fn three_d_secure_asks_first() {
        let (_folder, mut book) = book();
        for (number, passed, status) in [
            ("4000002760003184", true, "succeeded"),
            ("4000002760003184", false, "requires_payment_method"),
            ("4000008400001629", true, "requires_payment_method"),
        ] {
            let id = intent(&mut book);
            let asked = book.confirm(&id, &card(number), &Origin::default()).unwrap();
            assert_eq!((&asked["status"], &asked["next_action"]["type"]), (&json!("requires_action"), &json!("redirect_to_url")));
            assert_eq!(book.authenticate(&id, passed, &Origin::default()).unwrap()["status"], status);
            assert!(book.authenticate(&id, passed, &Origin::default()).is_err(), "the question is asked once");
        }
    }

    #[test]
    fn impossible_cards_are_refused_before_anybody_is_asked() {
        let (_folder, mut book) = book();
        let id = intent(&mut book);
        let refused =
            |book: &mut Book, params: Params| book.confirm(&id, &params, &Origin::default()).unwrap_err().code_text().to_owned();
        assert_eq!(refused(&mut book, card("4242424242424241")), "incorrect_number");
        assert_eq!(refused(&mut book, card("4111111111111111")), "card_declined");
        let params = |month: &str, year: &str, cvc: &str| {
            let form = format!(
                "payment_method_data[card][number]=4242424242424242&payment_method_data[card][exp_month]={month}&payment_method_data[card][exp_year]={year}&payment_method_data[card][cvc]={cvc}"
            );
            Params::parse(form.as_bytes())
        };
        assert_eq!(refused(&mut book, params("13", "34", "123")), "invalid_expiry_month");
        assert_eq!(refused(&mut book, params("12", "20", "123")), "invalid_expiry_year");
        assert_eq!(refused(&mut book, params("12", "34", "12x")), "invalid_cvc");
        assert_eq!(book.all("charge").count(), 1, "only the declined live card reached the issuer");
    }

    #[test]
    fn payments_are_there_after_a_restart() {
        let (folder, mut book) = book();
        let id = intent(&mut book);
        book.confirm(&id, &card("4242424242424242"), &Origin::default()).unwrap();
        drop(book);
        let book = Book::open(folder.path(), "http://sandbox").unwrap();
        assert_eq!(book.get("payment_intent", &id).unwrap()["status"], "succeeded");
        assert_eq!((book.all("event").count(), book.all("balance_transaction").count()), (3, 1));
    }

    #[test]
    fn amounts_and_metadata_have_limits() {
        let (_folder, mut book) = book();
        let mut refused = |form: &str| {
            book.create_payment_intent(&Params::parse(form.as_bytes()), &Origin::default()).unwrap_err().code_text().to_owned()
        };
        assert_eq!(refused("amount=49&currency=usd"), "amount_too_small");
        assert_eq!(refused("amount=1e9&currency=usd"), "parameter_invalid_integer");
        assert_eq!(refused("amount=100000000&currency=usd"), "amount_too_large");
        assert_eq!(refused("currency=usd"), "parameter_missing");
        assert_eq!(refused(&format!("amount=50&currency=usd&metadata[a]={}", "x".repeat(501))), "");
    }
}
