//! A request writes facts and enqueues; it does none of the work and waits for none of it. With a thousand jobs in line and
//! nobody at work, the three requests that publish and sell answer as ever: each leaves exactly its own rows and jobs behind,
//! and the line as it was. How long they took is printed; how fast is fast is for whoever knows the machine.
//!
//! Proves: ORDER-07

use crate::{
    sale,
    support::{
        package,
        people::{CARD, text},
        stage::Stage,
    },
};
use chrono::Utc;
use mywork::{
    catalog::jobs::{DiscardObjects, QuarantinePackage},
    ids::VersionId,
    notifications::email::{self, NewEmail},
    orders::jobs::ReleaseHold,
};
use mywork_queue::testing;
use mywork_sandbox::{STRIPE_WEBHOOK_SECRET, faults::WebhookFault};
use mywork_vendors::stripe;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sqlx::Connection;
use std::time::Instant;

/// A quarter of it in each queue.
const LINE: usize = 1_000;

#[tokio::test(flavor = "multi_thread")]
async fn nobody_waits_for_a_thousand_jobs() {
    let stage = Stage::open().await;
    let (seller, admin, buyer) = (stage.seller("ada").await, stage.admin("rita").await, stage.signs_up("bob").await);
    let listing = stage.sells(&seller, &admin, "Hello world starter kit", "49", &package::honest()).await;
    let draft = stage.drafts(&seller, "Second starter kit", "29").await;
    let upload = stage.sends_package(&seller, &draft, "1.0.0", &package::honest()).await;
    stage.work().await.assert_no_failure();
    // The story delivers the webhook itself.
    stage.sandbox.faults().set_webhooks(WebhookFault { hold: true, ..WebhookFault::default() });
    let line = Line::forms(&stage).await;

    // The upload is complete: a version is received, and its checks are somebody else's work.
    let about = json!({ "version": { "number": "1.0.0", "changelog": "" } });
    let begun = Instant::now();
    let (status, done) = seller.calls(Method::POST, &format!("/api/uploads/{upload}/complete"), Some(&about)).await;
    told("the upload's completion", begun);
    assert_eq!((status, &done["version"]["state"]), (StatusCode::OK, &"received".into()), "{done}");
    let version = text(&done["version"], "id");
    assert_eq!(line.joined_by(&stage).await, format!("catalog.quarantine_package {version} available"));
    assert_eq!(
        stage.text(&format!("SELECT string_agg(DISTINCT state, ' ') FROM version_checks WHERE version_id = '{version}'")).await,
        "waiting"
    );
    assert_eq!(
        stage.text(&format!("SELECT coalesce(object_key, 'not copied') FROM product_versions WHERE id = '{version}'")).await,
        "not copied"
    );

    // The checkout: an order that waits for its payment, an intent at Stripe, two later looks at it.
    let line = line.goes_on(&stage, 1).await;
    let order = json!({ "product_id": listing.product, "license_type": "standard" });
    let begun = Instant::now();
    let (status, created) = buyer.calls(Method::POST, "/api/orders", Some(&order)).await;
    told("the checkout", begun);
    assert_eq!((status, &created["status"]), (StatusCode::CREATED, &"pending".into()), "{created}");
    let checkout = text(&created, "checkout_id");
    assert_eq!(
        line.joined_by(&stage).await,
        format!("orders.expire_checkout {checkout} scheduled, orders.reconcile_checkout {checkout} scheduled")
    );
    assert_eq!(
        stage.text("SELECT c.state || ' ' || o.state FROM checkouts c JOIN orders o ON o.checkout_id = c.id").await,
        "paying pending"
    );
    assert_eq!(stage.sandbox.stripe().payment_intents().len(), 1);

    // The webhook: an event is received; nothing is paid yet, nothing booked, nothing delivered. Again: nothing new.
    let line = line.goes_on(&stage, 2).await;
    let intent = stage.text("SELECT payment_intent_id FROM checkouts").await;
    stage.sandbox.stripe().pay(&intent, CARD).expect("the card is good");
    let event = stage
        .sandbox
        .stripe()
        .events()
        .into_iter()
        .find(|e| e["type"] == "payment_intent.succeeded")
        .expect("Stripe tells of it");
    let begun = Instant::now();
    let answer = delivers(&stage, &event).await;
    told("the webhook", begun);
    assert_eq!(answer, json!({ "received": true, "duplicate": false }));
    assert_eq!(delivers(&stage, &event).await, json!({ "received": true, "duplicate": true }));
    let stored = stage.text("SELECT id::text FROM webhook_events WHERE state = 'received'").await;
    assert_eq!(line.joined_by(&stage).await, format!("stripe.process_event {stored} available"));
    assert_eq!(
        stage.text("SELECT c.state || ' ' || o.state FROM checkouts c JOIN orders o ON o.checkout_id = c.id").await,
        "paying pending"
    );
    assert_eq!(stage.count("SELECT (SELECT count(*) FROM licences) + (SELECT count(*) FROM ledger_postings)").await, 0);

    // When somebody comes to work, all of it is done, and once.
    let begun = Instant::now();
    let drained = stage.work().await;
    drained.assert_no_failure();
    println!("{} jobs were done, one after another, in {} ms", drained.runs.len(), begun.elapsed().as_millis());
    assert_eq!(sale::one_of_everything(&stage).await, sale::ONE_SALE);
    assert_eq!(stage.text(&format!("SELECT state FROM product_versions WHERE id = '{version}'")).await, "checked");
    assert_eq!(stage.sandbox.outbox().to("reader-").len(), LINE / 4);
    testing::assert_nothing_left(&mut stage.look().await, sale::WAITING).await;
}

/// What waits, and will wait until somebody works.
struct Line {
    last: i64,
    length: usize,
    letters: usize,
}

impl Line {
    async fn forms(stage: &Stage) -> Self {
        let mut connection = stage.look().await;
        let mut tx = connection.begin().await.unwrap();
        for n in 0..LINE / 4 {
            let context = json!({ "display_name": format!("Reader {n}"), "secret": { "token": "t" } });
            let to = format!("reader-{n}@example.com");
            let letter = NewEmail { dedupe_key: format!("reader/{n}"), template: "verify", to: &to, user: None, context };
            email::queue(&mut tx, &letter, Utc::now()).await.unwrap();
        }
        let packages: Vec<_> = (0..LINE / 4).map(|_| QuarantinePackage { version: VersionId::new() }).collect();
        let objects: Vec<_> =
            (0..LINE / 4).map(|n| DiscardObjects { keys: vec![format!("uploads/{n}")], multipart: None }).collect();
        mywork_queue::enqueue_many(&mut tx, &packages).await.unwrap();
        mywork_queue::enqueue_many(&mut tx, &objects).await.unwrap();
        mywork_queue::enqueue_many(&mut tx, &[ReleaseHold {}; LINE / 4]).await.unwrap();
        tx.commit().await.unwrap();
        Self::seen(stage, LINE).await
    }

    async fn seen(stage: &Stage, length: usize) -> Self {
        let last = stage.count("SELECT max(id) FROM queue.jobs").await;
        Self { last, length, letters: stage.sandbox.outbox().all().len() }
    }

    /// The line with those who have joined it.
    async fn goes_on(self, stage: &Stage, joined: usize) -> Self {
        Self::seen(stage, self.length + joined).await
    }

    /// Jobs that came since; those that were there before still wait untouched, and no letter has been sent.
    async fn joined_by(&self, stage: &Stage) -> String {
        let waiting = format!(
            "SELECT count(*) FROM queue.jobs WHERE id <= {} AND attempt = 0 AND state IN ('available', 'scheduled')",
            self.last
        );
        assert_eq!(stage.count(&waiting).await, i64::try_from(self.length).unwrap());
        assert_eq!(stage.sandbox.outbox().all().len(), self.letters);
        let joined = format!(
            "SELECT coalesce(string_agg(kind || ' ' || subject_id || ' ' || state, ', ' ORDER BY kind), '') FROM queue.jobs WHERE id > {}",
            self.last
        );
        stage.text(&joined).await
    }
}

/// Posts an event as Stripe does.
async fn delivers(stage: &Stage, event: &Value) -> Value {
    let payload = event.to_string();
    let signature = stripe::sign(payload.as_bytes(), STRIPE_WEBHOOK_SECRET, Utc::now().timestamp());
    let post = reqwest::Client::new()
        .post(format!("{}api/webhooks/stripe", stage.config.base_url))
        .header("stripe-signature", signature);
    let answer = post.body(payload).send().await.expect("the web answers");
    assert_eq!(answer.status(), StatusCode::OK);
    serde_json::from_str(&answer.text().await.expect("a whole answer")).expect("JSON")
}

fn told(what: &str, begun: Instant) {
    println!("{what} was answered in {:.1} ms while {LINE} jobs waited", begun.elapsed().as_secs_f64() * 1_000.0);
}
