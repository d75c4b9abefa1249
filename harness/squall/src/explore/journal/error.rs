//! What can be wrong with a journal: a code, a place, a remedy.

use std::{fmt, io, path::Path};

/// The kinds of errors, shown as `J002`. A code keeps its meaning for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Code {
    /// The file cannot be read or written.
    Io = 1,
    /// A journal is to begin where there is a file.
    Exists = 2,
    /// Another process has it open.
    InUse = 3,
    /// The file is no journal.
    NoJournal = 4,
    /// A line is not what was written there.
    Damaged = 5,
    /// It is that of another build.
    OtherBuild = 6,
    /// A spec is not what it was.
    OtherSpec = 7,
}

/// Why a journal cannot be begun or gone on with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Error {
    code: Code,
    /// `FILE` or `FILE:LINE`.
    place: String,
    message: String,
    help: String,
}

impl Error {
    pub(super) fn new(path: &Path, code: Code, message: String, help: String) -> Self {
        Error { code, place: path.display().to_string(), message, help }
    }

    pub(super) fn io(path: &Path, what: &str, error: &io::Error) -> Self {
        let help =
            "the lines that it holds stay good: make the file accessible, or room for it, then --resume";
        Error::new(path, Code::Io, format!("the journal {what}: {error}"), help.to_owned())
    }

    /// A line is damaged, and it is not the last.
    pub(super) fn damaged(path: &Path, number: u64, message: &str) -> Self {
        let (file, good) = (path.display(), number - 1);
        let help = format!("the lines before it are good: `head -n {good} {file} > NEW`, then --resume NEW");
        let message = format!("the journal is damaged in line {number}: {message}");
        Error { place: format!("{file}:{number}"), ..Error::new(path, Code::Damaged, message, help) }
    }

    /// A spec, or a case of it, is not what it was.
    pub(crate) fn other_spec(path: &Path, title: &str, what: &str) -> Self {
        Error::new(
            path,
            Code::OtherSpec,
            format!("{title} {what} since the journal was begun, and its runs would be others now"),
            "put it back as it was, or begin anew with another --journal".to_owned(),
        )
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Error { code, place, message, help } = self;
        write!(f, "error[J{:03}]: {message}\n --> {place}\n  = help: {help}", *code as u32)
    }
}
