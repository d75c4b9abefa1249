//! The messages of the system.

use serde::{Deserialize, Serialize};
use squall_rt::rpc::Method;

/// Where callers and upstreams listen.
pub(super) const PORT: u16 = 7000;

/// What a call wants of the upstream.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Request {
    /// Work, and count it.
    Work,
    /// Tell how often you have worked for me.
    Read,
    /// Something that makes no sense.
    Nonsense,
}

/// Client to caller: call the upstream, behind the breaker.
#[derive(Serialize, Deserialize)]
pub(super) struct Relay {
    /// The upstream's position, modulo how many there are.
    pub(super) upstream: u32,
    /// What for.
    pub(super) request: Request,
}

impl Method for Relay {
    const NAME: &'static str = "relay";
    type Reply = Relayed;
}

/// What came of it.
#[derive(Serialize, Deserialize)]
pub(super) enum Relayed {
    /// The upstream did its work, so many times for this caller so far.
    Done(u64),
    /// It did not, and will not, for this reason.
    Failed(String),
    /// It may have, or may still.
    Unknown(String),
}

/// Caller to upstream, on leave of the breaker.
#[derive(Serialize, Deserialize)]
pub(super) struct Serve {
    /// The caller's name.
    pub(super) caller: String,
    /// Which start of its process.
    pub(super) incarnation: u32,
    /// The breaker's permit for this call.
    pub(super) permit: u64,
    /// What it wants.
    pub(super) request: Request,
}

impl Method for Serve {
    const NAME: &'static str = "serve";
    /// How often the upstream has worked for this caller.
    type Reply = u64;
}

/// Client to upstream: fail or be slow for a while. All zero: be well.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(super) struct Degrade {
    /// The share of calls that fail, in percent.
    pub(super) errors: u32,
    /// How long each call takes, in milliseconds.
    pub(super) slow: u64,
    /// For how long, in milliseconds.
    pub(super) lasting: u64,
}

impl Method for Degrade {
    const NAME: &'static str = "degrade";
    type Reply = ();
}
