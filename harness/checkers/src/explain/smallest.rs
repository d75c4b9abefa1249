//! Makes a part of a history smaller in ways that keep it illegal *because of* the whole, never by itself: if the whole were legal, so
//! would be the part. Operations are left out as the model says ([`Strand`]); what is invoked after the first return that
//! nothing explains is left out; and what came before a moment at which nothing was going on is replaced by the states
//! that it can have led to.

use std::collections::{BTreeMap, BTreeSet};

use super::{Partial, Refused, Shown, Start, Violation};
use crate::{
    history::Operation,
    model::{Call, Model, NEVER, Strand},
    ranks::{self, Ranked},
    search::{self, Order, Progress, Record, Search},
    verdict::{Budget, Exhausted, Meter},
};

/// How many operations besides those that matter are shown.
const AROUND: usize = 40;
/// From how many states a part may start.
const STARTS: usize = 16;

/// A part of a history that is illegal.
struct Part<'h, M: Model> {
    calls: Vec<Call<'h, M::Input, M::Output>>,
    /// By call: its operation.
    operations: Vec<u32>,
    /// The states it starts from, each with the operations that took effect already. `None`: the initial state.
    starts: Option<Vec<(M::State, Vec<u32>)>>,
}

impl<M: Model> Clone for Part<'_, M> {
    fn clone(&self) -> Self {
        Part { calls: self.calls.clone(), operations: self.operations.clone(), starts: self.starts.clone() }
    }
}

/// What orders operations besides the object.
pub(crate) trait Condition {
    /// The order of a search.
    type Order: Order;
    /// Whether it is that of time. Then monitors apply, and a beginning of a legal history is legal.
    const REAL_TIME: bool;

    /// The order of calls, which are in order of returns; with the operation of each.
    fn order<M: Model>(&self, calls: &[Call<'_, M::Input, M::Output>], operations: &[u32]) -> Self::Order;
}

/// What is to be explained.
pub(crate) struct Wrong<'a, K> {
    /// The object.
    pub(crate) key: Option<&'a K>,
    /// All operations on it.
    pub(crate) operations: &'a [u32],
    /// The algorithm that showed that no order explains them.
    pub(crate) by: &'static str,
    /// Operations that it points at.
    pub(crate) suspects: &'a [u32],
}

pub(crate) fn violation<M: Model>(
    model: &M,
    history: &[Operation<M::Input, M::Output>],
    condition: &impl Condition,
    wrong: Wrong<'_, M::Key>,
    budget: Budget,
) -> Violation {
    let Ranked { calls, operations } = ranks::calls(model, history, wrong.operations);
    let mut part = Part { calls, operations, starts: None };
    // Each step that the budget does not allow leaves the part as large as it was.
    let mut explainer = Explainer { model, condition, meter: Meter::new(budget) };
    explainer.only_suspects(&mut part, wrong.suspects);
    explainer.up_to_first_wrong_return(&mut part);
    explainer.after_a_quiet_moment(&mut part);
    explainer.drop_operations(&mut part);
    explainer.up_to_first_wrong_return(&mut part);
    let starts = explainer.how_far(&mut part);
    let operations = shown(model, history, &part);
    let around = around(model, history, wrong.operations, &part);
    let key = wrong.key.map(|key| model.describe_key(key));
    let summary = summary(model.name(), key.as_deref(), &operations, &starts);
    Violation { by: wrong.by, model: model.name().to_owned(), key, summary, operations, starts, around }
}

struct Explainer<'m, M, C> {
    model: &'m M,
    condition: &'m C,
    meter: Meter,
}

/// What a search was asked for, from one state.
struct Searched<'h, M: Model> {
    legal: bool,
    /// The calls as the search numbers them, by place in the part.
    places: Vec<usize>,
    calls: Vec<Call<'h, M::Input, M::Output>>,
    released: search::Released<M::State>,
}

impl<M: Model, C: Condition> Explainer<'_, M, C> {
    /// Searches the calls of a part from one of its states.
    fn search<'h>(
        &mut self,
        part: &Part<'h, M>,
        start: &M::State,
        spent: &[u32],
        record: impl FnOnce(usize) -> Record,
    ) -> Result<Searched<'h, M>, Exhausted> {
        let mut places: Vec<usize> =
            (0..part.calls.len()).filter(|place| !spent.contains(&part.operations[*place])).collect();
        places.sort_unstable_by_key(|place| search::by_return(&part.calls[*place]));
        let calls: Vec<_> = places.iter().map(|place| part.calls[*place]).collect();
        let order = self.order(part, &places, &calls);
        let record = record(calls.len());
        let mut search = Search::new(self.model, calls.clone(), order, start.clone(), record);
        let progress = search.run(&mut self.meter, u64::MAX);
        let released = search.release(&mut self.meter);
        Ok(Searched { legal: progress? == Progress::Found, places, calls, released })
    }

    fn order(
        &self,
        part: &Part<'_, M>,
        places: &[usize],
        calls: &[Call<'_, M::Input, M::Output>],
    ) -> C::Order {
        let operations: Vec<u32> = places.iter().map(|place| part.operations[*place]).collect();
        self.condition.order::<M>(calls, &operations)
    }

    fn starts(&self, part: &Part<'_, M>) -> Vec<(M::State, Vec<u32>)> {
        part.starts.clone().unwrap_or_else(|| vec![(self.model.initial(), Vec::new())])
    }

    /// Whether it is certain that a part is illegal.
    fn illegal(&mut self, part: &Part<'_, M>) -> bool {
        if C::REAL_TIME && part.starts.is_none() {
            if self.meter.spend(part.calls.len() as u64).is_err() {
                return false;
            }
            if let Some(monitored) = self.model.monitor(&part.calls) {
                return monitored.suspects.is_some();
            }
        }
        let starts = self.starts(part);
        starts.iter().all(|(state, spent)| {
            self.search(part, state, spent, |_| Record::Nothing).is_ok_and(|searched| !searched.legal)
        })
    }

    /// Keeps what belongs together with the operations that an algorithm points at, if that is illegal.
    fn only_suspects(&mut self, part: &mut Part<'_, M>, suspects: &[u32]) {
        if suspects.is_empty() {
            return;
        }
        let strands = self.model.strands(&part.calls);
        let suspects: BTreeSet<u32> = suspects.iter().copied().collect();
        let groups: BTreeSet<u64> = (0..part.calls.len())
            .filter(|place| suspects.contains(&part.operations[*place]))
            .filter_map(|place| group(strands[place]))
            .collect();
        let smaller = keep(part, |place| match strands[place] {
            Strand::Fixed => true,
            Strand::Alone => suspects.contains(&part.operations[place]),
            Strand::Group(group) | Strand::AloneOrGroup(group) => groups.contains(&group),
        });
        if smaller.calls.len() < part.calls.len() && self.illegal(&smaller) {
            *part = smaller;
        }
    }

    /// Ends with the first return that cannot be explained. What was going on then may have taken effect or not.
    fn up_to_first_wrong_return(&mut self, part: &mut Part<'_, M>) {
        if !C::REAL_TIME {
            return;
        }
        let mut furthest = 0;
        let mut returns: Vec<u32> = part.calls.iter().map(|call| call.returned).collect();
        returns.sort_unstable();
        for (state, spent) in self.starts(part) {
            match self.search(part, &state, &spent, |_| Record::Nothing) {
                Ok(searched) if !searched.legal => furthest = furthest.max(searched.released.furthest),
                _ => return,
            }
        }
        let end = returns[furthest as usize];
        let mut smaller = keep(part, |place| {
            let call = &part.calls[place];
            call.invoked < end && (call.returned <= end || !self.model.reads_only(call.input, call.output))
        });
        for call in &mut smaller.calls {
            if call.returned > end {
                call.returned = NEVER;
            }
        }
        *part = smaller;
    }

    /// Begins at the last moment at which no operation was going on and before which all can be explained, unless all can
    /// be left out in groups.
    fn after_a_quiet_moment(&mut self, part: &mut Part<'_, M>) {
        if !C::REAL_TIME || !self.model.strands(&part.calls).contains(&Strand::Fixed) {
            return;
        }
        // Operations of unknown outcome are not going on: they pass from one segment to the next.
        let blind = |call: &Call<'_, M::Input, M::Output>| call.returned == NEVER && call.output.is_none();
        let mut order: Vec<usize> =
            (0..part.calls.len()).filter(|place| !blind(&part.calls[*place])).collect();
        order.sort_unstable_by_key(|place| part.calls[*place].invoked);
        let mut segments: Vec<Vec<usize>> = Vec::new();
        let mut open_until = None;
        for place in order {
            let call = &part.calls[place];
            match segments.last_mut() {
                Some(segment) if open_until > Some(call.invoked) => segment.push(place),
                _ => segments.push(vec![place]),
            }
            open_until = open_until.max(Some(call.returned));
        }
        let mut starts = self.starts(part);
        for (number, segment) in segments.iter().enumerate() {
            let end = segment.iter().map(|place| part.calls[*place].returned).max().unwrap_or(NEVER);
            let inside: BTreeSet<usize> = segment.iter().copied().collect();
            let mut piece = keep(part, |place| {
                inside.contains(&place) || blind(&part.calls[place]) && part.calls[place].invoked < end
            });
            let mut ends: Vec<(M::State, Vec<u32>)> = Vec::new();
            for (state, spent) in &starts {
                let Ok(searched) = self.search(&piece, state, spent, |_| Record::Ends) else { return };
                for (state, taken) in &searched.released.ends {
                    let taken = taken.iter().map(|call| piece.operations[searched.places[*call as usize]]);
                    let mut spent: Vec<u32> = spent.iter().copied().chain(taken).collect();
                    spent.sort_unstable();
                    let found = (state.clone(), spent);
                    if !ends.contains(&found) {
                        ends.push(found);
                    }
                }
                if ends.len() > STARTS {
                    return;
                }
            }
            if ends.is_empty() {
                if number > 0 {
                    piece.starts = Some(starts);
                }
                *part = piece;
                return;
            }
            starts = ends;
        }
    }

    /// Leaves out what the model allows, as long as the rest is illegal: halves, then quarters and so on (delta debugging,
    /// Zeller and Hildebrandt 2002), first in groups, then one by one.
    fn drop_operations(&mut self, part: &mut Part<'_, M>) {
        // What a state holds is part of a group as well.
        if part.starts.is_none() {
            let mut groups: BTreeMap<u64, Vec<u32>> = BTreeMap::new();
            for (place, strand) in self.model.strands(&part.calls).into_iter().enumerate() {
                if let Some(group) = group(strand) {
                    groups.entry(group).or_default().push(part.operations[place]);
                }
            }
            self.drop_units(part, groups.into_values().collect());
        }
        let strands = self.model.strands(&part.calls);
        let alone = (0..strands.len())
            .filter(|place| matches!(strands[*place], Strand::Alone | Strand::AloneOrGroup(_)))
            .map(|place| vec![part.operations[place]]);
        self.drop_units(part, alone.collect());
    }

    fn drop_units(&mut self, part: &mut Part<'_, M>, mut units: Vec<Vec<u32>>) {
        let mut size = units.len().div_ceil(2);
        while size > 0 && !units.is_empty() {
            let mut dropped = false;
            let mut at = 0;
            while at < units.len() {
                let end = (at + size).min(units.len());
                let out: BTreeSet<u32> = units[at..end].iter().flatten().copied().collect();
                let smaller = keep(part, |place| !out.contains(&part.operations[place]));
                if self.illegal(&smaller) {
                    *part = smaller;
                    units.drain(at..end);
                    dropped = true;
                } else {
                    at = end;
                }
            }
            if size == 1 && !dropped {
                return;
            }
            size = size.div_ceil(2).max(1);
        }
    }

    /// The longest orders of effects from each state, and what cannot be next. Sorts the calls by invocation.
    fn how_far(&mut self, part: &mut Part<'_, M>) -> Vec<Start> {
        let mut order: Vec<usize> = (0..part.calls.len()).collect();
        order.sort_unstable_by_key(|place| part.calls[*place].invoked);
        part.operations = order.iter().map(|place| part.operations[*place]).collect();
        part.calls = order.iter().map(|place| part.calls[*place]).collect();
        let starts = self.starts(part);
        starts.iter().map(|(state, spent)| self.how_far_from(part, state, spent)).collect()
    }

    fn how_far_from(&mut self, part: &Part<'_, M>, state: &M::State, spent: &[u32]) -> Start {
        let place_of = |operation: &u32| part.operations.iter().position(|other| other == operation);
        let mut start = Start {
            state: self.model.describe_state(state),
            spent: spent.iter().filter_map(place_of).collect(),
            partials: Vec::new(),
            longest: vec![None; part.calls.len()],
        };
        let record = |calls| Record::Longest { orders: Vec::new(), by_call: vec![None; calls] };
        let Ok(searched) = self.search(part, state, spent, record) else { return start };
        let Record::Longest { orders, by_call } = searched.released.record else { return start };
        let mut used: Vec<usize> = by_call.iter().flatten().copied().collect();
        used.sort_unstable();
        used.dedup();
        // Nothing can be first: the empty order is the longest.
        let nothing = Vec::new();
        let mut kept: Vec<(Option<usize>, &Vec<u32>)> =
            used.into_iter().map(|place| (Some(place), &orders[place])).collect();
        if kept.is_empty() {
            kept.push((None, &nothing));
        }
        kept.sort_by_key(|(_, order)| std::cmp::Reverse(order.len()));
        for (call, place) in searched.places.iter().enumerate() {
            start.longest[*place] =
                by_call[call].and_then(|best| kept.iter().position(|(place, _)| *place == Some(best)));
        }
        for (_, order) in kept {
            let mut taken = self.order(part, &searched.places, &searched.calls);
            let mut state = state.clone();
            for &call in order {
                let Call { input, output, .. } = searched.calls[call as usize];
                state =
                    self.model.apply(&state, input, output).expect("an order that the search found possible");
                taken.take(call);
            }
            let mut refused = Vec::new();
            let mut refuse = |call: u32| {
                let Call { input, output, .. } = searched.calls[call as usize];
                if self.model.apply(&state, input, output).is_none() {
                    let why = self.model.refusal(&state, input, output);
                    refused.push(Refused { operation: searched.places[call as usize], why });
                }
            };
            let mut cursor = 0;
            while let Some((call, after)) = taken.candidate(cursor) {
                refuse(call);
                cursor = after;
            }
            let mut cursor = 0;
            while let Some((call, after)) = taken.optional(cursor) {
                refuse(call);
                cursor = after;
            }
            let order = order.iter().map(|call| searched.places[*call as usize]).collect();
            start.partials.push(Partial { order, state: self.model.describe_state(&state), refused });
        }
        start
    }
}

fn group(strand: Strand) -> Option<u64> {
    match strand {
        Strand::Group(group) | Strand::AloneOrGroup(group) => Some(group),
        Strand::Alone | Strand::Fixed => None,
    }
}

/// A part with some of the calls.
fn keep<'h, M: Model>(part: &Part<'h, M>, wanted: impl Fn(usize) -> bool) -> Part<'h, M> {
    let places: Vec<usize> = (0..part.calls.len()).filter(|place| wanted(*place)).collect();
    Part {
        calls: places.iter().map(|place| part.calls[*place]).collect(),
        operations: places.iter().map(|place| part.operations[*place]).collect(),
        starts: part.starts.clone(),
    }
}

fn show<M: Model>(
    model: &M,
    history: &[Operation<M::Input, M::Output>],
    operation: u32,
    optional: bool,
) -> Shown {
    let index = operation as usize;
    let operation = &history[index];
    Shown {
        index,
        process: operation.process,
        what: model.describe(&operation.input, operation.output()),
        invoked: operation.invoked,
        returned: operation.returned.as_ref().map(|returned| returned.at),
        optional,
    }
}

fn shown<M: Model>(model: &M, history: &[Operation<M::Input, M::Output>], part: &Part<'_, M>) -> Vec<Shown> {
    let both = part.operations.iter().zip(&part.calls);
    both.map(|(operation, call)| show(model, history, *operation, call.returned == NEVER)).collect()
}

fn around<M: Model>(
    model: &M,
    history: &[Operation<M::Input, M::Output>],
    object: &[u32],
    part: &Part<'_, M>,
) -> Vec<Shown> {
    let inside: BTreeSet<u32> = part.operations.iter().copied().collect();
    let begin = inside.iter().map(|operation| history[*operation as usize].invoked.index).min();
    let required = part.operations.iter().zip(&part.calls).filter(|(_, call)| call.returned != NEVER);
    let returns = required.filter_map(|(operation, _)| history[*operation as usize].returned.as_ref());
    let end = returns.map(|returned| returned.at.index).max();
    let (Some(begin), Some(end)) = (begin, end) else { return Vec::new() };
    let mut others: Vec<u32> = object.iter().copied().filter(|other| !inside.contains(other)).collect();
    others.sort_unstable_by_key(|other| history[*other as usize].invoked.index);
    let returned = |other: &u32| {
        let operation = &history[*other as usize];
        operation.returned.as_ref().map_or(operation.invoked.index, |returned| returned.at.index)
    };
    // What overlaps, and the one before and the one after.
    let before = others.iter().copied().filter(|other| returned(other) < begin).max_by_key(returned);
    let after = others.iter().copied().find(|other| history[*other as usize].invoked.index > end);
    others.retain(|other| returned(other) >= begin && history[*other as usize].invoked.index <= end);
    let skipped = others.len().saturating_sub(AROUND);
    let near = before.into_iter().chain(others.into_iter().skip(skipped)).chain(after);
    near.map(|other| show(model, history, other, history[other as usize].returned.is_none())).collect()
}

fn summary(model: &str, key: Option<&str>, operations: &[Shown], starts: &[Start]) -> String {
    let of = key.map_or_else(String::new, |key| format!(" under key {key}"));
    let count = match operations.len() {
        1 => "1 operation".to_owned(),
        count => format!("{count} operations"),
    };
    let why = starts.iter().filter_map(|start| start.partials.first()).flat_map(|partial| &partial.refused);
    let whys: BTreeSet<&str> = why.map(|refused| refused.why.as_str()).collect();
    match whys.into_iter().next() {
        Some(why) => format!("no order explains {count} on the {model}{of}: {why}"),
        None => format!("no order explains {count} on the {model}{of}"),
    }
}
