//! What must hold, judged by what nodes report and clients are told.

mod commands;
mod delivered;
mod patience;
mod primary;
mod readings;

#[cfg(test)]
mod tests;

pub use self::{
    commands::AdjustedOnce,
    delivered::{AllStored, Delivered},
    patience::AnswersInTime,
    primary::OnePrimary,
    readings::{Authentic, Durable, LatestIsNewest, OnceInOrder},
};
