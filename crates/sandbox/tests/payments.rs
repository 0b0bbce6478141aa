//! Payments by the real client: every kind of card, idempotency as Stripe has it, webhooks signed, repeated, twice and out of
//! order, and a restart in between.

use crate::support::{Endpoint, Form, Stage, now};
use axum::http::StatusCode;
use mywork_sandbox::faults::{Fault, Service, WebhookFault};
use mywork_vendors::stripe::{Event, NewPaymentIntent, PaymentStatus, StripeError, verify_signature};
use serde_json::Value;
use std::time::{Duration, Instant};

fn order(amount: i64) -> NewPaymentIntent {
    NewPaymentIntent {
        amount,
        currency: "usd".into(),
        metadata: vec![("checkout".into(), "c1".into()), ("buyer".into(), "b1".into())],
        transfer_group: Some("checkout_c1".into()),
        receipt_email: Some("buyer+1@example.com".into()),
        description: Some("Sales dashboard & more, 100 %".into()),
    }
}

#[tokio::test]
async fn a_payment_is_asked_for_paid_and_read_with_its_fee() {
    let stage = Stage::new().await;
    let stripe = stage.stripe();
    stripe.ping().await.unwrap();
    let asked = stripe.create_payment_intent(&order(29_900), "checkout-c1").await.unwrap();
    assert_eq!(asked.status, PaymentStatus::RequiresPaymentMethod);
    assert!(asked.client_secret.starts_with(&format!("{}_secret_", asked.id)));
    assert_eq!(asked.metadata["checkout"], "c1");

    assert_eq!(stage.sandbox.stripe().pay(&asked.client_secret, "4242424242424242").unwrap(), "succeeded");
    let paid = stripe.get_payment_intent(&asked.id).await.unwrap();
    assert_eq!((paid.status, paid.amount, paid.currency.as_str()), (PaymentStatus::Succeeded, 29_900, "usd"));
    assert_eq!(paid.fee, Some(897), "2.9 % and 30 cents");
    let charge = stage.sandbox.stripe().object(paid.latest_charge.as_deref().unwrap()).unwrap();
    assert_eq!(charge["description"], "Sales dashboard & more, 100 %");
    assert_eq!((&charge["transfer_group"], &charge["receipt_email"]), (&"checkout_c1".into(), &"buyer+1@example.com".into()));

    let refused = stripe.cancel_payment_intent(&asked.id, "cancel-c1").await.unwrap_err();
    assert!(matches!(&refused, StripeError::Refused { code, .. } if code == "payment_intent_unexpected_state"), "{refused}");
    assert!(!refused.is_retryable());
}

#[tokio::test]
async fn cards_decline_with_a_reason_the_buyer_can_read() {
    let stage = Stage::new().await;
    let stripe = stage.stripe();
    let asked = stripe.create_payment_intent(&order(1000), "k").await.unwrap();
    for (card, code, decline_code, message) in [
        ("4000000000000002", "card_declined", "generic_decline", "Your card was declined."),
        ("4000000000009995", "card_declined", "insufficient_funds", "Your card has insufficient funds."),
        ("4000000000000069", "expired_card", "expired_card", "Your card has expired."),
        ("4000000000000127", "incorrect_cvc", "incorrect_cvc", "Your card's security code is incorrect."),
    ] {
        assert_eq!(stage.sandbox.stripe().pay(&asked.id, card).unwrap_err().code, code);
        let after = stripe.get_payment_intent(&asked.id).await.unwrap();
        assert_eq!(after.status, PaymentStatus::RequiresPaymentMethod);
        let error = after.last_error.unwrap();
        assert_eq!(
            (error.code.as_str(), error.decline_code.as_deref(), error.message.as_str()),
            (code, Some(decline_code), message)
        );
    }
    assert_eq!(stage.sandbox.stripe().charges().len(), 4);
    assert_eq!(stage.sandbox.stripe().pay(&asked.id, "5555555555554444").unwrap(), "succeeded");
}

#[tokio::test]
async fn three_d_secure_goes_over_the_banks_page_and_back() {
    let stage = Stage::new().await;
    let stripe = stage.stripe();
    for (outcome, status, told) in
        [("complete", PaymentStatus::Succeeded, "succeeded"), ("fail", PaymentStatus::RequiresPaymentMethod, "failed")]
    {
        let asked = stripe.create_payment_intent(&order(1000), outcome).await.unwrap();
        let confirmed: Value = stage
            .http
            .post(stage.url(&format!("/v1/payment_intents/{}/confirm", asked.id)))
            .form(&[
                ("key", "pk_test_sandbox"),
                ("client_secret", &asked.client_secret),
                ("payment_method_data[type]", "card"),
                ("payment_method_data[card][number]", "4000 0027 6000 3184"),
                ("payment_method_data[card][exp_month]", "12"),
                ("payment_method_data[card][exp_year]", "34"),
                ("payment_method_data[card][cvc]", "123"),
                ("return_url", "http://localhost:8080/checkout/success?checkout=c1"),
            ])
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap();
        assert_eq!(confirmed["status"], "requires_action");
        assert!(confirmed.get("metadata").is_none(), "a browser does not see the metadata");
        assert_eq!(stripe.get_payment_intent(&asked.id).await.unwrap().status, PaymentStatus::RequiresAction);

        let question = confirmed["next_action"]["redirect_to_url"]["url"].as_str().unwrap();
        let page = stage.http.get(question).send().await.unwrap().text().await.unwrap();
        assert!(page.contains("Complete authentication") && page.contains("$10.00"), "{page}");
        let answered = stage
            .http
            .post(question.split('?').next().unwrap())
            .form(&[("client_secret", asked.client_secret.as_str()), ("outcome", outcome)])
            .send()
            .await
            .unwrap();
        assert_eq!(answered.status(), StatusCode::SEE_OTHER);
        let back = answered.headers()["location"].to_str().unwrap();
        assert!(back.starts_with("http://localhost:8080/checkout/success?checkout=c1&payment_intent=pi_"), "{back}");
        assert!(back.ends_with(&format!("redirect_status={told}")), "{back}");
        assert_eq!(stripe.get_payment_intent(&asked.id).await.unwrap().status, status);
    }
}

#[tokio::test]
async fn the_same_key_makes_one_payment_and_refuses_another() {
    let stage = Stage::new().await;
    let stripe = stage.stripe();
    let first = stripe.create_payment_intent(&order(1000), "k1").await.unwrap();
    let second = stripe.create_payment_intent(&order(1000), "k1").await.unwrap();
    assert_eq!(first, second);
    assert_eq!(stage.sandbox.stripe().payment_intents().len(), 1);

    let other = stripe.create_payment_intent(&order(2000), "k1").await.unwrap_err();
    assert!(matches!(&other, StripeError::Refused { status: 400, code, .. } if code == "idempotency_error"), "{other}");

    let repeat = |key: &'static str| {
        let request = stage.http.post(stage.url("/v1/payment_intents")).basic_auth("sk_test_sandbox", None::<&str>);
        request.header("idempotency-key", key).form(&[("amount", "500"), ("currency", "usd")]).send()
    };
    assert!(repeat("k2").await.unwrap().headers().get("idempotent-replayed").is_none());
    let replayed = repeat("k2").await.unwrap();
    assert_eq!(replayed.headers()["idempotent-replayed"], "true");
    assert!(replayed.headers().contains_key("request-id"));
    assert_eq!(stage.sandbox.stripe().payment_intents().len(), 2);
}

#[tokio::test]
async fn an_answer_that_was_lost_does_not_make_a_second_payment() {
    let stage = Stage::new().await;
    stage.sandbox.faults().set(Service::Stripe, Fault { lose_answers: 2, status: Some(503), ..Fault::default() });
    let asked = stage.stripe().create_payment_intent(&order(1000), "k").await.unwrap();
    assert_eq!(stage.sandbox.stripe().payment_intents().len(), 1);
    assert_eq!(stage.sandbox.stripe().payment_intents()[0]["id"], asked.id.as_str());

    stage.sandbox.faults().set(Service::Stripe, Fault { fail_next: 100, ..Fault::default() });
    let down = stage.stripe().create_payment_intent(&order(1000), "k2").await.unwrap_err();
    assert!(down.is_retryable(), "{down}");
    stage.sandbox.faults().clear();
    let wrong = stage.stripe_with("sk_test_other").ping().await.unwrap_err();
    assert!(matches!(wrong, StripeError::Refused { status: 401, .. }) && !wrong.is_retryable(), "{wrong}");
    assert!(stage.stripe().get_payment_intent("pi_none").await.unwrap_err().is_missing());
}

#[tokio::test]
async fn webhooks_are_signed_and_repeated_until_they_are_taken() {
    let stage = Stage::new().await;
    let (endpoint, url) = Endpoint::start().await;
    let mut target = Endpoint::target(&url, &["payment_intent.succeeded"]);
    target.secrets = vec!["whsec_old".into(), "whsec_new".into()];
    stage.sandbox.stripe().set_webhooks(vec![target]);
    endpoint.answer(&[StatusCode::INTERNAL_SERVER_ERROR]);

    let asked = stage.stripe().create_payment_intent(&order(1000), "k").await.unwrap();
    stage.sandbox.stripe().pay(&asked.id, "4242424242424242").unwrap();
    let arrived = endpoint.wait_for(2).await;
    for delivery in &arrived {
        let signature = delivery.header("stripe-signature");
        for secret in ["whsec_old", "whsec_new"] {
            verify_signature(&delivery.body, signature, &[secret], now()).unwrap();
        }
        assert!(verify_signature(&delivery.body, signature, &["whsec_other"], now()).is_err());
    }
    let events: Vec<Event> = arrived.iter().map(|delivery| Event::parse(&delivery.body).unwrap()).collect();
    assert_eq!(events[0], events[1], "the repeat is the same event");
    assert_eq!((events[0].kind.as_str(), &events[0].object["id"]), ("payment_intent.succeeded", &asked.id.as_str().into()));
    assert_eq!(events[0].object["metadata"]["buyer"], "b1");
}

#[tokio::test]
async fn webhooks_come_twice_late_and_out_of_order_on_request() {
    let stage = Stage::new().await;
    let (endpoint, url) = Endpoint::start().await;
    stage
        .sandbox
        .stripe()
        .set_webhooks(vec![Endpoint::target(&url, &["payment_intent.succeeded", "payment_intent.payment_failed"])]);
    let stripe = stage.stripe();

    stage.sandbox.faults().set_webhooks(WebhookFault { duplicates: 1, delay_ms: 300, ..WebhookFault::default() });
    let asked = stripe.create_payment_intent(&order(1000), "k1").await.unwrap();
    let paid_at = Instant::now();
    stage.sandbox.stripe().pay(&asked.id, "4242424242424242").unwrap();
    let arrived = endpoint.wait_for(2).await;
    assert!(paid_at.elapsed() >= Duration::from_millis(300));
    assert_eq!(arrived[0].body, arrived[1].body);

    // Over HTTP, as a person with curl would.
    let switch = |body: &'static str| {
        let request = stage.http.post(stage.url("/_sandbox/faults")).header("content-type", "application/json").body(body);
        async move { assert_eq!(request.send().await.unwrap().status(), StatusCode::OK) }
    };
    switch(r#"{"webhooks":{"hold":true,"reverse":true}}"#).await;
    let asked = stripe.create_payment_intent(&order(1000), "k2").await.unwrap();
    stage.sandbox.stripe().pay(&asked.id, "4000000000000002").unwrap_err();
    stage.sandbox.stripe().pay(&asked.id, "4242424242424242").unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(endpoint.count(), 2, "nothing more while they are held");
    switch(r#"{"webhooks":{"reverse":true}}"#).await;
    let kinds: Vec<String> =
        endpoint.wait_for(4).await[2..].iter().map(|delivery| Event::parse(&delivery.body).unwrap().kind).collect();
    assert_eq!(kinds, ["payment_intent.succeeded", "payment_intent.payment_failed"]);

    stage.sandbox.faults().clear();
    let event = Event::parse(&endpoint.wait_for(4).await[2].body).unwrap();
    let resent = stage.http.post(stage.url(&format!("/_sandbox/stripe/events/{}/resend?copies=2", event.id)));
    assert_eq!(resent.send().await.unwrap().json::<Value>().await.unwrap()["deliveries"], 2);
    assert_eq!(Event::parse(&endpoint.wait_for(6).await[5].body).unwrap(), event);
}

#[tokio::test]
async fn payments_keys_and_waiting_webhooks_survive_a_restart() {
    let stage = Stage::new().await;
    let (endpoint, url) = Endpoint::start().await;
    stage.sandbox.stripe().set_webhooks(vec![Endpoint::target(&url, &["payment_intent.succeeded"])]);
    stage.sandbox.faults().set_webhooks(WebhookFault { hold: true, ..WebhookFault::default() });
    let asked = stage.stripe().create_payment_intent(&order(1000), "k").await.unwrap();
    stage.sandbox.stripe().pay(&asked.id, "4242424242424242").unwrap();

    let stage = stage.restarted().await;
    assert_eq!(stage.stripe().get_payment_intent(&asked.id).await.unwrap().status, PaymentStatus::Succeeded);
    assert_eq!(stage.stripe().create_payment_intent(&order(1000), "k").await.unwrap().id, asked.id);
    assert_eq!(endpoint.wait_for(1).await.len(), 1);
}

#[tokio::test]
async fn a_page_reaches_one_payment_by_its_secret_and_nothing_else() {
    let stage = Stage::new().await;
    let asked = stage.stripe().create_payment_intent(&order(1000), "k").await.unwrap();
    let get = |path: String| {
        let request = stage.http.get(stage.url(&path)).header("origin", "http://localhost:8080");
        async move { request.send().await.unwrap() }
    };
    let own = get(format!("/v1/payment_intents/{}?key=pk_test_sandbox&client_secret={}", asked.id, asked.client_secret)).await;
    assert_eq!((own.status(), &own.headers()["access-control-allow-origin"]), (StatusCode::OK, &"*".parse().unwrap()));
    for (path, status) in [
        (format!("/v1/payment_intents/{}?key=pk_test_sandbox&client_secret=guess", asked.id), StatusCode::BAD_REQUEST),
        ("/v1/payment_intents?key=pk_test_sandbox".to_owned(), StatusCode::FORBIDDEN),
        ("/v1/payment_intents".to_owned(), StatusCode::UNAUTHORIZED),
        ("/v1/payment_intents?key=pk_other".to_owned(), StatusCode::UNAUTHORIZED),
    ] {
        assert_eq!(get(path.clone()).await.status(), status, "{path}");
    }
    let script = get("/v3/".into()).await;
    assert!(script.headers()["content-type"].to_str().unwrap().starts_with("text/javascript"));
    assert!(script.text().await.unwrap().contains("window.Stripe"));
    assert_eq!(get("/_sandbox/stripe".into()).await.status(), StatusCode::OK);
}

#[tokio::test]
async fn lists_are_paged_and_unknown_parameters_are_refused() {
    let stage = Stage::new().await;
    for n in 0..3 {
        stage.stripe().create_payment_intent(&order(1000 + n), &format!("k{n}")).await.unwrap();
    }
    let get = async |path: &str| -> Value {
        let request = stage.http.get(stage.url(path)).bearer_auth("sk_test_sandbox");
        request.send().await.unwrap().json().await.unwrap()
    };
    let first = get("/v1/payment_intents?limit=2").await;
    assert_eq!((&first["has_more"], &first["data"][0]["amount"]), (&true.into(), &1002.into()));
    let rest = get(&format!("/v1/payment_intents?limit=2&starting_after={}", first["data"][1]["id"].as_str().unwrap())).await;
    assert_eq!(
        (&rest["has_more"], &rest["data"][0]["amount"], rest["data"].as_array().unwrap().len()),
        (&false.into(), &1000.into(), 1)
    );
    assert_eq!(get("/v1/payment_intents?limit=0").await["error"]["param"], "limit");
    assert_eq!(get("/v1/refunds").await["error"]["type"], "invalid_request_error");
    let unknown = stage.http.post(stage.url("/v1/payment_intents")).bearer_auth("sk_test_sandbox");
    let unknown: Value =
        unknown.form(&[("amount", "500"), ("currency", "usd"), ("colour", "red")]).send().await.unwrap().json().await.unwrap();
    assert_eq!(unknown["error"]["code"], "parameter_unknown");
}
