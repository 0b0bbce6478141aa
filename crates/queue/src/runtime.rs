//! A worker process: starts the engine's loops and apalis' workers, and stops them in an order that loses nothing.

use crate::{
    clock::Clock,
    engine::{
        Engine, Inboxes, claimer,
        dispatch::Bench,
        heart,
        judge::Failed,
        listener, logs, pulse, settler,
        source::{Source, Work},
        tally,
        ticket::Why,
        upkeep,
    },
    groups::Group,
    handle::Handle,
    measures,
    registry::Registry,
};
use apalis::prelude::{Monitor, WorkerBuilder};
use sqlx::PgPool;
use std::{sync::Arc, time::Duration};
use tokio::{task::JoinSet, time::timeout};
use tokio_util::sync::CancellationToken;

/// How a worker process behaves. The defaults are what the promises in the documentation are made with.
#[derive(Clone, Debug)]
pub struct RuntimeOptions {
    /// How people tell this process from others: `host:pid`.
    pub name: String,
    /// The version of the program, kept with every attempt.
    pub release: String,
    /// How often the process says that it lives.
    pub heartbeat: Duration,
    /// How long after its last heartbeat others take its jobs.
    pub lease: Duration,
    /// How often it looks for work nobody notified it of.
    pub poll: Duration,
    /// How long a run told to stop because its job was cancelled or its time is up may take to do so.
    pub cancel_grace: Duration,
    /// How long runs may take to end when the process stops; then their jobs are handed back.
    pub stop_grace: Duration,
    /// Where to LISTEN, when the pool goes through a pooler in transaction mode. Then each statement of the worker runs in a
    /// transaction of its own. `tests/pooler.rs` says how driver and pooler must be set.
    pub listen_on: Option<PgPool>,
}

impl Default for RuntimeOptions {
    fn default() -> Self {
        Self {
            name: format!("{}:{}", host(), std::process::id()),
            release: "unreleased".to_owned(),
            heartbeat: Duration::from_secs(3),
            lease: Duration::from_secs(10),
            poll: Duration::from_millis(200),
            cancel_grace: Duration::from_secs(2),
            stop_grace: Duration::from_millis(500),
            listen_on: None,
        }
    }
}

fn host() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    if name.trim().is_empty() { "worker".to_owned() } else { name.trim().to_owned() }
}

/// How long connections may take to say goodbye.
const FAREWELL: Duration = Duration::from_millis(100);
/// How long each step of a stop waits for a database that does not answer.
const PATIENCE: Duration = Duration::from_secs(4);

/// One process group's worker, ready to run.
pub struct Runtime<S> {
    engine: Arc<Engine>,
    inboxes: Inboxes,
    bench: Arc<Bench<S>>,
}

impl<S: Send + Sync + 'static> Runtime<S> {
    /// A worker of `group` over the handlers in `registry`. `pool` is for the handlers; the worker itself opens up to six
    /// connections more, and one to listen on, so that handlers waiting for a connection cannot keep its heart from beating. Call
    /// it inside a tokio runtime.
    pub fn new(
        pool: PgPool,
        registry: Arc<Registry<S>>,
        state: Arc<S>,
        group: Group,
        clock: Arc<dyn Clock>,
        options: RuntimeOptions,
    ) -> Self {
        measures::describe(&registry.kinds());
        let grace = options.cancel_grace;
        let (engine, inboxes) = Engine::new(&pool, &registry, &group, Arc::clone(&clock), options);
        Self { engine, inboxes, bench: Arc::new(Bench { registry, state, clock, pool, grace }) }
    }

    /// What the program keeps to steer the worker while it runs.
    pub fn handle(&self) -> Handle {
        Handle::new(Arc::clone(&self.engine))
    }

    /// Works until `shutdown`, then hands back what is unfinished, within a second when the database answers. It never gives
    /// up by itself: no outage of the database ends it.
    pub async fn run(self, shutdown: CancellationToken) {
        let Self { engine, inboxes, bench } = self;
        let judging_from = tokio::select! {
            from = heart::register(&engine) => from,
            () = shutdown.cancelled() => return,
        };
        tracing::info!(worker = %engine.worker(), group = engine.registration.group, queues = ?engine.registration.queues, "working");

        let closing = CancellationToken::new();
        let heart = tokio::spawn(heart::run(Arc::clone(&engine), judging_from, closing.clone()));
        let settler = tokio::spawn(settler::run(Arc::clone(&engine), inboxes.plain, closing.clone()));
        let flow_settler = tokio::spawn(settler::run(Arc::clone(&engine), inboxes.in_workflows, closing.clone()));
        let mut loops = JoinSet::new();
        loops.spawn(pulse::run(Arc::clone(&engine)));
        loops.spawn(listener::run(Arc::clone(&engine)));
        loops.spawn(upkeep::run(Arc::clone(&engine)));
        loops.spawn(logs::run(Arc::clone(&engine)));
        loops.spawn(tally::run(Arc::clone(&engine)));

        let mut monitor = Monitor::new().should_restart(|_, _| true);
        for line in 0..engine.lines.len() {
            loops.spawn(claimer::run(Arc::clone(&engine), line));
            monitor = with_worker(monitor, &engine, line, Source::new(&engine, line), &bench);
        }
        let stopping = engine.stopping.clone();
        let mut workers = tokio::spawn(monitor.run_with_signal(async move {
            stopping.cancelled().await;
            Ok(())
        }));

        shutdown.cancelled().await;
        tracing::info!(running = engine.busy(), "stopping");
        engine.stopping.cancel(); // no new claims
        engine.stop_runs(&Why::Shutdown);
        // A claim in flight shall land, so that its jobs can be handed back …
        if timeout(PATIENCE, async { while loops.join_next().await.is_some() {} }).await.is_err() {
            loops.shutdown().await; // … unless the database does not answer; then they will be rescued
        }
        engine.stop_runs(&Why::Shutdown);
        if timeout(engine.options.stop_grace, &mut workers).await.is_err() {
            workers.abort(); // runs that did not end are dropped, and with their tickets their jobs are handed back
            let _ = workers.await;
        }
        closing.cancel();
        for mut last in [settler, flow_settler, heart] {
            if timeout(PATIENCE, &mut last).await.is_err() {
                last.abort();
                tracing::error!("the database does not answer; what could not be written down will be rescued");
            }
        }
        drop(timeout(PATIENCE, tally::flush(&engine)).await); // the last runs, for the charts
        drop(timeout(FAREWELL, engine.database.pool.close()).await);
        tracing::info!("stopped");
    }
}

fn with_worker<S: Send + Sync + 'static>(
    monitor: Monitor,
    engine: &Arc<Engine>,
    line: usize,
    source: Source,
    bench: &Arc<Bench<S>>,
) -> Monitor {
    let name = format!("{}@{}", engine.lines[line].queue, engine.worker());
    let (engine, bench) = (Arc::clone(engine), Arc::clone(bench));
    monitor.register(move |_| {
        let (engine, bench) = (Arc::clone(&engine), Arc::clone(&bench));
        WorkerBuilder::new(name.clone()).backend(source.clone()).build(move |work: Work| {
            let (engine, bench) = (Arc::clone(&engine), Arc::clone(&bench));
            async move {
                let limit = engine.policy(&work.job.kind).timeout;
                let Work { job, stop, log, .. } = work;
                bench.run(job, limit, stop.token.clone(), log).await.map_err(Failed)
            }
        })
    })
}
