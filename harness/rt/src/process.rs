//! The end of a process: how a service learns that it is to shut down.

/// Completes when the process has been asked to end: by SIGTERM or SIGINT (ctrl-c) in production, by its supervisor in the
/// simulation. Once asked, it stays asked: later calls complete at once.
///
/// A service stops taking requests then, finishes those it has, closes its database and returns. It has a grace period
/// of the supervisor's choice, and is killed at the end of it; so it must survive without any of this.
///
/// In production the first call installs the handlers, and from then on the two signals no longer end the process by
/// themselves; a service that never calls this dies of them. The simulation's stand-in for both is this function alone:
/// what waits for `tokio::signal` there waits for ever.
///
/// # Panics
/// In production, when the handlers cannot be installed.
pub async fn shutdown_requested() {
    #[cfg(madsim)]
    let requested = crate::world::World::current().termination();
    #[cfg(not(madsim))]
    let requested = Some(signals::subscribe());
    match requested {
        Some(mut requested) => {
            if requested.wait_for(|requested| *requested).await.is_err() {
                // Whoever would ask is gone, and this process with it.
                std::future::pending::<()>().await;
            }
        }
        None => std::future::pending().await,
    }
}

#[cfg(not(madsim))]
mod signals {
    //! A thread that waits for signals, so that none is missed while no task does, whichever runtime it was that asked.

    use std::{io, sync::OnceLock, thread};

    use tokio::{
        runtime::Builder,
        select,
        signal::unix::{SignalKind, signal},
        sync::watch,
    };

    pub(super) fn subscribe() -> watch::Receiver<bool> {
        static REQUESTED: OnceLock<watch::Sender<bool>> = OnceLock::new();
        REQUESTED.get_or_init(|| listen().expect("SIGTERM and SIGINT can be handled")).subscribe()
    }

    fn listen() -> io::Result<watch::Sender<bool>> {
        let runtime = Builder::new_current_thread().enable_io().build()?;
        let (mut terminate, mut interrupt) = {
            let _entered = runtime.enter();
            (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?)
        };
        let requested = watch::Sender::new(false);
        let tell = requested.clone();
        thread::Builder::new().name("signals".to_owned()).spawn(move || {
            runtime.block_on(async {
                select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
            });
            tell.send_replace(true);
        })?;
        Ok(requested)
    }
}
