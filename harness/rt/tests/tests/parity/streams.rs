//! TCP streams.

use std::io::{IoSlice, IoSliceMut};

use futures_util::{FutureExt, future::join};
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt, Interest};

use super::{
    super::{Log, SOON, said},
    net::{TcpListener, TcpStream},
    time,
};

/// Two ends of a connection: who connected, who accepted.
async fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (client, accepted) =
        join(TcpStream::connect(listener.local_addr().unwrap()), listener.accept()).await;
    (client.unwrap(), accepted.unwrap().0)
}

/// Reads once, up to eight bytes.
async fn read(stream: &mut TcpStream) -> String {
    let mut buffer = [0; 8];
    let result = time::timeout(SOON, stream.read(&mut buffer)).await;
    result.map_or_else(|_| "nothing".into(), |result| said(result.map(|count| buffer[..count].to_vec())))
}

async fn write(stream: &mut TcpStream, data: &[u8]) -> String {
    said(stream.write(data).await)
}

/// Writes until that fails; the peer is known to have gone.
async fn write_until_it_fails(stream: &mut TcpStream) -> String {
    for _ in 0..1_000 {
        if let Err(e) = stream.write(b"x").await {
            return said::<()>(Err(e));
        }
        time::sleep(SOON / 300).await;
    }
    "never".into()
}

/// A connection that the accepting end has reset, by closing it with unread data.
async fn reset() -> TcpStream {
    let (mut client, server) = pair().await;
    client.write_all(b"unread").await.unwrap();
    server.peek(&mut [0]).await.unwrap();
    client
}

pub async fn addresses_are_each_others() -> Log {
    let (client, server) = pair().await;
    vec![
        client.local_addr().unwrap().ip().to_string(),
        client.peer_addr().unwrap().ip().to_string(),
        format!("{}", client.local_addr().unwrap() == server.peer_addr().unwrap()),
        format!("{}", client.peer_addr().unwrap() == server.local_addr().unwrap()),
        format!("{}", client.local_addr().unwrap().port() >= 1024),
    ]
}

pub async fn nobody_listens() -> Log {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    vec![said(TcpStream::connect(address).await), said(TcpStream::connect(address.to_string()).await)]
}

pub async fn errors_have_their_numbers() -> Log {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let mut log = vec![format!("{:?}", TcpListener::bind(address).await.unwrap_err().raw_os_error())];
    drop(listener);
    log.push(format!("{:?}", TcpStream::connect(address).await.unwrap_err().raw_os_error()));
    log
}

pub async fn port_zero_refuses() -> Log {
    vec![said(TcpStream::connect("127.0.0.1:0").await)]
}

pub async fn zero_address_is_this_machine() -> Log {
    let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut log = Log::new();
    for ip in ["0.0.0.0", "127.0.0.1", "localhost"] {
        let (client, accepted) = join(TcpStream::connect((ip, port)), listener.accept()).await;
        let (client, (server, peer)) = (client.unwrap(), accepted.unwrap());
        let ends =
            [client.local_addr(), client.peer_addr(), server.local_addr(), server.peer_addr(), Ok(peer)];
        log.push(format!("{ip}: {:?}", ends.map(|end| end.unwrap().ip())));
    }
    log
}

pub async fn addresses_that_make_no_sense() -> Log {
    let mut log = Log::new();
    for address in ["127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:http", ":"] {
        log.push(format!("{address}: {}", said(TcpStream::connect(address).await.map(drop))));
    }
    log
}

pub async fn the_end_comes_after_the_data_and_stays() -> Log {
    let (mut client, mut server) = pair().await;
    client.write_all(b"last").await.unwrap();
    drop(client);
    vec![read(&mut server).await, read(&mut server).await, read(&mut server).await]
}

pub async fn the_end_stops_read_exact() -> Log {
    let (mut client, mut server) = pair().await;
    client.write_all(b"abc").await.unwrap();
    drop(client);
    let mut buffer = [0; 4];
    vec![said(server.read_exact(&mut buffer).await), said(server.read_exact(&mut buffer).await)]
}

pub async fn the_client_may_end_first_and_still_read() -> Log {
    let (client, server) = pair().await;
    half_close(client, server).await
}

pub async fn the_server_may_end_first_and_still_read() -> Log {
    let (client, server) = pair().await;
    half_close(server, client).await
}

async fn half_close(mut first: TcpStream, mut second: TcpStream) -> Log {
    first.write_all(b"ask").await.unwrap();
    let mut log = vec![said(first.shutdown().await)];
    let mut asked = Vec::new();
    log.push(said(second.read_to_end(&mut asked).await));
    log.push(write(&mut second, b"reply").await);
    log.push(read(&mut first).await);
    log.push(said(second.shutdown().await));
    log.push(read(&mut first).await);
    log.push(write(&mut first, b"x").await);
    log
}

pub async fn writing_after_the_end_of_ones_own() -> Log {
    let (mut client, _server) = pair().await;
    client.shutdown().await.unwrap();
    vec![write(&mut client, b"x").await, write(&mut client, b"").await, write(&mut client, b"x").await]
}

pub async fn ending_twice() -> Log {
    let (mut client, mut server) = pair().await;
    let mut log = vec![said(client.shutdown().await), said(client.shutdown().await)];
    log.push(read(&mut server).await);
    log.push(said(client.shutdown().await));
    log
}

pub async fn closing_with_unread_data_resets() -> Log {
    let mut client = reset().await;
    let mut log = Log::new();
    for _ in 0..3 {
        log.push(read(&mut client).await);
    }
    log.push(write(&mut client, b"x").await);
    log.push(write(&mut client, b"x").await);
    log.push(read(&mut client).await);
    log
}

pub async fn ending_a_stream_that_was_reset() -> Log {
    let mut client = reset().await;
    vec![read(&mut client).await, said(client.shutdown().await), said(client.peer_addr().map(drop))]
}

pub async fn data_before_a_reset_can_be_read() -> Log {
    let (mut client, mut server) = pair().await;
    client.write_all(b"unread").await.unwrap();
    server.peek(&mut [0]).await.unwrap();
    server.write_all(b"farewell").await.unwrap();
    drop(server);
    vec![read(&mut client).await, read(&mut client).await, read(&mut client).await]
}

pub async fn a_reset_is_told_to_the_writer_first() -> Log {
    let mut client = reset().await;
    let mut log = vec![write_until_it_fails(&mut client).await];
    log.push(write(&mut client, b"x").await);
    log.push(read(&mut client).await);
    log
}

pub async fn writing_to_one_who_has_closed() -> Log {
    let (mut client, server) = pair().await;
    drop(server);
    let mut log = vec![read(&mut client).await, write(&mut client, b"x").await];
    log.push(write_until_it_fails(&mut client).await);
    log.push(write(&mut client, b"x").await);
    log.push(read(&mut client).await);
    log
}

pub async fn peeking_leaves_it_there() -> Log {
    let (mut client, mut server) = pair().await;
    client.write_all(b"abc").await.unwrap();
    client.shutdown().await.unwrap();
    let mut log = Log::new();
    let mut buffer = [0; 2];
    for _ in 0..2 {
        log.push(format!("{} {buffer:?}", said(server.peek(&mut buffer).await)));
    }
    log.push(read(&mut server).await);
    log.push(said(server.peek(&mut buffer).await));
    log.push(read(&mut server).await);
    log
}

pub async fn empty_buffers() -> Log {
    let (mut client, mut server) = pair().await;
    let mut log = vec![write(&mut client, b"").await];
    client.write_all(b"abc").await.unwrap();
    server.peek(&mut [0]).await.unwrap();
    log.push(said(server.read(&mut []).await));
    log.push(read(&mut server).await);
    log
}

pub async fn an_empty_read_of_nothing() -> Log {
    let (_client, mut server) = pair().await;
    vec![format!("{:?}", server.read(&mut []).now_or_never().map(said))]
}

pub async fn slices_are_written_together() -> Log {
    let (mut client, mut server) = pair().await;
    let slices = [IoSlice::new(b"ab"), IoSlice::new(b""), IoSlice::new(b"cde")];
    let mut log = vec![format!("{}", client.is_write_vectored()), said(client.write_vectored(&slices).await)];
    drop(client);
    log.push(read(&mut server).await);
    log
}

pub async fn halves_that_borrow() -> Log {
    let (mut client, mut server) = pair().await;
    server.write_all(b"there").await.unwrap();
    let (mut reader, mut writer) = client.split();
    let mut buffer = [0; 5];
    let (received, sent) = join(reader.read_exact(&mut buffer), writer.write_all(b"back")).await;
    let mut log = vec![said(received), said(sent), format!("{buffer:?}")];
    log.push(said(writer.shutdown().await));
    log.push(read(&mut server).await);
    log.push(read(&mut server).await);
    log
}

pub async fn halves_are_put_together_again() -> Log {
    let (client, mut server) = pair().await;
    let address = client.local_addr().unwrap();
    let (reader, writer) = client.into_split();
    let mut log = vec![format!("{}", reader.local_addr().unwrap() == address)];
    log.push(format!("{}", writer.peer_addr().unwrap() == server.local_addr().unwrap()));
    let mut client = reader.reunite(writer).unwrap();
    log.push(write(&mut client, b"one").await);
    log.push(read(&mut server).await);
    log
}

pub async fn halves_of_others_are_not() -> Log {
    let ((one, _one), (other, mut peer)) = (pair().await, pair().await);
    let (reader, _writer) = one.into_split();
    let (other_reader, writer) = other.into_split();
    let error = reader.reunite(writer).unwrap_err();
    let mut log = vec![error.to_string()];
    let mut other = other_reader.reunite(error.1).unwrap();
    log.push(write(&mut other, b"none the worse").await);
    log.push(read(&mut peer).await);
    log
}

pub async fn dropping_the_write_half_ends_the_stream() -> Log {
    let (client, mut server) = pair().await;
    let (mut reader, writer) = client.into_split();
    drop(writer);
    let mut log = vec![read(&mut server).await, write(&mut server, b"still").await];
    let mut buffer = [0; 5];
    log.push(format!("{} {buffer:?}", said(reader.read_exact(&mut buffer).await)));
    drop(reader);
    log
}

pub async fn dropping_the_read_half_does_nothing() -> Log {
    let (client, mut server) = pair().await;
    let (reader, mut writer) = client.into_split();
    drop(reader);
    let mut log = vec![write(&mut server, b"unread").await, said(writer.write(b"still").await)];
    log.push(read(&mut server).await);
    drop(writer);
    log.push(read(&mut server).await);
    log
}

pub async fn a_read_that_is_dropped_takes_nothing() -> Log {
    let (mut client, mut server) = pair().await;
    let mut log = Log::new();
    for _ in 0..3 {
        let mut buffer = [0; 8];
        log.push(format!("{:?}", server.read(&mut buffer).now_or_never().is_some()));
    }
    client.write_all(b"all").await.unwrap();
    log.push(read(&mut server).await);
    log
}

pub async fn a_write_waits_for_the_reader() -> Log {
    const SIZE: usize = 32 << 20;
    let (mut client, mut server) = pair().await;
    let data: Vec<u8> = (0..SIZE).map(|n| (n / 7) as u8).collect();
    let mut log = Log::new();
    let mut writing = Box::pin(async {
        client.write_all(&data).await.unwrap();
        client.shutdown().await.unwrap();
    });
    log.push(format!("done without a reader: {}", time::timeout(SOON, &mut writing).await.is_ok()));
    let mut received = Vec::new();
    let (_, count) = join(writing, server.read_to_end(&mut received)).await;
    log.push(said(count));
    log.push(format!("unchanged: {}", received == data));
    log
}

pub async fn megabytes_both_ways_at_once() -> Log {
    let (client, server) = pair().await;
    let transfer = |stream: TcpStream, byte: u8| async move {
        let (mut reader, mut writer) = stream.into_split();
        let write = async {
            writer.write_all(&vec![byte; 8 << 20]).await.unwrap();
            writer.shutdown().await.unwrap();
        };
        let mut received = Vec::new();
        join(write, reader.read_to_end(&mut received)).await.1.unwrap();
        (received.len(), received.first().copied(), received.iter().all(|b| *b == received[0]))
    };
    let (one, other) = join(transfer(client, 1), transfer(server, 2)).await;
    vec![format!("{one:?}"), format!("{other:?}")]
}

pub async fn no_delay_as_set() -> Log {
    let (client, _server) = pair().await;
    vec![said(client.set_nodelay(true)), said(client.nodelay())]
}

pub async fn no_delay_by_default_and_as_unset() -> Log {
    let (client, _server) = pair().await;
    let default = said(client.nodelay());
    vec![default, said(client.set_nodelay(false)), said(client.nodelay())]
}

pub async fn both_ends_close() -> Log {
    let (mut client, mut server) = pair().await;
    let mut log = vec![said(client.shutdown().await), said(server.shutdown().await)];
    log.push(read(&mut client).await);
    log.push(read(&mut server).await);
    log.push(write(&mut client, b"x").await);
    log.push(write(&mut server, b"x").await);
    log.push(said(client.shutdown().await));
    log
}

pub async fn the_peer_has_an_address_until_the_end() -> Log {
    let (mut client, mut server) = pair().await;
    client.shutdown().await.unwrap();
    let mut log = vec![read(&mut server).await];
    log.push(said(client.peer_addr().map(drop)));
    log.push(said(server.peer_addr().map(drop)));
    server.shutdown().await.unwrap();
    log.push(read(&mut client).await);
    log.push(said(client.peer_addr().map(drop)));
    log.push(said(client.local_addr().map(drop)));
    log
}

pub async fn an_error_is_taken_once() -> Log {
    let mut client = reset().await;
    client.readable().await.unwrap();
    let mut log = Log::new();
    for _ in 0..2 {
        log.push(format!("{:?}", client.take_error().unwrap().map(|e| e.raw_os_error())));
    }
    log.push(read(&mut client).await);
    log.push(write(&mut client, b"x").await);
    log
}

pub async fn an_error_of_an_open_stream_is_none() -> Log {
    let (client, _server) = pair().await;
    vec![said(client.take_error().map(|e| e.is_none()))]
}

pub async fn trying_does_not_wait() -> Log {
    let (client, server) = pair().await;
    let mut buffer = [0; 8];
    let mut log = vec![said(server.try_read(&mut buffer))];
    client.writable().await.unwrap();
    log.push(said(client.try_write(b"")));
    log.push(said(client.try_write(b"three")));
    server.readable().await.unwrap();
    log.push(said(server.try_read(&mut buffer[..4])));
    log.push(said(server.try_read(&mut buffer)));
    log.push(said(server.try_read(&mut buffer)));
    log.push(format!("{buffer:?}"));
    log
}

pub async fn trying_fills_the_window() -> Log {
    let (client, server) = pair().await;
    let data = vec![7; 1 << 20];
    let mut written = 0;
    let full = loop {
        // Linux takes more for a while, as the buffer of the receiver fills.
        match client.try_write(&data) {
            Ok(count) => written += count,
            Err(e) => match time::timeout(SOON, client.writable()).await {
                Ok(ready) => ready.unwrap(),
                Err(_) => break said::<()>(Err(e)),
            },
        }
    };
    let mut log = vec![full];
    let mut received = 0;
    let mut buffer = vec![0; 1 << 20];
    while received < written {
        server.readable().await.unwrap();
        if let Ok(count) = server.try_read(&mut buffer) {
            received += count;
        }
    }
    log.push(format!("all of it came: {}", received == written));
    log.push(said(time::timeout(SOON, client.writable()).await.unwrap()));
    log.push(said(client.try_write(b"more")));
    log
}

pub async fn what_is_written_after_the_window_opened_arrives() -> Log {
    let (mut client, mut server) = pair().await;
    let data = vec![7; 64 << 20];
    let mut writing = Box::pin(client.write_all(&data));
    let mut log = vec![format!("{}", time::timeout(SOON, &mut writing).await.is_ok())];
    // Read in small pieces, so that the window opens by and by.
    let reading = async {
        let mut received = 0;
        let mut buffer = vec![0; 5_000];
        while received < data.len() {
            received += server.read(&mut buffer).await.unwrap();
        }
        received
    };
    let (sent, received) = join(writing, reading).await;
    log.push(format!("{} {received}", said(sent)));
    log
}

pub async fn one_may_wait_until_there_is_something_to_read() -> Log {
    let (mut client, mut server) = pair().await;
    // Whoever waits may be woken for nothing, and is to try again then.
    let first = async {
        loop {
            server.readable().await.unwrap();
            match server.try_read(&mut [0]) {
                Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => {}
                result => return said(result),
            }
        }
    };
    let mut first = Box::pin(first);
    let mut log = vec![format!("{}", time::timeout(SOON, &mut first).await.is_ok())];
    let (ready, _) = join(&mut first, client.write_all(b"now")).await;
    drop(first);
    log.push(ready);
    log.push(said(server.readable().await));
    log.push(read(&mut server).await);
    log
}

pub async fn the_end_and_a_reset_can_be_read() -> Log {
    let (client, server) = pair().await;
    drop(client);
    // What was accepted seems to be readable from the start.
    time::sleep(SOON / 10).await;
    let mut log = vec![said(server.readable().await), said(server.try_read(&mut [0; 8]))];
    let client = reset().await;
    log.push(said(client.readable().await));
    log.push(said(client.try_read(&mut [0; 8])));
    log.push(said(client.writable().await));
    log.push(said(client.try_write(b"x")));
    log
}

pub async fn several_may_wait_for_the_same() -> Log {
    let (mut client, server) = pair().await;
    let waiting = join(join(server.readable(), server.readable()), server.peek(&mut [])).now_or_never();
    let mut log = vec![format!("{}", waiting.is_some())];
    let ((one, other), _) =
        join(join(server.readable(), server.readable()), client.write_all(b"for both")).await;
    log.extend([said(one), said(other)]);
    log
}

pub async fn no_lingering_resets() -> Log {
    let (mut client, mut server) = pair().await;
    let mut log = vec![said(server.set_zero_linger()), format!("{}", reads_no_linger(server.linger()))];
    server.write_all(b"farewell").await.unwrap();
    // What was delivered can still be read.
    client.peek(&mut [0]).await.unwrap();
    drop(server);
    client.writable().await.unwrap();
    log.push(read(&mut client).await);
    log.push(read(&mut client).await);
    log.push(read(&mut client).await);
    log
}

fn reads_no_linger(linger: std::io::Result<Option<std::time::Duration>>) -> bool {
    linger.unwrap() == Some(std::time::Duration::ZERO)
}

pub async fn no_lingering_loses_nothing_that_was_ended() -> Log {
    let (mut client, mut server) = pair().await;
    server.set_zero_linger().unwrap();
    server.write_all(b"all").await.unwrap();
    server.shutdown().await.unwrap();
    let mut log = vec![read(&mut client).await, read(&mut client).await];
    client.shutdown().await.unwrap();
    log.push(read(&mut server).await);
    drop(server);
    log.push(read(&mut client).await);
    log.push(said(client.take_error().map(|e| e.is_none())));
    log
}

pub async fn lingering_is_off_by_default() -> Log {
    let (client, server) = pair().await;
    vec![said(client.linger()), said(server.linger())]
}

pub async fn time_to_live() -> Log {
    let (client, server) = pair().await;
    let mut log = vec![said(client.ttl()), said(server.ttl())];
    for ttl in [1, 255, 0, 256] {
        log.push(said(client.set_ttl(ttl)));
        log.push(said(client.ttl()));
    }
    log
}

pub async fn small_writes_arrive_whole() -> Log {
    let (mut client, mut server) = pair().await;
    for n in 0..100_u8 {
        client.write_all(&[n; 3]).await.unwrap();
    }
    client.shutdown().await.unwrap();
    let mut received = Vec::new();
    let mut log = vec![said(server.read_to_end(&mut received).await)];
    log.push(format!("{}", (0..100_u8).flat_map(|n| [n; 3]).eq(received)));
    log
}

pub async fn what_is_accepted_seems_to_be_readable() -> Log {
    let (mut client, server) = pair().await;
    let mut log = vec![format!("{}", time::timeout(SOON, server.readable()).await.is_ok())];
    log.push(said(server.try_read(&mut [0; 8])));
    log.push(format!("{}", time::timeout(SOON, server.readable()).await.is_ok()));
    log.push(format!("{}", time::timeout(SOON, client.readable()).await.is_ok()));
    client.write_all(b"now").await.unwrap();
    log.push(said(server.readable().await));
    log.push(said(server.try_read(&mut [0; 8])));
    log
}

pub async fn one_who_has_read_all_is_told_that_there_is_more() -> Log {
    let (mut client, mut server) = pair().await;
    client.write_all(b"four").await.unwrap();
    server.read_exact(&mut [0; 4]).await.unwrap();
    let mut log = vec![format!("{}", time::timeout(SOON, server.readable()).await.is_ok())];
    log.push(said(server.try_read(&mut [0; 8])));
    log.push(format!("{}", time::timeout(SOON, server.readable()).await.is_ok()));
    client.write_all(b"four").await.unwrap();
    server.readable().await.unwrap();
    // One who might have read more knows that there is none.
    log.push(said(server.read(&mut [0; 8]).await));
    log.push(format!("{}", time::timeout(SOON, server.readable()).await.is_ok()));
    log
}

pub async fn halves_are_ready_and_tried() -> Log {
    let (mut client, server) = pair().await;
    let (mut read, write) = server.into_split();
    let mut log = vec![said(write.writable().await), said(write.try_write(b"one"))];
    log.push(said(write.ready(Interest::WRITABLE).await));
    log.push(said(write.try_write_vectored(&[IoSlice::new(b"tw"), IoSlice::new(b"o")])));
    let mut buffer = [0; 6];
    log.push(said(client.read_exact(&mut buffer).await));
    client.write_all(b"three").await.unwrap();
    log.push(said(read.peek(&mut buffer).await));
    log.push(said(read.ready(Interest::READABLE).await));
    log.push(said(read.try_read(&mut buffer[..1])));
    let mut rest = Vec::with_capacity(8);
    log.push(said(read.try_read_buf(&mut rest)));
    log.push(String::from_utf8(rest).unwrap());
    log.push(said(read.try_read(&mut buffer)));
    let (one, other) = (read.local_addr().unwrap(), write.local_addr().unwrap());
    log.push(format!("{}", one == other && one == client.peer_addr().unwrap()));
    log
}

pub async fn trying_fills_several_buffers() -> Log {
    let (mut client, server) = pair().await;
    client.write_all(b"one two").await.unwrap();
    server.peek(&mut [0; 8]).await.unwrap();
    let (mut one, mut two) = ([0; 3], [0; 8]);
    let mut bufs = [IoSliceMut::new(&mut one), IoSliceMut::new(&mut []), IoSliceMut::new(&mut two)];
    let mut log = vec![said(server.try_read_vectored(&mut bufs))];
    log.push(said(server.try_read_vectored(&mut bufs)));
    log.push(format!("{one:?} {two:?}"));
    drop(client);
    server.readable().await.unwrap();
    log.push(said(server.try_read(&mut two)));
    log
}
