//! Each anomaly, planted into a legal history, is found, and no other.

use std::collections::BTreeSet;

use proptest::prelude::*;
use squall_checkers::{
    Budget,
    sessions::{self, Guarantee},
    transactions::{self, AnomalyKind, Assume, Level},
};

use crate::{
    legal::{legal, told},
    plants::{LISTS, Plant, REGISTERS},
    words,
};

fn planted(seed: u64, lists: bool, (name, plant, expected): &Plant) -> Result<(), String> {
    let ts = legal(seed, 40, 4, 3, lists);
    let mut builder = told(&ts, 3);
    plant(&mut builder, ts[20].span.unwrap().0);
    let history = builder.build().unwrap();
    let report = transactions::analyze(&history, &Assume::default(), Budget::default());
    let found: BTreeSet<AnomalyKind> = report.anomalies.iter().map(|anomaly| anomaly.kind).collect();
    let expected: BTreeSet<AnomalyKind> = expected.iter().copied().collect();
    if found != expected {
        return Err(format!(
            "{name} with seed {seed}: {found:?} instead of {expected:?}\n{}",
            words(&report)
        ));
    }
    for anomaly in &report.anomalies {
        assert!(anomaly.smallest || anomaly.kind == AnomalyKind::NoOrder, "{anomaly}");
        assert!(anomaly.cycle.len() <= 4, "{name}: {anomaly}");
        // Nothing of the legal history is in it: that has sessions below 100.
        assert!(anomaly.transactions.iter().all(|t| t.session >= 100), "{name}: {anomaly}");
        assert!(!anomaly.transactions.is_empty(), "{name}: {anomaly}");
    }
    if expected.is_empty() {
        assert_eq!(report.strongest(), [Level::StrictSerializable]);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, rng_seed: proptest::test_runner::RngSeed::Fixed(16), ..ProptestConfig::default() })]

    #[test]
    fn legal_histories_are_strictly_serializable(seed: u64, n in 1usize..150, sessions in 1usize..8, keys in 1usize..6, lists: bool) {
        let ts = legal(seed, n, sessions, keys, lists);
        let history = told(&ts, keys).build().unwrap();
        let report = transactions::analyze(&history, &Assume::default(), Budget::default());
        prop_assert!(report.anomalies.is_empty(), "{:#?}", report.anomalies);
        prop_assert_eq!(report.strongest(), [Level::StrictSerializable]);
        for guarantee in Guarantee::ALL {
            prop_assert!(sessions::check(&history, guarantee, Budget::default()).is_legal(), "{guarantee}");
        }
    }

    #[test]
    fn each_anomaly_planted_into_lists_is_found_and_no_other(seed: u64) {
        let wrong: Vec<String> = LISTS.iter().filter_map(|plant| planted(seed, true, plant).err()).collect();
        prop_assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    #[test]
    fn each_anomaly_planted_into_registers_is_found_and_no_other(seed: u64) {
        let wrong: Vec<String> = REGISTERS.iter().filter_map(|plant| planted(seed, false, plant).err()).collect();
        prop_assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}
