//! Sequential consistency: all operations in one order that one process could have made, in which those of each process
//! are in the order in which it made them. Nothing is said about time between processes.
//!
//! L. Lamport, "How to make a multiprocessor computer that correctly executes multiprocess programs", IEEE ToC C-28(9),
//! 1979. Unlike linearizability it is not local: objects that are each sequentially consistent need not be so together, so
//! a history is judged as a whole. To judge is NP-complete even for registers (Gibbons and Korach 1997); this is the
//! [search](crate::linearizability) with another order.
//!
//! ```
//! use squall_checkers::{Budget, Operation, linearizability, sequential};
//! use squall_checkers::models::{Register, RegisterInput::*, RegisterOutput::*};
//!
//! let late = [Operation::ok(0, Write(1), Done, 0, 1), Operation::ok(1, Read, Value(0), 2, 3)];
//! assert!(linearizability::check(&Register::new(0), &late, Budget::default()).is_illegal());
//! assert!(sequential::check(&Register::new(0), &late, Budget::default()).is_legal());
//! ```

use std::collections::HashMap;

use rustc_hash::FxBuildHasher;

use crate::{
    explain::{self, Condition, Violation},
    history::{Operation, Process},
    model::{Call, Model, Strand},
    models::fingerprint,
    ranks::{self, Ranked},
    search::{self, ProgramOrder, Progress, Record, Search},
    verdict::{Budget, Meter, Verdict},
};

const BY: &str = "search in process order (after Wing and Gong 1993, Lowe 2017)";

/// Judges a history. Operations of one process must not overlap, except with those whose outcome is unknown: these may take
/// effect at any place after what their process did before them, or never.
///
/// # Panics
///
/// As [`linearizability::check`](crate::linearizability::check).
pub fn check<M: Model>(
    model: &M,
    history: &[Operation<M::Input, M::Output>],
    budget: Budget,
) -> Verdict<Violation> {
    let whole = Whole::of(model, history);
    let everything: Vec<u32> = (0..history.len() as u32).collect();
    let condition = ByProcess { processes: history.iter().map(|operation| operation.process).collect() };

    let Ranked { calls: unsorted, operations } = ranks::calls(&whole, history, &everything);
    let mut places: Vec<usize> = (0..unsorted.len()).collect();
    places.sort_unstable_by_key(|place| search::by_return(&unsorted[*place]));
    let calls: Vec<_> = places.iter().map(|place| unsorted[*place]).collect();
    let operations: Vec<u32> = places.iter().map(|place| operations[*place]).collect();
    let order = condition.order::<Whole<'_, M>>(&calls, &operations);
    let mut search = Search::new(&whole, calls, order, whole.initial(), Record::Nothing);
    match search.run(&mut Meter::new(budget), u64::MAX) {
        Ok(Progress::Impossible) => {
            let wrong = explain::Wrong { key: None, operations: &everything, by: BY, suspects: &[] };
            Verdict::Illegal(explain::violation(&whole, history, &condition, wrong, budget))
        }
        Ok(_) => Verdict::Legal { by: BY },
        Err(reason) => Verdict::Unknown { reason },
    }
}

/// What a process did before takes effect before.
struct ByProcess {
    /// By operation.
    processes: Vec<Process>,
}

impl Condition for ByProcess {
    type Order = ProgramOrder;
    const REAL_TIME: bool = false;

    fn order<M: Model>(&self, calls: &[Call<'_, M::Input, M::Output>], operations: &[u32]) -> ProgramOrder {
        let processes: Vec<Process> =
            operations.iter().map(|operation| self.processes[*operation as usize]).collect();
        ProgramOrder::of::<M>(calls, &processes)
    }
}

/// All objects of a history as one.
struct Whole<'m, M: Model> {
    model: &'m M,
    /// In the order in which they are first met. Empty if operations have no keys; then there is one object.
    keys: Vec<M::Key>,
    numbers: HashMap<M::Key, usize, FxBuildHasher>,
}

impl<'m, M: Model> Whole<'m, M> {
    fn of(model: &'m M, history: &[Operation<M::Input, M::Output>]) -> Self {
        let mut whole = Whole { model, keys: Vec::new(), numbers: HashMap::default() };
        for operation in history {
            let Some(key) = model.key(&operation.input) else {
                return Whole { model, keys: Vec::new(), numbers: HashMap::default() };
            };
            if !whole.numbers.contains_key(&key) {
                whole.numbers.insert(key.clone(), whole.keys.len());
                whole.keys.push(key);
            }
        }
        whole
    }

    fn object(&self, input: &M::Input) -> usize {
        if self.keys.is_empty() {
            return 0;
        }
        self.model.key(input).map_or(0, |key| self.numbers[&key])
    }

    fn on(&self, object: usize, what: String) -> String {
        match self.keys.get(object) {
            Some(key) => format!("{}: {what}", self.model.describe_key(key)),
            None => what,
        }
    }
}

impl<M: Model> Model for Whole<'_, M> {
    type State = Vec<M::State>;
    type Input = M::Input;
    type Output = M::Output;
    type Key = ();

    fn initial(&self) -> Self::State {
        vec![self.model.initial(); self.keys.len().max(1)]
    }

    fn apply(
        &self,
        state: &Self::State,
        input: &M::Input,
        output: Option<&M::Output>,
    ) -> Option<Self::State> {
        let object = self.object(input);
        let changed = self.model.apply(&state[object], input, output)?;
        let mut after = state.clone();
        after[object] = changed;
        Some(after)
    }

    fn reads_only(&self, input: &M::Input, output: Option<&M::Output>) -> bool {
        self.model.reads_only(input, output)
    }

    /// Each object by itself, with groups of its own.
    fn strands(&self, calls: &[Call<'_, M::Input, M::Output>]) -> Vec<Strand> {
        let mut objects: Vec<Vec<usize>> = vec![Vec::new(); self.keys.len().max(1)];
        for (place, call) in calls.iter().enumerate() {
            objects[self.object(call.input)].push(place);
        }
        let mut strands = vec![Strand::Fixed; calls.len()];
        for (object, places) in objects.iter().enumerate() {
            let calls: Vec<_> = places.iter().map(|place| calls[*place]).collect();
            for (place, strand) in places.iter().zip(self.model.strands(&calls)) {
                strands[*place] = match strand {
                    Strand::Group(group) => Strand::Group(fingerprint(&(object, group))),
                    Strand::AloneOrGroup(group) => Strand::AloneOrGroup(fingerprint(&(object, group))),
                    other => other,
                };
            }
        }
        strands
    }

    fn weight(&self, state: &Self::State) -> usize {
        size_of::<Self::State>() + state.iter().map(|state| self.model.weight(state)).sum::<usize>()
    }

    fn name(&self) -> &'static str {
        self.model.name()
    }

    fn describe(&self, input: &M::Input, output: Option<&M::Output>) -> String {
        self.on(self.object(input), self.model.describe(input, output))
    }

    fn describe_state(&self, state: &Self::State) -> String {
        let initial = self.model.initial();
        let changed =
            state.iter().enumerate().filter(|(_, state)| self.keys.is_empty() || **state != initial);
        let parts: Vec<String> =
            changed.map(|(object, state)| self.on(object, self.model.describe_state(state))).collect();
        if parts.is_empty() { "the initial state".to_owned() } else { parts.join(", ") }
    }

    fn refusal(&self, state: &Self::State, input: &M::Input, output: Option<&M::Output>) -> String {
        let object = self.object(input);
        self.on(object, self.model.refusal(&state[object], input, output))
    }
}
