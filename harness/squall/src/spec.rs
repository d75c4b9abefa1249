//! The spec language: what a person writes to say which system runs, what breaks, and what must hold.
//!
//! A file is parsed into a tree that knows the place of each of its nodes, and the tree is read into the [`model`] with serde.
//! What the types cannot express (a target that matches nothing, an event no node emits, a fault after the end) is
//! checked against the [`Registry`](crate::Registry) afterwards. All errors of a file are reported at once, each with
//! its place, path and remedy.

mod leaf;
pub mod model;

pub use self::model::Spec;
