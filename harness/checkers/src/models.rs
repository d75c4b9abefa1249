//! Models of common objects.
//!
//! | model | operations | near-linear for |
//! |---|---|---|
//! | [`Register`] | read, write, compare-and-set | distinct written values, no compare-and-set |
//! | [`KeyValue`] | get, put, append, delete | distinct put values, by key, where nothing is appended or deleted |
//! | [`Set`] | add, remove, contains | elements that are added and removed at most once; elements are judged one by one |
//! | [`WholeSet`] | the same, and read all | sets that only grow, distinct elements |
//! | [`Queue`] | put, take in the same order | distinct values |
//! | [`Stack`] | put, take in the opposite order | distinct values |
//! | [`PriorityQueue`] | put, take the smallest | distinct values |
//! | [`Counter`] | add, read | - |
//! | [`Mutex`] | acquire, release, with or without fencing tokens | - |
//! | [`PerKey`] | any of them, many by key | as the model inside |
//!
//! The near-linear algorithms cost O(n log n), also where outcomes are unknown. What they do not cover is left to the search: a
//! value that is written or put in twice, a compare-and-set. Of an operation that takes something out and never returned
//! nobody knows what it took: a few ways to choose are tried, and the search decides where these leave it open.

mod container;
mod counter;
mod key_value;
mod mutex;
mod per_key;
mod register;
mod set;
mod whole_set;

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
    whole_set::{WholeSet, WholeSetInput, WholeSetOutput},
};

/// A number that equal values share.
pub(crate) fn fingerprint(value: &impl std::hash::Hash) -> u64 {
    use std::hash::BuildHasher;
    rustc_hash::FxBuildHasher.hash_one(value)
}
