//! Leaves outside of YAML: as text, as JSON, in a system's own types.

use std::{
    fmt::{Debug, Display},
    str::FromStr,
    time::Duration,
};

use proptest::prelude::*;
use serde::{Serialize, de::DeserializeOwned};
use squall::spec::{
    BadLeaf,
    model::{Bandwidth, CountRange, Dur, DurationRange, Link, Probability, Rate, Target},
};

/// Shown, read, written as JSON and read again, it is the same.
fn round_trip<T>(value: &T)
where
    T: FromStr<Err = BadLeaf> + Display + Serialize + DeserializeOwned + PartialEq + Debug,
{
    let shown = value.to_string();
    assert_eq!(&shown.parse::<T>().unwrap_or_else(|e| panic!("{shown}: {e}")), value, "{shown}");
    let json = serde_json::to_string(value).unwrap();
    assert_eq!(&serde_json::from_str::<T>(&json).unwrap_or_else(|e| panic!("{json}: {e}")), value, "{json}");
}

fn durations() -> impl Strategy<Value = Duration> {
    let year = 366_u64 * 24 * 3600;
    prop_oneof![
        (0..1_000_000_000_u64).prop_map(Duration::from_nanos),
        (0..10_000_000_000_000_u64).prop_map(Duration::from_nanos),
        (0..1_000_000_u64).prop_map(Duration::from_millis),
        (0..=year).prop_map(Duration::from_secs),
    ]
}

fn targets() -> impl Strategy<Value = Target> {
    let name = "[a-z][a-z0-9_-]{0,6}".prop_filter("a word of the grammar", |name| {
        !["all", "one", "some", "minority", "majority", "role", "rest"].contains(&name.as_str())
    });
    let leaf = prop_oneof![
        name.clone().prop_map(Target::Group),
        (name.clone(), any::<u32>()).prop_map(|(name, i)| Target::Member(name, i)),
        name.prop_map(Target::Role),
        Just(Target::Rest),
    ];
    leaf.prop_recursive(3, 4, 1, |inner| {
        let inner = inner.prop_map(Box::new);
        prop_oneof![
            inner.clone().prop_map(Target::One),
            inner.clone().prop_map(Target::Some),
            inner.clone().prop_map(Target::Minority),
            inner.prop_map(Target::Majority),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn durations_round_trip(a in durations(), b in durations()) {
        round_trip(&Dur(a));
        round_trip(&DurationRange { min: a.min(b), max: a.max(b) });
    }

    #[test]
    fn counts_round_trip(a: u64, b: u64) {
        round_trip(&CountRange { min: a.min(b), max: a.max(b) });
    }

    #[test]
    fn probabilities_round_trip(p in 0.0..=1.0_f64, per_mille in 0..=1000_u32) {
        round_trip(&Probability(p));
        let round = Probability(f64::from(per_mille) / 1000.0);
        round_trip(&round);
        prop_assert!(round.to_string().len() <= 6, "{}", round);
    }

    #[test]
    fn rates_round_trip(per_second in 1e-6..1e9_f64) {
        round_trip(&Rate { per_second });
    }

    #[test]
    fn bandwidths_round_trip(bytes_per_second in 1..=1_u64 << 53) {
        round_trip(&Bandwidth { bytes_per_second });
    }

    #[test]
    fn targets_and_links_round_trip(from in targets(), to in targets(), both: bool) {
        round_trip(&from);
        round_trip(&Link { from, to, both });
    }

    #[test]
    fn no_text_is_too_strange(text in "\\PC{0,30}") {
        let _ = text.parse::<DurationRange>();
        let _ = text.parse::<CountRange>();
        let _ = text.parse::<Probability>();
        let _ = text.parse::<Rate>();
        let _ = text.parse::<Bandwidth>();
        let _ = text.parse::<Link>();
    }
}

#[test]
fn durations_are_exact() {
    for (nanos, shown) in [
        (755_485_278, "755.485278ms"),
        (1_000_000_050, "1.00000005s"),
        (3_600_000_000_001, "3600.000000001s"),
        (123_456, "123.456us"),
        (99_999, "99999ns"),
        (90_000_000_000, "90s"),
        (7_200_000_000_000, "2h"),
        (100_001_000_000_000, "100001s"),
    ] {
        assert_eq!(Dur(Duration::from_nanos(nanos)).to_string(), shown);
    }
    assert_eq!("0.1s".parse(), Ok(Dur(Duration::from_millis(100))));
    assert_eq!("1.5us".parse(), Ok(Dur(Duration::from_nanos(1500))));
    assert_eq!(" 2 m ".parse(), Ok(Dur(Duration::from_secs(120))));
    assert_eq!("8784h".parse(), Ok(Dur(Duration::from_secs(366 * 24 * 3600))));
    for bad in [
        "",
        "s",
        "1.5ns",
        "8785h",
        "99999999999999999999s",
        "1.0000000000000000000001s",
        "1 s s",
        "0x1s",
        "1e3s",
    ] {
        assert!(bad.parse::<Dur>().is_err(), "{bad:?}");
    }
}

#[test]
fn a_probability_is_percent_or_a_fraction() {
    let read = |json: &str| serde_json::from_str::<Probability>(json).map(|p| p.0).ok();
    assert_eq!(read(r#""0.1%""#), Some(0.001));
    assert_eq!(read("0.25"), Some(0.25));
    assert_eq!(read(r#""0.25""#), Some(0.25));
    assert_eq!((read("1"), read("0")), (Some(1.0), Some(0.0)));
    for bad in ["2", "-0.1", r#""101%""#, r#""inf%""#, r#""1e-3%""#, "null"] {
        assert_eq!(read(bad), None, "{bad}");
    }
}

#[test]
fn a_bad_leaf_in_json_says_what_and_how() {
    let error = serde_json::from_str::<Dur>("5").unwrap_err().to_string();
    assert!(error.contains("has no unit") && error.contains("`5s`"), "{error}");
    let deep = format!("{}x{}", "one(".repeat(200_000), ")".repeat(200_000));
    assert!(deep.parse::<Target>().is_err());
}
