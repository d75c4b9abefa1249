//! Faults of single calls: which, by method, number and caller, and what becomes of them.

use std::time::Duration;

use crate::told::{Done, End, Told, ms, round, run, run_seed, run_with};

/// How long after its start a call was executed, each time.
fn executed(told: &Told, call: &Done) -> Vec<Duration> {
    let all = told.events("call.executed");
    all.iter().filter(|seen| seen.int("n") == call.n).map(|seen| round(seen.at - call.start)).collect()
}

/// The calls that began from 2 s on, in order.
fn from_2(told: &Told) -> Vec<Done> {
    told.done_in(2000..5000)
}

fn is_well(told: &Told, call: &Done) {
    assert_eq!((call.how, executed(told, call).len()), (End::Ok, 1), "{call:?}");
}

#[test]
fn a_request_that_never_arrives_is_not_executed() {
    let told = run("rpc: { to: store, calls: 2, outcome: never_arrives }");
    assert_eq!(told.starts("it"), [(ms(2000), "rpc: calls 2 to store[0], store[1], store[2] never arrive")]);
    assert_eq!(told.touched("it"), 1);
    let calls = from_2(&told);
    for (i, call) in calls.iter().enumerate() {
        if i == 1 {
            assert_eq!(
                (call.how, call.took()),
                (End::Unknown, ms(400)),
                "the caller waits in vain: {call:?}"
            );
            assert!(executed(&told, call).is_empty());
        } else {
            is_well(&told, call);
        }
    }
}

#[test]
fn a_lost_reply_leaves_the_call_executed() {
    let told = run("rpc: { to: 'store[0]', calls: 1..2, outcome: executed_reply_lost }");
    assert_eq!(told.touched("it"), 2);
    for (i, call) in from_2(&told).iter().enumerate() {
        if i < 2 {
            assert_eq!(call.how, End::Unknown, "{call:?}");
            assert_eq!(executed(&told, call).len(), 1);
        } else {
            is_well(&told, call);
        }
    }
}

#[test]
fn a_late_request_is_executed_after_its_caller_gave_up() {
    let told = run("rpc: { to: store, calls: 1, outcome: late }");
    let call = &from_2(&told)[0];
    assert_eq!(call.how, End::Unknown);
    let at = executed(&told, call);
    assert!(at.len() == 1 && at[0] > call.took() && at[0] < call.took() + ms(50), "{call:?} {at:?}");

    let told = run("rpc: { to: store, calls: 1, outcome: late, by: 100ms }");
    let call = &from_2(&told)[0];
    assert_eq!((call.how, call.took()), (End::Ok, ms(102)), "it arrives in time still");
    assert_eq!(executed(&told, call), [ms(101)]);
}

#[test]
fn a_duplicated_request_is_executed_twice() {
    let told = run("rpc: { to: store, calls: 1, outcome: duplicated, by: 30ms }");
    let call = &from_2(&told)[0];
    assert_eq!((call.how, call.took()), (End::Ok, ms(2)), "the first reply is the caller's");
    assert_eq!(executed(&told, call), [ms(1), ms(31)]);
    let told = run("rpc: { to: store, calls: 1, outcome: duplicated }");
    let call = &from_2(&told)[0];
    assert_eq!(executed(&told, call), [ms(1); 2], "at once, if nothing is said");
}

#[test]
fn an_error_is_answered_in_the_server_s_place() {
    let told = run("rpc: { to: store, calls: 1, outcome: error, code: refused }");
    let call = &from_2(&told)[0];
    assert_eq!((call.how, call.took()), (End::Failed, ms(2)));
    assert!(call.reason.contains("Refused") && executed(&told, call).is_empty(), "{call:?}");
    let told = run("rpc: { to: store, calls: 1, outcome: error }");
    assert!(from_2(&told)[0].reason.contains("Unavailable"));
}

#[test]
fn only_the_named_method_and_only_while_it_lasts() {
    let mixed = "workload: { clients: 1, ops: 80, rate: 20/s, mix: { put: 1, get: 1 } }";
    let told = run_with(mixed, "rpc: { to: store, method: get, outcome: error }, for: 1s");
    told.lasted_from_2_to_3(
        "rpc: calls of get to store[0], store[1], store[2] are answered with an error",
        "rpc: calls of get to store[0], store[1], store[2] are answered with an error",
    );
    let mut gets = 0;
    for call in told.done() {
        let broken = call.name == "get" && (ms(2000)..ms(3000)).contains(&call.start);
        gets += u64::from(broken);
        assert_eq!(call.how == End::Failed, broken, "{call:?}");
    }
    assert_eq!(told.touched("it"), gets);
    assert!(gets > 1);
}

#[test]
fn only_the_named_callers() {
    let two = "workload: { clients: 2, ops: 40, rate: 10/s }";
    let told = run_with(two, "rpc: { to: store, from: 'clients[1]', outcome: error }");
    for call in from_2(&told) {
        assert_eq!(call.how == End::Failed, call.client == 1, "{call:?}");
    }
    // `rest` are those that the fault does not name as servers.
    let told = run_with(two, "rpc: { to: store, from: rest, outcome: error }");
    assert!(from_2(&told).iter().all(|call| call.how == End::Failed));
    let told = run_with(two, "rpc: { to: 'store[1]', outcome: error }");
    assert!(from_2(&told).iter().all(|call| call.how == End::Ok), "nobody calls that one");
    assert_eq!(told.touched("it"), 0);
}

#[test]
fn without_a_schedule_it_stands_from_the_start_of_chaos_and_heals_at_settle() {
    let told = run_seed("", "  - { id: it, rpc: { to: store, calls: 1, outcome: error } }", 1);
    assert_eq!(told.starts("it")[0].0, ms(1000));
    assert_eq!(told.heals("it")[0].0, ms(5000));
    let failed: Vec<_> = told.done().into_iter().filter(|call| call.how == End::Failed).collect();
    assert_eq!(failed.len(), 1);
    assert_eq!(failed[0].start, told.done_in(1000..5000)[0].start, "the first since then");
}
