//! What the store keeps, as data: for each collection its lists (declared indexes) and its unique
//! values. Nothing else in the crate knows a noun.
//!
//! To add a noun: implement `Entity` for it in the domain and add a line here. To add a list: add
//! an [`Index`]; existing records join it when they are next written or by `gna store reindex`.

/// A list of records that share the partition fields' values, ordered by the sort fields.
#[derive(Clone, Copy, Debug)]
pub struct Index {
    pub name: &'static str,
    /// Field names in the record's JSON, `.` between levels. A record that lacks one (or has it
    /// null) is not in the list.
    pub partition: &'static [&'static str],
    pub sort: &'static [&'static str],
}

/// Values that only one record of the collection may have together.
#[derive(Clone, Copy, Debug)]
pub struct Unique {
    pub name: &'static str,
    pub fields: &'static [&'static str],
    /// The error when the value is taken.
    pub code: &'static str,
    pub message: &'static str,
}

#[derive(Clone, Copy, Debug)]
pub struct Collection {
    pub name: &'static str,
    pub indexes: &'static [Index],
    pub unique: &'static [Unique],
}

const fn plain(name: &'static str) -> Collection {
    Collection {
        name,
        indexes: &[],
        unique: &[],
    }
}

/// Holds the owners of unique values; written by the store itself.
pub const UNIQUE: &str = "unique";

/// Holds how far readers of the feed have come.
pub const FOLLOWER: &str = "follower";

/// Collections whose commits wake other processes at once, also where no feed entry tells of them.
pub const ANNOUNCED: &[&str] = &["job", "schedule"];

pub const COLLECTIONS: &[Collection] = &[
    // Who.
    Collection {
        name: "organization",
        indexes: &[Index {
            name: "all",
            partition: &[],
            sort: &["slug"],
        }],
        unique: &[Unique {
            name: "slug",
            fields: &["slug"],
            code: "organization.exists",
            message: "an organization with this slug exists",
        }],
    },
    Collection {
        name: "group",
        indexes: &[Index {
            name: "by_organization",
            partition: &["organization"],
            sort: &["slug"],
        }],
        unique: &[Unique {
            name: "slug",
            fields: &["organization", "slug"],
            code: "group.exists",
            message: "the organization has a group with this slug",
        }],
    },
    // Sign-in and access. Sessions, tokens, invitations and links are kept under the digest of
    // their secret, so that looking one up is one read.
    Collection {
        name: "user",
        indexes: &[Index {
            name: "all",
            partition: &[],
            sort: &["email"],
        }],
        unique: &[Unique {
            name: "email",
            fields: &["email"],
            code: "user.exists",
            message: "there is an account with this e-mail address; sign in with it",
        }],
    },
    Collection {
        name: "membership",
        indexes: &[
            Index {
                name: "by_scope",
                partition: &["scope"],
                sort: &["user"],
            },
            Index {
                name: "by_organization",
                partition: &["organization"],
                sort: &["user", "scope"],
            },
        ],
        unique: &[],
    },
    plain("owner_roll"),
    Collection {
        name: "session",
        indexes: &[Index {
            name: "by_user",
            partition: &["user"],
            sort: &["created"],
        }],
        unique: &[Unique {
            name: "id",
            fields: &["id"],
            code: "session.exists",
            message: "there is a session with this id",
        }],
    },
    Collection {
        name: "api_token",
        indexes: &[
            Index {
                name: "by_owner",
                partition: &["owner"],
                sort: &["created"],
            },
            Index {
                name: "by_group",
                partition: &["group"],
                sort: &["created"],
            },
        ],
        unique: &[Unique {
            name: "id",
            fields: &["id"],
            code: "token.exists",
            message: "there is a token with this id",
        }],
    },
    Collection {
        name: "invitation",
        indexes: &[
            Index {
                name: "by_scope",
                partition: &["scope"],
                sort: &["created"],
            },
            Index {
                name: "by_organization",
                partition: &["organization"],
                sort: &["created"],
            },
        ],
        unique: &[Unique {
            name: "id",
            fields: &["id"],
            code: "invitation.exists",
            message: "there is an invitation with this id",
        }],
    },
    plain("link"),
    plain("sign_in_attempts"),
    plain("audit"),
    // What is scanned.
    Collection {
        name: "asset",
        indexes: &[Index {
            name: "by_group",
            partition: &["group"],
            sort: &["name"],
        }],
        unique: &[Unique {
            name: "name",
            fields: &["group", "name"],
            code: "asset.exists",
            message: "the group has an asset with this name",
        }],
    },
    Collection {
        name: "asset_ref",
        indexes: &[Index {
            name: "by_asset",
            partition: &["asset"],
            sort: &["name"],
        }],
        unique: &[Unique {
            name: "name",
            fields: &["asset", "name"],
            code: "ref.exists",
            message: "the asset has a ref with this name",
        }],
    },
    plain("environment_book"),
    // What was found.
    Collection {
        name: "report",
        indexes: &[
            Index {
                name: "by_group",
                partition: &["group"],
                sort: &["created"],
            },
            Index {
                name: "by_asset",
                partition: &["asset"],
                sort: &["created"],
            },
        ],
        unique: &[],
    },
    Collection {
        name: "upload",
        indexes: &[Index {
            name: "all",
            partition: &[],
            sort: &["created"],
        }],
        unique: &[],
    },
    Collection {
        name: "gate_run",
        indexes: &[Index {
            name: "by_group",
            partition: &["group"],
            sort: &["created"],
        }],
        unique: &[],
    },
    plain("gate_standing"),
    plain("report_chunk"),
    plain("stream"),
    plain("finding"),
    plain("finding_key"),
    plain("vulnerability"),
    plain("identity"),
    plain("presence"),
    plain("history"),
    plain("counter"),
    plain("idempotency"),
    plain("comment"),
    plain("evidence"),
    Collection {
        name: "blocker",
        indexes: &[
            Index {
                name: "by_group",
                partition: &["group"],
                sort: &["created"],
            },
            Index {
                name: "by_status",
                partition: &["group", "status"],
                sort: &["created"],
            },
        ],
        unique: &[],
    },
    plain("blocker_entry"),
    plain("blocker_hold"),
    plain("sweep"),
    // What the world knows of CVEs.
    plain("threat"),
    plain("threat_feed"),
    // What is connected. Authorization sessions are kept under who began them.
    Collection {
        name: "credential",
        indexes: &[
            Index {
                name: "by_organization",
                partition: &["organization"],
                sort: &["created"],
            },
            Index {
                name: "by_owner",
                partition: &["organization", "owner"],
                sort: &["created"],
            },
        ],
        unique: &[Unique {
            name: "account",
            fields: &["organization", "owner", "module", "external_id"],
            code: "credential.exists",
            message: "this account is connected already",
        }],
    },
    Collection {
        name: "entity",
        indexes: &[
            Index {
                name: "by_organization",
                partition: &["organization"],
                sort: &["created"],
            },
            Index {
                name: "by_owner",
                partition: &["organization", "owner"],
                sort: &["created"],
            },
        ],
        unique: &[Unique {
            name: "account",
            fields: &["organization", "owner", "module", "external_id"],
            code: "entity.exists",
            message: "this account is connected already",
        }],
    },
    plain("authorization"),
    Collection {
        name: "integration",
        indexes: &[
            Index {
                name: "all",
                partition: &[],
                sort: &["created"],
            },
            Index {
                name: "by_organization",
                partition: &["organization"],
                sort: &["created"],
            },
            Index {
                name: "by_owner",
                partition: &["organization", "owner"],
                sort: &["created"],
            },
        ],
        unique: &[Unique {
            name: "identity",
            fields: &["organization", "identity"],
            code: "integration.exists",
            message: "there is an integration of this recipe with these accounts",
        }],
    },
    plain("mapping"),
    Collection {
        name: "process",
        indexes: &[Index {
            name: "by_integration",
            partition: &["integration"],
            sort: &["created"],
        }],
        unique: &[],
    },
    plain(FOLLOWER),
    // What is to be done.
    Collection {
        name: "job",
        indexes: &[
            Index {
                name: "due",
                partition: &["queue"],
                sort: &["due"],
            },
            Index {
                name: "by_organization",
                partition: &["organization", "queue"],
                sort: &["due"],
            },
        ],
        unique: &[],
    },
    plain("lane"),
    plain("webhook_endpoint"),
    plain("webhook_book"),
    plain("webhook_delivery"),
    plain("notice_preferences"),
    plain("notice"),
    plain("letter"),
    Collection {
        name: "report_subscription",
        indexes: &[Index {
            name: "due",
            partition: &[],
            sort: &["next"],
        }],
        unique: &[],
    },
    plain("hook_receiver"),
    plain("hook_receiver_book"),
    plain("received_hook"),
    plain("hook_proof"),
    // What secrets are sealed with; the numbers of a tenant's keys sort.
    plain("data_key"),
    plain("signing_key"),
    Collection {
        name: "schedule",
        indexes: &[
            Index {
                name: "by_scope",
                partition: &["scope"],
                sort: &["name"],
            },
            Index {
                name: "due",
                partition: &["armed"],
                sort: &["due"],
            },
        ],
        unique: &[Unique {
            name: "name",
            fields: &["scope", "name"],
            code: "schedule.exists",
            message: "there is a schedule with this name",
        }],
    },
    Collection {
        name: "bulk",
        indexes: &[Index {
            name: "by_group",
            partition: &["group"],
            sort: &["created"],
        }],
        unique: &[],
    },
    plain("bulk_refusal"),
    plain("triage_rules"),
    plain("triage_run"),
    plain("weakness_acceptance"),
    plain("weakness_acceptance_book"),
    plain("acceptance_run"),
    plain(UNIQUE),
    // How far a copy into this store came.
    plain(crate::copy::COLLECTION),
];

#[must_use]
pub fn declared(name: &str) -> Option<&'static Collection> {
    COLLECTIONS
        .iter()
        .find(|collection| collection.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_declared_once() {
        for (at, collection) in COLLECTIONS.iter().enumerate() {
            assert!(
                COLLECTIONS[..at]
                    .iter()
                    .all(|other| other.name != collection.name),
                "{}",
                collection.name
            );
            for (at, index) in collection.indexes.iter().enumerate() {
                assert!(
                    collection.indexes[..at]
                        .iter()
                        .all(|other| other.name != index.name),
                    "{}",
                    index.name
                );
            }
        }
    }
}
