//! The spec language, from the outside: what is read, and how errors look.

mod broken;
mod shop;
mod valid;
