//! What the program has to know of the systems under test, asked of workers.
//!
//! The program calls no code of a system itself: that code may panic, loop for ever or end its process, which then is a worker's. A question
//! that has no answer for such a reason costs what needed the answer, and nothing else; [`Unanswered`] says which code did what.
//!
//! As with runs, what is told of a system's code comes from a fresh process: a question to which a worker that answered others
//! before falls silent is asked once more of a new one.

// Uses: language, plan, run_id, spec, system, worker.

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{
    plan::{Plan, RunId},
    spec::{self, Diagnostics, Draft, Judged, Loaded, Spec},
    system::{Facts, Problem, Registry},
    worker::{Question, Silence, Worker, fair_share},
};

mod values;

pub(crate) use self::values::{Trouble, Values};
pub(crate) use crate::worker::Unanswered;

/// How long one call of a system's code may take, unless somebody says otherwise.
pub(crate) const LIMIT: Duration = Duration::from_secs(10);

/// How often a question is asked whose worker is killed by somebody else.
const KILLED: usize = 3;

/// See the [module](self).
pub(crate) struct Inquiry {
    /// The systems, of which none is asked anything here but what is constant.
    registry: Registry,
    bounds: Bounds,
    /// Workers that nobody is asking anything.
    idle: Mutex<Vec<Worker>>,
    /// What is wrong with the operations of systems that were asked about it.
    operations: Mutex<BTreeMap<String, Vec<Problem>>>,
}

/// What a worker that is asked may take.
#[derive(Clone, Copy)]
struct Bounds {
    /// For each call of a system's code.
    time: Duration,
    /// In bytes.
    memory: u64,
}

/// A spec that was not read because its system's code let nobody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Unread {
    pub path: PathBuf,
    pub why: Unanswered,
}

impl fmt::Display for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the spec cannot be read: {}", self.why)
    }
}

/// Why there is no spec.
pub(crate) enum NotLoaded {
    Wrong(Diagnostics),
    Unread(Unread),
}

impl From<Diagnostics> for NotLoaded {
    fn from(errors: Diagnostics) -> Self {
        NotLoaded::Wrong(errors)
    }
}

impl Inquiry {
    /// About these systems, with so much time for each call of their code, and so many bytes of memory; none for a fair share.
    pub(crate) fn new(registry: &Registry, time: Duration, memory: Option<u64>) -> Self {
        let bounds = Bounds { time, memory: memory.unwrap_or_else(|| fair_share(1)) };
        Inquiry { registry: registry.clone(), bounds, idle: Mutex::default(), operations: Mutex::default() }
    }

    /// The names of the systems, and what they are about.
    pub(crate) fn systems(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        self.registry.iter().map(|system| (system.name(), system.about()))
    }

    /// The name of today for a system's name of before.
    pub(crate) fn now_called(&self, old: &str) -> Option<&'static str> {
        self.registry.now_called(old)
    }

    /// As [`spec::discover`].
    pub(crate) fn discover(&self, paths: &[PathBuf]) -> Result<Vec<PathBuf>, Diagnostics> {
        spec::discover(paths).map_err(|errors| errors.with_names_of_today(|old| self.now_called(old)))
    }

    /// Reads the spec in a file: one for each case of its matrix.
    pub(crate) fn cases(&self, path: &Path) -> Result<Vec<Loaded>, NotLoaded> {
        let draft =
            Draft::read(path).map_err(|errors| errors.with_names_of_today(|old| self.now_called(old)))?;
        let judged =
            self.judge(&draft).map_err(|why| NotLoaded::Unread(Unread { path: path.to_owned(), why }))?;
        let cases = draft.complete(judged)?;
        if let Some(first) = cases.first() {
            spec::refuse_problems(first, &self.operation_problems(&first.spec.system))?;
        }
        Ok(cases)
    }

    /// What is wrong with the operations of a known system. If its strategies do not let anybody know, the runs will tell.
    fn operation_problems(&self, system: &str) -> Vec<Problem> {
        let known = || self.operations.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(problems) = known().get(system) {
            return problems.clone();
        }
        let problems: Vec<Problem> = self.ask(&Question::Operations(system.to_owned())).unwrap_or_default();
        known().insert(system.to_owned(), problems.clone());
        problems
    }

    /// Reads one case of a spec's matrix; `None` for a spec without one.
    pub(crate) fn case(&self, path: &Path, case: Option<&str>) -> Result<Loaded, NotLoaded> {
        Ok(spec::only(self.cases(path)?, case)?)
    }

    /// Whether this text is a spec.
    pub(crate) fn is_spec(&self, text: &str) -> Result<bool, Unanswered> {
        let Ok(draft) = Draft::parse("shrunk", text) else { return Ok(false) };
        let judged = self.judge(&draft)?;
        Ok(draft.complete(judged).is_ok())
    }

    fn judge(&self, draft: &Draft) -> Result<Judged, Unanswered> {
        self.ask(&Question::Judge(draft.tree.clone()))
    }

    /// The default parameters of a known system.
    pub(crate) fn defaults(&self, system: &str) -> Result<Value, Unanswered> {
        self.ask(&Question::Defaults(system.to_owned()))
    }

    /// All about a known system.
    pub(crate) fn facts(&self, system: &str) -> Result<Facts, Unanswered> {
        self.ask(&Question::Facts(system.to_owned()))
    }

    /// The JSON Schema of specs.
    pub(crate) fn schema(&self) -> Result<Value, Unanswered> {
        self.ask(&Question::Schema)
    }

    /// What a run will do.
    pub(crate) fn plan(&self, spec: &Spec, run: &RunId) -> Result<Plan, Unanswered> {
        self.ask(&Question::Plan(Box::new(spec.clone()), run.clone()))
    }

    /// The operations that a run was drawn with.
    pub(crate) fn values(&self, spec: &Spec, run: &RunId) -> Result<Values, Unanswered> {
        Values::new(spec, run, self.bounds)
    }

    fn ask<T: DeserializeOwned>(&self, question: &Question) -> Result<T, Unanswered> {
        let known = self.idle().pop();
        if let Some(mut worker) = known
            && let Ok(answer) = worker.ask(question, self.bounds.time)
        {
            self.idle().push(worker);
            return Ok(answer);
        }
        let (worker, answer) = ask_fresh(question, self.bounds)?;
        self.idle().push(worker);
        Ok(answer)
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Worker>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Asks a new worker.
fn ask_fresh<T: DeserializeOwned>(question: &Question, bounds: Bounds) -> Result<(Worker, T), Unanswered> {
    let mut left = KILLED;
    loop {
        left -= 1;
        let started = Worker::start(bounds.memory);
        let mut worker = started
            .map_err(|error| Unanswered { call: None, silence: Silence::NoWorker(error.to_string()) })?;
        match worker.ask(question, bounds.time) {
            Ok(answer) => return Ok((worker, answer)),
            Err(Unanswered { silence: Silence::Killed(_), .. }) if left > 0 => {}
            Err(why) => return Err(why),
        }
    }
}
