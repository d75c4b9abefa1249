use std::{fs, time::Duration};

use super::*;
use crate::run::{Coverage, FaultCount, RunReport, Verdict};

fn asked() -> Asked {
    Asked {
        directory: "/somewhere".into(),
        specs: vec![SpecEntry { path: "a.yaml".into(), case: None, hash: "0".to_owned() }],
        unread: Vec::new(),
        seeds: None,
        strategy: None,
        run_timeout: Duration::from_secs(20),
        max_failures: 10,
        shrink: true,
    }
}

fn report(seed: u64, states: &[u32]) -> RunReport {
    let faults = [("cut".to_owned(), FaultCount { struck: seed, touched: 2 * seed })].into();
    RunReport {
        coverage: Coverage { states: states.iter().copied().collect(), faults, ..Coverage::default() },
        virtual_time: Duration::from_nanos(1_234_567_891),
        ..RunReport::lost(seed.into(), Verdict::Passed)
    }
}

fn checked(seed: u64, states: &[u32]) -> Checked {
    Checked { report: report(seed, states), again: None }
}

/// A journal of one spec and these runs.
fn written(path: &Path, strategy: Strategy, runs: &[Checked]) {
    let mut journal = Journal::create(path, &asked()).expect("it is new");
    journal.begin(0, &[strategy]).expect("written");
    for run in runs {
        journal.run(run).expect("written");
    }
}

/// The runs in the one spec of a journal, which is repaired.
fn read(path: &Path, strategy: Strategy) -> (Vec<RunReport>, bool) {
    let (mut journal, was) = Journal::open(path).expect("a journal");
    assert_eq!(was, asked());
    let torn = journal.repair().expect("it can be written");
    journal.begin(0, &[strategy]).expect("it begins");
    let mut runs = Vec::new();
    while let Some(run) = journal.past_run().expect("whole") {
        runs.push(run.report);
    }
    (runs, torn)
}

#[test]
fn runs_come_back_as_they_were() {
    let directory = tempfile::tempdir().expect("a directory");
    let runs = [checked(1, &[1, 2]), checked(2, &[2, 3]), checked(3, &[1, 3])];
    let all: Vec<_> = runs.iter().map(|run| run.report.clone()).collect();
    let guided = directory.path().join("guided");
    written(&guided, Strategy::Guided, &runs);
    assert_eq!(read(&guided, Strategy::Guided), (all.clone(), false));
    let random = directory.path().join("random");
    written(&random, Strategy::Random, &runs);
    let (back, _) = read(&random, Strategy::Random);
    let states: Vec<Vec<u32>> =
        back.iter().map(|run| run.coverage.states.iter().copied().collect()).collect();
    assert_eq!(states, [vec![1, 2], vec![3], vec![]], "each state once, where nobody learns from them");
    assert!(fs::metadata(&random).expect("there").len() < fs::metadata(&guided).expect("there").len());
}

#[test]
fn a_second_execution_is_kept_where_it_differs() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("j");
    let same = Checked { again: Some(report(1, &[])), ..checked(1, &[]) };
    let other = RunReport { digest: crate::run::Digest(7), ..report(2, &[]) };
    let differs = Checked { again: Some(other.clone()), ..checked(2, &[]) };
    written(&path, Strategy::Random, &[same, differs]);
    let (mut journal, _) = Journal::open(&path).expect("a journal");
    journal.begin(0, &[Strategy::Random]).expect("it begins");
    assert_eq!(journal.past_run().expect("whole").expect("there").again, None);
    assert_eq!(journal.past_run().expect("whole").expect("there").again, Some(other));
}

#[test]
fn a_last_line_cut_anywhere_is_cut_off_and_what_comes_after_is_good() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("j");
    written(&path, Strategy::Random, &[checked(1, &[1]), checked(2, &[2])]);
    let whole = fs::read(&path).expect("there");
    let last = whole[..whole.len() - 1].iter().rposition(|byte| *byte == b'\n').expect("lines") + 1;
    for cut in last..whole.len() {
        fs::write(&path, &whole[..cut]).expect("written");
        let (runs, torn) = read(&path, Strategy::Random);
        assert_eq!((runs.len(), torn), (1, cut > last), "cut at {cut}");
        let (mut journal, _) = Journal::open(&path).expect("a journal");
        journal.begin(0, &[Strategy::Random]).expect("it begins");
        assert!(journal.past_run().expect("whole").is_some());
        assert!(journal.past_run().expect("whole").is_none());
        journal.run(&checked(2, &[2])).expect("written");
        drop(journal);
        assert_eq!(read(&path, Strategy::Random).0, [report(1, &[1]), report(2, &[2])], "cut at {cut}");
    }
}

#[test]
fn the_file_is_left_as_it_is_until_it_is_repaired() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("j");
    written(&path, Strategy::Random, &[checked(1, &[1])]);
    let mut torn = fs::read(&path).expect("there");
    torn.pop();
    fs::write(&path, &torn).expect("written");
    drop(Journal::open(&path).expect("a journal"));
    assert_eq!(fs::read(&path).expect("there"), torn);
}

#[test]
fn what_this_campaign_would_not_write_there_is_refused_with_its_line() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("j");
    written(&path, Strategy::Random, &[checked(1, &[1])]);
    let (mut journal, _) = Journal::open(&path).expect("a journal");
    journal.begin(0, &[Strategy::Random]).expect("it begins");
    // Line 3 is a run, which is not taken.
    let error = journal.done().expect_err("out of order").to_string();
    assert!(error.contains("J005") && error.contains("line 3"), "{error}");
}

#[test]
fn another_build_another_format_and_another_file_are_refused() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("j");
    let refused = |text: &str| {
        fs::write(&path, text).expect("written");
        Journal::open(&path).err().expect("refused").to_string()
    };
    let header = |format: u32, build: &str| {
        let header = Header { journal: format, build: build.to_owned(), asked: asked() };
        line::seal(1, &serde_json::to_string(&header).expect("plain data"))
    };
    assert!(refused(&header(FORMAT, "0")).contains("J006"));
    assert!(refused(&header(FORMAT + 1, shrink::build())).contains("J006"));
    assert!(
        refused(header(FORMAT, shrink::build()).trim_end()).contains("J004"),
        "a torn header holds nothing"
    );
    assert!(refused("spec: 1\n").contains("J004"));
    assert!(refused("").contains("J004"));
}

#[test]
fn the_clock_stands_still_between_sessions() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("j");
    written(&path, Strategy::Random, &[]);
    let hour = Duration::from_secs(3600);
    let mut text = fs::read_to_string(&path).expect("there");
    text.push_str(&line::seal(
        3,
        &Entry::Run(Box::new(Ran { report: report(1, &[]), again: None })).at(hour),
    ));
    fs::write(&path, text).expect("written");
    let (mut journal, _) = Journal::open(&path).expect("a journal");
    assert!(journal.elapsed() >= hour && journal.elapsed() < 2 * hour);
    journal.begin(0, &[Strategy::Random]).expect("it begins");
    journal.past_run().expect("whole").expect("there");
    assert_eq!(journal.time(), hour);
}
