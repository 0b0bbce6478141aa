//! What stands around every request: limits across processes and behind proxies, what other sites cannot make a browser do, what
//! browsers are told; and what monitors are told, when all is well and when it is not.
//!
//! Proves: SEC-04 (headers, CSRF), SEC-05, OPS-05

use crate::support::{
    database, package,
    people::{CARD, PASSWORD},
    program::{Program, answer, has, web_beside},
    stage::Stage,
};
use chrono::Duration;
use mywork_sandbox::faults::{Fault, Service};
use reqwest::{Method, StatusCode, header};
use serde_json::json;
use sqlx::{Connection, Executor, PgConnection};
use std::net::Ipv4Addr;

#[tokio::test(flavor = "multi_thread")]
async fn limits_hold_across_processes_and_behind_proxies() {
    let stage = Stage::open().await;
    stage.signs_up("bob").await;
    let bob = Program::of(&stage, "bob").await;
    stage.later(Duration::minutes(1));
    let here = Program::at(&stage);
    let beside = web_beside(&stage, None, |_| ()).await;
    let proxied = web_beside(&stage, None, |config| {
        config.web.trusted_proxies = vec![Ipv4Addr::LOCALHOST.into()];
        config.web.rate_per_minute = 30;
    })
    .await;
    let attempt = |web: &Program, from: &str| {
        answer(web.asks(&Method::POST, "/api/auth/login").header("x-forwarded-for", from).json(&json!({})))
    };

    // Twenty a minute, wherever they arrive, whatever a stranger writes into the header.
    for n in 0..20 {
        let web = if n % 2 == 0 { &here } else { &beside };
        let answer = attempt(web, &format!("203.0.113.{n}")).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "attempt {n}");
        assert_eq!((answer.header("ratelimit-limit"), answer.number("ratelimit-remaining")), ("20", 19 - n));
    }
    let credentials = json!({ "email": "bob@example.com", "password": PASSWORD });
    for web in [&here, &beside] {
        let refused = web.posts("/api/auth/login", &credentials).await;
        refused.problem(StatusCode::TOO_MANY_REQUESTS);
        assert_eq!((refused.header("ratelimit-limit"), refused.header("ratelimit-remaining")), ("20", "0"));
        assert!((1..=60).contains(&refused.number("retry-after")));
        assert_eq!(refused.header("retry-after"), refused.header("ratelimit-reset"));
    }
    let form = [("email", "bob@example.com"), ("password", PASSWORD), ("next", "/")];
    stage.person().sends("/sign-in", &form).await.shows("Too many");

    // A trusted proxy's word counts: the address it appended, not what the client had written before it.
    for n in 0..20 {
        let answer = attempt(&proxied, &format!("203.0.113.{n}, 198.51.100.7")).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "attempt {n}");
    }
    attempt(&proxied, "203.0.113.99, 198.51.100.7").await.problem(StatusCode::TOO_MANY_REQUESTS);
    attempt(&proxied, "198.51.100.8").await.problem(StatusCode::UNPROCESSABLE_ENTITY);

    // A person is counted wherever they come from.
    let roaming = proxied.speaking_for(&bob);
    let ask = |n: u8| answer(roaming.asks(&Method::GET, "/api/users/me").header("x-forwarded-for", format!("192.0.2.{n}")));
    for n in 0..30 {
        assert_eq!(ask(n).await.status, StatusCode::OK, "request {n}");
    }
    ask(30).await.problem(StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(roaming.gets("/ready").await.status, StatusCode::OK, "monitors are not counted");

    // A minute later everything is as before.
    stage.later(Duration::minutes(1));
    assert_eq!(here.posts("/api/auth/login", &credentials).await.status, StatusCode::OK);
    assert_eq!(ask(31).await.status, StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread")]
async fn other_sites_cannot_act_for_a_person() {
    let stage = Stage::open().await;
    stage.signs_up("bob").await;
    let (nobody, bob) = (Program::at(&stage), Program::of(&stage, "bob").await);
    let cookie = format!("__session={}", bob.token.as_deref().unwrap_or_default());
    let us = stage.config.base_url.origin().ascii_serialization();
    let writes = |as_whom: &Program, headers: &[(&str, &str)]| {
        let request = as_whom.asks(&Method::PUT, "/api/user/profile").json(&json!({ "bio": "Written." }));
        answer(headers.iter().fold(request, |request, (name, value)| request.header(*name, *value)))
    };

    let theirs = "https://evil.example";
    for headers in [&[][..], &[("origin", theirs)], &[("origin", "null")], &[("origin", &us), ("sec-fetch-site", "cross-site")]] {
        let headers = [&[("cookie", cookie.as_str())], headers].concat();
        writes(&nobody, &headers).await.problem(StatusCode::FORBIDDEN);
    }
    let form = nobody.asks(&Method::POST, "/become-seller").header("cookie", &cookie).header("origin", theirs);
    let page = answer(form.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded").body("accept_terms=on")).await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
    assert!(page.header("content-type").starts_with("text/html"));
    assert_eq!(bob.gets("/api/users/me").await.json()["bio"], "", "nothing was written");
    assert_eq!(writes(&nobody, &[("cookie", &cookie), ("origin", &us)]).await.status, StatusCode::OK);
    // No browser sends a bearer token by itself.
    assert_eq!(writes(&bob, &[]).await.status, StatusCode::OK);
    assert_eq!(writes(&bob, &[("origin", theirs)]).await.status, StatusCode::OK);

    // What browsers are told, on every page and on errors; over TLS to stay there, and to keep the cookies to themselves.
    let tls = web_beside(&stage, None, |config| config.base_url = "https://mywork.example/".parse().expect("an address")).await;
    for path in ["/", "/products", "/sign-in", "/legal/terms", "/nothing-here", "/api/products", "/api/docs", "/library"] {
        let page = nobody.gets(path).await;
        let policy = page.header("content-security-policy");
        assert!(policy.contains("default-src 'self'") && policy.contains("frame-ancestors 'none'"), "{path}: {policy}");
        assert!(!policy.contains("unsafe-") && !policy.contains('*'), "{path}: {policy}");
        assert_eq!(page.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(page.header("referrer-policy"), "strict-origin-when-cross-origin", "{path}");
        assert_eq!(page.header("strict-transport-security"), "", "{path}");
        assert!(tls.gets(path).await.header("strict-transport-security").contains("max-age="), "{path}");
    }
    let form = format!("email=bob%40example.com&password={}&next=%2F", PASSWORD.replace(' ', "+"));
    let form = tls.asks(&Method::POST, "/sign-in").header(header::CONTENT_TYPE, "application/x-www-form-urlencoded").body(form);
    let signed_in = answer(form.header(header::ORIGIN, "https://mywork.example")).await;
    let cookies: Vec<_> = signed_in.headers.get_all(header::SET_COOKIE).iter().filter_map(|c| c.to_str().ok()).collect();
    assert!(cookies.len() >= 2, "{} {cookies:?}", signed_in.status);
    for attribute in ["HttpOnly", "Secure", "SameSite=Lax"] {
        assert!(cookies.iter().all(|c| c.contains(attribute)), "{attribute}: {cookies:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn monitors_are_told_how_things_are() {
    let stage = Stage::open().await;
    let counting = web_beside(&stage, Some(mywork_web::ops::metrics::install().expect("the first recorder")), |_| ()).await;
    let (later, last) = (web_beside(&stage, None, |_| ()).await, web_beside(&stage, None, |_| ()).await);

    let health = counting.gets("/health").await;
    assert_eq!((health.status, &health.json()["status"]), (StatusCode::OK, &json!("ok")), "{}", health.body);
    has(&health.json()["checks"], "database queue storage stripe email");
    let checks = health.json()["checks"].as_object().cloned().expect("checks by name");
    assert!(checks.values().all(|check| check["latency_ms"].is_u64() && check["error"].is_null()), "{}", health.body);

    // A sale, counted by route and in money.
    let (seller, admin, buyer) = (stage.seller("ada").await, stage.admin("rita").await, stage.signs_up("bob").await);
    let listing = stage.sells(&seller, &admin, "Hello world starter kit", "49", &package::honest()).await;
    let (_, intent) = stage.checks_out(&buyer, &listing.slug).await;
    stage.pays(&intent, CARD).await.expect("the card is good");
    stage.work().await.assert_no_failure();
    counting.gets(&format!("/api/products/{}", listing.slug)).await;
    let metrics = counting.gets("/metrics").await.body;
    let count = |pieces: &[&str]| metrics.lines().filter(|line| pieces.iter().all(|piece| line.contains(piece))).count();
    assert_eq!(count(&["http_requests_total{", "method=\"GET\"", "route=\"/api/products/{product}\"", "status=\"200\""]), 1);
    assert_eq!(count(&["{", &listing.slug]), 0, "an id in a path makes no series of its own");
    for status in ["pending", "paid", "fulfilled"] {
        assert_eq!(count(&["orders_total{", &format!("status=\"{status}\"")]), 1, "{status}");
    }
    for bound in ["10", "50", "100", "250", "500", "1000", "5000", "+Inf"] {
        assert_eq!(count(&["order_amount_dollars_bucket{", &format!("le=\"{bound}\"")]), 1, "{bound}");
    }
    assert_eq!(count(&["db_connections{"]), 2);

    // Without the storage pages are still served, so traffic may come.
    stage.sandbox.faults().set(Service::S3, Fault { fail_next: u32::MAX, status: Some(503), ..Fault::default() });
    let health = later.gets("/health").await;
    let report = health.json();
    assert_eq!((health.status, &report["status"]), (StatusCode::OK, &json!("degraded")), "{report}");
    assert_eq!(
        (&report["checks"]["storage"]["status"], &report["checks"]["database"]["status"]),
        (&json!("degraded"), &json!("ok"))
    );
    assert!(report["checks"]["storage"]["error"].is_string(), "{report}");
    assert_eq!(later.gets("/ready").await.status, StatusCode::OK);

    // Without the database nothing is.
    let name = stage.text("SELECT current_database()::text").await;
    let mut server = PgConnection::connect(&database::server()).await.expect("the server answers");
    let shut = format!(
        "ALTER DATABASE {name} ALLOW_CONNECTIONS false; SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
    );
    server.execute(sqlx::AssertSqlSafe(shut)).await.expect("the database is shut");
    assert_eq!(last.gets("/ready").await.status, StatusCode::SERVICE_UNAVAILABLE);
    let health = last.gets("/health").await;
    assert_eq!((health.status, &health.json()["status"]), (StatusCode::SERVICE_UNAVAILABLE, &json!("down")), "{}", health.body);
}
