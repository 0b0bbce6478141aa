//! People at the door: sign-up with all its faults at once, a confirmed address, a session that renews itself and ends when it
//! is revoked, a forgotten password, an address that moves, the same for programs, an admin who suspends, and Clerk in the
//! place of built-in accounts.
//!
//! Proves: AUTH-01, AUTH-03, AUTH-04, AUTH-05, AUTH-09, ADMIN-02 (search, role, suspend, verify), SEC-04

use crate::support::{person::Person, stage::Stage, until};
use chrono::Duration;
use mywork::config::{Auth, AuthMode, Secret};
use mywork_sandbox::{Target, clerk::TokenRequest, clerk_webhook_secret};
use reqwest::{Method, StatusCode};
use serde_json::json;

const PASSWORD: &str = "four lamps on a boat";

/// Signs up by the form and confirms the address by the link in the mail.
async fn member(stage: &Stage, username: &str) -> Person {
    let person = signs_up(stage, username).await;
    stage.work().await;
    let link = link_in_mail(stage, &format!("{username}@example.com"), "Confirm your e-mail address");
    person.opens(&link).await.ok().shows("Is");
    person.sends("/verify-email", &[("token", token_of(&link))]).await.ok().shows("your address is confirmed");
    stage.work().await;
    person
}

async fn signs_up(stage: &Stage, username: &str) -> Person {
    let person = stage.person();
    let email = format!("{username}@example.com");
    let fields =
        [("username", username), ("display_name", username), ("email", &email), ("password", PASSWORD), ("accept_terms", "on")];
    let page = person.sends("/sign-up", &fields).await.ok().shows("Welcome,");
    assert_eq!(page.path, "/");
    person
}

/// The first link of ours in the newest mail with this subject.
fn link_in_mail(stage: &Stage, address: &str, subject: &str) -> String {
    let mails = stage.sandbox.outbox().to(address);
    let mail =
        mails.iter().find(|mail| mail.subject == subject).unwrap_or_else(|| panic!("no “{subject}” to {address}: {mails:#?}"));
    let base = stage.config.base_url.as_str();
    let text = mail.text.as_deref().unwrap_or_default();
    let at = text.find(base).unwrap_or_else(|| panic!("no link in {text}"));
    format!("/{}", text[at + base.len()..].split_whitespace().next().unwrap_or_default())
}

fn token_of(link: &str) -> &str {
    link.split_once("token=").expect("a link with a token").1
}

#[tokio::test]
async fn signing_up_says_every_fault_at_once_and_keeps_what_was_typed() {
    let stage = Stage::open().await;
    let person = stage.person();
    person.opens("/sign-up?next=%2Flibrary").await.ok().shows("Open an account");
    let fields =
        [("username", "a b"), ("display_name", "Ada <3"), ("email", "ada"), ("password", "1234567890"), ("next", "/library")];
    let page = person.sends("/sign-up", &fields).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    let page = page
        .shows("Use only letters a–z")
        .shows("does not look like an e-mail address")
        .shows("every list of stolen passwords")
        .shows("accept the terms");
    assert!(page.text.contains("Ada &lt;3"), "what was typed stays");
    assert!(!page.text.contains("1234567890"), "the password does not");
    assert_eq!(stage.count("SELECT count(*) FROM users").await, 0);

    member(&stage, "ada").await;
    assert_eq!(
        stage.count("SELECT count(*) FROM accounts WHERE email_verified_at IS NOT NULL AND terms_version IS NOT NULL").await,
        1
    );
    assert_eq!(stage.sandbox.outbox().to("ada@example.com").len(), 2, "the link and the welcome");
    assert_eq!(stage.count("SELECT count(*) FROM emails WHERE context ? 'secret'").await, 0, "sent links are forgotten");

    let again = [
        ("username", "ada"),
        ("display_name", "Eve"),
        ("email", "eve@example.com"),
        ("password", PASSWORD),
        ("accept_terms", "on"),
    ];
    stage.person().sends("/sign-up", &again).await.shows("Somebody has this username already");
    let again = [
        ("username", "eve"),
        ("display_name", "Eve"),
        ("email", "ADA@example.com"),
        ("password", PASSWORD),
        ("accept_terms", "on"),
    ];
    stage.person().sends("/sign-up", &again).await.shows("There is an account with this e-mail address already");
}

#[tokio::test]
async fn a_session_renews_itself_until_it_is_revoked() {
    let stage = Stage::open().await;
    let laptop = member(&stage, "ada").await;
    let phone = stage.person();
    let page = phone
        .sends("/sign-in", &[("email", "ada@example.com"), ("password", PASSWORD), ("next", "/dashboard/settings/security")])
        .await;
    assert_eq!(page.ok().path, "/dashboard/settings/security");
    let elsewhere = [("email", "ada@example.com"), ("password", PASSWORD), ("next", "https://evil.test/")];
    assert_eq!(stage.person().sends("/sign-in", &elsewhere).await.ok().path, "/", "only pages of ours are returned to");

    stage.later(Duration::minutes(6));
    let page = laptop.opens("/dashboard/settings/security").await.ok().shows("Where you are signed in");
    assert_eq!(page.path, "/dashboard/settings/security", "the token ran out and was renewed");

    laptop.sends("/dashboard/settings/sessions/others/revoke", &[]).await.ok().shows("other sessions have ended");
    assert_eq!(phone.opens("/dashboard/settings").await.path, "/sign-in", "at once, although its token is still young");
    laptop.opens("/dashboard/settings").await.ok();
    laptop.sends("/sign-out", &[]).await.ok().shows("You are signed out");
    assert_eq!(laptop.opens("/dashboard/settings").await.path, "/sign-in");
    assert_eq!(stage.count("SELECT count(*) FROM sessions WHERE revoked_at IS NULL").await, 0);

    let keys = stage.person().calls(Method::GET, "/.well-known/jwks.json", None).await.1;
    assert_eq!(keys["keys"][0]["alg"], "RS256");
    assert!(keys["keys"][0]["d"].is_null(), "the private half stays home");
}

#[tokio::test]
async fn wrong_passwords_make_the_account_pause() {
    let stage = Stage::open().await;
    member(&stage, "ada").await;
    let thief = stage.person();
    let unknown = thief.sends("/sign-in", &[("email", "nobody@example.com"), ("password", "wrong password")]).await;
    for _ in 0..5 {
        let page = thief.sends("/sign-in", &[("email", "ada@example.com"), ("password", "wrong password")]).await;
        assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
        page.shows("do not match");
    }
    let known = thief.sends("/sign-in", &[("email", "ada@example.com"), ("password", PASSWORD)]).await.shows("do not match");
    let same = |text: &str| text.replace("ada@example.com", "").replace("nobody@example.com", "");
    assert_eq!(same(&known.text), same(&unknown.text), "a paused account looks like none");
    stage.later(Duration::seconds(16));
    stage.person().signs_in("ada@example.com", PASSWORD).await;
    assert_eq!(stage.count("SELECT failed_sign_ins::bigint FROM accounts").await, 0);
}

#[tokio::test]
async fn a_forgotten_password_is_replaced_once() {
    let stage = Stage::open().await;
    let ada = member(&stage, "ada").await;
    let visitor = stage.person();
    let told = "a link to choose a new password is on its way";
    visitor.sends("/forgot-password", &[("email", "nobody@example.com")]).await.ok().shows(told);
    visitor.sends("/forgot-password", &[("email", "Ada@example.com")]).await.ok().shows(told);
    stage.work().await;
    assert!(stage.sandbox.outbox().to("nobody@example.com").is_empty());
    // Who was asked for is forgotten, and was never in a job.
    assert_eq!(stage.count("SELECT count(*) FROM reset_requests").await, 0);
    assert_eq!(stage.count("SELECT count(*) FROM queue.finished_jobs WHERE kind = 'identity.send_reset_link'").await, 2);
    assert_eq!(stage.count("SELECT count(*) FROM queue.finished_jobs AS job WHERE job::text LIKE '%@%'").await, 0);

    let link = link_in_mail(&stage, "ada@example.com", "Choose a new password");
    visitor.opens(&link).await.ok().shows("For the account of ada@example.com");
    visitor.sends("/reset-password", &[("token", token_of(&link)), ("password", "short")]).await.shows("at least 10 characters");
    let fields = [("token", token_of(&link)), ("password", "five lamps on a boat")];
    assert_eq!(visitor.sends("/reset-password", &fields).await.ok().path, "/sign-in");
    let again = visitor.sends("/reset-password", &fields).await;
    assert_eq!(again.status, StatusCode::GONE);
    again.shows("This link no longer works");
    assert_eq!(ada.opens("/dashboard/settings").await.path, "/sign-in", "every session has ended");
    visitor.sends("/sign-in", &[("email", "ada@example.com"), ("password", PASSWORD)]).await.shows("do not match");
    visitor.signs_in("ada@example.com", "five lamps on a boat").await;
    stage.work().await;
    assert_eq!(stage.sandbox.outbox().to("ada@example.com")[0].subject, "Your password was changed");
    assert_eq!(stage.count("SELECT count(*) FROM audit_log WHERE action = 'account.reset_password'").await, 1);
}

#[tokio::test]
async fn an_address_moves_when_both_addresses_agree() {
    let stage = Stage::open().await;
    let ada = member(&stage, "ada").await;
    let wish = [("new_email", "ada@example.org"), ("email_password", "not my password")];
    ada.sends("/dashboard/settings/email", &wish).await.shows("not your current password");
    let wish = [("new_email", "ada@example.org"), ("email_password", PASSWORD)];
    ada.sends("/dashboard/settings/email", &wish).await.ok().shows("open both links");
    stage.work().await;
    let old = link_in_mail(&stage, "ada@example.com", "Shall your account move to another address?");
    let new = link_in_mail(&stage, "ada@example.org", "Confirm your new e-mail address");
    ada.opens(&new).await.ok().shows("ada@example.org");
    ada.sends("/confirm-email", &[("token", token_of(&new))]).await.ok().shows("Now open the link we sent to ada@example.com");
    ada.opens("/dashboard/settings/security").await.ok().shows("waits for confirmation");
    stage.person().signs_in("ada@example.com", PASSWORD).await;
    ada.sends("/confirm-email", &[("token", token_of(&old))]).await.ok().shows("ada@example.org from now on");
    stage.person().signs_in("ada@example.org", PASSWORD).await;
    ada.sends("/confirm-email", &[("token", token_of(&old))]).await.shows("no longer works");
}

#[tokio::test]
async fn a_profile_is_one_resource_under_two_names() {
    let stage = Stage::open().await;
    let ada = member(&stage, "ada").await;
    let page =
        ada.sends("/dashboard/settings", &[("username", "x"), ("display_name", "Ada L."), ("link_url_1", "javascript:x")]).await;
    page.shows("Use 3 to 50 characters").shows("is not a web address");
    let fields = [("username", "countess"), ("display_name", "Ada L."), ("bio", "Numbers."), ("link_url_2", "example.com/ada")];
    ada.sends("/dashboard/settings", &fields).await.ok().shows("Your profile is saved").shows("@countess");

    let wrong = json!({ "email": "ada@example.com", "password": "wrong password" });
    assert_eq!(stage.person().calls(Method::POST, "/api/auth/login", Some(&wrong)).await.0, StatusCode::UNAUTHORIZED);
    let right = json!({ "email": "ada@example.com", "password": PASSWORD });
    let (status, login) = stage.person().calls(Method::POST, "/api/auth/login", Some(&right)).await;
    assert_eq!((status, login["user"]["username"].as_str()), (StatusCode::OK, Some("countess")));
    let token = login["token"].as_str().expect("a token");
    let program = reqwest::Client::new();
    let url = |path: &str| format!("{}{}", stage.config.base_url, path.trim_start_matches('/'));
    let get = |path: &'static str| program.get(url(path)).bearer_auth(token).send();
    let first = get("/api/user/profile").await.expect("an answer").text().await.expect("text");
    assert_eq!(first, get("/api/users/me").await.expect("an answer").text().await.expect("text"));
    assert!(first.contains(r#""url":"https://example.com/ada""#), "{first}");

    let (status, problem) = ada.calls(Method::PUT, "/api/users/me", Some(&json!({ "bio": "New.", "is_admin": true }))).await;
    assert_eq!((status, problem["errors"][0]["field"].as_str()), (StatusCode::UNPROCESSABLE_ENTITY, Some("is_admin")));
    let (status, me) = ada.calls(Method::PUT, "/api/users/me", Some(&json!({ "bio": "New." }))).await;
    assert_eq!((status, me["bio"].as_str(), me["display_name"].as_str()), (StatusCode::OK, Some("New."), Some("Ada L.")));

    assert_eq!(ada.calls(Method::GET, "/api/users/me/seller-profile", None).await.0, StatusCode::NOT_FOUND);
    let wish = json!({ "headline": "Engines", "accept_terms": true });
    let (status, seller) = ada.calls(Method::POST, "/api/user/become-seller", Some(&wish)).await;
    assert_eq!(
        (status, seller["verification"].as_str(), seller["headline"].as_str()),
        (StatusCode::OK, Some("none"), Some("Engines"))
    );
    assert_eq!(ada.calls(Method::POST, "/api/users/become-seller", Some(&wish)).await.0, StatusCode::OK, "twice is once");

    let out = program.post(url("/api/auth/logout")).bearer_auth(token).send().await.expect("an answer").status();
    assert_eq!(out, StatusCode::NO_CONTENT);
    assert_eq!(
        get("/api/users/me").await.expect("an answer").status(),
        StatusCode::UNAUTHORIZED,
        "the token ends with its session"
    );
    stage.person().opens("/avatars/countess.svg").await.ok();
}

#[tokio::test]
async fn an_admin_acts_on_others_with_a_reason() {
    let stage = Stage::open().await;
    let (root, ada) = (member(&stage, "root1").await, member(&stage, "ada").await);
    assert_eq!(root.opens("/admin/users").await.status, StatusCode::FORBIDDEN);
    stage.text("UPDATE accounts SET is_admin = true WHERE email = 'root1@example.com' RETURNING email").await;
    root.opens("/admin/users?q=ADA&role=&status=active").await.ok().shows("ada@example.com").hides("@root1 ");
    root.opens("/admin/users?q=%25").await.ok().shows("Nobody matches");
    let id = stage.text("SELECT user_id::text FROM accounts WHERE email = 'ada@example.com'").await;
    let own = stage.text("SELECT user_id::text FROM accounts WHERE is_admin").await;
    let at = |id: &str, deed: &str| format!("/admin/users/{id}/{deed}");

    root.opens(&format!("/admin/users/{id}")).await.ok().shows("Nothing has been done to this account");
    root.sends(&at(&id, "suspend"), &[("reason", "")]).await.shows("Say why");
    root.sends(&at(&own, "suspend"), &[("reason", "a test")]).await.shows("your own account");
    root.sends(&at(&id, "suspend"), &[("reason", "Three notices.")])
        .await
        .ok()
        .shows("The account is suspended")
        .shows("user.suspend");
    assert_eq!(ada.opens("/dashboard/settings").await.path, "/sign-in", "the session has ended");
    ada.sends("/sign-in", &[("email", "ada@example.com"), ("password", PASSWORD)]).await.shows("suspended: Three notices.");
    stage.work().await;
    assert_eq!(stage.sandbox.outbox().to("ada@example.com")[0].subject, "Your account is suspended");

    let why = json!({ "reason": "They were withdrawn." });
    let (status, user) = root.calls(Method::POST, &format!("/api{}", at(&id, "reinstate")), Some(&why)).await;
    assert_eq!((status, user["status"].as_str()), (StatusCode::OK, Some("active")));
    assert_eq!(root.calls(Method::POST, &format!("/api{}", at(&id, "reinstate")), Some(&why)).await.0, StatusCode::CONFLICT);
    ada.signs_in("ada@example.com", PASSWORD).await;
    let verify = [("verification", "verified"), ("reason", "Passport seen.")];
    root.sends(&at(&id, "verify"), &verify).await.shows("This person does not sell");
    ada.sends("/become-seller", &[("headline", "Engines"), ("accept_terms", "on")]).await;
    root.sends(&at(&id, "verify"), &verify).await.ok().shows("The verification is set");
    root.sends(&at(&id, "grant-admin"), &[("reason", "A second pair of eyes.")]).await.ok().shows("is an admin now");
    ada.opens("/admin/users").await.ok();
    let (_, list) = ada.calls(Method::GET, "/api/admin/users?role=admin&limit=1", None).await;
    assert_eq!((list["data"].as_array().map(Vec::len), list["next_cursor"].is_string()), (Some(1), true));
    let trail = "SELECT string_agg(action, ' ' ORDER BY id) FROM audit_log WHERE subject_kind = 'user' AND reason IS NOT NULL";
    assert_eq!(stage.text(trail).await, "user.suspend user.reinstate seller.verify user.grant_admin");
}

#[tokio::test]
async fn clerk_signs_people_in_where_it_is_configured() {
    let secret = clerk_webhook_secret();
    let stage = Stage::with(|config| {
        config.auth = Auth {
            mode: AuthMode::Clerk,
            issuer: None,
            jwks_url: None,
            sign_in_url: None,
            webhook_secrets: vec![Secret::new(&secret)],
        };
        // The stand-in for mail, payment and sign-in has one address.
        let sandbox = config.email.api_base.as_str().trim_end_matches('/').to_owned();
        config.auth.issuer = Some(sandbox.clone());
        config.auth.jwks_url = format!("{sandbox}/.well-known/jwks.json").parse().ok();
        config.auth.sign_in_url = format!("{sandbox}/sign-in").parse().ok();
    })
    .await;
    let webhook = format!("{}api/webhooks/clerk", stage.config.base_url);
    stage.sandbox.clerk().set_webhooks(vec![Target::new(webhook, secret)]);
    let clerk = stage.sandbox.clerk();
    let there = stage.person().opens("/sign-in?next=/library").await.path;
    assert!(there.contains("/sign-in?redirect_url=") && there.ends_with("%2Flibrary"), "{there}");

    let person = clerk.sign_up("ada@example.com", "ada", "Ada", "Lovelace").expect("a new person");
    let program = reqwest::Client::new();
    let me = |token: String| {
        let request = program.get(format!("{}api/users/me", stage.config.base_url)).bearer_auth(token);
        async move { request.send().await.expect("an answer") }
    };
    let ask = |sub: &str| TokenRequest { sub: sub.to_owned(), ..TokenRequest::default() };
    assert_eq!(me(clerk.token(&ask(&person.id))).await.status(), StatusCode::OK, "known at first sight");
    assert_eq!(
        me(clerk.token(&TokenRequest { iss: Some("https://evil.test".into()), ..ask(&person.id) })).await.status(),
        StatusCode::UNAUTHORIZED
    );
    assert_eq!(
        me(clerk.token(&TokenRequest { azp: Some("https://evil.test".into()), ..ask(&person.id) })).await.status(),
        StatusCode::UNAUTHORIZED
    );
    assert_eq!(
        me(clerk.token(&TokenRequest { ttl_seconds: Some(-60), ..ask(&person.id) })).await.status(),
        StatusCode::UNAUTHORIZED
    );

    arrives(&stage, 1).await;
    stage.work().await;
    let user: serde_json::Value = me(clerk.token(&ask(&person.id))).await.json().await.expect("JSON");
    assert_eq!((user["email"].as_str(), user["email_verified"].as_bool()), (Some("ada@example.com"), Some(true)));
    assert_eq!(stage.count("SELECT count(*) FROM users").await, 1);

    clerk.rotate_keys();
    assert_eq!(me(clerk.token(&ask(&person.id))).await.status(), StatusCode::OK, "a new key is looked up");

    clerk.delete(&person.id);
    arrives(&stage, 2).await;
    stage.work().await;
    assert_eq!(me(clerk.token(&ask(&person.id))).await.status(), StatusCode::UNAUTHORIZED);
    assert_eq!(stage.text("SELECT display_name FROM users").await, "Deleted member");
    assert_eq!(stage.count("SELECT count(*) FROM webhook_events WHERE source = 'clerk' AND state = 'processed'").await, 2);
}

/// Waits until so many webhooks of Clerk are stored.
async fn arrives(stage: &Stage, events: i64) {
    let stored = "SELECT count(*) FROM webhook_events WHERE source = 'clerk'";
    until("the webhook of Clerk is stored", async || stage.count(stored).await >= events).await;
}
