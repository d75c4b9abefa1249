//! A breaker as the pattern describes it: told what was decided and how calls ended, it says what is wrong with that.

use std::{collections::BTreeMap, time::Duration};

use squall::check::Breach;

use super::super::{
    Rules, Window,
    observed::{Said, State},
};

/// One result that counts in the current generation.
struct Counted {
    /// The record that tells it.
    seq: u64,
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
    /// Permits that are out, with their generation, when they were given, and the record that says so.
    permits: BTreeMap<i64, (i64, Duration, u64)>,
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

    pub(super) fn judge(&mut self, rules: &Rules, at: Duration, seq: u64, said: Said) -> Result<(), Breach> {
        if let Said::Transition { from, to, generation } = said {
            return self.transition(rules, at, seq, (from, to), generation);
        }
        match self.due {
            Some(State::Open) => return Err(self.by_count(rules, at, "did_not_open", self.opens(rules))),
            Some(_) => return Err(self.by_count(rules, at, "did_not_close", closes(rules))),
            None => {}
        }
        if self.half_open_until(rules).is_some_and(|until| at >= until) {
            let limit = rules.half_open.max_wait.unwrap_or_default();
            return Err(self.wrong(
                "half_open_too_long",
                format!("is half-open for {limit:?} at the most"),
                format!("half-open since {:?}, and still at {at:?}", self.since),
            ));
        }
        match said {
            Said::Admitted { generation, permit } => self.admitted(rules, (at, seq), generation, permit),
            Said::Rejected { generation } => self.rejected(rules, at, generation),
            Said::Result { permit, failed, late } => self.result(rules, (at, seq), permit, failed, late),
            Said::Returned { permit, late } => self.take_back(permit, late).map(|_| ()),
            Said::Created | Said::Transition { .. } | Said::CallEnded { .. } | Said::Received { .. } => {
                Ok(())
            }
        }
    }

    fn transition(
        &mut self,
        rules: &Rules,
        at: Duration,
        seq: u64,
        change: (Option<State>, Option<State>),
        generation: i64,
    ) -> Result<(), Breach> {
        let mut since = at;
        match change {
            (Some(from), _) if from != self.state => {
                return Err(self.wrong(
                    "not_in_diagram",
                    format!("leaves the state that it is in, {:?} since {:?}", self.state, self.since),
                    format!("it leaves {from:?} at {at:?}"),
                ));
            }
            (Some(State::Closed), Some(State::Open)) => {
                if self.due != Some(State::Open) {
                    return Err(self.by_count(rules, at, "opened_too_soon", self.opens(rules)));
                }
            }
            (Some(State::Open), Some(State::HalfOpen)) => {
                let (open, wait) = (at.saturating_sub(self.since), self.wait(rules));
                if open < wait {
                    return Err(self.wrong(
                        "open_too_short",
                        self.stays_open(wait),
                        format!("open since {:?}, and half-open at {at:?}, after {open:?}", self.since),
                    ));
                }
            }
            (Some(State::HalfOpen), Some(State::Closed)) => {
                if self.due != Some(State::Closed) {
                    return Err(self.by_count(rules, at, "closed_too_soon", closes(rules)));
                }
            }
            (Some(State::HalfOpen), Some(State::Open)) => match self.half_open_until(rules) {
                _ if self.due == Some(State::Open) => {}
                Some(until) if at >= until => since = until,
                _ => return Err(self.by_count(rules, at, "opened_too_soon", self.opens(rules))),
            },
            (from, to) => {
                let name =
                    |state: Option<State>| state.map_or("none".to_owned(), |state| format!("{state:?}"));
                return Err(self.wrong(
                    "not_in_diagram",
                    "goes from Closed to Open, from Open to HalfOpen, from HalfOpen to Closed or Open"
                        .to_owned(),
                    format!("it went from {} to {} at {at:?}", name(from), name(to)),
                ));
            }
        }
        if generation != self.generation + 1 {
            return Err(self.wrong(
                "generation_not_next",
                format!("goes on with generation {}", self.generation + 1),
                format!("it goes on with generation {generation}"),
            ));
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

    fn admitted(
        &mut self,
        rules: &Rules,
        (at, seq): (Duration, u64),
        generation: i64,
        permit: i64,
    ) -> Result<(), Breach> {
        self.is_current(generation)?;
        if self.state == State::Open {
            return Err(self.wrong(
                "admitted_while_open",
                format!("admits no call while it is open, as it has been since {:?}", self.since),
                format!("it gave permit {permit} at {at:?}"),
            ));
        }
        if self.state == State::HalfOpen && self.free_probes(rules) == 0 {
            let breach = self.wrong(
                "too_many_probes",
                format!("admits {} probes in one half-open period", rules.half_open.probes),
                format!("permit {permit} is another: {}", self.probes()),
            );
            return Err(breach.with_evidence(self.probe_records()));
        }
        match self.permits.insert(permit, (generation, at, seq)) {
            None => Ok(()),
            Some((.., given)) => Err(self
                .wrong(
                    "unknown_permit",
                    format!("gives permit {permit} once"),
                    format!("it gave it again at {at:?}"),
                )
                .with_evidence([given])),
        }
    }

    fn rejected(&self, rules: &Rules, at: Duration, generation: i64) -> Result<(), Breach> {
        self.is_current(generation)?;
        let (since, wait) = (self.since, self.wait(rules));
        let open = at.saturating_sub(since);
        match self.state {
            State::Closed => Err(self.wrong(
                "rejected_while_closed",
                format!("rejects no call while it is closed, as it has been since {since:?}"),
                format!("it rejected one at {at:?}"),
            )),
            State::Open if open >= wait => Err(self.wrong(
                "open_too_long",
                self.stays_open(wait),
                format!("open since {since:?}, and it rejects a call at {at:?}, after {open:?}"),
            )),
            State::HalfOpen if self.free_probes(rules) > 0 => Err(self
                .wrong(
                    "probe_refused",
                    format!("admits {} probes in one half-open period", rules.half_open.probes),
                    format!("it rejected a call at {at:?}: {}", self.probes()),
                )
                .with_evidence(self.probe_records())),
            State::Open | State::HalfOpen => Ok(()),
        }
    }

    fn result(
        &mut self,
        rules: &Rules,
        (at, seq): (Duration, u64),
        permit: i64,
        failed: bool,
        late: bool,
    ) -> Result<(), Breach> {
        let (generation, given) = self.take_back(permit, late)?;
        if generation != self.generation {
            return Ok(());
        }
        let took = at.saturating_sub(given);
        let slow = rules.slow_calls.is_some_and(|slow| took > slow.longer_than);
        self.results.push(Counted { seq, at, failed, slow });
        self.due = self.demanded(rules, at);
        Ok(())
    }

    /// A permit comes back; returns its generation and when it was given.
    fn take_back(&mut self, permit: i64, late: bool) -> Result<(i64, Duration), Breach> {
        let Some((generation, given, seq)) = self.permits.remove(&permit) else {
            return Err(self.wrong(
                "unknown_permit",
                "takes back permits that are out".to_owned(),
                format!("permit {permit} comes back, and is not out"),
            ));
        };
        let current = self.generation;
        match (generation == current, late) {
            (true, true) => Err(self
                .wrong(
                    "result_discarded",
                    format!(
                        "counts the result of permit {permit}, which is of the current generation {current}"
                    ),
                    "it took it for late".to_owned(),
                )
                .with_evidence([seq])),
            (false, false) => Err(self
                .wrong(
                    "late_result_counted",
                    format!("counts results of the current generation {current} alone"),
                    format!("it counted that of permit {permit}, which is of generation {generation}"),
                )
                .with_evidence([seq])),
            _ => Ok((generation, given)),
        }
    }

    fn is_current(&self, generation: i64) -> Result<(), Breach> {
        if generation == self.generation {
            return Ok(());
        }
        Err(self.wrong(
            "wrong_generation",
            format!("decides in generation {}", self.generation),
            format!("it decides in generation {generation}"),
        ))
    }

    /// How many more probes the half-open generation permits.
    fn free_probes(&self, rules: &Rules) -> usize {
        let out = self.permits.values().filter(|(generation, ..)| *generation == self.generation).count();
        (rules.half_open.probes as usize).saturating_sub(out + self.results.len())
    }

    /// How long it must be open.
    fn wait(&self, rules: &Rules) -> Duration {
        let Some(backoff) = rules.backoff else { return rules.wait };
        let factor = u128::from(backoff.factor).saturating_pow(self.trips.saturating_sub(1));
        let nanos = rules.wait.as_nanos().saturating_mul(factor).min(backoff.max.as_nanos());
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    fn half_open_until(&self, rules: &Rules) -> Option<Duration> {
        let limit = rules.half_open.max_wait.filter(|_| self.state == State::HalfOpen)?;
        Some(self.since + limit)
    }

    /// The results that count now.
    fn counting(&self, rules: &Rules, now: Duration) -> &[Counted] {
        let slot = |at: Duration, span: Duration, slots: u32| {
            at.saturating_sub(self.since).as_nanos() / (span / slots).as_nanos()
        };
        let first = match rules.window {
            _ if self.state != State::Closed => 0,
            Window::Calls(n) => self.results.len().saturating_sub(n as usize),
            Window::Time { span, slots } => self.results.partition_point(|result| {
                slot(result.at, span, slots) + u128::from(slots) <= slot(now, span, slots)
            }),
        };
        &self.results[first..]
    }

    /// How many those are: all, failed, slow, and those that were neither.
    fn counted(&self, rules: &Rules, now: Duration) -> [usize; 4] {
        let mut counts = [0; 4];
        for &Counted { failed, slow, .. } in self.counting(rules, now) {
            counts[0] += 1;
            counts[1] += usize::from(failed);
            counts[2] += usize::from(slow);
            counts[3] += usize::from(!failed && !slow);
        }
        counts
    }

    /// The transition that the results demand.
    fn demanded(&self, rules: &Rules, now: Duration) -> Option<State> {
        let [calls, failures, slow, good] = self.counted(rules, now);
        match self.state {
            State::Closed => {
                let reaches = |n: usize, rate: f64| n as f64 / calls as f64 >= rate;
                let opens = reaches(failures, rules.failure_rate)
                    || rules.slow_calls.is_some_and(|limit| reaches(slow, limit.rate));
                (calls >= rules.minimum_calls as usize && opens).then_some(State::Open)
            }
            State::HalfOpen => {
                let (probes, wanted) = (rules.half_open.probes as usize, rules.half_open.successes as usize);
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

    /// Something that the breaker does otherwise. The record of the last transition is evidence.
    fn wrong(&self, class: &'static str, expected: String, seen: String) -> Breach {
        Breach::of(class, expected, seen).with_evidence([self.seq])
    }

    /// Something that is judged by the results that count now.
    fn by_count(&self, rules: &Rules, now: Duration, class: &'static str, expected: String) -> Breach {
        let [calls, failures, slow, good] = self.counted(rules, now);
        let share =
            |n: usize| (n * 100).checked_div(calls).map_or(String::new(), |percent| format!(" ({percent}%)"));
        let seen = format!(
            "{:?} since {:?}; what counts at {now:?}: {calls} calls, {failures} failed{}, {slow} slow{}, {good} good",
            self.state,
            self.since,
            share(failures),
            share(slow)
        );
        let counting = self.counting(rules, now).iter().map(|counted| counted.seq);
        self.wrong(class, expected, seen).with_evidence(counting)
    }

    /// When it opens.
    fn opens(&self, rules: &Rules) -> String {
        if self.state == State::HalfOpen {
            let half_open = &rules.half_open;
            let wait = half_open.max_wait.map_or(String::new(), |wait| format!(", or after {wait:?}"));
            return format!(
                "opens again when {} good probes of {} can no longer be reached{wait}",
                half_open.successes, half_open.probes
            );
        }
        let window = match rules.window {
            Window::Calls(n) => format!("the last {n} calls"),
            Window::Time { span, .. } => format!("the calls of the last {span:?}"),
        };
        let slow = rules.slow_calls.map_or(String::new(), |slow| {
            format!(" or {:.0}% were slower than {:?}", slow.rate * 100.0, slow.longer_than)
        });
        format!(
            "opens when, and only when, of {window}, {} or more, {:.0}% failed{slow}",
            rules.minimum_calls,
            rules.failure_rate * 100.0
        )
    }

    fn stays_open(&self, wait: Duration) -> String {
        format!("is open for {wait:?} (trip {}), then half-open", self.trips)
    }

    /// The probes of this half-open period.
    fn probes(&self) -> String {
        let out = self.permits.values().filter(|(generation, ..)| *generation == self.generation).count();
        format!(
            "half-open since {:?} with {} probes judged and {out} under way",
            self.since,
            self.results.len()
        )
    }

    fn probe_records(&self) -> Vec<u64> {
        let out = self.permits.values().filter(|(generation, ..)| *generation == self.generation);
        out.map(|(.., seq)| *seq).chain(self.results.iter().map(|result| result.seq)).collect()
    }
}

/// When it closes.
fn closes(rules: &Rules) -> String {
    let half_open = &rules.half_open;
    format!("closes when, and only when, {} of {} probes were good", half_open.successes, half_open.probes)
}
