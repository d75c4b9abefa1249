//! The calling side.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use tokio::sync::oneshot;

use self::connection::{Answer, Connection, Refused};
use super::{CallError, Method, frame, watched};
use crate::time::{self, Instant};

mod connection;

/// Calls the methods of the server at one address, over one connection that all clones of the client share.
///
/// The connection is made when the first call needs it. When it fails, all calls in flight end with
/// [`CallError::Unknown`] if their request may have been written, with [`CallError::NotSent`] if not, and the next call
/// connects again; there is no retry and no back-off in here. An attempt to connect that is not answered is given up and
/// made anew every second while calls wait for it, so that a healed network is found before TCP's own patience with
/// the old one is over.
///
/// A connection that may be dead is not trusted for ever. If a call times out and no byte at all came over the
/// connection since its request was written, the connection takes no more calls: the next one connects anew, while
/// those still in flight on the old one may end there. The same goes when such a call was dropped rather than timed
/// out, once a second has passed since it was written. TCP alone would take many minutes to find out.
///
/// When the last clone is dropped, the connection is closed.
#[derive(Clone)]
pub struct Client(Arc<Shared>);

struct Shared {
    address: String,
    current: Mutex<Option<Arc<Connection>>>,
}

impl Shared {
    fn current(&self) -> MutexGuard<'_, Option<Arc<Connection>>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        if let Some(connection) = self.current().take() {
            connection.retire();
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("address", &self.0.address).finish_non_exhaustive()
    }
}

impl Client {
    /// A client of the server at `address`, "host:port". Does not connect yet.
    pub fn new(address: impl Into<String>) -> Self {
        Client(Arc::new(Shared { address: address.into(), current: Mutex::new(None) }))
    }

    /// The address this client calls.
    pub fn address(&self) -> &str {
        &self.0.address
    }

    /// Calls `M` and waits for its reply. `within` covers connecting, sending and waiting.
    ///
    /// Dropping the future cancels the call: what was not sent never will be; otherwise the server is told to drop the
    /// handler.
    ///
    /// # Errors
    /// [`CallError::NotSent`] when the request was certainly not executed: the server could not be reached, the time was
    /// over before the first byte was written, or the request does not fit a frame. [`CallError::Unknown`] when it may have
    /// been: no reply in time, the connection failed, or the reply cannot be read. [`CallError::Status`] when the
    /// server answered with an error.
    pub async fn call<M: Method>(&self, request: &M, within: Duration) -> Result<M::Reply, CallError> {
        let deadline = Instant::now() + within;
        let body = frame::encode_body(request).map_err(|reason| CallError::NotSent { reason })?;
        watched::call_leaves(&self.0.address, M::NAME);
        let (mut in_flight, answer) = self.enqueue(M::NAME, body, deadline)?;
        let reply = match time::timeout_at(deadline, answer).await {
            Ok(Ok(outcome)) => outcome?,
            // Connections answer their calls before they go; if one should not, this is the safe answer.
            Ok(Err(_)) => return Err(CallError::Unknown { reason: "the connection is gone".into() }),
            Err(_) => return Err(in_flight.expire(within)),
        };
        frame::decode_body(&reply).map_err(|e| CallError::Unknown {
            reason: format!("executed, but {} replied what {e}", self.0.address),
        })
    }

    /// Puts a request on the current connection, making one if there is none that takes it.
    fn enqueue(
        &self,
        method: &'static str,
        body: Vec<u8>,
        deadline: Instant,
    ) -> Result<(InFlight, oneshot::Receiver<Answer>), CallError> {
        let body = Bytes::from(body);
        let mut current = self.0.current();
        if let Some(connection) = &*current {
            match connection.enqueue(method, body.clone(), deadline) {
                Ok((id, answer)) => return Ok((InFlight { connection: connection.clone(), id }, answer)),
                Err(Refused::TooLong(e)) => return Err(CallError::NotSent { reason: e.to_string() }),
                Err(Refused::Closed) => {}
            }
        }
        let connection = Arc::new(Connection::default());
        let (id, answer) = connection.enqueue(method, body, deadline).map_err(|refused| match refused {
            Refused::TooLong(e) => CallError::NotSent { reason: e.to_string() },
            Refused::Closed => unreachable!("a new connection takes calls"),
        })?;
        connection::start(connection.clone(), self.0.address.clone());
        *current = Some(connection.clone());
        Ok((InFlight { connection, id }, answer))
    }
}

/// A call that is under way; dropping it cancels the call if it still is.
struct InFlight {
    connection: Arc<Connection>,
    id: u64,
}

impl InFlight {
    /// The call's time is over.
    fn expire(&mut self, within: Duration) -> CallError {
        self.connection.expire(self.id, within)
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.connection.abandon(self.id);
    }
}
