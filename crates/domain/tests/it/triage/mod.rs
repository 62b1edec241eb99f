//! What people decide about vulnerabilities.

mod blockers;
mod bulk;
mod decisions;
mod merging;
mod properties;
mod time;

use gna_domain::Ctx;
use gna_domain::error::Result;
use gna_domain::id::{TypedId, VulnerabilityId};
use gna_domain::model::{Change, Membership, PolicyChange, Scope, Vulnerability};
use gna_domain::policy::Role;
use gna_domain::port::Stored;
use gna_domain::port::store::ChangeSet;
use gna_domain::rules::desk::Command;
use gna_domain::service::group::{self, UpdateGroup};
use gna_domain::service::triage;
use gna_testkit::{Stores, trivy};

use crate::import::helpers::Scene;

/// A group with one open vulnerability, and the people around it.
pub struct Desk {
    pub scene: Scene,
    pub id: VulnerabilityId,
    pub manager: Ctx,
    pub triager: Ctx,
    pub developer: Ctx,
}

impl Desk {
    pub async fn on(stores: Stores) -> Self {
        let scene = Scene::on(stores).await;
        scene.import(report()).await;
        let id = scene.vulnerabilities().await[0].id;
        let desk = Self {
            manager: scene.world.member(&scene.group, Role::Manager),
            triager: scene.world.member(&scene.group, Role::Triager),
            developer: scene.world.member(&scene.group, Role::Developer),
            scene,
            id,
        };
        for (who, role) in [
            (&desk.manager, Role::Manager),
            (&desk.triager, Role::Triager),
            (&desk.developer, Role::Developer),
        ] {
            desk.enlist(who, role).await;
        }
        desk
    }

    /// Writes the membership that the context only claims.
    async fn enlist(&self, who: &Ctx, role: Role) {
        let world = &self.scene.world;
        let membership = Membership {
            id: gna_domain::port::fresh(world.ports.ids.as_ref()),
            user: who.actor.user().expect("a person"),
            scope: Scope::Group(self.scene.group.id),
            organization: Some(self.scene.group.organization),
            role,
            created: world.ports.clock.now(),
            by: "test".to_owned(),
            warned: None,
        };
        let mut changes = ChangeSet::new();
        changes.create(&membership, None).expect("writes");
        world.ports.store.commit(changes).await.expect("commits");
    }

    pub async fn act(&self, who: &Ctx, command: Command) -> Result<Stored<Vulnerability>> {
        triage::act(who, self.id, &command, Some("because"), None).await
    }

    /// Does it, or says by which code it was refused.
    pub async fn code(&self, who: &Ctx, command: Command) -> &'static str {
        self.act(who, command).await.expect_err("refused").code()
    }

    pub async fn policy(&self, policy: PolicyChange) {
        let input = UpdateGroup {
            policy,
            ..UpdateGroup::default()
        };
        group::update(&self.manager, self.scene.group.id, input)
            .await
            .expect("is set");
    }

    pub fn in_days(&self, days: i64) -> gna_domain::time::Timestamp {
        self.scene.world.ports.clock.now().plus_days(days)
    }
}

pub fn report() -> Vec<u8> {
    trivy(
        "package-lock.json",
        &[("CVE-2024-0001", "left-pad", "1.0.0")],
    )
}

pub fn set<T>(value: T) -> Change<T> {
    Change::Set(value)
}

pub fn nobody() -> gna_domain::id::UserId {
    gna_domain::id::UserId::from_uuid(uuid::Uuid::nil())
}
