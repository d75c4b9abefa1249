//! The checks that a spec builds from events: `never`, `eventually`, `count`, `order`. (`sometimes` is judged over all seeds,
//! so it is only counted here, by the [judge](super::judge).)

use std::{collections::BTreeMap, time::Duration};

use super::{Breach, Condition, End, Invariant, pattern::Pattern};
use crate::{
    confine::as_part,
    history::{Fields, Kind, Phase, Record},
    language::model::After,
};

/// How many of the records that a count is made of are cited, the last of them.
const CITED: usize = 16;

/// No such event.
pub(crate) struct Never {
    pub label: String,
    pub pattern: Pattern,
    /// Events it could have been.
    pub seen: u64,
}

impl Invariant for Never {
    fn name(&self) -> &str {
        &self.label
    }

    fn observe(&mut self, record: &Record) -> Result<(), Breach> {
        let Some((name, fields)) = record.event() else { return Ok(()) };
        self.seen += 1;
        if self.pattern.matches(name, fields) {
            return Err(Breach::of("never", format!("no {}", self.pattern), format!("{name} {fields}")));
        }
        Ok(())
    }

    fn exercised(&self) -> u64 {
        self.seen
    }
}

/// What `eventually` waits for.
pub(crate) enum Goal {
    /// A condition that must come to hold and go on holding.
    Condition(Box<dyn Condition>),
    /// An event that must come.
    Event(Pattern),
}

/// Something that must have come true in time, and stay true to the end of the run.
pub(crate) struct Eventually {
    pub label: String,
    pub goal: Goal,
    pub within: Duration,
    pub after: After,
    /// For a condition, since when it has held; for an event, when the first came since the wait began.
    pub since: Option<Duration>,
    pub settled: bool,
    /// How often it was seen not to hold: only then is there something to wait for.
    pub times_open: u64,
}

/// Asks a condition, which is code of the system under test.
fn asked<T>(
    condition: &mut (dyn Condition + 'static),
    ask: impl FnOnce(&mut (dyn Condition + 'static)) -> T,
) -> T {
    as_part(condition, |condition| format!("the condition `{}`", condition.name()), ask)
}

impl Eventually {
    pub fn new(label: String, mut goal: Goal, within: Duration, after: After) -> Self {
        let since = match &mut goal {
            Goal::Condition(condition) => {
                asked(&mut **condition, |condition| condition.holds()).then_some(Duration::ZERO)
            }
            Goal::Event(_) => None,
        };
        Eventually { label, goal, within, after, since, settled: false, times_open: 0 }
    }
}

impl Invariant for Eventually {
    fn name(&self) -> &str {
        &self.label
    }

    fn observe(&mut self, record: &Record) -> Result<(), Breach> {
        if record.kind == Kind::Phase(Phase::Settle) {
            self.settled = true;
        }
        match &mut self.goal {
            Goal::Condition(condition) => {
                let holds = asked(&mut **condition, |condition| {
                    condition.observe(record);
                    condition.holds()
                });
                if !holds {
                    self.times_open += u64::from(self.since.is_some() || self.times_open == 0);
                    self.since = None;
                } else if self.since.is_none() {
                    self.since = Some(record.at);
                }
            }
            Goal::Event(pattern) => {
                let counts = self.settled || self.after == After::Start;
                if counts
                    && self.since.is_none()
                    && record.event().is_some_and(|(name, fields)| pattern.matches(name, fields))
                {
                    self.since = Some(record.at);
                }
            }
        }
        Ok(())
    }

    fn finish(&mut self, end: &End) -> Result<(), Breach> {
        let from = match self.after {
            After::Heal => end.healed_at,
            After::Start => Duration::ZERO,
        };
        let deadline = from + self.within;
        let start = match self.after {
            After::Heal => "the heal",
            After::Start => "the start",
        };
        let due = format!("{deadline:?} ({start} at {from:?}, within {:?})", self.within);
        match &mut self.goal {
            Goal::Condition(condition) => match self.since {
                None => {
                    let because = asked(&mut **condition, |condition| condition.because());
                    Err(Breach::of(
                        "never_held",
                        format!("{} holds from {due} on", condition.name()),
                        format!("it does not hold at the end, at {:?}: {because}", end.ended_at),
                    ))
                }
                Some(since) if since > deadline => Err(Breach::of(
                    "too_late",
                    format!("{} holds from {due} on", condition.name()),
                    format!("it holds only since {since:?}, {:?} too late", since - deadline),
                )),
                Some(_) => Ok(()),
            },
            Goal::Event(pattern) => {
                self.times_open += 1;
                match self.since {
                    None => Err(Breach::of(
                        "never_came",
                        format!("{pattern} comes by {due}"),
                        format!("none came from {from:?} to the end at {:?}", end.ended_at),
                    )),
                    Some(at) if at > deadline => Err(Breach::of(
                        "too_late",
                        format!("{pattern} comes by {due}"),
                        format!("the first came at {at:?}, {:?} too late", at - deadline),
                    )),
                    Some(_) => Ok(()),
                }
            }
        }
    }

    fn exercised(&self) -> u64 {
        self.times_open
    }
}

/// Which of the counts or orders kept apart an event belongs to: the value of the field `per`, if there is one.
fn key(per: Option<&str>, fields: &Fields) -> String {
    per.and_then(|field| fields.get(field)).map(ToString::to_string).unwrap_or_default()
}

/// That value for a message.
fn with_key(per: Option<&str>, key: &str) -> String {
    per.map(|field| format!(" with {field}={key}")).unwrap_or_default()
}

/// So many such events, in all or for each value of a field.
pub(crate) struct Count {
    pub label: String,
    pub pattern: Pattern,
    pub per: Option<String>,
    pub at_least: Option<u64>,
    pub at_most: Option<u64>,
    pub counts: BTreeMap<String, u64>,
    /// The records that were counted, where there may be but so many.
    pub counted: BTreeMap<String, Vec<u64>>,
}

impl Invariant for Count {
    fn name(&self) -> &str {
        &self.label
    }

    fn observe(&mut self, record: &Record) -> Result<(), Breach> {
        let Some((name, fields)) = record.event() else { return Ok(()) };
        if !self.pattern.matches(name, fields) {
            return Ok(());
        }
        let key = key(self.per.as_deref(), fields);
        let of = with_key(self.per.as_deref(), &key);
        let count = self.counts.entry(key.clone()).or_default();
        *count += 1;
        let Some(most) = self.at_most else { return Ok(()) };
        let seqs = self.counted.entry(key).or_default();
        seqs.push(record.seq);
        match *count > most {
            true => Err(Breach::of(
                "too_many",
                format!("at most {most} {}{of}", self.pattern),
                format!("{count} by {:?}, the last of them {name} {fields}", record.at),
            )
            .with_evidence(seqs.iter().rev().take(CITED).copied())),
            false => Ok(()),
        }
    }

    fn finish(&mut self, end: &End) -> Result<(), Breach> {
        let Some(least) = self.at_least else { return Ok(()) };
        let short = match &self.per {
            Some(field) => self
                .counts
                .iter()
                .find(|(_, count)| **count < least)
                .map(|(key, count)| (format!(" with {field}={key}"), *count)),
            None => {
                let count = self.counts.values().sum::<u64>();
                (count < least).then(|| (String::new(), count))
            }
        };
        match short {
            Some((of, count)) => Err(Breach::of(
                "too_few",
                format!("at least {least} {}{of}", self.pattern),
                format!("{count} by the end at {:?}", end.ended_at),
            )),
            None => Ok(()),
        }
    }

    fn exercised(&self) -> u64 {
        self.counts.values().sum()
    }
}

/// No `then` without an earlier `first`.
pub(crate) struct Order {
    pub label: String,
    pub first: Pattern,
    pub then: Pattern,
    pub per: Option<String>,
    pub opened: BTreeMap<String, u64>,
    pub judged: u64,
}

impl Invariant for Order {
    fn name(&self) -> &str {
        &self.label
    }

    fn observe(&mut self, record: &Record) -> Result<(), Breach> {
        let Some((name, fields)) = record.event() else { return Ok(()) };
        let key = key(self.per.as_deref(), fields);
        // `then` is judged first: an event that is both does not precede itself.
        if self.then.matches(name, fields) {
            self.judged += 1;
            if !self.opened.contains_key(&key) {
                let of = with_key(self.per.as_deref(), &key);
                return Err(Breach::of(
                    "out_of_order",
                    format!("{} before each {}{of}", self.first, self.then),
                    format!("{name} {fields}, and none before it"),
                ));
            }
        }
        if self.first.matches(name, fields) {
            self.opened.entry(key).or_insert(record.seq);
        }
        Ok(())
    }

    fn exercised(&self) -> u64 {
        self.judged
    }
}
