//! The order of real time: what returned before another was invoked comes before it.

use std::collections::HashMap;

use rustc_hash::FxBuildHasher;

use super::Order;
use crate::model::{Call, Model, NEVER};

const NONE: u32 = u32::MAX;

/// A call returns before another is invoked, or they may come in any order.
///
/// Required calls are numbered in the order of their returns, the others after them in the order of their invocations.
pub(crate) struct RealTime {
    required: u32,
    left: u32,
    /// Invocations and returns of required calls that were not taken, a ring in order of time. Node 0 is both its ends.
    after: Vec<u32>,
    before: Vec<u32>,
    /// By node: the call, and whether it is its return.
    events: Vec<(u32, bool)>,
    /// By call: the nodes of its invocation and its return.
    nodes: Vec<(u32, u32)>,
    /// By call.
    invoked: Vec<u32>,
    /// By required call.
    returned: Vec<u32>,
    /// Calls before it, in order of returns, were all taken.
    done: u32,
    /// The calls after it that were taken, sorted.
    beyond: Vec<u32>,
    /// By call: the next and the previous one, of those not taken, that ask and answer the same.
    twin_after: Vec<u32>,
    twin_before: Vec<u32>,
    /// Optional calls that were not taken: a ring, by number less `required`, whose ends are the last node.
    optional_after: Vec<u32>,
    optional_before: Vec<u32>,
}

impl RealTime {
    /// The order of these calls, which are in order of returns.
    pub(crate) fn of<M: Model>(calls: &[Call<'_, M::Input, M::Output>]) -> Self {
        let required = calls.partition_point(|call| call.returned != NEVER);
        let mut events: Vec<(u32, u32, bool)> = Vec::with_capacity(2 * required);
        for (index, call) in calls[..required].iter().enumerate() {
            events.push((call.invoked, index as u32, false));
            events.push((call.returned, index as u32, true));
        }
        events.sort_unstable();
        let mut nodes = vec![(0, 0); required];
        for (place, &(_, call, is_return)) in events.iter().enumerate() {
            let node = place as u32 + 1;
            let nodes = &mut nodes[call as usize];
            if is_return { nodes.1 = node } else { nodes.0 = node }
        }
        let ring = events.len() as u32 + 1;
        let mut twin_after = vec![NONE; calls.len()];
        let mut twin_before = vec![NONE; calls.len()];
        let mut last: HashMap<_, u32, FxBuildHasher> = HashMap::default();
        for (index, call) in calls.iter().enumerate() {
            if let Some(twin) = last.insert((call.input, call.output, index < required), index as u32) {
                twin_after[twin as usize] = index as u32;
                twin_before[index] = twin;
            }
        }
        let optional = (calls.len() - required) as u32 + 1;
        RealTime {
            required: required as u32,
            left: required as u32,
            after: (0..ring).map(|node| (node + 1) % ring).collect(),
            before: (0..ring).map(|node| (node + ring - 1) % ring).collect(),
            events: std::iter::once((NONE, true))
                .chain(events.iter().map(|&(_, call, end)| (call, end)))
                .collect(),
            nodes,
            invoked: calls.iter().map(|call| call.invoked).collect(),
            returned: calls[..required].iter().map(|call| call.returned).collect(),
            done: 0,
            beyond: Vec::new(),
            twin_after,
            twin_before,
            optional_after: (0..optional).map(|node| (node + 1) % optional).collect(),
            optional_before: (0..optional).map(|node| (node + optional - 1) % optional).collect(),
        }
    }

    /// The first return to come: what is invoked after it cannot be next.
    fn horizon(&self) -> u32 {
        self.returned.get(self.done as usize).copied().unwrap_or(NEVER)
    }

    /// Whether an equal call should be next instead of this one.
    fn has_twin(&self, call: u32) -> bool {
        let twin = self.twin_before[call as usize];
        twin != NONE && self.invoked[twin as usize] < self.horizon()
    }
}

/// Takes a node out of a ring in which it knows its neighbours, or puts it back.
fn unlink(after: &mut [u32], before: &mut [u32], node: u32) {
    let (previous, next) = (before[node as usize], after[node as usize]);
    after[previous as usize] = next;
    before[next as usize] = previous;
}

fn relink(after: &mut [u32], before: &mut [u32], node: u32) {
    let (previous, next) = (before[node as usize], after[node as usize]);
    after[previous as usize] = node;
    before[next as usize] = node;
}

impl Order for RealTime {
    fn required(&self) -> u32 {
        self.required
    }

    fn left(&self) -> u32 {
        self.left
    }

    fn candidate(&self, mut cursor: u32) -> Option<(u32, u32)> {
        loop {
            let node = self.after[cursor as usize];
            let (call, is_return) = self.events[node as usize];
            if is_return {
                return None;
            }
            if !self.has_twin(call) {
                return Some((call, node));
            }
            cursor = node;
        }
    }

    fn optional(&self, mut cursor: u32) -> Option<(u32, u32)> {
        loop {
            let node = self.optional_after[cursor as usize];
            if node == 0 {
                return None;
            }
            let call = self.required + node - 1;
            if self.invoked[call as usize] > self.horizon() {
                return None;
            }
            if !self.has_twin(call) {
                return Some((call, node));
            }
            cursor = node;
        }
    }

    fn take(&mut self, call: u32) {
        let (before, after) = (self.twin_before[call as usize], self.twin_after[call as usize]);
        if before != NONE {
            self.twin_after[before as usize] = after;
        }
        if after != NONE {
            self.twin_before[after as usize] = before;
        }
        if call < self.required {
            self.left -= 1;
            let (invocation, end) = self.nodes[call as usize];
            unlink(&mut self.after, &mut self.before, invocation);
            unlink(&mut self.after, &mut self.before, end);
        } else {
            unlink(&mut self.optional_after, &mut self.optional_before, call - self.required + 1);
        }
        if call == self.done {
            self.done += 1;
            let along =
                self.beyond.iter().zip(self.done..).take_while(|(beyond, done)| *beyond == done).count();
            self.beyond.drain(..along);
            self.done += along as u32;
        } else {
            let place = self.beyond.partition_point(|other| *other < call);
            self.beyond.insert(place, call);
        }
    }

    fn put_back(&mut self, call: u32) {
        if call < self.done {
            self.beyond.splice(0..0, call + 1..self.done);
            self.done = call;
        } else {
            let place = self.beyond.partition_point(|other| *other < call);
            self.beyond.remove(place);
        }
        if call < self.required {
            self.left += 1;
            let (invocation, end) = self.nodes[call as usize];
            relink(&mut self.after, &mut self.before, end);
            relink(&mut self.after, &mut self.before, invocation);
        } else {
            relink(&mut self.optional_after, &mut self.optional_before, call - self.required + 1);
        }
        let (before, after) = (self.twin_before[call as usize], self.twin_after[call as usize]);
        if before != NONE {
            self.twin_after[before as usize] = call;
        }
        if after != NONE {
            self.twin_before[after as usize] = call;
        }
    }

    fn words(&self, words: &mut Vec<u32>) {
        words.push(self.done());
        words.extend(self.beyond.iter().take_while(|call| **call < self.required));
    }

    fn beside(&self, beside: &mut Vec<u32>) {
        beside.extend(self.required..self.done);
        beside.extend(self.beyond.iter().skip_while(|call| **call < self.required));
    }

    fn done(&self) -> u32 {
        self.done.min(self.required)
    }
}
