//! Pct: two delays or pauses at random points of the spec's own run, with a bound on the chance to miss what two suffice for.
//!
//! After Burckhardt, Kothari, Musuvathi and Nagarakatte, "A Randomized Scheduler with Probabilistic Guarantees of Finding Bugs"
//! (ASPLOS 2010): a bug of depth d needs d - 1 changes of priority, at points among k, and random points hit it with a probability of at
//! least 1 / k^(d-1). Here a change of priority is a packet or a call that comes late, or a node that stands still, at a point of a run that was
//! recorded: the spec's own, faults and all, of every hundredth seed. Unlike there no priorities are drawn to begin with: in a distributed
//! system what runs first is up to the network, which the seed draws.

use serde_json::json;
use squall_rt::world::Stream;

use super::survey::survey;
use crate::{
    plan::{Harm, Injection, Point, RunId, Variation},
    pool::{Issue, Source, Statement},
    run::RunReport,
    spec::model::Strategy,
};

/// How many runs are made of a recorded one, that one included.
const OF_ONE: u64 = 100;
/// The depth of the bugs that are looked for: one more than points that are disturbed.
const DEPTH: usize = 3;

/// See the [module](self).
pub(super) struct Pct {
    first: u64,
    total: u64,
    issued: u64,
    learned: u64,
    /// The recorded run's points, each with what is done there.
    points: Vec<Injection>,
    /// For each recorded run that is done with or under way: its points, and how many runs were made of it.
    blocks: Vec<(usize, u64)>,
}

impl Pct {
    pub(super) fn new(first: u64, total: u64) -> Self {
        Pct { first, total, issued: 0, learned: 0, points: Vec::new(), blocks: Vec::new() }
    }

    /// So many points, each at most once.
    fn choose(&self, seed: u64, nth: u64) -> Vec<Injection> {
        let mut stream = Stream::new(seed, "pct", &nth.to_string());
        let mut points: Vec<usize> = Vec::new();
        while points.len() < (DEPTH - 1).min(self.points.len()) {
            let point = stream.pick(self.points.len());
            if !points.contains(&point) {
                points.push(point);
            }
        }
        points.sort_unstable();
        points.into_iter().map(|point| self.points[point].clone()).collect()
    }
}

/// How a point is put off.
fn put_off(point: Point) -> Injection {
    let harm = match point {
        Point::Message { .. } | Point::Call { .. } => Harm::Delay,
        _ => Harm::Pause,
    };
    Injection { harm, point }
}

impl Source for Pct {
    fn next(&mut self) -> Issue {
        if self.issued >= self.total {
            return Issue::End;
        }
        let nth = self.issued % OF_ONE;
        // A recorded run is learned from before any is made of it, and the runs of one are done before the next is recorded.
        if (nth == 0 && self.learned < self.issued) || (nth > 0 && self.learned <= self.issued - nth) {
            return Issue::Later;
        }
        let seed = self.first.wrapping_add(self.issued - nth);
        let injections = if nth == 0 { Vec::new() } else { self.choose(seed, nth) };
        self.issued += 1;
        Issue::Run(RunId { seed, variation: Variation::Pct(injections) })
    }

    fn learn(&mut self, report: &RunReport) {
        if self.learned.is_multiple_of(OF_ONE) {
            // A sync cannot be put off but by a pause, which the steps around it are for.
            let sites = survey(report).into_iter().map(|site| site.point);
            self.points = sites.filter(|point| !matches!(point, Point::Sync { .. })).map(put_off).collect();
            self.blocks.push((self.points.len(), 0));
        } else if let Some((_, runs)) = self.blocks.last_mut() {
            *runs += 1;
        }
        self.learned += 1;
    }

    fn total(&self) -> u64 {
        self.total
    }

    fn statements(&self) -> Vec<Statement> {
        let tried: Vec<_> =
            self.blocks.iter().filter(|(points, runs)| *points >= DEPTH && *runs > 0).collect();
        let Some((points, runs)) = tried.iter().max() else { return Vec::new() };
        let sets = *points as f64 * (*points as f64 - 1.0) / 2.0;
        let hit = -libm::expm1(*runs as f64 * libm::log1p(-1.0 / sets));
        let text = format!(
            "depth {DEPTH}: {runs} runs with two of {points} points put off, so what two given ones make fail is found with \
             a probability of {:.2}% at least",
            hit * 100.0
        );
        let numbers = json!({ "depth": DEPTH, "points": points, "runs": runs, "probability": hit });
        vec![Statement { strategy: Strategy::Pct, text, numbers }]
    }
}
