//! A few large operations instead of many small ones.
//!
//! Leaving out one at a time ends where every single one is needed, though it may be but for what it adds up to: fourteen numbers
//! taken one by one where two operations that take ten each would do. So when many are left, those of each kind that the run had to begin
//! with are tried in their place, closer together.

use std::time::Duration;

use super::{Shrinker, by_name, classes, operations, size, with_operations};
use crate::{
    plan::PlannedOperation,
    spec::{Spec, model::Dur},
};

/// The most operations that are taken for few.
const FEW: usize = 6;
/// How much closer together.
const CLOSER: [u32; 3] = [1, 2, 4];

/// Tries the operations that there were, those of one kind at a time. `all` are those of the run before anything was left out.
pub(super) fn few(shrinker: &mut Shrinker<'_>, spec: &mut Spec, all: &[PlannedOperation]) {
    if operations(spec).len() <= FEW {
        return;
    }
    for kind in classes(all, by_name) {
        let of_kind = || all.iter().filter(|operation| operation.name() == kind);
        let failing = CLOSER.iter().find_map(|times| {
            let closer = of_kind().cloned().map(|operation| PlannedOperation {
                at: Dur(Duration::from_millis((operation.at.0 / *times).as_millis() as u64)),
                ..operation
            });
            let candidate = with_operations(spec, closer.collect());
            shrinker.fails(&candidate).then_some(candidate)
        });
        if let Some(mut candidate) = failing {
            shrinker.take_out(&mut candidate);
            if size(&candidate) < size(spec) {
                *spec = candidate;
            }
        }
    }
}
