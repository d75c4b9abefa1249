//! A call that has begun.

use super::Trouble;
use crate::formats::Datum;

/// A call as checkers see it.
pub(super) struct Open {
    pub by: String,
    pub verb: &'static str,
    pub key: Option<Datum>,
    pub input: Datum,
    pub invoked: u64,
}

impl Open {
    /// Its argument or its answer says nothing to the checker, which takes `what` there.
    pub fn malformed(&self, what: &str, datum: &Datum, help: &str) -> Trouble {
        let got = match datum {
            Datum::Nil => "nothing".to_owned(),
            _ => format!("{datum}, {}", datum.kind()),
        };
        Trouble::Malformed(format!("`{}` takes {what}, and is given {got}", self.verb), help.to_owned())
    }
}
