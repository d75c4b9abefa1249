//! IPv6, beside IPv4 and with it, and hosts with several addresses.

use std::{
    io,
    net::{IpAddr, SocketAddr},
};

use futures_util::future::join;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{
    super::{Log, SOON, said},
    net::{TcpListener, TcpSocket, TcpStream, UdpSocket, lookup_host},
    time,
};

async fn listen(ip: &str) -> (TcpListener, u16) {
    let listener = TcpListener::bind((ip, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

fn at(ip: &str, port: u16) -> SocketAddr {
    SocketAddr::new(ip.parse().unwrap(), port)
}

/// Both ends of a connection: which address each has, and whether they agree on ports.
fn ends(stream: &TcpStream, accepted: &TcpStream, from: SocketAddr) -> Vec<String> {
    let (near, far) = (stream.local_addr().unwrap(), stream.peer_addr().unwrap());
    let (their_near, their_far) = (accepted.local_addr().unwrap(), accepted.peer_addr().unwrap());
    vec![
        format!("{} to {}", near.ip(), far.ip()),
        format!("{} from {}, {}", their_near.ip(), their_far.ip(), from == their_far),
        format!("{} {}", near.port() == their_far.port(), far.port() == their_near.port()),
    ]
}

/// Connects to a listener and says what the ends are called.
async fn connected(listener: &TcpListener, connect: impl Future<Output = io::Result<TcpStream>>) -> Log {
    let (stream, accepted) = join(connect, listener.accept()).await;
    let (mut stream, (mut accepted, from)) = (stream.unwrap(), accepted.unwrap());
    let mut log = ends(&stream, &accepted, from);
    stream.write_all(b"ping").await.unwrap();
    let mut received = [0; 4];
    log.push(said(accepted.read_exact(&mut received).await));
    log
}

pub async fn a_connection_over_version_six() -> Log {
    let (listener, port) = listen("::1").await;
    let mut log = connected(&listener, TcpStream::connect(at("::1", port))).await;
    log.extend(connected(&listener, TcpStream::connect(("::1", port))).await);
    log.extend(connected(&listener, TcpStream::connect(format!("[::1]:{port}"))).await);
    log.extend(connected(&listener, TcpStream::connect(at("::", port))).await);
    log
}

pub async fn all_addresses_are_those_of_both_families() -> Log {
    let (listener, port) = listen("::").await;
    let mut log = vec![listener.local_addr().unwrap().ip().to_string()];
    for ip in ["::1", "127.0.0.1", "0.0.0.0", "::ffff:127.0.0.1"] {
        log.extend(connected(&listener, TcpStream::connect(at(ip, port))).await);
    }
    log
}

pub async fn an_address_of_one_family_is_not_reached_by_the_other() -> Log {
    let ((_six, port), (_four, other)) = (listen("::1").await, listen("127.0.0.1").await);
    vec![
        said(TcpStream::connect(at("127.0.0.1", port)).await.map(drop)),
        said(TcpStream::connect(at("::1", other)).await.map(drop)),
    ]
}

pub async fn mapped_addresses_are_those_of_version_four() -> Log {
    let (listener, port) = listen("127.0.0.1").await;
    let mut log = connected(&listener, TcpStream::connect(at("::ffff:127.0.0.1", port))).await;
    let socket = TcpSocket::new_v6().unwrap();
    log.extend(connected(&listener, socket.connect(at("::ffff:127.0.0.1", port))).await);
    let (listener, port) = listen("::ffff:127.0.0.1").await;
    log.push(listener.local_addr().unwrap().ip().to_string());
    log.extend(connected(&listener, TcpStream::connect(at("127.0.0.1", port))).await);
    log.push(said(TcpStream::connect(at("::1", port)).await.map(drop)));
    log
}

/// Who may have a port that a listener has, at an address.
async fn beside(first: &str, others: &[&str]) -> Log {
    let (_listener, port) = listen(first).await;
    let mut log = Log::new();
    for ip in others {
        log.push(format!("{first} {ip} {}", said(TcpListener::bind(at(ip, port)).await.map(drop))));
    }
    log
}

pub async fn a_port_is_taken_once_at_each_address() -> Log {
    let all = ["127.0.0.1", "0.0.0.0", "::1", "::", "::ffff:127.0.0.1", "::ffff:0.0.0.0"];
    let mut log = Log::new();
    for ip in all {
        log.extend(beside(ip, &all).await);
    }
    log
}

pub async fn a_port_of_datagrams_is_taken_once_at_each_address() -> Log {
    let all = ["127.0.0.1", "0.0.0.0", "::1", "::", "::ffff:127.0.0.1", "::ffff:0.0.0.0"];
    let mut log = Log::new();
    for first in all {
        let socket = UdpSocket::bind((first, 0)).await.unwrap();
        let port = socket.local_addr().unwrap().port();
        for ip in all {
            log.push(format!("{first} {ip} {}", said(UdpSocket::bind(at(ip, port)).await.map(drop))));
        }
    }
    log
}

pub async fn both_families_have_a_listener_at_one_port() -> Log {
    let (four, port) = listen("127.0.0.1").await;
    let six = TcpListener::bind(at("::1", port)).await.unwrap();
    let mut log = connected(&four, TcpStream::connect(at("127.0.0.1", port))).await;
    log.extend(connected(&six, TcpStream::connect(at("::1", port))).await);
    drop(four);
    log.push(said(TcpStream::connect(at("127.0.0.1", port)).await.map(drop)));
    log.extend(connected(&six, TcpStream::connect(at("::1", port))).await);
    log
}

pub async fn a_socket_for_version_six() -> Log {
    let socket = TcpSocket::new_v6().unwrap();
    let mut log = vec![said(socket.local_addr()), said(socket.bind(at("127.0.0.1", 0)))];
    log.push(said(socket.bind(at("::1", 0))));
    log.push(said(socket.local_addr().map(|local| local.ip())));
    let listener = socket.listen(8).unwrap();
    let port = listener.local_addr().unwrap().port();
    let from = TcpSocket::new_v6().unwrap();
    from.bind(at("::1", 0)).unwrap();
    log.extend(connected(&listener, from.connect(at("::1", port))).await);
    log
}

pub async fn a_socket_of_the_other_family() -> Log {
    let ((_six, port), (_four, other)) = (listen("::1").await, listen("127.0.0.1").await);
    vec![
        said(TcpSocket::new_v4().unwrap().bind(at("::1", 0))),
        said(TcpSocket::new_v4().unwrap().connect(at("::1", port)).await.map(drop)),
        said(TcpSocket::new_v6().unwrap().connect(at("127.0.0.1", other)).await.map(drop)),
        said(UdpSocket::bind(at("2001:db8::7", 0)).await.map(drop)),
        said(TcpListener::bind(at("2001:db8::7", 0)).await.map(drop)),
    ]
}

async fn datagram(from: &UdpSocket, to: SocketAddr, receiver: &UdpSocket) -> String {
    let sent = said(from.send_to(b"hello", to).await);
    let mut buffer = [0; 8];
    let received = time::timeout(SOON, receiver.recv_from(&mut buffer)).await;
    let received =
        received.map_or_else(|_| "nothing".into(), |r| said(r.map(|(count, from)| (count, from.ip()))));
    format!("{sent}, {received}")
}

async fn bound(ip: &str) -> (UdpSocket, u16) {
    let socket = UdpSocket::bind((ip, 0)).await.unwrap();
    let port = socket.local_addr().unwrap().port();
    (socket, port)
}

pub async fn datagrams_over_version_six() -> Log {
    let ((a, _), (b, port)) = (bound("::1").await, bound("::1").await);
    let mut log = vec![datagram(&a, at("::1", port), &b).await];
    log.push(said(a.connect(at("::1", port)).await));
    log.push(said(a.peer_addr().map(|peer| peer == at("::1", port))));
    log.push(said(a.send(b"x").await));
    log.push(said(b.recv(&mut [0; 8]).await));
    log
}

pub async fn a_socket_of_both_families_takes_datagrams_of_either() -> Log {
    let ((both, port), (four, at_four), (six, at_six)) =
        (bound("::").await, bound("127.0.0.1").await, bound("::1").await);
    let mut log = vec![datagram(&four, at("127.0.0.1", port), &both).await];
    log.push(datagram(&six, at("::1", port), &both).await);
    log.push(datagram(&both, at("::ffff:127.0.0.1", at_four), &four).await);
    log.push(datagram(&both, at("127.0.0.1", at_four), &four).await);
    log.push(datagram(&both, at("::1", at_six), &six).await);
    log.push(said(both.connect(at("::ffff:127.0.0.1", at_four)).await));
    log.push(said(both.local_addr().map(|local| local.ip())));
    log.push(said(both.peer_addr().map(|peer| peer.ip())));
    log.push(said(both.send(b"x").await));
    log.push(said(four.recv(&mut [0; 8]).await));
    log
}

pub async fn datagrams_to_the_other_family() -> Log {
    let ((four, at_four), (six, at_six)) = (bound("127.0.0.1").await, bound("::1").await);
    vec![
        said(four.send_to(b"x", at("::1", at_six)).await),
        said(four.send_to(b"x", at("::ffff:127.0.0.1", at_four)).await),
        said(six.send_to(b"x", at("::1", at_six)).await),
    ]
}

pub async fn several_addresses_are_tried_in_turn() -> Log {
    let (listener, port) = listen("127.0.0.1").await;
    let nobody = listen("127.0.0.1").await.1;
    let (bad, good) = (at("127.0.0.1", nobody), at("127.0.0.1", port));
    let mut log = connected(&listener, TcpStream::connect(&[bad, good][..])).await;
    log.push(said(TcpStream::connect(&[bad, bad][..]).await.map(drop)));
    log.push(said(TcpStream::connect(&[][..]).await.map(drop)));
    let (strange, any) = (at("203.0.113.7", 0), at("127.0.0.1", 0));
    log.push(said(TcpListener::bind(&[strange, any][..]).await.map(drop)));
    log.push(said(UdpSocket::bind(&[strange, any][..]).await.map(drop)));
    log.push(said(UdpSocket::bind(&[strange, strange][..]).await.map(drop)));
    log.push(said(UdpSocket::bind(&[][..]).await.map(drop)));
    let (socket, _) = bound("127.0.0.1").await;
    log.push(said(socket.send_to(b"x", &[][..]).await));
    log
}

pub async fn addresses_are_looked_up() -> Log {
    let mut log = Log::new();
    for host in ["127.0.0.1:80", "[::1]:80", "[::ffff:127.0.0.1]:80", "127.0.0.1", "[::1]:port"] {
        log.push(said(lookup_host(host).await.map(Iterator::collect::<Vec<_>>)));
    }
    let v6: IpAddr = "::1".parse().unwrap();
    log.push(said(lookup_host((v6, 80)).await.map(Iterator::collect::<Vec<_>>)));
    log.push(said(lookup_host(("::1", 80)).await.map(Iterator::collect::<Vec<_>>)));
    log
}

pub async fn options_of_a_socket() -> Log {
    let mut log = Log::new();
    for new in [TcpSocket::new_v4, TcpSocket::new_v6] {
        let socket = new().unwrap();
        log.extend([said(socket.tos_v4()), said(socket.tclass_v6()), said(socket.reuseport())]);
        log.extend([said(socket.set_tos_v4(0xb8)), said(socket.tos_v4())]);
        log.extend([said(socket.set_tclass_v6(0xb8)), said(socket.tclass_v6())]);
        log.push(said(socket.set_tclass_v6(256)));
        log.extend([said(socket.set_reuseport(true)), said(socket.reuseport())]);
        log.extend([said(socket.set_send_buffer_size(50_000)), said(socket.send_buffer_size())]);
        log.extend([said(socket.set_recv_buffer_size(50_000)), said(socket.recv_buffer_size())]);
    }
    log
}

pub async fn options_of_datagrams() -> Log {
    let mut log = Log::new();
    for ip in ["127.0.0.1", "::1"] {
        let (socket, _) = bound(ip).await;
        log.extend([said(socket.broadcast()), said(socket.ttl()), said(socket.tos_v4())]);
        log.extend([said(socket.multicast_loop_v4()), said(socket.multicast_ttl_v4())]);
        log.extend([said(socket.multicast_loop_v6()), said(socket.tclass_v6())]);
        log.extend([said(socket.set_broadcast(true)), said(socket.broadcast())]);
        log.extend([said(socket.set_multicast_loop_v4(false)), said(socket.multicast_loop_v4())]);
        log.extend([said(socket.set_multicast_ttl_v4(7)), said(socket.multicast_ttl_v4())]);
        log.extend([
            said(socket.set_multicast_ttl_v4(256)),
            said(socket.set_ttl(0)),
            said(socket.set_ttl(256)),
        ]);
        log.extend([said(socket.set_ttl(9)), said(socket.ttl())]);
        log.extend([said(socket.set_tos_v4(0xb8)), said(socket.tos_v4())]);
        log.extend([said(socket.set_tclass_v6(0xb8)), said(socket.tclass_v6())]);
    }
    log
}
