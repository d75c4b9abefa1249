//! Sweep: every single fault at every point of a run without faults, then pairs.
//!
//! The spec's own faults are tried alone as well. When they strike, whom, and what clients do meanwhile is drawn, so each is tried in the runs
//! of several seeds.
//!
//! What is covered is said at the end. Single faults are always all tried, however few runs were asked for; pairs are as far as the
//! runs that were asked for go.
//!
//! Two faults make a pair if an operation can have depended on both: both lie in the causal past of its outcome, after its invocation. (As
//! lineage-driven fault injection does; Alvaro, Rosen and Hellerstein, SIGMOD 2015.) Of pairs that differ only in which
//! members of a group they hit, one is tried. The first pairs are of the spec's own faults: its author had them in mind together.

use std::collections::{BTreeMap, HashSet};

use indexmap::IndexMap;
use serde_json::json;
use squall_rt::world::Stream;
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

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
/// In the runs of how many seeds each of the spec's own faults is tried. What it leads to in one run of three is missed by all of them once
/// in 17,000 times.
const SEEDS: u64 = 24;
/// How many turns each of them has.
const TURNS: u64 = 4;

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
    /// Of single faults, and of pairs.
    violations: (u64, u64),
    /// Runs in which a fault had nothing to touch: the run went another way before.
    in_vain: (u64, u64),
}

enum Stage {
    /// Nothing was issued.
    Before,
    /// The run without faults is under way.
    Recording,
    Ready(Ready),
}

struct Ready {
    singles: Vec<Single>,
    /// Places of two singles of the same seed.
    pairs: Vec<(u32, u32)>,
}

/// A single fault, in the run of a seed.
#[derive(Clone)]
struct Single {
    seed: u64,
    injection: Injection,
    /// Which operations it can have had a part in.
    site: Site,
}

impl Single {
    /// What takes turns: what is done to what, and where, but for which time. An own fault of the spec has several turns where others have
    /// one: its author thinks more of it than of any point.
    fn class(&self) -> String {
        match &self.injection.point {
            Point::Fault(id) => format!("{id} {}", self.seed % TURNS),
            _ => self.injection.class(),
        }
    }
}

impl Sweep {
    pub(super) fn new(spec: &Spec, seed: u64, asked: u64) -> Self {
        let faults = spec.faults.iter().map(|fault| fault.id.value.clone()).collect();
        Sweep {
            seed,
            asked,
            faults,
            stage: Stage::Before,
            issued: 0,
            learned: 0,
            violations: (0, 0),
            in_vain: (0, 0),
        }
    }

    fn run(seed: u64, injections: Vec<Injection>) -> Issue {
        Issue::Run(RunId { seed, variation: Variation::Sweep(injections) })
    }

    /// What to try, when the run without faults is known.
    fn prepare(&self, report: &RunReport) -> Ready {
        let own = self.faults.iter().flat_map(|id| {
            let site = Site { point: Point::Fault(id.clone()), operations: Vec::new() };
            (0..SEEDS).map(move |nth| (self.seed.wrapping_add(nth), site.clone()))
        });
        let recorded = survey(report).into_iter().map(|site| (self.seed, site));
        let all = own.chain(recorded).flat_map(|(seed, site)| {
            site.point.harms().map(move |harm| {
                let injection = Injection { harm, point: site.point.clone() };
                Single { seed, injection, site: site.clone() }
            })
        });
        let singles = self.mixed(all);
        let pairs = self.pairs(&singles);
        Ready { singles, pairs }
    }

    /// One of each class in turns, so that the first runs have something of everything.
    fn mixed(&self, all: impl Iterator<Item = Single>) -> Vec<Single> {
        let mut classes: IndexMap<String, Vec<Single>> = IndexMap::new();
        for one in all {
            classes.entry(one.class()).or_default().push(one);
        }
        for (class, members) in &mut classes {
            Stream::new(self.seed, "sweep", class).shuffle(members);
        }
        let mut mixed = Vec::new();
        let longest = classes.values().map(Vec::len).max().unwrap_or(0);
        for i in 0..longest {
            mixed.extend(classes.values().filter_map(|members| members.get(i)).cloned());
        }
        mixed
    }

    fn pairs(&self, singles: &[Single]) -> Vec<(u32, u32)> {
        let shapes = shapes(singles.iter().map(|single| &single.injection));
        let mut seen = HashSet::new();
        let mut pairs = Vec::new();
        'all: for (i, first) in singles.iter().enumerate() {
            for (j, second) in singles.iter().enumerate().skip(i + 1) {
                if first.injection.point != second.injection.point
                    && first.site.meets(&second.site)
                    && seen.insert(shapes[i].with(&shapes[j]))
                {
                    pairs.push((i as u32, j as u32));
                    if pairs.len() >= MOST_PAIRS {
                        break 'all;
                    }
                }
            }
        }
        Stream::new(self.seed, "sweep", "pairs").shuffle(&mut pairs);
        let mut all = self.own_pairs(singles);
        all.append(&mut pairs);
        all
    }

    /// Each two of the spec's own faults, in the run of each seed.
    fn own_pairs(&self, singles: &[Single]) -> Vec<(u32, u32)> {
        let places: BTreeMap<(&str, u64), u32> = singles
            .iter()
            .zip(0..)
            .filter_map(|(single, place)| match &single.injection.point {
                Point::Fault(id) => Some(((id.as_str(), single.seed), place)),
                _ => None,
            })
            .collect();
        let mut pairs = Vec::new();
        for seed in (0..SEEDS).map(|nth| self.seed.wrapping_add(nth)) {
            for (i, first) in self.faults.iter().enumerate() {
                for second in &self.faults[i + 1..] {
                    pairs.push((places[&(first.as_str(), seed)], places[&(second.as_str(), seed)]));
                }
            }
        }
        pairs
    }
}

/// An injection but for which members of groups it names, and those.
struct Shape {
    template: u64,
    /// Numbers of groups and members.
    members: Vec<(usize, usize)>,
}

fn shapes<'a>(injections: impl Iterator<Item = &'a Injection>) -> Vec<Shape> {
    let mut numbers: IndexMap<String, ()> = IndexMap::new();
    let mut number = |name: &str| numbers.insert_full(name.to_owned(), ()).0;
    let shape = |injection: &Injection| {
        let (mut template, mut members) = (String::new(), Vec::new());
        // A member is GROUP[INDEX], between colons.
        for part in injection.to_string().split_inclusive(':') {
            match part.split_once('[') {
                Some((group, _)) => {
                    template += group;
                    template += "[]:";
                    members.push((number(group), number(part.trim_end_matches(':'))));
                }
                None => template += part,
            }
        }
        Shape { template: xxh3_64(template.as_bytes()), members }
    };
    injections.map(shape).collect()
}

impl Shape {
    /// Both, with the members of each group numbered in the order in which they come: equal for pairs that differ in nothing
    /// but which members they hit.
    fn with(&self, other: &Shape) -> u64 {
        let members = || self.members.iter().chain(&other.members);
        let mix = |hash, part: u64| xxh3_64_with_seed(&part.to_le_bytes(), hash);
        let mut hash = mix(self.template, other.template);
        for (i, (group, member)) in members().enumerate() {
            let first = members().position(|(_, other)| other == member).unwrap_or(i);
            // The first place where it comes says which it is, among those of its group.
            let nth = members().take(first).filter(|(other, _)| other == group).count();
            hash = mix(hash, nth as u64);
        }
        hash
    }
}

impl Source for Sweep {
    fn next(&mut self) -> Issue {
        let next = match &self.stage {
            Stage::Before => {
                let recording = Self::run(self.seed, Vec::new());
                self.stage = Stage::Recording;
                recording
            }
            Stage::Recording => return Issue::Later,
            Stage::Ready(_) if self.issued >= self.total() => return Issue::End,
            Stage::Ready(ready) => {
                let nth = (self.issued - 1) as usize;
                let (first, second) = match nth.checked_sub(ready.singles.len()) {
                    None => (&ready.singles[nth], None),
                    Some(nth) => {
                        let (first, second) = ready.pairs[nth];
                        (&ready.singles[first as usize], Some(&ready.singles[second as usize]))
                    }
                };
                let both = [Some(first), second].into_iter().flatten();
                Self::run(first.seed, both.map(|single| single.injection.clone()).collect())
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
        let touched = |(injection, nth): (&Injection, u32)| {
            let count = report.coverage.faults.get(&injection.fault(nth));
            count.is_some_and(|count| count.touched > 0)
        };
        let in_vain = u64::from(!injections.iter().zip(1..).all(touched));
        let (violations, vain) = match injections.len() {
            0 | 1 => (&mut self.violations.0, &mut self.in_vain.0),
            _ => (&mut self.violations.1, &mut self.in_vain.1),
        };
        *violations += violated;
        *vain += in_vain;
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
        let came_of = |violations: u64, in_vain: u64| {
            let vain = if in_vain == 0 {
                String::new()
            } else {
                format!(" ({} touched nothing)", thousands(in_vain))
            };
            format!("{vain}, {} violation{}", thousands(violations), if violations == 1 { "" } else { "s" })
        };
        let covered = |did, of| format!("{} of {}", thousands(did), thousands(of));
        let mut text = format!("single faults: {} covered", covered(did_singles, singles));
        text += &came_of(self.violations.0, self.in_vain.0);
        text += &format!("; pairs: {}", covered(did_pairs, pairs));
        if did_pairs > 0 {
            text += &came_of(self.violations.1, self.in_vain.1);
        }
        let numbers = json!({
            "single_faults": singles,
            "single_faults_covered": did_singles,
            "single_faults_in_vain": self.in_vain.0,
            "single_fault_violations": self.violations.0,
            "pairs": pairs,
            "pairs_covered": did_pairs,
            "pairs_in_vain": self.in_vain.1,
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
