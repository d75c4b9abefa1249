//! TCP.

use squall_rt::net::{TcpListener, TcpStream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

#[test]
fn smoke() {
    let digest = |seed| {
        simulate(seed, |world| async move {
            let (a, b) = two_nodes(&world);
            world.start(b, |_| async {
                let listener = TcpListener::bind("0.0.0.0:7000").await.unwrap();
                loop {
                    let (mut stream, peer) = listener.accept().await.unwrap();
                    println!("accepted {peer} {stream:?}");
                    squall_rt::task::spawn(async move {
                        let mut buf = [0; 100];
                        loop {
                            let n = stream.read(&mut buf).await.unwrap();
                            if n == 0 {
                                break;
                            }
                            stream.write_all(&buf[..n]).await.unwrap();
                        }
                    });
                }
            });
            world.start(a, |_| async {
                let world = World::current();
                let mut stream = TcpStream::connect("b:7000").await.unwrap();
                println!("{:?} connected {stream:?}", world.now());
                for i in 0..5u8 {
                    stream.write_all(&[i; 10]).await.unwrap();
                    let mut reply = [0; 10];
                    stream.read_exact(&mut reply).await.unwrap();
                    println!("{:?} {reply:?}", world.now());
                    squall_rt::time::sleep(ms(100)).await;
                }
                stream.shutdown().await.unwrap();
                println!("{:?} eof {}", world.now(), stream.read(&mut [0; 10]).await.unwrap());
            });
            world.sleep(ms(100_000)).await;
            world.net().digest()
        })
    };
    assert_eq!(digest(1), digest(1));
    assert_eq!(digest(2), digest(2));
}
