//! The search for an order in which a sequential object could have given all answers: depth first, one operation after
//! another, going back where nothing fits.
//!
//! J. M. Wing and C. Gong, "Testing and verifying concurrent objects", JPDC 17, 1993; G. Lowe, "Testing for
//! linearizability", CCPE 29(4), 2017, whose memory of configurations (what took effect, and the state) keeps work from
//! being done twice. The memory is indexed by a hash and compared exactly, so that a collision costs time, never a verdict.
//!
//! Beyond these papers:
//!
//! - An operation that only reads and that fits now is taken at once, without alternatives: it fits in no fewer orders of
//!   the rest if it comes first.
//! - Of operations that ask and answer the same, and that could both be next, the one that returns first is next.
//! - What took effect is written down as how many operations in order of their returns, and which beyond these. That is as
//!   short as the concurrency is, however long the history.
//! - Operations that need not happen are tried last, and never when they leave the state as it is. A configuration that differs from one met
//!   before by nothing but more of them is not looked at: what comes after it could come after the other as well, as none of them must happen.
//!   So that one with less is met first, all ways to take one of them are noted before any is gone.

mod program_order;
mod real_time;

use crate::{
    memory::{Numbered, Sequences},
    model::{Call, Model},
    verdict::{Exhausted, Meter},
};

pub(crate) use self::{program_order::ProgramOrder, real_time::RealTime};

/// By this searches number calls: those that must happen first.
pub(crate) fn by_return<I, O>(call: &Call<'_, I, O>) -> (u32, u32) {
    (call.returned, call.invoked)
}

/// Which calls may be next. Calls below [`required`](Order::required) must all happen, those from there on need not.
pub(crate) trait Order {
    /// How many calls must happen.
    fn required(&self) -> u32;
    /// How many of them have not been taken.
    fn left(&self) -> u32;
    /// The first required call from a cursor on that may be next, and the cursor after it. Zero is the first cursor.
    fn candidate(&self, cursor: u32) -> Option<(u32, u32)>;
    /// The same for calls that need not happen.
    fn optional(&self, cursor: u32) -> Option<(u32, u32)>;
    /// Takes a call.
    fn take(&mut self, call: u32);
    /// Puts back the last call that was taken.
    fn put_back(&mut self, call: u32);
    /// Which required calls were taken, as short as possible: the same words if and only if the same calls.
    fn words(&self, words: &mut Vec<u32>);
    /// Which calls were taken that need not happen, sorted.
    fn beside(&self, beside: &mut Vec<u32>);
    /// How many required calls, in the order in which they return, were all taken; zero where returns do not matter.
    fn done(&self) -> u32;
}

/// What is looked at next in a configuration.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Reads,
    Changes,
    /// Ways to take a call that need not happen are noted, and then gone, one after the other; the cursor says how many are left.
    Notes,
    Optional,
    Over,
}

/// The way back to a configuration.
struct Frame {
    call: u32,
    state: u32,
    cursor: u32,
    phase: Phase,
}

/// How far a search came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// There is an order.
    Found,
    /// There is none.
    Impossible,
    /// The slice is used up.
    Paused,
}

/// A search that can be interrupted.
pub(crate) struct Search<'m, 'a, M: Model, P> {
    model: &'m M,
    calls: Vec<Call<'a, M::Input, M::Output>>,
    reads: Vec<bool>,
    order: P,
    states: Numbered<M::State>,
    met: Sequences,
    stack: Vec<Frame>,
    /// The configuration that is being looked at.
    state: u32,
    cursor: u32,
    phase: Phase,
    configuration: Vec<u32>,
    beside: Vec<u32>,
    /// Ways that were noted, each a call and the state after it; the last ones are those of the configuration that is being looked at.
    noted: Vec<(u32, u32)>,
    /// The most calls, in order of returns, that were all taken at once.
    furthest: u32,
    record: Record,
    ends: Vec<(u32, Vec<u32>)>,
}

/// What to remember besides the verdict.
#[derive(Default)]
pub(crate) enum Record {
    /// Nothing.
    #[default]
    Nothing,
    /// For each call, the longest order of effects with it, by number into the list.
    Longest { orders: Vec<Vec<u32>>, by_call: Vec<Option<usize>> },
    /// All configurations in which all required calls have been taken.
    Ends,
}

impl<'m, 'a, M: Model, P: Order> Search<'m, 'a, M, P> {
    /// A search from a state. Calls are numbered as the order wants it.
    pub(crate) fn new(
        model: &'m M,
        calls: Vec<Call<'a, M::Input, M::Output>>,
        order: P,
        start: M::State,
        record: Record,
    ) -> Self {
        let reads = calls.iter().map(|call| model.reads_only(call.input, call.output)).collect();
        Search {
            model,
            calls,
            reads,
            order,
            states: Numbered::new(start),
            met: Sequences::default(),
            stack: Vec::new(),
            state: 0,
            cursor: 0,
            phase: Phase::Reads,
            configuration: Vec::new(),
            beside: Vec::new(),
            noted: Vec::new(),
            furthest: 0,
            record,
            ends: Vec::new(),
        }
    }

    /// Goes on for about so many steps. The budget may end it earlier.
    pub(crate) fn run(&mut self, meter: &mut Meter, slice: u64) -> Result<Progress, Exhausted> {
        let until = meter.steps().saturating_add(slice);
        if self.stack.is_empty() && self.phase == Phase::Reads && self.cursor == 0 && self.arrived() {
            return Ok(Progress::Found);
        }
        while meter.steps() < until {
            let Some((call, after)) = self.next(meter)? else {
                self.remember_longest();
                let Some(frame) = self.stack.pop() else { return Ok(Progress::Impossible) };
                self.order.put_back(frame.call);
                (self.state, self.cursor, self.phase) = (frame.state, frame.cursor, frame.phase);
                continue;
            };
            self.order.take(call);
            // What is forced has no alternative, and what was noted is new.
            if self.phase == Phase::Changes && !self.is_new(after, meter)? {
                self.order.put_back(call);
                continue;
            }
            self.stack.push(Frame { call, state: self.state, cursor: self.cursor, phase: self.phase });
            (self.state, self.cursor, self.phase) = (after, 0, Phase::Reads);
            if self.arrived() {
                return Ok(Progress::Found);
            }
        }
        Ok(Progress::Paused)
    }

    /// Whether what was taken, with this state, has not been met yet. From now on it has.
    fn is_new(&mut self, state: u32, meter: &mut Meter) -> Result<bool, Exhausted> {
        self.configuration.clear();
        self.configuration.push(state);
        self.order.words(&mut self.configuration);
        self.beside.clear();
        self.order.beside(&mut self.beside);
        self.met.add(&self.configuration, &self.beside, meter)
    }

    /// The next call to take in this configuration, and the state after it.
    fn next(&mut self, meter: &mut Meter) -> Result<Option<(u32, u32)>, Exhausted> {
        loop {
            let found = match self.phase {
                Phase::Over => return Ok(None),
                Phase::Optional => match self.cursor.checked_sub(1) {
                    Some(left) => {
                        self.cursor = left;
                        meter.forget(size_of::<(u32, u32)>());
                        return Ok(self.noted.pop());
                    }
                    None => None,
                },
                Phase::Notes => {
                    self.cursor = self.note(meter)?;
                    self.phase = Phase::Optional;
                    continue;
                }
                Phase::Reads | Phase::Changes => self.order.candidate(self.cursor),
            };
            let Some((call, cursor)) = found else {
                self.cursor = 0;
                self.phase = match self.phase {
                    Phase::Reads => Phase::Changes,
                    Phase::Changes => Phase::Notes,
                    Phase::Notes | Phase::Optional | Phase::Over => Phase::Over,
                };
                continue;
            };
            self.cursor = cursor;
            if self.reads[call as usize] != (self.phase == Phase::Reads) {
                continue;
            }
            let Some(after) = self.apply(call, meter)? else { continue };
            if self.phase == Phase::Reads {
                self.phase = Phase::Over;
            }
            return Ok(Some((call, after)));
        }
    }

    /// The state after a call, if it is possible.
    fn apply(&mut self, call: u32, meter: &mut Meter) -> Result<Option<u32>, Exhausted> {
        meter.step()?;
        let Call { input, output, .. } = self.calls[call as usize];
        let Some(after) = self.model.apply(&self.states.all[self.state as usize], input, output) else {
            return Ok(None);
        };
        if self.phase == Phase::Reads {
            return Ok(Some(self.state));
        }
        let weight = self.model.weight(&after);
        self.states.number(after, weight, meter).map(Some)
    }

    /// Notes all ways to take a call that need not happen; how many there are.
    fn note(&mut self, meter: &mut Meter) -> Result<u32, Exhausted> {
        let (before, mut cursor) = (self.noted.len(), 0);
        while let Some((call, after_it)) = self.order.optional(cursor) {
            cursor = after_it;
            let Some(after) = self.apply(call, meter)?.filter(|after| *after != self.state) else { continue };
            self.order.take(call);
            let new = self.is_new(after, meter);
            self.order.put_back(call);
            if new? {
                meter.remember(size_of::<(u32, u32)>())?;
                self.noted.push((call, after));
            }
        }
        // They are taken from the end.
        self.noted[before..].reverse();
        Ok((self.noted.len() - before) as u32)
    }

    /// Looks at a configuration that was just reached; true if the search is over.
    fn arrived(&mut self) -> bool {
        self.furthest = self.furthest.max(self.order.done());
        if self.order.left() > 0 {
            return false;
        }
        let Record::Ends = self.record else { return true };
        let required = self.order.required();
        let optional = self.stack.iter().map(|frame| frame.call).filter(|call| *call >= required);
        let mut taken: Vec<u32> = optional.collect();
        taken.sort_unstable();
        let end = (self.state, taken);
        if !self.ends.contains(&end) {
            self.ends.push(end);
        }
        false
    }

    fn remember_longest(&mut self) {
        let Record::Longest { orders, by_call } = &mut self.record else { return };
        let length = |place: Option<usize>, orders: &[Vec<u32>]| place.map_or(0, |place| orders[place].len());
        let depth = self.stack.len();
        if self.stack.iter().all(|frame| length(by_call[frame.call as usize], orders) >= depth) {
            return;
        }
        for frame in &self.stack {
            let best = &mut by_call[frame.call as usize];
            if length(*best, orders) < depth {
                *best = Some(orders.len());
            }
        }
        orders.push(self.stack.iter().map(|frame| frame.call).collect());
    }

    /// Gives back what it remembers.
    pub(crate) fn release(self, meter: &mut Meter) -> Released<M::State> {
        meter.forget(self.met.held() + self.states.held() + self.noted.len() * size_of::<(u32, u32)>());
        let ends =
            self.ends.into_iter().map(|(state, taken)| (self.states.all[state as usize].clone(), taken));
        Released { furthest: self.furthest, ends: ends.collect(), record: self.record }
    }
}

/// What is left of a search.
pub(crate) struct Released<S> {
    /// The most calls, in order of returns, that were all taken at once. If there is no order, there is none for the calls
    /// up to this one either.
    pub(crate) furthest: u32,
    /// With [`Record::Ends`]: the states, each with the optional calls that were taken.
    pub(crate) ends: Vec<(S, Vec<u32>)>,
    /// The rest of what was asked for.
    pub(crate) record: Record,
}
