//! Serving: connections with a bound on how long a head may take to arrive, and an end that is orderly. On shutdown no new
//! connection is taken, requests at hand are finished, idle connections are closed, and after [`GRACE`] the rest is dropped.

use crate::{App, discovery::views, router};
use axum::{body::Body, extract::ConnectInfo};
use http::Request;
use hyper::body::Incoming;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::{conn::auto::Builder, graceful::GracefulShutdown},
};
use mywork::db::Actor;
use std::{io, net::SocketAddr, time::Duration};
use tokio::{net::TcpListener, time};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

/// For the head of a request to arrive, and for an idle connection to be used again.
const HEAD: Duration = Duration::from_secs(30);
/// For requests at hand to be finished.
const GRACE: Duration = Duration::from_secs(20);
/// Between two clearings of what has expired.
const HOUSEKEEPING: Duration = Duration::from_secs(60);

/// Serves `app` on `listener` until `shutdown` is cancelled and what was begun is finished.
///
/// # Errors
/// When the listener fails for good.
pub async fn serve(app: App, listener: TcpListener, shutdown: CancellationToken) -> io::Result<()> {
    let housekeeping = tokio::spawn(keep_house(app.clone(), shutdown.clone()));
    let counting = tokio::spawn(views::keep_handing_over(app.clone(), shutdown.clone()));
    let service = router::build(app.clone());
    let mut server = Builder::new(TokioExecutor::new());
    server.http1().timer(TokioTimer::new()).header_read_timeout(HEAD);
    server.http2().timer(TokioTimer::new()).keep_alive_interval(Some(HEAD)).max_concurrent_streams(128);
    let open = GracefulShutdown::new();

    loop {
        let (stream, peer) = tokio::select! {
            () = shutdown.cancelled() => break,
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) if is_of_one_connection(&error) => continue,
                Err(error) => {
                    // Out of file descriptors, most likely: some connection will end.
                    tracing::error!(%error, "a connection could not be accepted");
                    time::sleep(Duration::from_millis(200)).await;
                    continue;
                }
            },
        };
        // An answer is small and wanted at once.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "a connection was gone before it began");
            continue;
        }
        let connection =
            server.serve_connection_with_upgrades(TokioIo::new(stream), service_of(service.clone(), peer)).into_owned();
        let connection = open.watch(connection);
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(error = %error, %peer, "a connection ended early");
            }
        });
    }

    drop(listener);
    app.shutdown.cancel();
    tokio::select! {
        () = open.shutdown() => {}
        () = time::sleep(GRACE) => tracing::warn!("requests were still running when the time to finish them was over"),
    }
    housekeeping.abort();
    if counting.await.is_ok() {
        views::hand_over(&app).await;
    }
    Ok(())
}

fn service_of(
    router: axum::Router,
    peer: SocketAddr,
) -> impl hyper::service::Service<
    Request<Incoming>,
    Response = axum::response::Response,
    Error = std::convert::Infallible,
    Future: Send,
> + Clone {
    hyper::service::service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(peer));
        router.clone().oneshot(request.map(Body::new))
    })
}

fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset)
}

/// Clears expired rate windows and idempotency keys. Every process does; they take nothing from each other.
async fn keep_house(app: App, shutdown: CancellationToken) {
    let mut interval = time::interval(HOUSEKEEPING);
    interval.set_missed_tick_behavior(time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            _ = interval.tick() => {}
        }
        let now = app.now();
        app.limits.forget(&app.db, now).await;
        if let Some(metrics) = &app.metrics {
            metrics.run_upkeep();
        }
        let forgotten = async {
            let mut tx = app.db.begin(Actor::System).await?;
            let forgotten = mywork::idempotency::forget(&mut tx, now).await?;
            tx.commit().await?;
            Ok::<_, mywork::db::Error>(forgotten)
        };
        if let Err(error) = forgotten.await {
            tracing::warn!(%error, "old idempotency keys were not cleared");
        }
    }
}
