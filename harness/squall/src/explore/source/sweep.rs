//! Sweep: every single fault at every point of a run without faults, then pairs.
//!
//! What is covered is said at the end. Single faults are always all tried, however few runs were asked for; pairs are as far as the
//! runs that were asked for go.
//!
//! Two faults make a pair if an operation can have depended on both: both lie in the causal past of its outcome, after its invocation. (As
//! lineage-driven fault injection does; Alvaro, Rosen and Hellerstein, SIGMOD 2015.) Of pairs that differ only in which
//! members of a group they hit, one is tried.

use std::collections::BTreeSet;

use serde_json::json;
use squall_rt::world::Stream;

use super::{
    Issue, Source, Statement,
    survey::{Site, survey},
};
use crate::{
    plan::{Injection, Point, RunId, Variation},
    run::RunReport,
    spec::{Spec, model::Strategy},
};

/// The most pairs that are held; of more, the first are tried.
const MOST_PAIRS: usize = 2_000_000;

/// See the [module](self).
pub(super) struct Sweep {
    seed: u64,
    /// How many runs were asked for.
    asked: u64,
    /// The spec's own faults.
    faults: Vec<String>,
    stage: Stage,
    issued: u64,
    learned: u64,
    violations: (u64, u64),
}

enum Stage {
    /// Nothing was issued.
    Before,
    /// The run without faults is under way.
    Recording,
    Ready(Ready),
}

struct Ready {
    singles: Vec<Injection>,
    pairs: Vec<(u32, u32)>,
}

impl Sweep {
    pub(super) fn new(spec: &Spec, seed: u64, asked: u64) -> Self {
        let faults = spec.faults.iter().map(|fault| fault.id.value.clone()).collect();
        Sweep { seed, asked, faults, stage: Stage::Before, issued: 0, learned: 0, violations: (0, 0) }
    }

    fn run(&self, injections: Vec<Injection>) -> Issue {
        Issue::Run(RunId { seed: self.seed, variation: Variation::Sweep(injections) })
    }

    /// What to try, when the run without faults is known.
    fn prepare(&self, report: &RunReport) -> Ready {
        let sites = survey(report);
        let own =
            self.faults.iter().map(|id| Site { point: Point::Fault(id.clone()), operations: Vec::new() });
        let all: Vec<(Injection, Site)> = own
            .chain(sites)
            .flat_map(|site| {
                let harms = site.point.harms();
                harms.map(move |harm| (Injection { harm, point: site.point.clone() }, site.clone()))
            })
            .collect();
        let mixed = self.mixed(all);
        let pairs = self.pairs(&mixed);
        Ready { singles: mixed.into_iter().map(|(injection, _)| injection).collect(), pairs }
    }

    /// One of each class in turns (what is done, to what, where), so that the first runs have something of everything.
    fn mixed(&self, all: Vec<(Injection, Site)>) -> Vec<(Injection, Site)> {
        let mut classes: Vec<(String, Vec<(Injection, Site)>)> = Vec::new();
        for one in all {
            let class = one.0.class();
            match classes.iter_mut().find(|(name, _)| *name == class) {
                Some((_, members)) => members.push(one),
                None => classes.push((class, vec![one])),
            }
        }
        for (class, members) in &mut classes {
            Stream::new(self.seed, "sweep", class).shuffle(members);
        }
        let mut mixed = Vec::new();
        let longest = classes.iter().map(|(_, members)| members.len()).max().unwrap_or(0);
        for i in 0..longest {
            mixed.extend(classes.iter().filter_map(|(_, members)| members.get(i)).cloned());
        }
        mixed
    }

    fn pairs(&self, singles: &[(Injection, Site)]) -> Vec<(u32, u32)> {
        let mut seen = BTreeSet::new();
        let mut pairs = Vec::new();
        'all: for (i, (first, site)) in singles.iter().enumerate() {
            for (j, (second, other)) in singles.iter().enumerate().skip(i + 1) {
                if first.point != second.point && site.meets(other) && seen.insert(symmetric(first, second)) {
                    pairs.push((i as u32, j as u32));
                    if pairs.len() >= MOST_PAIRS {
                        break 'all;
                    }
                }
            }
        }
        Stream::new(self.seed, "sweep", "pairs").shuffle(&mut pairs);
        pairs
    }
}

/// Two faults with the members of each group numbered in the order in which they come: equal for pairs that differ in nothing
/// but which members they hit.
fn symmetric(first: &Injection, second: &Injection) -> u64 {
    let text = format!("{first}+{second}");
    let mut members: Vec<&str> = Vec::new();
    let mut out = String::with_capacity(text.len());
    // A member is GROUP[INDEX], between colons.
    for part in text.split_inclusive([':', '+']) {
        let name = part.trim_end_matches([':', '+']);
        match name.split_once('[') {
            Some((group, _)) => {
                let nth = members
                    .iter()
                    .filter(|member| member.starts_with(group))
                    .position(|member| *member == name);
                let nth = nth.unwrap_or_else(|| {
                    let count = members.iter().filter(|member| member.starts_with(group)).count();
                    members.push(name);
                    count
                });
                out.push_str(group);
                out.push_str(&format!("[{nth}]:"));
            }
            None => out.push_str(part),
        }
    }
    xxhash_rust::xxh3::xxh3_64(out.as_bytes())
}

impl Source for Sweep {
    fn next(&mut self) -> Issue {
        let next = match &self.stage {
            Stage::Before => {
                let recording = self.run(Vec::new());
                self.stage = Stage::Recording;
                recording
            }
            Stage::Recording => return Issue::Later,
            Stage::Ready(_) if self.issued >= self.total() => return Issue::End,
            Stage::Ready(ready) => {
                let nth = (self.issued - 1) as usize;
                match nth.checked_sub(ready.singles.len()) {
                    None => self.run(vec![ready.singles[nth].clone()]),
                    Some(nth) => {
                        let (a, b) = ready.pairs[nth];
                        self.run(vec![ready.singles[a as usize].clone(), ready.singles[b as usize].clone()])
                    }
                }
            }
        };
        self.issued += 1;
        next
    }

    fn learn(&mut self, report: &RunReport) {
        if let Stage::Recording = self.stage {
            self.stage = Stage::Ready(self.prepare(report));
        }
        self.learned += 1;
        let violated = u64::from(!report.passed());
        let Variation::Sweep(injections) = &report.run.variation else { return };
        match injections.len() {
            0 | 1 => self.violations.0 += violated,
            _ => self.violations.1 += violated,
        }
    }

    fn total(&self) -> u64 {
        match &self.stage {
            Stage::Ready(ready) => {
                let (singles, pairs) = (ready.singles.len() as u64, ready.pairs.len() as u64);
                self.asked.clamp(1 + singles, 1 + singles + pairs)
            }
            _ => self.asked.max(1),
        }
    }

    fn statements(&self) -> Vec<Statement> {
        let Stage::Ready(ready) = &self.stage else { return Vec::new() };
        let (singles, pairs) = (ready.singles.len() as u64, ready.pairs.len() as u64);
        let done = self.learned.saturating_sub(1);
        let (did_singles, did_pairs) = (done.min(singles), done.saturating_sub(singles));
        let violations = |n: u64| match n {
            0 => "0 violations".to_owned(),
            1 => "1 violation".to_owned(),
            n => format!("{n} violations"),
        };
        let mut text = format!(
            "single faults: {} of {} covered, {}",
            thousands(did_singles),
            thousands(singles),
            violations(self.violations.0)
        );
        text += &format!("; pairs: {} of {}", thousands(did_pairs), thousands(pairs));
        if did_pairs > 0 {
            text += &format!(", {}", violations(self.violations.1));
        }
        let numbers = json!({
            "single_faults": singles,
            "single_faults_covered": did_singles,
            "single_fault_violations": self.violations.0,
            "pairs": pairs,
            "pairs_covered": did_pairs,
            "pair_violations": self.violations.1,
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
