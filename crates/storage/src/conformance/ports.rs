//! Where servers of tests listen.

use std::hash::{BuildHasher, Hasher, RandomState};

/// Below what the system gives to whoever asks for any port, so that nobody else has the port while its
/// server is away.
const PORTS: std::ops::Range<u16> = 20_000..32_000;

/// A port of this machine that nobody listens on.
///
/// # Panics
/// Where there is none.
#[must_use]
pub fn free_port() -> u16 {
    let random = RandomState::new().build_hasher().finish();
    let from = PORTS.start + u16::try_from(random % PORTS.len() as u64).unwrap_or_default();
    let mut ports = (from..PORTS.end).chain(PORTS.start..from);
    let is_free = |port: &u16| std::net::TcpListener::bind(("127.0.0.1", *port)).is_ok();
    ports.find(is_free).expect("a free port")
}
