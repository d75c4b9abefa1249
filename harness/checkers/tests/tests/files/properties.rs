//! Each property, kept and broken, in histories as files have them.

use squall_checkers::{
    Verdict,
    formats::{self, Format},
    judge::{Explanation, Judgement, Model, Property, Question, judge},
};

/// Events as `0 invoke add 5` a line.
fn judged(property: Property, lines: &str) -> Result<Judgement, formats::FormatError> {
    let file: String = lines
        .lines()
        .map(|line| {
            let mut words = line.trim().splitn(4, ' ');
            let mut word = || words.next().expect("four words");
            format!("{{:process {}, :type :{}, :f :{}, :value {}}}\n", word(), word(), word(), word())
        })
        .collect();
    let recorded = formats::read(file.as_bytes(), Format::Edn)?;
    judge(&recorded, &Question::new(Model::Property(property)))
}

/// A call that ends before anything else happens.
fn call(process: u32, f: &str, input: &str, output: &str) -> String {
    format!("{process} invoke {f} {input}\n{process} ok {f} {output}\n")
}

/// Nothing is wrong, or something of this class.
fn holds(property: Property, calls: &[String], class: Option<&str>) {
    let judgement = judged(property, calls.concat().trim_end()).expect("it can be judged");
    match (&judgement.verdict, class) {
        (Verdict::Legal { .. }, None) => {}
        (Verdict::Illegal(Explanation::Property(finding)), Some(class)) => {
            assert_eq!(finding.class, class, "{finding}");
            assert!(!finding.indices.is_empty(), "{finding}");
        }
        (verdict, class) => panic!("{property:?} of {calls:?}: {verdict:?} and not {class:?}"),
    }
}

fn fails(process: u32, f: &str, input: &str) -> String {
    format!("{process} invoke {f} {input}\n{process} fail {f} {input}\n")
}

fn unknown(process: u32, f: &str, input: &str) -> String {
    format!("{process} invoke {f} {input}\n{process} info {f} {input}\n")
}

#[test]
fn an_id_is_given_once() {
    let of = Property::UniqueIds;
    let (one, two) = (call(0, "give", "nil", "7"), call(1, "give-all", "nil", "[8 9]"));
    holds(of, &[one.clone(), two.clone()], None);
    holds(of, &[one.clone(), two.clone(), call(2, "give", "nil", "9")], Some("given_twice"));
    holds(of, &[call(1, "give-all", "nil", "[8 8]")], Some("given_twice"));
    holds(of, &[call(1, "give-all", "nil", "\"8 9\""), two], Some("given_twice"));
}

#[test]
fn a_set_keeps_what_was_added() {
    let of = Property::GrowingSet;
    let added = call(0, "add", "1", "1");
    let read = |elements: &str| call(1, "read", "nil", elements);
    holds(of, &[added.clone(), read("[1]")], None);
    holds(of, &[added.clone(), read("[]")], Some("missing_element"));
    holds(of, &[added.clone(), read("[1 2]")], Some("unexpected_element"));
    holds(of, &[fails(0, "add", "1"), read("[1]")], Some("unexpected_element"));
    holds(of, &[unknown(0, "add", "1"), read("[1]")], None);
    holds(of, &[unknown(0, "add", "1"), read("[]")], None);
}

#[test]
fn what_is_put_in_comes_out_once() {
    let of = Property::TotalQueue;
    let (put, take) = (call(0, "put", "1", "1"), call(1, "take", "nil", "1"));
    holds(of, &[put.clone(), take.clone(), call(1, "take", "nil", "nil")], None);
    holds(of, &[put.clone(), take.clone(), take.clone()], Some("taken_twice"));
    holds(of, std::slice::from_ref(&take), Some("never_put"));
    holds(of, std::slice::from_ref(&put), Some("lost"));
    holds(of, &[put.clone(), unknown(1, "take", "nil")], None);
    holds(of, &[unknown(0, "put", "1"), call(1, "put", "2", "2"), call(0, "take", "nil", "2")], None);
}

#[test]
fn a_counter_is_within_its_bounds() {
    let of = Property::CounterBounds;
    let counter = |read: &str| {
        [
            call(0, "add", "5", "5"),
            unknown(0, "add", "2"),
            fails(1, "add", "9"),
            call(1, "subtract", "1", "1"),
            call(2, "read", "nil", read),
        ]
    };
    holds(of, &counter("4"), None);
    holds(of, &counter("6"), None);
    holds(of, &counter("3"), Some("below_bounds"));
    holds(of, &counter("7"), Some("above_bounds"));
}

#[test]
fn a_bank_has_as_much_as_before() {
    let of = Property::Bank;
    let read = |balances: &str| call(0, "read", "nil", balances);
    holds(of, &[read("{:a 5, :b 3}"), read("[4 4]"), read("\"a:8 b:0\"")], None);
    holds(of, &[read("[5 3]"), read("[5 4]")], Some("wrong_total"));
    holds(of, &[read("[5 3]"), read("[9 -1]")], Some("overdrawn"));
}

#[test]
fn two_reads_do_not_fork() {
    let of = Property::LongFork;
    // The model of this name is of transactions in files.
    let read = |versions: &str| call(0, "read", "nil", versions);
    holds(of, &[read("{:x 1, :y 0}"), read("{:x 1, :y 1}"), read("{:x 0, :y 0}")], None);
    holds(of, &[read("{:x 1, :y 0}"), read("{:x 1, :y 1}"), read("{:x 0, :y 1}")], Some("long_fork"));
}

#[test]
fn a_lock_has_one_holder() {
    let of = Property::MutualExclusion;
    let acquire = |process, token| call(process, "acquire", "nil", token);
    let release = |process| call(process, "release", "nil", "nil");
    holds(of, &[acquire(0, "1"), release(0), acquire(1, "2"), release(1)], None);
    holds(of, &[acquire(0, "1"), acquire(1, "2"), release(1)], Some("two_holders"));
    holds(of, &[acquire(0, "2"), release(0), acquire(1, "2"), release(1)], Some("token_not_greater"));
    // Nobody releases it: these are leases, and tokens are all there is.
    holds(of, &[acquire(0, "1"), acquire(1, "2"), call(1, "use", "2", "2")], None);
    holds(
        of,
        &[acquire(0, "1"), acquire(1, "2"), call(1, "use", "2", "2"), call(0, "use", "1", "1")],
        Some("stale_holder"),
    );
}

#[test]
fn replicas_agree_in_the_end() {
    let of = Property::Convergence;
    let hold = |process, value| call(process, "hold", "nil", value);
    holds(of, &[hold(0, "1"), hold(1, "2"), hold(0, "2")], None);
    holds(of, &[hold(0, "1"), hold(1, "2")], Some("diverged"));
}

#[test]
fn what_says_nothing_is_an_error_with_its_place() {
    let wrong = |property, calls: &str| judged(property, calls).expect_err("it says nothing");
    let error =
        wrong(Property::CounterBounds, "0 invoke add 1\n0 ok add 1\n0 invoke add seven\n0 ok add seven");
    assert_eq!((error.place.line, &*error.message), (3, "`add` takes an amount, and is given seven, a text"));
    let error = wrong(Property::Bank, "0 invoke deposit 1\n0 ok deposit 1");
    assert!(error.message.contains("`deposit`") && error.help.contains("read"), "{error}");
    let nothing = judged(Property::UniqueIds, "0 invoke give nil\n0 ok give 1").expect("it can be judged");
    assert_eq!(nothing.notes.len(), 1, "{nothing:?}");
}

#[test]
fn every_property_has_a_name_and_is_a_model() {
    for property in Property::all() {
        assert_eq!(Property::of(&property.name().replace('-', "_")), Some(property));
        assert!(property.verbs().count() > 0 && !property.about().is_empty());
        let model = Model::of(property.name()).expect("it is a model of `judge`");
        assert!(model == Model::Property(property) || property == Property::LongFork, "{model:?}");
        assert!(!model.is_of_objects());
    }
}
