//! TCP listeners: ports, the queue of connections, and the end.

use futures_util::{FutureExt, future::join};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{
    super::{Log, SOON, said},
    net::{TcpListener, TcpSocket, TcpStream, UdpSocket},
    time,
};

async fn listen() -> (TcpListener, std::net::SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// Reads to the end.
async fn rest(mut stream: TcpStream) -> String {
    let mut received = Vec::new();
    let result = time::timeout(SOON, stream.read_to_end(&mut received)).await;
    let end = result.map_or_else(|_| "no end".into(), said);
    format!("{end} {:?}", String::from_utf8(received).unwrap())
}

pub async fn a_port_is_taken_once() -> Log {
    let (_listener, address) = listen().await;
    vec![said(TcpListener::bind(address).await.map(drop)), said(TcpListener::bind(address).await.map(drop))]
}

pub async fn a_port_is_free_again() -> Log {
    let (listener, address) = listen().await;
    drop(listener);
    let again = TcpListener::bind(address).await;
    vec![said(again.map(|again| again.local_addr().unwrap() == address))]
}

pub async fn the_whole_machine_includes_loopback() -> Log {
    let all = TcpListener::bind("0.0.0.0:0").await.unwrap();
    let port = all.local_addr().unwrap().port();
    let mut log = vec![said(TcpListener::bind(("127.0.0.1", port)).await.map(drop))];
    drop(all);
    let _loopback = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
    log.push(said(TcpListener::bind(("0.0.0.0", port)).await.map(drop)));
    log
}

pub async fn any_port_is_another() -> Log {
    let ((one, first), (other, second)) = (listen().await, listen().await);
    drop((one, other));
    vec![format!("{}", first.port() != second.port()), format!("{}", first.port() >= 1024)]
}

pub async fn addresses_of_others() -> Log {
    vec![
        said(TcpListener::bind("203.0.113.7:0").await.map(drop)),
        said(TcpListener::bind("nonsense").await.map(drop)),
    ]
}

pub async fn the_listener_knows_its_address() -> Log {
    let all = TcpListener::bind("0.0.0.0:0").await.unwrap();
    let (loopback, address) = listen().await;
    drop(loopback);
    vec![all.local_addr().unwrap().ip().to_string(), address.ip().to_string()]
}

pub async fn connections_wait_in_order() -> Log {
    let (listener, address) = listen().await;
    let mut clients = Vec::new();
    for n in 0..20_u8 {
        let mut client = TcpStream::connect(address).await.unwrap();
        client.write_all(&[b'a' + n]).await.unwrap();
        clients.push(client);
    }
    let mut log = Log::new();
    for client in clients {
        let (server, peer) = listener.accept().await.unwrap();
        log.push(format!("{}", client.local_addr().unwrap() == peer));
        drop(client);
        log.push(rest(server).await);
    }
    log.push(format!("{}", listener.accept().now_or_never().is_some()));
    log
}

pub async fn data_waits_for_accept() -> Log {
    let (listener, address) = listen().await;
    let mut client = TcpStream::connect(address).await.unwrap();
    client.write_all(b"early").await.unwrap();
    client.shutdown().await.unwrap();
    let (mut server, _) = listener.accept().await.unwrap();
    server.write_all(b"late").await.unwrap();
    vec![rest(server).await, rest(client).await]
}

pub async fn one_who_left_is_accepted() -> Log {
    let (listener, address) = listen().await;
    let mut client = TcpStream::connect(address).await.unwrap();
    client.write_all(b"farewell").await.unwrap();
    drop(client);
    vec![rest(listener.accept().await.unwrap().0).await]
}

pub async fn an_accept_that_is_dropped_takes_nothing() -> Log {
    let (listener, address) = listen().await;
    let mut log = vec![format!("{}", listener.accept().now_or_never().is_some())];
    let client = TcpStream::connect(address).await.unwrap();
    let (_, peer) = listener.accept().await.unwrap();
    log.push(format!("{}", peer == client.local_addr().unwrap()));
    log
}

pub async fn two_may_accept() -> Log {
    let (listener, address) = listen().await;
    let accept = join(listener.accept(), listener.accept());
    let connect =
        async { (TcpStream::connect(address).await.unwrap(), TcpStream::connect(address).await.unwrap()) };
    let ((one, other), clients) = join(accept, connect).await;
    let mut accepted = [one.unwrap().1, other.unwrap().1];
    let mut connected = [clients.0.local_addr().unwrap(), clients.1.local_addr().unwrap()];
    accepted.sort();
    connected.sort();
    vec![format!("{}", accepted == connected)]
}

pub async fn without_listener_new_ones_are_refused_and_old_ones_live() -> Log {
    let (listener, address) = listen().await;
    let (client, accepted) = join(TcpStream::connect(address), listener.accept()).await;
    let (client, mut server) = (client.unwrap(), accepted.unwrap().0);
    drop(listener);
    let mut log = vec![said(TcpStream::connect(address).await)];
    log.push(said(server.write_all(b"alive").await));
    drop(server);
    log.push(rest(client).await);
    log
}

pub async fn those_who_wait_go_with_the_listener() -> Log {
    let (listener, address) = listen().await;
    let (one, mut other) =
        (TcpStream::connect(address).await.unwrap(), TcpStream::connect(address).await.unwrap());
    other.write_all(b"unread").await.unwrap();
    drop(listener);
    vec![rest(one).await, rest(other).await]
}

pub async fn a_port_of_a_connection_can_be_listened_on_again() -> Log {
    let (listener, address) = listen().await;
    let (client, accepted) = join(TcpStream::connect(address), listener.accept()).await;
    drop(listener);
    let mut log = Log::new();
    // With a connection that lives, and with one whose end is remembered.
    let again = TcpListener::bind(address).await;
    log.push(said(again.map(drop)));
    drop(accepted);
    log.push(rest(client.unwrap()).await);
    log.push(said(TcpListener::bind(address).await.map(drop)));
    log
}

pub async fn tcp_and_udp_ports_are_apart() -> Log {
    let (_listener, address) = listen().await;
    vec![said(UdpSocket::bind(address).await.map(drop))]
}

fn loopback(port: u16) -> std::net::SocketAddr {
    ([127, 0, 0, 1], port).into()
}

pub async fn a_socket_has_no_address_before_it_is_bound() -> Log {
    let socket = TcpSocket::new_v4().unwrap();
    let mut log = vec![said(socket.local_addr()), said(socket.take_error().map(|e| e.is_none()))];
    log.push(said(socket.bind(loopback(0))));
    let address = socket.local_addr().unwrap();
    log.push(format!("{} {}", address.ip(), address.port() >= 1024));
    log
}

pub async fn a_socket_is_bound_once() -> Log {
    let (socket, other) = (TcpSocket::new_v4().unwrap(), TcpSocket::new_v4().unwrap());
    socket.bind(loopback(0)).unwrap();
    let address = socket.local_addr().unwrap();
    vec![
        said(socket.bind(loopback(0))),
        said(other.bind(address)),
        said(other.bind(([203, 0, 113, 7], 0).into())),
        said(TcpStream::connect(address).await.map(drop)),
    ]
}

pub async fn a_socket_that_is_dropped_frees_its_port() -> Log {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(loopback(0)).unwrap();
    let address = socket.local_addr().unwrap();
    drop(socket);
    vec![said(TcpSocket::new_v4().unwrap().bind(address))]
}

pub async fn a_socket_listens() -> Log {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(loopback(0)).unwrap();
    let address = socket.local_addr().unwrap();
    let listener = socket.listen(8).unwrap();
    let mut log = vec![format!("{}", listener.local_addr().unwrap() == address)];
    let (client, accepted) = join(TcpStream::connect(address), listener.accept()).await;
    log.push(format!("{}", client.unwrap().local_addr().unwrap() == accepted.unwrap().1));
    drop(listener);
    log.push(said(TcpStream::connect(address).await.map(drop)));
    log
}

pub async fn a_socket_listens_without_a_port() -> Log {
    let listener = TcpSocket::new_v4().unwrap().listen(8).unwrap();
    let address = listener.local_addr().unwrap();
    let mut log = vec![address.ip().to_string(), format!("{}", address.port() >= 1024)];
    log.push(said(TcpStream::connect(loopback(address.port())).await.map(drop)));
    log
}

pub async fn a_backlog_holds_one_more() -> Log {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(loopback(0)).unwrap();
    let listener = socket.listen(2).unwrap();
    let address = listener.local_addr().unwrap();
    let mut log = Log::new();
    let mut clients = Vec::new();
    for _ in 0..5 {
        let connected = time::timeout(SOON, TcpStream::connect(address)).await;
        log.push(format!("{}", connected.is_ok()));
        clients.extend(connected);
    }
    log
}

pub async fn a_socket_connects_from_its_port() -> Log {
    let (listener, address) = listen().await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(loopback(0)).unwrap();
    let from = socket.local_addr().unwrap();
    let (client, accepted) = join(socket.connect(address), listener.accept()).await;
    let client = client.unwrap();
    let mut log = vec![format!("{}", client.local_addr().unwrap() == from)];
    log.push(format!("{}", accepted.unwrap().1 == from));
    let other = TcpSocket::new_v4().unwrap();
    log.push(said(other.bind(from)));
    log
}

pub async fn a_loopback_socket_connects_to_its_machine() -> Log {
    let all = TcpListener::bind("0.0.0.0:0").await.unwrap();
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(loopback(0)).unwrap();
    let to = ([0, 0, 0, 0], all.local_addr().unwrap().port()).into();
    let client = socket.connect(to).await.unwrap();
    vec![client.local_addr().unwrap().ip().to_string(), client.peer_addr().unwrap().ip().to_string()]
}

pub async fn a_port_of_a_connection_is_taken_without_reuse() -> Log {
    let (listener, address) = listen().await;
    let (client, accepted) = join(TcpStream::connect(address), listener.accept()).await;
    drop(listener);
    let (one, other) = (TcpSocket::new_v4().unwrap(), TcpSocket::new_v4().unwrap());
    let mut log = vec![said(one.reuseaddr()), said(one.bind(address))];
    log.push(said(other.set_reuseaddr(true)));
    log.push(said(other.reuseaddr()));
    log.push(said(other.bind(address)));
    drop(other);
    // Whoever ends first remembers the connection.
    drop(accepted);
    log.push(rest(client.unwrap()).await);
    log.push(said(one.bind(address)));
    log.push(said(TcpListener::bind(address).await.map(drop)));
    log
}

pub async fn options_of_a_listener_go_to_what_it_accepts() -> Log {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(loopback(0)).unwrap();
    let mut log = vec![said(socket.nodelay()), said(socket.keepalive()), said(socket.linger())];
    log.push(said(socket.set_nodelay(true)));
    log.push(said(socket.set_keepalive(true)));
    log.push(said(socket.set_zero_linger()));
    log.extend([said(socket.nodelay()), said(socket.keepalive()), said(socket.linger())]);
    let listener = socket.listen(8).unwrap();
    let (client, accepted) =
        join(TcpStream::connect(listener.local_addr().unwrap()), listener.accept()).await;
    for stream in [client.unwrap(), accepted.unwrap().0] {
        log.push(format!("{} {}", said(stream.nodelay()), said(stream.linger())));
    }
    log
}

pub async fn options_of_a_socket_go_to_its_connection() -> Log {
    let (_listener, address) = listen().await;
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_nodelay(true).unwrap();
    let client = socket.connect(address).await.unwrap();
    vec![said(client.nodelay())]
}

pub async fn a_socket_for_version_four_takes_no_other() -> Log {
    let socket = TcpSocket::new_v4().unwrap();
    let mut log = vec![said(socket.bind("[::1]:0".parse().unwrap()))];
    log.push(said(socket.connect("[::1]:7".parse().unwrap()).await.map(drop)));
    log
}
