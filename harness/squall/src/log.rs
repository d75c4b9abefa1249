//! What a service says beside its events: its log lines of any target, and what it prints. They are told with a run, each at its virtual
//! time and node, and have no part in it: no digest, invariant or trigger sees them.

use std::{fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Serialize};

/// How much a line matters; also how much is wanted, up to and with this.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Of lines: printed to standard output or error. Of what is wanted: no log line.
    #[default]
    Off,
    /// `error!`
    Error,
    /// `warn!`
    Warn,
    /// `info!`
    Info,
    /// `debug!`
    Debug,
    /// `trace!`
    Trace,
}

impl Level {
    /// As it stands in a line.
    pub fn name(self) -> &'static str {
        match self {
            Level::Off => "print",
            Level::Error => "ERROR",
            Level::Warn => "WARN",
            Level::Info => "INFO",
            Level::Debug => "DEBUG",
            Level::Trace => "TRACE",
        }
    }
}

impl FromStr for Level {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text.to_ascii_lowercase().as_str() {
            "off" | "0" => Ok(Level::Off),
            "error" | "1" => Ok(Level::Error),
            "warn" | "2" => Ok(Level::Warn),
            "info" | "3" => Ok(Level::Info),
            "debug" | "4" => Ok(Level::Debug),
            "trace" | "5" => Ok(Level::Trace),
            _ => Err(()),
        }
    }
}

/// Where in a run something is said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Place {
    pub at: Duration,
    /// How many records the history had.
    pub after: u64,
    /// How many lines the log had.
    pub line: u64,
    pub node: String,
    pub incarnation: u32,
}

/// A line of a log, or something printed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Logged {
    /// Virtual time since the start of the run.
    pub at: Duration,
    /// It came before the history's record with this number, and after the one before that.
    pub after: u64,
    /// The node's name, as in the spec; empty for what no node said.
    pub node: String,
    /// Which start of the node's process.
    pub incarnation: u32,
    /// How much it matters.
    pub level: Level,
    /// Where it came from: a module's path, or whatever its author says.
    pub target: String,
    /// The message, and the fields of the event.
    pub text: String,
    /// The spans it was said in, outermost first, with their fields.
    pub spans: String,
}

/// The log of one run, or of its end.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Log {
    /// In the order in which they came.
    pub lines: Vec<Logged>,
    /// How many lines are not among them, as they were not wanted.
    pub unwanted: u64,
    /// How many lines at the beginning are not among them, for want of room.
    pub dropped: u64,
}

impl Logged {
    pub(crate) fn new(place: Place, level: Level, target: &str, text: String, spans: String) -> Self {
        let Place { at, after, node, incarnation, .. } = place;
        Logged { at, after, node, incarnation, level, target: target.to_owned(), text, spans }
    }

    /// What was printed there.
    pub(crate) fn printed(place: Place, text: String) -> Self {
        Logged::new(place, Level::Off, "", text, String::new())
    }
}

impl Log {
    /// Puts lines that were printed where they belong, by how many lines of the log came before each. They are in order.
    pub(crate) fn put_in(&mut self, printed: Vec<(u64, Logged)>) {
        let mut printed = printed.into_iter().peekable();
        let mut lines = Vec::with_capacity(self.lines.len() + printed.len());
        for (nth, line) in (self.dropped..).zip(std::mem::take(&mut self.lines)) {
            lines.extend(
                std::iter::from_fn(|| printed.next_if(|(before, _)| *before <= nth)).map(|(_, line)| line),
            );
            lines.push(line);
        }
        lines.extend(printed.map(|(_, line)| line));
        self.lines = lines;
    }

    /// Whether nothing was said.
    pub fn is_empty(&self) -> bool {
        *self == Log::default()
    }
}

/// Which lines are wanted, as in `RUST_LOG`: `warn`, `info,hyper=off,shop::cart=debug`. Of the targets that a line's begins with, the longest
/// decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter(Vec<(String, Level)>);

impl Filter {
    /// The most that it wants of anything.
    pub(crate) fn most(&self) -> Level {
        self.0.iter().map(|(_, level)| *level).max().unwrap_or_default()
    }

    /// Whether it wants this line. What is printed is always wanted.
    pub(crate) fn wants(&self, line: &Logged) -> bool {
        let of = self.0.iter().filter(|(target, _)| line.target.starts_with(target.as_str()));
        let decides = of.max_by_key(|(target, _)| target.len());
        line.level == Level::Off || decides.is_some_and(|(_, level)| line.level <= *level)
    }
}

impl Default for Filter {
    /// Warnings and errors.
    fn default() -> Self {
        Filter(vec![(String::new(), Level::Warn)])
    }
}

impl FromStr for Filter {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut filter = Vec::new();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            if part.contains(['[', '{', '/']) {
                return Err(format!(
                    "`{part}`: spans, fields and patterns are not understood here, only `target=level`"
                ));
            }
            filter.push(match part.split_once('=') {
                Some((target, level)) => {
                    let level = level.trim().parse().map_err(|()| {
                        format!("`{part}`: a level is one of off, error, warn, info, debug, trace")
                    })?;
                    (target.trim().to_owned(), level)
                }
                // One word: a level, or a target of which everything is wanted.
                None => match part.parse() {
                    Ok(level) => (String::new(), level),
                    Err(()) => (part.to_owned(), Level::Trace),
                },
            });
        }
        match filter.is_empty() {
            true => Err("it names no level and no target; say `warn`, or `info,shop::cart=debug`".to_owned()),
            false => Ok(Filter(filter)),
        }
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (nth, (target, level)) in self.0.iter().enumerate() {
            f.write_str(if nth == 0 { "" } else { "," })?;
            match target.is_empty() {
                true => write!(f, "{}", level.name().to_lowercase())?,
                false => write!(f, "{target}={}", level.name().to_lowercase())?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wants(filter: &str, target: &str, level: Level) -> bool {
        let line = Logged {
            at: Duration::ZERO,
            after: 0,
            node: String::new(),
            incarnation: 1,
            level,
            target: target.to_owned(),
            text: String::new(),
            spans: String::new(),
        };
        filter.parse::<Filter>().expect(filter).wants(&line)
    }

    #[test]
    fn the_longest_target_decides() {
        let filter = "info, shop=off, shop::cart=debug";
        assert!(wants(filter, "hyper::proto", Level::Info) && !wants(filter, "hyper::proto", Level::Debug));
        assert!(!wants(filter, "shop", Level::Error) && wants(filter, "shop::cart::add", Level::Debug));
        assert!(wants("shop", "shop", Level::Trace) && !wants("shop", "hyper", Level::Error));
        assert!(wants("off", "", Level::Off), "what is printed is shown");
        assert_eq!(filter.parse::<Filter>().expect("a filter").most(), Level::Debug);
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for (filter, says) in
            [("shop=loud", "a level is one of"), ("shop[request]=info", "spans"), (" , ", "no level")]
        {
            let error = filter.parse::<Filter>().expect_err(filter);
            assert!(error.contains(says), "{error}");
        }
    }
}
