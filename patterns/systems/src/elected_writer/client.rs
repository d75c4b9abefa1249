//! What clients do: ask one writer after the other until one is elected.

use squall::{Node, Outcome};
use squall_rt::time::{self, Duration};
use tonic::{
    Code, Status,
    transport::{Channel, Endpoint},
};

use super::{
    Op, PORT, Params, WriterFlaw,
    proto::{ReadRequest, Register, WriteRequest, writer_client::WriterClient},
};

/// How often everyone is asked.
const ROUNDS: usize = 3;
/// How long to wait between rounds, for an election to be over.
const BETWEEN_ROUNDS: Duration = Duration::from_millis(200);

/// The key of the only register there is, in what operations return.
const REGISTER: &str = "register";

/// A client's connections.
pub struct Session {
    writers: Vec<WriterClient<Channel>>,
    flaw: Option<WriterFlaw>,
}

impl Session {
    pub(super) fn new(client: &Node, params: &Params) -> Self {
        let connect = |host: String| {
            let endpoint = Endpoint::from_shared(format!("http://{host}:{PORT}"));
            let endpoint = endpoint.expect("a host name makes a URI").timeout(params.patience.0);
            WriterClient::new(endpoint.connect_lazy())
        };
        Session { writers: client.hosts("writers").into_iter().map(connect).collect(), flaw: params.flaw }
    }

    pub(super) async fn perform(&mut self, op: Op) -> Outcome {
        let (Op::Write { via, .. } | Op::Read { via }) = op;
        let count = self.writers.len();
        let mut last = String::new();
        let mut in_doubt = false;
        for turn in 0..ROUNDS * count {
            if turn > 0 && turn % count == 0 {
                time::sleep(BETWEEN_ROUNDS).await;
            }
            let writer = &mut self.writers[(via as usize + turn) % count];
            let answer = match op {
                Op::Write { value, .. } => writer.write(WriteRequest { value }).await,
                Op::Read { .. } => writer.read(ReadRequest {}).await,
            };
            match (answer, &op) {
                (Ok(register), _) => {
                    let Register { version, value } = register.into_inner();
                    let did = if matches!(op, Op::Write { .. }) { "wrote" } else { "read" };
                    return Outcome::ok().with(did, REGISTER).with("version", version).with("value", value);
                }
                // The writer that is asked does nothing, or the store it asked.
                (Err(status), _) if status.code() == Code::FailedPrecondition => last = tell(&status),
                (Err(status), Op::Read { .. }) => last = tell(&status),
                // Flawed: the first one may have been made, and others after it.
                (Err(status), Op::Write { .. }) if self.flaw == Some(WriterFlaw::RepeatsWrites) => {
                    (in_doubt, last) = (true, tell(&status));
                }
                (Err(status), Op::Write { .. }) => return Outcome::unknown(tell(&status)),
            }
        }
        if in_doubt { Outcome::unknown(last) } else { Outcome::failed(last) }
    }
}

fn tell(status: &Status) -> String {
    format!("{:?}: {}", status.code(), status.message())
}
