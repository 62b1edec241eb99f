//! Typed identifiers: a group's id can never be passed where an asset's is asked for.
//!
//! An id is a UUID version 7 (RFC 9562, section 5.7: it sorts by creation time), written
//! as a short prefix, an underscore and 32 hexadecimal digits, such as
//! `grp_01934a5b6c7d7e8f9a0b1c2d3e4f5061`. Ids come from the [`Ids`](crate::port::Ids) port.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;
use uuid::Uuid;

use crate::error::Error;

/// What every typed id can do; lets the store and the API treat them alike.
pub trait TypedId:
    Copy + Eq + Ord + fmt::Display + FromStr<Err = Error> + Send + Sync + 'static
{
    /// The prefix in the written form, without the underscore.
    const PREFIX: &'static str;
    fn from_uuid(uuid: Uuid) -> Self;
    fn uuid(self) -> Uuid;
}

macro_rules! typed_ids {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Uuid);

        impl TypedId for $name {
            const PREFIX: &'static str = $prefix;
            fn from_uuid(uuid: Uuid) -> Self { Self(uuid) }
            fn uuid(self) -> Uuid { self.0 }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let mut buffer = [0u8; 32];
                f.write_str(concat!($prefix, "_"))?;
                f.write_str(self.0.as_simple().encode_lower(&mut buffer))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { fmt::Display::fmt(self, f) }
        }

        impl FromStr for $name {
            type Err = Error;
            fn from_str(text: &str) -> Result<Self, Error> {
                text.strip_prefix(concat!($prefix, "_"))
                    .filter(|rest| rest.len() == 32)
                    .and_then(|rest| Uuid::try_parse(rest).ok())
                    .map(Self)
                    .ok_or_else(|| Error::invalid("id.malformed", format!(
                        "an id of this kind is \"{}_\" and 32 hexadecimal digits", $prefix)))
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Visitor;
                impl serde::de::Visitor<'_> for Visitor {
                    type Value = $name;
                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str(concat!("an id starting with ", $prefix, "_"))
                    }
                    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<$name, E> {
                        text.parse().map_err(E::custom)
                    }
                }
                deserializer.deserialize_str(Visitor)
            }
        }
    )*};
}

typed_ids! {
    OrganizationId = "org";
    GroupId = "grp";
    AssetId = "ast";
    /// A branch, tag or version of an asset.
    RefId = "ref";
    ReportId = "rep";
    /// Of bytes that come before what is said about them.
    UploadId = "upl";
    FindingId = "fnd";
    VulnerabilityId = "vul";
    UserId = "usr";
    MembershipId = "mem";
    InvitationId = "inv";
    SessionId = "ses";
    TokenId = "tok";
    CommentId = "com";
    AuditId = "aud";
    JobId = "job";
    ScheduleId = "sch";
    /// Of a webhook.
    EndpointId = "whk";
    /// Of an address that an app sends webhooks to.
    ReceiverId = "rcv";
    /// Of a webhook's message.
    DeliveryId = "msg";
    /// Of one decision on many vulnerabilities.
    BulkId = "blk";
    /// Of something that keeps people from testing or repairing.
    BlockerId = "blo";
    /// Of an environment of an asset.
    EnvironmentId = "env";
    /// Of a triage rule.
    RuleId = "rul";
    /// Of a weakness acceptance on its way over what there is.
    AcceptanceRunId = "acr";
    /// Of triage rules applied to a group.
    TriageRunId = "trn";
    /// One use of the one-time links: claim the first admin, reset a password.
    LinkId = "lnk";
    /// One verdict of the gate.
    GateRunId = "gat";
    EvidenceId = "evd";
    /// Of an e-mail with notices.
    LetterId = "ltr";
    CredentialId = "crd";
    EntityId = "ent";
    IntegrationId = "itg";
    /// A piece of long work of an integration.
    ProcessId = "prc";
    /// One attempt to refresh a credential.
    RefreshId = "rfr";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_survives_its_written_form_and_refuses_others() {
        let id = GroupId::from_uuid(Uuid::from_u128(7));
        assert_eq!(id.to_string(), "grp_00000000000000000000000000000007");
        assert_eq!(id.to_string().parse::<GroupId>().expect("parses"), id);
        for bad in [
            "",
            "grp_",
            "ast_00000000000000000000000000000007",
            "grp_xyz",
            "grp_00000000-0000-0000-0000-000000000007",
        ] {
            assert!(bad.parse::<GroupId>().is_err(), "{bad:?} must be refused");
        }
    }
}
