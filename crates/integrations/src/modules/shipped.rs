//! The modules that come with Gna: one line per file of `modules/`, in the order of names.

macro_rules! shipped {
    ($($name:literal),* $(,)?) => {
        &[$((concat!($name, ".toml"), include_str!(concat!("../../modules/", $name, ".toml")))),*]
    };
}

/// File name and text of each.
pub(super) const SHIPPED: &[(&str, &str)] = shipped![
    "asana",
    "attio",
    "azure-devops",
    "defectdojo",
    "dependency-track",
    "github",
    "github-app",
    "gitlab",
    "google-calendar",
    "google-chat",
    "google-drive",
    "hubspot",
    "jira-cloud",
    "jira-data-center",
    "linear",
    "microsoft-teams",
    "monday",
    "pagerduty",
    "pipedrive",
    "quickbooks",
    "redmine",
    "salesforce",
    "servicenow",
    "slack",
    "smtp",
    "snyk",
    "sonarqube",
    "stripe",
    "tenable",
    "webhook",
    "zoho-crm",
];
