//! The shortest telling of what happened: of a history of hundreds of records, the few a person needs to see.
//!
//! They are the evidence of the violation, what faults did before it, which processes came and went, and the records next to
//! the evidence. The rest is counted.

use std::collections::BTreeSet;

use crate::{
    history::{Kind, Lifecycle, Record},
    run::{RunReport, Verdict},
};

/// The most lines of a telling.
const LINES: usize = 28;
/// How many records around one of the evidence.
const AROUND: u64 = 1;

/// A line of a telling.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Told<'a> {
    /// A record that proves the violation.
    Evidence(&'a Record),
    /// A record that explains it.
    Context(&'a Record),
    /// So many records left out.
    Elided(usize),
}

/// Tells how a run came to fail.
pub(super) fn tell(report: &RunReport) -> Vec<Told<'_>> {
    let history = &report.history;
    let Some(last) = history.last() else { return Vec::new() };
    let evidence: BTreeSet<u64> = match &report.verdict {
        Verdict::Violated(violation) => violation.evidence.iter().copied().collect(),
        _ => BTreeSet::from([last.seq]),
    };
    let end = evidence.last().copied().unwrap_or(last.seq);
    let mut chosen: BTreeSet<u64> = newest(evidence.iter().copied(), LINES - 4);
    // What is next to the evidence comes last, so that it is what is left out if there is no room.
    let faults = history.iter().filter(|r| r.seq <= end && is_fault(r)).map(|r| r.seq);
    fill(&mut chosen, faults);
    let around = evidence.iter().flat_map(|seq| seq.saturating_sub(AROUND)..=(seq + AROUND).min(end));
    fill(&mut chosen, around);
    if evidence.len() == 1 {
        // A single record explains nothing by itself: what led to it.
        fill(&mut chosen, end.saturating_sub(8)..end);
    }

    let mut told = Vec::new();
    let mut left_out = 0;
    for record in history.iter().filter(|record| record.seq <= end) {
        if !chosen.contains(&record.seq) {
            left_out += 1;
            continue;
        }
        if left_out > 0 {
            told.push(Told::Elided(left_out));
            left_out = 0;
        }
        told.push(if evidence.contains(&record.seq) {
            Told::Evidence(record)
        } else {
            Told::Context(record)
        });
    }
    told
}

fn is_fault(record: &Record) -> bool {
    match &record.kind {
        Kind::FaultStart { .. } | Kind::FaultHeal { .. } => true,
        Kind::Node { incarnation, change, .. } => *change != Lifecycle::Started || *incarnation > 1,
        _ => false,
    }
}

fn newest(seqs: impl DoubleEndedIterator<Item = u64>, most: usize) -> BTreeSet<u64> {
    seqs.rev().take(most).collect()
}

/// Adds as many as there is room for, the newest first.
fn fill(chosen: &mut BTreeSet<u64>, more: impl Iterator<Item = u64>) {
    let more: BTreeSet<u64> = more.collect();
    for seq in more.into_iter().rev() {
        if chosen.len() >= LINES {
            return;
        }
        chosen.insert(seq);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        check::Violation,
        history::{Fields, Record},
    };

    fn failing(records: u64, faults: &[u64], evidence: &[u64]) -> RunReport {
        let history = (0..records)
            .map(|seq| Record {
                seq,
                at: Duration::from_millis(seq),
                kind: if faults.contains(&seq) {
                    Kind::FaultStart { fault: "cut".into(), what: "a | b".to_owned() }
                } else {
                    let (node, name) = ("a[0]".into(), "a.b".into());
                    Kind::Event { node, incarnation: 1, name, fields: Fields::new() }
                },
            })
            .collect();
        let verdict = Verdict::Violated(Violation {
            invariant: "i".to_owned(),
            class: "c".to_owned(),
            message: "m".to_owned(),
            at: Duration::ZERO,
            evidence: evidence.to_vec(),
        });
        RunReport { history, ..RunReport::lost(0.into(), verdict) }
    }

    fn shape(told: &[Told<'_>]) -> String {
        told.iter()
            .map(|line| match line {
                Told::Evidence(r) => format!("!{} ", r.seq),
                Told::Context(r) => format!("{} ", r.seq),
                Told::Elided(n) => format!("({n}) "),
            })
            .collect()
    }

    #[test]
    fn evidence_its_neighbours_and_the_faults_before_it_are_told() {
        let report = failing(1000, &[40, 950], &[100, 900]);
        assert_eq!(shape(&tell(&report)), "(40) 40 (58) 99 !100 101 (797) 899 !900 ");
    }

    #[test]
    fn lone_evidence_comes_with_what_led_to_it() {
        let report = failing(50, &[], &[30]);
        assert_eq!(shape(&tell(&report)), "(22) 22 23 24 25 26 27 28 29 !30 ");
    }

    #[test]
    fn a_telling_is_short_however_much_evidence_there_is() {
        let all: Vec<u64> = (0..1000).collect();
        let report = failing(1000, &all, &all);
        let told = tell(&report);
        let shown = told.iter().filter(|line| !matches!(line, Told::Elided(_))).count();
        assert_eq!(shown, LINES);
        assert!(matches!(told.last(), Some(Told::Evidence(r)) if r.seq == 999));
    }
}
