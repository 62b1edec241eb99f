//! The fields of a policy as callers see them: one list for GraphQL and REST.

/// Calls a macro with each field, its type and what it means.
macro_rules! policy_fields {
    ($with:ident) => {
        $with! {
            /// New vulnerabilities wait in `SUBMITTED` until someone confirms them.
            review_new: bool;
            /// Code findings of different tools at one place (same file, line and CWE) are one
            /// vulnerability instead of related ones.
            merge_code_across_tools: bool;
            /// A complete report closes what its tool no longer finds on that ref.
            close_missing: bool;
            /// Days that raw reports are kept; 0 keeps them for good.
            keep_reports_days: u32;
            /// Days that an acceptance may last at most; 0 sets no limit.
            max_acceptance_days: u32;
            /// How often one vulnerability may be accepted for a time; 0 sets no limit.
            max_acceptances: u32;
            /// Lowest score, 0.0 to 10.0, that may be accepted.
            acceptance_min_severity: f64;
            /// Highest score, 0.0 to 10.0, that may be accepted.
            acceptance_max_severity: f64;
            /// Days after which a request for permanent acceptance that nobody decided on lapses; 0 never.
            acceptance_request_days: u32;
            /// Score, 0.0 to 10.0, from which on a vulnerability breaks the gate.
            gate_threshold: f64;
            /// Days for which a new vulnerability does not break the gate.
            gate_grace_days: u32;
            /// Days after which a vulnerability is technical debt and no longer breaks the gate; 0 never.
            gate_debt_days: u32;
            /// A broken gate fails the build, also where the command line says lax. Unless a level sets it,
            /// the command line decides.
            gate_strict: bool;
            /// Whoever asks the gate may have only what is new judged, which spares what the base has.
            gate_allow_new_only: bool;
            /// Whoever asks the gate may say what is compared with; otherwise it is the asset's default ref.
            gate_allow_base: bool;
            /// Days to repair a critical one, from when it reaches the default ref; 0 sets no due date.
            sla_days_critical: u32;
            /// Days to repair a high one; 0 sets no due date.
            sla_days_high: u32;
            /// Days to repair a medium one; 0 sets no due date.
            sla_days_medium: u32;
            /// Days to repair a low one; 0 sets no due date.
            sla_days_low: u32;
            /// Days to look after an informational one; 0 sets no due date.
            sla_days_info: u32;
            /// How many days before its due date a vulnerability is announced as soon due; 0 never.
            sla_soon_days: u32;
            /// Days without a session or a token of their own after which members are removed, 14 or more; 0 never.
            inactivity_days: u32;
        }
    };
}
pub(crate) use policy_fields;
