//! IPv6 between nodes, and names that stand for it.

use std::net::{IpAddr, SocketAddr};

use squall_rt::{net::lookup_host, world::net::Names};

use super::*;

fn addr(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

#[test]
fn nodes_reach_each_other_over_version_six() {
    in_a_world(1, |world| async move {
        let (a, b) = two_nodes(&world);
        assert_eq!(world.net().address_v6(b), "fd00::2".parse::<IpAddr>().unwrap());
        let server = start(&world, b, async {
            let listener = TcpListener::bind("[::]:7000").await.unwrap();
            let mut froms = Vec::new();
            for _ in 0..2 {
                let (stream, from) = listener.accept().await.unwrap();
                assert_eq!(stream.peer_addr().unwrap(), from);
                froms.push((stream.local_addr().unwrap(), from.ip().to_string()));
            }
            froms
        });
        let client = start(&world, a, async {
            let stream = TcpStream::connect("[fd00::2]:7000").await.unwrap();
            assert_about(now(), ms(10));
            assert_eq!(stream.peer_addr().unwrap(), addr("[fd00::2]:7000"));
            assert_eq!(stream.local_addr().unwrap().ip().to_string(), "fd00::1");
            TcpStream::connect("10.0.0.2:7000").await.unwrap();
            let stranger = TcpStream::connect("[fd00::77]:7000").await.unwrap_err();
            assert_eq!(stranger.kind(), std::io::ErrorKind::NetworkUnreachable);
        });
        client.await.unwrap();
        let expected = [
            (addr("[fd00::2]:7000"), "fd00::1".to_owned()),
            (addr("[::ffff:10.0.0.2]:7000"), "::ffff:10.0.0.1".to_owned()),
        ];
        assert_eq!(server.await.unwrap(), expected);
    });
}

#[test]
fn a_fault_on_a_link_is_on_both_families() {
    in_a_world(1, |world| async move {
        let (a, b) = two_nodes(&world);
        start(&world, b, async {
            let _listener = TcpListener::bind("[::]:7000").await.unwrap();
            std::future::pending::<()>().await;
        });
        impose(&world, a, b, LinkEffect::Block(BlockMode::Reject));
        let client = start(&world, a, async {
            for address in ["10.0.0.2:7000", "[fd00::2]:7000"] {
                let refused = TcpStream::connect(address).await.unwrap_err();
                assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused, "{address}");
            }
        });
        client.await.unwrap();
    });
}

#[test]
fn names_stand_for_the_addresses_that_the_world_says() {
    in_a_world(1, |world| async move {
        let (a, b) = two_nodes(&world);
        start(&world, b, async {
            let _listener = TcpListener::bind("0.0.0.0:7000").await.unwrap();
            std::future::pending::<()>().await;
        });
        let net = world.net().clone();
        let client = start(&world, a, async move {
            let looked_up = async |host: &str| {
                let all: Vec<_> =
                    lookup_host((host, 7000)).await.unwrap().map(|at| at.ip().to_string()).collect();
                all.join(" ")
            };
            assert_eq!(looked_up("b").await, "10.0.0.2");
            assert_eq!(looked_up("localhost").await, "127.0.0.1");
            net.set_names(Names::V6);
            assert_eq!(looked_up("b").await, "fd00::2");
            assert_eq!(looked_up("localhost").await, "::1");
            assert!(TcpStream::connect("b:7000").await.is_err(), "it listens for version four");
            net.set_names(Names::V6ThenV4);
            assert_eq!(looked_up("b").await, "fd00::2 10.0.0.2");
            assert_eq!(looked_up("localhost").await, "::1 127.0.0.1");
            let since = now();
            let stream = TcpStream::connect("b:7000").await.unwrap();
            assert_eq!(stream.peer_addr().unwrap(), addr("10.0.0.2:7000"));
            assert_about(now() - since, ms(20));
            assert_eq!(looked_up("ip6-localhost").await, "::1");
            assert!(lookup_host("nobody:7000").await.is_err());
        });
        client.await.unwrap();
    });
}

/// A header of IPv6 is twenty bytes longer, so that less fits into a segment.
#[test]
fn segments_of_version_six_fit_the_link_too() {
    let segments = |address: &'static str| {
        in_a_world(1, move |world| async move {
            let (a, b) = two_nodes(&world);
            let delay = LinkEffect::Delay { by: Duration::from_nanos(1), jitter: Duration::ZERO };
            let counter = impose(&world, a, b, delay);
            let server = start(&world, b, async {
                let listener = TcpListener::bind("[::]:7000").await.unwrap();
                listener.accept().await.unwrap().0.read_exact(&mut [0; 14_500]).await.unwrap();
            });
            start(&world, a, async move {
                let mut stream = TcpStream::connect(address).await.unwrap();
                stream.write_all(&[1; 14_500]).await.unwrap();
                std::future::pending::<()>().await;
            });
            server.await.unwrap();
            world.net().lift(counter)
        })
    };
    assert_eq!(segments("10.0.0.2:7000"), 2 + 10, "a handshake and ten segments, of 1,460 bytes at most");
    assert_eq!(segments("[fd00::2]:7000"), 2 + 11, "of 1,440 bytes");
}
