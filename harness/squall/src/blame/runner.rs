//! Many runs of one spec, shared out over fresh processes.

use std::{thread, time::Duration};

use crate::{plan::RunId, pool::Pool, run::RunReport, spec::Spec};

/// Has runs done. What comes of it does not depend on how many at a time.
pub(crate) struct Runner<'a> {
    pool: &'a Pool,
    spec: &'a Spec,
    limit: Duration,
    /// How many were done.
    pub runs: u64,
}

impl<'a> Runner<'a> {
    /// `limit` is the wall-clock limit of one run.
    pub fn new(pool: &'a Pool, spec: &'a Spec, limit: Duration) -> Self {
        Runner { pool, spec, limit, runs: 0 }
    }

    /// One run, with its history.
    pub fn one(&mut self, run: &RunId) -> RunReport {
        self.runs += 1;
        self.pool.apart().run(self.spec, run, self.limit)
    }

    /// What `f` makes of each run's report, with its history; it is also given the run's position.
    pub fn each<T: Send>(&mut self, runs: &[RunId], f: &(dyn Fn(usize, RunReport) -> T + Sync)) -> Vec<T> {
        self.runs += runs.len() as u64;
        // Few at a time: histories are large, and only what is made of them is kept.
        const AT_ONCE: usize = 16;
        let lanes = Pool::default_jobs();
        let share = runs.len().div_ceil(lanes).max(1);
        let (pool, spec, limit) = (self.pool, self.spec, self.limit);
        let do_share = |lane: usize, share_of_it: &[RunId]| -> Vec<T> {
            let mut done = Vec::new();
            for batch in share_of_it.chunks(AT_ONCE) {
                let first = lane * share + done.len();
                let reports = pool.run_apart(spec, batch, limit);
                done.extend(reports.into_iter().enumerate().map(|(i, report)| f(first + i, report)));
            }
            done
        };
        thread::scope(|scope| {
            let do_share = &do_share;
            let lanes: Vec<_> = runs
                .chunks(share)
                .enumerate()
                .map(|(lane, runs)| scope.spawn(move || do_share(lane, runs)))
                .collect();
            lanes.into_iter().flat_map(|lane| lane.join().expect("a lane does not panic")).collect()
        })
    }
}
