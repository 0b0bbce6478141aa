//! A wire to the database that can be cut, and that can fall silent: nothing gets through any more and no side is told, as when
//! a firewall forgets a connection or a machine loses its power.

use sqlx::postgres::PgConnectOptions;
use std::{
    future::pending,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
};
use tokio_util::sync::CancellationToken;

pub struct Proxy {
    pub options: PgConnectOptions,
    wire: Arc<Wire>,
}

struct Wire {
    server: (String, u16),
    whole: AtomicBool,
    cut: watch::Sender<()>,
    /// Silences the connections made since it was last drawn.
    silence: Mutex<CancellationToken>,
    trap: Mutex<Option<Trap>>,
}

/// What makes the connection that says it fall silent.
#[derive(Clone)]
enum Trap {
    /// The client says this: the server never hears it.
    Asked(&'static str),
    /// The server says this: the client never hears it.
    Answered(&'static str),
}

impl Proxy {
    /// A wire to where `target` points.
    pub async fn to(target: &PgConnectOptions) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let wire = Arc::new(Wire {
            server: (target.get_host().to_owned(), target.get_port()),
            whole: AtomicBool::new(true),
            cut: watch::channel(()).0,
            silence: Mutex::default(),
            trap: Mutex::default(),
        });
        tokio::spawn(serve(listener, Arc::clone(&wire)));
        Self { options: target.clone().host("127.0.0.1").port(port), wire }
    }

    /// Ends all connections and lets none through.
    pub fn cut(&self) {
        self.wire.whole.store(false, SeqCst);
        self.wire.cut.send_replace(());
    }

    pub fn mend(&self) {
        self.wire.whole.store(true, SeqCst);
    }

    /// The connections there are fall silent for good; new ones work.
    pub fn silence(&self) {
        std::mem::take(&mut *lock(&self.wire.silence)).cancel();
    }

    /// The connection on which the client says `words` falls silent just before.
    pub fn silence_question(&self, words: &'static str) {
        *lock(&self.wire.trap) = Some(Trap::Asked(words));
    }

    /// The connection on which the server answers `words` falls silent just before.
    pub fn silence_answer(&self, words: &'static str) {
        *lock(&self.wire.trap) = Some(Trap::Answered(words));
    }

    /// Whether a connection has fallen silent as asked.
    pub fn sprung(&self) -> bool {
        lock(&self.wire.trap).is_none()
    }
}

impl Wire {
    /// Whether the trap is for these words; it springs once.
    fn springs(&self, said: &[u8], words_of: impl Fn(&Trap) -> Option<&'static str>) -> bool {
        let mut trap = lock(&self.trap);
        let words = trap.as_ref().and_then(words_of).map(str::as_bytes);
        let sprung = words.is_some_and(|words| said.windows(words.len()).any(|window| window == words));
        if sprung {
            *trap = None;
        }
        sprung
    }
}

async fn serve(listener: TcpListener, wire: Arc<Wire>) {
    while let Ok((near, _)) = listener.accept().await {
        if wire.whole.load(SeqCst) {
            tokio::spawn(connect(near, Arc::clone(&wire)));
        }
    }
}

async fn connect(near: TcpStream, wire: Arc<Wire>) {
    let mut cut = wire.cut.subscribe();
    let silence = lock(&wire.silence).child_token();
    let Ok(far) = TcpStream::connect(&wire.server).await else { return };
    let ((from_near, to_near), (from_far, to_far)) = (near.into_split(), far.into_split());
    let asked = |said: &[u8]| wire.springs(said, |trap| if let Trap::Asked(words) = trap { Some(words) } else { None });
    let answered = |said: &[u8]| wire.springs(said, |trap| if let Trap::Answered(words) = trap { Some(words) } else { None });
    tokio::select! {
        () = carry(from_near, to_far, &silence, asked) => {}
        () = carry(from_far, to_near, &silence, answered) => {}
        _ = cut.changed() => {}
    }
}

/// Carries bytes until one side hangs up. On a silent connection nobody can hang up.
async fn carry(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, silence: &CancellationToken, springs: impl Fn(&[u8]) -> bool) {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let said = tokio::select! {
            biased;
            () = silence.cancelled() => pending().await,
            read = from.read(&mut buffer) => match read {
                Ok(1..) if silence.is_cancelled() => pending().await,
                Ok(length @ 1..) => &buffer[..length],
                _ => return,
            },
        };
        if springs(said) {
            silence.cancel();
        } else if to.write_all(said).await.is_err() {
            return;
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
