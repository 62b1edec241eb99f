//! Environments: in which form addresses are kept, and which places lie at them. Pure.
//!
//! Nothing is stored about which vulnerability is where: that follows from its place and from the
//! addresses as they are now.

use crate::error::{Error, Result};
use crate::id::EnvironmentId;
use crate::model::{
    ADDRESSES_MAX, ENVIRONMENTS_MAX, Environment, EnvironmentBook, EnvironmentKind, Location,
};

/// Longest name, in bytes.
const NAME_LIMIT: usize = 100;
/// Longest address, in bytes.
const ADDRESS_LIMIT: usize = 500;

/// A name as it is kept: trimmed, in lower case.
///
/// # Errors
/// `environment.name`.
pub fn name(text: &str) -> Result<String> {
    let name = text.trim().to_lowercase();
    let is_odd = name.chars().any(|c| c.is_control() || c == ',');
    if name.is_empty() || name.len() > NAME_LIMIT || is_odd {
        return Err(Error::invalid(
            "environment.name",
            format!("the name of an environment has 1 to {NAME_LIMIT} bytes, in one line and without commas"),
        )
        .on_field("name"));
    }
    Ok(name)
}

/// Addresses as they are kept: in their form, each once, sorted.
///
/// # Errors
/// `environment.address`, `environment.too_many_addresses`.
pub fn addresses(kind: EnvironmentKind, texts: &[String]) -> Result<Vec<String>> {
    let mut all = texts
        .iter()
        .map(|text| address(kind, text))
        .collect::<Result<Vec<_>>>()?;
    all.sort_unstable();
    all.dedup();
    if all.len() > ADDRESSES_MAX {
        return Err(Error::limit(
            "environment.too_many_addresses",
            format!("an environment has at most {ADDRESSES_MAX} addresses"),
        )
        .on_field("addresses"));
    }
    Ok(all)
}

/// One address in the form in which it is kept: a web address without its default port, a slash at
/// the end, query and fragment; hosts in lower case.
///
/// # Errors
/// `environment.address`.
pub fn address(kind: EnvironmentKind, text: &str) -> Result<String> {
    let text = text.trim();
    let is_odd = |c: char| c.is_control() || c.is_whitespace() || matches!(c, '<' | '>' | '"');
    let is_fit = !text.is_empty() && text.len() <= ADDRESS_LIMIT && !text.contains(is_odd);
    let kept = match kind {
        _ if !is_fit => None,
        EnvironmentKind::Url => Web::read(text).map(|web| web.written()),
        EnvironmentKind::Host => host_and_port(text)
            .filter(|(host, _)| !host.contains(['/', '@']))
            .map(|_| text.to_lowercase()),
        EnvironmentKind::CloudAccount | EnvironmentKind::MobileApp => Some(text.to_owned()),
    };
    kept.ok_or_else(|| {
        let form = match kind {
            EnvironmentKind::Url => {
                "a web address begins with http:// or https:// and has no password in it"
            }
            EnvironmentKind::Host => {
                "a host is a name or an IP address, perhaps with a port: db.example.com:5432"
            }
            EnvironmentKind::CloudAccount => {
                "say the id of the account, the subscription or the project"
            }
            EnvironmentKind::MobileApp => "say the id of the app: com.example.shop",
        };
        Error::invalid(
            "environment.address",
            format!("{form}; at most {ADDRESS_LIMIT} bytes"),
        )
        .on_field("addresses")
    })
}

/// A web address in its parts.
#[derive(Debug, PartialEq, Eq)]
struct Web<'a> {
    scheme: String,
    host: String,
    port: Option<u16>,
    /// Begins with a slash, or is empty.
    path: &'a str,
}

impl<'a> Web<'a> {
    fn read(text: &'a str) -> Option<Self> {
        let (scheme, rest) = text.split_once("://")?;
        let scheme = scheme.to_ascii_lowercase();
        let default = match scheme.as_str() {
            "http" | "ws" => 80,
            "https" | "wss" => 443,
            _ => return None,
        };
        let bare = rest.split(['?', '#']).next().unwrap_or_default();
        let (authority, path) = match bare.find('/') {
            Some(at) => bare.split_at(at),
            None => (bare, ""),
        };
        if authority.contains('@') {
            return None;
        }
        let (host, port) = host_and_port(authority)?;
        Some(Self {
            scheme,
            host,
            port: port.filter(|port| *port != default),
            path: path.trim_end_matches('/'),
        })
    }

    fn written(&self) -> String {
        let port = self.port.map(|port| format!(":{port}")).unwrap_or_default();
        let host = match self.host.contains(':') {
            true => format!("[{}]", self.host),
            false => self.host.clone(),
        };
        format!("{}://{host}{port}{}", self.scheme, self.path)
    }

    /// With the scheme's own where it names none.
    fn port(&self) -> u16 {
        let default = match self.scheme.as_str() {
            "http" | "ws" => 80,
            _ => 443,
        };
        self.port.unwrap_or(default)
    }
}

/// A host in lower case, with its port; an IPv6 address with a port stands in brackets.
fn host_and_port(text: &str) -> Option<(String, Option<u16>)> {
    let text = text.to_ascii_lowercase();
    let is_ipv6 = |host: &str| host.parse::<std::net::Ipv6Addr>().is_ok();
    let (host, port) = match text.rsplit_once(':') {
        _ if is_ipv6(&text) => (text.as_str(), None),
        Some((host, port)) if !host.ends_with(':') && !port.ends_with(']') => {
            (host, Some(port.parse().ok()?))
        }
        _ => (text.as_str(), None),
    };
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let is_name = !bare.is_empty() && (is_ipv6(bare) || !bare.contains(':'));
    is_name.then(|| (bare.to_owned(), port))
}

/// Whether a place lies in an environment.
#[must_use]
pub fn is_in(environment: &Environment, place: &Location) -> bool {
    let addresses = || environment.addresses.iter().map(String::as_str);
    match (environment.kind, place) {
        (EnvironmentKind::Url, Location::Endpoint(endpoint)) => Web::read(endpoint.url.trim())
            .is_some_and(|place| {
                addresses().any(|address| Web::read(address).is_some_and(|at| lies_at(&place, &at)))
            }),
        (EnvironmentKind::Url, Location::Network(network)) => {
            let host = network.host.trim().to_ascii_lowercase();
            addresses().any(|address| {
                Web::read(address).is_some_and(|at| {
                    at.host == host && network.port.is_none_or(|port| port == at.port())
                })
            })
        }
        (EnvironmentKind::Host, Location::Endpoint(endpoint)) => Web::read(endpoint.url.trim())
            .is_some_and(|place| {
                addresses().any(|address| is_host(address, &place.host, Some(place.port())))
            }),
        (EnvironmentKind::Host, Location::Network(network)) => {
            let host = network.host.trim().to_ascii_lowercase();
            addresses().any(|address| is_host(address, &host, network.port))
        }
        (EnvironmentKind::CloudAccount, Location::Cloud(cloud)) => addresses().any(|address| {
            cloud.account.as_deref() == Some(address)
                || cloud.resource.split([':', '/']).any(|part| part == address)
        }),
        _ => false,
    }
}

/// The same host by the same way, and a path at or below that of the address.
fn lies_at(place: &Web<'_>, at: &Web<'_>) -> bool {
    let rest = place.path.strip_prefix(at.path);
    (&place.scheme, &place.host, place.port) == (&at.scheme, &at.host, at.port)
        && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn is_host(address: &str, host: &str, port: Option<u16>) -> bool {
    host_and_port(address).is_some_and(|(own, wanted)| {
        own == host && (wanted.is_none() || port.is_none() || wanted == port)
    })
}

/// The names of the environments that a place lies in, in the order of the book.
#[must_use]
pub fn names_of(book: &EnvironmentBook, place: &Location) -> Vec<String> {
    book.environments
        .iter()
        .filter(|environment| is_in(environment, place))
        .map(|environment| environment.name.clone())
        .collect()
}

/// The book with one more, or with this one instead of the one with its id.
///
/// # Errors
/// `environment.exists`, `environment.too_many`.
pub fn with(book: &EnvironmentBook, environment: Environment) -> Result<EnvironmentBook> {
    let mut next = without(book, environment.id);
    if next.named(&environment.name).is_some() {
        return Err(Error::conflict(
            "environment.exists",
            "the asset has an environment of this name",
        )
        .on_field("name"));
    }
    next.environments.push(environment);
    next.environments.sort_by(|a, b| a.name.cmp(&b.name));
    if next.environments.len() > ENVIRONMENTS_MAX {
        return Err(Error::limit(
            "environment.too_many",
            format!("an asset has at most {ENVIRONMENTS_MAX} environments"),
        ));
    }
    Ok(next)
}

/// The book without that one.
#[must_use]
pub fn without(book: &EnvironmentBook, id: EnvironmentId) -> EnvironmentBook {
    let mut next = book.clone();
    next.environments.retain(|known| known.id != id);
    next
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{AssetId, GroupId, OrganizationId, TypedId};
    use crate::model::{CloudLocation, CodeLocation, EndpointLocation, NetworkLocation};
    use crate::time::Timestamp;
    use EnvironmentKind::{CloudAccount, Host, MobileApp, Url};
    use uuid::Uuid;

    #[test]
    fn addresses_are_kept_in_one_form_or_refused() {
        for (kind, text, kept) in [
            (
                Url,
                "https://Shop.Example.com:443/",
                Some("https://shop.example.com"),
            ),
            (
                Url,
                " http://a.example:8080/App/?x=1#y ",
                Some("http://a.example:8080/App"),
            ),
            (Url, "wss://a.example/ws", Some("wss://a.example/ws")),
            (
                Url,
                "https://[2001:db8::1]:8443/x",
                Some("https://[2001:db8::1]:8443/x"),
            ),
            (Url, "shop.example.com", None),
            (Url, "ftp://shop.example.com", None),
            (Url, "https://me:secret@shop.example.com", None),
            (Url, "https://", None),
            (Url, "https://a.example:99999", None),
            (Url, "https://a.example/two words", None),
            (Url, "", None),
            (Host, "DB.example.com:5432", Some("db.example.com:5432")),
            (Host, "10.0.0.5", Some("10.0.0.5")),
            (Host, "2001:db8::1", Some("2001:db8::1")),
            (Host, "https://db.example.com", None),
            (Host, "db.example.com:port", None),
            (CloudAccount, "123456789012", Some("123456789012")),
            (MobileApp, "com.example.Shop", Some("com.example.Shop")),
            (MobileApp, "com example", None),
        ] {
            let came = address(kind, text);
            match kept {
                Some(kept) => assert_eq!(came.as_deref(), Ok(kept), "{text}"),
                None => assert_eq!(
                    came.expect_err(text).code(),
                    "environment.address",
                    "{text}"
                ),
            }
        }
        let long = format!("https://a.example/{}", "x".repeat(500));
        assert!(address(Url, &long).is_err());
        let many: Vec<String> = (0..=ADDRESSES_MAX).map(|n| format!("h{n}")).collect();
        let refused = addresses(Host, &many).expect_err("too many");
        assert_eq!(refused.code(), "environment.too_many_addresses");
    }

    fn environment(kind: EnvironmentKind, address: &str) -> Environment {
        Environment {
            id: EnvironmentId::from_uuid(Uuid::from_u128(1)),
            name: "production".to_owned(),
            kind,
            addresses: addresses(kind, &[address.to_owned()]).expect("an address"),
            created: Timestamp::from_millis(0),
        }
    }

    #[test]
    fn what_lies_at_an_address_is_in_its_environment_and_what_only_looks_so_is_not() {
        let url = |url: &str| {
            Location::Endpoint(EndpointLocation {
                url: url.to_owned(),
                ..EndpointLocation::default()
            })
        };
        let network = |host: &str, port| {
            Location::Network(NetworkLocation {
                host: host.to_owned(),
                port,
                ..NetworkLocation::default()
            })
        };
        let cloud = |resource: &str, account: Option<&str>| {
            Location::Cloud(CloudLocation {
                resource: resource.to_owned(),
                account: account.map(str::to_owned),
                ..CloudLocation::default()
            })
        };
        let shop = "https://shop.example.com/app";
        for (kind, address, place, is) in [
            (Url, shop, url("https://shop.example.com/app"), true),
            (
                Url,
                shop,
                url("HTTPS://SHOP.example.com:443/app/a?b=c"),
                true,
            ),
            (Url, shop, url("https://shop.example.com/apple"), false),
            (Url, shop, url("https://shop.example.com/"), false),
            (Url, shop, url("http://shop.example.com/app"), false),
            (Url, shop, url("https://shop.example.com:8443/app"), false),
            (
                Url,
                shop,
                url("https://shop.example.com.evil.example/app"),
                false,
            ),
            (Url, shop, url("/app"), false),
            (Url, shop, network("shop.example.com", Some(443)), true),
            (Url, shop, network("Shop.example.com", None), true),
            (Url, shop, network("shop.example.com", Some(22)), false),
            (
                Url,
                "https://[2001:db8::1]:8443",
                url("https://[2001:DB8::1]:8443/a"),
                true,
            ),
            (Host, "shop.example.com", url(shop), true),
            (Host, "shop.example.com:22", url(shop), false),
            (Host, "10.0.0.5:22", network("10.0.0.5", Some(22)), true),
            (Host, "10.0.0.5:22", network("10.0.0.5", Some(23)), false),
            (Host, "10.0.0.5", network("10.0.0.50", None), false),
            (
                CloudAccount,
                "123",
                cloud("arn:aws:iam::123:role/x", None),
                true,
            ),
            (
                CloudAccount,
                "123",
                cloud("arn:aws:iam::1234:role/x", None),
                false,
            ),
            (CloudAccount, "sub-1", cloud("x", Some("sub-1")), true),
            (
                CloudAccount,
                "sub-1",
                cloud("/subscriptions/sub-1/x", None),
                true,
            ),
            (MobileApp, "com.example", url("https://com.example"), false),
            (Url, shop, Location::Code(CodeLocation::default()), false),
            (Url, shop, Location::Asset, false),
        ] {
            let environment = environment(kind, address);
            assert_eq!(is_in(&environment, &place), is, "{address} {place:?}");
        }
    }

    #[test]
    fn a_book_has_each_name_once_and_not_too_many() {
        let book = EnvironmentBook {
            organization: OrganizationId::from_uuid(Uuid::from_u128(1)),
            group: GroupId::from_uuid(Uuid::from_u128(2)),
            asset: AssetId::from_uuid(Uuid::from_u128(3)),
            environments: Vec::new(),
        };
        let of = |number: u128, name: &str| Environment {
            id: EnvironmentId::from_uuid(Uuid::from_u128(number)),
            name: name.to_owned(),
            ..environment(Url, "https://a.example")
        };
        let one = with(&book, of(1, "staging")).expect("added");
        let two = with(&one, of(2, "production")).expect("added");
        let names: Vec<_> = two.environments.iter().map(|known| &known.name).collect();
        assert_eq!(names, ["production", "staging"]);
        let taken = with(&two, of(1, "production")).expect_err("taken");
        assert_eq!(taken.code(), "environment.exists");
        assert!(with(&two, of(1, "staging")).is_ok(), "its own name is free");
        assert_eq!(without(&two, of(2, "").id), one);
        let full = (0..50).try_fold(book, |book, n| with(&book, of(n, &format!("e{n}"))));
        let more = with(&full.expect("fits"), of(99, "more")).expect_err("full");
        assert_eq!(more.code(), "environment.too_many");
        for (text, kept) in [
            (" Production ", Some("production")),
            ("", None),
            ("a,b", None),
            ("a\nb", None),
        ] {
            assert_eq!(name(text).ok().as_deref(), kept, "{text:?}");
        }
    }
}
