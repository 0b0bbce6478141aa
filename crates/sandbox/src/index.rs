//! The sandbox's front page: what stands here, by which keys, and where its pages are.

use crate::{Parts, faults::Service, page};
use axum::{Router, extract::State, response::Html, routing::get};
use std::sync::Arc;

pub(crate) fn routes(parts: Arc<Parts>) -> Router {
    Router::new().route("/", get(index)).route("/_sandbox/style.css", get(page::style)).with_state(parts)
}

async fn index(State(parts): State<Arc<Parts>>) -> Html<String> {
    let card = |href: &str, title: &str, text: &str| {
        format!("<a class=\"card\" href=\"{href}\"><strong>{title}</strong><span class=\"muted\">{text}</span></a>")
    };
    let pages = [
        card("/outbox", "Outbox", &format!("Every e-mail that was sent: {} so far.", parts.outbox.all().len())),
        card(
            "/_sandbox/stripe",
            "Payments",
            &format!("What was paid, events and their delivery, test cards: {} payments.", parts.stripe.payment_intents().len()),
        ),
        card("/clerk/users", "Accounts", "Clerk's people: sign up, sign in, send their webhooks."),
    ]
    .concat();
    let entry = |name: &str, value: &str| format!("<dt>{name}</dt><dd class=\"mono\">{}</dd>", page::escape(value));
    let base = &parts.base_url;
    let settings = [
        entry("STRIPE_API_BASE, RESEND_API_BASE", &format!("{base}/")),
        entry("STRIPE_JS_URL", &format!("{base}/v3/")),
        entry("STRIPE_SECRET_KEY", &parts.secrets.stripe_secret_key),
        entry("STRIPE_PUBLISHABLE_KEY", &parts.secrets.stripe_publishable_key),
        entry("RESEND_API_KEY", &parts.secrets.resend_api_key),
        entry("S3_ENDPOINT", &parts.s3_url),
        entry("S3_ACCESS_KEY", &parts.secrets.s3_access_key),
        entry("S3_SECRET_KEY", &parts.secrets.s3_secret_key),
        entry("AUTH_ISSUER", base),
        entry("AUTH_JWKS_URL", &format!("{base}/.well-known/jwks.json")),
        entry("AUTH_SIGN_IN_URL", &format!("{base}/clerk/sign-in")),
    ]
    .concat();
    let switches = parts.faults.now();
    let faulty: Vec<String> = switches
        .services
        .iter()
        .filter(|(_, fault)| **fault != crate::faults::Fault::default())
        .map(|(service, _)| format!("<span class=\"badge bad\">{}</span>", name(*service)))
        .chain(
            (switches.webhooks != crate::faults::WebhookFault::default())
                .then(|| "<span class=\"badge bad\">webhooks</span>".into()),
        )
        .collect();
    let faults = if faulty.is_empty() {
        "<p class=\"muted\">None is on. <code>POST /_sandbox/faults</code> switches them.</p>".to_owned()
    } else {
        format!("<p>{}</p><p class=\"muted\"><code>DELETE /_sandbox/faults</code> switches all off.</p>", faulty.join(" "))
    };
    page::page(
        "Sandbox",
        &format!(
            "<h1>Stand-ins for the vendors</h1><div class=\"cards\">{pages}</div><h2>Settings</h2>\
             <div class=\"card\"><dl>{settings}</dl></div><h2>Faults</h2>{faults}"
        ),
    )
}

fn name(service: Service) -> &'static str {
    match service {
        Service::Stripe => "stripe",
        Service::S3 => "s3",
        Service::Resend => "resend",
        Service::Clerk => "clerk",
    }
}
