//! Stripe's stand-in: payments by test cards, by the wire protocol that async-stripe and a checkout page speak, and webhooks
//! signed as Stripe signs them. [`book`] holds the truth, [`api`] speaks HTTP, [`pages`] asks for 3-D Secure and shows what
//! happened, `stripe.js` stands in for the card form.

mod api;
mod book;
mod card;
mod error;
mod form;
mod objects;
mod pages;

use crate::{
    SandboxError, Secrets,
    faults::Faults,
    webhook::{Deliveries, Delivery, Target},
};
use axum::Router;
use book::{Book, Origin};
use error::ApiError;
use form::Params;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::Sha256;
use std::{
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// A handle on the stand-in, for tests in the same process. Acts deliver their events, so they need a Tokio runtime.
#[derive(Clone)]
pub struct Stripe(Arc<Inner>);

struct Inner {
    book: Mutex<Book>,
    deliveries: Deliveries,
    faults: Faults,
    secret_key: String,
    publishable_key: String,
}

/// A payment that was not made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotPaid {
    /// `card_declined`, `incorrect_number`, `payment_intent_unexpected_state`, …
    pub code: String,
    pub message: String,
}

impl From<ApiError> for NotPaid {
    fn from(error: ApiError) -> Self {
        Self { code: error.code_text().to_owned(), message: error.message().to_owned() }
    }
}

impl Stripe {
    pub(crate) fn open(
        data: &Path,
        base_url: &str,
        secrets: &Secrets,
        faults: Faults,
        targets: Vec<Target>,
    ) -> Result<Self, SandboxError> {
        let mut book = Book::open(data, base_url)?;
        book.set_endpoints(targets.len());
        let user_agent = "Stripe/1.0 (+https://stripe.com/docs/webhooks)";
        let deliveries = Deliveries::open(&data.join("stripe-webhooks.jsonl"), targets, faults.clone(), sign, user_agent)?;
        Ok(Self(Arc::new(Inner {
            book: Mutex::new(book),
            deliveries,
            faults,
            secret_key: secrets.stripe_secret_key.clone(),
            publishable_key: secrets.stripe_publishable_key.clone(),
        })))
    }

    /// Where events go from now on.
    pub fn set_webhooks(&self, targets: Vec<Target>) {
        self.book().set_endpoints(targets.len());
        self.0.deliveries.set_targets(targets);
    }

    /// Pays as the card form would: `intent` is an id or a client secret, `card` a test card's number. Returns the status
    /// of the payment, `requires_action` for 3-D Secure.
    pub fn pay(&self, intent: &str, card: &str) -> Result<String, NotPaid> {
        let id = intent.split_once("_secret_").map_or(intent, |(id, _)| id);
        let form = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("payment_method_data[type]", "card")
            .append_pair("payment_method_data[card][number]", card)
            .append_pair("payment_method_data[card][exp_month]", "12")
            .append_pair("payment_method_data[card][exp_year]", "2034")
            .append_pair("payment_method_data[card][cvc]", "123")
            .finish();
        let paid = self.act(|book| book.confirm(id, &Params::parse(form.as_bytes()), &Origin::default()))?;
        Ok(paid["status"].as_str().unwrap_or_default().to_owned())
    }

    /// Answers the bank's question of 3-D Secure and returns the status of the payment.
    pub fn authenticate(&self, intent: &str, passed: bool) -> Result<String, NotPaid> {
        let after = self.act(|book| book.authenticate(intent, passed, &Origin::default()))?;
        Ok(after["status"].as_str().unwrap_or_default().to_owned())
    }

    /// An object by its id, as the API would answer it.
    pub fn object(&self, id: &str) -> Option<Value> {
        self.book().find(id).cloned()
    }

    /// Youngest first.
    pub fn payment_intents(&self) -> Vec<Value> {
        self.book().all("payment_intent").cloned().collect()
    }

    /// Youngest first; declined ones among them.
    pub fn charges(&self) -> Vec<Value> {
        self.book().all("charge").cloned().collect()
    }

    /// Youngest first.
    pub fn events(&self) -> Vec<Value> {
        self.book().all("event").cloned().collect()
    }

    /// Delivers an event again, so many times. Returns how many deliveries that makes.
    pub fn resend(&self, event: &str, copies: u32) -> Option<usize> {
        let event = self.object(event).filter(|object| object["object"] == "event")?;
        Some(self.deliver(&event, copies))
    }

    /// Oldest first.
    pub fn deliveries(&self) -> Vec<Delivery> {
        self.0.deliveries.all()
    }

    pub(crate) fn stop(&self) {
        self.0.deliveries.stop();
    }

    /// Runs one act under the lock and delivers the events it left.
    fn act<T>(&self, act: impl FnOnce(&mut Book) -> Result<T, ApiError>) -> Result<T, ApiError> {
        let mut book = self.book();
        let outcome = act(&mut book);
        let events = book.take_events();
        drop(book);
        for event in events {
            self.deliver(&event, 1);
        }
        outcome
    }

    fn deliver(&self, event: &Value, copies: u32) -> usize {
        let text = |name: &str| event[name].as_str().unwrap_or_default();
        self.0.deliveries.send(text("id"), text("type"), &event.to_string(), copies)
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.0.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The `Stripe-Signature` header: <https://docs.stripe.com/webhooks#verify-manually>.
fn sign(_: &str, payload: &[u8], secrets: &[String], now: i64) -> Vec<(&'static str, String)> {
    let mut header = format!("t={now}");
    for secret in secrets {
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of any length");
        mac.update(format!("{now}.").as_bytes());
        mac.update(payload);
        header.push_str(",v1=");
        header.push_str(&hex::encode(mac.finalize().into_bytes()));
    }
    vec![("stripe-signature", header)]
}

pub(crate) fn routes(stripe: Stripe) -> Router {
    api::routes(stripe.clone()).merge(pages::routes(stripe))
}
