//! Where a pool's runs come from.

use serde_json::Value;

use crate::{plan::RunId, run::RunReport, spec::model::Strategy};

/// What a source has next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Issue {
    Run(RunId),
    /// Nothing before it has seen the reports of all runs that it issued.
    Later,
    /// No more.
    End,
}

/// Says which run is next. It is shown the reports in the same order; one that learns from them asks for those that it needs
/// ([`Issue::Later`]), so that the sequence of runs is the same with any number of workers.
pub(crate) trait Source: Send {
    /// The next run.
    fn next(&mut self) -> Issue;
    /// The report of the first run that was issued and not yet reported on.
    fn learn(&mut self, _report: &RunReport) {}
    /// How many runs there will be in all, as far as that is known.
    fn total(&self) -> u64;
    /// What its runs cover, once they are done.
    fn statements(&self) -> Vec<Statement> {
        Vec::new()
    }
}

/// What the runs of a strategy cover.
#[derive(Clone, Debug, PartialEq)]
pub struct Statement {
    /// The strategy.
    pub strategy: Strategy,
    /// For a person.
    pub text: String,
    /// For a program.
    pub numbers: Value,
}
