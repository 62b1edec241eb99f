//! The definitions that come with Gna: one line per file of `data/`, in the order of names.

macro_rules! shipped {
    ($($name:literal),* $(,)?) => {
        &[$((concat!($name, ".toml"), include_str!(concat!("../../data/", $name, ".toml")))),*]
    };
}

/// File name and text of each.
pub(super) const SHIPPED: &[(&str, &str)] = shipped![
    "aqua",
    "aws-security-hub",
    "brakeman",
    "dependency-track",
    "detect-secrets",
    "gosec",
    "hadolint",
    "kics",
    "kube-bench",
    "pip-audit",
    "prowler",
    "prowler-2",
    "prowler-2-csv",
    "prowler-csv",
    "prowler-ocsf",
    "retire-js",
    "sonarqube",
    "terrascan",
    "tfsec",
    "trufflehog",
    "trufflehog3",
    "twistlock",
    "twistlock-csv",
];
