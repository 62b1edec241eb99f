//! Tests of the integration framework through its public face, against real sockets and stores.

mod adopter;
mod connect;
mod contract;
mod documents;
mod egress;
mod frigg_export;
mod keyrings;
mod lists;
mod named;
mod recipes;
mod requester;
mod vault;
