//! Where requests may go: the pure part of the guard against server-side request forgery.
//!
//! An address is judged by the special-purpose registries of IANA (RFC 6890 with its updates; for
//! IPv6 also RFC 4291 and RFC 6052) and a list of the metadata services of clouds, which hand out
//! the machine's own credentials to whoever can ask from it. Metadata is refused whatever the
//! configuration says; private networks are open only as far as it lists them.
//!
//! Who calls this must judge the very addresses that are connected to, not a name beforehand: see
//! `framework/egress` in the integrations.

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Networks that the configuration opens although they are not public.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AllowList(Vec<IpNet>);

impl AllowList {
    /// From `10.1.0.0/16`, `fd12::/16`, `192.168.1.7`.
    ///
    /// # Errors
    /// The first text that is none of these.
    pub fn parse<T: AsRef<str>>(networks: &[T]) -> Result<Self, String> {
        networks
            .iter()
            .map(|text| {
                let text = text.as_ref().trim();
                text.parse::<IpNet>()
                    .or_else(|_| text.parse::<IpAddr>().map(IpNet::from))
                    .map_err(|_| text.to_owned())
            })
            .collect::<Result<_, _>>()
            .map(Self)
    }

    #[must_use]
    pub fn contains(&self, ip: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&ip))
    }
}

/// What an address is for, where it is not simply public.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// A service that gives a cloud machine its identity and credentials.
    Metadata,
    Loopback,
    /// RFC 1918.
    Private,
    /// Carrier-grade NAT, RFC 6598.
    Shared,
    /// RFC 4193.
    UniqueLocal,
    LinkLocal,
    /// RFC 3879, deprecated.
    SiteLocal,
    Multicast,
    Unspecified,
    Documentation,
    Benchmarking,
    /// An IPv4 address inside an IPv6 one: mapped, compatible, translated, NAT64, 6to4, Teredo.
    /// Nobody needs them to reach a service, and each is a way around a check.
    Embedded,
    /// Everything else that is not global unicast.
    Reserved,
}

impl Class {
    /// Whether configuration can open networks of this kind.
    #[must_use]
    pub fn can_be_allowed(self) -> bool {
        matches!(
            self,
            Self::Loopback | Self::Private | Self::Shared | Self::UniqueLocal | Self::Benchmarking
        )
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Metadata => "a cloud's metadata service",
            Self::Loopback => "this machine itself",
            Self::Private => "a private network",
            Self::Shared => "a carrier's shared network",
            Self::UniqueLocal => "a unique local network",
            Self::LinkLocal => "a link-local address",
            Self::SiteLocal => "a site-local address",
            Self::Multicast => "a multicast address",
            Self::Unspecified => "no address",
            Self::Documentation => "an address for documentation",
            Self::Benchmarking => "an address for benchmarks",
            Self::Embedded => "an IPv4 address inside an IPv6 one",
            Self::Reserved => "a reserved address",
        })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Public,
    /// Not public, but opened by the configuration.
    Allowed,
    Refused(Class),
}

impl Verdict {
    #[must_use]
    pub fn is_refused(self) -> bool {
        matches!(self, Self::Refused(_))
    }
}

/// Whether a connection to the address may be made.
#[must_use]
pub fn judge(ip: IpAddr, allowed: &AllowList) -> Verdict {
    match class(ip) {
        None => Verdict::Public,
        Some(class) if class.can_be_allowed() && allowed.contains(ip) => Verdict::Allowed,
        Some(class) => Verdict::Refused(class),
    }
}

/// AWS and most others, AWS tasks and pods, Alibaba, Azure's host, Oracle, Tencent, Scaleway;
/// then AWS, its pods, Google and Scaleway over IPv6. Some lie in public ranges.
const METADATA_V4: &[Ipv4Addr] = &[
    Ipv4Addr::new(169, 254, 169, 254),
    Ipv4Addr::new(169, 254, 170, 2),
    Ipv4Addr::new(169, 254, 170, 23),
    Ipv4Addr::new(100, 100, 100, 200),
    Ipv4Addr::new(168, 63, 129, 16),
    Ipv4Addr::new(192, 0, 0, 192),
    Ipv4Addr::new(169, 254, 0, 23),
    Ipv4Addr::new(169, 254, 42, 42),
];
const METADATA_V6: &[Ipv6Addr] = &[
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254),
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23),
    Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254),
    Ipv6Addr::new(0xfd00, 0x42, 0, 0, 0, 0, 0, 0x42),
];

const fn v4(a: u8, b: u8, c: u8, prefix: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, 0), prefix)
}

const fn v6(a: u16, b: u16, c: u16, prefix: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0), prefix)
}

/// The first match counts.
const SPECIAL_V4: &[(Ipv4Net, Class)] = &[
    (v4(0, 0, 0, 8), Class::Unspecified),
    (v4(10, 0, 0, 8), Class::Private),
    (v4(100, 64, 0, 10), Class::Shared),
    (v4(127, 0, 0, 8), Class::Loopback),
    (v4(169, 254, 0, 16), Class::LinkLocal),
    (v4(172, 16, 0, 12), Class::Private),
    (v4(192, 0, 0, 24), Class::Reserved),
    (v4(192, 0, 2, 24), Class::Documentation),
    (v4(192, 31, 196, 24), Class::Reserved),
    (v4(192, 52, 193, 24), Class::Reserved),
    (v4(192, 88, 99, 24), Class::Reserved),
    (v4(192, 168, 0, 16), Class::Private),
    (v4(192, 175, 48, 24), Class::Reserved),
    (v4(198, 18, 0, 15), Class::Benchmarking),
    (v4(198, 51, 100, 24), Class::Documentation),
    (v4(203, 0, 113, 24), Class::Documentation),
    (v4(224, 0, 0, 4), Class::Multicast),
    (v4(240, 0, 0, 4), Class::Reserved),
];

/// The first match counts; what is outside of 2000::/3 and not here is reserved.
const SPECIAL_V6: &[(Ipv6Net, Class)] = &[
    (v6(0x64, 0xff9b, 0, 96), Class::Embedded),
    (v6(0x64, 0xff9b, 1, 48), Class::Embedded),
    (v6(0x2001, 0, 0, 32), Class::Embedded),
    (v6(0x2001, 2, 0, 48), Class::Benchmarking),
    (v6(0x2001, 0xdb8, 0, 32), Class::Documentation),
    (v6(0x2001, 0, 0, 23), Class::Reserved),
    (v6(0x2002, 0, 0, 16), Class::Embedded),
    (v6(0x3fff, 0, 0, 20), Class::Documentation),
    (v6(0xfc00, 0, 0, 7), Class::UniqueLocal),
    (v6(0xfe80, 0, 0, 10), Class::LinkLocal),
    (v6(0xfec0, 0, 0, 10), Class::SiteLocal),
    (v6(0xff00, 0, 0, 8), Class::Multicast),
];

const GLOBAL_V6: Ipv6Net = v6(0x2000, 0, 0, 3);

/// What the address is for; `None` for public ones.
#[must_use]
pub fn class(ip: IpAddr) -> Option<Class> {
    match ip {
        IpAddr::V4(ip) if METADATA_V4.contains(&ip) => Some(Class::Metadata),
        IpAddr::V4(ip) => SPECIAL_V4
            .iter()
            .find(|(network, _)| network.contains(&ip))
            .map(|(_, class)| *class),
        IpAddr::V6(ip) => class_v6(ip),
    }
}

fn class_v6(ip: Ipv6Addr) -> Option<Class> {
    if METADATA_V6.contains(&ip) {
        return Some(Class::Metadata);
    }
    if ip == Ipv6Addr::UNSPECIFIED {
        return Some(Class::Unspecified);
    }
    if ip == Ipv6Addr::LOCALHOST {
        return Some(Class::Loopback);
    }
    // Mapped (::ffff:0:0/96), translated (::ffff:0:0:0/96) and compatible (::/96).
    if matches!(
        ip.segments(),
        [0, 0, 0, 0, 0, 0xffff, ..] | [0, 0, 0, 0, 0xffff, 0, ..] | [0, 0, 0, 0, 0, 0, ..]
    ) {
        return Some(Class::Embedded);
    }
    SPECIAL_V6
        .iter()
        .find(|(network, _)| network.contains(&ip))
        .map(|(_, class)| *class)
        .or_else(|| (!GLOBAL_V6.contains(&ip)).then_some(Class::Reserved))
}

/// What may be asked for at all, before any name is resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetPolicy {
    pub allowed: AllowList,
    /// Ports that may be connected to; empty for all.
    pub ports: Vec<u16>,
    /// Whether `http:` may be used to public addresses too. To allowed networks it always may.
    pub http_anywhere: bool,
}

impl Default for TargetPolicy {
    fn default() -> Self {
        Self {
            allowed: AllowList::default(),
            ports: vec![80, 443, 8080, 8443],
            http_anywhere: false,
        }
    }
}

/// An address taken apart by whoever knows how to read one.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    pub scheme: &'a str,
    pub port: Option<u16>,
    /// Whether a user name or password stands in it.
    pub has_user: bool,
    /// Where the host is an address itself, however it was written.
    pub ip: Option<IpAddr>,
}

/// Why not, as a sentence that says what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotThere {
    /// The address as such is wrong.
    Address(String),
    /// It leads where requests may not go.
    Refused(String),
}

/// Judges what can be judged without resolving the name.
///
/// # Errors
/// Why it may not be asked.
pub fn check_target(target: &Target<'_>, policy: &TargetPolicy) -> Result<(), NotThere> {
    if !matches!(target.scheme, "https" | "http") {
        return Err(NotThere::Address(
            "the address must start with https:// or http://".to_owned(),
        ));
    }
    if target.has_user {
        return Err(NotThere::Address(
            "the address holds a user name or password; give them as credentials instead"
                .to_owned(),
        ));
    }
    if let Some(ip) = target.ip {
        check_ip(ip, target.scheme == "http", policy)?;
    }
    match target.port {
        Some(port) if !policy.ports.is_empty() && !policy.ports.contains(&port) => {
            Err(NotThere::Refused(format!(
                "port {port} is not open; add it to egress.ports to allow it"
            )))
        }
        Some(_) => Ok(()),
        None => Err(NotThere::Address("the address has no port".to_owned())),
    }
}

/// Judges one address that is about to be connected to.
///
/// # Errors
/// Why it may not be.
pub fn check_ip(ip: IpAddr, in_the_clear: bool, policy: &TargetPolicy) -> Result<(), NotThere> {
    match judge(ip, &policy.allowed) {
        Verdict::Refused(class) if class.can_be_allowed() => Err(NotThere::Refused(format!(
            "{ip} is {class}; add its network to egress.allow to allow it"
        ))),
        Verdict::Refused(class) => Err(NotThere::Refused(format!(
            "{ip} is {class}, where no request is ever sent"
        ))),
        Verdict::Public if in_the_clear && !policy.http_anywhere => {
            Err(NotThere::Refused(format!(
                "{ip} is public and http: is not encrypted; use https:, or set egress.http to allow it"
            )))
        }
        Verdict::Public | Verdict::Allowed => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect(text)
    }

    #[test]
    fn addresses_are_what_the_registries_say() {
        for (text, expected) in [
            ("1.1.1.1", None),
            ("9.255.255.255", None),
            ("11.0.0.0", None),
            ("100.63.255.255", None),
            ("100.128.0.0", None),
            ("172.15.255.255", None),
            ("172.32.0.0", None),
            ("192.167.255.255", None),
            ("198.17.255.255", None),
            ("198.20.0.0", None),
            ("223.255.255.255", None),
            ("0.0.0.0", Some(Class::Unspecified)),
            ("0.255.255.255", Some(Class::Unspecified)),
            ("10.0.0.0", Some(Class::Private)),
            ("10.255.255.255", Some(Class::Private)),
            ("172.16.0.1", Some(Class::Private)),
            ("172.31.255.255", Some(Class::Private)),
            ("192.168.0.1", Some(Class::Private)),
            ("100.64.0.1", Some(Class::Shared)),
            ("100.127.255.255", Some(Class::Shared)),
            ("127.0.0.1", Some(Class::Loopback)),
            ("127.255.255.255", Some(Class::Loopback)),
            ("169.254.1.1", Some(Class::LinkLocal)),
            ("192.0.0.1", Some(Class::Reserved)),
            ("192.0.2.1", Some(Class::Documentation)),
            ("198.51.100.7", Some(Class::Documentation)),
            ("203.0.113.7", Some(Class::Documentation)),
            ("198.18.0.1", Some(Class::Benchmarking)),
            ("198.19.255.255", Some(Class::Benchmarking)),
            ("192.88.99.1", Some(Class::Reserved)),
            ("224.0.0.1", Some(Class::Multicast)),
            ("239.255.255.255", Some(Class::Multicast)),
            ("240.0.0.1", Some(Class::Reserved)),
            ("255.255.255.255", Some(Class::Reserved)),
            ("169.254.169.254", Some(Class::Metadata)),
            ("169.254.170.2", Some(Class::Metadata)),
            ("169.254.170.23", Some(Class::Metadata)),
            ("100.100.100.200", Some(Class::Metadata)),
            ("168.63.129.16", Some(Class::Metadata)),
            ("192.0.0.192", Some(Class::Metadata)),
            ("2606:4700:4700::1111", None),
            ("2a00:1450::1", None),
            ("3ffe::1", None),
            ("::", Some(Class::Unspecified)),
            ("::1", Some(Class::Loopback)),
            ("::2", Some(Class::Embedded)),
            ("::7f00:1", Some(Class::Embedded)),
            ("::ffff:127.0.0.1", Some(Class::Embedded)),
            ("::ffff:8.8.8.8", Some(Class::Embedded)),
            ("::ffff:0:127.0.0.1", Some(Class::Embedded)),
            ("64:ff9b::7f00:1", Some(Class::Embedded)),
            ("64:ff9b::8.8.8.8", Some(Class::Embedded)),
            ("64:ff9b:1::1", Some(Class::Embedded)),
            ("64:ff9b:1:ffff::1", Some(Class::Embedded)),
            ("64:ff9b:2::1", Some(Class::Reserved)),
            ("100::1", Some(Class::Reserved)),
            ("2001::1", Some(Class::Embedded)),
            ("2001:0:ffff::1", Some(Class::Embedded)),
            ("2001:2::1", Some(Class::Benchmarking)),
            ("2001:10::1", Some(Class::Reserved)),
            ("2001:20::1", Some(Class::Reserved)),
            ("2001:db8::1", Some(Class::Documentation)),
            ("3fff::1", Some(Class::Documentation)),
            ("2002:7f00:1::", Some(Class::Embedded)),
            ("2002:808:808::1", Some(Class::Embedded)),
            ("fc00::1", Some(Class::UniqueLocal)),
            ("fdff::1", Some(Class::UniqueLocal)),
            ("fe80::1", Some(Class::LinkLocal)),
            ("febf::1", Some(Class::LinkLocal)),
            ("fec0::1", Some(Class::SiteLocal)),
            ("ff02::1", Some(Class::Multicast)),
            ("4000::1", Some(Class::Reserved)),
            ("5f00::1", Some(Class::Reserved)),
            ("fd00:ec2::254", Some(Class::Metadata)),
            ("fd00:ec2::23", Some(Class::Metadata)),
            ("fd20:ce::254", Some(Class::Metadata)),
        ] {
            assert_eq!(class(ip(text)), expected, "{text}");
        }
    }

    #[test]
    fn configuration_opens_private_networks_and_nothing_else() {
        let everything = AllowList::parse(&["0.0.0.0/0", "::/0"]).expect("networks");
        for (text, verdict) in [
            ("10.1.2.3", Verdict::Allowed),
            ("127.0.0.1", Verdict::Allowed),
            ("::1", Verdict::Allowed),
            ("fd12::1", Verdict::Allowed),
            ("100.64.0.1", Verdict::Allowed),
            ("8.8.8.8", Verdict::Public),
            ("169.254.169.254", Verdict::Refused(Class::Metadata)),
            ("100.100.100.200", Verdict::Refused(Class::Metadata)),
            ("168.63.129.16", Verdict::Refused(Class::Metadata)),
            ("fd00:ec2::254", Verdict::Refused(Class::Metadata)),
            ("169.254.1.1", Verdict::Refused(Class::LinkLocal)),
            ("::ffff:10.1.2.3", Verdict::Refused(Class::Embedded)),
            ("0.0.0.0", Verdict::Refused(Class::Unspecified)),
        ] {
            assert_eq!(judge(ip(text), &everything), verdict, "{text}");
        }
        let some = AllowList::parse(&["10.1.0.0/16", "192.168.1.7"]).expect("networks");
        assert_eq!(judge(ip("10.1.255.1"), &some), Verdict::Allowed);
        assert!(judge(ip("10.2.0.1"), &some).is_refused());
        assert_eq!(judge(ip("192.168.1.7"), &some), Verdict::Allowed);
        assert!(judge(ip("192.168.1.8"), &some).is_refused());
        assert_eq!(
            AllowList::parse(&["10.0.0.0/8", "10.0.0.0/33"]).expect_err("no network"),
            "10.0.0.0/33"
        );
    }

    #[test]
    fn targets_are_judged_before_they_are_resolved() {
        let policy = TargetPolicy {
            allowed: AllowList::parse(&["10.0.0.0/8"]).expect("a network"),
            ..TargetPolicy::default()
        };
        let target = |scheme, port, address: Option<&str>| Target {
            scheme,
            port: Some(port),
            has_user: false,
            ip: address.map(ip),
        };
        for (case, fine) in [
            (target("https", 443, None), true),
            (target("http", 80, None), true),
            (target("https", 22, None), false),
            (target("ftp", 443, None), false),
            (target("https", 443, Some("8.8.8.8")), true),
            (target("http", 80, Some("8.8.8.8")), false),
            (target("http", 80, Some("10.1.1.1")), true),
            (target("https", 443, Some("192.168.1.1")), false),
            (target("https", 443, Some("169.254.169.254")), false),
            (
                Target {
                    has_user: true,
                    ..target("https", 443, None)
                },
                false,
            ),
            (
                Target {
                    port: None,
                    ..target("https", 443, None)
                },
                false,
            ),
        ] {
            assert_eq!(check_target(&case, &policy).is_ok(), fine, "{case:?}");
        }
    }
}
