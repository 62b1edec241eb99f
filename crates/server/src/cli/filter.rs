//! Which vulnerabilities: the flags that `gna list` and `gna export` share.

use clap::Args;

use super::client::{PlaceArgs, Query};

#[derive(Args, Clone, Debug, Default)]
pub struct FilterArgs {
    #[command(flatten)]
    place: PlaceArgs,
    /// Words in title, path, package, address, identifier or tag
    #[arg(long, short = 'q', value_name = "WORDS")]
    text: Option<String>,
    /// submitted, open, rejected or closed; several with commas
    #[arg(long, value_name = "STATE")]
    state: Option<String>,
    /// info, low, medium, high or critical; several with commas
    #[arg(long, value_name = "LEVEL")]
    level: Option<String>,
    /// Score from which on, 0.0 to 10.0
    #[arg(long, value_name = "SCORE")]
    min_severity: Option<f64>,
    /// Id of an asset; several with commas
    #[arg(long, value_name = "ID")]
    asset: Option<String>,
    /// Name of a tool; several with commas
    #[arg(long, value_name = "NAME")]
    tool: Option<String>,
    #[arg(long, value_name = "TAG")]
    tag: Option<String>,
    /// Name of an environment that the place lies in; several with commas
    #[arg(long, value_name = "NAME")]
    environment: Option<String>,
    /// Number of a CWE; several with commas
    #[arg(long, value_name = "NUMBER")]
    cwe: Option<String>,
    /// CVE, GHSA or other public name; several with commas
    #[arg(long, value_name = "NAME")]
    cve: Option<String>,
    /// Name of a package, or its start with a * at the end
    #[arg(long, value_name = "NAME")]
    package: Option<String>,
    /// A piece of a path, or its start with a * at the end
    #[arg(long, value_name = "PATH")]
    path: Option<String>,
    /// On any ref, not only the default one
    #[arg(long)]
    any_ref: bool,
    /// Only those that every tool has set aside
    #[arg(long)]
    suppressed: bool,
}

impl FilterArgs {
    /// As parameters of the API.
    #[must_use]
    pub fn query(&self) -> Query {
        let flag = |on: bool| on.then(|| "true".to_owned());
        let optional = [
            ("q", self.text.clone()),
            ("state", self.state.clone()),
            ("level", self.level.clone()),
            (
                "min_severity",
                self.min_severity.map(|score| score.to_string()),
            ),
            ("asset", self.asset.clone()),
            ("tool", self.tool.clone()),
            ("tag", self.tag.clone()),
            ("environment", self.environment.clone()),
            ("cwe", self.cwe.clone()),
            ("cve", self.cve.clone()),
            ("package", self.package.clone()),
            ("path", self.path.clone()),
            ("any_ref", flag(self.any_ref)),
            ("suppressed", flag(self.suppressed)),
        ];
        let mut query = self.place.query();
        query.extend(
            optional
                .into_iter()
                .filter_map(|(name, value)| Some((name, value?))),
        );
        query
    }
}
