//! A campaign that is killed goes on where it was, and ends with the report of one that was not.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;
use tempfile::TempDir;

use crate::subject::{Ended, fixtures, run, squall, through_a_shell};

/// Passes, fails, aborts, a flaw, and a matrix of which two cases fail: some 3,000 runs with these seeds.
const CAMPAIGN: [&str; 10] = [
    "fixtures/calm.yaml",
    "fixtures/harm/strike.yaml",
    "fixtures/crash.yaml",
    "fixtures/harm/abort.yaml",
    "fixtures/flaw/caught.yaml",
    "fixtures/matrix",
    "--seeds",
    "720",
    "--max-failures",
    "12",
];

fn directory() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().expect("a directory");
    let journal = directory.path().join("long.journal");
    (directory, journal)
}

fn text(path: &Path) -> &str {
    path.to_str().expect("it is UTF-8")
}

fn bytes(path: &Path) -> Vec<u8> {
    fs::read(path).expect("the journal is there")
}

/// `squall run` of these, into a journal.
fn begin(args: &[&str], journal: &Path) -> Command {
    squall(&[&["run", "--format", "json", "--jobs", "2", "--journal", text(journal)], args].concat())
}

fn resume(journal: &Path) -> Command {
    squall(&["run", "--resume", text(journal), "--format", "json", "--jobs", "2"])
}

/// Requires two reports to be the same, and shows the first line that is not.
#[track_caller]
fn same(one: &[Value], other: &[Value]) {
    for (nth, (a, b)) in one.iter().zip(other).enumerate() {
        assert_eq!(a, b, "line {}", nth + 1);
    }
    assert_eq!(one.len(), other.len());
}

/// Numbers that look random and are always the same (SplitMix64).
fn random(seed: &mut u64) -> u64 {
    *seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *seed;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[expect(clippy::disallowed_methods, reason = "the tests of the program are not in a simulation")]
fn pause(time: Duration) {
    std::thread::sleep(time);
}

/// Starts a command, and once the journal has so many bytes, and a little later, sends it a signal. Gives what it printed.
#[track_caller]
fn signal_at(mut command: Command, journal: &Path, size: u64, later: Duration, signal: &str) -> Ended {
    let mut out = tempfile::tempfile().expect("a file");
    command.stdout(out.try_clone().expect("a file")).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the program starts");
    let since = Instant::now();
    while fs::metadata(journal).map_or(0, |file| file.len()) < size {
        assert!(since.elapsed() < Duration::from_secs(120), "the journal grows");
        if child.try_wait().expect("its state").is_some() {
            break;
        }
        pause(Duration::from_millis(1));
    }
    pause(later);
    let id = child.id().to_string();
    // It may be done by now, which makes the signal superfluous.
    let _ = Command::new("kill").args([signal, &id]).stderr(Stdio::null()).status().expect("kill");
    let mut ended: Ended = child.wait_with_output().expect("it ends").into();
    std::io::Seek::rewind(&mut out).expect("a file");
    std::io::Read::read_to_string(&mut out, &mut ended.out).expect("UTF-8");
    ended
}

/// Has a campaign killed so many times, each time further on, and requires the report of one that was not.
fn killed(campaign: &[&str], times: u64, seed: u64) {
    let (_directory, journal) = directory();
    let (_whole, whole) = directory();
    let uninterrupted = run(squall(&[&["run", "--format", "json", "--jobs", "2"], campaign].concat()));
    let expected = uninterrupted.reported();
    // What a journal changes in a report is nothing, and its size says where it can be killed.
    let with_journal = run(begin(campaign, &whole));
    assert_eq!(with_journal.code, uninterrupted.code);
    same(&with_journal.reported(), &expected);
    let size = bytes(&whole).len() as u64;

    let mut seed = seed;
    let mut moments: Vec<u64> = (0..times).map(|_| random(&mut seed) % (size * 9 / 10)).collect();
    moments.sort_unstable();
    let (mut resumed, mut kills) = (false, 0);
    for moment in moments {
        let command = if resumed { resume(&journal) } else { begin(campaign, &journal) };
        let later = Duration::from_micros(random(&mut seed) % 30_000);
        let ended = signal_at(command, &journal, moment, later, "-KILL");
        if ended.code.is_some() {
            // It was done before the signal came.
            assert_eq!(ended.code, uninterrupted.code, "{}", ended.err);
            break;
        }
        kills += 1;
        // Killed before there was a journal, it is begun again.
        resumed = fs::read(&journal).is_ok_and(|bytes| bytes.contains(&b'\n'));
        if !resumed {
            let _ = fs::remove_file(&journal);
        }
    }
    assert!(kills > 0, "it was never killed");
    let ended = run(resume(&journal));
    assert_eq!(ended.code, uninterrupted.code, "{}", ended.err);
    same(&ended.reported(), &expected);
    let runs = ended.of_kind("run");
    let names: BTreeSet<_> =
        runs.iter().map(|run| format!("{} {} {}", run["spec"], run["case"], run["run"])).collect();
    assert_eq!(names.len(), runs.len(), "nothing is counted twice");
    assert_eq!(ended.of_kind("summary")[0]["runs"], runs.len());

    // It is done: the same again, and nothing is run.
    let before = bytes(&journal);
    same(&run(resume(&journal)).reported(), &expected);
    assert_eq!(bytes(&journal), before);
}

pub fn killed_ten_times_it_ends_with_the_same_report() {
    killed(&CAMPAIGN, 10, 1);
}

pub fn each_strategy_goes_on_with_the_same_runs() {
    for (strategy, seed) in [("swarm", 2), ("guided", 3), ("random,guided", 4)] {
        let crash = ["fixtures/crash.yaml", "fixtures/harm/strike.yaml"];
        killed(&[&crash[..], &["--strategy", strategy, "--seeds", "300"]].concat(), 3, seed);
    }
}

pub fn what_a_person_reads_is_the_same_too() {
    let (_directory, journal) = directory();
    let campaign = ["fixtures/harm/strike.yaml", "fixtures/flaw", "fixtures/vacuous.yaml"];
    let without_time = |ended: &Ended| {
        let (told, summary) = ended.out.trim_end().rsplit_once('\n').expect("lines");
        let (summary, time) = summary.rsplit_once(" in ").expect("a summary");
        assert!(time.ends_with("runs/s)"), "{time}");
        format!("{told}\n{summary}")
    };
    let uninterrupted = run(squall(&[&["run"], &campaign[..]].concat())).with(1).says("shrunk to");
    let begun = run(squall(&[&["run", "--journal", text(&journal)], &campaign[..]].concat())).with(1);
    let resumed = run(squall(&["run", "--resume", text(&journal)])).with(1);
    assert_eq!(without_time(&begun), without_time(&uninterrupted));
    assert_eq!(without_time(&resumed), without_time(&uninterrupted));
    assert_eq!(resumed.err, "");
}

/// A run that differs when it is executed again is found once; where the histories part is in the journal.
pub fn nondeterminism_stays_what_it_was_found_to_be() {
    let (_directory, journal) = directory();
    let begun = run(begin(&["fixtures/leak/count.yaml"], &journal)).with(70);
    let resumed = run(resume(&journal)).with(70);
    assert!(begun.of_kind("spec")[0]["first_difference"]["seq"].is_number());
    same(&resumed.reported(), &begun.reported());
}

const CALM: [&str; 3] = ["fixtures/calm.yaml", "--seeds", "40"];

pub fn a_last_line_torn_at_any_byte_is_cut_off() {
    let (_directory, journal) = directory();
    let expected = run(begin(&CALM, &journal)).with(0).reported();
    let whole = bytes(&journal);
    let ends: Vec<usize> =
        whole.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1).collect();
    let resumed_from = |cut: usize, torn: bool| {
        fs::write(&journal, &whole[..cut]).expect("it can be written");
        let ended = run(resume(&journal)).with(0);
        same(&ended.reported(), &expected);
        assert_eq!(ended.err.contains("was not written to its end"), torn, "cut at {cut}: {}", ended.err);
        assert!(ended.err.is_empty() || torn, "{}", ended.err);
        assert_eq!(bytes(&journal).iter().filter(|byte| **byte == b'\n').count(), ends.len(), "cut at {cut}");
    };
    let [.., explored, done] = ends[..] else { panic!("lines") };
    for cut in explored..=done {
        resumed_from(cut, cut != explored && cut != done);
    }
    // In the middle of runs: the unit tests cut them at every byte.
    let (from, to) = (ends[20], ends[21]);
    for cut in (from..to).step_by(41).chain([to - 1]) {
        resumed_from(cut, cut != from);
    }
    // All that was written of it was a part of its first line.
    fs::write(&journal, &whole[..ends[0] - 1]).expect("it can be written");
    refuses(&journal, "J004");
}

/// Requires a journal to be refused with this code, and left as it is.
#[track_caller]
fn refuses(journal: &Path, code: &str) -> Ended {
    let before = bytes(journal);
    let ended = run(resume(journal)).with(2);
    assert!(ended.err.contains(&format!("error[{code}]: ")), "{}", ended.err);
    assert!(ended.err.contains("= help: "), "{}", ended.err);
    assert_eq!(ended.out, "");
    assert_eq!(bytes(journal), before, "it is left as it is");
    ended
}

pub fn damage_in_the_middle_is_named_by_its_line() {
    let (_directory, journal) = directory();
    let expected = run(begin(&CALM, &journal)).with(0).reported();
    let mut damaged = bytes(&journal);
    let start = damaged.iter().enumerate().filter(|(_, byte)| **byte == b'\n').nth(15).expect("lines").0 + 1;
    damaged[start + 60] ^= 4;
    // A last line that is torn is none of its business.
    damaged.truncate(damaged.len() - 3);
    fs::write(&journal, &damaged).expect("it can be written");
    let ended = refuses(&journal, "J005");
    assert!(ended.err.contains("damaged in line 17"), "{}", ended.err);
    assert!(ended.err.contains(&format!("--> {}:17", journal.display())), "{}", ended.err);
    // The remedy is one.
    assert!(ended.err.contains("head -n 16 "), "{}", ended.err);
    fs::write(&journal, &damaged[..start]).expect("it can be written");
    same(&run(resume(&journal)).with(0).reported(), &expected);
}

pub fn a_journal_has_one_campaign_at_a_time() {
    let (_directory, journal) = directory();
    run(begin(&CALM, &journal)).with(0);
    let before = bytes(&journal);
    let again = run(begin(&CALM, &journal)).with(2);
    assert!(again.err.contains("error[J002]") && again.err.contains("--resume"), "{}", again.err);
    assert_eq!(bytes(&journal), before);
    let other = File::open(&journal).expect("it is there");
    other.try_lock().expect("nobody has it");
    refuses(&journal, "J003");
    // Not with its end: a process that another test has just forked has the file, too, until it is another program.
    other.unlock().expect("it was locked");
    run(resume(&journal)).with(0);
}

/// Its campaign was killed between making the file and writing to it.
pub fn a_journal_that_holds_nothing_is_begun_again() {
    let (_directory, journal) = directory();
    fs::write(&journal, "").expect("a file");
    let told = refuses(&journal, "J004");
    assert!(told.err.contains("begin it again"), "{}", told.err);
    run(begin(&CALM, &journal)).with(0);
    run(resume(&journal)).with(0);
}

pub fn what_is_run_is_what_the_journal_says() {
    let (_directory, journal) = directory();
    run(begin(&CALM, &journal)).with(0);
    let before = bytes(&journal);
    let refused = |args: &[&str]| {
        let ended = run(squall(&[&["run", "--resume", text(&journal)], args].concat())).with(2);
        let named = args[0];
        assert!(ended.err.contains("cannot be used with"), "{}", ended.err);
        assert!(ended.err.contains(if named.starts_with("--") { named } else { "PATHS" }), "{}", ended.err);
        assert_eq!(bytes(&journal), before);
    };
    refused(&["--seeds", "40"]);
    refused(&["--strategy", "swarm"]);
    refused(&["--filter", "calm"]);
    refused(&["--run-timeout", "5s"]);
    refused(&["--max-failures", "3"]);
    refused(&["--no-shrink"]);
    refused(&["--in-process"]);
    refused(&["--journal", "x"]);
    refused(&["fixtures/calm.yaml"]);
    // What changes no report may change.
    run(squall(&["run", "--resume", text(&journal), "--jobs", "1", "--max-time", "1m"])).with(0);
    assert_eq!(bytes(&journal), before);
}

pub fn a_spec_that_has_changed_is_named() {
    let (directory, journal) = directory();
    let spec = directory.path().join("variants.yaml");
    fs::copy(fixtures("matrix").join("variants.yaml"), &spec).expect("a copy");
    let expected = run(begin(&[text(&spec)], &journal)).with(1).reported();
    let was = fs::read_to_string(&spec).expect("the copy");
    fs::write(&spec, was.replace("settle: 200ms", "settle: 201ms")).expect("it can be written");
    let ended = refuses(&journal, "J007");
    assert!(
        ended.err.contains("variants.yaml [variant=hardened,") && ended.err.contains("has changed"),
        "{}",
        ended.err
    );
    fs::write(&spec, was.replace("[3, 5]", "[3]")).expect("it can be written");
    assert!(refuses(&journal, "J007").err.contains("is gone"));
    fs::remove_file(&spec).expect("the copy");
    let before = bytes(&journal);
    let ended = run(resume(&journal)).with(2);
    assert!(
        ended.err.contains("variants.yaml") && ended.err.contains("was it begun from there?"),
        "{}",
        ended.err
    );
    assert_eq!(bytes(&journal), before);
    // What says the same is the same.
    fs::write(&spec, format!("# A comment.\n{was}")).expect("it can be written");
    same(&run(resume(&journal)).with(1).reported(), &expected);
}

pub fn an_end_before_the_end_says_how_to_go_on() {
    let (_directory, journal) = directory();
    let campaign = ["fixtures/crash.yaml", "fixtures/calm.yaml", "--seeds", "600"];
    let expected = run(squall(&[&["run", "--format", "json"], &campaign[..]].concat())).with(0).reported();
    let says_how = |ended: Ended, why: &str| {
        let line = format!("resume: squall run --resume {}", journal.display());
        assert!(ended.err.lines().any(|said| said == line), "{}", ended.err);
        assert!(ended.with(3).out.contains(why));
    };
    let begun = begin(&campaign, &journal);
    says_how(signal_at(begun, &journal, 20_000, Duration::ZERO, "-INT"), "interrupted");
    let resumed = squall(&["run", "--resume", text(&journal), "--format", "json", "--max-time", "1ms"]);
    says_how(run(resumed), "the time was up");
    same(&run(resume(&journal)).with(0).reported(), &expected);
}

/// A disk that is full ends the campaign undecided, whenever it is: what is in the journal stays good. It was bad usage (2) if the last
/// sync failed, and undecided if a write did.
pub fn a_journal_that_cannot_be_written_leaves_the_rest_undecided() {
    let no_room = |campaign: &[&str], journal: &Path| {
        let begun = begin(campaign, journal);
        let mut command = Command::new("sh");
        // The signal would end the process. 64 blocks are 32 kB or 64 kB.
        command.args(["-c", "ulimit -f 64; exec \"$0\" \"$@\""]);
        command.arg(begun.get_program()).args(begun.get_args());
        command.envs(begun.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command.current_dir(begun.get_current_dir().expect("it is set")).stdin(Stdio::null());
        let ended = run(command);
        assert!(ended.err.contains("error[J001]: the journal cannot be written"), "{}", ended.err);
        assert!(ended.err.contains("--resume"), "{}", ended.err);
        ended
    };
    let (_directory, journal) = directory();
    let campaign = ["fixtures/calm.yaml", "fixtures/crash.yaml", "--seeds", "600"];
    let ended = no_room(&campaign, &journal).with(3);
    assert_eq!(ended.of_kind("summary")[0]["undecided"], 2, "{}", ended.out);
    let whole = run(squall(&[&["run", "--format", "json"], &campaign[..]].concat())).with(0);
    same(&run(resume(&journal)).with(0).reported(), &whole.reported());

    // A spec that has failed by then has failed.
    let (_directory, journal) = directory();
    let campaign =
        ["fixtures/harm/strike.yaml", "fixtures/calm.yaml", "--seeds", "600", "--max-failures", "1"];
    let ended = no_room(&campaign, &journal).with(1);
    let summary = &ended.of_kind("summary")[0];
    assert_eq!((&summary["failed"], &summary["undecided"]), (&Value::from(1), &Value::from(1)), "{summary}");
}

pub fn output_that_cannot_be_written_ends_it_and_the_journal_is_kept() {
    let campaign = ["fixtures/calm.yaml", "--seeds", "400"];
    let whole = run(squall(&[&["run", "--format", "json"], &campaign[..]].concat())).with(0);
    let (directory, _) = directory();
    let report = directory.path().join("report");
    for (how, code) in [
        ("exec \"$0\" \"$@\" >/dev/full", 3),
        (&*format!("ulimit -f 8; exec \"$0\" \"$@\" >{}", text(&report)), 3),
        ("(\"$0\" \"$@\"; echo $? >&2) | true", 0),
    ] {
        // The journal lies where there is room for it: it is small, and the report of each run is longer.
        let journal = directory.path().join("kept.journal");
        let ended = through_a_shell(&begin(&campaign, &journal), how);
        assert_eq!(ended.code, Some(code), "{how}: {}", ended.err);
        if code == 3 {
            assert!(ended.err.contains("--resume"), "{how}: {}", ended.err);
        }
        if how.contains("| true") {
            assert_eq!(ended.err.trim(), "141", "{how}");
        }
        assert!(!ended.err.contains("panicked"), "{how}: {}", ended.err);
        same(&run(resume(&journal)).with(0).reported(), &whole.reported());
        fs::remove_file(&journal).expect("the journal is there");
    }
}

pub fn only_a_regular_file_is_gone_on_with() {
    let (directory, journal) = directory();
    run(begin(&["fixtures/calm.yaml", "--seeds", "3"], &journal)).with(0);
    let link = directory.path().join("elsewhere");
    fs::create_dir(&link).expect("a directory");
    let link = link.join("link.journal");
    std::os::unix::fs::symlink(&journal, &link).expect("a link");
    let pipe = directory.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().expect("mkfifo").success());
    for (path, says) in [
        (text(&link), "outside"),
        (text(&pipe), "a pipe"),
        ("/dev/zero", "a device"),
        (text(directory.path()), "a directory"),
        ("/proc/self/environ", ""),
    ] {
        let since = Instant::now();
        let ended = run(squall(&["run", "--resume", path])).with(2);
        assert!(ended.err.contains(says) && ended.err.contains("help:"), "{path}: {}", ended.err);
        assert!(!ended.err.contains("PATH="), "{}", ended.err);
        assert!(since.elapsed() < Duration::from_secs(20), "{path} is refused at once");
    }
    run(resume(&journal)).with(0);
}
