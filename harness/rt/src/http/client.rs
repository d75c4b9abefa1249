//! The asking side.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use http_body_util::{BodyExt, Limited};
use hyper::client::conn::http1::SendRequest;
use serde::Serialize;

use self::connection::Connection;
use super::{Bytes, Error, HeaderValue, Method, Request, Response, Uri, header, timer::before};
use crate::time::Instant;

mod connection;
mod wire;

/// The limits of a [`Client`].
#[derive(Clone, Debug)]
pub struct Config {
    /// How many connections to one host and port are kept for later requests. 8 by default; 0 for a connection of its
    /// own for every request.
    pub max_idle_per_host: usize,
    /// How long a connection is kept without a request. 15 s by default: it should be shorter than what the server allows,
    /// or requests meet connections that are just being closed.
    pub idle_timeout: Duration,
    /// How long to wait for a connection before trying again, while the request's time lasts. 1 s by default, so that a
    /// healed network is found before TCP's own patience with the old one is over.
    pub connect_timeout: Duration,
    /// How many bytes the body of a response may have. 16 MiB by default.
    pub max_response: usize,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            max_idle_per_host: 8,
            idle_timeout: Duration::from_secs(15),
            connect_timeout: Duration::from_secs(1),
            max_response: 16 << 20,
        }
    }
}

/// Sends requests, over connections that all clones of the client share.
///
/// A connection carries one request at a time and is kept for the next one to the same host and port, unless the request was
/// given up. There is no retry in here, with one exception: if a kept connection turns out to be closed before a
/// single byte of the request was written, the request goes out once more, on a new one.
///
/// When the last clone is dropped, its connections are closed.
#[derive(Clone)]
pub struct Client(Arc<Pool>);

struct Pool {
    config: Config,
    /// By "host:port"; the one used last is at the end.
    idle: Mutex<BTreeMap<String, Vec<Connection>>>,
}

impl Pool {
    fn idle(&self) -> MutexGuard<'_, BTreeMap<String, Vec<Connection>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An idle connection to `authority`.
    fn take(&self, authority: &str) -> Option<Connection> {
        // Dropped after the lock, as everything that wakes others.
        let mut closed = Vec::new();
        let mut idle = self.idle();
        let list = idle.get_mut(authority)?;
        let found = loop {
            match list.pop() {
                Some(connection) if connection.occupy() => break Some(connection),
                Some(connection) => closed.push(connection),
                None => break None,
            }
        };
        if list.is_empty() {
            idle.remove(authority);
        }
        found
    }

    /// Keeps a connection for later, if there is room.
    fn put(&self, authority: &str, connection: Connection) {
        let mut idle = self.idle();
        let list = idle.entry(authority.to_owned()).or_default();
        if list.len() < self.config.max_idle_per_host {
            connection.release();
            list.push(connection);
        }
        if list.is_empty() {
            idle.remove(authority);
        }
    }

    /// Forgets what is closed.
    fn prune(&self, authority: &str) {
        let mut closed = Vec::new();
        let mut idle = self.idle();
        if let Some(list) = idle.get_mut(authority) {
            closed.extend(list.extract_if(.., |connection| connection.is_closed()));
            if list.is_empty() {
                idle.remove(authority);
            }
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("config", &self.0.config).finish_non_exhaustive()
    }
}

impl Default for Client {
    fn default() -> Self {
        Client::new()
    }
}

impl Client {
    /// A client with default limits. Does not connect yet.
    pub fn new() -> Self {
        Client::with_config(Config::default())
    }

    /// A client with these limits.
    pub fn with_config(config: Config) -> Self {
        Client(Arc::new(Pool { config, idle: Mutex::default() }))
    }

    /// Sends a request and reads the whole response. `within` covers connecting, sending and reading.
    ///
    /// The request's URI is a whole one, `http://host:port/path`; `Host` and `Content-Length` are added if they are not
    /// there. Dropping the future gives the request up and closes its connection.
    ///
    /// # Errors
    /// [`Error::NotSent`] when the request was certainly not executed: there is no host in its URI, the server could not be
    /// reached, or the time was over before the first byte was written. [`Error::Unknown`] when it may have been: no
    /// response in time, the connection failed, the response is no HTTP or too long.
    pub async fn request(&self, request: Request<Bytes>, within: Duration) -> Result<Response<Bytes>, Error> {
        let deadline = Instant::now() + within;
        let (authority, request) = address(request)?;
        if let Some(kept) = self.0.take(&authority) {
            match self.exchange(kept, &authority, request.clone(), deadline).await {
                Err(Error::NotSent { .. }) if Instant::now() < deadline => {}
                outcome => return outcome,
            }
        }
        let new = connection::connect(&self.0, &authority, deadline).await?;
        self.exchange(new, &authority, request, deadline).await
    }

    /// Sends a GET request.
    ///
    /// # Errors
    /// As [`Client::request`].
    pub async fn get(&self, url: &str, within: Duration) -> Result<Response<Bytes>, Error> {
        self.request(build(Method::GET, url, Bytes::new())?, within).await
    }

    /// Sends a POST request with a JSON body.
    ///
    /// # Errors
    /// As [`Client::request`]; [`Error::NotSent`] when `body` cannot be written as JSON.
    pub async fn post_json<T: Serialize + ?Sized>(
        &self,
        url: &str,
        body: &T,
        within: Duration,
    ) -> Result<Response<Bytes>, Error> {
        let body = serde_json::to_vec(body).map_err(|e| Error::NotSent { reason: e.to_string() })?;
        let mut request = build(Method::POST, url, body.into())?;
        request.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        self.request(request, within).await
    }

    async fn exchange(
        &self,
        mut connection: Connection,
        authority: &str,
        request: Request<Bytes>,
        deadline: Instant,
    ) -> Result<Response<Bytes>, Error> {
        let max = self.0.config.max_response;
        match before(deadline, exchange(connection.sender(), request, max)).await {
            Some(Ok(response)) => {
                self.keep(authority, connection);
                Ok(response)
            }
            Some(Err(reason)) => Err(connection.fail(format!("{authority}: {reason}"))),
            None => Err(connection.fail(format!("{authority}: no response in time"))),
        }
    }

    /// Keeps a connection once it is ready for the next request, which mostly is at once.
    fn keep(&self, authority: &str, mut connection: Connection) {
        if connection.sender().is_ready() {
            return self.0.put(authority, connection);
        }
        // It is about to close, or still has to write what the server did not wait for.
        let (pool, authority) = (Arc::downgrade(&self.0), authority.to_owned());
        let patience = Instant::now() + self.0.config.idle_timeout;
        crate::task::spawn(async move {
            if let Some(Ok(())) = before(patience, connection.sender().ready()).await
                && let Some(pool) = pool.upgrade()
            {
                pool.put(&authority, connection);
            }
        });
    }
}

async fn exchange(
    sender: &mut SendRequest<http_body_util::Full<Bytes>>,
    request: Request<Bytes>,
    max: usize,
) -> Result<Response<Bytes>, String> {
    let response = sender.send_request(request.map(Into::into)).await.map_err(|e| tell(&e))?;
    let (head, body) = response.into_parts();
    let body = Limited::new(body, max).collect().await.map_err(|e| tell(&*e))?;
    Ok(Response::from_parts(head, body.to_bytes()))
}

/// An error and its causes.
fn tell(error: &dyn std::error::Error) -> String {
    let mut told = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        told += &format!(": {error}");
        cause = error.source();
    }
    told
}

fn build(method: Method, url: &str, body: Bytes) -> Result<Request<Bytes>, Error> {
    let request = Request::builder().method(method).uri(url).body(body);
    request.map_err(|e| Error::NotSent { reason: format!("{url:?}: {e}") })
}

/// Where a request goes, "host:port", and the request as it is written there.
fn address(mut request: Request<Bytes>) -> Result<(String, Request<Bytes>), Error> {
    let uri = request.uri();
    let not_sent = |what: &str| Error::NotSent { reason: format!("{uri}: {what}") };
    if uri.scheme_str() != Some("http") {
        return Err(not_sent("not an http:// address"));
    }
    if request.method() == Method::CONNECT {
        return Err(not_sent("there are no tunnels here"));
    }
    let host = uri.host().filter(|host| !host.is_empty()).ok_or_else(|| not_sent("no host"))?;
    let authority = format!("{host}:{}", uri.port_u16().unwrap_or(80));
    let named = uri.port().map_or_else(|| host.to_owned(), |_| authority.clone());
    let named = HeaderValue::try_from(named).map_err(|_| not_sent("not a host"))?;
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let path: Uri = path.parse().map_err(|_| not_sent("not a path"))?;
    *request.uri_mut() = path;
    request.headers_mut().entry(header::HOST).or_insert(named);
    Ok((authority, request))
}
