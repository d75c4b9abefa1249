//! The shortest telling of what happened: of a history of hundreds of records, the few a person needs to see.
//!
//! They are the evidence of the violation, all of it; what faults did before it, and which processes came and went; where operations that
//! are evidence began, and what else is told of what the last of it is about; and the records next to the evidence. The rest is counted, unless a count would take the place of one record.

use std::collections::BTreeSet;

use crate::{
    history::{Fields, Kind, Lifecycle, Record},
    run::{RunReport, Verdict},
};

/// How many lines there are besides the evidence, unless more faults than that struck.
const LINES: usize = 28;
/// The most strikes of faults that are told whatever else there is.
const STRIKES: usize = 40;
/// Up to how many records that share a field and its value are about one thing.
const STORY: usize = 12;
/// How many records around one of the evidence.
const AROUND: u64 = 1;

/// A line of a telling.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Told<'a> {
    /// A record that proves the violation.
    Evidence(&'a Record),
    /// A record that explains it.
    Context(&'a Record),
    /// So many records left out, two or more.
    Elided(usize),
}

/// Tells how a run came to fail.
pub(super) fn tell(report: &RunReport) -> Vec<Told<'_>> {
    let history = &report.history;
    let Some(last) = history.last() else { return Vec::new() };
    let evidence: BTreeSet<u64> = match &report.verdict {
        // An invariant may cite what there is not.
        Verdict::Violated(violation) => {
            violation.evidence.iter().copied().filter(|seq| *seq <= last.seq).collect()
        }
        _ => BTreeSet::from([last.seq]),
    };
    let end = evidence.last().copied().unwrap_or(last.seq);
    let before_end = || history.iter().filter(|record| record.seq <= end);
    let mut chosen = Chosen { all: evidence.clone(), room: LINES };
    // What made it happen comes before what happened next to it.
    let strikes = before_end().filter(|record| matches!(record.kind, Kind::FaultStart { .. }));
    let strikes: BTreeSet<u64> = strikes.map(|record| record.seq).collect();
    chosen.room = LINES.max(strikes.len().min(STRIKES));
    chosen.fill(strikes);
    chosen.fill(begun(history, &evidence));
    chosen.fill(story(history, end));
    chosen.fill(before_end().filter(|record| is_fault(record)).map(|record| record.seq));
    chosen.fill(evidence.iter().flat_map(|seq| seq.saturating_sub(AROUND)..=(seq + AROUND).min(end)));
    if evidence.len() == 1 {
        // A single record explains nothing by itself: what led to it.
        chosen.fill(end.saturating_sub(8)..end);
    }

    let mut told = Vec::new();
    let mut left_out: Vec<&Record> = Vec::new();
    for record in before_end() {
        if !chosen.all.contains(&record.seq) {
            left_out.push(record);
            continue;
        }
        match left_out[..] {
            [] => {}
            [one] => told.push(Told::Context(one)),
            _ => told.push(Told::Elided(left_out.len())),
        }
        left_out.clear();
        told.push(if evidence.contains(&record.seq) {
            Told::Evidence(record)
        } else {
            Told::Context(record)
        });
    }
    told
}

/// What else is told of the thing that the last of the evidence is about, before it: records that share a field and its value with it, as few others
/// do. An effect that should not have been was asked for somewhere.
fn story(history: &[Record], end: u64) -> BTreeSet<u64> {
    let Some(fields) = history.iter().find(|record| record.seq == end).and_then(fields) else {
        return BTreeSet::new();
    };
    let mut story = BTreeSet::new();
    for (name, value) in fields.iter() {
        let shares =
            |record: &&Record| self::fields(record).is_some_and(|fields| fields.get(name) == Some(value));
        let same: BTreeSet<u64> = history.iter().filter(shares).map(|record| record.seq).collect();
        if same.len() <= STORY {
            story.extend(same.into_iter().filter(|seq| *seq < end));
        }
    }
    story
}

fn fields(record: &Record) -> Option<&Fields> {
    match &record.kind {
        Kind::Event { fields, .. }
        | Kind::Invoke(_, fields)
        | Kind::Ok(_, fields)
        | Kind::Fail(_, fields)
        | Kind::Info(_, fields) => Some(fields),
        _ => None,
    }
}

/// Where the operations began that end with one of the evidence.
fn begun(history: &[Record], evidence: &BTreeSet<u64>) -> BTreeSet<u64> {
    let ended: BTreeSet<u32> = history
        .iter()
        .filter(|record| evidence.contains(&record.seq))
        .filter_map(|record| match &record.kind {
            Kind::Ok(operation, _) | Kind::Fail(operation, _) | Kind::Info(operation, _) => {
                Some(operation.id)
            }
            _ => None,
        })
        .collect();
    let began = |record: &&Record| matches!(&record.kind, Kind::Invoke(operation, _) if ended.contains(&operation.id));
    history.iter().filter(began).map(|record| record.seq).collect()
}

fn is_fault(record: &Record) -> bool {
    match &record.kind {
        Kind::FaultStart { .. } | Kind::FaultHeal { .. } => true,
        Kind::Node { incarnation, change, .. } => *change != Lifecycle::Started || *incarnation > 1,
        _ => false,
    }
}

/// The records that are told, by their positions.
struct Chosen {
    all: BTreeSet<u64>,
    /// For how many more there is room.
    room: usize,
}

impl Chosen {
    /// Adds as many as there is room for, the newest first.
    fn fill(&mut self, more: impl IntoIterator<Item = u64>) {
        let more: BTreeSet<u64> = more.into_iter().collect();
        for seq in more.into_iter().rev() {
            if self.room == 0 {
                return;
            }
            self.room -= usize::from(self.all.insert(seq));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        check::Violation,
        history::{Operation, Record},
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
            expected: String::new(),
            seen: String::new(),
            at: Duration::ZERO,
            evidence: evidence.to_vec(),
        });
        RunReport { history, ..RunReport::lost(0.into(), verdict) }
    }

    #[test]
    fn what_is_cited_and_not_there_is_passed_over() {
        assert_eq!(shape(&tell(&failing(3, &[], &[1, u64::MAX]))), shape(&tell(&failing(3, &[], &[1]))));
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

    /// What the violation cites was left out beyond two dozen records.
    #[test]
    fn all_evidence_is_told_however_much_there_is() {
        let all: Vec<u64> = (0..100).map(|nth| nth * 10).collect();
        let report = failing(1000, &[5, 500], &all);
        let told = tell(&report);
        let shown = told.iter().filter(|line| matches!(line, Told::Evidence(_))).count();
        assert_eq!(shown, all.len());
        let context = told.iter().filter(|line| matches!(line, Told::Context(_))).count();
        assert!(context <= LINES, "{context}");
        assert!(shape(&told).contains(" 5 "), "the fault before it is told first: {}", shape(&told));
    }

    /// Faults that struck long ago gave way to nodes that came and went.
    #[test]
    fn strikes_are_told_before_what_they_led_to() {
        let strikes: Vec<u64> = (0..35).collect();
        let told = shape(&tell(&failing(1000, &strikes, &[900, 950])));
        for strike in strikes {
            assert!(told.contains(&format!("{strike} ")), "{strike}: {told}");
        }
    }

    /// The order of a late effect was left out, and so was where it came from.
    #[test]
    fn what_the_last_of_the_evidence_is_about_is_told_from_its_beginning() {
        let mut report = failing(200, &[], &[60, 150]);
        for seq in [20, 90, 150] {
            if let Kind::Event { fields, .. } = &mut report.history[seq].kind {
                *fields = Fields::new().with("saga", "s").with("epoch", 1);
            }
        }
        for seq in 0..200 {
            if let Kind::Event { fields, .. } = &mut report.history[seq].kind {
                *fields = std::mem::take(fields).with("step", "charge");
            }
        }
        let told = shape(&tell(&report));
        assert_eq!(told, "(20) 20 (38) 59 !60 61 (28) 90 (58) 149 !150 ", "and not all that has a step");
    }

    #[test]
    fn no_record_gives_way_to_its_count() {
        let report = failing(1000, &[], &[100, 104]);
        assert_eq!(shape(&tell(&report)), "(99) 99 !100 101 102 103 !104 ");
    }

    #[test]
    fn an_operation_is_told_from_its_beginning() {
        let mut report = failing(100, &[], &[50, 90]);
        let operation = Operation { id: 7, client: 0, name: "read".into() };
        report.history[20].kind = Kind::Invoke(operation.clone(), Fields::new());
        report.history[90].kind = Kind::Ok(operation, Fields::new());
        assert_eq!(shape(&tell(&report)), "(20) 20 (28) 49 !50 51 (37) 89 !90 ");
    }
}
