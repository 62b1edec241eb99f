//! `opensearch://HOST/INDEX` URLs.

use gna_domain::error::{Error, Result};
use gna_domain::secret::Secret;
use percent_encoding::percent_decode_str;
use reqwest::Url;
use std::fmt;
use std::path::PathBuf;

/// The port where the URL names none.
const PORT: u16 = 9200;
/// Longest name of an index: Gna adds to it, and OpenSearch takes 255 bytes.
const NAME: usize = 100;
/// What a shard may be divided into, and copied to.
const SHARDS: std::ops::RangeInclusive<u32> = 1..=1024;
const REPLICAS: std::ops::RangeInclusive<u32> = 0..=20;

/// Where an index is.
#[derive(Clone)]
pub struct Address {
    /// Without user and password.
    pub(super) server: Url,
    /// Who signs in there, if anybody.
    pub(super) user: Option<User>,
    /// `?ca=FILE`: the certificates (PEM) that are trusted, and no other. Without it those of the system.
    pub(super) ca: Option<PathBuf>,
    /// How the names of its indexes begin.
    pub index: String,
    /// `?shards=N`, 1 to 1,024: of an index that is made from now on.
    pub shards: u32,
    /// `?replicas=N`, 0 to 20: copies besides the first one.
    pub replicas: u32,
}

/// Who signs in, by HTTP's basic authentication.
#[derive(Clone)]
pub(super) struct User {
    pub name: String,
    pub password: Secret,
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = self.server.host_str().unwrap_or_default();
        write!(f, "opensearch://{host}/{}", self.index)
    }
}

impl Address {
    /// Whether a URL is one of these: `opensearch:` is over TLS, `opensearch+http:` is not.
    #[must_use]
    pub fn is_meant(url: &str) -> bool {
        url.split(':').next().is_some_and(|scheme| {
            matches!(
                scheme,
                "opensearch" | "opensearch+https" | "opensearch+http"
            )
        })
    }

    /// Reads a URL such as `opensearch://USER:PASSWORD@search.example.com:9200/gna?replicas=2`.
    ///
    /// # Errors
    /// `search.url` with what is wrong; it repeats nothing of the URL, which may hold a password.
    pub fn parse(url: &str) -> Result<Self> {
        let (scheme, rest) = url.split_once("://").unwrap_or((url, ""));
        let scheme = match scheme {
            "opensearch" | "opensearch+https" => "https",
            "opensearch+http" => "http",
            _ => return Err(wrong("it must look like opensearch://HOST:9200/INDEX")),
        };
        let mut server = Url::parse(&format!("{scheme}://{rest}"))
            .map_err(|_| wrong("it must look like opensearch://HOST:9200/INDEX"))?;
        let user = user(&server)?;
        // Neither fails where there is a host.
        let _ = (server.set_username(""), server.set_password(None));
        // The parser leaves out the port that http or https has by default.
        if server.port().is_none() && !names_port(rest) {
            let _ = server.set_port(Some(PORT));
        }
        let index = server.path().trim_start_matches('/').to_owned();
        if !is_name(&index) {
            return Err(wrong(
                "the name of the index has 1 to 100 small letters, digits, _ and -, and begins with a letter or digit",
            ));
        }
        let (mut shards, mut replicas, mut ca) = (1, 1, None);
        for (word, value) in server.query_pairs() {
            match word.as_ref() {
                "shards" => {
                    shards = number(&value, &SHARDS)
                        .ok_or_else(|| wrong("shards is a number from 1 to 1024"))?;
                }
                "replicas" => {
                    replicas = number(&value, &REPLICAS)
                        .ok_or_else(|| wrong("replicas is a number from 0 to 20"))?;
                }
                "ca" if scheme == "https" && !value.is_empty() => {
                    ca = Some(PathBuf::from(value.into_owned()));
                }
                "ca" => return Err(wrong("ca names a file, for addresses with TLS")),
                _ => return Err(wrong("there are shards, replicas and ca")),
            }
        }
        server.set_path("/");
        server.set_query(None);
        server.set_fragment(None);
        Ok(Self {
            server,
            user,
            ca,
            index,
            shards,
            replicas,
        })
    }
}

fn user(server: &Url) -> Result<Option<User>> {
    let decoded = |text: &str| -> Result<String> {
        let text = percent_decode_str(text).decode_utf8();
        let text = text.map_err(|_| wrong("user and password must be UTF-8"))?;
        Ok(text.into_owned())
    };
    if server.username().is_empty() && server.password().is_none() {
        return Ok(None);
    }
    Ok(Some(User {
        name: decoded(server.username())?,
        password: Secret::new(decoded(server.password().unwrap_or_default())?),
    }))
}

fn number(text: &str, range: &std::ops::RangeInclusive<u32>) -> Option<u32> {
    text.parse().ok().filter(|number| range.contains(number))
}

fn names_port(rest: &str) -> bool {
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    host.rsplit(']')
        .next()
        .is_some_and(|after| after.contains(':'))
}

fn is_name(name: &str) -> bool {
    let mut chars = name.chars();
    name.len() <= NAME
        && chars
            .next()
            .is_some_and(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
        && chars.all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '-'))
}

fn wrong(what: &str) -> Error {
    Error::invalid(
        "search.url",
        format!("the opensearch: address can't be used: {what}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_read() {
        let address =
            Address::parse("opensearch://gna:hunter%402%2F@search.example.com/gna?shards=6&replicas=2&ca=/etc/gna/ca%201.pem")
                .unwrap();
        assert_eq!(address.index, "gna");
        assert_eq!((address.shards, address.replicas), (6, 2));
        let user = address.user.as_ref().unwrap();
        assert_eq!(user.name, "gna");
        assert_eq!(user.password.expose(), "hunter@2/");
        assert_eq!(address.server.as_str(), "https://search.example.com:9200/");
        assert_eq!(address.ca, Some(PathBuf::from("/etc/gna/ca 1.pem")));
        assert_eq!(
            format!("{address:?}"),
            "opensearch://search.example.com/gna"
        );
        for (url, server) in [
            ("opensearch://h/x", "https://h:9200/"),
            ("opensearch+https://h/x", "https://h:9200/"),
            ("opensearch+http://h/x", "http://h:9200/"),
            ("opensearch://h:443/x", "https://h/"),
            ("opensearch+http://h:80/x", "http://h/"),
            ("opensearch://a:b@h:443/x", "https://h/"),
            ("opensearch://a@h/x", "https://h:9200/"),
            ("opensearch+http://[::1]/x", "http://[::1]:9200/"),
            ("opensearch+http://[::1]:9201/x", "http://[::1]:9201/"),
        ] {
            assert_eq!(
                Address::parse(url).unwrap().server.as_str(),
                server,
                "{url}"
            );
        }
    }

    #[test]
    fn what_does_not_fit_is_refused_without_repeating_it() {
        for url in [
            "opensearch:hunter2",
            "opensearch://",
            "opensearch://hunter2",
            "opensearch://u:hunter2@/gna",
            "opensearch://h/",
            "opensearch://h/Hunter2",
            "opensearch://h/_hunter2",
            "opensearch://h/gna/hunter2",
            "opensearch://h/gna*",
            "opensearch://h/gna,hunter2",
            "opensearch://h/gna?shards=0",
            "opensearch://h/gna?replicas=hunter2",
            "opensearch://h/gna?password=hunter2",
            "elasticsearch://u:hunter2@h/gna",
            "opensearch://u:hunter2@h:99999/gna",
            "opensearch://u:hunter2%ff@h/gna",
            "opensearch://h/gna?ca=",
            "opensearch+http://h/gna?ca=hunter2",
        ] {
            let refusal = Address::parse(url).unwrap_err();
            assert_eq!(refusal.code(), "search.url", "{url}");
            assert!(!refusal.to_string().contains("unter2"), "{url}: {refusal}");
        }
    }
}
