//! E-mail by the real client: once per key, refused for another message under the same one, and shown in the outbox.

use crate::support::Stage;
use mywork_sandbox::faults::{Fault, Service};
use mywork_vendors::resend::{MailError, Message};
use std::time::{Duration, Instant};

fn receipt(to: &str) -> Message {
    Message {
        to: to.into(),
        subject: "Your receipt <1>".into(),
        text: "Thank you. See http://localhost:8080/library?a=1&b=2".into(),
        html: "<p>Thank you. <a href=\"http://localhost:8080/library\">Library</a></p>".into(),
        headers: vec![("X-Entity-Ref-ID".into(), "order-1".into())],
    }
}

#[tokio::test]
async fn one_key_sends_one_email() {
    let stage = Stage::new().await;
    let mailer = stage.mailer();
    mailer.ping().await.unwrap();
    let first = mailer.send(&receipt("ada@example.com"), "order-1-receipt").await.unwrap();
    let second = mailer.send(&receipt("ada@example.com"), "order-1-receipt").await.unwrap();
    assert_eq!(first, second);
    let other = mailer.send(&receipt("bob@example.com"), "order-1-receipt").await.unwrap_err();
    assert!(matches!(&other, MailError::Refused { name, .. } if name == "invalid_idempotent_request"), "{other}");
    let sent = stage.sandbox.outbox().all();
    assert_eq!(sent.len(), 1);
    assert_eq!((sent[0].id.as_str(), sent[0].to.as_slice()), (first.as_str(), &["ada@example.com".to_owned()][..]));
    assert_eq!(sent[0].headers, [("X-Entity-Ref-ID".to_owned(), "order-1".to_owned())]);

    let stage = stage.restarted().await;
    assert_eq!(stage.mailer().send(&receipt("ada@example.com"), "order-1-receipt").await.unwrap(), first);
    assert_eq!(stage.sandbox.outbox().all().len(), 1);
}

#[tokio::test]
async fn a_send_whose_answer_is_lost_is_repeated_safely() {
    let stage = Stage::new().await;
    stage.sandbox.faults().set(Service::Resend, Fault { lose_answers: 1, ..Fault::default() });
    let lost = stage.mailer().send(&receipt("ada@example.com"), "k").await.unwrap_err();
    assert!(lost.is_retryable(), "{lost}");
    stage.mailer().send(&receipt("ada@example.com"), "k").await.unwrap();
    assert_eq!(stage.sandbox.outbox().all().len(), 1);
}

#[tokio::test]
async fn refusals_say_whether_to_try_again() {
    let stage = Stage::new().await;
    stage
        .sandbox
        .faults()
        .set(Service::Resend, Fault { fail_next: 1, status: Some(429), retry_after: Some(7), ..Fault::default() });
    let limited = stage.mailer().send(&receipt("ada@example.com"), "k").await.unwrap_err();
    assert_eq!((limited.is_retryable(), limited.slow_down()), (true, Some(Duration::from_secs(7))));
    let invalid = stage.mailer().send(&receipt("not an address"), "k").await.unwrap_err();
    assert!(!invalid.is_retryable(), "{invalid}");
    let stranger = stage.mailer_with("re_other").ping().await.unwrap_err();
    assert!(!stranger.is_retryable(), "{stranger}");
}

#[tokio::test]
async fn many_emails_are_not_held_back_by_the_library() {
    let stage = Stage::new().await;
    let mailer = stage.mailer();
    let begun = Instant::now();
    for n in 0..20 {
        mailer.send(&receipt("ada@example.com"), &format!("k{n}")).await.unwrap();
    }
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn the_outbox_shows_every_email() {
    let stage = Stage::new().await;
    let id = stage.mailer().send(&receipt("ada@example.com"), "k1").await.unwrap();
    stage.mailer().send(&receipt("bob@example.com"), "k2").await.unwrap();
    let get = async |path: &str| stage.http.get(stage.url(path)).send().await.unwrap().text().await.unwrap();
    let list = get("/outbox").await;
    assert!(list.find("bob@example.com").unwrap() < list.find("ada@example.com").unwrap(), "newest first");
    assert!(list.contains("Your receipt &lt;1&gt;"));
    let found = get("/outbox?to=ADA").await;
    assert!(found.contains("ada@example.com") && !found.contains("bob@example.com"));
    assert!(get("/outbox?to=nobody").await.contains("No e-mail to “nobody”"));
    let json: serde_json::Value = serde_json::from_str(&get("/outbox.json?to=ada").await).unwrap();
    assert_eq!((json.as_array().unwrap().len(), &json[0]["id"]), (1, &id.as_str().into()));
    assert!(get(&format!("/outbox/{id}")).await.contains("<iframe"));
    assert!(get(&format!("/outbox/{id}?view=text")).await.contains("href=\"http://localhost:8080/library?a=1&amp;b=2\""));
    assert!(get(&format!("/outbox/{id}/html")).await.contains("<p>Thank you."));
    assert!(get("/").await.contains("2 so far"));
    let retrieved = stage.http.get(stage.url(&format!("/emails/{id}"))).bearer_auth("re_sandbox").send().await.unwrap();
    assert_eq!(retrieved.json::<serde_json::Value>().await.unwrap()["last_event"], "delivered");
}
