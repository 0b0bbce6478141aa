//! The run: each section measures, adds its table and its ratios, and leaves no database behind.

mod drain;
mod enqueue;
mod history;
mod latency;
mod snapshot;

use crate::{
    plan::{Plan, Section},
    report::Report,
    server::Server,
    systems::System,
};
use std::{path::Path, time::Instant};

/// What a section needs.
pub struct Run {
    pub server: Server,
    pub plan: Plan,
    pub report: Report,
}

/// Measures `only` these sections, or all.
pub async fn run(plan: &Plan, only: &[Section], write: Option<&Path>) -> anyhow::Result<()> {
    let began = Instant::now();
    let server = Server::connect().await?;
    let mut run = Run { server, plan: *plan, report: Report::default() };
    run.report.about = about(plan, &run.server).await?;
    for system in [System::Graphile, System::Pgboss, System::Pgbench] {
        if let Some(why) = system.missing() {
            run.report.missing.push(format!("{}: {why}", system.name()));
        }
    }

    let wanted = |section| only.is_empty() || only.contains(&section);
    if wanted(Section::Drain) {
        drain::measure(&mut run).await?;
    }
    if wanted(Section::Enqueue) {
        enqueue::measure(&mut run).await?;
    }
    if wanted(Section::Latency) {
        latency::measure(&mut run).await?;
    }
    if wanted(Section::History) {
        history::measure(&mut run).await?;
    }
    if wanted(Section::Snapshot) {
        snapshot::measure(&mut run).await?;
    }
    run.report.about.push(("took".to_owned(), format!("{:.0} s", began.elapsed().as_secs_f64())));

    let text = run.report.text();
    if let Some(path) = write {
        std::fs::write(path, format!("{text}```\n"))?;
    }
    print!("{text}");
    Ok(())
}

impl Run {
    /// Of these, the systems that are here.
    pub fn here(&self, systems: &[System]) -> Vec<System> {
        systems.iter().copied().filter(|system| system.missing().is_none()).collect()
    }
}

/// One line on standard error, so that a long run shows that it lives.
pub fn tell(what: impl std::fmt::Display) {
    eprintln!("bench: {what}");
}

async fn about(plan: &Plan, server: &Server) -> anyhow::Result<Vec<(String, String)>> {
    let cores = std::thread::available_parallelism()?;
    let memory = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let memory =
        memory.lines().find_map(|line| line.strip_prefix("MemTotal:")?.trim().strip_suffix("kB")?.trim().parse::<f64>().ok());
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let command = if plan.quick { "bin/bench queue --quick" } else { "bin/bench queue" };
    let mut about = vec![
        ("date".to_owned(), chrono::Utc::now().format("%Y-%m-%d %H:%M UTC").to_string()),
        ("repeat by".to_owned(), format!("`{command}`")),
        ("machine".to_owned(), format!("{cores} cores, {:.0} GiB", memory.unwrap_or_default() / 1_048_576.0)),
        ("load before".to_owned(), load.split(' ').take(3).collect::<Vec<_>>().join(" ")),
    ];
    about.extend(server.about().await?);
    if plan.quick {
        let [small, large] = plan.backlogs.map(|(name, jobs, _)| format!("{name} means {jobs}"));
        about.push(("sizes".to_owned(), format!("quick: {small}, {large}, history {} rows; indicative only", plan.history)));
    }
    Ok(about)
}
