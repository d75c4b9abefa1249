//! `breaker_from_outside`: what a breaker that says nothing of its states must keep to, by whom it lets through and how calls end.
//!
//! It reads `breaker.admitted`, `breaker.rejected`, `breaker.result` and `breaker.returned`, without their `generation` and `late`. A breaker
//! that turns calls away is open; the first call that it lets through after that is a probe, and begins a *period*; calls of an
//! earlier period are *late*, and decide nothing. It is for breakers of which the last of a number of probes decides, which take no slow call
//! for a failed one and have no longest time half-open. Where it cannot be told whether one has opened meanwhile, it is given the benefit of
//! the doubt.
//!
//! | class | breach |
//! |---|---|
//! | `open_too_short` | a call let through before the wait is over: it cannot have opened before the last one that it let through |
//! | `open_too_long` | a call turned away though the wait is over since it turned one away, or its probe failed |
//! | `failed_probe_ignored` | the probe that decides has failed, and the next call is let through before the wait is over |
//! | `refused_without_cause` | a call turned away though no call of the period has failed, nor is a probe under way |
//! | `unreadable_event` | an event without what it must tell |

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use squall::{
    EventKind, Invariant, Record,
    check::Breach,
    history::{Kind, Lifecycle},
};

use super::{EVENTS, observed::Breaker};
use crate::event::{int, text};

/// See the [module](self).
pub struct FromOutside {
    wait: Duration,
    probes: u32,
    breakers: BTreeMap<Breaker, Seen>,
    judged: u64,
}

/// A breaker, as far as one sees.
#[derive(Default)]
struct Seen {
    state: State,
    /// Calls of this period that are under way.
    open: BTreeSet<i64>,
    /// When the last call was let through, and the record that says so.
    last: Option<(Duration, u64)>,
    /// The results of late calls in this period.
    late: Vec<u64>,
}

/// What is certain of its state.
#[derive(Default)]
enum State {
    /// Closed, and no call of the period has failed.
    #[default]
    Closed,
    /// Calls have failed: it may be closed yet, or may have opened, and more, while nobody called. These calls may be probes.
    Unsure(BTreeSet<i64>),
    /// Open since then or before, as the record shows; because a probe has failed, or else by a call that it turned away.
    Open { since: Duration, seq: u64, by_probe: bool },
    /// Half-open: so many calls of the period have ended.
    Probing(u32),
}

impl Seen {
    fn admitted(&mut self, wait: Duration, permit: i64, at: Duration, seq: u64) -> Result<(), Breach> {
        let (last, admitted) = self.last.replace((at, seq)).unwrap_or_default();
        match &mut self.state {
            State::Open { since, seq, by_probe: true } if at - *since < wait => {
                return Err(Breach::of(
                    "failed_probe_ignored",
                    format!("turns calls away for {wait:?} after its probe has failed, at {since:?}"),
                    format!("it lets one through at {at:?}{}", late_results(&self.late)),
                )
                .with_evidence([*seq])
                .with_evidence(self.late.iter().copied()));
            }
            State::Open { since, seq, by_probe: false } if at - last < wait => {
                return Err(Breach::of(
                    "open_too_short",
                    format!(
                        "turns calls away for {wait:?} once it has opened, which was at {last:?} or later"
                    ),
                    format!("it turned one away at {since:?}, and lets one through at {at:?}"),
                )
                .with_evidence([admitted, *seq]));
            }
            State::Open { .. } => {
                // A new period.
                self.state = State::Probing(0);
                self.open.clear();
                self.late.clear();
            }
            State::Unsure(probes) if at - last >= wait => {
                probes.insert(permit);
            }
            State::Closed | State::Unsure(_) | State::Probing(_) => {}
        }
        self.open.insert(permit);
        Ok(())
    }

    fn rejected(&mut self, wait: Duration, at: Duration, seq: u64) -> Result<(), Breach> {
        let is_under_way = |probes: &BTreeSet<i64>| probes.iter().any(|probe| self.open.contains(probe));
        match &self.state {
            State::Open { since, seq, .. } if at - *since > wait => Err(Breach::of(
                "open_too_long",
                format!(
                    "lets a probe through {wait:?} after it has opened, which was at {since:?} or before"
                ),
                format!("it turns one away at {at:?}"),
            )
            .with_evidence([*seq])),
            State::Open { .. } => Ok(()),
            // As many probes as it wants may be under way.
            State::Probing(_) if !self.open.is_empty() => Ok(()),
            State::Unsure(probes) if is_under_way(probes) => Ok(()),
            State::Unsure(_) => {
                self.state = State::Open { since: at, seq, by_probe: false };
                Ok(())
            }
            State::Closed | State::Probing(_) => Err(Breach::of(
                "refused_without_cause",
                "turns calls away when calls have failed that it let through since it was last open",
                format!("none has, and it turns one away at {at:?}{}", late_results(&self.late)),
            )
            .with_evidence(self.last.map(|(_, seq)| seq))
            .with_evidence(self.late.iter().copied())),
        }
    }

    fn ended(&mut self, probes: u32, permit: i64, good: bool, at: Duration, seq: u64) {
        if !self.open.remove(&permit) {
            self.late.push(seq);
            return;
        }
        match (&self.state, good) {
            (State::Probing(ended), _) if ended + 1 < probes => self.state = State::Probing(ended + 1),
            (State::Probing(_), true) => self.state = State::Closed,
            (State::Probing(_), false) => self.state = State::Open { since: at, seq, by_probe: true },
            (State::Closed, false) => self.state = State::Unsure(BTreeSet::new()),
            (State::Closed | State::Unsure(_) | State::Open { .. }, _) => {}
        }
    }
}

/// Of calls that were begun before.
fn late_results(late: &[u64]) -> String {
    match late.len() {
        0 => String::new(),
        n => format!("; {n} of calls begun before it opened have ended since it probes"),
    }
}

impl FromOutside {
    /// A breaker stays open for so long, and the result of so many probes, the last of them, decides.
    pub fn new(wait: Duration, probes: u32) -> Self {
        FromOutside { wait, probes, breakers: BTreeMap::new(), judged: 0 }
    }
}

impl Invariant for FromOutside {
    fn name(&self) -> &str {
        "breaker_from_outside"
    }

    fn observe(&mut self, record: &Record) -> Result<(), Breach> {
        let (node, incarnation, name, fields) = match &record.kind {
            Kind::Event { node, incarnation, name, fields } => (node, *incarnation, &**name, fields),
            // What a dead process knew died with it.
            Kind::Node { node, change: Lifecycle::Crashed | Lifecycle::Exited(_), .. } => {
                self.breakers.retain(|breaker, _| breaker.node != **node);
                return Ok(());
            }
            _ => return Ok(()),
        };
        if !matches!(name, "breaker.admitted" | "breaker.rejected" | "breaker.result" | "breaker.returned") {
            return Ok(());
        }
        let breaker =
            Breaker { node: node.to_string(), incarnation, name: text(fields, "breaker")?.to_owned() };
        let told = format!("{}'s breaker towards {} ", breaker.node, breaker.name);
        let (at, seq) = (record.at, record.seq);
        let seen = self.breakers.entry(breaker).or_default();
        let judged = match name {
            "breaker.admitted" => {
                self.judged += 1;
                seen.admitted(self.wait, int(fields, "permit")?, at, seq)
            }
            "breaker.rejected" => {
                self.judged += 1;
                seen.rejected(self.wait, at, seq)
            }
            "breaker.result" => {
                let good = text(fields, "outcome")? == "success";
                seen.ended(self.probes, int(fields, "permit")?, good, at, seq);
                Ok(())
            }
            _ => {
                seen.open.remove(&int(fields, "permit")?);
                Ok(())
            }
        };
        judged.map_err(|mut breach| {
            breach.expected.insert_str(0, &told);
            breach
        })
    }

    fn exercised(&self) -> u64 {
        self.judged
    }

    fn vocabulary(&self) -> &'static [EventKind] {
        &EVENTS
    }
}

#[cfg(test)]
mod tests {
    use squall::Fields;

    use super::*;
    use crate::judged::judged;

    const WAIT: Duration = Duration::from_millis(100);

    /// A breaker's life: at a millisecond, what happened to which call.
    fn class(told: &[(u64, &'static str, i64)]) -> Option<&'static str> {
        let mut law = FromOutside::new(WAIT, 1);
        let record = |(seq, (ms, what, permit)): (usize, &(u64, &'static str, i64))| {
            let fields = Fields::new().with("breaker", "upstream-0");
            let (name, fields) = match *what {
                "in" => ("breaker.admitted", fields.with("permit", *permit)),
                "no" => ("breaker.rejected", fields),
                "gone" => ("breaker.returned", fields.with("permit", *permit)),
                outcome => ("breaker.result", fields.with("permit", *permit).with("outcome", outcome)),
            };
            let kind = Kind::Event { node: "callers[0]".into(), incarnation: 1, name: name.into(), fields };
            Record { seq: seq as u64, at: Duration::from_millis(*ms), kind }
        };
        let records: Vec<Record> = told.iter().enumerate().map(record).collect();
        let breach = judged(&records, &mut law);
        assert!(breach.is_some() || law.exercised() > 0);
        breach.map(|breach| breach.class)
    }

    /// Opened at 11 by call 2; call 1 is late; call 3 is the probe.
    fn probing(then: &[(u64, &'static str, i64)]) -> Option<&'static str> {
        let until = [(0, "in", 1), (10, "in", 2), (11, "failure", 2), (20, "no", 0), (115, "in", 3)];
        class(&[&until, then].concat())
    }

    #[test]
    fn one_that_heeds_its_probes_passes() {
        assert_eq!(probing(&[(116, "no", 0), (120, "success", 3), (121, "in", 4), (122, "in", 5)]), None);
        assert_eq!(
            probing(&[(120, "failure", 3), (121, "no", 0), (222, "in", 4), (223, "success", 4)]),
            None
        );
        assert_eq!(probing(&[(120, "failure", 3), (230, "in", 4)]), None, "open while nobody called");
        assert_eq!(
            probing(&[(117, "failure", 1), (120, "success", 3), (121, "in", 4)]),
            None,
            "late, and ignored"
        );
        assert_eq!(probing(&[(120, "gone", 3), (121, "in", 4), (122, "success", 4)]), None);
        let closed =
            [(120, "success", 3), (121, "in", 4), (122, "failure", 4), (123, "no", 0), (224, "in", 5)];
        assert_eq!(probing(&closed), None);
    }

    #[test]
    fn what_cannot_be_told_is_no_breach() {
        // Call 1 may have opened it, so that 2 may be the probe for which 3 has to wait.
        let unseen = [(0, "in", 1), (10, "failure", 1), (120, "in", 2), (121, "no", 0), (300, "failure", 2)];
        assert_eq!(class(&unseen), None);
        let closed = [(0, "in", 1), (10, "failure", 1), (120, "in", 2), (121, "failure", 2), (122, "in", 3)];
        assert_eq!(class(&closed), None);
    }

    #[test]
    fn what_it_catches() {
        assert_eq!(class(&[(0, "in", 1), (5, "no", 0)]), Some("refused_without_cause"));
        let early = [(0, "in", 1), (10, "in", 2), (11, "failure", 2), (12, "no", 0), (109, "in", 3)];
        assert_eq!(class(&early), Some("open_too_short"));
        let long = [(0, "in", 1), (11, "failure", 1), (20, "no", 0), (121, "no", 0)];
        assert_eq!(class(&long), Some("open_too_long"));
        let late_success = [(116, "success", 1), (120, "failure", 3), (121, "in", 4)];
        assert_eq!(probing(&late_success), Some("failed_probe_ignored"));
        let late_failure = [(116, "failure", 1), (117, "no", 0), (120, "success", 3), (121, "no", 0)];
        assert_eq!(probing(&late_failure), Some("refused_without_cause"));
        assert_eq!(
            probing(&[(120, "gone", 3), (121, "no", 0)]),
            Some("refused_without_cause"),
            "a lost permit"
        );
    }
}
