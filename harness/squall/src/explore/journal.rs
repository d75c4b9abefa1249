//! The journal of a campaign: what was asked, and what came out of it so far, run by run, in a file that outlives the process.
//!
//! Runs are written in the order in which they are judged, and that order depends on build, specs, seeds and strategies alone. So whoever
//! has the first runs of a campaign can judge them again without executing them, and go on with the next one as if nothing had
//! happened: the report at the end is that of a campaign that was never interrupted, but for the times that it took.
//!
//! The file is a text of [lines](line), each with a checksum. The first is the [`Header`]; after it come, for each spec in turn, [`Entry`]s: the
//! spec begins, its runs, it is explored, what was shrunk, it is done. A line is written with one `write`, so the death of the process
//! loses no line that was written; the file is synced at most once a second and at the end, so a power loss takes the runs of about a second.
//! What is torn at the end is cut off, damage anywhere else is an error.
//!
//! A journal of another build, or of specs that are not what they were, is refused and left as it is: its runs would be others now. Which
//! specs those are, and what to do about it, is for the caller ([`cli::run`](crate::cli)).

use std::{
    collections::BTreeSet,
    fs::{File, OpenOptions, TryLockError},
    io::{self, BufReader, ErrorKind, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use super::divergence::Sought;
use crate::{
    open::{self, Refused},
    plan::RunId,
    pool::Checked,
    reproduce::Reproduce,
    shrink::{self, NotShrunk, Shrunk},
    spec::model::Strategy,
};

mod entry;
mod error;
mod line;

pub(crate) use self::{
    entry::{Asked, SpecEntry},
    error::Error,
};
use self::{
    entry::{Entry, FORMAT, Header, Ran},
    error::Code,
    line::Extent,
};

/// How long lines may wait to be made safe from a power loss.
const SYNC_EVERY: Duration = Duration::from_secs(1);

/// An open journal. Nobody else can open it until this is dropped, or its process is gone.
pub(crate) struct Journal {
    path: PathBuf,
    file: File,
    /// What earlier sessions wrote and this one has not taken yet.
    past: Option<Past>,
    /// How many lines there are.
    lines: u64,
    /// How long the campaign had been under way when this session began.
    before: Duration,
    since: Instant,
    /// When, on the campaign's clock, the last entry was written that was read or written.
    time: Duration,
    synced: Instant,
    /// The present spec is explored.
    explored: bool,
    /// Runs are written with those states only that no run of the spec before it reached.
    new_states_only: bool,
    states: BTreeSet<u32>,
    /// Where the torn end begins, if there is one.
    torn: Option<u64>,
}

/// Entries yet to be read.
struct Past {
    input: BufReader<io::Take<File>>,
    /// The number of the last line read.
    line: u64,
    next: Option<(Duration, Entry)>,
}

impl Journal {
    /// Begins a journal.
    ///
    /// # Errors
    /// The file exists, or cannot be written.
    pub(crate) fn create(path: &Path, asked: &Asked) -> Result<Journal, Error> {
        let failed = |error: io::Error| match error.kind() {
            ErrorKind::AlreadyExists => Error::new(
                path,
                Code::Exists,
                "the file exists".to_owned(),
                format!(
                    "go on with it: {}; or remove it, or name another file",
                    Reproduce::detect().resume(path)
                ),
            ),
            _ => Error::io(path, "cannot be written", &error),
        };
        // To know the build takes a while, in which there had better be no file without a header.
        let header = Header { journal: FORMAT, build: shrink::build().to_owned(), asked: asked.clone() };
        let json = serde_json::to_string(&header).map_err(|error| {
            Error::io(path, "cannot be written", &io::Error::new(ErrorKind::InvalidInput, error))
        })?;
        let mut options = OpenOptions::new();
        options.read(true).append(true);
        let file = match options.clone().create_new(true).open(path) {
            // One that was killed before it wrote anything leaves nothing to lose.
            Err(error) if error.kind() == ErrorKind::AlreadyExists && is_empty_file(path) => {
                options.open(path)
            }
            opened => opened,
        };
        let file = file.map_err(failed)?;
        lock(path, &file)?;
        let mut journal = Journal::new(path, file);
        journal.append(&json)?;
        journal.sync()?;
        // The name has to survive, too.
        if let Some(directory) = path.parent() {
            let directory = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
            File::open(directory).and_then(|directory| directory.sync_all()).map_err(failed)?;
        }
        Ok(journal)
    }

    /// Opens a journal to go on with it, and says what it is to be gone on with. The file is left as it is until [`repair`](Self::repair).
    ///
    /// # Errors
    /// There is no such file, another process has it open, it is no journal or damaged, or it is another build's.
    pub(crate) fn open(path: &Path) -> Result<(Journal, Asked), Error> {
        let unreadable = |error: io::Error| Error::io(path, "cannot be read", &error);
        let refused = |why: Refused| match why {
            Refused::Missing => Error::new(
                path,
                Code::Io,
                "there is no such file".to_owned(),
                "--journal FILE begins one".to_owned(),
            ),
            Refused::Io(error) => unreadable(error),
            other => {
                let (what, help) = other.told();
                Error::new(path, Code::NoJournal, format!("the journal {what}"), help)
            }
        };
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let file = open::open(path, folder, open::For::Appending).map_err(refused)?;
        lock(path, &file)?;
        let mut input = open::open(path, folder, open::For::Reading).map_err(refused)?;
        let mut reader = BufReader::new(&input);
        let mut first = Vec::new();
        line::next(&mut reader, &mut first).map_err(unreadable)?;
        let header = Header::read(path, &first)?;
        reader.seek(SeekFrom::Start(0)).map_err(unreadable)?;
        let extent = match line::scan(reader).map_err(unreadable)? {
            Ok(extent) => extent,
            Err(number) => return Err(Error::damaged(path, number, "the line is not what was written")),
        };
        let Extent { whole, lines, torn, last } = extent;
        input.seek(SeekFrom::Start(first.len() as u64)).map_err(unreadable)?;
        let rest = input.take(whole - first.len() as u64);
        let mut journal = Journal::new(path, file);
        journal.before = entry::time(&last);
        journal.lines = lines;
        journal.torn = torn.then_some(whole);
        journal.past = Some(Past { input: BufReader::new(rest), line: 1, next: None });
        Ok((journal, header.asked))
    }

    fn new(path: &Path, file: File) -> Self {
        Journal {
            path: path.to_owned(),
            file,
            past: None,
            lines: 0,
            before: Duration::ZERO,
            since: Instant::now(),
            time: Duration::ZERO,
            synced: Instant::now(),
            explored: false,
            new_states_only: false,
            states: BTreeSet::new(),
            torn: None,
        }
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Cuts off a last line that was not written to its end, and says whether there was one.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(crate) fn repair(&mut self) -> Result<bool, Error> {
        let Some(end) = self.torn.take() else { return Ok(false) };
        self.file.set_len(end).map_err(|error| Error::io(&self.path, "cannot be cut off", &error))?;
        self.sync()?;
        Ok(true)
    }

    /// How long the campaign has been under way, in all sessions.
    pub(crate) fn elapsed(&self) -> Duration {
        self.before + self.since.elapsed()
    }

    /// When the last entry was written that was read or written, on the clock of [`elapsed`](Self::elapsed).
    pub(crate) fn time(&self) -> Duration {
        self.time
    }

    /// The `nth` spec of those asked for begins, to be explored with these strategies.
    ///
    /// # Errors
    /// As those of all methods that follow: the journal has something else in this place, or cannot be read or written.
    pub(crate) fn begin(&mut self, nth: usize, strategies: &[Strategy]) -> Result<(), Error> {
        self.explored = false;
        self.states.clear();
        // Others may learn from all states that a run reached.
        self.new_states_only =
            strategies.iter().all(|strategy| matches!(strategy, Strategy::Random | Strategy::Swarm));
        match self.take_if(|entry| matches!(entry, Entry::Spec { .. }))? {
            Some(Entry::Spec { nth: there }) if there == nth => Ok(()),
            Some(_) => Err(self.out_of_order()),
            None => self.write(&Entry::Spec { nth }),
        }
    }

    /// The next run that an earlier session has judged.
    pub(super) fn past_run(&mut self) -> Result<Option<Checked>, Error> {
        let Some(Entry::Run(ran)) = self.take_if(|entry| matches!(entry, Entry::Run(_)))? else {
            return Ok(None);
        };
        let Ran { report, again } = *ran;
        if self.new_states_only {
            self.states.extend(&report.coverage.states);
        }
        Ok(Some(Checked { report, again }))
    }

    /// Whether an earlier session has come to the end of the spec's exploration; with what it found out of a run that is not one.
    pub(super) fn past_end(&mut self) -> Result<Option<Option<Sought>>, Error> {
        let Some(Entry::Explored { sought }) =
            self.take_if(|entry| matches!(entry, Entry::Explored { .. }))?
        else {
            return Ok(None);
        };
        self.explored = true;
        Ok(Some(sought.map(|sought| *sought)))
    }

    /// A run was judged.
    pub(super) fn run(&mut self, run: &Checked) -> Result<(), Error> {
        let mut report = run.report.clone();
        if self.new_states_only {
            report.coverage.states.retain(|state| self.states.insert(*state));
        }
        // A second execution that was the same says nothing more.
        let again = run.again.clone().filter(|again| !run.report.is_same(again));
        self.write(&Entry::Run(Box::new(Ran { report, again })))
    }

    /// The exploration of the spec came to its end.
    pub(super) fn end(&mut self, sought: Option<Sought>) -> Result<(), Error> {
        self.write(&Entry::Explored { sought: sought.map(Box::new) })?;
        self.explored = true;
        Ok(())
    }

    /// Whether the exploration of the spec has come to its end, rather than to be stopped.
    pub(crate) fn is_explored(&self) -> bool {
        self.explored
    }

    /// What an earlier session made of this run by shrinking it.
    pub(crate) fn past_shrunk(&mut self, run: &RunId) -> Result<Option<Result<Shrunk, NotShrunk>>, Error> {
        match self.take_if(|entry| matches!(entry, Entry::Shrunk { .. }))? {
            Some(Entry::Shrunk { run: there, result }) if there == *run => Ok(Some(*result)),
            None => Ok(None),
            Some(_) => Err(self.out_of_order()),
        }
    }

    /// A run was shrunk.
    pub(crate) fn shrunk(&mut self, run: &RunId, result: &Result<Shrunk, NotShrunk>) -> Result<(), Error> {
        self.write(&Entry::Shrunk { run: run.clone(), result: Box::new(result.clone()) })
    }

    /// There is no more to do for the spec.
    pub(crate) fn done(&mut self) -> Result<(), Error> {
        match self.take_if(|entry| matches!(entry, Entry::Done))? {
            Some(_) => Ok(()),
            None => self.write(&Entry::Done),
        }
    }

    /// Makes sure that all of it survives a power loss.
    pub(crate) fn sync(&mut self) -> Result<(), Error> {
        self.synced = Instant::now();
        self.file.sync_data().map_err(|error| Error::io(&self.path, "cannot be synced", &error))
    }

    /// What is wrong when the entry that was read last is not one that this campaign would write there.
    pub(super) fn out_of_order(&self) -> Error {
        let number = self.past.as_ref().map_or(self.lines, |past| past.line);
        Error::damaged(&self.path, number, "this campaign has something else there")
    }

    /// Takes the next entry of earlier sessions if it is such a one.
    fn take_if(&mut self, wanted: impl Fn(&Entry) -> bool) -> Result<Option<Entry>, Error> {
        let Some(past) = &mut self.past else { return Ok(None) };
        if past.next.is_none() {
            past.next = past.read(&self.path)?;
        }
        match past.next.take_if(|(_, entry)| wanted(entry)) {
            Some((time, entry)) => {
                self.time = time;
                Ok(Some(entry))
            }
            None => {
                if past.next.is_none() {
                    self.past = None;
                }
                Ok(None)
            }
        }
    }

    fn write(&mut self, entry: &Entry) -> Result<(), Error> {
        if self.take_if(|_| false)?.is_none() && self.past.is_some() {
            return Err(self.out_of_order());
        }
        let time = self.elapsed();
        let json = entry.at(time);
        self.append(&json)?;
        self.time = time;
        if self.synced.elapsed() >= SYNC_EVERY {
            self.sync()?;
        }
        Ok(())
    }

    fn append(&mut self, json: &str) -> Result<(), Error> {
        self.lines += 1;
        let line = line::seal(self.lines, json);
        self.file
            .write_all(line.as_bytes())
            .map_err(|error| Error::io(&self.path, "cannot be written", &error))
    }
}

impl Past {
    fn read(&mut self, path: &Path) -> Result<Option<(Duration, Entry)>, Error> {
        let mut line = Vec::new();
        let n = line::next(&mut self.input, &mut line)
            .map_err(|error| Error::io(path, "cannot be read", &error))?;
        if n == 0 {
            return Ok(None);
        }
        self.line += 1;
        let read = line::open(self.line, &line).and_then(Entry::read);
        read.map(Some).ok_or_else(|| Error::damaged(path, self.line, "the line is not what was written"))
    }
}

impl Header {
    /// The header in a journal's first line.
    fn read(path: &Path, line: &[u8]) -> Result<Header, Error> {
        let none = |what: &str| {
            Error::new(
                path,
                Code::NoJournal,
                what.to_owned(),
                "name a file that `squall run --journal` wrote; one that was cut off in its first line holds nothing and can be removed"
                    .to_owned(),
            )
        };
        if line.is_empty() {
            return Err(Error::new(
                path,
                Code::NoJournal,
                "the journal holds nothing: its campaign was ended before it began".to_owned(),
                "begin it again, with `--journal` and the same file".to_owned(),
            ));
        }
        let json = line::open(1, line).ok_or_else(|| none("this is no journal"))?;
        // The format and the build first: of others nothing more is known.
        #[derive(serde::Deserialize)]
        struct Begin {
            journal: u32,
            build: String,
        }
        let Begin { journal, build } = serde_json::from_str(json).map_err(|_| none("this is no journal"))?;
        if journal != FORMAT || build != shrink::build() {
            return Err(Error::new(
                path,
                Code::OtherBuild,
                format!(
                    "the journal is that of another build ({build}), and a run is a function of the build"
                ),
                format!(
                    "go on with the executable that began it, or begin anew: this one is {}",
                    shrink::build()
                ),
            ));
        }
        serde_json::from_str(json).map_err(|error| none(&format!("this is no journal: {error}")))
    }
}

fn is_empty_file(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_ok_and(|there| there.is_file() && there.len() == 0)
}

fn lock(path: &Path, file: &File) -> Result<(), Error> {
    match file.try_lock() {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => Err(Error::new(
            path,
            Code::InUse,
            "another process has this journal open".to_owned(),
            "wait for it or end it: two campaigns cannot share a journal".to_owned(),
        )),
        Err(TryLockError::Error(error)) => Err(Error::io(path, "cannot be locked", &error)),
    }
}

#[cfg(test)]
mod tests;
