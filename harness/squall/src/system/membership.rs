//! Who is in the cluster: what a service registry or a headless DNS name would say in production.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// The groups in order, each with the positions of its members. Shared by all nodes and kept up to date as nodes join and leave.
#[derive(Clone, Debug)]
pub(crate) struct Membership(Arc<Mutex<Vec<Group>>>);

/// A group's name and the positions of its members.
type Group = (Arc<str>, BTreeSet<u32>);

impl Membership {
    /// Groups of these sizes.
    pub fn new(shape: &[(Arc<str>, u32)]) -> Self {
        Membership(Arc::new(Mutex::new(
            shape.iter().map(|(group, size)| (group.clone(), (0..*size).collect())).collect(),
        )))
    }

    fn groups(&self) -> MutexGuard<'_, Vec<Group>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The members of a group by position; none if there is no such group.
    pub fn of(&self, group: &str) -> BTreeSet<u32> {
        self.groups()
            .iter()
            .find(|(name, _)| **name == *group)
            .map_or_else(BTreeSet::new, |(_, of)| of.clone())
    }

    /// A node joins its group, or leaves it.
    pub fn set(&self, group: &str, index: u32, member: bool) {
        let mut groups = self.groups();
        let Some((_, of)) = groups.iter_mut().find(|(name, _)| **name == *group) else { return };
        if member {
            of.insert(index);
        } else {
            of.remove(&index);
        }
    }
}
