//! Ports of TCP as Linux gives them: one serves connections to different places, and those to one place run out.

use squall_rt::net::TcpSocket;

use super::*;

/// How many ports there are for those who do not ask for one.
const EPHEMERAL: usize = 60_999 - 32_768 + 1;
/// Address in use, and address not available.
const EADDRINUSE: i32 = 98;
const EADDRNOTAVAIL: i32 = 99;

/// Listens there and keeps what it accepts.
async fn keep_all(address: &str) {
    let listener = TcpListener::bind(address).await.unwrap();
    let mut streams = Vec::new();
    loop {
        streams.push(listener.accept().await.unwrap());
    }
}

#[test]
fn ports_run_out_for_each_destination_by_itself() {
    in_a_world(1, |world| async move {
        let a = world.add_node("a");
        let process = start(&world, a, async {
            squall_rt::task::spawn(keep_all("127.0.0.1:80"));
            squall_rt::task::spawn(keep_all("127.0.0.1:81"));
            squall_rt::time::sleep(ms(1)).await;
            let connect = async |port: u16| TcpStream::connect(("127.0.0.1", port)).await;
            let mut streams = Vec::new();
            for _ in 0..EPHEMERAL {
                streams.push(connect(80).await.unwrap());
            }
            assert_eq!(connect(80).await.unwrap_err().raw_os_error(), Some(EADDRNOTAVAIL));
            let elsewhere = connect(81).await.unwrap();
            let taken = elsewhere.local_addr().unwrap().port();
            assert!(streams.iter().any(|stream| stream.local_addr().unwrap().port() == taken), "shared");
            // Who asks for any port gets one of his own.
            assert_eq!(TcpListener::bind("127.0.0.1:0").await.unwrap_err().raw_os_error(), Some(EADDRINUSE));

            // The one who closes first remembers the connection for a minute.
            let closed = streams.pop().unwrap().local_addr().unwrap();
            squall_rt::time::sleep(ms(1)).await;
            assert_eq!(connect(80).await.unwrap_err().raw_os_error(), Some(EADDRNOTAVAIL));
            drop(elsewhere);
            drop(streams);
            squall_rt::time::sleep(ms(30_000)).await;
            assert_eq!(connect(80).await.unwrap_err().raw_os_error(), Some(EADDRNOTAVAIL), "{closed}");
        });
        process.await.unwrap();
    });
}

#[test]
fn time_wait_holds_a_port_for_a_minute() {
    in_a_world(1, |world| async move {
        let (a, b) = two_nodes(&world);
        start(&world, b, async {
            let listener = TcpListener::bind("0.0.0.0:80").await.unwrap();
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let _ = stream.read(&mut [0]).await;
            }
        });
        let process = start(&world, a, async {
            let connect = async || {
                let socket = TcpSocket::new_v4().unwrap();
                socket.set_reuseaddr(true).unwrap();
                socket.bind("10.0.0.1:5000".parse().unwrap())?;
                socket.connect("10.0.0.2:80".parse().unwrap()).await
            };
            drop(connect().await.unwrap());
            squall_rt::time::sleep(ms(1_000)).await;
            assert_eq!(connect().await.unwrap_err().raw_os_error(), Some(EADDRNOTAVAIL));
            squall_rt::time::sleep(ms(60_000)).await;
            connect().await.unwrap();
        });
        process.await.unwrap();
    });
}

#[test]
fn a_socket_can_connect_to_itself() {
    in_a_world(1, |world| async move {
        let (a, _) = two_nodes(&world);
        let process = start(&world, a, async {
            for address in ["127.0.0.1:5000", "10.0.0.1:5001"] {
                let address = address.parse().unwrap();
                let socket = TcpSocket::new_v4().unwrap();
                socket.bind(address).unwrap();
                let mut stream = socket.connect(address).await.unwrap();
                assert_eq!((stream.local_addr().unwrap(), stream.peer_addr().unwrap()), (address, address));
                stream.write_all(b"to myself").await.unwrap();
                let mut heard = [0; 9];
                stream.read_exact(&mut heard).await.unwrap();
                assert_eq!(&heard, b"to myself");
                // More than a window, so that the acknowledgements count.
                let large = vec![7; 600_000];
                let (mut read, mut write) = stream.split();
                let both = async {
                    write.write_all(&large).await.unwrap();
                    write.shutdown().await.unwrap();
                };
                let mut all = Vec::new();
                let (_, end) = tokio::join!(both, read.read_to_end(&mut all));
                assert_eq!(end.unwrap(), large.len());
            }
        });
        process.await.unwrap();
    });
}

/// A reader that takes little at a time, over a slow link, would otherwise have the writer write little at a time.
#[test]
fn a_writer_that_found_no_room_waits_for_half_of_the_window() {
    in_a_world(1, |world| async move {
        let (a, b) = two_nodes(&world);
        world.net().set_link(a, b, LinkPolicy { bandwidth: Some(10 << 20), ..constant(ms(5)) });
        let server = start(&world, b, read_one_to_its_end());
        let client = start(&world, a, async {
            let mut stream = TcpStream::connect("b:7000").await.unwrap();
            let data = vec![1; 2 << 20];
            let mut written = Vec::new();
            while written.iter().sum::<usize>() < data.len() {
                written.push(stream.write(&data[written.iter().sum()..]).await.unwrap());
            }
            written
        });
        let written = client.await.unwrap();
        let (_, but_the_last) = written.split_last().expect("it wrote");
        assert!(
            but_the_last.len() > 5 && but_the_last.iter().all(|count| *count >= 128 << 10),
            "{written:?}"
        );
        assert_eq!(server.await.unwrap(), 2 << 20);
    });
}
