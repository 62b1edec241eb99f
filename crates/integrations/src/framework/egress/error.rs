//! From the client's errors to ours: what, in one sentence without a secret, and whether anything
//! may have been sent.

use gna_domain::port::egress::{EgressError, Failure};
use std::error::Error as StdError;

use super::resolve::{Blocked, Unresolved};

/// An error of sending to a host, or of reading its answer.
pub(super) fn from_client(error: &reqwest::Error, host: &str) -> EgressError {
    if let Some(blocked) = find::<Blocked>(error) {
        return EgressError::not_sent(
            Failure::Refused,
            format!("requests to {host} are refused: {blocked}"),
        );
    }
    if find::<Unresolved>(error).is_some() {
        return EgressError::not_sent(
            Failure::Resolve,
            format!("the name {host} can't be resolved; check it, and the name server"),
        );
    }
    if error.is_builder() {
        return EgressError::not_sent(Failure::Address, "the request can't be made up");
    }
    if let Some(tls) = find::<rustls::Error>(error) {
        return EgressError::not_sent(
            Failure::Tls,
            format!("no secure connection to {host}: {tls}; check its certificate"),
        );
    }
    if error.is_connect() {
        return if error.is_timeout() {
            EgressError::not_sent(
                Failure::Timeout,
                format!("{host} did not take the connection in time"),
            )
        } else {
            let why = find::<std::io::Error>(error)
                .map_or_else(|| "no connection".to_owned(), |io| io.kind().to_string());
            EgressError::not_sent(Failure::Connect, format!("{host} can't be reached: {why}"))
        };
    }
    if error.is_timeout() {
        return timed_out(host);
    }
    if find::<hyper::Error>(error).is_some_and(hyper::Error::is_parse) {
        return EgressError::unknown(
            Failure::Protocol,
            format!("what {host} answers is not HTTP"),
        );
    }
    EgressError::unknown(
        Failure::Reset,
        format!("the connection to {host} ended before the answer did"),
    )
}

pub(super) fn timed_out(host: &str) -> EgressError {
    EgressError::unknown(Failure::Timeout, format!("{host} did not answer in time"))
}

pub(super) fn too_large(host: &str, limit: u64) -> EgressError {
    EgressError::unknown(
        Failure::TooLarge,
        format!("the answer of {host} is longer than {limit} bytes"),
    )
}

/// The error of that type among the causes, also inside of I/O errors, which do not show what they
/// hold as their source.
fn find<E: StdError + 'static>(error: &reqwest::Error) -> Option<&E> {
    let mut next: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<E>() {
            return Some(found);
        }
        let inner = error
            .downcast_ref::<std::io::Error>()
            .and_then(std::io::Error::get_ref);
        next = match inner {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    None
}
