//! What a system declares instead of writing it out. squall exports these beside the traits; nobody else depends on this crate.
//!
//! Each mistake in a declaration is an error of the compiler at the line where it is made.

use proc_macro::TokenStream;
use syn::{DeriveInput, parse_macro_input};

mod flaws;
mod operations;
mod words;

/// Derives `squall::Flaws` for an enum without fields, each variant of which is one thing that is wrong with a system.
///
/// The variant's name in snake case is what `variant:` names in a spec, as serde has it with `rename_all = "snake_case"`, which the enum must
/// have. Its documentation is what is wrong, in a sentence; `#[violates("..")]` names the invariant that it must violate.
///
/// ```ignore
/// /// What is wrong with the system.
/// #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Flaws)]
/// #[serde(rename_all = "snake_case")]
/// pub enum StoreFlaw {
///     /// The store takes writes with old tokens.
///     #[violates("writes_fenced")]
///     Unfenced,
/// }
/// ```
#[proc_macro_derive(Flaws, attributes(violates))]
pub fn flaws(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    flaws::expand(&input).unwrap_or_else(syn::Error::into_compile_error).into()
}

/// Derives `operations`, what [`System::operations`] gives, for the enum of a system's operations.
///
/// Each variant is one operation. Its name in snake case is the operation's, as serde has it with `rename_all = "snake_case"`, which the enum must have; its
/// fields are the arguments, and each says with `#[strategy(..)]` how it is drawn. `#[operation(..)]` on the variant says the rest:
///
/// - `weight = 3`: how often it is performed beside the others, unless a spec says otherwise. 0 is for specs that ask for it;
/// - `returns(version, value)`: which fields its results have beside the arguments and the `reason` of a failure;
/// - `strategy = ..`: how all of it is drawn, where its fields depend on each other. Then they say nothing.
///
/// `#[operations(params = Params)]` on the enum makes the system's parameters known to those expressions, as `params: &Params`.
///
/// ```ignore
/// /// What clients do.
/// #[derive(Clone, Debug, Serialize, Deserialize, Operations)]
/// #[serde(rename_all = "snake_case")]
/// pub enum Op {
///     /// Change the register.
///     #[operation(weight = 1, returns(version))]
///     Write {
///         /// To what.
///         #[strategy(1..1_000u64)]
///         value: u64,
///     },
///     /// Read it.
///     #[operation(weight = 3, returns(value, version))]
///     Read,
/// }
/// ```
///
/// [`System::operations`]: https://docs.rs/squall
#[proc_macro_derive(Operations, attributes(operation, operations, strategy))]
pub fn operations(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    operations::expand(&input).unwrap_or_else(syn::Error::into_compile_error).into()
}
