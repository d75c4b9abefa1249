//! The history of a run: what clients asked and were told, what nodes reported, what was done to them, each with its
//! virtual time. Invariants are judged by it, and its digest stands for the run.
//!
//! Notation (Herlihy and Wing 1990, as extended by Jepsen): an operation is *invoked* and completes as *ok* (it took
//! effect), *fail* (it did not) or *info* (unknown: it may have taken effect, or may still).

// Uses: nothing.

use std::{borrow::Cow, fmt, time::Duration};

use serde::{Deserialize, Serialize, Serializer};

mod digest;
mod vocabulary;

pub(crate) use self::digest::Digester;
#[doc(hidden)]
pub use self::vocabulary::{count, joined};
pub use self::{digest::Digest, vocabulary::EventKind};

/// A field's value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Value {
    /// True or false.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Any other number.
    Float(#[serde(serialize_with = "finite_or_text")] f64),
    /// Text, and whatever else was reported through `Debug` or `Display`.
    Text(String),
}

/// JSON has no infinities and no NaN; `null` would not be read again as a value.
fn finite_or_text<S: Serializer>(number: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    if number.is_finite() {
        serializer.serialize_f64(*number)
    } else {
        serializer.serialize_str(&number.to_string())
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Bool(b) => b.fmt(f),
            Value::Int(i) => i.fmt(f),
            Value::Float(x) => x.fmt(f),
            Value::Text(s) => f.write_str(s),
        }
    }
}

macro_rules! value_from_integer {
    ($($t:ty),*) => {$(
        impl From<$t> for Value {
            fn from(n: $t) -> Self {
                i64::try_from(n).map_or_else(|_| Value::Text(n.to_string()), Value::Int)
            }
        }
    )*};
}
value_from_integer!(i8, i16, i32, i64, i128, isize, u8, u16, u32, u64, u128, usize);

impl From<bool> for Value {
    fn from(b: bool) -> Self {
        Value::Bool(b)
    }
}
impl From<f64> for Value {
    fn from(x: f64) -> Self {
        Value::Float(x)
    }
}
impl From<&str> for Value {
    fn from(s: &str) -> Self {
        Value::Text(s.to_owned())
    }
}
impl From<String> for Value {
    fn from(s: String) -> Self {
        Value::Text(s)
    }
}

/// Named values, in the order they were given.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Fields(Vec<(Cow<'static, str>, Value)>);

impl Fields {
    /// No fields.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a field.
    pub fn with(mut self, name: impl Into<Cow<'static, str>>, value: impl Into<Value>) -> Self {
        self.push(name, value);
        self
    }

    /// Adds a field.
    pub fn push(&mut self, name: impl Into<Cow<'static, str>>, value: impl Into<Value>) {
        self.0.push((name.into(), value.into()));
    }

    /// The first field of this name.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, v)| v)
    }

    /// The field as text, if it is text.
    pub fn text(&self, name: &str) -> Option<&str> {
        match self.get(name)? {
            Value::Text(s) => Some(s),
            _ => None,
        }
    }

    /// The field as a whole number, if it is one.
    pub fn int(&self, name: &str) -> Option<i64> {
        match self.get(name)? {
            Value::Int(i) => Some(*i),
            _ => None,
        }
    }

    /// The field as a truth value, if it is one.
    pub fn bool(&self, name: &str) -> Option<bool> {
        match self.get(name)? {
            Value::Bool(b) => Some(*b),
            _ => None,
        }
    }

    /// All fields in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.0.iter().map(|(n, v)| (n.as_ref(), v))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, (name, value)) in self.iter().enumerate() {
            write!(f, "{}{name}={value}", if i == 0 { "" } else { " " })?;
        }
        Ok(())
    }
}

/// One client operation from invocation to completion.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Operation {
    /// Its position in the plan, from 0: the same in the invocation and the completion.
    pub id: u32,
    /// The client that performs it, from 0. A client has one operation open at a time.
    pub client: u32,
    /// Its name, as in `workload.mix`.
    pub name: Cow<'static, str>,
}

/// How a run's phases follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// No faults yet.
    Warmup,
    /// Faults may strike.
    Chaos,
    /// All faults are healed; the system must recover.
    Settle,
    /// The run is over.
    End,
}

/// What became of a process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lifecycle {
    /// It started; its incarnation is in the record.
    Started,
    /// A fault crashed it.
    Crashed,
    /// Its `run_node` returned an error.
    Exited(String),
    /// A fault stopped its tasks.
    Paused,
    /// It goes on.
    Resumed,
    /// It was asked to end, and has a while to do so.
    Stopping,
    /// The crash took from its disk what a sync had reported durable: the disk lied.
    DiskLied {
        /// Bytes of files, in whole pages.
        bytes: u64,
        /// Names: files created, renamed, removed.
        names: u64,
    },
}

/// What a record says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A client starts an operation.
    Invoke(Operation, Fields),
    /// It succeeded, with this result.
    Ok(Operation, Fields),
    /// It did not take effect, and never will.
    Fail(Operation, Fields),
    /// Its outcome is unknown.
    Info(Operation, Fields),
    /// A node reported something: `target.message` of a tracing event. Events named `effect.*` are ground truth at a
    /// resource.
    Event {
        /// The node's name, as in the spec.
        node: Cow<'static, str>,
        /// Which start of the node's process.
        incarnation: u32,
        /// `target.message`.
        name: Cow<'static, str>,
        /// The event's fields.
        fields: Fields,
    },
    /// A fault took hold, or missed: its targets are as they were resolved at that moment.
    FaultStart {
        /// The fault's id in the spec, with `#n` for the n-th strike of a repeated one.
        fault: Cow<'static, str>,
        /// What was done to whom.
        what: String,
    },
    /// A fault ended.
    FaultHeal {
        /// The fault's id.
        fault: Cow<'static, str>,
        /// What was undone.
        what: String,
    },
    /// A process started or ended.
    Node {
        /// The node's name.
        node: Cow<'static, str>,
        /// Which start of the process.
        incarnation: u32,
        /// What happened.
        change: Lifecycle,
    },
    /// A phase began.
    Phase(Phase),
}

impl Kind {
    /// Whether both say the same, as their texts show it: a NaN is then the same as another, and 0 is not -0.
    pub(crate) fn is_same(&self, other: &Kind) -> bool {
        // What is equal shows the same text, but for the sign of a zero; most records are equal and have none.
        (self == other && !self.has_zero()) || format!("{self:?}") == format!("{other:?}")
    }

    fn has_zero(&self) -> bool {
        let (Kind::Invoke(_, fields)
        | Kind::Ok(_, fields)
        | Kind::Fail(_, fields)
        | Kind::Info(_, fields)
        | Kind::Event { fields, .. }) = self
        else {
            return false;
        };
        fields.iter().any(|(_, value)| *value == Value::Float(0.0))
    }
}

/// One entry of the history.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Its position in the history, from 0.
    pub seq: u64,
    /// Virtual time since the start of the run.
    pub at: Duration,
    /// What it says.
    pub kind: Kind,
}

impl Record {
    /// Whether both say the same at the same time, wherever in their histories.
    pub(crate) fn is_same(&self, other: &Record) -> bool {
        self.at == other.at && self.kind.is_same(&other.kind)
    }

    /// The event's name and fields, if this is an event.
    pub fn event(&self) -> Option<(&str, &Fields)> {
        match &self.kind {
            Kind::Event { name, fields, .. } => Some((name, fields)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Histories are compared where they are expected to be the same; a NaN in both is no difference.
    #[test]
    fn a_nan_is_the_same_as_itself() {
        let record = |at: u64, value: f64| Record {
            seq: 3,
            at: Duration::from_millis(at),
            kind: Kind::Event {
                node: "n".into(),
                incarnation: 1,
                name: "a.b".into(),
                fields: Fields::new().with("x", value),
            },
        };
        assert_ne!(record(1, f64::NAN), record(1, f64::NAN), "as IEEE 754 has it");
        assert!(record(1, f64::NAN).is_same(&record(1, f64::NAN)));
        assert!(record(1, 0.5).is_same(&record(1, 0.5)));
        assert!(record(1, -0.0).is_same(&record(1, -0.0)));
        for other in [record(1, 0.25), record(1, f64::INFINITY), record(2, f64::NAN)] {
            assert!(!record(1, f64::NAN).is_same(&other), "{other:?}");
        }
        assert!(!record(1, 0.0).is_same(&record(1, -0.0)), "a report would show a difference");
        let again = Record { seq: 4, ..record(1, 0.5) };
        assert!(again.is_same(&record(1, 0.5)), "its position is for whoever compares histories");
    }

    #[test]
    fn every_value_survives_the_way_through_json() {
        for value in [
            Value::Bool(true),
            Value::Int(i64::MIN),
            Value::Float(0.1 + 0.2),
            Value::Float(2.0),
            Value::Text("2".into()),
        ] {
            let json = serde_json::to_string(&value).expect("values serialise");
            assert_eq!(serde_json::from_str::<Value>(&json).expect(&json), value);
        }
        for number in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let json = serde_json::to_string(&Value::Float(number)).expect("values serialise");
            let back: Value = serde_json::from_str(&json).expect(&json);
            assert_eq!(back.to_string(), number.to_string());
        }
    }
}
