//! One connection: made, held by whoever has a request on it or by the pool, and driven by a task of its own.

use std::{
    io,
    sync::{Arc, Weak},
};

use http_body_util::Full;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;

use super::{
    super::{Bytes, Error, timer::before},
    Pool,
    wire::{Line, Wire},
};
use crate::{accept::tune, net::TcpStream, task, time::Instant};

/// An open connection. Dropping it closes it.
pub(super) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    line: Arc<Line>,
}

impl Connection {
    pub(super) fn sender(&mut self) -> &mut SendRequest<Full<Bytes>> {
        &mut self.sender
    }

    /// Takes it for a request. False if there is no use in that.
    pub(super) fn occupy(&self) -> bool {
        self.line.occupy() && self.sender.is_ready()
    }

    /// The request on it has its response.
    pub(super) fn release(&self) {
        self.line.release();
    }

    pub(super) fn is_closed(&self) -> bool {
        self.line.is_closed()
    }

    /// Closes it and says what that means for the request on it.
    pub(super) fn fail(self, reason: String) -> Error {
        if self.line.close() { Error::Unknown { reason } } else { Error::NotSent { reason } }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.line.close();
    }
}

/// Connects, with as many attempts as the time allows.
pub(super) async fn connect(
    pool: &Arc<Pool>,
    authority: &str,
    deadline: Instant,
) -> Result<Connection, Error> {
    let not_sent = |e: &dyn std::error::Error| Error::NotSent { reason: format!("{authority}: {e}") };
    let stream = loop {
        let patience = deadline.min(Instant::now() + pool.config.connect_timeout);
        match before(patience, TcpStream::connect(authority)).await {
            Some(Ok(stream)) => break stream,
            Some(Err(e)) if e.kind() != io::ErrorKind::TimedOut => return Err(not_sent(&e)),
            _ if Instant::now() >= deadline => {
                return Err(not_sent(&io::Error::from(io::ErrorKind::TimedOut)));
            }
            _ => {}
        }
    };
    tune(&stream);
    let line = Arc::new(Line::new());
    let wire = Wire { stream, line: line.clone() };
    let (sender, connection) = http1::handshake(TokioIo::new(wire)).await.map_err(|e| not_sent(&e))?;
    let ends = Ends { line: line.clone(), pool: Arc::downgrade(pool), authority: authority.to_owned() };
    let idle_timeout = pool.config.idle_timeout;
    task::spawn(async move {
        tokio::select! {
            biased;
            () = ends.line.over(idle_timeout) => {}
            end = connection => {
                if let Err(error) = end {
                    tracing::debug!(authority = ends.authority, %error, "connection ended");
                }
            }
        }
    });
    Ok(Connection { sender, line })
}

/// Whatever becomes of the task, even if it is dropped with its runtime, no request is put on the connection afterwards.
struct Ends {
    line: Arc<Line>,
    pool: Weak<Pool>,
    authority: String,
}

impl Drop for Ends {
    fn drop(&mut self) {
        self.line.close();
        if let Some(pool) = self.pool.upgrade() {
            pool.prune(&self.authority);
        }
    }
}
