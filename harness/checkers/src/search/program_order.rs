//! The order in which each process made its calls, and no other.

use super::Order;
use crate::{
    history::Process,
    model::{Call, Model, NEVER},
};

/// What a process did before comes before.
pub(crate) struct ProgramOrder {
    required: u32,
    left: u32,
    /// By process: its required calls in order.
    programs: Vec<Vec<u32>>,
    /// By process: how many of them were taken.
    taken: Vec<u32>,
    /// By required call: its process.
    process: Vec<u32>,
    /// By optional call: its process, and how many required calls of the process come before it.
    after: Vec<(u32, u32)>,
    /// By optional call: whether it was taken.
    happened: Vec<bool>,
}

impl ProgramOrder {
    /// The order of these calls, which are in order of returns, of these processes.
    pub(crate) fn of<M: Model>(calls: &[Call<'_, M::Input, M::Output>], processes: &[Process]) -> Self {
        let required = calls.partition_point(|call| call.returned != NEVER);
        let mut names: Vec<Process> = processes.to_vec();
        names.sort_unstable();
        names.dedup();
        let number = |call: usize| names.partition_point(|name| *name < processes[call]);
        let mut programs: Vec<Vec<u32>> = vec![Vec::new(); names.len()];
        let mut by_invocation: Vec<usize> = (0..calls.len()).collect();
        by_invocation.sort_unstable_by_key(|call| calls[*call].invoked);
        let mut after = vec![(0, 0); calls.len() - required];
        for call in by_invocation {
            let process = number(call);
            match call.checked_sub(required) {
                None => programs[process].push(call as u32),
                Some(optional) => after[optional] = (process as u32, programs[process].len() as u32),
            }
        }
        ProgramOrder {
            required: required as u32,
            left: required as u32,
            taken: vec![0; programs.len()],
            programs,
            process: (0..required).map(|call| number(call) as u32).collect(),
            happened: vec![false; after.len()],
            after,
        }
    }
}

impl Order for ProgramOrder {
    fn required(&self) -> u32 {
        self.required
    }

    fn left(&self) -> u32 {
        self.left
    }

    fn candidate(&self, cursor: u32) -> Option<(u32, u32)> {
        let processes = cursor as usize..self.programs.len();
        processes
            .filter_map(|process| {
                Some((*self.programs[process].get(self.taken[process] as usize)?, process as u32 + 1))
            })
            .next()
    }

    fn optional(&self, cursor: u32) -> Option<(u32, u32)> {
        let optional = (cursor as usize..self.after.len()).find(|optional| {
            let (process, before) = self.after[*optional];
            !self.happened[*optional] && self.taken[process as usize] >= before
        })? as u32;
        Some((self.required + optional, optional + 1))
    }

    fn take(&mut self, call: u32) {
        match call.checked_sub(self.required) {
            None => {
                self.left -= 1;
                self.taken[self.process[call as usize] as usize] += 1;
            }
            Some(optional) => self.happened[optional as usize] = true,
        }
    }

    fn put_back(&mut self, call: u32) {
        match call.checked_sub(self.required) {
            None => {
                self.left += 1;
                self.taken[self.process[call as usize] as usize] -= 1;
            }
            Some(optional) => self.happened[optional as usize] = false,
        }
    }

    fn words(&self, words: &mut Vec<u32>) {
        words.extend_from_slice(&self.taken);
    }

    fn beside(&self, beside: &mut Vec<u32>) {
        beside.extend(
            (0_u32..).zip(&self.happened).filter(|(_, happened)| **happened).map(|(optional, _)| optional),
        );
    }

    fn done(&self) -> u32 {
        0
    }
}
