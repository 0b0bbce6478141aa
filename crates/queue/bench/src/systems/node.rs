//! Job systems of Node: `bin/bench` installs them by npm into the build folder and says where, or why it could not.

use anyhow::{Context, ensure};
use std::path::PathBuf;
use tokio::process::Command;

/// Why there are none, if so.
pub fn missing() -> Option<String> {
    match std::env::var("BENCH_PEERS") {
        Ok(folder) if !folder.is_empty() => None,
        _ => Some(std::env::var("BENCH_PEERS_MISSING").unwrap_or_else(|_| "BENCH_PEERS names no folder".to_owned())),
    }
}

/// A driver with its arguments, to be started.
pub fn driver(script: &str, arguments: &[&str]) -> anyhow::Result<Command> {
    let folder = PathBuf::from(std::env::var("BENCH_PEERS").context("BENCH_PEERS names no folder")?);
    let mut command = Command::new(std::env::var("BENCH_NODE").unwrap_or_else(|_| "node".to_owned()));
    command.current_dir(&folder).arg(script).args(arguments).env("NODE_ENV", "production");
    Ok(command)
}

/// Runs a driver to its end.
pub async fn run(script: &str, arguments: &[&str]) -> anyhow::Result<()> {
    let ran = driver(script, arguments)?.output().await?;
    ensure!(ran.status.success(), "{script} {} failed: {}", arguments[0], String::from_utf8_lossy(&ran.stderr));
    Ok(())
}
