//! Specs that are in order: what they mean, and that nothing is lost on the way through JSON and YAML.

use std::time::Duration;

use squall::spec::{
    Loaded, Spec, model,
    model::{
        After, Check, CountRange, DiskFate, Dur, DurationRange, Every, Expect, Latency, PartitionMode,
        Scalar, Target,
    },
    parse, parse_cases,
};

use crate::shop::registry;

pub const FULL: &str = include_str!("full.yaml");
/// With every kind of fault, and a matrix.
pub const KINDS: &str = include_str!("kinds.yaml");

fn read(text: &str) -> Loaded {
    parse("specs/shop/x.yaml", text, &registry()).unwrap_or_else(|errors| panic!("{errors}"))
}

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

#[test]
fn every_entry_is_read() {
    let Loaded { spec, name, .. } = read(FULL);
    assert_eq!(name, "shop::x");
    assert_eq!(*spec.system, "shop");
    assert_eq!(spec.variant.as_deref().map(String::as_str), Some("hardened"));
    assert_eq!(*spec.topology["payments"], 4);
    assert_eq!(spec.network.default.latency, Some(Latency::Exponential { min: ms(1), mean: ms(8) }));
    assert_eq!(spec.network.default.loss.map(|loss| loss.rate().0), Some(0.001));
    let (link, at) = spec.network.links.get_index(0).unwrap();
    assert_eq!(
        (link.to_string().as_str(), at.bandwidth.map(|b| b.bytes_per_second)),
        ("gateway -> orders", Some(10 << 20))
    );
    assert_eq!((*spec.workload.clients, *spec.workload.ops), (3, 60));
    assert_eq!(spec.workload.rate.map(|r| r.per_second), Some(20.0));
    assert_eq!(spec.workload.mix.values().copied().collect::<Vec<_>>(), [8, 2, 4]);

    let [cut, split, deaf, crash, slow, lossy, pause] = spec.faults.as_slice() else {
        panic!("seven faults")
    };
    let partition = cut.partition.as_ref().unwrap();
    assert_eq!(partition.isolate.as_deref(), Some(&Target::Group("payments".into())));
    assert_eq!(partition.mode, PartitionMode::Reject);
    assert_eq!(cut.at.as_deref(), Some(&DurationRange { min: ms(2000), max: ms(2000) }));
    assert_eq!(cut.lasts.as_deref(), Some(&DurationRange { min: ms(3000), max: ms(6000) }));
    let sides = split.partition.as_ref().unwrap().split.as_ref().unwrap();
    assert_eq!(
        sides.iter().map(|t| t.value.clone()).collect::<Vec<_>>(),
        [
            Target::Member("payments".into(), 1),
            Target::One(Box::new(Target::Group("orders".into()))),
            Target::Rest
        ]
    );
    let one_way = deaf.partition.as_ref().unwrap().one_way.as_ref().unwrap();
    assert_eq!((one_way.to_string().as_str(), one_way.both), ("clients -> gateway", false));
    assert_eq!(deaf.every.as_deref(), Some(&Every::Interval(DurationRange { min: ms(4000), max: ms(6000) })));
    assert_eq!(deaf.times.as_deref(), Some(&3));
    let process = crash.crash.as_ref().unwrap();
    assert_eq!((&*process.node, process.disk), (&Target::Role("coordinator".into()), DiskFate::Torn));
    assert_eq!(process.restart_after.as_deref(), Some(&DurationRange { min: ms(300), max: ms(2000) }));
    let trigger = crash.when.as_ref().unwrap();
    assert_eq!(*trigger.event, "saga.step_done");
    assert_eq!(
        trigger.fields.values().cloned().collect::<Vec<_>>(),
        [Scalar::Text("charge".into()), Scalar::Int(7)]
    );
    assert_eq!(trigger.nth, Some(CountRange { min: 1, max: 3 }));
    assert_eq!(trigger.after, Some(DurationRange { min: ms(0), max: ms(50) }));
    let delay = slow.delay.as_ref().unwrap();
    assert!(delay.link.both);
    assert_eq!((delay.by.min, delay.jitter), (ms(800), Some(Dur(ms(200)))));
    assert_eq!(slow.every.as_deref(), Some(&Every::Poisson(ms(5000))));
    assert_eq!(slow.between.as_deref(), Some(&(Dur(ms(1000)), Dur(ms(25_000)))));
    assert_eq!(lossy.loss.as_ref().unwrap().rate.rate().0, 0.25);
    assert_eq!(pause.lasts.as_deref(), Some(&DurationRange { min: ms(1500), max: ms(1500) }));

    assert_eq!(spec.phases.settle.0, ms(20_000));
    assert_eq!(spec.check.len(), 17);
    let Check::Eventually(eventually) = &*spec.check[3] else { panic!("eventually") };
    assert_eq!((eventually.within.0, eventually.after), (ms(10_000), After::Heal));
    assert_eq!((spec.expect, *spec.explore.seeds), (Expect::Pass, 200));
}

#[test]
fn every_kind_is_read_and_nothing_of_it_is_lost() {
    let cases =
        parse_cases("specs/shop/x.yaml", KINDS, &registry()).unwrap_or_else(|errors| panic!("{errors}"));
    let names: Vec<_> = cases.iter().filter_map(|loaded| loaded.case.as_deref()).collect();
    assert_eq!(names.len(), 8);
    assert_eq!(
        (names[0], names[7]),
        ("style=orchestrated,clients=2,for=1s", "style=choreographed,clients=3,for=2s")
    );
    for Loaded { spec, .. } in cases {
        for kind in model::KINDS {
            let json = serde_json::to_value(&spec.faults).unwrap();
            let has = json.as_array().unwrap().iter().any(|fault| fault.get(kind).is_some());
            assert!(has, "{kind} is in the spec");
        }
        let json = serde_json::to_string(&spec).unwrap();
        let again: Spec = serde_json::from_str(&json).unwrap_or_else(|error| panic!("{error}: {json}"));
        assert_eq!(serde_json::to_string(&again).unwrap(), json);
        let yaml = serde_yaml::to_string(&spec).unwrap();
        assert_eq!(serde_json::to_string(&read(&yaml).spec).unwrap(), json, "{yaml}");
    }
}

#[test]
fn the_least_spec_has_defaults() {
    let spec = read("spec: 1\nsystem: shop\n").spec;
    assert_eq!(spec.params["window"], 8);
    assert_eq!(spec.params["step_timeout"], "500ms");
    assert_eq!((*spec.workload.clients, *spec.workload.ops, *spec.explore.seeds), (3, 30, 200));
    assert_eq!(
        (spec.phases.warmup.0, spec.phases.chaos.0, spec.phases.settle.0),
        (ms(1000), ms(20_000), ms(10_000))
    );
}

#[test]
fn parameters_are_completed() {
    let spec = read(FULL).spec;
    let params =
        serde_json::json!({ "style": "choreographed", "step_timeout": "400ms", "attempts": 3, "window": 8 });
    assert_eq!(spec.params.value, params);
}

#[test]
fn nothing_is_lost_through_json_and_yaml() {
    let spec = read(FULL).spec;
    let json = serde_json::to_string(&spec).unwrap();
    let again: Spec = serde_json::from_str(&json).unwrap();
    assert_eq!(serde_json::to_string(&again).unwrap(), json);
    let yaml = serde_yaml::to_string(&spec).unwrap();
    insta::assert_snapshot!("full_as_yaml", yaml);
    assert_eq!(serde_json::to_string(&read(&yaml).spec).unwrap(), json);
}

#[test]
fn aliases_repeat_what_they_stand_for() {
    let spec = read(
        "spec: 1\nsystem: shop\nfaults:\n\
         - { id: a, pause: &who { node: orders }, at: &when 2s, for: *when }\n\
         - { id: b, pause: *who, at: *when }\n",
    )
    .spec;
    let [a, b] = spec.faults.as_slice() else { panic!("two faults") };
    assert_eq!(a.pause.as_ref().unwrap().node, b.pause.as_ref().unwrap().node);
    assert_eq!((&a.at, &a.at), (&a.lasts, &b.at));
}

/// A place is that of the value as it is written, whatever the value is in.
#[test]
fn values_know_their_places() {
    let text =
        "spec: 1\nsystem: shop # é\nfaults:\n  - id: é\n    pause: { node: one(orders) }\n    at: 1s\n"
            .replace("id: é", "id: \"x\"");
    let spec = read(&text).spec;
    let written = |span: squall::spec::Span| &text[span.start as usize..span.end as usize];
    assert_eq!(written(spec.system.span), "shop");
    assert_eq!(written(spec.faults[0].id.span), "\"x\"");
    let pause = spec.faults[0].pause.as_ref().unwrap();
    assert_eq!(written(pause.span), "{ node: one(orders) }");
    assert_eq!(written(pause.node.span), "one(orders)");
}
