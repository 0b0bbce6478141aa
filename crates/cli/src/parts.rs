//! Builds what the processes are made of from the configuration: pools in their roles, the vendors' clients, the web
//! application, the workers' services. Production, `dev` and the stories come through here; only addresses and keys differ.

use anyhow::Context;
use metrics_exporter_prometheus::PrometheusHandle;
use mywork::{
    clock::{Clock, SystemClock},
    config::Config,
    db::{Db, Role},
    search::PgSearch,
};
use mywork_jobs::{Services, notifications::EmailTemplates};
use mywork_scanner::Scanner;
use mywork_vendors::{
    resend::{self, Mailer},
    storage::{self, Storage},
    stripe::{self, Stripe},
};
use mywork_web::{
    App, admin::jobs::live::Live, assets::Assets, auth::Keys, discovery::views::Views, limits::Limits, ops::health::Health,
    templates::Templates,
};
use std::sync::{Arc, LazyLock};
use tokio_util::sync::CancellationToken;

/// A pool of the given role; web and workers may have a login of their own.
pub async fn database(config: &Config, role: Role) -> anyhow::Result<Db> {
    let database = &config.database;
    let own = match role {
        Role::Web => database.web_url.as_ref(),
        Role::Worker => database.worker_url.as_ref(),
        Role::Migrate => None,
    };
    let url = own.unwrap_or(&database.url).reveal();
    Db::connect(url, role, database.max_connections)
        .await
        .context("the database does not answer: check DATABASE_URL, and run `mywork migrate` if it is new")
}

/// The client of the object storage.
pub fn storage(config: &Config) -> Storage {
    Storage::new(&storage::Settings {
        endpoint: config.storage.endpoint.clone(),
        region: config.storage.region.clone(),
        bucket: config.storage.bucket.clone(),
        access_key: config.storage.access_key.clone(),
        secret_key: config.storage.secret_key.reveal().to_owned(),
    })
}

/// The client of Stripe.
pub fn stripe(config: &Config) -> anyhow::Result<Stripe> {
    let settings =
        stripe::Settings { secret_key: config.stripe.secret_key.reveal().to_owned(), api_base: config.stripe.api_base.clone() };
    Stripe::new(&settings).context("Stripe's client could not be made: check STRIPE_SECRET_KEY")
}

/// The client of Resend.
pub fn mailer(config: &Config) -> anyhow::Result<Mailer> {
    let settings = resend::Settings {
        api_key: config.email.api_key.reveal().to_owned(),
        api_base: config.email.api_base.clone(),
        from: config.email.from.clone(),
    };
    Mailer::new(&settings).context("Resend's client could not be made: check RESEND_API_KEY and EMAIL_FROM")
}

/// What handlers of jobs use.
pub async fn services(config: &Arc<Config>, clock: Arc<dyn Clock>) -> anyhow::Result<Arc<Services>> {
    Ok(Arc::new(Services {
        db: database(config, Role::Worker).await?,
        clock,
        config: config.clone(),
        storage: storage(config),
        stripe: stripe(config)?,
        mailer: mailer(config)?,
        scanner: Arc::new(LazyLock::new(|| Scanner::new().expect("the scanner's rules compile, as its tests show"))),
        emails: EmailTemplates::new(config.base_url.as_str().trim_end_matches('/'))
            .context("the e-mail templates do not compile")?,
    }))
}

/// The clock of every process but a test's.
pub fn clock() -> Arc<dyn Clock> {
    Arc::new(SystemClock)
}

/// The web application.
pub async fn app(
    config: &Arc<Config>,
    clock: Arc<dyn Clock>,
    metrics: Option<PrometheusHandle>,
    shutdown: CancellationToken,
) -> anyhow::Result<App> {
    let db = database(config, Role::Web).await?;
    let assets = Assets::new();
    let auth = Keys::open(&db, config, clock.now()).await?;
    Ok(App::new(mywork_web::Parts {
        search: Arc::new(PgSearch::new(db.clone())),
        templates: Templates::new(assets.clone()),
        assets,
        clock,
        storage: storage(config),
        stripe: stripe(config)?,
        mailer: mailer(config)?,
        auth,
        limits: Limits::new(config.web.rate_per_minute),
        views: Views::default(),
        live: Live::default(),
        metrics,
        health: Health::default(),
        config: config.clone(),
        db,
        shutdown,
    }))
}
