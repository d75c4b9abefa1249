//! Which events a line of a spec means: a name, and fields that must have given values.

use std::fmt;

use crate::{
    history::{Fields, Value},
    language::model::{EventPattern, Scalar},
};

/// An event pattern, ready to match.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Pattern {
    event: String,
    fields: Vec<(String, Scalar)>,
}

impl Pattern {
    /// The pattern of a spec.
    pub fn new(pattern: &EventPattern) -> Self {
        Self::of(&pattern.event.value, pattern.fields.iter().map(|(name, value)| (&name.value, value)))
    }

    /// A pattern of a name and fields.
    pub fn of<'a>(event: &str, fields: impl IntoIterator<Item = (&'a String, &'a Scalar)>) -> Self {
        Pattern {
            event: event.to_owned(),
            fields: fields.into_iter().map(|(name, value)| (name.clone(), value.clone())).collect(),
        }
    }

    /// Whether events of that name may be meant.
    pub fn is_of(&self, name: &str) -> bool {
        self.event == name
    }

    /// Whether the event is meant.
    pub fn matches(&self, name: &str, fields: &Fields) -> bool {
        self.event == name
            && self
                .fields
                .iter()
                .all(|(name, wanted)| fields.get(name).is_some_and(|value| is_equal(wanted, value)))
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.event)?;
        for (i, (name, value)) in self.fields.iter().enumerate() {
            write!(f, "{}{name}: {}", if i == 0 { " {" } else { ", " }, text(value))?;
        }
        if !self.fields.is_empty() {
            f.write_str("}")?;
        }
        Ok(())
    }
}

fn text(scalar: &Scalar) -> String {
    match scalar {
        Scalar::Bool(b) => b.to_string(),
        Scalar::Int(i) => i.to_string(),
        Scalar::Float(x) => x.to_string(),
        Scalar::Text(s) => s.clone(),
    }
}

/// A value reported through `Display` or `Debug` is text, whatever it was before, so texts are compared as a last
/// resort: `where: { step: 3 }` matches `step = %3`.
fn is_equal(wanted: &Scalar, value: &Value) -> bool {
    match (wanted, value) {
        (Scalar::Bool(a), Value::Bool(b)) => a == b,
        (Scalar::Int(a), Value::Int(b)) => a == b,
        (Scalar::Float(a), Value::Float(b)) => a == b,
        (Scalar::Text(a), Value::Text(b)) => a == b,
        (wanted, Value::Text(b)) => text(wanted) == *b,
        (Scalar::Int(a), Value::Float(b)) => *a as f64 == *b,
        _ => false,
    }
}
