//! Settings from the environment, checked at start.

#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("{0} is not set")]
    Missing(&'static str),
    #[error("PORT is `{0}`, which is no port")]
    Port(String),
}

#[derive(Debug)]
pub struct Config {
    pub port: u16,
    pub database_url: String,
}

impl Config {
    pub fn from_env() -> Result<Self, ConfigError> {
        let port = std::env::var("PORT").unwrap_or_else(|_| "{{ port }}".to_owned());
        Ok(Self {
            port: port.parse().map_err(|_| ConfigError::Port(port))?,
            database_url: std::env::var("DATABASE_URL").map_err(|_| ConfigError::Missing("DATABASE_URL"))?,
        })
    }
}
