//! Half-open: one end of a connection forgets it, and the other does not know.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::{Hold, Kind, Strike};
use crate::{
    context::{Context, Use},
    language::{
        Place,
        model::{Spanned, Target},
    },
};

/// Have nodes forget their ends of connections without a word to the peer, who goes on waiting until it sends something or its
/// keepalive asks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-incident" = "A NAT gateway that drops what was idle for 350 seconds, as some clouds' do: the pool hands out \
    connections that died minutes ago."))]
pub struct HalfOpen {
    /// Who forgets.
    pub node: Spanned<Target>,
    /// Connections with whom. Default: everyone else.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peer: Option<Spanned<Target>>,
}

impl Kind for HalfOpen {
    const TOUCHES: &str = "connections between its nodes that are open when it strikes";
    const INSTANT: bool = true;

    fn check(&self, at: &Place<'_>, context: &mut Context<'_>) {
        context.target(&self.node, &at.key("node"), Use::Struck);
        if let Some(peer) = &self.peer {
            context.target(peer, &at.key("peer"), Use::End);
        }
        context.not_on_netsim("`half_open`", at);
    }

    fn strike(&self, strike: &mut Strike<'_>) -> Option<Hold> {
        let nodes = strike.nodes(&self.node);
        let peers = match &self.peer {
            Some(peer) => strike.nodes_but(peer, &nodes),
            None => strike.cluster.nodes().filter(|node| !nodes.contains(node)).collect(),
        };
        let net = strike.cluster.world().net();
        let mut forgotten = 0;
        for &node in &nodes {
            for &peer in peers.iter().filter(|peer| **peer != node) {
                forgotten += net.half_open(node, peer);
            }
        }
        let (names, peers) = (strike.cluster.names(&nodes), strike.cluster.names(&peers));
        strike.announce(format!("half-open: connections with {peers} forgotten by {names}: {forgotten}"));
        Some(Hold::done(forgotten))
    }
}
