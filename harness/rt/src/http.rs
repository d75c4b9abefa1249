//! HTTP/1.1 over [`net`](crate::net): [axum] routers on the one side, a pooled client on the other. The same code, on
//! [hyper](https://hyper.rs), in both worlds.
//!
//! - [`serve`] answers with a router until its future is dropped; [`serve_until`] finishes what is in flight first.
//!   [`Server`] is for those who want other limits.
//! - [`Client`] keeps connections alive and gives every request a deadline. What it is careful about is what
//!   [`rpc`](crate::rpc) is careful about: [`Error::NotSent`] says that no byte of the request was handed to the network,
//!   [`Error::Unknown`] that it may have been executed, or may still be. Any answer of the server, 500 included, is a
//!   [`Response`].
//! - Cancellation reaches the server: when a request's future is dropped or its time is over, so is its connection, and the
//!   handler's future is dropped at the await it stands at.
//!
//! The `Date` of an answer is the node's own [`clock`](crate::clock). Left out: TLS, HTTP/2, proxies, redirects, upgrades,
//! and whatever of axum belongs to its `tokio` feature (`axum::serve` among it, which would spawn outside of the
//! simulation; a handler learns who called from [`Peer`]).
//!
//! ```
//! use std::time::Duration;
//! use squall_rt::{
//!     http::{self, Client, axum::{Json, Router, extract::Path, routing::get}},
//!     net::TcpListener,
//!     task,
//! };
//!
//! async fn double(Path(n): Path<u64>) -> Json<u64> {
//!     Json(n * 2)
//! }
//!
//! async fn example() -> Result<(), http::Error> {
//!     let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
//!     let address = listener.local_addr().unwrap();
//!     task::spawn(http::serve(listener, Router::new().route("/double/{n}", get(double))));
//!
//!     let client = Client::new();
//!     let response = client.get(&format!("http://{address}/double/21"), Duration::from_secs(1)).await?;
//!     assert_eq!(response.status(), http::StatusCode::OK);
//!     assert_eq!(response.body(), "42");
//!     Ok(())
//! }
//! ```

use std::fmt;

mod client;
mod server;
mod timer;

pub use ::http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, header};
pub use axum;
pub use bytes::Bytes;

pub use self::{
    client::{Client, Config},
    server::{Peer, Server, serve, serve_until},
};

/// Why a request has no response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// No byte of the request was handed to the network: it was not executed and never will be.
    NotSent {
        /// What stood in the way, for people.
        reason: String,
    },
    /// The request may have been executed, or may still be.
    Unknown {
        /// How the request came to its end, for people.
        reason: String,
    },
}

impl Error {
    /// Whether the request may have been executed without our knowing.
    pub fn is_unknown(&self) -> bool {
        matches!(self, Error::Unknown { .. })
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::NotSent { reason } => write!(f, "not sent: {reason}"),
            Error::Unknown { reason } => write!(f, "outcome unknown: {reason}"),
        }
    }
}

impl std::error::Error for Error {}
