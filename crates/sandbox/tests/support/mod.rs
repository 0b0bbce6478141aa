//! A sandbox of its own for each test, the clients for it, and an endpoint that takes webhooks.

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    routing::post,
};
use mywork_sandbox::{Sandbox, SandboxOptions, Target};
use mywork_vendors::{resend, storage, stripe};
use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};

pub struct Stage {
    pub sandbox: Sandbox,
    pub folder: tempfile::TempDir,
    pub http: reqwest::Client,
}

impl Stage {
    pub async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let sandbox = Sandbox::start(SandboxOptions::new(folder.path())).await.unwrap();
        let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        Self { sandbox, folder, http }
    }

    /// The same data on other ports, as after a restart of `mywork dev`.
    pub async fn restarted(self) -> Self {
        let Self { sandbox, folder, http } = self;
        drop(sandbox);
        let sandbox = Sandbox::start(SandboxOptions::new(folder.path())).await.unwrap();
        Self { sandbox, folder, http }
    }

    pub fn stripe(&self) -> stripe::Stripe {
        self.stripe_with(&self.sandbox.secrets().stripe_secret_key)
    }

    pub fn stripe_with(&self, secret_key: &str) -> stripe::Stripe {
        let settings = stripe::Settings { secret_key: secret_key.into(), api_base: self.url("/") };
        stripe::Stripe::new(&settings).unwrap()
    }

    pub fn mailer(&self) -> resend::Mailer {
        self.mailer_with(&self.sandbox.secrets().resend_api_key)
    }

    pub fn mailer_with(&self, api_key: &str) -> resend::Mailer {
        let settings =
            resend::Settings { api_key: api_key.into(), api_base: self.url("/"), from: "MyWork <hello@example.com>".into() };
        resend::Mailer::new(&settings).unwrap()
    }

    pub fn storage(&self) -> storage::Storage {
        self.storage_with("sandbox-secret")
    }

    pub fn storage_with(&self, secret_key: &str) -> storage::Storage {
        storage::Storage::new(&storage::Settings {
            endpoint: self.sandbox.s3_url().parse().unwrap(),
            region: "auto".into(),
            bucket: "files".into(),
            access_key: "sandbox".into(),
            secret_key: secret_key.into(),
        })
    }

    pub fn url(&self, path: &str) -> url::Url {
        format!("{}{path}", self.sandbox.base_url()).parse().unwrap()
    }
}

/// One webhook as it arrived.
#[derive(Clone)]
pub struct Arrived {
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Arrived {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }
}

/// An endpoint of the site: keeps what arrives and answers what it is told to.
#[derive(Clone, Default)]
pub struct Endpoint {
    arrived: Arc<Mutex<Vec<Arrived>>>,
    answers: Arc<Mutex<VecDeque<StatusCode>>>,
}

impl Endpoint {
    /// Listens, and returns itself with its address.
    pub async fn start() -> (Self, String) {
        let endpoint = Self::default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let app = Router::new().route("/hook", post(Self::take)).with_state(endpoint.clone());
        tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        (endpoint, url)
    }

    pub fn target(url: &str, events: &[&str]) -> Target {
        Target::new(url, "whsec_test").only(events)
    }

    /// The next deliveries get these answers; those after them 200.
    pub fn answer(&self, answers: &[StatusCode]) {
        self.answers.lock().unwrap().extend(answers);
    }

    pub async fn wait_for(&self, count: usize) -> Vec<Arrived> {
        for _ in 0..500 {
            let arrived = self.arrived.lock().unwrap().clone();
            if arrived.len() >= count {
                return arrived;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{} of {count} webhooks arrived", self.arrived.lock().unwrap().len());
    }

    pub fn count(&self) -> usize {
        self.arrived.lock().unwrap().len()
    }

    async fn take(State(endpoint): State<Endpoint>, headers: HeaderMap, body: Bytes) -> StatusCode {
        endpoint.arrived.lock().unwrap().push(Arrived { headers, body });
        endpoint.answers.lock().unwrap().pop_front().unwrap_or(StatusCode::OK)
    }
}

pub fn now() -> i64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs().cast_signed()
}

/// `application/x-www-form-urlencoded` bodies, which the workspace's reqwest has no feature for.
pub trait Form {
    fn form(self, fields: &[(&str, &str)]) -> Self;
}

impl Form for reqwest::RequestBuilder {
    fn form(self, fields: &[(&str, &str)]) -> Self {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        self.header("content-type", "application/x-www-form-urlencoded").body(body)
    }
}
