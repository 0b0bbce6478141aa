//! {{ name }}: {{ short }}

mod config;
mod error;
{% if later %}
mod export;
{% endif %}
mod {{ entity }};
mod routes;
mod store;

use sqlx::postgres::PgPoolOptions;
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    tracing_subscriber::fmt().with_env_filter(tracing_subscriber::EnvFilter::from_default_env()).init();
    let config = config::Config::from_env()?;
    let pool = PgPoolOptions::new().max_connections(10).connect(&config.database_url).await?;
    sqlx::migrate!().run(&pool).await?;
    let listener = TcpListener::bind(("0.0.0.0", config.port)).await?;
    tracing::info!(port = config.port, "listening");
    axum::serve(listener, routes::router(store::Store::new(pool))).with_graceful_shutdown(stop()).await?;
    Ok(())
}

async fn stop() {
    if let Err(error) = tokio::signal::ctrl_c().await {
        tracing::error!(%error, "no signal can be received; stopping");
    }
}
