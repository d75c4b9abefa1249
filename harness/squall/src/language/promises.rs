//! What the general checkers are called in a spec: promises of consistency, and single properties.

use squall_checkers::judge::{Consistency, Property};

/// The promises, as specs write them, with what each says.
pub(crate) const PROMISES: &[(&str, &str)] = &[
    ("linearizable", "each operation takes effect at one moment between its invocation and its return"),
    ("sequential", "all operations in one order that keeps that of each client"),
    ("strict_serializable", "all in one order that keeps real time"),
    ("strong_session_serializable", "all in one order that keeps that of each client"),
    ("serializable", "all in one order"),
    ("strong_snapshot_isolation", "snapshots that hold all that had been committed before"),
    ("strong_session_snapshot_isolation", "snapshots that hold what the client did before"),
    ("snapshot_isolation", "each reads one snapshot, and no two that run at once write the same key"),
    ("parallel_snapshot_isolation", "causal, and of two that run at once only one writes a key"),
    ("consistent_view", "each reads one state, though not all agree on the order of states"),
    ("causal", "what happened before is seen"),
    ("read_atomic", "all of an operation is seen or nothing"),
    ("monotonic_atomic_view", "who saw part of an operation sees nothing older than its other parts"),
    ("read_committed", "only what took effect is read, and only in its final version"),
    ("monotonic_writes", "who sees a client's write sees what that client wrote before"),
    ("writes_follow_reads", "who sees a write sees what its client had read before"),
    ("pram", "the writes of each client are seen in their order"),
];

/// What a promise is called in a spec, to what it is.
pub(crate) fn promise(name: &str) -> Option<Consistency> {
    PROMISES.iter().any(|(known, _)| *known == name).then(|| Consistency::of(&name.replace('_', "-")))?
}

/// What a property is called in a spec.
pub(crate) fn name_of(property: Property) -> String {
    property.name().replace('-', "_")
}

/// The property of a check's name.
pub(crate) fn property(name: &str) -> Option<Property> {
    Property::of(name).filter(|_| !name.contains('-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All that a checker can be asked is known by its name in a spec.
    #[test]
    fn names_have_underscores() {
        assert_eq!(property("unique_ids"), Some(Property::UniqueIds));
        assert_eq!(property("unique-ids"), None);
        assert!(Property::all().all(|one| property(&name_of(one)) == Some(one)));
    }
}
