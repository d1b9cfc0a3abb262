//! One listener: accepts, shakes hands, and keeps every connection inside its bounds.

use std::{
    future::Future,
    io,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll},
    time::Duration,
};

use http::{Request, Response};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
    task::{JoinHandle, JoinSet},
    time::Instant,
};

use super::{reply::ReplyBody, settings::Connection, tls::TlsFiles};
use crate::limits;

/// Who is on the other side of a connection.
#[derive(Debug, Clone, Default)]
pub struct Peer {
    /// Subject of the verified client certificate.
    pub subject: Option<Arc<str>>,
}

/// A boxed future of a response.
pub type Reply = Pin<Box<dyn Future<Output = Response<ReplyBody>> + Send>>;

/// What serves the requests of a listener.
pub type Handler = Arc<dyn Fn(Request<Incoming>, Peer) -> Reply + Send + Sync>;

/// A running listener. Dropped without [`Server::shutdown`], it stops at once.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    task: Option<JoinHandle<()>>,
}

impl Server {
    /// The address that is listened on, with the port that the system chose for port 0.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops accepting, tells connections to go away, and waits for open requests until `deadline`.
    /// Returns whether all of them ended in time.
    pub async fn shutdown(mut self, deadline: Duration) -> bool {
        let _ = self.stop.send(true);
        let Some(mut task) = self.task.take() else { return true };
        let done = tokio::time::timeout(deadline, &mut task).await.is_ok();
        task.abort();
        done
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(task) = self.task.take() {
            task.abort();
        }
    }
}

/// Binds `endpoint`.
///
/// # Errors
/// Says what was tried, and why it failed.
pub async fn bind(name: &str, endpoint: SocketAddr) -> io::Result<TcpListener> {
    TcpListener::bind(endpoint).await.map_err(|error| {
        let hint = match error.kind() {
            io::ErrorKind::AddrInUse => "another program listens there; stop it or choose another port",
            io::ErrorKind::PermissionDenied => "ports below 1024 need a privilege; choose a higher port",
            io::ErrorKind::AddrNotAvailable => "the address is not one of this machine's",
            _ => "check the address",
        };
        io::Error::new(error.kind(), format!("{name}: cannot listen on {endpoint}: {error} ({hint})"))
    })
}

/// Serves a bound listener until it is shut down.
///
/// # Errors
/// The listener has no local address.
pub fn start(
    listener: TcpListener,
    tls: Option<Arc<TlsFiles>>,
    bounds: Connection,
    handler: Handler,
) -> io::Result<Server> {
    let address = listener.local_addr()?;
    let (stop, stopped) = watch::channel(false);
    let task = tokio::spawn(accept(listener, tls, Arc::new(bounds), handler, stopped));
    Ok(Server { address, stop, task: Some(task) })
}

async fn accept(
    listener: TcpListener,
    tls: Option<Arc<TlsFiles>>,
    bounds: Arc<Connection>,
    handler: Handler,
    mut stopped: watch::Receiver<bool>,
) {
    let slots = Arc::new(Semaphore::new(bounds.max));
    let mut connections = JoinSet::new();
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        // hyper's timer also runs between requests; a head that has begun is timed in `drive`.
        .header_read_timeout(bounds.header_timeout.max(bounds.idle_timeout))
        .max_buf_size(limits::HEADER_BYTES);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(bounds.max_streams)
        .max_header_list_size(limits::HEADER_BYTES as u32)
        .initial_stream_window_size(512 * 1024)
        .initial_connection_window_size(limits::MIB as u32)
        .keep_alive_interval(Some(bounds.keepalive_interval).filter(|d| !d.is_zero()))
        .keep_alive_timeout(bounds.keepalive_timeout);
    let builder = Arc::new(builder);
    loop {
        let stop_of_connection = stopped.clone();
        let next = async {
            // The slot comes first: over the limit, connections wait in the kernel's backlog.
            let slot = Arc::clone(&slots).acquire_owned().await.map_err(io::Error::other)?;
            listener.accept().await.map(|(stream, _)| (stream, slot))
        };
        tokio::select! {
            biased;
            () = stop_asked(&mut stopped) => break,
            Some(_) = connections.join_next() => {}
            accepted = next => match accepted {
                Ok((stream, slot)) => {
                    let (tls, bounds) = (tls.clone(), Arc::clone(&bounds));
                    let (handler, builder) = (Arc::clone(&handler), Arc::clone(&builder));
                    connections.spawn(async move {
                        connect(stream, tls, &builder, &bounds, handler, stop_of_connection).await;
                        drop(slot);
                    });
                }
                Err(error) => {
                    // Out of descriptors, most likely: let some connections end.
                    tracing::warn!(error.kind = ?error.kind(), "cannot accept a connection");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            },
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

/// Ends when a stop is asked for, or when nobody can ask any more.
async fn stop_asked(stopped: &mut watch::Receiver<bool>) {
    let _ = stopped.wait_for(|stop| *stop).await;
}

async fn connect(
    stream: TcpStream,
    tls: Option<Arc<TlsFiles>>,
    builder: &auto::Builder<TokioExecutor>,
    bounds: &Connection,
    handler: Handler,
    stopped: watch::Receiver<bool>,
) {
    let _ = stream.set_nodelay(true);
    let Some(tls) = tls else {
        return drive(stream, builder, bounds, Peer::default(), handler, stopped).await;
    };
    match tokio::time::timeout(bounds.header_timeout, tls.accept(stream)).await {
        Ok(Ok((stream, subject))) => {
            drive(stream, builder, bounds, Peer { subject }, handler, stopped).await;
        }
        Ok(Err(error)) => tracing::debug!(error.kind = ?error.kind(), "TLS handshake failed"),
        Err(_) => tracing::debug!("TLS handshake timed out"),
    }
}

/// What a connection does, seen from outside of hyper.
struct Activity {
    born: Instant,
    open: AtomicUsize,
    served: AtomicBool,
    /// Milliseconds after `born`.
    last: AtomicU64,
    /// Bytes read, ever, and up to the last change of `open`.
    read: AtomicUsize,
    read_before: AtomicUsize,
    http2: AtomicBool,
}

impl Activity {
    fn touch(&self) {
        self.last.store(self.born.elapsed().as_millis() as u64, Relaxed);
        self.read_before.store(self.read.load(Relaxed), Relaxed);
    }

    /// Whether a request's head has begun to arrive and has not ended. HTTP/2 has pings for that.
    fn head_is_open(&self) -> bool {
        !self.http2.load(Relaxed)
            && self.open.load(Relaxed) == 0
            && self.read.load(Relaxed) > self.read_before.load(Relaxed)
    }

    fn idle(&self) -> Duration {
        if self.open.load(Relaxed) > 0 {
            return Duration::ZERO;
        }
        self.born.elapsed().saturating_sub(Duration::from_millis(self.last.load(Relaxed)))
    }
}

/// One open request: counted also when its future is dropped.
struct Open(Arc<Activity>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.touch();
        self.0.open.fetch_sub(1, Relaxed);
    }
}

async fn drive<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    stream: S,
    builder: &auto::Builder<TokioExecutor>,
    bounds: &Connection,
    peer: Peer,
    handler: Handler,
    mut stopped: watch::Receiver<bool>,
) {
    let activity = Arc::new(Activity {
        born: Instant::now(),
        open: AtomicUsize::new(0),
        served: AtomicBool::new(false),
        last: AtomicU64::new(0),
        read: AtomicUsize::new(0),
        read_before: AtomicUsize::new(0),
        http2: AtomicBool::new(false),
    });
    let seen = Arc::clone(&activity);
    let service = service_fn(move |request| {
        seen.open.fetch_add(1, Relaxed);
        seen.touch();
        seen.served.store(true, Relaxed);
        let open = Open(Arc::clone(&seen));
        let reply = handler(request, peer.clone());
        async move {
            let response = reply.await;
            drop(open);
            Ok::<_, std::convert::Infallible>(response)
        }
    });
    let io = TokioIo::new(Counted { stream, activity: Arc::clone(&activity) });
    let connection = builder.serve_connection(io, service);
    let mut connection = std::pin::pin!(connection);

    let tick = (bounds.header_timeout.min(bounds.idle_timeout) / 4)
        .clamp(Duration::from_millis(20), Duration::from_secs(5));
    let mut ticks = tokio::time::interval(tick);
    let mut leaving: Option<Instant> = None;
    let mut head_since: Option<Instant> = None;
    loop {
        let was_leaving = leaving.is_some();
        let leave = tokio::select! {
            // An error here is the client's, and it has been answered where that was possible.
            _ = connection.as_mut() => return,
            () = stop_asked(&mut stopped), if !was_leaving => true,
            _ = ticks.tick() => {
                let age = activity.born.elapsed();
                let mute = age > bounds.header_timeout
                    && activity.read.load(Relaxed) < PREFACE_BYTES
                    && !activity.served.load(Relaxed);
                head_since = activity.head_is_open().then(|| head_since.unwrap_or_else(Instant::now));
                let slow = head_since.is_some_and(|since| since.elapsed() > bounds.header_timeout);
                if mute || slow || leaving.is_some_and(|end| Instant::now() > end) {
                    return;
                }
                let old = !bounds.max_age.is_zero() && age > bounds.max_age;
                !was_leaving && (old || activity.idle() > bounds.idle_timeout)
            }
        };
        if leave {
            connection.as_mut().graceful_shutdown();
            leaving = Some(Instant::now() + bounds.max_age_grace);
        }
    }
}

/// A connection is told apart as HTTP/1.1 or HTTP/2 by its first 24 bytes; hyper's own timers start after them.
const PREFACE_BYTES: usize = 24;

/// A stream that counts what it read.
struct Counted<S> {
    stream: S,
    activity: Arc<Activity>,
}

impl<S: AsyncRead + Unpin> AsyncRead for Counted<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let poll = Pin::new(&mut self.stream).poll_read(cx, buf);
        let new = &buf.filled()[before..];
        if self.activity.read.fetch_add(new.len(), Relaxed) == 0 && new.starts_with(b"PRI") {
            self.activity.http2.store(true, Relaxed);
        }
        poll
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Counted<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
