//! The judge of a run: every check of the spec, shown every record.

use std::collections::BTreeMap;

use super::{
    Breach, Condition, End, Invariant, Mapping, Violation,
    builtin::builtin,
    consistent::Consistent,
    events::{Count, Eventually, Goal, Never, Order},
    label::label,
    pattern::Pattern,
    specific::Specific,
};
use crate::{
    confine::as_part,
    history::Record,
    language::model::{Check, EventuallyThat, Mapped, Spanned},
};

struct Sometimes {
    label: String,
    pattern: Pattern,
    seen: u64,
}

/// All checks of one run.
pub(crate) struct Judge {
    invariants: Vec<Box<dyn Invariant>>,
    sometimes: Vec<Sometimes>,
}

impl Judge {
    /// The checks of a spec, fresh; `own` are the system's invariants, and `build` makes its conditions. The spec must be valid for the
    /// system.
    pub fn new(
        checks: &[Spanned<Check>],
        mut own: Vec<Box<dyn Invariant>>,
        build: &dyn Fn() -> Vec<Box<dyn Condition>>,
    ) -> Self {
        let mut judge = Judge { invariants: Vec::new(), sometimes: Vec::new() };
        let mut conditions = build();
        let mut condition = |name: &str| match conditions.iter().position(|c| c.name() == name) {
            Some(i) => conditions.swap_remove(i),
            // Named twice: each `eventually` takes one of its own.
            None => {
                let found = build().into_iter().find(|c| c.name() == name);
                found.expect("a valid spec names known conditions")
            }
        };
        for check in checks {
            let label = label(check);
            let invariant: Box<dyn Invariant> = match &check.value {
                Check::Named(name) => match own.iter().position(|i| i.name() == name) {
                    Some(i) => own.swap_remove(i),
                    None => builtin(name).expect("a valid spec names known invariants, once"),
                },
                Check::Mapped(Mapped { name, of }) => {
                    let i = own.iter().position(|i| i.name() == name);
                    let law = own.swap_remove(i.expect("a valid spec names known invariants, once"));
                    Mapping::of(of).invariant(law)
                }
                Check::Never(pattern) => Box::new(Never { label, pattern: Pattern::new(pattern), seen: 0 }),
                Check::Eventually(eventually) => {
                    let goal = match &eventually.that {
                        EventuallyThat::Condition(name) => Goal::Condition(condition(name)),
                        EventuallyThat::Mapped(Mapped { name, of }) => {
                            Goal::Condition(Mapping::of(of).condition(condition(name)))
                        }
                        EventuallyThat::Event(pattern) => Goal::Event(Pattern::new(pattern)),
                    };
                    Box::new(Eventually::new(label, goal, eventually.within.0, eventually.after))
                }
                Check::Sometimes(patterns) => {
                    judge.sometimes.extend(patterns.iter().map(|pattern| {
                        let pattern = Pattern::new(pattern);
                        Sometimes { label: pattern.to_string(), pattern, seen: 0 }
                    }));
                    continue;
                }
                Check::Count(count) => Box::new(Count {
                    label,
                    pattern: Pattern::of(&count.event.value, count.fields.iter().map(|(k, v)| (&k.value, v))),
                    per: count.per.as_ref().map(|per| per.value.clone()),
                    at_least: count.at_least,
                    at_most: count.at_most,
                    counts: BTreeMap::new(),
                    counted: BTreeMap::new(),
                }),
                Check::Order(order) => Box::new(Order {
                    label,
                    first: Pattern::new(&order.first),
                    then: Pattern::new(&order.then),
                    per: order.per.as_ref().map(|per| per.value.clone()),
                    opened: BTreeMap::new(),
                    judged: 0,
                }),
                Check::Consistent(consistent) => Box::new(Consistent::new(label, consistent)),
                Check::Specific(specific) => Box::new(Specific::new(label, specific)),
            };
            judge.invariants.push(invariant);
        }
        judge
    }

    /// Shows the next record to every check, and returns the first violation.
    pub fn observe(&mut self, record: &Record) -> Option<Violation> {
        if let Some((name, fields)) = record.event() {
            for sometimes in &mut self.sometimes {
                sometimes.seen += u64::from(sometimes.pattern.matches(name, fields));
            }
        }
        for invariant in &mut self.invariants {
            if let Err(breach) = asked(&mut **invariant, |invariant| invariant.observe(record)) {
                return Some(violation(&**invariant, breach, record.seq, record.at));
            }
        }
        None
    }

    /// Shows the end of the run to every check; `last` is the history's last record.
    pub fn finish(&mut self, end: &End, last: u64) -> Option<Violation> {
        for invariant in &mut self.invariants {
            if let Err(breach) = asked(&mut **invariant, |invariant| invariant.finish(end)) {
                return Some(violation(&**invariant, breach, last, end.ended_at));
            }
        }
        None
    }

    /// Why some check could come to no judgement, if one could not.
    pub fn undecided(&mut self) -> Option<String> {
        self.invariants
            .iter_mut()
            .find_map(|invariant| asked(&mut **invariant, |invariant| invariant.undecided()))
    }

    /// Per check, how often it had something to judge.
    pub fn exercised(&mut self) -> BTreeMap<String, u64> {
        let asked = |invariant: &mut Box<dyn Invariant>| {
            (invariant.name().to_owned(), asked(&mut **invariant, |invariant| invariant.exercised()))
        };
        self.invariants.iter_mut().map(asked).collect()
    }

    /// Per `sometimes` pattern, how often it was seen.
    pub fn sometimes(&self) -> BTreeMap<String, u64> {
        self.sometimes.iter().map(|sometimes| (sometimes.label.clone(), sometimes.seen)).collect()
    }
}

/// Asks an invariant, which is code of the system under test.
fn asked<T>(
    invariant: &mut (dyn Invariant + 'static),
    ask: impl FnOnce(&mut (dyn Invariant + 'static)) -> T,
) -> T {
    as_part(invariant, |invariant| format!("the invariant `{}`", invariant.name()), ask)
}

fn violation(invariant: &dyn Invariant, breach: Breach, seq: u64, at: std::time::Duration) -> Violation {
    let message = breach.message();
    let Breach { class, expected, seen, mut evidence } = breach;
    evidence.push(seq);
    evidence.sort_unstable();
    evidence.dedup();
    Violation {
        invariant: invariant.name().to_owned(),
        class: class.to_owned(),
        message,
        // Without an expectation, what was seen is the message.
        seen: if expected.is_empty() { String::new() } else { seen },
        expected,
        at,
        evidence,
    }
}
