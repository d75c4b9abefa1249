//! The invariants that any spec may name, whatever its system.

use super::{
    Invariant,
    consistent::Consistent,
    session::{GUARANTEES, guarantee},
};
use crate::language::promises::PROMISES;

/// All of them, with what each says: those that are judged as a run goes, and those of the general checkers at its end.
pub(crate) fn builtins() -> impl Iterator<Item = (&'static str, &'static str)> {
    GUARANTEES.iter().chain(PROMISES).copied()
}

/// The one of that name, fresh for one run.
pub(crate) fn builtin(name: &str) -> Option<Box<dyn Invariant>> {
    guarantee(name).or_else(|| Consistent::builtin(name).map(|check| Box::new(check) as Box<dyn Invariant>))
}
