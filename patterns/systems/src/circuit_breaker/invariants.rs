//! What must hold of the callers' breakers, judged by what is reported and by a model of its own.

mod correctness;
mod durable;
mod permits;
mod recovery;
#[cfg(test)]
mod tests;

pub(super) use self::{
    correctness::Correctness,
    durable::CountedDurably,
    permits::PermitsBalanced,
    recovery::{AllClosed, Recovers},
};
