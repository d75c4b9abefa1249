//! gRPC under this world's faults, as a client of the sequencer sees it, and the heal of each.

use std::{
    future::Future,
    sync::{Arc, Mutex},
};

use squall_rt::{
    time::{self, Duration},
    world::{self, Death, DiskFate, NodeId, World},
};
use tonic::{Code, transport::Endpoint};

use super::{
    PORT, Params,
    proto::{ReserveRequest, sequencer_client::SequencerClient},
    sequencer,
};

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// What the client was answered: when, and the first number or the error.
type Answers = Arc<Mutex<Vec<(Duration, Result<u64, Code>)>>>;

/// A sequencer, and a client that asks it every 10 ms with a patience of 100 ms.
fn simulate<F: Future<Output = ()>>(
    test: impl FnOnce(Arc<World>, [NodeId; 2], Answers) -> F + Send + 'static,
) {
    let run = std::thread::spawn(move || {
        let main = |world: Arc<World>| async move {
            let [server, client] = ["sequencer-0", "client-0"].map(|name| world.add_node(name));
            serve(&world, server);
            let answers = Answers::default();
            let theirs = answers.clone();
            world.start(client, |_| async move {
                let endpoint = Endpoint::from_shared(format!("http://sequencer-0:{PORT}")).unwrap();
                let mut sequencer = SequencerClient::new(endpoint.timeout(ms(100)).connect_lazy());
                for n in 0.. {
                    time::sleep(ms(10)).await;
                    let request = ReserveRequest { allocator: "a".into(), request: n.to_string(), size: 10 };
                    let answer = sequencer.reserve(request).await;
                    let answer = answer.map(|block| block.into_inner().first).map_err(|error| error.code());
                    theirs.lock().unwrap().push((World::current().now(), answer));
                }
            });
            world.sleep(ms(200)).await;
            assert!(take(&answers).iter().all(Result::is_ok));
            test(world, [server, client], answers).await;
        };
        world::run(3, main).expect("nothing on the real runtime");
    });
    run.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
}

fn serve(world: &World, node: NodeId) {
    world.start(node, |_| async { sequencer::run(Params::default()).await.unwrap() });
}

fn take(answers: &Answers) -> Vec<Result<u64, Code>> {
    answers.lock().unwrap().drain(..).map(|(_, answer)| answer).collect()
}

#[test]
fn a_crash_breaks_calls_and_a_restart_answers_from_disk() {
    simulate(|world, [server, _], answers| async move {
        world.crash(server, Death::Power, DiskFate::LoseUnsynced);
        // What was under way arrives.
        world.sleep(ms(20)).await;
        take(&answers);
        world.sleep(ms(200)).await;
        let refused = take(&answers);
        assert!(refused.len() > 5, "refused at once, not after a time-out: {refused:?}");
        assert!(refused.iter().all(Result::is_err), "{refused:?}");
        serve(&world, server);
        world.sleep(ms(200)).await;
        let numbers: Vec<_> = take(&answers).into_iter().filter_map(Result::ok).collect();
        assert!(numbers.len() > 5 && numbers.is_sorted() && numbers[0] > 100, "it goes on: {numbers:?}");
    });
}

#[test]
fn a_paused_server_is_silent_and_answers_when_it_goes_on() {
    simulate(|world, [server, _], answers| async move {
        world.pause(server);
        world.sleep(ms(20)).await;
        take(&answers);
        world.sleep(ms(500)).await;
        let silence = take(&answers);
        assert!((3..=5).contains(&silence.len()), "{silence:?}");
        assert!(silence.iter().all(|answer| *answer == Err(Code::DeadlineExceeded)), "{silence:?}");
        let before = world.now();
        world.resume(server);
        world.sleep(ms(200)).await;
        let answered = answers.lock().unwrap().iter().filter(|(_, answer)| answer.is_ok()).count();
        assert!(answered > 5, "{answered} since {before:?}");
    });
}

#[test]
fn a_partition_refuses_calls_until_it_heals() {
    simulate(|world, [server, client], answers| async move {
        for (from, to) in [(client, server), (server, client)] {
            world.bridge().block(from, to);
        }
        world.sleep(ms(20)).await;
        take(&answers);
        world.sleep(ms(200)).await;
        let refused = take(&answers);
        assert!(!refused.is_empty() && refused.iter().all(Result::is_err), "{refused:?}");
        for (from, to) in [(client, server), (server, client)] {
            world.bridge().unblock(from, to);
        }
        world.sleep(ms(200)).await;
        assert!(take(&answers).iter().filter(|answer| answer.is_ok()).count() > 5);
    });
}

#[test]
fn a_lost_reply_leaves_a_call_without_an_answer_until_its_deadline() {
    simulate(|world, [server, client], answers| async move {
        world.bridge().block(server, client);
        world.sleep(ms(20)).await;
        take(&answers);
        world.sleep(ms(500)).await;
        let silence = take(&answers);
        assert!((3..=5).contains(&silence.len()), "{silence:?}");
        assert!(silence.iter().all(|answer| *answer == Err(Code::DeadlineExceeded)), "{silence:?}");
        world.bridge().unblock(server, client);
        world.sleep(ms(300)).await;
        let numbers: Vec<_> = take(&answers).into_iter().filter_map(Result::ok).collect();
        assert!(numbers.len() > 5, "{numbers:?}");
    });
}

#[test]
fn a_delay_and_a_loss_slow_calls_down_until_they_are_lifted() {
    simulate(|world, _, answers| async move {
        let count = async |answers: &Answers| {
            take(answers);
            world.sleep(ms(2000)).await;
            take(answers).iter().filter(|answer| answer.is_ok()).count()
        };
        let undisturbed = count(&answers).await;
        let delay = world.bridge().impose_delay(ms(30), ms(10));
        let delayed = count(&answers).await;
        assert!(delayed > 5 && delayed < undisturbed / 3, "{delayed} of {undisturbed}");
        assert!(world.bridge().lift(delay) > 0);
        let loss = world.bridge().impose_loss(0.5);
        let lossy = count(&answers).await;
        assert!(lossy > 5 && lossy < undisturbed / 2, "{lossy} of {undisturbed}");
        world.bridge().lift(loss);
        assert!(count(&answers).await > undisturbed * 9 / 10);
    });
}
