//! Datagrams for many nodes: broadcast and multicast.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use super::*;

const GROUP: Ipv4Addr = Ipv4Addr::new(239, 1, 2, 3);
const GROUP6: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0xfb);

/// What comes to port 53 within a second: what it says, from whom, when.
async fn heard(join: bool) -> Vec<(String, SocketAddr)> {
    let socket = UdpSocket::bind("[::]:53").await.unwrap();
    if join {
        socket.join_multicast_v4(GROUP, Ipv4Addr::UNSPECIFIED).unwrap();
        socket.join_multicast_v6(&GROUP6, 0).unwrap();
    }
    let mut heard = Vec::new();
    let mut buffer = [0; 64];
    while let Ok(received) = squall_rt::time::timeout(ms(1_000), socket.recv_from(&mut buffer)).await {
        let (count, from) = received.unwrap();
        heard.push((String::from_utf8_lossy(&buffer[..count]).into_owned(), from));
    }
    heard
}

fn words(heard: &[(String, SocketAddr)]) -> Vec<&str> {
    heard.iter().map(|(words, _)| &**words).collect()
}

#[test]
fn what_is_broadcast_reaches_every_node_and_oneself() {
    in_a_world(1, |world| async move {
        let (a, b) = two_nodes(&world);
        let c = world.add_node("c");
        let others = [start(&world, b, heard(false)), start(&world, c, heard(false))];
        let own = start(&world, a, async {
            let hearing = squall_rt::task::spawn(heard(false));
            let socket = UdpSocket::bind("0.0.0.0:0").await.unwrap();
            squall_rt::time::sleep(ms(1)).await;
            let refused = socket.send_to(b"all", "255.255.255.255:53").await.unwrap_err();
            assert_eq!(refused.kind(), std::io::ErrorKind::PermissionDenied);
            socket.set_broadcast(true).unwrap();
            socket.send_to(b"all", "255.255.255.255:53").await.unwrap();
            socket.send_to(b"all of the net", "10.255.255.255:53").await.unwrap();
            socket.send_to(b"nobody", "255.255.255.255:54").await.unwrap();
            hearing.await.unwrap()
        });
        let own = own.await.unwrap();
        assert_eq!(words(&own), ["all", "all of the net"]);
        for other in others {
            let other = other.await.unwrap();
            assert_eq!(words(&other), ["all", "all of the net"]);
            assert_eq!(other[0].1.ip().to_string(), "::ffff:10.0.0.1");
        }
    });
}

#[test]
fn what_is_sent_to_a_group_reaches_its_members_over_their_links() {
    in_a_world(1, |world| async move {
        let (a, b) = two_nodes(&world);
        let (c, d) = (world.add_node("c"), world.add_node("d"));
        let member = start(&world, b, heard(true));
        let stranger = start(&world, c, heard(false));
        let cut_off = start(&world, d, heard(true));
        let lost = impose(&world, a, d, LinkEffect::Block(BlockMode::Drop));
        let sender = start(&world, a, async {
            let hearing = squall_rt::task::spawn(heard(true));
            let socket = UdpSocket::bind("[::]:0").await.unwrap();
            squall_rt::time::sleep(ms(1)).await;
            socket.send_to(b"four", (GROUP, 53)).await.unwrap();
            socket.send_to(b"six", (GROUP6, 53)).await.unwrap();
            socket.set_multicast_loop_v4(false).unwrap();
            socket.set_multicast_loop_v6(false).unwrap();
            socket.connect((GROUP6, 53)).await.unwrap();
            socket.send(b"six, not to oneself").await.unwrap();
            let four = UdpSocket::bind("0.0.0.0:0").await.unwrap();
            four.set_multicast_ttl_v4(0).unwrap();
            four.send_to(b"stays", (GROUP, 53)).await.unwrap();
            hearing.await.unwrap()
        });
        let own = sender.await.unwrap();
        assert_eq!(words(&own), ["four", "six", "stays"]);
        let member = member.await.unwrap();
        assert_eq!(words(&member), ["four", "six", "six, not to oneself"]);
        let froms = member.iter().map(|(_, from)| from.ip().to_string()).collect::<Vec<_>>();
        assert_eq!(froms, ["::ffff:10.0.0.1", "fd00::1", "fd00::1"]);
        assert_eq!(stranger.await.unwrap(), []);
        assert_eq!(cut_off.await.unwrap(), []);
        assert_eq!(world.net().lift(lost), 3);
    });
}

#[test]
fn membership_ends_with_the_socket_and_with_the_process() {
    in_a_world(1, |world| async move {
        let (a, b) = two_nodes(&world);
        start(&world, b, async {
            let ears = UdpSocket::bind("0.0.0.0:53").await.unwrap();
            let member = UdpSocket::bind("0.0.0.0:0").await.unwrap();
            member.join_multicast_v4(GROUP, Ipv4Addr::UNSPECIFIED).unwrap();
            let mut buffer = [0; 64];
            ears.recv_from(&mut buffer).await.unwrap();
            assert_eq!(&buffer[..3], b"one", "any socket of a node that is a member hears it");
            drop(member);
            let heard = squall_rt::time::timeout(ms(100), ears.recv_from(&mut buffer)).await;
            assert!(heard.is_err(), "none is");
            ears.join_multicast_v4(GROUP, Ipv4Addr::UNSPECIFIED).unwrap();
            std::future::pending::<()>().await;
        });
        let sent = start(&world, a, async {
            let socket = UdpSocket::bind("0.0.0.0:0").await.unwrap();
            squall_rt::time::sleep(ms(1)).await;
            socket.send_to(b"one", (GROUP, 53)).await.unwrap();
            squall_rt::time::sleep(ms(50)).await;
            socket.send_to(b"two", (GROUP, 53)).await.unwrap();
            squall_rt::time::sleep(ms(950)).await;
            socket.send_to(b"three", (GROUP, 53)).await.unwrap();
        });
        world.sleep(ms(500)).await;
        world.crash(b, Death::Process, DiskFate::Keep);
        let before = world.net().sent();
        sent.await.unwrap();
        assert_eq!(world.net().sent(), before, "nobody is a member any more");
    });
}
