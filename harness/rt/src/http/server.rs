//! The answering side.

use std::{
    convert::Infallible,
    future::{Future, pending},
    io,
    net::SocketAddr,
    pin::pin,
    time::{Duration, SystemTime},
};

use axum::{Router, body::Body, response::IntoResponse};
use futures_util::FutureExt;
use http_body_util::Limited;
use hyper::{
    body::{Body as _, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::sync::watch;
use tower_service::Service;

use super::{HeaderValue, Request, Response, StatusCode, header, timer::Timer};
use crate::{
    accept::accept,
    clock,
    net::{TcpListener, TcpStream},
    task,
};

/// Who sent a request: an `axum::Extension` of every request. (axum's own `ConnectInfo` belongs to its `tokio` feature.)
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer(pub SocketAddr);

/// Serves a router with the default limits of [`Server`], until the listener fails. When the future is dropped, so are all
/// connections and the handlers at work for them.
///
/// # Errors
/// What `accept` fails with, except failures of a single connection and a passing lack of file descriptors.
pub async fn serve(listener: TcpListener, app: Router) -> io::Result<()> {
    Server::new(app).serve(listener).await
}

/// Like [`serve`] until `shutdown` is ready: then no connection is taken any more, those that wait for a request are
/// closed, and requests in flight are finished, however long they take. Dropping the future ends them, too.
///
/// # Errors
/// As [`serve`].
pub async fn serve_until(
    listener: TcpListener,
    app: Router,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    Server::new(app).serve_until(listener, shutdown).await
}

/// A router and the limits it is served with.
///
/// Each connection is a task of its own and works on one request at a time. The handler's future is dropped when the
/// connection ends. A handler that panics answers 500 in production; in the simulation the panic ends the run, as
/// any other does.
#[derive(Clone, Debug)]
pub struct Server {
    app: Router,
    head_timeout: Duration,
    max_body: usize,
}

impl Server {
    /// A server with default limits.
    pub fn new(app: Router) -> Self {
        Server { app, head_timeout: Duration::from_secs(30), max_body: 16 << 20 }
    }

    /// How long a connection may take to send the head of a request, counted from when it could: it closes an idle
    /// connection as well, so it should be longer than the [idle time-out](super::Config::idle_timeout) of clients.
    /// 30 s by default.
    pub fn head_timeout(mut self, timeout: Duration) -> Self {
        self.head_timeout = timeout;
        self
    }

    /// How many bytes the body of a request may have, 16 MiB by default. One that says it has more is answered with 413
    /// and does not reach the router; one that turns out to have more fails to be read, which axum's extractors
    /// answer with 413. They have a limit of their own besides, 2 MB, which is
    /// [the router's](axum::extract::DefaultBodyLimit) to change.
    pub fn max_body(mut self, bytes: usize) -> Self {
        self.max_body = bytes;
        self
    }

    /// See [`serve`].
    ///
    /// # Errors
    /// As there.
    pub async fn serve(self, listener: TcpListener) -> io::Result<()> {
        self.serve_until(listener, pending()).await
    }

    /// See [`serve_until`].
    ///
    /// # Errors
    /// As there.
    pub async fn serve_until(
        self,
        listener: TcpListener,
        shutdown: impl Future<Output = ()>,
    ) -> io::Result<()> {
        // Every connection watches this: a change asks it to finish, dropping it ends it.
        let (finish, told) = watch::channel(());
        let mut shutdown = pin!(shutdown);
        loop {
            let (stream, peer) = tokio::select! {
                biased;
                () = shutdown.as_mut() => break,
                accepted = accept(&listener) => accepted?,
            };
            task::spawn(self.clone().serve_connection(stream, peer, told.clone()));
        }
        // Whoever was connected by now has been told so, and may have sent a request.
        while let Some(Ok((stream, peer))) = accept(&listener).now_or_never() {
            task::spawn(self.clone().serve_connection(stream, peer, told.clone()));
        }
        drop((listener, told));
        finish.send_replace(());
        finish.closed().await;
        Ok(())
    }

    async fn serve_connection(self, stream: TcpStream, peer: SocketAddr, mut told: watch::Receiver<()>) {
        let mut builder = http1::Builder::new();
        builder.timer(Timer::default()).header_read_timeout(self.head_timeout).auto_date_header(false);
        let service = service_fn(|request| self.answer(peer, request));
        let mut connection = pin!(builder.serve_connection(TokioIo::new(stream), service));
        // The connection first: of what has arrived before the end, it learns before it.
        let mut finishing = false;
        let end = loop {
            tokio::select! {
                biased;
                end = connection.as_mut() => break end,
                change = told.changed() => match change {
                    Ok(()) if !finishing => {
                        finishing = true;
                        connection.as_mut().graceful_shutdown();
                    }
                    Ok(()) => {}
                    Err(_) => return,
                },
            }
        };
        if let Err(error) = end {
            tracing::debug!(%peer, %error, "connection ended");
        }
    }

    async fn answer(
        &self,
        peer: SocketAddr,
        request: Request<Incoming>,
    ) -> Result<Response<Body>, Infallible> {
        let limit = self.max_body;
        let mut response = if request.body().size_hint().lower() > limit as u64 {
            StatusCode::PAYLOAD_TOO_LARGE.into_response()
        } else {
            let mut request = request.map(|body| Body::new(Limited::new(body, limit)));
            request.extensions_mut().insert(Peer(peer));
            contain_panic(self.app.clone().call(request)).await?
        };
        if let Some(date) = date(clock::now()) {
            response.headers_mut().entry(header::DATE).or_insert(date);
        }
        Ok(response)
    }
}

/// The time as the header has it; none if the clock is so wrong that it cannot be written.
fn date(now: SystemTime) -> Option<HeaderValue> {
    /// The first second of the year 10,000.
    const END: u64 = 253_402_300_800;
    let since = now.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    (since.as_secs() < END).then(|| {
        HeaderValue::try_from(httpdate::fmt_http_date(now)).expect("a date is a value that a header may have")
    })
}

/// Makes a response of a panic. Not in the simulation, where a panic is a finding.
#[cfg(not(madsim))]
async fn contain_panic(
    answer: impl Future<Output = Result<Response<Body>, Infallible>>,
) -> Result<Response<Body>, Infallible> {
    // Nothing that the handler owned is seen again; what it shares with others guards itself (locks are poisoned).
    let answer = std::panic::AssertUnwindSafe(answer).catch_unwind().await;
    answer.unwrap_or_else(|_| Ok(StatusCode::INTERNAL_SERVER_ERROR.into_response()))
}

#[cfg(madsim)]
async fn contain_panic(
    answer: impl Future<Output = Result<Response<Body>, Infallible>>,
) -> Result<Response<Body>, Infallible> {
    answer.await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_very_wrong_gives_no_date() {
        let at = |seconds: u64| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        assert_eq!(date(at(784_111_777)).unwrap(), "Sun, 06 Nov 1994 08:49:37 GMT", "RFC 9110's example");
        assert!(date(at(253_402_300_799)).is_some());
        assert_eq!(date(at(253_402_300_800)), None);
        assert_eq!(date(SystemTime::UNIX_EPOCH - Duration::from_secs(1)), None);
    }
}
