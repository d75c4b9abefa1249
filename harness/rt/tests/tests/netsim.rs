//! madsim's own network under this world's nodes and faults, as systems written for madsim's crates see it.
#![cfg(madsim)]

use std::{
    future::Future,
    sync::{Arc, Mutex},
    time::Duration,
};

use madsim::net::{Endpoint, TcpListener, TcpStream};
use squall_rt::{
    task, time,
    world::{
        Death, DiskFate, NodeId, World,
        net::{Latency, LinkPolicy},
        netsim::Unsupported,
    },
};
use squall_rt_tests::in_a_world;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// A world with links of exactly 5 ms.
fn simulate<T, F>(main: impl FnOnce(Arc<World>) -> F + Send + 'static) -> T
where
    T: Send + 'static,
    F: Future<Output = T>,
{
    in_a_world(7, |world| {
        let links = LinkPolicy { latency: Latency::Constant(ms(5)), ..LinkPolicy::default() };
        world.bridge().set_default(links).expect("a constant is a range");
        main(world)
    })
}

/// What processes tell the test, and when.
type Log = Arc<Mutex<Vec<(Duration, String)>>>;

fn tell(log: &Log, what: impl Into<String>) {
    log.lock().unwrap().push((World::current().now(), what.into()));
}

fn told(log: &Log) -> Vec<String> {
    std::mem::take(&mut *log.lock().unwrap()).into_iter().map(|(_, what)| what).collect()
}

/// Logs every datagram that comes to port 700 of the node.
fn listen(world: &World, node: NodeId) -> Log {
    let log = Log::default();
    let theirs = log.clone();
    world.start(node, |_| async move {
        let endpoint = Endpoint::bind("0.0.0.0:700").await.unwrap();
        let mut buffer = [0; 64];
        while let Ok((size, _)) = endpoint.recv_from(0, &mut buffer).await {
            tell(&theirs, String::from_utf8_lossy(&buffer[..size]));
        }
    });
    log
}

/// Sends the numbers from `0` to port 700 of a host, `every` so often.
fn count_to(world: &World, node: NodeId, host: &'static str, every: Duration) {
    world.start(node, move |_| async move {
        let endpoint = Endpoint::bind("0.0.0.0:0").await.unwrap();
        for n in 0.. {
            endpoint.send_to((host.to_owned(), 700), 0, format!("{n}").as_bytes()).await.unwrap();
            time::sleep(every).await;
        }
    });
}

/// Answers on port 80 of the node with what it reads.
fn echo(world: &World, node: NodeId) {
    world.start(node, |_| async {
        let listener = TcpListener::bind("0.0.0.0:80").await.unwrap();
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            task::spawn(async move {
                let mut buffer = [0; 64];
                while let Ok(size @ 1..) = stream.read(&mut buffer).await {
                    stream.write_all(&buffer[..size]).await.unwrap();
                    stream.flush().await.unwrap();
                }
            });
        }
    });
}

async fn ask(stream: &mut TcpStream) -> std::io::Result<usize> {
    stream.write_all(b"ping").await?;
    stream.flush().await?;
    stream.read(&mut [0; 64]).await
}

#[test]
fn a_node_has_one_address_and_one_name_in_both_networks() {
    simulate(|world| async move {
        let a = world.add_node("a");
        let names = ["b-0", "b-1"];
        for name in names {
            world.add_node(name);
        }
        let log = Log::default();
        let theirs = log.clone();
        world.start(a, move |_| async move {
            for name in ["a", "b-0", "b-1"] {
                let there = madsim::net::lookup_host((name.to_owned(), 1)).await.unwrap().next().unwrap();
                let here = squall_rt::net::lookup_host((name, 1)).await.unwrap().next().unwrap();
                assert_eq!(here, there);
                tell(&theirs, there.to_string());
            }
            assert!(madsim::net::lookup_host(("c".to_owned(), 1)).await.is_err());
        });
        world.sleep(ms(1)).await;
        assert_eq!(told(&log), ["10.0.0.1:1", "10.0.0.2:1", "10.0.0.3:1"]);
    });
}

#[test]
fn a_blocked_link_is_open_again_when_every_block_is_undone() {
    simulate(|world| async move {
        let [a, b] = ["a", "b"].map(|name| world.add_node(name));
        let log = listen(&world, b);
        world.sleep(ms(5)).await;
        count_to(&world, a, "b", ms(10));
        world.sleep(ms(30)).await;
        assert!(!told(&log).is_empty());

        world.bridge().block(a, b);
        world.bridge().block(a, b);
        world.sleep(ms(10)).await;
        told(&log);
        world.sleep(ms(50)).await;
        world.bridge().unblock(a, b);
        world.sleep(ms(50)).await;
        assert_eq!(told(&log), [""; 0], "one block is left");
        world.bridge().unblock(a, b);
        world.sleep(ms(50)).await;
        assert!(!told(&log).is_empty());
    });
}

#[test]
fn a_block_is_of_one_direction() {
    simulate(|world| async move {
        let [a, b] = ["a", "b"].map(|name| world.add_node(name));
        let log = listen(&world, b);
        world.sleep(ms(5)).await;
        world.bridge().block(b, a);
        count_to(&world, a, "b", ms(10));
        world.sleep(ms(30)).await;
        assert!(!told(&log).is_empty());
    });
}

#[test]
fn a_partition_refuses_what_is_new_and_delays_what_is_under_way() {
    simulate(|world| async move {
        let [a, b] = ["a", "b"].map(|name| world.add_node(name));
        echo(&world, b);
        let log = Log::default();
        let theirs = log.clone();
        world.start(a, |_| async move {
            time::sleep(ms(5)).await;
            let mut stream = TcpStream::connect("b:80").await.unwrap();
            ask(&mut stream).await.unwrap();
            time::sleep_until(time::Instant::now() + ms(100)).await;
            // Cut off by now.
            let refused = TcpStream::connect("b:80").await.unwrap_err();
            tell(&theirs, format!("{:?}", refused.kind()));
            assert_eq!(ask(&mut stream).await.unwrap(), 4);
            tell(&theirs, "answered");
            TcpStream::connect("b:80").await.unwrap();
        });
        world.sleep(ms(50)).await;
        world.bridge().block(a, b);
        world.sleep(ms(1000)).await;
        assert_eq!(told(&log), ["ConnectionRefused"]);
        world.bridge().unblock(a, b);
        world.sleep(ms(1100)).await;
        assert_eq!(told(&log), ["answered"], "tried again with a back-off");
    });
}

#[test]
fn delays_add_up_and_are_lifted_apart() {
    simulate(|world| async move {
        let [a, b] = ["a", "b"].map(|name| world.add_node(name));
        echo(&world, b);
        let log = Log::default();
        let theirs = log.clone();
        world.start(a, |_| async move {
            time::sleep(ms(5)).await;
            let mut stream = TcpStream::connect("b:80").await.unwrap();
            loop {
                let asked = time::Instant::now();
                ask(&mut stream).await.unwrap();
                tell(&theirs, asked.elapsed().as_millis().to_string());
            }
        });
        let round_trip = |log: &Log| told(log).pop().unwrap();
        world.sleep(ms(100)).await;
        assert_eq!(round_trip(&log), "10");
        let some = world.bridge().impose_delay(ms(20), Duration::ZERO);
        let more = world.bridge().impose_delay(ms(30), Duration::ZERO);
        world.sleep(ms(500)).await;
        assert_eq!(round_trip(&log), "110");
        assert!(world.bridge().lift(some) > 5, "it says how many messages went through");
        world.sleep(ms(500)).await;
        assert_eq!(round_trip(&log), "70");
        world.bridge().lift(more);
        world.sleep(ms(200)).await;
        assert_eq!(round_trip(&log), "10");
        let jitter = world.bridge().impose_delay(Duration::ZERO, ms(40));
        world.sleep(ms(1000)).await;
        world.bridge().lift(jitter);
        let mut times: Vec<u32> = told(&log).iter().map(|time| time.parse().unwrap()).collect();
        times.sort_unstable();
        assert!(times[0] < 40 && *times.last().unwrap() > 60, "{times:?}");
    });
}

#[test]
fn losses_combine_as_independent_ones() {
    simulate(|world| async move {
        let [a, b] = ["a", "b"].map(|name| world.add_node(name));
        let log = listen(&world, b);
        world.sleep(ms(5)).await;
        count_to(&world, a, "b", ms(1));
        let share = async |log: &Log| {
            told(log);
            world.sleep(ms(10_000)).await;
            f64::from(told(log).len() as u32)
        };
        let all = share(&log).await;
        let half = world.bridge().impose_loss(0.5);
        let fifth = world.bridge().impose_loss(0.2);
        let kept = share(&log).await / all;
        assert!((0.37..0.43).contains(&kept), "0.5 * 0.8, not {kept}");
        world.bridge().lift(half);
        let kept = share(&log).await / all;
        assert!((0.77..0.83).contains(&kept), "{kept}");
        world.bridge().lift(fifth);
        assert!(share(&log).await / all > 0.99);
        let whole = world.bridge().impose_loss(1.0);
        world.sleep(ms(20)).await;
        assert_eq!(share(&log).await, 0.0);
        world.bridge().lift(whole);
        assert!(share(&log).await / all > 0.99);
    });
}

#[test]
fn a_crash_breaks_connections_and_a_restart_takes_new_ones() {
    simulate(|world| async move {
        let [a, b] = ["a", "b"].map(|name| world.add_node(name));
        echo(&world, b);
        let log = Log::default();
        let theirs = log.clone();
        world.start(a, |_| async move {
            time::sleep(ms(5)).await;
            let mut stream = TcpStream::connect("b:80").await.unwrap();
            ask(&mut stream).await.unwrap();
            tell(&theirs, "answered");
            assert_eq!(stream.read(&mut [0; 64]).await.unwrap(), 0);
            tell(&theirs, "broken");
            loop {
                match TcpStream::connect("b:80").await {
                    Ok(mut stream) => {
                        assert_eq!(ask(&mut stream).await.unwrap(), 4);
                        return tell(&theirs, "answered");
                    }
                    Err(_) => tell(&theirs, "refused"),
                }
                time::sleep(ms(40)).await;
            }
        });
        world.sleep(ms(50)).await;
        world.crash(b, Death::Power, DiskFate::Keep);
        world.sleep(ms(100)).await;
        assert_eq!(told(&log), ["answered", "broken", "refused", "refused", "refused"]);
        echo(&world, b);
        world.sleep(ms(100)).await;
        assert_eq!(told(&log), ["answered"]);
    });
}

#[test]
fn a_paused_server_answers_late() {
    simulate(|world| async move {
        let [a, b] = ["a", "b"].map(|name| world.add_node(name));
        echo(&world, b);
        let log = Log::default();
        let theirs = log.clone();
        world.start(a, |_| async move {
            time::sleep(ms(5)).await;
            let mut stream = TcpStream::connect("b:80").await.unwrap();
            loop {
                ask(&mut stream).await.unwrap();
                tell(&theirs, "answered");
            }
        });
        world.sleep(ms(50)).await;
        world.pause(b);
        world.sleep(ms(20)).await;
        told(&log);
        world.sleep(ms(500)).await;
        assert_eq!(told(&log), [""; 0]);
        world.resume(b);
        world.sleep(ms(50)).await;
        assert!(told(&log).len() > 2);
    });
}

/// A dead process used to have its next start's identity in madsim's network, which delivered what it sent last as soon as
/// there was a next start.
#[test]
fn what_a_dead_process_sends_is_never_delivered() {
    simulate(|world| async move {
        let [a, b] = ["a", "b"].map(|name| world.add_node(name));
        let log = Log::default();
        let theirs = log.clone();
        world.start(b, |_| async move {
            let listener = TcpListener::bind("0.0.0.0:80").await.unwrap();
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let log = theirs.clone();
                task::spawn(async move {
                    let mut buffer = [0; 64];
                    while let Ok(size @ 1..) = stream.read(&mut buffer).await {
                        tell(&log, String::from_utf8_lossy(&buffer[..size]));
                    }
                });
            }
        });
        let send = |text: &'static str| {
            move |_| async move {
                time::sleep(ms(10)).await;
                let mut stream = TcpStream::connect("b:80").await.unwrap();
                for _ in 0.. {
                    stream.write_all(text.as_bytes()).await.unwrap();
                    stream.flush().await.unwrap();
                    time::sleep(ms(10)).await;
                }
            }
        };
        world.start(a, send("first"));
        world.sleep(ms(100)).await;
        assert!(told(&log).contains(&"first".to_owned()));
        world.cut_off(a, Death::Process, DiskFate::Keep);
        world.sleep(ms(6)).await;
        told(&log);
        // Its tasks still run, and send.
        world.sleep(ms(100)).await;
        world.reap(a);
        world.sleep(ms(1)).await;
        world.start(a, send("second"));
        world.sleep(ms(30_000)).await;
        let told = told(&log);
        assert!(told.contains(&"second".to_owned()));
        assert!(!told.contains(&"first".to_owned()));
    });
}

#[test]
fn a_link_stays_blocked_through_a_crash() {
    simulate(|world| async move {
        let [a, b] = ["a", "b"].map(|name| world.add_node(name));
        world.bridge().block(a, b);
        let log = listen(&world, b);
        world.sleep(ms(5)).await;
        count_to(&world, a, "b", ms(10));
        for node in [a, b] {
            world.crash(node, Death::Power, DiskFate::Keep);
            world.sleep(ms(1)).await;
            match node == a {
                true => count_to(&world, a, "b", ms(10)),
                false => drop(world.start(b, |_| std::future::pending())),
            }
            world.sleep(ms(50)).await;
            assert_eq!(told(&log), [""; 0]);
        }
        world.crash(b, Death::Power, DiskFate::Keep);
        world.sleep(ms(1)).await;
        let log = listen(&world, b);
        world.sleep(ms(50)).await;
        assert_eq!(told(&log), [""; 0]);
        world.bridge().unblock(a, b);
        world.sleep(ms(50)).await;
        assert!(!told(&log).is_empty());
    });
}

#[test]
fn what_it_has_not_is_refused_by_name() {
    simulate(|world| async move {
        let fast = LinkPolicy { latency: Latency::Constant(ms(1)), ..LinkPolicy::default() };
        let exponential = Latency::Exponential { min: ms(1), mean: ms(5) };
        let refused = |policy| world.bridge().set_default(policy).unwrap_err();
        assert_eq!(
            refused(LinkPolicy { latency: exponential, ..fast }),
            Unsupported("a latency that is not uniform")
        );
        let slow = refused(LinkPolicy { bandwidth: Some(1000), ..fast });
        assert_eq!(slow.to_string(), "madsim's network has no bandwidth");
        assert_eq!(world.bridge().set_default(fast), Ok(()));
    });
}
