//! Believable data for an empty marketplace.

use mywork::config::Config;
use std::sync::Arc;

/// `mywork seed`
pub async fn command(config: Config) -> anyhow::Result<()> {
    run(&Arc::new(config)).await
}

/// Plants what is missing.
pub async fn run(_config: &Arc<Config>) -> anyhow::Result<()> {
    Ok(())
}
