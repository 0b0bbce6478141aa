//! `mywork dev`: everything on one machine. A private Postgres (unless DATABASE_URL names another) and the vendors' stand-ins
//! first, then migrations and seed, then web, worker and scheduler by the same code as in production. Ctrl-C stops all of it,
//! in the reverse order.

use crate::{migrate, run, seed, shutdown};
use anyhow::{Context, bail};
use mywork::config::{Auth, AuthMode, Config, Database, Email, Log, Metrics, Secret, Storage, Stripe, Web};
use mywork::webhooks::STRIPE_EVENTS;
use mywork_sandbox::{Cluster, ClusterOptions, STRIPE_WEBHOOK_SECRET, Sandbox, SandboxOptions, Target};
use std::{
    io::ErrorKind,
    path::{Path, PathBuf},
    sync::Arc,
    time::Instant,
};
use tokio::{net::TcpListener, task::JoinSet};
use tokio_util::sync::CancellationToken;

/// All that `dev` writes lies here.
const HOME: &str = ".local";
const DATABASE: &str = "mywork";

pub async fn run() -> anyhow::Result<()> {
    let begun = Instant::now();
    let stop = shutdown::on_signal();
    let port = port()?;
    run::log(&Log {
        json: false,
        filter: std::env::var("LOG").unwrap_or_else(|_| "warn,mywork=info,s3s=error,s3s_fs=error".to_owned()),
    });
    let listener = match TcpListener::bind(("127.0.0.1", port)).await {
        Err(error) if error.kind() == ErrorKind::AddrInUse => {
            bail!("port {port} is taken: stop what listens there, or set PORT to another (the two above it are used too)")
        }
        bound => bound.with_context(|| format!("port {port} cannot be used: set PORT to another"))?,
    };

    let (database_url, cluster) = database().await?;
    let sandbox = Sandbox::start(SandboxOptions {
        http: ([127, 0, 0, 1], port + 1).into(),
        s3: ([127, 0, 0, 1], port + 2).into(),
        host: "localhost".into(),
        stripe_webhooks: vec![
            Target::new(format!("http://localhost:{port}/api/webhooks/stripe"), STRIPE_WEBHOOK_SECRET).only(STRIPE_EVENTS),
        ],
        ..SandboxOptions::new(Path::new(HOME).join("sandbox"))
    })
    .await?;
    let config = Arc::new(configuration(port, database_url, &sandbox)?);

    let pool = migrate::owner(&config).await?;
    migrate::database(&pool).await?;
    pool.close().await;
    migrate::storage(&config).await?;
    seed::run(&config).await.context("the seed could not be planted")?;

    let groups = run::groups(&mywork_jobs::registry().kinds())?.iter().map(|group| group.name.clone()).collect();
    let mut tasks = start(&config, groups, listener, &stop);
    welcome(&config, &sandbox, begun);
    let ended = tasks.join_next().await;
    if !stop.is_cancelled() {
        // A part that ends on its own takes the others with it: a half-running product misleads.
        stop.cancel();
    }
    while tasks.join_next().await.is_some() {}
    drop((sandbox, cluster));
    match ended {
        Some(Ok(result)) => result,
        Some(Err(panic)) => Err(panic).context("a part of the program panicked"),
        None => Ok(()),
    }
}

/// Web, the workers of every group, and a scheduler.
fn start(
    config: &Arc<Config>,
    groups: Vec<String>,
    listener: TcpListener,
    stop: &CancellationToken,
) -> JoinSet<anyhow::Result<()>> {
    let mut tasks = JoinSet::new();
    tasks.spawn(run::serve(config.clone(), listener, stop.clone()));
    for group in groups {
        let (config, stop) = (config.clone(), stop.clone());
        tasks.spawn(async move { run::work(config, &group, stop).await });
    }
    tasks.spawn(run::schedule(config.clone(), stop.clone()));
    tasks
}

fn port() -> anyhow::Result<u16> {
    let port = std::env::var("PORT").unwrap_or_else(|_| "8080".to_owned());
    port.parse()
        .ok()
        .filter(|p| (1..=65_533).contains(p))
        .with_context(|| format!("PORT is `{port}`: it should be a number from 1 to 65533"))
}

/// The address of the database, and the private server where one was started for it.
async fn database() -> anyhow::Result<(String, Option<Cluster>)> {
    if let Ok(url) = std::env::var("DATABASE_URL") {
        return Ok((url, None));
    }
    let options = ClusterOptions {
        distribution: PathBuf::from(HOME).join("postgres"),
        data: PathBuf::from(HOME).join("database"),
        port: None,
        durable: true,
    };
    let cluster = tokio::task::spawn_blocking(move || Cluster::start(&options)).await??;
    let server = sqlx::PgPool::connect(&cluster.url("postgres")).await?;
    let exists: bool = sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)")
        .bind(DATABASE)
        .fetch_one(&server)
        .await?;
    if !exists {
        sqlx::query("CREATE DATABASE mywork").execute(&server).await?;
    }
    server.close().await;
    Ok((cluster.url(DATABASE), Some(cluster)))
}

/// The configuration of production, with the sandbox's addresses and keys.
pub fn configuration(port: u16, database_url: String, sandbox: &Sandbox) -> anyhow::Result<Config> {
    let secrets = sandbox.secrets();
    Ok(Config {
        base_url: format!("http://localhost:{port}").parse()?,
        port,
        database: Database {
            url: Secret::new(database_url),
            web_url: None,
            worker_url: None,
            direct_url: None,
            max_connections: 16,
        },
        auth: Auth { mode: AuthMode::Builtin, issuer: None, jwks_url: None, sign_in_url: None, webhook_secrets: Vec::new() },
        stripe: Stripe {
            secret_key: Secret::new(&secrets.stripe_secret_key),
            publishable_key: secrets.stripe_publishable_key.clone(),
            webhook_secrets: vec![Secret::new(STRIPE_WEBHOOK_SECRET)],
            api_base: format!("{}/", sandbox.base_url()).parse()?,
            js_url: sandbox.stripe_js_url().parse()?,
        },
        storage: Storage {
            endpoint: sandbox.s3_url().parse()?,
            region: "auto".into(),
            bucket: "mywork".into(),
            access_key: secrets.s3_access_key.clone(),
            secret_key: Secret::new(&secrets.s3_secret_key),
        },
        email: Email {
            api_key: Secret::new(&secrets.resend_api_key),
            api_base: format!("{}/", sandbox.base_url()).parse()?,
            from: "MyWork <hello@mywork.example>".into(),
            webhook_secrets: Vec::new(),
        },
        web: Web { trusted_proxies: Vec::new(), rate_per_minute: 600, cron_secret: None },
        metrics: Metrics::default(), // the web's registry serves for all parts
        log: Log { json: false, filter: "info".into() },
    })
}

fn welcome(config: &Config, sandbox: &Sandbox, begun: Instant) {
    let base = config.base_url.as_str();
    println!(
        "
MyWork is running (started in {:.1} s). Ctrl-C stops all of it.

  {base}                 the marketplace
  {base}dashboard        selling: list a product, watch its checks
  {base}admin            approvals, orders, users, jobs
  {base}api/docs         the API
  {}/outbox          every e-mail that was sent
  {}                 test cards, faults, the vendors' stand-ins

  buyer@mywork.example   seller@mywork.example   admin@mywork.example
  password: correct horse battery        card: 4242 4242 4242 4242
",
        begun.elapsed().as_secs_f32(),
        sandbox.base_url(),
        sandbox.base_url(),
    );
}
