//! The spec language, from the outside: what is read, and what a person is told when it cannot be.

mod broken;
mod files;
mod include;
mod leaves;
mod matrix;
mod mutation;
mod registration;
mod schema;
mod shop;
mod valid;
