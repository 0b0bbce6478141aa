//! The private PostgreSQL: durable data survives, throw-away data does not, faults end in one sentence, and a killed parent
//! leaves no server. Skipped where `bin/prepare` has not put a distribution into `.local/`.

use mywork_sandbox::{Cluster, ClusterError, ClusterOptions};
use std::{
    net::{TcpListener, TcpStream},
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

fn listens(port: u16) -> bool {
    TcpStream::connect(("127.0.0.1", port)).is_ok()
}

#[test]
fn a_throw_away_cluster_leaves_nothing_but_its_template() {
    let folder = tempfile::tempdir().unwrap();
    let Some(options) = options(&folder.path().join("tests"), false) else { return };
    let (one, two) = (Cluster::start(&options).unwrap(), Cluster::start(&options).unwrap());
    assert_ne!(one.port(), two.port());
    assert_eq!(one.url("postgres"), format!("postgres://app@127.0.0.1:{}/postgres", one.port()));
    let ports = [one.port(), two.port()];
    assert!(ports.into_iter().all(listens));
    drop((one, two));
    assert!(!ports.into_iter().any(listens));
    // As root and with a temporary folder that only root may enter, the data is elsewhere.
    let Ok(left) = std::fs::read_dir(folder.path().join("tests")) else { return };
    let mut left: Vec<_> = left.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    left.sort();
    assert!(left.iter().all(|name| name == "lock" || name.starts_with("template-")), "{left:?}");
}

#[test]
fn a_durable_cluster_guards_its_folder_and_port() {
    let folder = tempfile::Builder::new().permissions(std::os::unix::fs::PermissionsExt::from_mode(0o755)).tempdir().unwrap();
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
