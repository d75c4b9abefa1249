//! A register whose written values are all different, in O(n log n).
//!
//! P. B. Gibbons and E. Korach, "Testing shared memories", SIAM J. Comput. 26(4), 1997, section 4. All operations on one
//! value form a cluster. From the first return in it to the last invocation the register must hold that value (a
//! *forward zone*) if these are in that order; if not, one moment between them will do (a *backward zone*). The history is
//! linearizable if and only if no read returns before the write of its value is invoked, no two forward zones overlap and
//! no backward zone lies within a forward zone.
//!
//! Beyond the paper: the initial value is a write that returned before everything else. A write that never returned, and
//! whose value was not read, is left out, which can only make a history legal; one whose value was read took effect.

use std::{collections::HashMap, hash::Hash};

use rustc_hash::FxBuildHasher;

use crate::model::{Monitored, NEVER};

const BY: &str = "zones (Gibbons and Korach 1997)";

/// A call as this algorithm sees it, and when it was invoked and returned.
pub(crate) struct Access<V> {
    pub(crate) kind: Kind,
    pub(crate) value: V,
    pub(crate) invoked: u32,
    pub(crate) returned: u32,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Write,
    Read,
}

/// The operations on one value. Moments are moved up by one, to make room for the write of the initial value.
struct Cluster {
    /// The write's call; `None`: the initial value, or never written.
    write: Option<usize>,
    /// The write's invocation, if it was written.
    written: Option<u32>,
    read: bool,
    first_return: (u32, Option<usize>),
    last_invocation: (u32, Option<usize>),
    earliest_read_return: (u32, Option<usize>),
}

impl Cluster {
    fn new() -> Self {
        Cluster {
            write: None,
            written: None,
            read: false,
            first_return: (NEVER, None),
            last_invocation: (0, None),
            earliest_read_return: (NEVER, None),
        }
    }

    fn covers(&mut self, invoked: u32, returned: u32, call: Option<usize>) {
        if returned < self.first_return.0 {
            self.first_return = (returned, call);
        }
        if invoked >= self.last_invocation.0 {
            self.last_invocation = (invoked, call);
        }
    }

    fn calls(&self) -> impl Iterator<Item = usize> {
        [self.write, self.first_return.1, self.last_invocation.1].into_iter().flatten()
    }
}

/// Judges calls; `None` stands for one that the algorithm does not know.
pub(crate) fn monitor<V: Eq + Hash>(
    initial: V,
    calls: impl Iterator<Item = Option<Access<V>>>,
) -> Option<Monitored> {
    let illegal = |suspects: Vec<usize>| Some(Monitored { by: BY, suspects: Some(suspects) });

    let mut names: HashMap<V, usize, FxBuildHasher> = HashMap::default();
    let mut clusters = vec![Cluster::new()];
    names.insert(initial, 0);
    clusters[0].written = Some(0);
    clusters[0].covers(0, 0, None);
    for (index, access) in calls.enumerate() {
        let Access { kind, value, invoked, returned } = access?;
        let (invoked, returned) = (invoked + 1, returned.saturating_add(1));
        let name = *names.entry(value).or_insert_with(|| {
            clusters.push(Cluster::new());
            clusters.len() - 1
        });
        let cluster = &mut clusters[name];
        cluster.covers(invoked, returned, Some(index));
        if kind == Kind::Write {
            if cluster.written.is_some() {
                return None;
            }
            cluster.write = Some(index);
            cluster.written = Some(invoked);
        } else {
            cluster.read = true;
            if returned < cluster.earliest_read_return.0 {
                cluster.earliest_read_return = (returned, Some(index));
            }
        }
    }

    let mut forward: Vec<&Cluster> = Vec::new();
    let mut backward: Vec<&Cluster> = Vec::new();
    for cluster in &clusters {
        let early = cluster.earliest_read_return;
        match cluster.written {
            None => return illegal(cluster.calls().collect()),
            Some(written) if early.0 < written => return illegal(cluster.calls().chain(early.1).collect()),
            Some(_) => {}
        }
        if cluster.first_return.0 == NEVER {
            // A write that never returned, of a value that was not read.
            continue;
        }
        match cluster.first_return.0 < cluster.last_invocation.0 {
            true => forward.push(cluster),
            false => backward.push(cluster),
        }
    }

    forward.sort_unstable_by_key(|cluster| cluster.first_return.0);
    for pair in forward.windows(2) {
        if pair[1].first_return.0 < pair[0].last_invocation.0 {
            return illegal(pair[0].calls().chain(pair[1].calls()).collect());
        }
    }
    for cluster in backward {
        let (begins, ends) = (cluster.last_invocation.0, cluster.first_return.0);
        let after = forward.partition_point(|zone| zone.first_return.0 < begins);
        if let Some(zone) = forward[..after].last()
            && ends < zone.last_invocation.0
        {
            return illegal(zone.calls().chain(cluster.calls()).collect());
        }
    }
    Some(Monitored { by: BY, suspects: None })
}
