//! The three kinds of process, each until it is told to stop. Any number of each may run at once.

use crate::{monitor, parts, shutdown, steering};
use anyhow::Context;
use mywork::{
    config::{Config, Log},
    db::{Db, Role},
};
use mywork_queue::{
    Kind, Runtime, RuntimeOptions,
    groups::{self, Groups},
    schedule::Scheduler,
};
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tracing_subscriber::{EnvFilter, layer::SubscriberExt, util::SubscriberInitExt};

/// Lines about what happens, for eyes or for machines.
pub fn log(settings: &Log) {
    let filter = EnvFilter::try_new(&settings.filter).unwrap_or_else(|_| EnvFilter::new("info"));
    let lines = tracing_subscriber::registry().with(filter);
    let set = if settings.json {
        lines.with(tracing_subscriber::fmt::layer().json().flatten_event(true)).try_init()
    } else {
        lines.with(tracing_subscriber::fmt::layer().compact()).try_init()
    };
    drop(set); // a second call in one process keeps the first
}

/// `mywork web`
pub async fn web(config: Config, stop: CancellationToken) -> anyhow::Result<()> {
    log(&config.log);
    let listener = TcpListener::bind(("0.0.0.0", config.port))
        .await
        .with_context(|| format!("port {} cannot be used: set PORT to a free one", config.port))?;
    serve(Arc::new(config), listener, stop).await
}

/// Serves on a listener that is open already.
pub async fn serve(config: Arc<Config>, listener: TcpListener, stop: CancellationToken) -> anyhow::Result<()> {
    let metrics = mywork_web::ops::metrics::install().context("metrics cannot be recorded")?;
    let app = parts::app(&config, parts::clock(), Some(metrics), stop.clone()).await?;
    mywork_web::serve(app, listener, stop).await.context("the web process ended")
}

/// `mywork worker --group G`
pub async fn worker(config: Config, group: &str) -> anyhow::Result<()> {
    log(&config.log);
    work(Arc::new(config), group, shutdown::on_signal_but_hangup()).await
}

/// Runs the jobs of one group of `workers.toml`.
pub async fn work(config: Arc<Config>, group: &str, stop: CancellationToken) -> anyhow::Result<()> {
    let registry = Arc::new(mywork_jobs::registry());
    let groups = groups(&registry.kinds())?;
    let known = || groups.iter().map(|g| g.name.as_str()).collect::<Vec<_>>().join(", ");
    let group = groups.get(group).with_context(|| format!("workers.toml has no group `{group}`; it has {}", known()))?.clone();
    let services = parts::services(&config, parts::clock()).await?;
    if let Some(port) = config.metrics.port {
        monitor::open(port, services.db.clone(), stop.clone()).await?;
    }
    let listen_on = match &config.database.direct_url {
        Some(url) => Some(Db::connect(url.reveal(), Role::Worker, 1).await.context("DATABASE_DIRECT_URL does not answer")?),
        None => None,
    };
    let options = RuntimeOptions {
        release: env!("CARGO_PKG_VERSION").to_owned(),
        listen_on: listen_on.map(|db| db.public().clone()),
        ..RuntimeOptions::default()
    };
    let (name, kinds) = (group.name.clone(), registry.kinds());
    let runtime = Runtime::new(services.db.public().clone(), registry, services, group, parts::clock(), options);
    let steering = steering::heed(runtime.handle(), name, kinds);
    tokio::select! {
        () = runtime.run(stop) => {}
        () = async { steering.await; std::future::pending().await } => {}
    }
    Ok(())
}

/// The groups of `workers.toml`, or of the one this program was built with where the working directory has none.
pub fn groups(kinds: &[Kind]) -> anyhow::Result<Groups> {
    let text = std::fs::read_to_string("workers.toml").unwrap_or_else(|_| include_str!("../../../workers.toml").to_owned());
    groups::load(&text, kinds).map_err(|faults| {
        let faults: Vec<_> = faults.iter().map(|f| format!("  {f}")).collect();
        anyhow::anyhow!("workers.toml has {} fault(s):\n{}", faults.len(), faults.join("\n"))
    })
}

/// `mywork scheduler`
pub async fn scheduler(config: Config, stop: CancellationToken) -> anyhow::Result<()> {
    log(&config.log);
    schedule(Arc::new(config), stop).await
}

/// Enqueues what is due until told to stop.
pub async fn schedule(config: Arc<Config>, stop: CancellationToken) -> anyhow::Result<()> {
    let db = parts::database(&config, Role::Worker).await?;
    if let Some(port) = config.metrics.port {
        monitor::open(port, db.clone(), stop.clone()).await?;
    }
    Scheduler::run(db.public().clone(), parts::clock(), stop).await;
    Ok(())
}
