//! The message-level trace of a run: each packet, call and sync with its number and what became of it.
//!
//! It is recorded where it is asked for ([`ExecuteOptions::trace`](crate::run::ExecuteOptions::trace)), and changes nothing of
//! the run: not its history, not its digest. Numbers count from the start of the run, so the trace of one run says which
//! moments another run of the same seed can be struck at, by `when` or by the fault `message`.
//!
//! What is in it are *world events*. Faults can wait for them; they are no part of the history, and no invariant sees them.

use std::{fmt, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use squall_rt::world::{net::PacketKind, watch::PacketFate};

use crate::history::EventKind;

/// One line of a trace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Traced {
    /// Virtual time since the start of the run.
    pub at: Duration,
    /// How many records of the history came before it.
    pub after: u64,
    /// What happened.
    pub event: TraceEvent,
}

/// What happened. Nodes have their names, as `orders[0]`; numbers count from 1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TraceEvent {
    /// A packet was about to leave its node. A retransmission is a packet of its own.
    Message {
        /// Who sent it.
        from: String,
        /// To whom.
        to: String,
        /// What kind of packet it was.
        kind: MessageKind,
        /// Which of its kind on this link in this direction.
        number: u64,
        /// Bytes of payload.
        bytes: u64,
        /// What became of it. Of one that arrived more than once, the first arrival.
        fate: MessageFate,
    },
    /// A call of `squall_rt::rpc` was about to leave its caller.
    Called(TracedCall),
    /// It had arrived, and its handler was about to run.
    Arrived(TracedCall),
    /// Its handler had run, and the reply was about to leave.
    Replied(TracedCall),
    /// A file or a directory was about to be synced.
    Sync(TracedSync),
    /// The sync had reported success.
    Synced(TracedSync),
}

/// A call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TracedCall {
    /// The caller.
    pub from: String,
    /// The callee.
    pub to: String,
    /// The method.
    pub method: String,
    /// Which of this method between these two, at this stage.
    pub number: u64,
}

/// A sync.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TracedSync {
    /// On whose disk.
    pub node: String,
    /// Which sync of the node.
    pub number: u64,
}

/// What became of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MessageFate {
    /// It was on its way when the run ended.
    InFlight,
    /// It arrived so much later.
    Delivered(Duration),
    /// The link lost it.
    Lost,
    /// A fault lost it.
    LostToFault,
    /// A partition swallowed it.
    Blocked,
    /// A partition turned it down.
    Rejected,
    /// A partition kept it to the end.
    Held,
    /// The machine it came to had no power.
    NoPower,
    /// Its sender died before it left.
    NeverLeft,
}

impl From<PacketFate> for MessageFate {
    fn from(fate: PacketFate) -> Self {
        match fate {
            PacketFate::Delivered(after) => MessageFate::Delivered(after),
            PacketFate::Lost => MessageFate::Lost,
            PacketFate::LostToFault => MessageFate::LostToFault,
            PacketFate::Blocked => MessageFate::Blocked,
            PacketFate::Rejected => MessageFate::Rejected,
            PacketFate::Held => MessageFate::Held,
            PacketFate::NoPower => MessageFate::NoPower,
            PacketFate::NeverLeft => MessageFate::NeverLeft,
        }
    }
}

/// What kind of packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MessageKind {
    /// UDP.
    Datagram,
    /// TCP: asks for a connection.
    Syn,
    /// TCP: grants it.
    SynAck,
    /// TCP: a segment with payload.
    Data,
    /// TCP: an acknowledgement without payload.
    Ack,
    /// TCP: the end of a stream.
    Fin,
    /// TCP: asks an idle peer, or a closed window, for an acknowledgement.
    Probe,
    /// TCP: a reset.
    Rst,
    /// ICMP: no socket was there for a datagram.
    Unreachable,
}

impl MessageKind {
    /// All of them.
    pub(crate) const ALL: [MessageKind; 9] = {
        use MessageKind::*;
        [Datagram, Syn, SynAck, Data, Ack, Fin, Probe, Rst, Unreachable]
    };

    /// It as the world has it.
    pub(crate) fn packet(self) -> PacketKind {
        match self {
            MessageKind::Datagram => PacketKind::Datagram,
            MessageKind::Syn => PacketKind::Syn,
            MessageKind::SynAck => PacketKind::SynAck,
            MessageKind::Data => PacketKind::Data,
            MessageKind::Ack => PacketKind::Ack,
            MessageKind::Fin => PacketKind::Fin,
            MessageKind::Probe => PacketKind::Probe,
            MessageKind::Rst => PacketKind::Rst,
            MessageKind::Unreachable => PacketKind::Unreachable,
        }
    }
}

impl MessageKind {
    /// The kind of that name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        PacketKind::ALL.into_iter().find(|kind| kind.name() == name).map(MessageKind::from)
    }
}

impl From<PacketKind> for MessageKind {
    fn from(kind: PacketKind) -> Self {
        match kind {
            PacketKind::Datagram => MessageKind::Datagram,
            PacketKind::Syn => MessageKind::Syn,
            PacketKind::SynAck => MessageKind::SynAck,
            PacketKind::Data => MessageKind::Data,
            PacketKind::Ack => MessageKind::Ack,
            PacketKind::Fin => MessageKind::Fin,
            PacketKind::Probe => MessageKind::Probe,
            PacketKind::Rst => MessageKind::Rst,
            PacketKind::Unreachable => MessageKind::Unreachable,
        }
    }
}

impl fmt::Display for MessageKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.packet().name())
    }
}

/// The fields of a call's events.
const CALL: &[&str] = &["from", "to", "method"];

/// What a fault can wait for besides what nodes report. A system reports nothing under these names.
pub const WORLD_EVENTS: &[EventKind] = &[
    EventKind {
        name: "net.sent",
        fields: &["from", "to", "kind"],
        about: "a packet is about to leave its node",
    },
    EventKind { name: "rpc.called", fields: CALL, about: "a call is about to leave its caller" },
    EventKind {
        name: "rpc.arrived",
        fields: CALL,
        about: "a call has arrived, and its handler is about to run",
    },
    EventKind {
        name: "rpc.replied",
        fields: CALL,
        about: "a handler has run, and its reply is about to leave",
    },
    EventKind { name: "disk.sync", fields: &["node"], about: "a file or a directory is about to be synced" },
    EventKind { name: "disk.synced", fields: &["node"], about: "a sync has reported success" },
];

/// The world event of that name.
pub(crate) fn world_event(name: &str) -> Option<&'static EventKind> {
    WORLD_EVENTS.iter().find(|event| event.name == name)
}

impl TraceEvent {
    /// Its name, as `when` has it.
    pub fn name(&self) -> &'static str {
        match self {
            TraceEvent::Message { .. } => "net.sent",
            TraceEvent::Called(_) => "rpc.called",
            TraceEvent::Arrived(_) => "rpc.arrived",
            TraceEvent::Replied(_) => "rpc.replied",
            TraceEvent::Sync(_) => "disk.sync",
            TraceEvent::Synced(_) => "disk.synced",
        }
    }

    /// The nodes it concerns: one, or who sends and who receives.
    pub fn nodes(&self) -> Vec<&str> {
        match self {
            TraceEvent::Message { from, to, .. } => vec![from, to],
            TraceEvent::Called(call) | TraceEvent::Arrived(call) | TraceEvent::Replied(call) => {
                vec![&call.from, &call.to]
            }
            TraceEvent::Sync(sync) | TraceEvent::Synced(sync) => vec![&sync.node],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_have_one_name_in_specs_traces_and_the_world() {
        assert_eq!(PacketKind::ALL.map(MessageKind::from), MessageKind::ALL);
        for packet in PacketKind::ALL {
            let kind = MessageKind::from(packet);
            assert_eq!(kind.packet(), packet);
            assert_eq!(serde_json::to_string(&kind).expect("a word"), format!("\"{kind}\""));
        }
    }
}
