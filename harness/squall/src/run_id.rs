//! Which run of a spec: the seed, and how the run's plan departs from what the spec draws for that seed.
//!
//! A run's name says all there is to know, so that whoever has the spec and the name has the run: `17`, `swarm:17`,
//! `sweep:0+crash-before@sync:orders[0]:3`, `guided:17~204~9`. What follows a slash departs from the run before it at some moment:
//! `17/3.214s/5` is run 17 until then, and its fifth future from there on. It is what reports print and what `--seed` takes.
//!
//! What the words of a name do to a plan is said where plans are made.

// Uses: language, trace.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

mod branch;
mod injection;

pub(crate) use self::branch::fault_of;
pub use self::{
    branch::{Branch, Part},
    injection::{Harm, Injection, Point},
};

/// The name of a run of a spec: the seed, and how the plan departs from what the spec draws for it. Shown as `17`, `swarm:17`, `17/3.214s/5`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunId {
    /// What the spec's own draws are keyed by, and those of the run.
    pub seed: u64,
    /// How its plan departs from the one that the spec draws.
    pub variation: Variation,
}

/// How a run's plan departs from the one that the spec draws for its seed.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Variation {
    /// Not at all.
    #[default]
    None,
    /// Some faults and operations are left out, others come more or less often, all drawn from the seed.
    Swarm,
    /// The spec's faults are left out, and these strike.
    Sweep(Vec<Injection>),
    /// These strike besides.
    Pct(Vec<Injection>),
    /// It was changed, step by step; each step is keyed by a number.
    Guided(Vec<u64>),
    /// It is that of another run up to a moment.
    Branched(Box<Variation>, Branch),
}

impl RunId {
    /// The run that the spec draws for this seed.
    pub fn drawn(seed: u64) -> Self {
        RunId { seed, variation: Variation::None }
    }

    /// The run that departs from this one in that way.
    pub fn branched(&self, branch: Branch) -> Self {
        let variation = Variation::Branched(Box::new(self.variation.clone()), branch);
        RunId { seed: self.seed, variation }
    }

    /// Whether it is this run, or departs from it at some moment.
    pub(crate) fn is_of(&self, run: &RunId) -> bool {
        let mut variation = &self.variation;
        while let Variation::Branched(of, _) = variation {
            if self.seed == run.seed && *variation == run.variation {
                return true;
            }
            variation = of;
        }
        self.seed == run.seed && *variation == run.variation
    }

    /// Whether what a strategy learns from it is its trace: what happened in it, point by point.
    pub(crate) fn is_survey(&self) -> bool {
        matches!(&self.variation, Variation::Sweep(points) | Variation::Pct(points) if points.is_empty())
    }
}

impl From<u64> for RunId {
    fn from(seed: u64) -> Self {
        RunId::drawn(seed)
    }
}

impl From<&RunId> for RunId {
    fn from(id: &RunId) -> Self {
        id.clone()
    }
}

impl fmt::Display for RunId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seed = self.seed;
        match &self.variation {
            Variation::None => write!(f, "{seed}"),
            Variation::Swarm => write!(f, "swarm:{seed}"),
            Variation::Sweep(points) => {
                write!(f, "sweep:{seed}")?;
                points.iter().try_for_each(|point| write!(f, "+{point}"))
            }
            Variation::Pct(points) => {
                write!(f, "pct:{seed}")?;
                points.iter().try_for_each(|point| write!(f, "+{point}"))
            }
            Variation::Guided(steps) => {
                write!(f, "guided:{seed}")?;
                steps.iter().try_for_each(|step| write!(f, "~{step}"))
            }
            Variation::Branched(of, branch) => {
                write!(f, "{}/{branch}", RunId { seed, variation: (**of).clone() })
            }
        }
    }
}

impl FromStr for RunId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some((of, branches)) = text.split_once('/') {
            return Branch::parse_all(branches)?
                .into_iter()
                .try_fold(of.parse::<RunId>()?, |of, branch| Ok(of.branched(branch)));
        }
        let number = |part: &str| -> Result<u64, String> {
            let digits = part.trim();
            if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
                return Err(format!(
                    "`{text}` names no run: write a seed (17), or a run's name as reports print it (swarm:17)"
                ));
            }
            digits.parse().map_err(|_| format!("{digits} is too large for a seed: the last is {}", u64::MAX))
        };
        let Some((strategy, rest)) = text.split_once(':') else { return Ok(RunId::drawn(number(text)?)) };
        let injections = |rest: &str| -> Result<(u64, Vec<Injection>), String> {
            let mut parts = rest.split('+');
            let seed = number(parts.next().unwrap_or_default())?;
            Ok((seed, parts.map(str::parse).collect::<Result<_, _>>()?))
        };
        let (seed, variation) = match strategy.trim() {
            "random" => (number(rest)?, Variation::None),
            "swarm" => (number(rest)?, Variation::Swarm),
            "sweep" => injections(rest).map(|(seed, points)| (seed, Variation::Sweep(points)))?,
            "pct" => injections(rest).map(|(seed, points)| (seed, Variation::Pct(points)))?,
            "guided" => {
                let mut parts = rest.split('~').map(number);
                let seed = parts.next().expect("a split has a first part")?;
                (seed, Variation::Guided(parts.collect::<Result<_, _>>()?))
            }
            other => {
                return Err(format!(
                    "there is no strategy `{other}`: a run's name begins with random:, swarm:, sweep:, pct: or guided:"
                ));
            }
        };
        Ok(RunId { seed, variation })
    }
}

impl Serialize for RunId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for RunId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Name)
    }
}

/// Reads a run's name, which is a number for what the spec draws.
struct Name;

impl de::Visitor<'_> for Name {
    type Value = RunId;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a seed, or a run's name as `swarm:17`")
    }

    fn visit_u64<E: de::Error>(self, seed: u64) -> Result<RunId, E> {
        Ok(RunId::drawn(seed))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<RunId, E> {
        text.parse().map_err(E::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_as_it_is_shown() {
        for name in [
            "17",
            "swarm:0",
            "sweep:3",
            "sweep:0+crash-before@sync:orders[0]:3",
            "pct:100+pause@step:orders[1]:saga.step_done:4+delay@message:a[0]:b[1]:data:12",
            "guided:17",
            "guided:17~204~18446744073709551615",
            "17/3.214s/5",
            "swarm:17/without:cut#2+operation:12",
            "17/without:crash/3.214000001s/0/4s/1",
            "sweep:0+delay@call:a[0]:b[0]:GET %2Forders:3/1s/7",
        ] {
            assert_eq!(name.parse::<RunId>().expect(name).to_string(), name);
        }
        assert_eq!("random:4".parse(), Ok(RunId::drawn(4)));
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for (bad, why) in [
            ("", "names no run"),
            ("x", "names no run"),
            ("-1", "names no run"),
            ("swam:3", "no strategy `swam`"),
            ("swarm:", "names no run"),
            ("guided:1~", "names no run"),
            ("99999999999999999999", "too large"),
            ("sweep:0+explode@sync:a[0]:1", "explode"),
            ("sweep:0+lose@sync:a[0]:1", "lose"),
            ("17/3s", "which future"),
            ("17/3s/", "which future"),
            ("17/3/4", "bad duration"),
            ("17/4s/0/3s/0", "later"),
            ("17/without:", "what is left out"),
            ("17/without:operation:x", "operation:12"),
            ("x/3s/4", "names no run"),
        ] {
            let error = bad.parse::<RunId>().expect_err(bad);
            assert!(error.contains(why), "{bad}: {error}");
        }
    }
}
