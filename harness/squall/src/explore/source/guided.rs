//! Guided: plans that reached something new are kept and changed further.
//!
//! Coverage-guided fuzzing as in AFL, where what is covered is not code but abstract states of the run
//! ([`Coverage::states`](crate::run::Coverage::states)): which event followed which on a node, what happened while which faults were
//! there, how often each invariant had something to judge. Parents are chosen by how rare what they reach is (Böhme, Pham and Roychoudhury,
//! "Coverage-based Greybox Fuzzing as Markov Chain", 2016).
//!
//! Half of the plans it draws are those of random, half those of swarm, so that what either finds easily is found as fast.

use std::collections::VecDeque;

use indexmap::IndexSet;
use squall_rt::world::Stream;

use crate::{
    plan::{RunId, Variation},
    pool::{Issue, Source},
    run::RunReport,
};

/// How many runs are drawn before any is changed.
const FIRST: u64 = 24;
/// A run may depend on what was learned up to so many runs before it: room for workers.
const LAG: u64 = 16;
/// How often a run is drawn afresh later on.
const FRESH: f64 = 0.4;
/// How many changes away from a drawn plan a plan may be.
const LONGEST: usize = 16;

/// See the [module](self).
pub(super) struct Guided {
    first: u64,
    total: u64,
    issued: u64,
    /// The runs whose reports are not taken into account yet.
    open: VecDeque<RunId>,
    /// What was learned of the first of them.
    learned: VecDeque<Vec<u32>>,
    corpus: Vec<Entry>,
    /// The states, in the order in which they were reached: each is told by its place in it.
    states: IndexSet<u32>,
    /// How many runs reached each.
    reached: Vec<u64>,
}

/// A run that reached something new.
struct Entry {
    id: RunId,
    states: Vec<usize>,
}

impl Guided {
    pub(super) fn new(first: u64, total: u64) -> Self {
        Guided {
            first,
            total,
            issued: 0,
            open: VecDeque::new(),
            learned: VecDeque::new(),
            corpus: Vec::new(),
            states: IndexSet::new(),
            reached: Vec::new(),
        }
    }

    fn apply(&mut self, states: Vec<u32>) {
        let id = self.open.pop_front().expect("only runs that were issued are reported on");
        let known = self.states.len();
        let states: Vec<usize> = states.into_iter().map(|state| self.states.insert_full(state).0).collect();
        self.reached.resize(self.states.len(), 0);
        for state in &states {
            self.reached[*state] += 1;
        }
        if self.states.len() > known {
            self.corpus.push(Entry { id, states });
        }
    }

    fn drawn(&self, nth: u64) -> RunId {
        RunId { seed: self.first.wrapping_add(nth), variation: Variation::Guided(Vec::new()) }
    }

    fn choose(&self, nth: u64) -> RunId {
        let mut stream = Stream::new(self.first, "guided", &nth.to_string());
        if nth < FIRST || self.corpus.is_empty() || stream.chance(FRESH) {
            return self.drawn(nth);
        }
        let rarity = |state: &usize| 1.0 / self.reached[*state] as f64;
        let weights: Vec<f64> =
            self.corpus.iter().map(|entry| entry.states.iter().map(rarity).sum()).collect();
        let mut left = weights.iter().sum::<f64>() * stream.unit();
        let at = weights.iter().position(|weight| {
            left -= weight;
            left < 0.0
        });
        let parent = &self.corpus[at.unwrap_or(weights.len() - 1)].id;
        let Variation::Guided(steps) = &parent.variation else { return self.drawn(nth) };
        if steps.len() >= LONGEST {
            return self.drawn(nth);
        }
        let mut steps = steps.clone();
        steps.push(self.first.wrapping_add(nth));
        RunId { seed: parent.seed, variation: Variation::Guided(steps) }
    }
}

impl Source for Guided {
    fn next(&mut self) -> Issue {
        let nth = self.issued;
        if nth >= self.total {
            return Issue::End;
        }
        // Exactly so many, whatever else is known by now: what is chosen must not depend on who is how fast.
        while self.open.len() as u64 > LAG {
            let Some(states) = self.learned.pop_front() else { return Issue::Later };
            self.apply(states);
        }
        let id = self.choose(nth);
        self.issued += 1;
        self.open.push_back(id.clone());
        Issue::Run(id)
    }

    fn learn(&mut self, report: &RunReport) {
        self.learned.push_back(report.coverage.states.iter().copied().collect());
    }

    fn total(&self) -> u64 {
        self.total
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::{Coverage, RunReport, Verdict};

    /// A run reaches the states of its steps, and those of its last digit.
    fn report(id: &RunId) -> RunReport {
        let Variation::Guided(steps) = &id.variation else { panic!("{id}") };
        let states = steps.iter().map(|step| *step as u32).chain([id.seed as u32 % 7]).collect();
        RunReport {
            coverage: Coverage { states, ..Coverage::default() },
            ..RunReport::lost(id.clone(), Verdict::Passed)
        }
    }

    /// All runs, when reports come in as soon as `patience` runs are open.
    fn runs(patience: usize) -> Vec<RunId> {
        let mut guided = Guided::new(100, 300);
        let mut open = VecDeque::new();
        let mut all = Vec::new();
        loop {
            match guided.next() {
                Issue::Run(id) => {
                    open.push_back(id.clone());
                    all.push(id);
                }
                Issue::Later => assert!(!open.is_empty(), "it waits for what it has been told"),
                Issue::End => return all,
            }
            while open.len() >= patience || (open.len() > LAG as usize) {
                let id = open.pop_front().expect("there is one");
                guided.learn(&report(&id));
            }
        }
    }

    #[test]
    fn what_is_issued_does_not_depend_on_when_reports_come() {
        let prompt = runs(1);
        assert_eq!(prompt.len(), 300);
        assert_eq!(prompt, runs(5));
        assert_eq!(prompt, runs(16));
    }

    #[test]
    fn it_begins_with_what_is_drawn_and_goes_on_from_what_was_new() {
        let all = runs(1);
        let changed = |id: &RunId| matches!(&id.variation, Variation::Guided(steps) if !steps.is_empty());
        assert!(!all[..FIRST as usize].iter().any(changed));
        assert!(all[FIRST as usize..].iter().filter(|id| changed(id)).count() > 150);
        assert!(
            all.iter().any(|id| matches!(&id.variation, Variation::Guided(steps) if steps.len() > 2)),
            "what came of a change is changed again"
        );
    }
}
