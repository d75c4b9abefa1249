//! Sweep: every single fault at every point of a run without faults, then pairs.
//!
//! The spec's own faults are tried as well, alone and two at a time. When they strike, whom, and what clients do meanwhile is drawn, so
//! each is tried in the runs of several seeds.
//!
//! What is covered is said at the end. Single faults and pairs of the spec's own are always all tried, however few runs were asked for;
//! pairs of points are as far as the runs that were asked for go.
//!
//! Two faults make a pair if an operation can have depended on both: both lie in the causal past of its outcome, after its invocation. (As
//! lineage-driven fault injection does; Alvaro, Rosen and Hellerstein, SIGMOD 2015.) Of pairs that differ only in which
//! members of a group they hit, one is tried.

use serde_json::json;

use self::tries::Tries;
use crate::{
    plan::{Injection, RunId, Variation},
    pool::{Issue, Source, Statement},
    run::RunReport,
    spec::{Spec, model::Strategy},
};

mod shape;
mod tries;

/// See the [module](self).
pub(super) struct Sweep {
    seed: u64,
    /// How many runs were asked for.
    asked: u64,
    /// The spec's own faults.
    faults: Vec<String>,
    stage: Stage,
    /// How many tries were issued.
    issued: u64,
    singles: Done,
    pairs: Done,
}

enum Stage {
    /// Nothing was issued.
    Before,
    /// The run without faults is under way.
    Recording,
    Ready(Tries),
}

/// What came of the runs so far.
#[derive(Default)]
struct Done {
    runs: u64,
    violations: u64,
    /// Runs in which a fault had nothing to touch: the run went another way before.
    in_vain: u64,
}

impl Sweep {
    pub(super) fn new(spec: &Spec, seed: u64, asked: u64) -> Self {
        let faults = spec.faults.iter().map(|fault| fault.id.value.clone()).collect();
        let (singles, pairs) = (Done::default(), Done::default());
        Sweep { seed, asked, faults, stage: Stage::Before, issued: 0, singles, pairs }
    }
}

impl Source for Sweep {
    fn next(&mut self) -> Issue {
        let (seed, injections) = match &self.stage {
            Stage::Before => {
                self.stage = Stage::Recording;
                (self.seed, Vec::new())
            }
            Stage::Recording => return Issue::Later,
            Stage::Ready(_) if self.issued + 1 >= self.total() => return Issue::End,
            Stage::Ready(tries) => {
                self.issued += 1;
                tries.nth(self.issued - 1)
            }
        };
        Issue::Run(RunId { seed, variation: Variation::Sweep(injections) })
    }

    fn learn(&mut self, report: &RunReport) {
        if let Stage::Recording = self.stage {
            self.stage = Stage::Ready(Tries::new(self.seed, &self.faults, report));
        }
        let Variation::Sweep(injections) = &report.run.variation else { return };
        let violated = u64::from(!report.passed());
        let done = match injections.len() {
            0 => {
                self.singles.violations += violated;
                return;
            }
            1 => &mut self.singles,
            _ => &mut self.pairs,
        };
        let touched = |(injection, nth): (&Injection, u32)| {
            let count = report.coverage.faults.get(&injection.fault(nth));
            count.is_some_and(|count| count.touched > 0)
        };
        done.runs += 1;
        done.violations += violated;
        done.in_vain += u64::from(!injections.iter().zip(1..).all(touched));
    }

    fn total(&self) -> u64 {
        match &self.stage {
            Stage::Ready(tries) => {
                let (least, most) = tries.counts();
                self.asked.clamp(1 + least, 1 + most)
            }
            _ => self.asked.max(1),
        }
    }

    fn statements(&self) -> Vec<Statement> {
        let Stage::Ready(tries) = &self.stage else { return Vec::new() };
        let singles = tries.singles();
        let pairs = tries.counts().1 - singles;
        let came_of = |done: &Done| {
            let vain = match done.in_vain {
                0 => String::new(),
                in_vain => format!(" ({} touched nothing)", thousands(in_vain)),
            };
            let many = if done.violations == 1 { "" } else { "s" };
            format!("{vain}, {} violation{many}", thousands(done.violations))
        };
        let covered = |done: &Done, of| format!("{} of {}", thousands(done.runs), thousands(of));
        let mut text = format!("single faults: {} covered", covered(&self.singles, singles));
        text += &came_of(&self.singles);
        text += &format!("; pairs: {}", covered(&self.pairs, pairs));
        if self.pairs.runs > 0 {
            text += &came_of(&self.pairs);
        }
        let numbers = json!({
            "single_faults": singles,
            "single_faults_covered": self.singles.runs,
            "single_faults_in_vain": self.singles.in_vain,
            "single_fault_violations": self.singles.violations,
            "pairs": pairs,
            "pairs_covered": self.pairs.runs,
            "pairs_in_vain": self.pairs.in_vain,
            "pair_violations": self.pairs.violations,
        });
        vec![Statement { strategy: Strategy::Sweep, text, numbers }]
    }
}

/// A number with commas.
fn thousands(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}
