//! Faults of single calls: what becomes of the n-th call of a method, while all bytes arrive.
//!
//! They act where a server takes a request off its connection, so they are counted in the order the server sees. Several faults
//! may be there at once: each counts the calls that match it, and of those that want a call the first imposed decides.

use std::{collections::BTreeSet, net::IpAddr, ops::RangeInclusive, time::Duration};

use spin::Mutex;

use super::{NodeId, Stream, World};
use crate::rpc::Code;

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallFate {
    /// The request never arrives: not executed, no reply.
    NeverArrives,
    /// It is executed, and the reply is lost.
    ReplyLost,
    /// The request arrives that much later (if not given: after the caller's deadline) and is executed then, whether or not the
    /// caller still waits.
    Late(Option<Duration>),
    /// It is executed twice, the second time that much later; the second reply goes nowhere.
    Duplicated(Duration),
    /// It is answered with this error and not executed.
    Answered(Code),
}

/// Which calls a fault concerns, and what becomes of them.
#[derive(Clone, Debug)]
pub struct CallFault {
    /// The servers.
    pub to: BTreeSet<NodeId>,
    /// The callers; all if not given.
    pub from: Option<BTreeSet<NodeId>>,
    /// The method; all if not given.
    pub method: Option<String>,
    /// Which of these calls, counted from 1 since the fault was imposed.
    pub calls: RangeInclusive<u64>,
    /// The share of those calls.
    pub probability: f64,
    /// What becomes of them.
    pub fate: CallFate,
}

/// Names an imposed fault, to lift it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallFaultId(usize);

struct Imposed {
    fault: CallFault,
    /// Makes one draw for each call that matches.
    stream: Stream,
    seen: u64,
    touched: u64,
    active: bool,
}

/// The faults of calls of one world.
#[derive(Default)]
pub struct Calls {
    imposed: Mutex<Vec<Imposed>>,
}

impl Calls {
    /// Imposes a fault; `stream` gives its draws.
    pub fn impose(&self, fault: CallFault, stream: Stream) -> CallFaultId {
        let mut imposed = self.imposed.lock();
        imposed.push(Imposed { fault, stream, seen: 0, touched: 0, active: true });
        CallFaultId(imposed.len() - 1)
    }

    /// Lifts it and says how many calls it touched.
    pub fn lift(&self, id: CallFaultId) -> u64 {
        let imposed = &mut self.imposed.lock()[id.0];
        imposed.active = false;
        imposed.touched
    }

    /// How many calls it has touched so far.
    pub fn touched(&self, id: CallFaultId) -> u64 {
        self.imposed.lock()[id.0].touched
    }

    /// Has every fault draw from another stream.
    pub(super) fn redraw(&self, key: u64) {
        self.imposed.lock().iter_mut().for_each(|imposed| imposed.stream.redraw(key));
    }

    fn decide(&self, at: NodeId, method: &str, is_from: impl Fn(NodeId) -> bool) -> Option<CallFate> {
        let mut fate = None;
        for imposed in self.imposed.lock().iter_mut().filter(|imposed| imposed.active) {
            let fault = &imposed.fault;
            let concerned = fault.to.contains(&at)
                && fault.method.as_deref().is_none_or(|wanted| wanted == method)
                && fault.from.as_ref().is_none_or(|from| from.iter().any(|node| is_from(*node)));
            if !concerned {
                continue;
            }
            imposed.seen += 1;
            let hit = imposed.stream.chance(fault.probability) && fault.calls.contains(&imposed.seen);
            if hit && fate.is_none() {
                fate = Some(fault.fate);
                imposed.touched += 1;
            }
        }
        fate
    }
}

/// What becomes of a call that has reached the calling node.
pub(crate) fn fate_of(peer: IpAddr, method: &str) -> Option<CallFate> {
    let world = World::current();
    let here = world.here()?.node;
    let is_from = |node: NodeId| {
        if peer.to_canonical().is_loopback() { node == here } else { world.net().node_at(peer) == Some(node) }
    };
    world.calls().decide(here, method, is_from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(calls: RangeInclusive<u64>, fate: CallFate) -> CallFault {
        let to = BTreeSet::from([NodeId(1)]);
        CallFault { to, from: None, method: Some("charge".into()), calls, probability: 1.0, fate }
    }

    #[test]
    fn each_fault_counts_the_calls_that_match_it_and_the_first_imposed_decides() {
        let calls = Calls::default();
        let stream = || Stream::new(1, "test", "");
        let first = calls.impose(fault(2..=3, CallFate::NeverArrives), stream());
        let second = calls.impose(fault(3..=4, CallFate::ReplyLost), stream());
        let decide = |node, method| calls.decide(NodeId(node), method, |_| true);
        assert_eq!(decide(1, "charge"), None);
        assert_eq!(decide(2, "charge"), None, "another server");
        assert_eq!(decide(1, "refund"), None, "another method");
        assert_eq!(decide(1, "charge"), Some(CallFate::NeverArrives));
        assert_eq!(decide(1, "charge"), Some(CallFate::NeverArrives));
        assert_eq!(decide(1, "charge"), Some(CallFate::ReplyLost));
        assert_eq!(decide(1, "charge"), None);
        assert_eq!((calls.lift(first), calls.lift(second)), (2, 1));
        calls.impose(fault(1..=9, CallFate::ReplyLost), stream());
        assert_eq!(decide(1, "charge"), Some(CallFate::ReplyLost), "it counts from when it was imposed");
    }

    #[test]
    fn a_share_of_the_calls_and_those_of_some_callers_only() {
        let calls = Calls::default();
        let half = CallFault {
            probability: 0.5,
            from: Some([NodeId(7)].into()),
            ..fault(1..=u64::MAX, CallFate::ReplyLost)
        };
        let id = calls.impose(half, Stream::new(1, "test", ""));
        for _ in 0..1000 {
            calls.decide(NodeId(1), "charge", |node| node == NodeId(7));
            assert_eq!(calls.decide(NodeId(1), "charge", |node| node == NodeId(8)), None);
        }
        assert!((400..600).contains(&calls.touched(id)), "{}", calls.touched(id));
    }
}
