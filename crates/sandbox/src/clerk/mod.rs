//! Clerk's stand-in: people who sign up and in on its pages, session tokens (RS256) that its JWKS verifies, and webhooks
//! about them signed as Svix signs.
//!
//! It asks for no password: whoever reaches the sandbox may be anybody in it.

mod keys;
mod pages;

use crate::{
    SandboxError,
    faults::Faults,
    journal::Journal,
    page::now,
    webhook::{Deliveries, Delivery, Target},
};
use axum::Router;
use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use keys::Keys;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::Sha256;
use std::{
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// A session lasts so long; there is no script here that renews tokens every minute, as Clerk's does.
const SESSION_SECONDS: i64 = 24 * 3600;

/// A person known to the stand-in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// `user_…`
    pub id: String,
    pub email: String,
    pub username: String,
    pub first_name: String,
    pub last_name: String,
    /// Seconds since the epoch.
    pub created: i64,
    pub updated: i64,
}

/// What a token says; what is not set gets what a session of Clerk's has.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TokenRequest {
    pub sub: String,
    pub sid: Option<String>,
    /// Origin of the page that asked.
    pub azp: Option<String>,
    pub iss: Option<String>,
    /// From now; negative makes a token that is over.
    pub ttl_seconds: Option<i64>,
}

/// Why nobody signed up.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignUpError {
    #[error("Enter an e-mail address, such as name@example.com.")]
    NoEmail,
    #[error("Somebody has already signed up with this e-mail address.")]
    Taken,
}

/// The stand-in, for pages and for tests in the same process. Changes send webhooks, so they need a Tokio runtime.
#[derive(Clone)]
pub struct Clerk(Arc<Inner>);

struct Inner {
    people: Mutex<Journal<Person>>,
    keys: Keys,
    deliveries: Deliveries,
    faults: Faults,
    base_url: String,
}

impl Clerk {
    pub(crate) fn open(data: &Path, base_url: &str, faults: Faults, targets: Vec<Target>) -> Result<Self, SandboxError> {
        let people = Journal::open(&data.join("clerk.jsonl"), |_| true)?;
        let keys = Keys::open(data.join("clerk-keys.json"))?;
        let file = data.join("clerk-webhooks.jsonl");
        let deliveries = Deliveries::open(&file, targets, faults.clone(), sign, "Svix-Webhooks/1.0 (sandbox)")?;
        Ok(Self(Arc::new(Inner { people: Mutex::new(people), keys, deliveries, faults, base_url: base_url.to_owned() })))
    }

    /// Where webhooks go from now on.
    pub fn set_webhooks(&self, targets: Vec<Target>) {
        self.0.deliveries.set_targets(targets);
    }

    /// Adds a person and sends `user.created`.
    pub fn sign_up(&self, email: &str, username: &str, first_name: &str, last_name: &str) -> Result<Person, SignUpError> {
        let email = email.trim().to_lowercase();
        if !email.split_once('@').is_some_and(|(name, domain)| !name.is_empty() && !domain.is_empty()) {
            return Err(SignUpError::NoEmail);
        }
        let person = Person {
            id: format!("user_{}", uuid::Uuid::now_v7().simple()),
            email,
            username: username.trim().to_owned(),
            first_name: first_name.trim().to_owned(),
            last_name: last_name.trim().to_owned(),
            created: now(),
            updated: now(),
        };
        {
            let mut people = self.people();
            if people.iter().any(|known| known.email == person.email) {
                return Err(SignUpError::Taken);
            }
            people.put(&person.id, person.clone());
        }
        self.tell("user.created", wire(&person));
        Ok(person)
    }

    /// Changes a name and sends `user.updated`. Nobody of that id is none.
    pub fn rename(&self, id: &str, first_name: &str, last_name: &str) -> Option<Person> {
        let mut people = self.people();
        let mut person = people.get(id)?.clone();
        person.first_name = first_name.trim().to_owned();
        person.last_name = last_name.trim().to_owned();
        person.updated = now();
        people.put(id, person.clone());
        drop(people);
        self.tell("user.updated", wire(&person));
        Some(person)
    }

    /// Removes a person and sends `user.deleted`.
    pub fn delete(&self, id: &str) -> Option<Person> {
        let removed = self.people().remove(id)?;
        self.tell("user.deleted", json!({ "deleted": true, "id": id, "object": "user" }));
        Some(removed)
    }

    /// Newest first.
    pub fn everybody(&self) -> Vec<Person> {
        self.people().iter().rev().cloned().collect()
    }

    pub fn find_by_email(&self, email: &str) -> Option<Person> {
        let wanted = email.trim().to_lowercase();
        self.people().iter().find(|person| person.email == wanted).cloned()
    }

    /// A session token as Clerk makes it: RS256 with `iss`, `sub`, `sid`, `azp`, `iat`, `nbf` and `exp`.
    pub fn token(&self, request: &TokenRequest) -> String {
        let now = now();
        let ttl = request.ttl_seconds.unwrap_or(SESSION_SECONDS);
        let mut claims = json!({
            "iss": request.iss.as_deref().unwrap_or(&self.0.base_url),
            "sub": request.sub,
            "sid": request.sid.clone().unwrap_or_else(|| format!("sess_{}", uuid::Uuid::now_v7().simple())),
            "iat": now.min(now + ttl) - 10,
            "nbf": now.min(now + ttl) - 10,
            "exp": now + ttl,
        });
        if let Some(azp) = &request.azp {
            claims["azp"] = azp.as_str().into();
        }
        self.0.keys.sign(&claims)
    }

    /// From now on tokens are signed by a new key; the set still has the older ones.
    pub fn rotate_keys(&self) {
        self.0.keys.rotate();
    }

    /// Oldest first.
    pub fn deliveries(&self) -> Vec<Delivery> {
        self.0.deliveries.all()
    }

    pub(crate) fn stop(&self) {
        self.0.deliveries.stop();
    }

    fn tell(&self, kind: &str, data: Value) {
        let id = format!("msg_{}", uuid::Uuid::now_v7().simple());
        let event = json!({
            "data": data, "object": "event", "type": kind, "timestamp": now() * 1000, "instance_id": "ins_sandbox",
        });
        self.0.deliveries.send(&id, kind, &event.to_string(), 1);
    }

    fn people(&self) -> MutexGuard<'_, Journal<Person>> {
        self.0.people.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A person as Clerk's API and webhooks describe one; times in milliseconds.
fn wire(person: &Person) -> Value {
    let email_id = format!("idn_{}", person.id.trim_start_matches("user_"));
    let text = |text: &str| if text.is_empty() { Value::Null } else { text.into() };
    json!({
        "id": person.id,
        "object": "user",
        "username": text(&person.username),
        "first_name": text(&person.first_name),
        "last_name": text(&person.last_name),
        "image_url": null,
        "has_image": false,
        "primary_email_address_id": email_id,
        "email_addresses": [{
            "id": email_id,
            "object": "email_address",
            "email_address": person.email,
            "verification": { "status": "verified", "strategy": "email_code" },
            "linked_to": [],
        }],
        "phone_numbers": [],
        "external_accounts": [],
        "external_id": null,
        "password_enabled": false,
        "two_factor_enabled": false,
        "public_metadata": {},
        "private_metadata": {},
        "unsafe_metadata": {},
        "banned": false,
        "locked": false,
        "last_sign_in_at": null,
        "created_at": person.created * 1000,
        "updated_at": person.updated * 1000,
    })
}

/// Svix's headers: <https://docs.svix.com/receiving/verifying-payloads/how-manual>.
fn sign(id: &str, payload: &[u8], secrets: &[String], now: i64) -> Vec<(&'static str, String)> {
    let signatures: Vec<String> = secrets
        .iter()
        .filter_map(|secret| STANDARD.decode(secret.strip_prefix("whsec_").unwrap_or(secret)).ok())
        .map(|key| {
            let mut mac = Hmac::<Sha256>::new_from_slice(&key).expect("HMAC takes keys of any length");
            mac.update(format!("{id}.{now}.").as_bytes());
            mac.update(payload);
            format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
        })
        .collect();
    vec![("svix-id", id.to_owned()), ("svix-timestamp", now.to_string()), ("svix-signature", signatures.join(" "))]
}

pub(crate) fn routes(clerk: Clerk) -> Router {
    pages::routes(clerk)
}
