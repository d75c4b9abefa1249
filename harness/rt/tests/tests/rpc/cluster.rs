//! A server and its client, in either world: two nodes of a simulation, or two tasks and a real socket between them.

use std::future::Future;

use squall_rt::net::TcpListener;

#[cfg(madsim)]
pub use simulated::*;

#[cfg(madsim)]
mod simulated {
    use std::{sync::Arc, time::Duration};

    use squall_rt::world::{self, Death, DiskFate, NodeId, World};

    use super::*;

    pub struct Cluster {
        pub world: Arc<World>,
        pub client: NodeId,
        pub server: NodeId,
    }

    /// Runs `test` as the client.
    pub fn run<F: Future<Output = ()> + Send + 'static>(test: impl FnOnce(Cluster) -> F + Send + 'static) {
        run_seeded(1, test);
    }

    /// Runs `test` as the client, in the world of a seed; returns what identifies the run.
    pub fn run_seeded<F>(seed: u64, test: impl FnOnce(Cluster) -> F + Send + 'static) -> (u64, Duration)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let run = std::thread::spawn(move || {
            world::run(seed, |world| async move {
                let [client, server] = ["client-0", "server-0"].map(|name| world.add_node(name));
                let cluster = Cluster { world: world.clone(), client, server };
                let (done, is_done) = tokio::sync::oneshot::channel();
                world.start(client, |_| async move {
                    test(cluster).await;
                    // Whoever waits has checked that the test ran to its end.
                    let _ = done.send(());
                });
                is_done.await.expect("the test ran to its end");
                (world.net().digest(), world.now())
            })
            .expect("nothing is spawned outside")
        });
        run.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }

    impl Cluster {
        pub fn address(&self) -> String {
            "server-0:7000".into()
        }

        /// Runs something on the server's machine, from its listener on.
        pub async fn listen<F>(&self, serve: impl FnOnce(TcpListener) -> F + Send + 'static)
        where
            F: Future<Output = ()> + Send + 'static,
        {
            let (listening, is_listening) = tokio::sync::oneshot::channel();
            self.world.start(self.server, |_| async move {
                let listener = TcpListener::bind("0.0.0.0:7000").await.expect("the port is free");
                listening.send(()).expect("the test waits");
                serve(listener).await;
            });
            is_listening.await.expect("the server has started");
        }

        /// Ends the server's process; its kernel lives on.
        pub async fn kill(&self) {
            self.world.crash(self.server, Death::Process, DiskFate::Keep);
            self.world.sleep(Duration::from_millis(2)).await;
        }
    }
}

#[cfg(not(madsim))]
pub use real::*;

#[cfg(not(madsim))]
mod real {
    use std::{
        net::{Ipv4Addr, SocketAddr},
        sync::Mutex,
    };

    use squall_rt::task::{self, JoinHandle};

    use super::*;

    pub struct Cluster {
        address: SocketAddr,
        server: Mutex<Option<JoinHandle<()>>>,
    }

    /// Runs `test` as the client.
    pub fn run<F: Future<Output = ()> + Send + 'static>(test: impl FnOnce(Cluster) -> F + Send + 'static) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a free port");
            let address = listener.local_addr().expect("it is bound");
            drop(listener);
            test(Cluster { address, server: Mutex::new(None) }).await;
        });
    }

    impl Cluster {
        pub fn address(&self) -> String {
            self.address.to_string()
        }

        /// Runs something as the server, from its listener on.
        pub async fn listen<F>(&self, serve: impl FnOnce(TcpListener) -> F + Send + 'static)
        where
            F: Future<Output = ()> + Send + 'static,
        {
            let listener = TcpListener::bind(self.address).await.expect("the port is still free");
            let before = self.server.lock().unwrap().replace(task::spawn(serve(listener)));
            assert!(before.is_none(), "one server at a time");
        }

        /// Ends the server.
        pub async fn kill(&self) {
            let server = self.server.lock().unwrap().take().expect("the server runs");
            server.abort();
            assert!(server.await.expect_err("it does not end by itself").is_cancelled());
        }
    }
}
