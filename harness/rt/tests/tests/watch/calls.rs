//! Calls: told at each stage, and stopped at each by a crash.

use serde::{Deserialize, Serialize};
use squall_rt::rpc::{Call, CallError, Client, Method, Server};

use super::*;

#[derive(Serialize, Deserialize)]
struct Add(u64);
impl Method for Add {
    const NAME: &'static str = "add";
    type Reply = u64;
}

/// What `b` has added up, and what `a` was told of three calls in a row; the script has acted on its cue.
fn three_calls(
    cue: &'static str,
    act: impl Fn(&World) + Send + Sync + 'static,
) -> (u64, Vec<String>, Arc<Script>) {
    in_a_world(1, move |world| async move {
        let script = Script::on(&world, cue, act);
        let (a, b) = two_nodes(&world);
        let sum = Arc::new(Mutex::new(0));
        let into = sum.clone();
        world.start(b, move |_| async move {
            let listener = TcpListener::bind("0.0.0.0:80").await.unwrap();
            let server = Server::new().on(move |Add(n), _: Call| {
                let into = into.clone();
                async move {
                    *into.lock().unwrap() += n;
                    let sum = *into.lock().unwrap();
                    Ok(sum)
                }
            });
            server.serve(listener).await.unwrap();
        });
        let told = Arc::new(Mutex::new(Vec::new()));
        let tell = told.clone();
        world.start(a, |_| async move {
            let client = Client::new("b:80");
            for n in [1, 10, 100] {
                let outcome = match client.call(&Add(n), ms(200)).await {
                    Ok(sum) => sum.to_string(),
                    Err(CallError::NotSent { .. }) => "not sent".to_owned(),
                    Err(CallError::Unknown { .. }) => "unknown".to_owned(),
                    Err(CallError::Status(status)) => format!("{status:?}"),
                };
                tell.lock().unwrap().push(outcome);
            }
        });
        world.sleep(ms(2000)).await;
        let told = told.lock().unwrap().clone();
        let sum = *sum.lock().unwrap();
        (sum, told, script)
    })
}

fn crash(node: u32) -> impl Fn(&World) + Send + Sync {
    move |world| assert!(world.crash(NodeId(node), Death::Power, DiskFate::Keep))
}

#[test]
fn calls_are_told_at_every_stage_with_their_numbers() {
    let (sum, told, script) = three_calls("", |_| {});
    assert_eq!((sum, told.join(" ")), (111, "1 11 111".to_owned()));
    for stage in ["called", "arrived", "replied"] {
        let expected = [1, 2, 3].map(|n| format!("{stage} 0->1 add {n}"));
        assert_eq!(script.lines(stage), expected);
    }
    assert!(script.at("called 0->1 add 2") < script.at("arrived 0->1 add 2"));
    assert!(script.at("arrived 0->1 add 2") <= script.at("replied 0->1 add 2"));
}

#[test]
fn a_call_does_not_leave_a_caller_that_is_crashed_before() {
    let (sum, told, script) = three_calls("called 0->1 add 2", crash(0));
    assert_eq!((sum, told.join(" ")), (1, "1".to_owned()));
    assert!(script.lines("arrived 0->1 add 2").is_empty());
    assert_eq!(script.lines("0->1 data").len(), 1, "nothing of it was sent");
}

#[test]
fn no_handler_runs_on_a_callee_that_is_crashed_before() {
    let (sum, told, script) = three_calls("arrived 0->1 add 2", crash(1));
    assert_eq!(sum, 1, "the call arrived and was not executed");
    assert_eq!(told[..2], ["1", "unknown"]);
    assert!(script.lines("replied 0->1 add 2").is_empty());
}

#[test]
fn no_reply_leaves_a_callee_that_is_crashed_before_it_and_after_the_handler() {
    let (sum, told, script) = three_calls("replied 0->1 add 2", crash(1));
    assert_eq!(sum, 11, "the call was executed");
    assert_eq!(told[..2], ["1", "unknown"]);
    assert_eq!(script.lines("1->0 data").len(), 1, "nothing of the reply was sent");
}
