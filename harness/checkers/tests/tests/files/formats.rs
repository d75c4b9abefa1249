//! Files of each kind, whole and broken.

use squall_checkers::formats::{
    Access, Call, Committed, Datum, Ended, Format, FormatError, Place, Recorded, read,
};

fn calls(format: Format, text: &str) -> Vec<Call> {
    match read(text.as_bytes(), format) {
        Ok(Recorded::Calls(calls)) => calls,
        other => panic!("{other:?}"),
    }
}

fn sessions(format: Format, text: &str) -> Vec<Vec<Committed>> {
    match read(text.as_bytes(), format) {
        Ok(Recorded::Sessions(sessions)) => sessions,
        other => panic!("{other:?}"),
    }
}

fn error(format: Format, text: &str) -> FormatError {
    read(text.as_bytes(), format).expect_err("it is broken")
}

fn text(text: &str) -> Datum {
    Datum::Text(text.into())
}

#[test]
fn one_history_in_three_notations_is_one_history() {
    let json = r#"{"process": 0, "type": "invoke", "f": "write", "value": 3, "time": 5}
{"process":1,"type":"invoke","f":"read","value":null,"time":6}

{"process":1,"type":"ok","f":"read","value":3,"time":9,"index":17}
{"process":0,"type":"info","f":"write","value":3,"error":"timeout"}
"#;
    let edn = "; of a test\n{:process 0, :type :invoke, :f :write, :value 3 :time 5}{:process 1 :type :invoke :f :read :value nil :time 6}\n\
               #jepsen.history.Op{:process 1, :type :ok, :f :read, :value 3, :time 9, :index 17}\n\
               #_ {:process 7} {:process :nemesis, :type :info, :f :start, :value #{1 2}}\n\
               {:process 0, :type :info, :f :write, :value 3, :error [:timeout \"x\\n\"]}";
    let log = "INFO  jepsen.core - started\nINFO  jepsen.util - 0\t:invoke\t:write\t3\nINFO  jepsen.util - :nemesis\t:info\t:start\tnil\n\
               INFO  jepsen.util - 1\t:invoke\t:read\tnil\nINFO  jepsen.util - 1\t:ok\t:read\t3\nINFO  jepsen.util - 0\t:info\t:write\t:timed-out\n";
    let as_told = |calls: Vec<Call>| -> Vec<_> {
        calls
            .into_iter()
            .map(|call| {
                (call.process, call.f, call.input, call.output, call.ended, call.invoked, call.returned)
            })
            .collect()
    };
    let expected = vec![
        (0, "write".into(), Datum::Int(3), Datum::Int(3), Ended::Info, 0, None),
        (1, "read".into(), Datum::Nil, Datum::Int(3), Ended::Ok, 1, Some(2)),
    ];
    for (format, file) in [(Format::JsonLines, json), (Format::Edn, edn), (Format::JepsenLog, log)] {
        assert_eq!(Format::detect(file.as_bytes()), Some(format));
        assert_eq!(as_told(calls(format, file)), expected, "{format:?}");
    }
    let in_vector = format!("[{edn}]");
    assert_eq!(Format::detect(in_vector.as_bytes()), Some(Format::Edn));
    assert_eq!(as_told(calls(Format::Edn, &in_vector)), expected);
    let in_array = format!("[{}]", json.trim().replace("\n\n", "\n").replace('\n', ",\n"));
    assert_eq!(Format::detect(in_array.as_bytes()), Some(Format::JsonLines));
    assert_eq!(as_told(calls(Format::JsonLines, &in_array)), expected);
    let time = std::time::Duration::from_nanos;
    assert_eq!(calls(Format::JsonLines, json)[1].times, (Some(time(6)), Some(time(9))));
}

/// What is created is named by the answer.
#[test]
fn a_key_may_come_with_the_answer() {
    let file = "{:process 0 :type :invoke :f :create :value 1}\n{:process 0 :type :ok :f :create :key 7 :value 1}\n\
                {:process 0 :type :invoke :f :read :key 8}\n{:process 0 :type :ok :f :read :key 9 :value 1}\n";
    let keys: Vec<_> = calls(Format::Edn, file).into_iter().map(|call| call.key).collect();
    assert_eq!(
        keys,
        [Some(Datum::Int(7)), Some(Datum::Int(8))],
        "what was asked is not changed by the answer"
    );
}

#[test]
fn values_of_edn() {
    let of = |edn: &str| {
        let file = format!("{{:process 0 :type :invoke :f :x :value {edn}}}");
        calls(Format::Edn, &file).remove(0).input
    };
    assert_eq!(of("[[:append 1 2] [:r x nil]]").to_string(), "[[append 1 2] [r x nil]]");
    assert_eq!(of("-7"), Datum::Int(-7));
    assert_eq!(of("7N"), Datum::Int(7));
    assert_eq!(of("+7"), Datum::Int(7));
    assert_eq!(of("1.5e3"), Datum::Float(1500.0));
    assert_eq!(of("##Inf"), Datum::Float(f64::INFINITY));
    assert_eq!(of("99999999999999999999"), text("99999999999999999999"), "no digit is lost");
    assert_eq!(of("1/3"), text("1/3"));
    assert_eq!(of("-"), text("-"));
    assert_eq!(of("user/name"), text("user/name"));
    assert_eq!(of(r#""a\"b\u00e9\\""#), text("a\"bé\\"));
    assert_eq!(of(r"[\a \newline \[ \]]"), Datum::List(vec![text("a"), text("\n"), text("["), text("]")]));
    assert_eq!(of("#{2 1}"), Datum::List(vec![Datum::Int(1), Datum::Int(2)]));
    assert_eq!(of("{:b 2 :a #{2 1}}"), of("{:a #{1 2} :b 2}"));
    assert_eq!(of("##NaN"), of("##NaN"));
    assert_eq!(of("#inst \"2020\""), text("2020"));
    assert_eq!(of("{:a {:b 1}}").get("a").and_then(|a| a.get("b")).and_then(Datum::int), Some(1));
    assert_eq!(of("(1,2 #_ #_ 3 4 5)"), Datum::List(vec![Datum::Int(1), Datum::Int(2), Datum::Int(5)]));
}

#[test]
fn transactions_of_plume() {
    let file = "w(1,7,0,0)\r\nr(2,0,0,0)\nw(2,8,1,1)\nw(2,9,1,-1)\nr(1, 7, 1, 2)\n";
    assert_eq!(Format::detect(file.as_bytes()), Some(Format::Plume));
    let read = sessions(Format::Plume, file);
    let write = |key, value| Access { wrote: true, key, value: Some(value) };
    let reads = |key, value| Access { wrote: false, key, value };
    assert_eq!(read.len(), 2);
    assert_eq!(read[0][0].accesses, [write(1, 7), reads(2, None)]);
    let ends: Vec<_> = read[1].iter().map(|transaction| transaction.ended).collect();
    assert_eq!(ends, [Ended::Ok, Ended::Fail, Ended::Ok]);
    assert_eq!(read[1][2].accesses, [reads(1, Some(7))]);
    assert_eq!(read[1][2].place, Place { line: 5, column: 1 });
}

#[test]
fn transactions_of_awdit_and_dbcop() {
    let awdit = "w 0 1\n-----\nr 0 1\nr 1 0\n=====\nw 1 1\n";
    let dbcop = r#"[[{"events":[{"Write":{"variable":0,"version":1}}],"committed":true},
                     {"events":[{"Read":{"variable":0,"version":1}},{"Read":{"variable":1,"version":null}}],"committed":true}],
                    [{"events":[{"Write":{"variable":1,"version":1}}],"committed":true}]]"#;
    let before = r#"{"params":{"id":0},"info":"","data":[[{"events":[{"write":true,"variable":0,"value":1,"success":true}],"success":true},
                     {"events":[{"write":false,"variable":0,"value":1,"success":true},{"write":false,"variable":1,"value":0,"success":true}],"success":true}],
                    [{"events":[{"write":true,"variable":1,"value":1,"success":true}],"success":true}]]}"#;
    let accesses = |sessions: Vec<Vec<Committed>>| -> Vec<Vec<Vec<Access>>> {
        sessions.into_iter().map(|session| session.into_iter().map(|t| t.accesses).collect()).collect()
    };
    let expected = accesses(sessions(Format::Awdit, awdit));
    assert_eq!(expected.iter().map(Vec::len).collect::<Vec<_>>(), [2, 1]);
    let aborted = dbcop.replacen("\"committed\":true", "\"committed\":false", 1);
    let ends: Vec<Ended> =
        sessions(Format::Dbcop, &aborted)[0].iter().map(|transaction| transaction.ended).collect();
    assert_eq!(ends, [Ended::Fail, Ended::Ok]);
    for (format, file) in [(Format::Awdit, awdit), (Format::Dbcop, dbcop), (Format::Dbcop, before)] {
        assert_eq!(Format::detect(file.as_bytes()), Some(format), "{file}");
        assert_eq!(accesses(sessions(format, file)), expected);
    }
}

/// AWDIT's own tests begin with a transaction that writes zeros: who reads one reads from it.
#[test]
fn a_zero_that_was_written_is_not_there_from_the_beginning() {
    let awdit = "w 0 0\n---\nr 0 0\nr 1 0\n";
    let plume = "w(0,0,0,0)\nr(0,0,0,1)\nr(1,0,0,1)\n";
    let dbcop = r#"[[{"events":[{"Write":{"variable":0,"version":0}}],"committed":true},
                     {"events":[{"Read":{"variable":0,"version":0}},{"Read":{"variable":1,"version":0}}],"committed":true}]]"#;
    for (format, file) in [(Format::Awdit, awdit), (Format::Plume, plume), (Format::Dbcop, dbcop)] {
        let values: Vec<_> =
            sessions(format, file)[0][1].accesses.iter().map(|access| access.value).collect();
        assert_eq!(values, [Some(0), None], "{format:?}");
    }
}

#[test]
fn an_error_names_its_place() {
    let at = |format, file: &str, line, column, part: &str| {
        let error = error(format, file);
        assert_eq!(error.place, Place { line, column }, "{error}");
        assert!(error.to_string().contains(part), "{error}");
    };
    let ok = "{:process 0 :type :invoke :f :read}\n";
    at(Format::Edn, &format!("{ok}{{:process 0 :type"), 2, 1, "never closed");
    at(Format::Edn, &format!("{ok} ]"), 2, 2, "closes nothing");
    at(Format::Edn, &format!("[{ok}"), 1, 1, "never closed");
    at(Format::Edn, &format!("[{ok}] 7"), 2, 3, "after the end");
    at(Format::Edn, &format!("{ok}  7"), 2, 3, "an event is a mapping, and this is a whole number");
    at(Format::Edn, &format!("{ok}{ok}"), 2, 1, "call of line 1 is open");
    at(Format::Edn, "{:process 0 :type :done}", 1, 1, "`done` is no type");
    at(Format::Edn, "{:process 0 :type :ok :f :read}", 1, 1, "had asked for nothing");
    at(Format::Edn, &format!("{ok}{{:process 0 :type :ok :f :write}}"), 2, 1, "answered `write`");
    at(Format::Edn, "{:process -1 :type :ok}", 1, 1, "from 0");
    at(
        Format::Edn,
        "{:process :alice :type :ok}",
        1,
        1,
        "`process` is a whole number from 0, and this is alice",
    );
    at(
        Format::Edn,
        &format!("{ok}{{:process 0 :type :ok :process 1}}"),
        2,
        1,
        "the key process stands in this mapping twice",
    );
    at(Format::Edn, "{:process 0 :value #{7 8 7}}", 1, 20, "7 stands in this set twice");
    at(
        Format::JsonLines,
        "{\"process\": 0, \"type\": \"ok\", \"process\": 1}",
        1,
        42,
        "the key process stands in it twice",
    );
    at(Format::JsonLines, "\n{\"process\": 0, \"value\": 99999999999999999999}", 2, 44, "not read exactly");
    at(Format::JsonLines, "{\"process\": 0, \"value\": NaN}", 1, 25, "not JSON");
    at(Format::JsonLines, "{\"process\": 0} {\"process\": 0}", 1, 16, "trailing characters");
    at(Format::Edn, "{:a \"é\" \"", 1, 9, "never closed");
    at(Format::Edn, &"[".repeat(1000), 1, 131, "inside each other");
    at(
        Format::JsonLines,
        "{\"process\": 0, \"type\": \"invoke\", \"f\": \"r\"}\n  {\"process\": nope}",
        2,
        16,
        "not JSON",
    );
    at(Format::JsonLines, "{\"process\": 0,", 1, 14, "cut off");
    at(Format::JsonLines, "[1", 1, 2, "an event is a mapping");
    let array = "[\n {\"process\": 0, \"type\": \"invoke\", \"f\": \"r\"},\n";
    at(Format::JsonLines, &format!("{array}  {{\"process\": nope}}]"), 3, 16, "not JSON");
    at(Format::JsonLines, &format!("{array}  7]"), 3, 3, "an event is a mapping");
    at(Format::JsonLines, &format!("{array}  {{}}"), 3, 3, "without a `type`");
    at(Format::JsonLines, "[] 7", 1, 4, "follows the end");
    at(Format::JsonLines, &array[..array.len() - 2], 2, 44, "expected `,` or `]`");
    at(Format::JepsenLog, "nothing\n", 1, 1, "no line tells");
    at(Format::Plume, "r(1,2,3,4)\nr(1,2,3)", 2, 1, "no access");
    at(Format::Plume, "r(1,2,3,4)\nw(1,2,9,4)", 2, 1, "another session");
    at(Format::Awdit, "r 1 2\n\nx 1 2", 3, 1, "no access");
    at(Format::Dbcop, "[[{\"events\":[]", 1, 14, "not JSON");
    at(Format::Dbcop, "[[1]]", 1, 3, "not expected here");
    at(Format::Dbcop, "[[]] []", 1, 6, "follows the end");
    at(Format::Dbcop, "{\"params\": {}}", 1, 15, "no `data`");
    at(
        Format::Dbcop,
        "[[\n{\"events\":[],\"committed\":true},{\"events\":[],\"committed\":1}]]",
        2,
        32,
        "not expected here",
    );
    at(Format::Edn, "\u{1}", 1, 1, "begins no value");
}

/// Nothing that a file may hold makes a reader panic or loop: each file is cut and changed at every byte.
#[test]
fn broken_files_are_errors() {
    let files: [(Format, &str); 6] = [
        (
            Format::JsonLines,
            "{\"process\":0,\"type\":\"invoke\",\"f\":\"w\",\"value\":[1,{\"a\":null}]}\n{\"process\":0,\"type\":\"ok\",\"value\":1}\n",
        ),
        (
            Format::Edn,
            "[{:process 0 :type :invoke :f :w :value #{1 \\a \"x\\u0041\"}}, #a.B{:process 0, :type :ok #_ 1}]",
        ),
        (Format::JepsenLog, "INFO x - 0\t:invoke\t:cas\t[1 2]\nINFO x - 0\t:fail\t:cas\t[1 2]\n"),
        (Format::Plume, "r(1,2,3,4)\nw(1,2,3,-1)\n"),
        (Format::Awdit, "r 1 2\n--\nw 1 3\n==\n"),
        (
            Format::Dbcop,
            "[[{\"events\":[{\"Read\":{\"variable\":0,\"version\":null}}],\"committed\":false}]]",
        ),
    ];
    for (format, file) in files {
        for at in 0..file.len() {
            let _ = read(&file.as_bytes()[..at], format);
            for byte in [0, b'"', b'{', b']', b'#', b'\\', b':', b'9', 0xFF] {
                let mut changed = file.as_bytes().to_vec();
                changed[at] = byte;
                let _ = read(&*changed, format);
                for (_, other) in Format::ALL {
                    let _ = read(&*changed, other);
                }
                Format::detect(&changed);
            }
        }
    }
}

#[test]
fn a_reader_that_gives_a_byte_at_a_time_reads_the_same() {
    let file = "[{:process 0 :type :invoke :f :w :value \"é\"} {:process 0 :type :ok :value 1}]";
    let slow = std::io::BufReader::with_capacity(1, file.as_bytes());
    assert_eq!(read(slow, Format::Edn), read(file.as_bytes(), Format::Edn));
}
