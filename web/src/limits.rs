//! How often somebody may ask (SEC-05). Windows are fixed; each process counts for itself and tells the shared counters in
//! Postgres in batches, so that most requests cost no query and a flood is refused without one. With `n` processes a limit of
//! `m` admits at most `m + (n − 1) · m/10`; policies of up to 30 are shared on every use and hold exactly.
//!
//! If the shared counters cannot be reached, each process holds the limit on its own. [`guard`] is the layer: every request
//! counts against its address, and a signed-in person's against the person as well; [`policy_for`] names the stricter ones.

use crate::{App, Error, address::ClientAddress, auth::Visitor};
use axum::{
    extract::{FromRequestParts, Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use chrono::{DateTime, Utc};
use http::{HeaderMap, HeaderValue, Method, header};
use mywork::db::Db;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

/// So many uses in so long a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    pub name: &'static str,
    pub max: u32,
    pub window: Duration,
}

/// Attempts to sign in, sign up or have a password reset, per address. An account's own attempts are counted beside it.
pub const SIGN_IN: Policy = Policy { name: "sign_in", max: 20, window: Duration::from_secs(60) };
/// Payments begun, per address and per person.
pub const CHECKOUT: Policy = Policy { name: "checkout", max: 20, window: Duration::from_secs(60) };
/// Licence keys sent by programs, per address: plenty for a company behind one address, too few to try keys.
pub const LICENCE_KEYS: Policy = Policy { name: "licence_keys", max: 60, window: Duration::from_secs(60) };

/// The stricter policy a request falls under, if any.
fn policy_for(method: &Method, path: &str) -> Option<Policy> {
    match (method, path) {
        (
            &Method::POST,
            "/sign-in" | "/sign-up" | "/forgot-password" | "/reset-password" | "/api/auth/login" | "/api/auth/register",
        ) => Some(SIGN_IN),
        (&Method::POST, "/api/orders" | "/api/marketplace/checkout") => Some(CHECKOUT),
        (&Method::POST, path) if path.starts_with("/checkout/") => Some(CHECKOUT),
        (&Method::POST, path) if path.starts_with("/api/licences/") => Some(LICENCE_KEYS),
        _ => None,
    }
}

/// Vendors and load balancers come as often as they must, and static files cost nothing.
fn is_exempt(path: &str) -> bool {
    ["/static/", "/media/", "/avatars/", "/api/webhooks/", "/.well-known/"].iter().any(|prefix| path.starts_with(prefix))
        || matches!(path, "/health" | "/ready" | "/metrics")
}

/// What a use came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    pub allowed: bool,
    pub limit: u32,
    pub remaining: u32,
    /// Until the window ends.
    pub reset: Duration,
}

impl Verdict {
    /// # Errors
    /// [`Error::TooMany`] when the use was not allowed.
    pub fn into_result(self) -> Result<Self, Error> {
        if self.allowed { Ok(self) } else { Err(Error::TooMany { retry_after: self.reset }) }
    }

    fn write(&self, headers: &mut HeaderMap) {
        let seconds = self.reset.as_secs().max(1);
        headers.insert("ratelimit-limit", HeaderValue::from(self.limit));
        headers.insert("ratelimit-remaining", HeaderValue::from(self.remaining));
        headers.insert("ratelimit-reset", HeaderValue::from(seconds));
        if !self.allowed {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
    }
}

/// The counters of this process; cheap to clone.
#[derive(Clone, Debug)]
pub struct Limits {
    default: Policy,
    slots: Arc<Mutex<HashMap<String, Slot>>>,
}

/// One key's count in its current window.
#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    window: i64,
    /// When the window ends, in milliseconds of Unix time; for clearing up.
    ends: i64,
    /// What all processes are known to have counted, our own told part included.
    shared: u32,
    /// Counted here and not told yet.
    untold: u32,
}

impl Limits {
    /// `per_minute` is the default for an address, and for a person.
    pub fn new(per_minute: u32) -> Self {
        Self {
            default: Policy { name: "default", max: per_minute.max(1), window: Duration::from_secs(60) },
            slots: Arc::default(),
        }
    }

    /// Counts one use of `policy` by `subject`.
    pub async fn take(&self, db: &Db, policy: &Policy, subject: &str, now: DateTime<Utc>) -> Verdict {
        let key = format!("{}:{subject}", policy.name);
        let window = Window::of(policy, now);
        let Step { verdict, tell } = self.count_here(&key, policy, window);
        if tell == 0 {
            return verdict;
        }
        match mywork::limits::count(db, &key, window.start(), tell).await {
            Ok(total) => self.learn(&key, policy, window, total),
            Err(error) => {
                tracing::warn!(%error, policy = policy.name, "shared rate limits cannot be reached; this process counts alone");
                verdict
            }
        }
    }

    /// Forgets windows that have ended, here and among the shared counters.
    pub(crate) async fn forget(&self, db: &Db, now: DateTime<Utc>) {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner).retain(|_, slot| slot.ends > now.timestamp_millis());
        if let Err(error) = mywork::limits::forget(db, now - chrono::Duration::hours(1)).await {
            tracing::warn!(%error, "old rate limits were not cleared");
        }
    }

    fn count_here(&self, key: &str, policy: &Policy, window: Window) -> Step {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let slot = slots.entry(key.to_owned()).or_default();
        if slot.window != window.number {
            *slot = Slot { window: window.number, ends: window.ends, ..Slot::default() };
        }
        let used = slot.shared.saturating_add(slot.untold);
        if used >= policy.max {
            return Step { verdict: window.verdict(policy, used.saturating_add(1)), tell: 0 };
        }
        slot.untold += 1;
        let mut tell = 0;
        if slot.untold >= policy.batch() || used + 1 >= policy.max {
            tell = std::mem::take(&mut slot.untold);
            slot.shared += tell;
        }
        Step { verdict: window.verdict(policy, used + 1), tell }
    }

    fn learn(&self, key: &str, policy: &Policy, window: Window, total: u32) -> Verdict {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let slot = slots.entry(key.to_owned()).or_default();
        if slot.window == window.number {
            slot.shared = slot.shared.max(total);
        }
        window.verdict(policy, total)
    }
}

struct Step {
    verdict: Verdict,
    tell: u32,
}

impl Policy {
    fn batch(&self) -> u32 {
        if self.max <= 30 { 1 } else { self.max / 10 }
    }
}

#[derive(Clone, Copy, Debug)]
struct Window {
    number: i64,
    starts: i64,
    ends: i64,
    reset: Duration,
}

impl Window {
    fn of(policy: &Policy, now: DateTime<Utc>) -> Self {
        let length = i64::try_from(policy.window.as_millis()).unwrap_or(i64::MAX).max(1);
        let now = now.timestamp_millis();
        let number = now.div_euclid(length);
        let (starts, ends) = (number * length, (number + 1) * length);
        Self { number, starts, ends, reset: Duration::from_millis((ends - now).unsigned_abs()) }
    }

    fn start(&self) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(self.starts).unwrap_or_default()
    }

    fn verdict(&self, policy: &Policy, used: u32) -> Verdict {
        Verdict { allowed: used <= policy.max, limit: policy.max, remaining: policy.max.saturating_sub(used), reset: self.reset }
    }
}

/// Layer: counts the request against its address and its person, under the policy its path asks for.
pub(crate) async fn guard(State(app): State<App>, request: Request, next: Next) -> Response {
    if is_exempt(request.uri().path()) {
        return next.run(request).await;
    }
    let now = app.now();
    let special = policy_for(request.method(), request.uri().path());
    let policies: Vec<Policy> = [Some(app.limits.default), special].into_iter().flatten().collect();
    let mut verdict: Option<Verdict> = None;

    if let Some(address) = request.extensions().get::<ClientAddress>().copied() {
        let subject = format!("address/{}", address.subject());
        for policy in &policies {
            let taken = app.limits.take(&app.db, policy, &subject, now).await;
            verdict = Some(tighter(verdict, taken));
            if !taken.allowed {
                return refuse(taken);
            }
        }
    }
    let (mut parts, body) = request.into_parts();
    if parts.headers.contains_key(header::AUTHORIZATION) || parts.headers.contains_key(header::COOKIE) {
        // Looked up once for the whole request: extractors find it in the extensions. Who cannot be identified is nobody here.
        let visitor = Visitor::from_request_parts(&mut parts, &app).await;
        if let Ok(visitor @ Visitor(Some(viewer))) = &visitor {
            parts.extensions.insert(visitor.clone());
            let subject = format!("person/{}", viewer.id);
            for policy in &policies {
                let taken = app.limits.take(&app.db, policy, &subject, now).await;
                verdict = Some(tighter(verdict, taken));
                if !taken.allowed {
                    return refuse(taken);
                }
            }
        }
    }
    let mut response = next.run(Request::from_parts(parts, body)).await;
    if let Some(verdict) = verdict {
        verdict.write(response.headers_mut());
    }
    response
}

fn tighter(before: Option<Verdict>, now: Verdict) -> Verdict {
    before.filter(|b| b.remaining < now.remaining).unwrap_or(now)
}

fn refuse(verdict: Verdict) -> Response {
    let mut response = Error::TooMany { retry_after: verdict.reset }.into_response();
    verdict.write(response.headers_mut());
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIVE: Policy = Policy { name: "five", max: 5, window: Duration::from_secs(60) };

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + seconds, 0).expect("a time")
    }

    #[test]
    fn a_window_ends_for_everybody_at_once() {
        let window = Window::of(&FIVE, at(15));
        assert_eq!(window.start(), at(0));
        assert_eq!(window.reset, Duration::from_secs(45));
        assert_ne!(window.number, Window::of(&FIVE, at(60)).number);
    }

    #[test]
    fn one_more_than_the_limit_is_refused_until_the_window_ends() {
        let limits = Limits::new(100);
        let uses: Vec<bool> = (0..7).map(|_| limits.count_here("k", &FIVE, Window::of(&FIVE, at(1))).verdict.allowed).collect();
        assert_eq!(uses, [true, true, true, true, true, false, false]);
        assert!(limits.count_here("k", &FIVE, Window::of(&FIVE, at(61))).verdict.allowed);
        assert!(limits.count_here("other", &FIVE, Window::of(&FIVE, at(1))).verdict.allowed);
    }

    #[test]
    fn a_small_limit_is_shared_on_every_use_and_a_large_one_in_batches() {
        let limits = Limits::new(100);
        assert_eq!(limits.count_here("k", &FIVE, Window::of(&FIVE, at(1))).tell, 1);
        let told: Vec<u32> =
            (0..100).map(|_| limits.count_here("d", &limits.default, Window::of(&limits.default, at(1))).tell).collect();
        assert_eq!(told.iter().sum::<u32>(), 100);
        assert_eq!(told.iter().filter(|t| **t > 0).count(), 10);
        assert_eq!(limits.count_here("d", &limits.default, Window::of(&limits.default, at(1))).tell, 0, "a flood costs no query");
    }

    #[test]
    fn what_other_processes_counted_is_remembered() {
        let limits = Limits::new(100);
        let window = Window::of(&FIVE, at(1));
        limits.count_here("k", &FIVE, window);
        assert!(!limits.learn("k", &FIVE, window, 6).allowed);
        assert!(!limits.count_here("k", &FIVE, window).verdict.allowed);
    }

    #[test]
    fn the_stricter_policies_are_where_they_belong() {
        assert_eq!(policy_for(&Method::POST, "/sign-in"), Some(SIGN_IN));
        assert_eq!(policy_for(&Method::GET, "/sign-in"), None);
        assert_eq!(policy_for(&Method::POST, "/checkout/some-product"), Some(CHECKOUT));
        assert_eq!(policy_for(&Method::POST, "/api/licences/validate"), Some(LICENCE_KEYS));
        assert!(is_exempt("/api/webhooks/stripe") && !is_exempt("/api/products"));
    }
}
