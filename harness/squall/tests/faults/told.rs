//! Runs of the rig, and questions to their histories.

use std::{collections::BTreeMap, ops::Range, time::Duration};

use squall::{
    Registry,
    history::{Fields, Kind, Lifecycle},
    run::{ExecuteOptions, RunReport, execute},
    spec,
};

use crate::rig::Rig;

pub fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// A time without what madsim adds to it: some nanoseconds for each poll.
pub fn round(time: Duration) -> Duration {
    Duration::from_micros((time.as_nanos() as u64 + 50_000) / 100_000 * 100)
}

pub fn registry() -> Registry {
    Registry::new().with::<Rig>()
}

/// A run of six seconds: faults from 1 s to 5 s, ten calls a second from one client, all links take a millisecond. What `extra` says
/// at the top replaces that.
pub fn spec_of(extra: &str, faults: &str) -> String {
    let mut spec = String::from("spec: 1\nsystem: rig\n");
    for line in [
        "workload: { clients: 1, ops: 40, rate: 10/s }",
        "network: { default: { latency: 1ms } }",
        "phases: { warmup: 1s, chaos: 4s, settle: 1s }",
    ] {
        let (key, _) = line.split_once(':').expect("a key");
        if !extra.lines().any(|own| own.starts_with(&format!("{key}:"))) {
            spec.push_str(&format!("{line}\n"));
        }
    }
    let faults = if faults.is_empty() { String::from(" []") } else { format!("\n{faults}") };
    format!("{spec}{extra}\nfaults:{faults}\n")
}

pub fn run_seed(extra: &str, faults: &str, seed: u64) -> Told {
    let registry = registry();
    let yaml = spec_of(extra, faults);
    let loaded =
        spec::parse("test.yaml", &yaml, &registry).unwrap_or_else(|errors| panic!("{yaml}\n{errors}"));
    let report = execute(
        &registry,
        &loaded.spec,
        seed,
        ExecuteOptions { keep_history: true, ..ExecuteOptions::default() },
    );
    assert!(report.passed(), "{:?}", report.verdict);
    Told { report }
}

/// One fault with the id `it`, from 2 s on.
pub fn run(fault: &str) -> Told {
    run_with("", fault)
}

pub fn run_with(extra: &str, fault: &str) -> Told {
    run_seed(extra, &format!("  - {{ id: it, {fault}, at: 2s }}"), 1)
}

/// What a run left.
pub struct Told {
    pub report: RunReport,
}

/// An event of the rig.
#[derive(Clone, Debug)]
pub struct Seen<'a> {
    pub at: Duration,
    pub node: &'a str,
    pub fields: &'a Fields,
}

impl Seen<'_> {
    pub fn int(&self, field: &str) -> u64 {
        self.fields.int(field).unwrap_or_else(|| panic!("no number {field} in {self:?}")) as u64
    }
    pub fn text(&self, field: &str) -> &str {
        self.fields.text(field).unwrap_or_else(|| panic!("no text {field} in {self:?}"))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Ok,
    Failed,
    Unknown,
}

/// An operation of a client.
#[derive(Clone, Debug)]
pub struct Done {
    pub name: String,
    pub client: u32,
    pub start: Duration,
    pub end: Duration,
    pub how: End,
    /// Why it did not succeed.
    pub reason: String,
    /// The argument `n`.
    pub n: u64,
}

impl Done {
    pub fn took(&self) -> Duration {
        round(self.end - self.start)
    }
}

/// A datagram: who sent it to whom, and when it arrived.
#[derive(Clone, Debug, PartialEq)]
pub struct Datagram {
    pub from: String,
    pub to: String,
    pub n: u64,
    pub sent: Duration,
    pub got: Vec<Duration>,
}

impl Datagram {
    /// How long it took, if it arrived.
    pub fn latency(&self) -> Option<Duration> {
        self.got.first().map(|got| round(*got - self.sent))
    }
}

/// Whether a strike is one of the fault.
fn is_of(strike: &str, fault: &str) -> bool {
    strike.split('#').next() == Some(fault)
}

impl Told {
    pub fn events(&self, wanted: &str) -> Vec<Seen<'_>> {
        let seen = self.report.history.iter().filter_map(|record| match &record.kind {
            Kind::Event { node, name, fields, .. } if name == wanted => {
                Some(Seen { at: record.at, node, fields })
            }
            _ => None,
        });
        seen.collect()
    }

    pub fn events_in(&self, name: &str, range: Range<u64>) -> Vec<Seen<'_>> {
        let range = ms(range.start)..ms(range.end);
        self.events(name).into_iter().filter(|seen| range.contains(&seen.at)).collect()
    }

    pub fn events_on(&self, node: &str, name: &str, range: Range<u64>) -> Vec<Seen<'_>> {
        self.events_in(name, range).into_iter().filter(|seen| seen.node == node).collect()
    }

    /// When a fault struck, each time, and what was told of it.
    pub fn starts(&self, id: &str) -> Vec<(Duration, &str)> {
        self.fault(|kind| match kind {
            Kind::FaultStart { fault, what } if is_of(fault, id) => Some(what),
            _ => None,
        })
    }

    /// When a fault healed, and what was told of it.
    pub fn heals(&self, id: &str) -> Vec<(Duration, &str)> {
        self.fault(|kind| match kind {
            Kind::FaultHeal { fault, what } if is_of(fault, id) => Some(what),
            _ => None,
        })
    }

    fn fault(&self, pick: impl Fn(&Kind) -> Option<&String>) -> Vec<(Duration, &str)> {
        let told = self.report.history.iter();
        told.filter_map(|record| Some((round(record.at), pick(&record.kind)?.as_str()))).collect()
    }

    pub fn touched(&self, id: &str) -> u64 {
        self.report.coverage.faults[id].touched
    }

    /// Asserts that the fault `it` struck at 2 s, healed at 3 s, told so in these words, and touched something.
    pub fn lasted_from_2_to_3(&self, started: &str, healed: &str) {
        assert_eq!(self.starts("it"), [(ms(2000), started)]);
        assert_eq!(self.heals("it"), [(ms(3000), healed)]);
        assert!(self.touched("it") > 0);
    }

    /// Asserts that the fault `it` struck at 2 s and was over at once.
    pub fn was_at_2(&self, told: &str) {
        assert_eq!(self.starts("it"), [(ms(2000), told)]);
        assert_eq!(self.heals("it"), []);
        assert!(self.touched("it") > 0);
    }

    /// What became of processes.
    pub fn lives(&self, wanted: &str) -> Vec<(Duration, u32, Lifecycle)> {
        let of = self.report.history.iter().filter_map(|record| match &record.kind {
            Kind::Node { node, incarnation, change } if node == wanted => {
                Some((round(record.at), *incarnation, change.clone()))
            }
            _ => None,
        });
        of.collect()
    }

    pub fn done(&self) -> Vec<Done> {
        let mut open = BTreeMap::new();
        let mut done = Vec::new();
        for record in &self.report.history {
            let (operation, how, fields) = match &record.kind {
                Kind::Invoke(operation, fields) => {
                    let n = fields.get("n").map_or(0, |n| n.to_string().parse().expect("a number"));
                    open.insert(operation.id, (record.at, n));
                    continue;
                }
                Kind::Ok(operation, fields) => (operation, End::Ok, fields),
                Kind::Fail(operation, fields) => (operation, End::Failed, fields),
                Kind::Info(operation, fields) => (operation, End::Unknown, fields),
                _ => continue,
            };
            let (start, n) = open.remove(&operation.id).expect("it was invoked");
            done.push(Done {
                name: operation.name.to_string(),
                client: operation.client,
                start,
                end: record.at,
                how,
                reason: fields.text("reason").unwrap_or_default().to_owned(),
                n,
            });
        }
        done.sort_by_key(|done| done.start);
        done
    }

    /// Operations that began then.
    pub fn done_in(&self, range: Range<u64>) -> Vec<Done> {
        let range = ms(range.start)..ms(range.end);
        self.done().into_iter().filter(|done| range.contains(&done.start)).collect()
    }

    /// Asserts that calls that began then succeeded as without faults: each in a round trip, or two where a connection is made.
    pub fn calls_are_well(&self, range: Range<u64>) {
        let done = self.done_in(range);
        assert!(done.len() >= 5, "{done:#?}");
        for done in &done {
            assert!(done.how == End::Ok && done.took() < ms(5), "{done:?}");
        }
    }

    /// All datagrams that were sent then, with those that never arrived. `to` is a store by its name in histories.
    pub fn datagrams(&self, from: &str, to: &str, range: Range<u64>) -> Vec<Datagram> {
        let host = from.replace('[', "-").replace(']', "");
        let mut all: BTreeMap<u64, Datagram> = BTreeMap::new();
        for sent in self.events_on(from, "udp.sent", range) {
            let n = sent.int("n");
            let datagram =
                Datagram { from: from.to_owned(), to: to.to_owned(), n, sent: sent.at, got: Vec::new() };
            all.insert(n, datagram);
        }
        for got in self.events("udp.got") {
            if got.node == to
                && got.text("from") == host
                && let Some(datagram) = all.get_mut(&got.int("n"))
            {
                datagram.got.push(got.at);
            }
        }
        all.into_values().collect()
    }

    /// Whether datagrams that were sent then arrived: all of them, or none; panics for some.
    pub fn reaches(&self, from: &str, to: &str, range: Range<u64>) -> bool {
        let all = self.datagrams(from, to, range.clone());
        let arrived = all.iter().filter(|datagram| !datagram.got.is_empty()).count();
        assert!(all.len() >= 5, "{from} sent too few in {range:?}: {}", all.len());
        assert!(arrived == 0 || arrived == all.len(), "{arrived} of {} from {from} to {to}", all.len());
        arrived > 0
    }
}
