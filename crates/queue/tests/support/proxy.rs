//! A wire to the database that can be cut and mended.

use sqlx::postgres::PgConnectOptions;
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::SeqCst},
};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
};

pub struct Proxy {
    pub options: PgConnectOptions,
    whole: Arc<AtomicBool>,
    cut: watch::Sender<()>,
}

impl Proxy {
    /// A wire to where `target` points.
    pub async fn to(target: &PgConnectOptions) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let (whole, (cut, _)) = (Arc::new(AtomicBool::new(true)), watch::channel(()));
        let server = (target.get_host().to_owned(), target.get_port());
        tokio::spawn(serve(listener, server, Arc::clone(&whole), cut.clone()));
        Self { options: target.clone().host("127.0.0.1").port(port), whole, cut }
    }

    /// Ends all connections and lets none through.
    pub fn cut(&self) {
        self.whole.store(false, SeqCst);
        self.cut.send_replace(());
    }

    pub fn mend(&self) {
        self.whole.store(true, SeqCst);
    }
}

async fn serve(listener: TcpListener, server: (String, u16), whole: Arc<AtomicBool>, cut: watch::Sender<()>) {
    while let Ok((mut near, _)) = listener.accept().await {
        if !whole.load(SeqCst) {
            continue;
        }
        let (server, mut cut) = (server.clone(), cut.subscribe());
        tokio::spawn(async move {
            if let Ok(mut far) = TcpStream::connect(&server).await {
                tokio::select! {
                    _ = copy_bidirectional(&mut near, &mut far) => {}
                    _ = cut.changed() => {}
                }
            }
        });
    }
}
