//! Waits for readiness that end though nothing is ready.

use std::io::ErrorKind;

use super::*;

/// How often each of two nodes is told that its socket is readable before it is, in a hundred milliseconds.
fn misled(seed: u64, probability: Option<f64>) -> [u32; 2] {
    in_a_world(seed, move |world| async move {
        let (a, b) = two_nodes(&world);
        if let Some(probability) = probability {
            world.net().set_spurious_readiness(probability);
        }
        let mut counts = [0; 2];
        let nodes = [a, b].map(|node| {
            start(&world, node, async {
                let listener = TcpListener::bind("0.0.0.0:7000").await.unwrap();
                let stream = TcpStream::connect("127.0.0.1:7000").await.unwrap();
                let datagrams = UdpSocket::bind("0.0.0.0:0").await.unwrap();
                let mut misled = 0;
                for _ in 0..100 {
                    squall_rt::time::sleep(ms(1)).await;
                    if squall_rt::time::timeout(Duration::ZERO, stream.readable()).await.is_ok() {
                        assert_eq!(stream.try_read(&mut [0; 8]).unwrap_err().kind(), ErrorKind::WouldBlock);
                        misled += 1;
                    }
                    if squall_rt::time::timeout(Duration::ZERO, datagrams.readable()).await.is_ok() {
                        assert_eq!(
                            datagrams.try_recv(&mut [0; 8]).unwrap_err().kind(),
                            ErrorKind::WouldBlock
                        );
                        misled += 1;
                    }
                }
                drop(listener);
                misled
            })
        });
        for (count, node) in counts.iter_mut().zip(nodes) {
            *count = node.await.unwrap();
        }
        counts
    })
}

#[test]
fn each_node_draws_whether_a_socket_seems_to_be_ready() {
    assert_eq!(misled(1, Some(0.0)), [0, 0]);
    assert!(
        misled(1, None).iter().all(|count| (1..25).contains(count)),
        "one in twenty, as the world begins"
    );
    let [one, other] = misled(1, Some(0.2));
    assert!((20..60).contains(&one) && (20..60).contains(&other), "{one} {other}");
    assert_eq!(misled(1, Some(0.2)), [one, other], "the same in each run of a seed");
    assert_ne!(misled(2, Some(0.2)), [one, other]);
    assert_eq!(misled(1, Some(1.0)), [200, 200]);
}

#[test]
fn who_waits_again_misses_nothing() {
    in_a_world(1, |world| async move {
        let (a, b) = two_nodes(&world);
        world.net().set_spurious_readiness(0.5);
        start_echo(&world, b);
        let client = start(&world, a, async {
            let stream = TcpStream::connect("b:7000").await.unwrap();
            let (mut written, mut read, mut misled) = (0, 0, 0);
            let data = vec![7; 1 << 20];
            let mut buffer = vec![0; 1 << 16];
            while read < data.len() {
                if written < data.len() {
                    stream.writable().await.unwrap();
                    match stream.try_write(&data[written..]) {
                        Ok(count) => written += count,
                        Err(e) => assert_eq!(e.kind(), ErrorKind::WouldBlock),
                    }
                }
                stream.readable().await.unwrap();
                match stream.try_read(&mut buffer) {
                    Ok(count) => read += count,
                    Err(e) if e.kind() == ErrorKind::WouldBlock => misled += 1,
                    Err(e) => panic!("{e}"),
                }
            }
            misled
        });
        assert!(client.await.unwrap() > 0);
    });
}
