//! Which pairs of faults differ in nothing but which members of a group they hit.

use indexmap::IndexSet;
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use crate::plan::Injection;

/// An injection but for which members of groups it names, and those.
pub(super) struct Shape {
    template: u64,
    /// Numbers of groups and members.
    members: Vec<(usize, usize)>,
}

/// The shapes of these, to be compared among each other alone.
pub(super) fn shapes<'a>(injections: impl Iterator<Item = &'a Injection>) -> Vec<Shape> {
    let mut numbers: IndexSet<String> = IndexSet::new();
    let mut number = |name: &str| numbers.insert_full(name.to_owned()).0;
    let shape = |injection: &Injection| {
        let (mut template, mut members) = (String::new(), Vec::new());
        // A member is GROUP[INDEX], between colons.
        for part in injection.to_string().split_inclusive(':') {
            match part.split_once('[') {
                Some((group, _)) => {
                    template += group;
                    template += "[]:";
                    members.push((number(group), number(part.trim_end_matches(':'))));
                }
                None => template += part,
            }
        }
        Shape { template: xxh3_64(template.as_bytes()), members }
    };
    injections.map(shape).collect()
}

impl Shape {
    /// Both, with the members of each group numbered in the order in which they come: equal for pairs that differ in nothing
    /// but which members they hit.
    pub(super) fn with(&self, other: &Shape) -> u64 {
        let members = || self.members.iter().chain(&other.members);
        let mix = |hash, part: u64| xxh3_64_with_seed(&part.to_le_bytes(), hash);
        let mut hash = mix(self.template, other.template);
        for (i, (group, member)) in members().enumerate() {
            let first = members().position(|(_, other)| other == member).unwrap_or(i);
            // The first place where it comes says which it is, among those of its group.
            let nth = members().take(first).filter(|(other, _)| other == group).count();
            hash = mix(hash, nth as u64);
        }
        hash
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether two pairs are alike.
    fn alike(one: [&str; 2], other: [&str; 2]) -> bool {
        let all: Vec<Injection> =
            one.into_iter().chain(other).map(|name| name.parse().expect("an injection")).collect();
        let shapes = shapes(all.iter());
        shapes[0].with(&shapes[1]) == shapes[2].with(&shapes[3])
    }

    #[test]
    fn members_of_a_group_are_alike_and_groups_and_numbers_are_not() {
        let crash = "crash-before@sync:orders[0]:3";
        assert!(alike(
            [crash, "crash-after@sync:orders[1]:1"],
            ["crash-before@sync:orders[2]:3", "crash-after@sync:orders[0]:1"]
        ));
        assert!(!alike(
            [crash, "crash-after@sync:orders[0]:1"],
            ["crash-before@sync:orders[2]:3", "crash-after@sync:orders[0]:1"]
        ));
        assert!(!alike([crash, "crash-after@sync:payments[1]:1"], [crash, "crash-after@sync:orders[1]:1"]));
        assert!(!alike([crash, "crash-after@sync:orders[1]:1"], [crash, "crash-after@sync:orders[1]:2"]));
        assert!(alike(
            ["lose@call:clients[0]:orders[1]:place:1", "lose@call:clients[1]:orders[1]:place:2"],
            ["lose@call:clients[2]:orders[0]:place:1", "lose@call:clients[0]:orders[0]:place:2"]
        ));
    }
}
