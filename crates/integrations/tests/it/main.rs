//! Tests of the integration framework through its public face, against real sockets and stores.

mod connect;
mod contract;
mod documents;
mod egress;
mod keyrings;
mod requester;
mod vault;
