//! An S3 server on a folder, after the wire protocol that aws-sdk-s3 and browsers speak: signatures in headers and in URLs,
//! multipart uploads, ranges, copies. s3s checks the signatures and answers a wrong, expired or stretched one with 403;
//! s3s-fs keeps the files; [`disk`] adds what it lacks, [`cors`] the rules for browsers.

mod cors;
mod disk;

use crate::{
    SandboxError, Secrets,
    faults::{Faults, Service},
};
use cors::Rules;
use disk::Disk;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use hyper::{Request, body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto::Builder,
};
use s3s::{
    Body, HttpError,
    auth::SimpleAuth,
    service::{S3Service, S3ServiceBuilder},
};
use std::path::Path;
use tokio::{net::TcpListener, task::JoinSet};

/// The server without its listener.
#[derive(Clone)]
pub(crate) struct Storage {
    service: S3Service,
    rules: Rules,
    faults: Faults,
}

impl Storage {
    pub fn open(data: &Path, secrets: &Secrets, faults: Faults) -> Result<Self, SandboxError> {
        let folder = data.join("s3");
        std::fs::create_dir_all(&folder).map_err(|source| SandboxError::File { path: folder.clone(), act: "made", source })?;
        let rules = Rules::open(data.join("s3-cors.json"))?;
        let files = s3s_fs::FileSystem::new(&folder).map_err(|error| SandboxError::Storage(format!("{error:?}")))?;
        let mut builder = S3ServiceBuilder::new(Disk::new(files, folder, rules.clone()));
        builder.set_auth(SimpleAuth::from_single(secrets.s3_access_key.clone(), secrets.s3_secret_key.clone()));
        Ok(Self { service: builder.build(), rules, faults })
    }

    async fn answer(&self, request: Request<Incoming>) -> Result<Response<Body>, HttpError> {
        if request.method() == Method::OPTIONS {
            return Ok(self.rules.preflight(request.uri(), request.headers()));
        }
        let allowed = self.rules.allowed(request.method(), request.uri(), request.headers());
        let verdict = self.faults.take(Service::S3);
        tokio::time::sleep(verdict.latency).await;
        let mut response = match verdict.failure {
            None => hyper::service::Service::call(&self.service, request).await?,
            Some(failure) => {
                if failure.afterwards {
                    drop(hyper::service::Service::call(&self.service, request).await?);
                }
                broken(failure.status)
            }
        };
        if let Some(allowed) = allowed {
            response.headers_mut().extend(allowed);
        }
        Ok(response)
    }
}

/// Serves until the task is aborted; connections end with it.
pub(crate) async fn serve(listener: TcpListener, storage: Storage) {
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let stream = match listener.accept().await {
            Ok((stream, _)) => {
                // Small answers go out at once; waiting to fill a packet would cost 40 ms each. Failing to say so costs only that.
                let _ = stream.set_nodelay(true);
                stream
            }
            Err(error) => {
                tracing::warn!(%error, "the sandbox's storage could not take a connection");
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                continue;
            }
        };
        let storage = storage.clone();
        connections.spawn(async move {
            let service = service_fn(move |request| {
                let storage = storage.clone();
                async move { storage.answer(request).await }
            });
            let served = Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
            if let Err(error) = served {
                tracing::debug!(%error, "a connection to the sandbox's storage broke");
            }
        });
    }
}

fn broken(status: StatusCode) -> Response<Body> {
    let code = if status == StatusCode::SERVICE_UNAVAILABLE { "SlowDown" } else { "InternalError" };
    let text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Error><Code>{code}</Code><Message>A fault switch of the sandbox is on.</Message></Error>"
    );
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    response.headers_mut().insert(http::header::CONTENT_TYPE, HeaderValue::from_static("application/xml"));
    response
}

fn header<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}
