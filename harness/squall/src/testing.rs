//! Specs as tests of `cargo test` and cargo-nextest: one test per spec, named by its path.
//!
//! ```toml
//! # Cargo.toml
//! [[test]]
//! name = "specs"
//! harness = false
//! ```
//!
//! ```no_run
//! # mod my_systems { pub fn registry() -> squall::Registry { squall::Registry::new() } }
//! // tests/specs.rs
//! fn main() -> std::process::ExitCode {
//!     squall::testing::main(my_systems::registry(), concat!(env!("CARGO_MANIFEST_DIR"), "/specs"))
//! }
//! ```
//!
//! `SQUALL_SEED=17` runs one seed of each spec, `SQUALL_SEEDS=1000` or `SQUALL_SEEDS=1000..2000` others than the spec asks for. A
//! failing test prints what happened and the line that replays it: `SQUALL_REPLAY=17 cargo test --test specs -- --exact NAME --nocapture` prints the
//! history of that run (with `SQUALL_CASE=..`, of that case of a matrix).

use std::{
    collections::BTreeMap,
    env,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::{Arc, OnceLock, atomic::AtomicBool},
    time::Instant,
};

use libtest_mimic::{Arguments, Failed, Trial};

use crate::{
    cli,
    explore::{Options, Pool, Seeds, SpecVerdict, explore},
    inquiry::{Inquiry, LIMIT, NotLoaded},
    limits,
    plan::RunId,
    report::{SpecReport, failure},
    reproduce::{CASE, REPLAY, Reproduce},
    screen,
    spec::title,
    spec::{self, Loaded},
    system::Registry,
    worker,
};

/// The `main` of a test target with `harness = false`: the specs below `specs`, a directory, each as a test. Also the entry of the
/// worker processes that it starts from this same executable.
///
/// Takes the arguments of Rust's own test harness. Tests are listed from paths alone; a spec with errors is a test that fails. A
/// directory without specs, or a bad variable in the environment, is an error: the exit code is 2.
pub fn main(registry: Registry, specs: impl AsRef<Path>) -> ExitCode {
    limits::survive();
    worker::enter_if_worker(&registry);
    let args = Arguments::from_args();
    if args.test_threads == Some(0) {
        return refuse(
            "--test-threads 0: no test would ever run; write 1 at least, or leave it out for one per core",
        );
    }
    let seeds = match seeds_from_environment(|name| env::var_os(name)) {
        Ok(seeds) => seeds,
        Err(error) => return refuse(&error),
    };
    let replay = match replay_from_environment(|name| env::var_os(name)) {
        Ok(replay) => replay,
        Err(error) => return refuse(&error),
    };
    let memory = match memory_from_environment(|name| env::var_os(name)) {
        Ok(memory) => memory,
        Err(error) => return refuse(&error),
    };
    let specs = specs.as_ref();
    let files = match spec::discover(&[specs.to_owned()]) {
        Ok(files) => files,
        Err(error) => return refuse(error.render(false).trim_end()),
    };
    let tests = match named(specs, files) {
        Ok(tests) => tests,
        Err(error) => return refuse(&error),
    };
    let inquiry = Inquiry::new(&registry, LIMIT, memory);
    let bench = Arc::new(Bench { registry, inquiry, seeds, replay, memory, pool: OnceLock::new() });
    let trials = tests
        .into_iter()
        .map(|(name, file)| {
            let bench = bench.clone();
            Trial::test(name.clone(), move || bench.test(&name, &file))
        })
        .collect();
    libtest_mimic::run(&args, trials).exit_code()
}

fn refuse(error: &str) -> ExitCode {
    screen::say(format_args!("error: {error}"));
    ExitCode::from(2)
}

/// What all tests of this process share.
struct Bench {
    /// For what is done as a command would: it calls no code of theirs either.
    registry: Registry,
    inquiry: Inquiry,
    seeds: Option<Seeds>,
    /// The run, and the case of a matrix, that is replayed instead.
    replay: Option<(RunId, Option<String>)>,
    /// How much memory each worker may have, in bytes.
    memory: Option<u64>,
    /// One pool for all of them, so that tests side by side do not start more workers than there are cores.
    pool: OnceLock<Pool>,
}

impl Bench {
    fn pool(&self) -> &Pool {
        // cargo-nextest runs each test in a process of its own, as many at a time as there are cores.
        let jobs = || if env::var_os("NEXTEST").is_some() { 1 } else { Pool::default_jobs() };
        self.pool.get_or_init(|| Pool::new(jobs()).with_memory(self.memory))
    }

    /// Tests a spec: all cases of its matrix, and tells of each that fails.
    fn test(&self, name: &str, file: &Path) -> Result<(), Failed> {
        if let Some((run, case)) = &self.replay {
            return match cli::replay_run(&self.registry, file, case.as_deref(), run) {
                true => Ok(()),
                false => Err(format!("run {run} is told above").into()),
            };
        }
        let cases = self.inquiry.cases(file).map_err(|why| match why {
            NotLoaded::Wrong(errors) => errors.render(false),
            NotLoaded::Unread(unread) => format!("UNDECIDED {}: {unread}", from_workspace(file).display()),
        })?;
        let blocks: String = cases.iter().map(|loaded| self.case(name, loaded, file)).collect();
        if blocks.is_empty() { Ok(()) } else { Err(screen::plain(&blocks).into()) }
    }

    /// What is to be told of a case that failed; nothing of one that passed.
    fn case(&self, name: &str, loaded: &Loaded, file: &Path) -> String {
        let started = Instant::now();
        let options = Options { seeds: self.seeds, ..Options::default() };
        let never = AtomicBool::new(false);
        let outcome = explore(self.pool(), &loaded.spec, &options, &never, &mut |_| {});
        if matches!(outcome.verdict, SpecVerdict::Passed) {
            for note in &outcome.notes {
                screen::say(format_args!(
                    "note: {}: {note}",
                    title(&from_workspace(file), loaded.case.as_deref())
                ));
            }
            return String::new();
        }
        let report = SpecReport {
            loaded,
            path: from_workspace(file),
            outcome,
            elapsed: started.elapsed(),
            shrunk: Vec::new(),
        };
        failure::block(&report, &Reproduce::through_test(name))
    }
}

fn text(var: &impl Fn(&str) -> Option<OsString>, name: &str) -> Result<Option<String>, String> {
    match var(name) {
        None => Ok(None),
        Some(value) => match value.into_string() {
            Ok(text) => Ok(Some(text)),
            Err(value) => Err(format!("{name}={}: this is not text", value.display())),
        },
    }
}

/// Which run the environment asks for to be replayed, and of which case; none if it does not.
fn replay_from_environment(
    var: impl Fn(&str) -> Option<OsString>,
) -> Result<Option<(RunId, Option<String>)>, String> {
    let case = text(&var, CASE)?;
    let Some(run) = text(&var, REPLAY)? else {
        return match case {
            Some(_) => Err(format!("{CASE} says which case {REPLAY} is of, which is not set")),
            None => Ok(None),
        };
    };
    if let Some(other) = ["SQUALL_SEED", "SQUALL_SEEDS"].into_iter().find(|name| var(name).is_some()) {
        return Err(format!("{REPLAY} and {other} are both set: which is meant?"));
    }
    let run = run.trim().parse().map_err(|error| format!("{REPLAY}={run}: {error}"))?;
    Ok(Some((run, case)))
}

/// Which seeds the environment asks for; none if it does not.
fn seeds_from_environment(var: impl Fn(&str) -> Option<OsString>) -> Result<Option<Seeds>, String> {
    match (text(&var, "SQUALL_SEED")?, text(&var, "SQUALL_SEEDS")?) {
        (None, None) => Ok(None),
        (Some(_), Some(_)) => Err("SQUALL_SEED and SQUALL_SEEDS are both set: which is meant?".to_owned()),
        (Some(seed), None) => match seed.trim().parse() {
            Ok(seed) => Ok(Some(Seeds::only(seed))),
            Err(_) => Err(format!("SQUALL_SEED={seed}: write one seed, as in SQUALL_SEED=17")),
        },
        (None, Some(seeds)) => match seeds.trim().parse::<Seeds>() {
            Ok(seeds) if seeds.count() > 0 => Ok(Some(seeds)),
            Ok(_) => Err(format!("SQUALL_SEEDS={seeds}: that is not a single seed")),
            Err(error) => Err(format!("SQUALL_SEEDS={seeds}: {error}")),
        },
    }
}

/// How much memory each worker may have, in bytes; none if the environment does not say.
fn memory_from_environment(var: impl Fn(&str) -> Option<OsString>) -> Result<Option<u64>, String> {
    let Some(value) = var("SQUALL_MEMORY") else { return Ok(None) };
    let text = value.to_string_lossy();
    cli::memory(text.trim()).map(Some).map_err(|error| format!("SQUALL_MEMORY={text}: {error}"))
}

/// Each spec with the name of its test: `specs/saga/crash-after-charge.yaml` is `specs::saga::crash_after_charge`.
fn named(root: &Path, files: Vec<PathBuf>) -> Result<BTreeMap<String, PathBuf>, String> {
    let mut tests = BTreeMap::new();
    for file in files {
        let name = test_name(root, &file);
        if let Some(other) = tests.insert(name.clone(), file.clone()) {
            let (a, b) = (other.display(), file.display());
            return Err(format!("{a} and {b} would both be the test {name}: rename one of them"));
        }
    }
    Ok(tests)
}

fn test_name(root: &Path, file: &Path) -> String {
    let top = fs::canonicalize(root).ok().and_then(|root| Some(root.file_name()?.to_owned()));
    let below = file.strip_prefix(root).unwrap_or(file).with_extension("");
    let parts = top.iter().map(OsString::as_os_str).chain(below.iter());
    let parts: Vec<String> = parts
        .map(|part| {
            part.to_string_lossy().chars().map(|c| if c.is_alphanumeric() { c } else { '_' }).collect()
        })
        .collect();
    parts.join("::")
}

/// The path of a spec from the root of the workspace, where a person pastes commands; a test's own directory is its package's.
fn from_workspace(file: &Path) -> PathBuf {
    let Ok(full) = fs::canonicalize(file) else { return file.to_owned() };
    let root = full.ancestors().skip(1).find(|directory| directory.join("Cargo.lock").is_file());
    match root.and_then(|root| full.strip_prefix(root).ok()) {
        Some(relative) => relative.to_owned(),
        None => full,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_is_named_by_its_path() {
        let name = |file: &str| test_name(Path::new("/w/specs"), Path::new(file));
        // The directory need not exist to be named, but then only what is below it names the test.
        assert_eq!(name("/w/specs/saga/crash-after-charge.yaml"), "saga::crash_after_charge");
        let here = tempfile::tempdir().expect("a directory");
        let root = here.path().join("specs");
        fs::create_dir(&root).expect("a directory");
        assert_eq!(test_name(&root, &root.join("saga/a b.c.yaml")), "specs::saga::a_b_c");
    }

    #[test]
    fn the_memory_of_workers_is_an_amount_of_data() {
        let memory = |value: &str| memory_from_environment(|_| Some(value.into()));
        assert_eq!(memory_from_environment(|_| None), Ok(None));
        assert_eq!(memory("512MiB"), Ok(Some(512 << 20)));
        for bad in ["", "512", "1kB", "a lot"] {
            let error = memory(bad).expect_err("it is none");
            assert!(error.starts_with(&format!("SQUALL_MEMORY={bad}: ")), "{error}");
        }
    }

    #[test]
    fn two_specs_of_one_test_name_are_refused() {
        let files = vec![PathBuf::from("/w/a-b.yaml"), PathBuf::from("/w/a_b.yaml")];
        let error = named(Path::new("/w"), files).expect_err("both are a_b");
        assert!(error.contains("a-b.yaml") && error.contains("a_b.yaml"), "{error}");
    }

    #[test]
    fn the_environment_says_which_run_is_replayed() {
        let replay = |set: &[(&str, &str)]| {
            replay_from_environment(|name| {
                set.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).into())
            })
        };
        assert_eq!(replay(&[]), Ok(None));
        assert_eq!(replay(&[("SQUALL_REPLAY", "17")]), Ok(Some((17.into(), None))));
        let case = [("SQUALL_REPLAY", "17"), ("SQUALL_CASE", "ops=3")];
        assert_eq!(replay(&case), Ok(Some((17.into(), Some("ops=3".to_owned())))));
        for bad in [
            &[("SQUALL_REPLAY", "x")][..],
            &[("SQUALL_CASE", "ops=3")],
            &[("SQUALL_REPLAY", "1"), ("SQUALL_SEED", "2")],
        ] {
            assert!(replay(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn the_environment_narrows_and_widens_and_is_never_ignored() {
        let seeds = |set: &[(&str, &str)]| {
            seeds_from_environment(|name| {
                set.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).into())
            })
        };
        assert_eq!(seeds(&[]), Ok(None));
        assert_eq!(seeds(&[("SQUALL_SEED", "17")]), Ok(Some(Seeds::only(17))));
        assert_eq!(seeds(&[("SQUALL_SEEDS", "10..20")]), Ok(Some(Seeds::from(10, 10))));
        assert_eq!(seeds(&[("SQUALL_SEEDS", "500")]), Ok(Some(Seeds::first(500))));
        for bad in [
            &[("SQUALL_SEED", "x")][..],
            &[("SQUALL_SEED", "")],
            &[("SQUALL_SEED", "1..2")],
            &[("SQUALL_SEEDS", "a..b")],
            &[("SQUALL_SEEDS", "0")],
            &[("SQUALL_SEED", "1"), ("SQUALL_SEEDS", "2")],
        ] {
            assert!(seeds(bad).is_err(), "{bad:?}");
        }
    }
}
