//! The definitions that come with Gna: one line per file of `data/`, in the order of names.

macro_rules! shipped {
    ($($name:literal),* $(,)?) => {
        &[$((concat!($name, ".toml"), include_str!(concat!("../../data/", $name, ".toml")))),*]
    };
}

/// File name and text of each.
pub(super) const SHIPPED: &[(&str, &str)] = shipped![
    "acunetix",
    "anchore",
    "aqua",
    "aws-security-hub",
    "brakeman",
    "bundler-audit",
    "checkmarx",
    "clair",
    "dependency-track",
    "detect-secrets",
    "eslint",
    "gosec",
    "hadolint",
    "harbor",
    "invicti",
    "kics",
    "kube-bench",
    "kubescape",
    "nikto",
    "nikto-json",
    "nmap",
    "openvas",
    "openvas-csv",
    "pip-audit",
    "prowler",
    "prowler-2",
    "prowler-2-csv",
    "prowler-csv",
    "prowler-ocsf",
    "retire-js",
    "sonarqube",
    "spotbugs",
    "terrascan",
    "testssl",
    "testssl-json",
    "tfsec",
    "trufflehog",
    "trufflehog3",
    "twistlock",
    "twistlock-csv",
    "veracode",
    "wapiti",
    "wapiti-json",
    "wpscan",
    "yarn-audit",
];
