//! The network as the spec's `network:` shapes it, before any fault.

use std::collections::BTreeMap;

use squall_rt::world::{
    self, NodeId,
    net::{LinkPolicy, LossModel},
};

use super::{
    Cluster,
    target::{self, Among},
};
use crate::{
    language::model::{Latency, LinkSpec, Losses, Network},
    system::Transport,
};

/// Sets every link. Later rules win: the default, links between zones, links within a zone, `links`. Done again when a node has
/// joined, it leaves those of the others as they were.
pub(crate) fn links(network: &Network, cluster: &Cluster) {
    let net = cluster.world().net();
    let default = policy(&network.default, LinkPolicy::default());
    net.set_default(default);
    if cluster.transport() == Transport::NetSim {
        let bridge = cluster.world().bridge();
        bridge.set_default(default).expect("a spec that asks more of NetSim is refused");
    }
    let mut policies: BTreeMap<(NodeId, NodeId), LinkPolicy> = BTreeMap::new();
    let zones: Vec<_> = network.zones.iter().map(|(name, zone)| (cluster.zone(name), &zone.within)).collect();
    for (i, (zone, within)) in zones.iter().enumerate() {
        for (j, (other, _)) in zones.iter().enumerate() {
            let own = if i == j { within } else { &network.between_zones };
            for &from in zone {
                for &to in other.iter().filter(|to| **to != from) {
                    policies.insert((from, to), policy(own, default));
                }
            }
        }
    }
    let mut draws = cluster.world().stream("topology", "links");
    for (link, own) in &network.links {
        for pair in target::links(&link.value, cluster, Among::Ever, &mut draws) {
            let otherwise = policies.get(&pair).copied().unwrap_or(default);
            policies.insert(pair, policy(own, otherwise));
        }
    }
    for ((from, to), policy) in policies {
        net.set_link(from, to, policy);
    }
}

/// What a spec says of a link, over what holds otherwise.
fn policy(spec: &LinkSpec, otherwise: LinkPolicy) -> LinkPolicy {
    use world::net::Latency as To;
    LinkPolicy {
        latency: spec.latency.map_or(otherwise.latency, |latency| match latency {
            Latency::Uniform(range) if range.min == range.max => To::Constant(range.min),
            Latency::Uniform(range) => To::Uniform { min: range.min, max: range.max },
            Latency::Normal { mean, deviation } => To::Normal { mean, deviation },
            Latency::Exponential { min, mean } => To::Exponential { min, mean },
            Latency::Pareto { min, shape } => To::Pareto { min, shape },
            Latency::Bimodal { fast, slow, share } => {
                To::Bimodal { fast: (fast.min, fast.max), slow: (slow.min, slow.max), share: share.0 }
            }
        }),
        jitter: spec.jitter.map_or(otherwise.jitter, |jitter| jitter.0),
        loss: spec.loss.map_or(otherwise.loss, loss_model),
        bandwidth: spec.bandwidth.map_or(otherwise.bandwidth, |bandwidth| Some(bandwidth.bytes_per_second)),
        queue: spec.queue.map_or(otherwise.queue, |queue| Some(queue.bytes)),
        duplicate: spec.duplicate.map_or(otherwise.duplicate, |share| share.0),
        mtu: spec.mtu.as_ref().map_or(otherwise.mtu, |mtu| mtu.value as usize),
    }
}

/// How packets are lost.
pub(crate) fn loss_model(loss: Losses) -> LossModel {
    match loss {
        Losses::Independent(rate) => LossModel::Independent(rate.0),
        Losses::Burst { rate, length } => LossModel::Burst { rate: rate.0, length },
    }
}
