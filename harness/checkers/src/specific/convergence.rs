//! Replicas that agree in the end.

use std::{collections::BTreeMap, fmt};

/// Watches what replicas hold.
///
/// ```
/// use squall_checkers::specific::Convergence;
///
/// let mut replicas = Convergence::new();
/// replicas.holds("a", 1);
/// replicas.holds("b", 1);
/// replicas.holds("c", 2);
/// let diverged = replicas.finish().unwrap_err();
/// assert_eq!(diverged.to_string(), r#"replicas differ: ["a", "b"] hold 1; ["c"] hold 2"#);
/// replicas.holds("c", 1);
/// assert!(replicas.finish().is_ok());
/// ```
#[derive(Clone, Debug)]
pub struct Convergence<R, V> {
    replicas: BTreeMap<R, V>,
}

/// Replicas that do not agree.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Diverged<R, V> {
    /// The values, each with the replicas that hold it, in order of the first of them.
    pub groups: Vec<(V, Vec<R>)>,
}

impl<R: fmt::Debug, V: fmt::Debug> fmt::Display for Diverged<R, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let groups: Vec<String> =
            self.groups.iter().map(|(value, replicas)| format!("{replicas:?} hold {value:?}")).collect();
        write!(f, "replicas differ: {}", groups.join("; "))
    }
}

impl<R, V> Default for Convergence<R, V> {
    fn default() -> Self {
        Convergence { replicas: BTreeMap::new() }
    }
}

impl<R: Clone + Ord, V: Clone + Eq> Convergence<R, V> {
    /// No replica is known.
    pub fn new() -> Self {
        Self::default()
    }

    /// From now on a replica holds this.
    pub fn holds(&mut self, replica: R, value: V) {
        self.replicas.insert(replica, value);
    }

    /// A replica is gone for good.
    pub fn left(&mut self, replica: &R) {
        self.replicas.remove(replica);
    }

    /// Whether all replicas hold the same now. Costs O(r v) for r replicas that hold v different values.
    pub fn finish(&self) -> Result<(), Diverged<R, V>> {
        let mut groups: Vec<(V, Vec<R>)> = Vec::new();
        for (replica, value) in &self.replicas {
            match groups.iter_mut().find(|(other, _)| other == value) {
                Some((_, replicas)) => replicas.push(replica.clone()),
                None => groups.push((value.clone(), vec![replica.clone()])),
            }
        }
        if groups.len() > 1 { Err(Diverged { groups }) } else { Ok(()) }
    }
}
