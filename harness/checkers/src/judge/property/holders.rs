//! The checkers of who holds what: a lock, a value.

use std::collections::BTreeMap;

use super::{Checker, Finding, Open, Trouble};
use crate::{
    formats::Datum,
    specific::{Convergence, MutualExclusion, MutualExclusionFinding},
};

/// The value of a call: what it was asked with, or else answered with.
fn value<'a>(call: &'a Open, output: &'a Datum) -> &'a Datum {
    if call.input.is_nil() { output } else { &call.input }
}

/// A lock, or leases.
#[derive(Default)]
pub(super) struct Lock {
    lock: MutualExclusion,
    released: bool,
    /// Holders by their numbers, in the order in which they came.
    names: Vec<String>,
    holder: Option<u64>,
    /// By token and by holder: where it was last seen.
    tokens: BTreeMap<u64, u64>,
    acquired: BTreeMap<u64, u64>,
}

impl Lock {
    /// A free one, whose holders say when they do not hold it any more, or never do.
    pub(super) fn new(released: bool) -> Self {
        Lock { released, ..Lock::default() }
    }

    fn number(&mut self, name: &str) -> u64 {
        let known = self.names.iter().position(|known| known == name);
        known.unwrap_or_else(|| {
            self.names.push(name.to_owned());
            self.names.len() - 1
        }) as u64
    }

    fn finding(&self, finding: MutualExclusionFinding, index: u64) -> Finding {
        let name = |process: u64| &self.names[process as usize];
        let (class, expected, seen, before) = match finding {
            MutualExclusionFinding::Overlap { process, holder } => (
                "two_holders",
                "one holder at a time".to_owned(),
                format!("{} holds it while {} does", name(process), name(holder)),
                self.acquired.get(&holder),
            ),
            MutualExclusionFinding::NotGreater { process, token, greatest } => (
                "token_not_greater",
                format!("a token above {greatest}, which was given before"),
                format!("{} got {token}", name(process)),
                self.tokens.get(&greatest),
            ),
            MutualExclusionFinding::Stale { process, token, greatest } => (
                "stale_holder",
                format!("nobody is listened to with a token below {greatest}, which was seen before"),
                format!("{} was, with {token}", name(process)),
                self.tokens.get(&greatest),
            ),
        };
        Finding { class, expected, seen, indices: before.copied().into_iter().chain([index]).collect() }
    }
}

impl Checker for Lock {
    fn invoked(&mut self, _: u64, call: &Open) -> Result<(), Trouble> {
        let process = self.number(&call.by);
        self.lock.releasing(process);
        Ok(())
    }

    fn ok(&mut self, _: u64, call: &Open, index: u64, output: &Datum) -> Result<bool, Trouble> {
        let process = self.number(&call.by);
        let value = value(call, output);
        let token = match u64::try_from(value.int().unwrap_or(-1)) {
            Ok(token) => Some(token),
            Err(_) if value.is_nil() && call.verb != "use" => None,
            Err(_) => {
                return Err(call.malformed(
                    "a token",
                    value,
                    "a token is a whole number from 0: name its field",
                ));
            }
        };
        let found = match (call.verb, token) {
            ("acquire", token) => {
                if let Some(holder) = self.holder.replace(process)
                    && !self.released
                {
                    self.lock.lost(holder);
                }
                self.acquired.insert(process, index);
                self.lock.acquired(process, token)
            }
            ("use", Some(token)) => self.lock.accepted(process, token),
            (verb, _) => {
                if verb == "lose" {
                    self.lock.lost(process);
                }
                return Ok(false);
            }
        };
        let judged = self.acquired.len() + self.tokens.len() > 1;
        let found = found.map_err(|finding| self.finding(finding, index));
        self.tokens.extend(token.map(|token| (token, index)));
        found?;
        Ok(judged)
    }

    fn gone(&mut self, who: &str) {
        let process = self.number(who);
        self.lock.lost(process);
    }
}

/// What replicas hold.
#[derive(Default)]
pub(super) struct Replicas {
    held: Convergence<String, Datum>,
    at: BTreeMap<String, u64>,
}

impl Checker for Replicas {
    fn ok(&mut self, _: u64, call: &Open, index: u64, output: &Datum) -> Result<bool, Trouble> {
        self.held.holds(call.by.clone(), output.clone());
        self.at.insert(call.by.clone(), index);
        Ok(false)
    }

    fn finish(&mut self, _: u64) -> Result<u64, Finding> {
        match self.held.finish() {
            Ok(()) => Ok(u64::from(self.at.len() > 1)),
            Err(diverged) => {
                let group = |(value, replicas): &(Datum, Vec<String>)| {
                    format!(
                        "{} hold{} {value}",
                        replicas.join(", "),
                        if replicas.len() == 1 { "s" } else { "" }
                    )
                };
                let groups: Vec<String> = diverged.groups.iter().map(group).collect();
                Err(Finding {
                    class: "diverged",
                    expected: "all replicas hold the same in the end".to_owned(),
                    seen: groups.join("; "),
                    indices: self.at.values().copied().collect(),
                })
            }
        }
    }
}
