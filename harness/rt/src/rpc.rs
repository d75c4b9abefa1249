//! A small typed request / reply protocol over [`net`](crate::net), the same code in both worlds.
//!
//! A [`Method`] is a request type with a name and a reply type. A [`Client`] holds one multiplexed connection to one
//! address; a [`Server`] runs a handler for each request, in a task of its own. What the protocol is careful about is
//! what callers get wrong most often:
//!
//! - **An unknown outcome is not a failure.** [`CallError::NotSent`] says that no byte of the request was handed to the
//!   network, so it was not executed and never will be; [`CallError::Unknown`] that it may have been executed, or may
//!   still be. Only the first may be repeated without thought.
//! - **A deadline covers everything**: connecting, sending, waiting. It travels with the request as time left, so clocks
//!   need not agree, and the server drops a handler that has outlived it. (The server counts from when the request
//!   arrives, so its deadline is later than the caller's by the time the request was under way.)
//! - **Cancellation reaches the server.** Dropping a call sends a cancel, and the server drops the handler's future at
//!   the await it stands at. So does the end of the connection. What the handler did until then stays done.
//!
//! The wire format is frames of a length, a header and a body, both in [postcard](https://postcard.jamesmunns.com). Not
//! for untrusted networks: there is neither authentication nor encryption.
//!
//! ```
//! use std::time::Duration;
//! use serde::{Deserialize, Serialize};
//! use squall_rt::{net::TcpListener, rpc::{Call, CallError, Client, Method, Server}, task};
//!
//! #[derive(Serialize, Deserialize)]
//! struct Double(u64);
//! impl Method for Double {
//!     const NAME: &'static str = "double";
//!     type Reply = u64;
//! }
//!
//! async fn example() -> Result<(), CallError> {
//!     let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
//!     let address = listener.local_addr().unwrap().to_string();
//!     let server = Server::new().on(|Double(n), _: Call| async move { Ok(n * 2) });
//!     task::spawn(server.serve(listener));
//!
//!     let client = Client::new(address);
//!     assert_eq!(client.call(&Double(21), Duration::from_secs(1)).await?, 42);
//!     Ok(())
//! }
//! ```

use std::fmt;

use serde::{Deserialize, Serialize, de::DeserializeOwned};

mod client;
mod frame;
mod server;
mod watched;

pub use self::{
    client::Client,
    frame::MAX_FRAME,
    server::{Call, Server},
};

/// A request that can be called: the type is the request's body, [`Method::Reply`] the reply's.
pub trait Method: Serialize + DeserializeOwned + Send + 'static {
    /// What the method is called on the wire; unique in a server.
    const NAME: &'static str;
    /// What a successful call returns.
    type Reply: Serialize + DeserializeOwned + Send + 'static;
}

/// Why a call did not return a reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallError {
    /// No byte of the request was handed to the network: it was not executed and never will be.
    NotSent {
        /// What stood in the way, for people.
        reason: String,
    },
    /// The request may have been executed, or may still be.
    Unknown {
        /// How the call came to its end, for people.
        reason: String,
    },
    /// The server answered, with an error of the method's own or one of the protocol's (see [`Code`]).
    Status(Status),
}

impl CallError {
    /// Whether the request may have been executed without our knowing.
    pub fn is_unknown(&self) -> bool {
        matches!(self, CallError::Unknown { .. })
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CallError::NotSent { reason } => write!(f, "not sent: {reason}"),
            CallError::Unknown { reason } => write!(f, "outcome unknown: {reason}"),
            CallError::Status(status) => status.fmt(f),
        }
    }
}

impl std::error::Error for CallError {}

/// An error that a server answers with.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// What kind of error, for programs.
    pub code: Code,
    /// What happened, for people.
    pub message: String,
}

impl Status {
    /// An error of the given kind.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Status { code, message: message.into() }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.code, self.message)
    }
}

impl std::error::Error for Status {}

/// The kinds of errors that a server answers with. The protocol itself answers [`Code::Invalid`] to an unknown method or
/// a body it cannot read, and [`Code::Internal`] to a handler that panicked or a reply that does not fit a frame.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Code {
    /// The request makes no sense, whatever the server's state.
    Invalid,
    /// What it asks for is not there.
    NotFound,
    /// It contradicts what was done before.
    Conflict,
    /// It makes sense and was declined.
    Refused,
    /// The server cannot do it now; another time it may.
    Unavailable,
    /// The server is at fault.
    Internal,
}
