//! What a sweep tries, in order.

use std::collections::HashSet;

use indexmap::IndexMap;
use squall_rt::world::Stream;

use super::{
    super::survey::{Site, survey},
    shape::shapes,
};
use crate::{
    plan::{Harm, Injection, Point},
    run::RunReport,
};

/// The most pairs of points that are held; of more, the first are tried.
const MOST_PAIRS: usize = 2_000_000;
/// In the runs of how many seeds each of the spec's own faults is tried, and each two of them. What they lead to in one run of three is
/// missed by all of these once in 17,000 times.
const SEEDS: u64 = 24;
/// How many turns each of them has where a class of points has one: the spec's author thinks more of them than of any point.
const TURNS: u64 = 4;

/// See the [module](self).
pub(super) struct Tries {
    /// The seed of the recorded run.
    seed: u64,
    /// Single faults, and pairs of the spec's own, each with the seed of its run.
    first: Vec<(u64, Vec<Injection>)>,
    /// What is done at the points of the recorded run, and which operations that can have had a part in.
    points: Vec<(Injection, Site)>,
    /// Two of these.
    pairs: Vec<(u32, u32)>,
}

impl Tries {
    /// From the run of that seed without faults; `own` are the spec's own faults.
    pub(super) fn new(seed: u64, own: &[String], recorded: &RunReport) -> Self {
        let points: Vec<(Injection, Site)> = survey(recorded)
            .into_iter()
            .flat_map(|site| {
                let harms = site.point.harms();
                harms.map(move |harm| (Injection { harm, point: site.point.clone() }, site.clone()))
            })
            .collect();
        let mut classes: IndexMap<String, Vec<(u64, Vec<Injection>)>> = IndexMap::new();
        let strike = |id: &String| Injection { harm: Harm::Strike, point: Point::Fault(id.clone()) };
        for (i, first) in own.iter().enumerate() {
            let alone = (first.clone(), vec![strike(first)]);
            let with = own[i + 1..]
                .iter()
                .map(|second| (format!("{first}+{second}"), vec![strike(first), strike(second)]));
            for (class, injections) in std::iter::once(alone).chain(with) {
                for seed in (0..SEEDS).map(|nth| seed.wrapping_add(nth)) {
                    let class = format!("{class} {}", seed % TURNS);
                    classes.entry(class).or_default().push((seed, injections.clone()));
                }
            }
        }
        for (injection, _) in &points {
            classes.entry(injection.class()).or_default().push((seed, vec![injection.clone()]));
        }
        let pairs = pairs(seed, &points);
        Tries { seed, first: mixed(seed, classes), points, pairs }
    }

    /// How many are tried however few runs were asked for, and how many there are in all.
    pub(super) fn counts(&self) -> (u64, u64) {
        let first = self.first.len() as u64;
        (first, first + self.pairs.len() as u64)
    }

    /// How many single faults there are.
    pub(super) fn singles(&self) -> u64 {
        self.first.iter().filter(|(_, injections)| injections.len() == 1).count() as u64
    }

    /// The seed and the faults of the n-th, from 0. There must be so many.
    pub(super) fn nth(&self, nth: u64) -> (u64, Vec<Injection>) {
        match self.first.get(nth as usize) {
            Some(one) => one.clone(),
            None => {
                let (first, second) = self.pairs[nth as usize - self.first.len()];
                let injection = |place: u32| self.points[place as usize].0.clone();
                (self.seed, vec![injection(first), injection(second)])
            }
        }
    }
}

/// One of each class (what is done, to what, where) in turns, so that the first runs have something of everything.
fn mixed<T: Clone>(seed: u64, mut classes: IndexMap<String, Vec<T>>) -> Vec<T> {
    for (class, members) in &mut classes {
        Stream::new(seed, "sweep", class).shuffle(members);
    }
    let longest = classes.values().map(Vec::len).max().unwrap_or(0);
    (0..longest).flat_map(|i| classes.values().filter_map(move |members| members.get(i)).cloned()).collect()
}

/// Those that one operation can have met, of each kind one.
fn pairs(seed: u64, points: &[(Injection, Site)]) -> Vec<(u32, u32)> {
    let shapes = shapes(points.iter().map(|(injection, _)| injection));
    let mut seen = HashSet::new();
    let mut pairs = Vec::new();
    'all: for (i, (first, site)) in points.iter().enumerate() {
        for (j, (second, other)) in points.iter().enumerate().skip(i + 1) {
            let apart = first.point != second.point && site.meets(other);
            if apart && seen.insert(shapes[i].with(&shapes[j])) {
                pairs.push((i as u32, j as u32));
                if pairs.len() >= MOST_PAIRS {
                    break 'all;
                }
            }
        }
    }
    Stream::new(seed, "sweep", "pairs").shuffle(&mut pairs);
    pairs
}
