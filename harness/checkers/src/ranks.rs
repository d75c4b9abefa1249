//! Operations as [`Call`]s, whose moments are ranks.

use crate::{
    history::Operation,
    model::{Call, Model, NEVER},
};

/// Calls, and the operation of each.
pub(crate) struct Ranked<'h, M: Model> {
    pub(crate) calls: Vec<Call<'h, M::Input, M::Output>>,
    pub(crate) operations: Vec<u32>,
}

/// Operations as calls. What never returned and only reads is left out: it constrains nothing.
pub(crate) fn calls<'h, M: Model>(
    model: &M,
    history: &'h [Operation<M::Input, M::Output>],
    operations: &[u32],
) -> Ranked<'h, M> {
    let mut calls = Vec::with_capacity(operations.len());
    let mut kept = Vec::with_capacity(operations.len());
    // Of moments at the same position, invocations come first: then the calls overlap.
    let mut moments: Vec<(u64, bool, u32)> = Vec::with_capacity(2 * operations.len());
    for &index in operations {
        let operation = &history[index as usize];
        if operation.returned.is_none() && model.reads_only(&operation.input, None) {
            continue;
        }
        let call = calls.len() as u32;
        moments.push((operation.invoked.index, false, call));
        if let Some(returned) = &operation.returned {
            assert!(
                operation.invoked.index <= returned.at.index,
                "operation {index} returns at {} before it is invoked at {}",
                returned.at.index,
                operation.invoked.index
            );
            moments.push((returned.at.index, true, call));
        }
        calls.push(Call { input: &operation.input, output: operation.output(), invoked: 0, returned: NEVER });
        kept.push(index);
    }
    moments.sort_unstable();
    for (rank, (_, is_return, call)) in moments.into_iter().enumerate() {
        let call = &mut calls[call as usize];
        if is_return { call.returned = rank as u32 } else { call.invoked = rank as u32 }
    }
    Ranked { calls, operations: kept }
}
