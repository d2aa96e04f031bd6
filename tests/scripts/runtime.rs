//! The runtimes, each running the futures of connections over sockets of its own kind.

use std::net::TcpStream;
use std::sync::Arc;

use pillarbox::driver::{Connection, ListenerKind, Service, Stream};

use crate::calm::{Calm, Counted, ScriptClock, Watched};

/// A runtime with two threads.
pub enum Runtime {
    #[cfg(feature = "runtime-tokio")]
    Tokio(tokio::runtime::Runtime),
    #[cfg(feature = "runtime-smol")]
    Smol(Arc<smol::Executor<'static>>),
}

impl Runtime {
    #[cfg(feature = "runtime-tokio")]
    pub fn tokio() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build();
        Self::Tokio(runtime.expect("tokio starts"))
    }

    #[cfg(feature = "runtime-smol")]
    pub fn smol() -> Self {
        let executor = Arc::new(smol::Executor::new());
        for _ in 0..2 {
            let executor = executor.clone();
            // They end with the process.
            std::thread::spawn(move || {
                smol::block_on(executor.run(std::future::pending::<()>()));
            });
        }
        Self::Smol(executor)
    }

    /// Runs the server's side of a connection.
    pub fn serve(
        &self,
        socket: TcpStream,
        kind: ListenerKind,
        service: Arc<Service>,
        calm: &Arc<Calm>,
    ) -> usize {
        let id = calm.add();
        match self {
            #[cfg(feature = "runtime-tokio")]
            Self::Tokio(runtime) => {
                let _entered = runtime.enter();
                let socket = tokio::net::TcpStream::from_std(socket).expect("a socket for tokio");
                let stream = pillarbox::tokio::Tcp(socket);
                runtime.spawn(watched(stream, kind, service, calm, id));
            }
            #[cfg(feature = "runtime-smol")]
            Self::Smol(executor) => {
                let socket = smol::Async::new(socket).expect("a socket for smol");
                let stream = pillarbox::smol::Tcp(socket);
                let connection = watched(stream, kind, service, calm, id);
                executor.spawn(connection).detach();
            }
        }
        id
    }
}

type Looked<S> = Watched<Connection<Counted<S>, ScriptClock>>;

fn watched<S: Stream + Unpin>(
    stream: S,
    kind: ListenerKind,
    service: Arc<Service>,
    calm: &Arc<Calm>,
    id: usize,
) -> Looked<S> {
    let calm = calm.clone();
    let stream = Counted {
        calm: calm.clone(),
        id,
        stream,
    };
    let clock = ScriptClock(calm.clone());
    let connection = Connection::new(service, kind, stream, clock, None);
    Watched::new(calm, id, connection)
}
