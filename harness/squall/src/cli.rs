//! The command line: what `squall` does, and with which exit code it ends.
//!
//! A binary of a team is its systems and one line:
//!
//! ```no_run
//! # mod my_systems { pub fn registry() -> squall::Registry { squall::Registry::new() } }
//! fn main() -> std::process::ExitCode {
//!     squall::cli::main(my_systems::registry())
//! }
//! ```

// Uses: blame, bugs, check, diff, explore, fault, history, inquiry, language, limits, log, open, pool,
// report, reproduce, run, run_id, screen, shrink, spec, system, trace, worker.

use std::{
    ffi::OsString,
    io::{self, ErrorKind, Write as _},
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::{
    explore::Seeds,
    inquiry::{Inquiry, LIMIT},
    limits,
    log::Filter,
    plan::RunId,
    screen,
    spec::{
        BadLeaf,
        model::{Dur, Size, Strategy},
    },
    system::Registry,
    worker,
};

mod blame;
mod bugs;
mod check;
mod describe;
mod diff;
mod exit;
mod explain;
mod in_process;
mod judge;
mod load;
mod replay;
mod run;
mod shrink;
mod version;

use self::exit::Exit;

/// Deterministic chaos testing for distributed systems.
#[derive(Debug, Parser)]
#[command(
    name = "squall",
    version,
    max_term_width = 100,
    arg_required_else_help = true,
    after_help = "\
Examples:
  squall run specs                          all specs below a directory, with as many seeds as they ask for
  squall run specs/saga --seeds 1000        more seeds
  squall replay specs/saga/x.yaml --seed 17 one run, event by event
  squall describe saga                      what a spec of this system can say

Exit codes:
  0 as expected   1 a spec failed   2 bad usage or bad spec   3 undecided   4 nothing selected
  5 vacuous       70 nondeterminism, or an error of squall itself"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// When to use colour. NO_COLOR and CLICOLOR_FORCE are respected too.
    #[arg(long, value_enum, default_value_t, global = true, value_name = "WHEN")]
    color: ColorChoice,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum ColorChoice {
    /// On a terminal.
    #[default]
    Auto,
    /// Into pipes and files too.
    Always,
    /// Not at all.
    Never,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run specs over many seeds and judge them.
    ///
    /// Shows progress on a terminal, then a table of verdicts, and for each failure what happened and the line that replays it.
    #[command(after_help = "\
Examples:
  squall run                                  everything below specs/
  squall run specs/saga --seeds 1000..2000    seeds that nobody has tried
  squall run --format json | jq 'select(.kind == \"spec\") | .verdict'
  squall run --max-time 10m --max-failures 1
  squall run --seeds 1000000 --journal long.journal
  squall run --resume long.journal            goes on where that one ended, however it ended")]
    Run(RunArgs),
    /// Run one seed of a spec and print its whole history.
    #[command(after_help = "\
Examples:
  squall replay specs/saga/x.yaml --seed 17
  squall replay specs/saga/x.yaml --seed 17 --log info,hyper=off
  squall replay specs/saga/x.yaml --seed 17 --node payments --events saga. --until 12s")]
    Replay(ReplayArgs),
    /// Make a failing run as small as it can be, and write it down as a spec.
    ///
    /// Faults and operations are left out as long as the run fails the same way, then times and durations are made smaller. The
    /// result is a spec with a `plan:` section, which `squall run` and `cargo test` take as it is.
    #[command(after_help = "\
Examples:
  squall shrink specs/saga/flaw_unfenced.yaml              the first seed that fails
  squall shrink specs/saga/x.yaml --seed 17 --out small.yaml
  squall shrink specs/saga/x.yaml --seed 17 --save         into specs/regressions")]
    Shrink(ShrinkArgs),
    /// Show where two runs part, or a failing run and the nearest one that passes.
    ///
    /// The nearest is the same run without one strike of a fault or one operation; if no such run passes, without a whole fault, then
    /// without two things, then without any fault: of those that pass, the one that shares the longest history.
    #[command(after_help = "\
Examples:
  squall diff specs/saga/x.yaml 17            seed 17 and the nearest run that passes
  squall diff specs/saga/x.yaml 17 18         two seeds
  squall diff specs/saga/x.yaml 17 17/3.2s/5  a run and one of its futures, as `blame` names them
  squall diff small.yaml specs/saga/x.yaml    a shrunk run and the one it was")]
    Diff(DiffArgs),
    /// Say which faults a failure takes, and which moment settled it.
    ///
    /// Each strike of a fault is left out of the very run that failed. Then futures are drawn anew from moments of the run: the
    /// moment that settled it is the one at which most of them begin to fail.
    #[command(after_help = "\
Examples:
  squall blame specs/saga/x.yaml --seed 17
  squall blame specs/saga/x.yaml --seed 17 --futures 50
  squall replay specs/saga/x.yaml --seed 17/3.2s/5        one of the futures
  squall replay specs/saga/x.yaml --seed 17/without:cut   the run without a strike")]
    Blame(BlameArgs),
    /// Print one run as a spec that has nothing left to draw: every operation and every fault with its time.
    ///
    /// `squall run` takes what is printed, and makes the same run of it.
    Explain {
        /// The spec.
        spec: PathBuf,
        /// Which case of its matrix, as `style=orchestrated`.
        #[arg(long, value_name = "CASE")]
        case: Option<String>,
        /// The seed, or the run's name as reports print it: 17, swarm:17. A spec with a plan has but one.
        #[arg(long, value_name = "RUN")]
        seed: Option<RunId>,
    },
    /// Check specs for errors without running them.
    Check {
        /// Specs, and directories of specs.
        #[arg(default_value = "specs", value_name = "PATHS")]
        paths: Vec<PathBuf>,
        /// For people, or one JSON object an error.
        #[arg(long, value_enum, default_value_t)]
        format: Format,
    },
    /// List the systems with their variants, and the specs.
    List {
        /// Where to look for specs.
        #[arg(default_value = "specs", value_name = "PATHS")]
        paths: Vec<PathBuf>,
    },
    /// Describe a system, or a kind of fault, as specs see it.
    #[command(after_help = "\
Examples:
  squall describe saga
  squall describe fault partition
  squall describe fault               all kinds")]
    Describe {
        /// A system's name, or `fault`.
        #[arg(value_name = "SYSTEM|fault")]
        what: String,
        /// The kind of fault.
        kind: Option<String>,
    },
    /// Print the JSON Schema of specs, for editors.
    Schema,
    /// Judge a history from a file: was what its clients saw possible?
    ///
    /// Reads JSON lines (`process`, `type`, `f`, `key`, `value`, `time`), EDN as Jepsen and Elle write it, Jepsen's log, the texts of Plume and
    /// AWDIT, dbcop's JSON. Exits with 0 if the history is legal, 1 if it is not, 3 if the budget ran out first, 2 for a file that
    /// cannot be read.
    #[command(after_help = "\
Examples:
  squall judge history.jsonl --model register
  squall judge history.edn --model list-append --consistency snapshot-isolation --svg why.svg
  squall judge history.txt --model kv --consistency sequential --budget 10s
  squall judge plume.txt --model rw-register --consistency causal --format json

Models: register (also with cas), kv, set, queue, stack, priority-queue, counter, mutex, fenced-mutex; transactions: list-append, rw-register,
long-fork.")]
    Judge(JudgeArgs),
    /// Measure how well each strategy finds each flaw.
    ///
    /// From each of a number of base seeds, each strategy looks for the violation that a spec with a flawed `variant` expects. All that
    /// is measured are counts of runs, so the same build measures the same on any machine. Exits with 1 if some flaw is found by no strategy
    /// from half of the base seeds.
    #[command(after_help = "\
Examples:
  squall bugs specs/saga --bases 5
  squall bugs --strategy random,guided --format json
  squall bugs --format markdown > specs/BUGS.md")]
    Bugs(BugsArgs),
}

impl Command {
    /// Whether it calls code under test in its own process.
    fn is_in_process(&self) -> bool {
        match self {
            Command::Run(args) => args.in_process,
            Command::Replay(args) => args.in_process,
            _ => false,
        }
    }

    /// How many bytes of memory a worker may have, if somebody says.
    fn memory(&self) -> Option<u64> {
        match self {
            Command::Run(args) => args.worker.memory,
            Command::Replay(args) => args.worker.memory,
            Command::Shrink(args) => args.worker.memory,
            Command::Diff(args) => args.worker.memory,
            Command::Blame(args) => args.worker.memory,
            Command::Bugs(args) => args.worker.memory,
            Command::Explain { .. }
            | Command::Check { .. }
            | Command::List { .. }
            | Command::Describe { .. }
            | Command::Judge(_)
            | Command::Schema => None,
        }
    }

    /// How long one call of a system's code may take that is no run.
    fn limit(&self) -> Duration {
        match self {
            Command::Run(args) => args.run_timeout,
            Command::Replay(args) => args.run_timeout,
            Command::Shrink(args) => args.run_timeout,
            Command::Diff(args) => args.run_timeout,
            Command::Blame(args) => args.run_timeout,
            Command::Bugs(args) => args.run_timeout,
            Command::Explain { .. }
            | Command::Check { .. }
            | Command::List { .. }
            | Command::Describe { .. }
            | Command::Judge(_)
            | Command::Schema => LIMIT,
        }
    }
}

#[derive(Args, Debug)]
struct JudgeArgs {
    /// The history; `-` for standard input.
    file: PathBuf,
    /// What it is a history of.
    #[arg(long, value_name = "NAME", value_parser = judge::model)]
    model: squall_checkers::judge::Model,
    /// What is promised: linearizable, sequential, a level of transactions (strict-serializable, snapshot-isolation, causal, ..) or what
    /// sessions are sure to see (read-your-writes, ..). [default: linearizable; strict-serializable, or serializable in a file without times]
    #[arg(long, value_name = "NAME", value_parser = judge::consistency)]
    consistency: Option<squall_checkers::judge::Consistency>,
    /// How the file is written (auto, json-lines, edn, jepsen-log, plume, awdit, dbcop) or how the answer is (human, json). May be given for
    /// each. [default: auto, human]
    #[arg(long, value_name = "NAME", value_parser = judge::written)]
    format: Vec<judge::Written>,
    /// What a register holds at first. [default: nil]
    #[arg(long, value_name = "VALUE")]
    initial: Option<String>,
    /// Values are `[key value]`, as Jepsen's independent workloads write them.
    #[arg(long)]
    keyed_values: bool,
    /// How much real time it may take. [default: no limit]
    #[arg(long, value_name = "TIME", value_parser = time)]
    budget: Option<Duration>,
    /// How many steps it may take. [default: 50 million]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    steps: Option<u64>,
    /// How much it may remember beside the history, in MiB. [default: 1024]
    #[arg(long, value_name = "MIB", value_parser = clap::value_parser!(u64).range(1..=1 << 30))]
    memory: Option<u64>,
    /// How long the file, or standard input, may be, in MiB.
    #[arg(long, value_name = "MIB", default_value_t = 4096, value_parser = clap::value_parser!(u64).range(1..=1 << 40))]
    max_size: u64,
    /// Draw what is wrong into this file.
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
}

#[derive(Args, Debug)]
struct BugsArgs {
    /// Specs, and directories of specs; of them those count that expect a flaw to be caught.
    #[arg(default_value = "specs", value_name = "PATHS")]
    paths: Vec<PathBuf>,
    /// Only specs whose path contains this.
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
    /// Which strategies. [default: all]
    #[arg(long, value_name = "NAME", value_delimiter = ',', value_parser = strategy)]
    strategy: Vec<Strategy>,
    /// From how many base seeds to look.
    #[arg(long, value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    bases: u64,
    /// How many runs to look for a flaw.
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    runs: u64,
    /// How many worker processes. [default: one per core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    jobs: Option<u16>,
    /// How much real time a run may take before it counts as hung.
    #[arg(long, value_name = "TIME", default_value = "20s", value_parser = time)]
    run_timeout: Duration,
    #[command(flatten)]
    worker: WorkerArgs,
    /// Do not make what is found small.
    #[arg(long)]
    no_shrink: bool,
    /// Each flaw under each spec that passes and checks what it violates, rather than under those made for it: which specs would catch
    /// which flaws, and how the strategies do where it is hard.
    #[arg(long)]
    across: bool,
    /// For people, for documents, or one JSON object a flaw.
    #[arg(long, value_enum, default_value_t)]
    format: BugsFormat,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum BugsFormat {
    /// A table for a terminal.
    #[default]
    Human,
    /// A table for a document.
    Markdown,
    /// For programs.
    Json,
}

#[derive(Args, Debug)]
struct RunArgs {
    /// Specs, and directories of specs.
    #[arg(default_value = "specs", value_name = "PATHS")]
    paths: Vec<PathBuf>,
    /// Only specs whose path contains this.
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
    /// Which seeds: a count, or a range: a..b without b, a..=b with it. [default: as many as each spec asks for]
    #[arg(long, value_name = "N|A..B")]
    seeds: Option<Seeds>,
    /// What runs to make of them: random, swarm, sweep, pct, guided. Several take turns. [default: as each spec says]
    #[arg(long, value_name = "NAME", value_delimiter = ',', value_parser = strategy)]
    strategy: Vec<Strategy>,
    /// How many worker processes. [default: one per core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    jobs: Option<u16>,
    /// When to stop; what has not been decided by then is undecided.
    #[arg(long, value_name = "TIME", value_parser = time)]
    max_time: Option<Duration>,
    /// How much real time a run may take before it counts as hung.
    #[arg(long, value_name = "TIME", default_value = "20s", value_parser = time)]
    run_timeout: Duration,
    #[command(flatten)]
    worker: WorkerArgs,
    /// After how many failing runs of a spec to go on to the next.
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..))]
    max_failures: u64,
    /// Leave failing runs as they are, rather than making the first of each kind small.
    #[arg(long)]
    no_shrink: bool,
    /// For people, or one JSON object a line: runs, specs, and a summary.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
    /// Run in squall's own process, for debuggers: a run that hangs takes everything with it, and one that aborts or exits ends the
    /// command with 70.
    #[arg(long)]
    in_process: bool,
    /// Keep a journal of the campaign in this new file, so that it can be gone on with, however it ends.
    #[arg(long, value_name = "FILE", conflicts_with = "in_process")]
    journal: Option<PathBuf>,
    /// Go on with the campaign of a journal; what to run is what it was begun with. The report is that of one that was not interrupted.
    #[arg(long, value_name = "FILE", conflicts_with_all = [
        "paths", "filter", "seeds", "strategy", "run_timeout", "max_failures", "no_shrink", "in_process", "journal",
    ])]
    resume: Option<PathBuf>,
}

#[derive(Args, Debug)]
struct ShrinkArgs {
    /// The spec.
    spec: PathBuf,
    /// Which case of its matrix, as `style=orchestrated`.
    #[arg(long, value_name = "CASE")]
    case: Option<String>,
    /// The seed, or the run's name as reports print it. [default: the first that fails]
    #[arg(long, value_name = "RUN", conflicts_with = "seeds")]
    seed: Option<RunId>,
    /// Where to look for a seed that fails: a count, or a range: a..b without b, a..=b with it. [default: as the spec says]
    #[arg(long, value_name = "N|A..B")]
    seeds: Option<Seeds>,
    /// Write the spec to this file. [default: standard output]
    #[arg(long, value_name = "FILE", conflicts_with = "save")]
    out: Option<PathBuf>,
    /// Write the spec to specs/regressions, under a name that says what it shows.
    #[arg(long)]
    save: bool,
    /// Write it though the file is there; never over the spec itself.
    #[arg(long)]
    force: bool,
    /// How many candidates to run at most.
    #[arg(long, value_name = "N", default_value_t = 1000)]
    max_runs: u64,
    /// How much real time a run may take before it counts as hung.
    #[arg(long, value_name = "TIME", default_value = "20s", value_parser = time)]
    run_timeout: Duration,
    #[command(flatten)]
    worker: WorkerArgs,
}

#[derive(Args, Debug)]
struct DiffArgs {
    /// The spec.
    spec: PathBuf,
    /// The seed, or the run's name as reports print it; or another spec.
    #[arg(value_name = "RUN|SPEC")]
    one: String,
    /// The run to compare it with. [default: the nearest that passes]
    #[arg(value_name = "RUN")]
    other: Option<RunId>,
    /// Which case of its matrix, as `style=orchestrated`.
    #[arg(long, value_name = "CASE")]
    case: Option<String>,
    /// How many runs to try at most in looking for the nearest.
    #[arg(long, value_name = "N", default_value_t = 400)]
    max_runs: u64,
    /// How much real time a run may take before it counts as hung.
    #[arg(long, value_name = "TIME", default_value = "20s", value_parser = time)]
    run_timeout: Duration,
    #[command(flatten)]
    worker: WorkerArgs,
    /// For people, or one JSON object.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Args, Debug)]
struct BlameArgs {
    /// The spec.
    spec: PathBuf,
    /// Which case of its matrix, as `style=orchestrated`.
    #[arg(long, value_name = "CASE")]
    case: Option<String>,
    /// The seed, or the run's name as reports print it: 17, swarm:17. A spec with a plan has but one.
    #[arg(long, value_name = "RUN")]
    seed: Option<RunId>,
    /// How many futures to draw from each moment.
    #[arg(long, value_name = "N", default_value_t = 12, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    futures: u64,
    /// How many runs the search for the strikes that are enough may take.
    #[arg(long, value_name = "N", default_value_t = 400)]
    max_runs: u64,
    /// How much real time a run may take before it counts as hung.
    #[arg(long, value_name = "TIME", default_value = "20s", value_parser = time)]
    run_timeout: Duration,
    #[command(flatten)]
    worker: WorkerArgs,
    /// For people, or one JSON object.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Args, Debug)]
struct ReplayArgs {
    /// The spec.
    spec: PathBuf,
    /// Which case of its matrix, as `style=orchestrated`.
    #[arg(long, value_name = "CASE")]
    case: Option<String>,
    /// The seed, or the run's name as reports print it: 17, swarm:17. A spec with a plan has but one.
    #[arg(long, value_name = "RUN")]
    seed: Option<RunId>,
    /// Draw what clients saw into this file, where a consistency check (linearizable, causal, ..) found it wrong: time from left to right, faults as
    /// bands.
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// Show only records of nodes whose name begins with this: `payments`, `payments[1]`. May be given more than once.
    #[arg(long, value_name = "NODE")]
    node: Vec<String>,
    /// Show only events whose name contains this: `saga.`, `invoke`, `fault`. May be given more than once.
    #[arg(long, value_name = "TEXT")]
    events: Vec<String>,
    /// Show records up to this virtual time.
    #[arg(long, value_name = "TIME", value_parser = time)]
    until: Option<Duration>,
    /// Show each packet, call and sync too, with its number and what became of it.
    #[arg(long)]
    messages: bool,
    /// Show log lines and what was printed, as RUST_LOG has it: `info`, `warn,hyper=off,shop::cart=debug`. Without it, what RUST_LOG says;
    /// without that, warnings and errors.
    #[arg(long, value_name = "FILTER")]
    log: Option<Filter>,
    /// Show where a panic came from. RUST_BACKTRACE=1 asks for it too.
    #[arg(long)]
    backtrace: bool,
    /// Print nothing but the run's digest and how it ended, to compare builds or machines.
    #[arg(long, conflicts_with_all = ["node", "events", "until"])]
    digest: bool,
    /// How much real time the run may take before it counts as hung.
    #[arg(long, value_name = "TIME", default_value = "20s", value_parser = time)]
    run_timeout: Duration,
    #[command(flatten)]
    worker: WorkerArgs,
    /// Run in squall's own process, for debuggers.
    #[arg(long)]
    in_process: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people.
    #[default]
    Human,
    /// For programs.
    Json,
}

/// What worker processes may have.
#[derive(Args, Clone, Copy, Debug, Default)]
struct WorkerArgs {
    /// How much memory a worker process may have, as `512MiB`: a run that takes more is ended. [default: 2GiB; where there is less, a
    /// share of what is available]
    #[arg(long, value_name = "SIZE", value_parser = memory)]
    memory: Option<u64>,
}

/// How much memory a worker may have, in bytes.
pub(crate) fn memory(text: &str) -> Result<u64, String> {
    /// What a worker has before it has done anything, and a little more.
    const LEAST: Size = Size { bytes: 64 << 20 };
    let size: Size = text.parse().map_err(|error: BadLeaf| error.to_string())?;
    if size.bytes < LEAST.bytes { Err(format!("a worker needs {LEAST} at least")) } else { Ok(size.bytes) }
}

fn time(text: &str) -> Result<Duration, String> {
    let Dur(time) = text.parse::<Dur>().map_err(|error| error.to_string())?;
    if time.is_zero() { Err("it must be more than nothing".to_owned()) } else { Ok(time) }
}

fn strategy(text: &str) -> Result<Strategy, String> {
    text.parse().map_err(|error: BadLeaf| error.to_string())
}

/// The `main` of a `squall` binary with these systems: reads the arguments, does what they say. Also the entry of the
/// worker processes that it starts from this same executable.
///
/// The exit code is 0 if everything is as expected, 1 if a spec failed, 2 for bad usage or a bad spec, 3 if something is undecided, 4 if nothing
/// was selected, 5 if a spec is vacuous, 70 for nondeterminism or an error of squall itself.
pub fn main(registry: Registry) -> ExitCode {
    limits::survive();
    worker::enter_if_worker(&registry);
    let run = || with_args(&registry, std::env::args_os());
    // The panic has been printed.
    let exit = std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)).unwrap_or(Exit::Internal);
    in_process::last_word(exit);
    exit.into()
}

/// Replays a run of a spec, as the command does: prints its history, and says whether it came out as the spec expects.
pub(crate) fn replay_run(registry: &Registry, spec: &Path, case: Option<&str>, run: &RunId) -> bool {
    let mut args: Vec<OsString> = vec!["squall".into(), "replay".into()];
    if let Some(case) = case {
        args.extend(["--case".into(), case.into()]);
    }
    args.extend(["--seed".into(), run.to_string().into(), "--".into(), spec.into()]);
    with_args(registry, args) == Exit::AsExpected
}

/// Whether whatever was written to is full, or as large as it may be.
fn is_no_room(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::FileTooLarge | ErrorKind::QuotaExceeded)
}

fn with_args(registry: &Registry, args: impl IntoIterator<Item = OsString>) -> Exit {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(message) if message.kind() == clap::error::ErrorKind::DisplayVersion => {
            let _ = writeln!(io::stdout(), "{}", version::version(registry));
            return Exit::AsExpected;
        }
        Err(message) => {
            // Help is no error; neither is a reader that went away.
            let _ = message.print();
            return if message.use_stderr() { Exit::Usage } else { Exit::AsExpected };
        }
    };
    match cli.color {
        ColorChoice::Auto => {}
        ColorChoice::Always => anstream::ColorChoice::Always.write_global(),
        ColorChoice::Never => anstream::ColorChoice::Never.write_global(),
    }
    if limits::has_no_output() {
        screen::say(format_args!(
            "error: standard output is closed, and nothing could be told: give it somewhere to go, as `> /dev/null`"
        ));
        return Exit::Undecided;
    }
    if cli.command.is_in_process()
        && let Some(exit) = in_process::watched()
    {
        return exit;
    }
    // From here on systems are known by what workers say of them.
    let inquiry = Inquiry::new(registry, cli.command.limit(), cli.command.memory());
    let done = match cli.command {
        Command::Run(args) => run::run(&inquiry, registry, &args),
        Command::Replay(args) => replay::replay(&inquiry, registry, &args),
        Command::Diff(args) => diff::diff(&inquiry, &args),
        Command::Blame(args) => blame::blame(&inquiry, &args),
        Command::Shrink(args) => shrink::shrink(&inquiry, &args),
        Command::Explain { spec, case, seed } => {
            explain::explain(&inquiry, &spec, case.as_deref(), seed.as_ref())
        }
        Command::Check { paths, format } => check::check(&inquiry, &paths, format),
        Command::List { paths } => describe::list(&inquiry, &paths),
        Command::Describe { what, kind } => describe::describe(&inquiry, &what, kind.as_deref()),
        Command::Schema => describe::schema(&inquiry),
        Command::Judge(args) => judge::judge(&args),
        Command::Bugs(args) => bugs::bugs(&inquiry, &args),
    };
    match done {
        Ok(exit) => exit,
        // As `squall list | head` does: whoever reads has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Exit::BrokenPipe,
        // As a journal that cannot be kept: what was not told is not decided.
        Err(error) if is_no_room(&error) => {
            screen::say(format_args!(
                "error: the output cannot be written: {error}\nmake room for it; a campaign with a journal goes on with --resume"
            ));
            Exit::Undecided
        }
        Err(error) => {
            screen::say(format_args!("error: {error}"));
            Exit::Internal
        }
    }
}

#[cfg(test)]
mod tests {

    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        Cli::command().debug_assert();
    }
}
