//! Delivers events to the endpoints that were named, as vendors do: signed afresh at every attempt, repeated with growing
//! pauses until one answers 2xx, and, by the fault switches, late, several times or out of order.
//!
//! What waits is kept in a journal and goes on after a restart.

use crate::{SandboxError, faults::Faults, journal::Journal, page};
use reqwest::{Client, redirect::Policy};
use serde::{Deserialize, Serialize};
use std::{
    collections::HashMap,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::task::AbortHandle;

/// Pauses between attempts; the last one repeats.
const BACKOFF_SECONDS: [u64; 7] = [1, 2, 4, 8, 16, 30, 60];
const MOST_ATTEMPTS: u32 = 24;
/// What is delivered or given up is forgotten after so long.
const KEPT_SECONDS: i64 = 7 * 24 * 3600;

/// An endpoint of the site that wants events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    pub url: String,
    /// Two while one is rolled: the header carries a signature of each.
    pub secrets: Vec<String>,
    /// Names of events, as an endpoint is configured at the vendor; empty is all.
    pub events: Vec<String>,
}

impl Target {
    /// All events, one secret.
    pub fn new(url: impl Into<String>, secret: impl Into<String>) -> Self {
        Self { url: url.into(), secrets: vec![secret.into()], events: Vec::new() }
    }

    /// These events and no others, as one chooses them for an endpoint at the vendor.
    pub fn only(mut self, events: &[&str]) -> Self {
        self.events = events.iter().map(|name| (*name).to_owned()).collect();
        self
    }
}

/// The headers that sign `payload` at a moment.
pub(crate) type Sign = fn(message_id: &str, payload: &[u8], secrets: &[String], now: i64) -> Vec<(&'static str, String)>;

/// One event on its way to one endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    pub id: String,
    pub event: String,
    pub kind: String,
    pub url: String,
    pub payload: String,
    pub created: i64,
    pub attempts: u32,
    pub state: DeliveryState,
    /// What the endpoint said last: a status, or why there was none.
    pub answer: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    Waiting,
    Delivered,
    GivenUp,
}

/// Delivers the events of one vendor.
#[derive(Clone)]
pub(crate) struct Deliveries(Arc<Inner>);

struct Inner {
    journal: Mutex<Journal<Delivery>>,
    targets: Mutex<Vec<Target>>,
    faults: Faults,
    http: Client,
    sign: Sign,
    user_agent: &'static str,
    tasks: Mutex<HashMap<String, AbortHandle>>,
    /// Deliveries that leave while others are held, in the order they came.
    held: Mutex<Vec<String>>,
}

impl Deliveries {
    pub fn open(
        file: &Path,
        targets: Vec<Target>,
        faults: Faults,
        sign: Sign,
        user_agent: &'static str,
    ) -> Result<Self, SandboxError> {
        let forgotten = page::now() - KEPT_SECONDS;
        let keep = |delivery: &Delivery| delivery.state == DeliveryState::Waiting || delivery.created > forgotten;
        let journal = Journal::open(file, keep)?;
        let waiting: Vec<String> = journal
            .iter()
            .filter(|delivery| delivery.state == DeliveryState::Waiting)
            .map(|delivery| delivery.id.clone())
            .collect();
        let http = Client::builder()
            .timeout(Duration::from_secs(20))
            .redirect(Policy::none())
            .no_proxy()
            .build()
            .expect("a client without custom certificates can always be built");
        let deliveries = Self(Arc::new(Inner {
            journal: Mutex::new(journal),
            targets: Mutex::new(targets),
            faults,
            http,
            sign,
            user_agent,
            tasks: Mutex::default(),
            held: Mutex::default(),
        }));
        for id in waiting {
            deliveries.begin(id, Duration::ZERO);
        }
        Ok(deliveries)
    }

    pub fn set_targets(&self, targets: Vec<Target>) {
        *lock(&self.0.targets) = targets;
    }

    pub fn targets(&self) -> Vec<Target> {
        lock(&self.0.targets).clone()
    }

    /// Sends an event to every endpoint that wants it, `copies` times and as often more as the switch says. Returns how many
    /// deliveries that makes.
    pub fn send(&self, event: &str, kind: &str, payload: &str, copies: u32) -> usize {
        let fault = self.0.faults.webhooks();
        let mut begun = 0;
        for target in self.targets() {
            if !target.events.is_empty() && !target.events.iter().any(|wanted| wanted == kind) {
                continue;
            }
            for _ in 0..copies.saturating_add(fault.duplicates) {
                let delivery = Delivery {
                    id: format!("whd_{}", uuid::Uuid::now_v7().simple()),
                    event: event.to_owned(),
                    kind: kind.to_owned(),
                    url: target.url.clone(),
                    payload: payload.to_owned(),
                    created: page::now(),
                    attempts: 0,
                    state: DeliveryState::Waiting,
                    answer: None,
                };
                let id = delivery.id.clone();
                lock(&self.0.journal).put(&id, delivery);
                self.begin(id, Duration::from_millis(fault.delay_ms));
                begun += 1;
            }
        }
        begun
    }

    /// Oldest first.
    pub fn all(&self) -> Vec<Delivery> {
        lock(&self.0.journal).iter().cloned().collect()
    }

    pub fn stop(&self) {
        for (_, task) in lock(&self.0.tasks).drain() {
            task.abort();
        }
    }

    fn begin(&self, id: String, delay: Duration) {
        if self.0.faults.webhooks().hold {
            lock(&self.0.held).push(id.clone());
        }
        let (deliveries, key) = (self.clone(), id.clone());
        let task = tokio::spawn(async move {
            tokio::time::sleep(delay).await;
            deliveries.until_delivered(&id).await;
            lock(&deliveries.0.tasks).remove(&id);
        });
        if !task.is_finished() {
            lock(&self.0.tasks).insert(key, task.abort_handle());
        }
    }

    async fn until_delivered(&self, id: &str) {
        loop {
            self.my_turn(id).await;
            let Some(mut delivery) = lock(&self.0.journal).get(id).cloned() else { return };
            delivery.attempts += 1;
            let (answer, accepted) = self.attempt(&delivery).await;
            delivery.answer = Some(answer);
            delivery.state = match accepted {
                true => DeliveryState::Delivered,
                false if delivery.attempts >= MOST_ATTEMPTS => DeliveryState::GivenUp,
                false => DeliveryState::Waiting,
            };
            let pause = BACKOFF_SECONDS[(delivery.attempts as usize - 1).min(BACKOFF_SECONDS.len() - 1)];
            let over = delivery.state != DeliveryState::Waiting;
            lock(&self.0.journal).put(id, delivery);
            self.left(id);
            if over {
                return;
            }
            tokio::time::sleep(Duration::from_secs(pause)).await;
        }
    }

    /// Waits while deliveries are held; afterwards those that were held go one by one, in the order asked for.
    async fn my_turn(&self, id: &str) {
        loop {
            let changed = self.0.faults.webhooks_changed();
            let fault = self.0.faults.webhooks();
            if !fault.hold {
                let held = lock(&self.0.held);
                let first = if fault.reverse { held.last() } else { held.first() };
                if first.is_none_or(|first| first == id) || !held.iter().any(|one| one == id) {
                    return;
                }
            }
            tokio::select! {
                () = changed => {}
                () = tokio::time::sleep(Duration::from_millis(20)) => {}
            }
        }
    }

    fn left(&self, id: &str) {
        lock(&self.0.held).retain(|one| one != id);
    }

    async fn attempt(&self, delivery: &Delivery) -> (String, bool) {
        let secrets =
            self.targets().into_iter().find(|target| target.url == delivery.url).map(|target| target.secrets).unwrap_or_default();
        let mut request = self
            .0
            .http
            .post(&delivery.url)
            .header("content-type", "application/json; charset=utf-8")
            .header("user-agent", self.0.user_agent)
            .body(delivery.payload.clone());
        for (name, value) in (self.0.sign)(&delivery.event, delivery.payload.as_bytes(), &secrets, page::now()) {
            request = request.header(name, value);
        }
        match request.send().await {
            Ok(response) => (response.status().as_u16().to_string(), response.status().is_success()),
            Err(error) if error.is_timeout() => ("no answer in time".into(), false),
            Err(error) if error.is_connect() => ("nobody listens there".into(), false),
            Err(error) => (error.without_url().to_string(), false),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
