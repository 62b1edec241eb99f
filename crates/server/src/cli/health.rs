//! `gna health`: whether the server of this configuration answers; for health checks of containers.

use clap::Args;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use super::local::block_on;
use super::{Exit, Failure, Global, Out};
use crate::config::Overrides;

/// Longest wait for the answer.
const PATIENCE: Duration = Duration::from_secs(4);

/// Ask the server on this machine whether it can serve requests
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  gna health                              the server at server.listen
  gna health --url http://10.0.0.7:8420   another one

Exit codes: 0 it can, 3 it can't or nobody answers.")]
pub struct HealthArgs {
    /// Address of the server [default: server.listen, as configured]
    #[arg(long, value_name = "URL")]
    url: Option<String>,
}

/// # Errors
/// Exit code 3 where nobody answers, or the server can't reach its store.
pub fn run(args: &HealthArgs, global: &Global, out: &mut Out) -> Result<Exit, Failure> {
    let url = match &args.url {
        Some(url) => url.trim_end_matches('/').to_owned(),
        None => {
            let mut listen = global.load(Overrides::default())?.server.listen;
            // Who listens everywhere is reached here.
            match listen.ip() {
                IpAddr::V4(ip) if ip.is_unspecified() => listen.set_ip(Ipv4Addr::LOCALHOST.into()),
                IpAddr::V6(ip) if ip.is_unspecified() => listen.set_ip(Ipv6Addr::LOCALHOST.into()),
                _ => {}
            }
            format!("http://{listen}")
        }
    };
    block_on(async {
        let unreachable = |error: reqwest::Error| {
            Failure::unreadable(
                "server.unreachable",
                format!("{url} does not answer: {}", error.without_url()),
            )
        };
        let client = reqwest::Client::builder()
            .no_proxy()
            .timeout(PATIENCE)
            .build();
        let asked = client
            .map_err(unreachable)?
            .get(format!("{url}/health/ready"));
        let status = asked.send().await.map_err(unreachable)?.status();
        if !status.is_success() {
            return Err(Failure::unreadable(
                "server.not_ready",
                format!("{url} answers, but can't serve requests now ({status}); see its log"),
            ));
        }
        match out.is_json() {
            true => out.json(&serde_json::json!({ "url": url, "ready": true }))?,
            false => out.line(format_args!("{url} is ready"))?,
        }
        Ok(Exit::Done)
    })
}
