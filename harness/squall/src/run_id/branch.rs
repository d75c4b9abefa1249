//! How a run departs from another one at some moment, as its name has it.

use std::{collections::BTreeSet, fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::language::model::Dur;

/// How a run departs from another one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Branch {
    /// These do not happen.
    Without(BTreeSet<Part>),
    /// Of all that faults do, these strikes alone happen.
    Only(BTreeSet<Part>),
    /// Whatever is drawn after `from` is drawn anew: latencies and losses, the scheduler's order, whom faults strike, later
    /// faults and operations.
    Redrawn {
        /// Since the start of the run.
        from: Duration,
        /// Which of the futures from there.
        future: u64,
    },
}

/// A part of a plan.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// A fault with all of its strikes, those included that are drawn anew, by its id.
    Fault(String),
    /// A strike of a fault, by its [name](crate::plan::PlannedFault::name).
    Strike(String),
    /// An operation, by its position in the plan.
    Operation(u32),
}

impl fmt::Display for Branch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Branch::Without(parts) => list(f, "without:", parts),
            Branch::Only(parts) => list(f, "only:", parts),
            // In seconds, as histories have it.
            Branch::Redrawn { from, future } if *from >= Duration::from_secs(1) => {
                let decimals = format!("{}.{:09}", from.as_secs(), from.subsec_nanos());
                let seconds = decimals.trim_end_matches('0').trim_end_matches('.');
                write!(f, "{seconds}s/{future}")
            }
            Branch::Redrawn { from, future } => write!(f, "{}/{future}", Dur(*from)),
        }
    }
}

fn list(f: &mut fmt::Formatter<'_>, word: &str, parts: &BTreeSet<Part>) -> fmt::Result {
    f.write_str(word)?;
    for (i, part) in parts.iter().enumerate() {
        write!(f, "{}{part}", if i == 0 { "" } else { "+" })?;
    }
    Ok(())
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Part::Fault(id) => write!(f, "fault:{id}"),
            Part::Strike(name) => f.write_str(name),
            Part::Operation(id) => write!(f, "operation:{id}"),
        }
    }
}

impl FromStr for Part {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            _ if text.is_empty() => {
                Err("say what is left out, as in `17/without:crash-orders+operation:12`".to_owned())
            }
            None => Ok(Part::Strike(text.to_owned())),
            Some(("fault", id)) if !id.is_empty() => Ok(Part::Fault(id.to_owned())),
            Some(("operation", id)) if id.parse::<u32>().is_ok() => {
                Ok(Part::Operation(id.parse().expect("it just was one")))
            }
            Some(_) => Err(format!(
                "`{text}` is no part of a plan: write a strike's name, `fault:ID`, or `operation:12`"
            )),
        }
    }
}

impl Part {
    /// Whether the strike of this name is this part, or of it.
    pub(crate) fn has_strike(&self, name: &str) -> bool {
        match self {
            Part::Strike(own) => own == name,
            Part::Fault(id) => fault_of(name) == id,
            Part::Operation(_) => false,
        }
    }
}

/// The id of the fault of which that is the name of a strike.
pub(crate) fn fault_of(strike: &str) -> &str {
    match strike.rsplit_once('#') {
        Some((id, nth)) if nth.parse::<u32>().is_ok() => id,
        _ => strike,
    }
}

impl Branch {
    /// Reads branches, one of the other, as they follow the name of a run and a slash.
    pub(super) fn parse_all(text: &str) -> Result<Vec<Branch>, String> {
        let mut parts = text.split('/');
        let mut branches = Vec::new();
        let mut last = Duration::ZERO;
        while let Some(part) = parts.next() {
            if let Some(what) = part.strip_prefix("without:") {
                branches.push(Branch::Without(what.split('+').map(str::parse).collect::<Result<_, _>>()?));
                continue;
            }
            if let Some(what) = part.strip_prefix("only:") {
                let parts: BTreeSet<Part> =
                    what.split('+').filter(|_| !what.is_empty()).map(str::parse).collect::<Result<_, _>>()?;
                if let Some(operation) = parts.iter().find(|part| matches!(part, Part::Operation(_))) {
                    return Err(format!(
                        "only faults can be the only ones that are left: {operation} is none"
                    ));
                }
                branches.push(Branch::Only(parts));
                continue;
            }
            let Dur(from) = part.parse::<Dur>().map_err(|error| error.to_string())?;
            let future = parts.next().and_then(|number| number.parse().ok());
            let Some(future) = future else {
                return Err(format!("say which future from {part} on, as in `17/{part}/5`"));
            };
            if from <= last {
                return Err(format!("a future of a future begins later than it: {part} does not"));
            }
            last = from;
            branches.push(Branch::Redrawn { from, future });
        }
        Ok(branches)
    }
}

impl Serialize for Part {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Part {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn branches_are_read_as_they_are_shown() {
        for text in ["without:fault:it", "only:it#2", "only:"] {
            let read = Branch::parse_all(text).expect("it reads");
            assert_eq!(read.iter().map(ToString::to_string).collect::<Vec<_>>(), [text]);
        }
        assert!(Branch::parse_all("only:operation:3").is_err());
    }
}
