//! A [system](Astray) that says that it talks over one network, and may talk over another.

use std::time::Duration;

use proptest::strategy::Just;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use squall::{
    BoxError, EventKind, Fields, Flaw, Group, Invariant, Node, Operations, Outcome, System, Transport,
};

/// Two nodes that send datagrams to each other.
pub struct Astray;

/// See [`Astray`].
#[derive(Serialize, Deserialize, Clone, Debug, Default, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Params {
    /// What `transport()` says.
    pub says: Over,
    /// What the datagrams go over.
    pub uses: Over,
}

/// A network.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Over {
    /// That of squall.
    #[default]
    Squall,
    /// madsim's own.
    Netsim,
}

/// A client's operation.
#[derive(Serialize, Deserialize, Clone, Debug)]
#[serde(rename_all = "snake_case")]
pub enum Op {
    /// Nothing.
    Wait,
}

impl System for Astray {
    const NAME: &'static str = "astray";
    const ABOUT: &'static str = "Nodes that may talk over another network than they say";
    type Params = Params;
    type Op = Op;
    type Session = ();

    fn groups(_params: &Params) -> Vec<Group> {
        vec![Group { name: "nodes", size: 2 }]
    }

    fn operations(_params: &Params) -> Operations<Op> {
        Operations::new().with("wait", 1, Just(Op::Wait))
    }

    fn events() -> &'static [EventKind] {
        &[EventKind { name: "astray.sent", fields: &[], about: "a node sent a datagram" }]
    }

    fn invariants(_params: &Params) -> Vec<Box<dyn Invariant>> {
        Vec::new()
    }

    fn flaws() -> &'static [Flaw] {
        &[]
    }

    fn transport(params: &Params) -> Transport {
        match params.says {
            Over::Squall => Transport::Squall,
            Over::Netsim => Transport::NetSim,
        }
    }

    fn apply_variant(_params: &mut Params, _flaw: &'static str) {}

    async fn run_node(node: Node, params: Params) -> Result<(), BoxError> {
        let peer = node.hosts("nodes").into_iter().find(|host| *host != node.host()).ok_or("it is alone")?;
        match params.uses {
            Over::Squall => {
                let socket = squall_rt::net::UdpSocket::bind("0.0.0.0:7").await?;
                loop {
                    squall_rt::time::sleep(Duration::from_millis(100)).await;
                    socket.send_to(b"hello", (peer.as_str(), 7)).await?;
                    tracing::info!(target: "astray", "sent");
                }
            }
            Over::Netsim => {
                let socket = tokio::net::UdpSocket::bind("0.0.0.0:7").await?;
                loop {
                    squall_rt::time::sleep(Duration::from_millis(100)).await;
                    socket.send_to((peer.as_str(), 7), b"hello").await?;
                    tracing::info!(target: "astray", "sent");
                }
            }
        }
    }

    async fn open_session(_client: Node, _params: Params) {}

    async fn perform(_session: &mut (), _op: Op) -> Outcome {
        squall_rt::time::sleep(Duration::from_millis(1)).await;
        Outcome::Ok(Fields::new())
    }
}
