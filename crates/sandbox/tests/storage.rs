//! Files by the real client and, as browsers do, by presigned URLs: what is signed works, everything else is 403; parts, CORS
//! and faults.

use crate::support::Stage;
use futures::TryStreamExt;
use mywork_sandbox::faults::{Fault, Service};
use mywork_vendors::storage::{Part, StorageError};
use reqwest::Method;
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);
const ORIGIN: &str = "http://localhost:8080";

async fn prepared() -> Stage {
    let stage = Stage::new().await;
    let storage = stage.storage();
    assert!(storage.ping().await.unwrap_err().is_not_found(), "there is no bucket yet");
    storage.prepare(&[ORIGIN]).await.unwrap();
    storage.prepare(&[ORIGIN]).await.unwrap();
    storage.ping().await.unwrap();
    stage
}

#[tokio::test]
async fn a_file_is_put_read_copied_and_removed() {
    let stage = prepared().await;
    let storage = stage.storage();
    let body: Vec<u8> = (0..300_000_u32).map(|n| n.to_le_bytes()[0]).collect();
    storage.put("a/ü b.zip", body.clone().into(), "application/zip").await.unwrap();
    let found = storage.head("a/ü b.zip").await.unwrap().unwrap();
    assert_eq!((found.size, found.content_type.as_deref()), (300_000, Some("application/zip")));

    storage.copy("a/ü b.zip", "b/copy").await.unwrap();
    let path = stage.folder.path().join("copy");
    assert_eq!(storage.download_to("b/copy", &path).await.unwrap(), 300_000);
    assert_eq!(std::fs::read(&path).unwrap(), body);
    let streamed: Vec<_> = storage.get("b/copy").await.unwrap().try_collect().await.unwrap();
    assert_eq!(streamed.concat(), body);
    assert_eq!(storage.get_bytes("b/copy", 300_000).await.unwrap(), body);
    assert!(matches!(storage.get_bytes("b/copy", 299_999).await, Err(StorageError::TooLarge { .. })));

    storage.delete("a/ü b.zip").await.unwrap();
    storage.delete("a/ü b.zip").await.unwrap();
    assert_eq!(storage.head("a/ü b.zip").await.unwrap(), None);
    assert!(storage.get_bytes("a/ü b.zip", 1).await.unwrap_err().is_not_found());
    assert!(storage.copy("a/ü b.zip", "c").await.unwrap_err().is_not_found());
}

#[tokio::test]
async fn a_presigned_url_does_what_was_signed_and_nothing_else() {
    let stage = prepared().await;
    let storage = stage.storage();
    let put = storage.presign_put("up/one.txt", "text/plain", 5, MINUTE).await.unwrap();
    let send = |kind: &'static str, body: &'static str| {
        let request = stage.http.put(put.clone()).header("content-type", kind).body(body);
        async move { request.send().await.unwrap().status().as_u16() }
    };
    assert_eq!(send("text/html", "hello").await, 403, "another type");
    assert_eq!(send("text/plain", "hello world").await, 403, "more bytes");
    assert_eq!(send("text/plain", "hello").await, 200);

    let get = storage.presign_get("up/one.txt", Some("Ünë.txt"), MINUTE).await.unwrap();
    let got = stage.http.get(get.clone()).send().await.unwrap();
    let disposition = got.headers()["content-disposition"].to_str().unwrap().to_owned();
    assert_eq!(disposition, "attachment; filename=\"_n_.txt\"; filename*=UTF-8''%C3%9Cn%C3%AB.txt");
    assert_eq!(got.text().await.unwrap(), "hello");
    assert_eq!(stage.http.put(get.clone()).body("x").send().await.unwrap().status(), 403, "another method");
    let elsewhere = get.as_str().replace("one.txt", "two.txt");
    assert_eq!(stage.http.get(elsewhere).send().await.unwrap().status(), 403, "another key");
    let longer = get.as_str().replace("X-Amz-Expires=60", "X-Amz-Expires=6000");
    assert_eq!(stage.http.get(longer).send().await.unwrap().status(), 403, "a longer life");
    let bare = format!("{}/files/up/one.txt", stage.sandbox.s3_url());
    assert_eq!(stage.http.get(bare).send().await.unwrap().status(), 403, "no signature");
    let short = storage.presign_get("up/one.txt", None, Duration::from_secs(1)).await.unwrap();
    tokio::time::sleep(Duration::from_millis(2100)).await;
    assert_eq!(stage.http.get(short).send().await.unwrap().status(), 403, "expired");

    let stranger = stage.storage_with("guess");
    let refused = stranger.ping().await.unwrap_err();
    assert!(matches!(refused, StorageError::Refused { .. }) && !refused.is_retryable(), "{refused}");
    let forged = stranger.presign_get("up/one.txt", None, MINUTE).await.unwrap();
    assert_eq!(stage.http.get(forged).send().await.unwrap().status(), 403, "a wrong secret");
}

#[tokio::test]
async fn an_upload_in_parts_is_resumed_and_completed_once() {
    let stage = prepared().await;
    let storage = stage.storage();
    let upload = storage.create_multipart("big.zip", "application/zip").await.unwrap();
    let send = async |number: i32, size: usize| {
        let url = storage.presign_part("big.zip", &upload, number, size as u64, MINUTE).await.unwrap();
        let fill = number.to_le_bytes()[0];
        let answer = stage.http.put(url).header("origin", ORIGIN).body(vec![fill; size]).send().await.unwrap();
        assert_eq!(
            (answer.status().as_u16(), &answer.headers()["access-control-expose-headers"]),
            (200, &"ETag".parse().unwrap())
        );
        answer.headers()["etag"].to_str().unwrap().to_owned()
    };
    let first = send(1, 5 << 20).await;
    assert_eq!(storage.list_parts("big.zip", &upload).await.unwrap(), [Part { number: 1, etag: first, size: 5 << 20 }]);
    send(2, 1000).await;
    let third = storage.presign_part("big.zip", &upload, 3, 1000, MINUTE).await.unwrap();
    let longer = stage.http.put(third).body(vec![0; 1001]).send().await.unwrap();
    assert_eq!(longer.status(), 403, "another length than was signed");

    let stage = stage.restarted().await;
    let storage = stage.storage();
    let parts = storage.list_parts("big.zip", &upload).await.unwrap();
    assert_eq!(parts.len(), 2, "what was sent before a restart is there after it");
    let mut wrong = parts.clone();
    wrong[1].etag = parts[0].etag.clone();
    assert!(matches!(storage.complete_multipart("big.zip", &upload, &wrong).await, Err(StorageError::Refused { .. })));
    storage.complete_multipart("big.zip", &upload, &parts).await.unwrap();
    let found = storage.head("big.zip").await.unwrap().unwrap();
    assert_eq!((found.size, found.content_type.as_deref()), ((5 << 20) + 1000, Some("application/zip")));
    assert!(storage.complete_multipart("big.zip", &upload, &parts).await.unwrap_err().is_not_found());
    assert!(storage.list_parts("big.zip", &upload).await.unwrap_err().is_not_found());

    let abandoned = storage.create_multipart("other", "text/plain").await.unwrap();
    storage.abort_multipart("other", &abandoned).await.unwrap();
    storage.abort_multipart("other", &abandoned).await.unwrap();
}

#[tokio::test]
async fn a_browser_asks_first_and_is_answered_by_the_rules_of_the_bucket() {
    let stage = prepared().await;
    let put = stage.storage().presign_put("page.txt", "text/plain", 2, MINUTE).await.unwrap();
    let ask = |origin: &'static str, method: &'static str| {
        let request = stage
            .http
            .request(Method::OPTIONS, put.clone())
            .header("origin", origin)
            .header("access-control-request-method", method)
            .header("access-control-request-headers", "content-type");
        async move { request.send().await.unwrap() }
    };
    let allowed = ask(ORIGIN, "PUT").await;
    assert_eq!(allowed.status(), 200);
    assert_eq!(allowed.headers()["access-control-allow-origin"], ORIGIN);
    assert_eq!(allowed.headers()["access-control-allow-methods"], "GET, HEAD, PUT");
    assert_eq!(ask("http://evil.example", "PUT").await.status(), 403);
    assert_eq!(ask(ORIGIN, "DELETE").await.status(), 403);

    let sent = stage.http.put(put).header("origin", ORIGIN).header("content-type", "text/plain").body("hi").send().await.unwrap();
    assert_eq!((sent.status().as_u16(), &sent.headers()["access-control-allow-origin"]), (200, &ORIGIN.parse().unwrap()));
    assert_eq!(sent.headers()["access-control-expose-headers"], "ETag");
}

#[tokio::test]
async fn the_client_outlasts_a_short_outage_and_reports_a_long_one() {
    let stage = prepared().await;
    let storage = stage.storage();
    stage.sandbox.faults().set(Service::S3, Fault { fail_next: 2, status: Some(503), ..Fault::default() });
    storage.put("a", "x".into(), "text/plain").await.unwrap();
    stage.sandbox.faults().set(Service::S3, Fault { fail_next: 100, ..Fault::default() });
    let down = storage.head("a").await.unwrap_err();
    assert!(down.is_retryable(), "{down}");
}
