//! What a licence gives after the sale: devices up to its seats however many ask at once, a new key when the old one got about,
//! more downloads from the seller, and an end to all of it when seller or admin revoke. Nobody else comes near it.
//!
//! Proves: ORDER-03, ORDER-05, ADMIN-07

use crate::support::{
    package,
    people::{CARD, Listing, text},
    person::Person,
    stage::Stage,
};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

const NO_SUCH_KEY: &str = "MW-00000-00000-00000-00000";

#[tokio::test(flavor = "multi_thread")]
async fn the_last_seat_is_taken_once() {
    let stage = Stage::open().await;
    let sale = Sale::made(&stage).await;
    let key = sale.key().await;

    // Ten programs start at once on a licence of one seat.
    let devices: Vec<String> = (0..10).map(|n| format!("machine-{n}")).collect();
    let answers = futures::future::join_all(devices.iter().map(|device| {
        program(&stage, "activate", json!({ "key": key, "device": device, "device_name": format!("Laptop {device}") }))
    }))
    .await;
    let winners: Vec<usize> = (0..10).filter(|n| answers[*n].0 == StatusCode::OK).collect();
    assert_eq!(winners.len(), 1, "{answers:?}");
    assert!(answers.iter().all(|(status, _)| [StatusCode::OK, StatusCode::CONFLICT].contains(status)), "{answers:?}");
    assert_eq!(stage.count("SELECT count(*) FROM licence_activations").await, 1);
    let winner = &devices[winners[0]];
    let license = &answers[winners[0]].1["license"];
    assert_eq!(text(license, "product_id"), sale.listing.product);
    assert_eq!(license["seats"], json!({ "used": 1, "limit": 1 }));

    // The same device again takes no second seat; the key may be typed in small letters.
    let (status, again) = program(&stage, "activate", json!({ "key": key.to_lowercase(), "device": winner })).await;
    assert_eq!((status, &again["license"]["seats"]["used"]), (StatusCode::OK, &json!(1)));
    let (_, good) = program(&stage, "validate", json!({ "key": key, "device": winner })).await;
    assert_eq!((&good["valid"], &good["license"]["activated"]), (&json!(true), &json!(true)));
    let (_, good) = program(&stage, "validate", json!({ "key": key, "device": "machine-x" })).await;
    assert_eq!((&good["valid"], &good["license"]["activated"]), (&json!(true), &json!(false)));

    // The buyer sees the device by its name and takes the seat back; nobody else can.
    let order = format!("/library/orders/{}", sale.order);
    let page = sale.buyer.opens(&order).await.ok().shows(&format!("Laptop {winner}")).shows("1 of 1 in use");
    let release = format!("{order}/devices/{}/release", page.between("&#x2f;devices&#x2f;", "&#x2f;release"));
    let stranger = stage.signs_up("eve").await;
    assert_eq!(stranger.sends(&release, &[]).await.status, StatusCode::NOT_FOUND);
    assert_eq!(sale.seller.sends(&release, &[]).await.status, StatusCode::NOT_FOUND);
    let activations = format!("/api/orders/{}/activations", sale.order);
    assert_eq!(stranger.calls(Method::GET, &activations, None).await.0, StatusCode::NOT_FOUND);
    sale.buyer.sends(&release, &[]).await.ok().shows("The device is released").shows("0 of 1 in use");
    let (_, gone) = program(&stage, "validate", json!({ "key": key, "device": winner })).await;
    assert_eq!(gone["license"]["activated"], false);

    // A program gives its own seat back too, and twice is once.
    let other = json!({ "key": key, "device": "another" });
    assert_eq!(program(&stage, "activate", other.clone()).await.0, StatusCode::OK);
    for _ in 0..2 {
        let (status, free) = program(&stage, "deactivate", other.clone()).await;
        assert_eq!((status, &free["license"]["seats"]["used"]), (StatusCode::OK, &json!(0)));
    }
    let (_, listed) = sale.buyer.calls(Method::GET, &activations, None).await;
    assert_eq!(listed, json!({ "seats": { "used": 0, "limit": 1 }, "data": [] }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_opens_nothing_is_one_answer_and_guessing_is_slow() {
    let stage = Stage::open().await;
    for key in [NO_SUCH_KEY, "", "not a key", &"x".repeat(10_000)] {
        let (status, answer) = program(&stage, "validate", json!({ "key": key })).await;
        assert_eq!((status, answer), (StatusCode::OK, json!({ "valid": false })), "{key:?}");
        let (status, answer) = program(&stage, "activate", json!({ "key": key, "device": "d" })).await;
        assert_eq!((status, text(&answer["errors"][0], "field").as_str()), (StatusCode::UNPROCESSABLE_ENTITY, "key"), "{key:?}");
    }
    let (status, answer) = program(&stage, "activate", json!({ "key": NO_SUCH_KEY, "device": " " })).await;
    assert_eq!((status, text(&answer["errors"][0], "field").as_str()), (StatusCode::UNPROCESSABLE_ENTITY, "device"));

    let mut guesses = 0;
    while program(&stage, "validate", json!({ "key": NO_SUCH_KEY })).await.0 != StatusCode::TOO_MANY_REQUESTS {
        guesses += 1;
        assert!(guesses < 100, "an address guesses as often as it likes");
    }
    stage.later(chrono::Duration::minutes(1));
    assert_eq!(program(&stage, "validate", json!({ "key": NO_SUCH_KEY })).await.0, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_key_ends_the_old_one() {
    let stage = Stage::open().await;
    let sale = Sale::made(&stage).await;
    let old = sale.key().await;
    assert_eq!(program(&stage, "activate", json!({ "key": old, "device": "mine" })).await.0, StatusCode::OK);

    let rotate = format!("/library/orders/{}/rotate-key", sale.order);
    for other in [&stage.signs_up("eve").await, &sale.seller] {
        assert_eq!(other.sends(&rotate, &[]).await.status, StatusCode::NOT_FOUND);
    }
    assert_eq!(sale.key().await, old);

    sale.buyer.sends(&rotate, &[]).await.ok().shows("The licence has a new key").shows("New licence key");
    let new = sale.key().await;
    assert_ne!(new, old);
    assert_eq!(program(&stage, "validate", json!({ "key": old })).await.1, json!({ "valid": false }));
    assert_eq!(program(&stage, "activate", json!({ "key": old, "device": "mine" })).await.0, StatusCode::UNPROCESSABLE_ENTITY);
    let (_, good) = program(&stage, "validate", json!({ "key": new, "device": "mine" })).await;
    assert_eq!(good["license"]["activated"], false, "a seat of the old key is given back");
    assert_eq!(program(&stage, "activate", json!({ "key": new, "device": "mine" })).await.0, StatusCode::OK);

    stage.work().await.assert_no_failure();
    assert!(
        stage.sandbox.outbox().to("bob@example.com").iter().any(|mail| mail.subject.starts_with("New licence key for")),
        "the buyer is told"
    );
    assert_eq!(trail(&stage).await, "licence.rotate_key by bob");

    // By API the new key is in the answer.
    let (status, card) = sale.buyer.calls(Method::POST, &format!("/api/orders/{}/rotate-key", sale.order), None).await;
    assert_eq!(status, StatusCode::OK, "{card}");
    assert_eq!(text(&card, "key"), sale.key().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_seller_grants_more_and_the_downloads_of_every_version_are_counted() {
    let stage = Stage::open().await;
    let sale = Sale::made(&stage).await;
    let second = stage.uploads(&sale.seller, &sale.listing.product, "1.1.0", &package::honest()).await;
    stage.work().await;
    stage.approves(&sale.admin, &second).await;

    for _ in 0..10 {
        assert_eq!(sale.downloads(&sale.listing.version).await, StatusCode::OK);
    }
    assert_eq!(sale.downloads(&sale.listing.version).await, StatusCode::CONFLICT);
    sale.buyer.opens("/library").await.ok().shows("All versions and downloads left");
    let page = sale.buyer.opens(&format!("/library/orders/{}", sale.order)).await.ok();
    page.shows("Version 1.1.0").shows("Downloads left 10 of 10").shows("Version 1.0.0").shows("Downloads left 0 of 10");

    // On the page, with what was typed when it is refused; the buyer of the sale is no seller of it.
    let sale_page = format!("/dashboard/orders/{}", sale.order);
    let extend = format!("{sale_page}/extend");
    let refused = sale.seller.sends(&extend, &[("downloads", "many"), ("reason", "A new laptop")]).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(refused.text.contains("A new laptop"), "nothing typed is lost");
    refused.shows("Write a number from 1 to 100.");
    for other in [&stage.signs_up("eve").await, &sale.buyer] {
        let tried = other.sends(&extend, &[("downloads", "1"), ("reason", "Because I can")]).await;
        assert_eq!(tried.status, StatusCode::NOT_FOUND);
    }
    let granted = sale.seller.sends(&extend, &[("downloads", "1"), ("reason", "A new laptop")]).await.ok();
    granted.shows("The buyer may now download each version 11 times.").shows("More downloads granted");
    assert_eq!(sale.downloads(&sale.listing.version).await, StatusCode::OK);
    assert_eq!(sale.downloads(&sale.listing.version).await, StatusCode::CONFLICT);

    // By API.
    let by_api = format!("/api/seller/orders/{}/extend-downloads", sale.order);
    let too_many = json!({ "downloads": 101, "reason": "A new laptop" });
    assert_eq!(sale.seller.calls(Method::POST, &by_api, Some(&too_many)).await.0, StatusCode::UNPROCESSABLE_ENTITY);
    let (status, standing) =
        sale.seller.calls(Method::POST, &by_api, Some(&json!({ "downloads": 2, "reason": "And a desktop" }))).await;
    assert_eq!((status, &standing["max_downloads"]), (StatusCode::OK, &json!(13)));
    assert!(standing.get("key").is_none(), "a seller reads no key");
    assert_eq!(trail(&stage).await, "licence.extend by ada, licence.extend by ada");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_revoked_ends_at_once_and_what_an_admin_revoked_no_seller_restores() {
    let stage = Stage::open().await;
    let sale = Sale::made(&stage).await;
    let key = sale.key().await;
    assert_eq!(program(&stage, "activate", json!({ "key": key, "device": "mine" })).await.0, StatusCode::OK);

    // A stranger cannot, nor the buyer, nor somebody else who sells, nor anybody without a reason.
    let why = json!({ "reason": "The key was published" });
    let (eve, mallory) = (stage.signs_up("eve").await, stage.seller("mallory").await);
    let seller_api = |act: &str| format!("/api/seller/orders/{}/{act}-licence", sale.order);
    let admin_api = |act: &str| format!("/api/admin/orders/{}/{act}-licence", sale.order);
    for other in [&eve, &mallory, &sale.buyer] {
        assert_eq!(other.calls(Method::POST, &seller_api("revoke"), Some(&why)).await.0, StatusCode::NOT_FOUND);
        assert_eq!(other.calls(Method::POST, &admin_api("revoke"), Some(&why)).await.0, StatusCode::FORBIDDEN);
    }
    let silent = json!({ "reason": " " });
    assert_eq!(sale.seller.calls(Method::POST, &seller_api("revoke"), Some(&silent)).await.0, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(sale.downloads(&sale.listing.version).await, StatusCode::OK);

    // The seller revokes, and everything stops.
    let page = format!("/dashboard/orders/{}", sale.order);
    let revoked = sale.seller.sends(&format!("{page}/revoke"), &[("reason", "The key was published")]).await.ok();
    revoked.shows("The licence is revoked").shows("The key was published");
    sale.is_closed(&stage, &key).await;
    sale.seller
        .sends(&format!("{page}/extend"), &[("downloads", "1"), ("reason", "Never mind")])
        .await
        .ok()
        .shows("Restore it first");
    stage.work().await.assert_no_failure();
    let mails = stage.sandbox.outbox().to("bob@example.com");
    assert!(
        mails.iter().any(|m| m.text.as_deref().is_some_and(|t| t.contains("The key was published"))),
        "the buyer is told why"
    );

    // And restores: the device that had a seat has it still.
    sale.seller.sends(&format!("{page}/restore"), &[("reason", "It was a mistake")]).await.ok().shows("The licence is restored");
    assert_eq!(sale.downloads(&sale.listing.version).await, StatusCode::OK);
    let (_, good) = program(&stage, "validate", json!({ "key": key, "device": "mine" })).await;
    assert_eq!((&good["valid"], &good["license"]["activated"]), (&json!(true), &json!(true)));

    // An admin revokes; that is not the seller's to undo.
    let admin_page = format!("/admin/orders/{}", sale.order);
    sale.admin.sends(&format!("{admin_page}/revoke"), &[("reason", "A stolen card")]).await.ok().shows("The licence is revoked");
    sale.is_closed(&stage, &key).await;
    assert_eq!(sale.seller.calls(Method::POST, &seller_api("restore"), Some(&why)).await.0, StatusCode::FORBIDDEN);
    sale.is_closed(&stage, &key).await;
    let (status, standing) =
        sale.admin.calls(Method::POST, &admin_api("restore"), Some(&json!({ "reason": "It was not" }))).await;
    assert_eq!((status, &standing["active"]), (StatusCode::OK, &json!(true)));
    assert_eq!(sale.downloads(&sale.listing.version).await, StatusCode::OK);

    // What was refunded stays closed.
    sale.admin.sends(&format!("{admin_page}/revoke"), &[("reason", "Refunded")]).await.ok();
    sqlx::raw_sql("UPDATE orders SET state = 'refunded'").execute(&mut stage.look().await).await.unwrap();
    assert_eq!(sale.admin.calls(Method::POST, &admin_api("restore"), Some(&why)).await.0, StatusCode::CONFLICT);
    assert_eq!(
        trail(&stage).await,
        "licence.revoke by ada, licence.restore by ada, licence.revoke by rita, licence.restore by rita, licence.revoke by rita"
    );
    assert_eq!(
        stage.text("SELECT string_agg(kind, ' ' ORDER BY id) FROM order_events WHERE kind LIKE 'licence_%'").await,
        "licence_revoked licence_restored licence_revoked licence_restored licence_revoked"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_that_never_came_is_asked_for_again_and_comes_once() {
    let stage = Stage::open().await;
    let sale = Sale::made(&stage).await;
    let deliver = format!("/api/marketplace/orders/{}/deliver", sale.order);
    let ask = async |who: &Person| who.calls(Method::POST, &deliver, None).await;
    assert_eq!(ask(&sale.buyer).await.0, StatusCode::NOT_FOUND);
    assert_eq!(ask(&sale.seller).await, (StatusCode::OK, json!({ "status": "delivered", "job_id": null })));

    // As if its job had been given up.
    sqlx::raw_sql("UPDATE orders SET state = 'paid', fulfilled_at = NULL").execute(&mut stage.look().await).await.unwrap();
    let (status, first) = ask(&sale.seller).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{first}");
    assert_eq!(ask(&sale.admin).await, (status, first), "it is one job, whoever asks");
    stage.work().await.assert_no_failure();
    assert_eq!(stage.text("SELECT state FROM orders").await, "fulfilled");
    assert_eq!(stage.count("SELECT count(*) FROM order_events WHERE kind = 'delivery_requested'").await, 1);
    assert_eq!(stage.count("SELECT count(*) FROM emails WHERE template = 'order_receipt'").await, 1);
}

/// Bob bought Ada's product with a standard licence: one seat, ten downloads of each version.
struct Sale {
    seller: Person,
    admin: Person,
    buyer: Person,
    listing: Listing,
    order: String,
}

impl Sale {
    async fn made(stage: &Stage) -> Self {
        let (seller, admin, buyer) = (stage.seller("ada").await, stage.admin("rita").await, stage.signs_up("bob").await);
        let listing = stage.sells(&seller, &admin, "Hello world starter kit", "49", &package::honest()).await;
        let (_, intent) = stage.checks_out(&buyer, &listing.slug).await;
        stage.pays(&intent, CARD).await.expect("the card is good");
        stage.work().await.assert_no_failure();
        let order = stage.text("SELECT id::text FROM orders").await;
        Self { seller, admin, buyer, listing, order }
    }

    /// As the buyer reads it.
    async fn key(&self) -> String {
        let (status, order) = self.buyer.calls(Method::GET, &format!("/api/orders/{}", self.order), None).await;
        assert_eq!(status, StatusCode::OK, "{order}");
        text(&order["license"], "key")
    }

    async fn downloads(&self, version: &str) -> StatusCode {
        self.buyer.calls(Method::GET, &format!("/api/orders/{}/download?version={version}", self.order), None).await.0
    }

    async fn is_closed(&self, stage: &Stage, key: &str) {
        assert_eq!(self.downloads(&self.listing.version).await, StatusCode::GONE);
        assert_eq!(program(stage, "validate", json!({ "key": key })).await.1, json!({ "valid": false }));
        let activation = json!({ "key": key, "device": "mine" });
        assert_eq!(program(stage, "activate", activation).await.0, StatusCode::UNPROCESSABLE_ENTITY);
        self.buyer.opens(&format!("/library/orders/{}", self.order)).await.ok().shows("This licence was revoked");
    }
}

/// A program that holds a key and nothing else: no session, no browser.
async fn program(stage: &Stage, act: &str, body: Value) -> (StatusCode, Value) {
    let url = stage.config.base_url.join(&format!("/api/licences/{act}")).expect("an address");
    let answer = reqwest::Client::new().post(url).json(&body).send().await.expect("the web answers");
    (answer.status(), answer.json().await.expect("JSON"))
}

/// What the audit log has of licences, oldest first.
async fn trail(stage: &Stage) -> String {
    stage
        .text(
            "SELECT string_agg(l.action || ' by ' || u.username, ', ' ORDER BY l.id)
               FROM audit_log l
               JOIN users u ON u.id = l.actor_id
              WHERE l.action LIKE 'licence.%' AND (l.action = 'licence.rotate_key' OR l.reason <> '')",
        )
        .await
}
