//! Somebody as a program: a bearer token instead of a browser's cookies, and answers as they came, with status and headers.

use super::{
    people::{PASSWORD, text},
    stage::Stage,
};
use metrics_exporter_prometheus::PrometheusHandle;
use mywork::config::Config;
use mywork_cli::parts;
use reqwest::{Method, RequestBuilder, StatusCode, header::HeaderMap, redirect};
use serde_json::{Value, json};
use std::{net::Ipv4Addr, sync::Arc};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// A program that speaks the API, for somebody or for nobody.
pub struct Program {
    http: reqwest::Client,
    base: String,
    pub token: Option<String>,
}

impl Program {
    pub fn at(stage: &Stage) -> Self {
        Self::reaching(stage.config.base_url.as_str())
    }

    pub fn reaching(base: &str) -> Self {
        let http = reqwest::Client::builder().redirect(redirect::Policy::none()).build().expect("a client");
        Self { http, base: base.trim_end_matches('/').to_owned(), token: None }
    }

    /// Signed in as somebody who has signed up.
    pub async fn of(stage: &Stage, name: &str) -> Self {
        let program = Self::at(stage);
        let credentials = json!({ "email": format!("{name}@example.com"), "password": PASSWORD });
        let token = text(&program.posts("/api/auth/login", &credentials).await.json(), "token");
        Self { token: Some(token), ..program }
    }

    /// The same program with somebody's token.
    pub fn speaking_for(self, whom: &Self) -> Self {
        Self { token: whom.token.clone(), ..self }
    }

    pub fn asks(&self, method: &Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method.clone(), format!("{}{path}", self.base));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    pub async fn gets(&self, path: &str) -> Answer {
        answer(self.asks(&Method::GET, path)).await
    }

    pub async fn posts(&self, path: &str, body: &Value) -> Answer {
        self.sends(&Method::POST, path, body).await
    }

    pub async fn sends(&self, method: &Method, path: &str, body: &Value) -> Answer {
        let request = self.asks(method, path);
        answer(if method == Method::GET { request } else { request.json(body) }).await
    }
}

/// An answer, whole.
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: String,
}

pub async fn answer(request: RequestBuilder) -> Answer {
    let response = request.send().await.expect("the web answers");
    let (status, headers) = (response.status(), response.headers().clone());
    Answer { status, headers, body: response.text().await.expect("a whole answer") }
}

impl Answer {
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{e}: {} {}", self.status, self.body))
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    #[track_caller]
    pub fn number(&self, name: &str) -> i64 {
        self.header(name).parse().unwrap_or_else(|e| panic!("{name} {:?}: {e}", self.header(name)))
    }

    /// The refusal, as RFC 9457 has it.
    #[track_caller]
    pub fn problem(&self, status: StatusCode) -> Value {
        assert_eq!((self.status, self.header("content-type")), (status, "application/problem+json"), "{}", self.body);
        let problem = self.json();
        assert_eq!(problem["status"], status.as_u16(), "{problem}");
        assert!(text(&problem, "type").starts_with("/api/docs#problem-") && !text(&problem, "title").is_empty(), "{problem}");
        assert!(text(&problem, "detail").ends_with(['.', ')']), "a sentence: {problem}");
        problem
    }
}

/// Fails when the object lacks one of these fields, separated by spaces.
#[track_caller]
pub fn has(object: &Value, fields: &str) {
    for field in fields.split(' ') {
        assert!(object.get(field).is_some(), "no {field} in {object}");
    }
}

/// One more web process, as far as anybody outside can tell: its own memory and configuration over the same database.
pub async fn web_beside(stage: &Stage, metrics: Option<PrometheusHandle>, change: impl FnOnce(&mut Config)) -> Program {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
    let base = format!("http://{}", listener.local_addr().expect("an address"));
    let mut config = Config::clone(&stage.config);
    change(&mut config);
    let stop = CancellationToken::new();
    let app = parts::app(&Arc::new(config), stage.clock.clone(), metrics, stop.clone()).await.expect("the web is built");
    tokio::spawn(mywork_web::serve(app, listener, stop));
    Program::reaching(&base)
}
