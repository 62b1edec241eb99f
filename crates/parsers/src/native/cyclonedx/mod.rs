//! CycloneDX bills of materials that carry vulnerabilities: 1.4 to 1.6 in JSON and XML, and the
//! vulnerability extension that tools wrote into XML before 1.4.
//!
//! Documented at <https://cyclonedx.org/docs/1.6/json/> and <https://cyclonedx.org/docs/1.6/xml/>,
//! the extension at <https://cyclonedx.org/ext/vulnerability/>. Identity: advisory and package
//! (purl where the component has one). Each affected component of a vulnerability is an instance.
//! A bill without vulnerabilities is a report without findings. Analysis states of VEX become
//! suppressions; references into other documents (BOM-Link, `urn:cdx:`) are resolved as far as the
//! reference itself names the component.
//!
//! Components are kept in memory while the vulnerabilities are read one by one. Read next:
//! `model.rs`, then `finding.rs`; `json.rs` and `xml.rs` only differ in how they fill the model.

mod finding;
mod json;
mod model;
mod xml;

#[cfg(test)]
mod tests;

use gna_domain::import::{Category, FormatInfo};
use std::sync::LazyLock;

pub use json::CycloneDxJson;
pub use xml::CycloneDxXml;

fn info(name: &str, title: &str) -> FormatInfo {
    FormatInfo {
        name: name.into(),
        title: title.into(),
        tool: "CycloneDX".into(),
        category: Category::Sca,
        identity: "advisory (CVE first) and package, by purl where there is one".into(),
        streams: false,
    }
}

static JSON_INFO: LazyLock<FormatInfo> = LazyLock::new(|| info("cyclonedx", "CycloneDX JSON"));
static XML_INFO: LazyLock<FormatInfo> = LazyLock::new(|| info("cyclonedx-xml", "CycloneDX XML"));
