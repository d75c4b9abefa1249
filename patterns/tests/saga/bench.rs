//! Four participants in memory, whose answers can be scripted: `a` and `b` can be undone, `c` is the pivot, `d` goes
//! forward only.

use std::{
    collections::{BTreeMap, VecDeque},
    future::Future,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};

use futures_util::{FutureExt, future::BoxFuture};
use redb::{Database, backends::InMemoryBackend};
use squall_patterns::saga::{
    Attempt, Backoff, Compensate, Compensation, Definition, Entry, Executed, Execution, Journal,
    JournalError, Orchestrator, Participant, Phase, RedbJournal, Settings, Step, Token, Undone, Verdict,
};
use squall_rt::time;

/// Runs a test in the simulated world, or on tokio where there is none.
pub fn in_a_world<F: Future<Output = ()> + 'static>(test: impl FnOnce() -> F + Send + 'static) {
    #[cfg(madsim)]
    let thread = std::thread::spawn(move || squall_rt::world::run(1, |_| test()).unwrap());
    #[cfg(not(madsim))]
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(test());
    });
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

/// A database in memory.
pub fn database() -> Arc<Database> {
    Arc::new(Database::builder().create_with_backend(InMemoryBackend::new()).unwrap())
}

/// What an attempt comes to.
#[derive(Clone, Copy)]
pub enum Reply {
    /// Refused for good.
    Refused,
    /// No answer, whether it was executed or not.
    Unknown { executed: bool },
    /// It takes some time.
    Slow,
}

/// What all participants share.
#[derive(Default)]
struct Board {
    scripts: BTreeMap<String, VecDeque<Reply>>,
    calls: Vec<String>,
    net: BTreeMap<(String, &'static str), i64>,
    running: u32,
    most: u32,
}

/// The test bench.
pub struct Bench {
    board: Arc<Mutex<Board>>,
    participants: BTreeMap<&'static str, Participant>,
    pub journal: Arc<dyn Journal>,
}

struct Scripted {
    name: &'static str,
    participant: Participant,
    board: Arc<Mutex<Board>>,
}

impl Bench {
    pub fn new() -> Self {
        Bench {
            board: Arc::default(),
            participants: ["a", "b", "c", "d"]
                .map(|name| (name, Participant::new(database()).unwrap()))
                .into(),
            journal: Arc::new(RedbJournal::new(database()).unwrap()),
        }
    }

    fn board(&self) -> MutexGuard<'_, Board> {
        self.board.lock().unwrap()
    }

    /// What the next attempts at a step come to, or at its compensation (`-a`). Those after are done.
    pub fn script(&self, step: &str, replies: impl IntoIterator<Item = Reply>) {
        self.board().scripts.insert(step.to_owned(), replies.into_iter().collect());
    }

    pub fn settings(&self) -> Settings {
        Settings {
            step_timeout: Duration::from_millis(200),
            attempts: 3,
            persistence: 4,
            backoff: Backoff { base: Duration::from_millis(1), cap: Duration::from_millis(4) },
            revisit_parked: None,
            ..Settings::new("coordinator")
        }
    }

    /// Starts an orchestrator on the bench's journal.
    pub fn start(&self) -> Orchestrator<u32> {
        self.start_with(self.journal.clone(), self.settings())
    }

    pub fn start_with(&self, journal: Arc<dyn Journal>, settings: Settings) -> Orchestrator<u32> {
        let step =
            |name| Scripted { name, participant: self.participants[name].clone(), board: self.board.clone() };
        let definition = Definition::new("test")
            .undoable(step("a"))
            .undoable(step("b"))
            .pivot(step("c"))
            .forward(step("d"));
        Orchestrator::start(definition, journal, settings).unwrap()
    }

    /// The attempts so far: `b 1` is one at `b` that saw one output, `-b` one at its compensation.
    pub fn calls(&self) -> Vec<String> {
        self.board().calls.clone()
    }

    /// Effects made and not undone, by step.
    pub fn net(&self, saga: &str) -> [i64; 4] {
        let board = self.board();
        ["a", "b", "c", "d"].map(|step| board.net.get(&(saga.to_owned(), step)).copied().unwrap_or(0))
    }

    /// How many sagas were in a step at the same time, at most.
    pub fn most_at_once(&self) -> u32 {
        self.board().most
    }

    /// How the journal says that a saga ended.
    pub fn ended(&self, saga: &str) -> Option<Phase> {
        match self.journal.load(saga).unwrap().last() {
            Some(Entry::Ended { completed: true }) => Some(Phase::Completed),
            Some(Entry::Ended { completed: false }) => Some(Phase::Compensated),
            _ => None,
        }
    }

    /// Lets an attempt at a step arrive now. Returns whether it was refused as too late.
    pub fn late(&self, saga: &str, step: &'static str) -> bool {
        let token = Token { coordinator: "coordinator".to_owned(), epoch: 1 };
        let key = format!("{saga}/{step}");
        let executed = self.participants[step]
            .execute(&token, &key, b"7", |_| {
                *self.board().net.entry((saga.to_owned(), step)).or_default() += 1;
                Ok(Verdict::Effect(Vec::new()))
            })
            .unwrap();
        executed == Executed::TooLate
    }

    /// Every participant hears of a later start of the coordinator.
    pub fn see_epoch(&self, epoch: u64) {
        let token = Token { coordinator: "coordinator".to_owned(), epoch };
        for participant in self.participants.values() {
            participant.compensate(&token, "another saga", |_, _| Ok(())).unwrap();
        }
    }
}

impl Scripted {
    fn note(&self, call: String) -> Option<Reply> {
        let mut board = self.board.lock().unwrap();
        let step = call.split(' ').next().unwrap_or_default().to_owned();
        board.calls.push(call);
        board.scripts.get_mut(&step).and_then(VecDeque::pop_front)
    }

    fn change(&self, saga: &str, by: i64) {
        *self.board.lock().unwrap().net.entry((saga.to_owned(), self.name)).or_default() += by;
    }

    fn run(&self, attempt: &Attempt<'_, u32>, refuse: bool) -> Execution {
        let request = attempt.input.to_string();
        let executed = self.participant.execute(attempt.token, attempt.key, request.as_bytes(), |_| {
            if refuse {
                return Ok(Verdict::Refuse("no".to_owned()));
            }
            self.change(attempt.saga, 1);
            Ok(Verdict::Effect(self.name.as_bytes().to_vec()))
        });
        match executed.unwrap() {
            Executed::Done { output, .. } => Execution::Done(output),
            Executed::Refused { reason, .. } => Execution::Refused { reason },
            Executed::Fenced { .. } => Execution::Fenced,
            other => panic!("{other:?}"),
        }
    }

    fn undo(&self, attempt: &Attempt<'_, u32>) -> Compensation {
        let undone = self.participant.compensate(attempt.token, attempt.key, |_, output| {
            assert_eq!(output, self.name.as_bytes(), "what the effect returned is there to undo it");
            self.change(attempt.saga, -1);
            Ok(())
        });
        match undone.unwrap() {
            Undone::Fenced { .. } => Compensation::Fenced,
            _ => Compensation::Done,
        }
    }
}

impl Step<u32> for Scripted {
    fn name(&self) -> &'static str {
        self.name
    }

    fn execute<'a>(&'a self, attempt: Attempt<'a, u32>) -> BoxFuture<'a, Execution> {
        async move {
            let reply = self.note(format!("{} {}", self.name, attempt.outputs.len()));
            match reply {
                None => self.run(&attempt, false),
                Some(Reply::Refused) => self.run(&attempt, true),
                Some(Reply::Slow) => {
                    {
                        let mut board = self.board.lock().unwrap();
                        board.running += 1;
                        board.most = board.most.max(board.running);
                    }
                    time::sleep(Duration::from_millis(20)).await;
                    self.board.lock().unwrap().running -= 1;
                    self.run(&attempt, false)
                }
                Some(Reply::Unknown { executed }) => {
                    if executed {
                        self.run(&attempt, false);
                    }
                    Execution::Unknown { reason: "no answer".to_owned() }
                }
            }
        }
        .boxed()
    }
}

impl Compensate<u32> for Scripted {
    fn compensate<'a>(&'a self, attempt: Attempt<'a, u32>) -> BoxFuture<'a, Compensation> {
        async move {
            match self.note(format!("-{}", self.name)) {
                None => self.undo(&attempt),
                Some(Reply::Unknown { executed }) => {
                    if executed {
                        self.undo(&attempt);
                    }
                    Compensation::Unknown { reason: "no answer".to_owned() }
                }
                Some(_) => panic!("a compensation is done, or has no answer"),
            }
        }
        .boxed()
    }
}

/// What a failing append leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Nothing.
    Lost,
    /// Everything: only the answer is missing.
    WrittenButUnreported,
}

/// A journal whose appends fail from a given one on.
pub struct FailingJournal {
    journal: Arc<dyn Journal>,
    left: AtomicU32,
    mode: Mode,
    failed: AtomicBool,
}

impl FailingJournal {
    pub fn new(journal: Arc<dyn Journal>, good: u32, mode: Mode) -> Self {
        FailingJournal { journal, left: AtomicU32::new(good), mode, failed: AtomicBool::new(false) }
    }

    pub fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Relaxed)
    }
}

impl Journal for FailingJournal {
    fn claim_epoch(&self, coordinator: &str) -> Result<u64, JournalError> {
        self.journal.claim_epoch(coordinator)
    }

    fn append(
        &self,
        token: &Token,
        saga: &str,
        position: u32,
        entries: &[Entry],
    ) -> Result<(), JournalError> {
        let left = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        if left.is_ok() {
            return self.journal.append(token, saga, position, entries);
        }
        if !self.failed.swap(true, Ordering::Relaxed) && self.mode == Mode::WrittenButUnreported {
            self.journal.append(token, saga, position, entries)?;
        }
        Err(JournalError::Store("the disk is gone".into()))
    }

    fn load(&self, saga: &str) -> Result<Vec<Entry>, JournalError> {
        self.journal.load(saga)
    }

    fn open(&self) -> Result<Vec<String>, JournalError> {
        self.journal.open()
    }
}
