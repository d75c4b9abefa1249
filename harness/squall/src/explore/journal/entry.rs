//! What a journal says: the [`Header`], then [`Entry`]s, each with the time on the campaign's clock, which stands still between sessions.

use std::{path::PathBuf, time::Duration};

use serde::{Deserialize, Serialize, de::IgnoredAny};
use xxhash_rust::xxh3::xxh3_64;

use crate::{
    explore::{Options, Seeds, divergence::Sought},
    inquiry::Unread,
    plan::RunId,
    run::RunReport,
    shrink::{NotShrunk, Shrunk},
    spec::{Loaded, Spec, model::Strategy},
};

/// The version of the format. Another one is refused, as another build is.
pub(super) const FORMAT: u32 = 1;

/// The first line.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Header {
    /// The version of the format.
    pub journal: u32,
    /// The fingerprint of the executable.
    pub build: String,
    pub asked: Asked,
}

/// What a campaign is to do: everything that its report depends on, but the build.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Asked {
    /// The directory that the paths of specs start from.
    pub directory: PathBuf,
    pub specs: Vec<SpecEntry>,
    /// Those that their system's code let nobody read when the campaign began: nothing can be said of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unread: Vec<Unread>,
    pub seeds: Option<Seeds>,
    pub strategy: Option<Vec<Strategy>>,
    pub run_timeout: Duration,
    pub max_failures: u64,
    /// Whether failures are made small.
    pub shrink: bool,
}

/// A spec, or one case of its matrix, as it was when the campaign began.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SpecEntry {
    pub path: PathBuf,
    pub case: Option<String>,
    /// A hash of what it says, whatever its layout.
    pub hash: String,
}

impl SpecEntry {
    pub(crate) fn of(loaded: &Loaded) -> Self {
        SpecEntry { path: loaded.path.clone(), case: loaded.case.clone(), hash: hash(&loaded.spec) }
    }
}

fn hash(spec: &Spec) -> String {
    let json = serde_json::to_vec(spec).expect("a spec serialises");
    format!("{:016x}", xxh3_64(&json))
}

impl Asked {
    /// How to explore, when it is to end by this time.
    pub(crate) fn options(&self, deadline: Option<std::time::Instant>) -> Options {
        Options {
            seeds: self.seeds,
            strategy: self.strategy.clone(),
            run_timeout: self.run_timeout,
            deadline,
            max_failures: self.max_failures,
            recheck: true,
        }
    }
}

/// What happened next.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Entry {
    /// This spec of those asked for begins.
    Spec { nth: usize },
    /// A run was judged.
    Run(Box<Ran>),
    /// The spec needs no more runs.
    Explored {
        /// What came of looking for a difference between two executions of a run, if there was one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        sought: Option<Box<Sought>>,
    },
    /// A failing run was made small, or could not be.
    Shrunk { run: RunId, result: Box<Result<Shrunk, NotShrunk>> },
    /// The spec is done.
    Done,
}

/// A run as it was judged.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Ran {
    pub report: RunReport,
    /// Its second execution, if it came out otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub again: Option<RunReport>,
}

impl Entry {
    /// As JSON, at this time.
    pub(super) fn at(&self, time: Duration) -> String {
        serde_json::to_string(&(micros(time), self)).expect("reports are plain data")
    }

    pub(super) fn read(json: &str) -> Option<(Duration, Entry)> {
        let (time, entry) = serde_json::from_str::<(u64, Entry)>(json).ok()?;
        Some((Duration::from_micros(time), entry))
    }
}

/// The time of an entry; zero for the header.
pub(super) fn time(json: &str) -> Duration {
    serde_json::from_str::<(u64, IgnoredAny)>(json)
        .map_or(Duration::ZERO, |(time, _)| Duration::from_micros(time))
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
