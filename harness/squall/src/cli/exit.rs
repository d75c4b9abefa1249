//! Exit codes.

use std::process::ExitCode;

use crate::report::Tally;

/// How a command ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Everything is as expected.
    AsExpected = 0,
    /// A spec failed.
    Failed = 1,
    /// Bad usage, or a bad spec.
    Usage = 2,
    /// The budget ran out, a run could not be judged, or the journal of what was judged could not be kept.
    Undecided = 3,
    /// Nothing was selected.
    Nothing = 4,
    /// A spec is vacuous.
    Vacuous = 5,
    /// Nondeterminism, or an error of squall itself.
    Internal = 70,
    /// Nobody reads the output any more: as a shell reports a death by SIGPIPE.
    BrokenPipe = 141,
}

impl Exit {
    /// All of them.
    pub(crate) const ALL: [Exit; 8] = [
        Exit::AsExpected,
        Exit::Failed,
        Exit::Usage,
        Exit::Undecided,
        Exit::Nothing,
        Exit::Vacuous,
        Exit::Internal,
        Exit::BrokenPipe,
    ];
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit as u8)
    }
}

/// The exit code for what became of all specs: that of the worst.
pub(crate) fn of(tally: Tally) -> Exit {
    match tally {
        _ if tally.nondeterministic > 0 => Exit::Internal,
        _ if tally.failed > 0 => Exit::Failed,
        _ if tally.vacuous > 0 => Exit::Vacuous,
        _ if tally.undecided > 0 => Exit::Undecided,
        _ if tally.specs() == 0 => Exit::Nothing,
        _ => Exit::AsExpected,
    }
}
