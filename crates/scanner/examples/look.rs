//! What the checks would say about packages on this disk: `cargo run -p mywork-scanner --example look -- package.zip …`

use mywork_scanner::{Limits, Scanner};
use std::{error::Error, path::PathBuf, time::Instant};

fn main() -> Result<(), Box<dyn Error>> {
    let (scanner, limits) = (Scanner::new()?, Limits::default());
    for file in std::env::args_os().skip(1).map(PathBuf::from) {
        let started = Instant::now();
        let looked = scanner.inspect(&file, &limits).and_then(|i| scanner.scan(&file, &limits).map(|findings| (i, findings)));
        println!("{} in {:.1?}", file.display(), started.elapsed());
        match looked {
            Err(refusal) => println!("  refused: {} {}", refusal.sentence(), refusal.remedy()),
            Ok((inspection, findings)) => {
                println!(
                    "  {} files, {} bytes, {}",
                    inspection.files.len(),
                    inspection.unpacked_bytes,
                    inspection.stack.join(", ")
                );
                for finding in inspection.findings.iter().chain(&findings) {
                    let place = finding.path.as_deref().unwrap_or("package");
                    println!("  {} {} {place}:{} {}", finding.severity, finding.rule, finding.line.unwrap_or(0), finding.title);
                    finding.excerpt.iter().for_each(|excerpt| println!("      {excerpt}"));
                }
            }
        }
    }
    Ok(())
}
