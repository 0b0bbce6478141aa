//! The API as programs meet it: every operation of its document, problems, keys against doing things twice, and the shapes
//! that older documents fix.
//!
//! Proves: ORDER-07 (the same request twice)

use crate::support::{
    package,
    people::{PASSWORD, text},
    program::{Program, answer, has},
    stage::Stage,
};
use chrono::Duration;
use reqwest::{Method, StatusCode, header};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Well-formed, and nothing has it.
const NO_ID: &str = "00000000-0000-7000-8000-000000000000";

#[tokio::test(flavor = "multi_thread")]
async fn every_documented_operation_answers_everybody() {
    let stage = Stage::open().await;
    stage.signs_up("bob").await;
    stage.admin("rita").await.sends("/become-seller", &[("accept_terms", "on"), ("headline", "")]).await.ok();
    let nobody = Program::at(&stage);
    let (buyer, admin) = (Program::of(&stage, "bob").await, Program::of(&stage, "rita").await);

    let document = nobody.gets("/api/openapi.json").await.json();
    let operations = operations(&document);
    let names: BTreeSet<&str> = operations.iter().map(|o| o.id.as_str()).collect();
    assert_eq!(names.len(), operations.len(), "every operation has a name of its own");
    assert!(operations.len() > 80, "{names:?}");

    let mut faults = Vec::new();
    for operation in &operations {
        let Operation { method, path, .. } = operation;
        let is_read = method == Method::GET;
        let own = operation.at(if path.contains("{job}") { "1" } else { NO_ID });

        // A stranger is answered with what is public or refused; nothing is done for them.
        let answer = nobody.sends(method, &own, &json!({})).await;
        let refused = [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN, StatusCode::UNPROCESSABLE_ENTITY];
        match answer.status {
            _ if is_read => {}
            StatusCode::BAD_REQUEST => assert!(path.starts_with("/api/webhooks/"), "{method} {path}"),
            status => assert!(refused.contains(&status), "{method} {path} answered a stranger {status}"),
        }
        if path.starts_with("/api/admin/") {
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{method} {path} for a stranger");
            let answer = buyer.sends(method, &own, &json!({})).await;
            let hidden = [StatusCode::FORBIDDEN, StatusCode::NOT_FOUND];
            assert!(hidden.contains(&answer.status), "{method} {path} answered a buyer {}", answer.status);
        }

        // Whoever asks, and whatever for, it is never our fault, and never an address that is not there.
        let addresses =
            [own.as_str(), &operation.at("1"), &operation.at("nothing-here"), &operation.at("%00"), &operation.at("%FF")];
        let addresses: BTreeSet<String> =
            addresses.into_iter().flat_map(|a| [a.to_owned(), format!("{a}?cursor=%00&limit=-1&q=%00&sort=x&state=x")]).collect();
        for (address, caller) in addresses.iter().flat_map(|a| [(a, &nobody), (a, &buyer), (a, &admin)]) {
            // The sessions are needed to the end, and attempts to sign in are few.
            if path.starts_with("/api/auth/") {
                continue;
            }
            let answer = caller.sends(method, address, &json!({ "surely_unknown": true })).await;
            let what = format!("{method} {address} answered {}: {}", answer.status, answer.body);
            if answer.status.is_server_error() || answer.status == StatusCode::METHOD_NOT_ALLOWED {
                faults.push(what);
                continue;
            }
            assert!(!answer.body.contains("nothing at this address"), "{what}");
            assert!(!operation.has_body || !answer.status.is_success(), "an unknown field was taken: {what}");
            if answer.status.is_client_error() {
                answer.problem(answer.status);
            }
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_says_why_field_by_field() {
    let stage = Stage::open().await;
    stage.signs_up("bob").await;
    let bob = Program::of(&stage, "bob").await;
    let fields = |problem: &Value| {
        let errors = problem["errors"].as_array().expect("errors by field");
        assert!(errors.iter().all(|e| e["detail"].as_str().is_some_and(|d| d.ends_with('.'))), "{problem}");
        errors.iter().map(|e| text(e, "field")).collect::<Vec<_>>()
    };

    let order = json!({ "product_id": NO_ID, "license_type": "standard" });
    assert_eq!(
        text(&bob.posts("/api/orders", &order).await.problem(StatusCode::NOT_FOUND), "type"),
        "/api/docs#problem-not-found"
    );
    for (body, field) in [
        (json!({}), "product_id"),
        (json!({ "product_id": NO_ID, "license_type": "golden" }), "license_type"),
        (json!({ "product_id": 7, "license_type": "standard" }), "product_id"),
        (json!({ "product_id": NO_ID, "license_type": "standard", "coupon": "FREE" }), "coupon"),
    ] {
        assert_eq!(fields(&bob.posts("/api/orders", &body).await.problem(StatusCode::UNPROCESSABLE_ENTITY)), [field], "{body}");
    }
    let stored = json!({ "bio": "An end\u{0}" });
    bob.sends(&Method::PUT, "/api/user/profile", &stored).await.problem(StatusCode::UNPROCESSABLE_ENTITY);
    let profile = json!({ "username": "x", "links": [{ "url": "https://example.com", "lable": "Home" }] });
    assert_eq!(
        fields(&bob.sends(&Method::PUT, "/api/user/profile", &profile).await.problem(StatusCode::UNPROCESSABLE_ENTITY)),
        ["links[0].lable"]
    );

    let raw = |kind: &str, body: String| bob.asks(&Method::POST, "/api/orders").header(header::CONTENT_TYPE, kind).body(body);
    for body in ["{", "", "nonsense", "\u{0}", &format!("{order} {order}")] {
        let answer = answer(raw("application/json", body.to_owned())).await;
        assert_eq!(fields(&answer.problem(StatusCode::UNPROCESSABLE_ENTITY)), [""], "{body}");
    }
    let large = format!("{{\"product_id\":\"{}\"}}", "x".repeat(1024 * 1024));
    answer(raw("application/json", large.clone())).await.problem(StatusCode::PAYLOAD_TOO_LARGE);
    answer(raw("application/json", large).header("idempotency-key", "large")).await.problem(StatusCode::PAYLOAD_TOO_LARGE);
    answer(raw("text/plain", order.to_string())).await.problem(StatusCode::UNSUPPORTED_MEDIA_TYPE);
    bob.sends(&Method::PATCH, "/api/orders", &order).await.problem(StatusCode::METHOD_NOT_ALLOWED);
    bob.gets("/api/nothing").await.problem(StatusCode::NOT_FOUND);
    Program::at(&stage).gets("/api/orders").await.problem(StatusCode::UNAUTHORIZED);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_makes_a_request_safe_to_repeat() {
    let stage = Stage::open().await;
    let (seller, admin) = (stage.seller("ada").await, stage.admin("rita").await);
    let listing = stage.sells(&seller, &admin, "Hello world starter kit", "299", &package::honest()).await;
    stage.signs_up("bob").await;
    stage.signs_up("eve").await;
    let (ada, bob, eve) = (Program::of(&stage, "ada").await, Program::of(&stage, "bob").await, Program::of(&stage, "eve").await);
    let keyed = |who: &Program, path: &str, body: &Value| {
        answer(who.asks(&Method::POST, path).header("idempotency-key", "one").json(body))
    };
    let order = json!({ "product_id": listing.product, "license_type": "standard" });

    let first = keyed(&bob, "/api/orders", &order).await;
    let again = keyed(&bob, "/api/orders", &order).await;
    assert_eq!((first.status, again.status), (StatusCode::CREATED, StatusCode::CREATED), "{}", first.body);
    assert_eq!(first.body, again.body, "byte for byte");
    assert_eq!((first.header("idempotency-replayed"), again.header("idempotency-replayed")), ("", "true"));
    assert_eq!(stage.count("SELECT count(*) FROM orders").await, 1);

    let other = keyed(&bob, "/api/orders", &json!({ "product_id": listing.product, "license_type": "extended" })).await;
    assert_eq!(other.problem(StatusCode::UNPROCESSABLE_ENTITY)["errors"][0]["field"], "Idempotency-Key");
    keyed(&bob, "/api/marketplace/checkout", &order).await.problem(StatusCode::UNPROCESSABLE_ENTITY);

    // Another person's key of the same name is another key.
    let hers = keyed(&eve, "/api/orders", &order).await;
    assert_eq!((hers.status, hers.header("idempotency-replayed")), (StatusCode::CREATED, ""));
    assert_ne!(text(&hers.json(), "order_id"), text(&first.json(), "order_id"));

    // At once, one is done; who comes meanwhile waits, who comes later is told what came of it.
    let draft = json!({ "title": "Another starter kit", "short_description": "Saves an hour.", "category": "automation" });
    let drafting = || keyed(&ada, "/api/products", &draft);
    let (a, b, c, d) = tokio::join!(drafting(), drafting(), drafting(), drafting());
    for answer in [a, b, c, d] {
        assert!([StatusCode::CREATED, StatusCode::CONFLICT].contains(&answer.status), "{} {}", answer.status, answer.body);
    }
    assert_eq!(stage.count("SELECT count(*) FROM products WHERE title = 'Another starter kit'").await, 1);
    assert_eq!(drafting().await.header("idempotency-replayed"), "true");

    // A day later the key is free; of signing in nothing was ever kept.
    stage.later(Duration::hours(25));
    let credentials = json!({ "email": "bob@example.com", "password": PASSWORD });
    let (one, two) = (keyed(&bob, "/api/auth/login", &credentials).await, keyed(&bob, "/api/auth/login", &credentials).await);
    assert_ne!(text(&one.json(), "token"), text(&two.json(), "token"), "two sessions");
    let kept = "SELECT count(*) FROM idempotency_keys WHERE position('token' IN convert_from(body, 'UTF8')) > 0";
    assert_eq!(stage.count(kept).await, 0);
    let ada = Program::of(&stage, "ada").await;
    assert_eq!(keyed(&ada, "/api/products", &draft).await.header("idempotency-replayed"), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn shapes_are_as_older_documents_fix_them() {
    let stage = Stage::open().await;
    let (seller, admin) = (stage.seller("ada").await, stage.admin("rita").await);
    let listing = stage.sells(&seller, &admin, "Hello world starter kit", "299", &package::honest()).await;
    stage.signs_up("bob").await;
    let (nobody, ada, bob) = (Program::at(&stage), Program::of(&stage, "ada").await, Program::of(&stage, "bob").await);

    let product = nobody.gets(&format!("/api/products/{}", listing.slug)).await;
    assert!(product.body.contains("\"price\":299.00,"), "{}", product.body);
    let product = product.json();
    has(
        &product,
        "id title slug description price currency category tech_stack preview_images demo_url seller stats created_at updated_at",
    );
    has(&product, "kind licences versions requirements");
    has(&product["seller"], "id username display_name avatar_url verified rating total_sales");
    has(&product["stats"], "views sales rating_average rating_count");
    assert_eq!((&product["currency"], &product["seller"]["username"]), (&json!("usd"), &json!("ada")));
    assert!(product["tech_stack"].is_array() && product["preview_images"].is_array(), "{product}");

    let body = json!({ "product_id": listing.product, "license_type": "standard" });
    let created = bob.posts("/api/orders", &body).await;
    assert_eq!(created.status, StatusCode::CREATED, "{}", created.body);
    assert!(created.body.contains("\"amount\":299.00,"), "{}", created.body);
    let order = created.json();
    let number = text(&order, "order_number").replace(|c: char| c.is_ascii_digit(), "9");
    assert_eq!(number, "MW-9999-99999", "{order}");
    assert!(text(&order, "stripe_client_secret").starts_with("pi_"), "{order}");
    assert_eq!(order["status"], "pending");

    // Two names, one answer.
    assert_eq!(bob.posts("/api/marketplace/checkout", &body).await.body, created.body);
    let (product, id) = (&listing.product, text(&order, "order_id"));
    for (who, one, other) in [
        (&nobody, "/api/products".to_owned(), "/api/marketplace/listings".to_owned()),
        (&nobody, format!("/api/products/{product}"), format!("/api/marketplace/listings/{product}")),
        (&nobody, format!("/api/products/{product}"), format!("/api/products/{}", listing.slug)),
        (&nobody, "/api/search?q=hello".to_owned(), "/api/marketplace/search?q=hello".to_owned()),
        (&nobody, format!("/api/products/{product}/reviews"), format!("/api/reviews/product/{product}")),
        (&nobody, format!("/api/products/{product}/reviews"), format!("/api/marketplace/reviews/{product}")),
        (&ada, "/api/products/me".to_owned(), "/api/marketplace/my-listings".to_owned()),
        (&ada, "/api/products/me".to_owned(), "/api/seller/products".to_owned()),
        (&bob, "/api/orders".to_owned(), "/api/marketplace/orders".to_owned()),
        (&bob, format!("/api/orders/{id}"), format!("/api/marketplace/orders/{id}")),
        (&bob, "/api/user/profile".to_owned(), "/api/users/me".to_owned()),
    ] {
        let (left, right) = (who.gets(&one).await, who.gets(&other).await);
        assert_eq!((left.status, right.status), (StatusCode::OK, StatusCode::OK), "{one} {}\n{other} {}", left.body, right.body);
        assert_eq!(left.body, right.body, "{one} and {other}");
    }
}

/// One operation of the document.
struct Operation {
    id: String,
    method: Method,
    path: String,
    has_body: bool,
}

impl Operation {
    /// Its address, with this for each parameter in the path.
    fn at(&self, parameter: &str) -> String {
        let segments = self.path.split('/').map(|s| if s.starts_with('{') { parameter } else { s });
        segments.collect::<Vec<_>>().join("/")
    }
}

fn operations(document: &Value) -> Vec<Operation> {
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("methods") {
            let Ok(method) = method.to_uppercase().parse::<Method>() else { continue };
            if operation["responses"].is_null() {
                continue;
            }
            let documented = operation["parameters"].as_array().into_iter().flatten().filter(|p| p["in"] == "path").count();
            assert_eq!(documented, path.matches('{').count(), "{method} {path} documents the parameters of its path");
            let has_body = operation["requestBody"]["content"]["application/json"].is_object();
            operations.push(Operation { id: text(operation, "operationId"), method, path: path.clone(), has_body });
        }
    }
    operations
}
