//! The language of specs: its words and how they are written, and what is wrong with what is written otherwise.
//!
//! A text is parsed into a [tree](Tree) that knows the place of each of its nodes, and a tree is read with serde into the types of the
//! [`model`]. What is wrong is told as [diagnostics](Diagnostic), each with its place, path and remedy. Faults have words of their own, and
//! a [spec](crate::spec) is all of it together.

// Uses: screen.

use serde::{Serialize, de::DeserializeOwned};

pub(crate) mod de;
pub(crate) mod diagnostic;
mod leaf;
pub mod model;
pub(crate) mod path;
mod place;
pub(crate) mod promises;
mod spanned;
pub(crate) mod yaml;

use self::path::{Path, Step};
pub(crate) use self::place::Place;
pub use self::{
    diagnostic::{Code, Diagnostic, Diagnostics, Sources},
    leaf::BadLeaf,
    spanned::{Span, Spanned},
    yaml::{MAX_BYTES, Tree},
};

/// Reads a system's parameters from `params:`. Gives them complete, as JSON, and what is wrong with them; what is wrong is left
/// out, or if it cannot be, all parameters have their defaults.
///
/// # Panics
/// When parameters cannot be written as JSON.
pub(crate) fn read_params<P: DeserializeOwned + Serialize + Default>(
    params: &mut Tree,
) -> (serde_json::Value, Vec<Diagnostic>) {
    let mut at = Path::default();
    at.push(Step::Key("params".into()));
    let read = de::read::<P>(params, &at);
    let params =
        serde_json::to_value(read.value.unwrap_or_default()).expect("parameters can be written as JSON");
    (params, read.errors)
}
