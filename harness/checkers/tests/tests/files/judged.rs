//! Histories with known verdicts, as files have them.

use squall_checkers::{
    Verdict, draw,
    formats::{self, Datum, Format, FormatError},
    judge::{Consistency, Explanation, Judgement, Model, Question, judge},
    transactions::Level,
};

fn asked(file: &str, question: &Question) -> Result<Judgement, FormatError> {
    let format = Format::detect(file.as_bytes()).expect("it is told from its beginning");
    judge(&formats::read(file.as_bytes(), format)?, question)
}

fn verdict(file: &str, model: Model) -> Verdict<Explanation> {
    asked(file, &Question::new(model)).expect("it can be judged").verdict
}

/// Events as EDN: `0 invoke read nil` a line.
fn edn(lines: &str) -> String {
    lines
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .map(|line| {
            let mut words = line.splitn(4, ' ');
            let mut word = || words.next().expect("four words");
            format!("{{:process {}, :type :{}, :f :{}, :value {}}}\n", word(), word(), word(), word())
        })
        .collect()
}

#[test]
fn a_register_with_a_lost_write() {
    let legal = edn(
        "0 invoke read nil\n0 ok read nil\n0 invoke write 3\n1 invoke cas [3 4]\n0 ok write 3\n1 ok cas [3 4]\n0 invoke read nil\n0 ok read 4",
    );
    assert!(verdict(&legal, Model::Register).is_legal());
    let illegal = legal.replace(":ok, :f :read, :value 4", ":ok, :f :read, :value 3");
    let Verdict::Illegal(Explanation::Object(violation)) = verdict(&illegal, Model::Register) else {
        panic!("the swap is lost");
    };
    assert!(violation.to_string().contains("[3 4]") || violation.to_string().contains('4'), "{violation}");
    let picture = draw::violation(&violation, &[]);
    assert!(picture.starts_with("<svg") && picture.contains("process 1"), "{picture}");
}

#[test]
fn a_write_of_unknown_outcome_may_come_late_and_a_failed_one_never() {
    let history = |end: &str, read: &str| {
        edn(&format!(
            "0 invoke write 1\n0 {end} write 1\n1 invoke read nil\n1 ok read nil\n1 invoke read nil\n1 ok read {read}"
        ))
    };
    assert!(verdict(&history("info", "1"), Model::Register).is_legal());
    assert!(verdict(&history("info", "nil"), Model::Register).is_legal());
    assert!(verdict(&history("fail", "1"), Model::Register).is_illegal());
}

#[test]
fn sequential_is_less_than_linearizable() {
    let stale = edn("0 invoke write 1\n0 ok write 1\n1 invoke read nil\n1 ok read nil");
    assert!(verdict(&stale, Model::Register).is_illegal());
    let question = Question { consistency: Some(Consistency::Sequential), ..Question::new(Model::Register) };
    assert!(asked(&stale, &question).expect("it can be judged").verdict.is_legal());
}

#[test]
fn a_register_may_hold_something_at_first() {
    let reads = edn("0 invoke read nil\n0 ok read 7");
    assert!(verdict(&reads, Model::Register).is_illegal());
    let question = Question { initial: Datum::Int(7), ..Question::new(Model::Register) };
    assert!(asked(&reads, &question).expect("it can be judged").verdict.is_legal());
}

#[test]
fn keys_beside_values_and_in_them() {
    let beside = "{\"process\":0,\"type\":\"invoke\",\"f\":\"write\",\"key\":\"x\",\"value\":1}\n{\"process\":0,\"type\":\"ok\",\"f\":\"write\",\"key\":\"x\",\"value\":1}\n\
                  {\"process\":0,\"type\":\"invoke\",\"f\":\"read\",\"key\":\"y\"}\n{\"process\":0,\"type\":\"ok\",\"f\":\"read\",\"key\":\"y\",\"value\":null}\n";
    assert!(verdict(beside, Model::Register).is_legal());
    assert!(verdict(&beside.replace("\"y\"", "\"x\""), Model::Register).is_illegal());
    let inside = edn("0 invoke write [x 1]\n0 ok write [x 1]\n0 invoke read [y nil]\n0 ok read [y nil]");
    let question = Question { keyed_values: true, ..Question::new(Model::Register) };
    assert!(asked(&inside, &question).expect("it can be judged").verdict.is_legal());
    assert!(asked(&inside.replace("[y ", "[x "), &question).expect("it can be judged").verdict.is_illegal());
}

#[test]
fn each_object_has_a_legal_and_an_illegal_history() {
    let cases = [
        (
            Model::Set,
            "0 invoke add 1\n0 ok add true\n0 invoke contains 1\n0 ok contains true",
            "contains true",
            "contains false",
        ),
        (
            Model::Queue,
            "0 invoke enqueue 1\n0 ok enqueue 1\n0 invoke enqueue 2\n0 ok enqueue 2\n0 invoke dequeue nil\n0 ok dequeue 1",
            "dequeue 1",
            "dequeue 2",
        ),
        (
            Model::Stack,
            "0 invoke push 1\n0 ok push 1\n0 invoke push 2\n0 ok push 2\n0 invoke pop nil\n0 ok pop 2",
            "pop 2",
            "pop 1",
        ),
        (
            Model::PriorityQueue,
            "0 invoke push 7\n0 ok push 7\n0 invoke push 2\n0 ok push 2\n0 invoke pop nil\n0 ok pop 2",
            "pop 2",
            "pop 7",
        ),
        (Model::Counter, "0 invoke add 5\n0 ok add 5\n0 invoke read nil\n0 ok read 5", "read 5", "read 4"),
        (
            Model::Mutex,
            "0 invoke acquire nil\n0 ok acquire nil\n0 invoke release nil\n0 ok release nil\n1 invoke acquire nil\n1 ok acquire nil",
            "ok release nil",
            "info release nil\n0 invoke acquire nil\n0 ok acquire nil",
        ),
        (
            Model::FencedMutex,
            "0 invoke acquire nil\n0 ok acquire 2\n0 invoke release nil\n0 ok release nil\n1 invoke acquire nil\n1 ok acquire 3",
            "acquire 3",
            "acquire 1",
        ),
    ];
    for (model, legal, from, to) in cases {
        assert!(verdict(&edn(legal), model).is_legal(), "{model:?}");
        if model != Model::Mutex {
            assert!(verdict(&edn(&legal.replace(from, to)), model).is_illegal(), "{model:?}");
        }
    }
    let twice = "0 invoke acquire nil\n0 ok acquire nil\n1 invoke acquire nil\n1 ok acquire nil";
    assert!(verdict(&edn(twice), Model::Mutex).is_illegal());
}

#[test]
fn a_key_value_store_reads_what_was_appended() {
    let event = |kind: &str, f: &str, value: &str| {
        format!("{{:process 0, :type :{kind}, :f :{f}, :key \"k\", :value {value}}}\n")
    };
    let call = |f: &str, input: &str, output: &str| event("invoke", f, input) + &event("ok", f, output);
    let legal = call("get", "nil", "\"\"")
        + &call("append", "\"a\"", "\"a\"")
        + &call("put", "\"x\"", "\"x\"")
        + &call("append", "\"b\"", "\"b\"")
        + &call("get", "nil", "\"xb\"")
        + &call("put", "\"\"", "\"\"")
        + &call("get", "nil", "\"\"");
    assert!(verdict(&legal, Model::Kv).is_legal());
    assert!(verdict(&legal.replace("\"xb\"", "\"axb\""), Model::Kv).is_illegal());
}

#[test]
fn transactions_are_judged_by_level() {
    let skew = edn(
        "0 invoke txn [[r x nil] [r y nil] [append x 1]]\n1 invoke txn [[r x nil] [r y nil] [append y 1]]\n\
         0 ok txn [[r x []] [r y []] [append x 1]]\n1 ok txn [[r x []] [r y nil] [append y 1]]\n\
         2 invoke txn [[r x nil] [r y nil]]\n2 ok txn [[r x [1]] [r y [1]]]",
    );
    let judgement = asked(&skew, &Question::new(Model::ListAppend)).expect("it can be judged");
    let Verdict::Illegal(Explanation::Transactions(anomalies)) = &judgement.verdict else {
        panic!("write skew")
    };
    assert_eq!(anomalies[0].kind.to_string(), "G2-item");
    assert_eq!(judgement.strongest.last(), Some(&Level::StrongSnapshotIsolation));
    let picture = draw::anomaly(&anomalies[0], &[]);
    assert!(picture.contains(">rw<") && picture.contains("session 1"), "{picture}");
    let question = |consistency| Question {
        consistency: Consistency::of(consistency),
        ..Question::new(Model::ListAppend)
    };
    assert!(asked(&skew, &question("snapshot-isolation")).expect("it can be judged").verdict.is_legal());
    assert!(asked(&skew, &question("read-your-writes")).expect("it can be judged").verdict.is_legal());
}

#[test]
fn sessions_without_times_are_judged_without_them() {
    let fork = "w 0 0\nw 1 0\n=====\nw 0 1\n-----\nr 0 1\nr 1 0\n=====\nw 1 1\n-----\nr 1 1\nr 0 0\n";
    // The value 0 of a file is written by its first transaction here, so it is no initial one.
    let fork = fork.replace("w 0 0\nw 1 0\n=====\n", "");
    let judgement = asked(&fork, &Question::new(Model::RwRegister)).expect("it can be judged");
    assert_eq!(judgement.consistency, Consistency::Level(Level::Serializable));
    let causal = Question { consistency: Consistency::of("causal"), ..Question::new(Model::RwRegister) };
    assert!(asked(&fork, &causal).expect("it can be judged").verdict.is_legal());
    let session = Question { consistency: Consistency::of("strong-session-serializable"), ..causal.clone() };
    assert!(asked(&fork, &session).expect("it can be judged").verdict.is_illegal());
    let forked = Question::new(Model::LongFork);
    assert!(asked(&fork, &forked).expect("it can be judged").verdict.is_illegal());
}

#[test]
fn what_cannot_be_judged_is_an_error_with_a_remedy() {
    let error =
        |file: &str, question: &Question| asked(file, question).expect_err("it cannot be judged").to_string();
    let has = |text: String, part: &str| assert!(text.contains(part), "{text}");
    let reads = edn("0 invoke read nil\n0 ok read 1");
    has(error(&reads, &Question::new(Model::Queue)), "1:1: `read` is nothing that can be asked here");
    has(error(&reads, &Question::new(Model::Kv)), "without a key");
    has(error(&reads, &Question::new(Model::RwRegister)), "has no key");
    has(error("[]", &Question::new(Model::RwRegister)), "nothing to judge");
    has(
        error(&edn("0 invoke read nil\n0 fail read nil"), &Question::new(Model::Register)),
        "nothing to judge",
    );
    let level = Question { consistency: Consistency::of("serializable"), ..Question::new(Model::Register) };
    has(error(&reads, &level), "ask for linearizable or sequential");
    let object =
        Question { consistency: Consistency::of("linearizable"), ..Question::new(Model::ListAppend) };
    has(error(&edn("0 invoke txn [[append x 1]]"), &object), "ask for one of the levels");
    has(error(&edn("0 invoke txn [[w x 1]]"), &Question::new(Model::ListAppend)), "--model rw-register");
    has(error(&edn("0 invoke txn [[append x 1]]"), &Question::new(Model::RwRegister)), "--model list-append");
    has(error(&edn("0 invoke txn 7"), &Question::new(Model::ListAppend)), "list of accesses");
    let twice = edn("0 invoke txn [[w x 1]]\n0 ok txn [[w x 1]]\n0 invoke txn [[w x 1]]\n0 ok txn [[w x 1]]");
    has(error(&twice, &Question::new(Model::RwRegister)), "3:1: T0 and T1 both write 1 to x");
    has(error("w 1 2\n", &Question::new(Model::Register)), "--model rw-register");
    has(error("w 1 2\n", &Question::new(Model::ListAppend)), "--model rw-register");
}

#[test]
fn names_are_names() {
    for (name, model) in Model::ALL {
        assert_eq!(Model::of(name), Some(model));
        assert_eq!(model.name(), name);
    }
    for name in Consistency::names() {
        assert_eq!(Consistency::of(name).expect("listed").to_string(), name);
    }
    assert_eq!(Model::of("nothing"), None);
    assert_eq!(Consistency::of("nothing"), None);
}

#[test]
fn a_set_may_be_read_as_a_whole() {
    let history = |read: &str| {
        edn(&format!(
            "0 invoke add 1\n0 ok add 1\n1 invoke add 2\n1 info add 2\n2 invoke add 3\n0 invoke read nil\n0 ok read {read}\n2 ok add 3"
        ))
    };
    let by = |file: &str| match verdict(file, Model::Set) {
        Verdict::Legal { by } => by.to_owned(),
        Verdict::Illegal(explanation) => explanation.to_string(),
        Verdict::Unknown { reason } => panic!("{reason}"),
    };
    for possible in ["[1]", "#{1 2}", "[3 1]", "[1 2 3]"] {
        assert!(by(&history(possible)).starts_with("growing sets"), "{possible}");
    }
    let lost = by(&history("[2]"));
    assert!(lost.contains("the read lacks {1"), "{lost}");
    let odd = by(&history("[1 9]"));
    assert!(odd.contains("{9}, which is not"), "{odd}");
    let removed =
        edn("0 invoke add 1\n0 ok add 1\n0 invoke remove 1\n0 ok remove 1\n0 invoke read nil\n0 ok read []");
    assert!(by(&removed).starts_with("search"), "{}", by(&removed));
}

/// What is read is what was written, however it stands in the file.
#[test]
fn equal_values_are_equal_in_any_order() {
    for (written, read) in [
        ("{:a 1 :b 2}", "{:b 2 :a 1}"),
        ("#{1 2 3}", "#{3 1 2}"),
        ("##NaN", "##NaN"),
        ("[{:a 1} 2]", "[{:a 1} 2]"),
    ] {
        let history = edn(&format!(
            "0 invoke write {written}\n0 ok write {written}\n0 invoke read nil\n0 ok read {read}"
        ));
        assert!(verdict(&history, Model::Register).is_legal(), "{written} and {read}");
    }
    for (written, read) in
        [("[1 2]", "[2 1]"), ("0.0", "-0.0"), ("1", "1.0"), ("{:a 1}", "[[a 1]]"), ("x", "\"x y\"")]
    {
        let history = edn(&format!(
            "0 invoke write {written}\n0 ok write {written}\n0 invoke read nil\n0 ok read {read}"
        ));
        assert!(verdict(&history, Model::Register).is_illegal(), "{written} and {read}");
    }
}

/// Files of several clients put one after the other look like a history, and are none.
#[test]
fn times_that_go_back_are_told_with_their_line() {
    let event = |kind: &str, f: &str, value: &str, time: u64| {
        format!("{{:process 0 :type :{kind} :f :{f} :value {value} :time {time}}}\n")
    };
    let forward = [
        event("invoke", "write", "1", 10),
        event("ok", "write", "1", 30),
        event("invoke", "read", "nil", 30),
    ]
    .concat();
    let notes = |file: &str| asked(file, &Question::new(Model::Register)).expect("it can be judged").notes;
    assert!(notes(&forward).is_empty());
    let back = forward.clone() + &event("ok", "read", "1", 20);
    assert!(
        notes(&back)[0].starts_with("times go back, first with the call of line 3"),
        "{:?}",
        notes(&back)
    );
}

/// Values need not be numbers, and are called in explanations what the file calls them.
#[test]
fn transactions_on_texts_are_explained_in_their_words() {
    let stale = edn(
        "0 invoke txn [[w x \"the first\"]]\n0 ok txn [[w x \"the first\"]]\n1 invoke txn [[r x nil] [w x b]]\n1 ok txn [[r x \"the first\"] [w x b]]\n\
         2 invoke txn [[r x nil]]\n2 ok txn [[r x \"the first\"]]",
    );
    let Verdict::Illegal(why) = verdict(&stale, Model::RwRegister) else {
        panic!("T2 read what T1 had replaced")
    };
    let why = why.to_string();
    assert!(why.contains("T2 read x = \"the first\" and did not see T1's later write of b"), "{why}");
    assert!(!why.contains("-9223372036854775"), "{why}");
    let twice = edn("0 invoke txn [[w x a]]\n0 ok txn [[w x a]]\n0 invoke txn [[w x a]]\n0 ok txn [[w x a]]");
    let error = asked(&twice, &Question::new(Model::RwRegister)).expect_err("a is written twice").to_string();
    assert!(error.contains("both write a to x"), "{error}");
    // Numbers as small as those that stand for texts are none of these.
    let least = edn(&format!(
        "0 invoke txn [[w x a]]\n0 ok txn [[w x a]]\n0 invoke txn [[r x nil]]\n0 ok txn [[r x {}]]",
        i64::MIN
    ));
    assert!(verdict(&least, Model::RwRegister).is_illegal());
}
