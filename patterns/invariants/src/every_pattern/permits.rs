//! X3: permits acquired are permits released, dropped futures and panics included.

use std::{collections::BTreeMap, time::Duration};

use squall::{
    EventKind, Invariant, Record,
    check::{Breach, End},
    history::{Kind, Lifecycle},
};

use crate::event::int;

/// What gives permits: a pool of a process in one of its lives.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Pool {
    pub(crate) node: String,
    pub(crate) incarnation: u32,
    /// Empty for the only one of its node.
    pub(crate) name: String,
}

/// The permits that are out: when and in which record they were given.
pub(crate) struct Permits {
    longest: Duration,
    out: BTreeMap<Pool, BTreeMap<i64, (Duration, u64)>>,
}

impl Permits {
    /// None is out for longer than this.
    pub(crate) fn new(longest: Duration) -> Self {
        Permits { longest, out: BTreeMap::new() }
    }

    /// The pools of which this is so are gone, and what they gave with them.
    pub(crate) fn gone(&mut self, is_gone: impl Fn(&Pool) -> bool) {
        self.out.retain(|pool, _| !is_gone(pool));
    }

    pub(crate) fn given(&mut self, pool: Pool, permit: i64, at: Duration, seq: u64) {
        self.out.entry(pool).or_default().insert(permit, (at, seq));
    }

    pub(crate) fn returned(&mut self, pool: &Pool, permit: i64) -> Result<(), Breach> {
        match self.out.get_mut(pool).and_then(|permits| permits.remove(&permit)) {
            Some(_) => Ok(()),
            None => Err(Breach::of(
                "permit_returned_twice",
                format!("{}'s permit {permit}{} comes back once", pool.node, pool.of()),
                "it came back without being out",
            )),
        }
    }

    /// Whoever had it is done.
    pub(crate) fn due(&self, pool: &Pool, permit: i64, at: Duration) -> Result<(), Breach> {
        match self.out.get(pool).and_then(|permits| permits.get(&permit)) {
            Some((_, given)) => {
                let seen = format!("its call has ended at {at:?}, and it has not");
                Err(pool.leaked(permit, seen).with_evidence([*given]))
            }
            None => Ok(()),
        }
    }

    pub(crate) fn finish(&self, end: &End) -> Result<(), Breach> {
        for (pool, permits) in &self.out {
            for (&permit, &(at, seq)) in permits {
                if at.max(end.healed_at) + self.longest < end.ended_at {
                    let seen = format!(
                        "given at {at:?}, it has not by the end at {:?}: {:?} after the heal, and no call takes more than {:?}",
                        end.ended_at,
                        end.ended_at - end.healed_at,
                        self.longest
                    );
                    return Err(pool.leaked(permit, seen).with_evidence([seq]));
                }
            }
        }
        Ok(())
    }
}

impl Pool {
    fn of(&self) -> String {
        if self.name.is_empty() { String::new() } else { format!(" of {}", self.name) }
    }

    fn leaked(&self, permit: i64, seen: String) -> Breach {
        let expected =
            format!("{}'s permit {permit}{} comes back by the end of its call", self.node, self.of());
        Breach::of("permit_leaked", expected, seen)
    }
}

/// `permits_returned`: each permit comes back once, by the time that it is due, or else by the end. Classes: `permit_leaked`,
/// `permit_returned_twice`.
pub struct PermitsReturned {
    permits: Permits,
    judged: u64,
}

impl PermitsReturned {
    /// No permit is out for longer than this.
    pub fn new(longest_hold: Duration) -> Self {
        PermitsReturned { permits: Permits::new(longest_hold), judged: 0 }
    }
}

impl Invariant for PermitsReturned {
    fn name(&self) -> &str {
        "permits_returned"
    }

    fn observe(&mut self, record: &Record) -> Result<(), Breach> {
        match &record.kind {
            Kind::Event { node, incarnation, name, fields } => {
                let pool = || Pool {
                    node: node.to_string(),
                    incarnation: *incarnation,
                    name: fields.get("pool").map(ToString::to_string).unwrap_or_default(),
                };
                match &**name {
                    "permit.given" => {
                        self.judged += 1;
                        self.permits.given(pool(), int(fields, "permit")?, record.at, record.seq);
                        Ok(())
                    }
                    "permit.returned" => self.permits.returned(&pool(), int(fields, "permit")?),
                    "permit.due" => self.permits.due(&pool(), int(fields, "permit")?, record.at),
                    _ => Ok(()),
                }
            }
            // What a dead process held died with it.
            Kind::Node { node, change: Lifecycle::Crashed | Lifecycle::Exited(_), .. } => {
                self.permits.gone(|pool| pool.node == **node);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn finish(&mut self, end: &End) -> Result<(), Breach> {
        self.permits.finish(end)
    }

    fn exercised(&self) -> u64 {
        self.judged
    }

    fn vocabulary(&self) -> &'static [EventKind] {
        const {
            &[
                EventKind::new("permit.given", &["pool", "permit"], "a permit is out"),
                EventKind::new("permit.returned", &["pool", "permit"], "it is back"),
                EventKind::new("permit.due", &["pool", "permit"], "whoever had it is done"),
            ]
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::script::Script, *};

    fn permit(script: Script, what: &'static str, permit: i64) -> Script {
        script.event("api[0]", what, &[("pool", "db".into()), ("permit", permit.into())])
    }

    fn judged(script: &Script, ended: u64) -> Option<&'static str> {
        let mut law = PermitsReturned::new(Duration::from_secs(1));
        let end = End { healed_at: Duration::ZERO, ended_at: Duration::from_secs(ended) };
        script.judge(&mut law).or_else(|| law.finish(&end).err().map(|breach| breach.class))
    }

    #[test]
    fn each_comes_back_once() {
        let out = || permit(permit(Script::default(), "permit.given", 1), "permit.given", 2);
        let back = || permit(permit(out(), "permit.returned", 1), "permit.due", 1);
        let all = || permit(back(), "permit.returned", 2);
        assert_eq!(judged(&all(), 9), None);
        assert_eq!(judged(&back(), 9), Some("permit_leaked"));
        assert_eq!(judged(&back(), 1), None, "there was not enough time to tell");
        assert_eq!(judged(&permit(back(), "permit.due", 2), 1), Some("permit_leaked"));
        assert_eq!(judged(&permit(all(), "permit.returned", 2), 9), Some("permit_returned_twice"));
        assert_eq!(judged(&back().crashed("api[0]"), 9), None);
        assert_eq!(PermitsReturned::new(Duration::ZERO).exercised(), 0);
    }
}
