//! What each call says in each state that a connection can be in.

use std::future::Future;

use futures_util::future::join;
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};

use super::{
    super::{Log, SOON, said},
    net::{TcpListener, TcpStream},
    time,
};

/// The connection that is asked, and its peer if that has one still.
type Ends = (TcpStream, Option<TcpStream>);

async fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (client, accepted) =
        join(TcpStream::connect(listener.local_addr().unwrap()), listener.accept()).await;
    (client.unwrap(), accepted.unwrap().0)
}

/// What was sent over loopback has arrived, and its answer.
async fn settled() {
    time::sleep(SOON / 10).await;
}

/// What comes of it, or that it waits.
async fn within<T: std::fmt::Debug>(result: impl Future<Output = std::io::Result<T>>) -> String {
    time::timeout(SOON / 6, result).await.map_or_else(|_| "waits".into(), said)
}

/// The states.
mod state {
    use super::*;

    pub async fn open() -> Ends {
        let (ours, peer) = pair().await;
        (ours, Some(peer))
    }

    pub async fn with_data() -> Ends {
        let (ours, mut peer) = pair().await;
        peer.write_all(b"data").await.unwrap();
        settled().await;
        (ours, Some(peer))
    }

    pub async fn ended() -> Ends {
        let (mut ours, peer) = pair().await;
        ours.shutdown().await.unwrap();
        settled().await;
        (ours, Some(peer))
    }

    pub async fn left() -> Ends {
        let (ours, mut peer) = pair().await;
        peer.shutdown().await.unwrap();
        settled().await;
        (ours, Some(peer))
    }

    pub async fn left_with_data() -> Ends {
        let (ours, mut peer) = pair().await;
        peer.write_all(b"data").await.unwrap();
        peer.shutdown().await.unwrap();
        settled().await;
        (ours, Some(peer))
    }

    pub async fn over() -> Ends {
        let (mut ours, mut peer) = pair().await;
        peer.shutdown().await.unwrap();
        ours.shutdown().await.unwrap();
        settled().await;
        (ours, Some(peer))
    }

    pub async fn closed_by_the_peer() -> Ends {
        let (ours, peer) = pair().await;
        drop(peer);
        settled().await;
        (ours, None)
    }

    pub async fn closed_and_written_to() -> Ends {
        let (mut ours, peer) = pair().await;
        drop(peer);
        settled().await;
        ours.write_all(b"late").await.unwrap();
        settled().await;
        (ours, None)
    }

    pub async fn ended_and_closed_by_the_peer() -> Ends {
        let (mut ours, peer) = pair().await;
        ours.shutdown().await.unwrap();
        settled().await;
        drop(peer);
        settled().await;
        (ours, None)
    }

    pub async fn reset() -> Ends {
        let (mut ours, peer) = pair().await;
        ours.write_all(b"unread").await.unwrap();
        settled().await;
        drop(peer);
        settled().await;
        (ours, None)
    }

    pub async fn reset_after_the_end() -> Ends {
        let (mut ours, peer) = pair().await;
        ours.write_all(b"unread").await.unwrap();
        ours.shutdown().await.unwrap();
        settled().await;
        drop(peer);
        settled().await;
        (ours, None)
    }

    pub async fn reset_after_the_peers_end() -> Ends {
        let (mut ours, mut peer) = pair().await;
        peer.shutdown().await.unwrap();
        ours.write_all(b"unread").await.unwrap();
        settled().await;
        drop(peer);
        settled().await;
        (ours, None)
    }
}

/// The calls.
mod call {
    use super::*;

    pub async fn read((mut ours, _peer): Ends) -> Log {
        let mut buffer = [0; 8];
        let mut log = Log::new();
        for _ in 0..3 {
            log.push(within(ours.read(&mut buffer)).await);
        }
        log
    }

    pub async fn peek((ours, _peer): Ends) -> Log {
        vec![within(ours.peek(&mut [0; 8])).await, within(ours.peek(&mut [0; 8])).await]
    }

    pub async fn write((mut ours, _peer): Ends) -> Log {
        let mut log = Log::new();
        for _ in 0..3 {
            log.push(within(ours.write(b"x")).await);
            settled().await;
        }
        log
    }

    pub async fn write_then_read((mut ours, _peer): Ends) -> Log {
        let mut log = vec![within(ours.write(b"x")).await];
        settled().await;
        for _ in 0..3 {
            log.push(within(ours.read(&mut [0; 8])).await);
        }
        log
    }

    pub async fn end((mut ours, _peer): Ends) -> Log {
        let mut log = vec![within(ours.shutdown()).await, within(ours.shutdown()).await];
        settled().await;
        log.push(within(ours.read(&mut [0; 8])).await);
        log.push(within(ours.write(b"x")).await);
        log
    }

    pub async fn error((ours, _peer): Ends) -> Log {
        vec![said(ours.take_error()), said(ours.take_error())]
    }

    pub async fn error_then_read((mut ours, _peer): Ends) -> Log {
        vec![
            said(ours.take_error()),
            within(ours.read(&mut [0; 8])).await,
            within(ours.read(&mut [0; 8])).await,
            within(ours.write(b"x")).await,
        ]
    }

    pub async fn addresses((ours, _peer): Ends) -> Log {
        [ours.local_addr(), ours.peer_addr()].map(|address| said(address.map(|address| address.ip()))).into()
    }

    pub async fn readiness((ours, _peer): Ends) -> Log {
        vec![within(ours.readable()).await, within(ours.writable()).await]
    }

    pub async fn ready((mut ours, _peer): Ends) -> Log {
        let both = Interest::READABLE | Interest::WRITABLE;
        let mut log = Log::new();
        for interest in [Interest::READABLE, Interest::WRITABLE, both] {
            log.push(within(ours.ready(interest)).await);
        }
        let _ = within(ours.read(&mut [0; 8])).await;
        log.push(within(ours.ready(Interest::READABLE)).await);
        log
    }

    pub async fn trying((ours, _peer): Ends) -> Log {
        // A call that is only tried needs to know first that it can be made.
        let _ = within(ours.readable()).await;
        let mut log = vec![said(ours.try_read(&mut [0; 8])), said(ours.try_read(&mut [0; 8]))];
        let _ = within(ours.writable()).await;
        log.push(said(ours.try_write(b"x")));
        log
    }

    pub async fn close((ours, peer): Ends) -> Log {
        drop(ours);
        settled().await;
        let Some(mut peer) = peer else { return vec!["nobody is there to notice".into()] };
        let mut log = vec![within(peer.read(&mut [0; 8])).await, within(peer.write(b"x")).await];
        settled().await;
        log.push(within(peer.write(b"x")).await);
        log.push(within(peer.read(&mut [0; 8])).await);
        log
    }

    pub async fn cancelled_read((mut ours, peer): Ends) -> Log {
        let mut log = vec![within(ours.read(&mut [0; 2])).await];
        if let Some(mut peer) = peer {
            log.push(within(peer.write(b"more")).await);
            settled().await;
        }
        log.push(within(ours.read(&mut [0; 8])).await);
        log
    }
}

macro_rules! in_each_state {
    ($($state:ident)*) => {$(
        pub mod $state {
            use super::{Log, call, state};

            in_each_state!(@ $state: read peek write write_then_read end error error_then_read addresses readiness ready trying close cancelled_read);
        }
    )*};
    (@ $state:ident: $($call:ident)*) => {
        $(pub async fn $call() -> Log {
            call::$call(state::$state().await).await
        })*
    };
}

in_each_state!(open with_data ended left left_with_data over closed_by_the_peer closed_and_written_to ended_and_closed_by_the_peer reset
    reset_after_the_end reset_after_the_peers_end);
