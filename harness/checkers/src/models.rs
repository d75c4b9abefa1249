//! Models of common objects.
//!
//! | model | operations | near-linear for |
//! |---|---|---|
//! | [`Register`] | read, write, compare-and-set | distinct written values, no compare-and-set |
//! | [`KeyValue`] | get, put, append, delete | distinct put values, by key, where nothing is appended or deleted |
//! | [`Set`] | add, remove, contains | everything but contention on one element: elements are judged one by one |
//! | [`Queue`] | put, take in the same order | distinct values |
//! | [`Stack`] | put, take in the opposite order | distinct values |
//! | [`PriorityQueue`] | put, take the smallest | distinct values |
//! | [`Counter`] | add, read | - |
//! | [`Mutex`] | acquire, release, with or without fencing tokens | - |
//! | [`PerKey`] | any of them, many by key | as the model inside |
//!
//! The near-linear algorithms also need to know what came out: an operation that takes something out and never returned
//! leaves its history to the search.

mod container;
mod counter;
mod key_value;
mod mutex;
mod per_key;
mod register;
mod set;

pub use self::{
    container::{
        Container, ContainerInput, ContainerOutput, Discipline, Fifo, Lifo, PriorityQueue, Queue,
        SmallestFirst, Stack,
    },
    counter::{Counter, CounterInput},
    key_value::{KeyValue, KeyValueInput, KeyValueOutput},
    mutex::{Mutex, MutexInput, MutexOutput},
    per_key::PerKey,
    register::{Register, RegisterInput, RegisterOutput},
    set::{Set, SetInput},
};

/// A number that equal values share.
pub(crate) fn fingerprint(value: &impl std::hash::Hash) -> u64 {
    use std::hash::BuildHasher;
    rustc_hash::FxBuildHasher.hash_one(value)
}
