//! UDP sockets.

use std::net::SocketAddr;

use futures_util::{FutureExt, future::join};

use super::{
    super::{Log, SOON, said},
    net::UdpSocket,
    time,
};

async fn bind() -> (UdpSocket, SocketAddr) {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    (socket, address)
}

/// An address where there is no socket.
async fn nobody() -> SocketAddr {
    bind().await.1
}

/// Receives once, with room for eight bytes.
async fn receive(socket: &UdpSocket) -> String {
    let mut buffer = [0; 8];
    let result = time::timeout(SOON, socket.recv(&mut buffer)).await;
    result.map_or_else(|_| "nothing".into(), |result| said(result.map(|count| buffer[..count].to_vec())))
}

pub async fn they_come_and_say_from_where() -> Log {
    let ((a, at_a), (b, at_b)) = (bind().await, bind().await);
    let mut log = vec![said(a.send_to(b"ping", at_b).await)];
    let mut buffer = [0; 8];
    let (count, from) = b.recv_from(&mut buffer).await.unwrap();
    log.push(format!("{:?} {}", &buffer[..count], from == at_a));
    log
}

pub async fn ports_are_taken_once() -> Log {
    let (socket, address) = bind().await;
    let mut log = vec![said(UdpSocket::bind(address).await.map(drop))];
    drop(socket);
    log.push(said(UdpSocket::bind(address).await.map(drop)));
    log
}

pub async fn the_whole_machine_includes_loopback() -> Log {
    let all = UdpSocket::bind("0.0.0.0:0").await.unwrap();
    let port = all.local_addr().unwrap().port();
    vec![
        all.local_addr().unwrap().ip().to_string(),
        said(UdpSocket::bind(("127.0.0.1", port)).await.map(drop)),
        said(UdpSocket::bind("203.0.113.7:0").await.map(drop)),
    ]
}

pub async fn any_port_is_another() -> Log {
    let ((one, first), (other, second)) = (bind().await, bind().await);
    drop((one, other));
    vec![format!("{}", first.port() != second.port()), format!("{}", first.port() >= 1024)]
}

pub async fn what_does_not_fit_is_lost() -> Log {
    let ((a, _), (b, at_b)) = (bind().await, bind().await);
    a.send_to(b"0123456789", at_b).await.unwrap();
    a.send_to(b"next", at_b).await.unwrap();
    a.send_to(b"last", at_b).await.unwrap();
    let mut log = vec![receive(&b).await];
    log.push(said(b.recv(&mut []).await));
    log.push(receive(&b).await);
    log
}

pub async fn empty_ones_arrive() -> Log {
    let ((a, _), (b, at_b)) = (bind().await, bind().await);
    let sent = said(a.send_to(b"", at_b).await);
    vec![sent, receive(&b).await]
}

pub async fn the_longest_arrives() -> Log {
    let ((a, _), (b, at_b)) = (bind().await, bind().await);
    let mut log = vec![said(a.send_to(&vec![7; 65_507], at_b).await)];
    let mut buffer = vec![0; 70_000];
    log.push(said(b.recv(&mut buffer).await));
    log
}

pub async fn longer_ones_are_refused() -> Log {
    let ((a, _), (b, at_b)) = (bind().await, bind().await);
    let mut log = vec![said(a.send_to(&vec![7; 65_508], at_b).await)];
    a.send_to(b"next", at_b).await.unwrap();
    log.push(receive(&b).await);
    log
}

pub async fn nobody_there_is_no_error_without_a_peer() -> Log {
    let nobody = nobody().await;
    let ((a, at_a), (b, at_b)) = (bind().await, bind().await);
    let mut log = Log::new();
    for _ in 0..3 {
        log.push(said(a.send_to(b"lost", nobody).await));
    }
    b.send_to(b"found", at_a).await.unwrap();
    log.push(receive(&a).await);
    log.push(said(a.send_to(b"back", at_b).await));
    log.push(receive(&b).await);
    log
}

pub async fn nobody_there_is_told_to_the_one_who_chose_the_peer() -> Log {
    let nobody = nobody().await;
    let (a, _) = bind().await;
    a.connect(nobody).await.unwrap();
    let mut log = vec![said(a.send(b"lost").await), receive(&a).await];
    log.push(said(a.send(b"lost again").await));
    log.push(receive(&a).await);
    log.push(receive(&a).await);
    log
}

pub async fn only_the_peer_is_heard() -> Log {
    let ((a, at_a), (b, at_b), (stranger, _)) = (bind().await, bind().await, bind().await);
    a.connect(at_b).await.unwrap();
    stranger.send_to(b"strange", at_a).await.unwrap();
    b.send_to(b"known", at_a).await.unwrap();
    let mut log = vec![receive(&a).await, said(a.send(b"back").await)];
    log.push(format!("{}", a.peer_addr().unwrap() == at_b));
    log.push(receive(&b).await);
    log.push(receive(&a).await);
    log
}

pub async fn what_came_before_the_peer_was_chosen_stays() -> Log {
    let ((a, at_a), (_b, at_b), (stranger, _)) = (bind().await, bind().await, bind().await);
    stranger.send_to(b"early", at_a).await.unwrap();
    a.peek_from(&mut [0]).await.unwrap();
    a.connect(at_b).await.unwrap();
    stranger.send_to(b"late", at_a).await.unwrap();
    vec![receive(&a).await, receive(&a).await]
}

pub async fn another_may_still_be_sent_to() -> Log {
    let ((a, _), (_b, at_b), (c, at_c)) = (bind().await, bind().await, bind().await);
    a.connect(at_b).await.unwrap();
    let sent = said(a.send_to(b"aside", at_c).await);
    vec![sent, receive(&c).await]
}

pub async fn the_peer_can_be_changed() -> Log {
    let ((a, _), (b, at_b), (c, at_c)) = (bind().await, bind().await, bind().await);
    a.connect(at_b).await.unwrap();
    a.send(b"to b").await.unwrap();
    a.connect(at_c).await.unwrap();
    a.send(b"to c").await.unwrap();
    vec![receive(&b).await, receive(&c).await, format!("{}", a.peer_addr().unwrap() == at_c)]
}

pub async fn no_peer_no_address() -> Log {
    vec![said(bind().await.0.peer_addr())]
}

pub async fn sending_without_a_peer() -> Log {
    let (a, _) = bind().await;
    vec![said(a.send(b"whereto").await), said(a.try_send(b"whereto"))]
}

pub async fn choosing_a_peer_chooses_the_address() -> Log {
    let a = UdpSocket::bind("0.0.0.0:0").await.unwrap();
    let (_b, at_b) = bind().await;
    a.connect(at_b).await.unwrap();
    vec![a.local_addr().unwrap().ip().to_string()]
}

pub async fn peeking_leaves_it_there() -> Log {
    let ((a, at_a), (b, at_b)) = (bind().await, bind().await);
    a.send_to(b"look", at_b).await.unwrap();
    let mut buffer = [0; 2];
    let mut log = Log::new();
    for _ in 0..2 {
        let (count, from) = b.peek_from(&mut buffer).await.unwrap();
        log.push(format!("{count} {buffer:?} {}", from == at_a));
    }
    log.push(receive(&b).await);
    log
}

pub async fn trying_does_not_wait() -> Log {
    let ((a, _), (b, at_b)) = (bind().await, bind().await);
    let mut buffer = [0; 8];
    let mut log = vec![said(b.try_recv_from(&mut buffer).map(drop))];
    a.connect(at_b).await.unwrap();
    // Whether a socket takes anything is known from its first event on.
    a.send(b"one").await.unwrap();
    log.push(said(a.try_send(b"two")));
    log.push(said(a.try_send_to(b"three", at_b)));
    for _ in 0..3 {
        b.peek_from(&mut [0]).await.unwrap();
        log.push(said(b.try_recv(&mut buffer)));
    }
    log.push(said(b.try_recv(&mut buffer)));
    log
}

pub async fn a_receive_that_is_dropped_takes_nothing() -> Log {
    let ((a, _), (b, at_b)) = (bind().await, bind().await);
    let mut log = Log::new();
    for _ in 0..3 {
        log.push(format!("{}", b.recv(&mut [0; 8]).now_or_never().is_some()));
    }
    a.send_to(b"all", at_b).await.unwrap();
    log.push(receive(&b).await);
    log
}

pub async fn two_may_receive() -> Log {
    let ((a, _), (b, at_b)) = (bind().await, bind().await);
    let send = async {
        a.send_to(b"one", at_b).await.unwrap();
        a.send_to(b"two", at_b).await.unwrap();
    };
    let ((one, other), ()) = join(join(receive(&b), receive(&b)), send).await;
    let mut log = vec![one, other];
    log.sort();
    log
}

pub async fn they_come_in_order_on_loopback() -> Log {
    let ((a, _), (b, at_b)) = (bind().await, bind().await);
    for n in 0..50 {
        a.send_to(&[n], at_b).await.unwrap();
    }
    let mut log = Log::new();
    for _ in 0..50 {
        log.push(receive(&b).await);
    }
    log
}

pub async fn what_the_buffer_cannot_hold_is_lost() -> Log {
    let ((a, _), (b, at_b)) = (bind().await, bind().await);
    let mut log = Log::new();
    for n in 0..1_000_u16 {
        let mut datagram = vec![0; 1_000];
        datagram[..2].copy_from_slice(&n.to_le_bytes());
        log.extend(a.send_to(&datagram, at_b).await.err().map(|e| said::<()>(Err(e))));
    }
    // Whoever sends so much gives way in between: nothing is to be received before all of it is there.
    time::sleep(SOON).await;
    let mut received = Vec::new();
    let mut buffer = [0; 1_000];
    while let Ok(Ok(_)) = time::timeout(SOON, b.recv(&mut buffer)).await {
        received.push(u16::from_le_bytes([buffer[0], buffer[1]]));
    }
    log.push(format!("some are lost: {}", received.len() < 1_000));
    log.push(format!("the first are there: {}", received.iter().copied().eq(0..received.len() as u16)));
    log
}

pub async fn one_may_talk_to_oneself() -> Log {
    let (a, at_a) = bind().await;
    a.connect(at_a).await.unwrap();
    let sent = said(a.send(b"echo").await);
    vec![sent, receive(&a).await]
}

pub async fn the_whole_machine_sends_from_loopback() -> Log {
    let all = UdpSocket::bind("0.0.0.0:0").await.unwrap();
    let port = all.local_addr().unwrap().port();
    let (b, at_b) = bind().await;
    all.send_to(b"there", at_b).await.unwrap();
    let mut buffer = [0; 8];
    let (_, from) = b.recv_from(&mut buffer).await.unwrap();
    let mut log = vec![from.ip().to_string(), format!("{}", from.port() == port)];
    log.push(said(b.send_to(b"back", ("0.0.0.0", port)).await));
    log.push(receive(&all).await);
    log
}

pub async fn what_waits_is_gone_with_the_socket() -> Log {
    let ((a, _), (b, at_b)) = (bind().await, bind().await);
    a.send_to(b"old", at_b).await.unwrap();
    b.peek_from(&mut [0]).await.unwrap();
    drop(b);
    let b = UdpSocket::bind(at_b).await.unwrap();
    a.send_to(b"new", at_b).await.unwrap();
    vec![receive(&b).await, receive(&b).await]
}

pub async fn nobody_there_is_told_on_the_next_send() -> Log {
    let nobody = nobody().await;
    let (a, _) = bind().await;
    a.connect(nobody).await.unwrap();
    let mut log = vec![said(a.send(b"lost").await)];
    time::sleep(SOON / 3).await;
    for _ in 0..4 {
        log.push(said(a.send(b"another").await));
        time::sleep(SOON / 3).await;
    }
    log
}

pub async fn nobody_there_is_taken_once() -> Log {
    let nobody = nobody().await;
    let (a, _) = bind().await;
    a.connect(nobody).await.unwrap();
    let mut log = vec![said(a.take_error().map(|e| e.is_none())), said(a.send(b"lost").await)];
    log.push(format!("{}", time::timeout(SOON, a.readable()).await.is_ok()));
    for _ in 0..2 {
        log.push(format!("{:?}", a.take_error().unwrap().map(|e| e.raw_os_error())));
    }
    log.push(receive(&a).await);
    log
}

pub async fn nobody_there_is_not_told_of_another() -> Log {
    let nobody = nobody().await;
    let ((a, _), (_b, at_b)) = (bind().await, bind().await);
    a.connect(at_b).await.unwrap();
    let mut log = vec![said(a.send_to(b"lost", nobody).await), receive(&a).await];
    log.push(said(a.send(b"fine").await));
    log
}

pub async fn one_who_has_chosen_another_is_nobody() -> Log {
    let ((a, at_a), (b, at_b), (_c, at_c)) = (bind().await, bind().await, bind().await);
    b.connect(at_c).await.unwrap();
    a.connect(at_b).await.unwrap();
    let mut log = vec![said(a.send(b"unheard").await), receive(&a).await];
    b.connect(at_a).await.unwrap();
    log.push(said(a.send(b"heard").await));
    log.push(receive(&b).await);
    log
}

pub async fn a_peer_that_has_gone_and_one_that_comes() -> Log {
    let ((a, _), (b, at_b)) = (bind().await, bind().await);
    a.connect(at_b).await.unwrap();
    drop(b);
    let mut log = vec![said(a.send(b"gone").await), receive(&a).await];
    let b = UdpSocket::bind(at_b).await.unwrap();
    log.push(said(a.send(b"back").await));
    log.push(receive(&b).await);
    log.push(receive(&a).await);
    log
}

pub async fn sending_to_port_zero() -> Log {
    vec![said(bind().await.0.send_to(b"x", "127.0.0.1:0").await)]
}

pub async fn choosing_another_keeps_the_address() -> Log {
    let a = UdpSocket::bind("0.0.0.0:0").await.unwrap();
    let port = a.local_addr().unwrap().port();
    let ((b, at_b), (c, at_c)) = (bind().await, bind().await);
    a.connect(at_b).await.unwrap();
    a.connect(at_c).await.unwrap();
    let local = a.local_addr().unwrap();
    let mut log = vec![format!("{} {}", local.ip(), local.port() == port)];
    log.push(said(c.send_to(b"here", local).await));
    log.push(receive(&a).await);
    log.push(said(b.send_to(b"not here", local).await));
    log.push(receive(&a).await);
    log
}

pub async fn one_may_wait_until_there_is_something_to_receive() -> Log {
    let ((a, _), (b, at_b)) = (bind().await, bind().await);
    let mut log = vec![format!("{}", time::timeout(SOON, b.readable()).await.is_ok())];
    log.push(said(a.writable().await));
    let (ready, _) = join(b.readable(), a.send_to(b"now", at_b)).await;
    log.push(said(ready));
    log.push(receive(&b).await);
    log
}

pub async fn version_six_is_another_family() -> Log {
    let (a, _) = bind().await;
    vec![said(a.connect("[::1]:7").await), said(a.send_to(b"x", "[::1]:7").await)]
}

pub async fn one_who_has_received_is_told_that_there_is_more() -> Log {
    let ((a, _), (b, at_b)) = (bind().await, bind().await);
    a.send_to(b"one", at_b).await.unwrap();
    let mut log = vec![said(b.readable().await), said(b.try_recv(&mut [0; 8]))];
    log.push(format!("{}", time::timeout(SOON, b.readable()).await.is_ok()));
    log.push(said(b.try_recv(&mut [0; 8])));
    log.push(format!("{}", time::timeout(SOON, b.readable()).await.is_ok()));
    log
}

pub async fn looking_at_what_is_there_takes_nothing() -> Log {
    let ((a, at_a), (b, at_b)) = (bind().await, bind().await);
    a.send_to(b"one", at_b).await.unwrap();
    b.readable().await.unwrap();
    let mut buffer = [0; 8];
    let mut log = vec![said(b.try_peek(&mut buffer)), said(b.peek(&mut buffer[..2]).await)];
    log.push(said(b.try_peek_sender().map(|from| from == at_a)));
    log.push(said(b.peek_sender().await.map(|from| from == at_a)));
    log.push(said(b.try_peek_from(&mut buffer).map(|(count, from)| (count, from == at_a))));
    log.push(receive(&b).await);
    log.push(said(b.try_peek(&mut buffer)));
    log
}

pub async fn what_is_received_goes_behind_what_there_is() -> Log {
    let ((a, at_a), (b, at_b)) = (bind().await, bind().await);
    let mut buffer = b"0".to_vec();
    let mut log = Log::new();
    for text in [&b"one"[..], b"two", b"three", b"four"] {
        a.send_to(text, at_b).await.unwrap();
    }
    log.push(said(b.recv_buf(&mut buffer).await));
    log.push(said(b.recv_buf_from(&mut buffer).await.map(|(count, from)| (count, from == at_a))));
    log.push(said(b.try_recv_buf(&mut buffer)));
    log.push(said(b.try_recv_buf_from(&mut buffer).map(|(count, from)| (count, from == at_a))));
    log.push(said(b.try_recv_buf(&mut buffer)));
    log.push(String::from_utf8(buffer).unwrap());
    log
}
