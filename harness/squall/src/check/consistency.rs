//! .
use super::Invariant;
/// .
pub fn builtin(_name: &str) -> Option<Box<dyn Invariant>> {
    None
}
