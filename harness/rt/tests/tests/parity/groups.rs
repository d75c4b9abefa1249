//! Datagrams for many: broadcast and multicast, on the machine's own net.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use super::{
    super::{Log, SOON, said},
    net::UdpSocket,
    time,
};

const GROUP: Ipv4Addr = Ipv4Addr::new(239, 1, 2, 3);
const OTHER: Ipv4Addr = Ipv4Addr::new(239, 1, 2, 4);
const GROUP6: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0x1234, 1);
/// The number of the machine's own interface.
const LOOPBACK: u32 = 1;

async fn bound(ip: &str) -> (UdpSocket, u16) {
    let socket = UdpSocket::bind((ip, 0)).await.unwrap();
    let port = socket.local_addr().unwrap().port();
    (socket, port)
}

async fn received(socket: &UdpSocket) -> String {
    let mut buffer = [0; 8];
    let received = time::timeout(SOON, socket.recv_from(&mut buffer)).await;
    received.map_or_else(|_| "nothing".into(), |r| said(r.map(|(count, from)| (count, from.ip()))))
}

pub async fn who_may_not_broadcast_does_not() -> Log {
    let (socket, port) = bound("0.0.0.0").await;
    let all = SocketAddr::from((Ipv4Addr::BROADCAST, port));
    let mut log = vec![said(socket.send_to(b"all", all).await), said(socket.try_send_to(b"all", all))];
    log.push(said(socket.connect(all).await));
    log
}

pub async fn groups_that_are_none() -> Log {
    let (socket, _) = bound("0.0.0.0").await;
    let loopback = Ipv4Addr::LOCALHOST;
    vec![
        said(socket.join_multicast_v4("10.1.2.3".parse().unwrap(), loopback)),
        said(socket.join_multicast_v4(GROUP, "203.0.113.7".parse().unwrap())),
        said(socket.leave_multicast_v4(GROUP, loopback)),
        said(socket.join_multicast_v6(&GROUP6, LOOPBACK)),
    ]
}

pub async fn a_group_is_joined_once() -> Log {
    let ((socket, _), (other, _)) = (bound("0.0.0.0").await, bound("0.0.0.0").await);
    let loopback = Ipv4Addr::LOCALHOST;
    vec![
        said(socket.join_multicast_v4(GROUP, loopback)),
        said(socket.join_multicast_v4(GROUP, loopback)),
        said(socket.join_multicast_v4(OTHER, loopback)),
        said(other.join_multicast_v4(GROUP, loopback)),
        said(socket.leave_multicast_v4(GROUP, loopback)),
        said(socket.leave_multicast_v4(GROUP, loopback)),
        said(socket.join_multicast_v4(GROUP, loopback)),
    ]
}

pub async fn a_group_of_version_six_is_joined_once() -> Log {
    let (socket, _) = bound("::").await;
    vec![
        said(socket.join_multicast_v6(&Ipv6Addr::LOCALHOST, LOOPBACK)),
        said(socket.join_multicast_v6(&GROUP6, 77)),
        said(socket.join_multicast_v6(&GROUP6, LOOPBACK)),
        said(socket.join_multicast_v6(&GROUP6, LOOPBACK)),
        said(socket.leave_multicast_v6(&GROUP6, LOOPBACK)),
        said(socket.leave_multicast_v6(&GROUP6, LOOPBACK)),
    ]
}

pub async fn a_member_hears_what_is_sent_to_its_group() -> Log {
    let ((member, port), (sender, _)) = (bound("0.0.0.0").await, bound("127.0.0.1").await);
    let mut log = vec![said(sender.send_to(b"early", (GROUP, port)).await), received(&member).await];
    member.join_multicast_v4(GROUP, Ipv4Addr::LOCALHOST).unwrap();
    log.extend([said(sender.send_to(b"now", (GROUP, port)).await), received(&member).await]);
    log.extend([said(sender.send_to(b"other", (OTHER, port)).await), received(&member).await]);
    member.leave_multicast_v4(GROUP, Ipv4Addr::LOCALHOST).unwrap();
    log.extend([said(sender.send_to(b"late", (GROUP, port)).await), received(&member).await]);
    log
}

pub async fn who_sends_to_a_group_may_not_want_to_hear_it() -> Log {
    let ((member, port), (sender, _)) = (bound("0.0.0.0").await, bound("127.0.0.1").await);
    member.join_multicast_v4(GROUP, Ipv4Addr::LOCALHOST).unwrap();
    let mut log = vec![said(sender.set_multicast_loop_v4(false))];
    log.push(said(sender.connect((GROUP, port)).await));
    log.push(said(sender.peer_addr().map(|peer| peer.ip())));
    sender.set_multicast_loop_v4(true).unwrap();
    log.extend([said(sender.send(b"now").await), received(&member).await]);
    log
}
