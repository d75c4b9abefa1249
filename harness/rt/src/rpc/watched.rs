//! Calls as those see them who watch a simulation. In production nobody does.

#[cfg(madsim)]
mod imp {
    use std::net::SocketAddr;

    pub(in super::super) use crate::world::watch::call_leaves;
    use crate::world::watch::{CallStage, call_reaches};

    /// A call has arrived, and its handler is about to run. False if this process has died of it.
    pub(in super::super) fn call_arrived(peer: SocketAddr, method: &str) -> bool {
        call_reaches(CallStage::Arrived, peer.ip(), method)
    }

    /// A reply is about to leave. False if this process has died of it.
    pub(in super::super) fn reply_leaves(peer: SocketAddr, method: &str) -> bool {
        call_reaches(CallStage::Replied, peer.ip(), method)
    }
}

#[cfg(not(madsim))]
mod imp {
    use std::net::SocketAddr;

    /// A call is about to leave.
    pub(in super::super) fn call_leaves(_address: &str, _method: &str) {}

    /// A call has arrived: it is to be handled.
    pub(in super::super) fn call_arrived(_peer: SocketAddr, _method: &str) -> bool {
        true
    }

    /// A reply is about to leave: it is to be sent.
    pub(in super::super) fn reply_leaves(_peer: SocketAddr, _method: &str) -> bool {
        true
    }
}

pub(super) use self::imp::{call_arrived, call_leaves, reply_leaves};
