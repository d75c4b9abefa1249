//! Where runs come from: each strategy is a source that says which run is next.
//!
//! A source is asked for runs one at a time and shown their reports in the same order. One that learns from reports has to
//! ask for those it needs ([`Issue::Later`]), so that what it issues depends on reports and never on which happens to be done: the sequence of
//! runs is the same with any number of workers.

use std::collections::VecDeque;

use super::Seeds;
use crate::{
    plan::{RunId, Variation},
    pool::{Issue, Source, Statement},
    run::RunReport,
    spec::{Spec, model::Strategy},
};

mod guided;
mod pct;
mod survey;
mod sweep;

/// The runs of a spec with these strategies.
pub(crate) fn source(spec: &Spec, strategies: &[Strategy], seeds: Seeds) -> Box<dyn Source> {
    if let [only] = strategies {
        return one(spec, *only, seeds, 0, 1);
    }
    let turns = strategies.len() as u64;
    let sources = strategies
        .iter()
        .zip(0..)
        .map(|(strategy, nth)| Turn { source: one(spec, *strategy, seeds, nth, turns), over: false })
        .collect();
    Box::new(Turns { sources, next: (seeds.start() % turns) as usize, open: VecDeque::new() })
}

/// The source of one strategy: of the seeds, it has each whose remainder by `of` is `nth`.
fn one(spec: &Spec, strategy: Strategy, seeds: Seeds, nth: u64, of: u64) -> Box<dyn Source> {
    let skip = (nth + of - seeds.start() % of) % of;
    let count = seeds.count().saturating_sub(skip).div_ceil(of);
    // Beyond the last seed only if there is none of that remainder.
    let first = seeds.start().wrapping_add(skip);
    let per_seed = |variation| Box::new(PerSeed { variation, first, step: of, issued: 0, total: count });
    match strategy {
        Strategy::Random => per_seed(Variation::None),
        Strategy::Swarm => per_seed(Variation::Swarm),
        Strategy::Sweep => Box::new(sweep::Sweep::new(spec, first, count)),
        Strategy::Pct => Box::new(pct::Pct::new(first, count)),
        Strategy::Guided => Box::new(guided::Guided::new(first, count)),
    }
}

/// A run for each seed.
struct PerSeed {
    variation: Variation,
    first: u64,
    step: u64,
    issued: u64,
    total: u64,
}

impl Source for PerSeed {
    fn next(&mut self) -> Issue {
        if self.issued >= self.total {
            return Issue::End;
        }
        let seed = self.first + self.step * self.issued;
        self.issued += 1;
        Issue::Run(RunId { seed, variation: self.variation.clone() })
    }

    fn total(&self) -> u64 {
        self.total
    }
}

struct Turn {
    source: Box<dyn Source>,
    over: bool,
}

/// Several sources that take turns. One that has to wait keeps its turn: whom it waits for must not decide who is next.
struct Turns {
    sources: Vec<Turn>,
    next: usize,
    /// Whose runs were issued and not yet reported on.
    open: VecDeque<usize>,
}

impl Source for Turns {
    fn next(&mut self) -> Issue {
        for _ in 0..self.sources.len() {
            let at = self.next;
            if !self.sources[at].over {
                match self.sources[at].source.next() {
                    Issue::Run(id) => {
                        self.open.push_back(at);
                        self.next = (at + 1) % self.sources.len();
                        return Issue::Run(id);
                    }
                    Issue::Later => return Issue::Later,
                    Issue::End => self.sources[at].over = true,
                }
            }
            self.next = (at + 1) % self.sources.len();
        }
        Issue::End
    }

    fn learn(&mut self, report: &RunReport) {
        let at = self.open.pop_front().expect("only runs that were issued are reported on");
        self.sources[at].source.learn(report);
    }

    fn total(&self) -> u64 {
        self.sources.iter().map(|turn| turn.source.total()).sum()
    }

    fn statements(&self) -> Vec<Statement> {
        self.sources.iter().flat_map(|turn| turn.source.statements()).collect()
    }
}
