//! Anomalies planted into legal histories of single objects, which must be found; budgets that run out, which must be told.

mod anomalies;
mod budgets;
mod cheap;
mod peak;
