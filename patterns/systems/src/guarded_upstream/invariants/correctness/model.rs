//! A breaker as the pattern describes it: told what was decided and how calls ended, it says what is wrong with that.

use std::{collections::BTreeMap, time::Duration};

use squall_patterns::circuit_breaker::{Config, Window};

use super::super::super::observed::{Said, State};

/// What is wrong: a class and a sentence.
pub(super) type Wrong = (&'static str, String);

/// One result that counts in the current generation.
struct Counted {
    at: Duration,
    failed: bool,
    slow: bool,
}

/// What a breaker must be in, told from the calls so far.
pub(super) struct Model {
    state: State,
    generation: i64,
    /// When the state was entered, in effect.
    since: Duration,
    /// How often it opened since it was last closed.
    trips: u32,
    /// The results of this generation, all of them.
    results: Vec<Counted>,
    /// Permits that are out, with their generation and when they were given.
    permits: BTreeMap<i64, (i64, Duration)>,
    /// The transition that the last result demands.
    due: Option<State>,
    /// The record of the last transition.
    pub(super) seq: u64,
}

impl Model {
    pub(super) fn new(at: Duration, seq: u64) -> Self {
        Model {
            state: State::Closed,
            generation: 0,
            since: at,
            trips: 0,
            results: Vec::new(),
            permits: BTreeMap::new(),
            due: None,
            seq,
        }
    }

    pub(super) fn judge(&mut self, config: &Config, at: Duration, seq: u64, said: Said) -> Result<(), Wrong> {
        if let Said::Transition { from, to, generation } = said {
            return self.transition(config, at, seq, (from, to), generation);
        }
        match self.due {
            Some(State::Open) => return Err(("did_not_open", self.count_up(config, at))),
            Some(_) => return Err(("did_not_close", self.count_up(config, at))),
            None => {}
        }
        if self.half_open_until(config).is_some_and(|until| at >= until) {
            let limit = config.half_open.max_wait;
            return Err((
                "half_open_too_long",
                format!("half-open since {:?}, at most for {limit:?}", self.since),
            ));
        }
        match said {
            Said::Admitted { generation, permit } => self.admitted(config, at, generation, permit),
            Said::Rejected { generation } => self.rejected(config, at, generation),
            Said::Result { permit, failed, late } => self.result(config, at, permit, failed, late),
            Said::Returned { permit, late } => self.take_back(permit, late).map(|_| ()),
            Said::Created | Said::Transition { .. } | Said::CallEnded { .. } | Said::Received { .. } => {
                Ok(())
            }
        }
    }

    fn transition(
        &mut self,
        config: &Config,
        at: Duration,
        seq: u64,
        change: (Option<State>, Option<State>),
        generation: i64,
    ) -> Result<(), Wrong> {
        let mut since = at;
        match change {
            (Some(from), _) if from != self.state => {
                return Err(("not_in_diagram", format!("it leaves {from:?}, and it was {:?}", self.state)));
            }
            (Some(State::Closed), Some(State::Open)) => {
                if self.due != Some(State::Open) {
                    return Err(("opened_too_soon", self.count_up(config, at)));
                }
            }
            (Some(State::Open), Some(State::HalfOpen)) => {
                let (open, wait) = (at.saturating_sub(self.since), self.wait(config));
                if open < wait {
                    return Err((
                        "open_too_short",
                        format!("it was open for {open:?} and must be for {wait:?}"),
                    ));
                }
            }
            (Some(State::HalfOpen), Some(State::Closed)) => {
                if self.due != Some(State::Closed) {
                    return Err(("closed_too_soon", self.count_up(config, at)));
                }
            }
            (Some(State::HalfOpen), Some(State::Open)) => match self.half_open_until(config) {
                _ if self.due == Some(State::Open) => {}
                Some(until) if at >= until => since = until,
                _ => return Err(("opened_too_soon", self.count_up(config, at))),
            },
            (from, to) => return Err(("not_in_diagram", format!("it went from {from:?} to {to:?}"))),
        }
        if generation != self.generation + 1 {
            let message = format!("generation {generation} follows {}", self.generation);
            return Err(("generation_not_next", message));
        }
        let (_, Some(to)) = change else { return Ok(()) };
        self.trips = match to {
            State::Closed => 0,
            State::Open => self.trips + 1,
            State::HalfOpen => self.trips,
        };
        self.state = to;
        self.generation = generation;
        self.since = since;
        self.results.clear();
        self.due = None;
        self.seq = seq;
        Ok(())
    }

    fn admitted(&mut self, config: &Config, at: Duration, generation: i64, permit: i64) -> Result<(), Wrong> {
        self.is_current(generation)?;
        if self.state == State::Open {
            let message = format!("open since {:?}, and it admitted permit {permit}", self.since);
            return Err(("admitted_while_open", message));
        }
        if self.state == State::HalfOpen && self.free_probes(config) == 0 {
            let message =
                format!("permit {permit} is a probe beyond the {} permitted", config.half_open.probes);
            return Err(("too_many_probes", message));
        }
        match self.permits.insert(permit, (generation, at)) {
            None => Ok(()),
            Some(_) => Err(("unknown_permit", format!("permit {permit} was given twice"))),
        }
    }

    fn rejected(&self, config: &Config, at: Duration, generation: i64) -> Result<(), Wrong> {
        self.is_current(generation)?;
        let (since, wait) = (self.since, self.wait(config));
        match self.state {
            State::Closed => {
                Err(("rejected_while_closed", format!("closed since {since:?}, and it rejected a call")))
            }
            State::Open if at.saturating_sub(since) >= wait => {
                Err(("open_too_long", format!("open since {since:?}, for {wait:?}, and still it rejects")))
            }
            State::HalfOpen if self.free_probes(config) > 0 => Err((
                "probe_refused",
                format!("{} more probes are permitted, and it rejected a call", self.free_probes(config)),
            )),
            State::Open | State::HalfOpen => Ok(()),
        }
    }

    fn result(
        &mut self,
        config: &Config,
        at: Duration,
        permit: i64,
        failed: bool,
        late: bool,
    ) -> Result<(), Wrong> {
        let (generation, given) = self.take_back(permit, late)?;
        if generation != self.generation {
            return Ok(());
        }
        let took = at.saturating_sub(given);
        let slow = config.slow_calls.is_some_and(|slow| took > slow.longer_than);
        self.results.push(Counted { at, failed, slow });
        self.due = self.demanded(config, at);
        Ok(())
    }

    /// A permit comes back; returns its generation and when it was given.
    fn take_back(&mut self, permit: i64, late: bool) -> Result<(i64, Duration), Wrong> {
        let Some((generation, given)) = self.permits.remove(&permit) else {
            return Err(("unknown_permit", format!("permit {permit} is not out")));
        };
        let current = self.generation;
        match (generation == current, late) {
            (true, true) => Err((
                "result_discarded",
                format!("permit {permit} is of the current generation {current}, and was taken for late"),
            )),
            (false, false) => Err((
                "late_result_counted",
                format!("permit {permit} is of generation {generation}, and counted in {current}"),
            )),
            _ => Ok((generation, given)),
        }
    }

    fn is_current(&self, generation: i64) -> Result<(), Wrong> {
        if generation == self.generation {
            return Ok(());
        }
        Err((
            "wrong_generation",
            format!("it decides in generation {generation}, this is {}", self.generation),
        ))
    }

    /// How many more probes the half-open generation permits.
    fn free_probes(&self, config: &Config) -> usize {
        let out = self.permits.values().filter(|(generation, _)| *generation == self.generation).count();
        (config.half_open.probes as usize).saturating_sub(out + self.results.len())
    }

    /// How long it must be open.
    fn wait(&self, config: &Config) -> Duration {
        let Some(backoff) = config.backoff else { return config.wait };
        let factor = u128::from(backoff.factor).saturating_pow(self.trips.saturating_sub(1));
        let nanos = config.wait.as_nanos().saturating_mul(factor).min(backoff.max.as_nanos());
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    fn half_open_until(&self, config: &Config) -> Option<Duration> {
        let limit = config.half_open.max_wait.filter(|_| self.state == State::HalfOpen)?;
        Some(self.since + limit)
    }

    /// The results that count now: all, failed, slow, and those that were neither.
    fn counted(&self, config: &Config, now: Duration) -> [usize; 4] {
        let slot = |at: Duration, span: Duration, slots: u32| {
            at.saturating_sub(self.since).as_nanos() / (span / slots).as_nanos()
        };
        let first = match config.window {
            _ if self.state != State::Closed => 0,
            Window::Calls(n) => self.results.len().saturating_sub(n as usize),
            Window::Time { span, slots } => self.results.partition_point(|result| {
                slot(result.at, span, slots) + u128::from(slots) <= slot(now, span, slots)
            }),
        };
        let mut counts = [0; 4];
        for &Counted { failed, slow, .. } in &self.results[first..] {
            counts[0] += 1;
            counts[1] += usize::from(failed);
            counts[2] += usize::from(slow);
            counts[3] += usize::from(!failed && !slow);
        }
        counts
    }

    /// The transition that the results demand.
    fn demanded(&self, config: &Config, now: Duration) -> Option<State> {
        let [calls, failures, slow, good] = self.counted(config, now);
        match self.state {
            State::Closed => {
                let reaches = |n: usize, rate: f64| n as f64 / calls as f64 >= rate;
                let opens = reaches(failures, config.failure_rate)
                    || config.slow_calls.is_some_and(|limit| reaches(slow, limit.rate));
                (calls >= config.minimum_calls as usize && opens).then_some(State::Open)
            }
            State::HalfOpen => {
                let (probes, wanted) =
                    (config.half_open.probes as usize, config.half_open.successes as usize);
                if good >= wanted {
                    Some(State::Closed)
                } else {
                    // Those that are still to come cannot make it enough.
                    (good + probes.saturating_sub(calls) < wanted).then_some(State::Open)
                }
            }
            State::Open => None,
        }
    }

    fn count_up(&self, config: &Config, now: Duration) -> String {
        let [calls, failures, slow, _] = self.counted(config, now);
        let state = self.state;
        format!(
            "{state:?} since {:?} with {calls} calls, {failures} of them failed and {slow} slow",
            self.since
        )
    }
}
