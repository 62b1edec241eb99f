//! Builders: what a test needs to be there before it starts.

use bytes::Bytes;
use gna_domain::ctx::{Actor, Ctx, Grants};
use gna_domain::id::{TypedId, UserId};
use gna_domain::model::{Group, Organization, PolicyOverride, Report, Slug};
use gna_domain::policy::Role;
use gna_domain::port::store::{ChangeSet, Event, Stored};
use gna_domain::port::{fresh, repo};
use gna_domain::service::report::{self, UploadReport};
use std::collections::BTreeMap;

use crate::World;

impl World {
    /// An organization with that slug.
    pub async fn organization(&self, slug: &str) -> Organization {
        let organization = Organization {
            id: fresh(self.ports.ids.as_ref()),
            slug: Slug::new(slug).expect("a slug"),
            name: slug.to_owned(),
            created: self.ports.clock.now(),
            policy: PolicyOverride::default(),
        };
        self.put(&organization).await;
        organization
    }

    /// A group with that slug.
    pub async fn group(&self, organization: &Organization, slug: &str) -> Group {
        let group = Group {
            id: fresh(self.ports.ids.as_ref()),
            organization: organization.id,
            slug: Slug::new(slug).expect("a slug"),
            name: slug.to_owned(),
            description: String::new(),
            created: self.ports.clock.now(),
            tags: Vec::new(),
            policy: PolicyOverride::default(),
        };
        self.put(&group).await;
        group
    }

    async fn put<E: gna_domain::port::Entity>(&self, value: &E) {
        let mut changes = ChangeSet::new();
        changes
            .create(
                value,
                Some(Event::named(format!("{}.created", E::COLLECTION))),
            )
            .expect("writes as JSON");
        self.ports.store.commit(changes).await.expect("commits");
        // It was there before the story begins.
        self.caught_up().await;
    }

    /// A person with a role in one group, without an account: for tests of services.
    #[must_use]
    pub fn member(&self, group: &Group, role: Role) -> Ctx {
        let user = UserId::from_uuid(self.ports.ids.uuid());
        let groups = BTreeMap::from([(group.id, (group.organization, role))]);
        Ctx::new(
            self.ports.clone(),
            Actor::User(user),
            Grants {
                groups,
                ..Grants::default()
            },
        )
    }

    /// A person with a role in an organization, without an account: for tests of services.
    #[must_use]
    pub fn in_organization(&self, organization: &Organization, role: Role) -> Ctx {
        let user = UserId::from_uuid(self.ports.ids.uuid());
        let organizations = BTreeMap::from([(organization.id, role)]);
        Ctx::new(
            self.ports.clone(),
            Actor::User(user),
            Grants {
                organizations,
                ..Grants::default()
            },
        )
    }

    /// Uploads a report for the asset and runs the import to its end; answers the report as it is then.
    pub async fn import(
        &self,
        ctx: &Ctx,
        group: &Group,
        upload: UploadReport,
        bytes: impl Into<Bytes>,
    ) -> Stored<Report> {
        let report = report::upload(ctx, group.id, upload, bytes.into())
            .await
            .expect("the upload is taken");
        self.run_jobs().await.expect("the import runs");
        repo::require::<Report>(self.ports.store.as_ref(), report.id)
            .await
            .expect("the report is there")
    }
}
