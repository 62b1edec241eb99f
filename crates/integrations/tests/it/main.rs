//! Tests of the integration framework through its public face.

mod contract;
mod documents;
