//! The private PostgreSQL: durable data survives, throw-away data does not, faults end in one sentence, and a killed parent
//! leaves no server. Skipped where `bin/prepare` has not put a distribution into `.local/`.

use mywork_sandbox::{Cluster, ClusterError, ClusterOptions};
use std::{
    net::{TcpListener, TcpStream},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

fn options(data: &Path, durable: bool) -> Option<ClusterOptions> {
    let distribution = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../.local/postgres"));
    if !distribution.join("bin/postgres").exists() {
        eprintln!("skipped: there is no PostgreSQL in {}", distribution.display());
        return None;
    }
    Some(ClusterOptions { distribution, data: data.to_owned(), port: None, durable })
}

/// One that PostgreSQL's user can enter when we are root.
fn open_folder() -> tempfile::TempDir {
    tempfile::Builder::new().permissions(PermissionsExt::from_mode(0o755)).tempdir().unwrap()
}

fn listens(port: u16) -> bool {
    TcpStream::connect(("127.0.0.1", port)).is_ok()
}

#[test]
fn a_throw_away_cluster_leaves_nothing_but_its_template() {
    let folder = open_folder();
    let Some(options) = options(&folder.path().join("tests"), false) else { return };
    let (one, two) = (Cluster::start(&options).unwrap(), Cluster::start(&options).unwrap());
    assert_ne!(one.port(), two.port());
    assert_eq!(one.url("postgres"), format!("postgres://app@127.0.0.1:{}/postgres", one.port()));
    let ports = [one.port(), two.port()];
    assert!(ports.into_iter().all(listens));
    drop((one, two));
    assert!(!ports.into_iter().any(listens));
    let left = std::fs::read_dir(folder.path().join("tests")).unwrap();
    let mut left: Vec<_> = left.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    left.sort();
    assert!(left.iter().all(|name| name == "lock" || name.starts_with("template-")), "{left:?}");
}

#[test]
fn a_durable_cluster_guards_its_folder_and_port() {
    let folder = open_folder();
    let data = folder.path().join("data");
    let Some(mut options) = options(&data, true) else { return };
    let running = Cluster::start(&options).unwrap();
    assert!(matches!(Cluster::start(&options), Err(ClusterError::InUse(_))));
    drop(running);

    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    options.port = Some(port);
    let error = Cluster::start(&options).unwrap_err();
    assert_eq!(error.to_string(), format!("port {port} is taken: stop what listens there, or choose another port"));
    drop(taken);
    assert_eq!(Cluster::start(&options).unwrap().port(), port, "the data is still good");

    std::fs::write(data.join("PG_VERSION"), "9\n").unwrap();
    let error = Cluster::start(&options).unwrap_err();
    assert!(matches!(&error, ClusterError::OtherMajorVersion { found, .. } if found == "9"), "{error}");
}

/// Runs this very test in a process of its own, which starts a cluster and is then killed without a chance to tidy up.
#[cfg(target_os = "linux")]
#[test]
fn a_killed_program_leaves_no_server() {
    use std::{
        io::{BufRead, BufReader},
        process::{Command, Stdio},
        time::{Duration, Instant},
    };
    const FOLDER: &str = "SANDBOX_CLUSTER_OF_A_PROGRAM_TO_KILL";
    if let Ok(folder) = std::env::var(FOLDER) {
        let cluster = Cluster::start(&options(Path::new(&folder), false).unwrap()).unwrap();
        println!("\nport {}", cluster.port());
        std::thread::sleep(Duration::from_secs(60));
        return;
    }
    let folder = open_folder();
    let data = folder.path().join("tests");
    let Some(options) = options(&data, false) else { return };
    let mut program = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "cluster::a_killed_program_leaves_no_server", "--nocapture"])
        .env(FOLDER, &data)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let told = BufReader::new(program.stdout.take().unwrap()).lines().map_while(Result::ok);
    let port = told.filter_map(|line| line.strip_prefix("port ")?.parse().ok()).next().unwrap();
    assert!(listens(port));
    program.kill().unwrap();
    program.wait().unwrap();
    let killed = Instant::now();
    while listens(port) {
        assert!(killed.elapsed() < Duration::from_secs(10), "the server outlives its program");
        std::thread::sleep(Duration::from_millis(20));
    }
    // What it left on disk goes with the next start.
    drop(Cluster::start(&options).unwrap());
    let left = std::fs::read_dir(&data).unwrap().filter_map(Result::ok);
    assert!(!left.into_iter().any(|entry| entry.file_name().to_string_lossy().starts_with("run-")));
}
