//! Queues, stacks and priority queues whose values are all different, in O(n log n).
//!
//! The problem and the idea are those of Z. H. Lee and U. Mathur, "Efficient Decrease-and-Conquer Linearizability
//! Monitoring", OOPSLA 2025: take a value away that the rest does not depend on, and go on with the rest. For queues the
//! four bad patterns of T. Henzinger, A. Sezgin and V. Vafeiadis, "Aspect-oriented linearizability proofs", CONCUR 2013,
//! are looked for instead. How values are chosen and found here is our own; each function says why it is right, and
//! tests compare all small histories with the definition.
//!
//! What all three have in common. A value is surely inside from the return of its put to the invocation of its take: its
//! *core*, if these are in that order. Leaving out all operations of one value leaves a legal history legal. So does
//! taking out, at the end of time, what was never taken out: what was not taken, or may have been, is taken at a moment
//! after all others. A put that never returned, of a value that was never taken, is left out; of one that was taken, it
//! took effect. Where no core covers a moment, all operations of values that can be over by then can be moved before it,
//! and all others after it: the container can be empty at *all* such moments at once, and an operation that found it empty
//! is right if and only if there is such a moment in it.
//!
//! A take that never returned may have taken any value that nobody else took, or none. That is the more permissive the
//! earlier it was invoked: if the history is illegal though each such value is taken from the first of these takes on, it
//! is illegal; if it is legal without any of them, or with one for each value in their order, it is legal.
//!
//! Moments are told by the gaps between events: gap `g` lies between event `g` and event `g + 1`.

use std::{collections::HashMap, hash::Hash};

use rustc_hash::FxBuildHasher;

use super::cover::{Cover, Greatest};
use crate::{
    model::{Call, Monitored, NEVER},
    models::{ContainerInput, ContainerOutput},
};

/// What judged a history that is wrong whatever the order is.
pub(crate) const BY: &str = "values that nobody put in, or taken twice";

/// The values of a history in which each is put in once.
#[derive(Debug)]
pub struct Inhabitants<'a, V> {
    values: Vec<Inhabitant<'a, V>>,
    /// The calls that found nothing.
    empty: Vec<Interval>,
    /// The takes that never returned, in order of their invocations.
    blind: Vec<Interval>,
    /// How many gaps there are.
    gaps: u32,
}

#[derive(Clone, Copy, Debug)]
struct Interval {
    from: u32,
    to: u32,
    call: usize,
}

#[derive(Debug)]
struct Inhabitant<'a, V> {
    value: &'a V,
    put: Interval,
    /// It may be after all else.
    take: Interval,
}

impl<V> Inhabitant<'_, V> {
    fn core(&self, gaps: u32) -> (u32, u32) {
        (self.put.to.min(gaps), self.take.from.min(gaps))
    }

    fn calls(&self) -> [usize; 2] {
        // A value that nobody took out has no such call; then the put stands for it.
        [self.put.call, if self.take.call == usize::MAX { self.put.call } else { self.take.call }]
    }
}

impl<'a, V: Eq + Hash> Inhabitants<'a, V> {
    /// `None` if the algorithms do not cover these calls; an error if they are wrong whatever the order is, with some of
    /// those that are.
    pub(crate) fn of(
        calls: &[Call<'a, ContainerInput<V>, ContainerOutput<V>>],
    ) -> Option<Result<Self, Vec<usize>>> {
        let mut puts: HashMap<&V, (Interval, Option<Interval>), FxBuildHasher> = HashMap::default();
        let mut order = Vec::new();
        let mut empty = Vec::new();
        let mut blind = Vec::new();
        let mut gaps = 0;
        let interval = |call: usize| Interval { from: calls[call].invoked, to: calls[call].returned, call };
        for (index, call) in calls.iter().enumerate() {
            gaps = gaps.max(call.invoked + 1);
            if call.returned != NEVER {
                gaps = gaps.max(call.returned + 1);
            }
            match (call.input, call.output) {
                (ContainerInput::Put(value), None | Some(ContainerOutput::Done)) => {
                    if puts.insert(value, (interval(index), None)).is_some() {
                        return None;
                    }
                    order.push(value);
                }
                (ContainerInput::Take, Some(ContainerOutput::Empty)) => empty.push(interval(index)),
                (ContainerInput::Take, Some(ContainerOutput::Taken(_))) => {}
                (ContainerInput::Take, None) => blind.push(interval(index)),
                _ => return None,
            }
        }
        for (index, call) in calls.iter().enumerate() {
            let Some(ContainerOutput::Taken(value)) = call.output else { continue };
            let take = interval(index);
            match puts.get_mut(value) {
                // What may not have happened did not.
                None if take.to == NEVER => {}
                None => return Some(Err(vec![index])),
                Some((_, Some(other))) if other.to == NEVER || take.to == NEVER => return None,
                Some((put, Some(other))) => return Some(Err(vec![put.call, other.call, index])),
                Some((put, _)) if take.to < put.from => return Some(Err(vec![put.call, index])),
                Some((_, taken)) => *taken = Some(take),
            }
        }
        let never = Interval { from: NEVER, to: NEVER, call: usize::MAX };
        let values = order.into_iter().filter_map(|value| {
            let (put, take) = puts[value];
            let take = take.unwrap_or(never);
            (put.to != NEVER || take.to != NEVER).then_some(Inhabitant { value, put, take })
        });
        blind.sort_unstable_by_key(|take| take.from);
        Some(Ok(Inhabitants { values: values.collect(), empty, blind, gaps }))
    }

    /// Judges by an algorithm for known takes; `None` where it depends on what others took.
    pub(crate) fn judge(mut self, monitor: impl Fn(&Self) -> Monitored) -> Option<Monitored> {
        let known = monitor(&self);
        let Some(&first) = self.blind.first() else { return Some(known) };
        if known.suspects.is_none() {
            return Some(known);
        }
        let mut left: Vec<usize> =
            (0..self.values.len()).filter(|&place| self.values[place].take.from == NEVER).collect();
        left.sort_unstable_by_key(|&place| self.values[place].put.to);
        for (&place, &take) in left.iter().zip(&self.blind) {
            self.values[place].take = take;
        }
        let in_order = monitor(&self);
        if in_order.suspects.is_none() {
            return Some(in_order);
        }
        for place in left {
            self.values[place].take = first;
        }
        let at_best = monitor(&self);
        at_best.suspects.is_some().then_some(at_best)
    }
}

impl<V> Inhabitants<'_, V> {
    /// The calls that found the container empty though it was not at any moment of theirs, and the values inside.
    fn never_empty(&self) -> Option<Vec<usize>> {
        let mut changes = vec![0_i32; self.gaps as usize + 1];
        for value in &self.values {
            let (from, to) = value.core(self.gaps);
            if from < to {
                changes[from as usize] += 1;
                changes[to as usize] -= 1;
            }
        }
        // How many gaps before each are bare.
        let mut bare = Vec::with_capacity(changes.len());
        let (mut covered, mut count) = (0, 0_u32);
        for change in changes {
            bare.push(count);
            covered += change;
            count += u32::from(covered == 0);
        }
        let wrong = self.empty.iter().find(|call| bare[call.from as usize] == bare[call.to as usize])?;
        let inside = self.values.iter().filter(|value| {
            let (from, to) = value.core(self.gaps);
            from < to && from < wrong.to && wrong.from < to
        });
        Some(inside.flat_map(Inhabitant::calls).chain([wrong.call]).collect())
    }
}

/// First in, first out.
///
/// A history is illegal if and only if a value is taken that was not put in before, one is taken twice, an operation found
/// the queue empty that never was, or one value is put in before another is and is taken out after it was (Henzinger et
/// al., theorem 4). The last is found in order of puts, with the latest take of all values put in before.
pub(crate) fn queue<V>(values: &Inhabitants<'_, V>) -> Monitored {
    const BY: &str = "bad patterns of queues (Henzinger, Sezgin and Vafeiadis 2013)";
    let by_return = {
        let mut order: Vec<_> = values.values.iter().collect();
        order.sort_unstable_by_key(|value| value.put.to);
        order
    };
    let mut by_invocation: Vec<_> = values.values.iter().collect();
    by_invocation.sort_unstable_by_key(|value| value.put.from);
    let mut before = by_return.into_iter().peekable();
    let mut latest: Option<&Inhabitant<'_, V>> = None;
    for value in by_invocation {
        while let Some(earlier) = before.next_if(|earlier| earlier.put.to < value.put.from) {
            if latest.is_none_or(|latest| latest.take.from < earlier.take.from) {
                latest = Some(earlier);
            }
        }
        if let Some(latest) = latest
            && value.take.to < latest.take.from
        {
            let suspects = [latest.calls(), value.calls()].concat();
            return Monitored { by: BY, suspects: Some(suspects) };
        }
    }
    Monitored { by: BY, suspects: values.never_empty() }
}

/// The smallest first.
///
/// The greatest value is in nobody's way. It can be taken if and only if there is a moment in its take, not before its put
/// is invoked, at which all smaller ones are out, which is one that no core of a smaller one covers. So values are judged
/// from the smallest to the greatest, each by the cores of those before it.
pub(crate) fn priority_queue<V: Ord>(values: &Inhabitants<'_, V>) -> Monitored {
    const BY: &str = "smallest first, each by the cores of smaller ones (after Lee and Mathur 2025)";
    let mut order: Vec<_> = values.values.iter().collect();
    order.sort_unstable_by_key(|value| value.value);
    let mut cover = Cover::new(values.gaps as usize + 1);
    for (place, value) in order.iter().enumerate() {
        let from = value.put.from.max(value.take.from);
        if value.take.to != NEVER && cover.bare(from, value.take.to).is_none() {
            let inside = order[..place].iter().filter(|smaller| {
                let (begin, end) = smaller.core(values.gaps);
                begin < end && begin < value.take.to && from < end
            });
            let suspects = inside.flat_map(|smaller| smaller.calls()).chain(value.calls()).collect();
            return Monitored { by: BY, suspects: Some(suspects) };
        }
        let (begin, end) = value.core(values.gaps);
        cover.add(begin, end, 1);
    }
    Monitored { by: BY, suspects: values.never_empty() }
}

/// Last in, first out.
///
/// A value without a core can be put in and taken out in one moment, whatever else there is: it is left out. The others are
/// split where no core covers a moment; parts do not affect each other. In a part that is covered from its first
/// return of a put to its last invocation of a take, the stack is never empty, so a value lies at the bottom all the
/// time: its put is invoked before any put of the part returned and its take returns after all takes of the part were
/// invoked. If there is no such value, the history is illegal. Any such value can lie at the bottom, whatever the others do:
/// it is left out, and what remains of the part is split again.
///
/// Whether a value qualifies can only change from no to yes as parts become smaller, so each is looked at a bounded number
/// of times.
pub(crate) fn stack<V>(values: &Inhabitants<'_, V>) -> Monitored {
    const BY: &str = "from the bottom of the stack up (after Lee and Mathur 2025)";
    if let Some(suspects) = values.never_empty() {
        return Monitored { by: BY, suspects: Some(suspects) };
    }
    let gaps = values.gaps;
    let mut order: Vec<_> = values.values.iter().filter(|value| value.put.to < value.take.from).collect();
    order.sort_unstable_by_key(|value| value.put.to);
    let mut cover = Cover::new(gaps as usize + 1);
    for value in &order {
        let (from, to) = value.core(gaps);
        cover.add(from, to, 1);
    }
    // By place in the order: the invocation of the put, negated, of those for which another put may have to come first; the
    // return of the take of the others; and the invocation of the take of all that are left.
    let mut waiting = Greatest::new(order.iter().map(|value| -i64::from(value.put.from)));
    let mut first = Greatest::new(order.iter().map(|_| Greatest::NONE));
    let mut takes = Greatest::new(order.iter().map(|value| i64::from(value.take.from)));
    let mut gone = vec![false; order.len()];

    let mut parts = vec![(0, order.len())];
    while let Some((mut begin, end)) = parts.pop() {
        while begin < end && gone[begin] {
            begin += 1;
        }
        let Some((_, last_take)) = takes.of(begin, end) else { continue };
        let (from, to) = (order[begin].put.to, (last_take.min(i64::from(gaps))) as u32);
        if let Some(bare) = cover.bare(from, to) {
            let middle = begin + order[begin..end].partition_point(|value| value.put.to <= bare);
            parts.push((middle, end));
            parts.push((begin, middle));
            continue;
        }
        while let Some((place, negated)) = waiting.of(begin, end)
            && -negated < i64::from(from)
        {
            waiting.set(place, Greatest::NONE);
            // What is taken at the end of time can always be last.
            let take = order[place].take.to;
            first.set(place, if take == NEVER { i64::MAX } else { i64::from(take) });
        }
        match first.of(begin, end) {
            Some((place, take)) if take > last_take => {
                first.set(place, Greatest::NONE);
                takes.set(place, Greatest::NONE);
                gone[place] = true;
                let (from, to) = order[place].core(gaps);
                cover.add(from, to, -1);
                parts.push((begin, end));
            }
            _ => {
                let left = (begin..end).filter(|place| !gone[*place]);
                let suspects = left.flat_map(|place| order[place].calls()).collect();
                return Monitored { by: BY, suspects: Some(suspects) };
            }
        }
    }
    Monitored { by: BY, suspects: None }
}
