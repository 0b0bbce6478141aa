//! Accounts at the stand-in of Clerk: pages, tokens that its published keys verify, rotation, webhooks signed as Svix signs.

use crate::support::{Endpoint, Form, Stage, now};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use mywork_sandbox::{Target, clerk::TokenRequest, clerk_webhook_secret};
use mywork_vendors::{jwks, svix};
use serde_json::Value;

async fn verified(stage: &Stage, token: &str) -> Result<Value, jsonwebtoken::errors::Error> {
    let keys = jwks::fetch(&stage.sandbox.jwks_url().parse().unwrap()).await.unwrap();
    let kid = decode_header(token)?.kid.unwrap();
    let mut rules = Validation::new(Algorithm::RS256);
    rules.set_issuer(&[stage.sandbox.base_url()]);
    rules.validate_nbf = true;
    rules.validate_aud = false;
    rules.leeway = 0;
    Ok(decode::<Value>(token, &DecodingKey::from_jwk(keys.find(&kid).unwrap())?, &rules)?.claims)
}

#[tokio::test]
async fn signing_up_sets_a_session_that_the_published_keys_verify() {
    let stage = Stage::new().await;
    let back = "http://127.0.0.1:8080/after?x=1";
    let form =
        [("email", "Ada@Example.com"), ("username", "ada"), ("first_name", "Ada"), ("last_name", "L"), ("redirect_url", back)];
    let answer = stage.http.post(stage.url("/clerk/sign-up")).form(&form).send().await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.headers()["location"].to_str().unwrap()), (303, back));
    let cookie = answer.headers()["set-cookie"].to_str().unwrap();
    let token = cookie.strip_prefix("__session=").and_then(|rest| rest.split(';').next()).unwrap();
    let claims = verified(&stage, token).await.unwrap();
    let ada = stage.sandbox.clerk().find_by_email("ada@example.com").unwrap();
    assert_eq!((&claims["sub"], &claims["azp"]), (&ada.id.as_str().into(), &"http://127.0.0.1:8080".into()));
    assert!(claims["sid"].as_str().unwrap().starts_with("sess_"));

    let again = stage.http.post(stage.url("/clerk/sign-up")).form(&form).send().await.unwrap();
    assert_eq!(again.status(), 422);
    assert!(again.text().await.unwrap().contains("already signed up"));
    let unknown = stage.http.post(stage.url("/clerk/sign-in")).form(&[("email", "bob@example.com")]).send().await.unwrap();
    assert_eq!(unknown.status(), 422);
    let known = stage.http.post(stage.url("/clerk/sign-in")).form(&[("email", "ada@example.com")]).send().await.unwrap();
    assert_eq!(known.status(), 303);
}

#[tokio::test]
async fn tokens_are_minted_end_and_outlive_a_rotation_of_keys() {
    let stage = Stage::new().await;
    let minted = stage.http.post(stage.url("/clerk/tokens")).json(&serde_json::json!({ "sub": "user_1", "azp": "http://x" }));
    let minted: Value = minted.send().await.unwrap().json().await.unwrap();
    let before = minted["jwt"].as_str().unwrap();
    assert_eq!(verified(&stage, before).await.unwrap()["sub"], "user_1");
    let over =
        stage.sandbox.clerk().token(&TokenRequest { sub: "user_1".into(), ttl_seconds: Some(-5), ..TokenRequest::default() });
    assert!(verified(&stage, &over).await.is_err());

    stage.sandbox.clerk().rotate_keys();
    let after = stage.sandbox.clerk().token(&TokenRequest { sub: "user_2".into(), ..TokenRequest::default() });
    assert_ne!(decode_header(before).unwrap().kid, decode_header(&after).unwrap().kid);
    assert_eq!(verified(&stage, before).await.unwrap()["sub"], "user_1");
    assert_eq!(verified(&stage, &after).await.unwrap()["sub"], "user_2");
}

#[tokio::test]
async fn webhooks_about_people_are_signed() {
    let stage = Stage::new().await;
    let (endpoint, url) = Endpoint::start().await;
    stage.sandbox.clerk().set_webhooks(vec![Target::new(url, clerk_webhook_secret())]);
    let ada = stage.sandbox.clerk().sign_up("ada@example.com", "ada", "Ada", "L").unwrap();
    endpoint.wait_for(1).await;
    let updated = stage.http.post(stage.url(&format!("/clerk/users/{}/update", ada.id))).form(&[("first_name", "Augusta")]);
    assert_eq!(updated.send().await.unwrap().status(), 303);
    endpoint.wait_for(2).await;
    stage.sandbox.clerk().delete(&ada.id).unwrap();
    let arrived = endpoint.wait_for(3).await;
    let events: Vec<Value> = arrived
        .iter()
        .map(|one| {
            let (id, at, signature) = (one.header("svix-id"), one.header("svix-timestamp"), one.header("svix-signature"));
            svix::verify(id, at, &one.body, signature, &[&clerk_webhook_secret()], now()).unwrap();
            assert!(svix::verify(id, at, &one.body, signature, &["whsec_AAAA"], now()).is_err());
            serde_json::from_slice(&one.body).unwrap()
        })
        .collect();
    let kinds: Vec<&str> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["user.created", "user.updated", "user.deleted"]);
    assert_eq!(events[0]["data"]["email_addresses"][0]["email_address"], "ada@example.com");
    assert_eq!(events[1]["data"]["first_name"], "Augusta");
    assert_eq!(events[2]["data"], serde_json::json!({ "deleted": true, "id": ada.id, "object": "user" }));
}
