//! How a writer is elected: a key under a lease, the oldest key wins, and its revision is the token.
//!
//! That is etcd's own recipe (`concurrency.Election`), with looking instead of watching, which the simulated client cannot do. Each
//! candidacy has a new lease and a new key, and ends with the first call that fails: what such a call still does to etcd goes
//! with its lease.

use std::{error::Error, fmt, sync::Arc};

use etcd_client::{Client, LeaseKeepAliveStream, LeaseKeeper, PutOptions};
use squall_rt::time::{self, Instant};

use super::{WriterFlaw, etcd, writer::Desk};

/// Under which every candidate has its key.
const PREFIX: &str = "writers/";

/// Why a candidacy or a term is over.
#[derive(Debug)]
enum Over {
    Silence(&'static str),
    Etcd(etcd_client::Error),
    Store(tonic::Status),
    LaidDown,
}

impl fmt::Display for Over {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Over::Silence(what) => write!(f, "{what} was not answered"),
            Over::Etcd(error) => write!(f, "etcd: {error}"),
            Over::Store(status) => write!(f, "store: {:?}", status.code()),
            Over::LaidDown => f.write_str("a write was not answered, or refused"),
        }
    }
}

impl Error for Over {}

impl From<etcd_client::Error> for Over {
    fn from(error: etcd_client::Error) -> Self {
        Over::Etcd(error)
    }
}

/// Stands for election again and again.
pub(super) async fn stand_for_ever(desk: Arc<Desk>, etcd: String) {
    loop {
        let Err(over) = stand(&desk, &etcd).await;
        desk.lay_down();
        tracing::info!(target: "election", why = %over, "failed");
        time::sleep(desk.params.look_every.0).await;
    }
}

/// One candidacy, and the term if there is one. It only ever ends with a failure.
async fn stand(desk: &Desk, etcd: &str) -> Result<std::convert::Infallible, Over> {
    let mut client =
        answer(desk, "connect", Client::connect([format!("{etcd}:{}", etcd::PORT)], None)).await?;
    let seconds = i64::from(desk.params.lease);
    let mut leases = client.lease_client();
    let lease = answer(desk, "lease", leases.grant(seconds, None)).await?.id();
    let ended = candidacy(desk, &mut client, lease).await;
    desk.lay_down();
    // Others need not wait for the lease to run out. They will if this fails.
    let _ = answer(desk, "revoke", leases.revoke(lease)).await;
    ended
}

async fn candidacy(desk: &Desk, client: &mut Client, lease: i64) -> Result<std::convert::Infallible, Over> {
    let mut lease = Lease::keep(desk, client, lease).await?;
    let key = format!("{PREFIX}{:016x}", lease.keeper.id());
    let under_lease = PutOptions::new().with_lease(lease.keeper.id());
    answer(desk, "key", client.kv_client().put(&*key, &*desk.name, Some(under_lease))).await?;
    let token = loop {
        let leader = answer(desk, "election", client.election_client().leader(PREFIX)).await?;
        if let Some(oldest) = leader.kv().filter(|oldest| oldest.key() == key.as_bytes()) {
            break oldest.create_revision().unsigned_abs();
        }
        time::sleep(desk.params.look_every.0).await;
        lease.renew(desk).await?;
    };
    desk.take_up(token, lease.sure_until).await.map_err(Over::Store)?;
    loop {
        // Short naps, so that a term that was laid down is over soon.
        let next = Instant::now() + desk.params.renew_every.0;
        while Instant::now() < next {
            if !desk.is_taken_up() {
                return Err(Over::LaidDown);
            }
            time::sleep(desk.params.renew_every.0.min(desk.params.look_every.0)).await;
        }
        lease.renew(desk).await?;
        if !desk.go_on(lease.sure_until) {
            return Err(Over::LaidDown);
        }
    }
}

/// A lease that is kept alive.
struct Lease {
    keeper: LeaseKeeper,
    answers: LeaseKeepAliveStream,
    /// Until when it lasts for sure.
    sure_until: Instant,
}

impl Lease {
    async fn keep(desk: &Desk, client: &Client, id: i64) -> Result<Self, Over> {
        let sent = Instant::now();
        let (keeper, answers) = answer(desk, "first renewal", client.lease_client().keep_alive(id)).await?;
        Ok(Lease { keeper, answers, sure_until: desk.sure_until(sent) })
    }

    /// One renewal. After an unanswered one there is no other: its answer would be taken for that of the next.
    async fn renew(&mut self, desk: &Desk) -> Result<(), Over> {
        let sent = Instant::now();
        let renewed = async {
            self.keeper.keep_alive().await?;
            self.answers.message().await
        };
        match answer(desk, "renewal", renewed).await {
            Err(Over::Silence(_)) if desk.params.flaw == Some(WriterFlaw::LeaseIgnored) => {}
            Err(over) => return Err(over),
            Ok(_) => self.sure_until = desk.sure_until(sent),
        }
        Ok(())
    }
}

/// What etcd answers, if it does in time.
async fn answer<T>(
    desk: &Desk,
    what: &'static str,
    call: impl Future<Output = Result<T, etcd_client::Error>>,
) -> Result<T, Over> {
    match time::timeout(desk.params.call_timeout.0, call).await {
        Ok(answered) => Ok(answered?),
        Err(_) => Err(Over::Silence(what)),
    }
}
