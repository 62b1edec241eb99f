//! The HTTP server: one listener, the routes of the API crate, an orderly end.

use axum::Router;
use gna_domain::error::{Error, Result};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// How long open requests may go on after the server was told to stop.
const GRACE: Duration = Duration::from_secs(10);

/// Takes the address.
///
/// # Errors
/// `server.listen`, when it can't be had.
pub async fn listen(address: SocketAddr) -> Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|error| {
        Error::unavailable(
            "server.listen",
            format!(
                "can't listen on {address} ({error}); stop the program that has the port, or choose another with --listen"
            ),
        )
    })
}

/// Answers until `stop`, then lets open requests end for a while.
///
/// # Errors
/// `server.failed`, when the listener breaks.
pub async fn serve(listener: TcpListener, app: Router, stop: CancellationToken) -> Result<()> {
    let service = app.into_make_service_with_connect_info::<SocketAddr>();
    let serving =
        axum::serve(listener, service).with_graceful_shutdown(stop.clone().cancelled_owned());
    let late = async {
        stop.cancelled().await;
        tokio::time::sleep(GRACE).await;
    };
    tokio::select! {
        ended = serving => ended.map_err(|error| {
            Error::unavailable("server.failed", format!("the HTTP server failed: {error}"))
        }),
        () = late => Ok(()),
    }
}

/// Ends when the process is asked to: Ctrl-C, or `SIGTERM`. Whoever asks from this call on is heard,
/// also before the answer is awaited: a service manager may be quicker than we are.
pub fn asked_to_stop() -> impl Future<Output = ()> {
    #[cfg(unix)]
    let signals = {
        use tokio::signal::unix::{SignalKind, signal};
        [SignalKind::interrupt(), SignalKind::terminate()].map(signal)
    };
    async move {
        #[cfg(unix)]
        {
            let [interrupt, terminate] = signals;
            if let (Ok(mut interrupt), Ok(mut terminate)) = (interrupt, terminate) {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
                return;
            }
        }
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
