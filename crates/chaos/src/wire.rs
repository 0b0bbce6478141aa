//! A wire to the database that can fall silent: its connections carry nothing any more and are not closed, as when a firewall
//! forgets them. For good, or until the wire is mended.

use anyhow::Result;
use std::{
    future::pending,
    net::Ipv4Addr,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
};

/// See the module. Clones are the same wire.
#[derive(Clone)]
pub struct Wire {
    port: u16,
    line: Arc<Mutex<Line>>,
}

struct Line {
    server: u16,
    /// Connections made now listen to this for how they are.
    now: watch::Sender<Mood>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mood {
    Carries,
    Waits,
    Forgotten,
}

impl Wire {
    /// A wire to the server on `port` of this machine.
    pub async fn to(port: u16) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let line = Line { server: port, now: watch::channel(Mood::Carries).0 };
        let wire = Self { port: listener.local_addr()?.port(), line: Arc::new(Mutex::new(line)) };
        tokio::spawn(serve(listener, wire.clone()));
        Ok(wire)
    }

    /// Where it can be reached.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The connections there are are forgotten for good; new ones work.
    pub fn forget(&self) {
        let mut line = self.line();
        line.now.send_replace(Mood::Forgotten);
        line.now = watch::channel(Mood::Carries).0;
    }

    /// Nothing gets through, on new connections either.
    pub fn mute(&self) {
        self.line().now.send_replace(Mood::Waits);
    }

    /// Everything gets through again, what was on its way included.
    pub fn mend(&self) {
        self.line().now.send_replace(Mood::Carries);
    }

    fn line(&self) -> std::sync::MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn serve(listener: TcpListener, wire: Wire) {
    while let Ok((near, _)) = listener.accept().await {
        let (server, mood) = {
            let line = wire.line();
            (line.server, line.now.subscribe())
        };
        tokio::spawn(async move {
            let mut first = mood.clone();
            if first.wait_for(|mood| *mood == Mood::Carries).await.is_err() {
                return pending().await; // forgotten before it began
            }
            let Ok(far) = TcpStream::connect((Ipv4Addr::LOCALHOST, server)).await else { return };
            let ((from_near, to_near), (from_far, to_far)) = (near.into_split(), far.into_split());
            tokio::select! {
                () = carry(from_near, to_far, mood.clone()) => {}
                () = carry(from_far, to_near, mood) => {}
            }
        });
    }
}

/// Carries bytes until one side hangs up. While the wire is silent nobody can.
async fn carry(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, mut mood: watch::Receiver<Mood>) {
    let mut buffer = vec![0; 32 * 1024];
    loop {
        if mood.wait_for(|mood| *mood == Mood::Carries).await.is_err() {
            return pending().await;
        }
        tokio::select! {
            biased;
            _ = mood.changed() => {}
            read = from.read(&mut buffer) => {
                let Ok(length @ 1..) = read else { return };
                if mood.wait_for(|mood| *mood == Mood::Carries).await.is_err() {
                    return pending().await;
                }
                if to.write_all(&buffer[..length]).await.is_err() {
                    return;
                }
            }
        }
    }
}
