//! The nouns: plain values, one file each.

mod location;
mod severity;

pub use location::{
    CloudLocation, CodeLocation, EndpointLocation, Location, NetworkLocation, PackageLocation,
    SNIPPET_LIMIT,
};
pub use severity::{Cvss, CvssVersion, Level, preferred};
