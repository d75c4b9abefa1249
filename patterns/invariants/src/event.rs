//! Reading the fields of events.

use squall::{Fields, check::Breach, history::Value};

pub(crate) fn int(fields: &Fields, name: &str) -> Result<i64, Breach> {
    fields.int(name).ok_or_else(|| unreadable(name))
}

pub(crate) fn text<'a>(fields: &'a Fields, name: &str) -> Result<&'a str, Breach> {
    fields.text(name).ok_or_else(|| unreadable(name))
}

pub(crate) fn truth(fields: &Fields, name: &str) -> Result<bool, Breach> {
    match fields.get(name) {
        Some(Value::Bool(b)) => Ok(*b),
        _ => Err(unreadable(name)),
    }
}

/// The class is one that every law here has: an event without what it must tell.
pub(crate) fn unreadable(field: &str) -> Breach {
    Breach::of(
        "unreadable_event",
        format!("an event has the field `{field}`"),
        "it is missing, or of another type",
    )
}
