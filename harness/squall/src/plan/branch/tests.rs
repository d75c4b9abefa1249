use super::{super::PhaseEnds, *};

const FUTURES: u64 = 8;

/// A spec with this one fault.
fn spec(fault: &str) -> Spec {
    let text = format!(
        "{{ spec: 1, system: s, phases: {{ warmup: 1s, chaos: 20s, settle: 1s }}, faults: [{{ id: it, pause: {{ node: a }}, {fault} }}] }}"
    );
    serde_yaml::from_str(&text).expect("a spec")
}

/// What the spec draws for a seed, but for operations.
fn drawn(spec: &Spec, seed: u64) -> Plan {
    let ends = [1, 21, 22].map(|seconds| Dur(Duration::from_secs(seconds)));
    let [warmup, chaos, settle] = ends;
    let faults =
        spec.faults.iter().flat_map(|fault| super::super::draw_fault(fault, seed, warmup.0, chaos.0));
    Plan {
        seed,
        params: BTreeMap::new(),
        phases: PhaseEnds { warmup, chaos, settle },
        operations: Vec::new(),
        faults: faults.collect(),
        heal: spec.phases.heal.value.clone(),
        left_out: LeftOut::default(),
        futures: Vec::new(),
    }
}

/// The plan of a future of a run with that plan.
fn future(spec: &Spec, plan: &Plan, from: Duration, future: u64) -> Plan {
    Branch::Redrawn { from, future }.taken(plan.clone(), spec, &drawn)
}

/// Names and times of the strikes at given times, in order.
fn times(plan: &Plan) -> Vec<(String, Duration)> {
    let at = |fault: &&PlannedFault| match fault.start {
        Start::At(at) => Some((fault.name(), at.0)),
        Start::When(_) => None,
    };
    plan.strikes().iter().filter_map(at).collect()
}

/// Those that come later are drawn as the spec draws them, count on from those that have been, and there are no more of them
/// than the spec has.
#[test]
fn a_repeated_fault_goes_on_otherwise() {
    let spec = spec("every: 1s..2s, times: 9, for: 500ms");
    let from = Duration::from_secs(8);
    for seed in 0..20 {
        let plan = drawn(&spec, seed);
        let own = times(&plan);
        let struck = own.iter().filter(|(_, at)| *at <= from).count();
        assert!(struck > 2 && own.len() == 9, "{own:?}");
        let mut different = BTreeSet::new();
        for nth in 0..FUTURES {
            let anew = times(&future(&spec, &plan, from, nth));
            let names = (1..=9).map(|n| if n == 1 { "it".to_owned() } else { format!("it#{n}") });
            assert!(anew.len() <= 9, "{seed}/{nth}: {anew:?}");
            assert!(anew.len() > struck, "{seed}/{nth}: there is room for more: {anew:?}");
            assert!(anew.iter().map(|(name, _)| name.clone()).eq(names.take(anew.len())), "{anew:?}");
            assert_eq!(anew[..struck], own[..struck], "{seed}/{nth}: what has been stays");
            assert!(anew[struck..].iter().all(|(_, at)| *at > from), "{seed}/{nth}: {anew:?}");
            for pair in anew[struck..].windows(2) {
                let gap = pair[1].1 - pair[0].1;
                assert!((Duration::from_secs(1)..=Duration::from_secs(2)).contains(&gap), "{gap:?}");
            }
            assert_ne!(anew[struck..], own[struck..], "{seed}/{nth}: what comes is drawn anew");
            different.insert(anew[struck].1);
        }
        assert_eq!(different.len() as u64, FUTURES, "each future is another");
    }
}

/// One that strikes once has struck, or strikes later.
#[test]
fn a_fault_that_strikes_once_strikes_once() {
    let spec = spec("at: 2s..12s");
    let from = Duration::from_secs(7);
    let (mut had, mut had_not) = (0, 0);
    for seed in 0..40 {
        let plan = drawn(&spec, seed);
        let [(_, at)] = times(&plan)[..] else { panic!("it strikes once") };
        let anew: BTreeSet<Duration> = (0..FUTURES)
            .map(|nth| match times(&future(&spec, &plan, from, nth))[..] {
                [(ref name, at)] if name == "it" => at,
                ref other => panic!("{seed}/{nth}: {other:?}"),
            })
            .collect();
        if at <= from {
            assert_eq!(anew, [at].into(), "it has struck");
            had += 1;
        } else {
            assert!(anew.iter().all(|at| *at > from), "{anew:?}");
            assert_eq!(anew.len() as u64, FUTURES, "at other times");
            had_not += 1;
        }
    }
    assert!(had > 10 && had_not > 10, "{had} and {had_not}");
}

/// What it waits for is drawn anew, a number of times, since which events are still to come shows when the moment has come. A draw
/// has all strikes: those of different draws could come at the same event.
#[test]
fn a_fault_that_waits_for_an_event_has_several_draws() {
    let spec = spec("when: { event: a.b, nth: 2..9, after: 0ms..50ms }, times: 3");
    let nths = |faults: &[PlannedFault]| -> Vec<u64> {
        let nth = |fault: &PlannedFault| match &fault.start {
            Start::When(trigger) => trigger.nth,
            Start::At(at) => panic!("{at} is given"),
        };
        faults.iter().map(nth).collect()
    };
    let mut firsts = BTreeSet::new();
    for seed in 0..20 {
        let plan = drawn(&spec, seed);
        for nth in 0..FUTURES {
            let anew = future(&spec, &plan, Duration::from_secs(7), nth);
            let draws = &anew.futures[0].faults;
            let mut waited_for = BTreeSet::new();
            for draw in draws.chunks(3) {
                let strikes: Vec<u32> = draw.iter().map(|fault| fault.strike).collect();
                assert_eq!(strikes, [1, 2, 3], "{seed}/{nth}");
                let nths = nths(draw);
                assert_eq!(nths, [nths[0], nths[0] + 1, nths[0] + 2], "{seed}/{nth}: as one plan has them");
                waited_for.insert(nths[0]);
            }
            assert!(waited_for.len() > 3, "{seed}/{nth}: {waited_for:?}");
            firsts.insert(nths(draws)[0]);
            assert_eq!(anew.strikes().len(), 3, "which draw it will be cannot be told");
        }
    }
    assert_eq!(firsts, (2..=9).collect(), "the first draw is any");
}

/// A future of a run without the second strike lost the strike after the moment, too: it was called the second, and so was left out.
#[test]
fn what_is_left_out_is_not_what_comes_next() {
    let spec = spec("every: 1s..2s, for: 500ms");
    for seed in 0..20 {
        let plan = drawn(&spec, seed);
        for out in [0, 1, 4] {
            let own = times(&plan);
            let from = own[out].1 + Duration::from_millis(1);
            let without = Branch::Without([Part::Strike(own[out].0.clone())].into());
            let without = without.taken(plan.clone(), &spec, &drawn);
            for nth in 0..FUTURES {
                let anew = future(&spec, &without, from, nth);
                let strikes = times(&anew);
                assert_eq!(strikes[..out], own[..out], "{seed}/without:{}", own[out].0);
                assert_eq!(strikes[out].0, own[out + 1].0, "the next is the one after it");
                let planned = anew.futures[0].faults.len();
                assert_eq!(strikes.len(), out + planned, "and nothing else is left out");
            }
        }
    }
}

/// A fault that is left out is left out in whatever is drawn for it, and so is what is not among the only strikes.
#[test]
fn whole_faults_are_left_out_of_futures_too() {
    let spec = spec("every: 1s..2s, for: 500ms");
    let plan = drawn(&spec, 3);
    let second = times(&plan)[1].0.clone();
    let without = Branch::Without([Part::Fault("it".to_owned())].into()).taken(plan.clone(), &spec, &drawn);
    let only = Branch::Only([Part::Strike(second.clone())].into()).taken(plan.clone(), &spec, &drawn);
    let nothing = Branch::Only(BTreeSet::new()).taken(only.clone(), &spec, &drawn);
    assert!(without.strikes().is_empty() && nothing.strikes().is_empty());
    assert_eq!(times(&only).len(), 1);
    for nth in 0..FUTURES {
        let from = Duration::from_secs(8);
        assert!(future(&spec, &without, from, nth).strikes().is_empty());
        assert_eq!(times(&future(&spec, &only, from, nth)), times(&only));
    }
}
