//! The table itself. A change here changes `docs/ROLES.md`, which a test compares.

use super::Role;
use Role::{Ci, Developer, InstanceAdmin, Manager, Member, Owner, Reader, Triager};

/// What an action is done to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Area {
    Instance,
    Organization,
    Group,
}

macro_rules! actions {
    ($($(#[$doc:meta])* $variant:ident = $name:literal on $area:ident: [$($role:ident),*];)*) => {
        /// Everything that can be done, by a stable name that clients may ask for.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Action { $($(#[$doc])* $variant,)* }

        impl Action {
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            #[must_use]
            pub fn area(self) -> Area {
                match self { $(Self::$variant => Area::$area,)* }
            }
        }

        /// The roles that may do it.
        #[must_use]
        pub fn roles_for(action: Action) -> &'static [Role] {
            match action { $(Action::$variant => &[$($role),*],)* }
        }
    };
}

actions! {
    InstanceRead = "instance.read" on Instance: [InstanceAdmin];
    InstanceManage = "instance.manage" on Instance: [InstanceAdmin];
    UserManage = "user.manage" on Instance: [InstanceAdmin];
    OrganizationCreate = "organization.create" on Instance: [InstanceAdmin];

    OrganizationRead = "organization.read" on Organization: [Owner, Member];
    OrganizationUpdate = "organization.update" on Organization: [Owner];
    MemberRead = "member.read" on Organization: [Owner, Member];
    /// Invite, change the role of, remove.
    MemberManage = "member.manage" on Organization: [Owner];
    AuditRead = "audit.read" on Organization: [Owner];
    JobRead = "job.read" on Organization: [Owner];
    /// Replay, cancel, discard.
    JobManage = "job.manage" on Organization: [Owner];
    WebhookRead = "webhook.read" on Organization: [Owner];
    /// Make, change, rotate, test, replay, remove.
    WebhookManage = "webhook.manage" on Organization: [Owner];
    GroupCreate = "group.create" on Organization: [Owner];
    /// Ask for a weakness to be accepted in all groups.
    WeaknessAcceptanceSubmit = "weakness_acceptance.submit" on Organization: [Owner, Member];
    /// Be the second person that this takes, end what is in force, remove what is not.
    WeaknessAcceptanceDecide = "weakness_acceptance.decide" on Organization: [Owner];
    /// See everybody's connected accounts.
    ConnectionRead = "connection.read" on Organization: [Owner];
    /// Connect accounts for the organization, test and disconnect everybody's.
    ConnectionManage = "connection.manage" on Organization: [Owner];
    /// Connect, see, test and disconnect accounts of one's own.
    ConnectionOwn = "connection.own" on Organization: [Owner, Member];

    GroupRead = "group.read" on Group: [Owner, Manager, Triager, Developer, Reader, Ci];
    GroupUpdate = "group.update" on Group: [Owner, Manager];
    GroupMemberRead = "group_member.read" on Group: [Owner, Manager, Triager, Developer, Reader];
    GroupMemberManage = "group_member.manage" on Group: [Owner, Manager];
    GroupTokenManage = "group_token.manage" on Group: [Owner, Manager];
    AssetRead = "asset.read" on Group: [Owner, Manager, Triager, Developer, Reader, Ci];
    AssetWrite = "asset.write" on Group: [Owner, Manager];
    ReportUpload = "report.upload" on Group: [Owner, Manager, Triager, Developer, Ci];
    ReportRead = "report.read" on Group: [Owner, Manager, Triager, Developer, Reader, Ci];
    /// The raw bytes, which may hold more than the findings do.
    ReportDownload = "report.download" on Group: [Owner, Manager, Triager];
    VulnerabilityRead = "vulnerability.read" on Group: [Owner, Manager, Triager, Developer, Reader, Ci];
    VulnerabilityTag = "vulnerability.tag" on Group: [Owner, Manager, Triager, Developer];
    /// Begin to work on it, accept its risk for a time, ask for more, assign, link a ticket.
    VulnerabilityTreat = "vulnerability.treat" on Group: [Owner, Manager, Triager, Developer];
    /// Be the second person that a permanent acceptance takes.
    AcceptanceApprove = "acceptance.approve" on Group: [Owner, Manager];
    /// Close, reopen, review, rate, verify, confirm a false positive, take a merge back.
    VulnerabilityDecide = "vulnerability.decide" on Group: [Owner, Manager, Triager];
    /// See the group's triage rules and what they came to.
    RuleRead = "rule.read" on Group: [Owner, Manager, Triager, Developer, Reader];
    /// Make, change and order triage rules, apply them to what there is.
    RuleManage = "rule.manage" on Group: [Owner, Manager];
    /// Take over what a VEX document decides, as the second person beside its author.
    VexImport = "vex.import" on Group: [Owner, Manager];
    /// Ask the gate for a verdict, take a snapshot for verdicts without a server.
    GateRun = "gate.run" on Group: [Owner, Manager, Triager, Developer, Ci];
    GateRead = "gate.read" on Group: [Owner, Manager, Triager, Developer, Reader, Ci];
    EvidenceRead = "evidence.read" on Group: [Owner, Manager, Triager, Developer, Reader];
    /// Add files, and remove them.
    EvidenceWrite = "evidence.write" on Group: [Owner, Manager, Triager, Developer];
    CommentRead = "comment.read" on Group: [Owner, Manager, Triager, Developer, Reader];
    CommentWrite = "comment.write" on Group: [Owner, Manager, Triager, Developer];
    BlockerRead = "blocker.read" on Group: [Owner, Manager, Triager, Developer, Reader];
    /// Open one, change its words, comment on it, say that it is out of the way.
    BlockerWrite = "blocker.write" on Group: [Owner, Manager, Triager, Developer];
    /// Say that it is out of the way for good, or that it is not: what waits for it goes on.
    BlockerSolve = "blocker.solve" on Group: [Owner, Manager, Triager];
    PolicyRead = "policy.read" on Group: [Owner, Manager, Triager, Developer, Reader, Ci];
    PolicyUpdate = "policy.update" on Group: [Owner, Manager];
}

#[must_use]
pub fn allows(action: Action, role: Role) -> bool {
    roles_for(action).contains(&role)
}
